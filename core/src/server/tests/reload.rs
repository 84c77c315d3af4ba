//! Another configuration for a server that runs: what changes, and who does not notice.

use super::*;
use crate::config::{Forward, Hls, HlsStorage, PithyPrint, QueueLength, TimeJitter};
use crate::forward::Route;
use crate::id::MessageStreamId;
use crate::name::{DEFAULT_VHOST, StreamName};
use crate::rng::Rng;
use crate::shard::{Claim, ShardId, ShardMessage};
use crate::time::Instant;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pretty_assertions::assert_eq;

/// A configuration of the default vhost and one that is called so.
fn config_with(name: &str, own: Vhost) -> Config {
    let mut config = config();
    config.vhosts.insert(Arc::from(name), Arc::new(own));
    config
}

fn reload(world: &mut World, config: Config) {
    world.input(Input::Reload(Arc::new(config)));
}

#[test]
fn a_vhost_that_is_gone_or_disabled_loses_its_connections_alone() {
    for replacement in [None, Some(Vhost { enabled: false, ..vhost() })] {
        let mut world = World::new(config_with("a.example", vhost()));
        let url = "rtmp://a.example/live";
        let publisher = world.client_at(Intent::Publish, url, "s", "127.0.0.1");
        let player = world.client_at(Intent::Play, url, "s", "127.0.0.1");
        let aside =
            world.client_at(Intent::Play, "rtmp://h/live", "s?vhost=a.example", "127.0.0.1");
        let others = [Intent::Publish, Intent::Play]
            .map(|intent| world.client_at(intent, "rtmp://h/live", "s", "127.0.0.1"));
        world.publish(publisher, 0..5);
        world.publish(others[0], 0..5);
        let mut next = config();
        if let Some(replacement) = &replacement {
            next.vhosts.insert(Arc::from("a.example"), Arc::new(replacement.clone()));
        }
        reload(&mut world, next);
        world.publish(others[0], 5..9);
        for peer in [publisher, player, aside] {
            let id = world.peers[peer].id;
            assert_eq!(closed(&world, id), Some(CloseReason::Unserved), "{peer}");
            assert!(rejected(&world.peers[peer]).is_some(), "{peer} is told");
        }
        assert_eq!(world.serials(others[1]), (0..9).collect::<Vec<_>>());
        // Who comes again is refused, or finds the default vhost.
        let again = world.client_at(Intent::Play, url, "s", "127.0.0.1");
        let code = rejected(&world.peers[again]);
        let expected = replacement.map(|_| "NetConnection.Connect.InvalidApp");
        assert_eq!(code.as_deref(), expected);
    }
}

#[test]
fn a_vhost_that_is_new_serves_new_connections() {
    let mut only = config();
    only.vhosts = [(Arc::from("a.example"), Arc::new(vhost()))].into();
    let mut world = World::new(only.clone());
    let url = "rtmp://b.example/live";
    let early = world.client_at(Intent::Publish, url, "s", "127.0.0.1");
    assert!(rejected(&world.peers[early]).is_some());
    only.vhosts.insert(Arc::from("b.example"), Arc::new(vhost()));
    reload(&mut world, only);
    let late = world.client_at(Intent::Publish, url, "s", "127.0.0.1");
    assert_eq!(rejected(&world.peers[late]), None);
}

#[test]
fn the_gop_cache_changes_at_once() {
    let off = || Config::with_default_vhost(Vhost { gop_cache: false, ..vhost() });
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let watcher = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..65);
    let with = world.client(Intent::Play, "live", "a");
    reload(&mut world, off());
    let without = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 65..85);
    reload(&mut world, config());
    let again = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 85..90);
    assert_eq!(world.serials(with), (60..90).collect::<Vec<_>>());
    assert_eq!(world.serials(without), (70..90).collect::<Vec<_>>());
    assert_eq!(world.serials(again), (80..90).collect::<Vec<_>>());
    assert_eq!(world.serials(watcher), (0..90).collect::<Vec<_>>(), "nothing is lost");
}

