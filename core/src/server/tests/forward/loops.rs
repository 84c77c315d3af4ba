//! Streams that would come back to a server that they have passed.

use super::*;
use crate::amf::Value;
use pretty_assertions::assert_eq;

const LOOP: &str = "cam loop, again";

#[test]
fn row_125_a_server_does_not_forward_to_itself() {
    // By its own name, by another name, and under another name of the stream.
    for to in ["a", "other", "rtmp://a/live/{stream}_copy", "rtmp://a/{app}_copy"] {
        let mut net = Net::new(&[forwarding(&[to])]);
        net.hosts.insert("other", Host::Server(0));
        let publisher = net.client(0, Intent::Publish, "cam");
        let player = net.client(0, Intent::Play, "cam");
        net.publish_live(publisher, 0..5_000, 10);
        assert_eq!(
            net.servers[0].lines(),
            [LOOP, LOOP].map(String::from)[..net.servers[0].dials.len()]
        );
        // It is not tried again soon, and the stream goes on.
        assert_eq!(net.servers[0].dials.len(), 1, "{to}");
        net.publish_live(publisher, 5_000..8_000, 10);
        assert_eq!(net.servers[0].dials.len(), 2, "{to}");
        assert_eq!(net.serials(player), (0..8_000).collect::<Vec<_>>(), "{to}");
        let names = net.servers[0].server.stats();
        assert_eq!((names.streams, names.publishers), (1, 1), "{to}");
    }
}

#[test]
fn row_125_two_servers_do_not_forward_to_each_other() {
    for policy in [PublishPolicy::Busy, PublishPolicy::Takeover] {
        let config = |to| {
            let vhost = Vhost { publish_policy: policy, ..forwarding_vhost(&[to]) };
            Config::with_default_vhost(vhost)
        };
        let mut net = Net::new(&[config("b"), config("other")]);
        net.hosts.insert("other", Host::Server(0));
        let publisher = net.client(0, Intent::Publish, "cam");
        let players = [0, 1].map(|server| net.client(server, Intent::Play, "cam"));
        net.sleep(Duration::from_millis(5));
        net.publish_live(publisher, 0..100, 10);
        for player in players {
            assert_eq!(net.serials(player), (0..100).collect::<Vec<_>>());
        }
        assert_eq!(net.servers[0].lines(), ["cam -> rtmp://b/live/cam"]);
        assert_eq!(net.servers[1].lines(), [LOOP]);
        assert_eq!(super::super::refusals(&net.servers[0].events), [RefuseReason::Loop]);
        net.stop(publisher);
        net.sleep(seconds(400));
        (0..2).for_each(|server| is_empty(&net, server));
    }
}

#[test]
fn row_125_shards_of_a_server_know_each_other() {
    let count = core::num::NonZeroU16::new(2).unwrap();
    let shard = |own: u16, to: &[&str], seed| {
        (forwarding(to), Placement { own: crate::shard::ShardId(own), count }, seed)
    };
    // Each shard forwards to the other one by an address of the whole server.
    let mut net = Net::with_placements([shard(0, &["b"], 7), shard(1, &["a"], 7)].into_iter());
    for stream in ["one", "two", "three", "four"] {
        net.client(0, Intent::Publish, stream);
    }
    moment(&mut net);
    let lines = [0, 1].map(|server| net.servers[server].lines());
    let lines = lines.concat();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.contains(" loop, again")), "{lines:?}");
}

