//! Jobs: side effects other than sockets, which the server asks its driver for.
//!
//! The server names a job by a [`JobId`](crate::id::JobId) with `Output::Start`, and gets exactly
//! one `Input::JobDone` for it, perhaps much later. A simulator may finish, fail or delay each.

use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

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
    /// Remove a file; one that is not there counts as removed.
    Remove {
        /// Where.
        path: Arc<str>,
    },
}

/// How a job ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum JobResult {
    /// It was done.
    Done,
    /// It was not; the system's own words, for the log.
    Failed {
        /// Such as "No space left on device".
        reason: Arc<str>,
    },
}
