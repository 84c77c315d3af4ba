//! Protocol control messages (sections 5.4 and 6.2) and user control events (section 7.1.7).

use super::MessageType;
use crate::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use crate::id::MessageStreamId;
use crate::time::Timestamp;
use bytes::BufMut;

/// Bytes of a protocol control message or user control event that are accepted.
pub const CONTROL_LEN_MAX: usize = 64;

/// The encoded payload of a protocol control message or user control event.
pub type ControlPayload = heapless::Vec<u8, 10, u8>;

/// A protocol control message: on chunk stream 2 and message stream 0, effective at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlMessage {
    /// The sender's chunks are of this size from now on.
    SetChunkSize(ChunkSize),
    /// The rest of the message in progress on this chunk stream will not come.
    Abort(ChunkStreamId),
    /// Bytes received so far, modulo 2^32.
    Acknowledgement(u32),
    /// The sender wants an acknowledgement each time that it has sent this many bytes.
    WindowAcknowledgementSize(u32),
    /// The sender wants the peer to leave no more than `size` bytes unacknowledged.
    SetPeerBandwidth {
        /// In bytes.
        size: u32,
        /// How the peer is to take it.
        limit_type: LimitType,
    },
}

/// How a peer is to take a bandwidth that was set for it (section 5.4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitType {
    /// As it is.
    Hard,
    /// If it is the smaller one.
    Soft,
    /// As `Hard` if the one before was hard, else not at all. So are unknown types taken.
    Dynamic,
}

/// Why a control message was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ControlError {
    /// A chunk size of 0, or with its top bit set.
    ChunkSize,
    /// A chunk stream id below 2 or above 65,599.
    ChunkStreamId,
    /// More than [`CONTROL_LEN_MAX`] bytes.
    TooLong,
    /// Fewer bytes than the value takes.
    TooShort,
    /// Not the type of a protocol control message.
    Type,
}

impl ControlMessage {
    /// Reads the payload of a message of type 1, 2, 3, 5 or 6. Bytes after the value are ignored;
    /// a peer bandwidth without limit type is dynamic.
    ///
    /// # Errors
    /// The type, the length or the value is none of a protocol control message.
    pub fn parse(type_id: u8, payload: &[u8]) -> Result<Self, ControlError> {
        let value = || {
            if payload.len() > CONTROL_LEN_MAX {
                return Err(ControlError::TooLong);
            }
            let (bytes, rest) = payload.split_first_chunk().ok_or(ControlError::TooShort)?;
            Ok((u32::from_be_bytes(*bytes), rest))
        };
        match type_id {
            1 => ChunkSize::new(value()?.0).map(Self::SetChunkSize).ok_or(ControlError::ChunkSize),
            2 => ChunkStreamId::new(value()?.0).map(Self::Abort).ok_or(ControlError::ChunkStreamId),
            3 => Ok(Self::Acknowledgement(value()?.0)),
            5 => Ok(Self::WindowAcknowledgementSize(value()?.0)),
            6 => {
                let (size, rest) = value()?;
                let limit_type = match rest.first() {
                    Some(0) => LimitType::Hard,
                    Some(1) => LimitType::Soft,
                    Some(_) | None => LimitType::Dynamic,
                };
                Ok(Self::SetPeerBandwidth { size, limit_type })
            }
            _ => Err(ControlError::Type),
        }
    }

    /// The type of this message.
    #[must_use]
    pub const fn message_type(self) -> MessageType {
        match self {
            Self::SetChunkSize(_) => MessageType::SetChunkSize,
            Self::Abort(_) => MessageType::Abort,
            Self::Acknowledgement(_) => MessageType::Acknowledgement,
            Self::WindowAcknowledgementSize(_) => MessageType::WindowAcknowledgementSize,
            Self::SetPeerBandwidth { .. } => MessageType::SetPeerBandwidth,
        }
    }

