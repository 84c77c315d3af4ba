//! Chunk streams that break the rules, or stretch them.

use super::world::World;
use super::*;
use crate::chunk::{ChunkError, ChunkSize, ChunkStreamId, MessageHeader, write_message};
use crate::event::CloseReason::Error;
use crate::frame::Frame;
use crate::id::MessageStreamId;
use crate::session::Ignored;
use crate::session::SessionError::{Chunk, Control, TooManyUnknown};
use crate::time::Timestamp;
use pretty_assertions::assert_eq;
use wire::{chunk, keyframe, message, timed};

/// What a peer who publishes is told when its chunk stream ends.
const CLOSED: &str = "onStatus NetConnection.Connect.Closed";

/// A publisher sends `bytes` and is closed for `reason`, told so, in order.
fn refused(bytes: &[u8], reason: SessionError) {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.attack(peer, bytes);
    assert_eq!(world.replies(peer).last().map(String::as_str), Some(CLOSED), "{reason:?}");
    assert_eq!(world.server.stats().session_bytes, 0);
    world.finish(&[Error(reason)]);
}

/// A publisher sends `bytes` and goes on; gives what a player got.
fn relayed(bytes: &[u8]) -> Vec<Frame> {
    let mut world = World::watched(config());
    let player = world.client(Intent::Play, "live", "a");
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.attack(peer, bytes);
    world.assert_alive(peer);
    assert!(world.peers[player].is_open);
    let frames = core::mem::take(&mut world.peers[player].frames);
    world.finish(&[]);
    frames
}

fn payloads(frames: &[Frame]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| frame.payload.to_vec()).collect()
}

#[test]
fn row_023_chunk_stream_ids_in_every_form() {
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    let forms: [&[u8]; 11] = [
        &[2],
        &[3],
        &[63],
        &[0, 0],
        &[0, 255],
        &[1, 0, 1],
        &[1, 255, 255],
        // Not the shortest form of 64 and of 319.
        &[1, 0, 0],
        &[1, 255, 0],
        &[0, 1],
        &[4],
    ];
    for (index, form) in forms.iter().enumerate() {
        let payload = keyframe(&[index as u8]);
        bytes.extend_from_slice(form);
        bytes.extend_from_slice(&chunk(0, 40 * index as u32, 6, 9, 1, &payload)[1..]);
        expected.push(payload);
    }
    assert_eq!(payloads(&relayed(&bytes)), expected);
}

#[test]
fn row_024_many_csids_with_huge_lengths() {
    let flood = |len: u32, count: u32| -> Vec<u8> {
        let parts = (0..count).flat_map(|csid| {
            let rest = chunk(0, 0, len, 9, 1, &[0; 128]);
            let low = (csid % 256) as u8;
            [&[1, low, (csid / 256) as u8], &rest[1..]].concat()
        });
        parts.collect()
    };
    // As it stands in the row: the declared length alone is too much already.
    let len = 16_777_215;
    refused(&flood(len, 65_000), Chunk(ChunkError::MessageTooLong { len, limit: 8 << 20 }));
    refused(&flood(60_000, 65_000), Chunk(ChunkError::TooManyChunkStreams));
    for (bytes, reason) in [
        (wire::handshake(), ChunkError::MessageTooLong { len, limit: 64 << 10 }),
        (wire::connected(), ChunkError::MessageTooLong { len, limit: 64 << 10 }),
    ] {
        let mut world = World::watched(config());
        let peer = world.raw("192.0.2.1");
        world.send(peer, &bytes);
        world.attack(peer, &flood(len, 65_000));
        world.finish(&[Error(Chunk(reason))]);
    }
    // Below the limit all of it stays, and costs what has arrived.
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::connected());
    world.send(peer, &flood(60_000, 63));
    assert_eq!(world.server.stats().session_bytes, 63 * 128);
    assert!(world.peers[peer].is_open);
    world.finish(&[]);
}

