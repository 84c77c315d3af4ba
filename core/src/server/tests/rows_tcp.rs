//! Sockets that are silent, slow, broken, or too many.

use super::world::{RTMP, World};
use super::*;
use crate::drive::{IoFailure, Slices};
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::vec;

const HANDSHAKE_TIMEOUT: CloseReason =
    CloseReason::Error(SessionError::Timeout(TimerKind::Handshake));
const PER_IP: CloseReason = CloseReason::Refused(RefuseReason::ConnectionsPerIp);

fn watched() -> World {
    World::watched(config())
}

#[test]
fn row_001_silent_connections_are_closed_at_the_deadline_and_capped_per_address() {
    let mut world = watched();
    for _ in 0..500 {
        world.raw("192.0.2.1");
    }
    let stats = world.server.stats();
    assert_eq!((stats.connections, stats.streams, stats.session_bytes), (2 + 64, 1, 0));
    world.sleep(Duration::from_millis(9_990));
    assert_eq!(world.server.stats().connections, 2 + 64);
    world.sleep(Duration::from_millis(20));
    assert_eq!(world.server.stats().connections, 2);
    world.finish(&[vec![PER_IP; 436], vec![HANDSHAKE_TIMEOUT; 64]].concat());
}

#[test]
fn row_002_a_byte_now_and_then_does_not_move_the_deadline() {
    let mut world = watched();
    let slow = world.raw("192.0.2.1");
    world.send(slow, &[3]);
    for _ in 0..3 {
        world.sleep(Duration::from_secs(3));
        world.send(slow, &[0]);
        assert!(world.peers[slow].is_open);
    }
    world.sleep(Duration::from_secs(1));
    assert!(!world.peers[slow].is_open);
    world.finish(&[HANDSHAKE_TIMEOUT]);
}

/// Each stage of the way to a role has its own deadline, which bytes do not move.
#[test]
fn row_002_the_same_holds_before_connect_and_before_a_role() {
    for (bytes, kind) in
        [(wire::handshake(), TimerKind::Connect), (wire::connected(), TimerKind::Role)]
    {
        let mut world = watched();
        let slow = world.raw("192.0.2.1");
        world.send(slow, &bytes);
        for _ in 0..19 {
            world.sleep(Duration::from_millis(500));
            world.send(slow, &wire::message(3, 0, &[0; 4]));
            assert!(world.peers[slow].is_open, "{kind:?}");
        }
        world.sleep(Duration::from_secs(1));
        world.finish(&[CloseReason::Error(SessionError::Timeout(kind))]);
    }
}

#[test]
fn row_003_a_publisher_that_falls_silent_is_removed_after_fifteen_seconds() {
    let mut world = watched();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..5);
    world.sleep(Duration::from_secs(10));
    world.publish(publisher, 5..6);
    world.sleep(Duration::from_secs(14));
    assert_eq!(world.server.stats().publishers, 2);
    world.sleep(Duration::from_secs(2));
    assert_eq!(world.server.stats().publishers, 1);
    let again = world.client(Intent::Publish, "live", "a");
    world.publish(again, 0..5);
    assert!(world.peers[again].is_open, "the name is free");
    let unpublished = |event: &&Event| matches!(event, Event::Unpublished { .. });
    assert_eq!(world.events.iter().filter(unpublished).count(), 1);
    world.finish(&[CloseReason::Error(SessionError::Timeout(TimerKind::Idle))]);
}

#[test]
fn row_003_pings_do_not_keep_a_publisher_without_media() {
    let mut world = watched();
    let publisher = world.raw("192.0.2.1");
    world.send(publisher, &wire::publishing("a"));
    for _ in 0..12 {
        world.sleep(Duration::from_secs(1));
        world.assert_alive(publisher);
    }
    world.sleep(Duration::from_secs(1));
    world.finish(&[CloseReason::Error(SessionError::Timeout(TimerKind::Idle))]);
}

#[test]
fn row_004_players_that_do_not_read_are_closed_and_cost_one_window() {
    let mut world = watched();
    let publisher = world.client(Intent::Publish, "live", "a");
    let good = world.client(Intent::Play, "live", "a");
    let stalled: Vec<usize> = (0..50).map(|_| world.client(Intent::Play, "live", "a")).collect();
    world.publish(publisher, 0..1);
    for &player in &stalled {
        world.peers[player].reads = false;
        // They stop in the middle of a message.
        world.peers[player].room = 1_000;
    }
    for second in 0..35 {
        let from = 1 + second * 25;
        world.publish_sized(publisher, from..from + 25, 25_000);
        world.sleep(Duration::from_secs(1));
        let stats = world.server.stats();
        assert!(stats.tape_bytes < 9 << 20, "{stats:?}");
        assert!(stats.player_bytes < 50 * (64 << 10), "{stats:?}");
    }
    let window = CloseReason::SlowReader;
    assert!(stalled.iter().all(|&player| closed(&world, world.peers[player].id) == Some(window)));
    assert_eq!(world.serials(good).len(), 1 + 35 * 25);
    world.finish(&[window; 50]);
}

