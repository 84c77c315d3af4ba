//! Chunks to messages.

mod header;
#[cfg(test)]
mod tests;

use super::{ChunkError, ChunkSize, ChunkStreamId, Message, MessageHeader};
use crate::id::MessageStreamId;
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use header::{ChunkHeader, ExtendedField, HEADER_LEN_MAX, HeaderForm, TimeField};

/// Budgets of one reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkLimits {
    /// Chunk streams with state.
    pub chunk_streams_max: u16,
    /// Incomplete bytes in all, above `message_len_max`. Those of a chunk count from its header on,
    /// so that it does not matter how it is cut.
    pub incomplete_bytes_max: u32,
    /// The longest message.
    pub message_len_max: u32,
}

/// Takes the bytes of one direction of a connection and gives whole messages.
///
/// Memory grows with the bytes that arrived, never with a length that was announced. Between
/// messages the reader holds the last header of each chunk stream and no payload.
///
/// What it tolerates, and why:
///
/// - A chunk stream that begins with type 1 has message stream 0: librtmp begins its pings so.
/// - Type 3 as the first chunk of a message repeats the message header, and the time moves by the
///   last timestamp field, also when that field was the absolute time of a type 0 (section
///   5.3.1.2.4): FMLE and ffmpeg send audio so.
/// - Types 1 and 2 inside an unfinished message continue it if they repeat its length and type.
///   Any other header there is an error.
/// - The extended timestamp of types 1 and 2 is a delta, as specified. ffmpeg and librtmp send
///   deltas; a time that goes back is a delta modulo 2^32 (librtmp).
/// - The extended timestamp of a type 3 that begins a message means what it meant in the last
///   header of type 0, 1 or 2: the absolute time or a delta.
/// - On type 3 inside a message Adobe's programs, ffmpeg, librtmp, GStreamer and SRS repeat the
///   extended timestamp; older peers leave it out. The bytes decide: they are a repetition if they
///   equal the value of the header or the time of the message, and the first byte that differs
///   shows that they are payload. Where the message has less than 4 bytes to come, a peer that
///   has left it out before is taken to do so again, so that nothing waits for bytes that do not
///   come. Only with a peer that has shown neither, and if all of those last bytes look like the
///   time, does a message wait for the byte after its end.
#[derive(Debug)]
pub struct ChunkReader {
    /// The front of the input that was not enough to decide on, while it is short of that.
    held: HeldBytes,
    /// Ordered by chunk stream id.
    streams: Vec<ChunkStream>,
    /// The stream of the chunk before or of the chunk in progress, an index into `streams`.
    current: usize,
    position: Position,
    buffered: usize,
    chunk_size: ChunkSize,
    limits: ChunkLimits,
    /// The peer did not repeat an extended timestamp the last time that it could have.
    extended_omitted: bool,
    error: Option<ChunkError>,
}

