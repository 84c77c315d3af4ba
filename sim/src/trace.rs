//! Traces: everything that passes a transport, as text, one line each.
//!
//! [`Traced`] wraps any transport and writes what passes it; a full trace can be fed back into the
//! server by [`replay()`], which checks that the server does the same again. So a trace from the
//! field is a test. Connections are called `c1`, `c2`, ... in the order of their arrival, and times
//! are microseconds since the start.
//!
//! | line | meaning |
//! |---|---|
//! | `ready accepted c1 ...`, `ready readable c1`, `ready writable c1`, `ready shards`, `ready deadline`, `ready shutdown` | what the transport found |
//! | `ready dialled c2 ...`, `ready dial-failed 3 refused`, `ready jobs`, `told 4 began 1234`, `job 4 done` | how the server's own attempts and jobs go and ended |
//! | `wait` | nothing was ready |
//! | `now 12` | the clock was read |
//! | `read c1 3 0300ff`, `read c1 pending`, `read c1 end`, `read c1 failed reset` | a read; its bytes, or in a brief trace their hash |
//! | `write c1 10/20 9f8e7d6c`, `write c1 failed reset` | a write: taken, offered, and the hash of what was taken |
//! | `do reading c1 off`, `do close c1`, `do dial 3 host 1935`, `do start 4 remove x.ts` | an output |
//! | `event published ...` | an event |
//! | `deadline 99 idle`, `deadline none` | when the server wants to be called |
//! | `ready config`, `config chunk_size 60000 ...` | a reload, and the configuration from now on |
//! | `shard 1 live 7 true`, `shard none`, `do shard 1 ...` | what another shard has said, and what this one says |
//!
//! A full trace holds all bytes that peers sent, stream keys and tokens included. It is the trace of
//! one shard; those of a simulation hold all shards, and name theirs on each line: `[1] wait`.
#![expect(clippy::wildcard_enum_match_arm, reason = "what is new is written as it is")]

mod config;
mod event;
mod fold;
mod replay;
mod setup;
mod shard;
mod snapshot;
mod words;

pub use event::describe;
pub use fold::fold;
pub use replay::{Divergence, Replayed, replay};
pub use setup::Setup;

use millstream_core::config::Config;
use millstream_core::drive::{IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::id::{ConnId, JobId};
use millstream_core::job::{Exit, Job, JobNews, JobResult};
use millstream_core::shard::{ShardId, ShardMessage};
use millstream_core::time::{Deadline, Instant};
use shard::{Way, write_message};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How much a trace says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// Nothing.
    None,
    /// What happened, without the bytes: for reading and comparing.
    Brief,
    /// Everything that a replay needs.
    Full,
}

/// A transport that writes down what passes it. Writing never disturbs it: after a failure to write
/// the trace ends, and [`Traced::failure`] says why.
#[derive(Debug)]
pub struct Traced<T, W> {
    detail: Detail,
    failure: Option<io::Error>,
    inner: T,
    line: String,
    names: Names,
    output: W,
    /// What each line begins with.
    prefix: String,
    start: Option<Instant>,
}

impl<T: Transport, W: Write> Traced<T, W> {
    /// Writes what passes `inner` to `output`, which should be buffered. Times count from the first
    /// look at the clock.
    #[must_use]
    pub const fn new(inner: T, output: W, detail: Detail) -> Self {
        let names = Names::new();
        Self {
            detail,
            failure: None,
            inner,
            line: String::new(),
            names,
            output,
            prefix: String::new(),
            start: None,
        }
    }

    /// Writes a full trace of a server that is made as `setup` says.
    #[must_use]
    pub fn with_setup(inner: T, output: W, setup: &Setup) -> Self {
        let mut traced = Self::new(inner, output, Detail::Full);
        traced.start = Some(setup.start);
        traced.names.own = setup.placement.own;
        traced.line = setup.write();
        traced.emit();
        traced
    }

    /// From now on the lines are those of another shard.
    pub fn enter(&mut self, own: ShardId) {
        if self.names.own != own || self.prefix.is_empty() {
            self.names.own = own;
            self.prefix = format!("[{}] ", own.0);
        }
    }

    /// The transport.
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// The transport.
    pub const fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Why the trace could not be written.
    pub const fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// Gives what was written to.
    pub fn into_output(self) -> W {
        self.output
    }

