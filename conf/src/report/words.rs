//! Reasons, errors and codecs in words.

use millstream_core::amf::{AmfError, Text};
use millstream_core::chunk::ChunkError;
use millstream_core::drive::IoFailure;
use millstream_core::event::{CloseReason, RefuseReason};
use millstream_core::forward::ForwardFailure;
use millstream_core::handshake::{HandshakeError, HandshakeKind};
use millstream_core::name::escape;
use millstream_core::session::{Ignored, SessionError};
use millstream_core::time::TimerKind;

/// Bytes of a peer's text in a line.
const TEXT_LEN_MAX: usize = 256;

pub(super) fn refuse_text(reason: RefuseReason) -> &'static str {
    match reason {
        RefuseReason::BadName => "the name is not legal",
        RefuseReason::Busy => "the stream has a publisher",
        RefuseReason::ConnectionsMax => "too many connections (--max-connections)",
        RefuseReason::ConnectionsPerIp => "too many connections from this address",
        RefuseReason::Loop => "the stream has been here before: servers forward it in a loop",
        RefuseReason::Refer => "the client does not come from a page that is served",
        RefuseReason::Shutdown => "the server shuts down",
        RefuseReason::SourcesMax => "too many streams",
        RefuseReason::StreamNotFound => "nobody published the stream in time",
        RefuseReason::Vhost => "the vhost is unknown or disabled",
        _ => reason.as_str(),
    }
}

pub(super) fn forward_text(failure: ForwardFailure) -> String {
    let text = match failure {
        ForwardFailure::Closed => "the destination closed the connection",
        ForwardFailure::Dial(failure) => return dial_text(failure).to_owned(),
        ForwardFailure::DialTimeout => "the destination does not answer",
        ForwardFailure::Ended => "the destination ended the stream",
        ForwardFailure::Hops => "the stream has passed as many servers as it may",
        ForwardFailure::Io(failure) => return close_text(CloseReason::Io(failure)),
        ForwardFailure::Loop => "the stream has been there before: servers forward it in a loop",
        ForwardFailure::Name => "the name of the stream makes no legal destination",
        ForwardFailure::Refused => "the destination refused",
        ForwardFailure::Session(SessionError::Timeout(TimerKind::Handshake)) => {
            "the destination did not complete the handshake in time"
        }
        ForwardFailure::Session(SessionError::Timeout(_)) => {
            "the destination did not answer in time"
        }
        ForwardFailure::Session(error) => return error_text(error),
        ForwardFailure::Stalled => "the destination takes nothing any more",
        ForwardFailure::TooMany => "there are as many forwards as there may be",
        _ => failure.as_str(),
    };
    text.to_owned()
}

fn dial_text(failure: IoFailure) -> &'static str {
    match failure {
        IoFailure::NotFound => "the name of its host has no address",
        IoFailure::Refused => "nobody listens there",
        IoFailure::TimedOut => "the destination does not answer",
        IoFailure::Unreachable => "the destination cannot be reached",
        _ => "no connection could be made",
    }
}

pub(super) fn handshake_text(kind: HandshakeKind) -> &'static str {
    match kind {
        HandshakeKind::ComplexSchema0 => "complex (schema 0)",
        HandshakeKind::ComplexSchema1 => "complex (schema 1)",
        HandshakeKind::Simple => "simple",
    }
}

pub(super) fn close_word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Answered => "answered",
        CloseReason::Error(error) => error_word(error),
        CloseReason::Http(error) => error.as_str(),
        CloseReason::Io(IoFailure::NotFound) => "io_not_found",
        CloseReason::Io(IoFailure::Refused) => "io_refused",
        CloseReason::Io(IoFailure::Reset) => "io_reset",
        CloseReason::Io(IoFailure::TimedOut) => "io_timeout",
        CloseReason::Io(IoFailure::Unreachable) => "io_unreachable",
        CloseReason::Io(_) => "io",
        CloseReason::Peer => "peer",
        CloseReason::Refused(reason) => reason.as_str(),
        CloseReason::Shutdown => "shutdown",
        CloseReason::SlowReader => "slow_reader",
        CloseReason::StreamEnded => "stream_ended",
        CloseReason::TakenOver => "taken_over",
        CloseReason::Unserved => "unserved",
        _ => "other",
    }
}

pub(super) fn close_text(reason: CloseReason) -> String {
    let text = match reason {
        CloseReason::Answered => "all was answered",
        CloseReason::Error(error) => return error_text(error),
        CloseReason::Http(error) => error.words(),
        CloseReason::Io(IoFailure::NotFound) => "the name of the host has no address",
        CloseReason::Io(IoFailure::Refused) => "the connection was refused",
        CloseReason::Io(IoFailure::Reset) => "the peer reset the connection",
        CloseReason::Io(IoFailure::TimedOut) => "the peer's machine does not answer",
        CloseReason::Io(IoFailure::Unreachable) => "the peer's machine cannot be reached",
        CloseReason::Io(_) => "the socket failed",
        CloseReason::Peer => "by the peer",
        CloseReason::Refused(reason) => refuse_text(reason),
        CloseReason::Shutdown => "the server shuts down",
        CloseReason::SlowReader => "the player read too slowly",
        CloseReason::StreamEnded => "the stream ended",
        CloseReason::TakenOver => "another publisher took the stream over",
        CloseReason::Unserved => "the vhost is gone or disabled since the reload",
        _ => "for a reason without a name",
    };
    text.to_owned()
}

