//! What must hold at the end of a run: all works again, and then nothing is kept.

use super::admin::Wish;
use super::{Oracle, SEGMENT_PATIENCE};
use crate::actor::Actor;
use crate::net::Micros;
use crate::scenario::Role;
use millstream_core::server::{Server, Stats};

impl Oracle {
    /// The faults are over for long: everyone who is there gets frames.
    pub fn check_alive(&mut self, at: Micros, actors: &[Actor]) {
        let is_reached: Vec<bool> =
            (0..self.rules.len()).map(|server| self.forwards.is_reached(server)).collect();
        let stays = |actor: &&Actor| {
            let wish = Wish { role: actor.plan.role, stream: actor.plan.stream };
            let is_served = self.rules[0].admin.serves_in_the_end(wish);
            actor.plan.again > 0 && actor.plan.stay == 0 && is_served
        };
        let staying: Vec<&Actor> = actors.iter().filter(stays).collect();
        let largest = self.largest_frame();
        let makes_segments = self.scenario.server.hls;
        let publishers: Vec<&Actor> =
            actors.iter().filter(|actor| actor.plan.role.publishes()).collect();
        let streams = staying.iter().filter(|actor| actor.plan.role.publishes());
        for stream in streams.map(|actor| actor.plan.stream) {
            let live =
                publishers.iter().find(|actor| actor.plan.stream == stream && actor.is_active());
            let Some(live) = live else {
                self.fail(at, format!("stream {stream} has no publisher again"));
                continue;
            };
            if !self.rules[0].is_live(stream) {
                let link = live.link;
                self.fail(at, format!("the publisher of stream {stream} ({link:?}) is unknown"));
            }
            self.check_renditions(at, stream);
            let published = self.bytes_per_second(live, at);
            let players = staying.iter().filter(|actor| {
                let plays = match actor.plan.role {
                    Role::Play(plan) => plan.rate == 0,
                    Role::View => true,
                    // Nonsense is answered with the end of the connection.
                    // Segments are all of a stream, and transport packets of short frames are
                    // three times as long as they are.
                    Role::Segments(plan) => {
                        let carried = actor.plan.link.bytes_per_second();
                        makes_segments && plan.nonsense_one_in == 0 && carried > 3 * published
                    }
                    Role::Publish(_) | Role::Attack(_) | Role::Idle => false,
                };
                plays
                    && actor.plan.stream == stream
                    && !actor.is_paused()
                    && actor.plan.link.bytes_per_second() * 2 > largest
                    && is_reached[actor.plan.server as usize]
            });
            for player in players {
                let playback = player.link.and_then(|link| self.playbacks.get(&link));
                let segments = player.link.and_then(|link| self.segments.get(&link));
                let (last, patience) = match (playback, segments) {
                    (_, Some(segments)) => (segments.last_at, SEGMENT_PATIENCE),
                    (playback, None) => (playback.map_or(0, |it| it.last_at), 8_000_000),
                };
                if last + patience < at {
                    let index = actors.iter().position(|other| std::ptr::eq(other, *player));
                    let what = format!("player {index:?} ({:?}) gets no frames again", player.link);
                    self.fail(at, what);
                }
            }
        }
    }

    /// Bytes that a publisher has sent per second.
    fn bytes_per_second(&self, publisher: &Actor, at: Micros) -> u64 {
        let Some(link) = publisher.link else { return 0 };
        let newest = self.ledger.epoch(self.epoch_of(link)).notes.last();
        let sent = newest.map_or(0, |note| note.end);
        sent * 1_000_000 / at.saturating_sub(self.links[link].connected).max(1)
    }

    /// A stream that is published for long has the renditions of the last configuration.
    fn check_renditions(&mut self, at: Micros, stream: u32) {
        let admin = &self.rules[0].admin;
        let wanted = admin.last(admin.vhost_in_the_end(stream)).engines;
        let running = self.rules[0].renditions_of(stream);
        if self.scenario.server.failing_one_in == 0 && i64::from(running) != i64::from(wanted) {
            self.fail(at, format!("stream {stream} has {running} renditions, not {wanted}"));
        }
    }

    /// Everyone has left for long: nothing is kept.
    pub fn check_empty(&mut self, at: Micros, server: &Server) {
        let mut stats = server.stats();
        let is_drained = server.is_drained();
        if is_drained {
            // A server that has ended does not wait for its timers, nor does it hear that other
            // shards leave its streams.
            stats.timers = 0;
            stats.segment_bytes = 0;
            if self.scenario.server.shards > 1 {
                (stats.streams, stats.publishers, stats.tape_bytes) = (0, 0, 0);
            }
        }
        if stats != Stats::default() {
            self.fail(at, format!("everyone has left, but the server keeps {stats:?}"));
        }
        if let Some(deadline) = server.poll_timeout().filter(|_| !is_drained) {
            self.fail(at, format!("everyone has left, but the server waits for {deadline:?}"));
        }
    }

    /// Everyone has left for long: nobody is thought to be there.
    pub fn check_all_gone(&mut self, at: Micros) {
        for rules in &self.rules {
            if let Err(what) = rules.check_empty() {
                return self.fail(at, format!("rules: {what}"));
            }
        }
        if let Err(what) = self.forwards.check_empty() {
            self.fail(at, format!("forwards: {what}"));
        }
    }
}
