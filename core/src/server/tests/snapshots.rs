//! What the server tells of itself, of one shard and of several.

use super::http::{answers, get};
use super::wire;
use super::world::World;
use super::*;
use crate::amf::Value;
use crate::api::{ClientRole, Protocol, Request, Scope, Snapshot};
use crate::config::Network;
use crate::drive::Input;
use alloc::sync::Arc;
use pretty_assertions::assert_eq;
use std::string::{String, ToString as _};

fn document(snapshot: &Snapshot, target: &str) -> serde_json::Value {
    let answer = Request::parse("GET", target).unwrap().answer(snapshot, &[]);
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_stream_is_told_with_its_publisher_its_players_and_its_rates() {
    let mut world = World::new(Config::default());
    let publisher = world.client(Intent::Publish, "live", "cam");
    let player = world.client(Intent::Play, "live", "cam");
    for second in 0..10 {
        world.publish(publisher, second * 25..(second + 1) * 25);
        world.sleep(Duration::from_secs(1));
    }
    let snapshot = world.server.snapshot(Scope::Streams);
    let [stream] = &snapshot.streams[..] else { panic!("{snapshot:?}") };
    assert_eq!(stream.name.as_str(), "__defaultVhost__/live/cam");
    assert_eq!(stream.publisher.unwrap().conn, world.peers[publisher].id);
    assert_eq!((stream.players, stream.is_home), (1, true));
    assert_eq!(stream.age.unwrap().as_secs(), 10);
    let video = stream.video.as_ref().unwrap();
    assert_eq!(video.millihertz, Some(25_000));
    assert_eq!(video.gop.map(|gop| (gop.millis, gop.frames)), Some((400, 10)));
    let rate = stream.received_bits_per_second;
    assert!((16_000..=24_000).contains(&rate), "{rate} of 25 frames of 100 bytes a second");
    assert!(stream.sent_bits_per_second >= rate, "there is one player: {stream:?}");

    let clients = world.server.snapshot(Scope::Clients).clients;
    let told = |index: usize| {
        let client = clients.iter().find(|client| client.id.conn == world.peers[index].id);
        let client = client.unwrap();
        (
            client.role,
            client.stream.as_ref().map(|name| name.to_string()),
            client.bits_per_second > 0,
        )
    };
    let name = Some(String::from("__defaultVhost__/live/cam"));
    assert_eq!(told(publisher), (ClientRole::Publisher, name.clone(), true));
    assert_eq!(told(player), (ClientRole::Player, name, true));

    world.hang_up(publisher);
    let after = world.server.snapshot(Scope::Streams);
    assert_eq!((after.streams[0].publisher, &after.streams[0].video), (None, &None));
    assert_eq!((after.server.publishers, after.server.streams), (0, 1));
    world.hang_up(player);
    assert_eq!(world.server.snapshot(Scope::Streams).streams, []);
}

#[test]
fn no_query_and_no_key_in_it_is_told() {
    let mut world = World::new(Config::default());
    let url = "rtmp://127.0.0.1/live?token=hush-app";
    world.client_at(Intent::Publish, url, "cam?secret=hush-key", "192.0.2.1");
    world.client_at(Intent::Play, url, "cam?secret=hush-play", "192.0.2.2");
    let raw = world.raw("192.0.2.3");
    world.send(raw, &wire::connected());
    world.send(raw, &wire::publishing("bad name?secret=hush-bad"));
    let mut text = String::new();
    for target in ["/api/v1/streams", "/api/v1/clients", "/api/v1/summary", "/metrics"] {
        let request = Request::parse("GET", target).unwrap();
        let answer = request.answer(&world.server.snapshot(request.scope()), &[]);
        text.push_str(&String::from_utf8(answer.body).unwrap());
    }
    assert!(text.contains("__defaultVhost__/live/cam"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn the_programs_of_clients_are_told_escaped() {
    let mut world = World::new(Config::default());
    let raw = world.raw("192.0.2.3");
    world.send(raw, &wire::handshake());
    let command = wire::object(&[
        ("app", wire::text("live")),
        ("flashVer", wire::text("<b>\u{1b}[31m\"x\"")),
        ("tcUrl", wire::text("rtmp://127.0.0.1/live")),
        ("n", Value::Number(1.0)),
    ]);
    world.send(raw, &wire::command(0, "connect", 1.0, &[command]));
    let clients = document(&world.server.snapshot(Scope::Clients), "/api/v1/clients");
    let program = clients["clients"][0]["program"].as_str().unwrap();
    assert!(program.starts_with("<b>") && !program.contains('\u{1b}'), "{program:?}");
    assert_eq!(clients["clients"][0]["role"], "idle");
}

#[test]
fn sums_count_what_was_refused_and_sent() {
    let mut world = World::new(Config::default());
    let publisher = world.client(Intent::Publish, "live", "cam");
    world.client(Intent::Publish, "live", "cam");
    world.publish(publisher, 0..25);
    let summary = document(&world.server.snapshot(Scope::Server), "/api/v1/summary");
    assert_eq!((&summary["accepted"], &summary["refused"]), (&2.into(), &1.into()));
    assert_eq!((&summary["publishers"], &summary["streams"]), (&1.into(), &1.into()));
    assert!(summary["received_bytes"].as_u64() > Some(2_500), "{summary}");
    assert!(summary["sent_bytes"].as_u64() > Some(3_000), "handshakes are sent too: {summary}");
}

#[test]
fn documents_are_answered_over_http() {
    let mut world = World::new(Config::default());
    let publisher = world.client(Intent::Publish, "live", "cam");
    world.publish(publisher, 0..25);
    let check = |world: &mut World, target: &str, status: u16, kind: &str, words: &str| {
        let peer = get(world, target);
        let given = answers(&world.peers[peer]).remove(0);
        let body = String::from_utf8(given.body.clone()).unwrap();
        assert_eq!((given.status, given.field("Content-Type")), (status, Some(kind)), "{target}");
        assert!(body.contains(words), "{target}: no {words} in {body}");
        assert_eq!(given.field("Cache-Control"), Some("no-store"), "{target}");
        assert_eq!(given.field("Access-Control-Allow-Origin"), None, "{target}: for this host");
    };
    let (json, text) = ("application/json", "text/plain; version=0.0.4; charset=utf-8");
    check(&mut world, "/api/v1/version", 200, json, "\"api\":1");
    check(&mut world, "/api/v1/streams?count=1", 200, json, "\"total\":1");
    check(&mut world, "/api/v1/streams/__defaultVhost__/live/cam", 200, json, "\"live\":true");
    check(&mut world, "/api/v1/streams/__defaultVhost__/live/%63am", 200, json, "\"live\":true");
    check(&mut world, "/api/v1/streams/live/none", 404, json, "stream_not_found");
    check(&mut world, "/api/v1/streams?count=x", 400, json, "bad_number");
    check(&mut world, "/api/v1/none.flv", 404, json, "not_found");
    check(&mut world, "/metrics", 200, text, "millstream_publishers 1\n");
}

#[test]
fn row_095_the_api_is_for_those_who_may_see_it() {
    let mut world = World::new(Config::default());
    let check = |world: &mut World, peer: &str, fields: &str, status: u16| {
        let conn = world.http(peer);
        let text = format!("GET /api/v1/clients HTTP/1.1\r\n{fields}\r\n");
        world.send(conn, text.as_bytes());
        let given = answers(&world.peers[conn]).remove(0);
        assert_eq!(given.status, status, "{peer} {fields}");
        let body = String::from_utf8(given.body).unwrap();
        assert_eq!(body.contains("\"total\""), status == 200, "{body}");
    };
    check(&mut world, "127.0.0.1", "Host: localhost:8080\r\n", 200);
    check(&mut world, "192.168.0.7", "Host: 192.168.0.2\r\n", 200);
    check(&mut world, "8.8.8.8", "Host: 192.0.2.1\r\n", 403);
    check(&mut world, "127.0.0.1", "Host: evil.test\r\n", 403);
    let proxied = "Host: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 8.8.8.8\r\n";
    check(&mut world, "127.0.0.1", proxied, 403);
    let streams = world.http("8.8.8.8");
    world.send(streams, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(answers(&world.peers[streams])[0].status, 403);

    // A reload changes it at once, also for connections that are there.
    let mut config = Config::default();
    config.api.allow = [Network::parse("8.8.0.0/16").unwrap()].into();
    config.api.hosts = ["evil.test".into()].into();
    world.input(Input::Reload(Arc::new(config.clone())));
    check(&mut world, "8.8.8.8", "Host: evil.test\r\n", 200);
    check(&mut world, "127.0.0.1", "Host: evil.test\r\n", 403);
    world.send(streams, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(answers(&world.peers[streams])[1].status, 200);
    config.api.enabled = false;
    world.input(Input::Reload(Arc::new(config)));
    check(&mut world, "8.8.8.8", "Host: evil.test\r\n", 404);
}

#[test]
fn viewers_by_http_are_clients_and_count() {
    let mut world = World::new(Config::default());
    let publisher = world.client(Intent::Publish, "live", "cam");
    world.publish(publisher, 0..5);
    let viewer = get(&mut world, "/live/cam.flv");
    world.publish(publisher, 5..50);
    world.sleep(Duration::from_secs(2));
    let streams = world.server.snapshot(Scope::Streams).streams;
    assert_eq!(streams[0].players, 1);
    assert!(streams[0].sent_bytes > 5_000, "{streams:?}");
    let clients = world.server.snapshot(Scope::Clients).clients;
    let found = clients.iter().find(|client| client.id.conn == world.peers[viewer].id).unwrap();
    assert_eq!((found.protocol, found.role), (Protocol::HttpFlv, ClientRole::Player));
}
