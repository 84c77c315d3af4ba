//! AV1: the codec configuration record (AV1 in ISOBMFF, section 2.3).

use super::HeaderError;
use core::fmt;

/// The fixed part of an AV1CodecConfigurationRecord.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Av1Config {
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx_0`; 31 has no limits.
    pub level_index: u8,
    /// `seq_tier_0`: the high tier.
    pub is_high_tier: bool,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
}

impl Av1Config {
    /// Reads a record, without looking into its OBUs.
    ///
    /// # Errors
    /// It is cut or has no marker, or is of another version than 1.
    pub fn parse(record: &[u8]) -> Result<Self, HeaderError> {
        let &[marker_version, profile_level, flags, _] =
            record.first_chunk().ok_or(HeaderError::Truncated)?;
        if marker_version & 0x80 == 0 {
            return Err(HeaderError::Unexpected);
        }
        if marker_version & 0x7f != 1 {
            return Err(HeaderError::Version(marker_version & 0x7f));
        }
        if profile_level >> 5 > 2 {
            return Err(HeaderError::OutOfRange);
        }
        Ok(Self {
            profile: profile_level >> 5,
            level_index: profile_level & 0x1f,
            is_high_tier: flags & 0x80 != 0,
            bit_depth: match flags >> 5 & 3 {
                0 | 1 => 8,
                2 => 10,
                _ => 12,
            },
        })
    }
}

impl fmt::Display for Av1Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.profile {
            0 => "AV1 Main",
            1 => "AV1 High",
            _ => "AV1 Professional",
        })?;
        match self.level_index {
            31 => f.write_str(" without level")?,
            index => write!(f, " {}.{}", (index >> 2).saturating_add(2), index & 3)?,
        }
        let tier = if self.is_high_tier { " high tier" } else { "" };
        write!(f, "{tier} {} bit", self.bit_depth)
    }
}
