//! Commands that come too early, too often, or with names that are none.

use super::world::World;
use super::*;
use crate::amf::Value;
use crate::event::CloseReason::{Error, Refused};
use crate::session::Ignored;
use pretty_assertions::assert_eq;
use wire::{command, connect, connect_to, message, object, text};

const CONNECTED: &str = "_result 1 NetConnection.Connect.Success";
const PUBLISHED: &str = "onStatus NetStream.Publish.Start";
const BAD_NAME: CloseReason = Refused(RefuseReason::BadName);

fn watched() -> World {
    World::watched(config())
}

/// A peer that has sent `bytes`.
fn after(world: &mut World, bytes: &[u8]) -> usize {
    let peer = world.raw("192.0.2.1");
    world.attack(peer, bytes);
    peer
}

fn count(world: &World, want: fn(&Event) -> bool) -> usize {
    world.events.iter().filter(|event| want(event)).count()
}

#[test]
fn row_056_commands_out_of_state_are_answered_and_change_nothing() {
    let create = command(0, "createStream", 2.0, &[Value::Null]);
    let publish = command(1, "publish", 9.0, &[Value::Null, text("b"), text("live")]);
    let play = command(1, "play", 9.0, &[Value::Null, text("b")]);
    let idle = [wire::connected(), create.clone()].concat();
    let failed = "_error 9 NetConnection.Call.Failed";
    let bad = "onStatus NetStream.Publish.BadConnection";
    let states: [(&str, Vec<u8>, [&str; 4]); 5] = [
        ("shaken", wire::handshake(), [CONNECTED, failed, failed, failed]),
        (
            "connected",
            wire::connected(),
            [
                "_error 1 NetConnection.Connect.Rejected",
                "_result 9",
                bad,
                "onStatus NetStream.Play.Failed",
            ],
        ),
        (
            "idle",
            idle,
            [
                "_error 1 NetConnection.Connect.Rejected",
                "_result 9",
                PUBLISHED,
                "@|RtmpSampleAccess",
            ],
        ),
        (
            "publishing",
            wire::publishing("a"),
            [
                "_error 1 NetConnection.Connect.Rejected",
                "_result 9",
                bad,
                "onStatus NetStream.Play.Failed",
            ],
        ),
        (
            "playing",
            wire::playing("a"),
            [
                "_error 1 NetConnection.Connect.Rejected",
                "_result 9",
                bad,
                "onStatus NetStream.Play.Failed",
            ],
        ),
    ];
    let commands =
        [connect("live"), command(0, "createStream", 9.0, &[Value::Null]), publish, play];
    for (state, bytes, expected) in &states {
        for (command, expected) in commands.iter().zip(expected) {
            let mut world = watched();
            let peer = after(&mut world, bytes);
            let before = world.replies(peer).len();
            world.attack(peer, command);
            let replies = world.replies(peer).split_off(before);
            assert!(replies.iter().any(|reply| reply == expected), "{state}: {replies:?}");
            world.assert_alive(peer);
            world.finish(&[]);
        }
    }
}

#[test]
fn row_056_media_without_publish_are_dropped_and_told_once() {
    for bytes in [wire::handshake(), wire::connected(), wire::playing("a")] {
        let mut world = watched();
        let peer = after(&mut world, &bytes);
        for _ in 0..100 {
            for stream in [0, 1, 7] {
                world.attack(peer, &wire::timed(9, stream, 0, &wire::keyframe(&[0; 100])));
            }
        }
        world.assert_alive(peer);
        let told = world
            .events
            .iter()
            .filter(|event| matches!(event, Event::Ignored { what: Ignored::MediaState, .. }));
        assert_eq!(told.count(), 1);
        world.finish(&[]);
    }
}

#[test]
fn row_057_message_streams_are_limited() {
    let mut world = watched();
    let create = command(0, "createStream", 2.0, &[Value::Null]);
    let peer = after(&mut world, &[wire::connected(), create.repeat(100_000)].concat());
    let replies = world.replies(peer);
    assert_eq!(replies.iter().filter(|reply| *reply == "_result 2").count(), 16);
    assert_eq!(
        replies[replies.len() - 2..],
        ["_error 2 NetConnection.Call.Failed", "onStatus NetConnection.Connect.Closed"]
    );
    world.finish(&[Error(SessionError::TooManyMessageStreams)]);
}

