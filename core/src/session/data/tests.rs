use super::*;
use crate::frame::FrameKind;
use crate::session::testing::{amf, number, object, text, values};
use pretty_assertions::assert_eq;
use std::vec;

const LIMITS: AmfLimits = AmfLimits { depth_max: 32, nodes_max: 4_096 };

fn array(properties: &[(&'static str, Value)]) -> Value {
    let properties = properties.iter().map(|(key, value)| ((*key).into(), value.clone()));
    Value::EcmaArray(properties.collect())
}

#[track_caller]
fn check(type_id: u8, payload: &[u8], class: FrameClass, expected: &[Value]) {
    let data = parse(type_id, Bytes::copy_from_slice(payload), LIMITS).unwrap().unwrap();
    assert_eq!(values(&data.payload), expected);
    assert_eq!((data.class, Some(&data.name)), (class, expected[0].as_text()));
}

#[test]
fn encoders_set_metadata() {
    let metadata = || {
        array(&[
            ("width", number(1_280.0)),
            ("duration", number(0.0)),
            ("encoder", text("x")),
            ("filesize", number(0.0)),
            ("height", number(720.0)),
        ])
    };
    let kept =
        array(&[("width", number(1_280.0)), ("encoder", text("x")), ("height", number(720.0))]);
    let expected = [text("onMetaData"), kept];
    let set = amf(&[text("@setDataFrame"), text("onMetaData"), metadata()]);
    check(18, &set, FrameClass::Metadata, &expected);
    check(18, &amf(&[text("onMetaData"), metadata()]), FrameClass::Metadata, &expected);
    check(15, &[&[0], &set[..]].concat(), FrameClass::Metadata, &expected);
    check(15, &set, FrameClass::Metadata, &expected);

    // The count of the array is that of its properties.
    let data = parse(18, set, LIMITS).unwrap().unwrap();
    assert_eq!(data.payload[13..18], [8, 0, 0, 0, 3]);

    let sent = [text("onMetaData"), object(&[("duration", number(1.0)), ("a", number(2.0))])];
    let kept = [text("onMetaData"), object(&[("a", number(2.0))])];
    check(18, &amf(&sent), FrameClass::Metadata, &kept);
}

#[test]
fn other_data_are_passed_through() {
    let cue = [text("onCuePoint"), object(&[("duration", number(1.0))]), Value::Null];
    check(18, &amf(&cue), FrameClass::Control, &cue);
    let set = [&[text("@setDataFrame")], &cue[..]].concat();
    check(18, &amf(&set), FrameClass::Control, &cue);
    check(15, &[&[0], &amf(&cue)[..]].concat(), FrameClass::Control, &cue);
    assert!(matches!(parse(18, amf(&[text("@clearDataFrame")]), LIMITS), Ok(None)));
    assert!(matches!(
        parse(18, amf(&[text("@clearDataFrame"), text("onMetaData")]), LIMITS),
        Ok(None)
    ));
}

#[test]
fn the_class_differed_from_what_the_payload_says() {
    let metadata = [text("onMetaData"), Value::Null];
    let set = [&[text("@setDataFrame"), text("@setDataFrame")], &metadata[..]].concat();
    check(18, &amf(&set), FrameClass::Metadata, &metadata);
    // A long string and one of AMF3 as names, in front of what cannot be decoded.
    for name in [&b"\x0c\0\0\0\x0aonMetaData"[..], b"\x11\x06\x15onMetaData"] {
        let payload = Bytes::from([name, b"\xff\xff"].concat());
        let data = parse(18, payload, LIMITS).unwrap().unwrap();
        assert_eq!(&data.payload[..], b"\x02\0\x0aonMetaData\xff\xff");
        assert_eq!(crate::flv::classify(FrameKind::Data, &data.payload), Ok(data.class));
    }
}

#[test]
fn amf3_becomes_amf0() {
    // 0x11, then AMF3: a string "onTextData", and an integer 5.
    let payload = b"\x00\x11\x06\x15onTextData\x11\x04\x05";
    check(15, payload, FrameClass::Control, &[text("onTextData"), number(5.0)]);
}

#[test]
fn row_054_stray_numbers_before_the_name() {
    let metadata = array(&[("width", number(1.0))]);
    let sent =
        [number(0.0), number(1.0), text("@setDataFrame"), text("onMetaData"), metadata.clone()];
    check(18, &amf(&sent), FrameClass::Metadata, &[text("onMetaData"), metadata.clone()]);
    let sent = [Value::Null, text("onMetaData"), metadata.clone()];
    check(15, &amf(&sent), FrameClass::Metadata, &[text("onMetaData"), metadata]);
    let cue = [text("onCuePoint"), Value::Null];
    check(18, &amf(&[&[number(3.0)], &cue[..]].concat()), FrameClass::Control, &cue);
}

#[test]
fn metadata_that_cannot_be_decoded_are_passed_raw() {
    let name = amf(&[text("onMetaData")]);
    for rest in [&b"\x03\x00\x08duration\x00"[..], b"\xFF", b"\x0A\xFF\xFF\xFF\xFF"] {
        let raw = [&name[..], rest].concat();
        for prefix in [amf(&[]), amf(&[text("@setDataFrame")]), amf(&[number(1.0)])] {
            let sent = [&prefix[..], &raw].concat();
            let data = parse(18, sent.into(), LIMITS).unwrap().unwrap();
            assert_eq!((&data.payload[..], data.class), (&raw[..], FrameClass::Metadata));
        }
    }
    // More values than the budget.
    let many = Value::StrictArray(vec![Value::Null; 5_000]);
    let sent = amf(&[text("onMetaData"), many]);
    assert_eq!(parse(18, sent.clone(), LIMITS).unwrap().unwrap().payload, sent);
}

#[test]
fn row_046_arrays_with_wrong_counts() {
    let properties = b"\x00\x01a\x00\x40\x00\x00\x00\x00\x00\x00\x00";
    let name = amf(&[text("onMetaData")]);
    for (count, end) in
        [(0_u32, &b"\x00\x00\x09"[..]), (10, b"\x00\x00\x09"), (1, b""), (u32::MAX, b"")]
    {
        let sent = [&name[..], b"\x08", &count.to_be_bytes(), properties, end].concat();
        let expected = amf(&[text("onMetaData"), array(&[("a", number(2.0))])]);
        assert_eq!(parse(18, sent.into(), LIMITS).unwrap().unwrap().payload, expected);
    }
}

#[test]
fn data_without_a_name_are_refused() {
    let check = |payload: &[u8], expected: AmfError| {
        let error = parse(18, Bytes::copy_from_slice(payload), LIMITS).unwrap_err();
        assert_eq!(error, expected);
    };
    check(&amf(&[number(1.0)]), AmfError::Truncated { at: 9 });
    check(&amf(&[text("@setDataFrame")]), AmfError::Truncated { at: 16 });
    check(b"\x02\x00\x05ab", AmfError::Truncated { at: 3 });
    check(b"\xFF", AmfError::UnknownMarker { at: 0, marker: 0xFF });
}
