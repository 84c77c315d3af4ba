//! Further servers: where streams are forwarded to, who plays there, and what breaks between them.

use super::{MS, SECOND, Swarm, draw_link, player};
use crate::entropy::Entropy;
use crate::scenario::{ActorPlan, PeerKind, PeerPlan, Scenario, ServerFault, ServerFaultKind};

/// Adds them to some scenarios; `streams` are published.
pub(super) fn draw(entropy: &mut Entropy, swarm: &Swarm, streams: u32, scenario: &mut Scenario) {
    if !entropy.one_in(3) {
        return;
    }
    for index in 0..=entropy.range(0..=2) as u32 {
        let kind = entropy.choose(&[
            PeerKind::Server,
            PeerKind::Server,
            PeerKind::Server,
            PeerKind::Server,
            PeerKind::Refuse,
            PeerKind::BlackHole,
            PeerKind::Mute,
        ]);
        // The one before it, in a chain, or the one under test.
        let from = if entropy.one_in(2) { index } else { 0 };
        let (returns, link) = (entropy.one_in(6), draw_link(entropy, swarm));
        scenario.peers.push(PeerPlan { kind, from, returns, link });
    }
    for server in 1..=scenario.peers.len() {
        if scenario.way_to(server).is_none() {
            continue;
        }
        for _ in 0..=entropy.range(0..=1) {
            let stream = entropy.range(0..=u64::from(streams) - 1) as u32;
            let start = entropy.range(0..=scenario.duration / 2);
            let plan = player(entropy, swarm, stream, start);
            scenario.actors.push(ActorPlan { server: server as u32, ..plan });
        }
    }
    draw_faults(entropy, scenario);
}

fn draw_faults(entropy: &mut Entropy, scenario: &mut Scenario) {
    let kinds = [
        ServerFaultKind::Part(0),
        ServerFaultKind::Reset,
        ServerFaultKind::Vanish,
        ServerFaultKind::Restart(0),
    ];
    let kinds: Vec<_> = kinds.into_iter().filter(|_| entropy.one_in(2)).collect();
    if kinds.is_empty() {
        return;
    }
    let duration = scenario.duration;
    for _ in 0..entropy.range(0..=4) {
        let at = entropy.range(0..=duration - SECOND);
        let lasts = (entropy.range(10..=9_000) * MS).min(duration - at);
        let kind = match entropy.choose(&kinds) {
            ServerFaultKind::Part(_) => ServerFaultKind::Part(lasts),
            ServerFaultKind::Restart(_) => ServerFaultKind::Restart(lasts / 3),
            kind @ (ServerFaultKind::Reset | ServerFaultKind::Vanish) => kind,
        };
        let server = entropy.range(0..=scenario.peers.len() as u64) as u32;
        scenario.server_faults.push(ServerFault { at, server, kind });
    }
    scenario.server_faults.sort_by_key(|fault| fault.at);
}