#[test]
fn row_025_a_new_chunk_stream_begins_with_type_0_or_1() {
    // A ping as librtmp sends it: type 1, and so on message stream 0.
    let ping = [&[0x42, 0, 0, 0, 0, 0, 6, 4], &[0, 6, 0, 0, 0, 9][..]].concat();
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::handshake());
    world.attack(peer, &ping);
    assert_eq!(world.replies(peer), ["PingResponse(9)"]);
    world.finish(&[]);
    for first in [0x8A, 0xCA] {
        refused(&[first, 0, 0, 0, 0], Chunk(ChunkError::NoPrecedingHeader));
    }
}

#[test]
fn row_026_interleaved_messages() {
    let video = keyframe(&[7; 295]);
    let audio = [&[0xAF, 1], &[8; 48][..]].concat();
    let mut bytes = chunk(6, 0, 300, 9, 1, &video[..128]);
    bytes.extend(chunk(4, 0, 50, 8, 1, &audio));
    for part in video[128..].chunks(128) {
        bytes.push(0xC6);
        bytes.extend_from_slice(part);
    }
    assert_eq!(payloads(&relayed(&bytes)), [audio, video]);
}

#[test]
fn row_027_header_inside_message() {
    let begun = chunk(6, 0, 300, 9, 1, &[0; 128]);
    let again = chunk(6, 0, 300, 9, 1, &[0; 128]);
    refused(&[&begun[..], &again].concat(), Chunk(ChunkError::HeaderInsideMessage));
    let other_length = [0x46, 0, 0, 0, 0, 1, 0, 9, 0];
    refused(&[&begun[..], &other_length].concat(), Chunk(ChunkError::HeaderInsideMessage));
}

#[test]
fn row_028_and_031_chunk_sizes_that_are_none() {
    for size in [0_u32, 0x8000_0000, 0xFFFF_FFFF] {
        refused(&message(1, 0, &size.to_be_bytes()), Control { type_id: 1 });
    }
}

#[test]
fn row_029_small_chunks_are_refused_unless_allowed() {
    for size in [1_u32, 127] {
        refused(&message(1, 0, &size.to_be_bytes()), Control { type_id: 1 });
    }
    let mut config = config();
    config.limits.chunk_size_min = 1;
    let mut world = World::watched(config);
    let player = world.client(Intent::Play, "live", "a");
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.send(peer, &message(1, 0, &[0, 0, 0, 1]));
    let header = MessageHeader {
        csid: ChunkStreamId::VIDEO,
        type_id: 9,
        stream_id: MessageStreamId(1),
        timestamp: Timestamp(0),
    };
    let mut bytes = Vec::new();
    write_message(header, &keyframe(&[1; 1 << 20]), ChunkSize::new(1).unwrap(), &mut bytes);
    world.attack(peer, &bytes);
    assert_eq!(world.peers[player].frames[0].payload.len(), 5 + (1 << 20));
    world.finish(&[]);
}

#[test]
fn row_030_huge_chunk_sizes_cost_nothing() {
    for size in [0x7FFF_FFFF_u32, 0x0100_0000, 0xFF_FFFF] {
        let mut bytes = message(1, 0, &size.to_be_bytes());
        let video = keyframe(&[3; 70_000]);
        bytes.extend(chunk(6, 0, video.len() as u32, 9, 1, &video));
        assert_eq!(payloads(&relayed(&bytes)), [video]);
    }
}

#[test]
fn row_032_chunk_size_changes_inside_a_message() {
    let video = keyframe(&(0..995).map(|index| index as u8).collect::<Vec<_>>());
    let size = |size: u32| message(1, 0, &size.to_be_bytes());
    let mut bytes = chunk(6, 0, 1_000, 9, 1, &video[..128]);
    bytes.extend(size(500));
    bytes.push(0xC6);
    bytes.extend_from_slice(&video[128..628]);
    bytes.extend(size(130));
    for part in video[628..].chunks(130) {
        bytes.push(0xC6);
        bytes.extend_from_slice(part);
    }
    assert_eq!(payloads(&relayed(&bytes)), [video]);
}

