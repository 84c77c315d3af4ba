//! The `millstream` server on tokio.

use clap::Parser as _;
use millstream_conf::cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().into_command() {
        Command::Serve(args) => millstream_tokio::serve::run(&args),
        Command::Demo(_) | Command::Bench(_) => ExitCode::FAILURE,
    }
}
