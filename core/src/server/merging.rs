//! How long media wait for others, so that one write takes them all.

use crate::config::SendDelay;
use crate::time::Instant;
use core::time::Duration;

/// A shard whose turns are shorter is calm, and sends at once.
const CALM_TURN: Duration = Duration::from_millis(1);

/// A shard whose turns take this long merges for as long as it may.
const FULL_TURN: Duration = Duration::from_millis(10);

/// Turns are forgotten when about so much time has passed between others.
const MEMORY: Duration = Duration::from_millis(250);

/// How busy a shard is: how long its turns with writes take.
///
/// That is the second longest of the last turns: a single long one is a hiccup of the machine, and
/// the short ones between, those of streams with few players, do not make the long ones bearable.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// The longest of the turns that are over, and the second longest, as they fade.
    longest: [Duration; 2],
    /// When the last turn that wrote was over.
    ended: Option<Instant>,
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
            let turn = self.turn(now);
            let [longest, second] = self.longest.map(|turn| self.faded(turn, now));
            self.longest = [longest.max(turn), second.max(turn.min(longest))];
            self.ended = Some(now);
        }
        self.turn_started = None;
        self.turn_wrote = false;
    }

    /// A turn that goes on counts by half: that of a shard with too much to do has no end.
    pub(super) fn now(&self, now: Instant) -> Duration {
        let [_, second] = self.longest;
        let known = self.faded(second, now);
        if !self.turn_wrote {
            return known;
        }
        known.max(self.turn(now).checked_div(2).unwrap_or_default())
    }

    /// What is left of `turn`, from the end of the last turn to the start of this one.
    fn faded(&self, turn: Duration, now: Instant) -> Duration {
        let until = self.turn_started.unwrap_or(now);
        let age = self.ended.map_or(MEMORY, |ended| until.since(ended));
        let left = MEMORY.saturating_sub(age).as_micros();
        let micros = turn.as_micros().saturating_mul(left).checked_div(MEMORY.as_micros());
        Duration::from_micros(micros.and_then(|micros| micros.try_into().ok()).unwrap_or(0))
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
    fn the_load_is_the_second_longest_of_the_last_turns() {
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
        assert_eq!(turn(9_000, 500), 500);
        assert_eq!(turn(10_500, 8_000), 7_936, "the first one has faded a little");
        assert_eq!(turn(19_500, 500), 7_904, "short turns hide no long ones");
        assert_eq!(turn(21_000, 9_000), 7_936);
        assert_eq!(turn(500_000, 500), 0, "all is forgotten");
        assert_eq!(turn(700_000, 60_000_000), 101);
        assert_eq!(turn(60_700_000, 60_000_000), 20_000, "busy all the time");
        assert_eq!(turn(180_700_000, 500), 0, "a pause is not remembered for ever");
    }

    #[test]
    fn load_fades_while_nothing_happens() {
        let at = Instant::from_micros;
        let mut load = Load::default();
        for start in [0, 8_000] {
            load.begin_turn(at(start));
            load.note_write();
            load.end_turn(at(start + 8_000));
        }
        let left = [16_000, 36_000, 141_000, 266_000, 9_000_000].map(|now| load.now(at(now)));
        let expected = [8_000, 7_360, 4_000, 0, 0].map(Duration::from_micros);
        assert_eq!(left, expected);
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
        assert_eq!(load.now(at(9_900_000)), FULL_TURN * 2, "turns without writes do not count");
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
