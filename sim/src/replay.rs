//! Replays a capture: its clients talk to the real server, on a virtual clock.
//!
//! Each server of the capture is replaced by one of ours, so that its publishers and players meet
//! there. The machine, the loop and the times are those of production; only the sockets are made
//! of the capture. The same capture gives the same bytes of every report.
//!
//! - `wire`: what a side said, from its bytes.
//! - `playback`: the transport that is a capture.
//! - `compare`: how our answers differ from the recorded ones, and why; its reasons are in
//!   `explain`.
//! - `track`, `numbers`: what was counted: groups of pictures, jumps, rates, messages.
//! - `timeline`, `tables`, `json`, `flv`: the reports.
//! - `words`: messages in words, without secrets.
#![expect(clippy::wildcard_enum_match_arm, reason = "a function picks the messages of its subject")]

mod compare;
mod explain;
mod flv;
mod json;
mod numbers;
mod playback;
mod tables;
mod timeline;
mod track;
pub mod wire;
mod words;

#[cfg(test)]
mod tests;

pub use compare::{Difference, DifferenceKind};
pub use track::{Groups, Jump, Track};

use crate::capture::{Capture, Protocol, Warning};
use crate::tcp::{Action, Conversation, Direction};
use millstream_core::config::Config;
use millstream_core::event::Event;
use millstream_core::id::ConnId;
use millstream_core::name::StreamName;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use wire::{Command, Listener, Side, Speech, What};
use words::Secrets;

/// A capture that was replayed.
#[derive(Clone, Debug)]
pub struct Replay {
    /// In the order of their first packets.
    pub connections: Vec<Connection>,
    /// From the first packet to the last.
    pub span_micros: u64,
    /// What the file had besides.
    pub warnings: Vec<Warning>,
    secrets: Secrets,
}

/// One connection of the capture, in its own words, in ours, and in those of the recorded server.
#[derive(Clone, Debug)]
pub struct Connection {
    /// What it is called in all reports: its place in the capture, from 0.
    pub number: usize,
    /// Who called.
    pub client: SocketAddr,
    /// Who was called.
    pub server: SocketAddr,
    /// What the client speaks. Only RTMP and RTMPE were replayed.
    pub protocol: Protocol,
    /// The capture has its beginning.
    pub from_start: bool,
    /// Microseconds after the start of the capture, as all times here.
    pub opened_micros: u64,
    /// The first line of an HTTP request, without its query.
    pub request: Option<String>,
    /// Bytes of the client and of the recorded server.
    pub bytes: [u64; 2],
    /// What the client said.
    pub client_said: Speech,
    /// What our server answered.
    pub our_answers: Speech,
    /// What the recorded server answered.
    pub recorded_answers: Speech,
    /// What our server reported.
    pub events: Vec<(u64, Event)>,
    /// How the capture shows its end: who ended it first, and how.
    pub ends: Vec<(u64, Direction, End)>,
    /// How our answers differ from the recorded ones.
    pub differences: Vec<Difference>,
}

/// How a side ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It will send no more.
    Fin,
    /// It broke the connection.
    Reset,
}

impl Replay {
    /// Plays `capture` to servers of the default configuration.
    #[must_use]
    pub fn of(capture: &Capture) -> Self {
        Self::with_config(capture, Config::default())
    }

    /// Plays `capture` to servers of this configuration.
    #[must_use]
    pub fn with_config(capture: &Capture, config: Config) -> Self {
        let config = Arc::new(config);
        let opened = capture.conversations.iter().map(|it| it.opened_at_micros);
        let start_micros = opened.min().unwrap_or_default();
        let last = capture.conversations.iter().filter_map(|it| it.events.last());
        let last_micros = last.map(|event| event.at_micros).max().unwrap_or(start_micros);
        let mut connections: Vec<Connection> = (0..)
            .zip(&capture.conversations)
            .map(|(number, conversation)| Connection::new(number, conversation, start_micros))
            .collect();
        for members in groups(&connections).into_values() {
            let played = members.iter().filter_map(|index| capture.conversations.get(*index));
            let played: Vec<&Conversation> = played.collect();
            let outcome = playback::play(&played, &config, start_micros);
            for (index, sent) in members.iter().zip(outcome.sent) {
                let mut listener = Listener::new(Side::Server);
                for (at_micros, bytes) in &sent {
                    listener.hear(*at_micros, bytes);
                }
                if let Some(connection) = connections.get_mut(*index) {
                    connection.our_answers = listener.finish();
                }
            }
            let mut publishers = BTreeMap::new();
            for (at_micros, event) in outcome.events {
                let slot = conn_of(&event, &mut publishers).map(|conn| conn.slot as usize);
                let index = slot.and_then(|slot| members.get(slot));
                if let Some(connection) = index.and_then(|index| connections.get_mut(*index)) {
                    connection.events.push((at_micros, event));
                }
            }
        }
        for index in 0..connections.len() {
            let differences = compare::differences(&connections, index);
            if let Some(connection) = connections.get_mut(index) {
                connection.differences = differences;
            }
        }
        Self {
            secrets: Secrets::of(&connections),
            connections,
            span_micros: last_micros.saturating_sub(start_micros),
            warnings: capture.warnings.clone(),
        }
    }

