//! The zero of a player: the stream's time that its own times count from.

use super::{Audience, Consumer, Lanes};
use crate::config::TimeJitter;
use crate::frame::FrameClass;
use crate::source::Source;
use crate::tape::{Lane, Mark};
use crate::time::Timestamp;

/// How far audio and video may lie apart where a player starts and still both be counted for its
/// zero.
const START_SKEW_MAX_MS: i32 = 5_000;
/// How far before a player's zero a lane may begin: what comes then is given as of zero. In other
/// modes times may run back, and who joins again may find all of them there.
const EARLY_MAX_MS: i32 = 30_000;

/// It is for the decoder, and has no place in time.
pub(super) const fn is_header(mark: &Mark) -> bool {
    matches!(mark.class, FrameClass::SequenceHeader | FrameClass::Metadata)
}

impl Consumer {
    /// The zero of a player is the earliest time among the first messages of audio and video.
    pub(super) fn set_base(&mut self, source: &Source, first: &Mark) {
        if self.base.is_some() {
            return;
        }
        if source.config.time_jitter == TimeJitter::Off {
            self.base = Some(Timestamp(0));
            // This zero says nothing of where times begin.
            self.early = Lanes::NONE;
            return;
        }
        let tape = source.tape();
        let mut base = first.timestamp;
        for lane in [Lane::Audio, Lane::Video] {
            let is_next = |mark: &&Mark| mark.lane() == lane && !is_header(mark);
            let next = tape.marks_from(first.offset).take(64).find(is_next);
            let time = next.map(|mark| mark.timestamp).or(tape.clock(lane));
            let lead = time.map_or(0, |time| time.delta(base));
            if (START_SKEW_MAX_MS.saturating_neg()..0).contains(&lead) {
                base = base.offset(lead);
            }
        }
        self.base = Some(base);
    }

    /// A player whose zero is its own gives it up where times are as they were published; the other
    /// lanes follow to the new zero, each by an introduction.
    pub(super) fn leave_base(&mut self, source: &Source) {
        let is_own = self.base.is_some_and(|base| base != Timestamp(0));
        if is_own && source.config.time_jitter == TimeJitter::Off {
            self.base = None;
            self.pending = Lanes::ALL;
        }
    }

    /// The time of a message on the player's own line.
    pub(super) fn time_of(&mut self, source: &Source, mark: &Mark) -> Timestamp {
        // A file has one time line, so there metadata have the time at which they came; servers
        // take what publishers send.
        let is_player = self.audience == Audience::Player && self.viewer.is_none();
        if mark.lane() == Lane::Metadata && is_player {
            self.early.remove(Lane::Metadata);
            return Timestamp(0);
        }
        if mark.is_break {
            // What is before it on the tape is of the earlier kind.
            self.leave_base(source);
        }
        let counts_from_zero = source.config.time_jitter != TimeJitter::Off;
        if counts_from_zero && self.base.is_none() && is_header(mark) {
            // Encoders stamp headers as they like: the first frame is the player's zero.
            return Timestamp(0);
        }
        self.set_base(source, mark);
        let is_rebased = mark.is_break && source.config.time_jitter == TimeJitter::Zero;
        let base = match self.base {
            Some(base) if !is_rebased || mark.timestamp.delta(base) >= 0 => base,
            _ => {
                // The other lanes follow to the new zero, each by an introduction.
                self.pending = Lanes::ALL;
                self.early = Lanes::ALL;
                mark.timestamp
            }
        };
        self.base = Some(base);
        let lead = mark.timestamp.delta(base);
        let may_be_negative = self.viewer.as_ref().is_some_and(|viewer| viewer.has_own_zero());
        if source.config.time_jitter == TimeJitter::Full
            && !may_be_negative
            && self.early.has(mark.lane())
            && (EARLY_MAX_MS.saturating_neg()..0).contains(&lead)
        {
            return Timestamp(0);
        }
        self.early.remove(mark.lane());
        Timestamp(mark.timestamp.0.wrapping_sub(base.0))
    }
}