#[test]
fn row_058_of_two_publishers_one_wins_in_every_interleaving() {
    let steps = [
        wire::handshake(),
        connect("live"),
        command(0, "createStream", 2.0, &[Value::Null]),
        command(1, "publish", 3.0, &[Value::Null, text("a"), text("live")]),
        wire::timed(9, 1, 0, &wire::keyframe(&[0; 9])),
    ];
    // Each bit says whose step is next.
    for order in (0_u32..1 << 10).filter(|order| order.count_ones() == 5) {
        let mut world = watched();
        let peers = ["192.0.2.1", "192.0.2.2"].map(|ip| world.raw(ip));
        let mut done = [0, 0];
        for bit in 0..10 {
            let who = (order >> bit & 1) as usize;
            world.send(peers[who], &steps[done[who]]);
            done[who] += 1;
        }
        let published = peers.map(|peer| world.replies(peer).contains(&PUBLISHED.into()));
        assert_eq!(published.iter().filter(|published| **published).count(), 1, "{order:b}");
        let loser = if published[0] { peers[1] } else { peers[0] };
        let last = world.replies(loser).pop();
        assert_eq!(last.as_deref(), Some("onStatus NetStream.Publish.BadName"));
        assert_eq!(count(&world, |event| matches!(event, Event::Published { .. })), 2);
        world.finish(&[Refused(RefuseReason::Busy)]);
    }
}

#[test]
fn row_059_a_publisher_that_returns_starts_anew() {
    let mut world = watched();
    let player = world.client(Intent::Play, "live", "a");
    for (take, time) in [(1_u8, 5_000), (2, 0)] {
        let publisher = after(&mut world, &wire::publishing("a"));
        let header = [0x17, 0, 0, 0, 0, take];
        let mut frames = std::vec![(0x17, wire::timed(9, 1, time, &header))];
        for index in 0..15 {
            let first = if index % 10 == 0 { 0x17 } else { 0x27 };
            let frame = [first, 1, 0, 0, 0, take, index];
            frames.push((first, wire::timed(9, 1, time + 40 * u32::from(index), &frame)));
        }
        if take == 2 {
            // It comes back in the middle of a GOP.
            frames.insert(1, (0x27, wire::timed(9, 1, 0, &[0x27, 1, 0, 0, 0, take, 99])));
        }
        for (_, frame) in &frames {
            world.attack(publisher, frame);
        }
        world.sleep(Duration::from_millis(600));
        world.hang_up(publisher);
        world.sleep(Duration::from_secs(3));
    }
    let frames = &world.peers[player].frames;
    let takes: Vec<u8> = frames.iter().map(|frame| frame.payload[5]).collect();
    assert_eq!(takes, [[1; 16], [2; 16]].concat(), "each take, and its header first");
    assert_eq!(frames[16].payload, [0x17, 0, 0, 0, 0, 2][..]);
    assert_eq!(frames[17].payload, [0x17, 1, 0, 0, 0, 2, 0][..]);
    let times: Vec<u32> = frames.iter().map(|frame| frame.timestamp.0).collect();
    assert!(times.is_sorted(), "{times:?}");
    world.finish(&[CloseReason::Peer; 2]);
}

#[test]
fn row_060_takeover_in_every_state_of_the_stream() {
    let config =
        || Config::with_default_vhost(Vhost { publish_policy: PublishPolicy::Takeover, ..vhost() });
    for players in [0, 1, 100] {
        let mut world = World::watched(config());
        let players: Vec<usize> =
            (0..players).map(|_| world.client(Intent::Play, "live", "a")).collect();
        for take in 0..5 {
            let publisher = after(&mut world, &wire::publishing("a"));
            let last = world.replies(publisher).pop();
            assert_eq!(last.as_deref(), Some(PUBLISHED), "take {take}");
            let frame = wire::keyframe(&[0, 0, 0, take]);
            world.attack(publisher, &wire::timed(9, 1, 0, &frame));
        }
        assert_eq!(world.server.stats().publishers, 2);
        for &player in &players {
            assert_eq!(world.serials(player), [0, 1, 2, 3, 4]);
        }
        world.finish(&[CloseReason::TakenOver; 4]);
    }
}

