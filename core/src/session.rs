//! One RTMP connection, server or client side: handshake, chunk stream, commands, message streams.
//!
//! The machine takes bytes and gives events; replies are appended to a buffer of the caller. Policy
//! answers `Connect`, `Publish` and `Play` by request id, perhaps much later: until then `receive`
//! must not be called again.

mod client;
mod command;
mod control;
mod data;
mod event;
pub mod fuzz;
mod media;
mod server;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use event::{
    ClientRequest, ConnectRequest, Ignored, Intent, Misuse, PlayRequest, PublishRequest, Refusal,
    SessionError, SessionEvent,
};

pub(crate) use event::without_secrets;

use crate::amf::{AmfLimits, Text};
use crate::chunk::{ChunkLimits, ChunkReader, ChunkSize, Message};
use crate::frame::Frame;
use crate::handshake::Handshake;
use crate::id::{MessageStreamId, RequestId};
use crate::limits::Limits;
use crate::message::{Aggregate, ControlMessage, MessageType, UserControl};
use crate::rng::Rng;
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::BytesMut;
use client::Client;
use command::{Command, Writer};
use control::Control;
use core::fmt;
use media::{Backlog, Held};
use server::{Granted, Server};

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

/// Level of an `onStatus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum StatusLevel {
    Error,
    Status,
    Warning,
}

/// One RTMP connection.
pub struct Session {
    config: Arc<SessionConfig>,
    phase: Phase,
    reader: ChunkReader,
    /// Of what we send.
    chunk_size: ChunkSize,
    /// What is announced with `connect`, if not what the configuration says.
    first_chunk_size: Option<ChunkSize>,
    control: Control,
    /// What is left of a message that gives several events.
    backlog: Option<Box<Backlog>>,
    /// Messages of unknown type and commands of unknown name.
    unknown: u32,
    side: Side,
}

/// How far the connection has come. It never goes back.
#[derive(Debug)]
enum Phase {
    Shaking(Box<Shaking>),
    Open,
    /// A request was refused, or good-bye was said: what still comes is dropped.
    Over,
    Failed(SessionError),
}

struct Shaking {
    handshake: Handshake,
    rng: Rng,
    deadline: Deadline,
}

#[derive(Debug)]
enum Side {
    Client(Box<Client>),
    Server(Server),
}

/// Ten thousand sessions at rest are a few megabytes; events are moved often.
const _: () = assert!(size_of::<Session>() <= 320 && size_of::<SessionEvent>() <= 80);

impl Session {
    /// The server side of a connection that was accepted at `now`.
    #[must_use]
    pub fn server(config: Arc<SessionConfig>, now: Instant, rng: Rng) -> Self {
        let side = Side::Server(Server::new(now));
        let len_max = config.limits.message_len_max_early;
        Self::new(config, now, Handshake::server(), rng, side, len_max)
    }

    /// The client side of a connection that was established at `now`; its first bytes go to `out`.
    #[must_use]
    pub fn client(
        config: Arc<SessionConfig>,
        request: ClientRequest,
        now: Instant,
        mut rng: Rng,
        out: &mut BytesMut,
    ) -> Self {
        let handshake = Handshake::client(time_ms(now), &mut rng, out);
        let side = Side::Client(Box::new(Client::new(request)));
        // The configuration names the server, so it is trusted with long messages at once.
        let len_max = config.limits.message_len_max;
        Self::new(config, now, handshake, rng, side, len_max)
    }

