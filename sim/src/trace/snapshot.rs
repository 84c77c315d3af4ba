//! What shards tell each other for the API, as words.

use super::words::{Reader, Words, choices, push, structs};
use millstream_core::api::{
    AudioState, ClientId, ClientRole, ClientState, GopState, Protocol, ServerState, Snapshot,
    StreamState, Totals, VideoState,
};
use millstream_core::drive::IoFailure;
use millstream_core::event::RenditionEnd;
use millstream_core::flv::tag::Codec;
use millstream_core::forward::{ForwardFailure, ForwardState, ForwardStatus};
use millstream_core::id::{ConnId, ForwardId};
use millstream_core::rendition::{RenditionState, RenditionStatus};
use millstream_core::session::SessionError;
use millstream_core::shard::ShardId;
use millstream_core::time::{TimerKind, WallClock};

structs! {
    Snapshot { server, streams, clients, renditions }
    ServerState {
        shards, uptime, wall, connections, publishers, players, hls_viewers, streams, tape_bytes,
        session_bytes, totals,
    }
    WallClock { unix_millis }
    Totals {
        accepted, forward_failures, received_bytes, rendition_restarts, sent_bytes, jumps, skips,
        refused,
    }
    StreamState {
        name, is_home, publisher, age, players, hls_viewers, video, audio, skew_millis, received_bytes,
        sent_bytes, received_bits_per_second, sent_bits_per_second, tape_bytes, jumps, skips,
        forwards,
    }
    VideoState { codec, description, size, millihertz, gop }
    GopState { millis, frames }
    AudioState { codec, description }
    ClientId { shard, conn }
    ConnId { slot, generation }
    ClientState {
        id, protocol, role, stream, peer, program, age, bits_per_second, lag_bytes, received_bytes,
        sent_bytes,
    }
    ForwardStatus { forward, name, destination, state, age, failures, last_failure, sent, skipped }
    RenditionStatus {
        name, scope, engine, state, age, restarts, failures, last_end, last_words,
    }
}

choices! {
    Protocol {
        Protocol::Http => "http" = Protocol::Http,
        Protocol::HttpFlv => "http-flv" = Protocol::HttpFlv,
        Protocol::HttpTs => "http-ts" = Protocol::HttpTs,
        Protocol::Rtmp => "rtmp" = Protocol::Rtmp,
    }
    ClientRole {
        ClientRole::Forward => "forward" = ClientRole::Forward,
        ClientRole::Idle => "idle" = ClientRole::Idle,
        ClientRole::Player => "player" = ClientRole::Player,
        ClientRole::Publisher => "publisher" = ClientRole::Publisher,
    }
}

