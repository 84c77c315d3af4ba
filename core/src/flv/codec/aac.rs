//! AAC: the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).

use super::bits::BitReader;
use super::{HeaderError, Sound};
use core::fmt;

/// Bytes of an ADTS header without a checksum.
pub const ADTS_HEADER_LEN: usize = 7;

/// What an AudioSpecificConfig says of the sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioSpecificConfig {
    /// The audio object type of the core coder: 2 is LC.
    pub object_type: u8,
    /// Sample rate of the core coder in Hz.
    pub sample_rate: u32,
    /// `samplingFrequencyIndex` of the core coder; `None` for a rate that has no index.
    pub sampling_index: Option<u8>,
    /// Sample rate with spectral band replication in Hz: HE-AAC.
    pub extension_rate: Option<u32>,
    /// Parametric stereo: HE-AAC version 2.
    pub has_parametric_stereo: bool,
    /// `channelConfiguration`; 0 when a program configuration tells the channels.
    pub channel_configuration: u8,
    /// Channels of the core coder.
    pub channels: u8,
}

impl AudioSpecificConfig {
    /// Reads a configuration, and the extension behind it that older decoders do not see.
    ///
    /// # Errors
    /// It is cut, or has a reserved sample rate or channel configuration, or no channels.
    pub fn parse(record: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = BitReader::new(record);
        let mut object_type = read_object_type(&mut reader)?;
        let (sampling_index, sample_rate) = read_sample_rate(&mut reader)?;
        let channel_configuration = reader.byte(4)?;
        let has_parametric_stereo = object_type == PARAMETRIC_STEREO;
        let mut extension_rate = None;
        if matches!(object_type, SPECTRAL_BAND_REPLICATION | PARAMETRIC_STEREO) {
            extension_rate = Some(read_sample_rate(&mut reader)?.1);
            object_type = read_object_type(&mut reader)?;
            if object_type == 22 {
                reader.skip(4)?;
            }
        }
        let mut config = Self {
            object_type,
            sample_rate,
            sampling_index,
            extension_rate,
            has_parametric_stereo,
            channel_configuration,
            channels: channels_of(channel_configuration)?,
        };
        if is_general_audio(object_type) {
            let channels = read_general_audio(&mut reader, object_type, channel_configuration);
            if channel_configuration == 0 {
                config.channels = channels?;
            }
            if extension_rate.is_none()
                && let Ok(Some(extension)) = read_extension(&mut reader)
            {
                config.extension_rate = Some(extension.0);
                config.has_parametric_stereo = extension.1;
            }
        }
        if config.channels == 0 {
            return Err(HeaderError::OutOfRange);
        }
        Ok(config)
    }

    /// The ADTS header of one frame; `None` if the stream or the frame does not fit into ADTS,
    /// whose frames have at most 8,191 bytes with their header.
    #[must_use]
    pub fn adts_header(&self, frame_len: usize) -> Option<[u8; ADTS_HEADER_LEN]> {
        let len = u32::try_from(frame_len.checked_add(ADTS_HEADER_LEN)?).ok()?;
        let profile = self.object_type.checked_sub(1).filter(|profile| *profile < 4)?;
        let index = self.sampling_index?;
        let channels = self.channel_configuration;
        if len > 0x1fff || !(1..=7).contains(&channels) {
            return None;
        }
        let [_, _, len_high, len_low] = len.to_be_bytes();
        Some([
            0xff,
            0xf1,
            profile << 6 | index << 2 | channels >> 2,
            channels << 6 | len_high >> 3,
            len_high << 5 | len_low >> 3,
            len_low << 5 | 0x1f,
            0xfc,
        ])
    }
}

impl fmt::Display for AudioSpecificConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.has_parametric_stereo, self.extension_rate, self.object_type) {
            (true, ..) => f.write_str("AAC HE v2"),
            (false, Some(_), _) => f.write_str("AAC HE"),
            (false, None, 1) => f.write_str("AAC Main"),
            (false, None, 2) => f.write_str("AAC LC"),
            (false, None, 3) => f.write_str("AAC SSR"),
            (false, None, 4) => f.write_str("AAC LTP"),
            (false, None, 23) => f.write_str("AAC LD"),
            (false, None, 39) => f.write_str("AAC ELD"),
            (false, None, 42) => f.write_str("xHE-AAC"),
            (false, None, object_type) => write!(f, "AAC object type {object_type}"),
        }?;
        let rate = self.extension_rate.unwrap_or(self.sample_rate);
        let channels = if self.has_parametric_stereo { 2 } else { self.channels };
        write!(f, " {}", Sound { rate, channels })
    }
}

