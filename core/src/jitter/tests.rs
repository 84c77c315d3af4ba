use super::*;
use FrameKind::{Audio, Video};
use pretty_assertions::assert_eq;
use quickcheck::{TestResult, quickcheck};
use std::vec::Vec;

fn run(mode: TimeJitter, input: &[(FrameKind, u32)]) -> Vec<u32> {
    let mut jitter = Jitter::new(mode);
    let now = Instant::from_micros(0);
    input.iter().map(|&(kind, raw)| jitter.correct(kind, Timestamp(raw), now).timestamp.0).collect()
}

/// The times of audio and video, given those of the publisher and when they came: both have begun.
fn in_step() -> impl FnMut(FrameKind, u32, u64) -> u32 {
    let mut jitter = Jitter::new(TimeJitter::Full);
    let mut correct = move |kind, raw, at_ms: u64| {
        let now = Instant::from_micros(at_ms * 1_000);
        jitter.correct(kind, Timestamp(raw), now).timestamp.0
    };
    assert_eq!([correct(Video, 0, 0), correct(Audio, 0, 0)], [0, 0]);
    assert_eq!([correct(Video, 40, 40), correct(Audio, 40, 40)], [40, 40]);
    correct
}

#[test]
fn a_jump_without_explanation_becomes_one_step() {
    let input = [0, 40, 80, 5000, 5040].map(|raw| (Video, raw));
    assert_eq!(run(TimeJitter::Full, &input), [0, 40, 80, 120, 160]);
}

#[test]
fn a_stream_that_starts_late_starts_at_zero() {
    let input = [(Video, 3_600_000), (Audio, 3_600_010), (Video, 3_600_040)];
    assert_eq!(run(TimeJitter::Full, &input), [0, 10, 40]);
}

#[test]
fn audio_and_video_jump_together_and_stay_in_step() {
    let input = [
        (Audio, 2_972),
        (Video, 2_983),
        (Audio, 2_995),
        (Audio, 518),
        (Video, 523),
        (Audio, 541),
        (Video, 563),
        (Audio, 65_015),
        (Video, 65_023),
        (Audio, 65_038),
        (Video, 65_063),
    ];
    let output = run(TimeJitter::Full, &input);
    assert_eq!(output, [0, 11, 23, 46, 51, 69, 91, 92, 100, 115, 140]);
}

#[test]
fn audio_far_ahead_of_video_stays_ahead() {
    let input = [(Video, 0), (Audio, 1_500), (Video, 40), (Audio, 1_523), (Video, 80)];
    assert_eq!(run(TimeJitter::Full, &input), [0, 1_500, 40, 1_523, 80]);
}

#[test]
fn video_that_waits_for_a_keyframe_across_a_jump_stays_in_step_with_audio() {
    let mut correct = in_step();
    // What was skipped are 20 s; audio is there at once.
    let sound: Vec<u32> = (0..90)
        .map(|index| correct(Audio, 20_040 + index * 40, 80 + u64::from(index) * 40))
        .collect();
    assert_eq!([sound[0], sound[89]], [80, 3_640]);
    assert_eq!(correct(Video, 23_640, 3_680), 3_680);
    assert_eq!(correct(Audio, 23_640, 3_680), 3_680);
}

#[test]
fn a_gap_that_one_kind_comes_in_time_to_explain_is_a_jump_of_both() {
    let mut correct = in_step();
    // Two seconds are skipped on a slow link: the keyframe takes most of one, and audio waits behind it.
    assert_eq!(correct(Video, 2_040, 940), 80);
    assert_eq!(correct(Audio, 2_040, 1_700), 80, "it was 2,040");
    assert_eq!([correct(Video, 2_080, 1_740), correct(Audio, 2_080, 1_740)], [120, 120]);
}

#[test]
fn a_pause_of_the_encoder_is_kept_when_it_really_lasted() {
    let mut jitter = Jitter::new(TimeJitter::Full);
    let start = Instant::from_micros(0);
    let later = Instant::from_micros(5_000_000);
    assert_eq!(jitter.correct(Video, Timestamp(0), start).timestamp.0, 0);
    assert_eq!(
        jitter.correct(Video, Timestamp(5_000), later),
        Corrected { timestamp: Timestamp(5_000), jump: None }
    );
}

#[test]
fn slides_with_sound_keep_their_times() {
    let mut input = std::vec![(Video, 0), (Audio, 0)];
    for at in (23..4_000).step_by(23) {
        input.push((Audio, at));
        if at % 2_300 == 0 {
            input.push((Video, at));
        }
    }
    let expected: Vec<u32> = input.iter().map(|&(_, raw)| raw).collect();
    assert_eq!(run(TimeJitter::Full, &input), expected);
}