#[test]
fn row_060_a_connection_takes_its_own_stream_over() {
    let config =
        Config::with_default_vhost(Vhost { publish_policy: PublishPolicy::Takeover, ..vhost() });
    let mut world = World::watched(config);
    let peer = after(&mut world, &wire::publishing("a"));
    world.attack(peer, &command(0, "createStream", 4.0, &[Value::Null]));
    world.attack(peer, &command(2, "publish", 5.0, &[Value::Null, text("a"), text("live")]));
    let player = world.client(Intent::Play, "live", "a");
    world.attack(peer, &wire::timed(9, 1, 0, &wire::keyframe(&[0, 0, 0, 1])));
    world.attack(peer, &wire::timed(9, 2, 0, &wire::keyframe(&[0, 0, 0, 2])));
    assert_eq!(world.serials(player), [2], "the later one counts");
    world.finish(&[]);
}

#[test]
fn row_061_streams_that_come_and_go_leave_nothing() {
    let mut world = watched();
    for round in 0..2_000 {
        let publisher = world.raw("127.0.0.1");
        world.send(publisher, &wire::publishing("a"));
        world.hang_up(publisher);
        let player = world.raw("127.0.0.1");
        world.send(player, &wire::playing(&format!("nobody{round}")));
        assert_eq!(world.server.stats().streams, 2);
        world.hang_up(player);
    }
    let stats = world.server.stats();
    assert_eq!((stats.connections, stats.streams), (2, 1));
    assert_eq!(count(&world, |event| matches!(event, Event::Unpublished { .. })), 2_000);
    assert_eq!(count(&world, |event| matches!(event, Event::Stopped { .. })), 2_000);
    world.finish(&[CloseReason::Peer; 4_000]);
}

#[test]
fn row_061_names_that_are_waited_for_are_limited() {
    let mut config = config();
    config.limits.sources_max = 10;
    let mut world = World::watched(config);
    for round in 0..12 {
        after(&mut world, &wire::playing(&format!("nobody{round}")));
    }
    assert_eq!(world.server.stats().streams, 10);
    let busy = after(&mut world, &wire::publishing("another"));
    let told = world.replies(busy).pop();
    assert_eq!(told.as_deref(), Some("onStatus NetStream.Publish.Denied"));
    world.sleep(Duration::from_secs(31));
    let full = Refused(RefuseReason::SourcesMax);
    let waited = Refused(RefuseReason::StreamNotFound);
    world.finish(&[[full; 4].to_vec(), [waited; 9].to_vec()].concat());
}

#[test]
fn row_062_commands_that_concern_others_have_no_effect() {
    let mut world = watched();
    let publisher = after(&mut world, &wire::publishing("a"));
    let player = world.client(Intent::Play, "live", "a");
    let other = after(&mut world, &wire::playing("a"));
    let nan = Value::Number(f64::NAN);
    let mut attack = Vec::new();
    for id in [0.0, 2.0, -1.0, 1e300, f64::NAN] {
        attack.extend(command(0, "deleteStream", 0.0, &[Value::Null, Value::Number(id)]));
    }
    for name in ["FCUnpublish", "releaseStream", "FCPublish"] {
        attack.extend(command(0, name, 0.0, &[Value::Null, text("a")]));
    }
    attack.extend(command(1, "seek", 0.0, &[Value::Null, nan.clone()]));
    let off = [Value::Null, Value::Boolean(false)];
    attack.extend(command(1, "receiveVideo", 0.0, &off).repeat(1_000));
    attack.extend(command(1, "pause", 0.0, &[Value::Null, Value::Boolean(true), nan.clone()]));
    attack.extend(command(1, "pause", 0.0, &[Value::Null, Value::Boolean(false), nan]));
    world.attack(other, &attack);
    world.assert_alive(other);
    let frame = wire::timed(9, 1, 0, &wire::keyframe(&[0, 0, 0, 1]));
    world.attack(publisher, &frame);
    assert_eq!(world.serials(player), [1]);
    assert!(!world.replies(other).contains(&"video".into()), "it wants none");
    world.finish(&[]);
}

