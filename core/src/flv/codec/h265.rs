//! HEVC: decoder configuration record (ISO/IEC 14496-15, 8.3.3.1) and sequence parameter set.

use super::HeaderError;
use super::bits::BitReader;
use super::h264::{Cropping, ParameterSets};
use core::fmt;

/// An HEVCDecoderConfigurationRecord: the payload of a sequence header.
#[derive(Clone, Debug)]
pub struct HevcConfig<'a> {
    /// `general_profile_idc`.
    pub profile: u8,
    /// `general_tier_flag`: the high tier.
    pub is_high_tier: bool,
    /// `general_level_idc`: 30 times the level.
    pub level: u8,
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    pub nal_length_size: u8,
    arrays: ParameterSetArrays<'a>,
    sps: &'a [u8],
}

impl<'a> HevcConfig<'a> {
    /// Reads a record, without looking into its parameter sets.
    ///
    /// # Errors
    /// It is cut, of a version above 1, or has no sequence parameter set.
    pub fn parse(record: &'a [u8]) -> Result<Self, HeaderError> {
        let (fixed, rest) = record.split_first_chunk::<23>().ok_or(HeaderError::Truncated)?;
        let &[version, space_tier_profile, _, _, _, _, _, _, _, _, _, _, level, ..] = fixed;
        let &[.., length_size, array_count] = fixed;
        // Version 0 is the one of a draft, and otherwise the same.
        if version > 1 {
            return Err(HeaderError::Version(version));
        }
        let nal_length_size = (length_size & 3).saturating_add(1);
        if nal_length_size == 3 {
            return Err(HeaderError::NalLengthSize);
        }
        let arrays = ParameterSetArrays::split(array_count, rest)?;
        let sps = arrays
            .clone()
            .find_map(|(unit_type, mut units)| if unit_type == SPS { units.next() } else { None })
            .ok_or(HeaderError::MissingParameterSet)?;
        Ok(Self {
            profile: space_tier_profile & 0x1f,
            is_high_tier: space_tier_profile & 0x20 != 0,
            level,
            nal_length_size,
            arrays,
            sps,
        })
    }

    /// The arrays of NAL units: the type of the units (32 VPS, 33 SPS, 34 PPS, 39 SEI) and them.
    #[must_use]
    pub fn arrays(&self) -> ParameterSetArrays<'a> {
        self.arrays.clone()
    }

    /// The first sequence parameter set, as a NAL unit.
    #[must_use]
    pub const fn sps(&self) -> &'a [u8] {
        self.sps
    }
}

impl fmt::Display for HevcConfig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.profile {
            1 => f.write_str("HEVC Main"),
            2 => f.write_str("HEVC Main 10"),
            3 => f.write_str("HEVC Main Still Picture"),
            4 => f.write_str("HEVC Range Extensions"),
            profile => write!(f, "HEVC profile {profile}"),
        }?;
        let tenths = self.level / 3;
        write!(f, " {}.{}", tenths / 10, tenths % 10)?;
        if self.is_high_tier {
            f.write_str(" high tier")?;
        }
        match Sps::parse(self.sps) {
            Ok(sps) => write!(f, " {}x{}", sps.width, sps.height),
            Err(error) => write!(f, " (size unknown: {error})"),
        }
    }
}

/// Arrays of NAL units of one type each.
#[derive(Clone, Debug)]
pub struct ParameterSetArrays<'a> {
    count: u8,
    rest: &'a [u8],
}

impl<'a> ParameterSetArrays<'a> {
    fn split(count: u8, rest: &'a [u8]) -> Result<Self, HeaderError> {
        let arrays = Self { count, rest };
        let mut check = arrays.clone();
        while check.count > 0 {
            check.take_array()?;
        }
        Ok(arrays)
    }

    fn take_array(&mut self) -> Result<(u8, ParameterSets<'a>), HeaderError> {
        let (&[unit_type, high, low], rest) =
            self.rest.split_first_chunk().ok_or(HeaderError::Truncated)?;
        let units = usize::from(u16::from_be_bytes([high, low]));
        let (units, rest) = ParameterSets::split(units, rest)?;
        self.rest = rest;
        self.count = self.count.saturating_sub(1);
        Ok((unit_type & 0x3f, units))
    }
}

impl<'a> Iterator for ParameterSetArrays<'a> {
    type Item = (u8, ParameterSets<'a>);

    fn next(&mut self) -> Option<(u8, ParameterSets<'a>)> {
        if self.count == 0 { None } else { self.take_array().ok() }
    }
}

/// What a sequence parameter set says of the picture (H.265, section 7.3.2.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sps {
    /// Width in pixels inside of the conformance window.
    pub width: u32,
    /// Height in pixels inside of the conformance window.
    pub height: u32,
}

impl Sps {
    /// Reads a NAL unit that is a sequence parameter set.
    ///
    /// # Errors
    /// It is cut before its picture size, or has a field that no legal one has.
    pub fn parse(unit: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = BitReader::of_nal_unit(unit);
        if reader.bits(16)? >> 9 & 0x3f != u32::from(SPS) {
            return Err(HeaderError::Unexpected);
        }
        reader.skip(4)?;
        let sub_layers = reader.byte(3)?;
        if sub_layers > 6 {
            return Err(HeaderError::OutOfRange);
        }
        reader.skip(1)?;
        skip_profile_tier_level(&mut reader, sub_layers)?;
        reader.unsigned_golomb_max(15)?;
        let chroma_format = reader.unsigned_golomb_max(3)?;
        let separate_planes = chroma_format == 3 && reader.flag()?;
        let width = u64::from(reader.unsigned_golomb()?);
        let height = u64::from(reader.unsigned_golomb()?);
        let window = Cropping::read(&mut reader)?;
        let unit_width = if matches!(chroma_format, 1 | 2) && !separate_planes { 2 } else { 1 };
        let unit_height = if chroma_format == 1 { 2 } else { 1 };
        Ok(Self {
            width: window.width(width, unit_width)?,
            height: window.height(height, unit_height)?,
        })
    }
}

/// The NAL unit type of a sequence parameter set.
const SPS: u8 = 33;

/// Skips the general part and the sub-layers (section 7.3.3).
fn skip_profile_tier_level(reader: &mut BitReader<'_>, layers: u8) -> Result<(), HeaderError> {
    const PROFILE_BITS: u32 = 88;
    const LEVEL_BITS: u32 = 8;
    reader.skip(PROFILE_BITS.saturating_add(LEVEL_BITS))?;
    if layers == 0 {
        return Ok(());
    }
    // Two flags for each of eight layers; those of absent ones are zero.
    let flags = reader.bits(16)?;
    for layer in 0..u32::from(layers) {
        let flags = flags.checked_shr(14_u32.saturating_sub(layer.saturating_mul(2)));
        let flags = flags.unwrap_or_default();
        if flags & 2 != 0 {
            reader.skip(PROFILE_BITS)?;
        }
        if flags & 1 != 0 {
            reader.skip(LEVEL_BITS)?;
        }
    }
    Ok(())
}