impl Words for ShardId {
    fn write(&self, line: &mut String) {
        self.0.write(line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Words::read(words).map(Self)
    }
}

impl Words for ForwardId {
    fn write(&self, line: &mut String) {
        self.0.write(line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Words::read(words).map(Self)
    }
}

impl Words for ForwardState {
    fn write(&self, line: &mut String) {
        push(self.as_str(), line);
        match self {
            Self::Connecting => {}
            Self::Ending { conn } => conn.write(line),
            Self::Forwarding { conn, age } => {
                conn.write(line);
                age.write(line);
            }
            Self::Waiting { left } => left.write(line),
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        match words.word()? {
            "connecting" => Some(Self::Connecting),
            "ending" => Some(Self::Ending { conn: Words::read(words)? }),
            "forwarding" => {
                Some(Self::Forwarding { conn: Words::read(words)?, age: Words::read(words)? })
            }
            "waiting" => Some(Self::Waiting { left: Words::read(words)? }),
            _ => None,
        }
    }
}

impl Words for RenditionState {
    fn write(&self, line: &mut String) {
        push(self.as_str(), line);
        match self {
            Self::Ending { process, age } | Self::Running { process, age } => {
                process.write(line);
                age.write(line);
            }
            Self::Waiting { left } => left.write(line),
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        match words.word()? {
            "ending" => {
                Some(Self::Ending { process: Words::read(words)?, age: Words::read(words)? })
            }
            "running" => {
                Some(Self::Running { process: Words::read(words)?, age: Words::read(words)? })
            }
            "waiting" => Some(Self::Waiting { left: Words::read(words)? }),
            _ => None,
        }
    }
}

impl Words for RenditionEnd {
    fn write(&self, line: &mut String) {
        match self {
            Self::Exited { code, signal, was_silent, last_words } => {
                push("exited", line);
                code.write(line);
                signal.write(line);
                was_silent.write(line);
                last_words.write(line);
            }
            Self::Failed { reason } => {
                push("failed", line);
                reason.write(line);
            }
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        match words.word()? {
            "exited" => Some(Self::Exited {
                code: Words::read(words)?,
                signal: Words::read(words)?,
                was_silent: Words::read(words)?,
                last_words: Words::read(words)?,
            }),
            "failed" => Some(Self::Failed { reason: Words::read(words)? }),
            _ => None,
        }
    }
}

/// One of each word that the API has for a failure: it shows no more of it.
const FAILURES: [ForwardFailure; 17] = [
    ForwardFailure::Closed,
    ForwardFailure::Dial(IoFailure::NotFound),
    ForwardFailure::Dial(IoFailure::Refused),
    ForwardFailure::Dial(IoFailure::Unreachable),
    ForwardFailure::Dial(IoFailure::Other),
    ForwardFailure::DialTimeout,
    ForwardFailure::Ended,
    ForwardFailure::Hops,
    ForwardFailure::Io(IoFailure::Other),
    ForwardFailure::Loop,
    ForwardFailure::Name,
    ForwardFailure::Refused,
    ForwardFailure::Session(SessionError::Timeout(TimerKind::Forward)),
    ForwardFailure::Session(SessionError::State),
    ForwardFailure::Stalled,
    ForwardFailure::TooMany,
    ForwardFailure::Dial(IoFailure::TimedOut),
];

impl Words for ForwardFailure {
    fn write(&self, line: &mut String) {
        push(self.as_str(), line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        let word = words.word()?;
        FAILURES.into_iter().find(|failure| failure.as_str() == word)
    }
}

const CODECS: [Codec; 24] = [
    Codec::Aac,
    Codec::Adpcm,
    Codec::G711ALaw,
    Codec::G711MuLaw,
    Codec::Mp3,
    Codec::Nellymoser,
    Codec::PcmPlatform,
    Codec::PcmLittleEndian,
    Codec::Speex,
    Codec::Ac3,
    Codec::Eac3,
    Codec::Flac,
    Codec::Opus,
    Codec::H263,
    Codec::H264,
    Codec::ScreenVideo,
    Codec::ScreenVideo2,
    Codec::Vp6,
    Codec::Vp6Alpha,
    Codec::Av1,
    Codec::Hevc,
    Codec::Vp8,
    Codec::Vp9,
    Codec::Vvc,
];

impl Words for Codec {
    fn write(&self, line: &mut String) {
        match self {
            Self::UnknownFourCc(bytes) => {
                push(&format!("fourcc-{:08x}", u32::from_be_bytes(*bytes)), line);
            }
            Self::UnknownId(id) => push(&format!("id-{id}"), line),
            codec => push(&format!("{codec:?}"), line),
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        let word = words.word()?;
        if let Some(id) = word.strip_prefix("id-") {
            return id.parse().ok().map(Self::UnknownId);
        }
        if let Some(digits) = word.strip_prefix("fourcc-") {
            let code = u32::from_str_radix(digits, 16).ok()?;
            return Some(Self::UnknownFourCc(code.to_be_bytes()));
        }
        CODECS.into_iter().find(|codec| format!("{codec:?}") == word)
    }
}
