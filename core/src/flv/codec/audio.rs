//! Headers of FLAC, MP3 and Opus.

use super::bits::BitReader;
use super::{HeaderError, Sound};
use core::fmt;

/// The STREAMINFO of FLAC (RFC 9639, section 8.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlacStreamInfo {
    /// Sample rate in Hz.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u8,
}

impl FlacStreamInfo {
    /// Reads a STREAMINFO behind the signature of FLAC, or alone, as FFmpeg writes it.
    ///
    /// # Errors
    /// It is cut, has another signature or first block, or no sample rate.
    pub fn parse(record: &[u8]) -> Result<Self, HeaderError> {
        const STREAM_INFO_LEN: usize = 34;
        let stream_info = match record.strip_prefix(b"fLaC") {
            Some(rest) => {
                let (&[block_type, _, _, _], stream_info) =
                    rest.split_first_chunk().ok_or(HeaderError::Truncated)?;
                if block_type & 0x7f != 0 {
                    return Err(HeaderError::Unexpected);
                }
                stream_info
            }
            None if record.len() == STREAM_INFO_LEN => record,
            None => return Err(HeaderError::Unexpected),
        };
        let mut reader = BitReader::new(stream_info);
        // The sizes of blocks and of frames.
        reader.skip(16 + 16 + 24 + 24)?;
        let sample_rate = reader.bits(20)?;
        let channels = reader.byte(3)?.saturating_add(1);
        if sample_rate == 0 {
            return Err(HeaderError::OutOfRange);
        }
        Ok(Self { sample_rate, channels })
    }
}

impl fmt::Display for FlacStreamInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FLAC {}", Sound { rate: self.sample_rate, channels: self.channels })
    }
}

/// The header of an MPEG audio frame (ISO/IEC 11172-3, 2.4.1.3; ISO/IEC 13818-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mp3Header {
    /// Layer: 1, 2 or 3.
    pub layer: u8,
    /// Sample rate in Hz.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u8,
}

impl Mp3Header {
    /// Reads the header at the front of a frame.
    ///
    /// # Errors
    /// It is cut, does not begin with the sync word, or has a reserved value.
    pub fn parse(frame: &[u8]) -> Result<Self, HeaderError> {
        let &[sync, version_layer, rates, modes] =
            frame.first_chunk().ok_or(HeaderError::Truncated)?;
        if sync != 0xff || version_layer & 0xe0 != 0xe0 {
            return Err(HeaderError::Unexpected);
        }
        let base_rate = match rates >> 2 & 3 {
            0 => 44_100,
            1 => 48_000,
            2 => 32_000,
            _ => return Err(HeaderError::OutOfRange),
        };
        let sample_rate = match version_layer >> 3 & 3 {
            0 => base_rate / 4,
            2 => base_rate / 2,
            3 => base_rate,
            _ => return Err(HeaderError::OutOfRange),
        };
        let layer = 4_u8.saturating_sub(version_layer >> 1 & 3);
        if layer == 4 || rates >> 4 == 15 {
            return Err(HeaderError::OutOfRange);
        }
        Ok(Self { layer, sample_rate, channels: if modes >> 6 == 3 { 1 } else { 2 } })
    }
}

impl fmt::Display for Mp3Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sound = Sound { rate: self.sample_rate, channels: self.channels };
        write!(f, "MP{} {sound}", self.layer)
    }
}

/// The identification header of Opus (RFC 7845, section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpusHead {
    /// Channels of the output.
    pub channels: u8,
    /// Samples at 48 kHz to drop from the start.
    pub pre_skip: u16,
    /// Sample rate of what was encoded in Hz, for information; 0 if not known.
    pub input_sample_rate: u32,
}

