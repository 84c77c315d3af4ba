use crate::amf::Value;
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::MessageStreamId;
use crate::session::testing::{Rig, amf, command, number, object, text, timed};
use crate::session::{Ignored, Intent, Misuse, SessionEvent};
use crate::time::Timestamp;
use bytes::Bytes;
use pretty_assertions::assert_eq;
use std::string::String;
use std::vec;
use std::vec::Vec;

fn info(level: &'static str, code: &'static str) -> Value {
    object(&[("level", text(level)), ("code", text(code)), ("description", text("Words."))])
}

fn connect_result() -> [Value; 2] {
    [object(&[("fmsVer", text("FMS/3,0,1,123"))]), info("status", "NetConnection.Connect.Success")]
}

/// A client that was told that its stream is number 7.
fn created(intent: Intent) -> Rig {
    let mut rig = Rig::client(intent);
    let id = if intent == Intent::Publish { 4.0 } else { 2.0 };
    assert_eq!(rig.call(0, "_result", 1.0, &connect_result()), [SessionEvent::Connected]);
    assert_eq!(rig.call(0, "_result", id, &[Value::Null, number(7.0)]), []);
    rig.replies();
    rig
}

fn started(intent: Intent) -> Rig {
    let mut rig = created(intent);
    let code = match intent {
        Intent::Play => "NetStream.Play.Start",
        Intent::Publish => "NetStream.Publish.Start",
    };
    let events = rig.call(7, "onStatus", 0.0, &[Value::Null, info("status", code)]);
    assert_eq!(events, [SessionEvent::Started { stream: MessageStreamId(7) }]);
    rig
}

#[test]
fn a_publisher_asks_in_the_order_of_fmle() {
    let mut rig = Rig::client(Intent::Publish);
    assert_eq!(
        rig.replies(),
        ["3/0 connect(1, {app: \"live\", type: \"nonprivate\", flashVer: \"FMLE/3.0 (compatible; \
         millstream)\", tcUrl: \"rtmp://h/live\", fourCcList: <\"av01\", \"hvc1\", \"vp09\", \
         \"vvc1\", \"vp08\", \"avc1\", \"Opus\", \"fLaC\", \"ac-3\", \"ec-3\", \"mp4a\">})"]
    );
    // As SRS begins.
    rig.send(5, 0, &2_500_000_u32.to_be_bytes());
    rig.send(6, 0, b"\x00\x26\x25\xA0\x02");
    rig.send(1, 0, &60_000_u32.to_be_bytes());
    assert_eq!(rig.replies(), ["2/0 WindowAcknowledgementSize(2500000)"]);
    // From here on the server's chunks are longer than the messages.
    let send = |rig: &mut Rig, stream, name, id, arguments: &[Value]| {
        let payload = command(name, id, arguments);
        rig.receive(&whole(20, stream, 0, &payload)).unwrap()
    };
    let events = send(&mut rig, 0, "_result", 1.0, &connect_result());
    assert_eq!(events, [SessionEvent::Connected]);
    assert_eq!(send(&mut rig, 0, "onBWDone", 0.0, &[Value::Null]), []);
    assert_eq!(
        rig.replies(),
        [
            "2/0 SetChunkSize(ChunkSize(60000))",
            "3/0 releaseStream(2, null, \"cam?token=abc\")",
            "3/0 FCPublish(3, null, \"cam?token=abc\")",
            "3/0 createStream(4, null)",
        ]
    );
    assert_eq!(send(&mut rig, 0, "_result", 2.0, &[Value::Null, Value::Undefined]), []);
    assert_eq!(send(&mut rig, 0, "_error", 3.0, &[Value::Null, Value::Undefined]), []);
    assert_eq!(rig.replies(), Vec::<String>::new());
    assert_eq!(send(&mut rig, 0, "_result", 4.0, &[Value::Null, number(1.0)]), []);
    assert_eq!(rig.replies(), ["5/1 publish(5, null, \"cam?token=abc\", \"live\")"]);
    let start = info("status", "NetStream.Publish.Start");
    assert_eq!(send(&mut rig, 1, "onFCPublish", 0.0, &[Value::Null, start.clone()]), []);
    let events = send(&mut rig, 1, "onStatus", 0.0, &[Value::Null, start]);
    assert_eq!(events, [SessionEvent::Started { stream: MessageStreamId(1) }]);

    let frame = |kind, class, timestamp, payload: &Bytes| Frame {
        kind,
        class,
        timestamp: Timestamp(timestamp),
        payload: payload.clone(),
    };
    let metadata = amf(&[text("onMetaData"), object(&[("a", number(1.0))])]);
    let (key, aac) = (Bytes::from_static(b"\x17\x01key"), Bytes::from_static(b"\xAF\x01aac"));
    for frame in [
        frame(FrameKind::Data, FrameClass::Metadata, 0, &metadata),
        frame(FrameKind::Data, FrameClass::Control, 0, &amf(&[text("onCuePoint")])),
        frame(FrameKind::Video, FrameClass::Keyframe, 40, &key),
        frame(FrameKind::Audio, FrameClass::Coded, 42, &aac),
        frame(FrameKind::Video, FrameClass::Keyframe, 80, &key),
    ] {
        rig.session.send(&frame, &mut rig.out).unwrap();
    }
    rig.session.finish(&mut rig.out);
    assert_eq!(
        rig.replies(),
        [
            "5/1 @@setDataFrame(\"onMetaData\", {a: 1})",
            "5/1 @onCuePoint()",
            "6/1 media 9 at 40: b\"\\x17\\x01key\"",
            "4/1 media 8 at 42: b\"\\xaf\\x01aac\"",
            "6/1 media 9 at 80: b\"\\x17\\x01key\"",
            "3/0 FCUnpublish(6, null, \"cam?token=abc\")",
            "3/0 deleteStream(7, null, 1)",
        ]
    );
    let last = frame(FrameKind::Audio, FrameClass::Coded, 90, &aac);
    assert_eq!(rig.session.send(&last, &mut rig.out), Err(Misuse("the session does not publish")));
}

