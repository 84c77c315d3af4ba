//! Numbers about the audio or the video of one side.

use super::wire::{Media, Speech, What};
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::time::Timestamp;

/// A step of time that no frame rate explains, in milliseconds.
const JUMP_MS_MIN: i64 = 1_000;

/// Groups of pictures that were seen from keyframe to keyframe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Groups {
    /// How many.
    pub count: u64,
    /// Frames in all of them.
    pub frames: u64,
    /// Milliseconds of all of them.
    pub millis: u64,
    /// Frames of the shortest one.
    pub frames_min: u64,
    /// Frames of the longest one.
    pub frames_max: u64,
    /// Milliseconds of the shortest one.
    pub millis_min: u64,
    /// Milliseconds of the longest one.
    pub millis_max: u64,
}

/// What was counted of the audio or the video of one side.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Track {
    /// Messages, sequence headers and empty ones included.
    pub messages: u64,
    /// Messages with coded media.
    pub frames: u64,
    /// Of these, keyframes; 0 for audio.
    pub keyframes: u64,
    /// Bytes of all messages.
    pub bytes: u64,
    /// Timestamps of the first and last frame.
    pub times: Option<(u32, u32)>,
    /// Time that passed from frame to frame, jumps left out, in milliseconds.
    pub millis: u64,
    /// Steps of time that no frame rate explains.
    pub jumps: Vec<Jump>,
    /// Complete groups of pictures.
    pub groups: Groups,
    /// The frames of the group that is not complete, and the time of its keyframe.
    open: Option<(u64, Timestamp)>,
}

/// A step of time that no frame rate explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Jump {
    /// The timestamp before.
    pub from: u32,
    /// The timestamp after.
    pub to: u32,
    /// The step in milliseconds, back or forth.
    pub millis: i64,
}

impl Groups {
    fn add(&mut self, frames: u64, millis: u64) {
        self.frames_min = if self.count == 0 { frames } else { self.frames_min.min(frames) };
        self.millis_min = if self.count == 0 { millis } else { self.millis_min.min(millis) };
        self.frames_max = self.frames_max.max(frames);
        self.millis_max = self.millis_max.max(millis);
        self.count += 1;
        self.frames += frames;
        self.millis += millis;
    }

    /// `50 frames 2000 ms`, or from the shortest to the longest.
    pub(super) fn text(&self) -> String {
        let range = |min, max| if min == max { format!("{min}") } else { format!("{min}..{max}") };
        let frames = range(self.frames_min, self.frames_max);
        format!("{frames} frames {} ms", range(self.millis_min, self.millis_max))
    }
}

impl Track {
    /// The track of this kind in all that a side said.
    pub(super) fn of(speech: &Speech, kind: FrameKind) -> Self {
        let mut track = Self::default();
        for said in &speech.said {
            if let What::Media(media) = &said.what
                && media.kind == kind
            {
                track.add(media);
            }
        }
        track
    }

    /// Counts a message.
    pub(super) fn add(&mut self, media: &Media) {
        self.messages += 1;
        self.bytes += media.payload.len() as u64;
        if !is_frame(media) {
            return;
        }
        let jump = self.jump(media);
        self.step(media.timestamp, jump);
        self.frames += 1;
        if media.kind == FrameKind::Video {
            let is_key = media.class == Some(FrameClass::Keyframe);
            self.count_group(is_key, media.timestamp, jump.is_some());
        }
    }

    /// Frames in a second, in thousandths.
    pub(super) fn milli_fps(&self) -> Option<u64> {
        (self.frames.saturating_sub(1) * 1_000_000).checked_div(self.millis)
    }

    /// Bits in a second.
    pub(super) fn bit_rate(&self) -> Option<u64> {
        (self.bytes * 8_000).checked_div(self.millis)
    }

    /// The jump that `media` makes, if it makes one.
    pub(super) fn jump(&self, media: &Media) -> Option<Jump> {
        let (_, from) = self.times.filter(|_| is_frame(media))?;
        let millis = i64::from(media.timestamp.delta(Timestamp(from)));
        let is_step = (0..JUMP_MS_MIN).contains(&millis);
        (!is_step).then_some(Jump { from, to: media.timestamp.0, millis })
    }

    /// The next frame has this time.
    fn step(&mut self, timestamp: Timestamp, jump: Option<Jump>) {
        let (first, last) = self.times.unwrap_or((timestamp.0, timestamp.0));
        self.times = Some((first, timestamp.0));
        match jump {
            Some(jump) => self.jumps.push(jump),
            None => self.millis += u64::from(timestamp.0.wrapping_sub(last)),
        }
    }

    fn count_group(&mut self, is_key: bool, timestamp: Timestamp, jumped: bool) {
        if is_key {
            self.keyframes += 1;
            if let (Some((frames, start)), false) = (self.open, jumped) {
                let millis = u64::try_from(timestamp.delta(start)).unwrap_or_default();
                self.groups.add(frames, millis);
            }
            self.open = Some((1, timestamp));
        } else if jumped {
            // A group with a jump in it has no length.
            self.open = None;
        } else if let Some((frames, _)) = &mut self.open {
            *frames += 1;
        }
    }

    /// Starts the numbers anew but goes on with the group and the time.
    pub(super) fn split(&mut self) -> Self {
        let next = Self {
            times: self.times.map(|(_, last)| (last, last)),
            open: self.open,
            ..Self::default()
        };
        std::mem::replace(self, next)
    }
}

/// The least and the greatest lead of video over audio in milliseconds, as messages came.
pub(super) fn skew(speech: &Speech) -> Option<(i64, i64)> {
    let (mut audio, mut video) = (None, None);
    let mut range: Option<(i64, i64)> = None;
    for said in &speech.said {
        let What::Media(media) = &said.what else { continue };
        if !is_frame(media) {
            continue;
        }
        match media.kind {
            FrameKind::Audio => audio = Some(media.timestamp),
            FrameKind::Data | FrameKind::Video => video = Some(media.timestamp),
        }
        if let (Some(audio), Some(video)) = (audio, video) {
            let lead = i64::from(video.delta(audio));
            let (min, max) = range.unwrap_or((lead, lead));
            range = Some((min.min(lead), max.max(lead)));
        }
    }
    range
}

fn is_frame(media: &Media) -> bool {
    matches!(media.class, Some(FrameClass::Coded | FrameClass::Keyframe))
}
