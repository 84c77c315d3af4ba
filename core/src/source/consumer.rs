//! A player's place on the tape, and what it gets besides.
//!
//! At a boundary between messages a player may need private bytes before it can follow the tape:
//! the prelude when it joins, and an introduction (a header of type 0) for the first message of
//! each kind and at breaks. In between it sends the tape as it is, up to the next such place.

mod viewer;
mod zero;

pub use viewer::Container;

use super::Source;
use crate::chunk::ChunkStreamId;
use crate::drive::Slices;
use crate::frame::{FrameClass, FrameKind};
use crate::id::{ConnId, MessageStreamId};
use crate::tape::{Lane, Mark, Tape};
use crate::time::{Instant, Timestamp};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};
use viewer::Viewer;
use zero::is_header;

/// A player with chunk streams of its own is given copies up to this many bytes at a time.
const COPY_BYTES_MAX: usize = 64 << 10;

/// A set of lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Lanes(u8);

impl Lanes {
    const ALL: Self = Self(0b1111);
    const NONE: Self = Self(0);

    const fn has(self, lane: Lane) -> bool {
        self.0 & 1 << lane as u8 != 0
    }

    const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    const fn insert(&mut self, lane: Lane) {
        self.0 |= 1 << lane as u8;
    }

    const fn remove(&mut self, lane: Lane) {
        self.0 &= !(1 << lane as u8);
    }
}

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// A player.
    Player,
    /// A server that the stream is published to: it gets metadata as publishers send them.
    Server,
}

/// How publishers begin metadata: servers are asked to keep what follows (AMF0 string).
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0D@setDataFrame";

/// One player of a source.
#[derive(Debug)]
pub struct Consumer {
    attached: Instant,
    audience: Audience,
    /// Video begins, or begins again, at a keyframe.
    awaits_keyframe: bool,
    /// The stream's time that is this player's zero.
    base: Option<Timestamp>,
    conn: ConnId,
    cursor: u64,
    /// Milliseconds of stream time that it wants.
    duration: Option<u32>,
    /// Lanes that have not come to the player's zero yet.
    early: Lanes,
    ended: bool,
    /// It is sent what lies before, and nothing from there on.
    ends_at: Option<u64>,
    /// It is sent the message that has begun, and nothing after it.
    finishes: bool,
    first_csid: Option<u8>,
    joined: bool,
    /// Where it last left the tape: what lies before was sent.
    left_at: u64,
    paused: bool,
    /// Lanes whose next message needs an introduction.
    pending: Lanes,
    private: BytesMut,
    private_begun: bool,
    /// The first message that `private` introduces or holds.
    private_from: u64,
    /// The rest of a message that had begun when the player was lapped; comes behind `private`.
    rest: Vec<Bytes>,
    /// Up to here the tape can be sent as it is.
    run_end: u64,
    stream: MessageStreamId,
    unwanted: Lanes,
    /// What a player is sent that does not take chunks.
    viewer: Option<Box<Viewer>>,
    /// End of the message that the cursor is inside of; not above the cursor at a boundary.
    within: u64,
}

impl Consumer {
    pub(super) fn new(
        attached: Instant,
        conn: ConnId,
        stream: MessageStreamId,
        audience: Audience,
        first_csid: Option<u8>,
    ) -> Self {
        Self {
            attached,
            audience,
            awaits_keyframe: true,
            base: None,
            conn,
            cursor: 0,
            duration: None,
            early: Lanes::ALL,
            ended: false,
            ends_at: None,
            finishes: false,
            first_csid,
            joined: false,
            left_at: 0,
            paused: false,
            pending: Lanes::ALL,
            private: BytesMut::new(),
            private_begun: false,
            private_from: 0,
            rest: Vec::new(),
            run_end: 0,
            stream,
            unwanted: Lanes::NONE,
            viewer: None,
            within: 0,
        }
    }

    pub(super) fn new_viewer(attached: Instant, conn: ConnId, container: Container) -> Self {
        let viewer = Some(Box::new(Viewer::new(container)));
        Self { viewer, ..Self::new(attached, conn, MessageStreamId(0), Audience::Player, None) }
    }

