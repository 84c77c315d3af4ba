//! Media that no decoder would take: they are relayed as they are, or dropped, and harm nobody.

use super::world::World;
use super::*;
use crate::event::CloseReason;
use crate::flv::tag::Codec;
use crate::frame::{Frame, FrameKind};
use crate::session::Ignored;
use pretty_assertions::assert_eq;
use wire::{keyframe, message, timed};

/// What came of media that a publisher sent.
struct Relayed {
    /// Of a player who was there all along.
    frames: Vec<Frame>,
    /// Of a player who came at the end.
    late: Vec<Frame>,
    codecs: Vec<Codec>,
    ignored: Vec<Ignored>,
    jumps: usize,
    tape_bytes_max: u64,
}

impl Relayed {
    fn payloads(&self) -> Vec<Vec<u8>> {
        self.frames.iter().map(|frame| frame.payload.to_vec()).collect()
    }
}

/// A publisher sends these messages (type, time, payload), and its connection stays.
fn relay(media: impl IntoIterator<Item = (u8, u32, Vec<u8>)>) -> Relayed {
    let mut world = World::watched(config());
    let player = world.client(Intent::Play, "live", "a");
    let publisher = world.raw("192.0.2.1");
    world.send(publisher, &wire::publishing("a"));
    let idle = world.server.stats().tape_bytes;
    let mut tape_bytes_max = 0;
    for (type_id, time, payload) in media {
        world.send(publisher, &timed(type_id, 1, time, &payload));
        tape_bytes_max = tape_bytes_max.max(world.server.stats().tape_bytes - idle);
    }
    world.assert_alive(publisher);
    let late = world.client(Intent::Play, "live", "a");
    assert!(world.peers[player].is_open && world.peers[late].is_open);
    let ours = |name: &crate::name::StreamName| name.app() == "live";
    let events = &world.events;
    let codecs = events.iter().filter_map(|event| match event {
        Event::Codec { codec, name, .. } if ours(name) => Some(*codec),
        _ => None,
    });
    let ignored = events.iter().filter_map(|event| match event {
        Event::Ignored { what, .. } => Some(what.clone()),
        _ => None,
    });
    let relayed = Relayed {
        codecs: codecs.collect(),
        ignored: ignored.collect(),
        jumps: events.iter().filter(|event| matches!(event, Event::Jumped { .. })).count(),
        frames: core::mem::take(&mut world.peers[player].frames),
        late: core::mem::take(&mut world.peers[late].frames),
        tape_bytes_max,
    };
    world.finish(&[]);
    relayed
}

fn video(bytes: &[u8]) -> (u8, u32, Vec<u8>) {
    (9, 0, bytes.to_vec())
}

fn audio(bytes: &[u8]) -> (u8, u32, Vec<u8>) {
    (8, 0, bytes.to_vec())
}

#[test]
fn row_068_short_bodies_of_every_kind() {
    let bodies = |type_id: u8| {
        let one = (0..=255_u8).map(move |a| (type_id, 0, std::vec![a]));
        let two =
            (0..=255_u8).flat_map(move |a| (0..=255).map(move |b| (type_id, 0, std::vec![a, b])));
        let more = (0..=255_u8).flat_map(move |a| {
            (2..6).map(move |len| (type_id, 0, [&[a][..], &[0xFF; 5][..len]].concat()))
        });
        one.chain(two).chain(more)
    };
    for type_id in [8, 9] {
        let relayed = relay(bodies(type_id));
        assert!(!relayed.frames.is_empty());
        assert_eq!(relayed.ignored.len(), 1, "told once: {:?}", relayed.ignored);
        assert!(matches!(relayed.ignored[0], Ignored::Tag(_)));
    }
}

#[test]
fn row_069_sequence_headers_that_are_none_are_relayed() {
    let records: [&[u8]; 8] = [
        &[],
        &[0, 0, 0, 0, 0xFF, 0xE1],
        &[2, 0x64, 0, 31, 0xFF, 0xE1],
        &[1, 0x64, 0, 31, 0xFF, 0xFF],
        &[1, 0x64, 0, 31, 0xFF, 0xE1, 0xFF, 0xFF],
        &[1, 0x64, 0, 31, 0xFE, 0xE1, 0, 1, 0x67],
        &[1, 0x64, 0, 31, 0xFF, 0xE0, 0],
        &[1; 64 << 10],
    ];
    for record in records {
        let header = [&[0x17, 0, 0, 0, 0], record].concat();
        let relayed = relay([video(&header), video(&keyframe(&[1]))]);
        assert_eq!(relayed.payloads(), [header, keyframe(&[1])]);
        assert_eq!(relayed.codecs, [Codec::H264]);
    }
}