#[test]
fn row_063_odd_urls_are_refused_by_a_word() {
    let long = format!("rtmp://h/live?{}", "x".repeat(2_048));
    for url in [
        "rtmp://[::1]:99999/a",
        "http://h/live",
        "rtmp://h/live?vhost=../..",
        "rtmp:h/live",
        "rtmp://",
        "rtmp:///live",
        "live",
        &long,
    ] {
        let mut world = watched();
        let peer = after(&mut world, &[wire::handshake(), connect_to("live", url)].concat());
        assert_eq!(world.replies(peer), ["_error 1 NetConnection.Connect.Rejected"], "{url}");
        world.finish(&[BAD_NAME]);
    }
    for url in ["rtmp://[::1]/live", "rtmp://user:word@h/live", "rtmp://h:1935/live...vhost...x"] {
        let mut world = watched();
        let peer = after(&mut world, &[wire::handshake(), connect_to("live", url)].concat());
        assert!(world.replies(peer).contains(&CONNECTED.into()), "{url}");
        world.finish(&[]);
    }
    // Longer than any message may be before a grant.
    let mut world = watched();
    after(&mut world, &[wire::handshake(), connect_to("live", &"x".repeat(64 << 10))].concat());
    let closes = world.closes();
    assert!(matches!(closes[..], [Error(SessionError::Chunk(_))]), "{closes:?}");
    world.finish(&closes);
}

#[test]
fn row_064_no_host_of_a_client_is_ever_called() {
    let hosts = ["169.254.169.254", "127.0.0.1:8080", "[::1]"];
    for host in hosts {
        let url =
            format!("rtmp://{host}/live?vhost={}&edge={host}", host.split(':').next().unwrap());
        let stream = format!("a?origin={host}&edge={host}&forward=rtmp://{host}/x");
        let mut world = watched();
        let peer = after(&mut world, &[wire::handshake(), connect_to("live", &url)].concat());
        world.attack(peer, &command(0, "createStream", 2.0, &[Value::Null]));
        world.attack(peer, &command(1, "publish", 3.0, &[Value::Null, text(&stream)]));
        // The world knows all outputs by name (there is none that calls a host), and the server
        // wrote to nobody but those who had called it.
        world.sleep(Duration::from_secs(1));
        let closes = world.closes();
        assert!(closes.is_empty() || closes == [BAD_NAME], "{closes:?}");
        world.finish(&closes);
    }
}

const HOSTILE_NAMES: [&str; 15] = [
    "",
    ".",
    "..",
    "../../../tmp/pwn",
    "..%2f",
    "%2e%2e/",
    "a\\..\\b",
    "a/../b",
    "a\0b",
    "a\r\nb",
    "-i",
    "a\u{2215}b",
    "a\u{202E}b",
    "a//b",
    "%",
];

#[test]
fn row_065_hostile_names_are_refused() {
    let long = "x".repeat(4 << 10);
    for name in HOSTILE_NAMES.into_iter().chain([long.as_str()]).filter(|name| *name != "%") {
        for (verb, code) in
            [("publish", "NetStream.Publish.BadName"), ("play", "NetStream.Play.StreamNotFound")]
        {
            let mut world = watched();
            let create = command(0, "createStream", 2.0, &[Value::Null]);
            let ask = command(1, verb, 3.0, &[Value::Null, text(name)]);
            let peer = after(&mut world, &[wire::connected(), create, ask].concat());
            assert_eq!(world.replies(peer).pop(), Some(format!("onStatus {code}")), "{name:?}");
            let line = |event: &Event| format!("{event:?}");
            for line in world.events.iter().map(line) {
                assert!(line.len() < 700 && line.replace("µs", "us").is_ascii(), "{line}");
            }
            world.finish(&[BAD_NAME]);
        }
    }
    for app in HOSTILE_NAMES.into_iter().filter(|app| !matches!(*app, "%" | "a//b")) {
        let mut world = watched();
        let peer = after(&mut world, &[wire::handshake(), connect_to(app, "rtmp://h")].concat());
        assert_eq!(world.replies(peer), ["_error 1 NetConnection.Connect.Rejected"], "{app:?}");
        world.finish(&[BAD_NAME]);
    }
}