const SPECTRAL_BAND_REPLICATION: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;

/// The object types that are followed by a GASpecificConfig.
const fn is_general_audio(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23)
}

fn read_object_type(reader: &mut BitReader<'_>) -> Result<u8, HeaderError> {
    const ESCAPE: u8 = 31;
    match reader.byte(5)? {
        ESCAPE => Ok(reader.byte(6)?.saturating_add(32)),
        object_type => Ok(object_type),
    }
}

fn read_sample_rate(reader: &mut BitReader<'_>) -> Result<(Option<u8>, u32), HeaderError> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    const EXPLICIT: u8 = 15;
    match reader.byte(4)? {
        EXPLICIT => match reader.bits(24)? {
            0 => Err(HeaderError::OutOfRange),
            rate => Ok((None, rate)),
        },
        index => {
            let rate = RATES.get(usize::from(index)).ok_or(HeaderError::OutOfRange)?;
            Ok((Some(index), *rate))
        }
    }
}

/// Channels of a `channelConfiguration` (table 1.19); 0 of configuration 0.
const fn channels_of(configuration: u8) -> Result<u8, HeaderError> {
    match configuration {
        0..=6 => Ok(configuration),
        7 | 12 | 14 => Ok(8),
        11 => Ok(7),
        13 => Ok(24),
        _ => Err(HeaderError::OutOfRange),
    }
}

/// Reads a GASpecificConfig; gives the channels of its program configuration, or 0.
fn read_general_audio(
    reader: &mut BitReader<'_>,
    object_type: u8,
    channel_configuration: u8,
) -> Result<u8, HeaderError> {
    reader.skip(1)?;
    if reader.flag()? {
        reader.skip(14)?;
    }
    let has_extension = reader.flag()?;
    let channels = match channel_configuration {
        0 => read_program_configuration(reader)?,
        _ => 0,
    };
    if matches!(object_type, 6 | 20) {
        reader.skip(3)?;
    }
    if has_extension {
        match object_type {
            22 => reader.skip(16)?,
            17 | 19 | 20 | 23 => reader.skip(3)?,
            _ => {}
        }
        reader.skip(1)?;
    }
    Ok(channels)
}

/// Reads the backward compatible signalling of HE-AAC: its rate, and whether it has parametric
/// stereo. Most streams have nothing there.
fn read_extension(reader: &mut BitReader<'_>) -> Result<Option<(u32, bool)>, HeaderError> {
    const SYNC_REPLICATION: u32 = 0x2b7;
    const SYNC_STEREO: u32 = 0x548;
    if reader.bits(11)? != SYNC_REPLICATION
        || read_object_type(reader)? != SPECTRAL_BAND_REPLICATION
        || !reader.flag()?
    {
        return Ok(None);
    }
    let (_, rate) = read_sample_rate(reader)?;
    let has_stereo = reader.bits(11) == Ok(SYNC_STEREO) && reader.flag() == Ok(true);
    Ok(Some((rate, has_stereo)))
}

/// Counts the channels of a program_config_element (section 4.4.1.1).
fn read_program_configuration(reader: &mut BitReader<'_>) -> Result<u8, HeaderError> {
    reader.skip(10)?;
    let main_elements = [reader.byte(4)?, reader.byte(4)?, reader.byte(4)?];
    let (low_frequency, data, coupling) = (reader.byte(2)?, reader.byte(3)?, reader.byte(4)?);
    for mixdown_bits in [4, 4, 3] {
        if reader.flag()? {
            reader.skip(mixdown_bits)?;
        }
    }
    let mut channels = low_frequency;
    for elements in main_elements {
        for _ in 0..elements {
            channels = channels.saturating_add(if reader.flag()? { 2 } else { 1 });
            reader.skip(4)?;
        }
    }
    for _ in 0..low_frequency.saturating_add(data) {
        reader.skip(4)?;
    }
    for _ in 0..coupling {
        reader.skip(5)?;
    }
    reader.align();
    let comment_len = reader.byte(8)?;
    reader.skip(u32::from(comment_len).saturating_mul(8))?;
    Ok(channels)
}

#[cfg(test)]
mod tests;