impl OpusHead {
    /// Reads a header.
    ///
    /// # Errors
    /// It is cut, has another signature or an incompatible version, or no channels.
    pub fn parse(record: &[u8]) -> Result<Self, HeaderError> {
        let rest = record.strip_prefix(b"OpusHead").ok_or(HeaderError::Unexpected)?;
        let &[version, channels, skip_low, skip_high, r0, r1, r2, r3, _, _, _] =
            rest.first_chunk().ok_or(HeaderError::Truncated)?;
        if version >> 4 != 0 {
            return Err(HeaderError::Version(version));
        }
        if channels == 0 {
            return Err(HeaderError::OutOfRange);
        }
        let pre_skip = u16::from_le_bytes([skip_low, skip_high]);
        Ok(Self { channels, pre_skip, input_sample_rate: u32::from_le_bytes([r0, r1, r2, r3]) })
    }
}

impl fmt::Display for OpusHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A decoder of Opus always gives 48 kHz.
        write!(f, "Opus {}", Sound { rate: 48_000, channels: self.channels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn flac_stream_info() {
        let mut record = *b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0b\xb8\x02\xf0";
        let info = FlacStreamInfo { sample_rate: 48_000, channels: 2 };
        assert_eq!(FlacStreamInfo::parse(&record), Ok(info));
        for len in 4..21 {
            assert_eq!(FlacStreamInfo::parse(&record[..len]), Err(HeaderError::Truncated));
        }
        record[4] = 1;
        assert_eq!(FlacStreamInfo::parse(&record), Err(HeaderError::Unexpected));
        let mut bare = [0; 34];
        bare[..14].copy_from_slice(&record[8..]);
        assert_eq!(FlacStreamInfo::parse(&bare), Ok(info));
        assert_eq!(FlacStreamInfo::parse(&bare[..33]), Err(HeaderError::Unexpected));
        assert_eq!(FlacStreamInfo::parse(&[0; 34]), Err(HeaderError::OutOfRange));
    }

    #[test]
    fn mp3_headers() {
        #[track_caller]
        fn check(frame: &[u8], expected: Result<(u8, u32, u8), HeaderError>) {
            let header = Mp3Header::parse(frame);
            assert_eq!(header.map(|mp3| (mp3.layer, mp3.sample_rate, mp3.channels)), expected);
        }
        check(&[0xff, 0xfb, 0x50, 0x64], Ok((3, 44_100, 2)));
        check(&[0xff, 0xf3, 0x64, 0xc0], Ok((3, 24_000, 1)));
        check(&[0xff, 0xe3, 0x68, 0xc0], Ok((3, 8_000, 1)));
        check(&[0xff, 0xfd, 0x54, 0x00], Ok((2, 48_000, 2)));
        check(&[0xff, 0xfb, 0x50], Err(HeaderError::Truncated));
        check(&[0xfe, 0xfb, 0x50, 0x64], Err(HeaderError::Unexpected));
        check(&[0xff, 0xeb, 0x50, 0x64], Err(HeaderError::OutOfRange));
        check(&[0xff, 0xf9, 0x50, 0x64], Err(HeaderError::OutOfRange));
        check(&[0xff, 0xfb, 0xf0, 0x64], Err(HeaderError::OutOfRange));
        check(&[0xff, 0xfb, 0x5c, 0x64], Err(HeaderError::OutOfRange));
    }

    #[test]
    fn opus_head() {
        let record = *b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        let head = OpusHead { channels: 2, pre_skip: 312, input_sample_rate: 48_000 };
        assert_eq!(OpusHead::parse(&record), Ok(head));
        assert_eq!(OpusHead::parse(&record[..18]), Err(HeaderError::Truncated));
        assert_eq!(OpusHead::parse(b"OpusTags"), Err(HeaderError::Unexpected));
        let changed = |at: usize, byte| {
            let mut record = record;
            record[at] = byte;
            OpusHead::parse(&record)
        };
        assert_eq!(changed(8, 0x10), Err(HeaderError::Version(0x10)));
        assert_eq!(changed(9, 0), Err(HeaderError::OutOfRange));
    }
}
