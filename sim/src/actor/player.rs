//! What a player does besides reading: it pauses.

use bytes::BytesMut;
use millstream_core::amf::amf0;
use millstream_core::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use millstream_core::id::MessageStreamId;
use millstream_core::message::MessageType;
use millstream_core::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Player {
    pub(super) is_paused: bool,
    /// Pauses that are answered by a StreamEOF, which is no end.
    pub(super) pauses: u32,
}

/// Appends a `pause` command.
pub(super) fn write_pause(stream: MessageStreamId, paused: bool, out: &mut BytesMut) {
    let mut payload = BytesMut::new();
    amf0::write_string(b"pause", &mut payload);
    amf0::write_number(0.0, &mut payload);
    amf0::write_null(&mut payload);
    amf0::write_boolean(paused, &mut payload);
    amf0::write_number(0.0, &mut payload);
    let header = MessageHeader {
        csid: ChunkStreamId::STREAM,
        type_id: MessageType::CommandAmf0.id(),
        stream_id: stream,
        timestamp: Timestamp(0),
    };
    write_message(header, &payload, ChunkSize::DEFAULT, out);
}