    /// Consumes from the front of `input` until something happens; `Ok(None)` means that all of
    /// `input` was consumed. Replies are appended to `out`.
    ///
    /// It is to be called until it gives `Ok(None)`, even with empty `input`: one message can make
    /// several events. It must not be called while a request waits for its answer.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit. A reply in RTMP's words may have been appended. The
    /// session is over: each later call gives the same error.
    pub fn receive(
        &mut self,
        now: Instant,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<SessionEvent>, SessionError> {
        if let Side::Server(server) = &self.side {
            debug_assert!(!server.is_pending(), "a request waits for its answer");
        }
        let result = self.advance(now, input, out).and_then(|event| self.count_unknown(event));
        if let Err(error) = result {
            self.fail(error, out);
        }
        result
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
        let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
        let Side::Server(server) = &mut self.side else { return Err(NOT_A_SERVER) };
        let chunk_size = self.first_chunk_size.unwrap_or(self.config.chunk_size);
        let Self { config, control, .. } = self;
        match server.accept(now, request, (config, chunk_size), control, &mut writer)? {
            Granted::Publish => {
                let limits = &self.config.limits;
                self.reader.set_limits(chunk_limits(limits, limits.message_len_max));
            }
            Granted::Connect | Granted::Play => {}
        }
        Ok(())
    }

    /// Refuses a request; the connection should be closed once `out` was sent. What still comes is
    /// dropped.
    ///
    /// # Errors
    /// There is no such request.
    pub fn reject(
        &mut self,
        _now: Instant,
        request: RequestId,
        refusal: Refusal,
        out: &mut BytesMut,
    ) -> Result<(), Misuse> {
        self.decline(request, refusal, out)?;
        self.phase = Phase::Over;
        Ok(())
    }

    /// Refuses a request, and the session goes on: its message stream is as it was before.
    ///
    /// # Errors
    /// There is no such request.
    pub fn decline(
        &mut self,
        request: RequestId,
        refusal: Refusal,
        out: &mut BytesMut,
    ) -> Result<(), Misuse> {
        let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
        let Side::Server(server) = &mut self.side else { return Err(NOT_A_SERVER) };
        server.reject(request, refusal, &mut writer)
    }

    /// Client side: `connect` says what servers the stream has passed (see
    /// [`Route`](crate::forward::Route)), and whether it is a rendition, of which no other is to be
    /// made. To be called before the handshake is complete.
    pub fn set_origin(&mut self, route: Arc<str>, is_rendition: bool) {
        if let Side::Client(client) = &mut self.side {
            client.set_origin(route, is_rendition);
        }
    }

    /// Client side: sends a frame of the stream that we publish.
    ///
    /// # Errors
    /// Publishing has not begun.
    pub fn send(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), Misuse> {
        match (&mut self.side, &self.phase) {
            (Side::Client(client), Phase::Open) => client.send(frame, out),
            _ => Err(Misuse("the session does not publish")),
        }
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
        let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
        writer.status(stream, level, code, description);
    }

    /// Server side: appends StreamEOF for `stream`.
    pub fn stream_eof(&mut self, stream: MessageStreamId, out: &mut BytesMut) {
        let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
        writer.user_control(UserControl::StreamEof(stream));
    }

    /// Client side: says good-bye (FCUnpublish, deleteStream) before a close. What still comes is
    /// dropped.
    pub fn finish(&mut self, out: &mut BytesMut) {
        if let (Side::Client(client), Phase::Open) = (&mut self.side, &self.phase) {
            client.finish(&mut Writer { chunk_size: &mut self.chunk_size, out });
            self.phase = Phase::Over;
        }
    }

    /// Server side: the message stream `stream` no longer plays or publishes (the server ended it).
    pub fn end_stream(&mut self, stream: MessageStreamId) {
        if let Side::Server(server) = &mut self.side {
            server.end_stream(stream);
        }
    }

    /// Server side: the chunk size that will be announced when `connect` is granted, in place of that
    /// of the configuration.
    pub const fn set_chunk_size(&mut self, size: ChunkSize) {
        self.first_chunk_size = Some(size);
    }

    /// Server side: changes the outgoing chunk size, if it is another one, and tells the peer.
    pub fn announce_chunk_size(&mut self, size: ChunkSize, out: &mut BytesMut) {
        if size != self.chunk_size {
            let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
            writer.control(ControlMessage::SetChunkSize(size));
        }
    }

    /// The outgoing chunk size.
    #[must_use]
    pub fn chunk_size(&self) -> ChunkSize {
        self.chunk_size
    }

    /// Bytes of incomplete messages held now.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.reader.buffered()
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        match (&self.phase, &self.side) {
            (Phase::Shaking(shaking), _) => Some(shaking.deadline),
            (Phase::Open, Side::Client(client)) => client.poll_timeout(),
            (Phase::Open, Side::Server(server)) => {
                server.poll_timeout(self.config.limits.publisher_idle_timeout)
            }
            (Phase::Over | Phase::Failed(_), _) => None,
        }
    }

