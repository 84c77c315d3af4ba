//! The wall clock names things: it decides nothing.
//!
//! A server is told it once, at its start, and counts on by its monotonic clock. So no step of the
//! machine's clock reaches it: what it shows goes on without a jump, by the clock of its start. What
//! is left to show is that any clock at the start will do, also one that nobody has set yet.

use millstream_core::time::WallClock;
use millstream_sim::scenario::{Role, Scenario};
use millstream_sim::trace::Detail;
use millstream_sim::world::{Origin, run};
use pretty_assertions::assert_eq;

const YEAR_MS: u64 = 365 * 86_400_000;

/// Seeds with segments on disk, viewers, shards and reloads among them.
const SEEDS: u64 = 24;

#[test]
fn whatever_the_wall_clock_says_all_happens_at_the_same_time() {
    let walls = [
        // Nobody has set it.
        0,
        // Steps of seconds, hours and years, to both sides.
        Origin::FIRST.wall.unix_millis - 7_000,
        Origin::FIRST.wall.unix_millis + 3 * 3_600_000,
        Origin::FIRST.wall.unix_millis - 30 * YEAR_MS,
        Origin::FIRST.wall.unix_millis + 300 * YEAR_MS,
        u64::MAX,
    ];
    for seed in 0..SEEDS {
        let mut scenario = Scenario::from_seed(seed);
        // Playlists have dates and numbers in them, which are of other lengths then.
        scenario.actors.retain(|actor| !matches!(actor.role, Role::Segments(_)));
        let unix_millis = walls[seed as usize % walls.len()];
        let told = |origin| {
            let outcome = run(&scenario, origin, Detail::Brief);
            assert_eq!(outcome.failure, None, "seed {seed}, {unix_millis}");
            what_happens(&outcome.trace)
        };
        let wall = WallClock { unix_millis };
        let (usual, other) = (told(Origin::FIRST), told(Origin { wall, ..Origin::FIRST }));
        let differs = usual.iter().zip(&other).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}, {unix_millis}");
        assert_eq!(usual.len(), other.len());
    }
}

/// The lines of a trace without what the wall clock names: the date in the head of an answer, of
/// which a trace has a hash, and the numbers of segments.
fn what_happens(trace: &str) -> Vec<String> {
    let lines = trace.lines().filter(|line| !line.contains("do start "));
    let is_write = |line: &str| line.starts_with("write ") || line.contains("] write ");
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((before, _)) if is_write(line) => before.to_owned(),
        _ => without_segment_number(line),
    };
    lines.map(line).collect()
}

fn without_segment_number(line: &str) -> String {
    let numbered = line.split_once(".ts").and_then(|(name, after)| {
        let (name, number) = name.rsplit_once('-')?;
        number.parse::<u64>().is_ok().then_some((name, after))
    });
    numbered.map_or_else(|| line.to_owned(), |(name, after)| format!("{name}.ts{after}"))
}