#[test]
fn a_publish_policy_a_grace_and_a_refer_change_at_once() {
    let mut world = world();
    let first = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    world.publish(first, 0..5);
    let busy = world.client(Intent::Publish, "live", "a");
    assert_eq!(rejected(&world.peers[busy]).as_deref(), Some("NetStream.Publish.BadName"));
    let takeover = Vhost { publish_policy: PublishPolicy::Takeover, ..vhost() };
    reload(&mut world, Config::with_default_vhost(takeover));
    let second = world.client(Intent::Publish, "live", "a");
    assert_eq!(rejected(&world.peers[second]), None);
    world.hang_up(second);
    // The player waits for 15 s; now for 3 s only, counted from the end of the publisher.
    world.sleep(Duration::from_secs(2));
    let short = Vhost { grace: Duration::from_secs(3), ..vhost() };
    reload(&mut world, Config::with_default_vhost(short));
    world.sleep(Duration::from_millis(900));
    assert!(world.peers[player].is_open);
    world.sleep(Duration::from_millis(200));
    assert!(!world.peers[player].is_open);
    let mut referred = vhost();
    referred.refer.all.push(Arc::from("example.com"));
    reload(&mut world, Config::with_default_vhost(referred));
    let stranger = world.client(Intent::Play, "live", "a");
    assert_eq!(rejected(&world.peers[stranger]).as_deref(), Some("NetConnection.Connect.Rejected"));
}

#[test]
fn limits_of_connections_change_at_once_and_nobody_is_closed() {
    let mut world = world();
    let players: Vec<usize> = (0..3).map(|_| world.client(Intent::Play, "live", "a")).collect();
    let mut few = config();
    few.limits.connections_max = 3;
    reload(&mut world, few);
    let refused = world.client(Intent::Play, "live", "a");
    assert!(!world.peers[refused].is_open);
    assert!(players.iter().all(|player| world.peers[*player].is_open));
    reload(&mut world, config());
    let admitted = world.client(Intent::Play, "live", "a");
    assert!(world.peers[admitted].is_open);
}

#[test]
fn a_queue_that_becomes_shorter_skips_who_lags() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..5);
    world.peers[player].reads = false;
    world.peers[player].room = 100;
    world.publish_sized(publisher, 5..60, 20_000);
    let skips = |world: &World| {
        world.events.iter().filter(|event| matches!(event, Event::Skipped { .. })).count()
    };
    assert_eq!(skips(&world), 0);
    let queue_length = QueueLength { bytes_max: 1 << 10, time_max: Duration::from_millis(100) };
    reload(&mut world, Config::with_default_vhost(Vhost { queue_length, ..vhost() }));
    world.publish_sized(publisher, 60..90, 20_000);
    assert!(skips(&world) > 0);
}

#[test]
fn reports_come_sooner_when_they_are_to() {
    let mut slow = config();
    slow.pithy_print = PithyPrint::every(Duration::from_secs(3_600));
    let mut world = World::new(slow);
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..5);
    let mut quick = config();
    quick.pithy_print = PithyPrint::every(Duration::from_secs(1));
    reload(&mut world, quick);
    world.sleep(Duration::from_millis(1_100));
    let reports = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Progress { .. } | Event::StreamProgress { .. }));
    assert_eq!(reports.count(), 2);
}

