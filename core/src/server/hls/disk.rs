//! The files of one stream's segments: one job at a time, so that no playlist names a segment that
//! is not there.
//!
//! A file that cannot be written is tried again, later and later. Meanwhile segments that expire are
//! not written at all, and of playlists only the newest is; so what waits is bounded by what is kept
//! in memory anyway.
//!
//! When the operator names another directory, what is kept is written there before it is removed
//! here, so both are whole at each moment for who reads them.
//!
//! A server that ends leaves its files, so that who plays them can go on, and the next run counts
//! from a higher number. So whoever begins to write in a folder sweeps it: once no player can want
//! them any more, segments of this stream with smaller numbers are removed.

use crate::hls::{HlsMuxer, HlsOutput, segment_name};
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

/// Smaller numbers are not those of segments: they are counted in half seconds since 2020. Files with
/// such names are somebody else's.
const NUMBER_MIN: u64 = 100_000_000;

/// Steps that wait when the files move; of what they leave behind, more is not removed.
const STEPS_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Disk {
    /// What the job under way is about, and its file.
    busy: Option<(Step, Arc<str>)>,
    failures: u32,
    /// Where files go; none once they are in memory alone.
    folder: Option<Arc<str>>,
    playlist: Option<Bytes>,
    queue: VecDeque<Step>,
    retry_at: Option<Instant>,
    stream: Arc<str>,
    /// When segments are removed that lie in the folder from before, and the first number that is
    /// not theirs.
    sweep: Option<(Instant, u64)>,
}

#[derive(Clone, PartialEq, Debug)]
enum Step {
    /// A file where none are written any more is removed.
    Discard(Arc<str>),
    Playlist,
    Remove(u64),
    Segment(u64, Vec<Bytes>),
    /// Segments of an earlier run are removed: all below a number.
    Sweep(u64),
    /// The playlist is removed.
    Unlist,
}

impl Disk {
    /// No files yet: `go_to` says where.
    pub(super) fn new(name: &StreamName) -> Self {
        Self {
            busy: None,
            failures: 0,
            folder: None,
            playlist: None,
            queue: VecDeque::new(),
            retry_at: None,
            stream: Arc::from(name.stream()),
            sweep: None,
        }
    }

    /// From now on files lie below this directory, or nowhere: what is kept is written there, and
    /// what lies elsewhere is removed then. What lies there from before goes at `sweep_at`.
    pub(super) fn go_to(
        &mut self,
        directory: Option<&str>,
        name: &StreamName,
        muxer: &HlsMuxer,
        sweep_at: Instant,
    ) {
        let folder = directory.map(|directory| folder_of(directory, name));
        if folder == self.folder {
            return;
        }
        let mut left: Vec<Arc<str>> = Vec::new();
        for step in core::mem::take(&mut self.queue) {
            match step {
                Step::Discard(path) => self.queue.push_back(Step::Discard(path)),
                Step::Remove(_) | Step::Unlist => left.extend(self.path(&step)),
                // They are written where they belong now.
                Step::Playlist | Step::Segment(..) | Step::Sweep(_) => {}
            }
        }
        left.extend(self.path(&Step::Unlist));
        let kept = muxer.kept().map(|segment| Step::Remove(segment.sequence));
        left.extend(kept.filter_map(|step| self.path(&step)));
        self.retry_at = None;
        self.failures = 0;
        self.sweep = folder.as_ref().map(|_| (sweep_at, muxer.oldest()));
        self.folder = folder;
        if self.folder.is_some() {
            for segment in muxer.kept() {
                self.queue.push_back(Step::Segment(segment.sequence, segment.blocks.clone()));
            }
            let playlist = muxer.playlist();
            self.playlist = (!playlist.is_empty()).then(|| playlist.clone());
            self.queue.extend(self.playlist.iter().map(|_| Step::Playlist));
        }
        let room = STEPS_MAX.saturating_sub(self.queue.len());
        self.queue.extend(left.into_iter().take(room).map(Step::Discard));
    }

