//! One live stream: a publisher, the tape that it fills, and the players that follow it.
//!
//! The source corrects the time line once, remembers what a decoder needs to start (metadata,
//! sequence headers, the newest keyframe), and appends everything to the tape. A player is a cursor
//! on that tape (see [`consumer`]). It costs the source nothing until it reads.

pub mod consumer;

use crate::chunk::{ChunkSize, MessageHeader, write_message};
use crate::config::TimeJitter;
use crate::drive::Slices;
use crate::flv::tag::{Codec, TagInfo, parse_audio, parse_video};
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::{ConnId, ConsumerId, MessageStreamId};
use crate::jitter::{Corrected, Jitter};
use crate::tape::{GopLimits, Lane, Tape};
use crate::time::{Instant, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use consumer::{Audience, Consumer, Container};
use core::time::Duration;

/// What a source is told once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceConfig {
    /// The chunk size of its players.
    pub chunk_size: ChunkSize,
    /// Bounds on the GOP cache.
    pub gop: GopLimits,
    /// Players start at the newest keyframe, not at the next one.
    pub gop_cache: bool,
    /// Frames come with times that were mended at the home of the stream.
    pub is_replica: bool,
    /// Bytes that a player may lag behind.
    pub lag_bytes_max: u64,
    /// Media time that a player may lag behind.
    pub lag_max: Duration,
    /// Metadata and sequence headers above this are relayed but not kept.
    pub metadata_len_max: usize,
    /// How timestamps are mended.
    pub time_jitter: TimeJitter,
    /// Sequence headers kept for each of audio and video.
    pub tracks_max: u8,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pushed {
    /// The stream shows this codec for the first time, or with another sequence header.
    pub codec: Option<Codec>,
    /// The frame was not relayed: an identical sequence header, or video before the first keyframe.
    pub dropped: bool,
    /// The time line was moved by so many milliseconds.
    pub jump: Option<i32>,
    /// The frame's time on the stream's line.
    pub timestamp: Timestamp,
}

/// A player fell off the tape; it goes on at the newest keyframe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lapped {
    /// The connection of the player.
    pub conn: ConnId,
    /// Bytes that it does not get.
    pub bytes: u64,
}

/// Which media a stream has.
#[derive(Clone, Copy, Debug)]
struct Kinds {
    audio: bool,
    video: bool,
}

/// Who sends one kind of media for so long, and does not tell of another, sends no other.
const SETTLING_MS: i32 = 500;

/// The video track that players start with: the lowest one that has shown itself.
#[derive(Clone, Copy, Debug)]
struct MainTrack {
    id: u8,
    /// When it showed itself last, by a keyframe, as its publisher counts.
    seen: Timestamp,
}

/// A main track without a keyframe for so long has ended: players start with another one.
const MAIN_TRACK_SILENT_MS: i32 = 30_000;

/// What a decoder needs before it can start, kept for players that join later.
#[derive(Debug)]
struct Header {
    class: FrameClass,
    kind: FrameKind,
    payload: Bytes,
    track: (u8, u8),
}

/// One live stream.
#[derive(Debug)]
pub struct Source {
    audio_codec: Option<Codec>,
    awaits_keyframe: bool,
    /// The first time since the publisher came.
    began: Option<Timestamp>,
    config: SourceConfig,
    consumers: Vec<Option<Box<Consumer>>>,
    consumers_len: u32,
    /// How many of the consumers are servers.
    forwards_len: u32,
    /// Slots without a player.
    free: Vec<u32>,
    headers: Vec<Header>,
    /// All kinds of media have had the time to show themselves.
    is_settled: bool,
    jitter: Jitter,
    main_track: Option<MainTrack>,
    metadata: Option<Bytes>,
    /// How the timestamps of the next publisher are mended.
    next_jitter: TimeJitter,
    publisher: Option<ConnId>,
    tape: Tape,
    video_codec: Option<Codec>,
}