    /// What happened, a line each, for people. Runs of like media are one line.
    #[must_use]
    pub fn timeline(&self) -> String {
        self.secrets.hide(&timeline::render(self))
    }

    /// Numbers about each connection, for people.
    #[must_use]
    pub fn tables(&self) -> String {
        self.secrets.hide(&tables::render(self))
    }

    /// All of it as one JSON document, for programs.
    #[must_use]
    pub fn json(&self) -> String {
        self.secrets.in_json().hide(&json::render(self))
    }

    /// The published media as FLV files: the number of the connection and the bytes of each.
    #[must_use]
    pub fn published(&self) -> Vec<(usize, Vec<u8>)> {
        let files = self.connections.iter().map(|it| (it.number, flv::published(it)));
        files.filter_map(|(number, file)| Some((number, file?))).collect()
    }
}

impl Connection {
    fn new(number: usize, conversation: &Conversation, start_micros: u64) -> Self {
        let mut client = Listener::new(Side::Client);
        let mut server = Listener::new(Side::Server);
        let (mut bytes, mut ends) = ([0, 0], Vec::new());
        for event in &conversation.events {
            let at = event.at_micros.saturating_sub(start_micros);
            let (listener, sum) = match event.direction {
                Direction::ClientToServer => (&mut client, &mut bytes[0]),
                Direction::ServerToClient => (&mut server, &mut bytes[1]),
            };
            match &event.action {
                Action::Bytes(part) => {
                    *sum += part.len() as u64;
                    listener.hear(at, part);
                }
                Action::Gap { len } => listener.miss(at, *len),
                Action::Fin => ends.push((at, event.direction, End::Fin)),
                Action::Reset => ends.push((at, event.direction, End::Reset)),
            }
        }
        let protocol = conversation.protocol();
        let is_played = is_played(protocol);
        let speech =
            |listener: Listener| if is_played { listener.finish() } else { Speech::default() };
        Self {
            number,
            client: conversation.client,
            server: conversation.server,
            protocol,
            from_start: conversation.from_start,
            opened_micros: conversation.opened_at_micros.saturating_sub(start_micros),
            request: request_line(conversation),
            bytes,
            client_said: speech(client),
            our_answers: Speech::default(),
            recorded_answers: speech(server),
            events: Vec::new(),
            ends,
            differences: Vec::new(),
        }
    }

    /// It was played to our server.
    #[must_use]
    pub fn is_played(&self) -> bool {
        is_played(self.protocol)
    }

    /// The client's commands of this name.
    pub(crate) fn commands<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Command> {
        self.client_said.said.iter().filter_map(move |said| match &said.what {
            What::Command(command) if command.name == *name => Some(command),
            _ => None,
        })
    }
}

/// Indices of the connections that are played, by the server that they call.
fn groups(connections: &[Connection]) -> BTreeMap<SocketAddr, Vec<usize>> {
    let mut groups = BTreeMap::<SocketAddr, Vec<usize>>::new();
    for connection in connections.iter().filter(|connection| connection.is_played()) {
        groups.entry(connection.server).or_default().push(connection.number);
    }
    groups
}

fn is_played(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Rtmp | Protocol::Rtmpe)
}

/// The connection that an event is about; what is about a stream is told of its publisher.
fn conn_of(event: &Event, publishers: &mut BTreeMap<StreamName, ConnId>) -> Option<ConnId> {
    match event {
        Event::Published { conn, name, .. } => {
            publishers.insert(name.clone(), *conn);
            Some(*conn)
        }
        Event::Accepted { conn, .. }
        | Event::Closed { conn, .. }
        | Event::Connected { conn, .. }
        | Event::Unpublished { conn, .. }
        | Event::Played { conn, .. }
        | Event::Stopped { conn, .. }
        | Event::Skipped { conn, .. }
        | Event::Refused { conn, .. }
        | Event::Ignored { conn, .. } => Some(*conn),
        Event::Codec { name, .. } | Event::Jumped { name, .. } => publishers.get(name).copied(),
        // Progress is counted by the reports themselves.
        _ => None,
    }
}

/// The first line of a request of HTTP, without its query.
fn request_line(conversation: &Conversation) -> Option<String> {
    if !matches!(conversation.protocol(), Protocol::Http | Protocol::Rtmpt) {
        return None;
    }
    let bytes = conversation.events.iter().find_map(|event| match &event.action {
        Action::Bytes(bytes) if event.direction == Direction::ClientToServer => Some(bytes),
        _ => None,
    })?;
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n' | b'?')).next()?;
    Some(millstream_core::name::escape(line, 100))
}
