//! The commands about configurations: `check`, `config`, `convert` and `reload`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `millstream check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// The file
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print the problems as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `millstream config`.
#[derive(Clone, Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a program")]
pub enum ConfigCommand {
    /// Show the value of every setting, and where it came from; keys of streams are left out
    Show(ConfigShow),
    /// Print the reference of all settings
    Doc(ConfigDoc),
}

/// `millstream config show`.
#[derive(Clone, Debug, Args)]
pub struct ConfigShow {
    /// The flags of the server that would be started
    #[command(flatten)]
    pub serve: super::ServeArgs,

    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `millstream config doc`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ConfigDoc {}

/// `millstream convert`.
#[derive(Clone, Debug, Args)]
pub struct Convert {
    /// The file of SRS
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `millstream reload`.
#[derive(Clone, Debug, Args)]
pub struct Reload {
    /// The flags of the server that runs
    #[command(flatten)]
    pub serve: super::ServeArgs,

    /// Tell what would change; nothing is reloaded
    #[arg(long)]
    pub dry_run: bool,
}
