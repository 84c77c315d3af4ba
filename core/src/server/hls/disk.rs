//! The files of one stream's segments: one job at a time, so that no playlist names a segment that
//! is not there.
//!
//! A file that cannot be written is tried again, later and later. Meanwhile segments that expire are
//! not written at all, and of playlists only the newest is; so what waits is bounded by what is kept
//! in memory anyway.

use crate::hls::{HlsOutput, segment_name};
use crate::job::{Job, JobResult};
use crate::name::StreamName;
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// The time from a failure to the next attempt; doubled with each.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Disk {
    /// What the job under way is about.
    busy: Option<Step>,
    failures: u32,
    folder: Arc<str>,
    playlist: Option<Bytes>,
    queue: VecDeque<Step>,
    retry_at: Option<Instant>,
    stream: Arc<str>,
}

#[derive(Clone, PartialEq, Debug)]
enum Step {
    Playlist,
    Remove(u64),
    Segment(u64, Vec<Bytes>),
    /// The playlist is removed.
    Unlist,
}

impl Disk {
    pub(super) fn new(directory: &str, name: &StreamName) -> Self {
        let vhost = match name.vhost() {
            // As SRS has it, the default vhost is no part of the path.
            crate::name::DEFAULT_VHOST => String::new(),
            vhost => alloc::format!("/{vhost}"),
        };
        let directory = directory.trim_end_matches('/');
        Self {
            busy: None,
            failures: 0,
            folder: Arc::from(alloc::format!("{directory}{vhost}/{}", name.app())),
            playlist: None,
            queue: VecDeque::new(),
            retry_at: None,
            stream: Arc::from(name.stream()),
        }
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_none() && self.queue.is_empty()
    }

    /// Nothing more can be written now.
    pub(super) fn is_settled(&self) -> bool {
        self.busy.is_none() && (self.queue.is_empty() || self.retry_at.is_some())
    }

    /// The playlist goes before the segments that it names.
    pub(super) fn dispose(&mut self) {
        self.playlist = None;
        self.queue.retain(|step| *step != Step::Playlist);
        self.queue.push_front(Step::Unlist);
    }

    /// Follows the muxer.
    pub(super) fn push(&mut self, output: HlsOutput) {
        match output {
            HlsOutput::Segment(segment) => {
                self.queue.push_back(Step::Segment(segment.sequence, segment.blocks));
            }
            HlsOutput::Playlist { text } => {
                self.playlist = Some(text);
                self.queue.retain(|step| *step != Step::Playlist);
                self.queue.push_back(Step::Playlist);
            }
            HlsOutput::Expire { sequence } => {
                let waits = |step: &Step| matches!(step, Step::Segment(of, _) if *of == sequence);
                let before = self.queue.len();
                self.queue.retain(|step| !waits(step));
                if self.queue.len() == before {
                    self.queue.push_back(Step::Remove(sequence));
                }
            }
            HlsOutput::Warning(_) => {}
        }
    }

    /// The next job, if none is under way.
    pub(super) fn poll_job(&mut self, now: Instant) -> Option<Job> {
        if self.busy.is_some() || self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        self.retry_at = None;
        let step = self.queue.pop_front()?;
        let path = self.path(&step);
        let job = match &step {
            Step::Segment(_, blocks) => Job::Write { path, bytes: blocks.clone() },
            Step::Playlist => Job::Write { path, bytes: self.playlist.iter().cloned().collect() },
            Step::Remove(_) | Step::Unlist => Job::Remove { path },
        };
        self.busy = Some(step);
        Some(job)
    }

    /// The job is over; gives what failed and why, for the first failure of a row.
    pub(super) fn handle_done(
        &mut self,
        now: Instant,
        result: &JobResult,
    ) -> Option<(Arc<str>, Arc<str>)> {
        let step = self.busy.take()?;
        let JobResult::Failed { reason } = result else {
            self.failures = 0;
            return None;
        };
        let path = self.path(&step);
        match &step {
            Step::Playlist if !self.queue.contains(&step) => self.queue.push_front(step),
            // What has expired meanwhile is not written any more.
            Step::Segment(sequence, _) if !self.queue.contains(&Step::Remove(*sequence)) => {
                self.queue.push_front(step);
            }
            // A file too many does no harm.
            Step::Playlist | Step::Segment(..) | Step::Remove(_) | Step::Unlist => {}
        }
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.retry_at = Some(now.after(RETRY_MIN.saturating_mul(factor).min(RETRY_MAX)));
        self.failures = self.failures.saturating_add(1);
        (self.failures == 1).then(|| (path, reason.clone()))
    }

    fn path(&self, step: &Step) -> Arc<str> {
        let name = match step {
            Step::Segment(sequence, _) | Step::Remove(sequence) => {
                segment_name(&self.stream, *sequence)
            }
            Step::Playlist | Step::Unlist => alloc::format!("{}.m3u8", self.stream),
        };
        Arc::from(alloc::format!("{}/{name}", self.folder))
    }
}
