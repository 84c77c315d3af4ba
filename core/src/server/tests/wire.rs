//! What peers send, byte by byte, and what they are answered, a line a message.

use crate::amf::{AmfLimits, Text, Value, amf0};
use crate::chunk::{
    ChunkLimits, ChunkReader, ChunkSize, ChunkStreamId, Message, MessageHeader, write_message,
};
use crate::id::MessageStreamId;
use crate::message::{ControlMessage, MessageType, UserControl};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};
use std::format;

/// C0, C1 and C2 of a simple handshake, and as many bytes as S0, S1 and S2 have.
const HANDSHAKE_LEN: usize = 1 + 2 * 1_536;

pub(super) fn handshake() -> Vec<u8> {
    let mut bytes = std::vec![0; HANDSHAKE_LEN];
    bytes[0] = 3;
    bytes
}

pub(super) fn text(text: &str) -> Value {
    Value::String(Text(Bytes::copy_from_slice(text.as_bytes())))
}

pub(super) fn object(properties: &[(&'static str, Value)]) -> Value {
    Value::Object(properties.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
}

pub(super) fn amf(values: &[Value]) -> Vec<u8> {
    let mut payload = BytesMut::new();
    for value in values {
        amf0::write(value, &mut payload);
    }
    payload.to_vec()
}

/// A whole message at time 0, in chunks of 128.
pub(super) fn message(type_id: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    timed(type_id, stream, 0, payload)
}

/// A whole message at `timestamp`, in chunks of 128.
pub(super) fn timed(type_id: u8, stream: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let csid = match type_id {
        0..=7 => ChunkStreamId::CONTROL,
        8 => ChunkStreamId::AUDIO,
        9 => ChunkStreamId::VIDEO,
        _ => ChunkStreamId::COMMAND,
    };
    let stream_id = MessageStreamId(stream);
    let header = MessageHeader { csid, type_id, stream_id, timestamp: Timestamp(timestamp) };
    let mut bytes = Vec::new();
    write_message(header, payload, ChunkSize::DEFAULT, &mut bytes);
    bytes
}

/// A header of type 0 with one byte of chunk stream id, and what is to follow it.
pub(super) fn chunk(
    csid: u8,
    time: u32,
    len: u32,
    type_id: u8,
    stream: u32,
    rest: &[u8],
) -> Vec<u8> {
    let mut bytes = std::vec![csid];
    bytes.put_uint(u64::from(time), 3);
    bytes.put_uint(u64::from(len), 3);
    bytes.put_u8(type_id);
    bytes.put_u32_le(stream);
    bytes.extend_from_slice(rest);
    bytes
}

pub(super) fn command(stream: u32, name: &str, transaction: f64, arguments: &[Value]) -> Vec<u8> {
    let values = [&[text(name), Value::Number(transaction)], arguments].concat();
    message(20, stream, &amf(&values))
}

pub(super) fn connect(app: &str) -> Vec<u8> {
    connect_to(app, &format!("rtmp://127.0.0.1/{app}"))
}

pub(super) fn connect_to(app: &str, tc_url: &str) -> Vec<u8> {
    let properties = object(&[("app", text(app)), ("tcUrl", text(tc_url))]);
    command(0, "connect", 1.0, &[properties])
}

/// All up to `connect`.
pub(super) fn connected() -> Vec<u8> {
    [handshake(), connect("live")].concat()
}

/// All up to `publish` on message stream 1.
pub(super) fn publishing(stream: &str) -> Vec<u8> {
    let create = command(0, "createStream", 2.0, &[Value::Null]);
    let publish = command(1, "publish", 3.0, &[Value::Null, text(stream), text("live")]);
    [connected(), create, publish].concat()
}

/// All up to `play` on message stream 1.
pub(super) fn playing(stream: &str) -> Vec<u8> {
    let create = command(0, "createStream", 2.0, &[Value::Null]);
    let play = command(1, "play", 3.0, &[Value::Null, text(stream)]);
    [connected(), create, play].concat()
}

/// A keyframe of H.264 with this payload behind its header.
pub(super) fn keyframe(payload: &[u8]) -> Vec<u8> {
    [&[0x17, 1, 0, 0, 0], payload].concat()
}

/// All messages that the server sent; the handshake is left out.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let limits = ChunkLimits {
        chunk_streams_max: 64,
        incomplete_bytes_max: 1 << 20,
        message_len_max: 9 << 20,
    };
    let mut reader = ChunkReader::new(limits);
    let mut input = bytes.get(HANDSHAKE_LEN..).unwrap_or_default();
    let mut lines = Vec::new();
    while let Some(message) = reader.read(&mut input).expect("the server sends legal chunks") {
        let control = ControlMessage::parse(message.header.type_id, &message.payload);
        if let Ok(ControlMessage::SetChunkSize(size)) = control {
            reader.set_chunk_size(size);
        }
        lines.push(line(&message));
    }
    lines
}

/// The name of a command, its transaction where it has one, and the code that it tells.
fn line(message: &Message) -> String {
    match MessageType::from_id(message.header.type_id) {
        Some(MessageType::UserControl) => {
            format!("{:?}", UserControl::parse(&message.payload).unwrap().unwrap())
        }
        Some(MessageType::CommandAmf0) => {
            let values = values(&message.payload);
            let name = values[0].as_text().unwrap().to_str_lossy();
            let code = values.iter().find_map(|value| value.get("code")?.as_text().cloned());
            let code = code.map(|code| code.to_str_lossy().into_owned());
            let transaction = values[1].as_number().filter(|number| *number != 0.0);
            let transaction = transaction.map(|number| number.to_string());
            [Some(name.into_owned()), transaction, code]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ")
        }
        Some(MessageType::DataAmf0) => {
            format!("@{}", values(&message.payload)[0].as_text().unwrap().to_str_lossy())
        }
        Some(MessageType::Audio) => "audio".to_string(),
        Some(MessageType::Video) => "video".to_string(),
        _ => format!(
            "{:?}",
            ControlMessage::parse(message.header.type_id, &message.payload).unwrap()
        ),
    }
}

fn values(payload: &Bytes) -> Vec<Value> {
    let limits = AmfLimits { depth_max: 32, nodes_max: 4_096 };
    let mut reader = amf0::Reader::new(payload.clone(), limits);
    core::iter::from_fn(|| reader.read().unwrap()).collect()
}
