//! The begin of a full trace: all that the server was told at its start.

use super::config::{read_config, write_config};
use millstream_core::config::{Config, Page};
use millstream_core::server::Server;
use millstream_core::shard::{Placement, ShardId};
use millstream_core::time::{Instant, WallClock};
use std::fmt::Write as _;
use std::sync::Arc;

/// How a full trace begins, whatever its version.
const NAME: &str = "millstream-trace ";
/// The first line of a full trace.
const TITLE: &str = "millstream-trace 5";

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

impl Setup {
    /// True for a full trace of any version: it begins with its name.
    #[must_use]
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(NAME.as_bytes())
    }

    /// What the begin of a full trace says; `None` when a line is not known, or when the
    /// configuration has other `pages`.
    #[must_use]
    pub fn parse(trace: &str, pages: &Arc<[Page]>) -> Option<Self> {
        Self::read(&mut trace.lines(), pages)
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
        let mut text = format!(
            "{TITLE}\nseed {}\nstart {}\nwall {}\n",
            self.seed,
            self.start.as_micros(),
            self.wall.unix_millis,
        );
        if self.placement != Placement::SINGLE {
            let Placement { own, count } = self.placement;
            let _ = writeln!(text, "shard {} of {count}", own.0);
        }
        let _ = writeln!(text, "config {}\nbegin", write_config(&self.config));
        text
    }

    /// Reads what `write` has written; `None` when a line is not known, or when the configuration
    /// has other `pages`.
    pub(super) fn read<'a>(
        lines: &mut impl Iterator<Item = &'a str>,
        pages: &Arc<[Page]>,
    ) -> Option<Self> {
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
        for line in lines {
            if line == "begin" {
                return Some(setup);
            }
            let (name, value) = line.split_once(' ')?;
            match name {
                "seed" => setup.seed = value.parse().ok()?,
                "start" => setup.start = Instant::from_micros(value.parse().ok()?),
                "wall" => setup.wall = WallClock { unix_millis: value.parse().ok()? },
                "shard" => setup.placement = read_placement(value)?,
                "config" => setup.config = read_config(value, pages)?,
                _ => return None,
            }
        }
        None
    }
}

fn read_placement(value: &str) -> Option<Placement> {
    let (own, count) = value.split_once(" of ")?;
    let placement = Placement { own: ShardId(own.parse().ok()?), count: count.parse().ok()? };
    Some(placement).filter(|placement| placement.own.0 < placement.count.get())
}
