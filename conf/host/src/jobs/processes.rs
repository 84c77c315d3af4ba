//! Programs: a thread for each, from its start to its end.
//!
//! The thread starts the program, so that the program lives no longer than the thread, and the thread
//! no longer than the server. It hears what the program says, lest a full pipe stop it.

use super::JobSink;
use super::ring::Ring;
use crate::exec;
use millstream_core::id::JobId;
use millstream_core::job::{Exit, JobResult, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a program that says nothing is looked after.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// How much of a program's words go into its log file in a second; a flood must not fill the disk.
const LOG_BYTES_PER_SECOND: usize = 64 << 10;

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
}

/// A process group, from before its start until its leader's end was taken note of.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    id: Option<Pid>,
    /// What it was told before it had started.
    told: Option<Signal>,
}

impl Processes {
    pub(super) fn new(sink: JobSink) -> Self {
        Self { running: Arc::default(), sink }
    }

    /// Runs a program on a thread of its own.
    pub(super) fn start(&mut self, job: JobId, command: Command) -> io::Result<()> {
        lock(&self.running).insert(job, Group::default());
        let (running, sink) = (self.running.clone(), self.sink.clone());
        let thread = std::thread::Builder::new().name("process".into()).spawn(move || {
            let result = match run(&running, job, &command) {
                Ok(exit) => JobResult::Exited(exit),
                Err(error) => {
                    let program = command.argv.first().map_or("", |program| program);
                    let reason = format!("{program} cannot be run: {error}");
                    JobResult::Failed { reason: reason.into() }
                }
            };
            lock(&running).remove(&job);
            sink(job, result);
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

/// Runs a program to its end.
fn run(running: &Mutex<BTreeMap<JobId, Group>>, job: JobId, command: &Command) -> io::Result<Exit> {
    let mut log = command.log.as_deref().map(open_log).transpose()?;
    let mut child = spawn(&command.argv)?;
    let id = Pid::from_child(&child);
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

fn open_log(path: &str) -> io::Result<Log> {
    if let Some(folder) = std::path::Path::new(path).parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).append(true).open(path)?;
    Ok(Log { file, since: Instant::now(), len: 0 })
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

fn lock(running: &Mutex<BTreeMap<JobId, Group>>) -> MutexGuard<'_, BTreeMap<JobId, Group>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A log file that takes so much in a second, and no more.
#[derive(Debug)]
struct Log {
    file: File,
    len: usize,
    since: Instant,
}

impl Log {
    fn write(&mut self, bytes: &[u8]) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.len) = (Instant::now(), 0);
        }
        if self.len < LOG_BYTES_PER_SECOND {
            self.len = self.len.saturating_add(bytes.len());
            // A full disk ends no program.
            let _ = self.file.write_all(bytes);
        }
    }
}

/// What a program says.
struct Ears {
    errors: Option<ChildStderr>,
    /// When standard output was heard last.
    heard: Instant,
    output: Option<ChildStdout>,
    scratch: Vec<u8>,
    words: Ring,
}

impl Ears {
    fn new(child: &mut Child) -> Self {
        Self {
            errors: child.stderr.take(),
            heard: Instant::now(),
            output: child.stdout.take(),
            scratch: vec![0; 8 << 10],
            words: Ring::default(),
        }
    }

    /// Waits a moment for something to hear.
    fn hear(&mut self, log: Option<&mut Log>) -> io::Result<()> {
        let Self { errors, heard, output, scratch, words } = self;
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
            let len = read(errors, scratch);
            words.push(scratch.get(..len).unwrap_or_default());
            if let Some(log) = log {
                log.write(scratch.get(..len).unwrap_or_default());
            }
        }
        if output_ready && read(output, scratch) > 0 {
            *heard = Instant::now();
        }
        Ok(())
    }

    /// Hears what is left when the program is over. Somebody else may hold the pipe open still: that
    /// one is not waited for.
    fn hear_rest(&mut self, mut log: Option<&mut Log>) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        for _ in 0..64 {
            let Some(pipe) = &self.errors else { return };
            let mut pipes = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
            if !matches!(poll(&mut pipes, Some(&now)), Ok(1)) {
                return;
            }
            let len = read(&mut self.errors, &mut self.scratch);
            let bytes = self.scratch.get(..len).unwrap_or_default();
            self.words.push(bytes);
            if let Some(log) = log.as_deref_mut() {
                log.write(bytes);
            }
        }
    }
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
