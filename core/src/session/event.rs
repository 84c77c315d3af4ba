//! What a session tells its owner: requests to decide, media, and what had no effect.

use crate::amf::{AmfError, Text};
use crate::chunk::ChunkError;
use crate::flv::tag::TagError;
use crate::frame::{Frame, FrameKind};
use crate::handshake::{HandshakeError, HandshakeKind};
use crate::id::{MessageStreamId, RequestId};
use crate::time::TimerKind;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

/// What a client session is for.
#[derive(Clone)]
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
#[derive(Clone, PartialEq)]
pub struct ConnectRequest {
    /// To be answered.
    pub request: RequestId,
    /// The `app` property.
    pub app: Text,
    /// The `flashVer` property: the name of the client program.
    pub flash_ver: Text,
    /// The `millstreamRendition` property: another server says that it has transcoded the stream.
    pub is_rendition: bool,
    /// The `objectEncoding` property, 0 (AMF0) or 3 (AMF3).
    pub object_encoding: f64,
    /// The `pageUrl` property.
    pub page_url: Text,
    /// The `millstreamRoute` property: the servers that have forwarded the stream.
    pub route: Text,
    /// The `swfUrl` property.
    pub swf_url: Text,
    /// The `tcUrl` property.
    pub tc_url: Text,
}

/// `publish`, as the peer sent it.
#[derive(Clone, PartialEq)]
pub struct PublishRequest {
    /// To be answered.
    pub request: RequestId,
    /// The message stream.
    pub stream: MessageStreamId,
    /// The stream argument, with its query; may hold a secret.
    pub argument: Text,
}

/// `play`, as the peer sent it.
#[derive(Clone, PartialEq)]
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
    /// False where the client has said before that it takes no audio.
    pub has_audio: bool,
    /// False where the client has said before that it takes no video.
    pub has_video: bool,
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
    Tag(TagError),
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

impl Ignored {
    /// It is unknown, so it counts towards the limit of what is.
    pub(super) fn is_unknown(&self) -> bool {
        match self {
            Self::Command { .. } | Self::MessageType { .. } => true,
            Self::CommandState { .. }
            | Self::EmptyMessage { .. }
            | Self::MediaState
            | Self::Tag(_)
            | Self::Data(_)
            | Self::Aggregate => false,
        }
    }
}

impl SessionError {
    /// What the peer is told: a status code and a description.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        const CLOSED: &str = "NetConnection.Connect.Closed";
        match self {
            Self::Amf(_) => (CLOSED, "A command could not be read."),
            Self::Chunk(ChunkError::MessageTooLong { .. }) => (CLOSED, "A message is too long."),
            Self::Chunk(_) => (CLOSED, "The chunk stream could not be read."),
            Self::Control { .. } => (CLOSED, "A protocol control message is malformed."),
            Self::Handshake(_) => (CLOSED, "The handshake could not be read."),
            Self::TooManyMessageStreams => (CLOSED, "There are too many message streams."),
            Self::TooManyUnknown => (CLOSED, "There were too many unknown messages."),
            Self::State => (CLOSED, "A command is not possible in this state."),
            Self::Timeout(TimerKind::Idle) => {
                ("NetConnection.Connect.IdleTimeOut", "The publisher sent nothing for too long.")
            }
            Self::Timeout(_) => ("NetConnection.Connect.IdleTimeOut", "The client was too slow."),
        }
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("intent", &self.intent)
            .field("app", &without_secrets(self.app.as_bytes()))
            .field("tc_url", &without_secrets(self.tc_url.as_bytes()))
            .field("stream", &without_secrets(self.stream.as_bytes()))
            .finish()
    }
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("request", &self.request)
            .field("app", &without_secrets(self.app.as_bytes()))
            .field("flash_ver", &self.flash_ver)
            .field("is_rendition", &self.is_rendition)
            .field("object_encoding", &self.object_encoding)
            .field("page_url", &without_secrets(self.page_url.as_bytes()))
            .field("route", &self.route)
            .field("swf_url", &without_secrets(self.swf_url.as_bytes()))
            .field("tc_url", &without_secrets(self.tc_url.as_bytes()))
            .finish()
    }
}

impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishRequest")
            .field("request", &self.request)
            .field("stream", &self.stream)
            .field("argument", &without_secrets(self.argument.as_bytes()))
            .finish()
    }
}

impl fmt::Debug for PlayRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayRequest")
            .field("request", &self.request)
            .field("stream", &self.stream)
            .field("argument", &without_secrets(self.argument.as_bytes()))
            .field("start", &self.start)
            .field("duration", &self.duration)
            .field("has_audio", &self.has_audio)
            .field("has_video", &self.has_video)
            .finish()
    }
}

/// A URL or name as far as it may be shown: no query, which holds tokens, and no user and password.
///
/// Some clients write `...` for `?`.
pub(crate) fn without_secrets(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(text);
    let cut = [shown.find('?'), shown.find("...")].into_iter().flatten().min();
    let (shown, rest) = cut.and_then(|at| shown.split_at_checked(at)).unwrap_or((&shown, ""));
    let mut safe = match shown.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => [scheme, "://..@", host].concat(),
            None => String::from(shown),
        },
        None => String::from(shown),
    };
    if !rest.is_empty() {
        safe.push_str("?..");
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn secrets_are_not_shown() {
        let check = |text: &str, shown: &str| assert_eq!(without_secrets(text.as_bytes()), shown);
        check("live", "live");
        check("", "");
        check("cam?token=abc", "cam?..");
        check("cam...token...abc", "cam?..");
        check("?abc", "?..");
        check("rtmp://h:1935/live?key=abc", "rtmp://h:1935/live?..");
        check("rtmp://user:abc@h/live", "rtmp://..@h/live");
        check("rtmp://user:abc@h/live?key=abc", "rtmp://..@h/live?..");
        // A query or app may hold '@' where no user can be.
        check("a@b", "a@b");
        assert_eq!(without_secrets(b"\xFF?abc"), "\u{FFFD}?..");
    }

    #[test]
    fn requests_do_not_show_secrets() {
        let request = RequestId(1);
        let stream = MessageStreamId(1);
        let url = || Text::from("rtmp://user:hidden@h/live?key=hidden");
        let shown = std::format!(
            "{:?} {:?} {:?} {:?}",
            ConnectRequest {
                request,
                app: "live?key=hidden".into(),
                flash_ver: "FMLE/3.0".into(),
                is_rendition: false,
                object_encoding: 0.0,
                page_url: url(),
                route: Text::default(),
                swf_url: url(),
                tc_url: url(),
            },
            PublishRequest { request, stream, argument: "cam?key=hidden".into() },
            PlayRequest {
                request,
                stream,
                argument: "cam?key=hidden".into(),
                start: -2.0,
                duration: None,
                has_audio: true,
                has_video: true,
            },
            ClientRequest {
                intent: Intent::Publish,
                app: "live".into(),
                tc_url: "rtmp://user:hidden@h/live".into(),
                stream: "cam?key=hidden".into(),
            },
        );
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(shown.contains("cam") && shown.contains("rtmp://..@h/live"), "{shown}");
    }
}
