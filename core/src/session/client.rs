//! The client side: what servers are asked for, and what they answer.

use super::SessionConfig;
use super::command::{Command, RENDITION, ROUTE, Writer, message_stream_id, string};
use super::control::Control;
use super::event::{ClientRequest, Ignored, Intent, Misuse, SessionEvent};
use super::media::Media;
use crate::amf::{Text, Value, amf0};
use crate::chunk::{ChunkSize, ChunkStreamId, ChunkWriter, MessageHeader};
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::MessageStreamId;
use crate::limits::Limits;
use crate::message::{ControlMessage, MessageType, UserControl};
use crate::time::{Deadline, Instant, TimerKind};
use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec;
use bytes::BytesMut;

#[cfg(test)]
mod tests;

/// The state of the client side after the handshake.
///
/// | stage | leaves on | by sending |
/// |---|---|---|
/// | connecting | `_result` of `connect` | publish: chunk size, `releaseStream`, `FCPublish`, `createStream`; play: window, `createStream` |
/// | creating | `_result` of `createStream` | `publish`, or `play` and the buffer length |
/// | starting | `NetStream.Publish.Start`, or `NetStream.Play.Start` or the first media | |
/// | started | the end | media (publish) |
///
/// An `_error` of `connect` or `createStream`, or an `onStatus` of level `error`, is `Rejected`
/// before the start and `Ended` after it. Servers answer in any order and number: what does not
/// matter is ignored.
#[derive(Debug)]
pub(super) struct Client {
    request: ClientRequest,
    stage: Stage,
    /// The stream is a rendition: `connect` says so.
    is_rendition: bool,
    /// The servers that the stream has passed, for `connect`.
    route: Option<Arc<str>>,
    /// What the server created for us.
    stream: MessageStreamId,
    /// Media; commands go past it.
    media: ChunkWriter,
    /// For `connect`, then for the start.
    deadline: Option<Deadline>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    Connecting,
    Creating,
    Starting,
    Started,
}

/// The name of a publisher that servers know how to treat.
const PUBLISHER: &str = "FMLE/3.0 (compatible; millstream)";

/// The name of a player that servers know how to treat.
const PLAYER: &str = "LNX 9,0,124,2";

/// FourCCs of Enhanced RTMP that are relayed.
const FOURCCS: [&str; 11] =
    ["av01", "hvc1", "vp09", "vvc1", "vp08", "avc1", "Opus", "fLaC", "ac-3", "ec-3", "mp4a"];

/// Live, or else recorded; in the unit that ffmpeg and librtmp use.
const START_LIVE_OR_RECORDED: f64 = -2_000.0;

/// The buffer that a player announces.
const BUFFER_LENGTH_MS: u32 = 3_000;

/// Ids of the calls that are made.
mod transaction {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
    pub(super) const DELETE_STREAM: f64 = 7.0;
    pub(super) const PLAY: f64 = 3.0;

    /// The id of `createStream`, which comes after fewer calls when playing.
    pub(super) const fn create_stream(publishes: bool) -> f64 {
        if publishes { 4.0 } else { 2.0 }
    }
}

impl Client {
    /// Before the handshake is complete.
    pub(super) fn new(request: ClientRequest) -> Self {
        Self {
            request,
            stage: Stage::Connecting,
            is_rendition: false,
            route: None,
            stream: MessageStreamId(0),
            media: ChunkWriter::new(),
            deadline: None,
        }
    }

    /// The handshake is complete: the server has so long to accept the connection.
    pub(super) fn handshaked(&mut self, now: Instant, limits: &Limits) {
        let at = now.after(limits.connect_timeout);
        self.deadline = Some(Deadline { at, reason: TimerKind::Connect });
    }

    /// Says what servers the stream has passed, and whether it is a rendition.
    pub(super) fn set_origin(&mut self, route: Arc<str>, is_rendition: bool) {
        self.route = Some(route);
        self.is_rendition = is_rendition;
    }

    /// When the server will have been too slow.
    pub(super) fn poll_timeout(&self) -> Option<Deadline> {
        self.deadline
    }

    /// The stream was started, and plays.
    pub(super) fn is_playing(&self) -> bool {
        self.stage == Stage::Started && self.request.intent == Intent::Play
    }

