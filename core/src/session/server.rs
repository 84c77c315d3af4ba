//! The server side: what clients ask for, and what they are answered.

mod answer;
#[cfg(test)]
mod tests;

use super::command::{Command, RENDITION, ROUTE, Verb, Writer, message_stream_id};
use super::control::Control;
use super::event::{
    ConnectRequest, Ignored, Misuse, PlayRequest, PublishRequest, Refusal, SessionError,
    SessionEvent,
};
use super::{SessionConfig, StatusLevel};
use crate::amf::{Text, Value};
use crate::chunk::ChunkSize;
use crate::frame::FrameKind;
use crate::id::{MessageStreamId, RequestId};
use crate::limits::Limits;
use crate::message::{ControlMessage, LimitType, UserControl};
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use bytes::Bytes;
use core::time::Duration;
use smallvec::SmallVec;

/// The state of the server side after the handshake.
///
/// A command is taken in the state of the connection, and in that of the message stream that it
/// goes to. This table has all transitions. `?` waits for the owner (`accept`, `reject`, which ends
/// the session, or `decline`, which leaves the message stream as it was). `call` is `_result` or,
/// where it says so, `_error`: both only if the transaction id is not 0. Each `error` is reported as
/// `Ignored::CommandState`.
///
/// | command | before `connect` | no such stream | idle | publishing | playing |
/// |---|---|---|---|---|---|
/// | `connect` | ? then connected | `_error` | `_error` | `_error` | `_error` |
/// | `createStream` | `_error` | new, idle | new | new | new |
/// | `releaseStream`, `FCPublish`, calls | `_error` | call | call | call | call |
/// | `publish` | `_error` | error | ? then publishing | error | error |
/// | `play` | `_error` | error | ? then playing | error | error |
/// | `publish(false)`, `play(false)` | `_error` | as `closeStream` | | | |
/// | `FCUnpublish` | `_error` | call | call | idle, `Unpublished` | call |
/// | `closeStream` | `_error` | call | call | idle, `Unpublished` | idle, `Stopped` |
/// | `deleteStream` | `_error` | `_error` | gone | gone, `Unpublished` | gone, `Stopped` |
/// | `pause`, `pauseRaw` | `_error` | error | error | error | `Paused` |
/// | `receiveAudio`, `receiveVideo` | `_error` | error | call, kept for `play` | error | `Selected` |
/// | `seek` | `_error` | error | error | error | error, goes on |
/// | media | dropped | dropped | dropped | `Media` | dropped |
///
/// `publish` and `play` on message stream 0 mean the first idle one, and media there the only one
/// that is publishing: some clients never learn the id.
#[derive(Clone, Debug)]
pub(super) struct Server {
    connected: bool,
    /// `FCPublish` was seen: an encoder of that kind waits for `onFCPublish`.
    fc_publish: bool,
    /// For `connect`, then for a role; `None` once a role was given.
    deadline: Option<Deadline>,
    /// The peer published last, or was allowed to.
    last_media: Instant,
    pending: Option<Pending>,
    /// The id of the newest request.
    request: RequestId,
    /// In the order of their ids.
    streams: SmallVec<[Stream; 1]>,
}

/// A request that the owner has not answered.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Pending {
    Connect(Connect),
    Play(MessageStreamId),
    Publish(MessageStreamId),
}

/// What the answer to `connect` echoes.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Connect {
    transaction: f64,
    object_encoding: f64,
    /// The client speaks Enhanced RTMP.
    enhanced: bool,
}

#[derive(Clone, Debug)]
struct Stream {
    /// Its player takes audio, and video: for this play and for those that follow.
    has_audio: bool,
    has_video: bool,
    id: MessageStreamId,
    role: Role,
    /// What `publish` named, without the query: `FCUnpublish` names it again.
    name: Text,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Idle,
    Playing,
    Publishing,
}

/// What the session has to change once a request was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Granted {
    Connect,
    Play,
    Publish,
}

type Handled = Result<Option<SessionEvent>, SessionError>;

