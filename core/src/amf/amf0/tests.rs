use super::super::testing::{NUMBERS, Soup, ecma_array, hex, object, properties, text, written};
use super::super::{AmfError, AmfLimits, Text, Value, fuzz};
use super::{Reader, write_number, write_object, write_string, write_undefined};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;

const LIMITS: AmfLimits = fuzz::LIMITS;

fn read_all_within(message: Bytes, limits: AmfLimits) -> Result<Vec<Value>, AmfError> {
    let mut reader = Reader::new(message, limits);
    core::iter::from_fn(|| reader.read().transpose()).collect()
}

fn read_all(message: Bytes) -> Result<Vec<Value>, AmfError> {
    read_all_within(message, LIMITS)
}

fn check(digits: &str, expected: Result<Value, AmfError>) {
    assert_eq!(read_all(hex(digits)), expected.map(|value| vec![value]), "{digits}");
}

fn check_message(digits: &str, expected: &[Value]) {
    let message = hex(digits);
    assert_eq!(read_all(message.clone()).as_deref(), Ok(expected));
    let again: Vec<u8> = expected.iter().flat_map(written).collect();
    assert_eq!(again, message, "the encoder writes what the client wrote");
}

fn number(number: u32) -> Value {
    Value::Number(f64::from(number))
}

/// `count` strict arrays, each but the last the only element of the one before.
fn nested(count: usize) -> Bytes {
    hex("0A 00000001").repeat(count - 1).into_iter().chain(hex("0A 00000000")).collect()
}

#[test]
fn each_marker_is_decoded() {
    check("00 3FF0000000000000", Ok(Value::Number(1.0)));
    check("01 00", Ok(Value::Boolean(false)));
    check("01 01", Ok(Value::Boolean(true)));
    check("01 FF", Ok(Value::Boolean(true)));
    check("02 0000", Ok(text("")));
    check("02 0003 616263", Ok(text("abc")));
    check("03 000009", Ok(object([])));
    check("03 0001 61 05 000009", Ok(object([("a", Value::Null)])));
    check("05", Ok(Value::Null));
    check("06", Ok(Value::Undefined));
    check("07 0000", Ok(Value::Null));
    check("08 00000001 0001 61 05 000009", Ok(ecma_array([("a", Value::Null)])));
    check("0A 00000000", Ok(Value::StrictArray(vec![])));
    check("0A 00000002 05 06", Ok(Value::StrictArray(vec![Value::Null, Value::Undefined])));
    check(
        "0B 4277D10C27000000 0000",
        Ok(Value::Date { millis: f64::from_bits(0x4277_D10C_2700_0000) }),
    );
    check("0B 0000000000000000 FE20", Ok(Value::Date { millis: 0.0 }));
    check("0C 00000003 616263", Ok(text("abc")));
    check("0D", Ok(Value::Undefined));
    check("0F 00000004 3C612F3E", Ok(Value::Xml(Text::from("<a/>"))));
    check("10 0003 666F6F 0001 61 05 000009", Ok(object([("a", Value::Null)])));
    check("11 04 05", Ok(Value::Number(5.0)));
}

#[test]
fn values_follow_each_other() {
    let mut reader = Reader::new(hex("02 0001 61 05 00 4000000000000000"), LIMITS);
    let expected = [(text("a"), 4), (Value::Null, 5), (number(2), 14)];
    assert_eq!(reader.position(), 0);
    for (value, position) in expected {
        assert_eq!(reader.read(), Ok(Some(value)));
        assert_eq!(reader.position(), position);
    }
    assert_eq!(reader.read(), Ok(None));
    assert_eq!(reader.read(), Ok(None));
}

#[test]
fn an_error_is_final_and_leaves_the_value_unread() {
    let mut reader = Reader::new(hex("05 0A 00000002 05 FF"), LIMITS);
    assert_eq!(reader.read(), Ok(Some(Value::Null)));
    for _ in 0..2 {
        assert_eq!(reader.read(), Err(AmfError::UnknownMarker { at: 7, marker: 0xFF }));
        assert_eq!(reader.position(), 1);
    }
}

