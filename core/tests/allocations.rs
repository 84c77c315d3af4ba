//! What the server allocates while media pass: something for each frame, nothing for each player.
//!
//! The allocator of `allocation-counter` counts for each thread apart, so tests may run beside
//! each other.

#[path = "allocations/hall.rs"]
#[expect(dead_code, reason = "the tests of turns use the rest")]
mod hall;

use hall::Hall;
use millstream_core::session::Intent;
use pretty_assertions::assert_eq;
use std::sync::Arc;

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

#[test]
fn reloads_leave_nothing_behind() {
    let mut hall = Hall::new(50);
    let mut changed = Hall::config();
    changed.chunk_size = 4_096;
    let configs = [Arc::new(changed), Arc::new(Hall::config())];
    // The first ones grow what they need.
    let reload = |hall: &mut Hall, count: usize| {
        for config in configs.iter().cycle().take(count) {
            hall.reload(config);
        }
    };
    reload(&mut hall, 10);
    let left = allocation_counter::measure(|| reload(&mut hall, 200));
    assert_eq!(left.bytes_current, 0);
}

/// Clients over whom memory is averaged.
const CLIENTS: usize = 100;

/// What the server alone holds for a publisher that has sent so many frames, beyond the bytes of its
/// tape.
fn memory_of_a_publisher(frames: u32) -> i64 {
    let mut hall = Hall::empty();
    hall.join(Intent::Publish, "0");
    hall.publish_from(0, 0..frames);
    let before = hall.stats().tape_bytes;
    let joined = allocation_counter::measure(|| {
        for number in 1..=CLIENTS {
            hall.join(Intent::Publish, &number.to_string());
            hall.publish_from(number, 0..frames);
        }
        hall.forget_clients();
    });
    let tapes = i64::try_from(hall.stats().tape_bytes - before).expect("a few megabytes");
    (joined.bytes_current - tapes) / CLIENTS as i64
}

#[test]
fn a_publisher_holds_little_beside_its_tape() {
    // To the frames before the next keyframe; past several of them.
    for frames in [0, 1, 50, 100, 149, 450, 599] {
        let bytes = memory_of_a_publisher(frames);
        assert!((0..14_500).contains(&bytes), "{bytes} bytes after {frames} frames");
    }
}

#[test]
fn a_player_holds_little() {
    let mut hall = Hall::empty();
    hall.join(Intent::Publish, "0");
    hall.publish_from(0, 0..50);
    let joined = allocation_counter::measure(|| {
        for _ in 0..CLIENTS {
            hall.join(Intent::Play, "0");
        }
        hall.forget_clients();
    });
    let bytes = joined.bytes_current / CLIENTS as i64;
    assert!((0..4_000).contains(&bytes), "{bytes} bytes");
}
