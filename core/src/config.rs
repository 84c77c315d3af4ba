//! What the server is told; a file or flags are turned into this by other crates.

pub mod access;
pub mod forward;
pub mod transcode;

pub use access::{ApiAccess, Network};
pub use forward::Forward;
pub use transcode::Transcode;

use crate::drive::Service;
use crate::limits::Limits;
use crate::name::DEFAULT_VHOST;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// The configuration of one server. All shards share one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Who may see the API.
    pub api: ApiAccess,
    /// The outgoing chunk size in bytes, where a vhost has none of its own.
    pub chunk_size: u32,
    /// Bounds on peers.
    pub limits: Limits,
    /// Where peers come in, with the ports that were really bound. The server opens none of them
    /// itself: it has to know which addresses are its own.
    pub listeners: Vec<Listener>,
    /// What is served by HTTP besides streams, such as the pages of a console.
    pub pages: Arc<[Page]>,
    /// Times between two progress reports ("pithy print").
    pub pithy_print: PithyPrint,
    /// The vhosts by name, in lower case but for `__defaultVhost__`, which takes unknown ones.
    pub vhosts: BTreeMap<Arc<str>, Arc<Vhost>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api: ApiAccess::default(),
            chunk_size: 60_000,
            limits: Limits::default(),
            listeners: Vec::new(),
            pages: Arc::default(),
            pithy_print: PithyPrint::default(),
            vhosts: BTreeMap::from([(Arc::from(DEFAULT_VHOST), Arc::default())]),
        }
    }
}

impl Config {
    /// The default configuration, but with this default vhost.
    #[must_use]
    pub fn with_default_vhost(vhost: Vhost) -> Self {
        let vhosts = BTreeMap::from([(Arc::from(DEFAULT_VHOST), Arc::new(vhost))]);
        Self { vhosts, ..Self::default() }
    }

    /// The vhost of that name; `__defaultVhost__` when there is none; `None` without either. It
    /// may be disabled.
    #[must_use]
    pub fn vhost(&self, name: &str) -> Option<&Arc<Vhost>> {
        self.resolve(name).map(|(_, vhost)| vhost)
    }

    /// As `vhost`, with the name under which it is configured.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<(&Arc<str>, &Arc<Vhost>)> {
        self.vhosts.get_key_value(name).or_else(|| self.vhosts.get_key_value(DEFAULT_VHOST))
    }

    /// What holds for a stream that exists. One whose vhost is gone or disabled is none of the default
    /// vhost's, and nothing is made of it.
    pub(crate) fn vhost_of_stream(&self, name: &str) -> Arc<Vhost> {
        let known = self.vhosts.get(name).filter(|vhost| vhost.enabled).cloned();
        known.unwrap_or_else(|| {
            let hls = Hls { enabled: false, ..Hls::default() };
            Arc::new(Vhost { enabled: false, hls, ..Vhost::default() })
        })
    }

    /// The outgoing chunk size of a vhost.
    #[must_use]
    pub fn chunk_size_of(&self, vhost: &Vhost) -> u32 {
        vhost.chunk_size.unwrap_or(self.chunk_size)
    }
}

/// A file that is served by HTTP and never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// The path of its URL; exactly this one.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What it holds.
    pub bytes: &'static [u8],
    /// A strong entity tag with its quotes.
    pub etag: &'static str,
    /// Further header fields, such as what a browser may do on the page.
    pub fields: &'static [(&'static str, &'static str)],
}

/// A place where peers come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// The address; an unspecified one stands for all of the machine.
    pub address: SocketAddr,
    /// What is spoken there.
    pub service: Service,
}

/// Time between two progress reports of one subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PithyPrint {
    /// Of a destination that a stream is forwarded to.
    pub forward: Duration,
    /// Of the segments of a stream.
    pub hls: Duration,
    /// Of a player.
    pub play: Duration,
    /// Of a publisher, and of its stream.
    pub publish: Duration,
    /// Of a transcoder.
    pub transcode: Duration,
}

impl PithyPrint {
    /// The same for all.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self {
            forward: interval,
            hls: interval,
            play: interval,
            publish: interval,
            transcode: interval,
        }
    }
}

impl Default for PithyPrint {
    fn default() -> Self {
        Self::every(Duration::from_secs(10))
    }
}

