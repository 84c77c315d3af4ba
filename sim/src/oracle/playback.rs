//! What one player decodes, against what was published.
//!
//! It is a run of frames without gaps, which begins and begins again only where there is a reason:
//! the player joined, was too slow, or had paused. In a run, video begins at a keyframe, coded
//! frames follow the sequence headers that they need, and times keep their published distances.

use super::{is_coded, slot};
use crate::media::{Ledger, Note, Stamp, read_stamp};
use crate::net::Micros;
use millstream_core::config::TimeJitter;
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::time::Timestamp;

/// Where a player's time may begin that gets a frame at once, in milliseconds.
const START_MAX_MS: u32 = 6_000;
/// The same where it follows a replica, which counts from the headers that it is made with: a
/// keyframe may be a GOP away.
const START_OF_REPLICA_MAX_MS: u32 = 30_000;
/// From when the server counts a player to its first keyframe, in microseconds, while a newer one may
/// come that it starts at.
const START_SLACK: Micros = 30_000;
/// A jump may leave a gap up to this, in milliseconds.
const JUMP_GAP_MAX_MS: i32 = 1_600;

/// What a player has decoded.
#[derive(Debug)]
pub struct Playback {
    /// When the server counted it as a player: its clock runs from then on, also while it pauses,
    /// skips or waits for a keyframe.
    pub joined_at: Micros,
    /// When the last frame came.
    pub last_at: Micros,
    awaits_keyframe: bool,
    /// The publishing that the first message of all came from, a header perhaps.
    began_in: Option<u32>,
    /// Runs that may begin without a reason that the frames themselves show.
    breaks: u32,
    epoch: Option<u32>,
    /// What the server had when the player surely went on, after a pause or a skip.
    floor: Option<(u32, u32)>,
    /// It pauses or skips: where it goes on is not known yet.
    floats: bool,
    /// Nor is it before this time.
    floats_until: Micros,
    /// The newest keyframe that was sent when the player joined a live stream: it starts no later.
    first_max: Option<(u32, u32)>,
    /// It plays from a server that the stream is forwarded to.
    follows_chain: bool,
    follows_replica: bool,
    goes_back: bool,
    headers: [Option<(u32, u32)>; 2],
    /// Where servers on the way began anew.
    introductions: Vec<Introduction>,
    /// Times are mended in one way and then in another while it plays: it is not known where they
    /// begin.
    is_mixed: bool,
    /// How the times of the publishing that it gets are mended.
    jitter: Option<(u32, Option<TimeJitter>)>,
    joined: bool,
    /// Audio and video that it may have switched off: frames may be missing.
    optional: [bool; 2],
    /// It joins with its first frame only.
    waits: bool,
    /// What the server had when the player joined.
    known: Option<(u32, u32)>,
    next: u32,
    /// Publishings that had begun when the player joined.
    publishings: u32,
    stream: u32,
    tracks: [Option<Track>; 2],
}

/// A server on the way has begun anew: from the newest keyframe, which may have come before, and
/// with another clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Introduction {
    /// What the first server had then; what follows it is of this introduction or of a later one.
    newest: Option<(u32, u32)>,
    /// The run that it began has come.
    has_come: bool,
}

/// The clock of one kind of frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Track {
    epoch: u32,
    /// Introductions that there had been when the clock was learned.
    introductions: usize,
    /// Received minus published; `None` while the clock is mended around a jump.
    offset: Option<u32>,
    published: u32,
    received: u32,
    serial: u32,
}

impl Introduction {
    /// What comes next after a frame may be of it: it is no older than what the server had.
    fn may_follow(&self, last: Option<(u32, u32)>, ledger: &Ledger) -> bool {
        let place = |(epoch, serial): (u32, u32)| (ledger.epoch(epoch).order, serial);
        let (Some(newest), Some(last)) = (self.newest, last) else { return true };
        place(last) <= place(newest)
    }
}

