//! A program that is run for what it prints.

use super::{Ears, exit, has_ended, spawn};
use millstream_core::job::Exit;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a program has printed.
#[derive(Debug)]
pub(crate) struct Printed {
    /// How it ended.
    pub(crate) exit: Exit,
    /// The begin of what it printed on standard output.
    pub(crate) text: Vec<u8>,
    /// Why it was killed.
    pub(crate) excess: Option<Excess>,
}

/// What a program has too much of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Excess {
    Output,
    Time,
}

/// Runs a program on this thread to its end, or until it has printed too much or taken too long. Its
/// process group ends with it.
pub(crate) fn output_of(
    argv: &[Arc<str>],
    len_max: usize,
    time_max: Duration,
) -> io::Result<Printed> {
    let begun = Instant::now();
    let mut child = spawn(argv)?;
    let id = Pid::from_child(&child);
    let mut ears = Ears::new(&mut child);
    ears.listing_len_max = len_max;
    let mut excess = None;
    while excess.is_none() && !has_ended(id) {
        if ears.hear(None).is_err() || begun.elapsed() > time_max {
            excess = Some(Excess::Time);
        } else if ears.listing.len() >= len_max {
            excess = Some(Excess::Output);
        }
    }
    // Its number is its own until it is waited for; one that has ended needs no signal.
    let _ = kill_process_group(id, Signal::KILL);
    let status = child.wait()?;
    ears.hear_rest(None);
    if ears.listing.len() >= len_max {
        excess = Some(Excess::Output);
    }
    Ok(Printed { exit: exit(status, false, &ears.words), text: ears.listing, excess })
}
