//! Samples to transport packets.
//!
//! The muxer knows tracks and times; where segments begin and when tables are repeated is its
//! owner's business ([`super::stream`], [`crate::hls`]). Continuity counters go on for as long as
//! the muxer lives, across segments and republishes.
//!
//! - *Times*: DTS is the time of the frame, PTS adds its composition offset. A negative offset
//!   moves the DTS of all frames from there on, so that presentation stays exact and PTS is never
//!   below DTS. DTS of a track always grows.
//! - *Audio* is timed by the count of samples (see `clock`) and merged: up to 100 ms of
//!   frames share one PES packet.
//! - *PCR* runs 700 ms behind the track that is behind, as in SRS, in steps below 100 ms.

use super::audio::AudioTrack;
use super::clock::SampleClock;
use super::packet::{Adaptation, PesHeader, PesWriter, Pid};
use super::sample::Sample;
use super::tables::{Programme, TABLES_LEN, Tables};
use super::video::VideoTrack;
use super::{AUDIO_PID, Skip, TICKS_PER_MS, VIDEO_PID, ZERO_TICKS};
use crate::flv::codec::HeaderError;
use crate::flv::tag::Codec;
use crate::frame::{FrameClass, FrameKind};
use alloc::vec::Vec;
use bytes::BytesMut;

/// What a sample does to the tracks of a muxer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// The track goes on, or begins anew with the same header.
    None,
    /// The first of its kind.
    New,
    /// Another codec or other parameters than before.
    Changed,
}

/// Muxes one stream.
#[derive(Debug)]
pub struct TsMuxer {
    video: Option<Video>,
    /// The DTS of the newest frame of video.
    video_dts: Option<i64>,
    audio: Option<Audio>,
    video_pid: Pid,
    audio_pid: Pid,
    announced: Programme,
    tables: Tables,
    /// The clock that was written last, in ticks.
    clock: Option<i64>,
    is_discontinuity: bool,
}

#[derive(Debug)]
struct Video {
    track: VideoTrack,
    codec: Codec,
    record: Vec<u8>,
    /// How much earlier than its frame's time a DTS is.
    lead: i64,
}

#[derive(Debug)]
struct Audio {
    track: AudioTrack,
    record: Vec<u8>,
    clock: Option<SampleClock>,
    /// Frames for one PES packet, and the PTS of the first.
    pending: BytesMut,
    pending_at: i64,
    /// The PTS of the newest frame.
    latest: Option<i64>,
}

/// How far the clock is behind what it is for: 700 ms.
pub const CLOCK_LEAD_TICKS: i64 = 63_000;
/// The step of clocks that are written for themselves.
const CLOCK_STEP: i64 = 80 * TICKS_PER_MS;
/// The longest step of the clock (section 2.7.2 allows 100 ms).
const CLOCK_STEP_MAX: i64 = 90 * TICKS_PER_MS;
/// Frames closer than this need no clock each.
const CLOCK_STEP_MIN: i64 = 20 * TICKS_PER_MS;
/// Clocks written to bridge one gap.
const CLOCK_STEPS_MAX: u32 = 125;
/// A track that is further behind has stopped, and the clock does not wait for it.
const STALLED_TICKS: i64 = 2_000 * TICKS_PER_MS;
/// Frames of audio that share a PES packet begin within this time.
const MERGE_TICKS: i64 = 100 * TICKS_PER_MS;
/// Audio that was merged is written when video is so far ahead of its first frame.
const MERGE_WAIT_TICKS: i64 = 200 * TICKS_PER_MS;
/// Bytes of merged audio; a PES packet with a length ends at 65,535.
const MERGE_LEN_MAX: usize = 60_000;
/// The least and greatest composition offsets that are believed.
const COMPOSITION_MS: core::ops::RangeInclusive<i32> = -5_000..=10_000;
/// Bytes of a sequence header.
const RECORD_LEN_MAX: usize = 64 << 10;

