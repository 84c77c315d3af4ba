//! Flags of the load tool.

use crate::quantity::parse_duration;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Which load.
#[derive(Clone, Debug, Subcommand)]
pub enum Bench {
    /// Play one stream many times
    Play(BenchPlay),
    /// Publish many streams
    Publish(BenchPublish),
}

/// Many players of one stream.
#[derive(Clone, Debug, Args)]
pub struct BenchPlay {
    /// The stream, such as rtmp://127.0.0.1/live/demo; {n} becomes the number of the player
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

/// Many publishers.
#[derive(Clone, Debug, Args)]
pub struct BenchPublish {
    /// The streams, such as rtmp://127.0.0.1/live/load-{n}; {n} becomes the number of the
    /// publisher, and is appended as -{n} when it is missing and there are several
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
