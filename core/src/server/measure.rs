//! What is measured of a stream while its media pass: a few additions for each frame, whatever the
//! number of players.

use crate::amf::AmfLimits;
use crate::api::{AudioState, GopState, VideoState};
use crate::flv::codec::{self, dimensions};
use crate::flv::tag::Codec;
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::source::{Pushed, Source};
use crate::time::{Instant, Timestamp};
use crate::ts;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// Rates are told of the last one to two windows.
const WINDOW: Duration = Duration::from_secs(2);
/// The least time that bytes are spread over.
const BURST: Duration = Duration::from_secs(1);
/// Without anything for so long, a rate is zero.
const SILENCE: Duration = Duration::from_secs(4);
/// So long after the publish, all tracks of a stream have come.
pub(super) const SHOWN_AFTER: Duration = Duration::from_secs(2);
/// Media time over which pictures are counted.
const PICTURES_SPAN_MS: i32 = 4_000;
/// Media time after which a first, less exact rate of pictures is told.
const PICTURES_SPAN_MIN_MS: i32 = 500;
/// A step of media time above this is no distance between two pictures.
const STEP_MAX_MS: i32 = 60_000;
/// The skew is smoothed over so many frames.
const SKEW_FRAMES: i64 = 32;

/// Metadata deeper or longer than this declare no size.
const METADATA_LIMITS: AmfLimits = AmfLimits { depth_max: 8, nodes_max: 1_024 };

/// Bytes and their rate.
#[derive(Clone, Copy)]
pub(super) struct Meter {
    latest: Instant,
    previous: u64,
    previous_since: Instant,
    recent: u64,
    recent_since: Instant,
    total: u64,
}

