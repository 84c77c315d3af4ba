//! Faults that the server had, each with the scene in which it showed.

use super::world::{RTMP, World};
use super::*;
use crate::amf::Value;
use pretty_assertions::assert_eq;
use wire::{command, keyframe, text, timed};

/// All up to `play` of `a` on message stream 1 and `b` on 2.
fn plays_two() -> Vec<u8> {
    let create = command(0, "createStream", 4.0, &[Value::Null]);
    let play = command(2, "play", 5.0, &[Value::Null, text("b")]);
    [wire::playing("a"), create, play].concat()
}

fn count(world: &World, want: impl Fn(&Event) -> bool) -> usize {
    world.events.iter().filter(|event| want(event)).count()
}

#[test]
fn players_who_do_not_read_their_good_bye_cost_no_timeouts() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let deaf: Vec<usize> = (0..3).map(|_| world.client(Intent::Play, "live", "a")).collect();
    world.publish(publisher, 0..1);
    for &player in &deaf {
        world.peers[player].reads = false;
    }
    world.publish(publisher, 1..2);
    world.hang_up(publisher);
    let before = world.timeouts;
    world.sleep(Duration::from_secs(60));
    assert!(world.timeouts - before < 30, "{} timeouts", world.timeouts - before);
    for &player in &deaf {
        assert_eq!(closed(&world, world.peers[player].id), Some(CloseReason::StreamEnded));
    }
    assert_eq!(world.server.stats().streams, 0);
}

#[test]
fn who_came_after_the_publisher_had_left_is_told_that_nobody_publishes() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let early = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..1);
    world.hang_up(publisher);
    world.sleep(Duration::from_secs(10));
    let late = world.client(Intent::Play, "live", "a");
    world.sleep(Duration::from_secs(6));
    assert_eq!((world.peers[early].is_open, world.peers[late].is_open), (false, true));
    world.sleep(Duration::from_secs(25));
    assert_eq!(closed(&world, world.peers[early].id), Some(CloseReason::StreamEnded));
    let expected = CloseReason::Refused(RefuseReason::StreamNotFound);
    assert_eq!(closed(&world, world.peers[late].id), Some(expected));
}

#[test]
fn merged_writes_leave_no_deadlines_behind() {
    let delay = SendDelay::Fixed(Duration::from_millis(10));
    let mut world = World::new(Config::with_default_vhost(Vhost { send_delay: delay, ..vhost() }));
    let publisher = world.client(Intent::Publish, "live", "a");
    let player = world.client(Intent::Play, "live", "a");
    for index in 0..200 {
        world.publish(publisher, index..index + 1);
        world.sleep(Duration::from_millis(40));
        let stats = world.server.stats();
        assert!(stats.timers < 10, "{stats:?}");
    }
    assert_eq!(world.serials(player).len(), 200);
}

#[test]
fn players_of_one_connection_report_their_own_bytes() {
    let mut world = world();
    let publishers = ["a", "b"].map(|stream| world.client(Intent::Publish, "live", stream));
    for index in 0..250 {
        world.publish_sized(publishers[0], index..index + 1, 991);
        world.publish_sized(publishers[1], index..index + 1, 91);
        world.sleep(Duration::from_millis(40));
    }
    let both = world.raw("192.0.2.1");
    world.send(both, &plays_two());
    let id = world.peers[both].id;
    for index in 250..755 {
        world.publish_sized(publishers[0], index..index + 1, 991);
        world.publish_sized(publishers[1], index..index + 1, 91);
        world.sleep(Duration::from_millis(40));
    }
    let rates = world.events.iter().filter_map(|event| match event {
        Event::Progress { conn, name, bits_per_second, .. } if *conn == id => {
            Some((name.stream().to_string(), bits_per_second / 10_000))
        }
        _ => None,
    });
    // 25 frames of 1,000 and of 100 bytes a second, and their headers.
    let once = [("a".to_string(), 20), ("b".to_string(), 2)];
    assert_eq!(rates.collect::<Vec<_>>(), [once.clone(), once].concat());
}

#[test]
fn the_end_of_one_player_is_not_that_of_its_connection() {
    let mut world = world();
    let publishers = ["a", "b"].map(|stream| world.client(Intent::Publish, "live", stream));
    for publisher in publishers {
        world.publish(publisher, 0..1);
    }
    let both = world.raw("192.0.2.1");
    world.send(both, &wire::playing("a"));
    world.send(both, &command(0, "createStream", 4.0, &[Value::Null]));
    let second = [-2.0, 1_000.0].map(Value::Number);
    let arguments = [&[Value::Null, text("b")], &second[..]].concat();
    world.send(both, &command(2, "play", 5.0, &arguments));
    for index in 1..100 {
        world.publish(publishers[0], index..index + 1);
        world.publish(publishers[1], index..index + 1);
    }
    assert!(world.peers[both].is_open);
    let replies = world.replies(both);
    let number = |line: &str| replies.iter().filter(|reply| *reply == line).count();
    assert_eq!(number("onStatus NetStream.Play.Stop"), 1);
    // 100 of the first, and 25 of the second: all in its first second.
    assert_eq!(number("video"), 125);
    assert_eq!(world.server.stats().players, 1);
    // The message stream plays again.
    world.send(both, &command(2, "play", 5.0, &arguments));
    assert_eq!(world.server.stats().players, 2);
}

