//! What a server is like at one moment, as plain values: of one shard, or of all shards merged.

use crate::event::RefuseReason;
use crate::flv::tag::Codec;
use crate::forward::ForwardStatus;
use crate::id::ConnId;
use crate::name::StreamName;
use crate::rendition::RenditionStatus;
use crate::shard::ShardId;
use crate::time::WallClock;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

/// How much of a server a snapshot shows: what is not asked for is not gathered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// The sums alone.
    Server,
    /// The sums, the streams and their renditions.
    Streams,
    /// The sums and the clients.
    Clients,
}

/// A server at one moment.
///
/// Streams are in the order of their names, clients in that of their ids, renditions in that of the
/// names of their streams.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// The sums.
    pub server: ServerState,
    /// Each stream that is published or waited for.
    pub streams: Vec<StreamState>,
    /// Each connection, once for each of its roles.
    pub clients: Vec<ClientState>,
    /// Each process that transcodes a stream, or ends after the stream did.
    pub renditions: Vec<RenditionStatus>,
}

/// What is counted over all streams and connections.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ServerState {
    /// Shards that the snapshot shows.
    pub shards: u16,
    /// Since the start.
    pub uptime: Duration,
    /// The wall clock.
    pub wall: WallClock,
    /// Connections that are open.
    pub connections: u32,
    /// Streams with a publisher, each counted at its home.
    pub publishers: u32,
    /// Players attached to streams.
    pub players: u32,
    /// Those who watch by HLS, who are attached to nothing.
    pub hls_viewers: u32,
    /// Streams with a publisher or players, each counted at its home.
    pub streams: u32,
    /// Bytes on all tapes, replicas on other shards included.
    pub tape_bytes: u64,
    /// Bytes of replies and incomplete messages.
    pub session_bytes: u64,
    /// What was counted since the start.
    pub totals: Totals,
}

/// What a server has counted since its start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Bytes that peers sent.
    pub received_bytes: u64,
    /// Bytes that peers were sent.
    pub sent_bytes: u64,
    /// Jumps of publishers' time lines that were mended.
    pub jumps: u64,
    /// Times that a slow player went on at a later keyframe.
    pub skips: u64,
    /// Times that a forward did not work, or no longer.
    pub forward_failures: u64,
    /// Times that a process which transcodes a stream was started again.
    pub rendition_restarts: u64,
    /// Requests that were refused.
    pub refused: BTreeMap<RefuseReason, u64>,
}

/// One stream.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamState {
    /// `vhost/app/stream`; also the id of the stream, and the same on all shards.
    pub name: StreamName,
    /// It is at home on the shard that was asked; else this is a replica, and only its players
    /// and what they were sent count.
    pub is_home: bool,
    /// Its publisher; `None` while players wait for one.
    pub publisher: Option<ClientId>,
    /// How long it has been published.
    pub age: Option<Duration>,
    /// Players attached.
    pub players: u32,
    /// Those who watch by HLS; counted at its home.
    pub hls_viewers: u32,
    /// Its picture.
    pub video: Option<VideoState>,
    /// Its sound.
    pub audio: Option<AudioState>,
    /// Time by which video lies before audio (above zero) or behind it, smoothed.
    pub skew_millis: Option<i32>,
    /// Bytes of media from its publishers.
    pub received_bytes: u64,
    /// Bytes sent to its players.
    pub sent_bytes: u64,
    /// Bits in a second from its publisher, over the last seconds.
    pub received_bits_per_second: u64,
    /// Bits in a second to its players, over the last seconds.
    pub sent_bits_per_second: u64,
    /// Bytes on its tape.
    pub tape_bytes: u64,
    /// Jumps of its time line that were mended.
    pub jumps: u64,
    /// Times that a slow player went on at a later keyframe.
    pub skips: u64,
    /// Where it is forwarded.
    pub forwards: Vec<ForwardStatus>,
}

impl StreamState {
    /// A stream that is at home here and that nobody publishes or plays.
    #[must_use]
    pub const fn waiting(name: StreamName) -> Self {
        Self {
            name,
            is_home: true,
            publisher: None,
            age: None,
            players: 0,
            hls_viewers: 0,
            video: None,
            audio: None,
            skew_millis: None,
            received_bytes: 0,
            sent_bytes: 0,
            received_bits_per_second: 0,
            sent_bits_per_second: 0,
            tape_bytes: 0,
            jumps: 0,
            skips: 0,
            forwards: Vec::new(),
        }
    }
}

/// The picture of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VideoState {
    /// The codec of the first track.
    pub codec: Codec,
    /// Codec, profile and size in words; tracks are separated by commas.
    pub description: Arc<str>,
    /// Width and height in pixels, if the header or the metadata tell.
    pub size: Option<(u32, u32)>,
    /// Thousandths of pictures in a second, by the media's own time.
    pub millihertz: Option<u32>,
    /// The last complete group of pictures.
    pub gop: Option<GopState>,
}

/// A group of pictures, from one keyframe to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GopState {
    /// Its length by the media's own time.
    pub millis: u32,
    /// Pictures in it.
    pub frames: u32,
}

/// The sound of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioState {
    /// The codec of the first track.
    pub codec: Codec,
    /// Codec, rate and channels in words; tracks are separated by commas.
    pub description: Arc<str>,
}

