//! What the server is told once; a file or flags are turned into this by other crates.

use crate::forward::Destination;
use crate::limits::Limits;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The configuration of one server. All shards share one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The outgoing chunk size in bytes.
    pub chunk_size: u32,
    /// Where each stream is published to besides.
    pub forwards: Vec<Arc<Destination>>,
    /// Players start at the newest keyframe, not at the next one.
    pub gop_cache: bool,
    /// Bounds on peers.
    pub limits: Limits,
    /// What a second publisher of a stream gets.
    pub publish_policy: PublishPolicy,
    /// Media are sent at once when the shard is quiet, and merged up to this long when it is busy;
    /// zero sends always at once.
    pub send_delay: SendDelay,
    /// How timestamps of publishers are mended.
    pub time_jitter: TimeJitter,
    /// Time between two progress reports of a session ("pithy print").
    pub pithy_print: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chunk_size: 60_000,
            forwards: Vec::new(),
            gop_cache: true,
            limits: Limits::default(),
            publish_policy: PublishPolicy::Busy,
            send_delay: SendDelay::Adaptive(Duration::from_millis(100)),
            time_jitter: TimeJitter::Full,
            pithy_print: Duration::from_secs(10),
        }
    }
}

/// When media go out to players.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendDelay {
    /// At once when the shard is quiet; merged up to this long when it is busy.
    Adaptive(Duration),
    /// Merged for this long; zero sends each frame at once.
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
