//! What a player does besides reading: it pauses, asks, and switches audio and video off and on.

use bytes::BytesMut;
use millstream_core::amf::amf0;
use millstream_core::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use millstream_core::frame::FrameKind;
use millstream_core::id::MessageStreamId;
use millstream_core::message::MessageType;
use millstream_core::time::Timestamp;

/// Commands that switch audio and video off and on, one after the other.
const SWITCHES: [(&str, FrameKind, bool); 4] = [
    ("receiveVideo", FrameKind::Video, false),
    ("receiveVideo", FrameKind::Video, true),
    ("receiveAudio", FrameKind::Audio, false),
    ("receiveAudio", FrameKind::Audio, true),
];

#[derive(Debug, Default)]
pub(super) struct Player {
    pub(super) is_paused: bool,
    /// Pauses that are answered by a StreamEOF, which is no end.
    pub(super) pauses: u32,
    switched: usize,
}

impl Player {
    /// Switches audio or video off or on; gives which one.
    pub(super) fn switch(&mut self, stream: MessageStreamId, out: &mut BytesMut) -> FrameKind {
        let (name, kind, enabled) = SWITCHES[self.switched % SWITCHES.len()];
        self.switched += 1;
        let mut payload = command(name);
        amf0::write_boolean(enabled, &mut payload);
        write_command(stream, &payload, out);
        kind
    }

    /// Nothing is switched off.
    pub(super) const fn has_all(&self) -> bool {
        self.switched.is_multiple_of(2)
    }
}

/// Appends a ping: a question that is always answered.
pub(super) fn write_ping(out: &mut BytesMut) {
    let header = MessageHeader {
        csid: ChunkStreamId::CONTROL,
        type_id: MessageType::UserControl.id(),
        stream_id: MessageStreamId(0),
        timestamp: Timestamp(0),
    };
    write_message(header, &[0, 6, 0, 0, 0, 9], ChunkSize::DEFAULT, out);
}

/// Appends a `pause` command.
pub(super) fn write_pause(stream: MessageStreamId, paused: bool, out: &mut BytesMut) {
    let mut payload = command("pause");
    amf0::write_boolean(paused, &mut payload);
    amf0::write_number(0.0, &mut payload);
    write_command(stream, &payload, out);
}

fn command(name: &str) -> BytesMut {
    let mut payload = BytesMut::new();
    amf0::write_string(name.as_bytes(), &mut payload);
    amf0::write_number(0.0, &mut payload);
    amf0::write_null(&mut payload);
    payload
}

fn write_command(stream: MessageStreamId, payload: &[u8], out: &mut BytesMut) {
    let header = MessageHeader {
        csid: ChunkStreamId::STREAM,
        type_id: MessageType::CommandAmf0.id(),
        stream_id: stream,
        timestamp: Timestamp(0),
    };
    write_message(header, payload, ChunkSize::DEFAULT, out);
}