#[test]
fn row_004_a_long_message_is_held_once_for_all_who_stopped_in_it() {
    let mut world = watched();
    let publisher = world.client(Intent::Publish, "live", "a");
    let stalled: Vec<usize> = (0..50).map(|_| world.client(Intent::Play, "live", "a")).collect();
    world.publish(publisher, 0..1);
    for &player in &stalled {
        world.peers[player].reads = false;
        world.peers[player].room = 1_000;
    }
    world.publish_sized(publisher, 1..2, 2 << 20);
    world.publish_sized(publisher, 2..42, 1 << 20);
    let stats = world.server.stats();
    assert!(stats.player_bytes < 50 * (64 << 10), "{stats:?}");
    for &player in &stalled {
        world.peers[player].reads = true;
        let conn = world.peers[player].id;
        world.input(Input::Writable { conn });
    }
    world.publish(publisher, 42..55);
    for &player in &stalled {
        // The message that had begun is whole, and then all goes on at a keyframe.
        let serials = world.serials(player);
        assert_eq!(serials[..2], [0, 1]);
        assert_eq!(serials[2..].first().map(|serial| serial % 10), Some(0), "{serials:?}");
        assert_eq!(serials.last(), Some(&54));
        assert_eq!(world.peers[player].frames[1].payload.len(), 9 + (2 << 20));
    }
    world.finish(&[]);
}

#[test]
fn row_005_a_byte_per_second_is_no_progress() {
    let mut world = watched();
    let publisher = world.client(Intent::Publish, "live", "a");
    let slow = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..1);
    world.peers[slow].reads = false;
    for second in 0..29 {
        world.publish_sized(publisher, 1 + second..2 + second, 25_000);
        world.sleep(Duration::from_secs(1));
        world.peers[slow].room = 1;
        let conn = world.peers[slow].id;
        world.input(Input::Writable { conn });
        assert!(world.peers[slow].is_open, "after {second} seconds");
    }
    world.sleep(Duration::from_secs(2));
    assert!(!world.peers[slow].is_open);
    world.finish(&[CloseReason::SlowReader]);
}

#[test]
fn row_005_a_slow_reader_that_gets_on_stays() {
    let mut world = watched();
    let publisher = world.client(Intent::Publish, "live", "a");
    let slow = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..1);
    world.peers[slow].reads = false;
    for second in 0..60 {
        world.publish_sized(publisher, 1 + second..2 + second, 25_000);
        world.sleep(Duration::from_secs(1));
        world.peers[slow].room = 100;
        let conn = world.peers[slow].id;
        world.input(Input::Writable { conn });
    }
    assert!(world.peers[slow].is_open);
    world.finish(&[]);
}

#[test]
fn row_006_a_reset_inside_a_message_and_an_end_behind_publish_free_everything() {
    let reset = CloseReason::Io(IoFailure::Reset);
    for (len, end, expected) in [(200 << 10, true, reset), (0, false, CloseReason::Peer)] {
        let mut world = watched();
        let publisher = world.raw("192.0.2.1");
        world.send(publisher, &wire::publishing("a"));
        let frame = wire::timed(9, 1, 0, &wire::keyframe(&vec![0; len]));
        world.attack(publisher, &frame[..frame.len() / 2]);
        assert!(world.server.stats().session_bytes as usize >= len / 4);
        if end {
            world.reset(publisher);
        } else {
            world.hang_up(publisher);
        }
        assert_eq!(world.server.stats().session_bytes, 0);
        assert_eq!(world.server.stats().streams, 1);
        let unpublished = |event: &&Event| matches!(event, Event::Unpublished { .. });
        assert_eq!(world.events.iter().filter(unpublished).count(), 1);
        world.finish(&[expected]);
    }
}

#[test]
fn row_008_above_the_limit_connections_are_refused_and_counted() {
    let mut config = config();
    config.limits.connections_max = 5;
    let mut world = World::watched(config);
    let held: Vec<usize> = (0..3).map(|_| world.raw("127.0.0.1")).collect();
    for _ in 0..10_000 {
        world.raw("127.0.0.1");
        assert_eq!(world.server.stats().connections, 5);
    }
    world.hang_up(held[0]);
    let next = world.raw("127.0.0.1");
    assert!(world.peers[next].is_open);
    let refused = CloseReason::Refused(RefuseReason::ConnectionsMax);
    world.finish(&[vec![refused; 10_000], vec![CloseReason::Peer]].concat());
}

