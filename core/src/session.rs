//! One RTMP connection, server or client side: handshake, chunk stream, commands, message streams.
//!
//! The machine takes bytes and gives events; replies are appended to a buffer of the caller. Policy
//! answers `Connect`, `Publish` and `Play` by request id, perhaps much later: until then `receive`
//! must not be called again.

use crate::amf::{AmfError, Text};
use crate::chunk::{ChunkError, ChunkSize};
use crate::frame::{Frame, FrameKind};
use crate::handshake::{HandshakeError, HandshakeKind};
use crate::id::{MessageStreamId, RequestId};
use crate::limits::Limits;
use crate::rng::Rng;
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::BytesMut;
use core::time::Duration;

/// What a session is told once; shared by all sessions of a listener or client.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The outgoing chunk size, announced before the reply to `connect`.
    pub chunk_size: ChunkSize,
    /// Bounds on the peer.
    pub limits: Limits,
    /// Announced to the peer as window acknowledgement size and peer bandwidth, in bytes.
    pub window_ack_size: u32,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            chunk_size: ChunkSize::new(60_000).unwrap_or(ChunkSize::DEFAULT),
            limits: Limits::default(),
            window_ack_size: 2_500_000,
        }
    }
}

/// What a client session is for.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// Play or publish.
    pub intent: Intent,
    /// The app of `connect`.
    pub app: Arc<str>,
    /// The tcUrl of `connect`.
    pub tc_url: Arc<str>,
    /// The stream, with its query.
    pub stream: Arc<str>,
}

/// What a client wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Intent {
    Play,
    Publish,
}

/// `connect`, as the peer sent it; absent properties are empty.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectRequest {
    /// To be answered.
    pub request: RequestId,
    /// The `app` property.
    pub app: Text,
    /// The `flashVer` property: the name of the client program.
    pub flash_ver: Text,
    /// The `objectEncoding` property, 0 (AMF0) or 3 (AMF3).
    pub object_encoding: f64,
    /// The `pageUrl` property.
    pub page_url: Text,
    /// The `swfUrl` property.
    pub swf_url: Text,
    /// The `tcUrl` property.
    pub tc_url: Text,
}

/// `publish`, as the peer sent it.
#[derive(Clone, PartialEq, Debug)]
pub struct PublishRequest {
    /// To be answered.
    pub request: RequestId,
    /// The message stream.
    pub stream: MessageStreamId,
    /// The stream argument, with its query; may hold a secret.
    pub argument: Text,
}

/// `play`, as the peer sent it.
#[derive(Clone, PartialEq, Debug)]
pub struct PlayRequest {
    /// To be answered.
    pub request: RequestId,
    /// The message stream.
    pub stream: MessageStreamId,
    /// The stream argument, with its query; may hold a secret.
    pub argument: Text,
    /// Where to start in milliseconds; live for all negative values.
    pub start: f64,
    /// Milliseconds of stream time to play; `None` for all.
    pub duration: Option<Duration>,
}

/// Something that the owner of a session has to know.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The handshake is complete.
    Handshaked {
        /// Simple or complex.
        kind: HandshakeKind,
    },
    /// Server side: waits for `accept` or `reject`.
    Connect(Box<ConnectRequest>),
    /// Server side: waits for `accept` or `reject`.
    Publish(Box<PublishRequest>),
    /// Server side: waits for `accept` or `reject`.
    Play(Box<PlayRequest>),
    /// A frame of a stream that is published to us (server) or played by us (client).
    Media {
        /// The message stream.
        stream: MessageStreamId,
        /// The frame.
        frame: Frame,
    },
    /// Server side: a player paused or went on; it has been answered.
    Paused {
        /// The message stream.
        stream: MessageStreamId,
        /// True to pause.
        paused: bool,
    },
    /// Server side: a player wants or does not want audio or video.
    Selected {
        /// The message stream.
        stream: MessageStreamId,
        /// Audio or video.
        kind: FrameKind,
        /// True to receive it.
        enabled: bool,
    },
    /// Server side: the peer stopped publishing; the connection may publish again.
    Unpublished {
        /// The message stream.
        stream: MessageStreamId,
    },
    /// Server side: the peer stopped playing; the connection may play again.
    Stopped {
        /// The message stream.
        stream: MessageStreamId,
    },
    /// A message that had no effect.
    Ignored(Ignored),
    /// Client side: `connect` was accepted.
    Connected,
    /// Client side: publishing or playing has begun; a publisher may send.
    Started {
        /// The message stream.
        stream: MessageStreamId,
    },
    /// Client side: the server refused.
    Rejected {
        /// The status code, such as `NetStream.Publish.BadName`.
        code: Text,
        /// The server's words.
        description: Text,
    },
    /// Client side: the server ended the stream.
    Ended {
        /// The status code, such as `NetStream.Play.UnpublishNotify`; empty for a StreamEOF.
        code: Text,
    },
}

