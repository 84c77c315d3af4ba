//! Past failures, kept for ever, and runs that are too long or too large to be drawn.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use millstream_sim::command::run_twins;
use millstream_sim::net::LinkProfile;
use millstream_sim::scenario::{ActorPlan, MediaPlan, PlayPlan, Role, Scenario, read};
use millstream_sim::trace::Detail;
use millstream_sim::world::{Origin, run};
use std::time::Instant;

#[test]
fn past_failures_stay_away() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scenario = read(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let failure = run_twins(&scenario).failure;
        assert!(failure.is_none(), "millstream sim run {}: {failure:?}", path.display());
        count += 1;
    }
    assert!(count > 0, "the folder is there");
}

fn actor(role: Role, start: u64) -> ActorPlan {
    let link = LinkProfile::default();
    ActorPlan { role, start, again: 1_000_000, link, ..ActorPlan::default() }
}

fn scenario(duration: u64, actors: Vec<ActorPlan>) -> Scenario {
    Scenario { seed: 1, entropy_len: 1 << 30, duration, actors, ..Scenario::default() }
}

/// Crosses 2^24, 2^31 and 2^32 ms; each frame's time is checked to the millisecond.
#[test]
fn fifty_days_go_by_without_drift() {
    const DAY: u64 = 86_400_000_000;
    let media = MediaPlan {
        video_ms: 14_000,
        audio_ms: 20_000,
        gop_min: 1,
        gop_max: 1,
        ..MediaPlan::default()
    };
    let mut plan = scenario(50 * DAY, Vec::new());
    plan.server.idle = 60_000_000;
    plan.server.lag_max = 120_000_000;
    plan.actors.push(actor(Role::Publish(media), 0));
    plan.actors.push(actor(Role::Play(PlayPlan::default()), 0));
    plan.actors.push(actor(Role::Play(PlayPlan::default()), 25 * DAY));
    let outcome = run(&plan, Origin::FIRST, Detail::None);
    assert_eq!(outcome.failure, None);
    assert!(outcome.figures.frames > 700_000, "{:?}", outcome.figures);
}

#[test]
fn one_publisher_and_ten_players_run_faster_than_real_time() {
    let media = MediaPlan { gop_min: 50, gop_max: 50, len_max: 4_000, ..MediaPlan::default() };
    let mut actors = vec![actor(Role::Publish(media), 0)];
    actors.extend((0..10).map(|index| actor(Role::Play(PlayPlan::default()), index * 100_000)));
    let plan = scenario(600_000_000, actors);
    // The best of several: other work on the machine says nothing of this one.
    let factor = (0..3).map(|_| speed(&plan)).fold(0.0, f64::max);
    eprintln!("one publisher and ten players: {factor:.0} times real time");
    // Builds with debug assertions are slow.
    let least = if cfg!(debug_assertions) { 50.0 } else { 500.0 };
    assert!(factor > least, "{factor:.0} times real time, not {least}");
}

/// Virtual time by real time.
fn speed(plan: &Scenario) -> f64 {
    let begun = Instant::now();
    let outcome = run(plan, Origin::FIRST, Detail::None);
    assert_eq!(outcome.failure, None);
    outcome.figures.elapsed as f64 / 1e6 / begun.elapsed().as_secs_f64()
}