#[test]
fn a_connection_may_play_what_it_publishes() {
    let mut world = world();
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.send(peer, &command(0, "createStream", 4.0, &[Value::Null]));
    world.send(peer, &command(2, "play", 5.0, &[Value::Null, text("a")]));
    for index in 0..10 {
        world.send(peer, &timed(9, 1, 40 * index, &keyframe(&[1])));
    }
    let videos = world.replies(peer).iter().filter(|reply| *reply == "video").count();
    assert_eq!(videos, 10);
    world.hang_up(peer);
    assert_eq!(count(&world, |event| matches!(event, Event::Stopped { .. })), 1);
    assert_eq!(count(&world, |event| matches!(event, Event::Unpublished { .. })), 1);
    let timers = world.server.stats().timers;
    assert_eq!(world.server.stats(), Stats { timers, ..Stats::default() });
}

#[test]
fn who_stops_and_does_nothing_more_is_closed_in_the_end() {
    let mut world = world();
    let peer = world.raw("192.0.2.1");
    world.send(peer, &wire::publishing("a"));
    world.send(peer, &command(1, "FCUnpublish", 4.0, &[Value::Null, text("a")]));
    world.sleep(Duration::from_secs(179));
    assert!(world.peers[peer].is_open);
    world.send(peer, &command(1, "publish", 5.0, &[Value::Null, text("a")]));
    world.send(peer, &command(1, "closeStream", 6.0, &[Value::Null]));
    world.sleep(Duration::from_secs(179));
    assert!(world.peers[peer].is_open);
    world.sleep(Duration::from_secs(2));
    let told = world.replies(peer).pop();
    assert_eq!(told.as_deref(), Some("onStatus NetConnection.Connect.IdleTimeOut"));
    let expected = CloseReason::Error(SessionError::Timeout(TimerKind::Role));
    assert_eq!(world.closes(), [expected]);
}

#[test]
fn the_reason_of_a_close_stays_that_which_the_peer_was_told() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let deaf = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..1);
    world.peers[deaf].reads = false;
    for index in 1..30 {
        world.publish(publisher, index..index + 1);
        world.sleep(Duration::from_secs(1));
    }
    world.input(Input::Shutdown);
    world.input(Input::Shutdown);
    world.sleep(Duration::from_secs(3));
    assert!(world.closes().iter().all(|reason| *reason == CloseReason::Shutdown));
    assert_eq!(world.closes().len(), 2);
}

#[test]
fn a_slot_that_is_used_again_has_no_write_pending() {
    let wall = WallClock { unix_millis: 0 };
    let mut server = Server::new(Arc::new(config()), 7, Instant::from_micros(0), wall);
    let peer = SocketAddr::new([192, 0, 2, 1].into(), 40_000);
    let mut now = 0;
    let mut tick = || {
        now += 1;
        Instant::from_micros(now)
    };
    // All of this comes in one turn.
    for generation in 1..3 {
        let conn = ConnId { slot: 0, generation };
        server.handle(tick(), Input::Opened { conn, via: RTMP, peer });
        server.handle(tick(), Input::Received { conn, bytes: &wire::handshake() });
        if generation == 1 {
            server.handle(tick(), Input::Closed { conn, failure: None });
        }
    }
    let outputs = core::iter::from_fn(|| server.poll_output()).take(100);
    let writes = outputs.filter(|output| matches!(output, Output::Write { .. }));
    let conn = ConnId { slot: 0, generation: 2 };
    assert_eq!(writes.collect::<Vec<_>>(), [Output::Write { conn }]);
}

#[test]
fn the_wall_clock_is_that_of_the_first_instant() {
    let wall = WallClock { unix_millis: 1_700_000_000_000 };
    let start = Instant::from_micros(5_000_000);
    let mut server = Server::new(Arc::new(config()), 7, start, wall);
    assert_eq!(server.wall_clock(), wall);
    server.handle(start.after(Duration::from_secs(2)), Input::Timeout);
    assert_eq!(server.wall_clock().unix_millis, wall.unix_millis + 2_000);
}

#[test]
fn sessions_that_come_and_go_leave_no_deadlines_behind() {
    let mut world = world();
    let mut timers = Vec::new();
    for round in 0..240 {
        // A publisher and three players, for a second; one of them never finishes its handshake.
        let stream = format!("s{}", round % 7);
        let publisher = world.client(Intent::Publish, "live", &stream);
        let others = [0, 1, 2].map(|_| world.client(Intent::Play, "live", &stream));
        let stranger = world.raw("192.0.2.9");
        for index in 0..10 {
            world.publish(publisher, index..index + 1);
            world.sleep(Duration::from_millis(100));
        }
        for index in [publisher, stranger].into_iter().chain(others) {
            world.hang_up(index);
        }
        timers.push(world.server.stats().timers);
    }
    // What is armed for them comes within half a minute, and is forgotten then.
    let most = |part: &[usize]| part.iter().copied().max();
    assert_eq!(most(&timers[60..120]), most(&timers[180..]), "{timers:?}");
    world.sleep(Duration::from_secs(60));
    assert_eq!(world.server.stats(), Stats::default());
}
