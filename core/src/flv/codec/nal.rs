//! NAL units of one coded frame: with length prefixes, or with start codes.

use super::HeaderError;

/// Finds the NAL units of a coded frame of H.264, HEVC or VVC.
///
/// `length_size` is the size of the length prefixes by the decoder configuration record, in bytes.
/// Some encoders send start codes (Annex B) in their place; they are told apart by the lengths,
/// which must fill the frame exactly. Empty units are left out.
///
/// # Errors
/// The lengths do not fit the frame, and it does not begin with a start code either.
pub fn nal_units(frame: &[u8], length_size: u8) -> Result<NalUnits<'_>, HeaderError> {
    if !matches!(length_size, 1 | 2 | 4) {
        return Err(HeaderError::NalLengthSize);
    }
    let mut lengths = frame;
    while !lengths.is_empty() {
        if take_unit(&mut lengths, length_size).is_none() {
            return annex_b(frame);
        }
    }
    Ok(NalUnits { rest: frame, framing: Framing::Lengths { size: length_size } })
}

/// The NAL units of one coded frame, in their order.
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    rest: &'a [u8],
    framing: Framing,
}

impl NalUnits<'_> {
    /// The frame has start codes where FLV asks for lengths.
    #[must_use]
    pub const fn is_annex_b(&self) -> bool {
        matches!(self.framing, Framing::StartCodes)
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let unit = match self.framing {
                Framing::Lengths { size } => take_unit(&mut self.rest, size)?,
                Framing::StartCodes => {
                    if self.rest.is_empty() {
                        return None;
                    }
                    let (unit, rest) = split_start_code(self.rest);
                    self.rest = rest;
                    trim_zeros(unit)
                }
            };
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Lengths { size: u8 },
    StartCodes,
}

fn take_unit<'a>(rest: &mut &'a [u8], length_size: u8) -> Option<&'a [u8]> {
    let (prefix, after) = rest.split_at_checked(usize::from(length_size))?;
    let len = prefix.iter().fold(0_u32, |len, byte| len << 8 | u32::from(*byte));
    let (unit, after) = after.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = after;
    Some(unit)
}

fn annex_b(frame: &[u8]) -> Result<NalUnits<'_>, HeaderError> {
    let after_zero = frame.strip_prefix(&[0]).unwrap_or(frame);
    match after_zero.strip_prefix(&[0, 0, 1]).or_else(|| frame.strip_prefix(&[0, 0, 1])) {
        Some(rest) => Ok(NalUnits { rest, framing: Framing::StartCodes }),
        None => Err(HeaderError::Truncated),
    }
}

/// The bytes before and after the first start code.
fn split_start_code(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(3).position(|window| window == [0, 0, 1]);
    let Some((unit, rest)) = at.and_then(|at| bytes.split_at_checked(at)) else {
        return (bytes, &[]);
    };
    (unit, rest.get(3..).unwrap_or_default())
}

/// A unit never ends with a zero byte; what stands there belongs to the next start code.
fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |at| at.saturating_add(1));
    unit.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use pretty_assertions::assert_eq;

    #[track_caller]
    fn check(frame: &[u8], length_size: u8, expected: Result<&[&[u8]], HeaderError>) {
        let units: Result<Vec<&[u8]>, _> =
            nal_units(frame, length_size).map(|units| units.collect());
        assert_eq!(units, expected.map(<[_]>::to_vec));
    }

    #[test]
    fn units_of_each_framing() {
        check(&[0, 0, 0, 2, 9, 8, 0, 0, 0, 1, 7], 4, Ok(&[&[9, 8], &[7]]));
        check(&[0, 2, 9, 8, 0, 1, 7], 2, Ok(&[&[9, 8], &[7]]));
        check(&[2, 9, 8, 1, 7], 1, Ok(&[&[9, 8], &[7]]));
        check(&[], 4, Ok(&[]));
        check(&[1, 7], 3, Err(HeaderError::NalLengthSize));
        check(&[0, 0, 0, 1, 7, 9], 4, Ok(&[&[7, 9]]));
    }

    #[test]
    fn row_071_lengths_that_do_not_fit() {
        check(&[0, 0, 0, 0], 4, Ok(&[]));
        check(&[0, 0, 0, 0, 0, 0, 0, 1, 7], 4, Ok(&[&[7]]));
        check(&[0, 0, 0, 9, 7], 4, Err(HeaderError::Truncated));
        check(&[0xff, 0xff, 0xff, 0xff, 7], 4, Err(HeaderError::Truncated));
        check(&[0, 0, 0, 1, 7, 0, 0, 2], 4, Ok(&[&[7, 0, 0, 2]]));
        check(&[0, 0, 0, 2, 7, 7, 0xff, 0xff, 0xff, 0xff], 4, Err(HeaderError::Truncated));
        check(&[0xff, 0xff, 1], 2, Err(HeaderError::Truncated));
        check(&[5, 1], 1, Err(HeaderError::Truncated));
    }

    #[test]
    fn row_071_start_codes_in_place_of_lengths() {
        let frame = [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0];
        check(&frame, 4, Ok(&[&[9, 0xf0], &[0x67, 1], &[0x68, 2]]));
        assert!(nal_units(&frame, 4).unwrap().is_annex_b());
        check(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0, 0, 1], 4, Ok(&[&[0x67, 1]]));
    }
}