#[test]
fn each_player_is_told_the_chunk_size_of_its_stream() {
    let sized = |chunk_size: u32| Config { chunk_size, ..config() };
    let mut world = World::new(sized(4_096));
    let publisher = world.client(Intent::Publish, "live", "old");
    let early = world.client(Intent::Play, "live", "old");
    world.publish(publisher, 0..5);
    reload(&mut world, sized(200));
    let late = world.client(Intent::Play, "live", "old");
    let newcomer = world.client(Intent::Publish, "live", "new");
    let player = world.client(Intent::Play, "live", "new");
    world.publish(publisher, 5..9);
    world.publish(newcomer, 0..9);
    // One connection plays both, in either order.
    let own = Config::with_default_vhost(Vhost { chunk_size: Some(300), ..vhost() });
    reload(&mut world, Config { chunk_size: 200, ..own });
    let third = world.client(Intent::Publish, "live", "third");
    let last = world.client(Intent::Play, "live", "third");
    world.publish(third, 0..9);
    world.publish(publisher, 9..12);
    assert_eq!(world.serials(early), (0..12).collect::<Vec<_>>());
    assert_eq!(world.serials(late), (0..12).collect::<Vec<_>>());
    assert_eq!(world.serials(player), (0..9).collect::<Vec<_>>());
    assert_eq!(world.serials(last), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_connection_may_play_streams_of_different_chunk_sizes() {
    use super::wire::{command, text};
    use crate::amf::Value;
    let sized = |chunk_size: u32| Config { chunk_size, ..config() };
    let mut world = World::new(sized(4_096));
    let first = world.client(Intent::Publish, "live", "one");
    world.publish(first, 0..3);
    reload(&mut world, sized(150));
    let second = world.client(Intent::Publish, "live", "two");
    world.publish(second, 0..3);
    for (one, other) in [("one", "two"), ("two", "one")] {
        let peer = world.raw("127.0.0.1");
        let bytes = [
            wire::playing(one),
            command(0, "createStream", 4.0, &[Value::Null]),
            command(2, "play", 5.0, &[Value::Null, text(other)]),
        ];
        world.send(peer, &bytes.concat());
        for serial in 3..9 {
            world.publish(first, serial..serial + 1);
            world.publish(second, serial..serial + 1);
        }
        // Each message is read whole: no header of a chunk is taken for media.
        let media = world.replies(peer).iter().filter(|line| line.contains("video")).count();
        assert!(media >= 12, "{:?}", world.replies(peer));
    }
}

#[test]
fn timestamps_are_mended_in_the_new_way_from_the_next_publisher_on() {
    let jitter = |time_jitter| Config::with_default_vhost(Vhost { time_jitter, ..vhost() });
    let mut world = World::new(jitter(TimeJitter::Full));
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..5);
    reload(&mut world, jitter(TimeJitter::Off));
    world.publish(publisher, 5..10);
    let player = world.client(Intent::Play, "live", "a");
    assert_eq!(world.peers[player].frames[0].timestamp.0, 0, "as it was");
}

/// When the player got each picture, in virtual time, with a reload in so many milliseconds.
fn arrivals(send_delay: SendDelay, reload_each_ms: Option<u64>) -> Vec<u64> {
    let base = || Vhost { send_delay, ..vhost() };
    let mut world = World::new(Config::with_default_vhost(base()));
    let publisher = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    let mut arrivals = Vec::new();
    for millis in 0..2_000 {
        if millis % 20 == 0 {
            let serial = u32::try_from(millis / 20).unwrap();
            world.publish(publisher, serial..serial + 1);
        }
        if reload_each_ms.is_some_and(|each| millis % each == 0) {
            let mut next = Config::with_default_vhost(Vhost {
                gop_cache: millis % 2 == 0,
                grace: Duration::from_millis(1_000 + millis),
                ..base()
            });
            next.chunk_size = 1_000 + u32::try_from(millis).unwrap();
            reload(&mut world, next);
        }
        world.sleep_until(Instant::from_micros((millis + 1) * 1_000 + 100_000));
        arrivals.resize(world.peers[player].frames.len(), millis);
    }
    arrivals
}

#[test]
fn no_picture_comes_later_because_of_a_reload() {
    for send_delay in [
        SendDelay::Fixed(Duration::ZERO),
        SendDelay::Fixed(Duration::from_millis(90)),
        SendDelay::Adaptive(Duration::from_millis(100)),
    ] {
        let calm = arrivals(send_delay, None);
        assert!(calm.len() >= 95, "{calm:?}");
        for each in [1, 7, 50] {
            assert_eq!(arrivals(send_delay, Some(each)), calm, "{send_delay:?}, each {each} ms");
        }
    }
}

#[test]
fn row_104_reloads_at_any_time_lose_no_frame() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut draw = |count: u64| rng.next_u64() % count;
        let mut world = world();
        let publisher = world.client(Intent::Publish, "live", "a");
        let player = world.client(Intent::Play, "live", "a");
        let mut published = 0;
        for _ in 0..60 {
            match draw(3) {
                0 => {
                    let next = Vhost {
                        grace: Duration::from_secs(1 + draw(30)),
                        gop_cache: draw(2) == 0,
                        chunk_size: [None, Some(128), Some(9_000)][draw(3) as usize],
                        time_jitter: [TimeJitter::Full, TimeJitter::Zero][draw(2) as usize],
                        send_delay: SendDelay::Fixed(Duration::from_millis(draw(2) * 40)),
                        ..vhost()
                    };
                    let mut next = Config::with_default_vhost(next);
                    next.chunk_size = 128 + u32::try_from(draw(60_000)).unwrap();
                    if draw(2) == 0 {
                        next.vhosts.insert(Arc::from("x.example"), Arc::new(vhost()));
                    }
                    reload(&mut world, next);
                }
                1 => {
                    let url = ["rtmp://x.example/live", "rtmp://h/live"][draw(2) as usize];
                    let stream = ["a", "b"][draw(2) as usize];
                    let _ = world.client_at(Intent::Play, url, stream, "127.0.0.1");
                }
                _ => {
                    world.publish(publisher, published..published + 3);
                    published += 3;
                }
            }
        }
        world.sleep(Duration::from_millis(100));
        assert_eq!(world.serials(player), (0..published).collect::<Vec<_>>(), "seed {seed}");
        let lost = world.events.iter().find(|event| matches!(event, Event::Skipped { .. }));
        assert_eq!(lost, None, "seed {seed}");
    }
}

