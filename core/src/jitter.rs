//! Mends the time line of a stream: one corrector per source, so every reader sees the same times.
//!
//! SRS corrects each player's view frame by frame against a single clock, which distorts streams
//! whose audio and video are interleaved loosely (its issue 425). Here audio and video each keep
//! their own continuity, share an offset, and only a real jump moves it.

use crate::config::TimeJitter;
use crate::frame::FrameKind;
use crate::time::{Instant, Timestamp};

/// A step in the publisher's time above this is a jump, unless something explains it.
pub const FORWARD_STEP_MAX_MS: i32 = 500;
/// A step back up to this is clamped, not a jump: loose muxers reorder a little.
pub const BACKWARD_STEP_MAX_MS: i32 = 250;
/// The step that replaces a jump when the stream has not shown its own yet.
pub const DEFAULT_STEP_MS: i32 = 40;
/// How far the first frame of one kind may lie from the other kind and still share its clock.
const FIRST_SKEW_MAX_MS: i32 = 30_000;
/// How far a frame may land from its predecessor when it follows the other kind across a jump,
/// besides the time in which none of its kind came.
const FOLLOW_SKEW_MAX_MS: i32 = 1_000;

/// A corrected timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrected {
    /// The time on the stream's own line.
    pub timestamp: Timestamp,
    /// How far the line was moved, in milliseconds, if this frame jumped.
    pub jump: Option<i32>,
}

/// The corrector of one stream. In mode `Full` the output of each kind never goes back, and it is
/// the input plus a constant as long as no kind steps by more than half a second.
#[derive(Clone, Debug)]
pub struct Jitter {
    audio: Option<Track>,
    latest: Option<Timestamp>,
    mode: TimeJitter,
    video: Option<Track>,
}

#[derive(Clone, Copy, Debug)]
struct Track {
    /// When the last frame came.
    at: Instant,
    /// Output minus input, modulo 2^32.
    offset: i32,
    output: Timestamp,
    raw: Timestamp,
    /// The last step that was no jump.
    step: i32,
}

impl Jitter {
    /// A corrector that has seen nothing.
    #[must_use]
    pub const fn new(mode: TimeJitter) -> Self {
        Self { audio: None, latest: None, mode, video: None }
    }

    /// The next frame belongs to another publisher: its clock is new, the line goes on.
    pub const fn restart(&mut self, mode: TimeJitter) {
        self.mode = mode;
        self.audio = None;
        self.video = None;
    }

    /// Maps the time of a frame that came at `now` to the stream's line.
    ///
    /// Data have no clock of their own: in mode `Full` they get the time of the latest media.
    pub fn correct(&mut self, kind: FrameKind, raw: Timestamp, now: Instant) -> Corrected {
        let corrected = match self.mode {
            TimeJitter::Full => self.mend(kind, raw, now),
            TimeJitter::Off | TimeJitter::Zero => Corrected { timestamp: raw, jump: None },
        };
        let ahead = self.latest.is_none_or(|latest| corrected.timestamp.delta(latest) > 0);
        if kind != FrameKind::Data && (ahead || corrected.jump.is_some()) {
            self.latest = Some(corrected.timestamp);
        }
        corrected
    }

    /// Maps the time of a sequence header, which encoders stamp as they like: with the time of what
    /// follows, with 0, or with the time of the first one. It moves no clock.
    #[must_use]
    pub fn place(&self, kind: FrameKind, raw: Timestamp) -> Timestamp {
        if self.mode != TimeJitter::Full {
            return raw;
        }
        let own = match kind {
            FrameKind::Audio => self.audio,
            FrameKind::Video | FrameKind::Data => self.video,
        };
        let Some(own) = own else { return self.latest.unwrap_or_default() };
        let expected = raw.offset(own.offset);
        let lead = expected.delta(own.output);
        if (0..=FORWARD_STEP_MAX_MS).contains(&lead) { expected } else { own.output }
    }

