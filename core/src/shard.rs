//! Several shards as one server: where a stream is at home, and what shards tell each other.
//!
//! Each core runs a [`Server`](crate::server::Server) of its own. A stream has one home, named by a
//! hash of its name: there it is published and its time line is mended. A shard whose connection
//! publishes a stream at home elsewhere claims it there and passes the frames on; a shard with
//! players for it subscribes, and holds a replica that it fills with the batches of frames that
//! come back. One batch goes to a shard, however many players it has.
//!
//! Links between shards lose nothing and keep their order; they may be slow.

use crate::api::{Scope, Snapshot};
use crate::event::RefuseReason;
use crate::forward::Route;
use crate::frame::Frame;
use crate::id::{ConnId, MessageStreamId};
use crate::name::StreamName;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::IpAddr;
use core::num::NonZeroU16;

/// One shard, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ShardId(pub u16);

/// Which shard this is, of how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placement {
    /// This shard.
    pub own: ShardId,
    /// All shards.
    pub count: NonZeroU16,
}

impl Placement {
    /// The only shard.
    pub const SINGLE: Self = Self { own: ShardId(0), count: NonZeroU16::MIN };

    /// The home of a stream: the same on every shard (FNV-1a of the name).
    #[must_use]
    pub fn home(&self, name: &StreamName) -> ShardId {
        let hash = name.as_str().bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        // The upper half is mixed best.
        let slot = (hash >> 32).checked_rem(u64::from(self.count.get())).unwrap_or(0);
        ShardId(u16::try_from(slot).unwrap_or(0))
    }
}

/// A message stream of a connection that publishes a stream at home elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Claim {
    /// The connection, on the shard that sends the claim.
    pub conn: ConnId,
    /// Its message stream.
    pub stream: MessageStreamId,
}

/// A replica of a stream, numbered by the shard that holds it; a number is used once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Subscription(pub u64);

/// A request of a connection for a part of a stream that is at home elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Fetch {
    /// The connection, on the shard that asks.
    pub conn: ConnId,
    /// Tells its requests apart.
    pub serial: u64,
}

/// A part of a stream as HTTP Live Streaming cuts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HlsPart {
    /// What there is now.
    Playlist,
    /// The segment of this number.
    Segment(u64),
}

/// A part that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// All of it, in order.
    pub bytes: Arc<[Bytes]>,
    /// Another number for other bytes.
    pub tag: u64,
}

/// A snapshot of all shards, numbered by the shard that gathers it; a number is used once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct SurveyId(pub u64);

/// What one shard tells another.
#[derive(Clone, PartialEq, Debug)]
pub enum ShardMessage {
    /// To the home: may this message stream publish? Answered by `Granted` or `Denied`.
    Claim {
        /// Who asks.
        claim: Claim,
        /// What it wants to publish.
        name: StreamName,
        /// The publisher is a process that a shard has started: the stream is a rendition.
        is_rendition: bool,
        /// The servers that it has passed.
        route: Route,
        /// Where the publisher is, if it may be a server that repeats a stream.
        server: Option<IpAddr>,
    },
    /// To the claimant: it may.
    Granted {
        /// Who asked.
        claim: Claim,
        /// Players that wait for it at home.
        players: u32,
    },
    /// To the claimant: it may not.
    Denied {
        /// Who asked.
        claim: Claim,
        /// Why.
        reason: RefuseReason,
    },
    /// To the claimant: another publisher has taken its place.
    Revoked {
        /// Who has to end.
        claim: Claim,
    },
    /// To the home: the claimant has ended, whether it was granted or not.
    Released {
        /// Who has ended.
        claim: Claim,
    },
    /// To the home: what the claimant published, in order.
    Published {
        /// Who publishes.
        claim: Claim,
        /// The frames, with the publisher's times.
        frames: Vec<Frame>,
    },
    /// To the home: a part of a stream, please. Answered by `Fetched`, a playlist perhaps once there
    /// is one.
    Fetch {
        /// Who asks.
        fetch: Fetch,
        /// The stream.
        name: StreamName,
        /// What of it.
        part: HlsPart,
    },
    /// To who asked: the part, if it is there.
    Fetched {
        /// Who asked.
        fetch: Fetch,
        /// What was found.
        found: Option<Found>,
    },
    /// To the home: there are players here. Answered by `Live` and `Frames` while there is a
    /// publisher.
    Subscribe {
        /// The stream.
        name: StreamName,
        /// The replica.
        subscription: Subscription,
    },
    /// To the home: there are no players here any more.
    Unsubscribe {
        /// The stream.
        name: StreamName,
        /// The replica.
        subscription: Subscription,
        /// Bytes that its players were sent: the home goes on counting from there.
        sent_bytes: u64,
        /// How often its players have skipped.
        skips: u64,
    },
    /// To a subscriber: the stream has or has no publisher.
    Live {
        /// The replica.
        subscription: Subscription,
        /// It has one.
        live: bool,
    },
    /// To a subscriber: what was published, in order; first what a player needs to start.
    Frames {
        /// The replica.
        subscription: Subscription,
        /// The frames, with mended times.
        frames: Arc<[Frame]>,
    },
    /// To each: what is it like? Answered by `Surveyed`.
    Survey {
        /// The snapshot that is gathered.
        survey: SurveyId,
        /// How much is to be shown.
        scope: Scope,
    },
    /// To who asked: it is like this.
    Surveyed {
        /// The snapshot that is gathered.
        survey: SurveyId,
        /// This shard's part.
        snapshot: Box<Snapshot>,
    },
}
