//! A clip: the frames of one FLV file, published again and again without a seam.

use bytes::Bytes;
use millstream_core::flv;
use millstream_core::flv::file::{FlvError, FlvReader};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Longest tag body that is read.
const TAG_LEN_MAX: u32 = 16 << 20;

/// Timestamps that jump further than this would stop the publisher for as long; the jump is closed.
const JUMP_MAX_MS: i32 = 5_000;

/// Frames of one file, at times from zero on.
#[derive(Debug)]
pub struct Clip {
    frames: Vec<Frame>,
    duration_ms: u32,
}

/// Why a file is no clip.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClipError {
    /// It is no FLV file.
    Flv(FlvError),
    /// It has neither audio nor video.
    Empty,
}

impl fmt::Display for ClipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flv(FlvError::NotFlv) => {
                f.write_str("it is no FLV file; make one: ffmpeg -i INPUT -c copy FILE.flv")
            }
            Self::Flv(error) => write!(f, "it is broken ({error:?})"),
            Self::Empty => f.write_str("it has neither audio nor video"),
        }
    }
}

impl std::error::Error for ClipError {}

impl Clip {
    /// The clip of `millstream demo`.
    ///
    /// # Errors
    /// None: the clip is a part of the program, and a test reads it.
    pub fn demo() -> Result<Self, ClipError> {
        Self::read(include_bytes!("../assets/demo.flv"))
    }

    /// Reads an FLV file; a tag that is cut off at its end is left out.
    ///
    /// # Errors
    /// It is no FLV file, or has no media.
    pub fn read(mut bytes: &[u8]) -> Result<Self, ClipError> {
        let mut reader = FlvReader::new(TAG_LEN_MAX);
        let mut frames = Vec::new();
        while let Some(tag) = reader.read(&mut bytes).map_err(ClipError::Flv)? {
            let class = flv::classify(tag.kind, &tag.payload).unwrap_or(FrameClass::Control);
            let (kind, timestamp, payload) = (tag.kind, tag.timestamp, tag.payload);
            frames.push(Frame { kind, class, timestamp, payload });
        }
        start_at_zero(&mut frames);
        let duration_ms = [FrameKind::Audio, FrameKind::Video]
            .into_iter()
            .filter_map(|kind| duration_of(&frames, kind))
            .max()
            .ok_or(ClipError::Empty)?;
        Ok(Self { frames, duration_ms })
    }

    /// All frames, in their order.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The time from one round to the next.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms as u64)
    }
}

/// Times count from the first frame, and jumps are closed.
fn start_at_zero(frames: &mut [Frame]) {
    let mut base = frames.first().map_or(Timestamp(0), |frame| frame.timestamp);
    let mut last = 0_i32;
    for frame in frames {
        let mut time = frame.timestamp.delta(base);
        if (time - last).abs() > JUMP_MAX_MS {
            base = frame.timestamp.offset(-last);
            time = last;
        }
        last = time.max(0);
        frame.timestamp = Timestamp(last.unsigned_abs());
    }
}

/// The time of the last frame plus the mean time between two.
fn duration_of(frames: &[Frame], kind: FrameKind) -> Option<u32> {
    let of_kind = || frames.iter().filter(|frame| frame.kind == kind && is_coded(frame.class));
    let last = u64::from(of_kind().map(|frame| frame.timestamp.0).max()?);
    let gaps = u64::try_from(of_kind().count()).unwrap_or(u64::MAX).saturating_sub(1);
    let gap_micros = (last * 1_000).checked_div(gaps).unwrap_or(40_000);
    u32::try_from((last * 1_000 + gap_micros + 500) / 1_000).ok()
}

const fn is_coded(class: FrameClass) -> bool {
    matches!(class, FrameClass::Coded | FrameClass::Keyframe)
}

/// A place in the endless repetition of a clip.
#[derive(Debug)]
pub struct Loop {
    clip: Arc<Clip>,
    index: usize,
    round: u32,
    /// The newest sequence headers of audio and video: equal ones are not repeated.
    headers: [Option<Bytes>; 2],
}

impl Loop {
    /// The start of the first round.
    #[must_use]
    pub const fn new(clip: Arc<Clip>) -> Self {
        Self { clip, index: 0, round: 0, headers: [None, None] }
    }