    fn mend(&mut self, kind: FrameKind, raw: Timestamp, now: Instant) -> Corrected {
        let (own, other) = match kind {
            FrameKind::Audio => (self.audio, self.video),
            FrameKind::Video => (self.video, self.audio),
            FrameKind::Data => {
                return Corrected { timestamp: self.latest.unwrap_or_default(), jump: None };
            }
        };
        let (track, jump) = match own {
            None => (self.first(raw, now, other), None),
            Some(own) => self.next(own, other, raw, now),
        };
        match kind {
            FrameKind::Audio => self.audio = Some(track),
            FrameKind::Video | FrameKind::Data => self.video = Some(track),
        }
        Corrected { timestamp: track.output, jump }
    }

    fn first(&self, raw: Timestamp, now: Instant, other: Option<Track>) -> Track {
        let shared = other.map(|other| other.offset).filter(|&offset| {
            self.latest
                .is_none_or(|latest| near(raw.offset(offset).delta(latest), FIRST_SKEW_MAX_MS))
        });
        let start = self.latest.map_or(Timestamp(0), |latest| latest.offset(DEFAULT_STEP_MS));
        let offset = shared.unwrap_or_else(|| start.delta(raw));
        Track { at: now, offset, output: raw.offset(offset), raw, step: DEFAULT_STEP_MS }
    }

    fn next(
        &self,
        own: Track,
        other: Option<Track>,
        raw: Timestamp,
        now: Instant,
    ) -> (Track, Option<i32>) {
        let step = raw.delta(own.raw);
        let expected = raw.offset(own.offset);
        // Who was silent while the other kind jumped lands as far ahead as it was silent.
        let ahead_max = elapsed_millis(own, now).saturating_add(FOLLOW_SKEW_MAX_MS);
        let followed = other.map(|other| other.offset).filter(|&offset| {
            let landed = raw.offset(offset).delta(own.output);
            landed >= BACKWARD_STEP_MAX_MS.saturating_neg() && landed <= ahead_max
        });
        let has_jumped = followed.is_some_and(|offset| offset != own.offset);
        let is_explained = || self.explained(own, step, expected, now, has_jumped);
        if step >= BACKWARD_STEP_MAX_MS.saturating_neg() && is_explained() {
            let output = if expected.delta(own.output) < 0 { own.output } else { expected };
            let step = if step > 0 { step } else { own.step };
            return (Track { at: now, output, raw, step, ..own }, None);
        }
        let replacement = own.step.clamp(1, FORWARD_STEP_MAX_MS);
        let offset = followed.unwrap_or_else(|| own.output.offset(replacement).delta(raw));
        let landed = raw.offset(offset);
        let output = if landed.delta(own.output) < 0 { own.output } else { landed };
        let track = Track { at: now, offset, output, raw, step: replacement };
        (track, Some(output.delta(expected)))
    }

    /// A long step is no jump when the other kind is already there, when as much time has really
    /// passed, or when the stream is slow by nature. But what was a jump of the other kind
    /// (`has_jumped`) is one of this kind too: of a gap that came late, one kind may have come just
    /// in time to explain it and the other not.
    fn explained(
        &self,
        own: Track,
        step: i32,
        expected: Timestamp,
        now: Instant,
        has_jumped: bool,
    ) -> bool {
        let lead = self.latest.map_or(0, |latest| expected.delta(latest));
        let is_real = || {
            step <= elapsed_millis(own, now).saturating_add(FORWARD_STEP_MAX_MS)
                || (own.step > FORWARD_STEP_MAX_MS && step <= own.step.saturating_mul(4))
        };
        step <= FORWARD_STEP_MAX_MS || lead <= FORWARD_STEP_MAX_MS || (!has_jumped && is_real())
    }
}

/// How long a kind has been silent.
fn elapsed_millis(own: Track, now: Instant) -> i32 {
    i32::try_from(now.since(own.at).as_millis()).unwrap_or(i32::MAX)
}

const fn near(distance: i32, limit: i32) -> bool {
    distance >= limit.saturating_neg() && distance <= limit
}

#[cfg(test)]
mod tests;
