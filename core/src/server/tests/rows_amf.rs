//! Values that nest, lie about their size, or are none.

use super::world::World;
use super::*;
use crate::amf::{AmfError, Value};
use crate::event::CloseReason::Error;
use crate::frame::{Frame, FrameKind};
use crate::session::Ignored;
use pretty_assertions::assert_eq;
use wire::{amf, command, message, object, text};

const CONNECTED: &str = "_result 1 NetConnection.Connect.Success";

/// A client whose first command has this payload; gives the world and the client.
fn first(payload: &[u8]) -> (World, usize) {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::handshake());
    world.attack(peer, &message(20, 0, payload));
    (world, peer)
}

/// `connect` with these bytes behind its name and transaction is refused; nothing of it is obeyed.
fn refused(argument: &[u8]) -> SessionError {
    let payload = [&amf(&[text("connect"), Value::Number(1.0)]), argument].concat();
    let (world, peer) = first(&payload);
    assert!(!world.peers[peer].is_open, "{argument:?}");
    let connected = |event: &&Event| matches!(event, Event::Connected { conn, .. } if *conn == world.peers[peer].id);
    assert_eq!(world.events.iter().find(connected), None);
    let closes = world.closes();
    let [Error(error)] = closes[..] else { panic!("{closes:?}") };
    world.finish(&closes);
    error
}

fn refused_amf(argument: &[u8]) -> AmfError {
    match refused(argument) {
        SessionError::Amf(error) => error,
        error => panic!("{error:?}"),
    }
}

/// `connect` with these bytes behind its object is accepted.
fn accepted(behind: &[u8]) {
    let properties = object(&[("app", text("live")), ("tcUrl", text("rtmp://h/live"))]);
    let connect = amf(&[text("connect"), Value::Number(1.0), properties]);
    let (world, peer) = first(&[&connect, behind].concat());
    assert!(world.replies(peer).contains(&CONNECTED.into()), "{behind:?}");
    world.finish(&[]);
}

/// Data messages that a publisher sends; gives what a player got, and a player who came later.
fn relayed(messages: &[Vec<u8>]) -> (Vec<Frame>, Vec<Frame>) {
    let mut world = World::watched(config());
    let early = world.client(Intent::Play, "live", "a");
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    for bytes in messages {
        world.attack(peer, bytes);
    }
    world.assert_alive(peer);
    let late = world.client(Intent::Play, "live", "a");
    let frames = [early, late].map(|player| {
        let frames = core::mem::take(&mut world.peers[player].frames);
        frames.into_iter().filter(|frame| frame.kind == FrameKind::Data).collect()
    });
    world.finish(&[]);
    frames.into()
}

#[test]
fn row_044_nested_arrays_before_any_grant() {
    let nested = [0x0A, 0, 0, 0, 1];
    // As it stands in the row, it is too long already.
    let error = refused(&nested.repeat(70_000));
    assert!(matches!(error, SessionError::Chunk(_)), "{error:?}");
    assert!(matches!(refused_amf(&nested.repeat(12_000)), AmfError::TooDeep { .. }));
    // A publisher may send as much.
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    let payload = [&amf(&[text("any"), Value::Number(1.0)]), &nested.repeat(70_000)[..]].concat();
    world.attack(peer, &message(20, 1, &payload));
    let closes = world.closes();
    assert!(matches!(closes[..], [Error(SessionError::Amf(AmfError::TooDeep { .. }))]));
    world.finish(&closes);
    let metadata = [&amf(&[text("onMetaData")]), &nested.repeat(70_000)[..]].concat();
    let (early, late) = relayed(&[message(18, 1, &metadata)]);
    assert_eq!((early.len(), late.len()), (1, 0));
}