impl Server {
    /// Before the handshake is complete.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            connected: false,
            fc_publish: false,
            deadline: None,
            last_media: now,
            pending: None,
            request: RequestId(0),
            streams: SmallVec::new(),
        }
    }

    /// The handshake is complete: the client has so long to connect.
    pub(super) fn handshaked(&mut self, now: Instant, limits: &Limits) {
        let at = now.after(limits.connect_timeout);
        self.deadline = Some(Deadline { at, reason: TimerKind::Connect });
    }

    /// `connect` was accepted.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// A request waits for its answer.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// When the client will have been too slow. A request that is not answered stops the clock.
    pub(super) fn poll_timeout(&self, publisher_idle_timeout: Duration) -> Option<Deadline> {
        if self.pending.is_some() {
            return None;
        }
        let publishes = self.streams.iter().any(|stream| stream.role == Role::Publishing);
        let idle = || Deadline {
            at: self.last_media.after(publisher_idle_timeout),
            reason: TimerKind::Idle,
        };
        self.deadline.or_else(|| publishes.then(idle))
    }

    /// Obeys a command that came on `stream`.
    pub(super) fn command(
        &mut self,
        stream: MessageStreamId,
        command: &Command,
        config: &SessionConfig,
        writer: &mut Writer<'_>,
    ) -> Handled {
        let verb = command.verb();
        if !self.connected {
            return if verb == Verb::Connect {
                self.connect(command, writer)
            } else {
                Ok(Some(refuse_call(command, "The client must connect first.", writer)))
            };
        }
        match verb {
            Verb::Connect => {
                let description = "The client is connected.";
                writer.error(command.transaction, "NetConnection.Connect.Rejected", description);
                Ok(Some(out_of_state(command)))
            }
            Verb::CreateStream => self.create_stream(command, config, writer),
            Verb::ReleaseStream => Ok(call(command, Value::Undefined, writer)),
            Verb::FcPublish => {
                self.fc_publish = true;
                Ok(call(command, Value::Undefined, writer))
            }
            Verb::Call => Ok(call(command, Value::Null, writer)),
            Verb::GetStreamLength => Ok(call(command, Value::Number(0.0), writer)),
            Verb::Publish | Verb::Play if command.boolean(1) == Some(false) => {
                Ok(self.close_stream(stream, command, writer))
            }
            Verb::Publish => Ok(Some(self.publish(stream, command, writer))),
            Verb::Play => Ok(Some(self.play(stream, command, writer))),
            Verb::FcUnpublish => Ok(self.fc_unpublish(stream, command, writer)),
            Verb::CloseStream => Ok(self.close_stream(stream, command, writer)),
            Verb::DeleteStream => Ok(self.delete_stream(command, writer)),
            Verb::Pause => Ok(Some(self.pause(stream, command, writer))),
            Verb::Seek => Ok(Some(seek(stream, command, writer))),
            Verb::ReceiveAudio => Ok(self.select(stream, FrameKind::Audio, command, writer)),
            Verb::ReceiveVideo => Ok(self.select(stream, FrameKind::Video, command, writer)),
            Verb::Reply => Ok(None),
            Verb::Unknown => {
                writer.result(command.transaction, &[Value::Null, Value::Null]);
                Ok(Some(SessionEvent::Ignored(Ignored::Command { name: command.name.clone() })))
            }
        }
    }

    /// The message stream that media on `stream` are published to.
    pub(super) fn publishing(
        &mut self,
        now: Instant,
        stream: MessageStreamId,
    ) -> Option<MessageStreamId> {
        let id = self.publishing_on(stream)?;
        self.last_media = now;
        Some(id)
    }

    /// Grants a request.
    ///
    /// # Errors
    /// There is no such request.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        request: RequestId,
        (config, chunk_size): (&SessionConfig, ChunkSize),
        control: &mut Control,
        writer: &mut Writer<'_>,
    ) -> Result<Granted, Misuse> {
        match self.take_pending(request)? {
            Pending::Connect(connect) => {
                self.connected = true;
                self.deadline = Some(Deadline {
                    at: now.after(config.limits.role_timeout),
                    reason: TimerKind::Role,
                });
                let window = config.window_ack_size;
                control.announce_window(window, writer);
                let limit_type = LimitType::Dynamic;
                writer.control(ControlMessage::SetPeerBandwidth { size: window, limit_type });
                // The chunk size goes before the result: OBS would read a result of more than 128
                // bytes wrong.
                writer.control(ControlMessage::SetChunkSize(chunk_size));
                answer::connect(connect, writer);
                Ok(Granted::Connect)
            }
            Pending::Play(stream) => {
                self.set_role(stream, Role::Playing);
                self.deadline = None;
                answer::play(stream, writer);
                Ok(Granted::Play)
            }
            Pending::Publish(stream) => {
                self.set_role(stream, Role::Publishing);
                self.deadline = None;
                self.last_media = now;
                answer::publish(stream, self.fc_publish, writer);
                Ok(Granted::Publish)
            }
        }
    }

    /// Refuses a request.
    ///
    /// # Errors
    /// There is no such request.
    pub(super) fn reject(
        &mut self,
        request: RequestId,
        refusal: Refusal,
        writer: &mut Writer<'_>,
    ) -> Result<(), Misuse> {
        let Refusal { code, description } = refusal;
        match self.take_pending(request)? {
            Pending::Connect(connect) => writer.error(connect.transaction, code, description),
            Pending::Play(stream) | Pending::Publish(stream) => {
                writer.status(stream, StatusLevel::Error, code, description);
            }
        }
        Ok(())
    }

    /// The owner ended what `stream` did.
    pub(super) fn end_stream(&mut self, stream: MessageStreamId) {
        self.set_role(stream, Role::Idle);
    }

    fn connect(&mut self, command: &Command, writer: &mut Writer<'_>) -> Handled {
        let Some(object) = command.argument(0).filter(|value| value.properties().is_some()) else {
            let description = "The command object of connect is missing.";
            writer.error(command.transaction, "NetConnection.Connect.Rejected", description);
            return Err(SessionError::State);
        };
        let encoding = object.get("objectEncoding").and_then(Value::as_number);
        let is_rendition = object.get(RENDITION).and_then(Value::as_boolean) == Some(true);
        let object_encoding = encoding.filter(|number| number.is_finite()).unwrap_or(0.0);
        self.pending = Some(Pending::Connect(Connect {
            transaction: command.transaction,
            object_encoding,
            enhanced: answer::ENHANCED_PROPERTIES.iter().any(|key| object.get(key).is_some()),
        }));
        Ok(Some(SessionEvent::Connect(Box::new(ConnectRequest {
            request: self.next_request(),
            app: command.property(0, "app"),
            flash_ver: command.property(0, "flashVer"),
            is_rendition,
            object_encoding,
            page_url: command.property(0, "pageUrl"),
            route: command.property(0, ROUTE),
            swf_url: command.property(0, "swfUrl"),
            tc_url: command.property(0, "tcUrl"),
        }))))
    }

    /// The new message stream gets the lowest id that is free, from 1.
    fn create_stream(
        &mut self,
        command: &Command,
        config: &SessionConfig,
        writer: &mut Writer<'_>,
    ) -> Handled {
        if self.streams.len() >= usize::from(config.limits.message_streams_max) {
            let description = "The connection has as many message streams as it may have.";
            writer.error(command.transaction, "NetConnection.Call.Failed", description);
            return Err(SessionError::TooManyMessageStreams);
        }
        let ids = self.streams.iter().map(|stream| stream.id.0);
        // The ids are in order: the first that differs from its place leaves that place free.
        let taken = ids.zip(1..).take_while(|(id, place)| id == place).count();
        let id = MessageStreamId(u32::try_from(taken).unwrap_or(u32::MAX).saturating_add(1));
        let (has_audio, has_video) = (true, true);
        let stream = Stream { has_audio, has_video, id, role: Role::Idle, name: Text::default() };
        self.streams.insert(taken, stream);
        writer.result(command.transaction, &[Value::Null, Value::Number(f64::from(id.0))]);
        Ok(None)
    }

    fn publish(
        &mut self,
        stream: MessageStreamId,
        command: &Command,
        writer: &mut Writer<'_>,
    ) -> SessionEvent {
        let argument = command.text(1);
        let Some(idle) = self.idle(stream) else {
            let code = "NetStream.Publish.BadConnection";
            let description = "The message stream does not exist, or is in use.";
            writer.status(stream, StatusLevel::Error, code, description);
            return out_of_state(command);
        };
        // A copy, so that the message does not live as long as the stream.
        idle.name = Text(Bytes::copy_from_slice(without_query(argument.as_bytes())));
        let stream = idle.id;
        self.pending = Some(Pending::Publish(stream));
        let request = self.next_request();
        SessionEvent::Publish(Box::new(PublishRequest { request, stream, argument }))
    }

    fn play(
        &mut self,
        stream: MessageStreamId,
        command: &Command,
        writer: &mut Writer<'_>,
    ) -> SessionEvent {
        let Some(idle) = self.idle(stream) else {
            let description = "The message stream does not exist, or is in use.";
            writer.status(stream, StatusLevel::Error, "NetStream.Play.Failed", description);
            return out_of_state(command);
        };
        let Stream { has_audio, has_video, id: stream, .. } = *idle;
        self.pending = Some(Pending::Play(stream));
        // The cast saturates; what is negative (all), 0 or no number is no duration.
        let duration = command.number(3).filter(|millis| *millis >= 1.0);
        SessionEvent::Play(Box::new(PlayRequest {
            request: self.next_request(),
            stream,
            argument: command.text(1),
            start: command.number(2).unwrap_or(START_DEFAULT),
            duration: duration.map(|millis| Duration::from_millis(millis as u64)),
            has_audio,
            has_video,
        }))
    }

    fn fc_unpublish(
        &mut self,
        stream: MessageStreamId,
        command: &Command,
        writer: &mut Writer<'_>,
    ) -> Option<SessionEvent> {
        let argument = command.text(1);
        let name = without_query(argument.as_bytes());
        let named = if name.is_empty() {
            self.publishing_on(stream)
        } else {
            let mut publishing = self.streams.iter().filter(|entry| entry.role == Role::Publishing);
            publishing.find(|entry| entry.name.as_bytes() == name).map(|entry| entry.id)
        };
        let Some(stream) = named else {
            return call(command, Value::Undefined, writer);
        };
        let notice = answer::notice("NetStream.Unpublish.Success", "Stop publishing stream.");
        writer.on_stream(stream, "onFCUnpublish", notice);
        writer.result(command.transaction, &[Value::Null, Value::Undefined]);
        self.stop(stream, writer)
    }

    fn close_stream(
        &mut self,
        stream: MessageStreamId,
        command: &Command,
        writer: &mut Writer<'_>,
    ) -> Option<SessionEvent> {
        let event = self.stop(stream, writer);
        writer.result(command.transaction, &[Value::Null, Value::Null]);
        event
    }

    fn delete_stream(
        &mut self,
        command: &Command,
        writer: &mut Writer<'_>,
    ) -> Option<SessionEvent> {
        let id = command.number(1).and_then(message_stream_id);
        // GStreamer (rtmp2sink) sends the name in place of the id.
        let argument = command.text(1);
        let name = without_query(argument.as_bytes());
        let position = self.streams.iter().position(|stream| {
            Some(stream.id) == id || (!name.is_empty() && stream.name.as_bytes() == name)
        });
        let Some((position, id)) = position.and_then(|at| Some((at, self.streams.get(at)?.id)))
        else {
            return Some(refuse_call(command, "The message stream does not exist.", writer));
        };
        let event = self.stop(id, writer);
        self.streams.remove(position);
        writer.result(command.transaction, &[Value::Null, Value::Null]);
        event
    }

    fn pause(
        &mut self,
        stream: MessageStreamId,
        command: &Command,
        writer: &mut Writer<'_>,
    ) -> SessionEvent {
        if !self.is(stream, Role::Playing) {
            return refuse_stream(stream, command, "NetStream.Failed", writer);
        }
        let paused = command.boolean(1).unwrap_or(true);
        let (code, description, event) = if paused {
            ("NetStream.Pause.Notify", "Paused stream.", UserControl::StreamEof(stream))
        } else {
            ("NetStream.Unpause.Notify", "Unpaused stream.", UserControl::StreamBegin(stream))
        };
        writer.status(stream, StatusLevel::Status, code, description);
        writer.user_control(event);
        SessionEvent::Paused { stream, paused }
    }

    fn select(
        &mut self,
        stream: MessageStreamId,
        kind: FrameKind,
        command: &Command,
        writer: &mut Writer<'_>,
    ) -> Option<SessionEvent> {
        let is_playing = self.is(stream, Role::Playing);
        // Flash says that it wants video before it plays.
        if !is_playing && !self.is(stream, Role::Idle) {
            return Some(refuse_stream(stream, command, "NetStream.Failed", writer));
        }
        writer.result(command.transaction, &[Value::Null, Value::Null]);
        let enabled = command.boolean(1).unwrap_or(true);
        if let Some(entry) = self.streams.iter_mut().find(|entry| entry.id == stream) {
            match kind {
                FrameKind::Audio => entry.has_audio = enabled,
                FrameKind::Video | FrameKind::Data => entry.has_video = enabled,
            }
        }
        is_playing.then_some(SessionEvent::Selected { stream, kind, enabled })
    }

    /// `stream` becomes idle, and its client is told.
    fn stop(&mut self, stream: MessageStreamId, writer: &mut Writer<'_>) -> Option<SessionEvent> {
        let entry = self.streams.iter_mut().find(|entry| entry.id == stream)?;
        match core::mem::replace(&mut entry.role, Role::Idle) {
            Role::Idle => None,
            Role::Playing => {
                writer.user_control(UserControl::StreamEof(stream));
                Some(SessionEvent::Stopped { stream })
            }
            Role::Publishing => {
                let code = "NetStream.Unpublish.Success";
                let description = "Stream is now unpublished.";
                writer.status(stream, StatusLevel::Status, code, description);
                Some(SessionEvent::Unpublished { stream })
            }
        }
    }

    fn publishing_on(&self, stream: MessageStreamId) -> Option<MessageStreamId> {
        let mut publishing = self.streams.iter().filter(|entry| entry.role == Role::Publishing);
        let found = if stream.0 == 0 {
            publishing.next().filter(|_| publishing.next().is_none())
        } else {
            publishing.find(|entry| entry.id == stream)
        };
        found.map(|entry| entry.id)
    }

    fn take_pending(&mut self, request: RequestId) -> Result<Pending, Misuse> {
        let pending = self.pending.take_if(|_| request == self.request);
        pending.ok_or(Misuse("no such request is pending"))
    }

    fn next_request(&mut self) -> RequestId {
        self.request = RequestId(self.request.0.wrapping_add(1));
        self.request
    }

    /// The idle message stream that a command on `stream` means.
    fn idle(&mut self, stream: MessageStreamId) -> Option<&mut Stream> {
        let mut idle = self.streams.iter_mut().filter(|entry| entry.role == Role::Idle);
        if stream.0 == 0 { idle.next() } else { idle.find(|entry| entry.id == stream) }
    }

    fn is(&self, stream: MessageStreamId, role: Role) -> bool {
        self.streams.iter().any(|entry| entry.id == stream && entry.role == role)
    }

    fn set_role(&mut self, stream: MessageStreamId, role: Role) {
        if let Some(entry) = self.streams.iter_mut().find(|entry| entry.id == stream) {
            entry.role = role;
        }
    }
}

