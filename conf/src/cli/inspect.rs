//! The arguments of `millstream inspect`.

use clap::Args;
use std::path::PathBuf;

/// What to look into.
#[derive(Clone, Debug, Args)]
pub struct Inspect {
    /// An FLV file, an MPEG-TS file, an HLS playlist with its segments beside it, or a capture
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print all of it as one JSON document
    #[arg(long)]
    pub json: bool,
    /// List every frame: times, clock, size, types of NAL units
    #[arg(long)]
    pub frames: bool,
}
