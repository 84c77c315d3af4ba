use super::fuzz::handshake;
use super::testing::{Rig, amf, command, item, message, number, object, request_of, text, timed};
use super::*;
use crate::amf::{AmfError, Value};
use crate::chunk::{ChunkError, ChunkStreamId, MessageHeader, write_message};
use crate::flv::tag::TagError;
use crate::frame::{FrameClass, FrameKind};
use crate::time::Timestamp;
use bytes::Bytes;
use core::time::Duration;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

fn ignored(what: Ignored) -> [SessionEvent; 1] {
    [SessionEvent::Ignored(what)]
}

fn audio(timestamp: u32, payload: &'static [u8]) -> SessionEvent {
    let payload = Bytes::from_static(payload);
    let (kind, class) = (FrameKind::Audio, FrameClass::Coded);
    let frame = Frame { kind, class, timestamp: Timestamp(timestamp), payload };
    SessionEvent::Media { stream: MessageStreamId(1), frame }
}

#[test]
fn row_033_control_messages_of_any_length() {
    for type_id in [1, 2, 3, 5, 6] {
        for len in [1, 3, 65, 60_000] {
            let error = Rig::connected().fails(type_id, 0, &vec![1; len]);
            assert_eq!(error, SessionError::Control { type_id }, "{type_id} {len}");
        }
        for len in [4, 5, 64] {
            let mut payload = vec![0; len];
            payload[2] = 1;
            assert_eq!(Rig::connected().send(type_id, 0, &payload), [], "{type_id} {len}");
        }
    }
    assert_eq!(Rig::connected().fails(4, 0, &[0; 65]), SessionError::Control { type_id: 4 });
}

#[test]
fn chunk_sizes_below_the_limit_are_refused() {
    let refused = SessionError::Control { type_id: 1 };
    for size in [0_u32, 1, 127, 0x8000_0000, 0xFFFF_FFFF] {
        assert_eq!(Rig::connected().fails(1, 0, &size.to_be_bytes()), refused, "{size}");
    }
    for size in [128_u32, 65_536, 0x7FFF_FFFF] {
        assert_eq!(Rig::connected().send(1, 0, &size.to_be_bytes()), [], "{size}");
    }
    let mut config = SessionConfig::default();
    config.limits.chunk_size_min = 1;
    assert_eq!(Rig::server(config).send(1, 0, &1_u32.to_be_bytes()), []);
}

#[test]
fn row_034_aborts() {
    let mut rig = Rig::publishing();
    let header = MessageHeader {
        csid: ChunkStreamId::AUDIO,
        type_id: 8,
        stream_id: MessageStreamId(1),
        timestamp: Timestamp(0),
    };
    let mut partial = Vec::new();
    write_message(header, &[0x2F; 200], ChunkSize::DEFAULT, &mut partial);
    rig.receive(&partial[..12 + 128]).unwrap();
    assert!(rig.session.buffered() > 0);
    for csid in [4_u32, 9, 2, 0, 70_000, u32::MAX] {
        for _ in 0..10_000 {
            assert_eq!(rig.send(2, 0, &csid.to_be_bytes()), []);
        }
    }
    assert_eq!(rig.session.buffered(), 0);
    let bytes = timed(8, 1, 5, b"\x2Fa");
    assert_eq!(rig.receive(&bytes).unwrap(), [audio(5, b"\x2Fa")]);
}

#[test]
fn row_035_messages_without_payload() {
    for mut rig in [Rig::connected(), Rig::publishing(), Rig::playing()] {
        for type_id in [1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 20, 22] {
            let events = rig.send(type_id, 1, b"");
            assert_eq!(events, ignored(Ignored::EmptyMessage { type_id }));
        }
        assert_eq!(rig.call(0, "createStream", 5.0, &[]), []);
        assert_eq!(rig.replies().len(), 1);
    }
}

