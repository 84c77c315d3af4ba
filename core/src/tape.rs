//! The tape of a stream: an append-only log of RTMP chunks that all players share.
//!
//! Messages on the tape have headers of type 1: a time *delta* to the message before them on their
//! lane, and no message stream id. So the same bytes serve every player at any time base, on any
//! message stream, and no extended timestamp ever appears. What a player needs besides, it gets
//! privately: one header of type 0 per lane ([`Tape::write_intro`]) that sets its clock.

use crate::chunk::{
    ChunkSize, ChunkStreamId, MessageHeader, write_header_absolute, write_header_delta,
};
use crate::drive::Slices;
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::MessageStreamId;
use crate::message::MessageType;
use crate::time::Timestamp;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};
use core::ops::Range;
use core::time::Duration;

/// Bytes of a header of type 1 on a chunk stream below 64.
pub const DELTA_HEADER_LEN: u32 = 8;
/// A delta from here on would need an extended timestamp.
const DELTA_MAX: i32 = 0xFF_FFFE;
/// The tape grows by blocks of a multiple of this size: what one tape frees fits the next one.
const BLOCK_LEN_MIN: usize = 4 << 10;
/// They are no longer, but for the rest of a longer message.
const BLOCK_LEN_MAX: usize = 64 << 10;
/// Nor longer than this part of the tape: half a block at its end is not used yet, and half a block
/// at its start is not needed any more.
const BLOCK_PART: usize = 16;
/// The list of marks grows by so many at least.
const MARKS_LEN_MIN: usize = 16;

/// Messages with a clock and a chunk stream of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Audio.
    Audio,
    /// Timed data.
    Data,
    /// `onMetaData`: always at time 0, as players expect it.
    Metadata,
    /// Video.
    Video,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Audio, Self::Data, Self::Metadata, Self::Video];

    /// The lane of a frame.
    #[must_use]
    pub const fn of(kind: FrameKind, class: FrameClass) -> Self {
        match (kind, class) {
            (FrameKind::Audio, _) => Self::Audio,
            (FrameKind::Data, FrameClass::Metadata) => Self::Metadata,
            (FrameKind::Data, _) => Self::Data,
            (FrameKind::Video, _) => Self::Video,
        }
    }

    /// The chunk stream of the lane. Data have some of their own: replies to commands share the
    /// conventional one, and would break the deltas.
    #[must_use]
    pub const fn csid(self) -> ChunkStreamId {
        match self {
            Self::Audio => ChunkStreamId::AUDIO,
            Self::Data => ChunkStreamId::DATA,
            Self::Metadata => ChunkStreamId::METADATA,
            Self::Video => ChunkStreamId::VIDEO,
        }
    }

    /// The message type of the lane.
    #[must_use]
    pub const fn type_id(self) -> u8 {
        match self {
            Self::Audio => MessageType::Audio as u8,
            Self::Data | Self::Metadata => MessageType::DataAmf0 as u8,
            Self::Video => MessageType::Video as u8,
        }
    }

    const fn slot(self) -> usize {
        self as usize
    }
}

/// One message on the tape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Where its header begins.
    pub offset: u64,
    /// Its time on the stream's line.
    pub timestamp: Timestamp,
    /// Bytes on the tape, headers included.
    pub len: u32,
    /// Bytes of its payload.
    pub payload_len: u32,
    /// Audio, data or video.
    pub kind: FrameKind,
    /// What a decoder can do with it.
    pub class: FrameClass,
    /// Its delta cannot be written: every reader needs an introduction here.
    pub is_break: bool,
    /// Video can start here: a keyframe of the main track.
    pub is_start: bool,
}

// One is kept for each message on the tape.
const _: () = assert!(size_of::<Mark>() == 24);

impl Mark {
    /// The lane that it runs on.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        Lane::of(self.kind, self.class)
    }

    /// Where the next message begins.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len as u64)
    }
}

/// What the GOP cache may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GopLimits {
    /// Bytes since the keyframe.
    pub bytes_max: u64,
    /// Frames since the keyframe.
    pub frames_max: u32,
    /// Media time since the keyframe.
    pub span_max: Duration,
}

/// The log of one stream for one chunk size.
#[derive(Debug)]
pub struct Tape {
    blocks: VecDeque<Block>,
    chunk_size: ChunkSize,
    clocks: [Option<Timestamp>; 4],
    end: u64,
    frames_since_keyframe: u32,
    keyframe: Option<(u64, Timestamp)>,
    last_break: Option<u64>,
    marks: VecDeque<Mark>,
    /// Offset of the newest message of each lane.
    newest: [Option<u64>; 4],
}