#[test]
fn row_033_control_messages_of_any_length() {
    for type_id in [1, 2, 3, 5, 6] {
        for len in [1, 3, 65] {
            refused(&message(type_id, 0, &[0; 65][..len]), Control { type_id });
        }
        // A megabyte: more chunks of 128 than a control message may have bytes.
        refused(&message(type_id, 0, &std::vec![0; 1 << 20]), Control { type_id });
    }
    // What follows the value is ignored; and an empty message is.
    relayed(&message(1, 0, &[0, 0, 0, 128, 9]));
    relayed(&[2, 3, 5].map(|type_id| message(type_id, 0, &[0, 0, 0, 9, 9])).concat());
    relayed(&[1, 2, 3, 5, 6].map(|type_id| message(type_id, 0, &[])).concat());
}

#[test]
fn row_034_aborts_of_anything() {
    let abort = |csid: u8| message(2, 0, &[0, 0, 0, csid]);
    let frame = timed(9, 1, 0, &keyframe(&[1]));
    let mut bytes = [abort(99), abort(2), abort(0), abort(1)].concat().repeat(2_500);
    for _ in 0..1_000 {
        bytes.extend(chunk(8, 0, 60_000, 9, 1, &[0; 128]));
        bytes.extend(abort(8));
    }
    bytes.extend(frame);
    assert_eq!(payloads(&relayed(&bytes)), [keyframe(&[1])]);
}

#[test]
fn row_035_empty_messages_are_ignored() {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    let types = [1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 20, 22];
    for type_id in types {
        for _ in 0..20 {
            world.attack(peer, &message(type_id, 1, &[]));
        }
    }
    world.assert_alive(peer);
    let ignored: Vec<_> = ignored(&world);
    assert_eq!(ignored, [Ignored::EmptyMessage { type_id: 1 }], "told once");
    world.finish(&[]);
}

fn ignored(world: &World) -> Vec<Ignored> {
    let ignored = world.events.iter().filter_map(|event| match event {
        Event::Ignored { what, .. } => Some(what.clone()),
        _ => None,
    });
    ignored.collect()
}

#[test]
fn row_036_long_messages_that_come_slowly() {
    let early = Chunk(ChunkError::MessageTooLong { len: (64 << 10) + 1, limit: 64 << 10 });
    for bytes in [wire::handshake(), wire::connected(), wire::playing("a")] {
        let mut world = World::watched(config());
        let peer = world.raw("192.0.2.1");
        world.send(peer, &bytes);
        world.attack(peer, &chunk(8, 0, (64 << 10) + 1, 9, 1, &[]));
        world.finish(&[Error(early)]);
    }
    let len = (8 << 20) + 1;
    let reason = Chunk(ChunkError::MessageTooLong { len, limit: 8 << 20 });
    refused(&chunk(8, 0, len, 9, 1, &[]), reason);

    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.send(peer, &message(1, 0, &[0, 0xFF, 0xFF, 0xFF]));
    world.send(peer, &chunk(8, 0, 8 << 20, 9, 1, &[]));
    for second in 1..14 {
        world.attack(peer, &[0x17; 1_024]);
        world.sleep(Duration::from_secs(1));
        assert_eq!(world.server.stats().session_bytes, second * 1_024);
    }
    // It is no media before it is whole.
    world.sleep(Duration::from_secs(2));
    world.finish(&[Error(SessionError::Timeout(TimerKind::Idle))]);
}

#[test]
fn row_037_long_keyframes_pass() {
    for len in [1_200_000, 6_000_000, (8 << 20) - 5] {
        let video = keyframe(&std::vec![7; len]);
        let frames = relayed(&timed(9, 1, 0, &video));
        assert!(payloads(&frames) == [video], "a keyframe of {len} bytes");
    }
}

/// A video message of type 0 in two chunks, whose second one repeats the extended timestamp or not.
fn extended(time: u32, payload: &[u8], repeats: bool) -> Vec<u8> {
    let mut bytes = chunk(6, 0xFF_FFFF.min(time), payload.len() as u32, 9, 1, &[]);
    let is_extended = time >= 0xFF_FFFF;
    if is_extended {
        bytes.extend(time.to_be_bytes());
    }
    bytes.extend_from_slice(&payload[..128]);
    bytes.push(0xC6);
    if is_extended && repeats {
        bytes.extend(time.to_be_bytes());
    }
    bytes.extend_from_slice(&payload[128..]);
    bytes
}

