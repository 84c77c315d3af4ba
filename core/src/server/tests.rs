//! The rules of the server, seen by client sessions on a virtual clock.

mod forward;
mod hls;
mod http;
mod mended;
mod merging;
mod message_streams;
mod reload;
mod renditions;
mod rows_amf;
mod rows_chunk;
mod rows_codec;
mod rows_command;
mod rows_handshake;
mod rows_tcp;
mod shards;
mod snapshots;
mod vhosts;
mod wire;
mod world;

use super::*;
use crate::config::{PublishPolicy, SendDelay, Vhost};
use crate::event::Event;
use crate::session::{Intent, SessionEvent};
use crate::time::TimerKind;
use pretty_assertions::assert_eq;
use std::format;
use std::string::{String, ToString};
use world::{Peer, World};

fn world() -> World {
    World::new(config())
}

/// Each frame goes out at once, so that tests need no patience.
fn config() -> Config {
    Config::with_default_vhost(vhost())
}

fn vhost() -> Vhost {
    Vhost { send_delay: SendDelay::Fixed(Duration::ZERO), ..Vhost::default() }
}

/// What the server said that ended the peer's wish.
fn rejected(peer: &Peer) -> Option<String> {
    peer.events.iter().find_map(|event| match event {
        SessionEvent::Rejected { code, .. } | SessionEvent::Ended { code } => {
            Some(code.to_str_lossy().into_owned())
        }
        _ => None,
    })
}

fn reasons(world: &World) -> Vec<RefuseReason> {
    let refused = world.events.iter().filter_map(|event| match event {
        Event::Refused { reason, .. } => Some(*reason),
        _ => None,
    });
    refused.collect()
}

fn refusals(events: &[(Duration, Event)]) -> Vec<RefuseReason> {
    let refused = events.iter().filter_map(|(_, event)| match event {
        Event::Refused { reason, .. } => Some(*reason),
        _ => None,
    });
    refused.collect()
}

fn closed(world: &World, id: ConnId) -> Option<CloseReason> {
    world.events.iter().find_map(|event| match event {
        Event::Closed { conn, reason, .. } if *conn == id => Some(*reason),
        _ => None,
    })
}

#[test]
fn players_get_what_is_published() {
    let mut world = world();
    let early = world.client(Intent::Play, "live", "a");
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..60);
    let late = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 60..90);
    assert_eq!(world.serials(early), (0..90).collect::<Vec<_>>());
    assert_eq!(world.serials(late), (50..90).collect::<Vec<_>>());
    assert_eq!(world.peers[late].frames[0].timestamp.0, 0);
    let stats = world.server.stats();
    assert_eq!((stats.publishers, stats.players, stats.connections), (1, 2, 3));
}

#[test]
fn hosts_share_streams_and_vhosts_do_not() {
    let mut config = config();
    config.vhosts.insert(Arc::from("other"), Arc::new(vhost()));
    let mut world = World::new(config);
    let publisher = world.client_at(Intent::Publish, "rtmp://10.0.0.1/live", "a", "10.0.0.9");
    let by_name = world.client_at(Intent::Play, "rtmp://example.com:1935/live", "a", "10.0.0.8");
    let by_query =
        world.client_at(Intent::Play, "rtmp://10.0.0.1/live?vhost=other", "a", "10.0.0.8");
    let by_unknown =
        world.client_at(Intent::Play, "rtmp://10.0.0.1/live?vhost=unknown", "a", "10.0.0.8");
    let other_app = world.client_at(Intent::Play, "rtmp://10.0.0.1/live2", "a", "10.0.0.8");
    world.publish(publisher, 0..10);
    assert_eq!(world.serials(by_name).len(), 10);
    assert_eq!(world.serials(by_unknown).len(), 10);
    assert_eq!(world.serials(by_query).len(), 0);
    assert_eq!(world.serials(other_app).len(), 0);
}

#[test]
fn row_058_of_two_publishers_the_second_is_refused_and_leaves_nothing() {
    let mut world = world();
    let first = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    world.publish(first, 0..5);
    let second = world.client(Intent::Publish, "live", "a");
    world.publish(first, 5..10);
    assert_eq!(rejected(&world.peers[second]).as_deref(), Some("NetStream.Publish.BadName"));
    assert_eq!(
        closed(&world, world.peers[second].id),
        Some(CloseReason::Refused(RefuseReason::Busy))
    );
    assert_eq!(reasons(&world), [RefuseReason::Busy]);
    assert_eq!(world.serials(player), (0..10).collect::<Vec<_>>());
    assert_eq!(world.server.stats().connections, 2);
}

