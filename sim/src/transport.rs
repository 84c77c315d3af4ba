//! The simulated network as a transport: the production loop runs over it unchanged.
//!
//! Readiness is what real transports give. Readable is told again until a read has found nothing.
//! Writable is told after a write that took less than it was offered. Nothing is told while reading
//! is off. All happens on the virtual clock, and every call of `now` costs a little of it.
#![expect(clippy::wildcard_enum_match_arm, reason = "what core adds is not known here")]

mod admin;
mod client;
mod dial;
mod failing;
mod host;
mod link;
mod port;
mod wake;

pub use dial::host_name;
pub use failing::{Failing, OPERATIONS, Operation};
pub use host::HostPlan;
pub use link::{Link, Seat, Side, Told, conn_of};

use crate::entropy::Entropy;
use crate::net::{Arrival, Micros};
use admin::Admin;
use bytes::Bytes;
use dial::Peers;
use failing::Counter;
use host::Host;
use millstream_core::config::Config;
use millstream_core::drive::{IoFailure, Output, Read, Ready, Transport};
use millstream_core::id::{ConnId, DialId, JobId, ListenerId};
use millstream_core::job::{Job, JobNews, JobResult};
use millstream_core::shard::{ShardId, ShardMessage};
use millstream_core::time::{Deadline, Instant};
use port::{Port, Wires};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Turns without any progress of the clock's own after which the loop counts as spinning.
const IDLE_TURNS_MAX: u32 = 10_000;

/// Something that is due at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    /// A connection arrives at the server.
    Accept(usize),
    /// What one shard has said arrives at another: from and to.
    Said(usize, usize),
    /// The server at one end may have something to read.
    Readable(usize, Side),
    /// It may write again.
    Writable(usize, Side),
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
    /// A job of a shard ends.
    Job(usize, JobId),
    /// An attempt of a shard to connect is answered.
    Dialled(usize, DialId),
    /// The networks of two servers give up a link between them.
    Lost(usize),
    /// What breaks of the servers, by its index.
    ServerFault(usize),
    /// A server that was killed is started again.
    Start(usize),
    /// A shard hears of another configuration: the shard, and which one.
    Config(usize, usize),
}

/// How slots of connections are numbered. It must not matter: twin runs differ in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotOrder {
    /// The lowest free slot.
    Lowest,
    /// The lowest free slot from 3 on, used for the ninth time.
    Shifted,
}

/// The network, its clock and everything that is due. It is the transport of one shard at a time:
/// of the one that was entered last.
#[derive(Debug)]
pub struct SimTransport {
    /// Events that nobody has taken yet.
    pub told: Vec<Told>,
    /// Configurations that a shard has taken, and when, and nobody has taken note of yet.
    pub taken: Vec<(Micros, usize)>,
    /// All links that ever were.
    pub links: Vec<Link>,
    /// Attempts of servers to connect to another one that nobody has taken note of yet.
    pub dialled_count: u32,
    /// Links that a failure of an operation has hit, and nobody has taken note of yet.
    pub hit: Vec<usize>,
    admin: Admin,
    agenda: BinaryHeap<Reverse<(Micros, u64, Due)>>,
    clock: Micros,
    entropy: Entropy,
    epoch: Micros,
    failing: Counter,
    host: Host,
    idle_turns: u32,
    /// The shard whose transport this is now.
    own: usize,
    peers: Peers,
    ports: Vec<Port>,
    sequence: u64,
    /// Shards of the server under test; further ports belong to one server each.
    shards: usize,
    step: Micros,
    wires: Wires,
}

impl SimTransport {
    /// An empty network of one shard. Each call of `now` takes `step`; `epoch` is what the server's
    /// clock says at the start.
    #[must_use]
    pub fn new(step: Micros, epoch: Micros, order: SlotOrder, entropy: Entropy) -> Self {
        Self {
            told: Vec::new(),
            taken: Vec::new(),
            links: Vec::new(),
            dialled_count: 0,
            hit: Vec::new(),
            admin: Admin::default(),
            agenda: BinaryHeap::new(),
            clock: 0,
            entropy,
            epoch,
            failing: Counter::default(),
            host: Host::new(HostPlan::default(), Entropy::empty()),
            idle_turns: 0,
            own: 0,
            peers: Peers::default(),
            ports: vec![Port::new(order)],
            sequence: 0,
            shards: 1,
            step: step.max(1),
            wires: Wires::new(1, 0),
        }
    }

    /// The same with several shards; what one says to another takes up to `delay_max`.
    #[must_use]
    pub fn with_shards(mut self, count: usize, delay_max: Micros) -> Self {
        let order = self.ports[0].order;
        self.ports = (0..count).map(|_| Port::new(order)).collect();
        self.shards = count;
        self.wires = Wires::new(count, delay_max);
        self
    }

