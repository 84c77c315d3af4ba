//! Events as log lines: one line for each, in words, with its fields apart for machines.
//!
//! The words of peers were escaped by the core; nothing here adds raw text of a peer.
#![expect(clippy::wildcard_enum_match_arm, reason = "a function picks the events of its subject")]

mod forward;
mod rate;
mod rendition;
mod words;

#[cfg(test)]
mod tests;

use crate::cli::LogLevel;
use crate::quantity::{bit_rate, byte_count, duration};
use millstream_core::event::{CloseReason, Event};
use millstream_core::http::{HttpError, Method};
use millstream_core::id::ConnId;
use millstream_core::name::{DEFAULT_VHOST, StreamName};
use millstream_core::time::Instant;
use rate::RateLimit;
use std::net::SocketAddr;

pub use rate::{BURST, INTERVAL};

/// One log line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// How important it is.
    pub level: LogLevel,
    /// The kind of event, one word: `published`, `refused`, ...
    pub event: &'static str,
    /// The words.
    pub text: String,
    /// The connection, if it is about one.
    pub conn: Option<ConnId>,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The stream, if it is about one.
    pub stream: Option<StreamName>,
    /// Why, in a word of the metrics.
    pub reason: Option<&'static str>,
}

/// Turns events into lines; remembers the peer of each connection, and holds floods back.
///
/// Refusals and faults of peers are limited by reason: after [`BURST`] lines one each [`INTERVAL`],
/// and the next line says how many were left out.
#[derive(Debug, Default)]
pub struct Report {
    /// By slot of the connection.
    conns: Vec<Option<Note>>,
    limit: RateLimit,
}

/// What is remembered of a connection.
#[derive(Clone, Debug)]
struct Note {
    conn: ConnId,
    peer: SocketAddr,
    /// It published or played: its end is worth a line.
    had_role: bool,
    /// A line has already said why it ends.
    refused: bool,
}

impl Report {
    /// A report without connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The line for `event`; `None` when it is held back, or says nothing new.
    pub fn line(&mut self, now: Instant, event: &Event) -> Option<Line> {
        self.remember(event);
        let mut line = match forward::render(event) {
            Some(line) => line,
            None => self.render(event),
        };
        line.peer = line.conn.and_then(|conn| self.note(conn)).map(|note| note.peer);
        if let Event::Closed { conn, .. } = event {
            self.forget(*conn);
        }
        if let (LogLevel::Info, Some(reason)) = (line.level, line.reason) {
            let left_out = self.limit.admit(now, reason)?;
            if left_out > 0 {
                line.text.push_str(&format!(" (and {left_out} more of this kind)"));
            }
        }
        Some(line)
    }

