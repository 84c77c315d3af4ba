//! The program: one command line for every runtime.

use crate::runtime::Runtime;
use crate::serve::{self, Program};
use crate::{bench, exec, inspect, replay, sim};
use clap::Parser as _;
use millstream_conf::cli::{Cli, Command};
use std::process::ExitCode;

/// Does what the command line says, on the runtime `R`.
#[must_use]
pub fn run<R: Runtime>() -> ExitCode {
    if let Some(ended) = exec::intercept() {
        return ended;
    }
    match Cli::parse().into_command() {
        Command::Serve(args) => serve::run::<R>(&args, Program::Serve),
        Command::Demo(args) => serve::run::<R>(&args, Program::Demo),
        Command::Bench(bench) => bench::run::<R>(&bench),
        Command::Inspect(args) => inspect::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Case(case) => replay::run_case(&case),
        Command::Sim(sim) => sim::run(&sim),
    }
}