    /// Ends the trace: gives the transport, and what was written to or why it could not be.
    pub fn finish(mut self) -> (T, io::Result<W>) {
        let written = match self.failure.take() {
            Some(error) => Err(error),
            None => self.output.flush().map(|()| self.output),
        };
        (self.inner, written)
    }

    fn emit(&mut self) {
        let Self { failure, line, output, prefix, .. } = self;
        if failure.is_none() {
            let written = match prefix.is_empty() {
                true => output.write_all(line.as_bytes()),
                false => line.split_inclusive('\n').try_for_each(|line| {
                    output.write_all(prefix.as_bytes())?;
                    output.write_all(line.as_bytes())
                }),
            };
            *failure = written.err();
        }
        line.clear();
    }

    const fn is_on(&self) -> bool {
        !matches!(self.detail, Detail::None) && self.failure.is_none()
    }

    fn micros(&self, at: Instant) -> u64 {
        let start = self.start.map_or(0, Instant::as_micros);
        at.as_micros().saturating_sub(start)
    }
}

impl<T: Transport, W: Write> Transport for Traced<T, W> {
    fn poll_ready(&mut self, cx: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        let known = ready.len();
        let polled = self.inner.poll_ready(cx, ready);
        if self.is_on() {
            for ready in &ready[known..] {
                ready_line(&mut self.line, *ready, self.detail, &mut self.names);
            }
            if polled.is_pending() {
                self.line.push_str("wait\n");
            }
            self.emit();
        }
        polled
    }

    fn now(&mut self) -> Instant {
        let now = self.inner.now();
        if self.is_on() {
            self.start.get_or_insert(now);
            let micros = self.micros(now);
            let _ = writeln!(self.line, "now {micros}");
            self.emit();
        }
        now
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        let result = self.inner.read(conn, scratch);
        if self.is_on() {
            let name = self.names.name(conn);
            let _ = write!(self.line, "read {name} ");
            match result {
                Ok(Read::Bytes(len)) => {
                    let bytes = scratch.get(..len).unwrap_or_default();
                    let _ = write!(self.line, "{len} ");
                    match self.detail {
                        Detail::Full => hex(&mut self.line, bytes),
                        Detail::Brief | Detail::None => {
                            let _ = write!(self.line, "{:08x}", brief_hash(HASH_START, bytes));
                        }
                    }
                }
                Ok(Read::End) => self.line.push_str("end"),
                Ok(Read::Pending) => self.line.push_str("pending"),
                Err(failure) => {
                    let _ = write!(self.line, "failed {}", failure_name(failure));
                }
            }
            self.line.push('\n');
            self.emit();
        }
        result
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        let result = self.inner.write(conn, slices);
        if self.is_on() {
            let name = self.names.name(conn);
            write_line(&mut self.line, &name, slices, result, self.detail);
            self.emit();
        }
        result
    }

    fn has_ready(&mut self) -> bool {
        self.inner.has_ready()
    }

    fn receive_shard(&mut self) -> Option<(ShardId, ShardMessage)> {
        let said = self.inner.receive_shard();
        if self.is_on() {
            shard_line(&mut self.line, said.as_ref(), self.detail, &mut self.names);
            self.emit();
        }
        said
    }

    fn receive_job_news(&mut self) -> Option<(JobId, JobNews)> {
        let told = self.inner.receive_job_news();
        if let Some((job, news)) = &told
            && self.is_on()
        {
            told_line(&mut self.line, *job, news);
            self.emit();
        }
        told
    }

    fn receive_job(&mut self) -> Option<(JobId, JobResult)> {
        let ended = self.inner.receive_job();
        if self.is_on() {
            job_line(&mut self.line, ended.as_ref());
            self.emit();
        }
        ended
    }

    fn receive_config(&mut self) -> Option<Arc<Config>> {
        let config = self.inner.receive_config();
        if self.is_on() {
            config_line(&mut self.line, config.as_deref(), self.detail);
            self.emit();
        }
        config
    }

    fn perform(&mut self, output: Output) {
        if self.is_on() {
            output_line(&mut self.line, &output, &mut self.names);
            self.emit();
        }
        self.inner.perform(output);
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        if self.is_on() {
            let at = deadline.map(|deadline| self.micros(deadline.at));
            deadline_line(&mut self.line, at, deadline);
            self.emit();
        }
        self.inner.set_deadline(deadline);
    }
}

/// Names of connections, in the order of their arrival.
#[derive(Clone, Debug)]
struct Names {
    count: u64,
    known: BTreeMap<(ShardId, ConnId), u64>,
    own: ShardId,
}

