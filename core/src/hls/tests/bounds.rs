//! Streams without keyframes, without an end, or without time.

use super::*;
use pretty_assertions::assert_eq;

#[test]
fn row_078_without_keyframes_segments_are_forced() {
    let mut world = World::new();
    world.push_all(&[avc_header(0), aac_header(0), key(0)]);
    let mut frames = pictures(0, 60, 3_600_000);
    frames.extend(sounds(0, 60));
    frames.sort_by_key(|frame| frame.timestamp.0);
    world.push_all(&frames[1..]);
    assert_eq!(world.durations().len(), 3);
    assert!(world.durations().iter().all(|millis| (16_000..16_050).contains(millis)));
    let starts: Vec<_> = world.segments.iter().map(|it| it.starts_with_keyframe).collect();
    assert_eq!(starts, [true, false, false]);
    assert_eq!(world.warnings.len(), 1, "told once: {:?}", world.warnings);
    let text = std::format!("{}", world.warnings[0]);
    assert!(text.starts_with("no keyframe for 16.0 s"), "{text}");
    // The first keyframe mends it.
    world.push_all(&pictures(60_000, 5, 2_000));
    let late = world.segments.iter().skip(4).all(|segment| segment.starts_with_keyframe);
    assert!(late && world.segments.len() == 6, "{:?}", world.durations());
}

#[test]
fn row_077_a_segment_ends_when_times_stand_still() {
    let mut world = World::new();
    world.push_all(&[avc_header(0), key(0)]);
    for second in 0..40 {
        world.now_ms = second * 1_000;
        world.push_now(&inter(0));
    }
    assert_eq!(world.segments.len(), 2);
    assert!(world.durations().iter().all(|millis| (1..=2_000).contains(millis)));
}

#[test]
fn row_078_only_keyframes_at_60_pictures_a_second() {
    let mut world = World::new();
    world.push(&avc_header(0));
    for index in 0..600 {
        world.push(&key(index * 1_000 / 60));
    }
    assert!(world.durations()[1..].iter().all(|millis| (1_980..=2_017).contains(millis)));
}

#[test]
fn row_078_a_day_of_audio_takes_no_more_memory_than_a_minute() {
    let mut world = World::new();
    world.push(&aac_header(0));
    let (mut after_a_minute, mut most) = (0, 0);
    // Every frame of a day is in `ts::clock`; here each stands for twenty.
    for index in 0..24 * 3_600 * 2_u32 {
        let at = index * 500;
        world.push(&aac(at, &[0x21; 100]));
        most = most.max(world.hls.kept_len());
        if index == 120 {
            after_a_minute = most;
        }
        world.segments.clear();
        world.playlists.clear();
    }
    assert!(most <= after_a_minute * 11 / 10, "{most} after {after_a_minute}");
    assert!(world.hls.listed.len() + world.hls.retired.len() < 20);
}

#[test]
fn a_day_of_44_100_hz_lasts_a_day_and_no_frame_is_off() {
    const RATE: u64 = 44_100;
    let mut hls = HlsMuxer::new(HlsConfig::default(), "a", 0);
    let wall = WallClock { unix_millis: WALL_MS };
    let frames = 24 * 3_600 * RATE / 1_024;
    let (mut total_ms, mut segments, mut numbers) = (0, 0, 0..frames);
    hls.push(Instant::from_micros(0), wall, &aac_header(0));
    loop {
        let next = numbers.next();
        if let Some(number) = next {
            // As FLV has it: cut to milliseconds. The frame is its own number.
            let at = (number * 1_024 * 1_000 / RATE) as u32;
            let now = Instant::from_micros(u64::from(at) * 1_000);
            hls.push(now, wall, &aac(at, &number.to_be_bytes()));
        } else {
            hls.finish(Instant::from_micros(24 * 3_600 * 1_000_000), Ending::EndList);
        }
        while let Some(output) = hls.poll_output() {
            let HlsOutput::Segment(segment) = output else { continue };
            let found = Found::of(&segment.blocks.concat());
            let first = found.on(AUDIO_PID).next().expect("it begins with sound");
            let raw = adts_frames(first.payload.clone()).remove(0);
            let number = u64::from_be_bytes(raw[..8].try_into().expect("eight bytes"));
            let due = number * 1_024 * 90_000 / RATE + ZERO_TICKS as u64;
            let pts = first.pts.expect("a time");
            assert!(pts.abs_diff(due) <= 1, "frame {number} at {pts}, due at {due}");
            // What the playlist says so far is what has really passed, to a frame.
            let passed_ms = number * 1_024 * 1_000 / RATE;
            assert!(passed_ms.abs_diff(total_ms) <= 24, "{total_ms} of {passed_ms} ms");
            total_ms += segment.duration_ms();
            segments += 1;
        }
        if next.is_none() {
            break;
        }
    }
    assert!((24 * 3_600 * 1_000_u64).abs_diff(total_ms) <= 24, "{total_ms} ms");
    assert!(segments > 40_000, "{segments}");
}

#[test]
fn a_segment_has_a_greatest_length() {
    let mut world = World::with(HlsConfig { segment_len_max: 100_000, ..HlsConfig::default() });
    world.push_all(&[avc_header(0), key(0)]);
    for index in 1..100 {
        world.push(&avc(index * 40, 0, false, &[&[0x41; 9_000]]));
    }
    assert!(world.segments.len() > 5);
    assert!(world.segments.iter().all(|segment| segment.len <= 100_000 + 12_000));
}

#[test]
fn what_is_kept_has_a_greatest_length() {
    let config = HlsConfig { kept_len_max: 300_000, ..HlsConfig::default() };
    let mut world = World::with(config);
    world.push(&avc_header(0));
    for index in 0..2_000 {
        let at = index * 40;
        world.push(&avc(at, 0, index % 25 == 0, &[&[0x65; 2_000]]));
        assert!(world.hls.kept_len() <= 300_000 + 250_000, "{}", world.hls.kept_len());
    }
    assert!(world.playlist().segments.len() >= 3, "a playlist is never emptied");
}

#[test]
fn names_are_safe_in_a_playlist() {
    let mut hls = HlsMuxer::new(HlsConfig::default(), "a/b\n#EXT-X-ENDLIST?ü", 0);
    let wall = WallClock { unix_millis: WALL_MS };
    for frame in both(0, 3, 2_000) {
        hls.push(Instant::from_micros(1), wall, &frame);
    }
    let text = String::from_utf8(hls.playlist().to_vec()).unwrap();
    assert!(text.ends_with("\na%2Fb%0A%23EXT-X-ENDLIST%3F%C3%BC-0.ts\n"), "{text}");
    assert!(!media(&text).is_ended);
}

#[test]
fn numbers_after_a_restart_are_new() {
    let before = start_sequence(WallClock { unix_millis: WALL_MS });
    // The shortest segments there are, for a day.
    let used = before + 24 * 3_600 * 2;
    let after = start_sequence(WallClock { unix_millis: WALL_MS + 24 * 3_600 * 1_000 });
    assert!(after >= used);
}