    /// Asks for a connection.
    pub(super) fn connect(&self, writer: &mut Writer<'_>) {
        let mut properties = vec![("app".into(), string(&self.request.app))];
        let mut push = |key: &'static str, value| properties.push((Text::from(key), value));
        let tc_url = string(&self.request.tc_url);
        match self.request.intent {
            Intent::Publish => {
                push("type", string("nonprivate"));
                push("flashVer", string(PUBLISHER));
                push("tcUrl", tc_url);
            }
            Intent::Play => {
                push("flashVer", string(PLAYER));
                push("tcUrl", tc_url);
                push("fpad", Value::Boolean(false));
                push("capabilities", Value::Number(15.0));
                push("audioCodecs", Value::Number(4_071.0));
                push("videoCodecs", Value::Number(252.0));
                push("videoFunction", Value::Number(1.0));
            }
        }
        if let Some(route) = &self.route {
            push(ROUTE, string(route));
        }
        if self.is_rendition {
            push(RENDITION, Value::Boolean(true));
        }
        push("fourCcList", Value::StrictArray(FOURCCS.map(string).into()));
        writer.reply("connect", transaction::CONNECT, &[Value::Object(properties)]);
    }

    /// Takes a command of the server.
    pub(super) fn command(
        &mut self,
        now: Instant,
        command: &Command,
        config: &SessionConfig,
        control: &mut Control,
        writer: &mut Writer<'_>,
    ) -> Option<SessionEvent> {
        match command.name.as_bytes() {
            b"_result" => self.result(now, command, config, control, writer),
            b"_error" => self.error(command),
            b"onStatus" => self.on_status(command),
            name if KNOWN_NOTICES.contains(&name) => None,
            _ => Some(SessionEvent::Ignored(Ignored::Command { name: command.name.clone() })),
        }
    }

    /// Takes media; gives the event that they are, and the frame that follows it.
    ///
    /// A server need not say that the stream starts: its first media say it. The message stream
    /// that they name does not matter, as there is only one.
    pub(super) fn media(
        &mut self,
        media: Media,
    ) -> (Option<SessionEvent>, Option<(MessageStreamId, Frame)>) {
        let Media { frame, name } = media;
        match name.as_bytes() {
            b"|RtmpSampleAccess" | b"onStatus" => return (None, None),
            b"onPlayStatus" => {
                let code = "NetStream.Play.Complete";
                let ends = frame.payload.windows(code.len()).any(|bytes| bytes == code.as_bytes());
                return (ends.then(|| SessionEvent::Ended { code: code.into() }), None);
            }
            _ => {}
        }
        let event = self.starts(Intent::Play).then(|| self.started());
        if self.is_playing() {
            (event, Some((self.stream, frame)))
        } else {
            (Some(SessionEvent::Ignored(Ignored::MediaState)), None)
        }
    }

