//! What leads out of the server: forwards, and the processes that transcode.

use super::{Page, Snapshot, millis, write};
use crate::event::RenditionEnd;
use crate::forward::{ForwardState, ForwardStatus};
use crate::rendition::{RenditionState, RenditionStatus};
use alloc::vec::Vec;
use serde::Serialize;

#[derive(Serialize)]
struct Forwards<'a> {
    time_unix_ms: u64,
    total: usize,
    start: usize,
    forwards: Vec<Forward<'a>>,
}

#[derive(Serialize)]
pub(super) struct Forward<'a> {
    stream: &'a str,
    /// Without what may be a key.
    destination: &'a str,
    state: &'static str,
    age_ms: u64,
    failures: u32,
    /// Of the latest failure.
    reason: Option<&'static str>,
    /// What the destination said of it.
    words: Option<&'a str>,
    retry_ms: Option<u64>,
    sent_bytes: u64,
    skipped_bytes: u64,
}

#[derive(Serialize)]
struct Renditions<'a> {
    time_unix_ms: u64,
    total: usize,
    start: usize,
    renditions: Vec<Rendition<'a>>,
}

#[derive(Serialize)]
pub(super) struct Rendition<'a> {
    stream: &'a str,
    scope: &'a str,
    engine: &'a str,
    state: &'static str,
    age_ms: u64,
    process: Option<u32>,
    /// How long the process has run.
    running_ms: Option<u64>,
    retry_ms: Option<u64>,
    restarts: u32,
    failures: u32,
    /// How the process before this one ended.
    last_end: Option<End<'a>>,
    last_words: &'a str,
}

#[derive(Serialize)]
struct End<'a> {
    code: Option<i32>,
    signal: Option<i32>,
    /// It was killed because it reported no progress.
    hung: bool,
    /// Why it did not begin.
    error: Option<&'a str>,
}

pub(crate) fn forwards(snapshot: &Snapshot, page: Page) -> Vec<u8> {
    let all = || snapshot.streams.iter().flat_map(|stream| &stream.forwards);
    let total = all().count();
    write(&Forwards {
        time_unix_ms: snapshot.server.wall.unix_millis,
        total,
        start: page.start.min(total),
        forwards: all().skip(page.start).take(page.count).map(Forward::of).collect(),
    })
}

pub(crate) fn renditions(snapshot: &Snapshot, page: Page) -> Vec<u8> {
    write(&Renditions {
        time_unix_ms: snapshot.server.wall.unix_millis,
        total: snapshot.renditions.len(),
        start: page.start.min(snapshot.renditions.len()),
        renditions: page.of(&snapshot.renditions).iter().map(Rendition::of).collect(),
    })
}

impl<'a> Forward<'a> {
    pub(super) fn of(forward: &'a ForwardStatus) -> Self {
        let last = forward.last_failure.as_ref();
        Self {
            stream: forward.name.as_str(),
            destination: &forward.destination,
            state: forward.state.as_str(),
            age_ms: millis(forward.age),
            failures: forward.failures,
            reason: last.map(|(failure, _)| failure.as_str()),
            words: last.map(|(_, words)| &**words).filter(|words| !words.is_empty()),
            retry_ms: match forward.state {
                ForwardState::Waiting { left } => Some(millis(left)),
                ForwardState::Connecting
                | ForwardState::Ending { .. }
                | ForwardState::Forwarding { .. } => None,
            },
            sent_bytes: forward.sent,
            skipped_bytes: forward.skipped,
        }
    }
}

impl<'a> Rendition<'a> {
    pub(super) fn of(rendition: &'a RenditionStatus) -> Self {
        let (process, age, left) = match rendition.state {
            RenditionState::Ending { process, age } | RenditionState::Running { process, age } => {
                (process, Some(age), None)
            }
            RenditionState::Waiting { left } => (None, None, Some(left)),
        };
        Self {
            stream: rendition.name.as_str(),
            scope: &rendition.scope,
            engine: &rendition.engine,
            state: rendition.state.as_str(),
            age_ms: millis(rendition.age),
            process,
            running_ms: age.map(millis),
            retry_ms: left.map(millis),
            restarts: rendition.restarts,
            failures: rendition.failures,
            last_end: rendition.last_end.as_ref().map(End::of),
            last_words: &rendition.last_words,
        }
    }
}

impl<'a> End<'a> {
    fn of(end: &'a RenditionEnd) -> Self {
        match end {
            RenditionEnd::Exited { code, signal, was_silent, last_words: _ } => {
                Self { code: *code, signal: *signal, hung: *was_silent, error: None }
            }
            RenditionEnd::Failed { reason } => {
                Self { code: None, signal: None, hung: false, error: Some(reason) }
            }
        }
    }
}
