//! A trace fed back into the server: it must do the same again.

use super::config::read_config;
use super::shard::read_message;
use super::words::unescape;
use super::{
    Detail, FAILURES, Names, Setup, deadline_line, failure_name, output_line, ready_line,
    write_line,
};
use millstream_core::config::{Config, Page};
use millstream_core::drive::{Budget, Drive, IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::id::{ConnId, DialId, JobId, ListenerId};
use millstream_core::job::{Exit, JobNews, JobResult};
use millstream_core::shard::{ShardId, ShardMessage};
use millstream_core::time::{Deadline, Instant};
use std::collections::BTreeMap;
use std::fmt;
use std::str::Lines;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What is told of a line that is damaged.
const UNREADABLE: &str = "a line that cannot be read";

/// The first difference between a trace and its replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The line of the trace, counted from 1.
    pub line: usize,
    /// What the trace says.
    pub recorded: String,
    /// What the server did.
    pub replayed: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, recorded, replayed } = self;
        write!(f, "line {line}: the trace says\n  {recorded}\nand the replay says\n  {replayed}")
    }
}

impl std::error::Error for Divergence {}

/// A transport that does what a full trace says, and compares what it is told to do.
#[derive(Debug)]
pub struct Replayed<'a> {
    clock: Instant,
    conns: BTreeMap<String, ConnId>,
    divergence: Option<Divergence>,
    line: usize,
    lines: Lines<'a>,
    names: Names,
    next: Option<&'a str>,
    pages: Arc<[Page]>,
    start: Instant,
}

/// Feeds a full trace into a new server; gives the number of lines that were the same. A trace may
/// be cut short anywhere: what is left of a last line without its end is passed over. `pages` are
/// those that this program serves.
///
/// # Errors
/// Says where the server did something else, or that the text is no full trace.
pub fn replay(trace: &str, pages: &Arc<[Page]>) -> Result<usize, Divergence> {
    let trace = trace.rfind('\n').map_or(trace, |end| &trace[..end]);
    let mut lines = trace.lines();
    let Some(setup) = Setup::read(&mut lines, pages) else {
        let recorded = trace.lines().next().unwrap_or_default().to_owned();
        let replayed = "this is no full trace of this version, with its pages".to_owned();
        return Err(Divergence { line: 1, recorded, replayed });
    };
    // Lines of the setup may be left out: they then say what is usual.
    let line = trace.lines().count() - lines.clone().count();
    let mut server = setup.server();
    let mut drive = Drive::new(Budget::default());
    let mut replayed = Replayed::new(lines, line, setup.start, pages.clone());
    replayed.names.own = setup.placement.own;
    let mut cx = Context::from_waker(Waker::noop());
    while replayed.next.is_some() && replayed.divergence.is_none() {
        if drive.poll(&mut server, &mut replayed, &mut cx).is_ready() {
            replayed.differs("the end of the server");
        }
    }
    match replayed.divergence {
        Some(divergence) => Err(divergence),
        None => Ok(replayed.line - 1),
    }
}

impl<'a> Replayed<'a> {
    fn new(mut lines: Lines<'a>, line: usize, start: Instant, pages: Arc<[Page]>) -> Self {
        Self {
            clock: start,
            conns: BTreeMap::new(),
            divergence: None,
            line: line + 1,
            next: lines.next(),
            lines,
            names: Names::new(),
            pages,
            start,
        }
    }

