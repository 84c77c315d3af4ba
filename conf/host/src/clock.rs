//! The monotonic clock of a shard.

use millstream_core::time::Instant;
use std::time::Duration;

/// Microseconds since its start, never the same twice.
#[derive(Debug)]
pub(crate) struct Clock {
    start: std::time::Instant,
    last: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: std::time::Instant::now(), last: 0 }
    }

    pub(crate) fn now(&mut self) -> Instant {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last = micros.max(self.last.saturating_add(1));
        Instant::from_micros(self.last)
    }

    /// When the system's clock says the same.
    pub(crate) fn system_instant(&self, at: Instant) -> std::time::Instant {
        self.start + Duration::from_micros(at.as_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_stands_still() {
        let mut clock = Clock::new();
        let mut last = clock.now();
        for _ in 0..100_000 {
            let now = clock.now();
            assert!(now > last);
            last = now;
        }
    }
}
