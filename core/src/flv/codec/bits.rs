//! Bits from the front of bytes, most significant first.

use super::HeaderError;

/// Reads the bits of a header; a read past the end fails and is no panic.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    rest: &'a [u8],
    /// The byte being read, and how many of its low bits are left.
    byte: u8,
    bits_left: u32,
    /// Zero bytes in a row, if a 3 after two of them is to be dropped.
    zeros: Option<u8>,
}

impl<'a> BitReader<'a> {
    /// A reader of plain bytes.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, byte: 0, bits_left: 0, zeros: None }
    }

    /// A reader of a NAL unit: emulation prevention bytes are dropped (H.264, section 7.3.1).
    pub(super) const fn of_nal_unit(unit: &'a [u8]) -> Self {
        Self { rest: unit, byte: 0, bits_left: 0, zeros: Some(0) }
    }

    /// The next `count` bits as a number; at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, HeaderError> {
        let mut value = 0_u64;
        let mut missing = count.min(32);
        while missing > 0 {
            if self.bits_left == 0 {
                self.byte = self.next_byte().ok_or(HeaderError::Truncated)?;
                self.bits_left = 8;
            }
            let taken = missing.min(self.bits_left);
            self.bits_left = self.bits_left.saturating_sub(taken);
            missing = missing.saturating_sub(taken);
            let bits = u64::from(self.byte) >> self.bits_left & low_bits(taken);
            value = value << taken | bits;
        }
        u32::try_from(value).map_err(|_| HeaderError::OutOfRange)
    }

    /// The next `count` bits as a byte; at most 8.
    pub(super) fn byte(&mut self, count: u32) -> Result<u8, HeaderError> {
        u8::try_from(self.bits(count.min(8))?).map_err(|_| HeaderError::OutOfRange)
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Result<bool, HeaderError> {
        Ok(self.bits(1)? == 1)
    }

    /// Drops `count` bits.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), HeaderError> {
        let mut missing = count;
        while missing > 0 {
            self.bits(missing.min(32))?;
            missing = missing.saturating_sub(32);
        }
        Ok(())
    }

    /// An unsigned Exp-Golomb code (H.264, section 9.1), below 2^32 - 1.
    pub(super) fn unsigned_golomb(&mut self) -> Result<u32, HeaderError> {
        let mut zeros = 0_u32;
        while !self.flag()? {
            zeros = zeros.saturating_add(1);
            if zeros > 31 {
                return Err(HeaderError::OutOfRange);
            }
        }
        let base = u32::try_from(low_bits(zeros)).map_err(|_| HeaderError::OutOfRange)?;
        base.checked_add(self.bits(zeros)?).ok_or(HeaderError::OutOfRange)
    }

    /// An unsigned Exp-Golomb code of at most `max`.
    pub(super) fn unsigned_golomb_max(&mut self, max: u32) -> Result<u32, HeaderError> {
        let value = self.unsigned_golomb()?;
        if value > max { Err(HeaderError::OutOfRange) } else { Ok(value) }
    }

    /// A signed Exp-Golomb code (H.264, section 9.1.1).
    pub(super) fn signed_golomb(&mut self) -> Result<i64, HeaderError> {
        let code = i64::from(self.unsigned_golomb()?);
        let magnitude = code.saturating_add(1) / 2;
        Ok(if code & 1 == 1 { magnitude } else { magnitude.saturating_neg() })
    }

    /// Drops the bits up to the next byte.
    pub(super) const fn align(&mut self) {
        self.bits_left = 0;
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.take_byte()?;
        let Some(zeros) = self.zeros else { return Some(byte) };
        let byte = if zeros >= 2 && byte == 3 {
            self.zeros = Some(0);
            self.take_byte()?
        } else {
            byte
        };
        let run = self.zeros.unwrap_or_default();
        self.zeros = Some(if byte == 0 { run.saturating_add(1) } else { 0 });
        Some(byte)
    }

    fn take_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }
}

/// A number whose low `count` bits are set; `count` is at most 32.
const fn low_bits(count: u32) -> u64 {
    match 1_u64.checked_shl(count) {
        Some(bit) => bit.wrapping_sub(1),
        None => u64::MAX,
    }
}

/// Writes the bits of a header, for tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bits: alloc::vec::Vec<bool>,
}

