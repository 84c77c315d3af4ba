//! HLS (RFC 8216): a stream cut into MPEG-TS segments, and the playlist that names them.
//!
//! The muxer takes the frames of one stream, all its publishers in turn, and gives outputs: whole
//! segments, playlists, and what may be forgotten. It keeps the segments that a player may still
//! ask for, so they can be served from here; whoever keeps them elsewhere follows the outputs.
//!
//! A *period* is a stretch of segments with the same tracks, the same codec parameters and one time
//! line. Between two periods stands `EXT-X-DISCONTINUITY`.
//!
//! - *Cut*: at the first keyframe at or after `fragment`; the first segment of a publish at the
//!   first keyframe after half a second, so that a playlist is there one GOP after the publish.
//!   Audio alone is cut by duration. Without keyframes a segment is cut at [`HlsConfig::forced`].
//! - *Window*: the newest segments that last `window` together, and three target durations at
//!   least (section 6.2.2).
//! - *Expiry*: a segment that left the playlist stays for its own duration and that of the longest
//!   playlist that had it (section 6.2.2).

mod blocks;
pub mod fuzz;
mod name;
pub mod playlist;
pub mod reader;
mod segment;

use crate::frame::{Frame, FrameClass, FrameKind};
use crate::time::{Instant, WallClock};
use crate::ts::mux::{Change, TsMuxer};
use crate::ts::sample::Sample;
use crate::ts::tables::Programme;
use crate::ts::{Skip, Unwrapped, is_jump};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use blocks::Blocks;
use bytes::Bytes;
use core::fmt;
use core::time::Duration;
pub use name::{segment_name, segment_number, start_sequence};
use segment::Open;
pub use segment::Segment;

/// How a stream is cut.
///
/// The default gives low latency with what encoders send by default: segments of a GOP of two
/// seconds, and players that start three segments from the end are 6 to 8 s behind. SRS cuts at
/// 10 s, which puts them 30 s behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HlsConfig {
    /// The shortest segment; at least half a second.
    pub fragment: Duration,
    /// How much of the stream the playlist has.
    pub window: Duration,
    /// Bytes of one segment before it is cut anywhere.
    pub segment_len_max: usize,
    /// Bytes of all segments that are kept, those that left the playlist included; the oldest that
    /// left it go first.
    pub kept_len_max: usize,
}

impl Default for HlsConfig {
    fn default() -> Self {
        Self {
            fragment: Duration::from_secs(2),
            window: Duration::from_secs(12),
            segment_len_max: 64 << 20,
            kept_len_max: 256 << 20,
        }
    }
}

impl HlsConfig {
    /// When a segment is cut though no keyframe comes: after four fragments, yet never before 16 s,
    /// so that a GOP of 250 pictures (the default of x264 and OBS) stays whole.
    #[must_use]
    pub fn forced(&self) -> Duration {
        self.fragment.saturating_mul(4).max(Duration::from_secs(16))
    }
}

/// What the muxer gives.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HlsOutput {
    /// A segment is complete. A playlist that names it follows.
    Segment(Segment),
    /// The playlist has changed.
    Playlist {
        /// All of it.
        text: Bytes,
    },
    /// Nobody may ask for this segment any more.
    Expire {
        /// Its media sequence number.
        sequence: u64,
    },
    /// Something that the operator should know; told once for each cause.
    Warning(HlsWarning),
}

/// What is not as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HlsWarning {
    /// No keyframe came for too long, so a segment begins without one.
    Forced {
        /// Milliseconds of media in the segment that was cut.
        millis: u64,
    },
    /// Frames of a kind are left out.
    Skipped(Skip),
}

impl fmt::Display for HlsWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forced { millis } => write!(
                f,
                "no keyframe for {}.{} s: a segment was cut without one; set the encoder's keyframe \
                 interval to 2 s",
                millis / 1_000,
                millis % 1_000 / 100
            ),
            Self::Skipped(skip) => write!(f, "{skip}: not in HLS"),
        }
    }
}

/// Whether more will follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A publisher may come back: players go on asking.
    Pause,
    /// The playlist is complete and says so (`EXT-X-ENDLIST`).
    EndList,
}