#[test]
fn row_060_takeover_ends_the_first_publisher_and_players_go_on() {
    let mut world = World::new(Config::with_default_vhost(Vhost {
        publish_policy: PublishPolicy::Takeover,
        ..vhost()
    }));
    let first = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    world.publish(first, 0..15);
    let second = world.client(Intent::Publish, "live", "a");
    assert_eq!(closed(&world, world.peers[first].id), Some(CloseReason::TakenOver));
    world.publish(second, 20..30);
    assert_eq!(world.serials(player), (0..15).chain(20..30).collect::<Vec<_>>());
    let order: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Published { conn, .. } => Some((true, *conn)),
            Event::Unpublished { conn, .. } => Some((false, *conn)),
            _ => None,
        })
        .collect();
    let (a, b) = (world.peers[first].id, world.peers[second].id);
    assert_eq!(order, [(true, a), (false, a), (true, b)]);
}

#[test]
fn row_060_takeover_of_a_stream_without_players_is_answered() {
    let mut world = World::new(Config::with_default_vhost(Vhost {
        publish_policy: PublishPolicy::Takeover,
        ..vhost()
    }));
    let first = world.client(Intent::Publish, "live", "a");
    let second = world.client(Intent::Publish, "live", "a");
    assert_eq!(closed(&world, world.peers[first].id), Some(CloseReason::TakenOver));
    assert_eq!(world.server.stats().publishers, 1);
    let player = world.client(Intent::Play, "live", "a");
    world.publish(second, 0..10);
    assert_eq!(world.serials(player).len(), 10);
}

#[test]
fn players_stay_for_the_grace_period_and_are_told_after_it() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..10);
    world.hang_up(publisher);
    world.sleep(Duration::from_secs(14));
    assert!(world.peers[player].is_open);
    let again = world.client(Intent::Publish, "live", "a");
    world.publish(again, 10..20);
    assert_eq!(world.serials(player), (0..20).collect::<Vec<_>>());
    world.hang_up(again);
    world.sleep(Duration::from_secs(16));
    assert!(!world.peers[player].is_open);
    let ended = |event: &SessionEvent| matches!(event, SessionEvent::Ended { code } if *code == *"NetStream.Play.UnpublishNotify");
    assert!(world.peers[player].events.iter().any(ended));
    assert_eq!(
        world.server.stats(),
        Stats { timers: world.server.stats().timers, ..Stats::default() }
    );
}

#[test]
fn row_061_a_player_of_a_stream_that_never_comes_is_told_so() {
    let mut world = world();
    let player = world.client(Intent::Play, "live", "nothing");
    world.sleep(Duration::from_secs(29));
    assert!(world.peers[player].is_open);
    world.sleep(Duration::from_secs(2));
    assert_eq!(rejected(&world.peers[player]).as_deref(), Some("NetStream.Play.StreamNotFound"));
    assert_eq!(reasons(&world), [RefuseReason::StreamNotFound]);
    assert_eq!(world.server.stats().streams, 0);
}

#[test]
fn a_connection_that_asks_for_nothing_is_closed() {
    let mut world = world();
    let peer = world.client_until_connected("live");
    world.sleep(Duration::from_secs(11));
    let expected = CloseReason::Error(SessionError::Timeout(TimerKind::Role));
    assert_eq!(closed(&world, world.peers[peer].id), Some(expected));
}

#[test]
fn shutdown_tells_everyone_and_drains() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..5);
    let deaf = world.client(Intent::Play, "live", "a");
    world.peers[deaf].reads = false;
    world.publish(publisher, 5..6);
    world.input(Input::Shutdown);
    assert!(!world.server.is_drained(), "who does not read gets a little time");
    assert!(!world.peers[player].is_open && !world.peers[publisher].is_open);
    assert!(world.peers[player].events.iter().any(|e| matches!(e, SessionEvent::Ended { .. })));
    world.sleep(Duration::from_secs(3));
    assert!(world.server.is_drained());
    let late = world.raw("127.0.0.1");
    assert!(!world.peers[late].is_open);
}