    /// The deadline has come; fails when the peer was too slow.
    ///
    /// # Errors
    /// Says what the peer did not do in time.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), SessionError> {
        match self.poll_timeout() {
            Some(Deadline { at, reason }) if at <= now => {
                let error = SessionError::Timeout(reason);
                self.fail(error, out);
                Err(error)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn new(
        config: Arc<SessionConfig>,
        now: Instant,
        handshake: Handshake,
        rng: Rng,
        side: Side,
        message_len_max: u32,
    ) -> Self {
        let at = now.after(config.limits.handshake_timeout);
        let deadline = Deadline { at, reason: TimerKind::Handshake };
        Self {
            phase: Phase::Shaking(Box::new(Shaking { handshake, rng, deadline })),
            reader: ChunkReader::new(chunk_limits(&config.limits, message_len_max)),
            chunk_size: ChunkSize::DEFAULT,
            first_chunk_size: None,
            control: Control::new(config.window_ack_size),
            backlog: None,
            unknown: 0,
            side,
            config,
        }
    }

    fn advance(
        &mut self,
        now: Instant,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<SessionEvent>, SessionError> {
        match &mut self.phase {
            Phase::Shaking(_) => return self.shake(now, input, out),
            Phase::Open => {}
            Phase::Over => {
                *input = &[];
                return Ok(None);
            }
            Phase::Failed(error) => return Err(*error),
        }
        if let Some(event) = self.work_off(now) {
            return Ok(Some(event));
        }
        loop {
            let before = input.len();
            let message = self.reader.read(input);
            self.control.count(before.saturating_sub(input.len()));
            let message = message.map_err(SessionError::Chunk)?;
            self.control.acknowledge(&mut Writer { chunk_size: &mut self.chunk_size, out });
            let Some(message) = message else { return Ok(None) };
            if let Some(event) = self.handle(now, message, out)? {
                return Ok(Some(event));
            }
        }
    }

    fn shake(
        &mut self,
        now: Instant,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<SessionEvent>, SessionError> {
        let Phase::Shaking(shaking) = &mut self.phase else { return Ok(None) };
        let before = input.len();
        let kind = shaking.handshake.receive(time_ms(now), &mut shaking.rng, input, out);
        self.control.count(before.saturating_sub(input.len()));
        let Some(kind) = kind.map_err(SessionError::Handshake)? else { return Ok(None) };
        self.phase = Phase::Open;
        let limits = &self.config.limits;
        match &mut self.side {
            Side::Client(client) => {
                client.handshaked(now, limits);
                client.connect(&mut Writer { chunk_size: &mut self.chunk_size, out });
            }
            Side::Server(server) => server.handshaked(now, limits),
        }
        Ok(Some(SessionEvent::Handshaked { kind }))
    }

    fn handle(
        &mut self,
        now: Instant,
        message: Message,
        out: &mut BytesMut,
    ) -> Result<Option<SessionEvent>, SessionError> {
        let type_id = message.header.type_id;
        if message.payload.is_empty() {
            return Ok(Some(SessionEvent::Ignored(Ignored::EmptyMessage { type_id })));
        }
        match MessageType::from_id(type_id) {
            Some(
                MessageType::SetChunkSize
                | MessageType::Abort
                | MessageType::Acknowledgement
                | MessageType::UserControl
                | MessageType::WindowAcknowledgementSize
                | MessageType::SetPeerBandwidth,
            ) => self.handle_control(now, &message, out),
            Some(MessageType::CommandAmf0 | MessageType::CommandAmf3) => {
                self.handle_command(now, message, out)
            }
            Some(
                MessageType::Audio
                | MessageType::Video
                | MessageType::DataAmf0
                | MessageType::DataAmf3,
            ) => Ok(self.handle_media(now, message)),
            Some(MessageType::Aggregate) => {
                let Message { header, payload } = message;
                let aggregate = Aggregate::new(header.timestamp, payload);
                self.backlog.get_or_insert_default().aggregate = Some((header, aggregate));
                Ok(self.work_off(now))
            }
            Some(MessageType::SharedObjectAmf0 | MessageType::SharedObjectAmf3) | None => {
                Ok(Some(SessionEvent::Ignored(Ignored::MessageType { type_id })))
            }
        }
    }

    fn handle_control(
        &mut self,
        now: Instant,
        message: &Message,
        out: &mut BytesMut,
    ) -> Result<Option<SessionEvent>, SessionError> {
        let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
        let (reader, limits) = (&mut self.reader, &self.config.limits);
        let ended = self.control.receive(now, message, reader, limits, &mut writer)?;
        Ok(match &self.side {
            Side::Client(client) if ended.is_some() && client.is_playing() => {
                Some(SessionEvent::Ended { code: Text::default() })
            }
            Side::Client(_) | Side::Server(_) => None,
        })
    }

    fn handle_command(
        &mut self,
        now: Instant,
        message: Message,
        out: &mut BytesMut,
    ) -> Result<Option<SessionEvent>, SessionError> {
        let Message { header, payload } = message;
        let command = Command::parse(header.type_id, payload, amf_limits(&self.config.limits))
            .map_err(SessionError::Amf)?;
        let (config, control) = (&self.config, &mut self.control);
        let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
        match &mut self.side {
            Side::Client(client) => {
                let event = client.command(now, &command, config, control, &mut writer);
                if matches!(event, Some(SessionEvent::Rejected { .. })) {
                    self.phase = Phase::Over;
                }
                Ok(event)
            }
            Side::Server(server) => server.command(header.stream_id, &command, config, &mut writer),
        }
    }

    /// Takes a message of type 8, 9, 15 or 18.
    fn handle_media(&mut self, now: Instant, message: Message) -> Option<SessionEvent> {
        let limits = amf_limits(&self.config.limits);
        let target = match &mut self.side {
            Side::Client(_) => None,
            Side::Server(server) => match server.publishing(now, message.header.stream_id) {
                Some(stream) => Some(stream),
                None => return Some(SessionEvent::Ignored(Ignored::MediaState)),
            },
        };
        let media = match media::read(message, limits) {
            Ok(media) => media?,
            Err(ignored) => return Some(SessionEvent::Ignored(ignored)),
        };
        let (event, frame) = match (&mut self.side, target) {
            (Side::Client(client), _) => client.media(media),
            (Side::Server(_), stream) => (None, stream.map(|stream| (stream, media.frame))),
        };
        let Some(event) = event else {
            return frame.map(|(stream, frame)| SessionEvent::Media { stream, frame });
        };
        if frame.is_some() {
            self.backlog.get_or_insert_default().frame = frame;
        }
        Some(event)
    }

    /// Takes the next event of a message that gives several.
    fn work_off(&mut self, now: Instant) -> Option<SessionEvent> {
        loop {
            let event = match self.backlog.as_mut()?.take() {
                Some(Held::Event(event)) => Some(event),
                Some(Held::Message(message)) => self.handle_item(now, message),
                None => {
                    self.backlog = None;
                    None
                }
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// Takes a message that came in an aggregate, where only media may be.
    fn handle_item(&mut self, now: Instant, message: Message) -> Option<SessionEvent> {
        let type_id = message.header.type_id;
        if message.payload.is_empty() {
            return Some(SessionEvent::Ignored(Ignored::EmptyMessage { type_id }));
        }
        let is_media = matches!(
            MessageType::from_id(type_id),
            Some(
                MessageType::Audio
                    | MessageType::Video
                    | MessageType::DataAmf0
                    | MessageType::DataAmf3
            )
        );
        if is_media {
            self.handle_media(now, message)
        } else {
            Some(SessionEvent::Ignored(Ignored::MessageType { type_id }))
        }
    }

    /// Refuses a peer that sends too much of what nobody knows.
    fn count_unknown(
        &mut self,
        event: Option<SessionEvent>,
    ) -> Result<Option<SessionEvent>, SessionError> {
        if let Some(SessionEvent::Ignored(ignored)) = &event
            && ignored.is_unknown()
        {
            self.unknown = self.unknown.saturating_add(1);
            if self.unknown > self.config.limits.unknown_messages_max {
                return Err(SessionError::TooManyUnknown);
            }
        }
        Ok(event)
    }

    /// Ends the session, and tells a client why.
    fn fail(&mut self, error: SessionError, out: &mut BytesMut) {
        if let (Side::Server(server), Phase::Open) = (&self.side, &self.phase)
            && server.is_connected()
        {
            let (code, description) = error.words();
            let mut writer = Writer { chunk_size: &mut self.chunk_size, out };
            writer.status(MessageStreamId(0), StatusLevel::Error, code, description);
        }
        self.phase = Phase::Failed(error);
        self.backlog = None;
    }
}

/// The answer to a question that only a server can be asked.
const NOT_A_SERVER: Misuse = Misuse("a client session has no requests");

/// Milliseconds for the time fields of the handshake, modulo 2^32.
fn time_ms(now: Instant) -> u32 {
    now.as_millis() as u32
}

fn amf_limits(limits: &Limits) -> AmfLimits {
    AmfLimits { depth_max: limits.amf_depth_max, nodes_max: limits.amf_nodes_max }
}

fn chunk_limits(limits: &Limits, message_len_max: u32) -> ChunkLimits {
    ChunkLimits {
        chunk_streams_max: limits.chunk_streams_max,
        incomplete_bytes_max: limits.incomplete_bytes_max,
        message_len_max,
    }
}

impl fmt::Debug for Session {
    /// Without buffers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("phase", &self.phase)
            .field("chunk_size", &self.chunk_size)
            .field("control", &self.control)
            .field("unknown", &self.unknown)
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shaking").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
