//! Several message streams on one connection: what becomes of one is not felt by the others.

use super::shards::Cluster;
use super::world::World;
use super::*;
use crate::amf::Value;
use pretty_assertions::assert_eq;
use wire::{command, keyframe, text, timed};

const EOF: &str = "StreamEof(MessageStreamId(2))";

/// All up to `publish` of `a` on message stream 1, and a second one.
fn publishes_one() -> Vec<u8> {
    [wire::publishing("a"), command(0, "createStream", 4.0, &[Value::Null])].concat()
}

fn play(name: &str) -> Vec<u8> {
    command(2, "play", 5.0, &[Value::Null, text(name)])
}

fn publish(name: &str) -> Vec<u8> {
    command(2, "publish", 5.0, &[Value::Null, text(name), text("live")])
}

/// For so long `a` is published, a picture every 5 s; each of them comes to its player.
fn goes_on(world: &mut World, peer: usize, player: usize, seconds: u32) {
    let before = world.peers[player].frames.len();
    for n in 0..seconds / 5 {
        world.send(peer, &timed(9, 1, n * 5_000, &keyframe(b"kkkk")));
        world.sleep(Duration::from_secs(5));
    }
    let came = world.peers[player].frames.len() - before;
    assert_eq!(came, usize::try_from(seconds / 5).unwrap());
    assert!(world.peers[peer].is_open);
}

#[test]
fn the_end_of_a_stream_that_is_played_ends_no_publish_of_the_same_connection() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "b");
    let both = world.raw("127.0.0.1");
    world.send(both, &[publishes_one(), play("b")].concat());
    let player = world.client(Intent::Play, "live", "a");
    world.publish(publisher, 0..3);
    world.hang_up(publisher);
    goes_on(&mut world, both, player, 20);
    let replies = world.replies(both);
    let told = ["onStatus NetStream.Play.UnpublishNotify".to_string()];
    assert!(replies.ends_with(&[&[EOF.to_string()], &told[..]].concat()), "{replies:?}");
    // The message stream can be used again.
    let publisher = world.client(Intent::Publish, "live", "b");
    world.publish(publisher, 10..13);
    world.send(both, &play("b"));
    world.publish(publisher, 13..14);
    let videos = world.replies(both).iter().rev().take_while(|line| *line == "video").count();
    assert_eq!(videos, 4);
}

#[test]
fn a_play_that_nobody_publishes_for_ends_no_publish_of_the_same_connection() {
    let mut world = world();
    let both = world.raw("127.0.0.1");
    world.send(both, &[publishes_one(), play("nothing")].concat());
    let player = world.client(Intent::Play, "live", "a");
    goes_on(&mut world, both, player, 40);
    let last = world.replies(both).pop();
    assert_eq!(last.as_deref(), Some("onStatus NetStream.Play.StreamNotFound"));
    assert_eq!(reasons(&world), [RefuseReason::StreamNotFound]);
}

#[test]
fn a_refused_request_ends_no_publish_of_the_same_connection() {
    let busy = "onStatus NetStream.Publish.BadName";
    let long = "x".repeat(2_000);
    let cases = [
        (publish("b"), busy, RefuseReason::Busy),
        (publish("a"), busy, RefuseReason::Busy),
        (publish(""), busy, RefuseReason::BadName),
        (play(&long), "onStatus NetStream.Play.StreamNotFound", RefuseReason::BadName),
    ];
    for (request, told, reason) in cases {
        let mut world = world();
        world.client(Intent::Publish, "live", "b");
        let both = world.raw("127.0.0.1");
        let player = world.client(Intent::Play, "live", "a");
        world.send(both, &[publishes_one(), request].concat());
        assert_eq!(world.replies(both).pop().as_deref(), Some(told));
        assert_eq!(reasons(&world), [reason]);
        goes_on(&mut world, both, player, 40);
        // What was asked in vain can be asked anew.
        world.send(both, &publish("c"));
        let last = world.replies(both).pop();
        assert_eq!(last.as_deref(), Some("onStatus NetStream.Publish.Start"));
    }
}

#[test]
fn who_takes_no_audio_from_the_beginning_gets_none() {
    let mut world = world();
    let publisher = world.raw("127.0.0.1");
    world.send(publisher, &wire::publishing("a"));
    let player = world.raw("127.0.0.1");
    let (mute, unmute) = (
        command(1, "receiveAudio", 4.0, &[Value::Null, Value::Boolean(false)]),
        command(1, "receiveAudio", 5.0, &[Value::Null, Value::Boolean(true)]),
    );
    let connected = [wire::connected(), command(0, "createStream", 2.0, &[Value::Null])].concat();
    let play = command(1, "play", 0.0, &[Value::Null, text("a")]);
    world.send(player, &[connected, mute, play].concat());
    let sound = |at| timed(8, 1, at, &[0xAF, 1, 0x21]);
    world.send(publisher, &[timed(9, 1, 0, &keyframe(b"kkkk")), sound(0), sound(20)].concat());
    let count = |world: &World, what: &str| {
        world.replies(player).iter().filter(|line| *line == what).count()
    };
    assert_eq!((count(&world, "video"), count(&world, "audio")), (1, 0));
    world.send(player, &unmute);
    world.send(publisher, &sound(40));
    assert_eq!(count(&world, "audio"), 1);
}

#[test]
fn who_asks_in_vain_for_ever_is_closed() {
    let mut world = world();
    world.client(Intent::Publish, "live", "b");
    let both = world.raw("127.0.0.1");
    world.send(both, &publishes_one());
    for _ in 0..16 {
        world.send(both, &publish("b"));
    }
    assert!(world.peers[both].is_open);
    world.send(both, &publish("b"));
    assert!(!world.peers[both].is_open);
    assert_eq!(reasons(&world), [RefuseReason::Busy; 17]);
}

#[test]
fn a_stream_that_is_taken_over_ends_no_other_one_of_its_connection() {
    let vhost = Vhost { publish_policy: PublishPolicy::Takeover, ..vhost() };
    let mut world = World::new(Config::with_default_vhost(vhost));
    let both = world.raw("127.0.0.1");
    world.send(both, &[publishes_one(), publish("b")].concat());
    let player = world.client(Intent::Play, "live", "a");
    let other = world.client(Intent::Publish, "live", "b");
    let last = world.replies(both).pop();
    assert_eq!(last.as_deref(), Some("onStatus NetStream.Publish.BadName"));
    goes_on(&mut world, both, player, 10);
    world.publish(other, 0..1);
}

#[test]
fn a_name_that_another_shard_refuses_ends_no_publish_of_the_same_connection() {
    for name in ["b", "c", "d"] {
        let mut cluster = Cluster::new(2, 1, &config());
        cluster.client(1, Intent::Publish, name);
        cluster.settle();
        let both = cluster.worlds[0].raw("127.0.0.1");
        cluster.worlds[0].send(both, &publishes_one());
        cluster.settle();
        cluster.worlds[0].send(both, &publish(name));
        cluster.settle();
        let replies = cluster.worlds[0].replies(both);
        assert_eq!(replies.last().unwrap(), "onStatus NetStream.Publish.BadName", "{name}");
        assert!(cluster.worlds[0].peers[both].is_open);
        let publishers: u32 =
            cluster.worlds.iter().map(|world| world.server.stats().publishers).sum();
        assert_eq!(publishers, 2, "{name}");
    }
}
