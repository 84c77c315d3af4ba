//! Renditions: what ffmpeg makes of published streams, one process for each engine and stream.
//!
//! | state | what happens | state |
//! |---|---|---|
//! | none | the stream is published, or an engine is configured | running |
//! | running | it exits by itself | waiting: 1 s, then twice as long each time, at most 60 s |
//! | waiting | time is over | running |
//! | running | the stream ends, or the engine is no longer configured | ending: SIGTERM, 5 s later SIGKILL |
//! | waiting | the same | none |
//! | ending | it exits | none, or running when it is wanted again |
//!
//! One that is wanted when there are as many processes as there may be waits for its turn.
//!
//! Whatever a process does, the stream goes on. A rendition is published here like any stream, but no
//! rendition is made of it: the process says in its `connect` what it is.

mod command_line;

use super::Server;
use super::timers::Owner;
use crate::config::Transcode;
use crate::config::transcode::Engine;
use crate::drive::{Output, Service};
use crate::event::{Event, RenditionEnd, RenditionRefusal};
use crate::id::{JobId, SourceId};
use crate::job::{Job, JobNews, JobResult, Signal};
use crate::name::StreamName;
use crate::rendition::{RenditionState, RenditionStatus};
use crate::time::{Deadline, Instant, TimerKind};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
pub(super) use command_line::ENGINE_VERSION;
use command_line::{command_line, reachable};
use core::net::SocketAddr;
use core::time::Duration;

/// The pause before the first restart.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// The longest pause before a restart; a process that ran so long has no failures behind it.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// How long a process may take to end when it is asked to.
const END_TIME: Duration = Duration::from_secs(5);

/// Bytes of a process's last words in its state.
const LAST_LINES_LEN_MAX: usize = 1 << 10;

/// Shorter words are no keys, but parts of others.
const SECRET_LEN_MIN: usize = 4;

/// A process that reports no progress for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// All renditions of the streams that are at home on this shard.
#[derive(Debug, Default)]
pub(super) struct Renditions {
    all: Vec<Rendition>,
    /// Wanted ones that found as many processes as there may be, the first to have its turn first.
    queue: VecDeque<Queued>,
    timer_at: Option<Instant>,
}

#[derive(Debug)]
struct Queued {
    is_told: bool,
    name: StreamName,
    scope: Arc<str>,
    work: Work,
}

#[derive(Debug)]
struct Rendition {
    began: Instant,
    /// Exits since the last that it ran for long.
    failures: u32,
    is_wanted: bool,
    last_end: Option<RenditionEnd>,
    last_words: Arc<str>,
    name: StreamName,
    phase: Phase,
    /// The number of its process.
    process: Option<u32>,
    scope: Arc<str>,
    starts: u32,
    work: Work,
}

/// What one process is to do: the same work is the same process.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Work {
    argv: Arc<[Arc<str>]>,
    engine: Arc<str>,
    log: Option<Arc<str>>,
    secrets: Vec<Arc<str>>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Ending { job: JobId, since: Instant, kill_at: Option<Instant> },
    Running { job: JobId, since: Instant },
    Waiting { at: Instant },
}

impl Renditions {
    /// No process runs, and none will.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Nobody waits for a turn: what is wanted is about to be looked up anew.
    pub(super) fn clear_queue(&mut self) {
        self.queue.clear();
    }

    /// Processes that run or wait to run.
    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }
}

impl Rendition {
    fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Ending { kill_at, .. } => kill_at,
            Phase::Running { .. } => None,
            Phase::Waiting { at } => Some(at),
        }
    }

    fn job(&self) -> Option<JobId> {
        match self.phase {
            Phase::Ending { job, .. } | Phase::Running { job, .. } => Some(job),
            Phase::Waiting { .. } => None,
        }
    }

    fn status(&self, now: Instant) -> RenditionStatus {
        let process = self.process;
        let state = match self.phase {
            Phase::Ending { since, .. } => {
                RenditionState::Ending { process, age: now.since(since) }
            }
            Phase::Running { since, .. } => {
                RenditionState::Running { process, age: now.since(since) }
            }
            Phase::Waiting { at } => RenditionState::Waiting { left: at.since(now) },
        };
        RenditionStatus {
            name: self.name.clone(),
            scope: self.scope.clone(),
            engine: self.work.engine.clone(),
            state,
            age: now.since(self.began),
            restarts: self.starts.saturating_sub(1),
            failures: self.failures,
            last_end: self.last_end.clone(),
            last_words: self.last_words.clone(),
        }
    }
}