#[derive(Debug)]
struct Block {
    start: u64,
    bytes: BlockBytes,
}

/// Bytes of a block that grows, or of one that is full and can be shared.
#[derive(Debug)]
enum BlockBytes {
    Growing(Vec<u8>),
    Sealed(Bytes),
}

impl Block {
    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            BlockBytes::Growing(bytes) => bytes,
            BlockBytes::Sealed(bytes) => bytes,
        }
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes().len() as u64)
    }

    fn room(&self) -> usize {
        match &self.bytes {
            BlockBytes::Growing(bytes) => bytes.capacity().saturating_sub(bytes.len()),
            BlockBytes::Sealed(_) => 0,
        }
    }

    /// Appends what there is room for; gives the rest.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (filled, rest) = bytes.split_at(self.room().min(bytes.len()));
        if let BlockBytes::Growing(block) = &mut self.bytes {
            block.extend_from_slice(filled);
        }
        rest
    }

    /// Shares what is full.
    fn seal(&mut self) {
        if let BlockBytes::Growing(bytes) = &mut self.bytes
            && bytes.len() == bytes.capacity()
        {
            self.bytes = BlockBytes::Sealed(Bytes::from(core::mem::take(bytes)));
        }
    }

    fn share(&self, from: usize, to: usize) -> Option<Bytes> {
        match &self.bytes {
            BlockBytes::Growing(bytes) => bytes.get(from..to).map(Bytes::copy_from_slice),
            BlockBytes::Sealed(bytes) => {
                (from < to && to <= bytes.len()).then(|| bytes.slice(from..to))
            }
        }
    }
}

impl Tape {
    /// An empty tape.
    #[must_use]
    pub const fn new(chunk_size: ChunkSize) -> Self {
        Self {
            blocks: VecDeque::new(),
            chunk_size,
            clocks: [None; 4],
            end: 0,
            frames_since_keyframe: 0,
            keyframe: None,
            last_break: None,
            marks: VecDeque::new(),
            newest: [None; 4],
        }
    }

    /// The chunk size that its messages are cut by.
    #[must_use]
    pub const fn chunk_size(&self) -> ChunkSize {
        self.chunk_size
    }