    /// When the next job can begin. While one is under way, its end is waited for.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let sweep_at = self.sweep.map(|(at, _)| at);
        self.retry_at.or(sweep_at).filter(|_| self.busy.is_none())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_none() && self.queue.is_empty() && self.sweep.is_none()
    }

    /// Nothing more can be written now.
    pub(super) fn is_settled(&self) -> bool {
        self.busy.is_none() && (self.queue.is_empty() || self.retry_at.is_some())
    }

    /// There is no playlist any more: it goes before the segments that it names.
    pub(super) fn unlist(&mut self) {
        if self.folder.is_none() {
            return;
        }
        self.playlist = None;
        self.queue.retain(|step| *step != Step::Playlist);
        self.queue.push_front(Step::Unlist);
    }

    /// Follows the muxer.
    pub(super) fn push(&mut self, output: HlsOutput) {
        if self.folder.is_none() {
            return;
        }
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
        let sweep = &mut self.sweep;
        let step = self.queue.pop_front().or_else(|| {
            sweep.take_if(|(at, _)| *at <= now).map(|(_, before)| Step::Sweep(before))
        })?;
        let path = self.path(&step)?;
        let job = match &step {
            Step::Segment(_, blocks) => Job::Write { path: path.clone(), bytes: blocks.clone() },
            Step::Playlist => {
                let bytes = self.playlist.iter().cloned().collect();
                Job::Write { path: path.clone(), bytes }
            }
            Step::Sweep(before) => Job::Sweep { stem: path.clone(), numbers: NUMBER_MIN..*before },
            Step::Discard(_) | Step::Remove(_) | Step::Unlist => Job::Remove { path: path.clone() },
        };
        self.busy = Some((step, path));
        Some(job)
    }

    /// The job is over; gives what failed and why, for the first failure of a row.
    pub(super) fn handle_done(
        &mut self,
        now: Instant,
        result: &JobResult,
    ) -> Option<(Arc<str>, Arc<str>)> {
        let (step, path) = self.busy.take()?;
        let JobResult::Failed { reason } = result else {
            self.failures = 0;
            return None;
        };
        if self.path(&step).as_ref() != Some(&path) {
            // The files have moved meanwhile.
            return None;
        }
        match &step {
            Step::Playlist if !self.queue.contains(&step) => self.queue.push_front(step),
            // What has expired meanwhile is not written any more.
            Step::Segment(sequence, _) if !self.queue.contains(&Step::Remove(*sequence)) => {
                self.queue.push_front(step);
            }
            // A file too many does no harm.
            Step::Discard(_)
            | Step::Playlist
            | Step::Segment(..)
            | Step::Sweep(_)
            | Step::Remove(_)
            | Step::Unlist => {}
        }
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.retry_at = Some(now.after(RETRY_MIN.saturating_mul(factor).min(RETRY_MAX)));
        self.failures = self.failures.saturating_add(1);
        (self.failures == 1).then(|| (path, reason.clone()))
    }

    fn path(&self, step: &Step) -> Option<Arc<str>> {
        let name = match step {
            Step::Discard(path) => return Some(path.clone()),
            Step::Segment(sequence, _) | Step::Remove(sequence) => {
                segment_name(&self.stream, *sequence)
            }
            Step::Sweep(_) => String::from(&*self.stream),
            Step::Playlist | Step::Unlist => alloc::format!("{}.m3u8", self.stream),
        };
        let folder = self.folder.as_ref()?;
        Some(Arc::from(alloc::format!("{folder}/{name}")))
    }
}

fn folder_of(directory: &str, name: &StreamName) -> Arc<str> {
    let vhost = match name.vhost() {
        // As SRS has it, the default vhost is no part of the path.
        crate::name::DEFAULT_VHOST => String::new(),
        vhost => alloc::format!("/{vhost}"),
    };
    let directory = directory.trim_end_matches('/');
    Arc::from(alloc::format!("{directory}{vhost}/{}", name.app()))
}