#[test]
fn row_069_a_huge_sequence_header_is_relayed_and_not_kept() {
    let small = [0x17, 0, 0, 0, 0, 1];
    let huge = [&[0x17, 0, 0, 0, 0], &std::vec![1; 8 << 20][..(8 << 20) - 5]].concat();
    let relayed = relay([video(&small), video(&huge), video(&keyframe(&[1]))]);
    assert!(relayed.payloads() == [small.to_vec(), huge, keyframe(&[1])]);
    assert_eq!(relayed.late.len(), 1, "neither it nor the one before: {:?}", relayed.late.len());
}

#[test]
fn row_070_and_071_what_is_inside_of_frames_is_not_looked_at() {
    let sps = [1, 0x64, 0, 31, 0xFF, 0xE1, 0, 9, 0x67, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 1, 0x68];
    let header = [&[0x17, 0, 0, 0, 0], &sps[..]].concat();
    let units: [&[u8]; 5] = [
        &[0, 0, 0, 0],
        &[0, 0, 0, 9, 0x65],
        &[0xFF, 0xFF, 0xFF, 0xFF, 0x65],
        &[0, 0, 0, 1, 0x65, 0, 0, 1, 0x41],
        &[0, 0],
    ];
    let mut expected = std::vec![header];
    expected.extend(units.map(keyframe));
    let relayed = relay(expected.iter().map(|payload| video(payload)));
    assert_eq!(relayed.payloads(), expected);
}

#[test]
fn row_072_odd_audio_is_relayed() {
    let mut expected: Vec<Vec<u8>> = Vec::new();
    // No configuration, half a one, frequencies 13 to 15, channels 0, object type 31.
    for config in
        [&[][..], &[0x12], &[0x16, 0x90], &[0x17, 0x10], &[0x17, 0x90], &[0x12, 0], &[0xFF, 0xFF]]
    {
        expected.push([&[0xAF, 0], config].concat());
    }
    expected.push([&[0xAF, 1], &[7; 9_000][..]].concat());
    let relayed = relay(expected.iter().map(|payload| audio(payload)));
    assert_eq!(relayed.payloads(), expected);
    assert!(relayed.codecs.iter().all(|codec| *codec == Codec::Aac));
}

#[test]
fn row_073_codecs_of_any_kind_are_relayed_and_named() {
    let check = |frame: (u8, u32, Vec<u8>), codec: Codec| {
        let relayed = relay([frame.clone()]);
        assert_eq!(relayed.payloads(), [frame.2], "{codec:?}");
        assert_eq!(relayed.codecs, [codec]);
    };
    check(video(&[0x12, 1, 2, 3]), Codec::H263);
    check(video(&[0x14, 1, 2, 3]), Codec::Vp6);
    check(video(&[0x1C, 1, 0, 0, 0, 9]), Codec::Hevc);
    check(video(&[0x10, 1, 2, 3]), Codec::UnknownId(0));
    check(video(&[0x1F, 1, 2, 3]), Codec::UnknownId(15));
    check(video(&[0x91, b'z', b'z', b'z', b'z', 0, 0, 0, 1]), Codec::UnknownFourCc(*b"zzzz"));
    check(audio(&[0xB2, 1]), Codec::Speex);
    check(audio(&[0x72, 1]), Codec::G711ALaw);
    check(audio(&[0x12, 1]), Codec::Adpcm);
    check(audio(&[0xC2, 1]), Codec::UnknownId(12));
}

#[test]
fn row_074_sequence_headers_that_are_late_or_come_again() {
    let header = [0x17, 0, 0, 0, 0, 1, 2, 3];
    let frame = |index: u32| {
        let first = if index.is_multiple_of(50) { 0x17 } else { 0x27 };
        (9, 40 * index, std::vec![first, 1, 0, 0, 0, index as u8])
    };
    // None at all: a player gets what there is.
    assert_eq!(relay((0..60).map(frame)).frames.len(), 60);
    // After 300 frames.
    let late =
        (0..300).map(frame).chain([(9, 12_000, header.to_vec())]).chain((300..360).map(frame));
    let relayed = relay(late);
    assert_eq!(relayed.frames.len(), 361);
    assert_eq!(relayed.late[0].payload, header[..]);
    // Each second, as some drones send it: the same header is no news.
    let each = (0..100).flat_map(|index| {
        let again = (index % 25 == 0).then(|| (9, 40 * index, header.to_vec()));
        again.into_iter().chain([frame(index)])
    });
    assert_eq!(relay(each).frames.len(), 101);
    // Video before the first keyframe is of no use to anyone.
    let relayed = relay((20..60).map(frame));
    assert_eq!(relayed.frames.len(), 10);
}

