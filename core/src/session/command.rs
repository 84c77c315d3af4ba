//! Commands: typed reading of the messages of type 17 and 20, and writing of replies.

use super::StatusLevel;
use crate::amf::{AmfError, AmfLimits, Text, Value, amf0};
use crate::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use crate::id::MessageStreamId;
use crate::message::{ControlMessage, MessageType, UserControl};
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};

/// A command, as the peer sent it.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// Empty when the message does not begin with a string.
    pub(super) name: Text,
    /// 0 when the peer wants no answer, and when it is no number; echoed bit by bit.
    pub(super) transaction: f64,
    /// What follows: the command object first.
    pub(super) arguments: Vec<Value>,
}

/// What a command of a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    Connect,
    CreateStream,
    ReleaseStream,
    FcPublish,
    FcUnpublish,
    Publish,
    Play,
    Pause,
    Seek,
    ReceiveAudio,
    ReceiveVideo,
    CloseStream,
    DeleteStream,
    GetStreamLength,
    /// A call that real clients make, for which `null` is answer enough.
    Call,
    /// An answer to a call of ours; we make none that matter.
    Reply,
    Unknown,
}

impl Command {
    /// Reads the payload of a message of type 17 or 20.
    ///
    /// Type 17 has a leading byte 0, which some clients omit; what follows is AMF0 in both types
    /// (single values may switch to AMF3).
    ///
    /// # Errors
    /// One of the values is malformed or over budget: nothing of the command may be executed.
    pub(super) fn parse(
        type_id: u8,
        mut payload: Bytes,
        limits: AmfLimits,
    ) -> Result<Self, AmfError> {
        if type_id == MessageType::CommandAmf3.id() && payload.first() == Some(&0) {
            payload.advance(1);
        }
        let mut reader = amf0::Reader::new(payload, limits);
        let name = reader.read()?.and_then(text_of).unwrap_or_default();
        let transaction = reader.read()?.and_then(|value| value.as_number()).unwrap_or(0.0);
        let mut arguments = Vec::new();
        while let Some(value) = reader.read()? {
            arguments.push(value);
        }
        // The server of librtmp leaves the command object of a status out; elsewhere it is null.
        if name == *"onStatus" && arguments.first().is_some_and(|it| it.properties().is_some()) {
            arguments.insert(0, Value::Null);
        }
        Ok(Self { name, transaction, arguments })
    }

    /// What a client asks for.
    pub(super) fn verb(&self) -> Verb {
        match self.name.as_bytes() {
            b"connect" => Verb::Connect,
            b"createStream" => Verb::CreateStream,
            b"releaseStream" => Verb::ReleaseStream,
            b"FCPublish" => Verb::FcPublish,
            b"FCUnpublish" => Verb::FcUnpublish,
            b"publish" => Verb::Publish,
            b"play" => Verb::Play,
            b"pause" | b"pauseRaw" => Verb::Pause,
            b"seek" => Verb::Seek,
            b"receiveAudio" => Verb::ReceiveAudio,
            b"receiveVideo" => Verb::ReceiveVideo,
            b"closeStream" => Verb::CloseStream,
            b"deleteStream" => Verb::DeleteStream,
            b"getStreamLength" => Verb::GetStreamLength,
            b"_checkbw" | b"checkBandwidth" | b"FCSubscribe" | b"FCUnsubscribe" => Verb::Call,
            b"_result" | b"_error" | b"onStatus" => Verb::Reply,
            _ => Verb::Unknown,
        }
    }

    /// The argument at `index`, the command object being 0.
    pub(super) fn argument(&self, index: usize) -> Option<&Value> {
        self.arguments.get(index)
    }

    /// The text at `index`; empty when it is none.
    pub(super) fn text(&self, index: usize) -> Text {
        self.argument(index).and_then(Value::as_text).cloned().unwrap_or_default()
    }

    /// The finite number at `index`.
    pub(super) fn number(&self, index: usize) -> Option<f64> {
        self.argument(index)?.as_number().filter(|number| number.is_finite())
    }

    /// The boolean at `index`.
    pub(super) fn boolean(&self, index: usize) -> Option<bool> {
        self.argument(index)?.as_boolean()
    }

    /// The text property `key` of the object at `index`; empty when there is none.
    pub(super) fn property(&self, index: usize, key: &str) -> Text {
        let value = self.argument(index).and_then(|object| object.get(key));
        value.and_then(Value::as_text).cloned().unwrap_or_default()
    }
}

/// A number as the id of a message stream, if it can be one.
pub(super) fn message_stream_id(number: f64) -> Option<MessageStreamId> {
    // A cast saturates, so that what is too great does not come out as it went in.
    let id = number as u32;
    (f64::from(id) == number).then_some(MessageStreamId(id))
}

/// A text of ours as an AMF string.
pub(super) fn string(text: &str) -> Value {
    Value::String(Text(Bytes::copy_from_slice(text.as_bytes())))
}

fn text_of(value: Value) -> Option<Text> {
    if let Value::String(text) = value { Some(text) } else { None }
}

/// Appends messages of the session itself, each with a header that stands alone.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    /// The chunk size in force.
    pub(super) chunk_size: &'a mut ChunkSize,
    /// Where bytes go.
    pub(super) out: &'a mut BytesMut,
}

