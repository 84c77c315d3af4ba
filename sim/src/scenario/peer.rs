//! Servers that streams are forwarded to, and what breaks between servers.

use super::{Scenario, ServerPlan};
use crate::net::{LinkProfile, Micros};
use crate::transport::host_name;
use millstream_core::config::{Config, Forward};
use std::sync::Arc;
use std::time::Duration;

/// A destination of forwards. Servers are counted from 0, which is the one under test; so the first
/// of these is 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerPlan {
    /// What is found there.
    pub kind: PeerKind,
    /// The server that forwards to it.
    pub from: u32,
    /// It forwards back to the server under test: a loop.
    pub returns: bool,
    /// The way to it.
    pub link: LinkProfile,
}

/// What is found at a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerKind {
    /// Another server like the one under test.
    Server,
    /// Nobody listens.
    Refuse,
    /// Nothing answers.
    BlackHole,
    /// It accepts, and says nothing.
    Mute,
}

/// Something that breaks of a server, or between it and the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerFault {
    /// When.
    pub at: Micros,
    /// Which server.
    pub server: u32,
    /// How.
    pub kind: ServerFaultKind,
}

/// How it breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerFaultKind {
    /// Nothing passes between it and the other servers for a while.
    Part(Micros),
    /// Its connections with other servers are reset, and what is on its way is lost.
    Reset,
    /// Nothing passes on its connections with other servers any more, and nobody is told until the
    /// networks give up.
    Vanish,
    /// It is killed, and started again after a while.
    Restart(Micros),
}

impl Default for PeerPlan {
    fn default() -> Self {
        let link = LinkProfile::default();
        Self { kind: PeerKind::Server, from: 0, returns: false, link }
    }
}

impl Scenario {
    /// The configuration of a server.
    #[must_use]
    pub fn config(&self, server: usize) -> Config {
        let plan = match server {
            0 => self.server,
            _ => ServerPlan { engines: 0, hls: false, shards: 1, ..self.server },
        };
        self.config_of(&plan, server)
    }

    /// Adds where a server forwards to.
    pub(super) fn add_forwards(&self, config: &mut Config, server: usize) {
        if self.peers.is_empty() {
            return;
        }
        let of_it = self.peers.iter().enumerate().filter(|(_, peer)| peer.from as usize == server);
        let mut hosts: Vec<String> = of_it.map(|(index, _)| host_name(index + 1)).collect();
        let own = server.checked_sub(1).and_then(|index| self.peers.get(index));
        if own.is_some_and(|own| own.returns) {
            hosts.push(host_name(0));
        }
        let forwards: Vec<Forward> =
            hosts.iter().filter_map(|host| Forward::parse(host).ok()).collect();
        for vhost in config.vhosts.values_mut() {
            Arc::make_mut(vhost).forwards = Vec::clone(&forwards);
        }
        let limits = &mut config.limits;
        // Shorter than usual, so that all works again soon after the faults.
        limits.forward_retry_max = Duration::from_secs(8);
        limits.forward_retry_loop = Duration::from_secs(10);
        limits.forward_stable_after = Duration::from_secs(3);
    }

    /// The servers on the way from the one under test to `server`, itself included, it not;
    /// `None` when there is no way.
    #[must_use]
    pub fn way_to(&self, server: usize) -> Option<Vec<usize>> {
        let mut way = Vec::new();
        let mut at = server;
        while at > 0 {
            let plan = self.peers.get(at - 1)?;
            if plan.kind != PeerKind::Server || way.contains(&at) {
                return None;
            }
            way.push(at);
            at = plan.from as usize;
        }
        Some(way)
    }
}
