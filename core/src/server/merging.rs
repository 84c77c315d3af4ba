//! How long media wait for others, so that one write takes them all.

use crate::config::SendDelay;
use crate::time::Instant;
use core::time::Duration;

/// A shard whose turns are shorter is calm, and sends at once.
const CALM_TURN: Duration = Duration::from_millis(1);

/// A shard whose turns take this long merges for as long as it may.
const FULL_TURN: Duration = Duration::from_millis(10);

/// How busy a shard is: how long its turns with writes take.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// Of turns that are over.
    smoothed: Duration,
    /// The last turns that wrote, the newest first.
    last_turns: [Duration; 8],
    turn_started: Option<Instant>,
    turn_wrote: bool,
}

impl Load {
    /// Something happened; a turn goes on until nothing is left to do.
    pub(super) fn begin_turn(&mut self, now: Instant) {
        self.turn_started.get_or_insert(now);
    }

    pub(super) const fn note_write(&mut self) {
        self.turn_wrote = true;
    }

    pub(super) fn end_turn(&mut self, now: Instant) {
        if self.turn_wrote {
            // One that is longer than all before it is a hiccup of the machine until it is repeated.
            let this_turn = self.turn(now);
            let longest = self.last_turns.into_iter().max().unwrap_or_default();
            let turn = this_turn.min(longest);
            self.last_turns.rotate_right(1);
            if let Some(newest) = self.last_turns.first_mut() {
                *newest = this_turn;
            }
            // Grows fast, shrinks slowly: bursts are met and calm is awaited.
            let sum = self.smoothed.saturating_mul(7).saturating_add(turn);
            let smoothed = sum.checked_div(8).unwrap_or_default();
            self.smoothed = smoothed.max(turn.checked_div(2).unwrap_or_default());
        }
        self.turn_started = None;
        self.turn_wrote = false;
    }

    /// A turn that goes on counts too: that of a shard with too much to do has no end.
    pub(super) fn now(&self, now: Instant) -> Duration {
        if !self.turn_wrote {
            return self.smoothed;
        }
        let turn = self.turn(now);
        self.smoothed.max(turn.checked_div(2).unwrap_or_default())
    }

    /// How long the turn has lasted, but not longer than it takes to merge as much as can be.
    fn turn(&self, now: Instant) -> Duration {
        let turn = self.turn_started.map_or(Duration::ZERO, |started| now.since(started));
        turn.min(FULL_TURN.saturating_mul(2))
    }
}

