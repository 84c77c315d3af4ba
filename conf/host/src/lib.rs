//! What every transport needs of its machine, whatever its runtime is.
//!
//! A transport is an implementation of [`runtime::Runtime`]; all else of the programs is here.
//! One shard is one thread and one future that runs the loop of `millstream_core::drive`. What
//! blocks, such as files and the log, runs on threads of its own: a full disk holds up no stream.

pub mod bench;
pub mod clip;
pub mod exec;
pub mod inspect;
pub mod jobs;
pub mod log;
pub mod program;
pub mod reload;
pub mod replay;
pub mod runtime;
pub mod serve;
pub mod sim;
pub mod transport;

mod client;
mod clock;
mod demo;
mod encoders;
mod limits;
mod listeners;
mod publisher;
mod signals;
mod stop;
mod tasks;

use std::io::{self, Write as _};

/// Writes `text` to standard output; nothing is lost to the program when nobody reads it.
fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes `text` to standard error as a line.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "millstream: {text}");
}
