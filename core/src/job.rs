//! Jobs: side effects other than sockets, which the server asks its driver for.
//!
//! The server names a job by a [`JobId`](crate::id::JobId) with `Output::Start`, and gets exactly
//! one `Input::JobDone` for it, perhaps much later. A simulator may finish, fail or delay each.

use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;
use core::time::Duration;

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Job {
    /// Replace a file: written beside its place, then renamed, so that a reader sees the old one or
    /// the new one. Missing directories are made.
    Write {
        /// Where; legal names only, below a directory of the configuration.
        path: Arc<str>,
        /// What, in order.
        bytes: Vec<Bytes>,
    },
    /// Run a program, in a process group of its own and with nothing of the server's open. It is
    /// given no input. All that it says goes to the log file; the last of it is in its `Exit`.
    Run {
        /// The program, looked for in the path of the server, and its arguments; never a shell.
        argv: Arc<[Arc<str>]>,
        /// A file that standard error is appended to.
        log: Option<Arc<str>>,
        /// A program that says nothing on standard output for so long hangs, and is killed.
        silence_max: Option<Duration>,
    },
    /// Remove a file; one that is not there counts as removed.
    Remove {
        /// Where.
        path: Arc<str>,
    },
    /// Remove the segments that an earlier run of the server has left of a stream: what
    /// [`segment_number`](crate::hls::segment_number) finds one of the numbers in. All else in the
    /// folder stays, and a folder that is not there counts as swept.
    Sweep {
        /// The path of a segment, up to its number: `/DIRECTORY/APP/STREAM`.
        stem: Arc<str>,
        /// The numbers of the segments.
        numbers: Range<u64>,
    },
}

/// What is told of a running program before its end.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum JobNews {
    /// It runs.
    Began {
        /// The number of its process.
        process: u32,
    },
    /// It has said something on standard error; told about once a second at most.
    Said {
        /// The last lines of it, as in its `Exit`.
        last_words: Arc<str>,
    },
}

/// What a running program is told: all of its process group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// End at once; it cannot be ignored.
    Kill,
    /// Please end.
    Terminate,
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// What it returned; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// It was killed because it said nothing for too long.
    pub was_silent: bool,
    /// The last lines that it said on standard error, as text; at most [`LAST_WORDS_MAX`] bytes.
    pub last_words: Arc<str>,
}

/// Bytes of the last words of a program.
pub const LAST_WORDS_MAX: usize = 4 << 10;

/// How a job ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum JobResult {
    /// It was done.
    Done,
    /// The program has ended, and all of its process group too.
    Exited(Exit),
    /// It was not; the system's own words, for the log.
    Failed {
        /// Such as "No space left on device".
        reason: Arc<str>,
    },
}