#[test]
fn row_038_times_across_every_border_in_both_dialects() {
    for border in [0xFF_FFFF_u32, 0x7FFF_FFFF, 0xFFFF_FFFF] {
        for repeats in [true, false] {
            let mut bytes = Vec::new();
            for index in 0..10_u32 {
                let time = border.wrapping_sub(200).wrapping_add(40 * index);
                bytes.extend(extended(time, &keyframe(&[index as u8; 195]), repeats));
            }
            let frames = relayed(&bytes);
            let times: Vec<u32> = frames.iter().map(|frame| frame.timestamp.0).collect();
            let expected: Vec<u32> = (0..10).map(|index| 40 * index).collect();
            assert_eq!(times, expected, "{border:#x}, {repeats}");
            assert!(frames.iter().enumerate().all(|(i, frame)| frame.payload[5] == i as u8));
        }
    }
}

#[test]
fn row_039_extended_time_of_type_1_is_a_delta() {
    // 4 hours 40 minutes at once: no clock says so, so it is mended and told.
    let first = timed(9, 1, 1_000, &keyframe(&[0]));
    let mut second = std::vec![0x46, 0xFF, 0xFF, 0xFF, 0, 0, 6, 9];
    second.extend(0x0100_0000_u32.to_be_bytes());
    second.extend(keyframe(&[1]));
    let third = [&[0x46, 0, 0, 40, 0, 0, 6, 9], &keyframe(&[2])[..]].concat();
    let mut world = World::watched(Config::with_default_vhost(Vhost {
        time_jitter: crate::config::TimeJitter::Zero,
        ..vhost()
    }));
    let player = world.client(Intent::Play, "live", "a");
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.attack(peer, &[first, second, third].concat());
    let times = world.peers[player].frames.iter().map(|frame| frame.timestamp.0);
    assert_eq!(times.collect::<Vec<_>>(), [0, 0x0100_0000, 0x0100_0028]);
    world.finish(&[]);
}

#[test]
fn row_040_unknown_types_are_ignored_up_to_a_number() {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    let types = [0, 7].into_iter().chain(10..=14).chain([16, 19, 21]).chain(23..=62);
    let types: Vec<u8> = types.collect();
    assert_eq!(types.len(), 50);
    for &type_id in types.iter().chain(&types) {
        world.attack(peer, &message(type_id, 1, &[0; 9]));
    }
    world.assert_alive(peer);
    let told = types.iter().map(|&type_id| Ignored::MessageType { type_id });
    assert_eq!(ignored(&world), told.collect::<Vec<_>>());
    world.attack(peer, &message(255, 1, &[0; 9]));
    assert_eq!(world.replies(peer).last().map(String::as_str), Some(CLOSED));
    world.finish(&[Error(TooManyUnknown)]);
}

#[test]
fn row_040_what_is_told_is_bounded_too() {
    let mut config = config();
    config.limits.unknown_messages_max = 10_000;
    let mut world = World::watched(config);
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::connected());
    for _ in 0..3 {
        for type_id in 23..=255 {
            world.send(peer, &message(type_id, 1, &[0; 9]));
        }
        world.attack(peer, &timed(9, 1, 0, &keyframe(&[0])));
        world.send(peer, &message(9, 1, &[]));
    }
    assert_eq!(ignored(&world).len(), 233 + 2, "each kind is told once");
    world.finish(&[]);
}

#[test]
fn row_041_acknowledgements_for_any_window() {
    let acknowledged = |window: Option<u32>| {
        let mut world = World::watched(config());
        let peer = world.raw("192.0.2.1");
        world.send(peer, &wire::publishing("a"));
        if let Some(window) = window {
            world.send(peer, &message(5, 0, &window.to_be_bytes()));
        }
        let frame = timed(9, 1, 0, &keyframe(&[0; 9_000]));
        for _ in 0..1_000 {
            world.attack(peer, &frame);
        }
        let replies = world.replies(peer);
        world.finish(&[]);
        replies.iter().filter(|reply| reply.starts_with("Acknowledgement")).count()
    };
    // 9 MB: one for each 64 KiB at most.
    assert_eq!(acknowledged(Some(0)), 0);
    assert!((100..=140).contains(&acknowledged(Some(1))));
    assert_eq!(acknowledged(Some(0xFFFF_FFFF)), 0);
    assert!((6..=8).contains(&acknowledged(None)), "for half of 2,500,000");
    assert!((17..=19).contains(&acknowledged(Some(1_000_000))));
}