    /// The first difference.
    #[must_use]
    pub const fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_ref()
    }

    fn take(&mut self) -> Option<&'a str> {
        let line = self.next.filter(|_| self.divergence.is_none())?;
        self.line += 1;
        self.next = self.lines.next();
        Some(line)
    }

    /// A trace that was cut short has no next line: that is its end, not a difference.
    fn differs(&mut self, replayed: &str) {
        if let (None, Some(recorded)) = (&self.divergence, self.next) {
            let (recorded, replayed) = (recorded.to_owned(), replayed.trim_end().to_owned());
            self.divergence = Some(Divergence { line: self.line, recorded, replayed });
        }
    }

    /// Compares what the server does with the next line.
    fn compare(&mut self, line: &str) {
        if self.next.is_none_or(|next| next == line.trim_end()) {
            self.take();
        } else {
            self.differs(line);
        }
    }

    /// The rest of the next line, if it begins like this.
    fn rest(&mut self, begin: &str) -> Option<&'a str> {
        let rest = self.next.and_then(|next| next.strip_prefix(begin));
        if rest.is_none() {
            self.differs(begin);
        }
        rest
    }

    fn conn(&mut self, name: &str) -> Option<ConnId> {
        self.conns.get(name).copied()
    }

    fn accepted(&mut self, rest: &str) -> Option<Ready> {
        let mut words = rest.split(' ');
        let name = words.next()?;
        let (slot, generation) = words.nth(1)?.split_once('.')?;
        let conn = ConnId { slot: slot.parse().ok()?, generation: generation.parse().ok()? };
        let listener = ListenerId(words.nth(1)?.parse().ok()?);
        let peer = words.nth(1)?.parse().ok()?;
        let service = match words.next() {
            Some("http") => Service::Http,
            _ => Service::Rtmp,
        };
        self.conns.insert(name.to_owned(), conn);
        Some(Ready::Accepted { conn, listener, service, peer })
    }

    fn dialled(&mut self, rest: &str) -> Option<Ready> {
        let mut words = rest.split(' ');
        let name = words.next()?;
        let (slot, generation) = words.nth(1)?.split_once('.')?;
        let conn = ConnId { slot: slot.parse().ok()?, generation: generation.parse().ok()? };
        let dial = DialId(words.nth(1)?.parse().ok()?);
        let peer = words.nth(1)?.parse().ok()?;
        self.conns.insert(name.to_owned(), conn);
        Some(Ready::Dialled { dial, conn, peer })
    }

    fn ready(&mut self, rest: &str) -> Option<Ready> {
        let (what, subject) = rest.split_once(' ').unwrap_or((rest, ""));
        match what {
            "accepted" => self.accepted(subject),
            "dialled" => self.dialled(subject),
            "dial-failed" => {
                let (dial, failure) = subject.split_once(' ')?;
                let failure = FAILURES.iter().find(|(_, name)| *name == failure)?.0;
                Some(Ready::DialFailed { dial: DialId(dial.parse().ok()?), failure })
            }
            "config" => Some(Ready::Config),
            "jobs" => Some(Ready::Jobs),
            "readable" => Some(Ready::Readable(self.conn(subject)?)),
            "writable" => Some(Ready::Writable(self.conn(subject)?)),
            "shards" => Some(Ready::Shards),
            "deadline" => Some(Ready::Deadline),
            "shutdown" => Some(Ready::Shutdown),
            _ => None,
        }
    }
}

