//! The simulated network as a transport: the production loop runs over it unchanged.
//!
//! Readiness is what real transports give. Readable is told again until a read has found nothing.
//! Writable is told after a write that took less than it was offered. Nothing is told while reading
//! is off. All happens on the virtual clock, and every call of `now` costs a little of it.
#![expect(clippy::wildcard_enum_match_arm, reason = "what core adds is not known here")]

mod admin;
mod host;
mod link;
mod port;

pub use host::HostPlan;
pub use link::{Link, Told, conn_of};

use crate::entropy::Entropy;
use crate::net::{Arrival, LinkProfile, Micros, Pipe};
use admin::Admin;
use bytes::{Bytes, BytesMut};
use host::Host;
use millstream_core::config::Config;
use millstream_core::drive::{IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::id::{ConnId, JobId, ListenerId};
use millstream_core::job::{Job, JobNews, JobResult};
use millstream_core::shard::{ShardId, ShardMessage};
use millstream_core::time::{Deadline, Instant};
use port::{Port, Wires};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};
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
    /// A job of a shard ends.
    Job(usize, JobId),
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
    /// All links that ever were.
    pub links: Vec<Link>,
    admin: Admin,
    agenda: BinaryHeap<Reverse<(Micros, u64, Due)>>,
    clock: Micros,
    entropy: Entropy,
    epoch: Micros,
    host: Host,
    idle_turns: u32,
    /// The shard whose transport this is now.
    own: usize,
    ports: Vec<Port>,
    sequence: u64,
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
            links: Vec::new(),
            admin: Admin::default(),
            agenda: BinaryHeap::new(),
            clock: 0,
            entropy,
            epoch,
            host: Host::new(HostPlan::default(), Entropy::empty()),
            idle_turns: 0,
            own: 0,
            ports: vec![Port::new(order)],
            sequence: 0,
            step: step.max(1),
            wires: Wires::new(1, 0),
        }
    }

    /// The same with several shards; what one says to another takes up to `delay_max`.
    #[must_use]
    pub fn with_shards(mut self, count: usize, delay_max: Micros) -> Self {
        let order = self.ports[0].order;
        self.ports = (0..count).map(|_| Port::new(order)).collect();
        self.wires = Wires::new(count, delay_max);
        self
    }

    /// From now on this is the transport of shard `own`.
    pub const fn enter(&mut self, own: usize) {
        self.own = own;
    }

    /// A shard, drawn.
    pub fn draw_shard(&mut self) -> usize {
        self.entropy.range(0..=self.ports.len() as u64 - 1) as usize
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
                    let port = &mut self.ports[self.links[link].shard];
                    if port.is_gone {
                        self.refuse(link);
                    } else {
                        port.accepts.push(link);
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
                Due::Readable(link) => {
                    self.links[link].server_at = None;
                    if self.links[link].conn.is_some() {
                        self.ports[self.links[link].shard].readable.insert(link);
                    }
                }
                Due::Writable(link) => {
                    if self.links[link].is_full {
                        self.ports[self.links[link].shard].writable.insert(link);
                    }
                }
                Due::Client(link) => {
                    self.links[link].client_at = None;
                    return Some(due);
                }
                Due::Job(shard, job) => {
                    let ended = self.host.end((shard, job));
                    let port = &mut self.ports[shard];
                    port.ended.extend(ended.map(|result| (job, result)));
                }
                Due::Config(shard, config) => {
                    let port = &mut self.ports[shard];
                    port.configs.extend(Some(config).filter(|_| !port.is_gone));
                }
                Due::Actor(..) | Due::Fault(_) | Due::Check | Due::Shutdown => return Some(due),
            }
        }
    }

    /// An actor connects; gives the link.
    pub fn connect(
        &mut self,
        owner: usize,
        service: Service,
        profile: LinkProfile,
        entropy: Entropy,
    ) -> usize {
        let index = self.links.len();
        let host = Ipv4Addr::new(10, 0, (owner >> 8) as u8, owner as u8);
        let port = 1_024 + (index % 60_000) as u16;
        let shard = self.draw_shard();
        self.links.push(Link {
            owner,
            conn: None,
            is_closed: false,
            is_full: false,
            read: 0,
            shard,
            client_at: None,
            client_waits: false,
            down: Pipe::new(profile),
            entropy,
            is_reset: false,
            is_timed_out: false,
            peer: SocketAddr::from((host, port)),
            profile,
            reads: true,
            service,
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

    /// Nothing arrives on a link any more, and the network of the server gives it up.
    pub fn time_out(&mut self, index: usize) {
        self.silence(index);
        self.links[index].is_timed_out = true;
        self.wake_server(index, self.clock);
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
        for port in &mut self.ports {
            port.shutdown = true;
        }
    }

    /// A shard is gone: who connects to it finds nobody.
    pub fn end_shard(&mut self, shard: usize) {
        let port = &mut self.ports[shard];
        port.is_gone = true;
        port.deadline = None;
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
        link.is_closed = true;
        let at = link.down.end(clock, true);
        self.wake_client(index, at);
    }

    /// The link of a connection of the shard whose transport this is now.
    #[must_use]
    pub fn link_of(&self, conn: ConnId) -> Option<usize> {
        self.ports[self.own].link_of(conn)
    }

    fn has_ready(&self, shard: usize) -> bool {
        let port = &self.ports[shard];
        !port.accepts.is_empty()
            || !port.writable.is_empty()
            || port.shutdown
            || !port.inbox.is_empty()
            || port.has_jobs()
            || !port.configs.is_empty()
            || port.readable.iter().any(|&link| self.is_readable(link))
    }

    fn is_readable(&self, index: usize) -> bool {
        let link = &self.links[index];
        link.reads && link.conn.is_some()
    }

    fn close(&mut self, conn: ConnId) {
        let Some(index) = self.ports[self.own].free(conn) else { return };
        let clock = self.clock;
        let link = &mut self.links[index];
        link.is_closed = true;
        link.conn = None;
        link.is_full = false;
        let at = link.down.end(clock, false);
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
        if self.reloads_alone(ready) {
            return Poll::Ready(());
        }
        let is_late = self.agenda.peek().is_some_and(|Reverse((at, _, _))| *at <= self.clock);
        let own = self.own;
        if (std::mem::take(&mut self.ports[own].has_run) && is_late) || self.is_spinning() {
            return Poll::Pending;
        }
        for link in std::mem::take(&mut self.ports[own].accepts) {
            let conn = self.ports[own].allocate(link);
            self.links[link].conn = Some(conn);
            let peer = self.links[link].peer;
            self.ports[own].readable.insert(link);
            ready.push(Ready::Accepted {
                conn,
                listener: ListenerId(0),
                service: self.links[link].service,
                peer,
            });
        }
        for &link in &self.ports[own].readable {
            if let Some(conn) = self.links[link].conn.filter(|_| self.is_readable(link)) {
                ready.push(Ready::Readable(conn));
            }
        }
        for link in std::mem::take(&mut self.ports[own].writable) {
            self.links[link].is_full = false;
            ready.extend(self.links[link].conn.map(Ready::Writable));
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
            ready.sort_by_key(|ready| !matches!(ready, Ready::Accepted { .. }));
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
        let Some(index) = self.link_of(conn) else { return Ok(Read::Pending) };
        let clock = self.clock;
        let link = &mut self.links[index];
        if link.is_timed_out {
            return Err(IoFailure::TimedOut);
        }
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
                self.ports[self.own].readable.remove(&index);
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
        if link.is_timed_out {
            return Err(IoFailure::TimedOut);
        }
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
                if let Some(after) = self.host.start(key, work) {
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
                if let Some(link) = self.link_of(conn) {
                    self.links[link].reads = enabled;
                }
            }
            Output::Close { conn } => self.close(conn),
            Output::Event(event) => {
                let link = conn_of(&event).and_then(|conn| self.link_of(conn));
                let is_full = link.is_some_and(|link| self.links[link].is_full);
                self.tell(event, link, is_full);
            }
            other => debug_assert!(false, "not known to this transport: {other:?}"),
        }
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.ports[self.own].deadline = deadline;
    }
}