fn error_word(error: SessionError) -> &'static str {
    match error {
        SessionError::Amf(_) => "amf",
        SessionError::Chunk(ChunkError::HeaderInsideMessage) => "header_inside_message",
        SessionError::Chunk(ChunkError::IncompleteBytes) => "incomplete_bytes",
        SessionError::Chunk(ChunkError::MessageTooLong { .. }) => "message_too_long",
        SessionError::Chunk(ChunkError::NoPrecedingHeader) => "no_preceding_header",
        SessionError::Chunk(ChunkError::TooManyChunkStreams) => "too_many_chunk_streams",
        SessionError::Chunk(_) => "chunk",
        SessionError::Control { .. } => "control",
        SessionError::Handshake(HandshakeError::Http) => "http_on_rtmp",
        SessionError::Handshake(HandshakeError::Encrypted { .. }) => "rtmpe",
        SessionError::Handshake(HandshakeError::Tls) => "tls_on_rtmp",
        SessionError::Handshake(HandshakeError::Version { .. }) => "not_rtmp",
        SessionError::Handshake(_) => "handshake",
        SessionError::TooManyMessageStreams => "too_many_message_streams",
        SessionError::TooManyUnknown => "too_many_unknown",
        SessionError::State => "state",
        SessionError::Timeout(TimerKind::Connect) => "connect_timeout",
        SessionError::Timeout(TimerKind::Handshake) => "handshake_timeout",
        SessionError::Timeout(TimerKind::Idle) => "idle_timeout",
        SessionError::Timeout(TimerKind::Role) => "role_timeout",
        SessionError::Timeout(_) => "timeout",
        _ => "error",
    }
}

fn error_text(error: SessionError) -> String {
    let text = match error {
        SessionError::Amf(error) => return amf_text(error),
        SessionError::Chunk(ChunkError::MessageTooLong { len, limit }) => {
            return format!("a message of {len} bytes; {limit} are allowed here");
        }
        SessionError::Chunk(ChunkError::HeaderInsideMessage) => {
            "a new message header inside of an unfinished message"
        }
        SessionError::Chunk(ChunkError::IncompleteBytes) => "too many unfinished messages",
        SessionError::Chunk(ChunkError::NoPrecedingHeader) => "a chunk that continues nothing",
        SessionError::Chunk(ChunkError::TooManyChunkStreams) => "too many chunk streams",
        SessionError::Chunk(_) => "the chunk stream broke",
        SessionError::Control { type_id } => {
            return format!("a malformed control message of type {type_id}");
        }
        SessionError::Handshake(HandshakeError::Http) => "HTTP on the RTMP port",
        SessionError::Handshake(HandshakeError::Encrypted { .. }) => "RTMPE, which is not offered",
        SessionError::Handshake(HandshakeError::Tls) => "TLS on a plain RTMP port",
        SessionError::Handshake(HandshakeError::Version { version }) => {
            return format!("not RTMP (first byte {version:#04x})");
        }
        SessionError::Handshake(_) => "the handshake broke",
        SessionError::TooManyMessageStreams => "too many message streams",
        SessionError::TooManyUnknown => "too many unknown messages",
        SessionError::State => "a command that does not fit here",
        SessionError::Timeout(TimerKind::Connect) => "no connect in time",
        SessionError::Timeout(TimerKind::Handshake) => "no complete handshake in time",
        SessionError::Timeout(TimerKind::Idle) => "no media for too long",
        SessionError::Timeout(TimerKind::Role) => "neither publish nor play in time",
        SessionError::Timeout(_) => "too slow",
        _ => "the peer broke the protocol",
    };
    text.to_owned()
}

fn amf_text(error: AmfError) -> String {
    match error {
        AmfError::OutOfRange { at } => format!("AMF: a number out of range at byte {at}"),
        AmfError::TooDeep { at } => format!("AMF: nested too deep at byte {at}"),
        AmfError::TooManyNodes { at } => format!("AMF: too many values at byte {at}"),
        AmfError::Truncated { at } => format!("AMF: cut short at byte {at}"),
        AmfError::UnknownMarker { at, marker } => {
            format!("AMF: unknown marker {marker:#04x} at byte {at}")
        }
        _ => "AMF: malformed".to_owned(),
    }
}

pub(super) fn ignored_text(what: &Ignored) -> String {
    match what {
        Ignored::Command { name } => format!("command `{}`, which is unknown", text_of(name)),
        Ignored::CommandState { name } => {
            format!("command `{}`, which does not fit here", text_of(name))
        }
        Ignored::EmptyMessage { type_id } => format!("an empty message of type {type_id}"),
        Ignored::MediaState => "media before publish".to_owned(),
        Ignored::Tag(error) => format!("the header of a tag: {error:?}"),
        Ignored::Data(error) => format!("a data message: {}", amf_text(*error)),
        Ignored::MessageType { type_id } => format!("a message of unknown type {type_id}"),
        Ignored::Aggregate => "a part of an aggregate message".to_owned(),
        _ => "a message".to_owned(),
    }
}

fn text_of(name: &Text) -> String {
    escape(name.as_bytes(), TEXT_LEN_MAX)
}