#[test]
fn row_067_media_before_publish_are_seen_by_nobody() {
    let mut world = watched();
    let player = world.client(Intent::Play, "live", "a");
    let create = command(0, "createStream", 2.0, &[Value::Null]);
    let peer = after(&mut world, &[wire::connected(), create].concat());
    let frame = |serial: u8| wire::timed(9, 1, 0, &wire::keyframe(&[0, 0, 0, serial]));
    world.attack(peer, &frame(1).repeat(100));
    assert_eq!(count(&world, |event| matches!(event, Event::Published { .. })), 1);
    let publish = command(1, "publish", 3.0, &[Value::Null, text("a"), text("live")]);
    world.attack(peer, &[publish, frame(2)].concat());
    assert_eq!(world.serials(player), [2]);
    world.finish(&[]);
    // And what follows a refused publish in the same segment.
    let mut world = watched();
    let player = world.client(Intent::Play, "live", "a");
    let first = after(&mut world, &[wire::publishing("a"), frame(1)].concat());
    after(&mut world, &[wire::publishing("a"), frame(2).repeat(100)].concat());
    world.attack(first, &frame(3));
    assert_eq!(world.serials(player), [1, 3]);
    world.finish(&[Refused(RefuseReason::Busy)]);
}

/// Rows 105 and 129 as far as events go.
#[test]
fn row_129_events_are_short_lines_without_secrets() {
    let urls = [
        "rtmp://127.0.0.1/live?key=SECRET",
        "rtmp://user:SECRET@127.0.0.1/live",
        "rtmp://h/live...key...SECRET",
        "http://user:SECRET@h/live",
        "rtmp://user:SECRET@h:0/live",
        "rtmp://h:0/live...key...SECRET",
        "rtmp://h:0/live?key=SECRET",
    ];
    let streams = ["a?key=SECRET", "../a?key=SECRET", "..?SECRET", "?SECRET", "a\n?key=SECRET"];
    let long = "n\u{1B}[31m\r\n%n%s".repeat(1_000);
    for url in urls {
        for stream in streams {
            for verb in ["publish", "play"] {
                let mut world = watched();
                let properties = [
                    ("app", text("live?key=SECRET")),
                    ("tcUrl", text(url)),
                    ("pageUrl", text("http://h/?key=SECRET")),
                    ("flashVer", text(&long)),
                ];
                let connect = command(0, "connect", 1.0, &[object(&properties)]);
                let create = command(0, "createStream", 2.0, &[Value::Null]);
                let ask = command(1, verb, 3.0, &[Value::Null, text(stream)]);
                let odd = command(1, "nobodyKnows", 3.0, &[text("SECRET")]);
                let pause = command(1, "seek", 3.0, &[text("SECRET")]);
                let release = command(0, "releaseStream", 3.0, &[Value::Null, text("a?SECRET")]);
                let parts = [wire::handshake(), connect, create, ask, odd, pause, release];
                let peer = after(&mut world, &parts.concat());
                world
                    .attack(peer, &message(18, 1, &wire::amf(&[text("onSecret"), text("SECRET")])));
                world.sleep(Duration::from_secs(11));
                world.hang_up(peer);
                for event in &world.events {
                    let line = format!("{event:?}");
                    assert!(!line.contains("SECRET"), "{line}");
                    assert!(line.len() < 700 && !line.contains(char::is_control), "{line}");
                }
            }
        }
    }
}
