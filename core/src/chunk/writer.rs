//! Messages to chunks.

#[cfg(test)]
mod tests;

use super::{ChunkSize, ChunkStreamId, EXTENDED, MessageHeader};
use crate::id::MessageStreamId;
use crate::time::Timestamp;
use bytes::{BufMut, BytesMut};

/// Appends the header of a first chunk of type 0 (absolute time); returns the extended timestamp
/// when there is one: it has to be repeated on each continuation chunk.
pub fn write_header_absolute(
    header: MessageHeader,
    len: u32,
    out: &mut impl BufMut,
) -> Option<u32> {
    let time = header.timestamp.0;
    write_basic(0, header.csid, out);
    put_u24(time.min(EXTENDED), out);
    put_len(len, out);
    out.put_u8(header.type_id);
    out.put_u32_le(header.stream_id.0);
    let extended = (time >= EXTENDED).then_some(time);
    if let Some(time) = extended {
        out.put_u32(time);
    }
    extended
}

/// Appends the header of a first chunk of type 1 (time as `delta` to the message before it on
/// `csid`, below 0xFFFFFF; the message stream stays).
pub fn write_header_delta(
    csid: ChunkStreamId,
    delta: u32,
    len: u32,
    type_id: u8,
    out: &mut impl BufMut,
) {
    debug_assert!(delta < EXTENDED, "a longer delta needs an extended timestamp");
    write_basic(1, csid, out);
    put_u24(delta, out);
    put_len(len, out);
    out.put_u8(type_id);
}

/// Appends `payload`, cut by headers of type 3 (with `extended` repeated on each, if it is given).
///
/// Repeated as section 5.3.1.3 says, and as Adobe's programs and all that follow them expect.
pub fn write_body(
    csid: ChunkStreamId,
    payload: &[u8],
    size: ChunkSize,
    extended: Option<u32>,
    out: &mut impl BufMut,
) {
    let mut parts = payload.chunks(size.bytes() as usize);
    out.put_slice(parts.next().unwrap_or_default());
    for part in parts {
        write_basic(3, csid, out);
        if let Some(time) = extended {
            out.put_u32(time);
        }
        out.put_slice(part);
    }
}

/// Appends a whole message with a header of type 0.
pub fn write_message(
    header: MessageHeader,
    payload: &[u8],
    size: ChunkSize,
    out: &mut impl BufMut,
) {
    let extended = write_header_absolute(header, payload.len() as u32, out);
    write_body(header.csid, payload, size, extended, out);
}

/// Writes messages with the shortest header that says all (types 0 to 2; type 3 only continues).
///
/// A time that goes back, or that is too far for a delta of 24 bits, is written with type 0: so no
/// delta is ever extended, which peers read in different ways. The chunk streams used last are
/// remembered; one that was forgotten begins with type 0 again.
#[derive(Debug)]
pub struct ChunkWriter {
    /// The last header of each chunk stream; the one used last stands last.
    last: heapless::Vec<LastHeader, CHUNK_STREAMS_MAX, u8>,
    size: ChunkSize,
}

impl ChunkWriter {
    /// A writer at the default chunk size of 128.
    #[must_use]
    pub fn new() -> Self {
        Self { last: heapless::Vec::new(), size: ChunkSize::DEFAULT }
    }

    /// The chunk size in force.
    #[must_use]
    pub fn chunk_size(&self) -> ChunkSize {
        self.size
    }

    /// Holds from the next message on; announcing it is the caller's.
    pub fn set_chunk_size(&mut self, size: ChunkSize) {
        self.size = size;
    }

    /// Appends one message.
    pub fn write(&mut self, header: MessageHeader, payload: &[u8], out: &mut BytesMut) {
        let len = payload.len() as u32;
        let continuations = payload.len().checked_div(self.size.bytes() as usize);
        let overhead =
            continuations.unwrap_or(0).saturating_add(1).saturating_mul(HEADER_LEN_TYPICAL);
        out.reserve(payload.len().saturating_add(overhead));
        let last = self.take_last(header.csid);
        let delta = last.and_then(|last| last.delta_to(header));
        let extended = match (last, delta) {
            (Some(last), Some(delta)) if last.len == len && last.type_id == header.type_id => {
                write_basic(2, header.csid, out);
                put_u24(delta, out);
                None
            }
            (_, Some(delta)) => {
                write_header_delta(header.csid, delta, len, header.type_id, out);
                None
            }
            (_, None) => write_header_absolute(header, len, out),
        };
        write_body(header.csid, payload, self.size, extended, out);
        self.remember(LastHeader {
            csid: header.csid,
            timestamp: header.timestamp,
            stream_id: header.stream_id,
            len,
            type_id: header.type_id,
        });
    }

    /// Forgets the header before on `csid`, so that the next one there is of type 0.
    pub fn forget(&mut self, csid: ChunkStreamId) {
        self.take_last(csid);
    }

    fn take_last(&mut self, csid: ChunkStreamId) -> Option<LastHeader> {
        let index = self.last.iter().position(|last| last.csid == csid)?;
        Some(self.last.remove(index))
    }

    fn remember(&mut self, header: LastHeader) {
        if self.last.is_full() {
            self.last.remove(0);
        }
        // Room was made: this cannot fail.
        let _ = self.last.push(header);
    }
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Chunk streams that a writer remembers.
const CHUNK_STREAMS_MAX: usize = 8;

/// A header of type 0 with one byte of basic header; continuations have less.
const HEADER_LEN_TYPICAL: usize = 12;

/// What a later header on the same chunk stream may leave out.
#[derive(Clone, Copy, Debug)]
struct LastHeader {
    csid: ChunkStreamId,
    timestamp: Timestamp,
    stream_id: MessageStreamId,
    len: u32,
    type_id: u8,
}

impl LastHeader {
    /// The delta that leads to `header`, if it may be written as one.
    fn delta_to(self, header: MessageHeader) -> Option<u32> {
        let delta = header.timestamp.0.wrapping_sub(self.timestamp.0);
        (delta < EXTENDED && self.stream_id == header.stream_id).then_some(delta)
    }
}

/// Appends a basic header in the shortest of its three forms (section 5.3.1.1).
fn write_basic(kind: u8, csid: ChunkStreamId, out: &mut impl BufMut) {
    let kind = kind << 6;
    let id = csid.number();
    let above = id.saturating_sub(64);
    if id < 64 {
        out.put_u8(kind | id as u8);
    } else if above < 256 {
        out.put_slice(&[kind, above as u8]);
    } else {
        out.put_u8(kind | 1);
        out.put_u16_le(above as u16);
    }
}

fn put_len(len: u32, out: &mut impl BufMut) {
    debug_assert!(len <= 0xFF_FFFF, "no message is longer");
    put_u24(len, out);
}

fn put_u24(value: u32, out: &mut impl BufMut) {
    let [_, high, middle, low] = value.to_be_bytes();
    out.put_slice(&[high, middle, low]);
}
