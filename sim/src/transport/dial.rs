//! Servers that connect to each other: attempts and their answers, and what breaks between servers.

use super::link::Seat;
use super::port::Port;
use super::{Due, Operation, Side, SimTransport};
use crate::entropy::Entropy;
use crate::net::{LinkProfile, Micros};
use crate::scenario::{PeerKind, PeerPlan};
use millstream_core::drive::{IoFailure, Ready, Service};
use millstream_core::id::DialId;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// The port of RTMP.
const RTMP_PORT: u16 = 1935;

/// How long a network waits for a peer that is silent, as `TCP_USER_TIMEOUT` says.
const PATIENCE: Micros = 6_000_000;

/// The servers that can be forwarded to, and attempts to connect that have no answer yet.
#[derive(Debug)]
pub(super) struct Peers {
    /// Attempts, and whereto: the index of a server.
    attempts: BTreeMap<(usize, DialId), usize>,
    /// Nothing passes between a server and the others before this time.
    cut_until: Vec<Micros>,
    entropy: Entropy,
    plans: Vec<PeerPlan>,
}

impl Default for Peers {
    fn default() -> Self {
        let entropy = Entropy::empty();
        Self { attempts: BTreeMap::new(), cut_until: vec![0], entropy, plans: Vec::new() }
    }
}

/// What a server is called by those that forward to it; 0 is the one under test.
#[must_use]
pub fn host_name(server: usize) -> String {
    format!("server-{server}")
}

impl SimTransport {
    /// The same with further servers, of one shard each.
    #[must_use]
    pub fn with_peers(mut self, plans: &[PeerPlan], entropy: Entropy) -> Self {
        let order = self.ports[0].order;
        self.ports.extend(plans.iter().map(|_| Port::new(order)));
        let cut_until = vec![0; plans.len() + 1];
        self.peers = Peers { cut_until, entropy, plans: plans.to_vec(), ..Peers::default() };
        self
    }

    /// Attempts to connect that have no answer yet.
    #[must_use]
    pub fn dials(&self) -> usize {
        self.peers.attempts.len()
    }

    /// Connections between servers that one of them holds.
    #[must_use]
    pub fn dialled(&self) -> usize {
        let is_held = |link: &&super::Link| link.is_held(Side::Dialling);
        self.links.iter().filter(is_held).count()
    }

    /// Nothing passes between a server and the others for a while.
    pub fn part(&mut self, server: usize, until: Micros) {
        if let Some(cut) = self.peers.cut_until.get_mut(server) {
            *cut = until.max(*cut);
        }
        for link in self.links_between(server) {
            self.stall(link, until);
        }
    }

    /// All connections between a server and the others are reset, with what is on its way.
    pub fn reset_links(&mut self, server: usize) {
        for index in self.links_between(server) {
            for side in [Side::Accepting, Side::Dialling] {
                self.reset_from(index, side);
            }
        }
    }

    /// Nothing arrives on these connections any more, until the networks at both ends give up.
    pub fn silence_links(&mut self, server: usize) {
        for index in self.links_between(server) {
            self.silence(index);
            self.schedule(self.clock + PATIENCE, Due::Lost(index));
        }
    }

    pub(super) fn lose(&mut self, index: usize) {
        for side in [Side::Accepting, Side::Dialling] {
            if let Some(seat) = self.links[index].seat_mut(side) {
                seat.is_timed_out = true;
                self.wake(index, side, self.clock);
            }
        }
    }

    /// A server is killed: those who are connected to it get a reset. Gives the links of its clients.
    pub fn kill(&mut self, server: usize) -> Vec<usize> {
        let mut clients = Vec::new();
        let ports: Vec<usize> =
            (0..self.ports.len()).filter(|port| self.server_of(*port) == server).collect();
        let is_own = |port: Option<usize>| port.is_some_and(|port| ports.contains(&port));
        for index in 0..self.links.len() {
            for side in [Side::Accepting, Side::Dialling] {
                let Some(seat) = self.links[index].seat(side) else { continue };
                let waits = side == Side::Accepting && seat.conn.is_none();
                if seat.is_closed || waits || !is_own(seat.port) {
                    continue;
                }
                if side == Side::Accepting {
                    clients.push(index);
                }
                self.reset_from(index, side);
                if let Some(seat) = self.links[index].seat_mut(side) {
                    seat.conn = None;
                    seat.is_closed = true;
                    seat.is_full = false;
                }
            }
        }
        for &port in &ports {
            self.end_shard(port);
            let order = self.ports[port].order;
            self.ports[port] = Port::new(order);
            self.ports[port].is_gone = true;
            self.host.forget(port);
        }
        self.peers.attempts.retain(|(port, _), _| !ports.contains(port));
        if server == 0 {
            self.wires.clear();
        }
        let is_of_it = |due: Due| matches!(due, Due::Job(port, _) if ports.contains(&port));
        self.agenda.retain(|Reverse((_, _, due))| !is_of_it(*due));
        clients
    }

    /// A server was killed, or has ended.
    #[must_use]
    pub fn is_down(&self, server: usize) -> bool {
        let mut ports = (0..self.ports.len()).filter(|port| self.server_of(*port) == server);
        ports.any(|port| self.ports[port].is_gone)
    }

