//! The simulated network as a transport: the production loop runs over it unchanged.
//!
//! Readiness is what real transports give. Readable is told again until a read has found nothing.
//! Writable is told after a write that took less than it was offered. Nothing is told while reading
//! is off. All happens on the virtual clock, and every call of `now` costs a little of it.
#![expect(clippy::wildcard_enum_match_arm, reason = "what core adds is not known here")]

use crate::entropy::Entropy;
use crate::net::{Arrival, LinkProfile, Micros, Pipe};
use bytes::{Bytes, BytesMut};
use millstream_core::drive::{IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::event::Event;
use millstream_core::id::{ConnId, ListenerId};
use millstream_core::time::{Deadline, Instant};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

/// Turns without any progress of the clock's own after which the loop counts as spinning.
const IDLE_TURNS_MAX: u32 = 10_000;

/// Something that is due at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    /// A connection arrives at the server.
    Accept(usize),
    /// The server may have something to read.
    Readable(usize),
    /// The server may write again.
    Writable(usize),
    /// The client may have something to read, or room to write.
    Client(usize),
    /// A timer of an actor: its index, its incarnation, and which timer.
    Actor(usize, u32, u8),
    /// A fault of the scenario.
    Fault(usize),
    /// The oracles look at everything.
    Check,
    /// The operator ends the server.
    Shutdown,
}

/// How slots of connections are numbered. It must not matter: twin runs differ in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotOrder {
    /// The lowest free slot.
    Lowest,
    /// The lowest free slot from 3 on, used for the ninth time.
    Shifted,
}

/// One connection between an actor and the server.
#[derive(Debug)]
pub struct Link {
    /// The actor.
    pub owner: usize,
    /// Its id on the server, from the accept to the close.
    pub conn: Option<ConnId>,
    /// The server closed it.
    pub is_closed: bool,
    /// A write was short: the server waits for Writable.
    pub is_full: bool,
    /// Bytes that the server has read.
    pub read: u64,
    /// When the client is woken next.
    client_at: Option<Micros>,
    client_waits: bool,
    down: Pipe,
    entropy: Entropy,
    is_reset: bool,
    peer: SocketAddr,
    profile: LinkProfile,
    reads: bool,
    /// When the server is woken next.
    server_at: Option<Micros>,
    up: Pipe,
}

/// An event of the server, and how its connection was at that moment.
#[derive(Debug)]
pub struct Told {
    /// When.
    pub at: Micros,
    /// What.
    pub event: Event,
    /// The link that it is about.
    pub link: Option<usize>,
    /// The socket of the connection was full.
    pub is_full: bool,
}

/// The network, its clock and everything that is due.
#[derive(Debug)]
pub struct SimTransport {
    /// Events that nobody has taken yet.
    pub told: Vec<Told>,
    /// All links that ever were.
    pub links: Vec<Link>,
    accepts: Vec<usize>,
    agenda: BinaryHeap<Reverse<(Micros, u64, Due)>>,
    clock: Micros,
    deadline: Option<Deadline>,
    entropy: Entropy,
    epoch: Micros,
    has_run: bool,
    idle_turns: u32,
    /// The server has ended.
    is_gone: bool,
    order: SlotOrder,
    readable: BTreeSet<usize>,
    sequence: u64,
    shutdown: bool,
    slots: Vec<Slot>,
    step: Micros,
    writable: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    generation: u32,
    link: Option<usize>,
}

impl SimTransport {
    /// An empty network. Each call of `now` takes `step`; `epoch` is what the server's clock says
    /// at the start.
    #[must_use]
    pub fn new(step: Micros, epoch: Micros, order: SlotOrder, entropy: Entropy) -> Self {
        let reserved = Slot { generation: 0, link: Some(usize::MAX) };
        let slots = match order {
            SlotOrder::Lowest => Vec::new(),
            SlotOrder::Shifted => vec![reserved; 3],
        };
        Self {
            told: Vec::new(),
            links: Vec::new(),
            accepts: Vec::new(),
            agenda: BinaryHeap::new(),
            clock: 0,
            deadline: None,
            entropy,
            epoch,
            has_run: false,
            idle_turns: 0,
            is_gone: false,
            order,
            readable: BTreeSet::new(),
            sequence: 0,
            shutdown: false,
            slots,
            step: step.max(1),
            writable: BTreeSet::new(),
        }
    }

