//! Several shards in one thread, with slow links between them.

use super::http::{answers, get};
use super::world::World;
use super::*;
use crate::rng::Rng;
use crate::shard::{Placement, ShardId, ShardMessage};
use core::num::NonZeroU16;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::collections::BTreeMap;
use std::format;

pub(super) struct Cluster {
    links: BTreeMap<(ShardId, ShardId), VecDeque<ShardMessage>>,
    messages: BTreeMap<&'static str, u32>,
    rng: Rng,
    pub(super) worlds: Vec<World>,
}

impl Cluster {
    pub(super) fn new(shards: u16, seed: u64, config: &Config) -> Self {
        let count = NonZeroU16::new(shards).unwrap();
        let worlds = (0..shards)
            .map(|own| World::new_shard(config.clone(), Placement { own: ShardId(own), count }))
            .collect();
        let links = BTreeMap::new();
        Self { links, messages: BTreeMap::new(), rng: Rng::new(seed), worlds }
    }

    fn gather(&mut self) {
        for (index, world) in self.worlds.iter_mut().enumerate() {
            let from = ShardId(u16::try_from(index).unwrap());
            for (to, message) in world.said.drain(..) {
                assert!(to != from, "a shard says nothing to itself");
                self.links.entry((from, to)).or_default().push_back(message);
            }
        }
    }

    /// Delivers one message of a link drawn by chance: links overtake each other, messages of one
    /// link do not.
    fn step(&mut self) -> bool {
        self.gather();
        let full: Vec<_> = self.links.iter().filter(|(_, link)| !link.is_empty()).collect();
        if full.is_empty() {
            return false;
        }
        let pick = self.rng.next_u32() as usize % full.len();
        let link = *full[pick].0;
        let message = self.links.get_mut(&link).unwrap().pop_front().unwrap();
        let kind = if matches!(message, ShardMessage::Frames { .. }) { "frames" } else { "other" };
        *self.messages.entry(kind).or_default() += 1;
        self.worlds[usize::from(link.1.0)].input(Input::Shard { from: link.0, message });
        true
    }

    pub(super) fn settle(&mut self) {
        while self.step() {}
    }

    pub(super) fn client(&mut self, shard: usize, intent: Intent, stream: &str) -> (usize, usize) {
        (shard, self.worlds[shard].client(intent, "live", stream))
    }

    pub(super) fn publish(
        &mut self,
        (shard, peer): (usize, usize),
        serials: core::ops::Range<u32>,
    ) {
        self.worlds[shard].publish(peer, serials);
    }

    fn serials(&self, (shard, peer): (usize, usize)) -> Vec<u32> {
        self.worlds[shard].serials(peer)
    }

    fn is_empty(&self) -> bool {
        self.worlds.iter().all(|world| {
            let stats = world.server.stats();
            (stats.connections, stats.streams, stats.tape_bytes) == (0, 0, 0)
        }) && self.links.values().all(VecDeque::is_empty)
    }
}

#[test]
fn players_on_every_shard_get_what_any_shard_publishes() {
    for shards in 1..5 {
        for name in ["a", "b", "c", "d"] {
            let mut cluster = Cluster::new(shards, 1, &config());
            let publisher = cluster.client(0, Intent::Publish, name);
            cluster.settle();
            let players: Vec<_> = (0..usize::from(shards))
                .map(|shard| cluster.client(shard, Intent::Play, name))
                .collect();
            cluster.settle();
            cluster.publish(publisher, 0..25);
            cluster.settle();
            let late: Vec<_> = (0..usize::from(shards))
                .map(|shard| cluster.client(shard, Intent::Play, name))
                .collect();
            cluster.settle();
            cluster.publish(publisher, 25..35);
            cluster.settle();
            for player in players {
                assert_eq!(cluster.serials(player), (0..35).collect::<Vec<_>>());
            }
            for player in late {
                assert_eq!(cluster.serials(player), (20..35).collect::<Vec<_>>());
                let first = &cluster.worlds[player.0].peers[player.1].frames[0];
                assert_eq!(first.timestamp.0, 0);
            }
        }
    }
}

#[test]
fn what_is_sent_while_the_home_decides_is_not_lost() {
    let mut cluster = Cluster::new(2, 1, &config());
    // One of the two names is at home on the other shard.
    for name in ["a", "b"] {
        let (shard, peer) = cluster.client(0, Intent::Publish, name);
        let waits = cluster.worlds[shard].peers[peer].stream.is_none();
        cluster.worlds[shard].send_unasked(peer, 0..12);
        cluster.settle();
        let player = cluster.client(1, Intent::Play, name);
        cluster.settle();
        cluster.publish((shard, peer), 12..15);
        cluster.settle();
        assert_eq!(cluster.serials(player), (10..15).collect::<Vec<_>>(), "{name} {waits}");
    }
}