    /// A server that was killed is there again.
    pub fn revive(&mut self, server: usize) {
        for port in 0..self.ports.len() {
            if self.server_of(port) == server {
                self.ports[port].is_gone = false;
            }
        }
    }

    /// A server wants to connect to another one.
    pub(super) fn dial(&mut self, dial: DialId, host: &str) {
        let own = self.own;
        let servers = 0..=self.peers.plans.len();
        let to = servers.clone().find(|server| host_name(*server) == host);
        let to = to.unwrap_or(usize::MAX);
        self.dialled_count += 1;
        self.peers.attempts.insert((own, dial), to);
        if self.kind(to) != Some(PeerKind::BlackHole) {
            let at = self.clock + 2 * self.way(to).latency;
            self.schedule(at, Due::Dialled(own, dial));
        }
    }

    pub(super) fn abandon(&mut self, dial: DialId) {
        self.peers.attempts.remove(&(self.own, dial));
    }

    /// An attempt is answered, unless it was given up or the way is cut; true when there is a new
    /// link.
    pub(super) fn answer_dial(&mut self, port: usize, dial: DialId) -> bool {
        let Some(&to) = self.peers.attempts.get(&(port, dial)) else { return false };
        let ends = [self.server_of(port), to];
        let cut = ends.iter().filter_map(|server| self.peers.cut_until.get(*server)).max();
        if let Some(&cut) = cut.filter(|cut| **cut > self.clock) {
            self.schedule(cut, Due::Dialled(port, dial));
            return false;
        }
        self.peers.attempts.remove(&(port, dial));
        let failure = self.failing.next(Operation::Dial, self.clock);
        let outcome = match (failure, self.kind(to)) {
            (Some(failure), _) => Err(failure),
            (None, Some(PeerKind::Server)) => {
                let shard = self.draw_shard(to);
                let is_gone = self.ports[shard].is_gone;
                if is_gone { Err(IoFailure::Refused) } else { Ok(Some(shard)) }
            }
            (None, Some(PeerKind::Mute)) => Ok(None),
            (None, Some(PeerKind::Refuse | PeerKind::BlackHole) | None) => Err(IoFailure::Refused),
        };
        let outcome = outcome.map(|shard| self.link_servers(port, to, shard));
        let is_made = outcome.is_ok();
        self.ports[port].dialled.push((dial, outcome));
        is_made
    }

    /// What became of attempts of the shard whose transport this is now.
    pub(super) fn take_dialled(&mut self, ready: &mut Vec<Ready>) {
        let own = self.own;
        for (dial, outcome) in std::mem::take(&mut self.ports[own].dialled) {
            ready.push(match outcome {
                Ok(link) => {
                    let conn = self.ports[own].allocate((link, Side::Dialling));
                    if let Some(seat) = &mut self.links[link].dialling {
                        seat.conn = Some(conn);
                    }
                    self.ports[own].readable.insert((link, Side::Dialling));
                    let peer = SocketAddr::from((Ipv4Addr::new(10, 9, 9, 9), RTMP_PORT));
                    Ready::Dialled { dial, conn, peer }
                }
                Err(failure) => Ready::DialFailed { dial, failure },
            });
        }
    }

    fn link_servers(&mut self, from: usize, to: usize, shard: Option<usize>) -> usize {
        let salt = self.peers.entropy.range(0..=u64::from(u32::MAX));
        let len = if self.peers.entropy.is_empty() { 0 } else { 1 << 18 };
        let entropy = Entropy::from_seed(salt, len);
        let host = Ipv4Addr::new(10, 9, 0, self.server_of(from) as u8);
        let index = self.add_link(host, shard, Service::Rtmp, self.way(to), entropy);
        self.links[index].dialling = Some(Seat::new(Some(from)));
        if shard.is_some() {
            self.schedule(self.clock, Due::Accept(index));
        }
        index
    }

    fn kind(&self, server: usize) -> Option<PeerKind> {
        match server.checked_sub(1) {
            None => Some(PeerKind::Server),
            Some(peer) => self.peers.plans.get(peer).map(|plan| plan.kind),
        }
    }

    /// The way to a server.
    fn way(&self, server: usize) -> LinkProfile {
        let plan = server.checked_sub(1).and_then(|peer| self.peers.plans.get(peer));
        plan.map(|plan| plan.link).unwrap_or_default()
    }

    /// Links between a server and the others that are in use.
    fn links_between(&self, server: usize) -> Vec<usize> {
        let is_at = |seat: Option<&Seat>| {
            let port = seat.filter(|seat| !seat.is_closed).and_then(|seat| seat.port);
            port.is_some_and(|port| self.server_of(port) == server)
        };
        let links = self.links.iter().enumerate().filter(|(_, link)| {
            link.dialling.is_some()
                && [Side::Accepting, Side::Dialling].iter().any(|side| is_at(link.seat(*side)))
        });
        links.map(|(index, _)| index).collect()
    }

    /// One end resets a link.
    fn reset_from(&mut self, index: usize, side: Side) {
        let clock = self.clock;
        let link = &mut self.links[index];
        let (_, out, _) = link.pipes(side);
        let at = out.end(clock, true);
        if let Some(seat) = link.seat_mut(side.other()) {
            seat.is_reset = true;
        }
        self.wake(index, side.other(), at);
    }
}
