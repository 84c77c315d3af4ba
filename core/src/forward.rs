//! Forwarding: where streams are pushed to, what is told of it, and how loops are known.
//!
//! A destination is what the operator writes ([`Forward`](crate::config::Forward)). For each stream
//! it is rendered to a target: an address, an app and a stream.

mod route;
mod target;

pub use route::{Route, ServerId};

pub(crate) use target::{Target, label};

use crate::drive::IoFailure;
use crate::id::{ConnId, ForwardId};
use crate::name::StreamName;
use crate::session::SessionError;
use alloc::sync::Arc;
use core::time::Duration;

/// Why a forward does not work now, or never will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ForwardFailure {
    /// The destination has closed the connection.
    Closed,
    /// No connection could be made.
    Dial(IoFailure),
    /// No connection was made in time.
    DialTimeout,
    /// The destination has ended the stream.
    Ended,
    /// The stream has passed as many servers as it may.
    Hops,
    /// The socket failed.
    Io(IoFailure),
    /// The stream would come back to a server that it has passed.
    Loop,
    /// With the names of this stream, the destination is no legal app and stream.
    Name,
    /// The destination has refused the connection or the stream.
    Refused,
    /// The destination broke the protocol, a limit or a deadline.
    Session(SessionError),
    /// The destination takes nothing any more.
    Stalled,
    /// There are as many forwards as there may be.
    TooMany,
}

impl ForwardFailure {
    /// The word of logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Dial(IoFailure::Refused) => "dial_refused",
            Self::Dial(IoFailure::TimedOut) | Self::DialTimeout => "dial_timeout",
            Self::Dial(IoFailure::NotFound) => "dial_not_found",
            Self::Dial(IoFailure::Unreachable) => "dial_unreachable",
            Self::Dial(_) => "dial",
            Self::Ended => "ended",
            Self::Hops => "hops",
            Self::Io(_) => "io",
            Self::Loop => "loop",
            Self::Name => "bad_name",
            Self::Refused => "refused",
            Self::Session(SessionError::Timeout(_)) => "timeout",
            Self::Session(_) => "protocol",
            Self::Stalled => "stalled",
            Self::TooMany => "forwards_max",
        }
    }

    /// It will be the same the next time, unless somebody changes something.
    pub(crate) const fn is_lasting(self) -> bool {
        matches!(self, Self::Loop)
    }
}

/// One forward, for the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardStatus {
    /// Its id.
    pub forward: ForwardId,
    /// The stream.
    pub name: StreamName,
    /// Where it goes, without secrets.
    pub destination: Arc<str>,
    /// What it does.
    pub state: ForwardState,
    /// How long the stream has been forwarded, or tried to be.
    pub age: Duration,
    /// Attempts that failed since it last worked for a while.
    pub failures: u32,
    /// The latest failure, and what the destination said of it.
    pub last_failure: Option<(ForwardFailure, Arc<str>)>,
    /// Bytes that all connections together have sent.
    pub sent: u64,
    /// Bytes of media that were left out because the destination was too slow.
    pub skipped: u64,
}

/// What a forward does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForwardState {
    /// It asks the destination to take the stream.
    Connecting,
    /// The stream has ended, and the rest of it is sent.
    Ending {
        /// The connection.
        conn: ConnId,
    },
    /// The destination takes the stream.
    Forwarding {
        /// The connection.
        conn: ConnId,
        /// For how long.
        age: Duration,
    },
    /// It failed, and tries again.
    Waiting {
        /// The time until then.
        left: Duration,
    },
}

impl ForwardState {
    /// The words of the API.
    pub const WORDS: [&'static str; 4] = ["connecting", "ending", "forwarding", "waiting"];

    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        let [connecting, ending, forwarding, waiting] = Self::WORDS;
        match self {
            Self::Connecting => connecting,
            Self::Ending { .. } => ending,
            Self::Forwarding { .. } => forwarding,
            Self::Waiting { .. } => waiting,
        }
    }
}
