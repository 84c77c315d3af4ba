//! What is counted of one track.

use super::{Report, Severity};

/// Ticks in a millisecond: all times are counted at 90 kHz, as in MPEG-TS.
pub(super) const TICKS: i64 = 90;
/// A step above this is a gap.
const GAP_TICKS: i64 = 500 * TICKS;
/// Gaps that are listed.
const GAPS_MAX: usize = 20;
/// A group of pictures above this keeps players waiting.
const GROUP_LONG_MS: u64 = 10_000;

/// One track.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Track {
    /// `video` or `audio`.
    pub kind: &'static str,
    /// What the container calls it: `track 0`, `PID 256`.
    pub name: String,
    /// The codec with what its header says.
    pub codec: String,
    /// Coded frames.
    pub frames: u64,
    /// Bytes of coded frames.
    pub bytes: u64,
    /// Sequence headers and parameter sets.
    pub headers: u64,
    /// Decoding times.
    pub line: Line,
    /// Places to begin.
    pub keyframes: u64,
    /// Groups of pictures.
    pub groups: Groups,
    /// The least and the greatest presentation time less decoding time, in ticks.
    pub composition: Option<(i64, i64)>,
    /// Frames that are presented before they are decoded.
    pub presented_early: u64,
    /// The first frame can be decoded.
    pub starts_with_keyframe: bool,
}

/// The decoding times of a track, in ticks of 90 kHz without wraps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// Of the first frame.
    pub first: Option<i64>,
    /// The greatest one.
    pub last: Option<i64>,
    /// Least and greatest step forward.
    pub steps: Option<(i64, i64)>,
    /// Steps back.
    pub back: u64,
    /// The first step back: where, and how far.
    pub first_back: Option<Gap>,
    /// Frames at the time of the one before.
    pub equal: u64,
    /// The first steps above half a second.
    pub gaps: Vec<Gap>,
    /// All of them.
    pub gap_count: u64,
    previous: Option<i64>,
}

/// A step that is none of a steady stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The time before it, in ticks.
    pub at: i64,
    /// How long it is, in ticks.
    pub ticks: i64,
}

/// Groups of pictures: from a keyframe to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Groups {
    /// Complete ones.
    pub count: u64,
    /// Least, sum and greatest length in milliseconds.
    pub millis: (u64, u64, u64),
    /// Least, sum and greatest number of frames.
    pub frames: (u64, u64, u64),
    open: Option<(i64, u64)>,
}

/// One frame of a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) len: usize,
    pub(super) is_keyframe: bool,
    /// Frames that share these times: merged audio.
    pub(super) count: u64,
}

impl Track {
    pub(super) fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), ..Self::default() }
    }

    pub(super) fn take(&mut self, frame: Frame) {
        if self.frames == 0 {
            self.starts_with_keyframe = frame.is_keyframe || self.kind == "audio";
        }
        self.frames += frame.count;
        self.bytes += frame.len as u64;
        self.line.take(frame.dts);
        let offset = frame.pts - frame.dts;
        let (least, most) = self.composition.unwrap_or((offset, offset));
        self.composition = Some((least.min(offset), most.max(offset)));
        self.presented_early += u64::from(offset < 0);
        if self.kind == "video" {
            self.keyframes += u64::from(frame.is_keyframe);
            self.groups.take(frame.dts, frame.is_keyframe);
        }
    }

    /// The time line breaks here on purpose: what follows is not compared with what was.
    pub(super) fn forget_time(&mut self) {
        self.line.previous = None;
        self.groups.open = None;
    }

    /// How long it plays, in ticks: from the first frame to the end of the last.
    #[must_use]
    pub fn span(&self) -> Option<i64> {
        let (first, last) = (self.line.first?, self.line.last?);
        let steps = i64::try_from(self.frames).ok()?.checked_sub(1).filter(|steps| *steps > 0)?;
        Some(last - first + (last - first) / steps)
    }

    /// Frames per second, in thousandths.
    #[must_use]
    pub fn milli_rate(&self) -> Option<u64> {
        let span = self.span().filter(|span| *span > 0)?;
        u64::try_from(i128::from(self.frames) * 90_000_000 / i128::from(span)).ok()
    }

    /// Bits per second.
    #[must_use]
    pub fn bit_rate(&self) -> Option<u64> {
        let span = self.span().filter(|span| *span > 0)?;
        u64::try_from(i128::from(self.bytes) * 8 * 90_000 / i128::from(span)).ok()
    }

    pub(super) fn judge(&self, report: &mut Report) {
        let Self { kind, name, line, .. } = self;
        if let Some(back) = line.first_back {
            let by = millis(-back.ticks);
            let text = format!("{kind} ({name}) times go back");
            let place = format!("by {by} ms at {} ms", millis(back.at));
            report.problem_times(Severity::Bad, text, place, line.back);
        }
        if let Some(gap) = line.gaps.first() {
            let text = format!("{kind} ({name}) has gaps above 500 ms");
            let place = format!("{} ms at {} ms", millis(gap.ticks), millis(gap.at));
            report.problem_times(Severity::Flaw, text, place, line.gap_count);
        }
        if self.kind == "video" && self.frames > 0 {
            if !self.starts_with_keyframe {
                let text = format!("{kind} ({name}) does not begin with a keyframe");
                report.problem(Severity::Bad, text, "first frame");
            }
            if self.groups.millis.2 > GROUP_LONG_MS {
                let text = format!("{kind} ({name}) has keyframes more than 10 s apart");
                let place = format!("{} ms at most", self.groups.millis.2);
                report.problem(Severity::Flaw, text, place);
            }
        }
    }
}

impl Line {
    fn take(&mut self, dts: i64) {
        self.first = self.first.or(Some(dts));
        self.last = self.last.max(Some(dts));
        if let Some(previous) = self.previous {
            let gap = Gap { at: previous, ticks: dts - previous };
            match gap.ticks {
                0 => self.equal += 1,
                ..0 => {
                    self.back += 1;
                    self.first_back = self.first_back.or(Some(gap));
                }
                step => {
                    let (least, most) = self.steps.unwrap_or((step, step));
                    self.steps = Some((least.min(step), most.max(step)));
                    if step > GAP_TICKS {
                        self.gap_count += 1;
                        if self.gaps.len() < GAPS_MAX {
                            self.gaps.push(gap);
                        }
                    }
                }
            }
        }
        self.previous = Some(dts);
    }
}

impl Groups {
    fn take(&mut self, dts: i64, is_keyframe: bool) {
        if is_keyframe {
            if let Some((start, frames)) = self.open {
                let length = u64::try_from(millis(dts - start)).unwrap_or_default();
                self.millis = spread(self.millis, length, self.count);
                self.frames = spread(self.frames, frames, self.count);
                self.count += 1;
            }
            self.open = Some((dts, 0));
        }
        if let Some((_, frames)) = &mut self.open {
            *frames += 1;
        }
    }
}

/// Least, sum and greatest with one value more; `count` had been there.
fn spread((least, sum, most): (u64, u64, u64), value: u64, count: u64) -> (u64, u64, u64) {
    (if count == 0 { value } else { least.min(value) }, sum + value, most.max(value))
}

/// Whole milliseconds of ticks.
pub(super) const fn millis(ticks: i64) -> i64 {
    ticks / TICKS
}