    /// When the next frame is due, from the start of the first round.
    #[must_use]
    pub fn due(&self) -> Duration {
        let within = self.clip.frames.get(self.index).map_or(0, |frame| frame.timestamp.0);
        self.clip.duration() * self.round + Duration::from_millis(within.into())
    }

    /// The next frame; its time goes on over all rounds, modulo 2^32 ms. `None` for a frame that is
    /// of no use again.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let frame = self.clip.frames.get(self.index).cloned();
        let base = self.clip.duration_ms.wrapping_mul(self.round);
        let is_first_round = self.round == 0;
        self.index += 1;
        if self.index >= self.clip.frames.len() {
            self.index = 0;
            self.round = self.round.wrapping_add(1);
        }
        let mut frame = frame?;
        let is_wanted = match frame.class {
            FrameClass::Coded | FrameClass::Keyframe => true,
            FrameClass::SequenceHeader => self.is_new_header(&frame),
            // The end of a sequence is not the end of the stream.
            FrameClass::Control => frame.kind == FrameKind::Data && is_first_round,
            FrameClass::Metadata => is_first_round,
        };
        frame.timestamp = Timestamp(frame.timestamp.0.wrapping_add(base));
        is_wanted.then_some(frame)
    }

    fn is_new_header(&mut self, frame: &Frame) -> bool {
        let [audio, video] = &mut self.headers;
        let header = if frame.kind == FrameKind::Audio { audio } else { video };
        let is_new = header.as_ref() != Some(&frame.payload);
        *header = Some(frame.payload.clone());
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_demo_loops_without_a_seam() {
        let clip = Arc::new(Clip::demo().expect("a clip"));
        // Exactly 200 video frames and 375 audio frames.
        assert_eq!(clip.duration(), Duration::from_secs(8));
        let mut position = Loop::new(clip.clone());
        let mut last = [None; 2];
        let mut headers = 0;
        for _ in 0..clip.frames().len() * 3 {
            let due = position.due();
            let Some(frame) = position.next_frame() else { continue };
            assert_eq!(due.as_millis(), u128::from(frame.timestamp.0));
            headers += usize::from(frame.class == FrameClass::SequenceHeader);
            if !is_coded(frame.class) {
                continue;
            }
            let (place, gaps) = match frame.kind {
                FrameKind::Audio => (&mut last[0], 20..=23),
                FrameKind::Video => (&mut last[1], 40..=40),
                FrameKind::Data => continue,
            };
            let before = place.replace(frame.timestamp);
            let gap = before.map_or(*gaps.start(), |before| frame.timestamp.delta(before));
            assert!(gaps.contains(&gap), "{:?} at {:?}: {gap}", frame.kind, frame.timestamp);
        }
        assert_eq!(headers, 2, "sequence headers are not repeated");
        assert!(last[1].is_some_and(|last| last.0 >= 23_900), "{last:?}");
    }

    #[test]
    fn jumps_are_closed_and_times_start_at_zero() {
        let check = |times: &[u32], expected: &[u32]| {
            let frame = |time: &u32| Frame {
                kind: FrameKind::Video,
                class: FrameClass::Coded,
                timestamp: Timestamp(*time),
                payload: Bytes::new(),
            };
            let mut frames: Vec<_> = times.iter().map(frame).collect();
            start_at_zero(&mut frames);
            let times: Vec<_> = frames.iter().map(|frame| frame.timestamp.0).collect();
            assert_eq!(times, expected);
        };
        check(&[0, 40, 80], &[0, 40, 80]);
        check(&[3_600_000, 3_600_040], &[0, 40]);
        check(&[u32::MAX - 20, 19, 59], &[0, 40, 80]);
        check(&[0, 40, 60_000, 60_040], &[0, 40, 40, 80]);
        check(&[100_000, 100_040, 10, 50], &[0, 40, 40, 80]);
        check(&[100, 60, 140], &[0, 0, 40]);
    }

    #[test]
    fn files_without_media_are_refused() {
        assert_eq!(Clip::read(b"").err(), Some(ClipError::Empty));
        assert_eq!(Clip::read(b"RIFF, no FLV").err(), Some(ClipError::Flv(FlvError::NotFlv)));
    }
}
