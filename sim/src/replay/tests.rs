use super::track::Track;
use super::wire::{Command, Media, What};
use super::words::Secrets;
use super::{Connection, DifferenceKind, Replay};
use crate::capture::Capture;
use crate::tcp::{Action, ConversationEvent, Direction};
use bytes::{Bytes, BytesMut};
use millstream_core::amf::{Text, Value, amf0};
use millstream_core::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use millstream_core::event::{CloseReason, Event};
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::id::MessageStreamId;
use millstream_core::time::Timestamp;
use pretty_assertions::assert_eq;
use quickcheck::{QuickCheck, TestResult};
use std::path::Path;

const PUBLISH: &str = "ffmpeg-5.1.9_publish_nginxrtmp_flashsv.pcap";

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    std::fs::read(folder.join(name)).unwrap()
}

fn capture(name: &str) -> Capture {
    Capture::read(&file(name)).unwrap()
}

/// What the connection's end was to our server.
fn close_reason(connection: &Connection) -> Option<CloseReason> {
    connection.events.iter().find_map(|(_, event)| match event {
        Event::Closed { reason, .. } => Some(*reason),
        _ => None,
    })
}

/// A status of the server as chunks.
fn status(code: &'static str) -> Bytes {
    let text = |text: &'static str| Value::String(text.into());
    let information = vec![("level".into(), text("status")), ("code".into(), text(code))];
    let mut payload = BytesMut::new();
    amf0::write_string(b"onStatus", &mut payload);
    amf0::write_number(0.0, &mut payload);
    amf0::write(&Value::Null, &mut payload);
    amf0::write(&Value::Object(information), &mut payload);
    let header = MessageHeader {
        csid: ChunkStreamId::STREAM,
        type_id: 20,
        stream_id: MessageStreamId(1),
        timestamp: Timestamp(0),
    };
    let mut out = BytesMut::new();
    write_message(header, &payload, ChunkSize::DEFAULT, &mut out);
    out.freeze()
}

#[test]
fn an_answer_that_nobody_knows_is_unexplained() {
    let mut capture = capture(PUBLISH);
    let conversation = &mut capture.conversations[0];
    let at_micros = conversation.events.last().unwrap().at_micros;
    conversation.events.retain(|event| matches!(event.action, Action::Bytes(_)));
    conversation.events.push(ConversationEvent {
        at_micros,
        direction: Direction::ServerToClient,
        action: Action::Bytes(status("NetStream.Publish.Strange")),
    });
    let replay = Replay::of(&capture);
    let differences = replay.connections[0].differences.iter();
    let unexplained: Vec<_> = differences.filter(|it| it.explanation.is_none()).collect();
    assert_eq!(unexplained.len(), 1, "{unexplained:?}");
    assert_eq!(unexplained[0].kind, DifferenceKind::RecordedOnly);
    assert_eq!(unexplained[0].subject, "status NetStream.Publish.Strange status");
    let timeline = replay.timeline();
    assert!(timeline.contains("NetStream.Publish.Strange status: UNEXPLAINED"), "{timeline}");
}

#[test]
fn an_answer_that_ours_leaves_out_is_unexplained() {
    // Our server says nothing to a client that is cut off before `publish`.
    let mut capture = capture(PUBLISH);
    let conversation = &mut capture.conversations[0];
    let mut left = 3_300;
    conversation.events.retain(|event| match &event.action {
        Action::Bytes(bytes) if event.direction == Direction::ClientToServer => {
            left -= bytes.len() as i64;
            left > 0
        }
        _ => true,
    });
    let replay = Replay::of(&capture);
    let missing = replay.connections[0]
        .differences
        .iter()
        .find(|difference| difference.subject.starts_with("status NetStream.Publish.Start"));
    let missing = missing.expect("the recorded server let the client publish");
    assert_eq!((&missing.kind, missing.explanation), (&DifferenceKind::RecordedOnly, None));
}

#[test]
fn a_gap_ends_a_client_where_it_is() {
    let mut capture = capture(PUBLISH);
    let events = &mut capture.conversations[0].events;
    let middle = events.len() / 2;
    let gap = ConversationEvent { action: Action::Gap { len: 7 }, ..events[middle].clone() };
    let gap = ConversationEvent { direction: Direction::ClientToServer, ..gap };
    events.insert(middle, gap);
    let replay = Replay::of(&capture);
    let connection = &replay.connections[0];
    assert_eq!(close_reason(connection), Some(CloseReason::Peer));
    let timeline = replay.timeline();
    assert!(timeline.contains("7 bytes are missing in the capture"), "{timeline}");
}

#[test]
fn a_capture_without_times_replays_at_once() {
    let with_times = capture(PUBLISH);
    let conversation = &with_times.conversations[0];
    let sides = [Direction::ClientToServer, Direction::ServerToClient]
        .map(|direction| conversation.bytes_until_gap(direction));
    let replay = Replay::of(&Capture::from_raw(&sides[0], &sides[1]));
    let published = |replay: &Replay| replay.published().into_iter().map(|it| it.1).next();
    assert_eq!(replay.span_micros, 0);
    assert!(published(&replay).is_some());
    assert!(published(&replay) == published(&Replay::of(&with_times)));
}

