//! The actors' ends of links.

use super::link::Seat;
use super::{Due, Link, Side, SimTransport};
use crate::entropy::Entropy;
use crate::net::{Arrival, LinkProfile, Micros, Pipe};
use bytes::BytesMut;
use millstream_core::drive::Service;
use std::net::{Ipv4Addr, SocketAddr};

impl SimTransport {
    /// An actor connects to a server; gives the link.
    pub fn connect(
        &mut self,
        owner: usize,
        server: usize,
        service: Service,
        profile: LinkProfile,
        entropy: Entropy,
    ) -> usize {
        let host = Ipv4Addr::new(10, 0, (owner >> 8) as u8, owner as u8);
        let shard = self.draw_shard(server);
        let index = self.add_link(host, Some(shard), service, profile, entropy);
        self.links[index].owner = Some(owner);
        self.schedule(self.clock + profile.latency, Due::Accept(index));
        index
    }

    /// A new link to a shard, from `host`.
    pub(super) fn add_link(
        &mut self,
        host: Ipv4Addr,
        port: Option<usize>,
        service: Service,
        profile: LinkProfile,
        entropy: Entropy,
    ) -> usize {
        let index = self.links.len();
        let peer_port = 1_024 + (index % 60_000) as u16;
        self.links.push(Link {
            accepting: Seat::new(port),
            dialling: None,
            owner: None,
            read: 0,
            client_at: None,
            client_waits: false,
            down: Pipe::new(profile),
            entropy,
            peer: SocketAddr::from((host, peer_port)),
            profile,
            service,
            up: Pipe::new(profile),
        });
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
            self.wake(index, Side::Accepting, at);
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
            Arrival::Bytes(_) if link.accepting.is_full && link.down.is_roomy() => {
                self.schedule(clock + latency, Due::Writable(index, Side::Accepting));
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
        link.accepting.is_reset |= reset;
        self.wake(index, Side::Accepting, at);
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
        self.links[index].accepting.is_timed_out = true;
        self.wake(index, Side::Accepting, self.clock);
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
}
