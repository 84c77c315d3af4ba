//! What one who plays segments gets, against what was published.
//!
//! Playlists keep the rules of RFC 8216, each by itself and one after the other. A segment is a
//! transport stream without faults that begins with a keyframe and its parameter sets, unless none
//! came for long (where jumps are not mended, they make a group of pictures long); its media are a run of published frames, and continue those of the segment before it unless a
//! discontinuity is told. Who looks again finds what the playlist had.

use super::{is_coded, slot};
use crate::media::muxable::stamps;
use crate::media::{Ledger, Note, Stamp};
use crate::net::Micros;
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::hls::reader::{Entry, MediaPlaylist, Playlist, Rule, compare, read};
use millstream_core::ts::reader::{Pes, TsEvent, TsReader};

/// `stream_type` of H.264.
const H264: u8 = 0x1B;
/// A sequence parameter set behind its start code.
const PARAMETER_SETS: [u8; 5] = [0, 0, 0, 1, 0x67];
/// What a playlist that is waited for may take from when it could be answered.
const ANSWER_MAX: Micros = 2_000_000;
/// How far `EXTINF` may be from the time to the next segment: one is in milliseconds.
const DURATION_SLACK: Micros = 60_000;

/// Who has waited so long for a keyframe cuts without one.
const FORCED_AFTER: Micros = 15_900_000;

/// What a player of segments has got.
#[derive(Debug)]
pub(super) struct Segments {
    /// When the last segment came, or the player.
    pub(super) last_at: Micros,
    before: Option<MediaPlaylist>,
    /// When it asked for the playlist that it has, or asks for another one.
    asked_at: Micros,
    /// When its publisher came or went.
    changed_at: Micros,
    /// Somebody publishes it.
    is_live: bool,
    last: Option<Last>,
    listed_at: Micros,
    /// A segment that was not there when it was asked for.
    lost: Option<u64>,
    /// The first number of the playlist before; they never go back.
    sequence: u64,
    stream: u32,
    /// For a playlist: since when, until when.
    waited: Vec<(Micros, Micros)>,
}

/// The end of the segment that came last.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// The number of its period.
    period: u64,
    sequence: u64,
    /// Its first picture, in ticks of 90 kHz.
    began: Option<u64>,
    ends: [Option<Stamp>; 2],
}

/// A segment as a playlist has it.
#[derive(Clone, Debug)]
struct Listed {
    before: Option<Entry>,
    /// Discontinuities before it.
    period: u64,
}

impl Segments {
    pub(super) const fn new(stream: u32, is_live: bool, at: Micros) -> Self {
        Self {
            last_at: at,
            before: None,
            asked_at: at,
            changed_at: 0,
            is_live,
            last: None,
            listed_at: 0,
            lost: None,
            sequence: 0,
            stream,
            waited: Vec::new(),
        }
    }

    /// It asks for the playlist.
    pub(super) const fn looks(&mut self, at: Micros) {
        self.asked_at = at;
    }

    /// Its question for the playlist is answered.
    pub(super) fn answered(&mut self, at: Micros) {
        if at > self.asked_at + ANSWER_MAX {
            self.waited.push((self.asked_at, at));
        }
    }

    /// Its publisher has come or gone.
    pub(super) fn change(&mut self, stream: u32, is_live: bool, at: Micros) {
        if self.stream == stream {
            self.is_live = is_live;
            self.changed_at = at;
        }
    }

