//! The arguments of `millstream sim`.

use crate::quantity::parse_duration;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// What to do with simulated worlds.
#[derive(Clone, Debug, Subcommand)]
pub enum Sim {
    /// Run one scenario and its twin: clients, links and faults around the real server, on a
    /// virtual clock
    Run(SimRun),
    /// Run one seed after the other until the time is over or one fails
    Swarm(SimSwarm),
    /// Find the smallest scenario that fails like this one, and print it as KDL
    Shrink(SimShrink),
    /// Print what a scenario is made of, what happens in it, and how it ends
    Explain(SimExplain),
}

/// A scenario to run.
#[derive(Clone, Debug, Args)]
pub struct SimRun {
    /// Which one
    #[command(flatten)]
    pub scenario: SimScenario,
    /// Print each input, output and event
    #[arg(long)]
    pub trace: bool,
}

/// Many scenarios to run.
#[derive(Clone, Debug, Args)]
pub struct SimSwarm {
    /// How long to go on
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub time: Duration,
    /// The first seed [default: another one each time]
    #[arg(long, value_name = "SEED")]
    pub from: Option<u64>,
}

/// A scenario to shrink.
#[derive(Clone, Debug, Args)]
pub struct SimShrink {
    /// Which one
    #[command(flatten)]
    pub scenario: SimScenario,
    /// Write the smallest scenario to FILE, not to the standard output
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// A scenario to explain.
#[derive(Clone, Debug, Args)]
pub struct SimExplain {
    /// A number, or a KDL file
    #[arg(value_name = "SEED|FILE")]
    pub subject: String,
}

/// A scenario: drawn from a seed, or kept in a file.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SimScenario {
    /// The scenario that is drawn from this number
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// The scenario of a KDL file, as `sim shrink` writes it
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}
