//! Audio frames as elementary streams: AAC in ADTS, MP3, AC-3, E-AC-3 and Opus.

use super::Skip;
use super::tables::StreamType;
use crate::flv::codec::HeaderError;
use crate::flv::codec::aac::AudioSpecificConfig;
use crate::flv::codec::audio::{Mp3Header, OpusHead};
use crate::flv::tag::Codec;
use bytes::{BufMut as _, BytesMut};

/// An audio track: what its sequence header or its first frame says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AudioTrack {
    Aac(AudioSpecificConfig),
    Ac3,
    Eac3,
    Mp3 { is_mpeg1: bool },
    Opus { channels: u8 },
}

/// How long a frame sounds: `samples` at `rate` Hz.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sounding {
    pub(super) samples: u32,
    pub(super) rate: u32,
}

impl AudioTrack {
    /// Reads the sequence header of a codec that has one.
    pub(super) fn of_header(codec: Codec, record: &[u8]) -> Result<Self, Skip> {
        let bad = |error| Skip::BadHeader(codec, error);
        #[expect(clippy::wildcard_enum_match_arm, reason = "other codecs are not carried")]
        match codec {
            Codec::Aac => {
                let config = AudioSpecificConfig::parse(record).map_err(bad)?;
                match config.adts_header(0) {
                    Some(_) => Ok(Self::Aac(config)),
                    None => Err(Skip::NotExpressible(codec)),
                }
            }
            Codec::Opus => {
                let head = OpusHead::parse(record).map_err(bad)?;
                Ok(Self::Opus { channels: head.channels })
            }
            Codec::Ac3 => Ok(Self::Ac3),
            Codec::Eac3 => Ok(Self::Eac3),
            codec => Err(Skip::NotCarried(codec)),
        }
    }

    /// Reads a frame of a codec that has no sequence header; `None` when it has one.
    pub(super) fn of_frame(codec: Codec, frame: &[u8]) -> Result<Option<Self>, Skip> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "other codecs are not carried")]
        match codec {
            Codec::Aac | Codec::Opus => Ok(None),
            Codec::Ac3 => Ok(Some(Self::Ac3)),
            Codec::Eac3 => Ok(Some(Self::Eac3)),
            Codec::Mp3 => {
                let header = Mp3Header::parse(frame);
                let header = header.map_err(|error| Skip::BadFrame(codec, error))?;
                Ok(Some(Self::Mp3 { is_mpeg1: header.sample_rate >= 32_000 }))
            }
            codec => Err(Skip::NotCarried(codec)),
        }
    }

    pub(super) const fn codec(&self) -> Codec {
        match self {
            Self::Aac(_) => Codec::Aac,
            Self::Ac3 => Codec::Ac3,
            Self::Eac3 => Codec::Eac3,
            Self::Mp3 { .. } => Codec::Mp3,
            Self::Opus { .. } => Codec::Opus,
        }
    }

    pub(super) const fn stream_type(&self) -> StreamType {
        match self {
            Self::Aac(_) => StreamType::Aac,
            Self::Ac3 => StreamType::Ac3,
            Self::Eac3 => StreamType::Eac3,
            Self::Mp3 { is_mpeg1: true } => StreamType::Mpeg1Audio,
            Self::Mp3 { is_mpeg1: false } => StreamType::Mpeg2Audio,
            Self::Opus { channels } => StreamType::Opus(*channels),
        }
    }

    /// Says how long a frame sounds; an error when it cannot be carried.
    pub(super) fn sounding(&self, frame: &[u8]) -> Result<Sounding, Skip> {
        let bad = |error| Skip::BadFrame(self.codec(), error);
        match self {
            Self::Aac(config) => {
                if frame.is_empty() {
                    return Err(bad(HeaderError::Truncated));
                }
                match config.adts_header(frame.len()) {
                    Some(_) => Ok(Sounding { samples: 1_024, rate: config.sample_rate }),
                    None => Err(Skip::FrameTooLong(Codec::Aac)),
                }
            }
            Self::Ac3 | Self::Eac3 => dolby(frame).map_err(bad),
            Self::Mp3 { .. } => {
                let header = Mp3Header::parse(frame).map_err(bad)?;
                let samples = match (header.layer, header.sample_rate >= 32_000) {
                    (1, _) => 384,
                    (3, false) => 576,
                    _ => 1_152,
                };
                Ok(Sounding { samples, rate: header.sample_rate })
            }
            Self::Opus { .. } => {
                if frame.len() > OPUS_FRAME_LEN_MAX {
                    return Err(Skip::FrameTooLong(Codec::Opus));
                }
                opus(frame).map_err(bad)
            }
        }
    }

    /// Appends a frame with its framing.
    pub(super) fn write(&self, frame: &[u8], out: &mut BytesMut) {
        match self {
            Self::Aac(config) => {
                out.extend_from_slice(&config.adts_header(frame.len()).unwrap_or_default());
            }
            Self::Opus { .. } => {
                // Prefix, no trims, no extension; then the size as bytes that add up to it.
                out.put_u16(0x7fe0);
                out.put_bytes(0xff, frame.len() / 255);
                out.put_u8(u8::try_from(frame.len() % 255).unwrap_or_default());
            }
            Self::Ac3 | Self::Eac3 | Self::Mp3 { .. } => {}
        }
        out.extend_from_slice(frame);
    }
}

/// Bytes of an Opus packet: 120 ms of frames of 1,275 bytes (RFC 6716, section 3.2.5), rounded up.
const OPUS_FRAME_LEN_MAX: usize = 64 << 10;

/// The length of an AC-3 or E-AC-3 frame (ATSC A/52, sections 5.3 and E.1.2).
fn dolby(frame: &[u8]) -> Result<Sounding, HeaderError> {
    let &[sync_high, sync_low, _, _, codes, modes] =
        frame.first_chunk().ok_or(HeaderError::Truncated)?;
    if [sync_high, sync_low] != [0x0b, 0x77] {
        return Err(HeaderError::Unexpected);
    }
    let is_enhanced = modes >> 3 > 10;
    let rate = match codes >> 6 {
        0 => 48_000,
        1 => 44_100,
        2 => 32_000,
        // Half rates of E-AC-3, always in six blocks.
        _ if is_enhanced => {
            let rate = match codes >> 4 & 3 {
                0 => 24_000,
                1 => 22_050,
                2 => 16_000,
                _ => return Err(HeaderError::OutOfRange),
            };
            return Ok(Sounding { samples: 1_536, rate });
        }
        _ => return Err(HeaderError::OutOfRange),
    };
    let samples = match codes >> 4 & 3 {
        0 if is_enhanced => 256,
        1 if is_enhanced => 512,
        2 if is_enhanced => 768,
        _ => 1_536,
    };
    Ok(Sounding { samples, rate })
}

/// The length of an Opus packet by its table of contents (RFC 6716, section 3.1).
fn opus(frame: &[u8]) -> Result<Sounding, HeaderError> {
    let (&contents, rest) = frame.split_first().ok_or(HeaderError::Truncated)?;
    let samples: u32 = match contents >> 3 {
        0 | 4 | 8 | 12 | 14 | 18 | 22 | 26 | 30 => 480,
        1 | 5 | 9 | 13 | 15 | 19 | 23 | 27 | 31 => 960,
        2 | 6 | 10 => 1_920,
        3 | 7 | 11 => 2_880,
        16 | 20 | 24 | 28 => 120,
        _ => 240,
    };
    let frames = match contents & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first().ok_or(HeaderError::Truncated)? & 0x3f),
    };
    Ok(Sounding { samples: samples.saturating_mul(frames), rate: 48_000 })
}
