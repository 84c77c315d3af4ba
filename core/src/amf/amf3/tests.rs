use super::super::testing::{NUMBERS, Soup, ecma_array, hex, object, text, written};
use super::super::{AmfError, AmfLimits, Text, Value, fuzz};
use super::{marker, put_u29, read, write_byte_array};
use alloc::vec;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;

const LIMITS: AmfLimits = fuzz::LIMITS;

fn check(digits: &str, expected: Result<Value, AmfError>) {
    let message = hex(digits);
    let expected = expected.map(|value| (value, message.len()));
    assert_eq!(read(&message, 0, LIMITS), expected, "{digits}");
}

fn numbers<const N: usize>(numbers: [f64; N]) -> Value {
    Value::StrictArray(numbers.into_iter().map(Value::Number).collect())
}

#[test]
fn each_marker_is_decoded() {
    check("00", Ok(Value::Undefined));
    check("01", Ok(Value::Null));
    check("02", Ok(Value::Boolean(false)));
    check("03", Ok(Value::Boolean(true)));
    check("05 3FE0000000000000", Ok(Value::Number(0.5)));
    check("06 01", Ok(text("")));
    check("06 07 616263", Ok(text("abc")));
    check("07 09 3C612F3E", Ok(Value::Xml(Text::from("<a/>"))));
    check("08 01 3FF0000000000000", Ok(Value::Date { millis: 1.0 }));
    check("09 01 01", Ok(Value::StrictArray(vec![])));
    check("0A 01 01", Err(AmfError::OutOfRange { at: 0 }));
    check("0A 03 01", Ok(object([])));
    check("0B 09 3C612F3E", Ok(Value::Xml(Text::from("<a/>"))));
    check("0C 07 FF00FF", Ok(Value::Bytes(Bytes::from_static(b"\xFF\0\xFF"))));
    check("0D 05 00 FFFFFFFF 00000001", Ok(numbers([-1.0, 1.0])));
    check("0E 05 01 FFFFFFFF 00000001", Ok(numbers([4_294_967_295.0, 1.0])));
    check("0F 03 00 3FE0000000000000", Ok(numbers([0.5])));
    check(
        "10 05 00 01 04 01 06 03 61",
        Ok(Value::StrictArray(vec![Value::Number(1.0), text("a")])),
    );
}

#[test]
fn integers_have_29_bits_and_a_sign() {
    check("04 00", Ok(Value::Number(0.0)));
    check("04 7F", Ok(Value::Number(127.0)));
    check("04 8100", Ok(Value::Number(128.0)));
    check("04 FF7F", Ok(Value::Number(16_383.0)));
    check("04 818000", Ok(Value::Number(16_384.0)));
    check("04 FFFF7F", Ok(Value::Number(2_097_151.0)));
    check("04 80C08000", Ok(Value::Number(2_097_152.0)));
    check("04 BFFFFFFF", Ok(Value::Number(268_435_455.0)));
    check("04 C0808000", Ok(Value::Number(-268_435_456.0)));
    check("04 FFFFFFFF", Ok(Value::Number(-1.0)));
    check("04 FFFFFF", Err(AmfError::Truncated { at: 4 }));
    check("04", Err(AmfError::Truncated { at: 1 }));
}

#[test]
fn arrays_have_names_and_a_dense_part() {
    check(
        "09 05 01 02 03",
        Ok(Value::StrictArray(vec![Value::Boolean(false), Value::Boolean(true)])),
    );
    check("09 01 03 61 01 01", Ok(ecma_array([("a", Value::Null)])));
    let mixed = [("a", Value::Null), ("0", Value::Boolean(false)), ("1", Value::Boolean(true))];
    check("09 05 03 61 01 01 02 03", Ok(ecma_array(mixed)));
    check(
        "09 03 01 09 01 03 62 01 01",
        Ok(Value::StrictArray(vec![ecma_array([("b", Value::Null)])])),
    );
}

#[test]
fn objects_have_sealed_and_dynamic_properties() {
    check(
        "0A 0B 01 03 61 02 03 62 03 01",
        Ok(object([("a", Value::Boolean(false)), ("b", Value::Boolean(true))])),
    );
    check(
        "0A 23 05 466F 03 61 03 62 02 03",
        Ok(object([("a", Value::Boolean(false)), ("b", Value::Boolean(true))])),
    );
    check(
        "0A 1B 01 03 61 02 03 62 03 01",
        Ok(object([("a", Value::Boolean(false)), ("b", Value::Boolean(true))])),
    );
    // The second object takes the traits of the first, and its name for a value.
    let pair = |value| object([("a", value)]);
    check(
        "09 05 01 0A 13 01 03 61 02 0A 01 06 00",
        Ok(Value::StrictArray(vec![pair(Value::Boolean(false)), pair(text("a"))])),
    );
    // An externalizable object ends where only its class knows; a dictionary has no names.
    check("0A 07 07 666F6F 09 01 01", Err(AmfError::UnknownMarker { at: 0, marker: 0x0A }));
    check("11 03 00 01 01", Err(AmfError::UnknownMarker { at: 0, marker: 0x11 }));
}

