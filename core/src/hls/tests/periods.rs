//! Publishers that come back, codecs that change, times that jump, tracks that come late.

use super::*;
use crate::flv::tag::Codec;
use crate::frame::FrameKind;
use crate::ts::Skip;
use pretty_assertions::assert_eq;

/// Which segments begin a period, by their place.
fn breaks(world: &World) -> Vec<usize> {
    let marked = world.segments.iter().enumerate().filter(|(_, it)| it.is_discontinuity);
    marked.map(|(index, _)| index).collect()
}

/// An AVC sequence header with another picture parameter set.
fn other_avc_header(at_ms: u32) -> Frame {
    let mut body = avc_header(at_ms).payload.to_vec();
    *body.last_mut().unwrap() ^= 1;
    frame(FrameKind::Video, at_ms, &body)
}

#[test]
fn row_059_a_publisher_that_comes_back_is_one_discontinuity() {
    let mut world = World::new();
    world.push_all(&both(0, 5, 2_000));
    world.finish(Ending::Pause);
    assert_eq!(world.durations(), [2_000, 2_000, 1_000]);
    world.push_all(&both(9_000, 5, 2_000));
    assert_eq!(breaks(&world), [3]);
    let playlist = world.playlist();
    assert_eq!((playlist.media_sequence, playlist.segments.len()), (100, 5));
    let found = Found::of(&bytes(&world.segments));
    assert_eq!(found.faults, [], "counters go on over a publish");
    // The discontinuity is counted when it leaves the playlist.
    world.push_all(&both(14_000, 40, 2_000)[2..]);
    assert_eq!(world.playlist().discontinuity_sequence, 1);
}

#[test]
fn quick_publishes_leave_nothing() {
    let mut world = World::new();
    for at in [0, 1_000, 2_000] {
        world.push_all(&[avc_header(at), key(at)]);
        world.finish(Ending::Pause);
    }
    assert_eq!(world.segments, []);
    world.finish(Ending::EndList);
    assert_eq!(world.playlists, Vec::<String>::new());
}

#[test]
fn row_074_the_same_header_again_changes_nothing() {
    let mut world = World::new();
    for (index, frame) in both(0, 20, 2_000).iter().enumerate() {
        world.push(frame);
        if index % 30 == 29 {
            world.push_all(&[avc_header(frame.timestamp.0), aac_header(frame.timestamp.0)]);
        }
    }
    assert_eq!(world.durations(), [2_000; 9]);
    assert_eq!(breaks(&world), [0; 0]);
}

#[test]
fn row_074_media_before_their_headers_are_left_out() {
    let mut world = World::new();
    world.push_all(&both(0, 12, 2_000)[2..]);
    assert_eq!(world.segments, []);
    let missing = |codec| HlsWarning::Skipped(Skip::NoHeader(codec));
    assert_eq!(world.warnings, [missing(Codec::H264), missing(Codec::Aac)]);
    world.push_all(&both(12_000, 5, 2_000));
    assert_eq!(world.durations(), [2_000, 2_000]);
}

#[test]
fn row_075_other_parameters_are_a_discontinuity() {
    let mut world = World::new();
    world.push_all(&both(0, 5, 2_000));
    world.push(&other_avc_header(5_000));
    world.push_all(&both(5_000, 5, 2_000)[2..]);
    assert_eq!(world.durations(), [2_000, 2_000, 1_000, 2_000, 2_000]);
    assert_eq!(breaks(&world), [3]);
    assert!(world.segments.iter().all(|segment| segment.starts_with_keyframe));
}

#[test]
fn row_075_other_sound_waits_for_a_keyframe() {
    let mut world = World::new();
    world.push_all(&both(0, 5, 2_000));
    // From 44.1 to 48 kHz in the middle of a GOP.
    world.push(&frame(FrameKind::Audio, 5_000, &[0xaf, 0, 0x11, 0x90]));
    let later = both(4_000, 9, 2_000);
    world.push_all(&later.iter().filter(|it| it.timestamp.0 >= 5_000).cloned().collect::<Vec<_>>());
    assert_eq!(world.durations(), [2_000, 2_000, 2_000, 2_000, 2_000, 2_000]);
    assert_eq!(breaks(&world), [3]);
    let found = Found::of(&world.segments[2].blocks.concat());
    let count = found.aac_frames().len();
    assert!((42..=45).contains(&count), "a second of sound, then none: {count}");
    let other = Found::of(&world.segments[3].blocks.concat());
    // The sampling index of ADTS.
    assert_eq!(other.on(AUDIO_PID).next().unwrap().payload[2] >> 2 & 0x0f, 3);
}