#[cfg(test)]
impl BitWriter {
    pub(super) fn bits(&mut self, value: u32, count: u32) -> &mut Self {
        self.bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub(super) fn golomb(&mut self, value: u32) -> &mut Self {
        let code = u64::from(value) + 1;
        let len = 64 - code.leading_zeros();
        self.bits.extend((1..len).map(|_| false));
        self.bits.extend((0..len).rev().map(|bit| code >> bit & 1 == 1));
        self
    }

    pub(super) fn signed_golomb(&mut self, value: i32) -> &mut Self {
        let magnitude = value.unsigned_abs() * 2;
        self.golomb(if value > 0 { magnitude - 1 } else { magnitude })
    }

    /// The bytes, with zeros up to the end of the last.
    pub(super) fn bytes(&self) -> alloc::vec::Vec<u8> {
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |byte, bit| byte << 1 | u8::from(bits.get(bit) == Some(&true)))
        };
        self.bits.chunks(8).map(byte).collect()
    }

    /// The bytes of a NAL unit: with the stop bit, and emulation prevention.
    pub(super) fn nal_unit(&mut self) -> alloc::vec::Vec<u8> {
        let mut unit = alloc::vec::Vec::new();
        for byte in self.bits(1, 1).bytes() {
            if byte <= 3 && unit.ends_with(&[0, 0]) {
                unit.push(3);
            }
            unit.push(byte);
        }
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use pretty_assertions::assert_eq;

    #[test]
    fn golomb_codes() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &[u32]) {
            let mut reader = BitReader::new(bytes);
            let values: Result<Vec<_>, _> =
                expected.iter().map(|_| reader.unsigned_golomb()).collect();
            assert_eq!(values.as_deref(), Ok(expected));
        }
        // 1 | 010 | 011 | 00100 | 00101
        check(&[0b1010_0110, 0b0100_0010, 0b1000_0000], &[0, 1, 2, 3, 4]);
        check(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe], &[u32::MAX - 1]);
        let mut reader = BitReader::new(&[0b0100_1100, 0b1000_0101, 0b0000_0000]);
        assert_eq!([(); 4].map(|()| reader.signed_golomb().unwrap()), [1, -1, 2, -2]);
    }

    #[test]
    fn row_070_golomb_of_too_many_zeros() {
        for zeros in 32..64 {
            let bytes = (1_u128 << (127 - zeros) | 0xff).to_be_bytes();
            let result = BitReader::new(&bytes).unsigned_golomb();
            assert_eq!(result, Err(HeaderError::OutOfRange), "{zeros} zeros");
        }
        assert_eq!(BitReader::new(&[0; 3]).unsigned_golomb(), Err(HeaderError::Truncated));
    }

    #[test]
    fn row_070_emulation_prevention() {
        #[track_caller]
        fn check(unit: &[u8], expected: &[u8]) {
            let mut reader = BitReader::of_nal_unit(unit);
            let bytes: Vec<u8> = core::iter::from_fn(|| reader.byte(8).ok()).collect();
            assert_eq!(bytes, expected);
        }
        check(&[1, 0, 0, 3, 1], &[1, 0, 0, 1]);
        check(&[0, 0, 3, 0, 0, 3, 0], &[0, 0, 0, 0, 0]);
        check(&[0, 0, 0, 3, 7], &[0, 0, 0, 7]);
        check(&[0, 3, 0, 3], &[0, 3, 0, 3]);
        check(&[9, 0, 0, 3], &[9, 0, 0]);
        check(&[0, 0, 3, 3, 3], &[0, 0, 3, 3]);
    }

    #[test]
    fn bits_are_those_of_the_bytes() {
        fn property(bytes: Vec<u8>, sizes: Vec<u8>) -> bool {
            let mut reader = BitReader::new(&bytes);
            let mut at = 0;
            for size in sizes.iter().map(|size| u32::from(size % 33)) {
                let end = at + size as usize;
                if end > bytes.len() * 8 {
                    return reader.bits(size) == Err(HeaderError::Truncated);
                }
                let bit = |index: usize| u32::from(bytes[index / 8] >> (7 - index % 8) & 1);
                let expected = (at..end).fold(0, |value, index| value << 1 | bit(index));
                if reader.bits(size) != Ok(expected) {
                    return false;
                }
                at = end;
            }
            true
        }
        quickcheck::quickcheck(property as fn(Vec<u8>, Vec<u8>) -> bool);
    }
}