#[test]
fn properties_keep_their_order_and_their_duplicates() {
    let list = [("b", number(1)), ("a", number(2)), ("", number(3)), ("b", number(4))];
    let value = object(list.clone());
    assert_eq!(read_all(written(&value)), Ok(vec![value.clone()]));
    assert_eq!(value.get("b"), Some(&number(1)));

    let mut out = BytesMut::new();
    write_object(&list, &mut out);
    assert_eq!(out.freeze(), written(&value));
}

#[test]
fn texts_share_the_memory_of_the_message() {
    let list = [("name", text("value")), ("x", Value::Xml(Text::from("<a/>")))];
    let message = written(&Value::Object(properties(list)));
    let memory = message.as_ptr_range();
    let values = read_all(message.clone()).unwrap();
    let [(name, value), (_, Value::Xml(xml))] = values[0].properties().unwrap() else { panic!() };
    for text in [name, value.as_text().unwrap(), xml] {
        assert!(memory.contains(&text.as_bytes().as_ptr()), "{text:?}");
    }
}

#[test]
fn strings_become_long_above_65535_bytes() {
    for (len, marker, header_len) in [(0, 2, 3), (65_535, 2, 3), (65_536, 0x0C, 5)] {
        let text = vec![b'a'; len];
        let mut out = BytesMut::new();
        write_string(&text, &mut out);
        assert_eq!(out[0], marker, "{len}");
        assert_eq!(out.len(), len + header_len);
        assert_eq!(read_all(out.freeze()), Ok(vec![Value::String(Text(text.into()))]));
    }
}

#[test]
fn a_name_is_cut_where_the_wire_ends() {
    let name = "n".repeat(65_536);
    let mut out = BytesMut::new();
    write_object(&[(&name, Value::Null), ("next", Value::Null)], &mut out);
    let values = read_all(out.freeze()).unwrap();
    let lens = values[0].properties().unwrap().iter().map(|(name, _)| name.as_bytes().len());
    assert_eq!(lens.collect::<Vec<_>>(), [65_535, 4]);
}

#[test]
fn counts_are_written_as_they_are() {
    let value = ecma_array([("a", Value::Null), ("b", Value::Undefined)]);
    assert_eq!(written(&value), hex("08 00000002 0001 61 05 0001 62 06 000009"));
    let value = Value::StrictArray(vec![Value::Null, Value::Boolean(true)]);
    assert_eq!(written(&value), hex("0A 00000002 05 0101"));
}

#[test]
fn values_that_amf0_lacks_are_written_as_amf3() {
    for len in [0, 1, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576] {
        let value = Value::Bytes(vec![0x5A; len].into());
        assert_eq!(read_all(written(&value)), Ok(vec![value]), "{len}");
    }
    assert_eq!(written(&Value::Bytes(Bytes::from_static(b"ab"))), hex("11 0C 05 6162"));
}

#[test]
fn debug_output_hides_the_message() {
    let mut out = BytesMut::new();
    write_string(b"secret-key", &mut out);
    let reader = Reader::new(out.freeze(), LIMITS);
    assert!(!alloc::format!("{reader:?}").contains("secret"));
}

#[test]
fn depth_is_limited() {
    for depth_max in [0, 1, 2, 32, 255_u8] {
        let limits = AmfLimits { depth_max, ..LIMITS };
        let depth = usize::from(depth_max);
        if depth > 0 {
            assert!(read_all_within(nested(depth), limits).is_ok(), "{depth_max}");
        }
        let at = u32::from(depth_max) * 5;
        let too_deep = Err(AmfError::TooDeep { at });
        assert_eq!(read_all_within(nested(depth + 1), limits), too_deep);
        // The other containers count alike.
        let inside = hex("0A 00000001").repeat(depth);
        for container in ["03 000009", "08 00000000 000009", "10 0000 000009", "11 09 01 01"] {
            let message = inside.iter().copied().chain(hex(container)).collect();
            let at = if container.starts_with("11") { at + 1 } else { at };
            assert_eq!(read_all_within(message, limits), Err(AmfError::TooDeep { at }));
        }
        // Scalars do not count.
        for scalar in ["05", "11 01", "11 0C 01"] {
            let message = inside.iter().copied().chain(hex(scalar)).collect();
            assert!(read_all_within(message, limits).is_ok(), "{scalar} in {depth_max}");
        }
    }
}

