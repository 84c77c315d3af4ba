//! A peer for tests: it speaks in messages, and writes down what it was answered.

use super::fuzz::handshake;
use super::{ClientRequest, Intent, Refusal, Session, SessionConfig, SessionError, SessionEvent};
use crate::amf::{AmfLimits, Text, Value, amf0};
use crate::chunk::{
    ChunkLimits, ChunkReader, ChunkSize, ChunkStreamId, Message, MessageHeader, write_message,
};
use crate::id::{MessageStreamId, RequestId};
use crate::message::{ControlMessage, MessageType, UserControl};
use crate::rng::Rng;
use crate::time::{Instant, Timestamp};
use alloc::sync::Arc;
use bytes::{BufMut, Bytes, BytesMut};
use core::time::Duration;
use std::format;
use std::string::String;
use std::vec::Vec;

/// The request that an event asks to decide.
pub(super) fn request_of(event: &SessionEvent) -> Option<RequestId> {
    if let SessionEvent::Connect(connect) = event {
        Some(connect.request)
    } else if let SessionEvent::Publish(publish) = event {
        Some(publish.request)
    } else if let SessionEvent::Play(play) = event {
        Some(play.request)
    } else {
        None
    }
}

pub(super) fn number(number: f64) -> Value {
    Value::Number(number)
}

pub(super) fn text(text: &'static str) -> Value {
    Value::String(text.into())
}

pub(super) fn object(properties: &[(&'static str, Value)]) -> Value {
    Value::Object(properties.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
}

pub(super) fn amf(values: &[Value]) -> Bytes {
    let mut payload = BytesMut::new();
    for value in values {
        amf0::write(value, &mut payload);
    }
    payload.freeze()
}

/// The payload of a command.
pub(super) fn command(name: &'static str, transaction: f64, arguments: &[Value]) -> Bytes {
    amf(&[&[text(name), number(transaction)], arguments].concat())
}

/// A whole message, in chunks of 128.
pub(super) fn message(type_id: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    timed(type_id, stream, 0, payload)
}

/// A whole message at `timestamp`, in chunks of 128.
pub(super) fn timed(type_id: u8, stream: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let csid = if type_id < 7 { ChunkStreamId::CONTROL } else { ChunkStreamId::COMMAND };
    let stream_id = MessageStreamId(stream);
    let header = MessageHeader { csid, type_id, stream_id, timestamp: Timestamp(timestamp) };
    let mut bytes = Vec::new();
    write_message(header, payload, ChunkSize::DEFAULT, &mut bytes);
    bytes
}

/// A session, and what it wrote.
pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) now: Instant,
    pub(super) out: BytesMut,
    /// Reads what the session wrote.
    reader: ChunkReader,
    /// Bytes of the handshake that were not skipped.
    to_skip: usize,
}

impl Rig {
    pub(super) fn new(session: impl FnOnce(Instant, &mut BytesMut) -> Session) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut out = BytesMut::new();
        let session = session(now, &mut out);
        let limits = ChunkLimits {
            chunk_streams_max: 64,
            incomplete_bytes_max: 1 << 20,
            message_len_max: 0xFF_FFFF,
        };
        Self { session, now, out, reader: ChunkReader::new(limits), to_skip: 1 + 2 * 1_536 }
    }

    /// A server that shook hands.
    pub(super) fn server(config: SessionConfig) -> Self {
        let mut rig = Self::new(|now, _| Session::server(Arc::new(config), now, Rng::new(1)));
        rig.shake();
        rig
    }

    /// A client that shook hands, and asked to connect.
    pub(super) fn client(intent: Intent) -> Self {
        let request = ClientRequest {
            intent,
            app: "live".into(),
            tc_url: "rtmp://h/live".into(),
            stream: "cam?token=abc".into(),
        };
        let config = Arc::new(SessionConfig::default());
        let mut rig = Self::new(|now, out| Session::client(config, request, now, Rng::new(1), out));
        rig.shake();
        rig
    }

    /// A server with a client that has connected.
    pub(super) fn connected() -> Self {
        let mut rig = Self::server(SessionConfig::default());
        rig.connect();
        rig.replies();
        rig
    }

    /// A server with a client that publishes on message stream 1.
    pub(super) fn publishing() -> Self {
        let mut rig = Self::connected();
        rig.call(0, "createStream", 2.0, &[Value::Null]);
        rig.call(1, "publish", 3.0, &[Value::Null, text("cam"), text("live")]);
        rig.replies();
        rig
    }

    /// A server with a client that plays on message stream 1.
    pub(super) fn playing() -> Self {
        let mut rig = Self::connected();
        rig.call(0, "createStream", 2.0, &[Value::Null]);
        rig.call(1, "play", 0.0, &[Value::Null, text("cam")]);
        rig.replies();
        rig
    }

    fn shake(&mut self) {
        let events = self.receive(&handshake()).unwrap();
        assert!(matches!(events[..], [SessionEvent::Handshaked { .. }]), "{events:?}");
    }

    pub(super) fn connect(&mut self) -> Vec<SessionEvent> {
        let connect = object(&[("app", text("live")), ("tcUrl", text("rtmp://h/live"))]);
        self.call(0, "connect", 1.0, &[connect])
    }

    /// Sends a command and accepts what it asks for.
    pub(super) fn call(
        &mut self,
        stream: u32,
        name: &'static str,
        transaction: f64,
        arguments: &[Value],
    ) -> Vec<SessionEvent> {
        self.send(20, stream, &command(name, transaction, arguments))
    }

    /// Sends a message; accepts what it asks for.
    pub(super) fn send(&mut self, type_id: u8, stream: u32, payload: &[u8]) -> Vec<SessionEvent> {
        self.receive(&message(type_id, stream, payload)).unwrap()
    }

    /// Sends a message that breaks the session.
    pub(super) fn fails(&mut self, type_id: u8, stream: u32, payload: &[u8]) -> SessionError {
        let error = self.receive(&message(type_id, stream, payload)).unwrap_err();
        assert_eq!(self.receive(b""), Err(error), "an error is final");
        error
    }

    /// Sends bytes; accepts what they ask for.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<SessionEvent>, SessionError> {
        let mut input = bytes;
        let mut events = Vec::new();
        self.now = self.now.after(Duration::from_micros(1));
        while let Some(event) = self.session.receive(self.now, &mut input, &mut self.out)? {
            if let Some(request) = request_of(&event) {
                self.session.accept(self.now, request, &mut self.out).unwrap();
            }
            events.push(event);
        }
        assert!(input.is_empty(), "all input is consumed");
        Ok(events)
    }

    /// Sends a command and refuses what it asks for.
    pub(super) fn refused(&mut self, stream: u32, payload: &[u8], refusal: Refusal) {
        let bytes = message(20, stream, payload);
        let event = self.session.receive(self.now, &mut &bytes[..], &mut self.out).unwrap();
        let request = request_of(&event.unwrap()).unwrap();
        self.session.reject(self.now, request, refusal, &mut self.out).unwrap();
    }

    /// What the session wrote since the last call, a line a message.
    pub(super) fn replies(&mut self) -> Vec<String> {
        let bytes = self.out.split();
        let skipped = self.to_skip.min(bytes.len());
        self.to_skip -= skipped;
        let mut input = &bytes[skipped..];
        let mut lines = Vec::new();
        while let Some(message) = self.reader.read(&mut input).unwrap() {
            if let Ok(ControlMessage::SetChunkSize(size)) =
                ControlMessage::parse(message.header.type_id, &message.payload)
            {
                self.reader.set_chunk_size(size);
            }
            lines.push(line(&message));
        }
        lines
    }

    pub(super) fn after(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }
}