#[test]
fn row_042_peer_bandwidth_and_user_control_of_any_kind() {
    let mut bytes = Vec::new();
    bytes.extend(message(6, 0, &[0, 0, 0, 0, 7]));
    bytes.extend(message(6, 0, &[0xFF, 0xFF, 0xFF, 0xFF, 2]));
    bytes.extend(message(4, 0, &[0]));
    bytes.extend(message(4, 0, &[0, 3, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]));
    bytes.extend(message(4, 0, &[0xFF; 60]));
    relayed(&bytes);
}

#[test]
fn row_042_pings_are_answered_together() {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.sleep(Duration::from_secs(1));
    let before = world.replies(peer).len();
    let pings = message(4, 0, &[0, 6, 0, 0, 0, 1]).repeat(10_000);
    world.attack(peer, &pings);
    assert_eq!(world.replies(peer).len(), before + 1);
    world.finish(&[]);
}

#[test]
fn row_042_replies_that_nobody_reads_are_bounded() {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.peers[peer].reads = false;
    let question = wire::command(1, "pause", 0.0, &[]);
    let mut sent = 0;
    while world.peers[peer].is_read && sent < 16 << 20 {
        let questions = question.repeat((64 << 10) / question.len());
        world.attack(peer, &questions);
        sent += questions.len();
    }
    assert!(!world.peers[peer].is_read, "the peer is not read before it reads");
    let stats = world.server.stats();
    assert!(stats.session_bytes < 1 << 20, "{stats:?}");
    world.peers[peer].reads = true;
    let conn = world.peers[peer].id;
    world.input(Input::Writable { conn });
    assert!(world.peers[peer].is_read);
    world.assert_alive(peer);
    world.finish(&[]);
}

/// A session with something of everything, the times of events left out.
fn story(parts: &[&[u8]]) -> (Vec<String>, Vec<String>, Vec<Frame>) {
    let mut world = World::new(config());
    let player = world.client(Intent::Play, "live", "a");
    let peer = world.raw("192.0.2.1");
    for part in parts {
        world.send(peer, part);
    }
    let events = world.events.iter().map(|event| match event {
        Event::Closed { conn, reason, sent, .. } => format!("{conn} {reason:?} {sent}"),
        Event::Unpublished { conn, name, .. } => format!("{conn} unpublished {name}"),
        Event::Stopped { conn, name, .. } => format!("{conn} stopped {name}"),
        event => format!("{event:?}"),
    });
    let events = events.collect();
    (events, world.replies(peer), core::mem::take(&mut world.peers[player].frames))
}

#[test]
fn row_043_a_session_in_every_segmentation() {
    let metadata = wire::amf(&[
        wire::text("@setDataFrame"),
        wire::text("onMetaData"),
        wire::object(&[("width", crate::amf::Value::Number(640.0))]),
    ]);
    let bytes = [
        wire::publishing("a"),
        message(18, 1, &metadata),
        timed(9, 1, 0, &[0x17, 0, 0, 0, 0, 1, 2, 3]),
        timed(9, 1, 0, &keyframe(&[1; 300])),
        timed(8, 1, 20, &[0xAF, 1, 2, 3]),
        message(99, 0, &[1]),
        timed(9, 1, 40, &[0x27, 1, 0, 0, 0, 9]),
        wire::command(1, "closeStream", 4.0, &[]),
        // The end: a chunk that continues nothing.
        std::vec![0xFF; 3],
    ]
    .concat();
    let whole = story(&[&bytes]);
    assert_eq!(whole.2.len(), 5);
    assert!(whole.0.iter().any(|event| event.contains("NoPrecedingHeader")), "{:?}", whole.0);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(story(&single), whole);
    for at in (1..wire::handshake().len()).step_by(97).chain(wire::handshake().len()..bytes.len()) {
        assert_eq!(story(&[&bytes[..at], &bytes[at..]]), whole, "split at {at}");
    }
}
