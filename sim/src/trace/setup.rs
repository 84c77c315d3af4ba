//! The begin of a full trace: all that the server was told at its start.

use millstream_core::config::{
    ApiAccess, Config, Forward, Network, PithyPrint, PublishPolicy, QueueLength, Refer, SendDelay,
    TimeJitter, Vhost,
};
use millstream_core::limits::Limits;
use millstream_core::server::Server;
use millstream_core::shard::{Placement, ShardId};
use millstream_core::time::{Instant, WallClock};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// How a full trace begins, whatever its version.
const NAME: &str = "millstream-trace ";
/// The first line of a full trace.
const TITLE: &str = "millstream-trace 2";

/// What a server is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// Which shard it is, of how many.
    pub placement: Placement,
    /// Makes ids and handshakes.
    pub seed: u64,
    /// The start on the monotonic clock.
    pub start: Instant,
    /// The wall clock at the start.
    pub wall: WallClock,
}

/// How a limit is written: durations in microseconds, all else as it is.
trait Field: Sized {
    fn to_word(&self) -> u128;
    fn from_word(word: u128) -> Option<Self>;
}

macro_rules! number_fields {
    ($($kind:ty),*) => {$(
        impl Field for $kind {
            fn to_word(&self) -> u128 {
                *self as u128
            }

            fn from_word(word: u128) -> Option<Self> {
                Self::try_from(word).ok()
            }
        }
    )*};
}

number_fields!(u8, u16, u32, u64, usize);

impl Field for Duration {
    fn to_word(&self) -> u128 {
        self.as_micros()
    }

    fn from_word(word: u128) -> Option<Self> {
        Some(Self::from_micros(u64::try_from(word).ok()?))
    }
}

/// Writes and reads all limits; one that is new and not named here does not compile.
macro_rules! limits {
    ($($name:ident),* $(,)?) => {
        fn write_limits(limits: &Limits, out: &mut String) {
            let Limits { $($name),* } = limits;
            $(let _ = writeln!(out, "limit {} {}", stringify!($name), $name.to_word());)*
        }

        fn read_limit(limits: &mut Limits, name: &str, word: u128) -> Option<()> {
            match name {
                $(stringify!($name) => limits.$name = Field::from_word(word)?,)*
                _ => return None,
            }
            Some(())
        }
    };
}

limits!(
    amf_depth_max,
    amf_nodes_max,
    app_len_max,
    chunk_streams_max,
    children_max,
    chunk_size_min,
    connect_timeout,
    connections_max,
    connections_per_ip_max,
    connect_burst_per_ip_max,
    connects_per_second_per_ip_max,
    forward_dials_max,
    forward_dial_timeout,
    forward_drain_timeout,
    forward_hops_max,
    forward_retry_max,
    forward_retry_min,
    forward_retry_loop,
    forward_stable_after,
    forwards_max,
    gop_bytes_max,
    gop_frames_max,
    gop_span_max,
    handshake_timeout,
    http_body_len_max,
    http_head_len_max,
    http_idle_timeout,
    http_play_wait,
    http_playlist_wait,
    http_request_timeout,
    http_target_len_max,
    incomplete_bytes_max,
    message_len_max_early,
    message_len_max,
    metadata_len_max,
    message_streams_max,
    play_wait,
    player_idle_timeout,
    publisher_idle_timeout,
    reply_bytes_max,
    role_again_timeout,
    role_timeout,
    sources_max,
    stream_len_max,
    tc_url_len_max,
    tracks_max,
    unknown_messages_max,
);

