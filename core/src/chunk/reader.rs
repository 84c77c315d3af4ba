//! Chunks to messages.

use super::{ChunkError, ChunkSize, ChunkStreamId, Message};

/// Budgets of one reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkLimits {
    /// Chunk streams with state.
    pub chunk_streams_max: u16,
    /// Incomplete bytes in all, above `message_len_max`.
    pub incomplete_bytes_max: u32,
    /// The longest message.
    pub message_len_max: u32,
}

/// Takes the bytes of one direction of a connection and gives whole messages.
#[derive(Debug)]
pub struct ChunkReader {}

impl ChunkReader {
    /// A reader at the default chunk size of 128.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        todo!()
    }

    /// Consumes from the front of `input` until a message is whole; `Ok(None)` means that all of
    /// `input` was consumed.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit; the reader stays in error.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        todo!()
    }

    /// Holds from the next chunk on.
    pub fn set_chunk_size(&mut self, size: ChunkSize) {
        todo!()
    }

    /// Raises or lowers the budgets, as the role of the peer changes.
    pub fn set_limits(&mut self, limits: ChunkLimits) {
        todo!()
    }

    /// Discards the incomplete message of `csid`, if there is one (section 5.4.2).
    pub fn abort(&mut self, csid: ChunkStreamId) {
        todo!()
    }

    /// Bytes of incomplete messages held now.
    #[must_use]
    pub fn buffered(&self) -> usize {
        todo!()
    }
}
