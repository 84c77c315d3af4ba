//! What every transport needs of its machine, whatever its runtime is.

pub mod bench;
pub mod clip;
pub mod jobs;
pub mod log;
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
