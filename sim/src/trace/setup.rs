//! The begin of a full trace: all that the server was told at its start.

use millstream_core::config::{Config, PublishPolicy, SendDelay, TimeJitter};
use millstream_core::forward::Destination;
use millstream_core::limits::Limits;
use millstream_core::server::Server;
use millstream_core::time::{Instant, WallClock};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// How a full trace begins, whatever its version.
const NAME: &str = "millstream-trace ";
/// The first line of a full trace.
const TITLE: &str = "millstream-trace 1";

/// What a server is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// The configuration.
    pub config: Config,
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
    grace,
    handshake_timeout,
    incomplete_bytes_max,
    message_len_max_early,
    message_len_max,
    metadata_len_max,
    message_streams_max,
    play_wait,
    player_idle_timeout,
    player_lag_bytes_max,
    player_lag_max,
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

    /// A server that was just made.
    #[must_use]
    pub fn server(&self) -> Server {
        Server::new(Arc::new(self.config.clone()), self.seed, self.start, self.wall)
    }

    /// The lines of a trace that say it.
    #[must_use]
    pub fn write(&self) -> String {
        let Config {
            chunk_size,
            forwards,
            gop_cache,
            limits,
            publish_policy,
            send_delay,
            time_jitter,
            pithy_print,
        } = &self.config;
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
        let mut text = format!(
            "{TITLE}\nseed {}\nstart {}\nwall {}\nchunk-size {chunk_size}\ngop-cache {gop_cache}\n\
             publish-policy {policy}\nsend-delay {delay}\ntime-jitter {jitter}\npithy-print {}\n",
            self.seed,
            self.start.as_micros(),
            self.wall.unix_millis,
            pithy_print.as_micros(),
        );
        for forward in forwards {
            let _ = writeln!(text, "forward {}", forward.reveal());
        }
        write_limits(limits, &mut text);
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
            seed: 0,
            start: Instant::from_micros(0),
            wall: WallClock { unix_millis: 0 },
        };
        for line in lines {
            if line == "begin" {
                return Some(setup);
            }
            setup.read_line(line)?;
        }
        None
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        let micros = |value: &str| Some(Duration::from_micros(value.parse().ok()?));
        let config = &mut self.config;
        match name {
            "seed" => self.seed = value.parse().ok()?,
            "start" => self.start = Instant::from_micros(value.parse().ok()?),
            "wall" => self.wall = WallClock { unix_millis: value.parse().ok()? },
            "chunk-size" => config.chunk_size = value.parse().ok()?,
            "forward" => config.forwards.push(Arc::new(Destination::parse(value).ok()?)),
            "gop-cache" => config.gop_cache = value.parse().ok()?,
            "publish-policy" if value == "busy" => config.publish_policy = PublishPolicy::Busy,
            "publish-policy" if value == "takeover" => {
                config.publish_policy = PublishPolicy::Takeover;
            }
            "send-delay" => {
                config.send_delay = match value.split_once(' ')? {
                    ("adaptive", max) => SendDelay::Adaptive(micros(max)?),
                    ("fixed", delay) => SendDelay::Fixed(micros(delay)?),
                    _ => return None,
                };
            }
            "time-jitter" if value == "full" => config.time_jitter = TimeJitter::Full,
            "time-jitter" if value == "off" => config.time_jitter = TimeJitter::Off,
            "time-jitter" if value == "zero" => config.time_jitter = TimeJitter::Zero,
            "pithy-print" => config.pithy_print = micros(value)?,
            "limit" => {
                let (name, value) = value.split_once(' ')?;
                read_limit(&mut config.limits, name, value.parse().ok()?)?;
            }
            _ => return None,
        }
        Some(())
    }
}