impl Transport for Replayed<'_> {
    fn poll_ready(&mut self, _cx: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        if self.divergence.is_some() {
            return Poll::Pending;
        }
        while let Some(rest) = self.next.and_then(|next| next.strip_prefix("ready ")) {
            let Some(found) = self.ready(rest) else {
                self.differs(UNREADABLE);
                return Poll::Pending;
            };
            let mut line = String::new();
            ready_line(&mut line, found, Detail::Full, &mut self.names);
            self.compare(&line);
            if self.divergence.is_some() {
                return Poll::Pending;
            }
            ready.push(found);
        }
        if ready.is_empty() {
            self.compare("wait");
            return Poll::Pending;
        }
        if self.next == Some("wait") {
            self.take();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn now(&mut self) -> Instant {
        let start = self.start.as_micros();
        let micros = self.rest("now ").and_then(|rest| start.checked_add(rest.parse().ok()?));
        match micros.map(Instant::from_micros).filter(|now| *now > self.clock) {
            Some(now) => {
                self.take();
                self.clock = now;
            }
            None => {
                self.differs(UNREADABLE);
                self.clock = Instant::from_micros(self.clock.as_micros().saturating_add(1));
            }
        }
        self.clock
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        let begin = format!("read {} ", self.names.name(conn));
        let result = self.rest(&begin).and_then(|rest| read_result(rest, scratch));
        match result {
            Some(result) => {
                self.take();
                result
            }
            None => {
                self.differs(UNREADABLE);
                Ok(Read::Pending)
            }
        }
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        let name = self.names.name(conn);
        let rest = self.next.and_then(|next| next.strip_prefix(&format!("write {name} ")));
        let result = match rest.and_then(|rest| rest.split_once(' ')) {
            Some(("failed", name)) => {
                let known = FAILURES.iter().find(|(failure, _)| failure_name(*failure) == name);
                Err(known.map_or(IoFailure::Other, |(failure, _)| *failure))
            }
            Some((lens, _)) => {
                let len = lens.split('/').next().and_then(|len| len.parse::<usize>().ok());
                let offered: usize = slices.iter().map(|part| part.len()).sum();
                Ok(len.unwrap_or(0).min(offered))
            }
            None => Ok(0),
        };
        let mut line = String::new();
        write_line(&mut line, &name, slices, result, Detail::Full);
        self.compare(&line);
        result
    }

    fn receive_shard(&mut self) -> Option<(ShardId, ShardMessage)> {
        // A trace that was cut short ends here.
        let rest = self.next.and(self.rest("shard "))?;
        if rest == "none" {
            self.take();
            return None;
        }
        let said = rest.split_once(' ').and_then(|(from, message)| {
            Some((ShardId(from.parse().ok()?), read_message(message)?))
        });
        match said {
            Some(_) => self.take(),
            None => {
                self.differs(UNREADABLE);
                None
            }
        };
        said
    }

    fn receive_job_news(&mut self) -> Option<(JobId, JobNews)> {
        // There is no line where there is no news.
        let rest = self.next.and_then(|next| next.strip_prefix("told "))?;
        let told = job_news(rest);
        match told {
            Some(_) => self.take(),
            None => {
                self.differs(UNREADABLE);
                None
            }
        };
        told
    }

    fn receive_job(&mut self) -> Option<(JobId, JobResult)> {
        let rest = self.next.and(self.rest("job "))?;
        let ended = match job_result(rest) {
            Some(ended) => ended,
            None => {
                self.differs(UNREADABLE);
                return None;
            }
        };
        self.take();
        ended
    }

    fn receive_config(&mut self) -> Option<Arc<Config>> {
        // A trace that was cut short ends here.
        let rest = self.next.and(self.rest("config "))?;
        if rest == "none" {
            self.take();
            return None;
        }
        let config = read_config(rest, &self.pages);
        match config {
            Some(_) => self.take(),
            None => {
                self.differs(UNREADABLE);
                None
            }
        };
        config.map(Arc::new)
    }

    fn perform(&mut self, output: Output) {
        let mut line = String::new();
        output_line(&mut line, &output, &mut self.names);
        self.compare(&line);
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        let start = self.start.as_micros();
        let at = deadline.map(|deadline| deadline.at.as_micros().saturating_sub(start));
        let mut line = String::new();
        deadline_line(&mut line, at, deadline);
        self.compare(&line);
    }
}

/// The result of a read, as the rest of its line says it.
fn read_result(rest: &str, scratch: &mut [u8]) -> Option<Result<Read, IoFailure>> {
    match rest.split_once(' ') {
        Some(("failed", name)) => {
            let known = FAILURES.iter().find(|(_, known)| *known == name);
            known.map(|(failure, _)| Err(*failure))
        }
        Some((len, digits)) => {
            let bytes = unhex(digits)?;
            let is_whole = len.parse() == Ok(bytes.len()) && !bytes.is_empty();
            scratch.get_mut(..bytes.len()).filter(|_| is_whole)?.copy_from_slice(&bytes);
            Some(Ok(Read::Bytes(bytes.len())))
        }
        None if rest == "end" => Some(Ok(Read::End)),
        None if rest == "pending" => Some(Ok(Read::Pending)),
        None => None,
    }
}

/// What is told of a job, as the rest of its line says it.
fn job_news(rest: &str) -> Option<(JobId, JobNews)> {
    let (job, news) = rest.split_once(' ')?;
    let (what, rest) = news.split_once(' ')?;
    let news = match what {
        "began" => JobNews::Began { process: rest.parse().ok()? },
        // The words are for people only: they may stay escaped.
        "said" => JobNews::Said { last_words: rest.into() },
        _ => return None,
    };
    Some((JobId(job.parse().ok()?), news))
}

/// The end of a job, as the rest of its line says it; `Some(None)` when no other one is over.
fn job_result(rest: &str) -> Option<Option<(JobId, JobResult)>> {
    if rest == "none" {
        return Some(None);
    }
    let (job, result) = rest.split_once(' ')?;
    let job = JobId(job.parse().ok()?);
    match result.split_once(' ') {
        None if result == "done" => Some(Some((job, JobResult::Done))),
        Some(("failed", reason)) => {
            let reason = unescape(reason)?.into();
            Some(Some((job, JobResult::Failed { reason })))
        }
        Some(("exited", rest)) => {
            let mut words = rest.splitn(4, ' ');
            let (code, signal) = (number(words.next()?)?, number(words.next()?)?);
            let was_silent = words.next()?.parse().ok()?;
            let last_words = unescape(words.next()?)?.into();
            let exit = Exit { code, signal, was_silent, last_words };
            Some(Some((job, JobResult::Exited(exit))))
        }
        _ => None,
    }
}

/// A number, or `-` for none.
fn number(word: &str) -> Option<Option<i32>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}