/// Where `play` starts when it does not say so: live, or else recorded.
const START_DEFAULT: f64 = -2.0;

/// `_result` with `value`, where an answer is wanted.
fn call(command: &Command, value: Value, writer: &mut Writer<'_>) -> Option<SessionEvent> {
    writer.result(command.transaction, &[Value::Null, value]);
    None
}

/// A live stream cannot seek; it goes on as it was.
fn seek(stream: MessageStreamId, command: &Command, writer: &mut Writer<'_>) -> SessionEvent {
    refuse_stream(stream, command, "NetStream.Seek.Failed", writer)
}

fn refuse_call(command: &Command, description: &str, writer: &mut Writer<'_>) -> SessionEvent {
    writer.error(command.transaction, "NetConnection.Call.Failed", description);
    out_of_state(command)
}

fn refuse_stream(
    stream: MessageStreamId,
    command: &Command,
    code: &str,
    writer: &mut Writer<'_>,
) -> SessionEvent {
    let description = "The message stream cannot do that now.";
    writer.status(stream, StatusLevel::Error, code, description);
    out_of_state(command)
}

fn out_of_state(command: &Command) -> SessionEvent {
    SessionEvent::Ignored(Ignored::CommandState { name: command.name.clone() })
}

fn without_query(argument: &[u8]) -> &[u8] {
    argument.split(|byte| *byte == b'?').next().unwrap_or_default()
}
