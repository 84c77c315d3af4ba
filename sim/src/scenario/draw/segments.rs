//! Players of segments.

use super::{MS, Swarm, player};
use crate::entropy::Entropy;
use crate::scenario::{ActorPlan, Role, Scenario, SegmentsPlan};

/// Adds them to some scenarios.
pub(super) fn draw(entropy: &mut Entropy, swarm: &Swarm, streams: u32, scenario: &mut Scenario) {
    if !entropy.one_in(3) {
        return;
    }
    scenario.server.hls = true;
    for actor in &mut scenario.actors {
        if let Role::Publish(media) = &mut actor.role {
            media.muxable = true;
        }
    }
    for _ in 0..=entropy.range(0..=2) {
        let every = entropy.choose(&[1_000, 300, 3_000]) * MS;
        let nonsense_one_in = entropy.choose(&[0, 0, 3]);
        let stream = entropy.range(0..=u64::from(streams) - 1) as u32;
        let start = entropy.range(0..=scenario.duration / 2);
        let role = Role::Segments(SegmentsPlan { every, nonsense_one_in });
        let plan = player(entropy, swarm, stream, start);
        scenario.actors.push(ActorPlan { role, ..plan });
    }
}