    fn remember(&mut self, event: &Event) {
        match event {
            Event::Accepted { conn, peer, .. } => {
                let slot = conn.slot as usize;
                if self.conns.len() <= slot {
                    self.conns.resize(slot + 1, None);
                }
                let note = Note { conn: *conn, peer: *peer, had_role: false, refused: false };
                if let Some(place) = self.conns.get_mut(slot) {
                    *place = Some(note);
                }
            }
            Event::Published { conn, .. } | Event::Played { conn, .. } => {
                if let Some(note) = self.note_mut(*conn) {
                    note.had_role = true;
                }
            }
            Event::Refused { conn, .. } => {
                if let Some(note) = self.note_mut(*conn) {
                    note.refused = true;
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, conn: ConnId) {
        if self.note(conn).is_some()
            && let Some(place) = self.conns.get_mut(conn.slot as usize)
        {
            *place = None;
        }
    }

    fn note(&self, conn: ConnId) -> Option<&Note> {
        self.conns.get(conn.slot as usize)?.as_ref().filter(|note| note.conn == conn)
    }

    fn note_mut(&mut self, conn: ConnId) -> Option<&mut Note> {
        self.conns.get_mut(conn.slot as usize)?.as_mut().filter(|note| note.conn == conn)
    }

    fn render(&self, event: &Event) -> Line {
        match event {
            Event::Accepted { conn, peer, .. } => {
                Line::new("accepted", format!("connection from {peer}")).debug().of(*conn)
            }
            Event::Closed { .. } => self.render_closed(event),
            Event::Refused { conn, reason, subject } => {
                let text = format!("refused {subject}: {}", words::refuse_text(*reason));
                Line::new("refused", text).of(*conn).because(reason.as_str())
            }
            Event::Connected { conn, app, client, handshake } => {
                let handshake = words::handshake_text(*handshake);
                let text = format!("connected to {app} with {client}, {handshake} handshake");
                Line::new("connected", text).debug().of(*conn)
            }
            Event::Answered { conn, method, path, status, body_len } => {
                let method = method.map_or("?", Method::as_str);
                let text = format!(
                    "{method} {path}: {} {}, {}",
                    status.code(),
                    status.reason(),
                    byte_count(*body_len)
                );
                Line::new("answered", text).debug().of(*conn)
            }
            Event::Ignored { conn, what } => {
                let text = format!("ignored {}", words::ignored_text(what));
                Line::new("ignored", text).debug().of(*conn)
            }
            Event::Progress { .. } | Event::StreamProgress { .. } => render_progress(event),
            _ => render_stream(event),
        }
    }

    fn render_closed(&self, event: &Event) -> Line {
        let Event::Closed { conn, reason, received, sent, age } = event else {
            return render_stream(event);
        };
        let note = self.note(*conn);
        let amount = format!(
            "received {}, sent {} in {}",
            byte_count(*received),
            byte_count(*sent),
            duration(*age)
        );
        let text = format!("closed: {}; {amount}", words::close_text(*reason));
        let line = Line::new("closed", text).of(*conn).because(words::close_word(*reason));
        let notable = match reason {
            CloseReason::Error(_) => true,
            CloseReason::Refused(_) => !note.is_some_and(|note| note.refused),
            // Whoever asks by HTTP comes and goes all the time.
            CloseReason::Answered | CloseReason::Http(HttpError::Idle) => false,
            CloseReason::Peer | CloseReason::Io(_) => note.is_some_and(|note| note.had_role),
            _ => true,
        };
        if notable { line } else { line.debug() }
    }
}

/// Lines about a stream and its readers.
fn render_stream(event: &Event) -> Line {
    match event {
        Event::Published { conn, name, players, .. } => {
            let waiting = match players {
                0 => String::new(),
                1 => ", 1 player waits for it".to_owned(),
                many => format!(", {many} players wait for it"),
            };
            let text = format!("publish {} began{waiting}", short(name));
            Line::new("published", text).of(*conn).about(name)
        }
        Event::Unpublished { conn, name, age, .. } => {
            let text = format!("publish {} ended after {}", short(name), duration(*age));
            Line::new("unpublished", text).of(*conn).about(name)
        }
        Event::Codec { name, description, .. } => {
            let text = format!("{} has {description}", short(name));
            Line::new("codec", text).about(name)
        }
        Event::Played { conn, name, live, .. } => {
            let waits = if *live { "" } else { ", waits for a publisher" };
            let text = format!("play {} began{waits}", short(name));
            Line::new("played", text).of(*conn).about(name)
        }
        Event::Stopped { conn, name, age, .. } => {
            let text = format!("play {} ended after {}", short(name), duration(*age));
            Line::new("stopped", text).of(*conn).about(name)
        }
        Event::Skipped { conn, name, bytes } => {
            let bytes = byte_count(*bytes);
            let text = format!(
                "play {} was too slow, skipped {bytes} to the newest keyframe",
                short(name)
            );
            Line::new("skipped", text).of(*conn).about(name).because("skipped")
        }
        Event::Jumped { name, millis, .. } => {
            let text = format!("publish {} jumped by {millis} ms, mended", short(name));
            Line::new("jumped", text).about(name).because("jumped")
        }
        Event::HlsFailed { name, path, reason } => {
            let text = format!("{}: {path} cannot be written: {reason}", short(name));
            let line = Line::new("hls_failed", text).about(name).because("hls_failed");
            Line { level: LogLevel::Warn, ..line }
        }
        Event::HlsWarning { name, warning } => {
            Line::new("hls", format!("{}: {warning}", short(name))).about(name).because("hls")
        }
        Event::RenditionStarted { .. }
        | Event::RenditionEnded { .. }
        | Event::RenditionRefused { .. } => rendition::render(event),
        // An event that is newer than this text still leaves a trace.
        other => Line::new("event", format!("{other:?}")).debug(),
    }
}

/// "Pithy print": the periodic lines.
fn render_progress(event: &Event) -> Line {
    match event {
        Event::Progress {
            conn,
            name,
            publisher: true,
            age,
            bits_per_second,
            frames_per_second,
            ..
        } => {
            let (rate, age) = (bit_rate(*bits_per_second), duration(*age));
            let text = format!("publish {} {frames_per_second} fps {rate} {age}", short(name));
            Line::new("progress", text).of(*conn).about(name)
        }
        Event::Progress { conn, name, age, bits_per_second, lag_bytes, .. } => {
            let (rate, age) = (bit_rate(*bits_per_second), duration(*age));
            let lag = match lag_bytes {
                0 => String::new(),
                bytes => format!(", {} behind", byte_count(*bytes)),
            };
            let text = format!("play {} {rate} {age}{lag}", short(name));
            Line::new("progress", text).of(*conn).about(name)
        }
        Event::StreamProgress { name, live, players, bits_per_second, tape_bytes, .. } => {
            let state = if *live { "" } else { ", no publisher" };
            let text = format!(
                "stream {} {}, {players} {}, {} kept{state}",
                short(name),
                bit_rate(*bits_per_second),
                if *players == 1 { "player" } else { "players" },
                byte_count(*tape_bytes),
            );
            Line::new("stream_progress", text).about(name)
        }
        other => render_stream(other),
    }
}

/// The name as people write it: without a vhost that nobody asked for.
fn short(name: &StreamName) -> &str {
    let full = name.as_str();
    let rest = full.strip_prefix(DEFAULT_VHOST).and_then(|rest| rest.strip_prefix('/'));
    rest.unwrap_or(full)
}

impl Line {
    fn new(event: &'static str, text: String) -> Self {
        let level = LogLevel::Info;
        Self { level, event, text, conn: None, peer: None, stream: None, reason: None }
    }

    fn debug(mut self) -> Self {
        self.level = LogLevel::Debug;
        self
    }

    fn of(mut self, conn: ConnId) -> Self {
        self.conn = Some(conn);
        self
    }

    fn about(mut self, stream: &StreamName) -> Self {
        self.stream = Some(stream.clone());
        self
    }

    fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }
}