impl Names {
    const fn new() -> Self {
        Self { count: 0, known: BTreeMap::new(), own: ShardId(0) }
    }

    fn name(&mut self, conn: ConnId) -> String {
        self.name_on(self.own, conn)
    }

    fn name_on(&mut self, shard: ShardId, conn: ConnId) -> String {
        let number = self.known.entry((shard, conn)).or_insert_with(|| {
            self.count += 1;
            self.count
        });
        format!("c{number}")
    }

    fn forget(&mut self, conn: ConnId) {
        self.known.remove(&(self.own, conn));
    }
}

fn ready_line(line: &mut String, ready: Ready, detail: Detail, names: &mut Names) {
    let _ = match ready {
        Ready::Accepted { conn, listener, service, peer } => {
            let name = names.name(conn);
            let id = if detail == Detail::Full { format!(" id {conn}") } else { String::new() };
            let service = match service {
                Service::Http => " http",
                Service::Rtmp => "",
            };
            writeln!(line, "ready accepted {name}{id} listener {} peer {peer}{service}", listener.0)
        }
        Ready::Dialled { dial, conn, peer } => {
            let name = names.name(conn);
            let id = if detail == Detail::Full { format!(" id {conn}") } else { String::new() };
            writeln!(line, "ready dialled {name}{id} dial {} peer {peer}", dial.0)
        }
        Ready::DialFailed { dial, failure } => {
            writeln!(line, "ready dial-failed {} {}", dial.0, failure_name(failure))
        }
        Ready::Config => writeln!(line, "ready config"),
        Ready::Jobs => writeln!(line, "ready jobs"),
        Ready::Readable(conn) => writeln!(line, "ready readable {}", names.name(conn)),
        Ready::Writable(conn) => writeln!(line, "ready writable {}", names.name(conn)),
        Ready::Shards => writeln!(line, "ready shards"),
        Ready::Deadline => writeln!(line, "ready deadline"),
        Ready::Shutdown => writeln!(line, "ready shutdown"),
        other => writeln!(line, "ready {other:?}"),
    };
}

fn write_line(
    line: &mut String,
    name: &str,
    slices: &[&[u8]],
    result: Result<usize, IoFailure>,
    detail: Detail,
) {
    let hash = if detail == Detail::Full { hash } else { brief_hash };
    let offered: usize = slices.iter().map(|part| part.len()).sum();
    let _ = match result {
        Ok(len) => {
            let mut left = len;
            let mut sum = HASH_START;
            for part in slices {
                let taken = part.get(..part.len().min(left)).unwrap_or_default();
                left -= taken.len();
                sum = hash(sum, taken);
            }
            writeln!(line, "write {name} {len}/{offered} {sum:08x}")
        }
        Err(failure) => writeln!(line, "write {name} failed {}", failure_name(failure)),
    };
}

fn shard_line(
    line: &mut String,
    said: Option<&(ShardId, ShardMessage)>,
    detail: Detail,
    names: &mut Names,
) {
    match said {
        Some((from, message)) => {
            let _ = write!(line, "shard {} ", from.0);
            let way = Way { from: *from, to: names.own };
            write_message(line, message, detail, way, names);
        }
        None => line.push_str("shard none"),
    }
    line.push('\n');
}

fn config_line(line: &mut String, config: Option<&Config>, detail: Detail) {
    let _ = match config.map(config::write_config) {
        None => writeln!(line, "config none"),
        Some(words) if detail == Detail::Full => writeln!(line, "config {words}"),
        Some(words) => writeln!(line, "config {:08x}", hash(HASH_START, words.as_bytes())),
    };
}

fn output_line(line: &mut String, output: &Output, names: &mut Names) {
    let _ = match output {
        Output::SetReading { conn, enabled } => {
            let state = if *enabled { "on" } else { "off" };
            writeln!(line, "do reading {} {state}", names.name(*conn))
        }
        Output::Close { conn } => {
            let name = names.name(*conn);
            names.forget(*conn);
            writeln!(line, "do close {name}")
        }
        Output::Shard { to, message } => {
            let _ = write!(line, "do shard {} ", to.0);
            let way = Way { from: names.own, to: *to };
            write_message(line, message, Detail::Brief, way, names);
            writeln!(line)
        }
        Output::Event(event) => {
            writeln!(line, "event {}", describe(event, &mut |conn| names.name(conn)))
        }
        Output::Dial { dial, host, port } => {
            writeln!(line, "do dial {} {} {port}", dial.0, host.escape_default())
        }
        Output::Abandon { dial } => writeln!(line, "do abandon {}", dial.0),
        Output::Start { job, work } => start_line(line, *job, work),
        Output::Signal { job, signal } => {
            writeln!(line, "do signal {} {}", job.0, format!("{signal:?}").to_lowercase())
        }
        other => writeln!(line, "do {other:?}"),
    };
}