impl Setup {
    /// True for a full trace of any version: it begins with its name.
    #[must_use]
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(NAME.as_bytes())
    }

    /// What the begin of a full trace says; `None` when a line is not known.
    #[must_use]
    pub fn parse(trace: &str) -> Option<Self> {
        Self::read(&mut trace.lines())
    }

    /// A server that was just made.
    #[must_use]
    pub fn server(&self) -> Server {
        let config = Arc::new(self.config.clone());
        Server::new_shard(config, self.placement, self.seed, self.start, self.wall)
    }

    /// The lines of a trace that say it.
    #[must_use]
    pub fn write(&self) -> String {
        // The addresses are those of the machine that recorded; nothing is bound in a replay.
        let Config { api, chunk_size, limits, listeners: _, pages: _, pithy_print, vhosts } =
            &self.config;
        let mut text = format!(
            "{TITLE}\nseed {}\nstart {}\nwall {}\nchunk-size {chunk_size}\n",
            self.seed,
            self.start.as_micros(),
            self.wall.unix_millis,
        );
        if self.placement != Placement::SINGLE {
            let Placement { own, count } = self.placement;
            let _ = writeln!(text, "shard {} of {count}", own.0);
        }
        let PithyPrint { forward, hls, play, publish, transcode } = *pithy_print;
        let intervals = [forward, hls, play, publish, transcode];
        let _ = writeln!(text, "pithy-print{}", numbers(intervals.map(|time| time.as_micros())));
        let _ = writeln!(text, "{}", api_line(api));
        write_limits(limits, &mut text);
        for (name, vhost) in vhosts {
            write_vhost(name, vhost, &mut text);
        }
        text.push_str("begin\n");
        text
    }

    /// Reads what `write` has written; `None` when a line is not known.
    pub(super) fn read<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        if lines.next()? != TITLE {
            return None;
        }
        let mut setup = Self {
            config: Config::default(),
            placement: Placement::SINGLE,
            seed: 0,
            start: Instant::from_micros(0),
            wall: WallClock { unix_millis: 0 },
        };
        let mut vhosts: Vec<(Arc<str>, Vhost)> = Vec::new();
        for line in lines {
            if line == "begin" {
                if !vhosts.is_empty() {
                    let vhosts = vhosts.into_iter().map(|(name, vhost)| (name, Arc::new(vhost)));
                    setup.config.vhosts = vhosts.collect();
                }
                return Some(setup);
            }
            match (line.strip_prefix("vhost "), vhosts.last_mut()) {
                (Some(name), _) => vhosts.push((name.into(), Vhost::default())),
                (None, Some((_, vhost))) => read_vhost_line(vhost, line)?,
                (None, None) => setup.read_line(line)?,
            }
        }
        None
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        let config = &mut self.config;
        match name {
            "seed" => self.seed = value.parse().ok()?,
            "start" => self.start = Instant::from_micros(value.parse().ok()?),
            "wall" => self.wall = WallClock { unix_millis: value.parse().ok()? },
            "shard" => {
                let (own, count) = value.split_once(" of ")?;
                let own = ShardId(own.parse().ok()?);
                self.placement = Placement { own, count: count.parse().ok()? };
                if own.0 >= self.placement.count.get() {
                    return None;
                }
            }
            "chunk-size" => config.chunk_size = value.parse().ok()?,
            "pithy-print" => {
                let [forward, hls, play, publish, transcode] = durations(value)?;
                config.pithy_print = PithyPrint { forward, hls, play, publish, transcode };
            }
            "api" => config.api = read_api(value)?,
            "limit" => {
                let (name, value) = value.split_once(' ')?;
                read_limit(&mut config.limits, name, value.parse().ok()?)?;
            }
            _ => return None,
        }
        Some(())
    }
}

/// Who may see the API: `api on private,10.0.0.0/8 example.com`.
fn api_line(access: &ApiAccess) -> String {
    let ApiAccess { enabled, allow, hosts } = access;
    let allow: Vec<_> = allow.iter().map(ToString::to_string).collect();
    let state = if *enabled { "on" } else { "off" };
    format!("api {state} {} {}", allow.join(","), hosts.join(","))
}

fn read_api(value: &str) -> Option<ApiAccess> {
    let mut words = value.split(' ');
    let enabled = words.next()? == "on";
    let mut list = || words.next().unwrap_or_default().split(',').filter(|word| !word.is_empty());
    let allow = list().map(Network::parse).collect::<Option<_>>()?;
    let hosts = list().map(Arc::from).collect();
    Some(ApiAccess { enabled, allow, hosts })
}

