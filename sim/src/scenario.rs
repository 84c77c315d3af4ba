//! Who does what, and what breaks when: all of a run in one value.
//!
//! A scenario is drawn from entropy by swarm testing: which faults exist and how often is drawn
//! first, so that different runs look in different corners. It can be written to and read from a
//! KDL file, and shrunk to the smallest one that still fails.

mod draw;
mod peer;
mod reload;
mod shrink;
mod text;

pub use peer::{PeerKind, PeerPlan, ServerFault, ServerFaultKind};
pub use reload::{ATTACKED_STREAMS, OWN_STREAMS, OWN_VHOST, OwnVhost, Pages, Reload, host_of};
pub use shrink::shrink;
pub use text::{ParseError, read, write};

use crate::entropy::Entropy;
use crate::net::{LinkProfile, Micros};
use crate::transport::{Failing, HostPlan};
use millstream_core::config::transcode::{Audio, Engine, Output, Scope, Transcode, Video};
use millstream_core::config::{
    Config, Hls, HlsStorage, Listener, PithyPrint, PublishPolicy, QueueLength, SendDelay,
    TimeJitter, Vhost,
};
use millstream_core::drive::Service;
use std::net::SocketAddr;
use std::time::Duration;

/// Everything that a run is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scenario {
    /// Makes the small choices: splits, sizes, whims.
    pub seed: u64,
    /// Bytes of entropy for the small choices of each actor; then all are the simplest.
    pub entropy_len: u64,
    /// How long there are faults.
    pub duration: Micros,
    /// The operator ends the server then.
    pub shutdown: Option<Micros>,
    /// The server.
    pub server: ServerPlan,
    /// Those who connect to it.
    pub actors: Vec<ActorPlan>,
    /// What breaks.
    pub faults: Vec<Fault>,
    /// What the operator changes.
    pub reloads: Vec<Reload>,
    /// Where streams are forwarded to.
    pub peers: Vec<PeerPlan>,
    /// What breaks of servers, and between them.
    pub server_faults: Vec<ServerFault>,
    /// An operation that fails.
    pub failing: Option<Failing>,
}

/// How the server is configured, and how fast it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerPlan {
    /// What each look at the clock costs.
    pub step: Micros,
    /// The outgoing chunk size.
    pub chunk_size: u32,
    /// Players start at the newest keyframe.
    pub gop_cache: bool,
    /// Bytes of the GOP cache.
    pub gop_bytes_max: u64,
    /// How long players stay without a publisher.
    pub grace: Micros,
    /// How long players wait for a first publisher.
    pub play_wait: Micros,
    /// Publishers and players without progress are closed after this.
    pub idle: Micros,
    /// Bytes that a player may lag behind.
    pub lag_bytes_max: u64,
    /// Media time that a player may lag behind.
    pub lag_max: Micros,
    /// A second publisher takes the stream over.
    pub takeover: bool,
    /// Media are merged for so long; `None` adapts.
    pub send_delay: Option<Micros>,
    /// How timestamps are mended.
    pub jitter: TimeJitter,
    /// Shards.
    pub shards: u32,
    /// What one shard says to another takes up to this.
    pub shard_delay: Micros,
    /// Programs that make something of each stream.
    pub engines: u32,
    /// Segments and playlists are written to disk.
    pub hls: bool,
    /// One in so many programs ends soon or does not begin, and one in so many files cannot be
    /// written; 0 for none.
    pub failing_one_in: u64,
    /// One in so many programs does not end when it is asked to; 0 for none.
    pub stubborn_one_in: u64,
    /// Connections of a shard; 0 for as many as there are.
    pub connections_max: u32,
    /// How long segments are.
    pub hls_fragment: Micros,
    /// How much a playlist covers.
    pub hls_window: Micros,
    /// What becomes of the other vhost.
    pub own_vhost: OwnVhost,
    /// Who may come.
    pub pages: Pages,
}

/// One that connects to the server, again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActorPlan {
    /// What it does.
    pub role: Role,
    /// The stream that it wants.
    pub stream: u32,
    /// When it comes.
    pub start: Micros,
    /// How long it stays; 0 for as long as it may.
    pub stay: Micros,
    /// It comes again so long after its connection ended; 0 for never.
    pub again: Micros,
    /// Its outgoing chunk size.
    pub chunk_size: u32,
    /// Its way to the server.
    pub link: LinkProfile,
    /// The server that it connects to: 0 for the one under test.
    pub server: u32,
}