/// Why a message had no effect.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Ignored {
    /// A command that the server does not know; it was answered if it asked for an answer.
    Command {
        /// Its name.
        name: Text,
    },
    /// A command that does not fit the state; it was answered with an error.
    CommandState {
        /// Its name.
        name: Text,
    },
    /// A message without payload.
    EmptyMessage {
        /// Its type.
        type_id: u8,
    },
    /// Media on a message stream that does not publish.
    MediaState,
    /// A tag whose header could not be read.
    Tag(crate::flv::tag::TagError),
    /// A data message that could not be read.
    Data(AmfError),
    /// A message of a type that is not used.
    MessageType {
        /// Its type.
        type_id: u8,
    },
    /// Media with a time far from its neighbours, or the tail of a broken aggregate.
    Aggregate,
}

/// How a request is refused: in RTMP's own words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The status code, such as `NetStream.Publish.BadName`.
    pub code: &'static str,
    /// One sentence that says what, where and what to do.
    pub description: &'static str,
}

/// The peer's fault; the connection is over. `Session::refusal_of` gave it a reply where RTMP has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// A command that could not be read.
    Amf(AmfError),
    /// The chunk stream broke.
    Chunk(ChunkError),
    /// A control message that is malformed.
    Control {
        /// Its type.
        type_id: u8,
    },
    /// The handshake was refused.
    Handshake(HandshakeError),
    /// More message streams than the limit.
    TooManyMessageStreams,
    /// More unknown messages than the limit.
    TooManyUnknown,
    /// A command that is not possible in this state.
    State,
    /// Too slow.
    Timeout(TimerKind),
}

/// Our fault: a call that does not fit the state of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misuse(pub &'static str);

/// Level of an `onStatus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum StatusLevel {
    Error,
    Status,
    Warning,
}

/// One RTMP connection.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// The server side of a connection that was accepted at `now`.
    #[must_use]
    pub fn server(config: Arc<SessionConfig>, now: Instant, rng: Rng) -> Self {
        todo!()
    }

    /// The client side of a connection that was established at `now`; its first bytes go to `out`.
    #[must_use]
    pub fn client(
        config: Arc<SessionConfig>,
        request: ClientRequest,
        now: Instant,
        rng: Rng,
        out: &mut BytesMut,
    ) -> Self {
        todo!()
    }

    /// Consumes from the front of `input` until something happens; `Ok(None)` means that all of
    /// `input` was consumed. Replies are appended to `out`.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit. A reply in RTMP's words may have been appended.
    pub fn receive(
        &mut self,
        now: Instant,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<SessionEvent>, SessionError> {
        todo!()
    }

    /// Grants a request.
    ///
    /// # Errors
    /// There is no such request.
    pub fn accept(
        &mut self,
        now: Instant,
        request: RequestId,
        out: &mut BytesMut,
    ) -> Result<(), Misuse> {
        todo!()
    }

    /// Refuses a request; the connection should be closed once `out` was sent.
    ///
    /// # Errors
    /// There is no such request.
    pub fn reject(
        &mut self,
        now: Instant,
        request: RequestId,
        refusal: Refusal,
        out: &mut BytesMut,
    ) -> Result<(), Misuse> {
        todo!()
    }

    /// Client side: sends a frame of the stream that we publish.
    ///
    /// # Errors
    /// Publishing has not begun.
    pub fn send(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), Misuse> {
        todo!()
    }

    /// Appends an `onStatus` on `stream`.
    pub fn status(
        &mut self,
        stream: MessageStreamId,
        level: StatusLevel,
        code: &str,
        description: &str,
        out: &mut BytesMut,
    ) {
        todo!()
    }

    /// Server side: appends StreamEOF for `stream`.
    pub fn stream_eof(&mut self, stream: MessageStreamId, out: &mut BytesMut) {
        todo!()
    }

    /// Client side: says good-bye (FCUnpublish, deleteStream) before a close.
    pub fn finish(&mut self, out: &mut BytesMut) {
        todo!()
    }

    /// Server side: the message stream `stream` no longer plays or publishes (the server ended it).
    pub fn end_stream(&mut self, stream: MessageStreamId) {
        todo!()
    }

    /// The outgoing chunk size.
    #[must_use]
    pub fn chunk_size(&self) -> ChunkSize {
        todo!()
    }

    /// Bytes of incomplete messages held now.
    #[must_use]
    pub fn buffered(&self) -> usize {
        todo!()
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        todo!()
    }

    /// The deadline has come; fails when the peer was too slow.
    ///
    /// # Errors
    /// Says what the peer did not do in time.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), SessionError> {
        todo!()
    }
}
