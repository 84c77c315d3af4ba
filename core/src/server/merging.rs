//! How long media wait for others, so that one write takes them all.

use crate::config::SendDelay;
use core::time::Duration;

/// A shard whose turns are shorter is calm, and sends at once.
const CALM_TURN: Duration = Duration::from_millis(1);

/// A shard whose turns take this long merges for as long as it may.
const FULL_TURN: Duration = Duration::from_millis(10);

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