impl Server {
    /// All renditions of this shard.
    #[must_use]
    pub fn renditions(&self) -> Vec<RenditionStatus> {
        self.renditions.all.iter().map(|rendition| rendition.status(self.now)).collect()
    }

    /// Starts and ends processes until there are those that the stream and the configuration ask
    /// for. To be called when a stream of this shard gets or loses its publisher, and for each
    /// stream when the configuration has changed.
    pub(super) fn sync_renditions(&mut self, name: &StreamName) {
        let wanted = self.wanted_renditions(name);
        for rendition in self.renditions.all.iter_mut().filter(|one| one.name == *name) {
            rendition.is_wanted = wanted.iter().any(|(work, _)| *work == rendition.work);
        }
        self.renditions
            .queue
            .retain(|one| one.name != *name || wanted.iter().any(|(work, _)| *work == one.work));
        for (work, scope) in wanted {
            let renditions = &mut self.renditions;
            let runs = renditions.all.iter().any(|one| one.name == *name && one.work == work);
            let waits = renditions.queue.iter().any(|one| one.name == *name && one.work == work);
            if !runs && !waits {
                let name = name.clone();
                renditions.queue.push_back(Queued { is_told: false, name, scope, work });
            }
        }
        self.end_unwanted();
        self.add_queued();
        self.run_renditions();
    }

    /// The server ends, and its processes before it.
    pub(super) fn end_renditions(&mut self) {
        for rendition in &mut self.renditions.all {
            rendition.is_wanted = false;
        }
        self.renditions.queue.clear();
        self.end_unwanted();
        self.run_renditions();
    }

    /// A process has begun, or has said something.
    pub(super) fn rendition_told(&mut self, job: JobId, news: JobNews) {
        let found = self.renditions.all.iter_mut().find(|one| one.job() == Some(job));
        let Some(rendition) = found else { return };
        match news {
            JobNews::Began { process } => rendition.process = Some(process),
            JobNews::Said { last_words } => {
                rendition.last_words = last_lines(&hide(&last_words, &rendition.work));
            }
        }
    }

    /// A process has exited; false if the job is none of these.
    pub(super) fn rendition_done(&mut self, job: JobId, result: &JobResult) -> bool {
        let now = self.now;
        let found = self.renditions.all.iter_mut().find(|one| one.job() == Some(job));
        let Some(rendition) = found else { return false };
        let (since, was_asked) = match rendition.phase {
            Phase::Ending { since, .. } => (since, true),
            Phase::Running { since, .. } => (since, false),
            Phase::Waiting { at } => (at, false),
        };
        let ran = now.since(since);
        let retry = if rendition.is_wanted && !was_asked {
            if ran >= BACK_OFF_MAX {
                rendition.failures = 0;
            }
            let factor = 1_u32.checked_shl(rendition.failures).unwrap_or(u32::MAX);
            rendition.failures = rendition.failures.saturating_add(1);
            Some(BACK_OFF_MIN.saturating_mul(factor).min(BACK_OFF_MAX))
        } else {
            rendition.is_wanted.then_some(Duration::ZERO)
        };
        rendition.phase = Phase::Waiting { at: now.after(retry.unwrap_or_default()) };
        rendition.process = None;
        let end = end(result, &rendition.work);
        if let RenditionEnd::Exited { last_words, .. } = &end
            && !last_words.is_empty()
        {
            rendition.last_words = last_lines(last_words);
        }
        rendition.last_end = Some(end.clone());
        let event = Event::RenditionEnded {
            name: rendition.name.clone(),
            engine: rendition.work.engine.clone(),
            end,
            ran,
            retry,
            was_asked,
        };
        self.event(event);
        self.renditions.all.retain(|one| one.is_wanted || one.job().is_some());
        self.add_queued();
        self.run_renditions();
        true
    }