#[test]
fn sequence_headers_at_zero_move_no_clock() {
    let mut jitter = Jitter::new(TimeJitter::Full);
    let now = Instant::from_micros(0);
    assert_eq!(jitter.place(Video, Timestamp(0)).0, 0);
    let first = jitter.correct(Video, Timestamp(16_773_176), now);
    assert_eq!(first, Corrected { timestamp: Timestamp(0), jump: None });
    assert_eq!(jitter.correct(Video, Timestamp(16_773_216), now).timestamp.0, 40);
    assert_eq!(jitter.place(Video, Timestamp(0)).0, 40);
    assert_eq!(jitter.place(Video, Timestamp(16_773_256)).0, 80);
}

#[test]
fn a_new_publisher_continues_the_line() {
    let mut jitter = Jitter::new(TimeJitter::Full);
    let now = Instant::from_micros(0);
    for raw in [1_000, 1_040, 1_080] {
        jitter.correct(Video, Timestamp(raw), now);
    }
    jitter.restart(TimeJitter::Full);
    assert_eq!(jitter.correct(Video, Timestamp(7), now).timestamp.0, 120);
    assert_eq!(jitter.correct(Audio, Timestamp(0), now).timestamp.0, 113);
}

#[test]
fn row_077_timestamps_that_stand_still_or_run_back_never_go_back() {
    for step in [0_u32, 1_u32.wrapping_neg(), 1_000_u32.wrapping_neg(), 3_600_000] {
        let input: Vec<_> = (0..50_u32).map(|n| (Video, n.wrapping_mul(step))).collect();
        let output = run(TimeJitter::Full, &input);
        assert!(output.windows(2).all(|pair| pair[1] >= pair[0]), "step {step}: {output:?}");
    }
}

#[test]
fn off_and_zero_leave_times_alone() {
    let input = [(Video, 5_000), (Audio, 17), (Video, 4_000)];
    for mode in [TimeJitter::Off, TimeJitter::Zero] {
        assert_eq!(run(mode, &input), [5_000, 17, 4_000]);
    }
}

fn frames(steps: &[(bool, u16)], start: u32, step_max: u32) -> Vec<(FrameKind, u32)> {
    let mut clocks = [start, start];
    steps
        .iter()
        .map(|&(video, step)| {
            let clock = &mut clocks[usize::from(video)];
            *clock = clock.wrapping_add(u32::from(step) % step_max);
            (if video { Video } else { Audio }, *clock)
        })
        .collect()
}

quickcheck! {
    fn clean_input_is_only_shifted(steps: Vec<(bool, u16)>, start: u32) -> TestResult {
        let input = frames(&steps, start, 501);
        let Some(&(_, first)) = input.first() else { return TestResult::discard() };
        // The two kinds must start near each other to share a clock.
        let skew = |kind| input.iter().find(|frame| frame.0 == kind).map(|frame| frame.1);
        if let (Some(a), Some(v)) = (skew(Audio), skew(Video))
            && !near(Timestamp(a).delta(Timestamp(v)), 20_000) {
            return TestResult::discard();
        }
        let expected: Vec<u32> = input.iter().map(|&(_, raw)| raw.wrapping_sub(first)).collect();
        TestResult::from_bool(run(TimeJitter::Full, &input) == expected)
    }

    fn output_never_goes_back(raw: Vec<(bool, u32)>) -> bool {
        let input: Vec<_> =
            raw.iter().map(|&(video, at)| (if video { Video } else { Audio }, at)).collect();
        let output = run(TimeJitter::Full, &input);
        [Audio, Video].iter().all(|kind| {
            let line: Vec<u32> = input.iter().zip(&output)
                .filter(|(frame, _)| frame.0 == *kind).map(|(_, &out)| out).collect();
            line.windows(2).all(|pair| Timestamp(pair[1]).delta(Timestamp(pair[0])) >= 0)
        })
    }

    fn wraps_are_no_jumps(steps: Vec<(bool, u16)>, which: u8) -> TestResult {
        let edge = [1_u64 << 24, 1 << 31, 1 << 32][usize::from(which % 3)];
        let start = u32::try_from(edge - 1_000).unwrap_or(0);
        let input = frames(&steps, start, 60);
        let Some(&(_, first)) = input.first() else { return TestResult::discard() };
        let expected: Vec<u32> = input.iter().map(|&(_, raw)| raw.wrapping_sub(first)).collect();
        TestResult::from_bool(run(TimeJitter::Full, &input) == expected)
    }
}