/// What an actor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Publishes.
    Publish(MediaPlan),
    /// Plays.
    Play(PlayPlan),
    /// Publishes or plays, but the bytes are damaged on the way.
    Attack(AttackPlan),
    /// Plays by HTTP, as FLV without end.
    View,
    /// Plays by HTTP, segment by segment.
    Segments(SegmentsPlan),
    /// Connects and says nothing.
    Idle,
}

/// What a publisher sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaPlan {
    /// The time of its first frame.
    pub start: u32,
    /// Milliseconds between video frames; 0 for none.
    pub video_ms: u32,
    /// Milliseconds between audio frames; 0 for none.
    pub audio_ms: u32,
    /// Video frames between keyframes, at least.
    pub gop_min: u32,
    /// Video frames between keyframes, at most.
    pub gop_max: u32,
    /// Bytes of a frame, at most.
    pub len_max: u32,
    /// Video frames before the first keyframe.
    pub lead: u32,
    /// Milliseconds between two bursts of frames.
    pub tick_ms: u32,
    /// Video frames between two jumps of the time; 0 for none.
    pub jump_every: u32,
    /// How far the time jumps, in milliseconds.
    pub jump_ms: i32,
    /// GOPs between two repetitions of the sequence headers; 0 for none.
    pub repeat_every: u32,
    /// GOPs between two changes of the sequence headers; 0 for none.
    pub change_every: u32,
    /// Its frames are such that muxers take them.
    pub muxable: bool,
}

impl Default for MediaPlan {
    fn default() -> Self {
        Self {
            start: 0,
            video_ms: 40,
            audio_ms: 23,
            gop_min: 25,
            gop_max: 25,
            len_max: 300,
            lead: 0,
            tick_ms: 0,
            jump_every: 0,
            jump_ms: 0,
            repeat_every: 0,
            change_every: 0,
            muxable: false,
        }
    }
}

/// How a player plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlayPlan {
    /// Bytes per second that it reads; 0 for all.
    pub rate: u64,
    /// It pauses so long after it has started; 0 for never.
    pub pause_after: Micros,
    /// It goes on so long after it has paused.
    pub pause_for: Micros,
    /// It asks something so often; 0 for never.
    pub ask_every: Micros,
    /// It switches video and audio off and on so often; 0 for never.
    pub switch_every: Micros,
}

/// How a player of segments asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentsPlan {
    /// Time between two looks at the playlist.
    pub every: Micros,
    /// One in so many looks is nonsense instead; 0 for none.
    pub nonsense_one_in: u64,
}

impl Default for SegmentsPlan {
    fn default() -> Self {
        Self { every: 1_000_000, nonsense_one_in: 0 }
    }
}

/// How an attacker attacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttackPlan {
    /// It publishes; else it plays.
    pub publishes: bool,
    /// One in so many writes is damaged.
    pub damage_one_in: u64,
}

/// Something that breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// When.
    pub at: Micros,
    /// Whose link.
    pub actor: usize,
    /// How.
    pub kind: FaultKind,
}

/// How a link breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Nothing arrives for a while, in both directions.
    Stall(Micros),
    /// The connection is reset, and what is on its way is lost.
    Reset,
    /// The client sends no more, but reads.
    HalfClose,
    /// The client vanishes, and nobody is told.
    Vanish,
    /// The client vanishes, and the network of the server gives it up.
    TimeOut,
    /// The client does not read for a while.
    ZeroWindow(Micros),
}

impl Default for ActorPlan {
    fn default() -> Self {
        Self {
            role: Role::Idle,
            stream: 0,
            start: 0,
            stay: 0,
            again: 0,
            chunk_size: 60_000,
            link: LinkProfile::default(),
            server: 0,
        }
    }
}

impl Default for ServerPlan {
    fn default() -> Self {
        Self {
            step: 5,
            chunk_size: 60_000,
            gop_cache: true,
            gop_bytes_max: 16 << 20,
            grace: 4_000_000,
            play_wait: 6_000_000,
            idle: 5_000_000,
            lag_bytes_max: 8 << 20,
            lag_max: 10_000_000,
            takeover: false,
            send_delay: None,
            jitter: TimeJitter::Full,
            shards: 1,
            shard_delay: 1_000,
            engines: 0,
            hls: false,
            failing_one_in: 0,
            stubborn_one_in: 0,
            connections_max: 0,
            hls_fragment: 1_000_000,
            hls_window: 5_000_000,
            own_vhost: OwnVhost::Absent,
            pages: Pages::default(),
        }
    }
}