    /// The virtual time since the start.
    #[must_use]
    pub const fn clock(&self) -> Micros {
        self.clock
    }

    /// The same as the server's clock says it.
    #[must_use]
    pub const fn instant(&self) -> Instant {
        Instant::from_micros(self.epoch + self.clock)
    }

    /// The server's deadline, in time since the start.
    #[must_use]
    pub fn deadline_at(&self) -> Option<Micros> {
        self.deadline.map(|deadline| deadline.at.as_micros().saturating_sub(self.epoch))
    }

    /// The loop has taken very many turns while nothing happened.
    #[must_use]
    pub const fn is_spinning(&self) -> bool {
        self.idle_turns >= IDLE_TURNS_MAX
    }

    /// Notes that something is due.
    pub fn schedule(&mut self, at: Micros, due: Due) {
        self.sequence += 1;
        self.agenda.push(Reverse((at.max(self.clock), self.sequence, due)));
    }

    /// When the loop or an actor has something to do next; `None` for never.
    #[must_use]
    pub fn next_at(&self) -> Option<Micros> {
        if self.has_ready() {
            return Some(self.clock);
        }
        let agenda = self.agenda.peek().map(|Reverse((at, _, _))| *at);
        agenda.into_iter().chain(self.deadline_at()).min()
    }

    /// Moves the clock on.
    pub fn advance(&mut self, at: Micros) {
        if at > self.clock {
            self.clock = at;
            self.idle_turns = 0;
        }
    }

    /// The next thing that is due now. What concerns the server alone is kept for the loop.
    pub fn pop_due(&mut self) -> Option<Due> {
        loop {
            let Reverse((at, _, due)) = *self.agenda.peek()?;
            if at > self.clock {
                return None;
            }
            self.agenda.pop();
            self.idle_turns = 0;
            match due {
                Due::Accept(link) if self.is_gone => self.refuse(link),
                Due::Accept(link) => self.accepts.push(link),
                Due::Readable(link) => {
                    self.links[link].server_at = None;
                    if self.links[link].conn.is_some() {
                        self.readable.insert(link);
                    }
                }
                Due::Writable(link) => {
                    if self.links[link].is_full {
                        self.writable.insert(link);
                    }
                }
                Due::Client(link) => {
                    self.links[link].client_at = None;
                    return Some(due);
                }
                Due::Actor(..) | Due::Fault(_) | Due::Check | Due::Shutdown => return Some(due),
            }
        }
    }

    /// An actor connects; gives the link.
    pub fn connect(&mut self, owner: usize, profile: LinkProfile, entropy: Entropy) -> usize {
        let index = self.links.len();
        let host = Ipv4Addr::new(10, 0, (owner >> 8) as u8, owner as u8);
        let port = 1_024 + (index % 60_000) as u16;
        self.links.push(Link {
            owner,
            conn: None,
            is_closed: false,
            is_full: false,
            read: 0,
            client_at: None,
            client_waits: false,
            down: Pipe::new(profile),
            entropy,
            is_reset: false,
            peer: SocketAddr::from((host, port)),
            profile,
            reads: true,
            server_at: None,
            up: Pipe::new(profile),
        });
        self.schedule(self.clock + profile.latency, Due::Accept(index));
        index
    }

    /// The client writes from the front of `bytes` as much as there is room for.
    pub fn client_write(&mut self, index: usize, bytes: &mut BytesMut) {
        let clock = self.clock;
        let link = &mut self.links[index];
        let len = link.up.accept_len(bytes.len(), &mut link.entropy);
        link.client_waits = len < bytes.len();
        let retries = link.client_waits && link.up.room() > len;
        let part = bytes.split_to(len).freeze();
        let at = link.up.send(clock, part, &mut link.entropy);
        let at = at.max(clock + link.profile.latency);
        if len > 0 {
            self.wake_server(index, at);
        }
        if retries {
            self.wake_client(index, clock + 1_000);
        }
    }

    /// The client reads up to `max` bytes.
    pub fn client_read(&mut self, index: usize, max: usize, take: impl FnMut(&[u8])) -> Arrival {
        let clock = self.clock;
        let link = &mut self.links[index];
        let arrival = link.down.read(clock, max, &mut link.entropy, take);
        let latency = link.profile.latency;
        match arrival {
            Arrival::Bytes(_) if link.is_full => {
                self.schedule(clock + latency, Due::Writable(index));
            }
            Arrival::Pending(Some(at)) => self.wake_client(index, at),
            Arrival::Bytes(_) | Arrival::End | Arrival::Reset | Arrival::Pending(None) => {}
        }
        arrival
    }

