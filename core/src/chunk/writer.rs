//! Messages to chunks.

use super::{ChunkSize, ChunkStreamId, MessageHeader};
use bytes::{BufMut, BytesMut};

/// Appends the header of a first chunk of type 0 (absolute time); returns the extended timestamp
/// when there is one: it has to be repeated on each continuation chunk.
pub fn write_header_absolute(header: MessageHeader, len: u32, out: &mut impl BufMut) -> Option<u32> {
    todo!()
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
    todo!()
}

/// Appends `payload`, cut by headers of type 3 (with `extended` repeated on each, if it is given).
pub fn write_body(
    csid: ChunkStreamId,
    payload: &[u8],
    size: ChunkSize,
    extended: Option<u32>,
    out: &mut impl BufMut,
) {
    todo!()
}

/// Appends a whole message with a header of type 0.
pub fn write_message(
    header: MessageHeader,
    payload: &[u8],
    size: ChunkSize,
    out: &mut impl BufMut,
) {
    todo!()
}

/// Writes messages with the shortest header that says all (types 0 to 2; type 3 only continues).
#[derive(Debug)]
pub struct ChunkWriter {}

impl ChunkWriter {
    /// A writer at the default chunk size of 128.
    #[must_use]
    pub fn new() -> Self {
        todo!()
    }

    /// The chunk size in force.
    #[must_use]
    pub fn chunk_size(&self) -> ChunkSize {
        todo!()
    }

    /// Holds from the next message on; announcing it is the caller's.
    pub fn set_chunk_size(&mut self, size: ChunkSize) {
        todo!()
    }

    /// Appends one message.
    pub fn write(&mut self, header: MessageHeader, payload: &[u8], out: &mut BytesMut) {
        todo!()
    }

    /// Forgets the header before on `csid`, so that the next one there is of type 0.
    pub fn forget(&mut self, csid: ChunkStreamId) {
        todo!()
    }
}