    /// Offset of the oldest byte that is still there.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.blocks.front().map_or(self.end, |block| block.start)
    }

    /// Offset behind the newest byte.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start())
    }

    /// True when no byte is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest keyframe, if it is still there and its GOP is within the limits.
    #[must_use]
    pub fn keyframe(&self) -> Option<u64> {
        self.keyframe.map(|(offset, _)| offset).filter(|&offset| offset >= self.start())
    }

    /// Offset of the newest message that every reader needs an introduction for.
    #[must_use]
    pub const fn last_break(&self) -> Option<u64> {
        self.last_break
    }

    /// Time of the newest message of `lane`.
    #[must_use]
    pub fn clock(&self, lane: Lane) -> Option<Timestamp> {
        self.clocks.get(lane.slot()).copied().flatten()
    }

    /// The next times have nothing to do with those so far: every reader needs an introduction for
    /// the next message of each lane.
    pub const fn forget_clocks(&mut self) {
        self.clocks = [None; 4];
    }

    /// There is a message of `lane` that begins at `offset` or later.
    #[must_use]
    pub fn has_from(&self, lane: Lane, offset: u64) -> bool {
        self.newest.get(lane.slot()).copied().flatten().is_some_and(|newest| newest >= offset)
    }

    /// The newest message.
    #[must_use]
    pub fn newest(&self) -> Option<&Mark> {
        self.marks.back()
    }

    /// The messages from `offset` on, which must be a boundary between messages.
    pub fn marks_from(&self, offset: u64) -> impl Iterator<Item = &Mark> {
        self.marks.range(self.index(offset)..)
    }

    /// The message that the byte at `offset` belongs to.
    #[must_use]
    pub fn mark_around(&self, offset: u64) -> Option<&Mark> {
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        self.marks.get(after.checked_sub(1)?).filter(|mark| offset < mark.end())
    }

    /// Appends a message; true when a new block was begun for it, which is a good time to trim.
    pub fn push(
        &mut self,
        kind: FrameKind,
        class: FrameClass,
        timestamp: Timestamp,
        payload: &[u8],
    ) -> bool {
        let is_start = kind == FrameKind::Video && class == FrameClass::Keyframe;
        self.push_mark(kind, class, timestamp, payload, is_start)
    }

    /// Appends a keyframe of another track than the main one: nobody starts there. True as for
    /// [`Tape::push`].
    pub fn push_side_keyframe(&mut self, timestamp: Timestamp, payload: &[u8]) -> bool {
        self.push_mark(FrameKind::Video, FrameClass::Keyframe, timestamp, payload, false)
    }

    fn push_mark(
        &mut self,
        kind: FrameKind,
        class: FrameClass,
        timestamp: Timestamp,
        payload: &[u8],
        is_start: bool,
    ) -> bool {
        let lane = Lane::of(kind, class);
        // Metadata are at time 0 for everyone, so between them no time passes.
        let clock = if lane == Lane::Metadata { Timestamp(0) } else { timestamp };
        let delta = self.clock(lane).map(|before| clock.delta(before));
        let delta = delta.filter(|delta| (0..=DELTA_MAX).contains(delta));
        let payload_len = u32::try_from(payload.len()).unwrap_or(0);
        let chunk_size = self.chunk_size.bytes().max(1);
        let continuations = payload_len.saturating_sub(1).checked_div(chunk_size).unwrap_or(0);
        let len = DELTA_HEADER_LEN.saturating_add(payload_len).saturating_add(continuations);
        let mark = Mark {
            offset: self.end,
            timestamp,
            len,
            payload_len,
            kind,
            class,
            is_break: delta.is_none(),
            is_start,
        };
        let begun = self.make_room(len as usize);
        let mut header = [0; DELTA_HEADER_LEN as usize];
        let delta = delta.unwrap_or(0).unsigned_abs();
        write_header_delta(lane.csid(), delta, payload_len, lane.type_id(), &mut &mut header[..]);
        self.append(&header);
        for (index, part) in payload.chunks(chunk_size as usize).enumerate() {
            if index > 0 {
                self.append(&[continuation(lane.csid())]);
            }
            self.append(part);
        }
        debug_assert_eq!(
            self.blocks.back().map(Block::end),
            Some(mark.end()),
            "the length of a message is computed right"
        );
        if let Some(slot) = self.clocks.get_mut(lane.slot()) {
            *slot = Some(clock);
        }
        if let Some(slot) = self.newest.get_mut(lane.slot()) {
            *slot = Some(mark.offset);
        }
        if mark.is_break {
            self.last_break = Some(mark.offset);
        }
        if is_start {
            self.keyframe = Some((mark.offset, timestamp));
            self.frames_since_keyframe = 0;
        }
        self.frames_since_keyframe = self.frames_since_keyframe.saturating_add(1);
        if self.marks.len() == self.marks.capacity() {
            // By a quarter, not twofold: the number of frames between keyframes soon settles.
            let more = self.marks.len().checked_div(4).unwrap_or(0);
            self.marks.reserve_exact(more.max(MARKS_LEN_MIN));
        }
        self.marks.push_back(mark);
        self.end = mark.end();
        begun
    }

    /// Forgets the keyframe when its GOP has outgrown `limits`.
    pub fn bound_gop(&mut self, limits: GopLimits) {
        let Some((offset, time)) = self.keyframe else { return };
        // The clock of a kind may be that of an earlier publisher: only what followed counts.
        let span = self.marks.back().map_or(0, |newest| newest.timestamp.delta(time));
        let span = u64::try_from(span).unwrap_or(0);
        if self.end.saturating_sub(offset) > limits.bytes_max
            || self.frames_since_keyframe > limits.frames_max
            || u128::from(span) > limits.span_max.as_millis()
        {
            self.keyframe = None;
        }
    }

    /// Forgets the keyframe: nobody joins before the next one.
    pub const fn forget_keyframe(&mut self) {
        self.keyframe = None;
    }

    /// The oldest offset that is within `bytes_max` and `span_max` of the end: who is behind it is
    /// lapped.
    #[must_use]
    pub fn lag_floor(&self, bytes_max: u64, span_max: Duration) -> u64 {
        let Some(last) = self.marks.back() else { return self.end };
        let span = i32::try_from(span_max.as_millis()).unwrap_or(i32::MAX);
        let by_bytes = self.end.saturating_sub(bytes_max);
        let by_span = self
            .marks
            .partition_point(|mark| last.timestamp.delta(mark.timestamp).saturating_abs() > span);
        let by_span = self.marks.get(by_span).map_or(self.end, |mark| mark.offset);
        by_bytes.max(by_span)
    }

    /// Where the tape would start after `trim(keep_from)`.
    #[must_use]
    pub fn start_after_trim(&self, keep_from: u64) -> u64 {
        self.blocks.iter().find(|block| block.end() > keep_from).map_or(self.end, |b| b.start)
    }

    /// Drops whole blocks before `keep_from`.
    pub fn trim(&mut self, keep_from: u64) {
        while self.blocks.front().is_some_and(|block| block.end() <= keep_from) {
            self.blocks.pop_front();
        }
        let start = self.start();
        // Who has begun to read a message knows its end, and does not need its mark.
        while self.marks.front().is_some_and(|mark| mark.offset < start) {
            self.marks.pop_front();
        }
        if self.keyframe.is_some_and(|(offset, _)| offset < start) {
            self.keyframe = None;
        }
    }

    /// Appends the memory of `from..to` to `out`, as far as it has room; gives the bytes appended.
    pub fn slices<'a>(&'a self, from: u64, to: u64, out: &mut Slices<'a>) -> usize {
        let mut at = from;
        if at >= to {
            return 0;
        }
        // Nearly all readers are near the end.
        let last = self.blocks.len().saturating_sub(1);
        let first = if self.blocks.back().is_some_and(|block| block.start <= from) {
            last
        } else {
            self.blocks.partition_point(|block| block.end() <= from)
        };
        for block in self.blocks.range(first..) {
            if at >= to || out.is_full() {
                break;
            }
            let begin = at.saturating_sub(block.start) as usize;
            let end = to.min(block.end()).saturating_sub(block.start) as usize;
            let Some(bytes) = block.bytes().get(begin..end) else { break };
            at = at.saturating_add(bytes.len() as u64);
            let _ = out.push(bytes);
        }
        at.saturating_sub(from) as usize
    }

    /// Appends the bytes of `from..to` to `out`.
    pub fn copy(&self, from: u64, to: u64, out: &mut impl BufMut) {
        let mut at = from;
        while at < to {
            let mut slices = Slices::new();
            let len = self.slices(at, to, &mut slices);
            if len == 0 {
                return;
            }
            for slice in slices {
                out.put_slice(slice);
            }
            at = at.saturating_add(len as u64);
        }
    }

    /// The bytes of `from..to`, block by block: shared where a block is full.
    pub fn share(&self, from: u64, to: u64) -> impl Iterator<Item = Bytes> {
        let first = self.blocks.partition_point(|block| block.end() <= from);
        let blocks = self.blocks.range(first..).take_while(move |block| block.start < to);
        blocks.filter_map(move |block| {
            let begin = from.saturating_sub(block.start) as usize;
            let end = to.min(block.end()).saturating_sub(block.start) as usize;
            block.share(begin, end)
        })
    }

    /// The payload of a message without the headers in between: shared where its blocks are full.
    pub fn share_payload(&self, mark: &Mark) -> impl Iterator<Item = Bytes> {
        let parts = self.share(mark.offset.saturating_add(u64::from(DELTA_HEADER_LEN)), mark.end());
        let chunk = self.chunk_size.bytes() as usize;
        parts.scan(0, |at, part| Some((step(at, part.len()), part))).flat_map(move |(at, part)| {
            payload_ranges(at, part.len(), chunk).map(move |range| part.slice(range))
        })
    }

    /// Introduces the message at `mark` with absolute time `timestamp` on message stream `stream`:
    /// appends a header of type 0, to be followed by the tape from the returned offset on. A time
    /// that needs the extended field cannot be followed by the tape's continuation headers, so then
    /// the whole message is appended and the returned offset lies behind it.
    pub fn write_intro(
        &self,
        mark: &Mark,
        stream: MessageStreamId,
        timestamp: Timestamp,
        out: &mut impl BufMut,
    ) -> u64 {
        let csid = mark.lane().csid();
        let type_id = mark.lane().type_id();
        let header = MessageHeader { csid, type_id, stream_id: stream, timestamp };
        let extended = write_header_absolute(header, mark.payload_len, out);
        if extended.is_some() {
            self.copy_payload(mark, csid, extended, out);
            return mark.end();
        }
        mark.offset.saturating_add(u64::from(DELTA_HEADER_LEN))
    }

    /// The message at `mark` as a frame again.
    #[must_use]
    pub fn frame(&self, mark: &Mark) -> Frame {
        let mut payload = BytesMut::with_capacity(mark.payload_len as usize);
        for part in self.payload_parts(mark) {
            payload.extend_from_slice(part);
        }
        let Mark { kind, class, timestamp, .. } = *mark;
        Frame { kind, class, timestamp, payload: payload.freeze() }
    }

    /// Appends the whole message at `mark` with a header of type 0 on chunk stream `csid`.
    pub fn write_copy(
        &self,
        mark: &Mark,
        csid: ChunkStreamId,
        stream: MessageStreamId,
        timestamp: Timestamp,
        out: &mut impl BufMut,
    ) {
        let type_id = mark.lane().type_id();
        let header = MessageHeader { csid, type_id, stream_id: stream, timestamp };
        let extended = write_header_absolute(header, mark.payload_len, out);
        self.copy_payload(mark, csid, extended, out);
    }

    fn copy_payload(
        &self,
        mark: &Mark,
        csid: ChunkStreamId,
        extended: Option<u32>,
        out: &mut impl BufMut,
    ) {
        let chunk = self.chunk_size.bytes() as usize;
        let mut left = chunk;
        for part in self.payload_parts(mark) {
            if left == 0 {
                out.put_u8(continuation(csid));
                if let Some(extended) = extended {
                    out.put_u32(extended);
                }
                left = chunk;
            }
            out.put_slice(part);
            left = left.saturating_sub(part.len());
        }
    }

    /// The payload of a message without the headers in between; no part goes beyond a chunk.
    pub fn payload_parts(&self, mark: &Mark) -> impl Iterator<Item = &[u8]> {
        // A message lies in two blocks at most.
        let mut slices = Slices::new();
        let body = mark.offset.saturating_add(u64::from(DELTA_HEADER_LEN));
        self.slices(body, mark.end(), &mut slices);
        let chunk = self.chunk_size.bytes() as usize;
        let parts = slices.into_iter();
        parts.scan(0, |at, part| Some((step(at, part.len()), part))).flat_map(move |(at, part)| {
            payload_ranges(at, part.len(), chunk).filter_map(move |range| part.get(range))
        })
    }

    /// Sees to it that the last two blocks have room for a message; true when one was added.
    fn make_room(&mut self, len: usize) -> bool {
        let room = self.blocks.back().map_or(0, Block::room);
        if room >= len {
            return false;
        }
        let rest = len.saturating_sub(room);
        let part = usize::try_from(self.len()).unwrap_or(usize::MAX).checked_div(BLOCK_PART);
        let units = part.unwrap_or(0).min(BLOCK_LEN_MAX).checked_div(BLOCK_LEN_MIN).unwrap_or(0);
        let block = units.saturating_mul(BLOCK_LEN_MIN).max(rest.next_multiple_of(BLOCK_LEN_MIN));
        // What is long is full, and so shared, at once.
        let block = if rest > BLOCK_LEN_MAX { rest } else { block };
        let start = self.end.saturating_add(room as u64);
        let bytes = BlockBytes::Growing(Vec::with_capacity(block));
        self.blocks.push_back(Block { start, bytes });
        true
    }

    /// Appends a part of a message; what does not fit the block before the last goes to the last.
    fn append(&mut self, bytes: &[u8]) {
        let before = self.blocks.len().checked_sub(2);
        let mut rest = bytes;
        if let Some(block) = before.and_then(|index| self.blocks.get_mut(index)) {
            rest = block.fill(rest);
            block.seal();
        }
        if let Some(block) = self.blocks.back_mut() {
            block.fill(rest);
            block.seal();
        }
    }

    fn index(&self, offset: u64) -> usize {
        self.marks.partition_point(|mark| mark.offset < offset)
    }
}

/// The header of type 3 that a message on `csid` goes on with.
fn continuation(csid: ChunkStreamId) -> u8 {
    0xC0 | u8::try_from(csid.number()).unwrap_or(3)
}

/// Adds `len` to `at`; gives what it was.
const fn step(at: &mut usize, len: usize) -> usize {
    let before = *at;
    *at = before.saturating_add(len);
    before
}

/// Where the payload is in `len` bytes of a message that are `at` bytes behind its first header.
fn payload_ranges(at: usize, len: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    let mut left = chunk.saturating_sub(at.checked_rem(chunk.saturating_add(1)).unwrap_or(0));
    let mut from = 0_usize;
    core::iter::from_fn(move || {
        if left == 0 {
            // Here is a header of one byte.
            from = from.saturating_add(1);
            left = chunk;
        }
        let to = from.saturating_add(left).min(len);
        let range = from..to;
        left = left.saturating_sub(range.len());
        from = to;
        (!range.is_empty()).then_some(range)
    })
}

#[cfg(test)]
mod tests;
