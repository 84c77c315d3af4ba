//! millstream on tokio: the transport, and what the `millstream` program is made of.
//!
//! One shard is one thread with one single-threaded runtime and one task that runs the loop of
//! `millstream_core::drive`. No protocol is known here.

pub mod bench;
pub mod clip;
pub mod log;
mod listeners;
pub mod reload;
pub mod replay;
pub mod serve;
pub mod sim;
pub mod transport;

mod client;
mod demo;
mod limits;
mod publisher;
mod signals;

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