/// A whole message in one chunk.
fn whole(type_id: u8, stream: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let [_, t2, t1, t0] = timestamp.to_be_bytes();
    let [_, l2, l1, l0] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let header = [3, t2, t1, t0, l2, l1, l0, type_id];
    [&header[..], &stream.to_le_bytes(), payload].concat()
}

#[test]
fn a_player_asks_in_the_order_of_ffmpeg() {
    let mut rig = Rig::client(Intent::Play);
    assert!(rig.replies()[0].starts_with(
        "3/0 connect(1, {app: \"live\", flashVer: \"LNX 9,0,124,2\", tcUrl: \"rtmp://h/live\", \
         fpad: false, capabilities: 15, audioCodecs: 4071, videoCodecs: 252, videoFunction: 1, "
    ));
    assert_eq!(rig.call(0, "_result", 1.0, &connect_result()), [SessionEvent::Connected]);
    assert_eq!(
        rig.replies(),
        ["2/0 WindowAcknowledgementSize(2500000)", "3/0 createStream(2, null)",]
    );
    assert_eq!(rig.call(0, "_result", 2.0, &[Value::Null, number(1.0)]), []);
    assert_eq!(
        rig.replies(),
        [
            "5/1 play(3, null, \"cam?token=abc\", -2000)",
            "2/0 SetBufferLength { stream: MessageStreamId(1), length_ms: 3000 }",
        ]
    );
    let status =
        |rig: &mut Rig, code| rig.call(1, "onStatus", 0.0, &[Value::Null, info("status", code)]);
    rig.send(4, 0, b"\x00\x00\x00\x00\x00\x01");
    assert_eq!(status(&mut rig, "NetStream.Play.Reset"), []);
    let stream = MessageStreamId(1);
    assert_eq!(status(&mut rig, "NetStream.Play.Start"), [SessionEvent::Started { stream }]);
    assert_eq!(status(&mut rig, "NetStream.Play.Start"), [], "it starts once");
    let access = [text("|RtmpSampleAccess"), Value::Boolean(true), Value::Boolean(true)];
    assert_eq!(rig.send(18, 1, &amf(&access)), []);
    let start = [text("onStatus"), object(&[("code", text("NetStream.Data.Start"))])];
    assert_eq!(rig.send(18, 1, &amf(&start)), []);

    // As node-media-server and xiu send metadata.
    let width = || object(&[("width", number(1.0))]);
    let sent = amf(&[text("@setDataFrame"), text("onMetaData"), width()]);
    let frame = Frame {
        kind: FrameKind::Data,
        class: FrameClass::Metadata,
        timestamp: Timestamp(0),
        payload: amf(&[text("onMetaData"), width()]),
    };
    assert_eq!(rig.send(18, 1, &sent), [SessionEvent::Media { stream, frame }]);
    let frame = Frame {
        kind: FrameKind::Video,
        class: FrameClass::Keyframe,
        timestamp: Timestamp(40),
        payload: Bytes::from_static(b"\x17\x01\x00\x00\x00key"),
    };
    let events = rig.receive(&timed(9, 1, 40, &frame.payload)).unwrap();
    assert_eq!(events, [SessionEvent::Media { stream, frame }]);

    for code in [
        "NetStream.Play.UnpublishNotify",
        "NetStream.Play.Stop",
        "NetStream.Play.Complete",
        "NetConnection.Connect.Closed",
    ] {
        assert_eq!(status(&mut rig, code), [SessionEvent::Ended { code: code.into() }]);
    }
    let ended = [SessionEvent::Ended { code: "".into() }];
    assert_eq!(rig.send(4, 0, b"\x00\x01\x00\x00\x00\x01"), ended);
    let complete = [text("onPlayStatus"), info("status", "NetStream.Play.Complete")];
    let ended = [SessionEvent::Ended { code: "NetStream.Play.Complete".into() }];
    assert_eq!(rig.send(18, 1, &amf(&complete)), ended);
    assert_eq!(rig.replies(), Vec::<String>::new());
    rig.session.finish(&mut rig.out);
    assert_eq!(rig.replies(), ["3/0 deleteStream(7, null, 1)"]);
}