#[test]
fn row_036_long_messages_only_from_publishers() {
    let header = |len: u32| {
        let [_, l2, l1, l0] = len.to_be_bytes();
        [4, 0, 0, 0, l2, l1, l0, 9, 1, 0, 0, 0]
    };
    let too_long = |len, limit| SessionError::Chunk(ChunkError::MessageTooLong { len, limit });
    let (early, full) = (64 << 10, 8 << 20);
    for rig in [|| Rig::server(SessionConfig::default()), Rig::connected, Rig::playing] {
        assert_eq!(rig().receive(&header(early)), Ok(vec![]));
        assert_eq!(rig().receive(&header(early + 1)), Err(too_long(early + 1, early)));
    }
    let mut rig = Rig::publishing();
    assert_eq!(rig.receive(&header(full)), Ok(vec![]));
    assert!(rig.session.buffered() < 100, "nothing is allocated for what was declared");
    let mut rig = Rig::publishing();
    assert_eq!(rig.receive(&header(0xFF_FFFF)), Err(too_long(0xFF_FFFF, full)));
    assert_eq!(
        rig.replies(),
        ["3/0 onStatus(0, null, {level: \"error\", code: \"NetConnection.Connect.Closed\", \
         description: \"A message is too long.\", clientid: \"MILLSTRM\"})"]
    );
}

#[test]
fn row_040_unknown_messages_are_counted() {
    let unknown = (0..=255).filter(|id| !matches!(id, 1..=6 | 8 | 9 | 15 | 17 | 18 | 20 | 22));
    let mut rig = Rig::publishing();
    for type_id in unknown.clone().take(100) {
        let events = rig.send(type_id, 0, b"x");
        assert_eq!(events, ignored(Ignored::MessageType { type_id }));
    }
    assert_eq!(rig.fails(210, 0, b"x"), SessionError::TooManyUnknown);

    // Commands of unknown name count as well.
    let mut rig = Rig::connected();
    for _ in 0..100 {
        let events = rig.call(0, "nobodyKnows", 5.0, &[]);
        assert_eq!(events, ignored(Ignored::Command { name: "nobodyKnows".into() }));
        assert_eq!(rig.replies(), ["3/0 _result(5, null, null)"]);
    }
    let error = rig.fails(20, 0, &command("nobodyKnows", 5.0, &[]));
    assert_eq!(error, SessionError::TooManyUnknown);
}

/// Receives `len` bytes of media, and gives the acknowledgements.
fn acknowledgements(rig: &mut Rig, len: usize) -> Vec<String> {
    let media = message(8, 1, &[0x2F; 10_000]);
    for _ in 0..len.div_ceil(media.len()) {
        rig.receive(&media).unwrap();
    }
    rig.replies()
}

#[test]
fn row_041_acknowledgements_are_few_and_wrap() {
    // Without a window of the peer, ours counts: one for each half of it.
    let mut rig = Rig::publishing();
    assert_eq!(acknowledgements(&mut rig, 2_600_000).len(), 2);
    let cases = [(0_u32, 0), (1, 14), (200_000, 10), (1_000_000, 2), (u32::MAX, 0)];
    for (window, count) in cases {
        let mut rig = Rig::publishing();
        rig.send(5, 0, &window.to_be_bytes());
        let acknowledgements = acknowledgements(&mut rig, 1_030_000);
        assert_eq!(acknowledgements.len(), count, "{window}: {acknowledgements:?}");
    }
    // Across 2^31 and 2^32.
    for start in [(1_u32 << 31) - 70_000, u32::MAX - 70_000] {
        let mut rig = Rig::publishing();
        rig.send(5, 0, &100_u32.to_be_bytes());
        rig.session.control.jump_to(start);
        let first = format!("2/0 Acknowledgement({})", start.wrapping_add(70_630));
        let second = format!("2/0 Acknowledgement({})", start.wrapping_add(141_260));
        assert_eq!(acknowledgements(&mut rig, 142_000), [first, second]);
    }
    // What the peer acknowledges does not matter.
    let mut rig = Rig::playing();
    for sequence in [u32::MAX, 0, 5] {
        assert_eq!(rig.send(3, 0, &sequence.to_be_bytes()), []);
    }
}