#[test]
fn row_058_two_publishers_on_two_shards_have_one_winner_whatever_the_order() {
    for seed in 0..50 {
        let mut cluster = Cluster::new(3, seed, &config());
        let both = [0, 1].map(|shard| cluster.client(shard, Intent::Publish, "x"));
        cluster.settle();
        let refused: usize = both
            .iter()
            .filter(|peer| rejected(&cluster.worlds[peer.0].peers[peer.1]).is_some())
            .count();
        assert_eq!(refused, 1, "seed {seed}");
        let busy = cluster.worlds.iter().flat_map(reasons).collect::<Vec<_>>();
        assert_eq!(busy, [RefuseReason::Busy], "seed {seed}");
        let publishers: u32 =
            cluster.worlds.iter().map(|world| world.server.stats().publishers).sum();
        assert_eq!(publishers, 1, "seed {seed}");
    }
}

#[test]
fn row_060_takeover_works_between_shards() {
    let config =
        Config::with_default_vhost(Vhost { publish_policy: PublishPolicy::Takeover, ..vhost() });
    for (first, second) in [(0, 1), (1, 0), (1, 2), (0, 0), (2, 2)] {
        for name in ["a", "b", "c"] {
            let mut cluster = Cluster::new(3, 5, &config);
            let old = cluster.client(first, Intent::Publish, name);
            let player = cluster.client(2, Intent::Play, name);
            cluster.settle();
            cluster.publish(old, 0..10);
            cluster.settle();
            let new = cluster.client(second, Intent::Publish, name);
            cluster.settle();
            let id = cluster.worlds[first].peers[old.1].id;
            assert_eq!(closed(&cluster.worlds[first], id), Some(CloseReason::TakenOver));
            cluster.publish(new, 10..20);
            cluster.settle();
            assert_eq!(cluster.serials(player), (0..20).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_publisher_that_returns_on_another_shard_keeps_its_players() {
    let mut cluster = Cluster::new(2, 9, &config());
    for name in ["a", "b"] {
        let first = cluster.client(0, Intent::Publish, name);
        let player = cluster.client(1, Intent::Play, name);
        cluster.settle();
        cluster.publish(first, 0..5);
        cluster.settle();
        cluster.worlds[0].hang_up(first.1);
        cluster.settle();
        let again = cluster.client(1, Intent::Publish, name);
        cluster.settle();
        cluster.publish(again, 10..15);
        cluster.settle();
        assert_eq!(cluster.serials(player), (0..5).chain(10..15).collect::<Vec<_>>());
    }
}

#[test]
fn a_shard_gets_one_batch_however_many_players_it_has() {
    let mut cluster = Cluster::new(2, 1, &config());
    let name = ["a", "b", "c", "d"]
        .into_iter()
        .find(|name| {
            let mut probe = Cluster::new(2, 1, &config());
            probe.client(0, Intent::Publish, name);
            probe.settle();
            probe.messages.is_empty()
        })
        .expect("one of the names is at home on shard 0");
    let publisher = cluster.client(0, Intent::Publish, name);
    for _ in 0..100 {
        cluster.client(1, Intent::Play, name);
    }
    cluster.settle();
    cluster.messages.clear();
    cluster.publish(publisher, 0..50);
    cluster.settle();
    assert_eq!(cluster.messages.get("frames"), Some(&50));
}

quickcheck! {
    fn whatever_comes_and_goes_players_decode_runs_and_nothing_is_left(seed: u64) -> bool {
        churn(seed);
        true
    }
}

/// Publishers and players come and go on random shards while links deliver when they like.
fn churn(seed: u64) {
    let mut rng = Rng::new(seed);
    let shards = 2 + (seed % 3) as u16;
    let mut cluster = Cluster::new(shards, seed, &config());
    let mut publishers: Vec<((usize, usize), u32)> = Vec::new();
    let mut players: Vec<(usize, usize)> = Vec::new();
    for turn in 0..200_u32 {
        let shard = rng.next_u32() as usize % usize::from(shards);
        let name = format!("s{}", rng.next_u32() % 3);
        match rng.next_u32() % 8 {
            0 => publishers.push((cluster.client(shard, Intent::Publish, &name), turn * 1_000)),
            1 => players.push(cluster.client(shard, Intent::Play, &name)),
            2 if !publishers.is_empty() => {
                let index = rng.next_u32() as usize % publishers.len();
                let ((shard, peer), _) = publishers.swap_remove(index);
                cluster.worlds[shard].hang_up(peer);
            }
            3 if !players.is_empty() => {
                let index = rng.next_u32() as usize % players.len();
                let (shard, peer) = players.swap_remove(index);
                cluster.worlds[shard].hang_up(peer);
            }
            4..7 => {
                for ((shard, peer), serial) in &mut publishers {
                    let world = &mut cluster.worlds[*shard];
                    if world.peers[*peer].is_open && world.peers[*peer].stream.is_some() {
                        world.publish(*peer, *serial..*serial + 3);
                        *serial += 3;
                    }
                }
            }
            _ => {
                for _ in 0..rng.next_u32() % 20 {
                    cluster.step();
                }
            }
        }
    }
    cluster.settle();
    for world in &cluster.worlds {
        for peer in 0..world.peers.len() {
            let serials = world.serials(peer);
            for pair in serials.windows(2) {
                let follows = pair[1] == pair[0] + 1;
                assert!(follows || pair[1].is_multiple_of(10), "seed {seed}: {serials:?}");
            }
        }
    }
    for world in &mut cluster.worlds {
        for peer in 0..world.peers.len() {
            if world.peers[peer].is_open {
                world.hang_up(peer);
            }
        }
    }
    cluster.settle();
    assert!(cluster.is_empty(), "seed {seed}: every stream, claim and replica is gone");
}

#[test]
fn a_survey_shows_all_shards_whichever_is_asked() {
    let mut cluster = Cluster::new(3, 11, &Config::default());
    let publisher = cluster.client(0, Intent::Publish, "everywhere");
    cluster.settle();
    for shard in 0..3 {
        cluster.client(shard, Intent::Play, "everywhere");
        cluster.client(shard, Intent::Publish, &format!("of-shard-{shard}"));
    }
    cluster.settle();
    cluster.publish(publisher, 0..50);
    cluster.settle();
    let mut shown = Vec::new();
    for world in 0..3 {
        for target in ["summary", "streams", "clients"] {
            let target = format!("/api/v1/{target}");
            let asker = get(&mut cluster.worlds[world], &target);
            cluster.worlds[world].input(Input::Timeout);
            assert_eq!(answers(&cluster.worlds[world].peers[asker]), [], "the others are asked");
            cluster.settle();
            let mut answers = answers(&cluster.worlds[world].peers[asker]);
            assert_eq!((answers.len(), answers[0].status), (1, 200));
            let body: serde_json::Value = serde_json::from_slice(&answers.remove(0).body).unwrap();
            shown.push(body);
            cluster.worlds[world].hang_up(asker);
        }
        let summary = &shown[shown.len() - 3];
        let sum = |name: &str| summary[name].as_u64().unwrap();
        assert_eq!((sum("shards"), sum("streams"), sum("publishers")), (3, 4, 4));
        assert_eq!((sum("players"), sum("connections")), (3, 8), "who asks is connected too");
    }
    let everywhere = shown[1]["streams"].as_array().unwrap();
    let everywhere = everywhere.iter().find(|stream| stream["name"] == "everywhere").unwrap();
    assert_eq!((&shown[1]["total"], &everywhere["players"]), (&4.into(), &3.into()));
    let expected = format!("0-{}", cluster.worlds[0].peers[publisher.1].id);
    assert_eq!(everywhere["publisher"], expected, "it is named as on its own shard");
    assert!(everywhere["sent_bits_per_second"].as_u64() > Some(0), "{everywhere:?}");
    assert_eq!(shown[2]["total"], 7);
    let ids = shown[2]["clients"].as_array().unwrap().iter().map(|client| &client["id"]);
    assert!(ids.into_iter().any(|id| *id == expected));
}

#[test]
fn what_was_sent_from_other_shards_is_counted_after_their_players_have_gone() {
    let mut cluster = Cluster::new(3, 13, &Config::default());
    let publisher = cluster.client(0, Intent::Publish, "a");
    cluster.settle();
    let players: Vec<_> = (0..3).map(|shard| cluster.client(shard, Intent::Play, "a")).collect();
    cluster.settle();
    cluster.publish(publisher, 0..50);
    cluster.settle();
    let mut sent = || {
        let asker = get(&mut cluster.worlds[0], "/api/v1/streams");
        cluster.settle();
        let answer = answers(&cluster.worlds[0].peers[asker]).remove(0);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        for (shard, peer) in players.iter().copied() {
            cluster.worlds[shard].hang_up(peer);
        }
        cluster.settle();
        body["streams"][0]["sent_bytes"].as_u64().unwrap()
    };
    let (before, after) = (sent(), sent());
    assert!(before > 0);
    assert_eq!(after, before);
}

#[test]
fn who_asks_for_a_document_is_told_when_a_shard_does_not_answer() {
    let mut cluster = Cluster::new(2, 12, &Config::default());
    let asker = get(&mut cluster.worlds[0], "/api/v1/summary");
    cluster.worlds[0].sleep(Duration::from_secs(6));
    let given = answers(&cluster.worlds[0].peers[asker]);
    assert_eq!(given.iter().map(|answer| answer.status).collect::<Vec<_>>(), [503]);
    // A late answer is nobody's.
    cluster.settle();
    assert_eq!(answers(&cluster.worlds[0].peers[asker]).len(), 1);
    // Who has gone is not answered either.
    cluster.worlds[0].hang_up(asker);
    let asker = get(&mut cluster.worlds[0], "/api/v1/streams");
    cluster.worlds[0].hang_up(asker);
    cluster.settle();
    assert!(cluster.is_empty());
}