#[test]
fn row_125_a_stream_passes_no_more_servers_than_the_limit() {
    let configs = ["b", "c", "d", "e", "f", "g", "a"].map(|to| forwarding(&[to]));
    let mut net = Net::new(&configs);
    let publisher = net.client(0, Intent::Publish, "cam");
    net.sleep(Duration::from_millis(20));
    net.publish(publisher, 0..10);
    // The publisher's server, and four more: the fifth does not try.
    let published = |node: &net::Node| node.server.stats().publishers;
    assert_eq!(net.servers.iter().map(published).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(net.servers[4].lines(), ["cam hops, never", "cam ended"]);
    assert_eq!(net.servers[4].dials, []);
    assert_eq!(net.servers[3].lines(), ["cam -> rtmp://e/live/cam"]);
}

#[test]
fn row_125_a_server_with_another_limit_is_refused() {
    let mut far = forwarding(&["b"]);
    far.limits.forward_hops_max = 9;
    let mut near = config();
    near.limits.forward_hops_max = 0;
    let mut net = Net::new(&[far, near]);
    net.client(0, Intent::Publish, "cam");
    moment(&mut net);
    assert_eq!(net.servers[0].lines(), [LOOP]);
    assert_eq!(super::super::refusals(&net.servers[1].events), [RefuseReason::Loop]);
}

/// A program that publishes `live/cam` from an address, and calls itself so.
fn publishes(world: &mut World, ip: &str, program: &str) -> usize {
    let peer = world.raw(ip);
    let properties = wire::object(&[
        ("app", wire::text("live")),
        ("tcUrl", wire::text("rtmp://any.name/live")),
        ("flashVer", wire::text(program)),
    ]);
    world.send(peer, &wire::handshake());
    world.send(peer, &wire::command(0, "connect", 1.0, &[properties]));
    world.send(peer, &wire::command(0, "createStream", 2.0, &[Value::Null]));
    let publish = [Value::Null, wire::text("cam"), wire::text("live")];
    world.send(peer, &wire::command(1, "publish", 3.0, &publish));
    peer
}

const NGINX: &str = "LNX.11,1,102,55";
const OBS: &str = "FMLE/3.0 (compatible; FMSc/1.0)";

/// A server whose `live/cam` is on its way to 192.0.2.9, and its publisher.
fn on_its_way(policy: PublishPolicy) -> (World, usize) {
    let vhost = Vhost { publish_policy: policy, ..forwarding_vhost(&["b"]) };
    let mut world = World::new(Config::with_default_vhost(vhost));
    let publisher = world.client(Intent::Publish, "live", "cam");
    world.sleep(Duration::from_millis(1));
    let dials = world.asked.drain(..).filter_map(|output| match output {
        Output::Dial { dial, .. } => Some(dial),
        _ => None,
    });
    let dial = dials.last().unwrap();
    world.open("192.0.2.9", Via::Dial(dial));
    world.events.clear();
    (world, publisher)
}

#[test]
fn row_125_what_comes_back_without_a_route_takes_no_stream_over() {
    let check = |policy, ip: &str, program: &str, expected: Option<RefuseReason>| {
        let (mut world, publisher) = on_its_way(policy);
        let newcomer = publishes(&mut world, ip, program);
        let refused = world.events.iter().find_map(|event| match event {
            Event::Refused { reason, .. } => Some(*reason),
            _ => None,
        });
        assert_eq!(refused, expected, "{policy:?} {ip} {program}");
        let stays = if expected.is_some() { publisher } else { newcomer };
        let publishers = world.server.snapshot(Scope::Streams).streams;
        assert_eq!(publishers[0].publisher.unwrap().conn, world.peers[stays].id);
    };
    let (looped, busy) = (Some(RefuseReason::Loop), Some(RefuseReason::Busy));
    for ip in ["192.0.2.9", "::ffff:192.0.2.9"] {
        check(PublishPolicy::Takeover, ip, NGINX, looped);
        check(PublishPolicy::Takeover, ip, "", looped);
        check(PublishPolicy::Busy, ip, NGINX, looped);
        // An encoder may live behind the same address.
        check(PublishPolicy::Takeover, ip, OBS, None);
        check(PublishPolicy::Busy, ip, OBS, busy);
    }
    check(PublishPolicy::Takeover, "192.0.2.10", NGINX, None);
    check(PublishPolicy::Busy, "192.0.2.10", NGINX, busy);
}

#[test]
fn row_125_a_stream_may_come_from_where_it_does_not_go() {
    // It is on its way to nobody yet, and later nowhere any more.
    let vhost = Vhost { publish_policy: PublishPolicy::Takeover, ..forwarding_vhost(&["b"]) };
    let mut world = World::new(Config::with_default_vhost(vhost));
    let first = publishes(&mut world, "192.0.2.9", NGINX);
    let second = publishes(&mut world, "192.0.2.9", NGINX);
    assert_eq!((world.peers[first].is_open, world.peers[second].is_open), (false, true));
}

#[test]
fn row_125_what_comes_back_by_another_shard_is_known_too() {
    let answer = |server: Option<&str>| {
        let (mut world, _) = on_its_way(PublishPolicy::Takeover);
        let name = world.server.snapshot(Scope::Streams).streams[0].name.clone();
        let claim = crate::shard::Claim {
            conn: ConnId { slot: 77, generation: 1 },
            stream: crate::id::MessageStreamId(1),
        };
        let message = crate::shard::ShardMessage::Claim {
            claim,
            name,
            is_rendition: false,
            route: crate::forward::Route::default(),
            server: server.map(|ip| ip.parse().unwrap()),
        };
        world.input(Input::Shard { from: crate::shard::ShardId(1), message });
        std::format!("{:?}", world.said.remove(0).1)
    };
    assert!(answer(Some("192.0.2.9")).contains("Denied"));
    assert!(answer(Some("192.0.2.9")).contains("Loop"));
    assert!(answer(Some("192.0.2.10")).contains("Granted"));
    assert!(answer(None).contains("Granted"), "an encoder");
}