#[test]
fn strings_are_referred_to_by_their_order() {
    let expected = ["ab", "", "c", "ab", "c"].map(text).to_vec();
    check("09 0B 01 06 05 6162 06 01 06 03 63 06 00 06 02", Ok(Value::StrictArray(expected)));
}

#[test]
fn values_are_read_where_they_begin() {
    let message = hex("FF FF 04 05 03");
    assert_eq!(read(&message, 2, LIMITS), Ok((Value::Number(5.0), 4)));
    assert_eq!(read(&message, 4, LIMITS), Ok((Value::Boolean(true), 5)));
    assert_eq!(read(&message, 5, LIMITS), Err(AmfError::Truncated { at: 5 }));
    assert_eq!(read(&message, 99, LIMITS), Err(AmfError::Truncated { at: 99 }));
}

#[test]
fn texts_share_the_memory_of_the_message() {
    let message = hex("09 05 01 06 05 6162 06 00");
    let (value, _) = read(&message, 0, LIMITS).unwrap();
    let Value::StrictArray(values) = value else { panic!() };
    for value in values {
        assert_eq!(value.as_text().unwrap().as_bytes().as_ptr(), message[5..].as_ptr());
    }
}

#[test]
fn row_044_depth_is_limited() {
    let nested = |count: usize| -> Bytes { hex("09 03 01").repeat(count).into() };
    for depth_max in [0, 1, 32, 255_u8] {
        let limits = AmfLimits { depth_max, ..LIMITS };
        let depth = usize::from(depth_max);
        let fits = nested(depth).into_iter().chain([marker::NULL]).collect();
        assert!(read(&fits, 0, limits).is_ok(), "{depth_max}");
        let too_deep = Err(AmfError::TooDeep { at: 3 * u32::from(depth_max) });
        assert_eq!(read(&nested(depth + 1), 0, limits), too_deep);
        assert_eq!(read(&nested(70_000), 0, limits), too_deep);
    }
}

#[test]
fn nodes_are_limited() {
    let limits = AmfLimits { nodes_max: 3, ..LIMITS };
    let check = |digits, at: Option<u32>| {
        let value = read(&hex(digits), 0, limits);
        assert_eq!(value.err(), at.map(|at| AmfError::TooManyNodes { at }), "{digits}");
    };
    check("09 05 01 01 01", None);
    check("09 07 01 01 01 01", Some(5));
    check("0D 05 00 00000000 00000000", None);
    check("0D 07 00 00000000 00000000 00000000", Some(11));
    check("10 05 00 01 01 01", None);
    check("10 07 00 01 01 01 01", Some(6));
    check("09 01 03 61 01 03 62 01 01", None);
    check("09 01 03 61 01 03 62 01 03 63 01 01", Some(10));
    // Names of traits count, or a message could fill the tables without a value.
    check("0A 13 01 03 61 01", None);
    check("0A 23 01 03 61 03 62 01 01", Some(7));
    check("0A 33 01 03 61 03 62 03 63 01 01 01", Some(7));
}

#[test]
fn row_045_counts_never_allocate() {
    for start in ["09 FFFFFFFF 01", "0D FFFFFFFF 00", "0E FFFFFFFF 00", "0F FFFFFFFF 00"] {
        let at = u32::try_from(hex(start).len()).unwrap();
        check(start, Err(AmfError::Truncated { at }));
    }
    check("10 FFFFFFFF 00 01", Err(AmfError::Truncated { at: 7 }));
    check("0A FFFFFFFB 01", Err(AmfError::Truncated { at: 6 }));
    for start in ["06 FFFFFFFF", "07 FFFFFFFF", "0B FFFFFFFF", "0C FFFFFFFF"] {
        check(start, Err(AmfError::Truncated { at: 5 }));
    }
}

