//! Streams that would come back to a server that they have passed.

use super::*;
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
