//! What the server tells of itself, of one shard and of several.

use super::wire;
use super::world::World;
use super::*;
use crate::amf::Value;
use crate::api::{ClientRole, Request, Scope, Snapshot};
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