#[test]
fn every_opening_event_has_its_closing_event() {
    let mut world = world();
    for round in 0..20 {
        let name = (round / 2).to_string();
        let publisher = world.client(Intent::Publish, "live", &name);
        let player = world.client(Intent::Play, "live", &name);
        world.publish(publisher, 0..3);
        if round % 2 == 0 {
            world.hang_up(player);
            world.hang_up(publisher);
        }
    }
    world.sleep(Duration::from_secs(60));
    let count = |want: fn(&Event) -> bool| world.events.iter().filter(|event| want(event)).count();
    let pairs = [
        (
            count(|e| matches!(e, Event::Accepted { .. })),
            count(|e| matches!(e, Event::Closed { .. })),
        ),
        (
            count(|e| matches!(e, Event::Published { .. })),
            count(|e| matches!(e, Event::Unpublished { .. })),
        ),
        (
            count(|e| matches!(e, Event::Played { .. })),
            count(|e| matches!(e, Event::Stopped { .. })),
        ),
    ];
    assert!(pairs.iter().all(|(opened, closed)| opened == closed && *opened > 0), "{pairs:?}");
    assert_eq!(world.server.stats().streams, 0);
    assert_eq!(world.server.stats().tape_bytes, 0);
}

#[test]
fn a_fixed_send_delay_merges_and_zero_does_not() {
    for (delay, writes_max, writes_min) in [(0, 1_000, 100), (350, 14, 4)] {
        let delay = SendDelay::Fixed(Duration::from_millis(delay));
        let mut world =
            World::new(Config::with_default_vhost(Vhost { send_delay: delay, ..vhost() }));
        let publisher = world.client(Intent::Publish, "live", "a");
        let player = world.client(Intent::Play, "live", "a");
        world.publish(publisher, 0..1);
        world.sleep(Duration::from_secs(1));
        let before = world.peers[player].writes;
        for index in 1..101 {
            world.publish(publisher, index..index + 1);
            world.sleep(Duration::from_millis(40));
        }
        world.sleep(Duration::from_secs(1));
        let writes = world.peers[player].writes - before;
        assert!((writes_min..=writes_max).contains(&writes), "{delay:?}: {writes} writes");
        assert_eq!(world.serials(player).len(), 101);
    }
}

#[test]
fn progress_is_reported_at_intervals_only() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let _player = world.client(Intent::Play, "live", "a");
    for index in 0..25 * 21 {
        world.publish(publisher, index..index + 1);
        world.sleep(Duration::from_millis(40));
    }
    let publishers = world.events.iter().filter_map(|event| match event {
        Event::Progress { publisher: true, frames_per_second, .. } => Some(*frames_per_second),
        _ => None,
    });
    assert_eq!(publishers.collect::<Vec<_>>(), [25, 25]);
    let streams = |event: &&Event| matches!(event, Event::StreamProgress { players: 1, .. });
    assert_eq!(world.events.iter().filter(streams).count(), 2);
}

#[test]
fn after_a_timeout_the_next_deadline_lies_later() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..2);
    for _ in 0..50 {
        let Some(deadline) = world.server.poll_timeout() else { break };
        world.sleep_until(deadline.at);
        let next = world.server.poll_timeout();
        assert!(next.is_none_or(|next| next.at > deadline.at));
    }
}

#[test]
fn flushes_leave_no_deadlines_behind() {
    let send_delay = SendDelay::Fixed(Duration::from_millis(10));
    let mut world = World::new(Config::with_default_vhost(Vhost { send_delay, ..vhost() }));
    let publisher = world.client(Intent::Publish, "live", "a");
    let _player = world.client(Intent::Play, "live", "a");
    for index in 0..200 {
        world.publish(publisher, index..index + 1);
        world.sleep(Duration::from_millis(20));
        assert!(world.server.stats().timers <= 8, "{:?}", world.server.stats());
    }
}

#[test]
fn a_codec_is_told_once() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..1);
    let codecs: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Codec { codec, .. } => Some(*codec),
            _ => None,
        })
        .collect();
    assert_eq!(codecs, [crate::flv::tag::Codec::H264]);
}