impl ChunkReader {
    /// A reader at the default chunk size of 128.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        Self {
            held: heapless::Vec::new(),
            streams: Vec::new(),
            current: 0,
            position: Position::Header,
            buffered: 0,
            chunk_size: ChunkSize::DEFAULT,
            limits,
            extended_omitted: false,
            error: None,
        }
    }

    /// Consumes from the front of `input` until a message is whole; `Ok(None)` means that all of
    /// `input` was consumed. To be called until then: an empty `input` does not mean that nothing
    /// is left to give.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit; the reader stays in error.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.advance(input).inspect_err(|&error| {
            self.error = Some(error);
            self.streams = Vec::new();
            self.buffered = 0;
        })
    }

    /// Holds from the next chunk on.
    pub fn set_chunk_size(&mut self, size: ChunkSize) {
        self.chunk_size = size;
    }

    /// Raises or lowers the budgets, as the role of the peer changes.
    pub fn set_limits(&mut self, limits: ChunkLimits) {
        self.limits = limits;
    }

    /// Discards the incomplete message of `csid`, if there is one (section 5.4.2).
    pub fn abort(&mut self, csid: ChunkStreamId) {
        let Ok(index) = self.find(csid) else { return };
        let Some(stream) = self.streams.get_mut(index) else { return };
        let payload = mem::take(&mut stream.payload);
        stream.open = false;
        self.buffered = self.buffered.saturating_sub(payload.len());
        if let Position::Payload { left } = self.position
            && index == self.current
        {
            self.position = Position::Discard { left };
        }
    }

    /// Bytes of incomplete messages held now.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Asserts what holds between the parts of a reader.
    ///
    /// # Panics
    /// It does not hold.
    pub(super) fn check(&self) {
        let held = self.streams.iter().map(|stream| stream.payload.len()).sum::<usize>();
        assert_eq!(self.buffered, held, "what is counted is what is held");
        assert!(self.streams.is_sorted_by(|before, after| before.csid < after.csid));
        assert!(self.streams.len() <= usize::from(self.limits.chunk_streams_max));
        assert!(self.streams.iter().all(|stream| stream.open || stream.payload.is_empty()));
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        while !(self.held.is_empty() && input.is_empty()) {
            match self.position {
                Position::Header => {
                    let Some(header) = self.take_header(input)? else { break };
                    if let Some(message) = self.begin_chunk(header)? {
                        return Ok(Some(message));
                    }
                }
                Position::Payload { left } => {
                    let message = if self.held.is_empty() {
                        let part = front(input, left as usize);
                        let ahead = input.len();
                        self.consume(part.len(), input);
                        self.take_payload(left, part, ahead)
                    } else {
                        let held = self.held.clone();
                        let part = front(&held, left as usize);
                        self.consume(part.len(), input);
                        self.take_payload(left, part, 0)
                    };
                    if message.is_some() {
                        return Ok(message);
                    }
                }
                Position::Discard { left } => {
                    let next = if self.held.is_empty() { *input } else { &self.held };
                    let taken = front(next, left as usize).len();
                    self.consume(taken, input);
                    self.position = match left.saturating_sub(taken as u32) {
                        0 => Position::Header,
                        left => Position::Discard { left },
                    };
                }
            }
        }
        Ok(None)
    }

    /// Drops `len` bytes from the front of what was held back, and then of `input`.
    fn consume(&mut self, len: usize, input: &mut &[u8]) {
        let after = len.saturating_sub(self.held.len());
        if !self.held.is_empty() {
            let kept = self.held.get(len..).unwrap_or_default();
            self.held = heapless::Vec::from_slice(kept).unwrap_or_default();
        }
        *input = input.get(after..).unwrap_or_default();
    }

    /// Reads a chunk header; without one all of `input` was held back.
    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<ChunkHeader>, ChunkError> {
        let mut joined = HeldBytes::new();
        let window = if self.held.is_empty() {
            *input
        } else {
            joined.extend(self.held.iter().chain(*input).copied().take(HEADER_LEN_MAX));
            &joined
        };
        let Some((header, len)) = header::parse(window, |csid| self.bare_header(csid))? else {
            debug_assert!(window.len() < HEADER_LEN_MAX, "no header is longer");
            self.held = heapless::Vec::from_slice(window).unwrap_or_default();
            *input = &[];
            return Ok(None);
        };
        self.consume(len, input);
        Ok(Some(header))
    }

    /// What follows a header of type 3 on `csid`.
    fn bare_header(&self, csid: ChunkStreamId) -> Result<ExtendedField, ChunkError> {
        let stream = self.find(csid).ok().and_then(|index| self.streams.get(index));
        let stream = stream.ok_or(ChunkError::NoPrecedingHeader)?;
        if !stream.extended {
            return Ok(ExtendedField::Absent);
        }
        // Whoever waits for 4 bytes where fewer are left could wait for ever.
        let may_wait = !self.extended_omitted || (stream.open && stream.remaining() >= 4);
        Ok(match (may_wait, stream.open) {
            (false, _) => ExtendedField::Absent,
            (true, false) => ExtendedField::Present,
            (true, true) => ExtendedField::IfEqual([stream.time, stream.timestamp]),
        })
    }

    /// Applies a header; gives the message if it is an empty one.
    fn begin_chunk(&mut self, header: ChunkHeader) -> Result<Option<Message>, ChunkError> {
        self.current = match self.find(header.csid) {
            Ok(index) => index,
            Err(index) => self.open_stream(header, index)?,
        };
        let Some(stream) = self.streams.get_mut(self.current) else { return Ok(None) };
        if stream.open {
            if stream.extended
                && let HeaderForm::Bare { extended } = header.form
            {
                self.extended_omitted = extended.is_none();
            }
            stream.continue_message(header.form)?;
        } else {
            stream.begin_message(header.form);
            if stream.len > self.limits.message_len_max {
                let limit = self.limits.message_len_max;
                return Err(ChunkError::MessageTooLong { len: stream.len, limit });
            }
            if stream.len == 0 {
                return Ok(Some(stream.finish(Bytes::new())));
            }
        }
        let left = stream.remaining().min(self.chunk_size.bytes());
        let max = self.limits.message_len_max.saturating_add(self.limits.incomplete_bytes_max);
        if self.buffered.saturating_add(left as usize) > max as usize {
            return Err(ChunkError::IncompleteBytes);
        }
        self.position = Position::Payload { left };
        Ok(None)
    }

    /// Adds the record of a chunk stream that has none.
    fn open_stream(&mut self, header: ChunkHeader, index: usize) -> Result<usize, ChunkError> {
        match header.form {
            HeaderForm::Full { .. } | HeaderForm::SameStream { .. } => {}
            HeaderForm::TimeOnly { .. } | HeaderForm::Bare { .. } => {
                return Err(ChunkError::NoPrecedingHeader);
            }
        }
        if self.streams.len() >= usize::from(self.limits.chunk_streams_max) {
            return Err(ChunkError::TooManyChunkStreams);
        }
        self.streams.insert(index, ChunkStream::new(header.csid));
        Ok(index)
    }

    /// Takes `part` of the payload of the chunk, of which `left` bytes are due; `ahead` bytes of
    /// input have arrived, `part` among them.
    fn take_payload(&mut self, left: u32, part: &[u8], ahead: usize) -> Option<Message> {
        let stream = self.streams.get_mut(self.current)?;
        self.position = match left.saturating_sub(part.len() as u32) {
            0 => Position::Header,
            left => Position::Payload { left },
        };
        let missing = (stream.remaining() as usize).saturating_sub(part.len());
        if missing == 0 && stream.payload.is_empty() {
            return Some(stream.finish(Bytes::copy_from_slice(part)));
        }
        let buffered = self.buffered.saturating_add(part.len());
        // Room for bytes that have arrived but may belong to others is made for one message only:
        // else many messages that have just begun would each make room for the same bytes.
        let ahead = if self.buffered == 0 { ahead } else { 0 };
        stream.reserve(part.len(), ahead);
        stream.payload.extend_from_slice(part);
        if missing > 0 {
            self.buffered = buffered;
            return None;
        }
        self.buffered = buffered.saturating_sub(stream.payload.len());
        let payload = mem::take(&mut stream.payload);
        Some(stream.finish(Bytes::from(payload)))
    }

    /// The index of the record of `csid`, or where it would stand.
    fn find(&self, csid: ChunkStreamId) -> Result<usize, usize> {
        match self.streams.get(self.current) {
            Some(stream) if stream.csid == csid => Ok(self.current),
            _ => self.streams.binary_search_by_key(&csid, |stream| stream.csid),
        }
    }
}