#[test]
fn row_042_odd_control_values_and_many_pings() {
    let mut rig = Rig::connected();
    for payload in [&b"\x00"[..], b"\x00\x1A", b"\x00\x1A\x01", b"\xFF\xFF\x00\x00\x00\x00"] {
        assert_eq!(rig.send(4, 0, payload), []);
    }
    rig.send(4, 0, b"\x00\x03\x00\x00\x00\x01\xFF\xFF\xFF\xFF");
    rig.send(6, 0, b"\x00\x00\x00\x00\x07");
    assert_eq!(rig.replies(), Vec::<String>::new());
    // A peer bandwidth is answered by a window, once, and only if it differs.
    rig.send(6, 0, &[&2_500_000_u32.to_be_bytes()[..], &[2]].concat());
    assert_eq!(rig.replies(), Vec::<String>::new());
    for size in 1..1_000_u32 {
        rig.send(6, 0, &[&size.to_be_bytes()[..], &[7]].concat());
    }
    assert_eq!(rig.replies(), ["2/0 WindowAcknowledgementSize(1)"]);

    let ping = message(4, 0, b"\x00\x06\x00\x00\x0D\x0F");
    rig.receive(&ping.repeat(10_000)).unwrap();
    assert_eq!(rig.replies(), ["2/0 PingResponse(3343)"]);
    for _ in 0..20 {
        rig.after(Duration::from_millis(50));
        rig.receive(&ping.repeat(100)).unwrap();
    }
    assert_eq!(rig.replies().len(), 10);
}

#[test]
fn row_044_nesting_and_counts_beyond_the_budget() {
    let connect = amf(&[text("connect"), number(1.0)]);
    let cases: [(&[u8], AmfError); 3] = [
        (&b"\x0A\x00\x00\x00\x01".repeat(12_000), AmfError::TooDeep { at: 0 }),
        // Row 45.
        (b"\x0A\xFF\xFF\xFF\xFF", AmfError::Truncated { at: 0 }),
        // Row 49.
        (b"\x0C\xFF\xFF\xFF\xFF", AmfError::Truncated { at: 0 }),
    ];
    for (argument, kind) in cases {
        let mut rig = Rig::server(SessionConfig::default());
        let error = rig.fails(20, 0, &[&connect[..], argument].concat());
        let SessionError::Amf(error) = error else { panic!("{error:?}") };
        assert_eq!(core::mem::discriminant(&error), core::mem::discriminant(&kind));
    }
}

#[test]
fn row_047_commands_that_are_cut_are_not_executed() {
    let connect = object(&[("app", text("live")), ("tcUrl", text("rtmp://h/live"))]);
    let whole = command("connect", 1.0, &[connect]);
    for len in 1..whole.len() {
        let mut rig = Rig::server(SessionConfig::default());
        let error = rig.fails(20, 0, &whole[..len]);
        match len {
            // The name, and the transaction id, end here.
            10 | 19 => assert_eq!(error, SessionError::State),
            _ => assert!(matches!(error, SessionError::Amf(_)), "{len}: {error:?}"),
        }
        assert!(!rig.replies().iter().any(|reply| reply.contains("Success")), "{len}");
    }
}

#[test]
fn row_052_commands_of_type_17() {
    let call = command("createStream", 2.0, &[Value::Null]);
    let mut rig = Rig::connected();
    rig.send(17, 0, &[&[0], &call[..]].concat());
    rig.send(17, 0, &call);
    // The name as a string of AMF3.
    rig.send(17, 0, b"\x00\x11\x06\x19createStream\x00\x40\x00\x00\x00\x00\x00\x00\x00\x05");
    assert_eq!(
        rig.replies(),
        ["3/0 _result(2, null, 1)", "3/0 _result(2, null, 2)", "3/0 _result(2, null, 3)",]
    );
    // A command without a name.
    let events = rig.send(20, 0, &amf(&[number(1.0)]));
    assert_eq!(events, ignored(Ignored::Command { name: "".into() }));
    let error = rig.fails(20, 0, &[&call[..], b"\x12"].concat());
    assert!(matches!(error, SessionError::Amf(AmfError::UnknownMarker { marker: 0x12, .. })));
}

#[test]
fn row_067_media_before_accept_are_dropped() {
    let mut rig = Rig::connected();
    rig.call(0, "createStream", 2.0, &[]);
    let publish = message(20, 1, &command("publish", 3.0, &[Value::Null, text("cam")]));
    let bytes = [&message(8, 1, b"\x2Fa")[..], &publish, &message(8, 1, b"\x2Fb")].concat();
    let mut input = &bytes[..];
    let (now, out) = (rig.now, &mut rig.out);
    let event = rig.session.receive(now, &mut input, out).unwrap();
    assert_eq!(event, Some(SessionEvent::Ignored(Ignored::MediaState)));
    let event = rig.session.receive(now, &mut input, out).unwrap();
    let Some(SessionEvent::Publish(publish)) = event else { panic!("{event:?}") };
    let wrong = RequestId(publish.request.0 + 1);
    assert_eq!(rig.session.accept(now, wrong, out), Err(Misuse("no such request is pending")));
    let refusal = Refusal { code: "NetStream.Publish.Denied", description: "No." };
    rig.session.reject(now, publish.request, refusal, out).unwrap();
    assert_eq!(rig.session.receive(now, &mut input, out), Ok(None));
    assert!(input.is_empty());
}

