//! Time lines: timestamps without their wrap, and audio times by the count of samples.

use super::TICKS_PER_MS;
use crate::time::Timestamp;

/// A step forward above this is a jump: the time line is broken there, not only interrupted.
pub const JUMP_MAX_MS: i64 = 30_000;
/// A step back above this is a jump; smaller ones come from loose interleaving.
pub const JUMP_BACK_MAX_MS: i64 = 1_000;

/// Whether a frame at `at_ms` breaks the time line: by the newest frame of its own kind, or of the
/// other kind if it is the first of its own or that has gone on while its own was silent.
#[must_use]
pub fn is_jump(own: Option<i64>, other: Option<i64>, at_ms: i64) -> bool {
    let is_beside = |latest: i64| at_ms.saturating_sub(latest).saturating_abs() <= JUMP_MAX_MS;
    match own {
        Some(own) => {
            let step = at_ms.saturating_sub(own);
            step < JUMP_BACK_MAX_MS.saturating_neg()
                || (step > JUMP_MAX_MS && !other.is_some_and(is_beside))
        }
        None => other.is_some_and(|other| !is_beside(other)),
    }
}

/// The times of a stream as milliseconds that do not wrap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapped {
    latest: Option<(Timestamp, i64)>,
}

impl Unwrapped {
    /// A line that begins with the next timestamp.
    #[must_use]
    pub const fn new() -> Self {
        Self { latest: None }
    }

    /// The time of `timestamp`, which lies less than 2^31 ms from the one before.
    pub fn millis(&mut self, timestamp: Timestamp) -> i64 {
        let millis = match self.latest {
            None => i64::from(timestamp.0),
            Some((latest, millis)) => millis.saturating_add(i64::from(timestamp.delta(latest))),
        };
        self.latest = Some((timestamp, millis));
        millis
    }
}

/// Counts samples, so that frames of 1,024 at 44.1 kHz lie as evenly as they were recorded, though
/// FLV gives their times in whole milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampleClock {
    /// The time of sample 0 in ticks.
    base: i64,
    samples: u64,
    rate: u32,
    latest: i64,
}

/// A departure of the timestamps from the count of samples up to this is rounding: 5 ms in ticks.
const ROUNDING_TICKS: i64 = 5 * TICKS_PER_MS;
/// Above this something is lost or doubled, and the count begins anew: 100 ms, as in SRS.
const RESYNC_TICKS: i64 = 100 * TICKS_PER_MS;
/// In between the encoder's clock drifts or its times are rough: the count follows slowly, by this
/// part of the departure for each frame ...
const FOLLOW_DIVISOR: i64 = 32;
/// ... and never by more than a millisecond.
const FOLLOW_TICKS_MAX: i64 = TICKS_PER_MS;

impl SampleClock {
    /// A clock whose first frame is at `at` ticks.
    pub(super) const fn new(at: i64, rate: u32) -> Self {
        Self { base: at, samples: 0, rate: if rate == 0 { 1 } else { rate }, latest: i64::MIN }
    }

    /// The time in ticks of the next frame, of `samples`, that was stamped with `at` ticks. Times
    /// grow.
    pub(super) fn next(&mut self, at: i64, samples: u32, rate: u32) -> i64 {
        if rate != self.rate {
            *self = Self { latest: self.latest, ..Self::new(at, rate) };
        }
        let departure = at.saturating_sub(self.now());
        if departure.saturating_abs() > RESYNC_TICKS {
            (self.base, self.samples) = (at, 0);
        } else if departure.saturating_abs() > ROUNDING_TICKS {
            let step = departure.checked_div(FOLLOW_DIVISOR).unwrap_or_default();
            let step = step.clamp(FOLLOW_TICKS_MAX.saturating_neg(), FOLLOW_TICKS_MAX);
            self.base = self.base.saturating_add(step);
        }
        let time = self.now().max(self.latest.saturating_add(1));
        self.samples = self.samples.saturating_add(u64::from(samples));
        self.latest = time;
        time
    }

    /// The time in ticks at which the frames end that have come.
    pub(super) fn now(&self) -> i64 {
        let ticks = self.samples.saturating_mul(90_000).checked_div(u64::from(self.rate));
        self.base.saturating_add_unsigned(ticks.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