#[test]
fn row_075_codecs_and_sizes_that_change() {
    let first = [0x17, 0, 0, 0, 0, 1];
    let second = [0x17, 0, 0, 0, 0, 2];
    let hevc = [0x90, b'h', b'v', b'c', b'1', 1];
    let coded = [0x93, b'h', b'v', b'c', b'1', 9];
    let sent = [&first[..], &keyframe(&[1]), &second, &keyframe(&[2]), &hevc, &coded];
    let relayed = relay(sent.map(video));
    assert_eq!(relayed.payloads(), sent.map(<[u8]>::to_vec));
    assert_eq!(relayed.codecs, [Codec::H264, Codec::H264, Codec::Hevc], "each header is told");
    let late: Vec<_> = relayed.late.iter().map(|frame| frame.payload.to_vec()).collect();
    assert_eq!(
        late,
        [&hevc[..], &coded].map(<[u8]>::to_vec),
        "of the codec before nothing is left"
    );
}

#[test]
fn row_076_composition_offsets_are_untouched() {
    let frames = [[0x80, 0, 0], [0xFF, 0xFF, 0xFF], [0x09, 0x27, 0xC0], [0x7F, 0xFF, 0xFF]];
    let frames = frames.map(|[a, b, c]| std::vec![0x17, 1, a, b, c, 9]);
    let relayed = relay(frames.iter().map(|frame| video(frame)));
    assert_eq!(relayed.payloads(), frames);
}

