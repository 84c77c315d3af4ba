use crate::amf::Value;
use crate::session::testing::{Rig, amf, command, message, number, object, text};
use crate::session::{Ignored, Refusal, SessionConfig, SessionError, SessionEvent};
use pretty_assertions::assert_eq;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

const CONNECTED: [&str; 5] = [
    "2/0 WindowAcknowledgementSize(2500000)",
    "2/0 SetPeerBandwidth { size: 2500000, limit_type: Dynamic }",
    "2/0 SetChunkSize(ChunkSize(60000))",
    "3/0 _result(1, {fmsVer: \"FMS/3,5,3,888\", capabilities: 127, mode: 1}, {level: \"status\", \
     code: \"NetConnection.Connect.Success\", description: \"Connection succeeded.\", \
     objectEncoding: 0, data: [version: \"3,5,3,888\", server: \"millstream 0.1.0\"]})",
    "3/0 onBWDone(0, null)",
];

const PUBLISHED: &str = "5/1 onStatus(0, null, {level: \"status\", code: \
    \"NetStream.Publish.Start\", description: \"Started publishing stream.\", clientid: \
    \"MILLSTRM\"})";

const ON_FC_PUBLISH: &str = "5/1 onFCPublish(0, null, {code: \"NetStream.Publish.Start\", \
    description: \"Started publishing stream.\"})";

const PLAYED: [&str; 4] = [
    "2/0 StreamBegin(MessageStreamId(1))",
    "5/1 onStatus(0, null, {level: \"status\", code: \"NetStream.Play.Reset\", description: \
     \"Playing and resetting stream.\", details: \"stream\", clientid: \"MILLSTRM\"})",
    "5/1 onStatus(0, null, {level: \"status\", code: \"NetStream.Play.Start\", description: \
     \"Started playing stream.\", details: \"stream\", clientid: \"MILLSTRM\"})",
    "5/1 @|RtmpSampleAccess(true, true)",
];

const UNPUBLISHED: &str = "5/1 onStatus(0, null, {level: \"status\", code: \
    \"NetStream.Unpublish.Success\", description: \"Stream is now unpublished.\", clientid: \
    \"MILLSTRM\"})";

/// The arguments of a call that has none: a command object that is null.
const NULL: &[Value] = &[Value::Null];