    /// The client ends its direction, or resets both.
    pub fn client_end(&mut self, index: usize, reset: bool) {
        let clock = self.clock;
        let link = &mut self.links[index];
        let at = link.up.end(clock, reset);
        link.is_reset |= reset;
        self.wake_server(index, at);
    }

    /// Nothing arrives on a link for a while.
    pub fn stall(&mut self, index: usize, until: Micros) {
        self.links[index].up.stall(until);
        self.links[index].down.stall(until);
    }

    /// Nothing arrives on a link any more.
    pub fn silence(&mut self, index: usize) {
        self.links[index].up.silence();
        self.links[index].down.silence();
    }

    /// Bytes between the server and the client that the client has not read.
    #[must_use]
    pub fn down_queued(&self, index: usize) -> usize {
        self.links[index].down.queued()
    }

    /// Bytes between the client and the server that the server has not read.
    #[must_use]
    pub fn up_queued(&self, index: usize) -> usize {
        self.links[index].up.queued()
    }

    /// The operator ends the server.
    pub fn shut(&mut self) {
        self.shutdown = true;
    }

    /// The server is gone: who connects finds nobody.
    pub fn refuse_all(&mut self) {
        self.is_gone = true;
        self.deadline = None;
        for link in std::mem::take(&mut self.accepts) {
            self.refuse(link);
        }
    }

    fn refuse(&mut self, index: usize) {
        let clock = self.clock;
        let link = &mut self.links[index];
        link.is_closed = true;
        let at = link.down.end(clock, true);
        self.wake_client(index, at);
    }

    /// The link of a connection of the server.
    #[must_use]
    pub fn link_of(&self, conn: ConnId) -> Option<usize> {
        let slot = self.slots.get(conn.slot as usize)?;
        slot.link.filter(|_| slot.generation == conn.generation)
    }

    fn has_ready(&self) -> bool {
        !self.accepts.is_empty()
            || !self.writable.is_empty()
            || self.shutdown
            || self.readable.iter().any(|&link| self.is_readable(link))
    }

    fn is_readable(&self, index: usize) -> bool {
        let link = &self.links[index];
        link.reads && link.conn.is_some()
    }

    fn allocate(&mut self, link: usize) -> ConnId {
        let free = self.slots.iter().position(|slot| slot.link.is_none());
        if free.is_none() {
            let generation = if self.order == SlotOrder::Shifted { 8 } else { 0 };
            self.slots.push(Slot { generation, link: None });
        }
        let index = free.unwrap_or(self.slots.len() - 1);
        let slot = &mut self.slots[index];
        slot.generation += 1;
        slot.link = Some(link);
        let id = ConnId { slot: index as u32, generation: slot.generation };
        self.links[link].conn = Some(id);
        id
    }

    fn close(&mut self, conn: ConnId) {
        let Some(index) = self.link_of(conn) else { return };
        self.slots[conn.slot as usize].link = None;
        let clock = self.clock;
        let link = &mut self.links[index];
        link.is_closed = true;
        link.conn = None;
        link.is_full = false;
        let at = link.down.end(clock, false);
        self.readable.remove(&index);
        self.writable.remove(&index);
        self.wake_client(index, at);
    }

    fn wake_client(&mut self, index: usize, at: Micros) {
        if self.links[index].client_at.is_none_or(|earlier| at < earlier) {
            self.links[index].client_at = Some(at);
            self.schedule(at, Due::Client(index));
        }
    }

    fn wake_server(&mut self, index: usize, at: Micros) {
        if self.links[index].server_at.is_none_or(|earlier| at < earlier) {
            self.links[index].server_at = Some(at);
            self.schedule(at, Due::Readable(index));
        }
    }
}