    /// From now on this is the transport of shard `own`.
    pub const fn enter(&mut self, own: usize) {
        self.own = own;
    }

    /// A shard of a server, drawn.
    pub fn draw_shard(&mut self, server: usize) -> usize {
        match server.checked_sub(1) {
            None => self.entropy.range(0..=self.shards as u64 - 1) as usize,
            Some(peer) => self.shards + peer,
        }
    }

    /// The server that a port belongs to: 0 for the one under test.
    #[must_use]
    pub const fn server_of(&self, port: usize) -> usize {
        (port + 1).saturating_sub(self.shards)
    }

    /// Whether the loop of the shard whose transport this is now goes on in its next turn, whatever
    /// is ready.
    pub fn set_has_more(&mut self, has_more: bool) {
        self.ports[self.own].has_more = has_more;
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

    /// The deadline of a shard, in time since the start.
    fn deadline_at(&self, shard: usize) -> Option<Micros> {
        let deadline = self.ports[shard].deadline;
        deadline.map(|deadline| deadline.at.as_micros().saturating_sub(self.epoch))
    }

    /// A shard has something to do now.
    #[must_use]
    pub fn has_work(&self, shard: usize) -> bool {
        let is_late = self.deadline_at(shard).is_some_and(|at| at <= self.clock);
        is_late || self.ports[shard].has_run || self.has_ready(shard)
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
        let shards = 0..self.ports.len();
        if shards.clone().any(|shard| self.has_ready(shard)) {
            return Some(self.clock);
        }
        let agenda = self.agenda.peek().map(|Reverse((at, _, _))| *at);
        agenda.into_iter().chain(shards.filter_map(|shard| self.deadline_at(shard))).min()
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
                Due::Accept(link) => {
                    let Some(port) = self.links[link].accepting.port else { continue };
                    if self.ports[port].is_gone {
                        self.refuse(link);
                    } else {
                        self.ports[port].accepts.push(link);
                    }
                }
                Due::Said(from, to) => {
                    while let Some(message) = self.wires.receive(self.clock, (from, to)) {
                        let port = &mut self.ports[to];
                        // Who has ended hears nothing.
                        if !port.is_gone {
                            port.inbox.push_back((ShardId(from as u16), message));
                        }
                    }
                }
                Due::Readable(link, side) => {
                    // Who has been woken earlier has looked when to look again.
                    let seat = self.links[link].seat_mut(side);
                    let Some(seat) = seat.filter(|seat| seat.wake_at == Some(at)) else { continue };
                    seat.wake_at = None;
                    if let (Some(_), Some(port)) = (seat.conn, seat.port) {
                        self.ports[port].readable.insert((link, side));
                    }
                }
                Due::Writable(link, side) => {
                    let Some(seat) = self.links[link].seat_mut(side) else { continue };
                    if let (true, Some(port)) = (seat.is_full, seat.port) {
                        self.ports[port].writable.insert((link, side));
                    }
                }
                Due::Client(link) => {
                    if self.links[link].client_at == Some(at) {
                        self.links[link].client_at = None;
                        return Some(due);
                    }
                }
                Due::Job(shard, job) => {
                    let ended = self.host.end((shard, job));
                    let port = &mut self.ports[shard];
                    if !port.is_gone {
                        port.ended.extend(ended.map(|result| (job, result)));
                    }
                }
                Due::Config(shard, config) => {
                    let port = &mut self.ports[shard];
                    port.configs.extend(Some(config).filter(|_| !port.is_gone));
                }
                Due::Dialled(port, dial) => {
                    if self.answer_dial(port, dial) {
                        return Some(due);
                    }
                }
                Due::Lost(link) => self.lose(link),
                Due::Actor(..)
                | Due::Fault(_)
                | Due::ServerFault(_)
                | Due::Start(_)
                | Due::Check
                | Due::Shutdown => return Some(due),
            }
        }
    }

    /// The operator ends the server.
    pub fn shut(&mut self) {
        for port in self.ports.iter_mut().take(self.shards) {
            port.shutdown = !port.is_gone;
        }
    }

    /// A shard is gone: who connects to it finds nobody.
    pub fn end_shard(&mut self, shard: usize) {
        let port = &mut self.ports[shard];
        port.is_gone = true;
        port.deadline = None;
        port.has_more = false;
        port.has_run = false;
        port.inbox.clear();
        port.configs.clear();
        for link in std::mem::take(&mut port.accepts) {
            self.refuse(link);
        }
    }

    /// A shard is gone.
    #[must_use]
    pub fn is_gone(&self, shard: usize) -> bool {
        self.ports[shard].is_gone
    }

    fn refuse(&mut self, index: usize) {
        let clock = self.clock;
        let link = &mut self.links[index];
        link.accepting.is_closed = true;
        let at = link.down.end(clock, true);
        if let Some(seat) = &mut link.dialling {
            seat.is_reset = true;
        }
        self.wake(index, Side::Dialling, at);
    }

    /// The link of a connection of the shard whose transport this is now.
    #[must_use]
    pub fn link_of(&self, conn: ConnId) -> Option<usize> {
        self.end_of(conn).map(|(link, _)| link)
    }

    fn end_of(&self, conn: ConnId) -> Option<(usize, Side)> {
        self.ports[self.own].link_of(conn)
    }

    fn has_ready(&self, shard: usize) -> bool {
        let port = &self.ports[shard];
        !port.accepts.is_empty()
            || !port.dialled.is_empty()
            || !port.writable.is_empty()
            || port.shutdown
            || !port.inbox.is_empty()
            || port.has_jobs()
            || port.has_more
            || !port.configs.is_empty()
            || port.readable.iter().any(|&(link, side)| self.is_readable(link, side))
    }

    fn is_readable(&self, index: usize, side: Side) -> bool {
        let seat = self.links[index].seat(side);
        seat.is_some_and(|seat| seat.reads && seat.conn.is_some())
    }

    fn close(&mut self, conn: ConnId) {
        let Some((index, side)) = self.ports[self.own].free(conn) else { return };
        let clock = self.clock;
        let link = &mut self.links[index];
        let (_, out, _) = link.pipes(side);
        let at = out.end(clock, false);
        if let Some(seat) = link.seat_mut(side) {
            seat.is_closed = true;
            seat.conn = None;
            seat.is_full = false;
        }
        self.wake(index, side.other(), at);
    }
}