    /// When it came.
    #[must_use]
    pub const fn attached(&self) -> Instant {
        self.attached
    }

    /// Who reads.
    #[must_use]
    pub const fn audience(&self) -> Audience {
        self.audience
    }

    /// Its connection.
    #[must_use]
    pub const fn conn(&self) -> ConnId {
        self.conn
    }

    /// The payload of metadata in the form that its reader wants.
    pub(super) fn metadata<'a>(&self, payload: &'a [u8]) -> Cow<'a, [u8]> {
        match self.audience {
            Audience::Player => Cow::Borrowed(payload),
            Audience::Server => Cow::Owned([SET_DATA_FRAME, payload].concat()),
        }
    }

    /// Its message stream.
    #[must_use]
    pub const fn stream(&self) -> MessageStreamId {
        self.stream
    }

    /// The chunk stream for `lane`, if the player does not share the tape's.
    #[must_use]
    pub fn own_csid(&self, lane: Lane) -> Option<ChunkStreamId> {
        let offset = match lane {
            Lane::Audio => 0,
            // Copies have absolute times, so data need no chunk stream each.
            Lane::Data | Lane::Metadata => 1,
            Lane::Video => 2,
        };
        ChunkStreamId::new(u32::from(self.first_csid?).saturating_add(offset))
    }

    /// It was sent as much stream time as it asked for, or all up to where it ends.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended || self.ends_at.is_some_and(|end| !self.joined || self.cursor >= end)
    }

    /// It ends where the tape ends now; with `None` it goes on.
    pub(super) const fn set_end(&mut self, end: Option<u64>) {
        self.ends_at = end;
    }

    pub(super) const fn set_duration(&mut self, millis: Option<u32>) {
        self.duration = millis;
    }

    /// It is sent an endless body by HTTP.
    #[must_use]
    pub const fn is_viewer(&self) -> bool {
        self.viewer.is_some()
    }

    /// What it is sent, if not chunks.
    #[must_use]
    pub fn container(&self) -> Option<Container> {
        self.viewer.as_ref().map(|viewer| viewer.container())
    }

    /// Bytes that are this player's alone.
    #[must_use]
    pub fn owned_bytes(&self) -> u64 {
        let pieces = self.viewer.as_ref().map_or(0, |viewer| viewer.pieces_len());
        self.private.len().saturating_add(pieces) as u64
    }

    pub(super) fn position(&self) -> Option<u64> {
        self.joined.then_some(self.cursor)
    }

    pub(super) fn lag_bytes(&self, tape: &Tape) -> u64 {
        let rest = self.rest.iter().map(Bytes::len);
        let private = rest.fold(self.private.len(), usize::saturating_add) as u64;
        match self.position() {
            Some(cursor) => tape.end().saturating_sub(cursor).saturating_add(private),
            None => private,
        }
    }

    /// It was sent all that the tape holds, and waits for more.
    pub(super) fn is_at_end(&self, tape: &Tape) -> bool {
        self.cursor == tape.end()
            && self.private.is_empty()
            && self.rest.is_empty()
            && self.ends_at.is_none()
    }

    /// It waits for a publisher, where there is none: no server does, nor who is closing.
    #[must_use]
    pub const fn waits(&self) -> bool {
        !self.finishes && matches!(self.audience, Audience::Player)
    }

    /// Sends the message that has begun, and nothing after it.
    pub(super) fn finish(&mut self, tape: &Tape) {
        self.finishes = true;
        self.set_paused(tape, true);
    }

    /// A message that has begun is finished; what has not begun is not sent.
    pub(super) fn set_paused(&mut self, tape: &Tape, paused: bool) {
        self.paused = paused || self.finishes;
        if self.paused && self.is_begun() {
            // The place is given up behind the message.
            self.run_end = self.begun_on_tape();
        } else if self.paused {
            self.leave(tape);
        }
    }

    /// Gives up the place on the tape, but for the rest of the message that has begun.
    fn leave(&mut self, tape: &Tape) {
        if self.joined && self.is_begun() {
            self.left_at = self.cursor.max(self.within);
        } else if self.joined && self.private.is_empty() {
            self.left_at = self.cursor;
        } else if self.joined {
            self.left_at = self.private_from;
            let introduced = tape.marks_from(self.left_at);
            for mark in introduced.take_while(|mark| mark.offset < self.cursor) {
                // Its introduction was written and is not sent.
                self.pending.insert(mark.lane());
            }
        }
        if !self.is_begun() {
            self.private = BytesMut::new();
        } else if self.cursor < self.within {
            self.rest = tape.share(self.cursor, self.within).collect();
        }
        self.joined = false;
        self.cursor = tape.end();
        self.run_end = self.cursor;
        self.within = 0;
    }

    pub(super) const fn set_selected(&mut self, lane: Lane, enabled: bool) {
        if enabled {
            self.unwanted.remove(lane);
        } else {
            self.unwanted.insert(lane);
        }
        self.pending.insert(lane);
        self.awaits_keyframe |= matches!(lane, Lane::Video);
        // What was found sendable as it is may hold messages that are now to be left out.
        self.run_end = if self.cursor < self.within { self.within } else { self.cursor };
    }

    /// Finds the next bytes: true when there are any.
    pub(super) fn prepare(&mut self, source: &Source) -> bool {
        if self.joined && !self.paused && self.is_plain(source.tape()) {
            self.run_end = source.tape().end();
        }
        if !self.private.is_empty() || !self.rest.is_empty() || self.cursor < self.within {
            return true;
        }
        if self.paused {
            self.leave(source.tape());
            return false;
        }
        if !self.joined && self.ends_at.is_some() {
            // What it has not begun to read is not its any more.
            return false;
        }
        if !self.joined && self.viewer.as_ref().is_some_and(|viewer| !viewer.may_begin(source)) {
            return false;
        }
        if !self.joined {
            self.join(source);
        }
        if self.first_csid.is_some() || self.viewer.is_some() {
            self.copy_messages(source);
            return !self.private.is_empty();
        }
        if self.cursor >= self.run_end && self.private.is_empty() {
            self.find_run(source);
        }
        !self.private.is_empty() || self.cursor < self.run_end
    }

    /// Joins at the newest keyframe; after it, where the player has been there already: then what
    /// it has not seen follows, and no time runs back.
    fn join(&mut self, source: &Source) {
        let tape = source.tape();
        self.joined = true;
        if source.join_offset() < self.left_at {
            self.cursor = self.left_at;
            self.run_end = self.cursor;
            self.within = 0;
            return;
        }
        self.pending = Lanes::ALL;
        self.awaits_keyframe = true;
        self.cursor = source.join_offset();
        self.run_end = self.cursor;
        self.within = 0;
        let first = tape.marks_from(self.cursor).next();
        let latest = tape.clock(Lane::Video).or(tape.clock(Lane::Audio));
        let time = first.map(|mark| mark.timestamp).or(latest);
        if let Some(mark) = first {
            self.leave_base(source);
            if !is_header(mark) {
                self.set_base(source, mark);
            }
        }
        let timestamp = match (time, self.base) {
            (Some(time), Some(base)) => Timestamp(time.0.wrapping_sub(base.0)),
            _ => Timestamp(0),
        };
        let mut prelude = BytesMut::new();
        match &mut self.viewer {
            Some(viewer) => viewer.write_prelude(source, timestamp, &mut prelude),
            None => source.write_prelude(self, timestamp, &mut prelude),
        }
        // The introduction of the keyframe goes with it, in the same write.
        self.private = prelude;
        self.private_from = self.cursor;
        if self.first_csid.is_none() && self.viewer.is_none() {
            self.find_run(source);
        }
    }

    /// Extends the run over what can be sent as it is; writes an introduction if one is due first.
    fn find_run(&mut self, source: &Source) {
        let tape = source.tape();
        if self.is_plain(tape) {
            self.run_end = tape.end();
            return;
        }
        for mark in tape.marks_from(self.cursor) {
            let at_cursor = self.run_end <= self.cursor;
            if self.is_past_end(mark) {
                break;
            }
            if self.skips(mark) {
                if !at_cursor {
                    break;
                }
                // The next delta counts from what is left out.
                self.pending.insert(mark.lane());
                self.cursor = mark.end();
                self.run_end = self.cursor;
                continue;
            }
            if self.wraps(mark) {
                if !at_cursor {
                    break;
                }
                let timestamp = self.time_of(source, mark);
                if self.private.is_empty() {
                    self.private_from = mark.offset;
                }
                let payload = tape.frame(mark).payload;
                let mut private = core::mem::take(&mut self.private);
                source.write_kept(self, mark.lane(), timestamp, &payload, &mut private);
                self.private = private;
                self.cursor = mark.end();
            } else if self.pending.has(mark.lane()) || mark.is_break {
                if !at_cursor {
                    break;
                }
                let timestamp = self.time_of(source, mark);
                if self.private.is_empty() {
                    self.private_from = mark.offset;
                }
                self.cursor = tape.write_intro(mark, self.stream, timestamp, &mut self.private);
                self.within = mark.end();
            }
            self.taken(mark);
            self.run_end = mark.end();
        }
    }

    /// Nothing ahead needs private bytes or is left out.
    fn is_plain(&self, tape: &Tape) -> bool {
        let mut special = self.pending.with(self.unwanted);
        if self.awaits_keyframe {
            special.insert(Lane::Video);
        }
        if self.audience == Audience::Server {
            special.insert(Lane::Metadata);
        }
        self.first_csid.is_none()
            && self.viewer.is_none()
            && self.duration.is_none()
            && self.ends_at.is_none()
            && tape.last_break().is_none_or(|at| at < self.cursor)
            // A lane may stay silent for ever, as timed data mostly do.
            && !Lane::ALL.iter().any(|lane| special.has(*lane) && tape.has_from(*lane, self.cursor))
    }

    /// Copies whole messages, for a player that cannot share the tape's chunk streams.
    fn copy_messages(&mut self, source: &Source) {
        let tape = source.tape();
        self.private_from = self.cursor;
        for mark in tape.marks_from(self.cursor) {
            if self.private.len() >= COPY_BYTES_MAX || self.is_past_end(mark) {
                break;
            }
            if !self.skips(mark) {
                let timestamp = self.time_of(source, mark);
                if let Some(viewer) = &mut self.viewer {
                    viewer.write(tape, mark, timestamp, &mut self.private);
                } else if let Some(csid) = self.own_csid(mark.lane()) {
                    tape.write_copy(mark, csid, self.stream, timestamp, &mut self.private);
                }
                self.taken(mark);
            }
            self.cursor = mark.end();
            self.run_end = self.cursor;
            if self.viewer.as_ref().is_some_and(|viewer| viewer.has_pieces()) {
                break;
            }
        }
    }

    fn skips(&self, mark: &Mark) -> bool {
        let needs_keyframe = mark.kind == FrameKind::Video
            && self.awaits_keyframe
            && mark.class == FrameClass::Coded;
        // Headers come all the same: what is switched off may be switched on again.
        let is_header = mark.class == FrameClass::SequenceHeader;
        (self.unwanted.has(mark.lane()) && !is_header) || needs_keyframe
    }

    /// Publishers send metadata in another form than the tape has them in.
    fn wraps(&self, mark: &Mark) -> bool {
        self.audience == Audience::Server && mark.lane() == Lane::Metadata
    }

    fn is_past_end(&mut self, mark: &Mark) -> bool {
        if self.ends_at.is_some_and(|end| mark.offset >= end) {
            return true;
        }
        if let (Some(duration), Some(base)) = (self.duration, self.base) {
            let played = mark.timestamp.delta(base);
            self.ended |= u32::try_from(played).is_ok_and(|played| played >= duration);
        }
        self.ended
    }

    fn taken(&mut self, mark: &Mark) {
        // The delta of the next message counts from before the player's zero, where none can be.
        if !self.early.has(mark.lane()) {
            self.pending.remove(mark.lane());
        }
        if mark.is_start {
            self.awaits_keyframe = false;
        }
    }

    /// What is sent before the replies: the rest of a message that has begun.
    fn begun_on_tape(&self) -> u64 {
        if self.is_begun() && self.cursor < self.within { self.within } else { self.cursor }
    }

    fn is_begun(&self) -> bool {
        self.private_begun
            || !self.rest.is_empty()
            || (self.private.is_empty() && self.cursor < self.within)
    }

    pub(super) fn slices<'a>(
        &'a self,
        tape: &'a Tape,
        replies: &'a [u8],
        out: &mut Slices<'a>,
    ) -> usize {
        let mut len = 0_usize;
        let mut push = |bytes: &'a [u8], out: &mut Slices<'a>| {
            if !bytes.is_empty() && out.push(bytes).is_ok() {
                len = len.saturating_add(bytes.len());
            }
        };
        let begun = self.begun_on_tape();
        if self.is_begun() {
            push(&self.private, out);
            self.rest.iter().for_each(|rest| push(rest, out));
        } else {
            push(replies, out);
            push(&self.private, out);
        }
        let mut tape_len = tape.slices(self.cursor, begun, out);
        let is_whole = self.cursor.saturating_add(tape_len as u64) == begun;
        if self.is_begun() && is_whole {
            push(replies, out);
        }
        if is_whole {
            tape_len = tape_len.saturating_add(tape.slices(begun, self.run_end, out));
        }
        len.saturating_add(tape_len)
    }

    pub(super) fn wrote(&mut self, tape: &Tape, len: usize, replies_len: usize) -> usize {
        let mut left = len;
        let mut replies = 0;
        if !self.is_begun() {
            replies = left.min(replies_len);
            left = left.saturating_sub(replies);
        }
        let is_begun = self.is_begun();
        let begun = self.begun_on_tape();
        let private = left.min(self.private.len());
        if private > 0 {
            left = left.saturating_sub(private);
            self.private.advance(private);
            self.private_begun = !self.private.is_empty();
            if self.private.is_empty() {
                // The memory is given back: a player that follows the tape owns none.
                self.private = BytesMut::new();
            }
        }
        if is_begun {
            for rest in &mut self.rest {
                let sent = left.min(rest.len());
                left = left.saturating_sub(sent);
                rest.advance(sent);
            }
            self.rest.retain(|rest| !rest.is_empty());
            let rest = begun.saturating_sub(self.cursor);
            let sent = rest.min(left as u64);
            self.cursor = self.cursor.saturating_add(sent);
            left = left.saturating_sub(sent as usize);
            replies = left.min(replies_len);
            left = left.saturating_sub(replies);
        }
        if left > 0 {
            self.cursor = self.cursor.saturating_add(left as u64).min(self.run_end);
            // A run ends between two messages.
            let is_inside = self.cursor < self.run_end;
            let around = if is_inside { tape.mark_around(self.cursor) } else { None };
            self.within = match around {
                Some(mark) if mark.offset < self.cursor => mark.end(),
                // Its header may have gone with the block that it ended, and its mark with it.
                None if is_inside && self.cursor < self.within => self.within,
                _ => self.within.min(self.cursor),
            };
        }
        replies
    }

    pub(super) fn take_private(&mut self, out: &mut BytesMut) {
        if out.is_empty() {
            *out = core::mem::take(&mut self.private);
        } else {
            out.extend_from_slice(&self.private);
            self.private = BytesMut::new();
        }
        self.private_begun = false;
    }

    /// What follows the private bytes.
    pub(super) fn take_pieces(&mut self) -> impl Iterator<Item = Bytes> {
        let pieces = self.viewer.as_mut().map(|viewer| viewer.take_pieces());
        pieces.into_iter().flatten()
    }

    /// The rest of the message that has begun.
    pub(super) fn into_rest(mut self, tape: &Tape) -> BytesMut {
        if !self.is_begun() {
            return BytesMut::new();
        }
        self.rest.iter().for_each(|rest| self.private.extend_from_slice(rest));
        tape.copy(self.cursor, self.within, &mut self.private);
        self.private
    }

    /// The tape is about to begin at `start`: a player behind it joins anew. Gives the bytes that it
    /// misses.
    pub(super) fn lap(&mut self, tape: &Tape, start: u64) -> Option<u64> {
        let cursor = self.position().filter(|&cursor| cursor < start)?;
        self.leave(tape);
        Some(tape.end().saturating_sub(cursor))
    }
}