#[test]
fn row_077_a_jump_is_a_discontinuity_and_no_long_segment() {
    for jump in [3_600_000, 60_000, -60_000, -2_000_i64] {
        let mut world = World::new();
        world.push_all(&both(100_000, 5, 2_000));
        let to = (105_000 + jump) as u32;
        world.push_all(&both(to, 5, 2_000)[2..]);
        assert_eq!(world.durations(), [2_000, 2_000, 1_000, 2_000, 2_000], "{jump}");
        assert_eq!(breaks(&world), [3]);
        assert_eq!(world.playlist().target_secs, 2);
    }
}

#[test]
fn sound_that_was_silent_for_long_joins_video_that_has_gone_on() {
    let mut world = World::new();
    let is_heard = |frame: &Frame| {
        frame.kind == FrameKind::Video || !(5_000..45_000).contains(&frame.timestamp.0)
    };
    let frames: Vec<_> = both(0, 51, 2_000).into_iter().filter(is_heard).collect();
    world.push_all(&frames);
    assert_eq!(world.durations(), [2_000; 25]);
    assert_eq!(breaks(&world), [0; 0]);
    assert_eq!(Found::of(&bytes(&world.segments)).faults, []);
}

#[test]
fn row_077_times_wrap_without_a_trace() {
    for bits in [24, 31, 32] {
        let base = (1_u64 << bits) as u32;
        let base = base.wrapping_sub(5_000);
        let mut world = World::new();
        for mut frame in both(0, 11, 2_000) {
            frame.timestamp.0 = frame.timestamp.0.wrapping_add(base);
            world.push_now(&frame);
        }
        assert_eq!(world.durations(), [2_000; 5]);
        assert_eq!(breaks(&world), [0; 0]);
        assert_eq!(Found::of(&bytes(&world.segments)).faults, []);
    }
}

#[test]
fn audio_that_begins_late_joins_at_a_keyframe() {
    let mut world = World::new();
    world.push(&avc_header(0));
    world.push_all(&pictures(0, 5, 2_000));
    world.push(&aac_header(5_000));
    let later = both(4_000, 9, 2_000);
    world.push_all(&later.iter().filter(|it| it.timestamp.0 >= 5_000).cloned().collect::<Vec<_>>());
    assert_eq!(world.durations(), [2_000; 6]);
    assert_eq!(breaks(&world), [3]);
    let tracks = |segment: &Segment| Found::of(&segment.blocks.concat()).maps[0].streams.len();
    assert_eq!(world.segments.iter().map(tracks).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2]);
}

#[test]
fn audio_within_the_first_segment_is_part_of_it() {
    let mut world = World::new();
    world.push(&avc_header(0));
    for frame in both(0, 7, 2_000).iter().skip(2) {
        if frame.timestamp.0 >= 500 || frame.kind == FrameKind::Video {
            if frame.kind == FrameKind::Audio {
                world.push(&aac_header(frame.timestamp.0));
            }
            world.push(frame);
        }
    }
    assert_eq!(breaks(&world), [0; 0]);
    assert_eq!(world.durations(), [2_000; 3]);
    assert_eq!(Found::of(&bytes(&world.segments)).maps.len(), 1);
}

#[test]
fn video_that_begins_late_is_another_period() {
    let mut world = World::new();
    world.push(&aac_header(0));
    world.push_all(&sounds(0, 5));
    world.push_all(&both(5_000, 5, 2_000));
    assert_eq!(breaks(&world), [3]);
    assert!(world.segments[3].starts_with_keyframe);
    assert_eq!(world.segments[3].duration_ms(), 2_000);
}

#[test]
fn video_that_is_announced_and_never_comes_is_not_waited_for() {
    let mut world = World::new();
    world.push_all(&[avc_header(0), aac_header(0)]);
    world.push_all(&sounds(0, 10));
    assert!(world.segments.len() >= 3, "{:?}", world.durations());
    assert_eq!(Found::of(&world.segments[0].blocks.concat()).maps[0].streams.len(), 1);
}

#[test]
fn row_073_what_ts_cannot_carry_is_told_once() {
    let mut world = World::new();
    world.push(&aac_header(0));
    for sound in sounds(0, 5) {
        let at = sound.timestamp.0;
        world.push(&frame(FrameKind::Video, at, b"\x91av01\0\0\0\x01"));
        world.push(&sound);
    }
    assert_eq!(world.warnings, [HlsWarning::Skipped(Skip::NotCarried(Codec::Av1))]);
    assert_eq!(world.segments.len(), 2, "the sound goes on");
    assert_eq!(std::format!("{}", world.warnings[0]), "MPEG-TS does not carry AV1: not in HLS");
}