#[test]
fn the_first_media_start_a_player() {
    let mut rig = created(Intent::Play);
    let stream = MessageStreamId(7);
    let audio = |timestamp| Frame {
        kind: FrameKind::Audio,
        class: FrameClass::Coded,
        timestamp: Timestamp(timestamp),
        payload: Bytes::from_static(b"\x2F\xFFmp3"),
    };
    let media = |timestamp| SessionEvent::Media { stream, frame: audio(timestamp) };
    let item = |timestamp| crate::session::testing::item(8, timestamp, &audio(0).payload);
    // The message stream that media name does not matter.
    let events = rig.receive(&timed(22, 1, 100, &[item(0), item(26)].concat())).unwrap();
    assert_eq!(events, [SessionEvent::Started { stream }, media(100), media(126)]);
    let events = rig.receive(&timed(8, 7, 150, &audio(0).payload)).unwrap();
    assert_eq!(events, [media(150)]);
}

#[test]
fn media_that_nobody_asked_for_are_ignored() {
    let dropped = [SessionEvent::Ignored(Ignored::MediaState)];
    assert_eq!(Rig::client(Intent::Play).send(8, 1, b"\x2F\xFF"), dropped);
    assert_eq!(created(Intent::Publish).send(8, 1, b"\x2F\xFF"), dropped);
    assert_eq!(started(Intent::Publish).send(8, 1, b"\x2F\xFF"), dropped);
    let ended = started(Intent::Publish).send(4, 0, b"\x00\x01\x00\x00\x00\x01");
    assert_eq!(ended, []);
}

#[test]
fn nothing_is_sent_before_the_start() {
    let frame = Frame {
        kind: FrameKind::Audio,
        class: FrameClass::Coded,
        timestamp: Timestamp(0),
        payload: Bytes::from_static(b"\x2F\xFF"),
    };
    for mut rig in [Rig::client(Intent::Publish), created(Intent::Publish), started(Intent::Play)] {
        rig.replies();
        assert!(rig.session.send(&frame, &mut rig.out).is_err());
        assert_eq!(rig.replies(), Vec::<String>::new());
    }
}

