//! The program: one command line for every runtime.

use crate::runtime::Runtime;
use crate::serve::{self, Program};
use crate::{bench, complain, encoders, exec, inspect, reload, replay, sim, tell};
use clap::Parser as _;
use millstream_conf::cli::{Cli, Command};
use millstream_conf::program::{self, Printed};
use millstream_conf::settings::problem::Look;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Does what the command line says, on the runtime `R`.
#[must_use]
pub fn run<R: Runtime>() -> ExitCode {
    if let Some(ended) = exec::intercept() {
        return ended;
    }
    match Cli::parse().into_command() {
        Command::Check(args) => print(&program::check(&args, look(), &mut encoders::ask)),
        Command::Config(command) => print(&program::config(&command, look())),
        Command::Convert(args) => print(&program::convert(&args, look())),
        Command::Reload(args) => print(&reload::run(&args, look())),
        Command::Serve(args) => serve::run::<R>(&args, Program::Serve),
        Command::Demo(args) => serve::run::<R>(&args, Program::Demo),
        Command::Bench(bench) => bench::run::<R>(&bench),
        Command::Inspect(args) => inspect::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Case(case) => replay::run_case(&case),
        Command::Sim(sim) => sim::run(&sim),
    }
}

/// Says what a command has to say.
fn print(printed: &Printed) -> ExitCode {
    let _ = std::io::stderr().write_all(printed.err.as_bytes());
    let is_told = tell(&printed.out).map_err(|error| complain(&error)).is_ok();
    if printed.failed || !is_told { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Colours are for terminals, and for those who want them.
fn look() -> Look {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match std::io::stderr().is_terminal() && !is_plain {
        true => Look::Coloured,
        false => Look::Plain,
    }
}