type HeldBytes = heapless::Vec<u8, HEADER_LEN_MAX, u8>;

/// The first `len` bytes, or all if there are fewer.
fn front(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

/// Where in the chunk stream the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Position {
    /// In the payload of a chunk whose message was aborted; `left` bytes of it are due.
    Discard { left: u32 },
    /// In the header of a chunk.
    Header,
    /// In the payload of a chunk of the current stream; `left` bytes of it are due.
    Payload { left: u32 },
}

/// The last header of a chunk stream, and the message in progress.
#[derive(Debug)]
struct ChunkStream {
    csid: ChunkStreamId,
    /// Time of the last message that began.
    timestamp: u32,
    /// The last timestamp field or extended timestamp.
    time: u32,
    len: u32,
    stream_id: u32,
    type_id: u8,
    /// The last header of type 0 to 2 had an extended timestamp.
    extended: bool,
    /// The last header of type 0 to 2 was of type 0.
    absolute: bool,
    /// A message has begun and is not whole.
    open: bool,
    payload: Vec<u8>,
}

impl ChunkStream {
    fn new(csid: ChunkStreamId) -> Self {
        Self {
            csid,
            timestamp: 0,
            time: 0,
            len: 0,
            stream_id: 0,
            type_id: 0,
            extended: false,
            absolute: false,
            open: false,
            payload: Vec::new(),
        }
    }