impl Playback {
    /// A player that has asked for `stream`.
    #[must_use]
    pub const fn new(stream: u32) -> Self {
        Self {
            joined_at: 0,
            last_at: 0,
            awaits_keyframe: true,
            began_in: None,
            breaks: 0,
            epoch: None,
            floor: None,
            floats: false,
            floats_until: 0,
            first_max: None,
            follows_chain: false,
            follows_replica: false,
            goes_back: false,
            headers: [None; 2],
            introductions: Vec::new(),
            is_mixed: false,
            jitter: None,
            joined: false,
            optional: [false; 2],
            waits: false,
            known: None,
            next: 0,
            publishings: 0,
            stream,
            tracks: [None; 2],
        }
    }

    /// The server counts it as a player; `prompt` when it starts at the GOP cache at once.
    pub fn join(
        &mut self,
        live: bool,
        late: bool,
        known: Option<(u32, u32)>,
        prompt: bool,
        publishings: u32,
        ledger: &Ledger,
    ) {
        self.joined = true;
        self.publishings = publishings;
        self.known = known;
        if live || late {
            self.breaks += 1;
        }
        if let Some((epoch, _)) = known.filter(|_| live && prompt) {
            // Where jumps are not mended, they end a GOP cache that is bounded by its time.
            let is_mended =
                ledger.epoch(epoch).jitter == Some(TimeJitter::Full) || !ledger.epoch(epoch).jumped;
            let keyframe = ledger.epoch(epoch).keyframe.filter(|_| is_mended);
            self.first_max = keyframe.map(|(keyframe, _)| (epoch, keyframe));
        }
    }

    /// It follows a replica of the stream, which may have to be made, until `until` at most: it goes
    /// on at the newest keyframe of the home once that has heard of it.
    pub const fn follow_replica(&mut self, until: Micros) {
        self.breaks += 1;
        self.floats = true;
        self.floats_until = until;
        self.follows_replica = true;
        self.first_max = None;
    }

    /// It plays from a server that the stream is forwarded to.
    pub const fn follow_chain(&mut self) {
        self.follows_chain = true;
        self.breaks += 1;
    }

    /// On the way to it, a server begins anew, or has done so when this was the newest frame: that
    /// may be on its way for long.
    pub fn reintroduce(&mut self, newest: Option<(u32, u32)>) {
        self.introductions.push(Introduction { newest, has_come: false });
        self.first_max = None;
    }

    /// It is a viewer: it joins at the newest keyframe when there is one, and when it is known which
    /// kinds of media there are.
    pub const fn wait(&mut self, is_settled: bool) {
        self.breaks += 1;
        self.floats = true;
        self.waits = true;
        if !is_settled {
            self.first_max = None;
        }
    }

    /// How times are mended may change while it plays.
    pub const fn mix(&mut self) {
        self.is_mixed = true;
    }

    /// It switches frames of a kind off or on.
    pub const fn switch(&mut self, kind: FrameKind) {
        if let Some(slot) = slot(kind) {
            self.optional[slot] = true;
        }
        self.first_max = None;
    }

    /// The server says that it skips.
    pub const fn skip(&mut self) {
        self.breaks += 1;
        self.floats = true;
        self.first_max = None;
    }

    /// The server has had `known` when it surely had seen that this player goes on.
    pub fn settle(&mut self, at: Micros, known: Option<(u32, u32)>) {
        if self.floats && self.floats_until <= at && !self.waits {
            self.floats = false;
            self.floor = known;
        }
    }

    /// It goes on after a pause, at the newest keyframe: that may lie before the pause.
    pub const fn resume(&mut self) {
        self.breaks += 1;
        self.goes_back = true;
        self.floats = true;
        self.first_max = None;
    }

