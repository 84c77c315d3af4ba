//! What is configured for each vhost: who may come, and what they get.

use super::wire::{command, handshake, object, text};
use super::*;
use crate::amf::Value;
use crate::config::Refer;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pretty_assertions::assert_eq;
use std::vec;

/// A configuration of these vhosts, without a default one.
fn config_of<const N: usize>(vhosts: [(&str, Vhost); N]) -> Config {
    let vhosts = vhosts.map(|(name, vhost)| (Arc::from(name), Arc::new(vhost)));
    Config { vhosts: vhosts.into(), ..Config::default() }
}

/// All up to `publish` or `play` of a client that comes from a page.
fn client(tc_url: &str, page_url: &str, intent: Intent, stream: &str) -> Vec<u8> {
    let properties =
        object(&[("app", text("live")), ("tcUrl", text(tc_url)), ("pageUrl", text(page_url))]);
    let (name, rest) = match intent {
        Intent::Publish => ("publish", vec![Value::Null, text(stream), text("live")]),
        Intent::Play => ("play", vec![Value::Null, text(stream)]),
    };
    [
        handshake(),
        command(0, "connect", 1.0, &[properties]),
        command(0, "createStream", 2.0, &[Value::Null]),
        command(1, name, 3.0, &rest),
    ]
    .concat()
}

/// The code of the last answer, and why the connection was closed.
fn outcome(config: &Config, bytes: &[u8]) -> (String, Option<RefuseReason>) {
    let mut world = World::new(config.clone());
    let peer = world.raw("192.0.2.1");
    world.send(peer, bytes);
    let replies = world.replies(peer);
    let in_code = |char: char| char.is_ascii_alphabetic() || char == '.';
    let words = replies.iter().rev().flat_map(|line| line.split(|char| !in_code(char)));
    let code = words.filter(|word| word.starts_with("Net")).map(ToString::to_string).next();
    let reason = match closed(&world, world.peers[peer].id) {
        Some(CloseReason::Refused(reason)) => Some(reason),
        _ => None,
    };
    (code.unwrap_or_default(), reason)
}

#[test]
fn peers_of_unknown_and_disabled_vhosts_are_refused() {
    let disabled = || Vhost { enabled: false, ..vhost() };
    let closed_default = config_of([("a.example", vhost()), ("b.example", disabled())]);
    let open_default = config_of([("__defaultVhost__", vhost()), ("b.example", disabled())]);
    let check = |config: &Config, tc_url: &str, stream: &str, expected: Option<&str>| {
        let found = outcome(config, &client(tc_url, "", Intent::Publish, stream));
        let expected = match expected {
            Some(code) => (code.to_string(), Some(RefuseReason::Vhost)),
            None => ("NetStream.Publish.Start".to_string(), None),
        };
        assert_eq!(found, expected, "{tc_url} {stream}");
    };
    let refused = Some("NetConnection.Connect.InvalidApp");
    check(&closed_default, "rtmp://a.example/live", "s", None);
    check(&closed_default, "rtmp://A.EXAMPLE:1935/live", "s", None);
    check(&closed_default, "rtmp://192.0.2.7/live?vhost=a.example", "s", None);
    check(&closed_default, "rtmp://192.0.2.7/live", "s", refused);
    check(&closed_default, "rtmp://a.example/live?vhost=c.example", "s", refused);
    check(&closed_default, "rtmp://b.example/live", "s", refused);
    check(&closed_default, "rtmp://a.example/live", "s?vhost=b.example", refused);
    check(&closed_default, "rtmp://a.example/live", "s?vhost=c.example", refused);
    check(&open_default, "rtmp://192.0.2.7/live", "s", None);
    check(&open_default, "rtmp://192.0.2.7/live?vhost=c.example", "s", None);
    check(&open_default, "rtmp://b.example/live", "s", refused);
    check(&open_default, "rtmp://192.0.2.7/live", "s?vhost=b.example", refused);
}

