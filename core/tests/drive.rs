//! Turns of the loop: what is done within one, and what waits for the next.

#[path = "allocations/hall.rs"]
#[expect(dead_code, reason = "the tests of allocations use the rest")]
mod hall;

use hall::Hall;
use millstream_core::drive::Budget;
use pretty_assertions::assert_eq;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

const PLAYERS: u32 = 200;

const BUDGET: Budget = Budget { reads_max: 4, writes_max: 64 };

/// Counts how often it is woken.
#[derive(Default)]
struct Alarm(AtomicU32);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn hall() -> Hall {
    let mut hall = Hall::new(PLAYERS);
    hall.set_budget(BUDGET);
    hall
}

#[test]
fn a_turn_that_is_interrupted_wakes_its_task() {
    let mut hall = hall();
    let before = hall.wires().writes;
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(alarm.clone());
    let mut cx = Context::from_waker(&waker);
    hall.queue();
    let turns: Vec<(u64, u32)> = (0..5)
        .map(|_| {
            assert_eq!(hall.poll(&mut cx), Poll::Pending);
            (hall.wires().writes - before, alarm.0.load(Ordering::Relaxed))
        })
        .collect();
    assert_eq!(turns, [(64, 1), (128, 2), (192, 3), (200, 3), (200, 3)]);
}

#[test]
fn a_frame_that_comes_while_another_is_sent_goes_with_it() {
    let bytes_of_two = {
        let mut hall = hall();
        let before = hall.wires().bytes;
        hall.publish(0..2);
        hall.wires().bytes - before
    };
    let check = |written_before: u64, expected_writes: u64| {
        let mut hall = hall();
        let (writes, bytes) = (hall.wires().writes, hall.wires().bytes);
        hall.queue_two(written_before);
        hall.run();
        assert_eq!(hall.wires().writes - writes, expected_writes, "{written_before}");
        assert_eq!(hall.wires().bytes - bytes, bytes_of_two, "everyone gets both");
    };
    // It is found when the turn ends; who was written to until then is written to once more.
    check(1, 200 + 64);
    check(64, 200 + 64);
    check(65, 200 + 128);
    check(192, 200 + 192);
    check(193, 200 + 200);
}

#[test]
fn writes_keep_pace_with_reads() {
    let mut hall = hall();
    let before = hall.wires().writes;
    hall.queue();
    hall.acknowledge();
    assert_eq!(hall.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    assert_eq!(hall.wires().writes - before, u64::from(PLAYERS), "all in one turn");
}

#[test]
fn a_turn_without_a_budget_writes_all_the_same() {
    let mut hall = hall();
    hall.set_budget(Budget { writes_max: 0, ..BUDGET });
    let before = hall.wires().writes;
    hall.queue();
    hall.run();
    assert_eq!(hall.wires().writes - before, u64::from(PLAYERS));
}

#[test]
fn the_server_has_not_ended_before_its_last_words_are_performed() {
    for writes_max in [1, 2, 64] {
        let mut hall = hall();
        hall.set_budget(Budget { writes_max, ..BUDGET });
        hall.wires_mut().fails = true;
        hall.shut_down();
        let mut cx = Context::from_waker(Waker::noop());
        let polls = (1..1_000).find(|_| hall.poll(&mut cx).is_ready());
        assert!(polls.is_some(), "it ends");
        assert_eq!(hall.wires().closed, PLAYERS + 1, "{writes_max} writes a turn");
    }
}