impl Transport for SimTransport {
    fn poll_ready(&mut self, _cx: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        self.idle_turns += 1;
        let is_late = self.agenda.peek().is_some_and(|Reverse((at, _, _))| *at <= self.clock);
        if (std::mem::take(&mut self.has_run) && is_late) || self.is_spinning() {
            return Poll::Pending;
        }
        for link in std::mem::take(&mut self.accepts) {
            let conn = self.allocate(link);
            let peer = self.links[link].peer;
            self.readable.insert(link);
            ready.push(Ready::Accepted {
                conn,
                listener: ListenerId(0),
                service: Service::Rtmp,
                peer,
            });
        }
        for &link in &self.readable {
            if let Some(conn) = self.links[link].conn.filter(|_| self.is_readable(link)) {
                ready.push(Ready::Readable(conn));
            }
        }
        for link in std::mem::take(&mut self.writable) {
            self.links[link].is_full = false;
            ready.extend(self.links[link].conn.map(Ready::Writable));
        }
        if ready.len() > 1 {
            let turn = self.entropy.range(0..=ready.len() as u64 - 1) as usize;
            ready.rotate_left(turn);
            // A connection is accepted before anything else is known of it.
            ready.sort_by_key(|ready| !matches!(ready, Ready::Accepted { .. }));
        }
        if self.deadline_at().is_some_and(|at| at <= self.clock) {
            ready.push(Ready::Deadline);
        }
        if std::mem::take(&mut self.shutdown) {
            ready.push(Ready::Shutdown);
        }
        if ready.is_empty() {
            return Poll::Pending;
        }
        self.has_run = true;
        Poll::Ready(())
    }

    fn now(&mut self) -> Instant {
        self.clock += self.step;
        self.instant()
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        let Some(index) = self.link_of(conn) else { return Ok(Read::Pending) };
        let clock = self.clock;
        let link = &mut self.links[index];
        let mut at = 0;
        let arrival = link.up.read(clock, scratch.len(), &mut link.entropy, |part| {
            scratch[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        });
        match arrival {
            Arrival::Bytes(len) => {
                link.read += len as u64;
                self.idle_turns = 0;
                if std::mem::take(&mut link.client_waits) {
                    let at = clock + link.profile.latency;
                    self.wake_client(index, at);
                }
                Ok(Read::Bytes(len))
            }
            Arrival::Pending(at) => {
                self.readable.remove(&index);
                if let Some(at) = at {
                    self.wake_server(index, at);
                }
                Ok(Read::Pending)
            }
            Arrival::End => Ok(Read::End),
            Arrival::Reset => Err(IoFailure::Reset),
        }
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        let Some(index) = self.link_of(conn) else { return Err(IoFailure::Other) };
        let clock = self.clock;
        let link = &mut self.links[index];
        if link.is_reset && link.up.readable_at().is_none_or(|at| at <= clock) {
            return Err(IoFailure::Reset);
        }
        let offered: usize = slices.iter().map(|part| part.len()).sum();
        let len = link.down.accept_len(offered, &mut link.entropy);
        let mut bytes = Vec::with_capacity(len);
        for part in slices {
            bytes.extend_from_slice(&part[..part.len().min(len - bytes.len())]);
        }
        let at = link.down.send(clock, Bytes::from(bytes), &mut link.entropy);
        let is_whim = len < offered && link.down.room() > 0;
        link.is_full |= len < offered;
        self.idle_turns = 0;
        if len > 0 {
            self.wake_client(index, at);
        }
        if is_whim {
            self.schedule(clock + 500, Due::Writable(index));
        }
        Ok(len)
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::SetReading { conn, enabled } => {
                if let Some(link) = self.link_of(conn) {
                    self.links[link].reads = enabled;
                }
            }
            Output::Close { conn } => self.close(conn),
            Output::Event(event) => {
                let link = conn_of(&event).and_then(|conn| self.link_of(conn));
                let is_full = link.is_some_and(|link| self.links[link].is_full);
                self.told.push(Told { at: self.clock, event, link, is_full });
            }
            other => debug_assert!(false, "not known to this transport: {other:?}"),
        }
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }
}

/// The connection that an event is about.
#[must_use]
pub const fn conn_of(event: &Event) -> Option<ConnId> {
    match event {
        Event::Accepted { conn, .. }
        | Event::Closed { conn, .. }
        | Event::Connected { conn, .. }
        | Event::Published { conn, .. }
        | Event::Unpublished { conn, .. }
        | Event::Played { conn, .. }
        | Event::Stopped { conn, .. }
        | Event::Skipped { conn, .. }
        | Event::Refused { conn, .. }
        | Event::Ignored { conn, .. }
        | Event::Progress { conn, .. } => Some(*conn),
        _ => None,
    }
}
