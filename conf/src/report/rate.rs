//! Holds floods of equal lines back.

use millstream_core::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines of one reason that are written at once.
pub const BURST: u32 = 10;

/// Time after which one more line of a reason is written.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// A token bucket for each reason.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    buckets: BTreeMap<&'static str, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// Tokens grow from here.
    since: Instant,
    left_out: u64,
}

impl RateLimit {
    /// `None` to hold the line back; else how many lines of its reason were left out before it.
    pub(super) fn admit(&mut self, now: Instant, reason: &'static str) -> Option<u64> {
        let bucket =
            self.buckets.entry(reason).or_insert(Bucket { tokens: BURST, since: now, left_out: 0 });
        let intervals = now.since(bucket.since).as_micros() / INTERVAL.as_micros();
        let grown = u32::try_from(intervals).unwrap_or(u32::MAX);
        if grown > 0 {
            bucket.tokens = bucket.tokens.saturating_add(grown).min(BURST);
            bucket.since = bucket.since.after(INTERVAL.saturating_mul(grown));
        }
        match bucket.tokens.checked_sub(1) {
            Some(tokens) => {
                bucket.tokens = tokens;
                Some(std::mem::take(&mut bucket.left_out))
            }
            None => {
                bucket.left_out += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn row_130_a_flood_of_one_reason_is_one_line_a_second() {
        let mut limit = RateLimit::default();
        let mut written = Vec::new();
        // 1,000 lines a second for 5 seconds.
        for millis in 0..5_000 {
            let now = Instant::from_micros(millis * 1_000);
            if let Some(left_out) = limit.admit(now, "busy") {
                written.push((millis, left_out));
            }
        }
        let burst: Vec<_> = (0..10).map(|millis| (millis, 0)).collect();
        assert_eq!(written[..10], burst);
        assert_eq!(written[10..], [(1_000, 990), (2_000, 999), (3_000, 999), (4_000, 999)]);
        // Another reason is not held back.
        assert_eq!(limit.admit(Instant::from_micros(5_000_000), "per_ip"), Some(0));
    }

    #[test]
    fn a_quiet_hour_gives_a_burst_and_no_more() {
        let mut limit = RateLimit::default();
        assert_eq!(limit.admit(Instant::from_micros(0), "busy"), Some(0));
        let later = Instant::from_micros(3_600_000_000);
        let admitted = (0..100).filter(|_| limit.admit(later, "busy").is_some()).count();
        assert_eq!(admitted, BURST as usize);
    }
}