    /// Takes a frame that was decoded.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn take(&mut self, frame: &Frame, ledger: &mut Ledger, at: Micros) -> Result<(), String> {
        let Some(stamp) = read_stamp(frame) else {
            // Attackers send frames that are not stamped, or whose stamps are damaged.
            return if self.stream < 900 { Err("a frame is damaged".to_owned()) } else { Ok(()) };
        };
        if stamp.stream != self.stream || stamp.epoch as usize >= ledger.epochs.len() {
            return Err(format!("a frame of another stream: {stamp:?}"));
        }
        if !self.joined {
            return Err(format!("a frame before the server says that it plays: {stamp:?}"));
        }
        self.began_in.get_or_insert(stamp.epoch);
        match frame.class {
            FrameClass::SequenceHeader => {
                if let Some(slot) = slot(frame.kind) {
                    self.headers[slot] = Some((stamp.epoch, stamp.serial));
                }
                return Ok(());
            }
            FrameClass::Metadata => return Ok(()),
            FrameClass::Coded | FrameClass::Control | FrameClass::Keyframe => {}
        }
        let notes = &ledger.epoch(stamp.epoch).notes;
        let Some(&note) = notes.get(stamp.serial as usize) else {
            return Err(format!("a frame that was never published: {stamp:?}"));
        };
        if (note.kind, note.class, note.timestamp) != (frame.kind, frame.class, stamp.timestamp) {
            return Err(format!("frame {stamp:?} was published as {note:?}"));
        }
        self.follow(stamp, note, ledger)?;
        self.check_start(stamp, note, at)?;
        self.check_headers(stamp, note)?;
        self.check_time(stamp, note, frame.timestamp, ledger, at)?;
        self.last_at = at;
        self.waits = false;
        let seen = &mut ledger.epochs[stamp.epoch as usize].seen;
        *seen = (*seen).max(Some(stamp.serial));
        Ok(())
    }

    /// The serial of a frame that must have come by now, when the server has had all frames up to
    /// `known` for long.
    #[must_use]
    pub fn missing(&self, known: (u32, u32), ledger: &Ledger) -> Option<u32> {
        let (epoch, serial) = known;
        let order = |epoch| ledger.epoch(epoch).order;
        if self.floats || self.epoch.is_some_and(|mine| order(mine) > order(epoch)) {
            return None;
        }
        let (mut from, mut awaits_keyframe) = match (self.epoch, self.known) {
            (Some(mine), _) if mine == epoch => (self.next, self.awaits_keyframe),
            (_, Some((joined, at))) if joined == epoch => (at + 1, true),
            _ if self.joined && order(epoch) > Some(self.publishings) => (0, true),
            _ => return None,
        };
        if let Some((_, floor)) = self.floor.filter(|(at, floor)| *at == epoch && *floor >= from) {
            (from, awaits_keyframe) = (floor + 1, true);
        }
        let notes = ledger.epoch(epoch).notes.get(from as usize..=serial as usize)?;
        let index = notes.iter().position(|note| !self.is_left_out(note, awaits_keyframe))?;
        Some(from + index as u32)
    }

    /// A frame that the player does not get as one of the run: headers come as they are needed,
    /// video begins at a keyframe, and what is switched off does not come.
    fn is_left_out(&self, note: &Note, awaits_keyframe: bool) -> bool {
        let is_off = slot(note.kind).is_some_and(|slot| self.optional[slot]);
        let is_early = note.kind == FrameKind::Video && awaits_keyframe;
        match note.class {
            FrameClass::Metadata | FrameClass::SequenceHeader => true,
            FrameClass::Coded | FrameClass::Control => is_off || is_early,
            FrameClass::Keyframe => is_off,
        }
    }

    /// The frame continues the run, or there is a reason for another one.
    fn follow(&mut self, stamp: Stamp, note: Note, ledger: &Ledger) -> Result<(), String> {
        let is_same = self.epoch == Some(stamp.epoch);
        if let Some(epoch) = self.epoch.filter(|_| !is_same) {
            let order = |epoch| ledger.epoch(epoch).order;
            if order(stamp.epoch) < order(epoch) {
                return Err(format!("epoch {} comes after {epoch}", stamp.epoch));
            }
        }
        let tail_is_whole = match self.epoch {
            Some(epoch) if !is_same => {
                let seen = ledger.epoch(epoch).seen.unwrap_or(0);
                let notes = ledger.epoch(epoch).notes.get(self.next as usize..=seen as usize);
                notes.is_none_or(|notes| {
                    notes.iter().all(|note| self.is_left_out(note, self.awaits_keyframe))
                })
            }
            Some(_) | None => true,
        };
        let from = if is_same { self.next } else { 0 };
        let awaits_keyframe = self.awaits_keyframe || !is_same;
        let notes = &ledger.epoch(stamp.epoch).notes;
        let between = notes.get(from as usize..stamp.serial as usize);
        let follows = between.is_some_and(|between| {
            between.iter().all(|note| self.is_left_out(note, awaits_keyframe))
        });
        // Video that was switched off begins again at a keyframe.
        let is_video = |note: &Note| note.kind == FrameKind::Video && is_coded(note);
        let was_off = between.is_some_and(|between| between.iter().any(is_video));
        self.awaits_keyframe = awaits_keyframe || (self.optional[1] && was_off);
        if !(follows && tail_is_whole) {
            if between.is_none() && !self.goes_back && !self.follows_chain {
                let next = self.next;
                return Err(format!("frame {stamp:?} comes again or late, {next} is next"));
            }
            let last = self.epoch.map(|epoch| (epoch, self.next));
            let mut introductions = self.introductions.iter_mut();
            let fresh = introductions.find(|it| !it.has_come && it.may_follow(last, ledger));
            match (fresh, self.breaks.checked_sub(1)) {
                (Some(introduction), _) => introduction.has_come = true,
                (None, Some(left)) => self.breaks = left,
                (None, None) => {
                    let next = (self.epoch, from);
                    return Err(format!("frames are missing: {next:?} was next, {stamp:?} came"));
                }
            }
            // A skip before the pause may show first: only a step back uses this up.
            self.goes_back &= between.is_some();
            self.awaits_keyframe = true;
        }
        if note.kind == FrameKind::Video {
            if self.awaits_keyframe && note.class != FrameClass::Keyframe {
                return Err(format!("video starts without a keyframe: {stamp:?}"));
            }
            self.awaits_keyframe = false;
        }
        self.epoch = Some(stamp.epoch);
        self.next = stamp.serial + 1;
        Ok(())
    }

    /// Who joins a live stream starts at the newest keyframe, not at a later one.
    fn check_start(&mut self, stamp: Stamp, note: Note, at: Micros) -> Result<(), String> {
        if note.class != FrameClass::Keyframe {
            return Ok(());
        }
        // Where others are written to first, a newer one may have come.
        let is_late = at.saturating_sub(self.joined_at) > START_SLACK;
        match self.first_max.take() {
            Some((epoch, latest)) if epoch == stamp.epoch && stamp.serial > latest && is_late => {
                Err(format!("it starts at {stamp:?}, but keyframe {latest} was there"))
            }
            _ => Ok(()),
        }
    }

    fn check_headers(&self, stamp: Stamp, note: Note) -> Result<(), String> {
        let Some(slot) = slot(note.kind) else { return Ok(()) };
        let needed = Some((stamp.epoch, note.versions[slot]));
        if self.headers[slot] == needed {
            return Ok(());
        }
        let (kind, has) = (note.kind, self.headers[slot]);
        Err(format!("{kind:?} frame {stamp:?} needs the header {needed:?}, and came after {has:?}"))
    }

    fn check_time(
        &mut self,
        stamp: Stamp,
        note: Note,
        received: Timestamp,
        ledger: &Ledger,
        at: Micros,
    ) -> Result<(), String> {
        let Some(slot) = slot(note.kind) else { return Ok(()) };
        let jitter = self.jitter_in(stamp.epoch, ledger);
        if jitter == Some(TimeJitter::Off) && !self.is_mixed {
            if received.0 == note.timestamp {
                return Ok(());
            }
            return Err(format!("{stamp:?} came with time {}", received.0));
        }
        let Some(jitter) = jitter else { return Ok(()) };
        let is_full = jitter == TimeJitter::Full;
        let last = self.tracks[slot];
        let Some(last) = last else {
            // What lies between its first header and its first frame is mended, or it is not.
            let has_jumped = ledger.epoch(stamp.epoch).jumped || self.began_in != Some(stamp.epoch);
            let is_first = self.tracks == [None; 2] && (is_full || !has_jumped);
            let start_max = match self.follows_replica || self.follows_chain {
                true => START_OF_REPLICA_MAX_MS,
                false => START_MAX_MS,
            };
            let clock = u64::from(start_max) + at.saturating_sub(self.joined_at) / 1_000;
            if u64::from(received.0) > clock && is_first && !self.is_mixed {
                return Err(format!("{stamp:?} begins at {} ms", received.0));
            }
            self.tracks[slot] = Some(self.learn(slot, stamp, received, ledger)?);
            return Ok(());
        };
        let step = received.delta(Timestamp(last.received));
        let went_back = last.epoch == stamp.epoch && stamp.serial <= last.serial;
        if is_full && step < 0 && !went_back {
            return Err(format!("{stamp:?}: the time goes back by {} ms", -step));
        }
        let from = last.serial.min(stamp.serial) as usize + 1;
        let to = last.serial.max(stamp.serial) as usize;
        let notes = &ledger.epoch(stamp.epoch).notes;
        let notes = notes.get(from..=to).filter(|_| last.epoch == stamp.epoch);
        let same_kind = notes.unwrap_or_default().iter().filter(|other| other.kind == note.kind);
        let jumps = last.epoch != stamp.epoch || same_kind.clone().any(|other| other.jumps);
        let published = note.timestamp.wrapping_sub(last.published) as i32;
        if jumps {
            let is_next = note.jumps && same_kind.count() == 1;
            if is_full && is_next && step > JUMP_GAP_MAX_MS && step != published {
                return Err(format!("{stamp:?}: a jump left a gap of {step} ms"));
            }
            self.tracks[slot] = Some(self.learn(slot, stamp, received, ledger)?);
            return Ok(());
        }
        let offset = last.offset.unwrap_or_else(|| last.received.wrapping_sub(last.published));
        let has_jumped = ledger.epoch(stamp.epoch).jumped;
        let expected = note.timestamp.wrapping_add(offset);
        let position = (last.epoch, last.serial.min(stamp.serial));
        if received.0 != expected
            && last.introductions < self.introductions.len()
            && self.is_reintroduced_after(position, ledger)
        {
            // Servers on the way may have begun anew several times before the first of it arrives.
            let introductions = last.introductions + 1;
            let track = self.learn(slot, stamp, received, ledger)?;
            self.tracks[slot] = Some(Track { introductions, ..track });
            return Ok(());
        }
        if received.0 != expected && !has_jumped {
            let expected = Timestamp(expected);
            let off = received.delta(expected);
            return Err(format!(
                "{stamp:?} came with time {}, {off} ms off: published {published} ms after the \
                 frame before, received {step} ms after it",
                received.0
            ));
        }
        let track = Track {
            epoch: stamp.epoch,
            introductions: last.introductions,
            offset: Some(if has_jumped { received.0.wrapping_sub(note.timestamp) } else { offset }),
            published: note.timestamp,
            received: received.0,
            serial: stamp.serial,
        };
        self.tracks[slot] = Some(track);
        Ok(())
    }

    /// What follows a frame may come by another introduction.
    fn is_reintroduced_after(&self, last: (u32, u32), ledger: &Ledger) -> bool {
        self.introductions.iter().any(|it| it.may_follow(Some(last), ledger))
    }

    /// How the times of a publishing are mended; where that is another way, or is not known, all
    /// clocks begin anew.
    fn jitter_in(&mut self, epoch: u32, ledger: &Ledger) -> Option<TimeJitter> {
        let jitter = ledger.epoch(epoch).jitter;
        let before = self.jitter.replace((epoch, jitter));
        if jitter.is_none() || before.is_some_and(|(_, before)| before != jitter) {
            self.is_mixed = true;
            self.tracks = [None; 2];
        }
        jitter
    }

    /// A clock begins: where the epoch never jumped, audio and video share it.
    fn learn(
        &self,
        slot: usize,
        stamp: Stamp,
        received: Timestamp,
        ledger: &Ledger,
    ) -> Result<Track, String> {
        let offset = received.0.wrapping_sub(stamp.timestamp);
        let other = self.tracks[1 - slot].filter(|other| other.epoch == stamp.epoch);
        // Which of the times belong to which introduction is not known.
        let other = other.filter(|other| {
            let position = (stamp.epoch, other.serial.min(stamp.serial));
            !self.is_reintroduced_after(position, ledger)
        });
        if let Some(other) = other.and_then(|other| other.offset)
            && other != offset
            && !ledger.epoch(stamp.epoch).jumped
        {
            let off = offset.wrapping_sub(other) as i32;
            return Err(format!("{stamp:?}: audio and video are {off} ms apart"));
        }
        Ok(Track {
            epoch: stamp.epoch,
            introductions: 0,
            offset: Some(offset),
            published: stamp.timestamp,
            received: received.0,
            serial: stamp.serial,
        })
    }
}