impl Meter {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            latest: now,
            previous: 0,
            previous_since: now,
            recent: 0,
            recent_since: now,
            total: 0,
        }
    }

    pub(super) fn count(&mut self, now: Instant, bytes: u64) {
        if now.since(self.latest) > SILENCE {
            // A new beginning: the time before says nothing of the rate.
            *self = Self { total: self.total, ..Self::new(now) };
        } else if now.since(self.recent_since) >= WINDOW {
            (self.previous, self.previous_since) = (self.recent, self.recent_since);
            (self.recent, self.recent_since) = (0, now);
        }
        self.latest = now;
        self.recent = self.recent.saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
    }

    /// What was counted elsewhere, at no rate.
    pub(super) const fn add_total(&mut self, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn bits_per_second(&self, now: Instant) -> u64 {
        let since = now.since(self.previous_since);
        if now.since(self.latest) > SILENCE {
            return 0;
        }
        // What came in a burst at the beginning is not told as if it went on.
        let micros = since.max(BURST).as_micros();
        let bits = u128::from(self.previous.saturating_add(self.recent)).saturating_mul(8_000_000);
        u64::try_from(bits.checked_div(micros).unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

/// What is measured of one stream.
pub(super) struct Measure {
    audio: Option<Heard>,
    /// The size of the picture by the metadata.
    declared: Option<(u32, u32)>,
    gop: Option<GopState>,
    /// The keyframe that the present group of pictures began with, and its pictures so far.
    gop_begun: Option<(Timestamp, u32)>,
    pub(super) jumps: u64,
    millihertz: Option<u32>,
    /// Where pictures are counted from, and how many have come since.
    pictures: Option<(Timestamp, u32)>,
    pub(super) published: Option<Instant>,
    pub(super) received: Meter,
    pub(super) sent: Meter,
    /// In 1/1000 ms.
    skew: Option<i64>,
    pub(super) skips: u64,
    video: Option<Seen>,
}

/// The sound of a stream.
struct Heard {
    latest: Option<Timestamp>,
    state: AudioState,
}

/// The picture of a stream.
struct Seen {
    at: Instant,
    latest: Option<Timestamp>,
    state: VideoState,
}

impl Measure {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            audio: None,
            declared: None,
            gop: None,
            gop_begun: None,
            jumps: 0,
            millihertz: None,
            pictures: None,
            published: None,
            received: Meter::new(now),
            sent: Meter::new(now),
            skew: None,
            skips: 0,
            video: None,
        }
    }

    /// A publisher has come.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.published = Some(now);
    }

    /// The publisher has gone: of the media nothing is left but what was counted.
    pub(super) fn end(&mut self, now: Instant) {
        let Self { jumps, received, sent, skips, .. } = *self;
        *self = Self { jumps, received, sent, skips, ..Self::new(now) };
    }

    /// Takes a frame that was pushed to `source`; `skips` players skipped because of it.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        frame: &Frame,
        pushed: &Pushed,
        skips: usize,
        source: &Source,
    ) {
        self.received.count(now, frame.payload.len() as u64);
        self.skips = self.skips.saturating_add(skips as u64);
        if let Some(codec) = pushed.codec {
            self.show(now, frame, codec, source);
        }
        if frame.class == FrameClass::Metadata && frame.kind == FrameKind::Data {
            self.declared = dimensions::of_metadata(&frame.payload, METADATA_LIMITS);
        }
        self.take(now, frame, pushed);
    }

    /// The stream shows a codec, or another header of it. All tracks are described, each by the
    /// header that the source has kept.
    fn show(&mut self, now: Instant, frame: &Frame, codec: Codec, source: &Source) {
        let described = |payload: &Bytes| codec::describe(payload, frame.kind);
        let mut descriptions: Vec<String> =
            source.headers(frame.kind).filter_map(described).collect();
        if descriptions.is_empty() {
            descriptions.extend(described(&frame.payload));
        }
        let description = if descriptions.is_empty() {
            Arc::from(codec.to_string())
        } else {
            Arc::from(descriptions.join(", "))
        };
        match frame.kind {
            FrameKind::Audio => {
                let latest = self.audio.as_ref().and_then(|audio| audio.latest);
                self.audio = Some(Heard { latest, state: AudioState { codec, description } });
            }
            FrameKind::Video | FrameKind::Data => {
                let latest = self.video.as_ref().and_then(|video| video.latest);
                let size = source.headers(frame.kind).find_map(|body| dimensions::of_header(body));
                let state = VideoState { codec, description, size, millihertz: None, gop: None };
                self.video = Some(Seen { at: now, latest, state });
            }
        }
    }

    /// Takes a frame that was relayed.
    fn take(&mut self, now: Instant, frame: &Frame, pushed: &Pushed) {
        if pushed.jump.is_some() {
            self.jumps = self.jumps.saturating_add(1);
        }
        let is_media = matches!(frame.class, FrameClass::Coded | FrameClass::Keyframe);
        if !is_media || pushed.dropped {
            return;
        }
        let timestamp = pushed.timestamp;
        match frame.kind {
            FrameKind::Audio => {
                if let Some(audio) = &mut self.audio {
                    audio.latest = Some(timestamp);
                }
            }
            FrameKind::Video => {
                if let Some(video) = &mut self.video {
                    video.at = now;
                    video.latest = Some(timestamp);
                }
                self.count_picture(timestamp, frame.class == FrameClass::Keyframe);
            }
            FrameKind::Data => return,
        }
        self.compare();
    }

    pub(super) fn video(&self, now: Instant) -> Option<VideoState> {
        let video = self.video.as_ref()?;
        let stands = now.since(video.at) > SILENCE;
        let early = || {
            let (from, count) = self.pictures?;
            let span = video.latest?.delta(from);
            (span >= PICTURES_SPAN_MIN_MS).then(|| rate(count, span))
        };
        let millihertz = if stands { Some(0) } else { self.millihertz.or_else(early) };
        let size = video.state.size.or(self.declared);
        Some(VideoState { millihertz, gop: self.gop, size, ..video.state.clone() })
    }

    /// MPEG-TS carries nothing of the stream, as far as it has shown itself: it has had time to.
    pub(super) fn is_beyond_ts(&self, now: Instant) -> bool {
        let audio = self.audio.as_ref().map(|audio| audio.state.codec);
        let video = self.video.as_ref().map(|video| video.state.codec);
        let is_shown = self.published.is_some_and(|since| now.since(since) >= SHOWN_AFTER);
        is_shown
            && (audio.is_some() || video.is_some())
            && !audio.into_iter().chain(video).any(ts::carries)
    }

    pub(super) fn audio(&self) -> Option<AudioState> {
        self.audio.as_ref().map(|audio| audio.state.clone())
    }

    pub(super) fn skew_millis(&self) -> Option<i32> {
        i32::try_from(self.skew?.checked_div(1_000)?).ok()
    }

    fn count_picture(&mut self, timestamp: Timestamp, is_keyframe: bool) {
        let (from, count) = self.pictures.unwrap_or((timestamp, 0));
        let span = timestamp.delta(from);
        let count = if self.pictures.is_some() { count.saturating_add(1) } else { 0 };
        self.pictures = Some((from, count));
        if !(0..=STEP_MAX_MS).contains(&span) {
            self.pictures = Some((timestamp, 0));
        } else if span >= PICTURES_SPAN_MS {
            self.millihertz = Some(rate(count, span));
            self.pictures = Some((timestamp, 0));
        }
        if is_keyframe {
            let complete = self.gop_begun.and_then(|(from, frames)| {
                let millis = u32::try_from(timestamp.delta(from)).ok()?;
                Some(GopState { millis, frames })
            });
            self.gop = complete.or(self.gop);
            self.gop_begun = Some((timestamp, 0));
        }
        if let Some((_, frames)) = &mut self.gop_begun {
            *frames = frames.saturating_add(1);
        }
    }

    /// Compares the newest audio with the newest video. Both come in turn, so that the difference
    /// swings by a frame of each; its mean is what lies between them.
    fn compare(&mut self) {
        let video = self.video.as_ref().and_then(|video| video.latest);
        let audio = self.audio.as_ref().and_then(|audio| audio.latest);
        let (Some(video), Some(audio)) = (video, audio) else { return };
        let skew = i64::from(video.delta(audio)).saturating_mul(1_000);
        let mean = self.skew.unwrap_or(skew);
        let step = skew.saturating_sub(mean).checked_div(SKEW_FRAMES).unwrap_or(0);
        self.skew = Some(mean.saturating_add(step));
    }
}

/// Pictures in a thousand seconds.
fn rate(count: u32, span_millis: i32) -> u32 {
    let scaled = u64::from(count).saturating_mul(1_000_000);
    let span = u64::try_from(span_millis).unwrap_or(0);
    let half = span / 2;
    let rate = scaled.saturating_add(half).checked_div(span).unwrap_or(0);
    u32::try_from(rate).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
