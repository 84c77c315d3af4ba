//! Values and bytes that the tests of AMF share.

use super::{Text, Value, amf0};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use quickcheck::{Arbitrary, Gen, empty_shrinker};

/// The bytes of hexadecimal digits; spaces between them are free.
pub(crate) fn hex(digits: &str) -> Bytes {
    let digits: String = digits.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The AMF0 bytes of `value`.
pub(crate) fn written(value: &Value) -> Bytes {
    let mut out = BytesMut::new();
    amf0::write(value, &mut out);
    out.freeze()
}

pub(crate) fn text(text: &'static str) -> Value {
    Value::String(Text::from(text))
}

pub(crate) fn properties<const N: usize>(list: [(&'static str, Value); N]) -> Vec<(Text, Value)> {
    list.into_iter().map(|(name, value)| (Text::from(name), value)).collect()
}

pub(crate) fn object<const N: usize>(list: [(&'static str, Value); N]) -> Value {
    Value::Object(properties(list))
}

pub(crate) fn ecma_array<const N: usize>(list: [(&'static str, Value); N]) -> Value {
    Value::EcmaArray(properties(list))
}

/// Numbers whose bits are easily lost.
pub(crate) const NUMBERS: [u64; 12] = [
    0,                     // 0
    0x8000_0000_0000_0000, // -0
    0x7FF0_0000_0000_0000, // infinity
    0xFFF0_0000_0000_0000, // -infinity
    0x7FF8_0000_0000_0000, // quiet NaN
    0x7FF0_0000_0000_0001, // signalling NaN
    0xFFF8_DEAD_BEEF_CAFE, // NaN with a payload
    0x7FE1_CCF3_85EB_C8A0, // 1e308
    0x0000_0000_0000_0001, // the smallest subnormal
    0x3FE0_0000_0000_0000, // 0.5
    0xBFF0_0000_0000_0000, // -1
    0x4340_0000_0000_0001, // above 2^53
];

fn arbitrary_number(g: &mut Gen) -> f64 {
    f64::from_bits(if bool::arbitrary(g) {
        u64::arbitrary(g)
    } else {
        *g.choose(&NUMBERS).unwrap()
    })
}

fn arbitrary_value(g: &mut Gen, depth: usize) -> Value {
    let count = |g: &mut Gen| usize::arbitrary(g) % 5;
    match u8::arbitrary(g) % if depth == 0 { 8 } else { 11 } {
        0 => Value::Boolean(bool::arbitrary(g)),
        1 => Value::Bytes(Bytes::from(Vec::arbitrary(g))),
        2 => Value::Date { millis: arbitrary_number(g) },
        3 => Value::Null,
        4 => Value::Number(arbitrary_number(g)),
        5 => Value::String(Text::arbitrary(g)),
        6 => Value::Undefined,
        7 => Value::Xml(Text::arbitrary(g)),
        8 => Value::StrictArray((0..count(g)).map(|_| arbitrary_value(g, depth - 1)).collect()),
        kind => {
            let property = |_| (Text::arbitrary(g), arbitrary_value(g, depth - 1));
            let properties = (0..3).map(property).collect();
            if kind == 9 { Value::Object(properties) } else { Value::EcmaArray(properties) }
        }
    }
}

impl Arbitrary for Text {
    fn arbitrary(g: &mut Gen) -> Self {
        Self(Bytes::from(Vec::arbitrary(g)))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.as_bytes().to_vec().shrink().map(|bytes| Self(Bytes::from(bytes))))
    }
}

impl Arbitrary for Value {
    fn arbitrary(g: &mut Gen) -> Self {
        arbitrary_value(g, 4)
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self {
            Self::EcmaArray(list) => Box::new(list.shrink().map(Self::EcmaArray)),
            Self::Object(list) => Box::new(list.shrink().map(Self::Object)),
            Self::StrictArray(list) => Box::new(list.shrink().map(Self::StrictArray)),
            Self::String(text) => Box::new(text.shrink().map(Self::String)),
            Self::Boolean(_)
            | Self::Bytes(_)
            | Self::Date { .. }
            | Self::Null
            | Self::Number(_)
            | Self::Undefined
            | Self::Xml(_) => empty_shrinker(),
        }
    }
}

/// Bytes that look like AMF more often than chance would have it: markers and small lengths.
#[derive(Clone, Debug)]
pub(crate) struct Soup(pub(crate) Vec<u8>);

impl Arbitrary for Soup {
    fn arbitrary(g: &mut Gen) -> Self {
        let piece = |g: &mut Gen| match u8::arbitrary(g) % 8 {
            0..3 => Vec::from([u8::arbitrary(g) % 0x12]),
            3 => Vec::from([0, 0, 9]),
            4 => Vec::from([0, u8::arbitrary(g) % 4]),
            5 => Vec::from([0, 0, 0, u8::arbitrary(g) % 4]),
            6 => Vec::from([u8::arbitrary(g)]),
            _ => written(&arbitrary_value(g, 2)).to_vec(),
        };
        Self((0..usize::arbitrary(g) % 40).flat_map(|_| piece(g)).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Self))
    }
}
