//! Makes a failing scenario smaller, as long as it fails.

use super::reload::DIRECTIVES;
use super::{ActorPlan, MediaPlan, OwnVhost, PlayPlan, Reload, Role, Scenario, ServerPlan};
use crate::net::LinkProfile;

/// The smallest scenario found for which `fails` holds, with at most `tries` calls of it.
///
/// First what is large goes: entropy, actors, faults. Then each plan becomes as usual, field by
/// field, and times are halved. All is tried again until nothing helps.
pub fn shrink(
    scenario: &Scenario,
    tries: usize,
    mut fails: impl FnMut(&Scenario) -> bool,
) -> Scenario {
    let mut smallest = scenario.clone();
    let mut left = tries;
    loop {
        let before = smallest.clone();
        for index in 0.. {
            let Some(candidate) = candidate(&smallest, index) else { break };
            if candidate == smallest {
                continue;
            }
            if left == 0 {
                return smallest;
            }
            left -= 1;
            if fails(&candidate) {
                smallest = candidate;
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

type Step = fn(&mut Scenario);
type ActorStep = fn(&mut ActorPlan);

const STEPS: [Step; 37] = [
    |scenario| scenario.entropy_len = 0,
    |scenario| scenario.entropy_len /= 16,
    |scenario| scenario.entropy_len /= 2,
    |scenario| scenario.faults.clear(),
    |scenario| scenario.shutdown = None,
    |scenario| scenario.server = ServerPlan::default(),
    |scenario| scenario.server.step = 5,
    |scenario| scenario.server.chunk_size = 60_000,
    |scenario| scenario.server.gop_cache = true,
    |scenario| scenario.server.gop_bytes_max = 16 << 20,
    |scenario| scenario.server.grace = 4_000_000,
    |scenario| scenario.server.play_wait = 6_000_000,
    |scenario| scenario.server.idle = 5_000_000,
    |scenario| scenario.server.lag_bytes_max = 8 << 20,
    |scenario| scenario.server.lag_max = 10_000_000,
    |scenario| scenario.server.takeover = false,
    |scenario| scenario.server.send_delay = None,
    |scenario| scenario.server.jitter = ServerPlan::default().jitter,
    |scenario| scenario.server.shards = 1,
    |scenario| scenario.server.shards = (scenario.server.shards - 1).max(1),
    |scenario| scenario.server.shard_delay = 1_000,
    |scenario| scenario.server.engines /= 2,
    |scenario| scenario.server.hls = false,
    |scenario| scenario.server.failing_one_in = 0,
    |scenario| scenario.server.stubborn_one_in = 0,
    |scenario| scenario.server.hls_fragment = 1_000_000,
    |scenario| scenario.server.hls_window = 5_000_000,
    |scenario| scenario.server.own_vhost = OwnVhost::Absent,
    |scenario| scenario.reloads.clear(),
    |scenario| scenario.duration /= 2,
    |scenario| scenario.duration = scenario.duration / 4 * 3,
    |scenario| {
        scenario.peers.clear();
        scenario.server_faults.clear();
        scenario.actors.iter_mut().for_each(|actor| actor.server = 0);
    },
    |scenario| scenario.peers.iter_mut().for_each(|peer| peer.link = LinkProfile::default()),
    |scenario| scenario.peers.iter_mut().for_each(|peer| peer.returns = false),
    |scenario| scenario.failing = None,
    |scenario| scenario.seed = 0,
    |scenario| scenario.seed /= 2,
];

const ACTOR_STEPS: [ActorStep; 38] = [
    |actor| actor.link = LinkProfile::default(),
    |actor| actor.link.latency = 1_000,
    |actor| actor.link.jitter = 0,
    |actor| actor.link.rate = 0,
    |actor| actor.link.capacity = 256 << 10,
    |actor| actor.link.segment_len_max = 0,
    |actor| actor.link.short_write_one_in = 0,
    |actor| actor.link.short_read_one_in = 0,
    |actor| actor.chunk_size = 60_000,
    |actor| actor.start = 0,
    |actor| actor.start /= 2,
    |actor| actor.stay = 0,
    |actor| actor.stay /= 2,
    |actor| actor.again = 0,
    |actor| actor.again = 1_000_000,
    |actor| actor.stream = actor.stream.min(1),
    |actor| media(actor, |media| *media = MediaPlan::default()),
    |actor| media(actor, |media| media.start = 0),
    |actor| media(actor, |media| media.video_ms = media.video_ms.max(100)),
    |actor| media(actor, |media| media.audio_ms = 0),
    |actor| media(actor, |media| media.gop_max = media.gop_min),
    |actor| media(actor, |media| media.gop_min = 1),
    |actor| media(actor, |media| media.len_max = 300),
    |actor| media(actor, |media| media.len_max /= 2),
    |actor| media(actor, |media| media.lead = 0),
    |actor| media(actor, |media| media.tick_ms = 0),
    |actor| media(actor, |media| media.jump_every = 0),
    |actor| media(actor, |media| media.repeat_every = 0),
    |actor| media(actor, |media| media.change_every = 0),
    |actor| media(actor, |media| media.muxable = false),
    |actor| {
        if let Role::Segments(plan) = &mut actor.role {
            plan.nonsense_one_in = 0;
        }
    },
    |actor| play(actor, |play| *play = PlayPlan::default()),
    |actor| play(actor, |play| play.rate = 0),
    |actor| play(actor, |play| play.ask_every = 0),
    |actor| play(actor, |play| play.switch_every = 0),
    |actor| play(actor, |play| play.pause_after = 0),
    |actor| play(actor, |play| play.pause_after /= 2),
    |actor| play(actor, |play| play.pause_for /= 2),
];

/// Times of a reload; what it changes becomes as it was before it, directive by directive.
const RELOAD_STEPS: [fn(&mut Reload); 3] =
    [|reload| reload.spread = 0, |reload| reload.at /= 2, |reload| reload.at = reload.at / 4 * 3];

fn media(actor: &mut ActorPlan, step: fn(&mut MediaPlan)) {
    if let Role::Publish(plan) = &mut actor.role {
        step(plan);
    }
}

fn play(actor: &mut ActorPlan, step: fn(&mut PlayPlan)) {
    if let Role::Play(plan) = &mut actor.role {
        step(plan);
    }
}

/// Without a peer, those who play there, and what breaks there.
fn without_peer(mut scenario: Scenario, index: usize) -> Scenario {
    let server = index as u32 + 1;
    scenario.peers.remove(index);
    let moved = |other: u32| other - u32::from(other > server);
    for peer in &mut scenario.peers {
        peer.from = if peer.from == server { 0 } else { moved(peer.from) };
    }
    scenario.server_faults.retain(|fault| fault.server != server);
    scenario.server_faults.iter_mut().for_each(|fault| fault.server = moved(fault.server));
    for actor in &mut scenario.actors {
        actor.server = if actor.server == server { 0 } else { moved(actor.server) };
    }
    scenario
}

/// The candidate number `index`: without an actor, a fault or a reload, or with one step taken.
fn candidate(scenario: &Scenario, index: usize) -> Option<Scenario> {
    let (actors, faults) = (scenario.actors.len(), scenario.faults.len());
    let mut candidate = scenario.clone();
    if index < scenario.server_faults.len() {
        candidate.server_faults.remove(index);
        return Some(candidate);
    }
    let index = index - scenario.server_faults.len();
    if index < scenario.peers.len() {
        return Some(without_peer(candidate, index));
    }
    let index = index - scenario.peers.len();
    if let Some(index) = index.checked_sub(actors + faults) {
        if let Some(step) = STEPS.get(index) {
            step(&mut candidate);
            agree_on_machine(&mut candidate);
            return Some(candidate);
        }
        let index = index - STEPS.len();
        if let Some(index) = index.checked_sub(actors * ACTOR_STEPS.len()) {
            return without_reload(candidate, index);
        }
        let actor = candidate.actors.get_mut(index / ACTOR_STEPS.len())?;
        ACTOR_STEPS[index % ACTOR_STEPS.len()](actor);
        return Some(candidate);
    }
    if index < actors {
        candidate.actors.remove(index);
        candidate.faults.retain(|fault| fault.actor != index);
        for fault in &mut candidate.faults {
            fault.actor -= usize::from(fault.actor > index);
        }
    } else {
        candidate.faults.remove(index - actors);
    }
    Some(candidate)
}

/// The candidate number `index` of those that are about reloads.
fn without_reload(mut candidate: Scenario, index: usize) -> Option<Scenario> {
    let choices = 1 + RELOAD_STEPS.len() + DIRECTIVES.len();
    let (which, choice) = (index / choices, index % choices);
    let before = *candidate.plans().nth(which)?;
    let reload = candidate.reloads.get_mut(which)?;
    match choice.checked_sub(1) {
        None => {
            candidate.reloads.remove(which);
        }
        Some(step) => match RELOAD_STEPS.get(step) {
            Some(step) => step(reload),
            None => DIRECTIVES[step - RELOAD_STEPS.len()](&mut reload.plan, &before),
        },
    }
    candidate.reloads.sort_by_key(|reload| reload.at);
    Some(candidate)
}

/// Reloads say nothing of the machine.
fn agree_on_machine(scenario: &mut Scenario) {
    for reload in &mut scenario.reloads {
        let wanted = std::mem::replace(&mut reload.plan, scenario.server);
        for directive in DIRECTIVES {
            directive(&mut reload.plan, &wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn only_what_is_needed_to_fail_is_left() {
        let fails = |scenario: &Scenario| {
            let slow = |actor: &ActorPlan| matches!(actor.role, Role::Play(plan) if plan.rate > 0);
            scenario.actors.iter().any(slow) && scenario.server.takeover
        };
        let seed = (0..).find(|&seed| fails(&Scenario::from_seed(seed))).unwrap();
        let small = shrink(&Scenario::from_seed(seed), 10_000, fails);
        assert_eq!(small.actors.len(), 1);
        assert_eq!(small.faults, []);
        let server = ServerPlan { takeover: true, ..ServerPlan::default() };
        assert_eq!((small.server, small.entropy_len, small.duration), (server, 0, 0));
    }
}
