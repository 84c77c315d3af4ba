//! Forwards between servers, on a virtual clock.

mod loops;
mod net;
mod rows_cluster;

use super::*;
use crate::api::{ClientRole, Scope};
use crate::config::Forward;
use crate::forward::{ForwardFailure, ForwardState};
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::DialId;
use crate::rng::Rng;
use crate::session::SessionConfig;
use crate::time::Timestamp;
use bytes::BytesMut;
use net::{Host, Net};
use pretty_assertions::assert_eq;

/// A server that forwards to these destinations.
fn forwarding(to: &[&str]) -> Config {
    Config::with_default_vhost(forwarding_vhost(to))
}

fn forwarding_vhost(to: &[&str]) -> Vhost {
    let forwards = to.iter().map(|to| Forward::parse(to).expect("legal")).collect();
    Vhost { forwards, ..vhost() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A forward has just been asked for; now it is there.
fn moment(net: &mut Net) {
    net.sleep(Duration::from_millis(1));
}

/// A server that forwards to another one, with a publisher there and a player here.
fn pair(config: Config) -> (Net, usize, usize) {
    let mut net = Net::new(&[config, super::config()]);
    let publisher = net.client(0, Intent::Publish, "cam");
    let player = net.client(1, Intent::Play, "cam");
    moment(&mut net);
    (net, publisher, player)
}

fn metadata() -> Frame {
    let mut payload = BytesMut::new();
    crate::amf::amf0::write_string(b"onMetaData", &mut payload);
    let width = crate::amf::Value::Number(640.0);
    crate::amf::amf0::write(
        &crate::amf::Value::EcmaArray([("width".into(), width)].into()),
        &mut payload,
    );
    frame(FrameKind::Data, FrameClass::Metadata, 0, &payload)
}

fn header(kind: FrameKind, body: &[u8]) -> Frame {
    frame(kind, FrameClass::SequenceHeader, 0, body)
}

fn frame(kind: FrameKind, class: FrameClass, time: u32, payload: &[u8]) -> Frame {
    let payload = bytes::Bytes::copy_from_slice(payload);
    Frame { kind, class, timestamp: Timestamp(time), payload }
}

fn is_empty(net: &Net, server: usize) {
    let stats = net.servers[server].server.stats();
    let left = (stats.connections, stats.streams, stats.publishers, stats.players);
    assert_eq!((left, stats.timers), ((0, 0, 0, 0), 0), "{stats:?}");
    assert_eq!(net.servers[server].server.forwards(), []);
}

#[test]
fn a_stream_is_forwarded_to_its_last_frame() {
    let (mut net, publisher, player) = pair(forwarding(&["b"]));
    net.publish(publisher, 0..95);
    net.stop(publisher);
    assert_eq!(net.serials(player), (0..95).collect::<Vec<_>>());
    assert_eq!(net.times(player), (0..95).map(|serial| serial * 40).collect::<Vec<_>>());
    assert_eq!(net.servers[0].lines(), ["cam -> rtmp://b/live/cam", "cam ended"]);
    // The destination was told, not cut off.
    let closed = net.servers[1].events.iter().find_map(|(_, event)| match event {
        Event::Unpublished { name, .. } => Some(name.as_str().to_string()),
        _ => None,
    });
    assert_eq!(closed.as_deref(), Some("__defaultVhost__/live/cam"));
    net.sleep(seconds(20));
    is_empty(&net, 0);
}

#[test]
fn a_destination_gets_what_a_player_gets_that_joins() {
    let mut net = Net::new(&[forwarding(&["b"]), config()]);
    net.hosts.insert("b", Host::Refused);
    let publisher = net.client(0, Intent::Publish, "cam");
    let (avc, aac) = (
        header(FrameKind::Video, &[0x17, 0, 0, 0, 0, 1]),
        header(FrameKind::Audio, &[0xAF, 0, 0x12, 0x10]),
    );
    for frame in [metadata(), avc.clone(), aac.clone()] {
        net.publish_frame(publisher, &frame);
    }
    net.publish(publisher, 0..25);
    net.hosts.insert("b", Host::Server(1));
    net.sleep(seconds(2));
    let player = net.client(1, Intent::Play, "cam");
    net.publish(publisher, 25..30);
    assert_eq!(net.serials(player), (20..30).collect::<Vec<_>>());
    let frames = &net.clients[player].frames;
    assert_eq!(frames[0].payload, metadata().payload);
    assert_eq!((&frames[1].payload, &frames[2].payload), (&avc.payload, &aac.payload));
    // The server there keeps metadata as metadata, though they came from a server.
    assert_eq!(frames[0].class, FrameClass::Metadata);
    // Metadata in the middle of the stream, and what follows, arrive too.
    net.publish_frame(publisher, &metadata());
    net.publish(publisher, 30..40);
    assert_eq!(net.serials(player), (20..40).collect::<Vec<_>>());
    let count = net.clients[player].frames.iter().filter(|f| f.class == FrameClass::Metadata);
    assert_eq!(count.count(), 2);
}

#[test]
fn a_chain_of_three_is_exact() {
    let mut net = Net::new(&[forwarding(&["b"]), forwarding(&["c:1935"]), config()]);
    let publisher = net.client(0, Intent::Publish, "cam");
    moment(&mut net);
    moment(&mut net);
    let players = [0, 1, 2].map(|server| net.client(server, Intent::Play, "cam"));
    net.publish_sized(publisher, 0..60, 70_000);
    net.stop(publisher);
    for player in players {
        assert_eq!(net.serials(player), (0..60).collect::<Vec<_>>());
        assert_eq!(net.clients[player].frames.last().unwrap().payload.len(), 70_009);
    }
    net.sleep(seconds(20));
    (0..3).for_each(|server| is_empty(&net, server));
}

#[test]
fn several_destinations_and_streams_go_their_own_ways() {
    let config = forwarding(&["rtmp://b/{app}_b/{stream}-{vhost}", "c", "rtmp://d/in/key?x={app}"]);
    let mut net = Net::new(&[config, super::config(), super::config()]);
    net.hosts.insert("d", Host::Refused);
    let first = net.client_at(0, Intent::Publish, "rtmp://h/live", "one");
    let second = net.client_at(0, Intent::Publish, "rtmp://h/live", "two");
    moment(&mut net);
    let at_b = net.client_at(1, Intent::Play, "rtmp://h/live_b", "one-__defaultVhost__");
    let at_c = net.client_at(2, Intent::Play, "rtmp://h/live", "one");
    let other = net.client_at(2, Intent::Play, "rtmp://h/live", "two");
    net.publish(first, 0..10);
    net.publish(second, 0..20);
    assert_eq!(net.serials(at_b).len(), 10);
    assert_eq!(net.serials(at_c).len(), 10);
    assert_eq!(net.serials(other).len(), 20);
    let states = net.servers[0].server.forwards();
    let works = |state: &ForwardState| matches!(state, ForwardState::Forwarding { .. });
    assert_eq!(states.iter().filter(|forward| works(&forward.state)).count(), 4);
    let failed = states.iter().find(|forward| !works(&forward.state)).unwrap();
    assert_eq!(&*failed.destination, "rtmp://d/in/..?..");
    assert_eq!(failed.failures, 1);
    let last = failed.last_failure.clone().map(|(failure, _)| failure);
    assert_eq!(last, Some(ForwardFailure::Dial(IoFailure::Refused)));
    // The API tells the same with the stream, and its connections are no players.
    let snapshot = net.servers[0].server.snapshot(Scope::Streams);
    let of_streams = snapshot.streams.iter().map(|stream| stream.forwards.len());
    assert_eq!(of_streams.collect::<Vec<_>>(), [3, 3]);
    let snapshot = net.servers[0].server.snapshot(Scope::Clients);
    let roles = snapshot.clients.iter().map(|client| client.role);
    assert_eq!(roles.filter(|role| *role == ClientRole::Forward).count(), 4);
    // A stream that is forwarded has no more players than before.
    assert_eq!(net.servers[0].server.stats().players, 0);
}

#[test]
fn a_name_that_is_not_legal_there_is_not_forwarded() {
    let mut net = Net::new(&[forwarding(&["rtmp://b/{stream}/x"]), config()]);
    let publisher = net.client(0, Intent::Publish, "a,vhost=secret");
    net.publish(publisher, 0..3);
    moment(&mut net);
    let lines = ["a,vhost=secret bad_name, never", "a,vhost=secret ended"];
    assert_eq!(net.servers[0].lines(), lines);
    assert_eq!(net.servers[0].dials, []);
}

#[test]
fn a_publisher_that_takes_over_or_returns_goes_on_at_the_destination() {
    let vhost = Vhost { publish_policy: PublishPolicy::Takeover, ..forwarding_vhost(&["b"]) };
    let (mut net, first, player) = pair(Config::with_default_vhost(vhost));
    net.publish(first, 0..25);
    let second = net.client(0, Intent::Publish, "cam");
    net.publish(second, 30..60);
    // The connection to the destination stays, so nobody there sees an end.
    assert_eq!(net.servers[0].dials.len(), 1);
    let expected: Vec<u32> = (0..25).chain(30..60).collect();
    assert_eq!(net.serials(player), expected);
    // Who has gone and comes back within the grace period has a new connection.
    net.hang_up(second);
    moment(&mut net);
    assert_eq!(net.dialled(0), [0; 0]);
    let third = net.client(0, Intent::Publish, "cam");
    moment(&mut net);
    net.publish(third, 100..110);
    assert_eq!(net.serials(player)[expected.len()..], (100..110).collect::<Vec<_>>());
    let lines = net.servers[0].lines();
    let to = "cam -> rtmp://b/live/cam";
    assert_eq!(lines, [to, "cam ended", to]);
}

#[test]
fn destinations_can_be_added_and_removed() {
    let (mut net, publisher, player) = pair(forwarding(&[]));
    net.publish(publisher, 0..15);
    assert_eq!(net.servers[0].dials, []);
    net.reload(0, forwarding(&["b"]));
    moment(&mut net);
    net.publish(publisher, 15..25);
    assert_eq!(net.serials(player), (10..25).collect::<Vec<_>>());
    // Nothing changes for what stays.
    net.reload(0, forwarding(&["x", "b:1935"]));
    net.hosts.insert("x", Host::BlackHole);
    moment(&mut net);
    net.publish(publisher, 25..30);
    assert_eq!(net.dialled(0).len(), 1);
    net.reload(0, forwarding(&[]));
    net.publish(publisher, 30..40);
    net.sleep(seconds(1));
    assert_eq!(net.serials(player), (10..30).collect::<Vec<_>>());
    let lines = ["cam -> rtmp://b/live/cam", "cam ended", "cam ended"];
    let mut told = net.servers[0].lines();
    told.sort();
    assert_eq!(told, lines);
    assert_eq!((net.dialled(0), net.servers[0].abandoned), (Vec::new(), 1));
    assert_eq!(net.servers[0].server.stats().publishers, 1);
}

#[test]
fn a_shutdown_sends_the_rest() {
    let send_delay = SendDelay::Fixed(Duration::from_millis(300));
    let vhost = Vhost { send_delay, ..forwarding_vhost(&["b"]) };
    let (mut net, publisher, player) = pair(Config::with_default_vhost(vhost));
    net.publish(publisher, 0..25);
    assert_eq!(net.serials(player), [0; 0]);
    net.shut_down(0);
    assert_eq!(net.serials(player), (0..25).collect::<Vec<_>>());
    assert!(net.servers[0].server.is_drained());
    assert_eq!(net.servers[0].lines(), ["cam -> rtmp://b/live/cam", "cam ended"]);
}

#[test]
fn there_are_as_many_forwards_and_dials_as_there_may_be() {
    let mut config = forwarding(&["x", "y"]);
    config.limits.forwards_max = 3;
    config.limits.forward_dials_max = 2;
    let mut net = Net::new(&[config]);
    net.hosts.insert("x", Host::BlackHole);
    net.hosts.insert("y", Host::BlackHole);
    let first = net.client(0, Intent::Publish, "one");
    let second = net.client(0, Intent::Publish, "two");
    moment(&mut net);
    assert_eq!(net.servers[0].server.forwards().len(), 3);
    assert_eq!(net.servers[0].lines(), ["two forwards_max, never", "two ended"]);
    assert_eq!(net.servers[0].dials.len(), 2);
    // The third dials when there is room again.
    net.publish_live(first, 0..150, 10);
    assert_eq!(net.servers[0].dials.iter().filter(|(_, host)| host == "x").count(), 2);
    net.hang_up(first);
    net.hang_up(second);
    is_empty_but_timers(&net);
}

/// Deadlines that are outdated stay until they come.
fn is_empty_but_timers(net: &Net) {
    assert_eq!(net.servers[0].server.forwards(), []);
    assert_eq!(net.servers[0].server.stats().streams, 0);
}

#[test]
fn a_stream_of_another_shard_is_forwarded_at_home_alone() {
    let count = core::num::NonZeroU16::new(2).unwrap();
    let shard = |own: u16, seed| {
        (forwarding(&["c"]), Placement { own: crate::shard::ShardId(own), count }, seed)
    };
    let single = (config(), Placement::SINGLE, 9);
    let mut net = Net::with_placements([shard(0, 7), shard(1, 7), single].into_iter());
    let streams = ["one", "two", "three", "four", "five", "six"];
    let publishers = streams.map(|stream| net.client(0, Intent::Publish, stream));
    let players = streams.map(|stream| net.client(2, Intent::Play, stream));
    moment(&mut net);
    for publisher in publishers {
        net.publish(publisher, 0..20);
    }
    for player in players {
        assert_eq!(net.serials(player), (0..20).collect::<Vec<_>>());
    }
    let dials = [0, 1].map(|server| net.servers[server].dials.len());
    assert_eq!(dials.iter().sum::<usize>(), streams.len());
    assert!(dials.iter().all(|dials| *dials > 0), "{dials:?}");
    for publisher in publishers {
        net.hang_up(publisher);
    }
    net.sleep(seconds(40));
    for server in [0, 1] {
        is_empty(&net, server);
    }
}

#[test]
fn a_rendition_that_is_forwarded_is_transcoded_nowhere() {
    let config = |to: &[&str]| {
        let mut config = super::renditions::config("", &["sd"]);
        let vhost = Arc::make_mut(config.vhosts.values_mut().next().unwrap());
        vhost.forwards = forwarding_vhost(to).forwards;
        config
    };
    let mut net = Net::new(&[config(&["b"]), config(&["c"]), config(&[])]);
    let rendition = net.rendition(0, "cam_sd");
    net.sleep(Duration::from_millis(20));
    let count = |net: &Net| {
        let renditions = |node: &net::Node| node.server.renditions().len();
        let published = |node: &net::Node| node.server.stats().publishers;
        let servers = net.servers.iter();
        servers.map(|node| (published(node), renditions(node))).collect::<Vec<_>>()
    };
    assert_eq!(count(&net), [(1, 0); 3]);
    // The same name, but no rendition now, and soon enough that no destination need notice.
    net.hang_up(rendition);
    net.client(0, Intent::Publish, "cam_sd");
    net.sleep(Duration::from_millis(2_000));
    assert_eq!(count(&net), [(1, 1); 3]);
}
