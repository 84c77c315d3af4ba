//! A transport that is a capture: clients send what they sent, when they sent it.

use crate::tcp::{Action, Conversation, Direction};
use bytes::{Buf, Bytes};
use millstream_core::config::Config;
use millstream_core::drive::{Budget, Drive, IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::event::Event;
use millstream_core::id::{ConnId, ListenerId};
use millstream_core::server::Server;
use millstream_core::time::{Deadline, Instant, WallClock};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Virtual time after the last packet, in which refused peers are closed.
const AFTERMATH_MICROS: u64 = 3_000_000;

/// What the server did in a replay.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What it reported, in order; the time is that of the server's clock, in microseconds after
    /// the start of the capture.
    pub(super) events: Vec<(u64, Event)>,
    /// What it sent, by connection: the index of the conversation.
    pub(super) sent: Vec<Vec<(u64, Bytes)>>,
}

/// Plays `conversations` to one new server. `start_micros` is the start of the capture.
pub(super) fn play(
    conversations: &[&Conversation],
    config: &Arc<Config>,
    start_micros: u64,
) -> Outcome {
    let mut transport = Playback::new(conversations, start_micros);
    let wall = WallClock { unix_millis: start_micros / 1_000 };
    let now = transport.now();
    let mut server = Server::new(config.clone(), SEED, now, wall);
    let mut drive = Drive::new(Budget::default());
    // Pending means that the capture is over: nothing will ever wake the loop.
    let _ = drive.run(&mut server, &mut transport);
    transport.finish()
}

/// Any: ids and handshakes come from it.
const SEED: u64 = 1;

#[derive(Debug)]
struct Playback {
    /// What happens, the next one first.
    script: VecDeque<(u64, usize, Arrival)>,
    lines: Vec<Line>,
    /// Connections that have more to read than was read.
    unread: VecDeque<usize>,
    /// The time of the capture.
    time_micros: u64,
    /// The clock of the server: the time of the capture, but never the same twice.
    clock_micros: u64,
    end_micros: u64,
    deadline: Option<Deadline>,
    events: Vec<(u64, Event)>,
}

/// One connection.
#[derive(Debug)]
struct Line {
    peer: SocketAddr,
    inbox: VecDeque<Arrival>,
    reads: bool,
    closed: bool,
    sent: Vec<(u64, Bytes)>,
}

#[derive(Clone, Debug)]
enum Arrival {
    Opened,
    Bytes(Bytes),
    End,
    Reset,
}

impl Playback {
    fn new(conversations: &[&Conversation], start_micros: u64) -> Self {
        let mut script = Vec::new();
        for (slot, conversation) in conversations.iter().enumerate() {
            script.push((conversation.opened_at_micros, slot, Arrival::Opened));
            script.extend(arrivals(conversation).map(|(at, arrival)| (at, slot, arrival)));
        }
        for (at, ..) in &mut script {
            *at = at.saturating_sub(start_micros);
        }
        script.sort_by_key(|(at, ..)| *at);
        let last = script.last().map_or(0, |(at, ..)| *at);
        let line = |conversation: &&Conversation| Line {
            peer: conversation.client,
            inbox: VecDeque::new(),
            reads: true,
            closed: false,
            sent: Vec::new(),
        };
        Self {
            script: script.into(),
            lines: conversations.iter().map(line).collect(),
            unread: VecDeque::new(),
            time_micros: 0,
            clock_micros: 0,
            end_micros: last.saturating_add(AFTERMATH_MICROS),
            deadline: None,
            events: Vec::new(),
        }
    }

    fn finish(self) -> Outcome {
        let sent = self.lines.into_iter().map(|line| line.sent).collect();
        Outcome { events: self.events, sent }
    }

    fn line(&mut self, conn: ConnId) -> Option<&mut Line> {
        self.lines.get_mut(conn.slot as usize).filter(|line| !line.closed)
    }

