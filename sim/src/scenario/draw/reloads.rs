//! What the operator changes, and when.

use super::{SECOND, draw_server};
use crate::entropy::Entropy;
use crate::scenario::ServerPlan;
use crate::scenario::reload::{DIRECTIVES, Directive, OwnVhost, Pages, Reload};

/// Reloads of one run, in the order in which they are asked for; none in half of the runs.
pub(super) fn draw_reloads(
    entropy: &mut Entropy,
    server: &ServerPlan,
    duration: u64,
    tame: impl Fn(&mut ServerPlan),
) -> Vec<Reload> {
    if !entropy.one_in(2) {
        return Vec::new();
    }
    // Few directives in most runs: what one does is not to hide what another does.
    let rarity = entropy.choose(&[4, 1, 2, 10]);
    let changing: Vec<Directive> =
        DIRECTIVES.into_iter().filter(|_| entropy.one_in(rarity)).collect();
    let spread = entropy.choose(&[0, 5_000, 100_000, 2 * SECOND]);
    let count = entropy.range(1..=6);
    let mut times: Vec<u64> = (0..count).map(|_| entropy.range(0..=duration)).collect();
    if entropy.one_in(4) {
        // One after the other.
        let first = times[0];
        times = (0..count).map(|index| first + index * 300).collect();
    }
    times.sort_unstable();
    let mut plan = *server;
    let mut reloads = Vec::new();
    for at in times {
        // The same again is a change too.
        if !entropy.one_in(5) {
            let other = draw_plan(entropy);
            for directive in changing.iter().filter(|_| entropy.one_in(2)) {
                directive(&mut plan, &other);
            }
            tame(&mut plan);
        }
        reloads.push(Reload { at, spread, plan });
    }
    // In the end all may come, in most runs: else nothing would be left to look at.
    if !entropy.one_in(4)
        && let Some(Reload { plan, .. }) = reloads.last_mut()
    {
        plan.pages = Pages::default();
        plan.connections_max = 0;
        if plan.own_vhost == OwnVhost::Disabled {
            plan.own_vhost = OwnVhost::Served;
        }
    }
    reloads
}

fn draw_plan(entropy: &mut Entropy) -> ServerPlan {
    let is_rule = |entropy: &mut Entropy| entropy.one_in(3);
    let plan = draw_server(entropy);
    let pages = Pages { all: is_rule(entropy), play: is_rule(entropy), publish: is_rule(entropy) };
    let connections_max = entropy.choose(&[0, 2, 4, 1]);
    let own_vhost = entropy.choose(&[OwnVhost::Served, OwnVhost::Absent, OwnVhost::Disabled]);
    ServerPlan { connections_max, own_vhost, pages, ..plan }
}