impl Transport for SimTransport {
    fn poll_ready(&mut self, _cx: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        self.idle_turns += 1;
        if self.reloads_alone(ready) {
            return Poll::Ready(());
        }
        let is_late = self.agenda.peek().is_some_and(|Reverse((at, _, _))| *at <= self.clock);
        let own = self.own;
        if (std::mem::take(&mut self.ports[own].has_run) && is_late) || self.is_spinning() {
            return Poll::Pending;
        }
        for link in std::mem::take(&mut self.ports[own].accepts) {
            if self.fails(link, Operation::Accept).is_some() {
                self.refuse(link);
                continue;
            }
            let conn = self.ports[own].allocate((link, Side::Accepting));
            self.links[link].accepting.conn = Some(conn);
            let peer = self.links[link].peer;
            self.ports[own].readable.insert((link, Side::Accepting));
            ready.push(Ready::Accepted {
                conn,
                listener: ListenerId(0),
                service: self.links[link].service,
                peer,
            });
        }
        self.take_dialled(ready);
        for &(link, side) in &self.ports[own].readable {
            let conn = self.links[link].seat(side).and_then(|seat| seat.conn);
            if let Some(conn) = conn.filter(|_| self.is_readable(link, side)) {
                ready.push(Ready::Readable(conn));
            }
        }
        for (link, side) in std::mem::take(&mut self.ports[own].writable) {
            if let Some(seat) = self.links[link].seat_mut(side) {
                seat.is_full = false;
                ready.extend(seat.conn.map(Ready::Writable));
            }
        }
        if !self.ports[own].inbox.is_empty() {
            ready.push(Ready::Shards);
        }
        if self.ports[own].has_jobs() {
            ready.push(Ready::Jobs);
        }
        ready.extend(self.ports[own].configs.iter().map(|_| Ready::Config));
        if ready.len() > 1 {
            let turn = self.entropy.range(0..=ready.len() as u64 - 1) as usize;
            ready.rotate_left(turn);
            // A connection is accepted before anything else is known of it.
            ready.sort_by_key(|ready| {
                !matches!(ready, Ready::Accepted { .. } | Ready::Dialled { .. })
            });
        }
        if self.deadline_at(own).is_some_and(|at| at <= self.clock) {
            ready.push(Ready::Deadline);
        }
        if std::mem::take(&mut self.ports[own].shutdown) {
            ready.push(Ready::Shutdown);
        }
        if ready.is_empty() {
            return Poll::Pending;
        }
        self.ports[own].has_run = true;
        Poll::Ready(())
    }

