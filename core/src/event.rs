//! What happened: the only reporting channel of the server.
//!
//! The log, metrics, the HTTP API and traces all read this one stream.

use crate::flv::tag::Codec;
use crate::forward::ForwardFailure;
use crate::handshake::HandshakeKind;
use crate::hls::HlsWarning;
use crate::http::{HttpError, Method, Status};
use crate::id::{ConnId, ForwardId, ListenerId, SourceId};
use crate::name::StreamName;
use crate::session::{Ignored, SessionError};
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

/// One thing that happened, at the time of the input that caused it.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection was accepted.
    Accepted {
        /// The connection.
        conn: ConnId,
        /// Where it came in.
        listener: ListenerId,
        /// The other end.
        peer: SocketAddr,
    },
    /// A connection is over; each `Accepted` has exactly one.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
        /// Bytes that the peer sent.
        received: u64,
        /// Bytes that the peer was sent.
        sent: u64,
        /// How long it lasted.
        age: Duration,
    },
    /// An HTTP request was answered; an endless body follows its answer.
    Answered {
        /// The connection.
        conn: ConnId,
        /// What was to be done; `None` for what was no request.
        method: Option<Method>,
        /// The path that was asked for, escaped; never its query, which may hold a secret.
        path: Arc<str>,
        /// The answer.
        status: Status,
        /// Bytes of its body, as far as they are known.
        body_len: u64,
    },
    /// `connect` was accepted.
    Connected {
        /// The connection.
        conn: ConnId,
        /// `vhost/app`, escaped.
        app: Arc<str>,
        /// The client program (`flashVer`), escaped.
        client: Arc<str>,
        /// Simple or complex.
        handshake: HandshakeKind,
    },
    /// A stream got a publisher.
    Published {
        /// The publisher.
        conn: ConnId,
        /// The stream's name.
        name: StreamName,
        /// Players that were waiting for it.
        players: u32,
    },
    /// A stream lost its publisher; each `Published` has exactly one.
    Unpublished {
        /// The publisher.
        conn: ConnId,
        /// The stream's name.
        name: StreamName,
        /// How long it was published.
        age: Duration,
    },
    /// A stream showed its first audio or video, or another sequence header.
    Codec {
        /// The stream.
        source: SourceId,
        /// Its name.
        name: StreamName,
        /// The codec.
        codec: Codec,
        /// The codec with its profile, picture size or sample rate, as far as they are known.
        description: Arc<str>,
    },
    /// A player joined.
    Played {
        /// The player.
        conn: ConnId,
        /// The stream.
        source: SourceId,
        /// Its name.
        name: StreamName,
        /// Someone publishes it now.
        live: bool,
    },
    /// A player left; each `Played` has exactly one.
    Stopped {
        /// The player.
        conn: ConnId,
        /// The stream.
        source: SourceId,
        /// Its name.
        name: StreamName,
        /// How long it played.
        age: Duration,
    },
    /// A player was too slow and goes on at the newest keyframe.
    Skipped {
        /// The player.
        conn: ConnId,
        /// The stream's name.
        name: StreamName,
        /// Bytes that it did not get.
        bytes: u64,
    },
    /// A request was refused; the connection ends.
    Refused {
        /// The connection.
        conn: ConnId,
        /// The reason, in a word of the metrics.
        reason: RefuseReason,
        /// What was asked for, escaped; never a secret.
        subject: Arc<str>,
    },
    /// A file of a stream's segments cannot be written or removed; it is tried again. Told once
    /// until one succeeds.
    HlsFailed {
        /// The stream's name.
        name: StreamName,
        /// The file.
        path: Arc<str>,
        /// The system's own words.
        reason: Arc<str>,
    },
    /// Something about the segments of a stream that the operator should know.
    HlsWarning {
        /// The stream's name.
        name: StreamName,
        /// What it is.
        warning: HlsWarning,
    },
    /// A message had no effect; reported once per connection and kind.
    Ignored {
        /// The connection.
        conn: ConnId,
        /// What and why.
        what: Ignored,
    },
    /// The timestamps of a publisher jumped, and the stream's time line was mended.
    Jumped {
        /// The stream.
        source: SourceId,
        /// Its name.
        name: StreamName,
        /// The jump in milliseconds.
        millis: i64,
    },
    /// A destination has begun to take a stream; `ForwardFailed` or `ForwardEnded` follows.
    Forwarding {
        /// The forward.
        forward: ForwardId,
        /// The connection.
        conn: ConnId,
        /// The other end.
        peer: SocketAddr,
        /// The stream's name.
        name: StreamName,
        /// Where it goes, without secrets.
        destination: Arc<str>,
    },
    /// A stream could not be forwarded, or no longer can; it stays published.
    ForwardFailed {
        /// The forward.
        forward: ForwardId,
        /// The stream's name.
        name: StreamName,
        /// Where it was to go, without secrets.
        destination: Arc<str>,
        /// Why.
        failure: ForwardFailure,
        /// What the destination said, escaped; may be empty.
        words: Arc<str>,
        /// After what time it is tried again; `None` for never.
        retry_in: Option<Duration>,
    },
    /// A stream is no longer to be forwarded; each forward has exactly one.
    ForwardEnded {
        /// The forward.
        forward: ForwardId,
        /// The stream's name.
        name: StreamName,
        /// Where it went, without secrets.
        destination: Arc<str>,
        /// How long it was forwarded, or tried to be.
        age: Duration,
        /// Bytes that the destination was sent.
        sent: u64,
    },
    /// A destination was too slow, and gets what follows from the newest keyframe on.
    ForwardSkipped {
        /// The forward.
        forward: ForwardId,
        /// The stream's name.
        name: StreamName,
        /// Where it goes, without secrets.
        destination: Arc<str>,
        /// Bytes that it did not get.
        bytes: u64,
    },
    /// A periodic report of a forward that works.
    ForwardProgress {
        /// The forward.
        forward: ForwardId,
        /// The stream's name.
        name: StreamName,
        /// Where it goes, without secrets.
        destination: Arc<str>,
        /// How long this connection has taken the stream.
        age: Duration,
        /// Bits per second to the destination since the last report.
        bits_per_second: u64,
        /// Bytes waiting for the destination.
        lag_bytes: u64,
    },
    /// A periodic report of a publisher or player.
    Progress {
        /// The connection.
        conn: ConnId,
        /// The stream's name.
        name: StreamName,
        /// True for the publisher.
        publisher: bool,
        /// How long it has published or played.
        age: Duration,
        /// Bits per second to or from the peer since the last report.
        bits_per_second: u64,
        /// Pictures per second since the last report (publisher), else 0.
        frames_per_second: u32,
        /// Bytes waiting for the peer.
        lag_bytes: u64,
    },
    /// A process for a rendition of a stream has begun.
    RenditionStarted {
        /// The stream that is transcoded.
        name: StreamName,
        /// The engine.
        engine: Arc<str>,
    },
    /// A process for a rendition of a stream has ended; each `RenditionStarted` has one.
    RenditionEnded {
        /// The stream that is transcoded.
        name: StreamName,
        /// The engine.
        engine: Arc<str>,
        /// How.
        end: RenditionEnd,
        /// How long it ran.
        ran: Duration,
        /// It is started again after this pause; `None` if it is no longer wanted.
        retry: Option<Duration>,
        /// The server had told it to end.
        was_asked: bool,
    },
    /// A rendition of a stream is not made.
    RenditionRefused {
        /// The stream that is not transcoded.
        name: StreamName,
        /// The engine.
        engine: Arc<str>,
        /// Why.
        reason: RenditionRefusal,
    },
    /// A periodic report of a stream.
    StreamProgress {
        /// The stream.
        source: SourceId,
        /// Its name.
        name: StreamName,
        /// Someone publishes it.
        live: bool,
        /// Players attached.
        players: u32,
        /// Bits per second from the publisher since the last report.
        bits_per_second: u64,
        /// Bytes on its tape.
        tape_bytes: u64,
    },
}