    /// The payload, 4 or 5 bytes.
    #[must_use]
    pub fn encode(self) -> ControlPayload {
        match self {
            Self::SetChunkSize(size) => collect([&size.bytes().to_be_bytes()]),
            Self::Abort(csid) => collect([&csid.number().to_be_bytes()]),
            Self::Acknowledgement(bytes) | Self::WindowAcknowledgementSize(bytes) => {
                collect([&bytes.to_be_bytes()])
            }
            Self::SetPeerBandwidth { size, limit_type } => {
                collect([&size.to_be_bytes(), &[limit_type as u8] as &[u8]])
            }
        }
    }

    /// Appends the whole message, cut in chunks of `size` (the size before, when it announces one).
    pub fn write(self, size: ChunkSize, out: &mut impl BufMut) {
        write_control(self.message_type(), &self.encode(), size, out);
    }
}

/// A user control event: the payload of a message of type 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserControl {
    /// The stream can be used.
    StreamBegin(MessageStreamId),
    /// The stream that was played has ended.
    StreamEof(MessageStreamId),
    /// The stream has no data for a while.
    StreamDry(MessageStreamId),
    /// The player buffers this much of the stream.
    SetBufferLength {
        /// The stream that is played.
        stream: MessageStreamId,
        /// In milliseconds.
        length_ms: u32,
    },
    /// The stream is recorded, not live.
    StreamIsRecorded(MessageStreamId),
    /// To be answered by `PingResponse` with the same value.
    PingRequest(u32),
    /// The answer to a `PingRequest`.
    PingResponse(u32),
}

impl UserControl {
    /// Reads an event; `Ok(None)` for one that is unknown or cut short, which have no effect: peers
    /// send private events of any length. Bytes after the event are ignored.
    ///
    /// # Errors
    /// `TooLong`, and no other.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, ControlError> {
        if payload.len() > CONTROL_LEN_MAX {
            return Err(ControlError::TooLong);
        }
        Ok(Self::parse_event(payload))
    }

    /// The payload, 6 or 10 bytes.
    #[must_use]
    pub fn encode(self) -> ControlPayload {
        let (event, value) = match self {
            Self::StreamBegin(stream) => (0, stream.0),
            Self::StreamEof(stream) => (1, stream.0),
            Self::StreamDry(stream) => (2, stream.0),
            Self::SetBufferLength { stream, length_ms } => {
                let (stream, length_ms) = (stream.0.to_be_bytes(), length_ms.to_be_bytes());
                return collect([&[0, 3], &stream, &length_ms as &[u8]]);
            }
            Self::StreamIsRecorded(stream) => (4, stream.0),
            Self::PingRequest(time) => (6, time),
            Self::PingResponse(time) => (7, time),
        };
        collect([&[0, event], &value.to_be_bytes() as &[u8]])
    }

    /// Appends the whole message, cut in chunks of `size`.
    pub fn write(self, size: ChunkSize, out: &mut impl BufMut) {
        write_control(MessageType::UserControl, &self.encode(), size, out);
    }

    fn parse_event(payload: &[u8]) -> Option<Self> {
        let (event, rest) = payload.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let value = u32::from_be_bytes(*value);
        Some(match u16::from_be_bytes(*event) {
            0 => Self::StreamBegin(MessageStreamId(value)),
            1 => Self::StreamEof(MessageStreamId(value)),
            2 => Self::StreamDry(MessageStreamId(value)),
            3 => {
                let length_ms = u32::from_be_bytes(*rest.first_chunk()?);
                Self::SetBufferLength { stream: MessageStreamId(value), length_ms }
            }
            4 => Self::StreamIsRecorded(MessageStreamId(value)),
            6 => Self::PingRequest(value),
            7 => Self::PingResponse(value),
            _ => return None,
        })
    }
}

fn write_control(kind: MessageType, payload: &[u8], size: ChunkSize, out: &mut impl BufMut) {
    let header = MessageHeader {
        csid: ChunkStreamId::CONTROL,
        type_id: kind.id(),
        stream_id: MessageStreamId(0),
        timestamp: Timestamp(0),
    };
    write_message(header, payload, size, out);
}

/// Joins the parts of a payload, 10 bytes at most.
fn collect<const N: usize>(parts: [&[u8]; N]) -> ControlPayload {
    parts.into_iter().flatten().copied().collect()
}