/// One command: message stream, name, transaction id, arguments; and the replies to it.
type Step<'a> = (u32, &'static str, f64, &'a [Value], &'a [&'a str]);

fn check(steps: &[Step<'_>]) {
    let mut rig = Rig::server(SessionConfig::default());
    for (stream, name, transaction, arguments, expected) in steps {
        rig.call(*stream, name, *transaction, arguments);
        assert_eq!(rig.replies(), *expected, "{name}");
    }
}

fn connect_object() -> Value {
    object(&[("app", text("live")), ("tcUrl", text("rtmp://h/live"))])
}

#[test]
fn encoders_of_the_fmle_kind_publish() {
    let (null, cam) = (Value::Null, text("cam"));
    check(&[
        (0, "connect", 1.0, &[connect_object()], &CONNECTED),
        (
            0,
            "releaseStream",
            2.0,
            &[null.clone(), cam.clone()],
            &["3/0 _result(2, null, undefined)"],
        ),
        (0, "FCPublish", 3.0, &[null.clone(), cam.clone()], &["3/0 _result(3, null, undefined)"]),
        (0, "createStream", 4.0, NULL, &["3/0 _result(4, null, 1)"]),
        (0, "_checkbw", 5.0, NULL, &["3/0 _result(5, null, null)"]),
        (
            1,
            "publish",
            6.0,
            &[null.clone(), cam.clone(), text("live")],
            &[ON_FC_PUBLISH, PUBLISHED],
        ),
        (
            0,
            "FCUnpublish",
            7.0,
            &[null.clone(), cam],
            &[
                "5/1 onFCUnpublish(0, null, {code: \"NetStream.Unpublish.Success\", description: \
             \"Stop publishing stream.\"})",
                "3/0 _result(7, null, undefined)",
                UNPUBLISHED,
            ],
        ),
        (0, "deleteStream", 8.0, &[null, number(1.0)], &["3/0 _result(8, null, null)"]),
    ]);
}

#[test]
fn haivision_checks_first_and_releases_nothing() {
    let (null, cam) = (Value::Null, text("cam"));
    check(&[
        (0, "connect", 1.0, &[connect_object()], &CONNECTED),
        (0, "_checkbw", 2.0, NULL, &["3/0 _result(2, null, null)"]),
        (0, "createStream", 3.0, NULL, &["3/0 _result(3, null, 1)"]),
        (0, "FCPublish", 4.0, &[null.clone(), cam.clone()], &["3/0 _result(4, null, undefined)"]),
        (1, "publish", 0.0, &[null, cam, text("live")], &[ON_FC_PUBLISH, PUBLISHED]),
    ]);
}

#[test]
fn flash_publishes_without_fc_publish() {
    let (null, cam) = (Value::Null, text("cam"));
    check(&[
        (0, "connect", 1.0, &[connect_object()], &CONNECTED),
        (0, "createStream", 2.0, NULL, &["3/0 _result(2, null, 1)"]),
        (1, "publish", 0.0, &[null.clone(), cam.clone()], &[PUBLISHED]),
        (1, "publish", 0.0, &[null.clone(), Value::Boolean(false)], &[UNPUBLISHED]),
        // And again, on the same message stream.
        (1, "publish", 0.0, &[null.clone(), cam], &[PUBLISHED]),
        (1, "closeStream", 0.0, &[null], &[UNPUBLISHED]),
    ]);
}

#[test]
fn players_play() {
    let (null, cam) = (Value::Null, text("cam"));
    check(&[
        (0, "connect", 1.0, &[connect_object()], &CONNECTED),
        (0, "createStream", 2.0, NULL, &["3/0 _result(2, null, 1)"]),
        (0, "FCSubscribe", 3.0, &[null.clone(), cam.clone()], &["3/0 _result(3, null, null)"]),
        (0, "getStreamLength", 4.0, &[null.clone(), cam.clone()], &["3/0 _result(4, null, 0)"]),
        (1, "play", 5.0, &[null.clone(), cam.clone(), number(-2_000.0)], &PLAYED),
        (
            1,
            "pause",
            0.0,
            &[null.clone(), Value::Boolean(true), number(0.0)],
            &[
                "5/1 onStatus(0, null, {level: \"status\", code: \"NetStream.Pause.Notify\", \
             description: \"Paused stream.\", clientid: \"MILLSTRM\"})",
                "2/0 StreamEof(MessageStreamId(1))",
            ],
        ),
        (
            1,
            "pauseRaw",
            0.0,
            &[null.clone(), Value::Boolean(false), number(f64::NAN)],
            &[
                "5/1 onStatus(0, null, {level: \"status\", code: \"NetStream.Unpause.Notify\", \
             description: \"Unpaused stream.\", clientid: \"MILLSTRM\"})",
                "2/0 StreamBegin(MessageStreamId(1))",
            ],
        ),
        (1, "receiveVideo", 0.0, &[null.clone(), Value::Boolean(false)], &[]),
        (
            1,
            "receiveAudio",
            6.0,
            &[null.clone(), Value::Boolean(true)],
            &["3/0 _result(6, null, null)"],
        ),
        (
            1,
            "seek",
            0.0,
            &[null.clone(), number(1_000.0)],
            &["5/1 onStatus(0, null, {level: \"error\", code: \"NetStream.Seek.Failed\", \
             description: \"The message stream cannot do that now.\", clientid: \"MILLSTRM\"})"],
        ),
        // A player of Flash that closes to pause, and plays again.
        (1, "closeStream", 0.0, NULL, &["2/0 StreamEof(MessageStreamId(1))"]),
        (1, "play", 0.0, &[null.clone(), cam, number(-2.0), number(-1.0), number(1.0)], &PLAYED),
        (0, "deleteStream", 0.0, &[null, number(1.0)], &["2/0 StreamEof(MessageStreamId(1))"]),
    ]);
}

#[test]
fn enhanced_clients_learn_what_is_relayed() {
    let mut rig = Rig::server(SessionConfig::default());
    let fourccs = Value::StrictArray(vec![text("hvc1"), text("av01")]);
    let events = rig.call(
        0,
        "connect",
        1.0,
        &[object(&[
            ("app", text("live")),
            ("fourCcList", fourccs),
            ("objectEncoding", number(3.0)),
        ])],
    );
    let [SessionEvent::Connect(connect)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((connect.object_encoding, connect.tc_url.as_bytes()), (3.0, &b""[..]));
    let replies = rig.replies();
    assert!(
        replies[3].ends_with(
            "objectEncoding: 3, data: [version: \"3,5,3,888\", server: \"millstream 0.1.0\"], \
             fourCcList: <\"*\">, videoFourCcInfoMap: {*: 4}, audioFourCcInfoMap: {*: 4}, \
             capsEx: 14, videoFunction: 6})"
        ),
        "{}",
        replies[3]
    );
}

#[test]
fn events_carry_what_was_asked_for() {
    let mut rig = Rig::server(SessionConfig::default());
    let events = rig.call(
        0,
        "connect",
        1.0,
        &[object(&[
            ("app", text("live")),
            ("flashVer", text("FMLE/3.0")),
            ("tcUrl", text("rtmp://h/live")),
            ("pageUrl", text("http://h/p")),
            ("swfUrl", text("http://h/s")),
        ])],
    );
    let [SessionEvent::Connect(connect)] = &events[..] else { panic!("{events:?}") };
    let texts = [&connect.app, &connect.flash_ver, &connect.tc_url, &connect.page_url];
    let texts = texts.map(|text| text.to_str_lossy().into_owned());
    assert_eq!(texts, ["live", "FMLE/3.0", "rtmp://h/live", "http://h/p"]);
    assert_eq!(connect.swf_url, *"http://h/s");

    rig.call(0, "createStream", 2.0, &[]);
    let events =
        rig.call(1, "play", 0.0, &[Value::Null, text("cam?k=1"), number(5.0), number(7.9)]);
    let [SessionEvent::Play(play)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((play.start, play.duration), (5.0, Some(core::time::Duration::from_millis(7))));
    assert_eq!(play.argument, *"cam?k=1");

    rig.call(0, "createStream", 2.0, &[]);
    let events = rig.call(2, "publish", 0.0, &[Value::Null, number(1.0)]);
    let [SessionEvent::Publish(publish)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(publish.argument, *"");
}

#[test]
fn a_refusal_is_told_and_what_follows_is_dropped() {
    let refusal = Refusal { code: "NetStream.Publish.BadName", description: "It is busy." };
    let publish = command("publish", 0.0, &[Value::Null, text("cam")]);
    let check = |rig: &mut Rig, payload: &[u8], stream, expected: &str| {
        rig.refused(stream, payload, refusal);
        assert_eq!(rig.replies(), [expected]);
        let more = [message(20, 0, &command("createStream", 3.0, &[])), vec![0xFF; 1 << 20]];
        assert_eq!(rig.receive(&more.concat()), Ok(vec![]));
        assert_eq!((rig.replies(), rig.session.poll_timeout()), (vec![], None));
    };

    let mut rig = Rig::server(SessionConfig::default());
    let connect = command("connect", 1.0, &[connect_object()]);
    let expected = "3/0 _error(1, null, {level: \"error\", code: \"NetStream.Publish.BadName\", \
                    description: \"It is busy.\"})";
    check(&mut rig, &connect, 0, expected);

    let mut rig = Rig::connected();
    rig.call(0, "createStream", 2.0, &[]);
    rig.call(0, "createStream", 2.0, &[]);
    rig.replies();
    let expected = "5/2 onStatus(0, null, {level: \"error\", code: \"NetStream.Publish.BadName\", \
                    description: \"It is busy.\", clientid: \"MILLSTRM\"})";
    check(&mut rig, &publish, 2, expected);
}

/// What became of a command: its name in the event, and whether there was an answer.
fn outcome(rig: &mut Rig, stream: u32, name: &'static str) -> String {
    let null = Value::Null;
    let arguments = match name {
        "connect" => vec![connect_object()],
        "deleteStream" => vec![null, number(f64::from(stream))],
        "FCUnpublish" => vec![null, text("cam")],
        "publish(false)" | "play(false)" => vec![null, Value::Boolean(false)],
        "publish" | "play" => vec![null, text("cam")],
        _ => vec![null, Value::Boolean(true)],
    };
    let events = match name {
        "media" => rig.send(18, stream, &amf(&[text("onCuePoint")])),
        "publish(false)" => rig.call(stream, "publish", 9.0, &arguments),
        "play(false)" => rig.call(stream, "play", 9.0, &arguments),
        _ => rig.call(stream, name, 9.0, &arguments),
    };
    let replies = rig.replies();
    let says = |word: &str| replies.iter().any(|reply| reply.contains(word));
    let answer = if says("_error(9") {
        " _error"
    } else if says("level: \"error\"") {
        " error"
    } else if says("_result(9") {
        " _result"
    } else {
        ""
    };
    let event: String = match &events[..] {
        [] => "-".into(),
        [SessionEvent::Ignored(Ignored::CommandState { name })] => {
            assert!(!answer.is_empty(), "{name:?} is answered");
            "state".into()
        }
        [event] => {
            let shown = format!("{event:?}");
            let end = shown.find(|c: char| !c.is_alphanumeric()).unwrap_or(shown.len());
            if shown.starts_with("Ignored(MediaState") {
                "drop".into()
            } else {
                shown[..end].into()
            }
        }
        events => panic!("{events:?}"),
    };
    format!("{event}{answer}")
}

#[test]
fn row_056_state_and_command() {
    let states: [fn() -> (Rig, u32); 5] = [
        || (Rig::server(SessionConfig::default()), 0),
        || (Rig::connected(), 1),
        || {
            let mut rig = Rig::connected();
            rig.call(0, "createStream", 2.0, &[]);
            rig.replies();
            (rig, 1)
        },
        || (Rig::publishing(), 1),
        || (Rig::playing(), 1),
    ];
    let table = [
        // Before connect, no such stream, idle, publishing, playing.
        (
            "connect",
            ["Connect _result", "state _error", "state _error", "state _error", "state _error"],
        ),
        ("createStream", ["state _error", "- _result", "- _result", "- _result", "- _result"]),
        ("releaseStream", ["state _error", "- _result", "- _result", "- _result", "- _result"]),
        ("FCPublish", ["state _error", "- _result", "- _result", "- _result", "- _result"]),
        ("_checkbw", ["state _error", "- _result", "- _result", "- _result", "- _result"]),
        ("FCSubscribe", ["state _error", "- _result", "- _result", "- _result", "- _result"]),
        ("getStreamLength", ["state _error", "- _result", "- _result", "- _result", "- _result"]),
        ("publish", ["state _error", "state error", "Publish", "state error", "state error"]),
        ("play", ["state _error", "state error", "Play", "state error", "state error"]),
        (
            "publish(false)",
            ["state _error", "- _result", "- _result", "Unpublished _result", "Stopped _result"],
        ),
        (
            "play(false)",
            ["state _error", "- _result", "- _result", "Unpublished _result", "Stopped _result"],
        ),
        (
            "FCUnpublish",
            ["state _error", "- _result", "- _result", "Unpublished _result", "- _result"],
        ),
        (
            "closeStream",
            ["state _error", "- _result", "- _result", "Unpublished _result", "Stopped _result"],
        ),
        (
            "deleteStream",
            ["state _error", "state _error", "- _result", "Unpublished _result", "Stopped _result"],
        ),
        ("pause", ["state _error", "state error", "state error", "state error", "Paused"]),
        ("pauseRaw", ["state _error", "state error", "state error", "state error", "Paused"]),
        (
            "receiveAudio",
            ["state _error", "state error", "- _result", "state error", "Selected _result"],
        ),
        (
            "receiveVideo",
            ["state _error", "state error", "- _result", "state error", "Selected _result"],
        ),
        ("seek", ["state _error", "state error", "state error", "state error", "state error"]),
        ("_result", ["state _error", "-", "-", "-", "-"]),
        (
            "play2",
            [
                "state _error",
                "Ignored _result",
                "Ignored _result",
                "Ignored _result",
                "Ignored _result",
            ],
        ),
        ("media", ["drop", "drop", "drop", "Media", "drop"]),
    ];
    for (name, expected) in table {
        let outcomes: Vec<String> = states
            .iter()
            .map(|state| {
                let (mut rig, stream) = state();
                outcome(&mut rig, stream, name)
            })
            .collect();
        assert_eq!(outcomes, expected, "{name}");
    }
}

#[test]
fn row_053_connect_with_odd_arguments() {
    let rejects = |arguments: &[Value]| {
        let mut rig = Rig::server(SessionConfig::default());
        let error = rig.fails(20, 0, &command("connect", 1.0, arguments));
        assert_eq!(error, SessionError::State);
        assert_eq!(
            rig.replies(),
            ["3/0 _error(1, null, {level: \"error\", code: \"NetConnection.Connect.Rejected\", \
             description: \"The command object of connect is missing.\"})"]
        );
    };
    rejects(&[]);
    rejects(&[text("live")]);
    rejects(&[Value::StrictArray(vec![text("live")])]);
    rejects(&[Value::Null, connect_object()]);

    // What is missing or of another type is empty: policy decides.
    let mut rig = Rig::server(SessionConfig::default());
    let events = rig.call(0, "connect", 7.0, &[object(&[("app", number(1.0))]), text("more")]);
    let [SessionEvent::Connect(connect)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&connect.app, &connect.tc_url), (&"".into(), &"".into()));
    assert!(rig.replies()[3].starts_with("3/0 _result(7, "));

    // More keys than the budget of values.
    let keys = (0..10_000).map(|_| ("k".into(), Value::Null)).collect();
    let mut rig = Rig::server(SessionConfig::default());
    let error = rig.fails(20, 0, &command("connect", 1.0, &[Value::Object(keys)]));
    assert!(matches!(error, SessionError::Amf(_)), "{error:?}");
}

#[test]
fn row_057_message_streams_are_limited_and_ids_are_used_again() {
    let mut rig = Rig::connected();
    for id in 1..=16 {
        rig.call(0, "createStream", 2.0, &[]);
        assert_eq!(rig.replies(), [format!("3/0 _result(2, null, {id})")]);
    }
    for id in [9.0, 3.0] {
        rig.call(0, "deleteStream", 0.0, &[Value::Null, number(id)]);
    }
    for id in [3, 9] {
        rig.call(0, "createStream", 2.0, &[]);
        assert_eq!(rig.replies(), [format!("3/0 _result(2, null, {id})")]);
    }
    let error = rig.fails(20, 0, &command("createStream", 2.0, &[]));
    assert_eq!(error, SessionError::TooManyMessageStreams);
    assert!(rig.replies()[0].starts_with("3/0 _error(2, null, {level: \"error\""));
}

#[test]
fn row_062_commands_that_concern_others_have_no_effect() {
    let mut rig = Rig::publishing();
    for id in [0.0, 2.0, -1.0, 1.5, 1e300, f64::NAN, f64::INFINITY] {
        let events = rig.call(0, "deleteStream", 0.0, &[Value::Null, number(id)]);
        assert_eq!(events.len(), 1, "{id}: {events:?}");
        assert!(matches!(events[0], SessionEvent::Ignored(_)), "{id}: {events:?}");
    }
    assert_eq!(rig.call(0, "FCUnpublish", 0.0, &[Value::Null, text("other")]), []);
    assert_eq!(rig.replies(), Vec::<String>::new());
    let media = rig.send(18, 1, &amf(&[text("onCuePoint")]));
    assert!(matches!(media[..], [SessionEvent::Media { .. }]));

    let mut rig = Rig::playing();
    for _ in 0..1_000 {
        rig.call(1, "receiveVideo", 0.0, &[Value::Null, Value::Boolean(false)]);
    }
    assert_eq!(rig.replies(), Vec::<String>::new());
    let events = rig.call(1, "pause", 0.0, &[Value::Null, number(f64::NAN), number(f64::NAN)]);
    assert!(matches!(events[..], [SessionEvent::Paused { paused: true, .. }]));
    rig.call(1, "seek", 0.0, &[Value::Null, number(f64::NAN)]);
    let events = rig.call(1, "pause", 0.0, &[Value::Null, Value::Boolean(false)]);
    assert!(matches!(events[..], [SessionEvent::Paused { paused: false, .. }]));
}

#[test]
fn row_051_odd_numbers_are_harmless_and_transactions_are_echoed() {
    let numbers = [0.5, -1.0, 1e308, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MIN_POSITIVE];
    for odd in numbers {
        let mut rig = Rig::connected();
        rig.call(0, "createStream", odd, &[]);
        assert_eq!(rig.replies(), [format!("3/0 _result({odd}, null, 1)")]);
        let arguments = [Value::Null, text("cam"), number(odd), number(odd)];
        let events = rig.call(1, "play", 0.0, &arguments);
        let [SessionEvent::Play(play)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(play.start, if odd.is_finite() { odd } else { -2.0 });
        assert_eq!(play.duration.is_some(), odd == 1e308);
    }
    // Nobody waits for the answer to a call without an id.
    let mut rig = Rig::connected();
    for none in [0.0, -0.0] {
        rig.call(0, "createStream", none, &[]);
        rig.call(0, "_checkbw", none, &[]);
        rig.call(0, "nobodyKnows", none, &[]);
    }
    assert_eq!(rig.replies(), Vec::<String>::new());
}

#[test]
fn message_stream_zero_stands_for_the_only_one() {
    let mut rig = Rig::connected();
    rig.call(0, "createStream", 2.0, &[]);
    let events = rig.call(0, "publish", 0.0, &[Value::Null, text("cam")]);
    let [SessionEvent::Publish(publish)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(publish.stream.0, 1);
    let cue = amf(&[text("onCuePoint")]);
    assert!(
        matches!(&rig.send(18, 0, &cue)[..], [SessionEvent::Media { stream, .. }] if stream.0 == 1)
    );
    // With two of them, it is not clear which one is meant.
    rig.call(0, "createStream", 2.0, &[]);
    rig.call(2, "publish", 0.0, &[Value::Null, text("cam2")]);
    assert_eq!(rig.send(18, 0, &cue), [SessionEvent::Ignored(Ignored::MediaState)]);
    assert!(
        matches!(&rig.send(18, 2, &cue)[..], [SessionEvent::Media { stream, .. }] if stream.0 == 2)
    );
    // Each is unpublished by its name.
    let events = rig.call(0, "FCUnpublish", 0.0, &[Value::Null, text("cam2?key=1")]);
    assert!(matches!(events[..], [SessionEvent::Unpublished { stream }] if stream.0 == 2));
    let events = rig.call(0, "FCUnpublish", 0.0, &[Value::Null]);
    assert!(matches!(events[..], [SessionEvent::Unpublished { stream }] if stream.0 == 1));
}

#[test]
fn gstreamer_deletes_a_stream_by_its_name() {
    let mut rig = Rig::publishing();
    rig.call(0, "FCUnpublish", 0.0, &[Value::Null, text("cam")]);
    rig.replies();
    assert_eq!(rig.call(0, "deleteStream", 0.0, &[Value::Null, text("cam")]), []);
    let events = rig.call(0, "deleteStream", 0.0, &[Value::Null, text("cam")]);
    let gone = Ignored::CommandState { name: "deleteStream".into() };
    assert_eq!(events, [SessionEvent::Ignored(gone)]);
    assert_eq!(rig.replies(), Vec::<String>::new());
}

#[test]
fn a_stream_that_the_owner_ended_can_publish_again() {
    let mut rig = Rig::publishing();
    rig.session.end_stream(crate::id::MessageStreamId(1));
    let cue = amf(&[text("onCuePoint")]);
    assert_eq!(rig.send(18, 1, &cue), [SessionEvent::Ignored(Ignored::MediaState)]);
    let events = rig.call(1, "publish", 0.0, &[Value::Null, text("cam")]);
    assert!(matches!(events[..], [SessionEvent::Publish(_)]));
}