#[test]
fn row_077_times_of_any_kind_reach_players_in_order() {
    let lines: [(&str, Vec<u32>); 8] = [
        ("zero", std::vec![0; 50]),
        ("back a second each", (0..50).map(|i| 100_000 - 1_000 * i).collect()),
        ("back to zero", (0..25).chain(0..25).map(|i| 40 * i).collect()),
        (
            "an hour ahead",
            (0..25).map(|i| 40 * i).chain((0..25).map(|i| 3_600_000 + 40 * i)).collect(),
        ),
        ("2^24", (0..50).map(|i| 0xFF_FC00 + 40 * i).collect()),
        ("2^31", (0..50).map(|i| 0x7FFF_FC00 + 40 * i).collect()),
        ("2^32", (0..50_u32).map(|i| 0xFFFF_FC00_u32.wrapping_add(40 * i)).collect()),
        ("wild", (0..50_u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect()),
    ];
    for (name, times) in lines {
        let count = times.len();
        let relayed = relay(times.into_iter().map(|time| (9, time, keyframe(&[1]))));
        assert_eq!(relayed.frames.len(), count, "{name}");
        let times: Vec<u32> = relayed.frames.iter().map(|frame| frame.timestamp.0).collect();
        assert!(times.is_sorted(), "{name}: {times:?}");
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(steps.max() <= Some(500), "{name}: {times:?}");
        let is_mended =
            matches!(name, "back a second each" | "back to zero" | "an hour ahead" | "wild");
        assert_eq!(relayed.jumps > 0, is_mended, "{name}: {}", relayed.jumps);
    }
}

#[test]
fn row_077_audio_far_ahead_of_video() {
    let media = (0..50).flat_map(|index| {
        [(9, 40 * index, keyframe(&[1])), (8, 30_000 + 40 * index, std::vec![0xAF, 1, 1])]
    });
    let relayed = relay(media);
    assert_eq!(relayed.frames.len(), 100);
    for kind in [FrameKind::Audio, FrameKind::Video] {
        let times = relayed.frames.iter().filter(|frame| frame.kind == kind);
        assert!(times.is_sorted_by_key(|frame| frame.timestamp.0), "{kind:?}");
    }
}

#[test]
fn row_078_streams_without_end_are_bounded() {
    let bound = (8 << 20) + (256 << 10);
    let count = 20_000;
    let sound = (0..count).map(|index| (8, 23 * index, std::vec![0xAF; 1_000]));
    let relayed = relay(sound);
    assert!(relayed.tape_bytes_max < 1 << 20, "audio alone: {}", relayed.tape_bytes_max);
    assert_eq!(relayed.frames.len(), count as usize);
    let delta = (0..count).map(|index| {
        (
            9,
            40 * index,
            [&[if index == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0], &[1; 2_000][..]].concat(),
        )
    });
    let relayed = relay(delta);
    assert!(relayed.tape_bytes_max < bound, "no keyframe: {}", relayed.tape_bytes_max);
    assert_eq!((relayed.frames.len(), relayed.late.len()), (count as usize, 0));
    let keys = (0..count).map(|index| (9, 17 * index, keyframe(&[1; 2_000])));
    let relayed = relay(keys);
    assert!(relayed.tape_bytes_max < 1 << 20, "keyframes alone: {}", relayed.tape_bytes_max);
    assert_eq!(relayed.late.len(), 1);
}

fn item(type_id: u8, time: u8, payload: &[u8]) -> Vec<u8> {
    let header = [type_id, 0, 0, payload.len() as u8, 0, 0, time, 0, 0, 0, 0];
    let back = (11 + payload.len() as u32).to_be_bytes();
    [&header[..], payload, &back].concat()
}

#[test]
fn row_079_aggregates_are_split_with_care() {
    let one = item(9, 0, &keyframe(&[1]));
    let two = item(8, 20, &[0xAF, 1, 2]);
    let whole = [one.clone(), two.clone()].concat();
    let check = |payload: &[u8], expected: usize, ignored: Option<Ignored>| {
        let relayed = relay([(22, 1_000, payload.to_vec())]);
        assert_eq!(relayed.frames.len(), expected, "{payload:?}");
        assert_eq!(relayed.ignored, ignored.into_iter().collect::<Vec<_>>(), "{payload:?}");
    };
    check(&whole, 2, None);
    check(&whole[..whole.len() - 4], 2, None);
    check(&whole[..whole.len() - 5], 1, Some(Ignored::Aggregate));
    let mut long = item(9, 0, &keyframe(&[1]));
    long[1..4].fill(0xFF);
    check(&[&two[..], &long].concat(), 1, Some(Ignored::Aggregate));
    check(&[&item(8, 0, &[])[..], &two].concat(), 1, Some(Ignored::EmptyMessage { type_id: 8 }));
    // Aggregates do not nest, and hold no commands.
    check(&[&item(22, 0, &[1; 50])[..], &two].concat(), 1, None);
    let nested = (0..50)
        .fold(two.clone(), |inner, _| if inner.len() < 200 { item(22, 0, &inner) } else { inner });
    check(&nested, 0, None);
    check(
        &[&item(20, 0, &[2, 0, 1, b'a'])[..], &two].concat(),
        1,
        Some(Ignored::MessageType { type_id: 20 }),
    );
    // Times that go back.
    check(&[item(9, 200, &keyframe(&[1])), item(9, 0, &keyframe(&[2]))].concat(), 2, None);
}

#[test]
fn row_080_enhanced_tags_have_limits() {
    // A chain of ModEx items without end, 255 tracks, a track of 16 MB, an empty AV1 record.
    let mod_ex = [&[0x97][..], &[0, 0, 0x07].repeat(1_000)].concat();
    let mut tracks = std::vec![0x96, 0x11, b'a', b'v', b'0', b'1'];
    for track in 0..255 {
        tracks.extend([track, 0xFF, 0xFF, 0xFF]);
    }
    let empty = [0x90, b'a', b'v', b'0', b'1'];
    let hevc = [&[0x1C, 0, 0, 0, 0][..], &[1; 22], &[1, 0x20, 0xFF, 0xFF]].concat();
    let relayed = relay([video(&mod_ex), video(&tracks), video(&empty), video(&hevc)]);
    assert_eq!(relayed.payloads().last(), Some(&hevc));
    assert!(relayed.payloads().contains(&empty.to_vec()));
    assert_eq!(relayed.ignored.len(), 1, "told once: {:?}", relayed.ignored);
}

#[test]
fn row_080_tracks_that_are_kept_are_limited() {
    let headers = (0..=255_u8).map(|track| {
        let payload = [&[0x96, 0x00, b'a', b'v', b'0', b'1', track][..], &[9; 1_000]].concat();
        (9, 0, payload)
    });
    let relayed = relay(headers);
    assert_eq!(relayed.frames.len(), 256);
    assert!(relayed.late.len() <= 8, "{}", relayed.late.len());
}

#[test]
fn row_080_end_of_the_publisher_ends_the_rows() {
    // The last word of a publisher may be anything: it is dropped with it.
    let mut world = World::watched(config());
    let publisher = world.raw("192.0.2.1");
    world.send(publisher, &wire::publishing("a"));
    world.attack(publisher, &message(22, 1, &[9; 300])[..200]);
    world.hang_up(publisher);
    world.finish(&[CloseReason::Peer]);
}