#[test]
fn row_079_aggregates() {
    let mut rig = Rig::publishing();
    let aggregate = |items: &[Vec<u8>]| timed(22, 1, 1_000, &items.concat());
    let bytes = aggregate(&[
        item(8, 40, b"\x2Fa"),
        item(22, 45, &item(8, 45, b"\x2Fx")),
        item(9, 50, b""),
        item(99, 50, b"x"),
        item(8, 20, b"\x2Fb"),
        item(18, 50, &amf(&[text("@clearDataFrame")])),
        item(8, 60, b"\x2Fc")[..12].to_vec(),
    ]);
    let events = rig.receive(&bytes).unwrap();
    assert_eq!(
        events,
        [
            audio(1_000, b"\x2Fa"),
            SessionEvent::Ignored(Ignored::EmptyMessage { type_id: 9 }),
            SessionEvent::Ignored(Ignored::MessageType { type_id: 99 }),
            audio(980, b"\x2Fb"),
            SessionEvent::Ignored(Ignored::Aggregate),
        ]
    );
    // It is over: the next message comes from the input.
    let bytes = [aggregate(&[item(8, 0, b"\x2Fd")]), message(8, 1, b"\x2Fe")].concat();
    assert_eq!(rig.receive(&bytes).unwrap(), [audio(1_000, b"\x2Fd"), audio(0, b"\x2Fe")]);
    let mut rig = Rig::playing();
    let events = rig.receive(&aggregate(&[item(8, 0, b"\x2Fd")])).unwrap();
    assert_eq!(events, ignored(Ignored::MediaState));
}

#[test]
fn row_055_large_metadata_are_relayed() {
    let mut rig = Rig::publishing();
    let large = Value::String(crate::amf::Text(vec![b'x'; 1 << 20].into()));
    let sent = amf(&[text("onMetaData"), Value::EcmaArray(vec![("x".into(), large)])]);
    let events = rig.send(18, 1, &sent);
    let [SessionEvent::Media { frame, .. }] = &events[..] else { panic!() };
    assert_eq!((frame.class, &frame.payload), (FrameClass::Metadata, &sent));
}

#[test]
fn media_that_cannot_be_read_are_ignored() {
    let mut rig = Rig::publishing();
    let truncated = ignored(Ignored::Tag(TagError::Truncated));
    assert_eq!(rig.send(9, 1, b"\x97"), truncated);
    let events = rig.send(18, 1, &amf(&[number(1.0)]));
    assert_eq!(events, ignored(Ignored::Data(AmfError::Truncated { at: 9 })));
}

