//! Flags of the load tool.

use super::parse_send_delay;
use crate::quantity::parse_duration;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Which load.
#[derive(Clone, Debug, Subcommand)]
pub enum Bench {
    /// Play one stream many times
    Play(BenchPlay),
    /// View one stream many times by HTTP-FLV or HTTP-TS
    Flv(BenchView),
    /// View one stream many times by HLS, as players ask for it
    Hls(BenchView),
    /// Publish many streams
    Publish(BenchPublish),
    /// Put the same load on this server and on others, and compare
    Compare(BenchCompare),
    /// Put the same load on each of several workers, and tell what these give
    Scale(BenchScale),
    /// Let publishers and players come and go
    Churn(BenchChurn),
    /// The server that `compare` measures all others against
    #[command(hide = true)]
    NullServe(BenchNullServe),
    /// Its players
    #[command(hide = true)]
    NullPlay(BenchNullPlay),
}

/// This server beside others, each in turn on a core of its own.
#[derive(Clone, Debug, Args)]
pub struct BenchCompare {
    /// An FLV file (H.264, for latency); it is published in a loop
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many players, one run for each number
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [100, 300, 1_000], value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub players: Vec<u32>,
    /// The SRS program, to be among them
    #[arg(long, value_name = "PATH")]
    pub srs: Option<PathBuf>,
    /// The nginx program (Debian: nginx and libnginx-mod-rtmp); left out when it is not there
    #[arg(long, value_name = "PATH", default_value = "nginx")]
    pub nginx: PathBuf,
    /// Only servers whose name holds one of these words
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How long to measure each
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub time: Duration,
    /// New connections in one second
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub rate: u32,
    /// The cores of the server and of the load
    #[arg(long, value_name = "SERVER,LOAD", value_delimiter = ',', num_args = 2, default_values_t = [0, 1])]
    pub cores: Vec<u16>,
    /// Runs of each, of which the one with the least CPU counts: on a machine that others use too
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..=100))]
    pub runs: u32,
    /// Print the result as one JSON array
    #[arg(long)]
    pub json: bool,
    /// Write a plot
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// This server with several numbers of workers, each with its players and their load on a core.
#[derive(Clone, Debug, Args)]
pub struct BenchScale {
    /// An FLV file (H.264, for latency); it is published in a loop
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many workers, on the first cores; the others are told in times of the first
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [1, 2], value_parser = RangedU64ValueParser::<u16>::new().range(1..=64))]
    pub workers: Vec<u16>,
    /// Players of each worker
    #[arg(long, value_name = "NUMBER", default_value_t = 400, value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    pub players: u32,
    /// How the servers merge, as in `serve`
    #[arg(long, value_name = "MS", default_value = "0", value_parser = checked_send_delay)]
    pub send_delay: String,
    /// How long to measure each
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub time: Duration,
    /// New connections in one second
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub rate: u32,
    /// Runs of all in turn; the medians count
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = RangedU64ValueParser::<u32>::new().range(1..=100))]
    pub runs: u32,
    /// Print the result as one JSON array
    #[arg(long)]
    pub json: bool,
}

fn checked_send_delay(text: &str) -> Result<String, String> {
    parse_send_delay(text).map(|_| text.to_owned())
}

/// Clients that come and go.
#[derive(Clone, Debug, Args)]
pub struct BenchChurn {
    /// The streams, such as rtmp://127.0.0.1/live/churn-{number}; {number} becomes the number of the
    /// publisher
    #[arg(value_name = "URL")]
    pub url: String,
    /// An FLV file; publishers publish it in a loop
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How long new clients come
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub time: Duration,
    /// Clients that come in one second: one publisher to four players
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    pub rate: u32,
    /// How long a client stays, on average
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub stay: Duration,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl BenchChurn {
    /// The same as a load.
    #[must_use]
    pub const fn load(&self) -> BenchLoad {
        BenchLoad { time: self.time, rate: self.rate, threads: Some(1), json: self.json }
    }
}

/// A server without a protocol.
#[derive(Clone, Debug, Args)]
pub struct BenchNullServe {
    /// An FLV file; each player is sent its frames
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Messages are merged for so long; 0 sends each by itself
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub send_delay: Duration,
}

/// Players of that server.
#[derive(Clone, Debug, Args)]
pub struct BenchNullPlay {
    /// Where it listens
    #[arg(value_name = "ADDRESS")]
    pub address: SocketAddr,
    /// How many players
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub players: u32,
    /// How the load is put on
    #[command(flatten)]
    pub load: BenchLoad,
}

/// Many players of one stream.
#[derive(Clone, Debug, Args)]
pub struct BenchPlay {
    /// The stream, such as rtmp://127.0.0.1/live/demo; {number} becomes the number of the player
    #[arg(value_name = "URL")]
    pub url: String,
    /// How many players
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub players: u32,
    /// First publish FILE (FLV, looped) to the URL, with the marks that latency is measured by
    #[arg(long, value_name = "FILE")]
    pub publish: Option<PathBuf>,
    /// How the load is put on
    #[command(flatten)]
    pub load: BenchLoad,
}

/// Many viewers of one stream by HTTP.
#[derive(Clone, Debug, Args)]
pub struct BenchView {
    /// The stream, such as http://127.0.0.1:8080/live/demo.flv (or .ts, or .m3u8 for HLS); {number} becomes
    /// the number of the viewer
    #[arg(value_name = "URL")]
    pub url: String,
    /// How many viewers
    #[arg(long, visible_alias = "players", value_name = "NUMBER", default_value_t = 100, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub viewers: u32,
    /// First publish FILE (FLV, looped) by RTMP, with the marks that latency is measured by
    #[arg(long, value_name = "FILE")]
    pub publish: Option<PathBuf>,
    /// Where FILE is published [default: rtmp://HOST/APP/STREAM of the URL, port 1935]
    #[arg(long, value_name = "URL", requires = "publish")]
    pub publish_url: Option<String>,
    /// How the load is put on
    #[command(flatten)]
    pub load: BenchLoad,
}

/// Many publishers.
#[derive(Clone, Debug, Args)]
pub struct BenchPublish {
    /// The streams, such as rtmp://127.0.0.1/live/load-{number}; {number} becomes the number of the
    /// publisher, and is appended as -{number} when it is missing and there are several
    #[arg(value_name = "URL")]
    pub url: String,
    /// An FLV file; it is published in a loop
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many publishers
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub publishers: u32,
    /// How the load is put on
    #[command(flatten)]
    pub load: BenchLoad,
}

/// How load is put on.
#[derive(Clone, Debug, Args)]
pub struct BenchLoad {
    /// How long to measure, counted from the start of the last connection
    #[arg(long = "for", value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    pub time: Duration,
    /// New connections in one second
    #[arg(long, value_name = "NUMBER", default_value_t = 500, value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub rate: u32,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "NUMBER", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_024))]
    pub threads: Option<u32>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}
