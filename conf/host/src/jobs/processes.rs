//! Programs: a thread for each, from its start to its end.
//!
//! The thread starts the program, so that the program lives no longer than the thread, and the thread
//! no longer than the server. It hears what the program says, lest a full pipe stop it.

mod log;
mod output;

use super::ring::Ring;
use super::{JobSink, Report};
use crate::exec;
use log::Log;
use millstream_core::id::JobId;
use millstream_core::job::{Exit, JobNews, JobResult, Signal};
pub(crate) use output::{Excess, output_of};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a program that says nothing is looked after.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// How often it is told what a program has said.
const TELL_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What to run: see `Job::Run`.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) argv: Arc<[Arc<str>]>,
    pub(super) log: Option<Arc<str>>,
    pub(super) silence_max: Option<Duration>,
}

/// The programs of one shard. They are killed when it is dropped.
pub(super) struct Processes {
    running: Arc<Mutex<BTreeMap<JobId, Group>>>,
    sink: JobSink,
    unwritable: Arc<Mutex<Unwritable>>,
}

/// Folders in which a log could not be written, for one warning of each.
type Unwritable = BTreeSet<PathBuf>;

/// A process group, from before its start until its leader's end was taken note of.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    id: Option<Pid>,
    /// What it was told before it had started.
    told: Option<Signal>,
}

impl Processes {
    pub(super) fn new(sink: JobSink) -> Self {
        Self { running: Arc::default(), sink, unwritable: Arc::default() }
    }

    /// Runs a program on a thread of its own.
    pub(super) fn start(&mut self, job: JobId, command: Command) -> io::Result<()> {
        lock(&self.running).insert(job, Group::default());
        let (running, sink) = (self.running.clone(), self.sink.clone());
        let unwritable = self.unwritable.clone();
        let thread = std::thread::Builder::new().name("process".into()).spawn(move || {
            let tell = |news| sink(job, Report::Told(news));
            let log = command.log.as_deref().and_then(|path| open_log(path, &unwritable));
            let result = match run(&running, job, &command, log, tell) {
                Ok(exit) => JobResult::Exited(exit),
                Err(error) => {
                    let program = command.argv.first().map_or("", |program| program);
                    let reason = format!("{program} cannot be run: {error}");
                    JobResult::Failed { reason: reason.into() }
                }
            };
            lock(&running).remove(&job);
            sink(job, Report::Done(result));
        });
        if thread.is_err() {
            lock(&self.running).remove(&job);
        }
        thread.map(|_| ())
    }