#[test]
fn a_peer_that_is_too_slow_is_refused() {
    let seconds = Duration::from_secs;
    let due = |rig: &Rig| rig.session.poll_timeout();
    // Bytes do not put a deadline off.
    let mut rig = Rig::new(|now, _| Session::server(Arc::default(), now, Rng::new(1)));
    let opened = rig.now;
    let deadline = Deadline { at: opened.after(seconds(10)), reason: TimerKind::Handshake };
    assert_eq!(due(&rig), Some(deadline));
    rig.after(seconds(9));
    assert_eq!(rig.receive(&handshake()[..1_600]).unwrap(), []);
    assert_eq!(due(&rig), Some(deadline));
    assert_eq!(rig.session.handle_timeout(rig.now, &mut rig.out), Ok(()));

    rig.receive(&handshake()[1_600..]).unwrap();
    let deadline = Deadline { at: rig.now.after(seconds(10)), reason: TimerKind::Connect };
    assert_eq!(due(&rig), Some(deadline));
    rig.after(seconds(5));
    rig.connect();
    let deadline = Deadline { at: rig.now.after(seconds(10)), reason: TimerKind::Role };
    assert_eq!(due(&rig), Some(deadline));
    rig.after(seconds(11));
    let timeout = SessionError::Timeout(TimerKind::Role);
    rig.replies();
    assert_eq!(rig.session.handle_timeout(rig.now, &mut rig.out), Err(timeout));
    assert!(rig.replies()[0].contains("NetConnection.Connect.IdleTimeOut"));
    assert_eq!(rig.receive(b""), Err(timeout));
    assert_eq!(due(&rig), None);

    // A player may be silent; a publisher may not.
    assert_eq!(due(&Rig::playing()), None);
    let mut rig = Rig::publishing();
    for _ in 0..3 {
        let deadline = Deadline { at: rig.now.after(seconds(15)), reason: TimerKind::Idle };
        assert_eq!(due(&rig), Some(deadline));
        rig.after(seconds(10));
        rig.send(4, 0, b"\x00\x06\x00\x00\x00\x00");
        assert_eq!(due(&rig), Some(deadline));
        rig.send(8, 1, b"\x2Fa");
    }
    rig.call(1, "closeStream", 0.0, &[]);
    assert_eq!(due(&rig), None);

    // A request that waits for its answer is not the peer's fault.
    let mut rig = Rig::connected();
    rig.call(0, "createStream", 2.0, &[]);
    let bytes = message(20, 1, &command("play", 0.0, &[Value::Null, text("cam")]));
    rig.session.receive(rig.now, &mut &bytes[..], &mut rig.out).unwrap();
    assert_eq!(due(&rig), None);
}

#[test]
fn a_publisher_that_sent_nothing_was_told_that_it_is_slow() {
    let mut rig = Rig::publishing();
    rig.after(Duration::from_secs(16));
    let timeout = SessionError::Timeout(TimerKind::Idle);
    assert_eq!(rig.session.handle_timeout(rig.now, &mut rig.out), Err(timeout));
    let said = rig.out.windows(12).any(|bytes| bytes == b"sent nothing");
    assert!(said, "{:?}", rig.replies());
}

#[test]
fn a_session_does_not_show_secrets() {
    let mut rig = Rig::connected();
    rig.call(0, "createStream", 2.0, &[]);
    rig.call(1, "publish", 3.0, &[Value::Null, text("cam?key=hidden")]);
    let client = ClientRequest {
        intent: Intent::Play,
        app: "live".into(),
        tc_url: "rtmp://h/live?key=hidden".into(),
        stream: "cam?key=hidden".into(),
    };
    let now = Instant::from_micros(0);
    let client = Session::client(Arc::default(), client, now, Rng::new(0), &mut BytesMut::new());
    let shown = format!("{:?} {client:?}", rig.session);
    assert!(shown.contains("cam") && !shown.contains("hidden"), "{shown}");
}

/// Both sides in memory; what one writes the other reads, in pieces of the lengths given.
struct Pair {
    now: Instant,
    client: Session,
    server: Session,
    to_client: BytesMut,
    to_server: BytesMut,
    events: Vec<String>,
    frames: Vec<Frame>,
    started: bool,
}

impl Pair {
    fn new(intent: Intent) -> Self {
        let request = ClientRequest {
            intent,
            app: "live".into(),
            tc_url: "rtmp://h/live".into(),
            stream: "cam".into(),
        };
        let now = Instant::from_micros(0);
        let mut to_server = BytesMut::new();
        Self {
            now,
            client: Session::client(Arc::default(), request, now, Rng::new(1), &mut to_server),
            server: Session::server(Arc::default(), now, Rng::new(2)),
            to_client: BytesMut::new(),
            to_server,
            events: Vec::new(),
            frames: Vec::new(),
            started: false,
        }
    }

    /// Exchanges bytes until both are silent.
    fn exchange(&mut self, lens: &mut impl Iterator<Item = usize>) {
        while !(self.to_server.is_empty() && self.to_client.is_empty()) {
            self.now = self.now.after(Duration::from_millis(1));
            let len = lens.next().unwrap();
            let piece = self.to_server.split_to(len.min(self.to_server.len()));
            let mut input = &piece[..];
            while let Some(event) =
                self.server.receive(self.now, &mut input, &mut self.to_client).unwrap()
            {
                if let Some(request) = request_of(&event) {
                    self.server.accept(self.now, request, &mut self.to_client).unwrap();
                }
                self.note("server", event);
            }
            let piece = self.to_client.split_to(len.min(self.to_client.len()));
            let mut input = &piece[..];
            while let Some(event) =
                self.client.receive(self.now, &mut input, &mut self.to_server).unwrap()
            {
                self.started |= matches!(event, SessionEvent::Started { .. });
                self.note("client", event);
            }
        }
    }