    pub(super) fn renditions_timeout(&mut self, at: Instant) {
        if self.renditions.timer_at == Some(at) {
            self.renditions.timer_at = None;
            self.run_renditions();
        }
    }

    /// What should run for a stream now.
    fn wanted_renditions(&mut self, name: &StreamName) -> Vec<(Work, Arc<str>)> {
        let config = self.config.clone();
        let source = self.names.get(name).copied();
        if self.is_shutting_down || !source.is_some_and(|source| self.is_transcoded(source)) {
            return Vec::new();
        }
        let vhost = config.vhost_of_stream(name.vhost());
        let scopes = vhost.transcodes.iter().filter(|transcode| transcode.scope.covers(name));
        let engines =
            scopes.flat_map(|transcode| transcode.engines.iter().map(move |one| (transcode, one)));
        let rtmp = config.listeners.iter().find(|listener| listener.service == Service::Rtmp);
        let server = rtmp.map(|listener| reachable(listener.address));
        let mut wanted = Vec::new();
        for (transcode, engine) in engines {
            match server {
                Some(server) => {
                    let work = work(transcode, engine, name, server);
                    if !wanted.iter().any(|(known, _)| *known == work) {
                        wanted.push((work, Arc::from(format!("{}", transcode.scope))));
                    }
                }
                None => self.refuse_rendition(name, &engine.name, RenditionRefusal::NoListener),
            }
        }
        wanted
    }

    /// A stream that is published, at home here, and no rendition itself.
    fn is_transcoded(&self, source: SourceId) -> bool {
        self.stream(source).is_some_and(|stream| {
            stream.source.publisher().is_some() && stream.replica.is_none() && !stream.is_rendition
        })
    }

    /// Who waits for a turn has it as far as there is room. Those who will have none when the
    /// processes that are ending are gone are told of, once.
    fn add_queued(&mut self) {
        let children_max = self.config.limits.children_max as usize;
        while self.renditions.len() < children_max
            && let Some(Queued { name, scope, work, is_told: _ }) =
                self.renditions.queue.pop_front()
        {
            self.renditions.all.push(Rendition {
                began: self.now,
                failures: 0,
                is_wanted: true,
                last_end: None,
                last_words: Arc::from(""),
                name,
                phase: Phase::Waiting { at: self.now },
                process: None,
                scope,
                starts: 0,
                work,
            });
        }
        let wanted = self.renditions.all.iter().filter(|one| one.is_wanted).count();
        let room = children_max.saturating_sub(wanted);
        let mut refused = Vec::new();
        for one in self.renditions.queue.iter_mut().skip(room).filter(|one| !one.is_told) {
            one.is_told = true;
            refused.push((one.name.clone(), one.work.engine.clone()));
        }
        for (name, engine) in &refused {
            self.refuse_rendition(name, engine, RenditionRefusal::ChildrenMax);
        }
    }

    fn refuse_rendition(&mut self, name: &StreamName, engine: &Arc<str>, reason: RenditionRefusal) {
        let (name, engine) = (name.clone(), engine.clone());
        self.event(Event::RenditionRefused { name, engine, reason });
    }

    fn end_unwanted(&mut self) {
        let kill_at = Some(self.now.after(END_TIME));
        for rendition in self.renditions.all.iter_mut().filter(|one| !one.is_wanted) {
            if let Phase::Running { job, since } = rendition.phase {
                rendition.phase = Phase::Ending { job, since, kill_at };
                self.outputs.push_back(Output::Signal { job, signal: Signal::Terminate });
            }
        }
        self.renditions.all.retain(|one| one.is_wanted || one.job().is_some());
    }