/// When a stream is flushed that gets media `now`, was `flushed` before, and is on a shard whose
/// turns take `load`.
///
/// A write of many messages costs little more than one of a single message, so longer intervals
/// make turns shorter, and the two find a balance. Where a delay is not fixed, media of a busy
/// shard wait about as long as a turn takes, whatever the delay: the last player of a turn waits
/// that long anyway, and the next frame is often there by then.
pub(super) fn flush_at(
    send_delay: SendDelay,
    load: Duration,
    now: Instant,
    flushed: Option<Instant>,
) -> Instant {
    match send_delay {
        SendDelay::Fixed(delay) => now.after(delay),
        SendDelay::Adaptive(max) => {
            let over = load.saturating_sub(CALM_TURN).min(FULL_TURN.saturating_sub(CALM_TURN));
            let share = over.as_micros().saturating_mul(max.as_micros());
            let span = FULL_TURN.saturating_sub(CALM_TURN).as_micros();
            let micros = share.checked_div(span).unwrap_or(0);
            let interval = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
            // A calm stream is sent at once: the interval counts from the flush before.
            flushed.map_or(now, |flushed| flushed.after(interval)).max(now.after(over))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn load_grows_when_a_long_turn_is_repeated_and_shrinks_slowly() {
        let at = Instant::from_micros;
        let mut load = Load::default();
        let mut turn = |start: u64, micros: u64| {
            load.begin_turn(at(start));
            load.note_write();
            load.begin_turn(at(start + micros / 2));
            load.end_turn(at(start + micros));
            load.now(at(start + micros)).as_micros()
        };
        assert_eq!(turn(0, 8_000), 0, "a hiccup");
        assert_eq!(turn(10_000, 9_000), 4_000);
        assert_eq!(turn(20_000, 9_000), 4_625);
        assert_eq!(turn(30_000, 0), 4_046);
        assert_eq!(turn(40_000, 60_000_000), 4_666, "no more than before");
        assert_eq!(turn(70_000_000, 60_000_000), 10_000, "a pause is not remembered for ever");
    }

    #[test]
    fn a_turn_that_does_not_end_counts() {
        let at = Instant::from_micros;
        let mut load = Load::default();
        load.begin_turn(at(0));
        assert_eq!(load.now(at(5_000)), Duration::ZERO, "nothing was written");
        load.note_write();
        assert_eq!(load.now(at(5_000)), Duration::from_micros(2_500));
        assert_eq!(load.now(at(9_000_000)), FULL_TURN);
        load.end_turn(at(9_000_000));
        load.begin_turn(at(9_000_000));
        load.note_write();
        load.end_turn(at(9_900_000));
        load.begin_turn(at(9_900_000));
        load.end_turn(at(9_950_000));
        assert_eq!(load.now(at(9_950_000)), FULL_TURN, "turns without writes do not count");
    }

    /// How long after a flush the next one is, of media that come `millis` after it.
    fn micros_between(send_delay: SendDelay, load: Duration, millis: u64) -> u64 {
        let flushed = Instant::from_micros(1_000_000);
        let now = flushed.after(Duration::from_millis(millis));
        let at = flush_at(send_delay, load, now, Some(flushed));
        u64::try_from(at.since(flushed).as_micros()).unwrap()
    }

    #[test]
    fn the_interval_grows_with_turns_from_nothing_to_all_of_the_delay() {
        let check = |max_ms: u64, load_micros: u64, expected_micros: u64| {
            let max = SendDelay::Adaptive(Duration::from_millis(max_ms));
            let interval = micros_between(max, Duration::from_micros(load_micros), 0);
            assert_eq!(interval, expected_micros, "{load_micros}");
        };
        check(100, 0, 0);
        check(100, 1_000, 0);
        check(100, 1_090, 1_000);
        check(100, 5_500, 50_000);
        check(100, 10_000, 100_000);
        check(100, 60_000_000, 100_000);
        check(350, 10_000, 350_000);
        check(350, 5_500, 175_000);
        let longest = SendDelay::Adaptive(Duration::MAX);
        let start = Instant::from_micros(0);
        let at = flush_at(longest, Duration::MAX, start, Some(start));
        assert_eq!(at, start.after(Duration::MAX));
    }

    #[test]
    fn media_of_a_busy_shard_wait_as_long_as_its_turns_however_late_they_come() {
        let check = |max_ms: u64, load_micros: u64, millis: u64, expected_micros: u64| {
            let max = SendDelay::Adaptive(Duration::from_millis(max_ms));
            let load = Duration::from_micros(load_micros);
            let between = micros_between(max, load, millis);
            assert_eq!(between, expected_micros, "{max_ms} ms, {load_micros} us, {millis} ms");
            let first = flush_at(max, load, Instant::from_micros(0), None);
            assert_eq!(first.as_micros(), expected_micros - millis * 1_000);
        };
        check(0, 1_000, 20, 20_000);
        check(0, 5_000, 20, 24_000);
        check(0, 10_000, 20, 29_000);
        check(0, 60_000_000, 20, 29_000);
        check(100, 5_500, 60, 64_500);
    }

    #[test]
    fn a_fixed_delay_is_kept_whatever_the_load() {
        let fixed = SendDelay::Fixed(Duration::from_millis(350));
        for load in [Duration::ZERO, Duration::MAX] {
            assert_eq!(micros_between(fixed, load, 20), 370_000);
        }
    }
}
