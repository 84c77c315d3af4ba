//! Segments: the one that is being made, and those that are complete.

use super::blocks::Blocks;
use super::{Cut, EARLY_MS, millis_of};
use crate::frame::{FrameClass, FrameKind};
use crate::time::Instant;
use crate::ts::sample::Sample;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// A complete segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its media sequence number.
    pub sequence: u64,
    /// How much media it has, in whole milliseconds.
    pub duration: Duration,
    /// It does not continue the segment before it.
    pub is_discontinuity: bool,
    /// Its first frame came at this time, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Its first frame is a keyframe.
    pub starts_with_keyframe: bool,
    /// Bytes of all blocks.
    pub len: usize,
    /// The bytes, in order; whole packets each.
    pub blocks: Vec<Bytes>,
}

impl Segment {
    /// The duration in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        millis_of(self.duration)
    }
}

/// The segment that is being made.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) blocks: Blocks,
    pub(super) start_ms: i64,
    pub(super) opened_at: Instant,
    pub(super) wall_ms: u64,
    pub(super) starts_with_keyframe: bool,
    /// A keyframe ends it after this time,
    pub(super) keyframe_after_ms: i64,
    /// any frame of audio after this one, if there is no video,
    pub(super) audio_after_ms: Option<i64>,
    /// and any frame at all after this one.
    pub(super) forced_after: Duration,
    /// As does a frame that finds it so long.
    pub(super) len_max: usize,
}

impl Open {
    /// Says whether the segment ends before a frame at `at_ms`.
    pub(super) fn cut(&self, now: Instant, at_ms: i64, sample: &Sample<'_>) -> Cut {
        let elapsed = at_ms.saturating_sub(self.start_ms);
        let is_due = match (sample.kind, sample.class) {
            (_, FrameClass::Keyframe) => elapsed.saturating_add(EARLY_MS) >= self.keyframe_after_ms,
            (FrameKind::Audio, _) => self.audio_after_ms.is_some_and(|after| elapsed >= after),
            (FrameKind::Video | FrameKind::Data, _) => false,
        };
        if is_due {
            return Cut::Due;
        }
        let is_long = u128::try_from(elapsed).unwrap_or_default() >= self.forced_after.as_millis()
            || now.since(self.opened_at) >= self.forced_after
            || self.blocks.len() >= self.len_max;
        if is_long { Cut::Forced } else { Cut::No }
    }
}
