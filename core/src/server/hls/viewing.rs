//! How many watch a stream by HLS: as many as have asked for one of its newest segments.
//!
//! A viewer has no connection of its own, and its address may be that of a proxy or of a whole
//! network. But it fetches each segment once, so the requests for one segment are its viewers, with
//! no cookie, no session in the URL (which no cache could keep) and nothing kept of anybody. What a
//! cache answers is seen by nobody here; who reloads counts twice for a moment.

use crate::time::Instant;
use alloc::collections::VecDeque;
use core::time::Duration;

/// Segments that are remembered: more than three target durations have.
const RECENT_MAX: usize = 32;

/// Who was there counts for so many target durations.
const TARGETS: u32 = 3;

/// Requests for the newest segments of one stream.
#[derive(Debug, Default)]
pub(super) struct Viewing(VecDeque<Recent>);

#[derive(Debug)]
struct Recent {
    listed: Instant,
    requests: u32,
    sequence: u64,
}

impl Viewing {
    /// A segment can be asked for from now on.
    pub(super) fn list(&mut self, now: Instant, sequence: u64) {
        if self.0.len() >= RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Recent { listed: now, requests: 0, sequence });
    }

    /// A segment was asked for.
    pub(super) fn count(&mut self, sequence: u64) {
        if let Some(recent) = self.0.iter_mut().find(|recent| recent.sequence == sequence) {
            recent.requests = recent.requests.saturating_add(1);
        }
    }

    /// How many watch; who comes or goes is seen within three target durations.
    pub(super) fn viewers(&self, now: Instant, target: Duration) -> u32 {
        let time = target.saturating_mul(TARGETS);
        let recent = self.0.iter().filter(|recent| now.since(recent.listed) <= time);
        recent.map(|recent| recent.requests).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn each_viewer_asks_once_for_each_segment() {
        let second = |second: u64| Instant::from_micros(1_000_000 * second);
        let (mut viewing, target) = (Viewing::default(), Duration::from_secs(2));
        assert_eq!(viewing.viewers(second(0), target), 0);
        for sequence in 0..50_u64 {
            viewing.list(second(2 * sequence), sequence);
            // Three watch the first twenty, one goes on; another one comes late and fetches three.
            for _ in 0..if sequence < 20 { 3 } else { 1 } {
                viewing.count(sequence);
            }
            let expected = if sequence < 23 { 3 } else { 1 };
            let viewers = viewing.viewers(second(2 * sequence), target);
            assert_eq!(viewers, expected, "{sequence}");
            assert!(viewing.0.len() <= RECENT_MAX);
        }
        for sequence in [47, 48, 49, 7, 1_000] {
            viewing.count(sequence);
        }
        assert_eq!(viewing.viewers(second(98), target), 2);
        assert_eq!(viewing.viewers(second(105), target), 0, "nobody can watch what has ended");
    }
}