#[test]
fn row_045_a_strict_array_of_four_billion() {
    let error = refused_amf(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert!(matches!(error, AmfError::Truncated { .. }), "{error:?}");
}

#[test]
fn row_046_the_count_of_an_ecma_array_is_a_hint() {
    let pair = [&[0, 1, b'k'], &amf(&[Value::Number(5.0)])[..]].concat();
    let end = [0, 0, 9];
    let array = |count: u32, pairs: usize, end: &[u8]| {
        [&[0x08], &count.to_be_bytes()[..], &pair.repeat(pairs), end].concat()
    };
    let arrays = [
        array(u32::MAX, 0, &[]),
        array(u32::MAX, 2, &end),
        array(0, 10, &end),
        array(10, 2, &end),
        array(2, 2, &[]),
    ];
    for array in &arrays {
        accepted(array);
        let metadata = [&amf(&[text("@setDataFrame"), text("onMetaData")]), &array[..]].concat();
        let (early, late) = relayed(&[message(18, 1, &metadata)]);
        assert_eq!((early.len(), late.len()), (1, 1), "{array:?}");
        assert!(early[0].payload.starts_with(&amf(&[text("onMetaData")])));
    }
    // In place of the object of `connect`, an array is as good.
    let connect = amf(&[
        text("connect"),
        Value::Number(1.0),
        Value::EcmaArray(std::vec![
            ("app".into(), text("live")),
            ("tcUrl".into(), text("rtmp://h/live"))
        ]),
    ]);
    let (world, peer) = first(&connect);
    assert!(world.replies(peer).contains(&CONNECTED.into()));
    world.finish(&[]);
}

#[test]
fn row_047_connect_cut_at_every_byte() {
    let properties = object(&[("app", text("live")), ("tcUrl", text("rtmp://h/live"))]);
    let whole = amf(&[properties]);
    for len in 0..whole.len() {
        match refused(&whole[..len]) {
            SessionError::Amf(AmfError::Truncated { .. }) => {}
            // Without any object, all that came is legal.
            SessionError::State if len == 0 => {}
            error => panic!("{len}: {error:?}"),
        }
    }
    let long_key = [&[0x03, 0xFF, 0xFF], &b"abc"[..]].concat();
    assert!(matches!(refused_amf(&long_key), AmfError::Truncated { .. }));
    // An empty name and a value in place of the end.
    let error = refused_amf(&[0x03, 0, 0, 0x05]);
    assert!(matches!(error, AmfError::Truncated { .. }), "{error:?}");
}

#[test]
fn row_048_references_are_never_followed() {
    for reference in [[0x07, 0xFF, 0xFF], [0x07, 0, 0], [0x07, 0, 1]] {
        accepted(&reference);
        assert_eq!(refused(&reference), SessionError::State, "no object");
        // An object that holds itself, and two that hold each other.
        let of_itself = [&[0x03, 0, 1, b'a'], &reference[..], &[0, 0, 9]].concat();
        accepted(&of_itself);
        accepted(&of_itself.repeat(2));
    }
    // AMF3: a string, an object and traits that are not there, and an array that holds itself.
    for broken in [&[0x11, 0x06, 0x02][..], &[0x11, 0x0A, 0x02], &[0x11, 0x0A, 0x05]] {
        assert!(matches!(refused_amf(broken), AmfError::OutOfRange { .. }), "{broken:?}");
    }
    accepted(&[0x11, 0x09, 0x03, 0x01, 0x09, 0x00]);
}

#[test]
fn row_049_strings_of_any_length_and_any_bytes() {
    let error = refused_amf(&[0x0C, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert!(matches!(error, AmfError::Truncated { .. }), "{error:?}");
    let string = |bytes: &[u8]| {
        let len = (bytes.len() as u32).to_be_bytes();
        [&[0x0C], &len[..], bytes].concat()
    };
    let odd: [&[u8]; 5] = [b"a\0b", b"\xED\xA0\x80", b"\xFF\xFE", b"a\r\nb", &[b'x'; 60_000]];
    for bytes in odd {
        accepted(&string(bytes));
        // As an app it is no name; and the log gets one short line.
        let app = [&[0x03, 0, 3], &b"app"[..], &string(bytes)].concat();
        let url = [&[0, 5], &b"tcUrl"[..], &string(b"rtmp://h/"), &[0, 0, 9]].concat();
        let connect = amf(&[text("connect"), Value::Number(1.0)]);
        let (world, peer) = first(&[connect, app, url].concat());
        assert_eq!(world.replies(peer), ["_error 1 NetConnection.Connect.Rejected"]);
        let subjects = world.events.iter().filter_map(|event| match event {
            Event::Refused { subject, .. } => Some(subject.clone()),
            _ => None,
        });
        let plain = |subject: &Arc<str>| {
            subject.len() <= 256 && subject.bytes().all(|byte| (0x20..0x7F).contains(&byte))
        };
        assert!(subjects.clone().all(|subject| plain(&subject)));
        assert_eq!(subjects.count(), 1);
        world.finish(&[CloseReason::Refused(RefuseReason::BadName)]);
    }
}

#[test]
fn row_050_xml_is_opaque() {
    let xml = b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>";
    let bytes = [&[0x0F], &(xml.len() as u32).to_be_bytes()[..], xml].concat();
    accepted(&bytes);
    let data = [&amf(&[text("onXml")]), &bytes[..]].concat();
    let (early, _) = relayed(&[message(18, 1, &data)]);
    assert_eq!(early[0].payload, data);
}

#[test]
fn row_051_odd_numbers_are_harmless() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e308, 0.5, -1.0];
    for number in odd {
        let mut world = World::watched(config());
        let peer = world.raw("192.0.2.1");
        world.send(peer, &wire::connected());
        world.attack(peer, &command(0, "createStream", number, &[Value::Null]));
        // A call without transaction wants no answer.
        let echoed = if number == 0.0 { "onBWDone".into() } else { format!("_result {number}") };
        assert_eq!(world.replies(peer).pop(), Some(echoed));
        let play = [Value::Null, text("a"), Value::Number(number), Value::Number(number)];
        world.attack(peer, &command(1, "play", number, &play));
        assert_eq!(world.server.stats().players, 2, "{number}");
        world.assert_alive(peer);
        world.finish(&[]);

        let metadata =
            object(&["duration", "width", "framerate"].map(|key| (key, Value::Number(number))));
        let data = amf(&[text("@setDataFrame"), text("onMetaData"), metadata]);
        let (early, late) = relayed(&[message(18, 1, &data)]);
        let kept = object(&["width", "framerate"].map(|key| (key, Value::Number(number))));
        let expected = amf(&[text("onMetaData"), kept]);
        assert_eq!((&early[0].payload[..], &late[0].payload[..]), (&expected[..], &expected[..]));
    }
}

#[test]
fn row_052_markers_of_all_kinds() {
    for marker in [0x04, 0x09, 0x0E].into_iter().chain(0x12..=0xFF) {
        let error = refused_amf(&[marker, 0, 0, 0, 0]);
        assert!(matches!(error, AmfError::UnknownMarker { marker: m, .. } if m == marker));
    }
    // "Unsupported", a typed object of a long class name, a date, and AMF3's `true`.
    accepted(&[0x0D]);
    let class = [&[0x10, 0xEA, 0x60], &[b'c'; 60_000][..], &[0, 0, 9]].concat();
    accepted(&class);
    accepted(&[0x0B, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    accepted(&[0x11, 0x03]);
    // Commands of type 17, with their leading 0 and without it.
    let properties = object(&[("app", text("live")), ("tcUrl", text("rtmp://h/live"))]);
    let connect = amf(&[text("connect"), Value::Number(1.0), properties]);
    for payload in [&connect[..], &[&[0], &connect[..]].concat()] {
        let mut world = World::watched(config());
        let peer = world.raw("192.0.2.1");
        world.send(peer, &wire::handshake());
        world.attack(peer, &message(17, 0, payload));
        assert!(world.replies(peer).contains(&CONNECTED.into()));
        world.finish(&[]);
    }
}

#[test]
fn row_053_connect_with_odd_arguments() {
    let url = ("tcUrl", text("rtmp://h/live"));
    // No object at all.
    for argument in [&[][..], &amf(&[text("live")]), &amf(&[Value::StrictArray(Vec::new())])] {
        assert_eq!(refused(argument), SessionError::State);
    }
    // Objects without names.
    let number = ("app", Value::Number(7.0));
    for properties in [
        object(&[]),
        object(&[("app", text("live"))]),
        object(core::slice::from_ref(&number)),
        object(&[number, ("tcUrl", text("rtmp://h"))]),
        object(&[("app", text("live")), ("tcUrl", Value::Number(7.0))]),
    ] {
        let connect = amf(&[text("connect"), Value::Number(1.0), properties.clone()]);
        let (world, peer) = first(&connect);
        let replies = world.replies(peer);
        assert_eq!(replies, ["_error 1 NetConnection.Connect.Rejected"], "{properties:?}");
        world.finish(&[CloseReason::Refused(RefuseReason::BadName)]);
    }
    // The app stands in the URL too.
    let (world, peer) = first(&amf(&[text("connect"), Value::Number(1.0), object(&[url])]));
    assert!(world.replies(peer).contains(&CONNECTED.into()));
    world.finish(&[]);
    let keys = Value::Object((0..10_000).map(|_| ("k".into(), Value::Null)).collect());
    assert!(matches!(refused_amf(&amf(&[keys])), AmfError::TooManyNodes { .. }));
}

#[test]
fn row_054_numbers_before_the_name_of_data_are_skipped() {
    let size = object(&[("width", Value::Number(640.0))]);
    let stray = [Value::Number(0.0), Value::Number(0.0)];
    let named = [text("@setDataFrame"), text("onMetaData"), size.clone()];
    let (early, late) = relayed(&[message(18, 1, &amf(&[&stray[..], &named].concat()))]);
    let expected = amf(&[text("onMetaData"), size]);
    assert_eq!((&early[0].payload[..], &late[0].payload[..]), (&expected[..], &expected[..]));
}

#[test]
fn row_055_long_metadata_are_relayed_and_not_kept() {
    let metadata = |len: usize| {
        let long = Value::String(crate::amf::Text(std::vec![b'x'; len].into()));
        message(18, 1, &amf(&[text("@setDataFrame"), text("onMetaData"), object(&[("x", long)])]))
    };
    let (early, late) = relayed(&[metadata(100), metadata(1 << 20)]);
    assert_eq!((early.len(), late.len()), (2, 0));
    let (early, late) = relayed(&[metadata(60_000)]);
    assert_eq!((early.len(), late.len()), (1, 1));
    // A hundred in a second: all are relayed, the last is kept, and no event tells of them.
    let (early, late) = relayed(&std::vec![metadata(1_000); 100]);
    assert_eq!((early.len(), late.len()), (100, 1));
}

#[test]
fn row_055_data_that_cannot_be_read_are_ignored() {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    for payload in [&[0x02, 0xFF, 0xFF][..], &[0x05], &[0xFE], &amf(&[text("@setDataFrame")])] {
        world.attack(peer, &message(18, 1, payload));
    }
    world.assert_alive(peer);
    let ignored = |event: &&Event| matches!(event, Event::Ignored { what: Ignored::Data(_), .. });
    assert_eq!(world.events.iter().filter(ignored).count(), 1, "told once");
    world.finish(&[]);
}
