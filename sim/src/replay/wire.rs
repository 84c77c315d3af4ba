//! What one side of a connection said: its bytes as handshake, commands, control and media.

use bytes::{Buf, Bytes, BytesMut};
use millstream_core::amf::{AmfLimits, Text, Value, amf0};
use millstream_core::chunk::{ChunkError, ChunkLimits, ChunkReader, Message};
use millstream_core::flv::classify;
use millstream_core::flv::tag::{Codec, parse_audio, parse_video};
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::handshake::{Handshake, HandshakeError, HandshakeKind};
use millstream_core::id::MessageStreamId;
use millstream_core::message::{Aggregate, ControlMessage, MessageType, UserControl};
use millstream_core::rng::Rng;
use millstream_core::time::Timestamp;

/// Generous: a capture shows what was said, also what our server would refuse.
const CHUNK_LIMITS: ChunkLimits = ChunkLimits {
    chunk_streams_max: 4_096,
    incomplete_bytes_max: 64 << 20,
    message_len_max: 0xFF_FFFF,
};
const AMF_LIMITS: AmfLimits = AmfLimits { depth_max: 32, nodes_max: 65_536 };

/// The name of a data message that an encoder puts before metadata, as AMF0.
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

/// Everything that one side said.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Speech {
    /// Bytes that could be read, the handshake included.
    pub bytes: u64,
    /// In the order of the bytes.
    pub said: Vec<Said>,
}

/// One message.
#[derive(Clone, PartialEq, Debug)]
pub struct Said {
    /// When its last byte came: microseconds after the start of the capture.
    pub at_micros: u64,
    /// The message stream that it belongs to.
    pub stream: MessageStreamId,
    /// What it is.
    pub what: What,
}

/// What was said.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum What {
    /// A command: a call, or an answer to one.
    Command(Command),
    /// A protocol control message.
    Control(ControlMessage),
    /// A data message.
    Data(Data),
    /// What follows could not be read.
    Failed(Failure),
    /// The handshake of this side was complete.
    Handshake(HandshakeKind),
    /// Audio or video.
    Media(Media),
    /// A message that is shown by its type alone.
    Other {
        /// The message type id.
        type_id: u8,
        /// Bytes of its payload.
        len: usize,
    },
    /// A user control event; `None` for one that is unknown or malformed.
    UserControl(Option<UserControl>),
}

/// A call or an answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Command {
    /// Empty when the message does not begin with a string.
    pub name: Text,
    /// 0 for a call that wants no answer.
    pub transaction: f64,
    /// What follows: the command object first.
    pub arguments: Vec<Value>,
}

/// A data message.
#[derive(Clone, PartialEq, Debug)]
pub struct Data {
    /// `onMetaData`, `|RtmpSampleAccess`, ...; without `@setDataFrame`.
    pub name: Text,
    /// Metadata, or something else.
    pub class: FrameClass,
    /// What follows the name, as far as it can be read.
    pub arguments: Vec<Value>,
    /// Its time.
    pub timestamp: Timestamp,
    /// AMF0: the name and what follows it.
    pub payload: Bytes,
}

/// An audio or video message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// Audio or video.
    pub kind: FrameKind,
    /// What a decoder can do with it; `None` for an empty or unreadable tag.
    pub class: Option<FrameClass>,
    /// The codec of its first track.
    pub codec: Option<Codec>,
    /// Decoding time.
    pub timestamp: Timestamp,
    /// The tag body.
    pub payload: Bytes,
}

/// Why a direction could not be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The chunk stream broke.
    Chunk(ChunkError),
    /// Bytes are missing in the capture.
    Gap {
        /// How many.
        len: u64,
    },
    /// The first byte is not that of plain RTMP.
    Handshake(HandshakeError),
}

/// Which handshake to expect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// C0, C1 and C2.
    Client,
    /// S0, S1 and S2.
    Server,
}

/// Takes the bytes of one direction and gives what they say.
pub(crate) struct Listener {
    handshake: Option<Handshake>,
    reader: ChunkReader,
    rng: Rng,
    ignored: BytesMut,
    speech: Speech,
    failed: bool,
}

impl Listener {
    pub(crate) fn new(side: Side) -> Self {
        let (mut rng, mut ignored) = (Rng::new(0), BytesMut::new());
        let handshake = match side {
            Side::Client => Handshake::server(),
            Side::Server => Handshake::client(0, &mut rng, &mut ignored),
        };
        Self {
            handshake: Some(handshake),
            reader: ChunkReader::new(CHUNK_LIMITS),
            rng,
            ignored,
            speech: Speech::default(),
            failed: false,
        }
    }

    /// The next bytes came at `at_micros`.
    pub(crate) fn hear(&mut self, at_micros: u64, bytes: &[u8]) {
        self.hear_messages(at_micros, bytes, &mut |_| {});
    }