fn number(number: Option<i32>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn start_line(line: &mut String, job: JobId, work: &Job) -> std::fmt::Result {
    match work {
        Job::Write { path, bytes } => {
            let len: usize = bytes.iter().map(|part| part.len()).sum();
            let sum = bytes.iter().fold(HASH_START, |sum, part| hash(sum, part));
            writeln!(line, "do start {} write {len} {sum:08x} {}", job.0, path.escape_default())
        }
        Job::Remove { path } => {
            writeln!(line, "do start {} remove {}", job.0, path.escape_default())
        }
        Job::Sweep { stem, numbers } => {
            let Range { start, end } = numbers;
            writeln!(line, "do start {} sweep {start} {end} {}", job.0, stem.escape_default())
        }
        Job::Run { argv, .. } => {
            // Arguments may hold keys: a brief trace is for everyone.
            let sum = argv.iter().fold(HASH_START, |sum, word| hash(sum, word.as_bytes()));
            writeln!(line, "do start {} run {} {sum:08x}", job.0, argv.len())
        }
        other => writeln!(line, "do start {} {other:?}", job.0),
    }
}

fn deadline_line(line: &mut String, at: Option<u64>, deadline: Option<Deadline>) {
    let _ = match (at, deadline) {
        (Some(at), Some(deadline)) => {
            let reason = format!("{:?}", deadline.reason).to_lowercase();
            writeln!(line, "deadline {at} {reason}")
        }
        _ => writeln!(line, "deadline none"),
    };
}

fn told_line(line: &mut String, job: JobId, news: &JobNews) {
    let _ = match news {
        JobNews::Began { process } => writeln!(line, "told {} began {process}", job.0),
        JobNews::Said { last_words } => {
            writeln!(line, "told {} said {}", job.0, last_words.escape_default())
        }
        other => writeln!(line, "told {} {other:?}", job.0),
    };
}

fn job_line(line: &mut String, ended: Option<&(JobId, JobResult)>) {
    let _ = match ended {
        None => writeln!(line, "job none"),
        Some((job, JobResult::Done)) => writeln!(line, "job {} done", job.0),
        Some((job, JobResult::Failed { reason })) => {
            writeln!(line, "job {} failed {}", job.0, reason.escape_default())
        }
        Some((job, JobResult::Exited(exit))) => {
            let Exit { code, signal, was_silent, last_words } = exit;
            let words = last_words.escape_default();
            let (code, signal) = (number(*code), number(*signal));
            writeln!(line, "job {} exited {code} {signal} {was_silent} {words}", job.0)
        }
        Some((job, other)) => writeln!(line, "job {} {other:?}", job.0),
    };
}

const HASH_START: u32 = 0x811C_9DC5;

/// FNV-1a: to notice a difference, not to guard against a forger.
fn hash(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The same for traces that nobody replays: eight bytes at a time, since most of the time of a
/// simulation would be spent here.
fn brief_hash(start: u32, bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum.rotate_left(29) ^ word).wrapping_mul(FACTOR);
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let sum = words.fold(u64::from(start), mix);
    let sum = mix(rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte))), 0);
    (sum >> 32) as u32
}

fn hex(line: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    line.reserve(bytes.len() * 2);
    for byte in bytes {
        line.push(char::from(DIGITS[usize::from(byte >> 4)]));
        line.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

const FAILURES: [(IoFailure, &str); 6] = [
    (IoFailure::NotFound, "not-found"),
    (IoFailure::Refused, "refused"),
    (IoFailure::Reset, "reset"),
    (IoFailure::TimedOut, "timed-out"),
    (IoFailure::Unreachable, "unreachable"),
    (IoFailure::Other, "other"),
];

fn failure_name(failure: IoFailure) -> &'static str {
    FAILURES.iter().find(|(known, _)| *known == failure).map_or("other", |(_, name)| name)
}

#[cfg(test)]
mod tests;
