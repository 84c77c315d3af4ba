//! H.264: decoder configuration record (ISO/IEC 14496-15, 5.3.3.1) and sequence parameter set.

use super::bits::BitReader;
use super::{DIMENSION_MAX, FrameRate, HeaderError};
use core::fmt;

/// An AVCDecoderConfigurationRecord: the payload of a sequence header.
#[derive(Clone, Debug)]
pub struct AvcConfig<'a> {
    /// `AVCProfileIndication`.
    pub profile: u8,
    /// `profile_compatibility`: the constraint flags.
    pub compatibility: u8,
    /// `AVCLevelIndication`.
    pub level: u8,
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    pub nal_length_size: u8,
    sps: ParameterSets<'a>,
    pps: ParameterSets<'a>,
}

impl<'a> AvcConfig<'a> {
    /// Reads a record, without looking into its parameter sets.
    ///
    /// # Errors
    /// It is cut, of another version than 1, or has no sequence or no picture parameter set.
    pub fn parse(record: &'a [u8]) -> Result<Self, HeaderError> {
        let (&[version, profile, compatibility, level, length_size, sps_count], rest) =
            record.split_first_chunk().ok_or(HeaderError::Truncated)?;
        if version != 1 {
            return Err(HeaderError::Version(version));
        }
        let nal_length_size = (length_size & 3).saturating_add(1);
        if nal_length_size == 3 {
            return Err(HeaderError::NalLengthSize);
        }
        let (sps, rest) = ParameterSets::split(usize::from(sps_count & 0x1f), rest)?;
        let (&pps_count, rest) = rest.split_first().ok_or(HeaderError::Truncated)?;
        let (pps, _) = ParameterSets::split(usize::from(pps_count), rest)?;
        if sps.clone().next().is_none() || pps.clone().next().is_none() {
            return Err(HeaderError::MissingParameterSet);
        }
        Ok(Self { profile, compatibility, level, nal_length_size, sps, pps })
    }

    /// The sequence parameter sets, as NAL units; at least one.
    #[must_use]
    pub fn sps(&self) -> ParameterSets<'a> {
        self.sps.clone()
    }

    /// The picture parameter sets, as NAL units; at least one.
    #[must_use]
    pub fn pps(&self) -> ParameterSets<'a> {
        self.pps.clone()
    }
}

/// NAL units with 16-bit lengths, as decoder configuration records hold them.
#[derive(Clone, Debug)]
pub struct ParameterSets<'a> {
    rest: &'a [u8],
}

impl<'a> ParameterSets<'a> {
    /// Splits `count` units from the front of `bytes`.
    pub(super) fn split(count: usize, bytes: &'a [u8]) -> Result<(Self, &'a [u8]), HeaderError> {
        let mut rest = bytes;
        for _ in 0..count {
            take_unit(&mut rest).ok_or(HeaderError::Truncated)?;
        }
        let len = bytes.len().saturating_sub(rest.len());
        Ok((Self { rest: bytes.get(..len).unwrap_or_default() }, rest))
    }
}

impl<'a> Iterator for ParameterSets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        take_unit(&mut self.rest)
    }
}

fn take_unit<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first_chunk()?;
    let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    *rest = after;
    Some(unit)
}

/// What a sequence parameter set says of the picture (H.264, sections 7.3.2.1.1 and E.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sps {
    /// `profile_idc`.
    pub profile: u8,
    /// The constraint flags, `constraint_set0_flag` highest.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// Frame rate, if it is in there.
    pub frame_rate: Option<FrameRate>,
}

impl Sps {
    /// Reads a NAL unit that is a sequence parameter set.
    ///
    /// # Errors
    /// It is cut before its picture size, or has a field that no legal one has.
    pub fn parse(unit: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = BitReader::of_nal_unit(unit);
        if reader.byte(8)? & 0x1f != 7 {
            return Err(HeaderError::Unexpected);
        }
        let (profile, constraints, level) = (reader.byte(8)?, reader.byte(8)?, reader.byte(8)?);
        reader.unsigned_golomb_max(31)?;
        let chroma = if has_chroma_format(profile) { read_chroma(&mut reader)? } else { 1 };
        skip_order_count(&mut reader)?;
        // max_num_ref_frames, gaps_in_frame_num_value_allowed_flag.
        reader.unsigned_golomb()?;
        reader.skip(1)?;
        let (width, height) = read_size(&mut reader, chroma)?;
        // What follows is of no use to a decoder: its lack does not make the set bad.
        let frame_rate = read_frame_rate(&mut reader).unwrap_or_default();
        Ok(Self { profile, constraints, level, width, height, frame_rate })
    }
}

impl fmt::Display for Sps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("H.264 ")?;
        match self.profile {
            44 => f.write_str("CAVLC 4:4:4 Intra"),
            66 if self.constraints & 0x40 != 0 => f.write_str("Constrained Baseline"),
            66 => f.write_str("Baseline"),
            77 => f.write_str("Main"),
            88 => f.write_str("Extended"),
            100 => f.write_str("High"),
            110 => f.write_str("High 10"),
            122 => f.write_str("High 4:2:2"),
            244 => f.write_str("High 4:4:4 Predictive"),
            profile => write!(f, "profile {profile}"),
        }?;
        let is_1b = match self.profile {
            66 | 77 | 88 => self.level == 11 && self.constraints & 0x10 != 0,
            _ => self.level == 9,
        };
        match self.level {
            _ if is_1b => f.write_str(" 1b"),
            level => write!(f, " {}.{}", level / 10, level % 10),
        }?;
        write!(f, " {}x{}", self.width, self.height)?;
        match self.frame_rate {
            Some(rate) => write!(f, " {rate} fps"),
            None => Ok(()),
        }
    }
}