quickcheck! {
    /// Reads and writes that fail, do nothing, or come for those who are gone, in any order: every
    /// input is followed by a bounded number of outputs, and a close frees all.
    fn row_010_faults_in_any_order_never_spin(faults: Vec<(u8, u8)>) -> bool {
        let wall = crate::time::WallClock { unix_millis: 0 };
        let mut server = Server::new(Arc::new(config()), 7, Instant::from_micros(0), wall);
        let peer = SocketAddr::new([192, 0, 2, 1].into(), 40_000);
        let mut now = 0;
        let mut handle = |server: &mut Server, input: Input<'_>, room: usize| {
            now += 1;
            server.handle(Instant::from_micros(now), input);
            let mut closed = 0;
            for _ in 0..1_000 {
                let Some(output) = server.poll_output() else { return closed };
                match output {
                    Output::Close { .. } => closed += 1,
                    Output::Write { conn } => {
                        let offered = server.slices(conn, &mut Slices::new());
                        let len = offered.min(room);
                        now += 1;
                        server.handle(
                            Instant::from_micros(now),
                            Input::Wrote { conn, len, offered },
                        );
                    }
                    Output::SetReading { .. } | Output::Event(_) | Output::Shard { .. } => {}
                    other => panic!("not asked for: {other:?}"),
                }
            }
            panic!("the server spins");
        };
        let ids = [0, 1, 2].map(|slot| ConnId { slot, generation: 1 });
        let attacks = [wire::publishing("a"), wire::playing("a"), wire::connected()];
        for (conn, bytes) in ids.into_iter().zip(&attacks) {
            handle(&mut server, Input::Opened { conn, via: RTMP, peer }, 10);
            handle(&mut server, Input::Received { conn, bytes }, 10);
        }
        let frame = wire::timed(9, 1, 0, &wire::keyframe(&[0; 300]));
        for (fault, room) in faults {
            let conn = ids[usize::from(fault) % ids.len()];
            let room = usize::from(room);
            let input = match fault / 3 % 8 {
                0 => Input::Received { conn, bytes: &[] },
                1 => Input::Received { conn, bytes: &frame },
                2 => Input::Wrote { conn, len: 0, offered: 0 },
                3 => Input::Wrote { conn, len: 0, offered: 1 },
                4 | 5 => Input::Writable { conn },
                6 => Input::Timeout,
                _ => Input::Received { conn: ConnId { generation: 9, ..conn }, bytes: &frame },
            };
            handle(&mut server, input, room);
        }
        for conn in ids {
            handle(&mut server, Input::Closed { conn, failure: Some(IoFailure::Other) }, 0);
        }
        let stats = server.stats();
        Stats { timers: stats.timers, ..Stats::default() } == stats
    }
}

#[test]
fn row_011_a_flood_of_connects_is_refused_by_rate_and_by_number() {
    let mut world = watched();
    let interval = Duration::from_micros(200);
    for _ in 0..5_000 {
        let flood = world.raw("192.0.2.1");
        if world.peers[flood].is_open {
            world.hang_up(flood);
        }
        world.sleep(interval);
    }
    let accepted = world.closes().iter().filter(|reason| **reason == CloseReason::Peer).count();
    // A burst of 100, and 50 in the second that has passed.
    assert!((149..=152).contains(&accepted), "{accepted}");
    let rate = CloseReason::Refused(RefuseReason::ConnectRate);
    assert_eq!(world.closes().iter().filter(|reason| **reason == rate).count(), 5_000 - accepted);
    let closes = world.closes();
    world.finish(&closes);
}

#[test]
fn row_011_many_addresses_are_limited_one_by_one() {
    let mut world = watched();
    for address in 0..50 {
        for _ in 0..200 {
            world.raw(&format!("192.0.2.{address}"));
        }
    }
    assert_eq!(world.server.stats().connections, 2 + 50 * 64);
    let publisher = world.client_at(Intent::Publish, "rtmp://h/live", "a", "192.0.2.77");
    world.publish(publisher, 0..5);
    assert!(world.peers[publisher].is_open);
    assert!(world.closes().iter().all(|reason| *reason == PER_IP));
    assert_eq!(world.closes().len(), 50 * 136);
    world.sleep(Duration::from_secs(11));
    assert_eq!(world.server.stats().connections, 3);
    let closes = world.closes();
    world.finish(&closes);
}

#[test]
fn row_011_addresses_of_one_ipv6_network_count_together() {
    let mut world = watched();
    for host in 0..70 {
        world.raw(&format!("2001:db8:1:1::{host}"));
    }
    assert_eq!(world.server.stats().connections, 2 + 64);
    let other = world.raw("2001:db8:1:2::1");
    assert!(world.peers[other].is_open);
    world.finish(&[PER_IP; 6]);
}