/// How the process of a rendition ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RenditionEnd {
    /// It exited.
    Exited {
        /// What it returned; `None` when a signal ended it.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// It was killed because it reported no progress.
        was_silent: bool,
        /// The last lines that it said.
        last_words: Arc<str>,
    },
    /// It did not begin.
    Failed {
        /// In the words of the system.
        reason: Arc<str>,
    },
}

/// Why a rendition is not made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[non_exhaustive]
pub enum RenditionRefusal {
    /// As many processes run as may.
    ChildrenMax,
    /// The server has no listener for RTMP that a process could play from.
    NoListener,
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// An HTTP response was the last one of its connection.
    Answered,
    /// The peer broke the protocol, a limit or a deadline.
    Error(SessionError),
    /// The peer's HTTP cannot be read, or does not go on.
    Http(HttpError),
    /// The socket failed.
    Io(crate::drive::IoFailure),
    /// The peer closed.
    Peer,
    /// A request was refused.
    Refused(RefuseReason),
    /// The server shuts down.
    Shutdown,
    /// The player made no progress.
    SlowReader,
    /// The stream ended, and the grace period too.
    StreamEnded,
    /// Another publisher took the stream over.
    TakenOver,
    /// The vhost is gone or disabled since the configuration was changed.
    Unserved,
}

/// Why a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The name of the app or stream is not legal.
    BadName,
    /// The stream has a publisher.
    Busy,
    /// More connects in a second from one address than the limit.
    ConnectRate,
    /// More connections than the limit.
    ConnectionsMax,
    /// More connections from one address than the limit.
    ConnectionsPerIp,
    /// The stream has passed this server already, or as many as it may.
    Loop,
    /// The client does not come from a page that is served.
    Refer,
    /// The server shuts down.
    Shutdown,
    /// More streams than the limit.
    SourcesMax,
    /// Nobody published the stream in time.
    StreamNotFound,
    /// The vhost is unknown or disabled.
    Vhost,
}

impl RefuseReason {
    /// The word of logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadName => "bad_name",
            Self::Busy => "busy",
            Self::ConnectRate => "connect_rate",
            Self::ConnectionsMax => "max",
            Self::ConnectionsPerIp => "per_ip",
            Self::Loop => "loop",
            Self::Refer => "refer",
            Self::Shutdown => "shutdown",
            Self::SourcesMax => "sources_max",
            Self::StreamNotFound => "stream_not_found",
            Self::Vhost => "vhost",
        }
    }
}