    /// As `hear`, and shows each message as it stands in the chunk stream.
    pub(crate) fn hear_messages(
        &mut self,
        at_micros: u64,
        bytes: &[u8],
        show: &mut dyn FnMut(&Message),
    ) {
        if self.failed {
            return;
        }
        self.speech.bytes += bytes.len() as u64;
        let mut input = bytes;
        if let Some(handshake) = &mut self.handshake {
            let done = handshake.receive(0, &mut self.rng, &mut input, &mut self.ignored);
            self.ignored.clear();
            match done {
                Ok(None) => return,
                Ok(Some(kind)) => {
                    self.handshake = None;
                    self.say(at_micros, MessageStreamId(0), What::Handshake(kind));
                }
                Err(error) => return self.fail(at_micros, Failure::Handshake(error)),
            }
        }
        loop {
            match self.reader.read(&mut input) {
                Ok(None) => return,
                Ok(Some(message)) => {
                    show(&message);
                    self.message(at_micros, message);
                }
                Err(error) => return self.fail(at_micros, Failure::Chunk(error)),
            }
        }
    }

    /// `len` bytes are missing here.
    pub(crate) fn miss(&mut self, at_micros: u64, len: u64) {
        self.fail(at_micros, Failure::Gap { len });
    }

    pub(crate) fn finish(self) -> Speech {
        self.speech
    }

    fn fail(&mut self, at_micros: u64, failure: Failure) {
        if !self.failed {
            self.failed = true;
            self.say(at_micros, MessageStreamId(0), What::Failed(failure));
        }
    }

    fn say(&mut self, at_micros: u64, stream: MessageStreamId, what: What) {
        self.speech.said.push(Said { at_micros, stream, what });
    }

    fn message(&mut self, at_micros: u64, message: Message) {
        let Message { header, payload } = message;
        if MessageType::from_id(header.type_id) == Some(MessageType::Aggregate) {
            for item in Aggregate::new(header.timestamp, payload).flatten() {
                let what = what(item.type_id, item.timestamp, item.payload);
                self.say(at_micros, header.stream_id, what);
            }
            return;
        }
        let what = what(header.type_id, header.timestamp, payload);
        match what {
            What::Control(ControlMessage::SetChunkSize(size)) => self.reader.set_chunk_size(size),
            What::Control(ControlMessage::Abort(csid)) => self.reader.abort(csid),
            _ => {}
        }
        self.say(at_micros, header.stream_id, what);
    }
}

fn what(type_id: u8, timestamp: Timestamp, payload: Bytes) -> What {
    let other = What::Other { type_id, len: payload.len() };
    match MessageType::from_id(type_id) {
        Some(MessageType::Audio) => media(FrameKind::Audio, timestamp, payload),
        Some(MessageType::Video) => media(FrameKind::Video, timestamp, payload),
        Some(MessageType::CommandAmf0) => command(payload),
        Some(MessageType::CommandAmf3) => command(without_selector(payload)),
        Some(MessageType::DataAmf0) => data(timestamp, payload),
        Some(MessageType::DataAmf3) => data(timestamp, without_selector(payload)),
        Some(MessageType::UserControl) => {
            What::UserControl(UserControl::parse(&payload).ok().flatten())
        }
        Some(
            MessageType::SetChunkSize
            | MessageType::Abort
            | MessageType::Acknowledgement
            | MessageType::WindowAcknowledgementSize
            | MessageType::SetPeerBandwidth,
        ) => ControlMessage::parse(type_id, &payload).map_or(other, What::Control),
        _ => other,
    }
}

fn media(kind: FrameKind, timestamp: Timestamp, payload: Bytes) -> What {
    let info = match kind {
        FrameKind::Audio => parse_audio(&payload),
        FrameKind::Data | FrameKind::Video => parse_video(&payload),
    };
    let (class, codec) = info.map_or((None, None), |info| (Some(info.class), info.codec));
    What::Media(Media { kind, class, codec, timestamp, payload })
}

/// The leading 0 of the AMF3 types, which some peers omit.
fn without_selector(mut payload: Bytes) -> Bytes {
    if payload.first() == Some(&0) {
        payload.advance(1);
    }
    payload
}

fn command(payload: Bytes) -> What {
    let mut reader = amf0::Reader::new(payload, AMF_LIMITS);
    let name = match reader.read() {
        Ok(Some(Value::String(name))) => name,
        Ok(_) | Err(_) => Text::default(),
    };
    let transaction = reader.read().ok().flatten().and_then(|value| value.as_number());
    let mut arguments = Vec::new();
    while let Ok(Some(value)) = reader.read() {
        arguments.push(value);
    }
    // The server of librtmp leaves the command object of a status out; elsewhere it is null.
    if name == *"onStatus" && arguments.first().is_some_and(|it| it.properties().is_some()) {
        arguments.insert(0, Value::Null);
    }
    What::Command(Command { name, transaction: transaction.unwrap_or(0.0), arguments })
}

fn data(timestamp: Timestamp, mut payload: Bytes) -> What {
    if payload.starts_with(SET_DATA_FRAME) {
        payload.advance(SET_DATA_FRAME.len());
    }
    let class = classify(FrameKind::Data, &payload).unwrap_or(FrameClass::Control);
    let mut reader = amf0::Reader::new(payload.clone(), AMF_LIMITS);
    let mut name = Text::default();
    let mut arguments = Vec::new();
    while let Ok(Some(value)) = reader.read() {
        match value {
            Value::String(text) if name.as_bytes().is_empty() => name = text,
            value => arguments.push(value),
        }
    }
    What::Data(Data { name, class, arguments, timestamp, payload })
}