#[test]
fn refusals_are_reported() {
    let rejected = |code: &'static str| {
        [SessionEvent::Rejected { code: code.into(), description: "Words.".into() }]
    };
    let check = |mut rig: Rig, name, id, level, code, expected: &[SessionEvent]| {
        let events = rig.call(0, name, id, &[Value::Null, info(level, code)]);
        assert_eq!(events, expected, "{name} {id} {level} {code}");
    };
    let connecting = || Rig::client(Intent::Publish);
    let creating = || {
        let mut rig = connecting();
        rig.call(0, "_result", 1.0, &connect_result());
        rig
    };
    let code = "NetConnection.Connect.Rejected";
    check(connecting(), "_error", 1.0, "error", code, &rejected(code));
    check(connecting(), "_result", 1.0, "error", code, &rejected(code));
    check(connecting(), "onStatus", 0.0, "error", code, &rejected(code));
    let code = "NetConnection.Call.Failed";
    check(creating(), "_error", 4.0, "error", code, &rejected(code));
    check(creating(), "_error", 2.0, "error", code, &[]);
    check(creating(), "_error", 3.0, "error", code, &[]);
    let code = "NetStream.Publish.BadName";
    check(created(Intent::Publish), "onStatus", 0.0, "error", code, &rejected(code));
    check(created(Intent::Publish), "onStatus", 0.0, "status", code, &rejected(code));
    let ended = [SessionEvent::Ended { code: code.into() }];
    check(started(Intent::Publish), "onStatus", 0.0, "error", code, &ended);
    let code = "NetStream.Play.StreamNotFound";
    check(created(Intent::Play), "onStatus", 0.0, "error", code, &rejected(code));
}

#[test]
fn servers_may_number_and_order_their_answers_as_they_like() {
    // Another numbering, as in a recorded session.
    let mut rig = Rig::client(Intent::Publish);
    assert_eq!(rig.call(0, "_result", 9.0, &[Value::Null, Value::Null]), []);
    assert_eq!(rig.call(0, "_result", 3.0, &connect_result()), [SessionEvent::Connected]);
    rig.replies();
    assert_eq!(rig.call(0, "_result", 11.0, &[Value::Null]), []);
    assert_eq!(rig.call(0, "_result", 12.0, &[Value::Null, Value::Null]), []);
    assert_eq!(rig.call(0, "_result", 13.0, &[Value::Null, number(-1.0)]), []);
    assert_eq!(rig.call(0, "_result", 99.0, &[Value::Null, number(3.0)]), []);
    assert_eq!(rig.replies(), ["5/3 publish(5, null, \"cam?token=abc\", \"live\")"]);
    assert_eq!(rig.call(0, "_result", 99.0, &[Value::Null, number(4.0)]), []);
    assert_eq!(rig.replies(), Vec::<String>::new());

    // Red5 sends null for the properties, rtmpsrv nothing but them.
    for arguments in [vec![Value::Null, Value::Null], vec![Value::Null], vec![]] {
        let mut rig = Rig::client(Intent::Play);
        assert_eq!(rig.call(0, "_result", 1.0, &arguments), [SessionEvent::Connected]);
    }

    // And its status object stands in the place of the command object.
    let mut rig = created(Intent::Play);
    let events = rig.call(7, "onStatus", 0.0, &[info("status", "NetStream.Play.Start")]);
    assert_eq!(events, [SessionEvent::Started { stream: MessageStreamId(7) }]);

    // Commands of the server itself.
    let mut rig = started(Intent::Play);
    rig.replies();
    assert_eq!(rig.call(0, "onBWCheck", 2.0, &[Value::Null]), []);
    assert_eq!(rig.call(0, "FCUnpublish", 3.0, &[Value::Null, text("x")]), []);
    let events = rig.call(0, "close", 4.0, &[Value::Null]);
    assert_eq!(events, [SessionEvent::Ignored(Ignored::Command { name: "close".into() })]);
    assert_eq!(rig.replies(), Vec::<String>::new());
}