/// The profiles whose sets have a chroma format, bit depths and scaling lists.
const fn has_chroma_format(profile: u8) -> bool {
    matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244)
}

/// Reads from `chroma_format_idc` to the scaling lists; gives ChromaArrayType.
fn read_chroma(reader: &mut BitReader<'_>) -> Result<u32, HeaderError> {
    let chroma_format = reader.unsigned_golomb_max(3)?;
    let separate_planes = chroma_format == 3 && reader.flag()?;
    reader.unsigned_golomb_max(6)?;
    reader.unsigned_golomb_max(6)?;
    reader.skip(1)?;
    if reader.flag()? {
        for list in 0..if chroma_format == 3 { 12 } else { 8 } {
            if reader.flag()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(if separate_planes { 0 } else { chroma_format })
}

fn skip_scaling_list(reader: &mut BitReader<'_>, size: u8) -> Result<(), HeaderError> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            let delta = reader.signed_golomb()?;
            next = last.saturating_add(delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

/// Skips the frame number and picture order count fields.
fn skip_order_count(reader: &mut BitReader<'_>) -> Result<(), HeaderError> {
    reader.unsigned_golomb_max(12)?;
    match reader.unsigned_golomb_max(2)? {
        0 => {
            reader.unsigned_golomb_max(12)?;
        }
        1 => {
            reader.skip(1)?;
            reader.signed_golomb()?;
            reader.signed_golomb()?;
            for _ in 0..reader.unsigned_golomb_max(255)? {
                reader.signed_golomb()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reads from `pic_width_in_mbs_minus1` to the cropping; gives width and height in pixels.
fn read_size(reader: &mut BitReader<'_>, chroma: u32) -> Result<(u32, u32), HeaderError> {
    let width = u64::from(reader.unsigned_golomb()?).saturating_add(1).saturating_mul(16);
    let map_units = u64::from(reader.unsigned_golomb()?).saturating_add(1);
    let frame_mbs_only = reader.flag()?;
    if !frame_mbs_only {
        reader.skip(1)?;
    }
    let field_factor = if frame_mbs_only { 1 } else { 2 };
    let height = map_units.saturating_mul(16).saturating_mul(field_factor);
    reader.skip(1)?;
    let crop = Cropping::read(reader)?;
    let unit_width = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_height = if chroma == 1 { 2 } else { 1_u64 }.saturating_mul(field_factor);
    Ok((crop.width(width, unit_width)?, crop.height(height, unit_height)?))
}

/// The part of the picture that is not shown, in units that depend on the chroma format.
pub(super) struct Cropping {
    horizontal: u64,
    vertical: u64,
}

impl Cropping {
    /// Reads a flag and the offsets left, right, top and bottom.
    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, HeaderError> {
        if !reader.flag()? {
            return Ok(Self { horizontal: 0, vertical: 0 });
        }
        let mut pair = || {
            let (first, second) = (reader.unsigned_golomb()?, reader.unsigned_golomb()?);
            Ok(u64::from(first).saturating_add(u64::from(second)))
        };
        Ok(Self { horizontal: pair()?, vertical: pair()? })
    }

    /// The width that is left of `coded`.
    pub(super) fn width(&self, coded: u64, unit: u64) -> Result<u32, HeaderError> {
        cropped(coded, self.horizontal.saturating_mul(unit))
    }

    /// The height that is left of `coded`.
    pub(super) fn height(&self, coded: u64, unit: u64) -> Result<u32, HeaderError> {
        cropped(coded, self.vertical.saturating_mul(unit))
    }
}

fn cropped(coded: u64, crop: u64) -> Result<u32, HeaderError> {
    let left = coded.checked_sub(crop).and_then(|left| u32::try_from(left).ok());
    left.filter(|left| (1..=DIMENSION_MAX).contains(left)).ok_or(HeaderError::Dimensions)
}

/// Reads the video usability information up to its timing.
fn read_frame_rate(reader: &mut BitReader<'_>) -> Result<Option<FrameRate>, HeaderError> {
    const EXTENDED_SAR: u8 = 255;
    if !reader.flag()? {
        return Ok(None);
    }
    if reader.flag()? && reader.byte(8)? == EXTENDED_SAR {
        reader.skip(32)?;
    }
    if reader.flag()? {
        reader.skip(1)?;
    }
    if reader.flag()? {
        reader.skip(4)?;
        if reader.flag()? {
            reader.skip(24)?;
        }
    }
    if reader.flag()? {
        reader.unsigned_golomb()?;
        reader.unsigned_golomb()?;
    }
    if !reader.flag()? {
        return Ok(None);
    }
    // A tick is the time of one field: a frame has two.
    let (ticks, time_scale) = (reader.bits(32)?, reader.bits(32)?);
    let denominator = ticks.checked_mul(2).filter(|denominator| *denominator > 0);
    Ok(denominator.map(|denominator| FrameRate { numerator: time_scale, denominator }))
}

#[cfg(test)]
mod tests;
