use super::*;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::vec::Vec;

const RATE: u64 = 44_100;

/// The stamp in ticks of frame `index` of AAC at 44.1 kHz, as FLV has it: cut to milliseconds.
fn stamp(index: u64) -> i64 {
    (index * 1_024 * 1_000 / RATE) as i64 * TICKS_PER_MS
}

#[test]
fn a_day_of_44_100_hz_neither_drifts_nor_stutters() {
    let mut clock = SampleClock::new(0, 44_100);
    let frames = 24 * 3_600 * RATE / 1_024;
    for index in 0..frames {
        let time = clock.next(stamp(index), 1_024, 44_100);
        assert_eq!(time, (index * 1_024 * 90_000 / RATE) as i64, "frame {index}");
    }
}

#[test]
fn rounding_of_all_kinds_is_smoothed_away() {
    for round in [0, 500, 999] {
        let mut clock = SampleClock::new(0, 48_000);
        for index in 0..10_000 {
            let at = (index * 1_024 * 1_000 * 1_000 / 48_000 + round) / 1_000;
            let time = clock.next(at * TICKS_PER_MS, 1_024, 48_000);
            assert_eq!(time, index * 1_024 * 90_000 / 48_000);
        }
    }
}

#[test]
fn a_clock_that_drifts_is_followed_without_a_jump() {
    // The encoder's second is 300 ppm long, as with cheap sound hardware.
    let mut clock = SampleClock::new(0, 44_100);
    let mut latest = -2_090;
    for index in 0..100_000 {
        let at = stamp(index) * 10_003 / 10_000;
        let time = clock.next(at, 1_024, 44_100);
        assert!((time - latest - 2_090).abs() <= FOLLOW_TICKS_MAX + 1, "frame {index}");
        assert!((time - at).abs() <= 8 * TICKS_PER_MS, "frame {index}: {}", time - at);
        latest = time;
    }
}

#[test]
fn rough_times_become_even() {
    // Stamped by arrival: up to 30 ms late.
    let mut clock = SampleClock::new(0, 44_100);
    let mut latest = -2_090;
    for index in 0..20_000 {
        let late = (index * 7_919 % 31) as i64 * TICKS_PER_MS;
        let time = clock.next(stamp(index) + late, 1_024, 44_100);
        assert!((time - latest - 2_090).abs() <= TICKS_PER_MS, "frame {index}: {}", time - latest);
        latest = time;
    }
}

#[test]
fn a_gap_is_a_gap() {
    let mut clock = SampleClock::new(0, 44_100);
    for index in 0..100 {
        clock.next(stamp(index), 1_024, 44_100);
    }
    let after = stamp(100) + 150 * TICKS_PER_MS;
    assert_eq!(clock.next(after, 1_024, 44_100), after);
    assert_eq!(clock.next(after + 23 * TICKS_PER_MS, 1_024, 44_100), after + 2_089);
}

#[test]
fn times_grow_whatever_the_stamps() {
    fn property(stamps: Vec<i32>, rate: u32) -> bool {
        let mut clock = SampleClock::new(0, rate);
        let times = stamps.iter().map(|at| clock.next(i64::from(*at), 1_024, rate));
        times.collect::<Vec<_>>().windows(2).all(|pair| pair[0] < pair[1])
    }
    quickcheck(property as fn(Vec<i32>, u32) -> bool);
}

#[test]
fn timestamps_are_unwrapped_across_32_bits() {
    fn property(start: u32, steps: Vec<i16>) {
        let mut line = Unwrapped::new();
        let (mut raw, mut expected) = (start, i64::from(start));
        assert_eq!(line.millis(Timestamp(raw)), expected);
        for step in steps {
            raw = raw.wrapping_add_signed(i32::from(step));
            expected += i64::from(step);
            assert_eq!(line.millis(Timestamp(raw)), expected);
        }
    }
    quickcheck(property as fn(u32, Vec<i16>));
}
