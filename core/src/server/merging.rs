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
            // Grows at once, shrinks slowly: bursts are met and calm is awaited.
            let turn = self.turn(now);
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

/// The time from one flush of a stream to the next, when turns take `load`.
///
/// A write of many messages costs little more than one of a single message, so longer intervals
/// make turns shorter, and the two find a balance.
pub(super) fn merge_interval(send_delay: SendDelay, load: Duration) -> Duration {
    match send_delay {
        SendDelay::Fixed(delay) => delay,
        SendDelay::Adaptive(max) => {
            let over = load.saturating_sub(CALM_TURN).min(FULL_TURN.saturating_sub(CALM_TURN));
            let share = over.as_micros().saturating_mul(max.as_micros());
            let span = FULL_TURN.saturating_sub(CALM_TURN).as_micros();
            let micros = share.checked_div(span).unwrap_or(0);
            Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn load_grows_at_once_and_shrinks_slowly() {
        let at = Instant::from_micros;
        let mut load = Load::default();
        let mut turn = |start: u64, micros: u64| {
            load.begin_turn(at(start));
            load.note_write();
            load.begin_turn(at(start + micros / 2));
            load.end_turn(at(start + micros));
            load.now(at(start + micros)).as_micros()
        };
        assert_eq!(turn(0, 8_000), 4_000);
        assert_eq!(turn(10_000, 8_000), 4_500);
        assert_eq!(turn(20_000, 0), 3_937);
        assert_eq!(turn(30_000, 60_000_000), 10_000, "a pause is not remembered for ever");
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
        load.end_turn(at(9_900_000));
        assert_eq!(load.now(at(9_900_000)), FULL_TURN, "turns without writes do not count");
    }

    #[test]
    fn the_interval_grows_with_turns_from_nothing_to_all_of_the_delay() {
        let check = |max_ms: u64, load_micros: u64, expected_micros: u64| {
            let max = SendDelay::Adaptive(Duration::from_millis(max_ms));
            let interval = merge_interval(max, Duration::from_micros(load_micros));
            assert_eq!(interval, Duration::from_micros(expected_micros), "{load_micros}");
        };
        check(100, 0, 0);
        check(100, 1_000, 0);
        check(100, 1_090, 1_000);
        check(100, 5_500, 50_000);
        check(100, 10_000, 100_000);
        check(100, 60_000_000, 100_000);
        check(350, 10_000, 350_000);
        check(350, 5_500, 175_000);
        check(0, 10_000, 0);
        let longest = SendDelay::Adaptive(Duration::MAX);
        assert_eq!(merge_interval(longest, Duration::MAX), Duration::from_micros(u64::MAX));
    }

    #[test]
    fn a_fixed_delay_is_kept_whatever_the_load() {
        let fixed = SendDelay::Fixed(Duration::from_millis(350));
        for load in [Duration::ZERO, Duration::MAX] {
            assert_eq!(merge_interval(fixed, load), Duration::from_millis(350));
        }
    }
}