impl ServerPlan {
    /// How much later one shard may know what another knows: two hops and their turns.
    #[must_use]
    pub const fn lag(&self) -> Micros {
        if self.shards > 1 { 4 * self.shard_delay + 500_000 } else { 0 }
    }

    /// How the machine treats what the server asks of it.
    #[must_use]
    pub const fn host(&self) -> HostPlan {
        let Self { failing_one_in, stubborn_one_in, .. } = *self;
        HostPlan { failing_one_in, stubborn_one_in, file_delay: 50_000 }
    }

    /// The default vhost.
    fn vhost(&self) -> Vhost {
        let mut vhost = Vhost {
            gop_cache: self.gop_cache,
            publish_policy: match self.takeover {
                true => PublishPolicy::Takeover,
                false => PublishPolicy::Busy,
            },
            time_jitter: self.jitter,
            grace: Duration::from_micros(self.grace),
            queue_length: QueueLength {
                bytes_max: self.lag_bytes_max,
                time_max: Duration::from_micros(self.lag_max),
            },
            hls: self.segments(),
            refer: self.pages.refer(),
            transcodes: self.transcodes(),
            ..Vhost::default()
        };
        if let Some(delay) = self.send_delay {
            vhost.send_delay = SendDelay::Fixed(Duration::from_micros(delay));
        }
        vhost
    }

    /// The configuration of the server.
    #[must_use]
    pub fn config(&self) -> Config {
        let mut config = Config::with_default_vhost(self.vhost());
        config.chunk_size = self.chunk_size;
        config.pithy_print = PithyPrint::every(Duration::from_secs(3));
        let address = SocketAddr::from(([127, 0, 0, 1], 1935));
        // Programs play from it.
        config.listeners = vec![Listener { address, service: Service::Rtmp }];
        let limits = &mut config.limits;
        limits.http_play_wait = Duration::from_micros(self.play_wait);
        limits.gop_bytes_max = self.gop_bytes_max;
        limits.play_wait = Duration::from_micros(self.play_wait);
        limits.publisher_idle_timeout = Duration::from_micros(self.idle);
        limits.player_idle_timeout = Duration::from_micros(self.idle);
        limits.message_len_max = 1 << 20;
        if self.connections_max > 0 {
            limits.connections_max = self.connections_max;
        }
        // Shorter than the silence at the end of a run, so that nothing may be left then.
        limits.role_again_timeout = Duration::from_secs(10);
        config
    }

    fn segments(&self) -> Hls {
        if !self.hls {
            return Hls::default();
        }
        Hls {
            fragment: reload::micros(self.hls_fragment),
            window: reload::micros(self.hls_window),
            enabled: true,
            storage: HlsStorage::Disk { path: "/hls".into() },
        }
    }

    fn transcodes(&self) -> Vec<Transcode> {
        let engines = (0..self.engines).map(|engine| Engine {
            audio: Audio::Copy,
            input_format: None,
            name: format!("engine-{engine}").into(),
            output: Output("rtmp://127.0.0.1:[port]/[app]/[stream]_[engine]".into()),
            output_format: Some("flv".into()),
            video: Video::Copy,
            video_filter: Vec::new(),
        });
        let engines: Vec<Engine> = engines.collect();
        if engines.is_empty() {
            return Vec::new();
        }
        let (ffmpeg, scope) = ("ffmpeg".into(), Scope::default());
        vec![Transcode { engines, ffmpeg, log_directory: None, scope }]
    }
}

impl Role {
    /// True for the publishers that are as they should be.
    #[must_use]
    pub const fn publishes(&self) -> bool {
        matches!(self, Self::Publish(_))
    }

    /// True for those whose bytes are as they should be.
    #[must_use]
    pub const fn is_honest(&self) -> bool {
        matches!(self, Self::Publish(_) | Self::Play(_) | Self::View | Self::Segments(_))
    }
}

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::draw(&mut Entropy::from_seed(seed, 4_096))
    }

    /// Draws a scenario. Without entropy it is one publisher and one player.
    #[must_use]
    pub fn draw(entropy: &mut Entropy) -> Self {
        draw::draw(entropy)
    }

    /// The entropy of the small choices that `purpose` makes.
    #[must_use]
    pub fn entropy(&self, purpose: u64) -> Entropy {
        let mixed = self.seed ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(17);
        Entropy::from_seed(mixed, self.entropy_len)
    }
}