    /// The next thing of the capture happens.
    fn advance(&mut self) -> Option<Ready> {
        let (at, slot, arrival) = self.script.pop_front()?;
        self.time_micros = self.time_micros.max(at);
        let line = self.lines.get_mut(slot)?;
        if let Arrival::Opened = arrival {
            let peer = line.peer;
            return Some(Ready::Accepted {
                conn: id(slot),
                listener: ListenerId(0),
                service: Service::Rtmp,
                peer,
            });
        }
        if line.closed {
            return None;
        }
        line.inbox.push_back(arrival);
        line.reads.then_some(Ready::Readable(id(slot)))
    }
}

impl Transport for Playback {
    fn poll_ready(&mut self, _cx: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        if !self.unread.is_empty() {
            ready.extend(self.unread.drain(..).map(|slot| Ready::Readable(id(slot))));
            return Poll::Ready(());
        }
        let next = self.script.front().map(|(at, ..)| *at);
        let deadline = self.deadline.map(|deadline| deadline.at.as_micros());
        match (next, deadline) {
            (next, Some(at)) if at <= next.unwrap_or(self.end_micros) => {
                self.time_micros = self.time_micros.max(at);
                ready.push(Ready::Deadline);
            }
            (Some(_), _) => ready.extend(self.advance()),
            (None, _) => return Poll::Pending,
        }
        Poll::Ready(())
    }

    fn now(&mut self) -> Instant {
        self.clock_micros = self.time_micros.max(self.clock_micros.saturating_add(1));
        Instant::from_micros(self.clock_micros)
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        let Some(line) = self.line(conn).filter(|line| line.reads) else {
            return Ok(Read::Pending);
        };
        let read = match line.inbox.front_mut() {
            None => return Ok(Read::Pending),
            Some(Arrival::Bytes(bytes)) => {
                let len = bytes.len().min(scratch.len());
                for (to, from) in scratch.iter_mut().zip(bytes.iter()) {
                    *to = *from;
                }
                bytes.advance(len);
                if bytes.is_empty() {
                    line.inbox.pop_front();
                }
                Ok(Read::Bytes(len))
            }
            Some(Arrival::Opened | Arrival::End) => {
                line.inbox.pop_front();
                Ok(Read::End)
            }
            Some(Arrival::Reset) => {
                line.inbox.pop_front();
                Err(IoFailure::Reset)
            }
        };
        if !line.inbox.is_empty() {
            self.unread.push_back(conn.slot as usize);
        }
        read
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        let at = self.clock_micros;
        let Some(line) = self.line(conn) else { return Err(IoFailure::Other) };
        let bytes = Bytes::from(slices.concat());
        let len = bytes.len();
        line.sent.push((at, bytes));
        Ok(len)
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Event(event) => self.events.push((self.clock_micros, event)),
            Output::Close { conn } => {
                if let Some(line) = self.line(conn) {
                    line.closed = true;
                    line.inbox.clear();
                }
            }
            Output::SetReading { conn, enabled } => {
                if let Some(line) = self.line(conn) {
                    line.reads = enabled;
                    if enabled && !line.inbox.is_empty() {
                        self.unread.push_back(conn.slot as usize);
                    }
                }
            }
            // Writes are made by the loop itself; what is newer than this file does not concern
            // connections.
            _ => {}
        }
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }
}

/// What reaches the server. After a gap nothing can be read, so the connection ends there; a reset
/// by the recorded server ends it for its client.
fn arrivals(conversation: &Conversation) -> impl Iterator<Item = (u64, Arrival)> {
    let mut over = false;
    conversation.events.iter().filter_map(move |event| {
        let from_client = event.direction == Direction::ClientToServer;
        let arrival = match &event.action {
            _ if over => return None,
            Action::Bytes(bytes) if from_client => Arrival::Bytes(bytes.clone()),
            Action::Fin | Action::Gap { .. } if from_client => Arrival::End,
            Action::Reset if from_client => Arrival::Reset,
            Action::Reset => Arrival::End,
            Action::Bytes(_) | Action::Fin | Action::Gap { .. } => return None,
        };
        over = !matches!(arrival, Arrival::Bytes(_));
        Some((event.at_micros, arrival))
    })
}

fn id(slot: usize) -> ConnId {
    ConnId { slot: u32::try_from(slot).unwrap_or(u32::MAX), generation: 0 }
}