/// Cuts one stream into segments.
#[derive(Debug)]
pub struct HlsMuxer {
    config: HlsConfig,
    /// The name of the stream in segment names, percent-encoded.
    stem: String,
    mux: TsMuxer,
    line: Unwrapped,
    open: Option<Open>,
    /// The newest time of each kind, and the step to it.
    audio: Track,
    video: Track,
    /// Audio that came while video is awaited: since when.
    awaits_video_ms: Option<i64>,
    /// The tracks of the current period, once it has a segment; no track joins after that.
    period: Option<Programme>,
    /// The next keyframe begins another period.
    breaks_at_keyframe: bool,
    /// The next segment is the first of a period.
    is_discontinuity: bool,
    /// The next segment is the first of a publish.
    is_first: bool,
    /// The playlist has said that it is complete.
    is_complete: bool,
    next_sequence: u64,
    listed: VecDeque<Segment>,
    retired: VecDeque<Retired>,
    kept_len: usize,
    /// Discontinuities that have left the playlist.
    discontinuity_sequence: u64,
    target_secs: u64,
    /// The longest duration that the playlist had.
    longest_playlist_ms: u64,
    playlist: Bytes,
    warned: Vec<HlsWarning>,
    outputs: VecDeque<HlsOutput>,
}

/// The time of one kind of media.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    latest_ms: Option<i64>,
    step_ms: i64,
}

/// A segment that left the playlist.
#[derive(Clone, Debug)]
struct Retired {
    segment: Segment,
    until: Instant,
}

/// A segment is at least so long, and a shorter end of a publish is left out (as in SRS).
const SEGMENT_MS_MIN: i64 = 100;
/// The first segment of a publish may be cut at a keyframe after this time.
const FIRST_SEGMENT_MS: i64 = 500;
/// Keyframes come a little early: their times are rounded to milliseconds, and mended.
const EARLY_MS: i64 = 20;
/// How far the date of a segment departs from the one before and its duration.
const DATE_STEP_MS: u64 = 100;
/// The step of a track that has shown only one frame.
const DEFAULT_STEP_MS: i64 = 40;
/// Different warnings of one publish.
const WARNINGS_MAX: usize = 16;
/// The fewest segments of a playlist, if there are so many.
const SEGMENTS_MIN: usize = 3;

/// Shorter segments are not made.
const FRAGMENT_MIN: Duration = Duration::from_millis(500);