    pub(super) fn signal(&self, job: JobId, signal: Signal) {
        if let Some(group) = lock(&self.running).get_mut(&job) {
            group.told = Some(signal);
            group.send(signal);
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for group in lock(&self.running).values_mut() {
            group.told = Some(Signal::Kill);
            group.send(Signal::Kill);
        }
    }
}

impl Group {
    fn send(&self, signal: Signal) {
        let signal = match signal {
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Terminate => rustix::process::Signal::TERM,
        };
        if let Some(id) = self.id {
            // One that has ended already needs no signal.
            let _ = kill_process_group(id, signal);
        }
    }
}

/// A program does its work without a log too. It is started again and again: one warning is enough.
fn open_log(path: &str, unwritable: &Mutex<Unwritable>) -> Option<Log> {
    let error = match Log::open(path) {
        Ok(log) => return Some(log),
        Err(error) => error,
    };
    let folder = Path::new(path).parent().unwrap_or(Path::new("")).to_owned();
    if lock(unwritable).insert(folder) {
        tracing::warn!("{path} cannot be written: {error}; programs run without a log there");
    }
    None
}

/// Runs a program to its end.
fn run(
    running: &Mutex<BTreeMap<JobId, Group>>,
    job: JobId,
    command: &Command,
    mut log: Option<Log>,
    tell: impl Fn(JobNews),
) -> io::Result<Exit> {
    let mut child = spawn(&command.argv)?;
    let id = Pid::from_child(&child);
    tell(JobNews::Began { process: child.id() });
    if let Some(group) = lock(running).get_mut(&job) {
        group.id = Some(id);
        if let Some(signal) = group.told {
            group.send(signal);
        }
    }
    let mut ears = Ears::new(&mut child);
    let mut was_silent = false;
    while !has_ended(id) {
        ears.hear(log.as_mut())?;
        if let Some(last_words) = ears.news() {
            tell(JobNews::Said { last_words });
        }
        let silence = ears.heard.elapsed();
        if !was_silent && command.silence_max.is_some_and(|max| silence > max) {
            was_silent = true;
            signal_group(running, job, Signal::Kill);
        }
    }
    // Its children go with it; its number is its own until it is waited for.
    signal_group(running, job, Signal::Kill);
    if let Some(group) = lock(running).get_mut(&job) {
        group.id = None;
    }
    let status = child.wait()?;
    ears.hear_rest(log.as_mut());
    Ok(exit(status, was_silent, &ears.words))
}

fn signal_group(running: &Mutex<BTreeMap<JobId, Group>>, job: JobId, signal: Signal) {
    if let Some(group) = lock(running).get(&job) {
        group.send(signal);
    }
}

fn spawn(argv: &[Arc<str>]) -> io::Result<Child> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is named"))?;
    exec::command(program)
        .args(arguments.iter().map(|word| &**word))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// True once the program is over; its number stays its own.
fn has_ended(id: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // An error means that there is nothing to wait for.
    !matches!(waitid(WaitId::Pid(id), options), Ok(None))
}

fn exit(status: ExitStatus, was_silent: bool, words: &Ring) -> Exit {
    Exit { code: status.code(), signal: status.signal(), was_silent, last_words: words.text() }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program says.
struct Ears {
    errors: Option<ChildStderr>,
    /// When standard output was heard last.
    heard: Instant,
    /// The begin of what was heard on standard output: so much of it as is wanted.
    listing: Vec<u8>,
    listing_len_max: usize,
    output: Option<ChildStdout>,
    scratch: Vec<u8>,
    /// When it was told what was said; nothing when all of it was.
    told: Option<Instant>,
    words: Ring,
    words_are_new: bool,
}

impl Ears {
    fn new(child: &mut Child) -> Self {
        Self {
            errors: child.stderr.take(),
            heard: Instant::now(),
            listing: Vec::new(),
            listing_len_max: 0,
            output: child.stdout.take(),
            scratch: vec![0; 8 << 10],
            told: None,
            words: Ring::default(),
            words_are_new: false,
        }
    }

    /// What was said, if it is time to tell it.
    fn news(&mut self) -> Option<Arc<str>> {
        let is_time = self.told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL_MIN);
        if !self.words_are_new || !is_time {
            return None;
        }
        self.words_are_new = false;
        self.told = Some(Instant::now());
        Some(self.words.text())
    }

    /// Waits a moment for something to hear.
    fn hear(&mut self, log: Option<&mut Log>) -> io::Result<()> {
        let Self { errors, output, .. } = self;
        let mut pipes = Vec::with_capacity(2);
        pipes.extend(errors.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        pipes.extend(output.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut pipes, Some(&LOOK)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            found => found?,
        };
        let mut ready = pipes.iter().map(|pipe| !pipe.revents().is_empty());
        let errors_ready = errors.is_some() && ready.next().unwrap_or(false);
        let output_ready = output.is_some() && ready.next().unwrap_or(false);
        drop(pipes);
        if errors_ready {
            self.hear_words(log);
        }
        if output_ready && self.hear_output() {
            self.heard = Instant::now();
        }
        Ok(())
    }

    fn hear_words(&mut self, log: Option<&mut Log>) {
        let len = read(&mut self.errors, &mut self.scratch);
        let bytes = self.scratch.get(..len).unwrap_or_default();
        self.words.push(bytes);
        self.words_are_new |= len > 0;
        if let Some(log) = log {
            log.write(bytes);
        }
    }

    /// False at the end of it.
    fn hear_output(&mut self) -> bool {
        let len = read(&mut self.output, &mut self.scratch);
        let room = self.listing_len_max.saturating_sub(self.listing.len());
        self.listing.extend_from_slice(self.scratch.get(..len.min(room)).unwrap_or_default());
        len > 0
    }

    /// Hears what is left when the program is over. Somebody else may hold the pipe open still: that
    /// one is not waited for.
    fn hear_rest(&mut self, mut log: Option<&mut Log>) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        for _ in 0..64 {
            if !is_readable(&self.errors, &now) {
                break;
            }
            self.hear_words(log.as_deref_mut());
        }
        while self.listing.len() < self.listing_len_max && is_readable(&self.output, &now) {
            self.hear_output();
        }
    }
}

fn is_readable(pipe: &Option<impl AsFd>, wait: &Timespec) -> bool {
    let Some(pipe) = pipe else { return false };
    matches!(poll(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)], Some(wait)), Ok(1))
}

/// One read; a pipe that is at its end is closed.
fn read(pipe: &mut Option<impl Read>, scratch: &mut [u8]) -> usize {
    let len = match pipe.as_mut().map(|pipe| pipe.read(scratch)) {
        Some(Ok(len)) => len,
        Some(Err(_)) | None => 0,
    };
    if len == 0 {
        *pipe = None;
    }
    len
}

#[cfg(test)]
mod tests;
