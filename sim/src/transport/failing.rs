//! One operation that fails: the k-th of its kind.

use crate::net::Micros;
use millstream_core::drive::IoFailure;
use millstream_core::job::Job;

/// What a server asks of its machine and of the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// To accept a connection.
    Accept,
    /// To connect to another server.
    Dial,
    /// To read from a socket.
    Read,
    /// To write to a socket.
    Write,
    /// To replace a file.
    File,
    /// To remove a file.
    Remove,
    /// To start a program.
    Run,
}

/// All of them, with their names.
pub const OPERATIONS: [(Operation, &str); 7] = [
    (Operation::Accept, "accept"),
    (Operation::Dial, "dial"),
    (Operation::Read, "read"),
    (Operation::Write, "write"),
    (Operation::File, "file"),
    (Operation::Remove, "remove"),
    (Operation::Run, "run"),
];

/// The operation that fails in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failing {
    /// Its kind.
    pub operation: Operation,
    /// How many of its kind come before it.
    pub after: u64,
}

/// Counts operations, and makes one of them fail.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    pub(super) counts: [u64; OPERATIONS.len()],
    pub(super) failing: Option<Failing>,
    /// When it failed.
    pub(super) failed_at: Option<Micros>,
}

const FAILURES: [IoFailure; 4] =
    [IoFailure::Reset, IoFailure::TimedOut, IoFailure::Unreachable, IoFailure::Other];

/// What systems say of jobs that fail.
const REASONS: [&str; 4] =
    ["No space left on device", "Input/output error", "Permission denied", "Too many open files"];

impl Operation {
    pub(super) const fn of(work: &Job) -> Self {
        match work {
            Job::Remove { .. } | Job::Sweep { .. } => Self::Remove,
            Job::Run { .. } => Self::Run,
            _ => Self::File,
        }
    }
}

impl Counter {
    /// Counts an operation; gives how it fails, if it does.
    pub(super) fn next(&mut self, operation: Operation, now: Micros) -> Option<IoFailure> {
        let count = &mut self.counts[operation as usize];
        let index = *count;
        *count += 1;
        let is_it = self.failing == Some(Failing { operation, after: index });
        self.failed_at = self.failed_at.or(is_it.then_some(now));
        is_it.then(|| FAILURES[index as usize % FAILURES.len()])
    }
}

/// The same failure in the words of a file system.
pub(super) fn reason(failure: IoFailure) -> &'static str {
    let index = FAILURES.iter().position(|known| *known == failure).unwrap_or(0);
    REASONS[index]
}

impl super::SimTransport {
    /// The same, with one operation that fails.
    #[must_use]
    pub const fn with_failing(mut self, failing: Option<Failing>) -> Self {
        self.failing.failing = failing;
        self
    }

    /// When the operation failed that was to fail.
    #[must_use]
    pub const fn failed_at(&self) -> Option<Micros> {
        self.failing.failed_at
    }

    /// How many operations of each kind there were, in the order of [`OPERATIONS`].
    #[must_use]
    pub const fn operations(&self) -> [u64; OPERATIONS.len()] {
        self.failing.counts
    }
}