/// What holds for the streams of one vhost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vhost {
    /// The outgoing chunk size in bytes; the server's when there is none.
    pub chunk_size: Option<u32>,
    /// Peers may connect.
    pub enabled: bool,
    /// Where published streams are pushed to.
    pub forwards: Vec<Forward>,
    /// Players start at the newest keyframe, not at the next one.
    pub gop_cache: bool,
    /// How long players stay attached when their publisher has gone.
    pub grace: Duration,
    /// Segments and playlists.
    pub hls: Hls,
    /// Streams can be played as `.flv` by HTTP.
    pub http_flv: bool,
    /// Streams can be played as one endless `.ts` by HTTP.
    pub http_ts: bool,
    /// What a second publisher of a stream gets.
    pub publish_policy: PublishPolicy,
    /// How far a player may lag behind before it skips to the newest keyframe.
    pub queue_length: QueueLength,
    /// Pages that clients may come from.
    pub refer: Refer,
    /// When media go out to players.
    pub send_delay: SendDelay,
    /// How timestamps of publishers are mended.
    pub time_jitter: TimeJitter,
    /// What ffmpeg makes of published streams.
    pub transcodes: Vec<Transcode>,
}

impl Default for Vhost {
    fn default() -> Self {
        Self {
            chunk_size: None,
            enabled: true,
            forwards: Vec::new(),
            gop_cache: true,
            grace: Duration::from_secs(15),
            hls: Hls::default(),
            http_flv: true,
            http_ts: true,
            publish_policy: PublishPolicy::Busy,
            queue_length: QueueLength::default(),
            refer: Refer::default(),
            send_delay: SendDelay::Adaptive(Duration::from_millis(100)),
            time_jitter: TimeJitter::Full,
            transcodes: Vec::new(),
        }
    }
}

/// How far a player may lag behind; the nearer bound counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueLength {
    /// In bytes.
    pub bytes_max: u64,
    /// In media time.
    pub time_max: Duration,
}

impl Default for QueueLength {
    fn default() -> Self {
        Self { bytes_max: 8 << 20, time_max: Duration::from_secs(10) }
    }
}

/// Segments and playlists of HTTP Live Streaming.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hls {
    /// They are made.
    pub enabled: bool,
    /// The time after which a segment ends at the next keyframe.
    pub fragment: Duration,
    /// Where they are kept.
    pub storage: HlsStorage,
    /// The time that a playlist covers.
    pub window: Duration,
}

/// Players that start three segments from the end are 6 to 8 s behind; SRS's 10 s and 60 s put them
/// 30 s behind.
impl Default for Hls {
    fn default() -> Self {
        Self {
            enabled: true,
            fragment: Duration::from_secs(2),
            storage: HlsStorage::Memory,
            window: Duration::from_secs(12),
        }
    }
}

/// Where segments are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HlsStorage {
    /// In files below this directory too: `APP/STREAM-SEQUENCE.ts` and `APP/STREAM.m3u8`.
    Disk {
        /// The directory.
        path: Arc<str>,
    },
    /// In memory only.
    Memory,
}

/// Domains whose pages clients may come from; an empty list allows all, a client without a page
/// included. `publish` and `play` are asked for besides `all`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refer {
    /// Everybody, at connect.
    pub all: Vec<Arc<str>>,
    /// Players.
    pub play: Vec<Arc<str>>,
    /// Publishers.
    pub publish: Vec<Arc<str>>,
}

/// When media go out to players.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendDelay {
    /// At once when the shard is quiet; merged up to this long when it is busy, or for the few
    /// milliseconds (up to nine) that its turns take, where these are longer.
    Adaptive(Duration),
    /// Merged for this long; zero sends each frame at once, whatever that costs.
    Fixed(Duration),
}

/// What a second publisher of a stream gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublishPolicy {
    /// `NetStream.Publish.BadName`.
    Busy,
    /// The stream: the first publisher is told and closed.
    Takeover,
}

/// How timestamps of publishers are mended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeJitter {
    /// Jumps are closed; players start at zero.
    Full,
    /// Not at all; players get the publisher's times.
    Off,
    /// Jumps stay; players start at zero.
    Zero,
}

#[cfg(test)]
mod tests;
