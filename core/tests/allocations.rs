//! What the server allocates while media pass: something for each frame, nothing for each player.
//!
//! The allocator of `allocation-counter` counts for each thread apart, so tests may run beside
//! each other.

#[path = "allocations/hall.rs"]
mod hall;

use hall::Hall;
use pretty_assertions::assert_eq;

/// Frames that are measured: fewer than from one keyframe to the next.
const FRAMES: u32 = 120;

/// Allocations for one frame: its payload, and now and then a block of the tape or a list that
/// grows.
const PER_FRAME_MAX: u64 = 4;

/// Allocations and writes while `FRAMES` frames pass to so many players.
fn measure(players: u32) -> (u64, u64) {
    let mut hall = Hall::new(players);
    // A round of keyframes grows all lists to what they need.
    hall.publish(0..400);
    let writes = hall.wires().writes;
    let allocated = (0..FRAMES).map(|_| {
        hall.queue();
        allocation_counter::measure(|| hall.run()).count_total
    });
    (allocated.sum(), hall.wires().writes - writes)
}

#[test]
fn a_frame_allocates_nothing_for_a_player() {
    let (alone, _) = measure(0);
    for players in [1, 10, 1_000] {
        let (allocated, writes) = measure(players);
        assert_eq!(writes, u64::from(FRAMES * players), "each player gets each frame at once");
        assert_eq!(allocated, alone, "{players} players");
    }
}

#[test]
fn a_frame_allocates_little() {
    let (allocated, _) = measure(10);
    assert!(allocated > 0, "the allocator counts");
    assert!(allocated <= PER_FRAME_MAX * u64::from(FRAMES), "{allocated} for {FRAMES} frames");
}

#[test]
fn a_turn_without_news_allocates_nothing() {
    let mut hall = Hall::new(100);
    hall.publish(0..10);
    let idle = allocation_counter::measure(|| (0..100).for_each(|_| hall.run()));
    assert_eq!(idle.count_total, 0);
}