#[test]
fn nodes_are_limited_over_the_whole_message() {
    let limits = AmfLimits { nodes_max: 4, ..LIMITS };
    let check = |digits, at: Option<u32>| {
        let values = read_all_within(hex(digits), limits);
        assert_eq!(values.err(), at.map(|at| AmfError::TooManyNodes { at }), "{digits}");
    };
    check("05 05 05 05", None);
    check("05 05 05 05 05", Some(4));
    check("05 0A 00000002 05 05", None);
    check("05 0A 00000003 05 05 05", Some(8));
    check("03 0001 61 05 0001 62 05 0001 63 05 000009", None);
    check("03 0001 61 05 0001 62 05 0001 63 05 0001 64 05 000009", Some(16));
    // A switch to AMF3 spends from the same budget, and is no value by itself.
    check("05 11 09 05 01 01 01", None);
    check("05 05 11 09 05 01 01 01", Some(7));
}

#[test]
fn row_044_nested_strict_arrays() {
    let message: Bytes = hex("0A 00000001").repeat(70_000).into();
    let limits = AmfLimits { depth_max: 255, nodes_max: u32::MAX };
    // A thread of little stack: neither decoding, writing nor dropping may need more.
    let decode = move || {
        assert_eq!(read_all(message.clone()), Err(AmfError::TooDeep { at: 32 * 5 }),);
        assert_eq!(read_all_within(message, limits), Err(AmfError::TooDeep { at: 255 * 5 }));
        let values = read_all_within(nested(255), limits).unwrap();
        assert_eq!(written(&values[0]), nested(255));
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    thread.spawn(decode).unwrap().join().unwrap();
}

#[test]
fn row_045_strict_array_of_four_billion() {
    check("0A FFFFFFFF", Err(AmfError::Truncated { at: 5 }));
    check("0A FFFFFFFF 05 05", Err(AmfError::Truncated { at: 7 }));
    check("0A 7FFFFFFF 0A 7FFFFFFF 0A 7FFFFFFF", Err(AmfError::Truncated { at: 15 }));
}

#[test]
fn row_046_count_of_an_ecma_array_is_a_hint() {
    let pairs = "0001 61 05 0001 62 0101";
    let expected = || ecma_array([("a", Value::Null), ("b", Value::Boolean(true))]);
    for count in ["00000000", "00000001", "00000002", "0000000A", "FFFFFFFF"] {
        check(&["08", count, pairs, "000009"].concat(), Ok(expected()));
        check(&["08", count, pairs].concat(), Ok(expected()));
        check(&["08", count].concat(), Ok(ecma_array([])));
    }
    let ten = "0001 61 05".repeat(10);
    let value = Value::EcmaArray(vec![(Text::from("a"), Value::Null); 10]);
    check(&["08 00000000", &ten, "000009"].concat(), Ok(value));

    // An end marker is absent as a whole, and only where everything around may end as well.
    let outer = |list| ecma_array([("o", list)]);
    check("08 00000000 0001 6F 08 00000000", Ok(outer(ecma_array([]))));
    check("0A 00000001 08 00000000", Ok(Value::StrictArray(vec![ecma_array([])])));
    check("08 00000000 00", Err(AmfError::Truncated { at: 5 }));
    check("08 00000000 0000", Err(AmfError::Truncated { at: 7 }));
    check("08 00000000 0001 61", Err(AmfError::Truncated { at: 8 }));
    check("08 000000", Err(AmfError::Truncated { at: 1 }));
    check("03 0001 6F 08 00000000", Err(AmfError::Truncated { at: 9 }));
    check("0A 00000002 08 00000000", Err(AmfError::Truncated { at: 10 }));
}

#[test]
fn row_047_object_cut_at_every_byte() {
    let value = object([
        ("app", text("live")),
        ("n", number(1)),
        ("list", Value::StrictArray(vec![Value::Null, Value::Date { millis: 1.0 }])),
        ("inner", object([("", Value::Boolean(true)), ("x", Value::Xml(Text::from("<a/>")))])),
        ("array", ecma_array([("a", Value::Undefined)])),
        ("bytes", Value::Bytes(Bytes::from_static(b"abc"))),
    ]);
    let message = written(&value);
    for len in 1..message.len() {
        let mut reader = Reader::new(message.slice(..len), LIMITS);
        assert!(matches!(reader.read(), Err(AmfError::Truncated { .. })), "{len}");
        assert_eq!(reader.position(), 0);
    }
    check("03 FFFF 616263", Err(AmfError::Truncated { at: 3 }));
    check("03", Err(AmfError::Truncated { at: 1 }));
    check("03 0000", Err(AmfError::Truncated { at: 3 }));
    // An empty name is a name unless the end marker follows.
    check("03 0000 05", Err(AmfError::Truncated { at: 4 }));
    check("03 0000 05 000009", Ok(object([("", Value::Null)])));
    check("03 0001 61 09 000009", Err(AmfError::UnknownMarker { at: 4, marker: 9 }));
}

#[test]
fn row_048_references_are_never_followed() {
    check("07 FFFF", Ok(Value::Null));
    check("07 FF", Err(AmfError::Truncated { at: 1 }));
    check("03 0004 73656C66 07 0000 000009", Ok(object([("self", Value::Null)])));
    let pair = |name| object([(name, Value::Null)]);
    check(
        "0A 00000002 03 0001 61 07 0002 000009 03 0001 62 07 0001 000009",
        Ok(Value::StrictArray(vec![pair("a"), pair("b")])),
    );
}

#[test]
fn row_049_strings_stay_raw() {
    check("0C FFFFFFFF", Err(AmfError::Truncated { at: 5 }));
    check("0C 00000004 616263", Err(AmfError::Truncated { at: 5 }));
    check("02 FFFF 616263", Err(AmfError::Truncated { at: 3 }));
    for raw in [&b"a\0b"[..], b"\xED\xA0\x80", b"\xFF\xFE\x80", b"a\r\nb", &[b'x'; 65_536]] {
        let mut out = BytesMut::new();
        write_string(raw, &mut out);
        let values = read_all(out.freeze()).unwrap();
        assert_eq!(values[0].as_text().unwrap().as_bytes(), raw);
    }
    assert_eq!(Text(Bytes::from_static(b"a\xFFb")).to_str_lossy(), "a\u{FFFD}b");
}

#[test]
fn row_050_xml_is_opaque() {
    let xml = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>";
    let value = Value::Xml(Text::from(xml));
    assert_eq!(read_all(written(&value)), Ok(vec![value]));
    check("0F FFFFFFFF 3C", Err(AmfError::Truncated { at: 5 }));
}

#[test]
fn row_051_numbers_are_bit_exact() {
    for bits in NUMBERS {
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u64(bits);
        let values = read_all(message.clone().freeze()).unwrap();
        assert_eq!(values[0].as_number().map(f64::to_bits), Some(bits));
        let mut again = BytesMut::new();
        write_number(f64::from_bits(bits), &mut again);
        assert_eq!(again, message);
    }
}

#[test]
fn row_052_unknown_markers() {
    for marker in 0..=u8::MAX {
        let message: Bytes = [5, marker].into_iter().chain([0; 8]).chain([9; 9]).collect();
        let mut reader = Reader::new(message, LIMITS);
        assert_eq!(reader.read(), Ok(Some(Value::Null)));
        let unknown = matches!(marker, 0x04 | 0x09 | 0x0E | 0x12..);
        let refused = reader.read() == Err(AmfError::UnknownMarker { at: 1, marker });
        assert_eq!(refused, unknown, "{marker:#04x}");
    }
    // A class name and a string of the largest length.
    let name: String = "c".repeat(65_535);
    let mut message = BytesMut::from(&hex("10 FFFF")[..]);
    message.put_slice(name.as_bytes());
    message.put_slice(&hex("0001 61 05 000009"));
    assert_eq!(read_all(message.freeze()), Ok(vec![object([("a", Value::Null)])]));
    check("10 FFFF 616263", Err(AmfError::Truncated { at: 3 }));
    // Behind the leading zero of message type 17, values may switch to AMF3 one by one.
    let mut reader =
        Reader::new(hex("00 02 0001 61 11 0A 0B 01 03 61 04 07 01").slice(1..), LIMITS);
    assert_eq!(reader.read(), Ok(Some(text("a"))));
    assert_eq!(reader.read(), Ok(Some(object([("a", number(7))]))));
    assert_eq!(reader.read(), Ok(None));
}

#[test]
fn row_054_stray_numbers_are_values() {
    let stray = "00 3FF0000000000000 00 0000000000000000";
    let message = [stray, "02 000D", "40736574446174614672616D65"].concat();
    check_message(&message, &[number(1), number(0), text("@setDataFrame")]);
}

#[test]
fn timecode_of_ffmpeg_is_a_truncated_value() {
    // `-map 0` of a file with a timecode track sends these four bytes as a data message.
    assert_eq!(read_all(hex("00 00 00 00")), Err(AmfError::Truncated { at: 1 }));
}

#[test]
fn connect_of_ffmpeg_5_1() {
    check_message(
        "020007636f6e6e656374003ff00000000000000300036170700200046c69766500047479706502000a6e6f6e70
         7269766174650008666c617368566572020024464d4c452f332e302028636f6d70617469626c653b204c6176
         6635392e32372e313030290005746355726c02001b72746d703a2f2f3132372e302e302e313a32393335302f
         6c697665000009",
        &[
            text("connect"),
            number(1),
            object([
                ("app", text("live")),
                ("type", text("nonprivate")),
                ("flashVer", text("FMLE/3.0 (compatible; Lavf59.27.100)")),
                ("tcUrl", text("rtmp://127.0.0.1:29350/live")),
            ]),
        ],
    );
}

#[test]
fn connect_of_flash_9() {
    check_message(
        "020007636f6e6e656374003ff000000000000003000361707002000d53747265616d506c617965722f0008666c
         61736856657202000c57494e20392c302c34372c30000673776655726c02000766696c653a2f2f0005746355
         726c02002a72746d703a2f2f66633433322e73747265616d656469612e696e666f2f53747265616d506c6179
         65722f0004667061640100000b617564696f436f64656373004083380000000000000b766964656f436f6465
         637300405f000000000000000d766964656f46756e6374696f6e003ff0000000000000000770616765557
         26c06000009",
        &[
            text("connect"),
            number(1),
            object([
                ("app", text("StreamPlayer/")),
                ("flashVer", text("WIN 9,0,47,0")),
                ("swfUrl", text("file://")),
                ("tcUrl", text("rtmp://fc432.streamedia.info/StreamPlayer/")),
                ("fpad", Value::Boolean(false)),
                ("audioCodecs", number(615)),
                ("videoCodecs", number(124)),
                ("videoFunction", number(1)),
                ("pageUrl", Value::Undefined),
            ]),
        ],
    );
}

#[test]
fn publish_of_obs_29() {
    check_message(
        "0200077075626c697368004014000000000000050200066f62736b65790200046c697665",
        &[text("publish"), number(5), Value::Null, text("obskey"), text("live")],
    );
}

#[test]
fn metadata_of_obs_29() {
    check_message(
        "02000d40736574446174614672616d6502000a6f6e4d65746144617461080000001400086475726174696f6e
         000000000000000000000866696c6553697a6500000000000000000000057769647468004074000000000000
         0006686569676874004066800000000000000c766964656f636f646563696400401c000000000000000d7669
         64656f6461746172617465004062c0000000000000096672616d657261746500402e000000000000000c6175
         64696f636f6465636964004024000000000000000d617564696f646174617261746500405000000000000000
         0f617564696f73616d706c65726174650040e7700000000000000f617564696f73616d706c6573697a650040
         30000000000000000d617564696f6368616e6e656c73004000000000000000000673746572656f0101000332
         2e3101000003332e3101000003342e3001000003342e3101000003352e3101000003372e3101000007656e63
         6f6465720200306f62732d6f7574707574206d6f64756c6520286c69626f62732076657273696f6e2032392e
         302e322e312d312b623129000009",
        &[
            text("@setDataFrame"),
            text("onMetaData"),
            ecma_array([
                ("duration", number(0)),
                ("fileSize", number(0)),
                ("width", number(320)),
                ("height", number(180)),
                ("videocodecid", number(7)),
                ("videodatarate", number(150)),
                ("framerate", number(15)),
                ("audiocodecid", number(10)),
                ("audiodatarate", number(64)),
                ("audiosamplerate", number(48_000)),
                ("audiosamplesize", number(16)),
                ("audiochannels", number(2)),
                ("stereo", Value::Boolean(true)),
                ("2.1", Value::Boolean(false)),
                ("3.1", Value::Boolean(false)),
                ("4.0", Value::Boolean(false)),
                ("4.1", Value::Boolean(false)),
                ("5.1", Value::Boolean(false)),
                ("7.1", Value::Boolean(false)),
                ("encoder", text("obs-output module (libobs version 29.0.2.1-1+b1)")),
            ]),
        ],
    );
}

/// A file that Red5 recorded: its array announces no properties and has six.
#[test]
fn metadata_of_red5_counts_wrongly() {
    let message = hex(
        "02000a6f6e4d657461446174610800000000000c6e6f617564696f636f6465630000000000000000000008
         6475726174696f6e003feaa7ef9db22d0e000673657276657202001f526564352053657276657220312e30
         2e3020524332205265763a2034323534000c6372656174696f6e6461746502001c576564204a756c203237
         2030383a31333a3439205044542032303131000c63616e5365656b546f456e640101000c766964656f636f
         6465636964004010000000000000000009",
    );
    let values = read_all(message).unwrap();
    assert_eq!(values[1].properties().map(<[_]>::len), Some(6));
    assert_eq!(values[1].get("videocodecid"), Some(&number(4)));
}

#[test]
fn the_remaining_writers_agree_with_write() {
    let mut out = BytesMut::new();
    write_undefined(&mut out);
    super::write_null(&mut out);
    super::write_boolean(true, &mut out);
    assert_eq!(
        read_all(out.freeze()).as_deref(),
        Ok(&[Value::Undefined, Value::Null, Value::Boolean(true)][..])
    );
}

fn may_lack_its_end(value: &Value) -> bool {
    matches!(value, Value::EcmaArray(_) | Value::StrictArray(_))
}

fn nodes(value: &Value) -> usize {
    let elements = if let Value::StrictArray(values) = value { &values[..] } else { &[] };
    let properties = value.properties().unwrap_or_default().iter().map(|(_, value)| value);
    1 + elements.iter().chain(properties).map(nodes).sum::<usize>()
}

/// Compares bits: NaN differs from itself.
fn same(left: &[Value], right: &[Value]) -> bool {
    let bytes = |values: &[Value]| values.iter().flat_map(written).collect::<Vec<_>>();
    left.len() == right.len() && bytes(left) == bytes(right)
}

quickcheck! {
    fn written_values_are_read_again(values: Vec<Value>) -> bool {
        let message: Bytes = values.iter().flat_map(written).collect();
        let again = read_all_within(message, AmfLimits { depth_max: 4, nodes_max: u32::MAX });
        // Where no NaN is about, `Debug` tells values apart by type too.
        let again = again.unwrap();
        same(&again, &values) && alloc::format!("{again:?}") == alloc::format!("{values:?}")
    }

    fn cut_messages_are_refused_or_shorter(value: Value) -> bool {
        let message = [&written(&Value::Null), &written(&value)[..]].concat();
        let message = Bytes::from(message);
        (1..message.len()).all(|len| {
            let mut reader = Reader::new(message.slice(..len), LIMITS);
            assert_eq!(reader.read(), Ok(Some(Value::Null)));
            match reader.read() {
                Err(error) => matches!(error, AmfError::Truncated { .. }),
                Ok(None) => len == 1,
                // Only ECMA arrays may lack their end.
                Ok(Some(shorter)) => {
                    reader.position() == len && may_lack_its_end(&value)
 && nodes(&shorter) <= nodes(&value)
                }
            }
        })
    }

    fn any_bytes_keep_the_promises(data: Vec<u8>) -> bool {
        fuzz::fuzz_amf0(&data);
        true
    }

    fn amf_like_bytes_keep_the_promises(soup: Soup) -> bool {
        fuzz::fuzz_amf0(&soup.0);
        true
    }

    fn changed_messages_keep_the_promises(value: Value, changes: Vec<(usize, u8)>) -> bool {
        let mut message = written(&value).to_vec();
        for (at, byte) in changes {
            let at = at % message.len();
            message[at] = byte;
        }
        fuzz::fuzz_amf0(&message);
        true
    }

    fn display_is_text(text: Text) -> bool {
        text.to_str_lossy().to_string().chars().count() <= text.as_bytes().len()
    }
}