/// The shard of the publisher still has to hear of the reload.
#[test]
fn a_live_stream_whose_vhost_is_gone_is_none_of_the_default_vhost() {
    let storage = HlsStorage::Disk { path: Arc::from("/default") };
    let default = Vhost {
        forwards: std::vec![Forward::parse("b").unwrap()],
        hls: Hls { enabled: true, storage, ..Hls::default() },
        ..vhost()
    };
    let mut next = super::renditions::config("", &["sd"]);
    let transcodes = next.vhosts.values().flat_map(|vhost| vhost.transcodes.clone()).collect();
    next.vhosts = [(Arc::from(DEFAULT_VHOST), Arc::new(Vhost { transcodes, ..default }))].into();
    let mut first = next.clone();
    first.vhosts.insert(Arc::from("a.example"), Arc::new(vhost()));
    let mut disabled = next.clone();
    let off = Vhost { enabled: false, ..vhost() };
    disabled.vhosts.insert(Arc::from("a.example"), Arc::new(off));
    for next in [next, disabled] {
        let mut world = World::new(first.clone());
        let conn = ConnId { slot: 77, generation: 1 };
        let claim = Claim { conn, stream: MessageStreamId(1) };
        let limits = world.server.name_limits();
        let claimed = ShardMessage::Claim {
            claim,
            name: StreamName::new("a.example", "live", "s", limits).unwrap(),
            is_rendition: false,
            route: Route::default(),
            server: None,
        };
        let from = ShardId(1);
        world.input(Input::Shard { from, message: claimed.clone() });
        reload(&mut world, next);
        let publish = |world: &mut World| {
            let frames = (0..200).map(|serial| world::video(serial, 100)).collect();
            let message = ShardMessage::Published { claim, frames };
            world.input(Input::Shard { from, message });
            world.sleep(Duration::from_secs(1));
        };
        publish(&mut world);
        // One that is published just now, as the other shard knows no better.
        world.input(Input::Shard { from, message: ShardMessage::Released { claim } });
        world.input(Input::Shard { from, message: claimed });
        publish(&mut world);
        assert!(world.asked.is_empty(), "{:?}", world.asked);
    }
}