#[test]
fn row_047_value_cut_at_every_byte() {
    let message = hex("09 05 03 61 0A 23 05 466F 03 61 03 62 02 08 01 0000000000000000 01
         0D 03 00 00000001 0C 07 FF00FF");
    assert!(read(&message, 0, LIMITS).is_ok());
    for len in 0..message.len() {
        let value = read(&message.slice(..len), 0, LIMITS);
        assert!(matches!(value, Err(AmfError::Truncated { .. })), "{len}: {value:?}");
    }
}

#[test]
fn row_048_references_stay_inside_the_tables() {
    // To strings: the table is empty, or has one entry; the empty string never enters.
    check("06 00", Err(AmfError::OutOfRange { at: 1 }));
    check("06 FFFFFFFE", Err(AmfError::OutOfRange { at: 1 }));
    check("09 05 01 06 03 61 06 02", Err(AmfError::OutOfRange { at: 7 }));
    check("09 05 01 06 01 06 00", Err(AmfError::OutOfRange { at: 6 }));
    // To objects: `Null`, but only if there is such an object.
    for marker in ["07", "08", "09", "0A", "0B", "0C", "0D", "0E", "0F", "10"] {
        check(&[marker, "00"].concat(), Err(AmfError::OutOfRange { at: 1 }));
        check(&["09 03 01", marker, "02"].concat(), Err(AmfError::OutOfRange { at: 4 }));
        check(&["09 03 01", marker, "00"].concat(), Ok(Value::StrictArray(vec![Value::Null])));
    }
    // Two objects that refer to each other and to themselves.
    let null = || ("a", Value::Null);
    check(
        "0A 0B 01 03 61 0A 01 00 0A 00 00 0A 02 01 00 0A 00 01",
        Ok(object([("a", object([null(), null()])), null()])),
    );
    // To traits: none, too many, and those of the object itself.
    check("0A 01", Err(AmfError::OutOfRange { at: 0 }));
    check("0A FFFFFFFD", Err(AmfError::OutOfRange { at: 0 }));
    check("09 05 01 0A 03 01 0A 05", Err(AmfError::OutOfRange { at: 6 }));
    check("0A 13 01 03 61 0A 01 01", Ok(object([("a", object([null()]))])));
}

#[test]
fn names_fit_into_amf0() {
    let message = |len: u32| {
        let mut out = BytesMut::from(&[marker::ARRAY, 1][..]);
        put_u29(len << 1 | 1, &mut out);
        out.put_bytes(b'n', len as usize);
        out.put_slice(&[marker::NULL, 1]);
        out.freeze()
    };
    assert!(read(&message(65_535), 0, LIMITS).is_ok());
    assert_eq!(read(&message(65_536), 0, LIMITS), Err(AmfError::OutOfRange { at: 2 }));
}

/// One long string and thousands of references to it would be written as gigabytes.
#[test]
fn repeated_text_is_bounded() {
    let message = |len: u32, references: u32| {
        let mut out = BytesMut::from(&[marker::ARRAY][..]);
        put_u29((references + 1) << 1 | 1, &mut out);
        out.put_slice(&[1, marker::STRING]);
        put_u29(len << 1 | 1, &mut out);
        out.put_bytes(b'x', len as usize);
        for _ in 0..references {
            out.put_slice(&[marker::STRING, 0]);
        }
        out.freeze()
    };
    let check = |len, references, fits: bool| {
        let message = message(len, references);
        fuzz::fuzz_amf3(&message);
        assert_eq!(read(&message, 0, LIMITS).is_ok(), fits, "{references} x {len}");
    };
    check(1_000_000, 0, true);
    check(1_000_000, 1, true);
    check(1_000_000, 2, false);
    check(256, 4_000, true);
    check(1_000, 4_000, false);
    // The names of traits repeat as well, without a reference of their own.
    let mut out = BytesMut::from(&hex("09 8F7F 01 0A 13 01 8F7F")[..]);
    out.put_bytes(b'n', 1_023);
    out.put_u8(marker::NULL);
    out.put_slice(&hex("0A 01 01").repeat(1_022));
    let error = read(&out.freeze(), 0, LIMITS).unwrap_err();
    assert!(matches!(error, AmfError::OutOfRange { .. }), "{error:?}");
}

#[test]
fn row_050_xml_is_opaque() {
    check("0B 11 3C2621456E743B3E", Ok(Value::Xml(Text::from("<&!Ent;>"))));
}

#[test]
fn row_051_numbers_are_bit_exact() {
    for bits in NUMBERS {
        let message: Bytes = [marker::DOUBLE].into_iter().chain(bits.to_be_bytes()).collect();
        let (value, _) = read(&message, 0, LIMITS).unwrap();
        assert_eq!(value.as_number().map(f64::to_bits), Some(bits));
    }
}

#[test]
fn row_052_unknown_markers() {
    for marker in 0x11..=u8::MAX {
        let message: Bytes = [1, marker].into_iter().chain([0; 16]).collect();
        assert_eq!(read(&message, 1, LIMITS), Err(AmfError::UnknownMarker { at: 1, marker }));
    }
}

/// Writes `value` so that AMF3 returns it: the tables stay unused.
fn write_amf3(value: &Value, out: &mut BytesMut) {
    let put_text = |text: &Text, out: &mut BytesMut| {
        put_u29(u32::try_from(text.as_bytes().len()).unwrap() << 1 | 1, out);
        out.put_slice(text.as_bytes());
    };
    let count = |len: usize| u32::try_from(len).unwrap();
    match value {
        Value::Boolean(value) => out.put_u8(if *value { marker::TRUE } else { marker::FALSE }),
        Value::Bytes(bytes) => write_byte_array(bytes, out),
        Value::Date { millis } => {
            out.put_slice(&[marker::DATE, 1]);
            out.put_f64(*millis);
        }
        Value::EcmaArray(list) => {
            out.put_slice(&[marker::ARRAY, 1]);
            for (name, value) in list {
                put_text(name, out);
                write_amf3(value, out);
            }
            out.put_u8(1);
        }
        Value::Null => out.put_u8(marker::NULL),
        Value::Number(number) => {
            out.put_u8(marker::DOUBLE);
            out.put_f64(*number);
        }
        Value::Object(list) => {
            out.put_u8(marker::OBJECT);
            put_u29(count(list.len()) << 4 | 0b0011, out);
            out.put_u8(1);
            list.iter().for_each(|(name, _)| put_text(name, out));
            list.iter().for_each(|(_, value)| write_amf3(value, out));
        }
        Value::StrictArray(values) => {
            out.put_u8(marker::ARRAY);
            put_u29(count(values.len()) << 1 | 1, out);
            out.put_u8(1);
            values.iter().for_each(|value| write_amf3(value, out));
        }
        Value::String(text) => {
            out.put_u8(marker::STRING);
            put_text(text, out);
        }
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::Xml(text) => {
            out.put_u8(marker::XML);
            put_text(text, out);
        }
    }
}

/// Replaces what AMF3 cannot tell: names of an array that are empty, and arrays without names.
fn tell_apart(value: Value) -> Value {
    let inner = |list: Vec<(Text, Value)>| {
        list.into_iter().map(|(name, value)| (name, tell_apart(value))).collect::<Vec<_>>()
    };
    match value {
        Value::EcmaArray(list) => {
            let mut list = inner(list);
            list.retain(|(name, _)| !name.as_bytes().is_empty());
            if list.is_empty() { Value::Null } else { Value::EcmaArray(list) }
        }
        Value::Object(list) => Value::Object(inner(list)),
        Value::StrictArray(values) => {
            Value::StrictArray(values.into_iter().map(tell_apart).collect())
        }
        value @ (Value::Boolean(_)
        | Value::Bytes(_)
        | Value::Date { .. }
        | Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Undefined
        | Value::Xml(_)) => value,
    }
}

quickcheck! {
    fn written_values_are_read_again(value: Value) -> bool {
        let value = tell_apart(value);
        let mut message = BytesMut::new();
        write_amf3(&value, &mut message);
        let (again, end) = read(&message.clone().freeze(), 0, LIMITS).unwrap();
        // Bytes are compared, not values: NaN differs from itself.
        end == message.len() && written(&again) == written(&value)
    }

    fn cut_values_are_refused(value: Value) -> bool {
        let mut message = BytesMut::new();
        write_amf3(&tell_apart(value), &mut message);
        let message = message.freeze();
        (0..message.len()).all(|len| {
            matches!(read(&message.slice(..len), 0, LIMITS), Err(AmfError::Truncated { .. }))
        })
    }

    fn any_bytes_keep_the_promises(marker: u8, data: Vec<u8>) -> bool {
        let data: Vec<u8> = [marker % 0x12].into_iter().chain(data).collect();
        fuzz::fuzz_amf3(&data);
        true
    }

    fn amf_like_bytes_keep_the_promises(soup: Soup) -> bool {
        fuzz::fuzz_amf3(&soup.0);
        true
    }

    fn changed_values_keep_the_promises(value: Value, changes: Vec<(usize, u8)>) -> bool {
        let mut message = BytesMut::new();
        write_amf3(&value, &mut message);
        let len = message.len();
        for (at, byte) in changes {
            message[at % len] = byte;
        }
        fuzz::fuzz_amf3(&message);
        true
    }
}