#[test]
fn every_server_of_a_capture_is_replaced_by_one_of_ours() {
    // A relay: what it takes in and what it sends on are the same stream, on two servers.
    let replay = Replay::of(&capture("srs7_forward_nginxrtmp.pcap"));
    let published = replay.connections.iter().filter(|connection| {
        connection.events.iter().any(|(_, event)| matches!(event, Event::Published { .. }))
    });
    assert_eq!(published.count(), replay.connections.len());
}

#[test]
fn no_broken_capture_makes_a_replay_fail() {
    fn property(flips: Vec<(u16, u8)>, cut: u16) -> TestResult {
        let mut file = file("rtmpdump-2.4_play-callback403_nginxrtmp.pcap");
        let len = file.len();
        for (at, byte) in flips {
            file[24 + usize::from(at) % (len - 24)] ^= byte;
        }
        file.truncate(24 + usize::from(cut) % (len - 24));
        let Ok(capture) = Capture::read(&file) else { return TestResult::discard() };
        let replay = Replay::of(&capture);
        let reports = [replay.timeline(), replay.tables()];
        let document: Result<serde_json::Value, _> = serde_json::from_str(&replay.json());
        drop(crate::case::Case::of(&capture));
        TestResult::from_bool(document.is_ok() && reports.iter().all(|it| !it.is_empty()))
    }
    QuickCheck::new().tests(200).quickcheck(property as fn(Vec<(u16, u8)>, u16) -> TestResult);
}

#[test]
fn secrets_are_found_whole_and_cut_short() {
    let connection = |argument: &str| {
        let text = |text: &str| Text(Bytes::copy_from_slice(text.as_bytes()));
        let mut replay = Replay::of(&capture(PUBLISH));
        let arguments = vec![Value::Null, Value::String(text(argument))];
        let command = Command { name: text("publish"), transaction: 5.0, arguments };
        replay.connections[0].client_said.said[0].what = What::Command(command);
        replay.connections.swap_remove(0)
    };
    let check = |argument: &str, text: &str, expected: &str| {
        let secrets = Secrets::of(&[connection(argument)]);
        assert_eq!(secrets.hide(text), expected, "{argument}");
    };
    check("cam?token=0123456789abcdef", "play cam?token=0123456789abcdef.", "play cam?....");
    check("cam?token=0123456789abcdef", "play cam?token=01234 it", "play cam?... it");
    check("cam?a=1", "play cam?a=1, cam?a=2", "play cam?..., cam?a=2");
    check(
        "live_1234567890_abcdefgh",
        "publish live/live_1234567890_abcdefgh",
        "publish live/live...",
    );
    check("live_1234567890_abcdefgh", "publish live_1234567890_a...", "publish live......");
    check("camera", "publish live/camera", "publish live/camera");
    let quoted = "cam?token=\"0123456789\"";
    let secrets = Secrets::of(&[connection(quoted)]).in_json();
    let json = serde_json::json!(millstream_core::name::escape(quoted.as_bytes(), 99)).to_string();
    assert_eq!(secrets.hide(&json), "\"cam?...\"");
}

#[test]
fn groups_jumps_and_rates_are_counted() {
    let frame = |is_key: bool, timestamp| Media {
        kind: FrameKind::Video,
        class: Some(if is_key { FrameClass::Keyframe } else { FrameClass::Coded }),
        codec: None,
        timestamp: Timestamp(timestamp),
        payload: Bytes::from_static(&[0; 500]),
    };
    let check = |frames: &[(bool, u32)], jumps: &[i64], gops: &str, milli_fps| {
        let mut track = Track::default();
        for (is_key, timestamp) in frames {
            track.add(&frame(*is_key, *timestamp));
        }
        let found: Vec<_> = track.jumps.iter().map(|jump| jump.millis).collect();
        assert_eq!((found.as_slice(), track.groups.text().as_str()), (jumps, gops));
        assert_eq!(track.milli_fps(), milli_fps);
    };
    let (key, inner) = (true, false);
    let steady = [(key, 0), (inner, 40), (key, 80), (inner, 120), (inner, 160), (key, 200)];
    check(&steady, &[], "2..3 frames 80..120 ms", Some(25_000));
    // Across 2^32, and with a step back.
    check(&[(key, u32::MAX - 39), (inner, 0), (key, 40)], &[], "2 frames 80 ms", Some(25_000));
    check(&[(key, 1_000), (inner, 960), (key, 1_000)], &[-40], "0 frames 0 ms", Some(50_000));
    check(&[(key, 0), (inner, 5_000), (key, 5_040)], &[5_000], "0 frames 0 ms", Some(50_000));
    check(&[(key, 7)], &[], "0 frames 0 ms", None);
}