    /// Sends a frame of the stream that we publish.
    ///
    /// # Errors
    /// Publishing has not begun.
    pub(super) fn send(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), Misuse> {
        if self.request.intent != Intent::Publish || self.stage != Stage::Started {
            return Err(Misuse("publishing has not begun"));
        }
        let (csid, message_type) = match frame.kind {
            FrameKind::Audio => (ChunkStreamId::AUDIO, MessageType::Audio),
            FrameKind::Data => (ChunkStreamId::STREAM, MessageType::DataAmf0),
            FrameKind::Video => (ChunkStreamId::VIDEO, MessageType::Video),
        };
        let header = MessageHeader {
            csid,
            type_id: message_type.id(),
            stream_id: self.stream,
            timestamp: frame.timestamp,
        };
        let is_metadata = frame.kind == FrameKind::Data && frame.class == FrameClass::Metadata;
        let payload: Cow<'_, [u8]> = if is_metadata {
            let mut prefixed = BytesMut::new();
            amf0::write_string(b"@setDataFrame", &mut prefixed);
            prefixed.extend_from_slice(&frame.payload);
            Cow::Owned(prefixed.into())
        } else {
            Cow::Borrowed(&frame.payload)
        };
        self.media.write(header, &payload, out);
        Ok(())
    }

    /// Says good-bye.
    pub(super) fn finish(&mut self, writer: &mut Writer<'_>) {
        if self.stage < Stage::Starting {
            return;
        }
        let stream = Value::Number(f64::from(self.stream.0));
        if self.request.intent == Intent::Publish {
            let name = string(&self.request.stream);
            writer.reply("FCUnpublish", transaction::FC_UNPUBLISH, &[Value::Null, name]);
        }
        writer.reply("deleteStream", transaction::DELETE_STREAM, &[Value::Null, stream]);
    }

    fn result(
        &mut self,
        now: Instant,
        command: &Command,
        config: &SessionConfig,
        control: &mut Control,
        writer: &mut Writer<'_>,
    ) -> Option<SessionEvent> {
        match self.stage {
            Stage::Connecting => {
                if command.property(1, "level") == *"error" {
                    return self.error(command);
                }
                let succeeds = command.property(1, "code") == *"NetConnection.Connect.Success";
                if command.transaction != transaction::CONNECT && !succeeds {
                    return None;
                }
                self.connected(now, config, control, writer);
                Some(SessionEvent::Connected)
            }
            // Only createStream has a number for a result, so its transaction id need not match.
            Stage::Creating => {
                self.stream = message_stream_id(command.number(1)?)?;
                self.stage = Stage::Starting;
                self.ask(writer);
                None
            }
            Stage::Starting | Stage::Started => None,
        }
    }

    fn connected(
        &mut self,
        now: Instant,
        config: &SessionConfig,
        control: &mut Control,
        writer: &mut Writer<'_>,
    ) {
        self.stage = Stage::Creating;
        let at = now.after(config.limits.role_timeout);
        self.deadline = Some(Deadline { at, reason: TimerKind::Role });
        let publishes = self.request.intent == Intent::Publish;
        if publishes {
            self.set_chunk_size(config.chunk_size, writer);
            let arguments = [Value::Null, string(&self.request.stream)];
            writer.reply("releaseStream", transaction::RELEASE_STREAM, &arguments);
            writer.reply("FCPublish", transaction::FC_PUBLISH, &arguments);
        } else if !control.is_window_announced() {
            control.announce_window(config.window_ack_size, writer);
        }
        let id = transaction::create_stream(publishes);
        writer.reply("createStream", id, &[Value::Null]);
    }

    fn set_chunk_size(&mut self, size: ChunkSize, writer: &mut Writer<'_>) {
        writer.control(ControlMessage::SetChunkSize(size));
        self.media.set_chunk_size(size);
    }

    /// Publishes, or plays.
    fn ask(&mut self, writer: &mut Writer<'_>) {
        let (stream, csid) = (self.stream, ChunkStreamId::STREAM);
        let name = string(&self.request.stream);
        match self.request.intent {
            Intent::Publish => {
                let arguments = [Value::Null, name, string("live")];
                writer.command(csid, stream, "publish", transaction::PUBLISH, &arguments);
            }
            Intent::Play => {
                let arguments = [Value::Null, name, Value::Number(START_LIVE_OR_RECORDED)];
                writer.command(csid, stream, "play", transaction::PLAY, &arguments);
                let length_ms = BUFFER_LENGTH_MS;
                writer.user_control(UserControl::SetBufferLength { stream, length_ms });
            }
        }
    }

    /// Calls other than `connect` and `createStream` may fail: servers that do not know
    /// `releaseStream` or `FCPublish` publish all the same.
    fn error(&mut self, command: &Command) -> Option<SessionEvent> {
        let publishes = self.request.intent == Intent::Publish;
        let matters = match self.stage {
            Stage::Connecting => true,
            Stage::Creating => command.transaction == transaction::create_stream(publishes),
            Stage::Starting | Stage::Started => false,
        };
        matters.then(|| rejected(command))
    }

    fn on_status(&mut self, command: &Command) -> Option<SessionEvent> {
        let code = command.property(1, "code");
        let failed = command.property(1, "level") == *"error" || is_failure(code.as_bytes());
        if failed {
            let started = self.stage == Stage::Started;
            return Some(if started { SessionEvent::Ended { code } } else { rejected(command) });
        }
        match code.as_bytes() {
            b"NetStream.Publish.Start" if self.starts(Intent::Publish) => Some(self.started()),
            b"NetStream.Play.Start" if self.starts(Intent::Play) => Some(self.started()),
            b"NetStream.Play.UnpublishNotify"
            | b"NetStream.Play.Stop"
            | b"NetStream.Play.Complete"
            | b"NetConnection.Connect.Closed" => Some(SessionEvent::Ended { code }),
            _ => None,
        }
    }

    fn starts(&self, intent: Intent) -> bool {
        self.stage == Stage::Starting && self.request.intent == intent
    }

    fn started(&mut self) -> SessionEvent {
        self.stage = Stage::Started;
        self.deadline = None;
        SessionEvent::Started { stream: self.stream }
    }
}

/// Commands of servers that need no answer and tell nothing.
const KNOWN_NOTICES: [&[u8]; 9] = [
    b"onBWCheck",
    b"onBWDone",
    b"onFCPublish",
    b"onFCUnpublish",
    b"onFCSubscribe",
    b"onFCUnsubscribe",
    b"FCUnpublish",
    b"closeStream",
    b"deleteStream",
];

/// Some servers send a failure with level `status`.
fn is_failure(code: &[u8]) -> bool {
    matches!(
        code,
        b"NetConnection.Connect.Failed"
            | b"NetConnection.Connect.InvalidApp"
            | b"NetConnection.Connect.Rejected"
            | b"NetStream.Play.Failed"
            | b"NetStream.Play.StreamNotFound"
            | b"NetStream.Publish.BadConnection"
            | b"NetStream.Publish.BadName"
            | b"NetStream.Publish.Denied"
    )
}

fn rejected(command: &Command) -> SessionEvent {
    SessionEvent::Rejected {
        code: command.property(1, "code"),
        description: command.property(1, "description"),
    }
}
