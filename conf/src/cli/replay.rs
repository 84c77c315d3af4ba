//! The arguments of `millstream replay` and `millstream case`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to replay, and what to show of a capture.
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// A capture of tcpdump or Wireshark (pcap or pcapng), or what `serve --trace` wrote: a trace
    /// is replayed to see whether this server does the same again
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print all of it as one JSON document
    #[arg(long, conflicts_with = "stats")]
    pub json: bool,
    /// Print tables of numbers in place of the timeline: bytes, messages, frame rates, bit rates,
    /// groups of pictures, jumps of timestamps, lead of video over audio
    #[arg(long)]
    pub stats: bool,
    /// Write the published media to FILE as FLV; several publishers get FILE-0.flv, FILE-3.flv,
    /// ..., by the numbers of their connections
    #[arg(long, value_name = "FILE")]
    pub write_flv: Option<PathBuf>,
}

/// What to do with permanent tests.
#[derive(Clone, Debug, Subcommand)]
pub enum Case {
    /// Keep a capture as a permanent test: addresses, names, keys and media are overwritten,
    /// sizes, headers and times stay
    Add(CaseAdd),
}

/// A capture to keep.
#[derive(Clone, Debug, Args)]
pub struct CaseAdd {
    /// A capture of tcpdump or Wireshark (pcap or pcapng)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder of the tests
    #[arg(long, value_name = "FOLDER", default_value = "tests/cases")]
    pub dir: PathBuf,
}