/// What a vhost does that a replay shows: segments and transcoding have no part in it.
fn write_vhost(name: &str, vhost: &Vhost, text: &mut String) {
    let Vhost {
        chunk_size,
        enabled,
        forwards,
        gop_cache,
        grace,
        hls: _,
        http_flv: _,
        http_ts: _,
        publish_policy,
        queue_length,
        refer,
        send_delay,
        time_jitter,
        transcodes: _,
    } = vhost;
    let policy = match publish_policy {
        PublishPolicy::Busy => "busy",
        PublishPolicy::Takeover => "takeover",
    };
    let delay = match send_delay {
        SendDelay::Adaptive(max) => format!("adaptive {}", max.as_micros()),
        SendDelay::Fixed(delay) => format!("fixed {}", delay.as_micros()),
    };
    let jitter = match time_jitter {
        TimeJitter::Full => "full",
        TimeJitter::Off => "off",
        TimeJitter::Zero => "zero",
    };
    let QueueLength { bytes_max, time_max } = queue_length;
    let _ = write!(
        text,
        "vhost {name}\nenabled {enabled}\ngop-cache {gop_cache}\ngrace {}\n\
         publish-policy {policy}\nqueue-length {bytes_max} {}\nsend-delay {delay}\n\
         time-jitter {jitter}\n",
        grace.as_micros(),
        time_max.as_micros(),
    );
    if let Some(chunk_size) = chunk_size {
        let _ = writeln!(text, "chunk-size {chunk_size}");
    }
    for Forward { app, host, port, stream, vhost } in forwards {
        let [app, stream, vhost] = [app, stream, vhost].map(|part| part.as_deref().unwrap_or(""));
        let _ = writeln!(text, "forward {host}\t{port}\t{app}\t{stream}\t{vhost}");
    }
    let Refer { all, play, publish } = refer;
    for (kind, domains) in [("all", all), ("play", play), ("publish", publish)] {
        for domain in domains {
            let _ = writeln!(text, "refer {kind} {domain}");
        }
    }
}

fn read_vhost_line(vhost: &mut Vhost, line: &str) -> Option<()> {
    let (name, value) = line.split_once(' ')?;
    match (name, value) {
        ("chunk-size", _) => vhost.chunk_size = Some(value.parse().ok()?),
        ("enabled", _) => vhost.enabled = value.parse().ok()?,
        ("forward", _) => vhost.forwards.push(read_forward(value)?),
        ("gop-cache", _) => vhost.gop_cache = value.parse().ok()?,
        ("grace", _) => [vhost.grace] = durations(value)?,
        ("publish-policy", "busy") => vhost.publish_policy = PublishPolicy::Busy,
        ("publish-policy", "takeover") => vhost.publish_policy = PublishPolicy::Takeover,
        ("queue-length", _) => {
            let (bytes_max, time_max) = value.split_once(' ')?;
            let [time_max] = durations(time_max)?;
            vhost.queue_length = QueueLength { bytes_max: bytes_max.parse().ok()?, time_max };
        }
        ("refer", _) => {
            let (kind, domain) = value.split_once(' ')?;
            match kind {
                "all" => vhost.refer.all.push(domain.into()),
                "play" => vhost.refer.play.push(domain.into()),
                "publish" => vhost.refer.publish.push(domain.into()),
                _ => return None,
            }
        }
        ("send-delay", _) => {
            let (kind, delay) = value.split_once(' ')?;
            let [delay] = durations(delay)?;
            vhost.send_delay = match kind {
                "adaptive" => SendDelay::Adaptive(delay),
                "fixed" => SendDelay::Fixed(delay),
                _ => return None,
            };
        }
        ("time-jitter", "full") => vhost.time_jitter = TimeJitter::Full,
        ("time-jitter", "off") => vhost.time_jitter = TimeJitter::Off,
        ("time-jitter", "zero") => vhost.time_jitter = TimeJitter::Zero,
        _ => return None,
    }
    Some(())
}

fn read_forward(text: &str) -> Option<Forward> {
    let parts: Vec<&str> = text.split('\t').collect();
    let [host, port, app, stream, vhost] = parts.try_into().ok()?;
    let [app, stream, vhost] =
        [app, stream, vhost].map(|part| Some(part).filter(|part| !part.is_empty()).map(Arc::from));
    Some(Forward { app, host: host.into(), port: port.parse().ok()?, stream, vhost })
}

fn numbers<const N: usize>(numbers: [u128; N]) -> String {
    numbers.map(|number| format!(" {number}")).concat()
}

/// So many durations in microseconds.
fn durations<const N: usize>(text: &str) -> Option<[Duration; N]> {
    let words = text.split(' ').map(|word| Some(Duration::from_micros(word.parse().ok()?)));
    words.collect::<Option<Vec<Duration>>>()?.try_into().ok()
}