    fn note(&mut self, side: &str, event: SessionEvent) {
        if let SessionEvent::Media { frame, .. } = event {
            self.frames.push(frame);
        } else {
            let shown = format!("{event:?}");
            let end = shown.find(|c: char| !c.is_alphanumeric()).unwrap_or(shown.len());
            self.events.push(format!("{side} {}", &shown[..end]));
        }
    }
}

/// Frames of any length and time; those of audio are Linear PCM, so that any bytes are a tag.
fn frames(seeds: &[(u32, u16)]) -> Vec<Frame> {
    let frames = seeds.iter().map(|(timestamp, len)| {
        let mut payload = vec![*timestamp as u8; usize::from(*len) + 2];
        let is_audio = len & 1 == 0;
        payload[0] = if is_audio { 0x3F } else { 0x22 };
        Frame {
            kind: if is_audio { FrameKind::Audio } else { FrameKind::Video },
            class: FrameClass::Coded,
            timestamp: Timestamp(*timestamp),
            payload: payload.into(),
        }
    });
    frames.collect()
}

/// Lengths of pieces: those given, at least 1, over and over.
fn lens(lens: Vec<u16>) -> impl Iterator<Item = usize> {
    let lens = if lens.is_empty() { vec![u16::MAX] } else { lens };
    lens.into_iter().cycle().map(|len| usize::from(len) + 1)
}

quickcheck! {
    fn a_client_publishes_to_a_server(pieces: Vec<u16>, seeds: Vec<(u32, u16)>) -> () {
        let (mut pair, mut lens) = (Pair::new(Intent::Publish), lens(pieces));
        pair.exchange(&mut lens);
        assert!(pair.started);
        let frames = frames(&seeds);
        for frame in &frames {
            pair.client.send(frame, &mut pair.to_server).unwrap();
            pair.exchange(&mut lens);
        }
        assert_eq!(pair.frames, frames);
        pair.client.finish(&mut pair.to_server);
        pair.exchange(&mut lens);
        pair.events.sort();
        assert_eq!(pair.events, [
            "client Connected",
            "client Handshaked",
            "client Started",
            "server Connect",
            "server Handshaked",
            "server Publish",
            "server Unpublished",
        ]);
    }

    fn a_client_plays_from_a_server(pieces: Vec<u16>, seeds: Vec<(u32, u16)>) -> () {
        let (mut pair, mut lens) = (Pair::new(Intent::Play), lens(pieces));
        pair.exchange(&mut lens);
        assert!(pair.started);
        let frames = frames(&seeds);
        for frame in &frames {
            let is_audio = frame.kind == FrameKind::Audio;
            let header = MessageHeader {
                csid: if is_audio { ChunkStreamId::AUDIO } else { ChunkStreamId::VIDEO },
                type_id: if is_audio { 8 } else { 9 },
                stream_id: MessageStreamId(1),
                timestamp: frame.timestamp,
            };
            let size = pair.server.chunk_size();
            write_message(header, &frame.payload, size, &mut pair.to_client);
        }
        pair.server.stream_eof(MessageStreamId(1), &mut pair.to_client);
        pair.exchange(&mut lens);
        assert_eq!(pair.frames, frames);
        pair.client.finish(&mut pair.to_server);
        pair.exchange(&mut lens);
        pair.events.sort();
        assert_eq!(pair.events, [
            "client Connected",
            "client Ended",
            "client Handshaked",
            "client Started",
            "server Connect",
            "server Handshaked",
            "server Play",
            "server Stopped",
        ]);
    }
}

#[test]
fn http_and_other_strangers_are_told_apart() {
    let mut rig = Rig::new(|now, _| Session::server(Arc::default(), now, Rng::new(1)));
    let error = rig.receive(b"GET / HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(error, SessionError::Handshake(crate::handshake::HandshakeError::Http));
    assert_eq!(rig.receive(b""), Err(error));
    assert!(rig.out.is_empty());
}
