//! A script of commands and media: bytes that say more than bytes of a chunk stream would.

use crate::amf::{Value, amf0};
use crate::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use crate::id::MessageStreamId;
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::BytesMut;

/// Four bytes a message: what it is, its message stream, and two for its content.
pub(super) fn write_script(script: &[u8], out: &mut Vec<u8>) {
    for step in script.chunks_exact(4) {
        let &[what, stream, first, second] = step else { return };
        let name = NAMES.get(usize::from(what & 0x1F));
        let payload = match name {
            Some(name) => command(name, first, second),
            None => BytesMut::from(&[first, second, 0, 0, 0, first][..]),
        };
        // A script knows the chunk size, so it does not set one.
        let type_id = match (name, what >> 5) {
            (_, 0) => 18,
            (_, 1) => 17,
            (None, 2) => 8,
            (None, 3) => 9,
            (None, 4) => 22,
            (None, _) => second.max(2),
            (Some(_), _) => 20,
        };
        let header = MessageHeader {
            csid: ChunkStreamId::STREAM,
            type_id,
            stream_id: MessageStreamId(u32::from(stream & 3)),
            timestamp: Timestamp(u32::from(first)),
        };
        write_message(header, &payload, ChunkSize::DEFAULT, out);
    }
}

fn command(name: &str, transaction: u8, argument: u8) -> BytesMut {
    let mut payload = BytesMut::new();
    amf0::write_string(name.as_bytes(), &mut payload);
    amf0::write_number(f64::from(transaction & 7), &mut payload);
    let code = if argument & 8 == 0 { "NetStream.Play.Start" } else { "NetStream.Play.Stop" };
    let status = [("level", Value::String("status".into())), ("code", Value::String(code.into()))];
    let object = if argument & 0x10 == 0 { &status[..] } else { &[] };
    if argument & 1 == 0 {
        amf0::write_object(object, &mut payload);
    } else {
        amf0::write_null(&mut payload);
    }
    match argument >> 5 {
        0 => amf0::write_number(f64::from(argument & 7), &mut payload),
        1 => amf0::write_boolean(argument & 2 == 0, &mut payload),
        2 => amf0::write_string(b"stream?key=1", &mut payload),
        3 => amf0::write_object(object, &mut payload),
        4 => amf0::write_number(f64::NAN, &mut payload),
        5 => amf0::write_undefined(&mut payload),
        _ => {}
    }
    payload
}

/// Commands that a script can choose from.
const NAMES: [&str; 24] = [
    "connect",
    "createStream",
    "publish",
    "play",
    "closeStream",
    "deleteStream",
    "FCPublish",
    "FCUnpublish",
    "releaseStream",
    "pause",
    "pauseRaw",
    "seek",
    "receiveAudio",
    "receiveVideo",
    "getStreamLength",
    "_checkbw",
    "_result",
    "_error",
    "onStatus",
    "onBWDone",
    "@setDataFrame",
    "|RtmpSampleAccess",
    "nobodyKnows",
    "",
];