    fn now(&mut self) -> Instant {
        self.clock += self.step;
        self.instant()
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        let Some((index, side)) = self.end_of(conn) else { return Ok(Read::Pending) };
        if let Some(failure) = self.fails(index, Operation::Read) {
            return Err(failure);
        }
        let clock = self.clock;
        let link = &mut self.links[index];
        if link.seat(side).is_some_and(|seat| seat.is_timed_out) {
            return Err(IoFailure::TimedOut);
        }
        let mut at = 0;
        let (pipe, _, entropy) = link.pipes(side);
        let arrival = pipe.read(clock, scratch.len(), entropy, |part| {
            scratch[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        });
        let is_roomy = pipe.is_roomy();
        match arrival {
            Arrival::Bytes(len) => {
                if side == Side::Accepting {
                    link.read += len as u64;
                }
                self.idle_turns = 0;
                let at = clock + link.profile.latency;
                if !is_roomy {
                    return Ok(Read::Bytes(len));
                }
                if std::mem::take(&mut link.client_waits) {
                    self.wake_client(index, at);
                } else if link.seat(side.other()).is_some_and(|seat| seat.is_full) {
                    self.schedule(at, Due::Writable(index, side.other()));
                }
                Ok(Read::Bytes(len))
            }
            Arrival::Pending(at) => {
                self.ports[self.own].readable.remove(&(index, side));
                if let Some(at) = at {
                    self.wake(index, side, at);
                }
                Ok(Read::Pending)
            }
            Arrival::End => Ok(Read::End),
            Arrival::Reset => Err(IoFailure::Reset),
        }
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        let Some((index, side)) = self.end_of(conn) else { return Err(IoFailure::Other) };
        if let Some(failure) = self.fails(index, Operation::Write) {
            return Err(failure);
        }
        let clock = self.clock;
        let link = &mut self.links[index];
        if link.seat(side).is_some_and(|seat| seat.is_timed_out) {
            return Err(IoFailure::TimedOut);
        }
        let is_reset = link.seat(side).is_some_and(|seat| seat.is_reset);
        let (input, out, entropy) = link.pipes(side);
        if is_reset && input.readable_at().is_none_or(|at| at <= clock) {
            return Err(IoFailure::Reset);
        }
        let offered: usize = slices.iter().map(|part| part.len()).sum();
        let len = out.accept_len(offered, entropy);
        let mut bytes = Vec::with_capacity(len);
        for part in slices {
            bytes.extend_from_slice(&part[..part.len().min(len - bytes.len())]);
        }
        let at = out.send(clock, Bytes::from(bytes), entropy);
        let is_whim = len < offered && out.room() > 0;
        if let Some(seat) = link.seat_mut(side) {
            seat.is_full |= len < offered;
        }
        self.idle_turns = 0;
        if len > 0 {
            self.wake(index, side.other(), at);
        }
        if is_whim {
            self.schedule(clock + 500, Due::Writable(index, side));
        }
        Ok(len)
    }

    fn receive_shard(&mut self) -> Option<(ShardId, ShardMessage)> {
        let said = self.ports[self.own].inbox.pop_front();
        if said.is_some() {
            self.idle_turns = 0;
        }
        said
    }

    fn receive_job_news(&mut self) -> Option<(JobId, JobNews)> {
        self.ports[self.own].goings_on.pop_front()
    }

    fn receive_job(&mut self) -> Option<(JobId, JobResult)> {
        self.ports[self.own].ended.pop_front()
    }

    fn receive_config(&mut self) -> Option<Arc<Config>> {
        self.take_config()
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Start { job, work } => {
                let key = (self.own, job);
                if matches!(work, Job::Run { .. }) {
                    let began = JobNews::Began { process: 1_000 + job.0 };
                    self.ports[self.own].goings_on.push_back((job, began));
                }
                let failure = self.failing.next(Operation::of(&work), self.clock);
                if let Some(after) = self.host.start(key, work, failure) {
                    self.schedule(self.clock + after, Due::Job(key.0, key.1));
                }
            }
            Output::Signal { job, signal } => {
                let key = (self.own, job);
                if let Some(after) = self.host.signal(key, signal) {
                    self.schedule(self.clock + after, Due::Job(key.0, key.1));
                }
            }
            Output::Shard { to, message } => {
                let way = (self.own, usize::from(to.0));
                let at = self.wires.send(self.clock, way, message, &mut self.entropy);
                self.schedule(at, Due::Said(way.0, way.1));
            }
            Output::SetReading { conn, enabled } => {
                if let Some((link, side)) = self.end_of(conn)
                    && let Some(seat) = self.links[link].seat_mut(side)
                {
                    seat.reads = enabled;
                }
            }
            Output::Close { conn } => self.close(conn),
            Output::Dial { dial, host, .. } => self.dial(dial, &host),
            Output::Abandon { dial } => self.abandon(dial),
            Output::Event(event) => {
                let link = conn_of(&event).and_then(|conn| self.link_of(conn));
                let is_full = link.is_some_and(|link| self.links[link].accepting.is_full);
                self.tell(event, link, is_full);
            }
            other => debug_assert!(false, "not known to this transport: {other:?}"),
        }
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.ports[self.own].deadline = deadline;
    }
}