/// The property of `connect` by which servers that forward say what servers a stream has passed.
/// The specification has no such property; servers ignore those that they do not know.
pub(super) const ROUTE: &str = "millstreamRoute";

/// The property of `connect` by which they say that the stream is a rendition; a boolean.
pub(super) const RENDITION: &str = "millstreamRendition";

/// The session id that status objects carry. Old players want one; nobody reads it.
const CLIENT_ID: &str = "MILLSTRM";

impl Writer<'_> {
    /// A message of type 20.
    pub(super) fn command(
        &mut self,
        csid: ChunkStreamId,
        stream: MessageStreamId,
        name: &str,
        transaction: f64,
        arguments: &[Value],
    ) {
        let mut payload = BytesMut::with_capacity(128);
        amf0::write_string(name.as_bytes(), &mut payload);
        amf0::write_number(transaction, &mut payload);
        for argument in arguments {
            amf0::write(argument, &mut payload);
        }
        self.message(csid, MessageType::CommandAmf0, stream, &payload);
    }

    /// A command of the connection.
    pub(super) fn reply(&mut self, name: &str, transaction: f64, arguments: &[Value]) {
        let connection = MessageStreamId(0);
        self.command(ChunkStreamId::COMMAND, connection, name, transaction, arguments);
    }

    /// `_result` with these arguments, where an answer is wanted.
    pub(super) fn result(&mut self, transaction: f64, arguments: &[Value]) {
        if transaction != 0.0 {
            self.reply("_result", transaction, arguments);
        }
    }

    /// `_error`, where an answer is wanted.
    pub(super) fn error(&mut self, transaction: f64, code: &str, description: &str) {
        if transaction != 0.0 {
            let information = Value::Object(information("error", code, description));
            self.reply("_error", transaction, &[Value::Null, information]);
        }
    }

    /// `onStatus` on `stream`.
    pub(super) fn status(
        &mut self,
        stream: MessageStreamId,
        level: StatusLevel,
        code: &str,
        description: &str,
    ) {
        let mut properties = information(level_name(level), code, description);
        if code.starts_with("NetStream.Play.") {
            properties.push(("details".into(), string("stream")));
        }
        properties.push(("clientid".into(), string(CLIENT_ID)));
        self.on_stream(stream, "onStatus", Value::Object(properties));
    }

    /// A command without transaction whose only argument is `information`.
    pub(super) fn on_stream(&mut self, stream: MessageStreamId, name: &str, information: Value) {
        let csid = if stream.0 == 0 { ChunkStreamId::COMMAND } else { ChunkStreamId::STREAM };
        self.command(csid, stream, name, 0.0, &[Value::Null, information]);
    }

    /// A message of type 18.
    pub(super) fn data(&mut self, stream: MessageStreamId, name: &str, arguments: &[Value]) {
        let mut payload = BytesMut::with_capacity(64);
        amf0::write_string(name.as_bytes(), &mut payload);
        for argument in arguments {
            amf0::write(argument, &mut payload);
        }
        self.message(ChunkStreamId::STREAM, MessageType::DataAmf0, stream, &payload);
    }

    /// A protocol control message.
    pub(super) fn control(&mut self, control: ControlMessage) {
        control.write(*self.chunk_size, self.out);
        if let ControlMessage::SetChunkSize(size) = control {
            *self.chunk_size = size;
        }
    }

    /// A user control event.
    pub(super) fn user_control(&mut self, event: UserControl) {
        event.write(*self.chunk_size, self.out);
    }

    fn message(
        &mut self,
        csid: ChunkStreamId,
        message_type: MessageType,
        stream: MessageStreamId,
        payload: &[u8],
    ) {
        let type_id = message_type.id();
        let header = MessageHeader { csid, type_id, stream_id: stream, timestamp: Timestamp(0) };
        write_message(header, payload, *self.chunk_size, self.out);
    }
}

/// The properties of a status object, in the order that FMLE wants.
pub(super) fn information(level: &str, code: &str, description: &str) -> Vec<(Text, Value)> {
    [("level", level), ("code", code), ("description", description)]
        .map(|(key, text)| (Text::from(key), string(text)))
        .into()
}

const fn level_name(level: StatusLevel) -> &'static str {
    match level {
        StatusLevel::Error => "error",
        StatusLevel::Status => "status",
        StatusLevel::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, information};
    use crate::amf::{AmfLimits, Value, amf0};
    use alloc::vec::Vec;
    use bytes::BytesMut;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_status_has_its_information_where_the_command_object_is_missing() {
        let information = Value::Object(information("status", "NetStream.Play.Start", "Started."));
        let cases: [&[Value]; 2] =
            [&[Value::Null, information.clone()], core::slice::from_ref(&information)];
        for arguments in cases {
            let mut payload = BytesMut::new();
            amf0::write_string(b"onStatus", &mut payload);
            amf0::write_number(0.0, &mut payload);
            for argument in arguments {
                amf0::write(argument, &mut payload);
            }
            let limits = AmfLimits { depth_max: 8, nodes_max: 64 };
            let command = Command::parse(20, payload.freeze(), limits).expect("it is whole");
            assert_eq!(command.arguments, Vec::from([Value::Null, information.clone()]));
        }
    }
}