    /// Who plays a stream whose publisher has gone gets the rest of it: the playlist is there for
    /// the grace period, and then for as long as `kept`.
    pub(super) fn check_gone(&self, kept: Micros) -> Result<(), String> {
        match &self.before {
            Some(_) if self.is_live || self.asked_at < self.changed_at + kept => {
                Err("the playlist has gone too early".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// A segment stays for its own duration and that of the playlist after it has left that
    /// (section 6.2.2).
    pub(super) fn check_missed(&self, sequence: u64, at: Micros) -> Result<(), String> {
        let Some(list) = self.before.as_ref().filter(|_| self.is_live) else { return Ok(()) };
        let lasts: Micros = list.segments.iter().map(|entry| entry.duration_micros).sum();
        if self.changed_at < self.listed_at && at < self.listed_at + lasts {
            return Err(format!("segment {sequence} has gone too early"));
        }
        Ok(())
    }

    /// There is no playlist: the next one has nothing to do with those before it.
    pub(super) fn forget(&mut self) {
        self.before = None;
        self.last = None;
        self.lost = None;
    }

    /// A segment was not there; it should not be in the next playlist.
    pub(super) const fn missed(&mut self, sequence: u64) {
        self.lost = Some(sequence);
    }

    /// Takes a playlist.
    pub(super) fn on_playlist(&mut self, text: &[u8]) -> Result<(), String> {
        let (Playlist::Media(list), complaints) = read(text) else {
            return Err("a master playlist, and there is one rendition only".to_owned());
        };
        if let Some(complaint) = complaints.first() {
            return Err(format!("line {} of a playlist: {}", complaint.line, complaint.rule));
        }
        if list.media_sequence < self.sequence {
            let (now, before) = (list.media_sequence, self.sequence);
            return Err(format!("a playlist begins with {now}, after one with {before}"));
        }
        self.sequence = list.media_sequence;
        let until = list.media_sequence + list.segments.len() as u64;
        if let Some(lost) = self.lost.take()
            && (list.media_sequence..until).contains(&lost)
        {
            return Err(format!("segment {lost} is listed, but was not there"));
        }
        if let Some(before) = self.before.take().filter(|before| !before.is_ended) {
            let is_other =
                before.media_sequence + before.segments.len() as u64 <= list.media_sequence;
            let broken = compare(&before, &list).into_iter().find(|rule| match rule {
                Rule::TargetChange => list.target_secs < before.target_secs && !is_other,
                // All that was listed has gone, perhaps with all that was known.
                Rule::DiscontinuityCount => !is_other,
                _ => true,
            });
            if let Some(rule) = broken {
                return Err(format!("from one playlist to the next: {rule}"));
            }
        }
        self.before = Some(list);
        self.listed_at = self.asked_at;
        Ok(())
    }

    /// Takes a segment.
    pub(super) fn on_segment(
        &mut self,
        sequence: u64,
        bytes: &[u8],
        ledger: &Ledger,
        at: Micros,
    ) -> Result<(), String> {
        let fail = |what: String| format!("segment {sequence}: {what}");
        let content = Content::read(bytes).map_err(fail)?;
        let listed = self.listed(sequence);
        let Some(Listed { before, period }) = listed else {
            return Err(fail("it is fetched, and not listed".to_owned()));
        };
        let is_forced = before.as_ref().is_none_or(|it| it.duration_micros >= FORCED_AFTER);
        if content.lacks_keyframe && !is_forced {
            return Err(fail("it begins without a keyframe, or without its parameters".to_owned()));
        }
        let follows = self.last.filter(|last| last.sequence + 1 == sequence);
        let is_new = follows.is_none_or(|last| last.period != period);
        let mut ends = [None; 2];
        if let Some(last) = follows.filter(|_| !is_new) {
            ends = last.ends;
        }
        for stamp in &content.stamps {
            self.take(*stamp, &mut ends, ledger).map_err(fail)?;
        }
        let ended = follows.and_then(|last| last.ends.into_iter().flatten().next());
        let begun = content.stamps.first();
        if let (Some(ended), Some(begun), false) = (ended, begun, is_new)
            && ended.epoch != begun.epoch
        {
            return Err(fail(format!("{begun:?} follows {ended:?} without a discontinuity")));
        }
        if let (Some(began), Some(next), Some(before), false) =
            (follows.and_then(|last| last.began), content.began, before, is_new)
        {
            let lasted = next.wrapping_sub(began) & ((1 << 33) - 1);
            let lasted = lasted * 100 / 9;
            if lasted.abs_diff(before.duration_micros) > DURATION_SLACK {
                let told = before.duration_micros;
                return Err(fail(format!("it begins {lasted} us after one of {told} us")));
            }
        }
        if let Some(begun) = begun.filter(|_| !is_new) {
            self.check_waited(*begun, ledger).map_err(fail)?;
        }
        self.last = Some(Last { period, sequence, began: content.began, ends });
        self.last_at = at;
        Ok(())
    }

    /// There is a playlist once a second segment begins; who has asked does not wait any longer.
    fn check_waited(&self, begun: Stamp, ledger: &Ledger) -> Result<(), String> {
        let known = &ledger.epoch(begun.epoch).known;
        let Some(&(known_at, _)) = known.iter().find(|(_, serial)| *serial >= begun.serial) else {
            return Ok(());
        };
        let is_late = |&&(from, to): &&(Micros, Micros)| to > from.max(known_at) + ANSWER_MAX;
        match self.waited.iter().find(is_late) {
            Some((from, to)) => Err(format!(
                "the playlist was asked for at {from} us and came at {to} us; the server had the \
                 segment before at {known_at} us"
            )),
            None => Ok(()),
        }
    }

    /// What the playlist says of a segment and of the one before it.
    fn listed(&self, sequence: u64) -> Option<Listed> {
        let list = self.before.as_ref()?;
        let index = usize::try_from(sequence.checked_sub(list.media_sequence)?).ok()?;
        // A discontinuity that has left the list, or stood at its head, is in the sum.
        let upto = list.segments.get(..=index)?;
        let told = upto.iter().filter(|entry| entry.is_discontinuity).count() as u64;
        let before = index.checked_sub(1).and_then(|index| list.segments.get(index)).cloned();
        Some(Listed { before, period: list.discontinuity_sequence + told })
    }

    /// A frame continues the run of its kind.
    fn take(
        &self,
        stamp: Stamp,
        ends: &mut [Option<Stamp>; 2],
        ledger: &Ledger,
    ) -> Result<(), String> {
        if stamp.stream != self.stream || stamp.epoch as usize >= ledger.epochs.len() {
            return Err(format!("a frame of another stream: {stamp:?}"));
        }
        let notes = &ledger.epoch(stamp.epoch).notes;
        let note = notes.get(stamp.serial as usize);
        let Some((note, slot)) = note.and_then(|note| Some((note, slot(note.kind)?))) else {
            return Err(format!("a frame that was never published: {stamp:?}"));
        };
        if let Some(last) = ends[slot].replace(stamp) {
            let is_of_it = |other: &Note| other.kind == note.kind && is_coded(other);
            let between = notes.get(last.serial as usize + 1..stamp.serial as usize);
            let is_next = between.is_some_and(|between| !between.iter().any(is_of_it));
            if last.epoch != stamp.epoch || !is_next {
                return Err(format!("{stamp:?} follows {last:?}"));
            }
            if notes.get(last.serial as usize).is_some_and(|before| {
                before.versions[1] != note.versions[1] && note.kind == FrameKind::Video
            }) {
                return Err(format!("{stamp:?} has other parameters than {last:?}"));
            }
        }
        let other = ends[1 - slot];
        match other.filter(|other| other.epoch != stamp.epoch) {
            Some(other) => Err(format!("{stamp:?} is beside {other:?}")),
            None if note.class == FrameClass::SequenceHeader => {
                Err(format!("a header as a frame: {stamp:?}"))
            }
            None => Ok(()),
        }
    }
}

/// What a segment holds.
#[derive(Debug, Default)]
struct Content {
    began: Option<u64>,
    /// Its video begins without a keyframe, or without its parameters.
    lacks_keyframe: bool,
    stamps: Vec<Stamp>,
}

impl Content {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let (mut reader, mut input) = (TsReader::new(), bytes);
        let mut content = Self::default();
        let mut video = None;
        let mut is_told = false;
        while let Some(event) = reader.read(&mut input).or_else(|| reader.finish()) {
            match event {
                TsEvent::Fault { fault, offset, .. } => {
                    return Err(format!("at byte {offset}: {fault:?}"));
                }
                TsEvent::Map(map) => {
                    is_told = true;
                    let mut streams = map.streams.iter();
                    let found = streams.find(|stream| stream.stream_type == H264);
                    video = found.map(|stream| stream.pid);
                }
                TsEvent::Pes(pes) => {
                    if !is_told {
                        return Err("media before the tables".to_owned());
                    }
                    content.take(&pes, video == Some(pes.pid))?;
                }
                _ => {}
            }
        }
        if video.is_some() && content.began.is_none() {
            return Err("no picture".to_owned());
        }
        Ok(content)
    }

    fn take(&mut self, pes: &Pes, is_video: bool) -> Result<(), String> {
        if is_video && self.began.is_none() {
            self.began = pes.dts;
            let has_sets =
                pes.payload.windows(PARAMETER_SETS.len()).any(|part| part == PARAMETER_SETS);
            self.lacks_keyframe = !pes.is_random_access || !has_sets;
        }
        let found = stamps(&pes.payload).ok_or("a frame is damaged")?;
        if found.is_empty() {
            return Err("media that nobody published".to_owned());
        }
        self.stamps.extend(found);
        Ok(())
    }
}