#[test]
fn clients_come_from_pages_that_are_served() {
    let domains = |domains: &[&str]| domains.iter().map(|domain| Arc::from(*domain)).collect();
    let refer = Refer {
        all: domains(&["example.com", "example.org"]),
        play: domains(&["play.example.com"]),
        publish: domains(&["publish.example.com", "example.org"]),
    };
    let config =
        config_of([("__defaultVhost__", vhost()), ("a.example", Vhost { refer, ..vhost() })]);
    let check = |page_url: &str, codes: [&str; 2]| {
        for tc_url in ["rtmp://a.example/live", "rtmp://h/live?vhost=a.example"] {
            let codes = codes.map(ToString::to_string);
            let found = [Intent::Publish, Intent::Play]
                .map(|intent| outcome(&config, &client(tc_url, page_url, intent, "s")).0);
            assert_eq!(found, codes, "{page_url}");
        }
        // The vhost of the stream counts, not only that of the connection.
        let aside = client("rtmp://h/live", page_url, Intent::Publish, "s?vhost=a.example");
        let is_refused = codes[0] != "NetStream.Publish.Start";
        let expected = is_refused.then_some(RefuseReason::Refer);
        assert_eq!(outcome(&config, &aside).1, expected, "{page_url}");
    };
    let start = ["NetStream.Publish.Start", "NetStream.Play.Start"];
    let denied = ["NetStream.Publish.Denied", "NetStream.Play.Failed"];
    let rejected = ["NetConnection.Connect.Rejected"; 2];
    check("http://example.com/", denied);
    check("https://WWW.Example.COM:8443/page?a=b#c", denied);
    check("http://publish.example.com", [start[0], denied[1]]);
    check("http://example.org/", [start[0], denied[1]]);
    check("http://play.example.com.", [denied[0], start[1]]);
    check("", rejected);
    check("http://evilexample.com/", rejected);
    check("http://example.com.evil.net/", rejected);
    check("http://evil.net/http://example.com", rejected);
    check("http://example.com@evil.net/", rejected);
    // A page that is too long to be kept is none.
    let long = format!("http://example.org/{}", "a".repeat(4_000));
    check(&long, rejected);
    // Where nothing is configured, nobody is asked.
    let elsewhere = outcome(&config, &client("rtmp://h/live", "", Intent::Play, "s"));
    assert_eq!(elsewhere, (start[1].to_string(), None));
}

#[test]
fn each_vhost_has_its_own_rules() {
    let config = config_of([
        ("__defaultVhost__", vhost()),
        ("new.example", Vhost { publish_policy: PublishPolicy::Takeover, ..vhost() }),
        ("next.example", Vhost { gop_cache: false, ..vhost() }),
        ("short.example", Vhost { grace: Duration::from_secs(3), ..vhost() }),
    ]);
    let check = |host: &str, second: Option<&str>, late: Vec<u32>, grace: u64| {
        let mut world = World::new(config.clone());
        let url = format!("rtmp://{host}/live");
        let first = world.client_at(Intent::Publish, &url, "a", "127.0.0.1");
        world.publish(first, 0..65);
        let player = world.client_at(Intent::Play, &url, "a", "127.0.0.1");
        world.publish(first, 65..90);
        assert_eq!(world.serials(player), late, "{host}");
        let other = world.client_at(Intent::Publish, &url, "a", "127.0.0.1");
        assert_eq!(rejected(&world.peers[other]).as_deref(), second, "{host}");
        world.hang_up(first);
        if second.is_none() {
            world.hang_up(other);
        }
        world.sleep(Duration::from_millis(grace * 1_000 - 100));
        assert!(world.peers[player].is_open, "{host}");
        world.sleep(Duration::from_millis(200));
        assert!(!world.peers[player].is_open, "{host}");
    };
    let busy = Some("NetStream.Publish.BadName");
    check("any.example", busy, (60..90).collect(), 15);
    check("new.example", None, (60..90).collect(), 15);
    check("next.example", busy, (70..90).collect(), 15);
    check("short.example", busy, (60..90).collect(), 3);
}

#[test]
fn processes_of_the_server_come_from_no_page_and_may_all_the_same() {
    let domain = || vec![Arc::from("example.com")];
    for refer in [
        Refer { all: domain(), ..Refer::default() },
        Refer { play: domain(), publish: domain(), ..Refer::default() },
    ] {
        let config = Config::with_default_vhost(Vhost { refer, ..vhost() });
        let check = |ip: &str, program: &str, expected: usize| {
            let mut world = World::new(config.clone());
            let properties = object(&[
                ("app", text("live")),
                ("tcUrl", text("rtmp://h/live")),
                ("flashVer", text(program)),
            ]);
            for ask in ["publish", "play"] {
                let peer = world.raw(ip);
                world.send(peer, &handshake());
                world.send(peer, &command(0, "connect", 1.0, core::slice::from_ref(&properties)));
                world.send(peer, &command(0, "createStream", 2.0, &[Value::Null]));
                world.send(peer, &command(1, ask, 3.0, &[Value::Null, text("cam"), text("live")]));
            }
            assert_eq!(reasons(&world), vec![RefuseReason::Refer; expected], "{ip} {program}");
        };
        let engine = crate::server::transcode::ENGINE_VERSION;
        check("127.0.0.1", engine, 0);
        check("::ffff:127.0.0.1", engine, 0);
        check("192.0.2.1", engine, 2);
        check("127.0.0.1", "FMLE/3.0 (compatible; FMSc/1.0)", 2);
    }
}
