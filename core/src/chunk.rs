//! The RTMP chunk stream: messages to chunks and back (Adobe RTMP 1.0, section 5).

#[doc(hidden)]
pub mod fuzz;
mod reader;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use reader::{ChunkLimits, ChunkReader};
pub use writer::{
    ChunkWriter, write_body, write_header_absolute, write_header_delta, write_message,
};

use crate::id::MessageStreamId;
use crate::time::Timestamp;
use bytes::Bytes;

/// The timestamp field that says that 4 bytes of extended timestamp follow (section 5.3.1.3).
const EXTENDED: u32 = 0xFF_FFFF;

/// A chunk stream id, 2 to 65,599 (section 5.3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ChunkStreamId(u32);

impl ChunkStreamId {
    /// Protocol control messages.
    pub const CONTROL: Self = Self(2);
    /// Commands of the connection.
    pub const COMMAND: Self = Self(3);
    /// Audio of a player or publisher.
    pub const AUDIO: Self = Self(4);
    /// Commands and data of a message stream.
    pub const STREAM: Self = Self(5);
    /// Timed data of a player.
    pub const DATA: Self = Self(7);
    /// `onMetaData` of a player.
    pub const METADATA: Self = Self(8);
    /// Video of a player or publisher.
    pub const VIDEO: Self = Self(6);

    /// The id, if it is one.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        if id >= 2 && id <= 65_599 { Some(Self(id)) } else { None }
    }

    /// The id as a number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A chunk size that may be announced, 1 to 0xFFFFFF: no message is longer (section 5.4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ChunkSize(u32);

impl ChunkSize {
    /// The size that holds until another one is announced.
    pub const DEFAULT: Self = Self(128);

    /// The size, if its top bit is 0 and it is at least 1; clamped to 0xFFFFFF.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes == 0 || bytes > 0x7FFF_FFFF {
            None
        } else if bytes > 0xFF_FFFF {
            Some(Self(0xFF_FFFF))
        } else {
            Some(Self(bytes))
        }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// What precedes the payload of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageHeader {
    /// The chunk stream that carries it.
    pub csid: ChunkStreamId,
    /// The message type id (see [`crate::message::MessageType`]).
    pub type_id: u8,
    /// The message stream that it belongs to.
    pub stream_id: MessageStreamId,
    /// Absolute time in milliseconds.
    pub timestamp: Timestamp,
}

/// A whole message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Chunk stream, type, message stream and time.
    pub header: MessageHeader,
    /// The payload, of the announced length.
    pub payload: Bytes,
}

/// Why a chunk stream was refused; the connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChunkError {
    /// A message header that contradicts the message in progress on its chunk stream.
    HeaderInsideMessage,
    /// More incomplete bytes than the budget.
    IncompleteBytes,
    /// A message longer than the limit of the role.
    MessageTooLong {
        /// The announced length.
        len: u32,
        /// The limit.
        limit: u32,
    },
    /// A chunk of type 2 or 3 on a chunk stream that never had a header.
    NoPrecedingHeader,
    /// More chunk streams than the limit.
    TooManyChunkStreams,
}
