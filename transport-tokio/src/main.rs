//! The `millstream` server on tokio.

use clap::Parser as _;
use millstream_conf::cli::{Cli, Command};
use millstream_host::exec;
use millstream_tokio::bench;
use millstream_tokio::replay;
use millstream_tokio::serve::{self, Program};
use millstream_tokio::sim;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = exec::intercept() {
        return ended;
    }
    match Cli::parse().into_command() {
        Command::Serve(args) => serve::run(&args, Program::Serve),
        Command::Demo(args) => serve::run(&args, Program::Demo),
        Command::Bench(bench) => bench::run(&bench),
        Command::Replay(args) => replay::run(&args),
        Command::Case(case) => replay::run_case(&case),
        Command::Sim(sim) => sim::run(&sim),
    }
}