impl HlsMuxer {
    /// A stream whose segments are named after `stream` (the last part of its name) and counted
    /// from `start_sequence`.
    ///
    /// Sequence numbers must not be used again after a restart: [`start_sequence`] takes them from
    /// the wall clock.
    #[must_use]
    pub fn new(config: HlsConfig, stream: &str, start_sequence: u64) -> Self {
        let fragment = config.fragment.max(FRAGMENT_MIN);
        Self {
            config: HlsConfig { fragment, ..config },
            stem: name::percent_encoded(stream),
            mux: TsMuxer::new(),
            line: Unwrapped::new(),
            open: None,
            audio: Track::default(),
            video: Track::default(),
            awaits_video_ms: None,
            period: None,
            breaks_at_keyframe: false,
            is_discontinuity: false,
            is_first: true,
            is_complete: false,
            next_sequence: start_sequence,
            listed: VecDeque::new(),
            retired: VecDeque::new(),
            kept_len: 0,
            // Small, over restarts too: hls.js keeps an array by it, and hangs while it walks over
            // billions of places. The media sequence tells players of a restart.
            discontinuity_sequence: 0,
            target_secs: rounded_secs(millis_of(fragment)).max(1),
            longest_playlist_ms: 0,
            playlist: Bytes::new(),
            warned: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes a frame of the publisher that came at `now`.
    pub fn push(&mut self, now: Instant, wall: WallClock, frame: &Frame) {
        self.handle_timeout(now);
        let Some(sample) = Sample::of(frame) else { return };
        match self.mux.prepare(&sample) {
            Ok(Change::None) => {}
            Ok(Change::New | Change::Changed) => self.take_header(now, sample.kind),
            Err(skip) => return self.warn(HlsWarning::Skipped(skip)),
        }
        if sample.class == FrameClass::SequenceHeader {
            return;
        }
        let at_ms = self.line.millis(frame.timestamp);
        if self.is_jump(sample.kind, at_ms) {
            self.end_period(now);
        }
        let is_keyframe = sample.class == FrameClass::Keyframe;
        let shown_ms = self.shown_ms(sample.kind, at_ms);
        let cut = self.open.as_ref().map(|open| (open.cut(now, shown_ms, &sample), open.start_ms));
        let breaks = is_keyframe && (self.breaks_at_keyframe || !self.has(FrameKind::Video));
        match cut {
            None => self.begin(now, wall, at_ms, &sample),
            Some(_) if breaks => {
                self.end_period(now);
                self.open(now, wall, at_ms, &sample);
            }
            Some((Cut::No, _)) => {}
            Some((Cut::Due, _)) => {
                self.close(now, shown_ms);
                self.open(now, wall, shown_ms, &sample);
            }
            Some((Cut::Forced, start_ms)) => {
                let millis = u64::try_from(shown_ms.saturating_sub(start_ms)).unwrap_or_default();
                self.warn(HlsWarning::Forced { millis });
                if self.breaks_at_keyframe {
                    // It does not come: who waits for it gets a period without video.
                    self.end_period(now);
                    self.begin(now, wall, at_ms, &sample);
                } else {
                    self.close(now, shown_ms);
                    self.open(now, wall, shown_ms, &sample);
                }
            }
        }
        self.write(at_ms, &sample);
    }

    /// The publisher has gone: what has come becomes the last segment, and the next publisher
    /// begins another period.
    pub fn finish(&mut self, now: Instant, ending: Ending) {
        self.end_period(now);
        self.mux.forget_tracks();
        self.is_first = true;
        self.warned.clear();
        if ending == Ending::EndList && !self.listed.is_empty() {
            self.give_playlist(ending);
            self.is_complete = true;
        }
    }

    /// A publisher begins. If the playlist was complete, which no live stream is, there is none
    /// until the next segment; what it named stays for who plays it. True if so.
    pub fn resume(&mut self, now: Instant) -> bool {
        if !core::mem::take(&mut self.is_complete) {
            return false;
        }
        while !self.listed.is_empty() {
            self.retire(now);
        }
        // The period that begins now follows the last of those that have left.
        self.discontinuity_sequence = self.discontinuity_sequence.saturating_add(1);
        self.playlist = Bytes::new();
        true
    }

    /// Goes on with other lengths of segments and playlist; what is there already stays as it is.
    pub fn configure(&mut self, config: HlsConfig) {
        self.config = HlsConfig { fragment: config.fragment.max(FRAGMENT_MIN), ..config };
    }

    /// Nothing is needed any more: all segments expire.
    pub fn dispose(&mut self) {
        let listed = self.listed.drain(..);
        let retired = self.retired.drain(..).map(|retired| retired.segment);
        for segment in retired.chain(listed) {
            self.outputs.push_back(HlsOutput::Expire { sequence: segment.sequence });
        }
        self.kept_len = 0;
        self.playlist = Bytes::new();
    }

    /// The next output; drain it after each call.
    pub fn poll_output(&mut self) -> Option<HlsOutput> {
        self.outputs.pop_front()
    }

    /// True when there is an output.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// When the next segment expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.retired.front().map(|retired| retired.until)
    }

    /// Lets go of what has expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.retired.front().is_some_and(|retired| retired.until <= now) {
            self.expire();
        }
    }

    /// No segment so far was longer, rounded to seconds.
    #[must_use]
    pub const fn target_duration(&self) -> Duration {
        Duration::from_secs(self.target_secs)
    }

    /// How long a segment stays that is in the playlist no more: for the longest segment and the
    /// longest playlist so far (RFC 8216, section 6.2.2).
    #[must_use]
    pub const fn grace(&self) -> Duration {
        let playlist = Duration::from_millis(self.longest_playlist_ms);
        self.target_duration().saturating_add(playlist)
    }

    /// The playlist; empty before the first segment.
    #[must_use]
    pub const fn playlist(&self) -> &Bytes {
        &self.playlist
    }

    /// A segment that is in the playlist, or was until lately.
    #[must_use]
    pub fn segment(&self, sequence: u64) -> Option<&Segment> {
        self.kept().find(|segment| segment.sequence == sequence)
    }

    /// The number of the oldest segment that is kept, or of the first one that will be.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.kept().next().map_or(self.next_sequence, |segment| segment.sequence)
    }

    /// The segments that are kept, in their order: those of the playlist last.
    pub fn kept(&self) -> impl Iterator<Item = &Segment> + Clone {
        self.retired.iter().map(|retired| &retired.segment).chain(&self.listed)
    }

    /// Bytes of all segments that are kept, and of the one that is being made.
    #[must_use]
    pub fn kept_len(&self) -> usize {
        self.kept_len.saturating_add(self.open.as_ref().map_or(0, |open| open.blocks.len()))
    }

    /// Whether the segment that is open has a kind of media.
    fn has(&self, kind: FrameKind) -> bool {
        let programme = self.mux.announced();
        match kind {
            FrameKind::Audio => programme.audio.is_some(),
            FrameKind::Video | FrameKind::Data => programme.video.is_some(),
        }
    }

    /// A track shows itself for the first time, or with another header.
    fn take_header(&mut self, now: Instant, kind: FrameKind) {
        let is_used = self.open.is_some() && self.has(kind);
        match kind {
            FrameKind::Video if is_used => self.end_period(now),
            FrameKind::Audio if is_used && self.has(FrameKind::Video) => {
                // Audio stays out until a keyframe begins another period.
                self.breaks_at_keyframe = true;
            }
            FrameKind::Audio if is_used => self.end_period(now),
            FrameKind::Audio | FrameKind::Data | FrameKind::Video => {}
        }
    }

    fn is_jump(&self, kind: FrameKind, at_ms: i64) -> bool {
        let (own, other) = match kind {
            FrameKind::Audio => (self.audio.latest_ms, self.video.latest_ms),
            FrameKind::Video | FrameKind::Data => (self.video.latest_ms, self.audio.latest_ms),
        };
        is_jump(own, other, at_ms)
    }

    /// When a frame is shown: one whose time goes back a little follows those of its kind that are
    /// there.
    fn shown_ms(&self, kind: FrameKind, at_ms: i64) -> i64 {
        let track = match kind {
            FrameKind::Audio => &self.audio,
            FrameKind::Video | FrameKind::Data => &self.video,
        };
        track.latest_ms.map_or(at_ms, |latest| latest.max(at_ms))
    }

    /// Opens a period if the frame is one to begin with.
    fn begin(&mut self, now: Instant, wall: WallClock, at_ms: i64, sample: &Sample<'_>) {
        match (sample.kind, sample.class) {
            (FrameKind::Video, FrameClass::Keyframe) => self.open(now, wall, at_ms, sample),
            (FrameKind::Audio, _) => {
                let since = *self.awaits_video_ms.get_or_insert(at_ms);
                let waited = at_ms.saturating_sub(since);
                let fragment = i64::try_from(millis_of(self.config.fragment)).unwrap_or(i64::MAX);
                if self.mux.configured().video.is_none() || waited >= fragment {
                    self.open(now, wall, at_ms, sample);
                }
            }
            (FrameKind::Video | FrameKind::Data, _) => {}
        }
    }

    fn open(&mut self, now: Instant, wall: WallClock, at_ms: i64, sample: &Sample<'_>) {
        self.awaits_video_ms = None;
        if self.period.is_none() {
            let video = (sample.kind == FrameKind::Video).then(|| self.mux.configured().video);
            self.mux.announce(Programme { video: video.flatten(), audio: None });
        }
        let fragment_ms = i64::try_from(millis_of(self.config.fragment)).unwrap_or(i64::MAX);
        let starts_with_keyframe = sample.class == FrameClass::Keyframe;
        // What began without a keyframe ends at the first one.
        let is_short = self.is_first || !starts_with_keyframe;
        let mut open = Open {
            blocks: Blocks::new(at_ms),
            start_ms: at_ms,
            opened_at: now,
            wall_ms: self.wall_of(wall),
            starts_with_keyframe,
            keyframe_after_ms: if is_short { FIRST_SEGMENT_MS } else { fragment_ms },
            audio_after_ms: (!self.has(FrameKind::Video)).then_some(fragment_ms),
            forced_after: self.config.forced(),
            len_max: self.config.segment_len_max,
        };
        open.blocks.put_tables(self.mux.next_tables());
        self.open = Some(open);
    }

    /// The date of a segment: that of the one before and its duration. It follows the wall clock
    /// slowly, so that dates and durations agree though frames come in bursts.
    fn wall_of(&self, wall: WallClock) -> u64 {
        let before = self.listed.back().filter(|_| !self.is_discontinuity);
        let Some(before) = before else { return wall.unix_millis };
        let expected = before.wall_ms.saturating_add(before.duration_ms());
        let least = expected.saturating_sub(DATE_STEP_MS);
        wall.unix_millis.clamp(least, expected.saturating_add(DATE_STEP_MS))
    }

    /// Writes a frame into the open segment, if there is one and the frame's track is in it.
    fn write(&mut self, at_ms: i64, sample: &Sample<'_>) {
        let Some(open) = &mut self.open else { return };
        let mut programme = self.mux.announced();
        match sample.kind {
            FrameKind::Audio if programme.audio.is_none() || self.breaks_at_keyframe => {
                if self.period.is_some() || self.breaks_at_keyframe {
                    self.breaks_at_keyframe = true;
                    return;
                }
                programme.audio = self.mux.configured().audio;
                self.mux.announce(programme);
            }
            // Video that cannot be decoded: its keyframe is still to come.
            FrameKind::Video if programme.video.is_none() => return,
            FrameKind::Audio | FrameKind::Video | FrameKind::Data => {}
        }
        if open.blocks.wants_tables(at_ms) {
            self.mux.flush(open.blocks.current());
            open.blocks.put_tables(self.mux.next_tables());
            open.blocks.set_tables_ms(at_ms);
        }
        let written = self.mux.push(at_ms, sample, open.blocks.current());
        open.blocks.seal();
        let track = match sample.kind {
            FrameKind::Audio => &mut self.audio,
            FrameKind::Video | FrameKind::Data => &mut self.video,
        };
        track.advance(at_ms);
        if let Err(skip) = written {
            self.warn(HlsWarning::Skipped(skip));
        }
    }

    /// Closes the open segment where its media end; what follows is another period.
    fn end_period(&mut self, now: Instant) {
        let end = self.audio.end_ms().max(self.video.end_ms());
        match (&self.open, end) {
            (Some(open), Some(end)) if end.saturating_sub(open.start_ms) >= SEGMENT_MS_MIN => {
                self.close(now, end);
            }
            // What is so short is no segment.
            (Some(_) | None, _) => self.open = None,
        }
        self.mux.restart();
        self.audio = Track::default();
        self.video = Track::default();
        self.awaits_video_ms = None;
        self.period = None;
        self.breaks_at_keyframe = false;
        self.is_discontinuity = true;
    }

    fn close(&mut self, now: Instant, end_ms: i64) {
        let Some(mut open) = self.open.take() else { return };
        self.mux.flush(open.blocks.current());
        let millis = end_ms.saturating_sub(open.start_ms).max(1);
        let programme = self.mux.announced();
        self.period = Some(programme);
        self.is_first = false;
        let blocks = open.blocks.finish(&programme, self.mux.tables_version());
        let segment = Segment {
            sequence: self.next_sequence,
            duration: Duration::from_millis(u64::try_from(millis).unwrap_or_default()),
            is_discontinuity: core::mem::take(&mut self.is_discontinuity)
                && !self.listed.is_empty(),
            wall_ms: open.wall_ms,
            starts_with_keyframe: open.starts_with_keyframe,
            len: blocks.iter().map(Bytes::len).fold(0, usize::saturating_add),
            blocks,
        };
        self.next_sequence = self.next_sequence.saturating_add(1);
        self.target_secs = self.target_secs.max(rounded_secs(segment.duration_ms()));
        self.kept_len = self.kept_len.saturating_add(segment.len);
        self.outputs.push_back(HlsOutput::Segment(segment.clone()));
        self.listed.push_back(segment);
        self.slide(now);
        self.give_playlist(Ending::Pause);
    }

    /// Takes segments out of the playlist that the window no longer has.
    fn slide(&mut self, now: Instant) {
        let window = millis_of(self.config.window).max(self.target_secs.saturating_mul(3_000));
        let mut sum: u64 = self.listed.iter().map(Segment::duration_ms).sum();
        self.longest_playlist_ms = self.longest_playlist_ms.max(sum);
        while self.listed.len() > SEGMENTS_MIN {
            let Some(oldest) = self.listed.front() else { break };
            let left = sum.saturating_sub(oldest.duration_ms());
            let is_over = self.kept_len > self.config.kept_len_max && self.retired.is_empty();
            if left < window && !is_over {
                break;
            }
            sum = left;
            self.retire(now);
        }
        while self.kept_len > self.config.kept_len_max && !self.retired.is_empty() {
            self.expire();
        }
    }

    /// Takes the oldest segment out of the playlist; it stays for who has read of it.
    fn retire(&mut self, now: Instant) {
        let Some(segment) = self.listed.pop_front() else { return };
        if self.listed.front().is_some_and(|next| next.is_discontinuity) {
            self.discontinuity_sequence = self.discontinuity_sequence.saturating_add(1);
        }
        let grace = segment.duration_ms().saturating_add(self.longest_playlist_ms);
        let until = now.after(Duration::from_millis(grace));
        self.retired.push_back(Retired { segment, until });
    }

    fn expire(&mut self) {
        if let Some(Retired { segment, .. }) = self.retired.pop_front() {
            self.kept_len = self.kept_len.saturating_sub(segment.len);
            self.outputs.push_back(HlsOutput::Expire { sequence: segment.sequence });
        }
    }

    fn give_playlist(&mut self, ending: Ending) {
        let text = playlist::Playlist {
            stem: &self.stem,
            target_secs: self.target_secs,
            discontinuity_sequence: self.discontinuity_sequence,
            segments: &self.listed,
            ending,
        };
        self.playlist = Bytes::from(text.render());
        debug_assert_eq!(reader::read(&self.playlist).1, []);
        let output = HlsOutput::Playlist { text: self.playlist.clone() };
        match self.outputs.back_mut() {
            // Nobody has taken it, and nobody needs it any more.
            Some(older @ HlsOutput::Playlist { .. }) => *older = output,
            Some(_) | None => self.outputs.push_back(output),
        }
    }

    fn warn(&mut self, warning: HlsWarning) {
        let same = |known: &HlsWarning| {
            matches!((known, &warning), (HlsWarning::Forced { .. }, HlsWarning::Forced { .. }))
                || *known == warning
        };
        if self.warned.iter().any(same) || self.warned.len() >= WARNINGS_MAX {
            return;
        }
        self.warned.push(warning);
        self.outputs.push_back(HlsOutput::Warning(warning));
    }
}

impl Track {
    const fn advance(&mut self, at_ms: i64) {
        if let Some(latest) = self.latest_ms {
            let step = at_ms.saturating_sub(latest);
            if step <= 0 {
                return;
            }
            self.step_ms = step;
        } else {
            self.step_ms = DEFAULT_STEP_MS;
        }
        self.latest_ms = Some(at_ms);
    }

    /// Where its newest frame ends, as far as can be told.
    fn end_ms(&self) -> Option<i64> {
        // What came after a pause is no measure.
        let step = self.step_ms.min(1_000);
        self.latest_ms.map(|latest| latest.saturating_add(step))
    }
}

/// Whether a segment ends before a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    /// The frame belongs to it.
    No,
    /// It ends here.
    Due,
    /// It ends here for want of a better place.
    Forced,
}

/// Whole milliseconds.
fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds in seconds, rounded (section 4.3.3.1).
const fn rounded_secs(millis: u64) -> u64 {
    millis.saturating_add(500) / 1_000
}

#[cfg(test)]
mod tests;