impl Default for TsMuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl TsMuxer {
    /// A muxer that knows no track.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            video: None,
            video_dts: None,
            audio: None,
            video_pid: Pid::new(VIDEO_PID),
            audio_pid: Pid::new(AUDIO_PID),
            announced: Programme { video: None, audio: None },
            tables: Tables { counter: 0, version: 0 },
            clock: None,
            is_discontinuity: false,
        }
    }

    /// Takes what a sample says of its track: of a sequence header all of it, of a frame the codec
    /// if that has no sequence header. Nothing is written.
    ///
    /// # Errors
    /// The track cannot be carried; a track that it replaces is gone.
    pub fn prepare(&mut self, sample: &Sample<'_>) -> Result<Change, Skip> {
        match (sample.kind, sample.class) {
            (FrameKind::Video, FrameClass::SequenceHeader) => self.prepare_video(sample),
            (FrameKind::Video, _) => match &self.video {
                Some(video) if video.codec == sample.codec => Ok(Change::None),
                // Tells a codec that is never carried from a header that may still come.
                Some(_) | None => match VideoTrack::new(sample.codec, &[]) {
                    Ok(_) => Err(Skip::NoHeader(sample.codec)),
                    Err(skip) => Err(skip),
                },
            },
            (FrameKind::Audio | FrameKind::Data, _) => self.prepare_audio(sample),
        }
    }

    /// The tracks whose headers are known.
    #[must_use]
    pub fn configured(&self) -> Programme {
        Programme {
            video: self.video.as_ref().map(|video| video.track.stream_type()),
            audio: self.audio.as_ref().map(|audio| audio.track.stream_type()),
        }
    }

    /// The tracks that the tables tell of.
    #[must_use]
    pub const fn announced(&self) -> Programme {
        self.announced
    }

    /// Sets the tracks that the tables tell of from here on; the clock is on the video track if
    /// that is one of them.
    pub fn announce(&mut self, programme: Programme) {
        if self.announced != programme && self.tables.counter > 0 {
            self.tables.version = self.tables.version.wrapping_add(1) & 0x1f;
        }
        self.announced = programme;
    }

    /// The version of the tables as they are now.
    #[must_use]
    pub const fn tables_version(&self) -> u8 {
        self.tables.version
    }

    /// The next appearance of the tables, for an owner that renders them later.
    pub const fn next_tables(&mut self) -> Tables {
        let tables = self.tables;
        self.tables.counter = tables.counter.wrapping_add(1);
        tables
    }

    /// Appends the tables.
    pub fn write_tables(&mut self, out: &mut BytesMut) {
        let packets: [u8; TABLES_LEN] = self.next_tables().render(&self.announced);
        out.extend_from_slice(&packets);
    }

    /// Appends a frame that is at `at_ms` on a time line without wraps; audio is written later,
    /// with what follows it. A sequence header writes nothing.
    ///
    /// # Errors
    /// The frame cannot be carried; nothing of it was written.
    pub fn push(
        &mut self,
        at_ms: i64,
        sample: &Sample<'_>,
        out: &mut BytesMut,
    ) -> Result<(), Skip> {
        if sample.class == FrameClass::SequenceHeader {
            return Ok(());
        }
        let at = ZERO_TICKS.saturating_add(at_ms.saturating_mul(TICKS_PER_MS));
        // Below 2^24 ns: at most 1,509 ticks.
        let offset = i64::from(sample.offset_nanos).saturating_mul(9) / 100_000;
        match sample.kind {
            FrameKind::Video => self.push_video(at, offset, sample, out),
            FrameKind::Audio => self.push_audio(at.saturating_add(offset), sample, out),
            FrameKind::Data => Ok(()),
        }
    }

    /// Appends the audio that was kept for merging.
    pub fn flush(&mut self, out: &mut BytesMut) {
        let Some(audio) = self.audio.as_ref().filter(|audio| !audio.pending.is_empty()) else {
            return;
        };
        let at = audio.pending_at;
        let header =
            PesHeader { stream_id: audio.track.stream_type().stream_id(), pts: at, dts: at };
        let mut adaptation = Adaptation::default();
        if self.announced.video.is_some() {
            // The clock is on the other track; this one only keeps it from standing still.
            if self.clock.is_none_or(|clock| self.clock_for(at).saturating_sub(clock) > CLOCK_STEP)
            {
                self.write_clock(at, out);
            }
        } else {
            adaptation = self.adaptation(at, out);
            adaptation.is_random_access = true;
        }
        let Some(audio) = &mut self.audio else { return };
        let payload = core::mem::take(&mut audio.pending);
        PesWriter::begin(&mut self.audio_pid, header, adaptation, payload.len(), out).put(&payload);
        audio.pending = payload;
        audio.pending.clear();
    }

    /// The time line begins anew with the next frame: DTS may go back, and the clock says so.
    /// Audio that was kept is to be flushed before.
    pub fn restart(&mut self) {
        if let Some(video) = &mut self.video {
            video.lead = 0;
        }
        self.video_dts = None;
        if let Some(audio) = &mut self.audio {
            audio.clock = None;
            audio.latest = None;
            audio.pending.clear();
        }
        self.clock = None;
        self.is_discontinuity = true;
    }

    /// Forgets both tracks, as when the publisher goes.
    pub fn forget_tracks(&mut self) {
        self.video = None;
        self.audio = None;
        self.restart();
    }

    fn prepare_video(&mut self, sample: &Sample<'_>) -> Result<Change, Skip> {
        let known = self.video.as_ref();
        if known.is_some_and(|it| it.codec == sample.codec && it.record == sample.payload) {
            return Ok(Change::None);
        }
        let had = self.video.take();
        if sample.payload.len() > RECORD_LEN_MAX {
            return Err(Skip::FrameTooLong(sample.codec));
        }
        let track = VideoTrack::new(sample.codec, sample.payload)?;
        let (record, codec) = (sample.payload.to_vec(), sample.codec);
        let change = if had.is_some() { Change::Changed } else { Change::New };
        self.video = Some(Video { track, codec, record, lead: had.map_or(0, |had| had.lead) });
        Ok(change)
    }

    fn prepare_audio(&mut self, sample: &Sample<'_>) -> Result<Change, Skip> {
        let is_header = sample.class == FrameClass::SequenceHeader;
        let known = self.audio.as_ref();
        let track = if is_header {
            if known
                .is_some_and(|it| it.track.codec() == sample.codec && it.record == sample.payload)
            {
                return Ok(Change::None);
            }
            if sample.payload.len() > RECORD_LEN_MAX {
                return Err(Skip::FrameTooLong(sample.codec));
            }
            AudioTrack::of_header(sample.codec, sample.payload)
        } else {
            match AudioTrack::of_frame(sample.codec, sample.payload) {
                Ok(Some(track)) if known.is_some_and(|known| known.track == track) => {
                    return Ok(Change::None);
                }
                Ok(Some(track)) => Ok(track),
                Ok(None) if known.is_some_and(|known| known.track.codec() == sample.codec) => {
                    return Ok(Change::None);
                }
                Ok(None) => return Err(Skip::NoHeader(sample.codec)),
                Err(skip) => return Err(skip),
            }
        };
        let had = self.audio.take();
        let track = track?;
        let record = if is_header { sample.payload.to_vec() } else { Vec::new() };
        let change = match &had {
            Some(had) if had.track == track => Change::None,
            Some(_) => Change::Changed,
            None => Change::New,
        };
        let latest = had.as_ref().and_then(|had| had.latest);
        let clock = had.as_ref().and_then(|had| had.clock);
        let (pending, pending_at) =
            had.map_or((BytesMut::new(), 0), |had| (had.pending, had.pending_at));
        self.audio = Some(Audio { track, record, clock, pending, pending_at, latest });
        Ok(change)
    }

    fn push_video(
        &mut self,
        at: i64,
        offset: i64,
        sample: &Sample<'_>,
        out: &mut BytesMut,
    ) -> Result<(), Skip> {
        let is_same = |video: &mut Video| video.codec == sample.codec;
        let Some(mut video) = self.video.take_if(is_same) else {
            return Err(Skip::NoHeader(sample.codec));
        };
        let written = self.write_video(&mut video, at, offset, sample, out);
        self.video = Some(video);
        written.map_err(|error| Skip::BadFrame(sample.codec, error))
    }

    fn write_video(
        &mut self,
        video: &mut Video,
        at: i64,
        offset: i64,
        sample: &Sample<'_>,
        out: &mut BytesMut,
    ) -> Result<(), HeaderError> {
        let is_keyframe = sample.class == FrameClass::Keyframe;
        let unit = video.track.access_unit(sample.payload, is_keyframe)?;
        let composition_ms =
            sample.composition_ms.clamp(*COMPOSITION_MS.start(), *COMPOSITION_MS.end());
        let composition = i64::from(composition_ms).saturating_mul(TICKS_PER_MS);
        video.lead = video.lead.max(composition.saturating_neg());
        let mut dts = at.saturating_sub(video.lead);
        if let Some(last) = self.video_dts {
            dts = dts.max(last.saturating_add(1));
        }
        let pts = at.saturating_add(composition).saturating_add(offset).max(dts);
        self.video_dts = Some(dts);
        if self.audio_waits_for(dts) {
            self.flush(out);
        }
        let mut adaptation = self.adaptation(dts, out);
        adaptation.is_random_access = is_keyframe;
        let stream_id = video.track.stream_type().stream_id();
        let header = PesHeader { stream_id, pts, dts };
        let mut writer = PesWriter::begin(&mut self.video_pid, header, adaptation, unit.len(), out);
        unit.for_each(|part| writer.put(part));
        Ok(())
    }

    fn push_audio(&mut self, at: i64, sample: &Sample<'_>, out: &mut BytesMut) -> Result<(), Skip> {
        let missing = Skip::NoHeader(sample.codec);
        let is_same = |audio: &&mut Audio| audio.track.codec() == sample.codec;
        let audio = self.audio.as_mut().filter(is_same).ok_or(missing)?;
        if sample.payload.len() > MERGE_LEN_MAX {
            return Err(Skip::FrameTooLong(sample.codec));
        }
        let sounding = audio.track.sounding(sample.payload)?;
        let clock = audio.clock.get_or_insert(SampleClock::new(at, sounding.rate));
        let expected = clock.now();
        let pts = clock.next(at, sounding.samples, sounding.rate);
        audio.latest = Some(pts);
        let is_gap = pts.saturating_sub(expected).saturating_abs() > TICKS_PER_MS;
        let is_long = pts.saturating_sub(audio.pending_at) >= MERGE_TICKS
            || audio.pending.len().saturating_add(sample.payload.len()) > MERGE_LEN_MAX;
        if is_gap || is_long {
            self.flush(out);
        }
        if let Some(audio) = &mut self.audio {
            if audio.pending.is_empty() {
                audio.pending_at = pts;
            }
            audio.track.write(sample.payload, &mut audio.pending);
        }
        Ok(())
    }

    fn audio_waits_for(&self, dts: i64) -> bool {
        let pending = self.audio.as_ref().filter(|audio| !audio.pending.is_empty());
        pending.is_some_and(|audio| dts.saturating_sub(audio.pending_at) > MERGE_WAIT_TICKS)
    }

    /// The clock when the track that carries it is at `at`.
    fn clock_for(&self, at: i64) -> i64 {
        let audio = self.audio.as_ref().and_then(|audio| {
            if audio.pending.is_empty() { audio.latest } else { Some(audio.pending_at) }
        });
        let alive = |time: &i64| *time >= at.saturating_sub(STALLED_TICKS);
        let behind = self.video_dts.into_iter().chain(audio).filter(alive).fold(at, i64::min);
        behind.saturating_sub(CLOCK_LEAD_TICKS)
    }

    /// The clock for a PES packet of the track that carries it.
    fn adaptation(&mut self, at: i64, out: &mut BytesMut) -> Adaptation {
        let target = self.clock_for(at);
        self.bridge(target, out);
        let is_due = self.clock.is_none_or(|clock| target.saturating_sub(clock) >= CLOCK_STEP_MIN);
        let mut adaptation = Adaptation::default();
        if is_due {
            self.clock = Some(target);
            adaptation.pcr = Some(target);
            adaptation.is_discontinuity = core::mem::take(&mut self.is_discontinuity);
        }
        adaptation
    }

    /// Writes packets for the clock alone, so that it makes no step above the limit.
    fn bridge(&mut self, target: i64, out: &mut BytesMut) {
        for _ in 0..CLOCK_STEPS_MAX {
            let Some(clock) = self.clock else { return };
            if target.saturating_sub(clock) <= CLOCK_STEP_MAX {
                return;
            }
            let next = clock.saturating_add(CLOCK_STEP);
            self.clock = Some(next);
            self.clock_pid()
                .write_clock(Adaptation { pcr: Some(next), ..Adaptation::default() }, out);
        }
        // Nobody told of a jump this long.
        self.clock = None;
        self.is_discontinuity = true;
    }

    /// Writes a packet for the clock alone.
    fn write_clock(&mut self, at: i64, out: &mut BytesMut) {
        let adaptation = self.adaptation(at, out);
        if adaptation.pcr.is_some() {
            self.clock_pid().write_clock(adaptation, out);
        }
    }

    const fn clock_pid(&self) -> Pid {
        if self.announced.video.is_some() { self.video_pid } else { self.audio_pid }
    }
}