impl Source {
    /// A stream without publisher or players.
    #[must_use]
    pub const fn new(config: SourceConfig) -> Self {
        Self {
            audio_codec: None,
            awaits_keyframe: true,
            began: None,
            config,
            consumers: Vec::new(),
            consumers_len: 0,
            forwards_len: 0,
            free: Vec::new(),
            headers: Vec::new(),
            is_settled: false,
            jitter: Jitter::new(if config.is_replica {
                TimeJitter::Off
            } else {
                config.time_jitter
            }),
            main_track: None,
            metadata: None,
            next_jitter: config.time_jitter,
            publisher: None,
            tape: Tape::new(config.chunk_size),
            video_codec: None,
        }
    }

    /// The connection that publishes.
    #[must_use]
    pub const fn publisher(&self) -> Option<ConnId> {
        self.publisher
    }

    /// Players attached.
    #[must_use]
    pub const fn players(&self) -> u32 {
        self.consumers_len.saturating_sub(self.forwards_len)
    }

    /// Somebody reads it: a player, or a server that it is forwarded to.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.consumers_len > 0
    }

    /// The tape.
    #[must_use]
    pub const fn tape(&self) -> &Tape {
        &self.tape
    }

    /// The codecs seen since the publisher came: audio, video.
    #[must_use]
    pub const fn codecs(&self) -> (Option<Codec>, Option<Codec>) {
        (self.audio_codec, self.video_codec)
    }

    /// Goes on with another configuration. How timestamps are mended changes with the next publisher;
    /// the chunk size of a tape, and whether it is a replica, never do.
    pub fn configure(&mut self, config: SourceConfig) {
        let SourceConfig { chunk_size, is_replica, time_jitter, .. } = self.config;
        self.next_jitter = config.time_jitter;
        self.config = SourceConfig { chunk_size, is_replica, time_jitter, ..config };
        self.tape.bound_gop(self.config.gop);
    }

    /// The sequence headers kept for audio or for video, a payload each.
    pub fn headers(&self, kind: FrameKind) -> impl Iterator<Item = &Bytes> {
        let is_asked = move |header: &&Header| {
            header.kind == kind && header.class == FrameClass::SequenceHeader
        };
        self.headers.iter().filter(is_asked).map(|header| &header.payload)
    }

    /// `conn` begins to publish. The time line goes on where an earlier publisher left it.
    ///
    /// # Errors
    /// Another connection publishes: its id.
    pub fn publish(&mut self, conn: ConnId) -> Result<(), ConnId> {
        if let Some(other) = self.publisher {
            return Err(other);
        }
        self.publisher = Some(conn);
        if self.config.time_jitter != self.next_jitter {
            self.tape.forget_clocks();
        }
        self.config.time_jitter = self.next_jitter;
        self.jitter.restart(if self.config.is_replica {
            TimeJitter::Off
        } else {
            self.next_jitter
        });
        self.awaits_keyframe = true;
        self.main_track = None;
        Ok(())
    }

    /// The publisher has gone: what it left to start from goes too, players stay.
    pub fn unpublish(&mut self) {
        self.publisher = None;
        self.began = None;
        self.is_settled = false;
        self.metadata = None;
        self.headers.clear();
        self.audio_codec = None;
        self.video_codec = None;
        self.tape.forget_keyframe();
    }

    /// Takes a frame of the publisher that came at `now`. Players that fell off the tape are
    /// appended to `lapped`.
    pub fn push(&mut self, now: Instant, frame: &Frame, lapped: &mut Vec<Lapped>) -> Pushed {
        let timestamp = frame.timestamp;
        let mut pushed = Pushed { codec: None, dropped: false, jump: None, timestamp };
        if !self.remember(frame, &mut pushed) {
            pushed.dropped = true;
            return pushed;
        }
        let is_start = self.note_track(frame);
        self.awaits_keyframe &= !is_start;
        if self.is_undecodable(frame) {
            pushed.dropped = true;
            return pushed;
        }
        let corrected = if frame.class == FrameClass::SequenceHeader {
            let timestamp = self.jitter.place(frame.kind, frame.timestamp);
            Corrected { timestamp, jump: None }
        } else {
            self.jitter.correct(frame.kind, frame.timestamp, now)
        };
        pushed.jump = corrected.jump;
        pushed.timestamp = corrected.timestamp;
        let is_keyframe = frame.kind == FrameKind::Video && frame.class == FrameClass::Keyframe;
        let begun = if is_keyframe && !is_start {
            self.tape.push_side_keyframe(corrected.timestamp, &frame.payload)
        } else {
            self.tape.push(frame.kind, frame.class, corrected.timestamp, &frame.payload)
        };
        self.tape.bound_gop(self.config.gop);
        if !self.is_settled {
            let began = *self.began.get_or_insert(corrected.timestamp);
            self.is_settled = corrected.timestamp.delta(began) >= SETTLING_MS;
        }
        if begun || frame.class == FrameClass::Keyframe {
            self.trim(lapped);
        }
        pushed
    }

    /// What a replica needs to start: metadata, sequence headers, and the frames from the newest
    /// keyframe on, with mended times.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Frame> {
        let first = self.tape.marks_from(self.join_offset()).next();
        let latest = self.tape.newest().map(|mark| mark.timestamp);
        let timestamp = first.map(|mark| mark.timestamp).or(latest).unwrap_or_default();
        let marks = self.tape.marks_from(self.join_offset());
        self.introduction(timestamp).chain(marks.map(|mark| self.tape.frame(mark))).collect()
    }

    /// Adds a player. The first player of a connection shares the tape's bytes; a further one gets
    /// copies on chunk streams of its own, from `first_csid` on.
    pub fn attach(
        &mut self,
        now: Instant,
        conn: ConnId,
        stream: MessageStreamId,
        first_csid: Option<u8>,
    ) -> ConsumerId {
        self.insert(Consumer::new(now, conn, stream, Audience::Player, first_csid))
    }

    /// Adds a server that the stream is forwarded to.
    pub fn attach_server(
        &mut self,
        now: Instant,
        conn: ConnId,
        stream: MessageStreamId,
    ) -> ConsumerId {
        self.forwards_len = self.forwards_len.saturating_add(1);
        self.insert(Consumer::new(now, conn, stream, Audience::Server, None))
    }

    /// Adds a player that is sent copies in a container, to be taken with `take_private` and then
    /// `take_pieces`.
    pub fn attach_viewer(
        &mut self,
        now: Instant,
        conn: ConnId,
        container: Container,
    ) -> ConsumerId {
        self.insert(Consumer::new_viewer(now, conn, container))
    }

    fn insert(&mut self, consumer: Consumer) -> ConsumerId {
        let consumer = Box::new(consumer);
        self.consumers_len = self.consumers_len.saturating_add(1);
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.consumers.len()).unwrap_or(u32::MAX);
            self.consumers.push(None);
            index
        });
        if let Some(slot) = self.consumers.get_mut(index as usize) {
            *slot = Some(consumer);
        }
        ConsumerId(index)
    }

    /// Removes a player; gives the rest of the message that it has begun to send.
    pub fn detach(&mut self, id: ConsumerId) -> BytesMut {
        let slot = self.consumers.get_mut(id.0 as usize);
        let Some(consumer) = slot.and_then(Option::take) else { return BytesMut::new() };
        self.free.push(id.0);
        self.consumers_len = self.consumers_len.saturating_sub(1);
        if consumer.audience() == Audience::Server {
            self.forwards_len = self.forwards_len.saturating_sub(1);
        }
        consumer.into_rest(&self.tape)
    }

    /// The players, with the connections that they belong to.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.consumers.iter().flatten().map(AsRef::as_ref)
    }

    /// One player.
    #[must_use]
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id.0 as usize)?.as_deref()
    }

    /// A reader gets what is on the tape now, and then it ends.
    pub fn set_ending(&mut self, id: ConsumerId) {
        let end = self.tape.end();
        if let Some(consumer) = self.consumer_mut(id) {
            consumer.set_end(Some(end));
        }
    }

    /// A reader that was to end goes on.
    pub fn set_going_on(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.consumer_mut(id) {
            consumer.set_end(None);
        }
    }

    /// A player wants so much stream time; then it ends.
    pub fn set_duration(&mut self, id: ConsumerId, duration: Duration) {
        let millis = u32::try_from(duration.as_millis()).ok();
        if let Some(consumer) = self.consumer_mut(id) {
            consumer.set_duration(millis);
        }
    }

    /// Pauses a player or lets it go on; it goes on at the newest keyframe.
    pub fn set_paused(&mut self, id: ConsumerId, paused: bool) {
        let consumer = self.consumers.get_mut(id.0 as usize).and_then(Option::as_deref_mut);
        if let Some(consumer) = consumer {
            consumer.set_paused(&self.tape, paused);
        }
    }

    /// The connection of a player is closing: it is sent the message that has begun, no more.
    pub fn finish(&mut self, id: ConsumerId) {
        let consumer = self.consumers.get_mut(id.0 as usize).and_then(Option::as_deref_mut);
        if let Some(consumer) = consumer {
            consumer.finish(&self.tape);
        }
    }

    /// A player wants or does not want audio or video; video begins again at a keyframe.
    pub fn set_selected(&mut self, id: ConsumerId, kind: FrameKind, enabled: bool) {
        if let Some(consumer) = self.consumer_mut(id) {
            consumer.set_selected(Lane::of(kind, FrameClass::Coded), enabled);
        }
    }

    /// Readies the next bytes of a player; false when there are none now.
    pub fn prepare(&mut self, id: ConsumerId) -> bool {
        let Some(mut consumer) = self.consumers.get_mut(id.0 as usize).and_then(Option::take)
        else {
            return false;
        };
        let ready = consumer.prepare(self);
        if let Some(slot) = self.consumers.get_mut(id.0 as usize) {
            *slot = Some(consumer);
        }
        ready
    }

    /// Appends what was prepared to `out`, with `replies` at the first boundary between messages;
    /// gives the bytes appended.
    pub fn slices<'a>(&'a self, id: ConsumerId, replies: &'a [u8], out: &mut Slices<'a>) -> usize {
        let Some(consumer) = self.consumer(id) else { return 0 };
        consumer.slices(&self.tape, replies, out)
    }

    /// `len` bytes of the slices were sent; gives how many of them were replies.
    pub fn wrote(&mut self, id: ConsumerId, len: usize, replies_len: usize) -> usize {
        let Some(consumer) = self.consumers.get_mut(id.0 as usize).and_then(Option::as_deref_mut)
        else {
            return len.min(replies_len);
        };
        consumer.wrote(&self.tape, len, replies_len)
    }

    /// Moves what was prepared for a player with chunk streams of its own to `out`.
    pub fn take_private(&mut self, id: ConsumerId, out: &mut BytesMut) {
        if let Some(consumer) = self.consumer_mut(id) {
            consumer.take_private(out);
        }
    }

    /// What follows the private bytes of a viewer: memory that all of them share.
    pub fn take_pieces(&mut self, id: ConsumerId) -> impl Iterator<Item = Bytes> {
        self.consumer_mut(id).into_iter().flat_map(Consumer::take_pieces)
    }

    /// A player has nothing to send before more is published.
    #[must_use]
    pub fn is_at_end(&self, id: ConsumerId) -> bool {
        self.consumer(id).is_some_and(|consumer| consumer.is_at_end(&self.tape))
    }

    /// Bytes on the tape that a player has not been sent.
    #[must_use]
    pub fn lag_bytes(&self, id: ConsumerId) -> u64 {
        self.consumer(id).map_or(0, |consumer| consumer.lag_bytes(&self.tape))
    }

    /// Where a player joins: the newest keyframe, else the end.
    fn join_offset(&self) -> u64 {
        let keyframe = if self.config.gop_cache { self.tape.keyframe() } else { None };
        keyframe.unwrap_or(self.tape.end())
    }

    /// Appends metadata (at time 0) and sequence headers (at `timestamp`) for `consumer`.
    fn write_prelude(&self, consumer: &Consumer, timestamp: Timestamp, out: &mut BytesMut) {
        let metadata = self.metadata.iter().map(|payload| (Lane::Metadata, payload));
        let headers = self.headers.iter();
        let headers = headers.map(|header| (Lane::of(header.kind, header.class), &header.payload));
        for (lane, payload) in metadata.chain(headers) {
            let timestamp = if lane == Lane::Metadata { Timestamp(0) } else { timestamp };
            self.write_kept(consumer, lane, timestamp, payload, out);
        }
    }

    /// Appends a message of `lane` that is `consumer`'s own.
    fn write_kept(
        &self,
        consumer: &Consumer,
        lane: Lane,
        timestamp: Timestamp,
        payload: &[u8],
        out: &mut BytesMut,
    ) {
        let header = MessageHeader {
            csid: consumer.own_csid(lane).unwrap_or(lane.csid()),
            type_id: lane.type_id(),
            stream_id: consumer.stream(),
            timestamp,
        };
        let size = self.config.chunk_size;
        if lane == Lane::Metadata {
            write_message(header, &consumer.metadata(payload), size, out);
        } else {
            write_message(header, payload, size, out);
        }
    }

    /// Metadata and sequence headers, in the order in which players want them.
    fn introduction(&self, timestamp: Timestamp) -> impl Iterator<Item = Frame> {
        let metadata = self.metadata.iter().map(move |payload| Frame {
            kind: FrameKind::Data,
            class: FrameClass::Metadata,
            timestamp,
            payload: payload.clone(),
        });
        metadata.chain(self.headers.iter().map(move |header| Frame {
            kind: header.kind,
            class: header.class,
            timestamp,
            payload: header.payload.clone(),
        }))
    }

    /// Whether the stream has audio and video, by what it has shown and what its metadata say.
    /// `None` while another kind may still show itself.
    fn kinds(&self) -> Option<Kinds> {
        let says = |key: &[u8]| {
            self.metadata.iter().any(|data| data.windows(key.len()).any(|part| part == key))
        };
        let says_audio = says(b"\0\x0Caudiocodecid");
        let says_video = says(b"\0\x0Cvideocodecid");
        let audio = self.audio_codec.is_some() || says_audio;
        let video = self.video_codec.is_some() || says_video;
        // Metadata that name no codec say nothing of what is still to come.
        let is_told = says_audio || says_video || self.is_settled;
        ((audio && video) || ((audio || video) && is_told)).then_some(Kinds { audio, video })
    }

    /// Keeps what players that join later need; false for an identical sequence header.
    fn remember(&mut self, frame: &Frame, pushed: &mut Pushed) -> bool {
        if frame.kind == FrameKind::Data {
            if frame.class == FrameClass::Metadata {
                self.metadata = self.keep(&frame.payload);
            }
            return true;
        }
        let is_header = matches!(frame.class, FrameClass::SequenceHeader | FrameClass::Metadata);
        let known = match frame.kind {
            FrameKind::Audio => self.audio_codec,
            FrameKind::Video | FrameKind::Data => self.video_codec,
        };
        if known.is_some() && !is_header {
            return true;
        }
        let info = match frame.kind {
            FrameKind::Audio => parse_audio(&frame.payload),
            FrameKind::Video | FrameKind::Data => parse_video(&frame.payload),
        };
        let Ok(info) = info else { return true };
        if info.codec.is_some() && info.codec != known {
            pushed.codec = info.codec;
            match frame.kind {
                FrameKind::Audio => self.audio_codec = info.codec,
                FrameKind::Video | FrameKind::Data => self.video_codec = info.codec,
            }
        }
        if !is_header {
            return true;
        }
        let is_new = self.remember_header(frame, info);
        if is_new && frame.class == FrameClass::SequenceHeader {
            pushed.codec = info.codec;
        }
        is_new
    }

    fn remember_header(&mut self, frame: &Frame, info: TagInfo) -> bool {
        let track = (info.track, info.tracks);
        let same = |header: &Header| {
            header.kind == frame.kind && header.class == frame.class && header.track == track
        };
        let known = self.headers.iter().position(same);
        if known.is_some_and(|index| {
            self.headers.get(index).is_some_and(|header| header.payload == frame.payload)
        }) {
            return false;
        }
        let Some(payload) = self.keep(&frame.payload) else {
            // What a player would start from is wrong now.
            if let Some(index) = known {
                self.headers.remove(index);
            }
            return true;
        };
        if let Some(header) = known.and_then(|index| self.headers.get_mut(index)) {
            header.payload = payload;
            // Who joins now gets the new header first: what is coded for the old one is not for it.
            // Other metadata do not change how media are decoded.
            if frame.class == FrameClass::SequenceHeader {
                self.tape.forget_keyframe();
            }
            return true;
        }
        let kept = self.headers.iter().filter(|header| header.kind == frame.kind).count();
        if kept < usize::from(self.config.tracks_max) {
            self.headers.push(Header { class: frame.class, kind: frame.kind, payload, track });
            // Video first, as SRS sends them; the order within a kind is that of arrival.
            self.headers.sort_by_key(|header| header.kind == FrameKind::Audio);
        }
        true
    }

    /// A copy for players that join later, if it is not too long for that. What comes in an
    /// aggregate shares the memory of all of it.
    fn keep(&self, payload: &Bytes) -> Option<Bytes> {
        let fits = payload.len() <= self.config.metadata_len_max;
        fits.then(|| Bytes::copy_from_slice(payload))
    }

    /// Keeps which video track is the main one; true if players can start at the frame, a keyframe of
    /// that track.
    fn note_track(&mut self, frame: &Frame) -> bool {
        let is_keyframe = frame.class == FrameClass::Keyframe;
        let shows_track = is_keyframe || frame.class == FrameClass::SequenceHeader;
        if frame.kind != FrameKind::Video || !shows_track {
            return false;
        }
        let id = parse_video(&frame.payload).map_or(0, |info| info.track);
        let (is_main, is_lower) = self.main_track.map_or((false, true), |main| {
            let silence = frame.timestamp.delta(main.seen);
            // Another track may run a little behind it.
            let has_ended = silence.saturating_abs() > MAIN_TRACK_SILENT_MS;
            (id == main.id, id < main.id || (has_ended && is_keyframe))
        });
        if is_lower || (is_main && is_keyframe) {
            self.main_track = Some(MainTrack { id, seen: frame.timestamp });
        }
        is_keyframe && (is_main || is_lower)
    }

    fn is_undecodable(&self, frame: &Frame) -> bool {
        self.awaits_keyframe && frame.kind == FrameKind::Video && frame.class == FrameClass::Coded
    }

    /// Drops what neither a joining player nor a player within its lag needs.
    fn trim(&mut self, lapped: &mut Vec<Lapped>) {
        let floor = self.tape.lag_floor(self.config.lag_bytes_max, self.config.lag_max);
        let slowest = self
            .consumers()
            .filter_map(Consumer::position)
            .min()
            .map_or(self.tape.end(), |slowest| slowest.max(floor));
        let newest = self.tape.newest().map_or(self.tape.end(), |mark| mark.offset);
        let keep_from = slowest.min(self.join_offset()).min(newest);
        let start = self.tape.start_after_trim(keep_from);
        for consumer in self.consumers.iter_mut().flatten() {
            if let Some(bytes) = consumer.lap(&self.tape, start) {
                lapped.push(Lapped { conn: consumer.conn(), bytes });
            }
        }
        self.tape.trim(start);
    }

    fn consumer_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.get_mut(id.0 as usize)?.as_deref_mut()
    }
}

#[cfg(test)]
mod tests;
