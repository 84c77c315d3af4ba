//! How long media wait on a busy shard, where each write takes its time.

use super::*;
use crate::config::SendDelay::{Adaptive, Fixed};
use core::time::Duration;
use pretty_assertions::assert_eq;

const PLAYERS: usize = 100;

/// A publisher and a hundred players; turns take as long as the writes to all of them.
struct Shard {
    world: World,
    players: Vec<usize>,
    published: u32,
    publisher: usize,
}

impl Shard {
    fn new(send_delay: SendDelay, turn: Duration) -> Self {
        let vhost = Vhost { send_delay, ..vhost() };
        let mut world = World::new(Config::with_default_vhost(vhost));
        let publisher = world.client(Intent::Publish, "live", "a");
        let players = (0..PLAYERS).map(|_| world.client(Intent::Play, "live", "a")).collect();
        world.write_time = turn / u32::try_from(PLAYERS).unwrap();
        let mut shard = Self { world, players, published: 0, publisher };
        for _ in 0..50 {
            shard.publish(Duration::from_millis(40));
        }
        shard
    }

    /// One frame, and a wait for the next.
    fn publish(&mut self, wait: Duration) {
        self.world.publish(self.publisher, self.published..self.published + 1);
        self.published += 1;
        self.world.sleep(wait);
    }

    /// Frames that each player has not got yet.
    fn missing(&self) -> Vec<u32> {
        let got = self.players.iter().map(|&player| self.world.peers[player].frames.len());
        got.map(|got| self.published - u32::try_from(got).unwrap()).collect()
    }

    fn writes(&self) -> u32 {
        self.players.iter().map(|&player| self.world.peers[player].writes).sum()
    }

    /// Writes for each player and frame, in percent, of frames that come in pairs.
    fn writes_of_pairs(&mut self) -> u32 {
        let before = (self.writes(), self.published);
        for _ in 0..50 {
            self.publish(Duration::from_millis(5));
            self.publish(Duration::from_millis(35));
        }
        assert_eq!(self.missing(), [0; PLAYERS]);
        (self.writes() - before.0) / (self.published - before.1)
    }
}

#[test]
fn a_busy_shard_takes_pairs_of_frames_in_one_write() {
    let busy = Duration::from_millis(8);
    let pairs = |send_delay| Shard::new(send_delay, busy).writes_of_pairs();
    assert_eq!(pairs(Fixed(Duration::ZERO)), 100, "each by itself");
    assert_eq!(pairs(Adaptive(Duration::ZERO)), 50, "the second is awaited");
}

#[test]
fn without_a_delay_a_frame_waits_as_long_as_turns_take() {
    let ms = Duration::from_millis;
    for (turn, wait) in [(ms(8), ms(8)), (ms(30), ms(9))] {
        let mut shard = Shard::new(Adaptive(Duration::ZERO), turn);
        shard.publish(wait);
        assert_eq!(shard.missing(), [0; PLAYERS], "{turn:?}");
        shard.publish(ms(5));
        assert_eq!(shard.missing(), [1; PLAYERS], "{turn:?}");
    }
}

#[test]
fn a_calm_shard_never_waits() {
    let mut shard = Shard::new(Adaptive(Duration::from_secs(10)), Duration::from_micros(900));
    assert_eq!(shard.writes_of_pairs(), 100);
    shard.publish(Duration::ZERO);
    assert_eq!(shard.missing(), [0; PLAYERS]);
}

#[test]
fn a_single_long_turn_is_no_load() {
    for long in [1, 2] {
        let calm = Duration::from_micros(500);
        let mut shard = Shard::new(Adaptive(Duration::from_secs(10)), calm);
        let calm = shard.world.write_time;
        shard.world.write_time = Duration::from_millis(1);
        for _ in 0..long {
            shard.publish(Duration::from_millis(40));
        }
        shard.world.write_time = calm;
        shard.publish(Duration::ZERO);
        let expected = if long == 1 { 0 } else { 1 };
        assert_eq!(shard.missing(), [expected; PLAYERS], "{long} long turns");
    }
}

#[test]
fn a_stream_with_few_players_does_not_hide_that_a_shard_is_busy() {
    let mut shard = Shard::new(Adaptive(Duration::ZERO), Duration::from_millis(16));
    let other = shard.world.client(Intent::Publish, "live", "b");
    shard.world.client(Intent::Play, "live", "b");
    for serial in 0..40 {
        shard.world.publish(other, serial..serial + 1);
        shard.world.sleep(Duration::from_millis(5));
        let before = shard.writes();
        shard.publish(Duration::from_millis(3));
        assert_eq!(shard.writes(), before, "the next is awaited");
        shard.publish(Duration::from_millis(40));
    }
}