/// A connection among those of all shards; written `shard-slot.generation`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientId {
    /// The shard that holds it.
    pub shard: ShardId,
    /// The connection, as the log names it.
    pub conn: ConnId,
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.shard.0, self.conn)
    }
}

/// One role of a connection, or a connection that has none.
#[derive(Clone, PartialEq, Debug)]
pub struct ClientState {
    /// The connection.
    pub id: ClientId,
    /// How it talks to the server.
    pub protocol: Protocol,
    /// What it does.
    pub role: ClientRole,
    /// The stream that it publishes or plays.
    pub stream: Option<StreamName>,
    /// The other end.
    pub peer: SocketAddr,
    /// Its program, as it named itself, escaped.
    pub program: Option<Arc<str>>,
    /// Since it took its role, or since it came.
    pub age: Duration,
    /// Bits of media in a second to or from it.
    pub bits_per_second: u64,
    /// Bytes that wait for it.
    pub lag_bytes: u64,
    /// Bytes that it sent.
    pub received_bytes: u64,
    /// Bytes that it was sent.
    pub sent_bytes: u64,
}

/// How a client talks to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// HTTP: playlists, segments, the API, the console.
    Http,
    /// FLV in one endless HTTP answer.
    HttpFlv,
    /// MPEG-TS in one endless HTTP answer.
    HttpTs,
    /// RTMP.
    Rtmp,
}

impl Protocol {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::HttpFlv => "http-flv",
            Self::HttpTs => "http-ts",
            Self::Rtmp => "rtmp",
        }
    }
}

/// What a client does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientRole {
    /// Takes a stream that this server forwards to it.
    Forward,
    /// Neither, yet or any more.
    Idle,
    /// Plays a stream.
    Player,
    /// Publishes a stream.
    Publisher,
}

impl ClientRole {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Idle => "idle",
            Self::Player => "player",
            Self::Publisher => "publisher",
        }
    }
}

impl Snapshot {
    /// One snapshot of all shards. A stream and its replicas become one.
    #[must_use]
    pub fn merge(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.server.add(&part.server);
            all.streams.extend(part.streams);
            all.clients.extend(part.clients);
            all.renditions.extend(part.renditions);
        }
        // The home comes first: what was measured there counts.
        all.streams.sort_by(|a, b| a.name.cmp(&b.name).then(b.is_home.cmp(&a.is_home)));
        all.streams.dedup_by(|replica, stream| {
            let is_same = replica.name == stream.name;
            if is_same {
                stream.add_replica(replica);
            }
            is_same
        });
        all.clients.sort_by_key(|client| client.id);
        all.sort_renditions();
        all
    }

    /// Puts renditions in their order.
    pub(crate) fn sort_renditions(&mut self) {
        self.renditions.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.engine.cmp(&b.engine)));
    }

    /// The renditions of one stream.
    pub(super) fn renditions_of(&self, name: &StreamName) -> &[RenditionStatus] {
        let first = self.renditions.partition_point(|rendition| rendition.name < *name);
        let rest = self.renditions.get(first..).unwrap_or_default();
        let count = rest.partition_point(|rendition| rendition.name == *name);
        rest.get(..count).unwrap_or_default()
    }
}

impl ServerState {
    fn add(&mut self, part: &Self) {
        self.shards = self.shards.saturating_add(part.shards);
        self.uptime = self.uptime.max(part.uptime);
        self.wall = self.wall.max(part.wall);
        self.connections = self.connections.saturating_add(part.connections);
        self.publishers = self.publishers.saturating_add(part.publishers);
        self.players = self.players.saturating_add(part.players);
        self.hls_viewers = self.hls_viewers.saturating_add(part.hls_viewers);
        self.streams = self.streams.saturating_add(part.streams);
        self.tape_bytes = self.tape_bytes.saturating_add(part.tape_bytes);
        self.session_bytes = self.session_bytes.saturating_add(part.session_bytes);
        self.totals.add(&part.totals);
    }
}

impl Totals {
    fn add(&mut self, part: &Self) {
        self.accepted = self.accepted.saturating_add(part.accepted);
        self.received_bytes = self.received_bytes.saturating_add(part.received_bytes);
        self.sent_bytes = self.sent_bytes.saturating_add(part.sent_bytes);
        self.jumps = self.jumps.saturating_add(part.jumps);
        self.skips = self.skips.saturating_add(part.skips);
        self.forward_failures = self.forward_failures.saturating_add(part.forward_failures);
        self.rendition_restarts = self.rendition_restarts.saturating_add(part.rendition_restarts);
        for (reason, count) in &part.refused {
            let sum = self.refused.entry(*reason).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

impl StreamState {
    fn add_replica(&mut self, replica: &Self) {
        self.players = self.players.saturating_add(replica.players);
        self.hls_viewers = self.hls_viewers.saturating_add(replica.hls_viewers);
        self.sent_bytes = self.sent_bytes.saturating_add(replica.sent_bytes);
        self.sent_bits_per_second =
            self.sent_bits_per_second.saturating_add(replica.sent_bits_per_second);
        self.tape_bytes = self.tape_bytes.saturating_add(replica.tape_bytes);
        self.skips = self.skips.saturating_add(replica.skips);
    }
}

/// Shards pass snapshots to each other.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Snapshot>();
};