    /// Bytes of the message that have not arrived.
    fn remaining(&self) -> u32 {
        self.len.saturating_sub(self.payload.len() as u32)
    }

    fn begin_message(&mut self, form: HeaderForm) {
        self.open = true;
        match form {
            HeaderForm::Full { time, len, type_id, stream_id } => {
                self.timestamp = time.value;
                self.set_time(time, true);
                (self.len, self.type_id, self.stream_id) = (len, type_id, stream_id);
            }
            HeaderForm::SameStream { time, len, type_id } => {
                self.timestamp = self.timestamp.wrapping_add(time.value);
                self.set_time(time, false);
                (self.len, self.type_id) = (len, type_id);
            }
            HeaderForm::TimeOnly { time } => {
                self.timestamp = self.timestamp.wrapping_add(time.value);
                self.set_time(time, false);
            }
            HeaderForm::Bare { extended: Some(time) } => {
                let base = if self.absolute { 0 } else { self.timestamp };
                self.timestamp = base.wrapping_add(time);
                self.time = time;
            }
            // An absolute time of more than 4 hours is no delta. Where it is not said again, no
            // time has passed: so librtmp means it.
            HeaderForm::Bare { extended: None } if self.extended && self.absolute => {}
            HeaderForm::Bare { extended: None } => {
                self.timestamp = self.timestamp.wrapping_add(self.time);
            }
        }
    }

    /// The time of a message is that of its first chunk: a header inside it only says how later
    /// headers are to be read.
    fn continue_message(&mut self, form: HeaderForm) -> Result<(), ChunkError> {
        match form {
            HeaderForm::SameStream { time, len, type_id }
                if (len, type_id) == (self.len, self.type_id) =>
            {
                self.set_time(time, false);
                Ok(())
            }
            HeaderForm::TimeOnly { time } => {
                self.set_time(time, false);
                Ok(())
            }
            HeaderForm::Bare { .. } => Ok(()),
            HeaderForm::Full { .. } | HeaderForm::SameStream { .. } => {
                Err(ChunkError::HeaderInsideMessage)
            }
        }
    }

    fn set_time(&mut self, time: TimeField, absolute: bool) {
        self.time = time.value;
        self.extended = time.extended;
        self.absolute = absolute;
    }

    /// Makes room for `part` bytes, and for `ahead` bytes or as many as there are if the message
    /// is that long. Never more than the message needs, so that a whole one wastes nothing.
    fn reserve(&mut self, part: usize, ahead: usize) {
        let free = self.payload.capacity().saturating_sub(self.payload.len());
        if free < part {
            let more = part.max(ahead).max(self.payload.len());
            self.payload.reserve_exact(more.min(self.remaining() as usize));
        }
    }

    fn finish(&mut self, payload: Bytes) -> Message {
        self.open = false;
        let header = MessageHeader {
            csid: self.csid,
            type_id: self.type_id,
            stream_id: MessageStreamId(self.stream_id),
            timestamp: Timestamp(self.timestamp),
        };
        Message { header, payload }
    }
}