    /// Does what is due, and arms the timer for the rest.
    fn run_renditions(&mut self) {
        let now = self.now;
        let mut all = core::mem::take(&mut self.renditions.all);
        for rendition in &mut all {
            match &mut rendition.phase {
                Phase::Ending { job, kill_at, .. } if kill_at.is_some_and(|at| at <= now) => {
                    *kill_at = None;
                    let (job, signal) = (*job, Signal::Kill);
                    self.outputs.push_back(Output::Signal { job, signal });
                }
                Phase::Waiting { at } if *at <= now => {
                    let Work { argv, engine, log, secrets: _ } = rendition.work.clone();
                    let job = self.start(Job::Run { argv, log, silence_max: Some(SILENCE_MAX) });
                    rendition.phase = Phase::Running { job, since: now };
                    rendition.starts = rendition.starts.saturating_add(1);
                    let name = rendition.name.clone();
                    self.event(Event::RenditionStarted { name, engine });
                }
                Phase::Ending { .. } | Phase::Running { .. } | Phase::Waiting { .. } => {}
            }
        }
        let next = all.iter().filter_map(Rendition::due).min();
        self.renditions.all = all;
        if let Some(at) = next {
            let deadline = Deadline { at, reason: TimerKind::Job };
            self.timers.arm(now, &mut self.renditions.timer_at, deadline, Owner::Renditions);
        }
    }
}

fn work(transcode: &Transcode, engine: &Engine, name: &StreamName, server: SocketAddr) -> Work {
    let log = transcode.log_directory.as_ref().map(|directory| {
        // A slash of a name makes no folder.
        let name: String = name.as_str().replace('/', "-");
        Arc::from(format!("{directory}/ffmpeg-encoder-{name}-{}.log", engine.name))
    });
    let argv = command_line(&transcode.ffmpeg, engine, name, server);
    let secrets = secrets(&engine.output.0, argv.last().map_or("", |output| &**output));
    Work { argv, engine: engine.name.clone(), log, secrets }
}

/// How a process ended, without secrets.
fn end(result: &JobResult, work: &Work) -> RenditionEnd {
    match result {
        JobResult::Exited(exit) => RenditionEnd::Exited {
            code: exit.code,
            signal: exit.signal,
            was_silent: exit.was_silent,
            last_words: hide(&exit.last_words, work),
        },
        JobResult::Failed { reason } => RenditionEnd::Failed { reason: hide(reason, work) },
        JobResult::Done => RenditionEnd::Failed { reason: "".into() },
    }
}

/// Words of a process without the URL of its output, and without what of it may be a key.
fn hide(words: &str, work: &Work) -> Arc<str> {
    let output = work.argv.last().map_or("", |output| &**output);
    if output.is_empty() {
        return words.into();
    }
    let mut words = words.replace(output, "the output");
    for secret in &work.secrets {
        words = words.replace(&**secret, "..");
    }
    words.into()
}

/// What of an output may be a key: its query, and a stream that is written out in the configuration.
fn secrets(template: &str, output: &str) -> Vec<Arc<str>> {
    let stream = |url: &str| url.rsplit_once('/').map(|(_, stream)| String::from(stream));
    let is_written_out = stream(template).is_some_and(|stream| !stream.contains('['));
    let name = if is_written_out { stream(output) } else { None };
    let query = output.rsplit_once('?').map(|(_, query)| query);
    // The names of a vhost and of a stream are no secrets.
    let query = query.filter(|query| !query.starts_with("vhost="));
    let parts = name.as_deref().into_iter().flat_map(|name| name.split('?')).chain(query);
    parts.filter(|part| part.len() >= SECRET_LEN_MIN).map(Arc::from).collect()
}

/// The last lines of what a process said, as much as is worth being shown.
fn last_lines(words: &str) -> Arc<str> {
    let first = words.len().saturating_sub(LAST_LINES_LEN_MAX);
    let first = (first..=words.len()).find(|at| words.is_char_boundary(*at)).unwrap_or_default();
    let rest = words.get(first..).unwrap_or_default();
    // The first line is whole, unless there is only one.
    let whole = if first == 0 { None } else { rest.split_once('\n').map(|(_, whole)| whole) };
    whole.unwrap_or(rest).into()
}