/// `chunk stream/message stream`, and the message.
fn line(message: &Message) -> String {
    let Message { header, payload } = message;
    let place = format!("{}/{}", header.csid.number(), header.stream_id.0);
    let body = match MessageType::from_id(header.type_id) {
        Some(MessageType::UserControl) => {
            format!("{:?}", UserControl::parse(payload).unwrap().unwrap())
        }
        Some(MessageType::CommandAmf0) => amf_line("", payload),
        Some(MessageType::DataAmf0) => amf_line("@", payload),
        Some(MessageType::Audio | MessageType::Video) => {
            format!("media {} at {}: {payload:?}", header.type_id, header.timestamp.0)
        }
        _ => format!("{:?}", ControlMessage::parse(header.type_id, payload).unwrap()),
    };
    format!("{place} {body}")
}

fn amf_line(mark: &str, payload: &Bytes) -> String {
    let values = values(payload);
    let shown: Vec<String> = values.iter().skip(1).map(show).collect();
    let name = values[0].as_text().unwrap().to_str_lossy();
    format!("{mark}{name}({})", shown.join(", "))
}

pub(super) fn values(payload: &Bytes) -> Vec<Value> {
    let limits = AmfLimits { depth_max: 32, nodes_max: 4_096 };
    let mut reader = amf0::Reader::new(payload.clone(), limits);
    core::iter::from_fn(|| reader.read().unwrap()).collect()
}

fn show(value: &Value) -> String {
    let list = |properties: &[(Text, Value)]| {
        let shown = properties
            .iter()
            .map(|(key, value)| format!("{}: {}", key.to_str_lossy(), show(value)));
        shown.collect::<Vec<_>>().join(", ")
    };
    match value {
        Value::Boolean(value) => format!("{value}"),
        Value::EcmaArray(properties) => format!("[{}]", list(properties)),
        Value::Null => "null".into(),
        Value::Number(number) => format!("{number}"),
        Value::Object(properties) => format!("{{{}}}", list(properties)),
        Value::StrictArray(values) => {
            format!("<{}>", values.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => format!("{:?}", text.to_str_lossy()),
        Value::Undefined => "undefined".into(),
        Value::Bytes(_) | Value::Date { .. } | Value::Xml(_) => format!("{value:?}"),
    }
}

/// An item of an aggregate.
pub(super) fn item(type_id: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u8(type_id);
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_uint(u64::from(timestamp & 0xFF_FFFF), 3);
    bytes.put_u8((timestamp >> 24) as u8);
    bytes.put_uint(0, 3);
    bytes.put_slice(payload);
    bytes.put_u32(11 + payload.len() as u32);
    bytes
}
