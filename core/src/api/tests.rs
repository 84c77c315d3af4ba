use super::*;
use crate::event::{RefuseReason, RenditionEnd};
use crate::flv::tag::Codec;
use crate::forward::{ForwardFailure, ForwardState, ForwardStatus};
use crate::id::{ConnId, ForwardId};
use crate::name::{NameLimits, StreamName};
use crate::rendition::{RenditionState, RenditionStatus};
use crate::shard::ShardId;
use crate::time::WallClock;
use alloc::sync::Arc;
use core::time::Duration;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use serde_json::{Value, json};
use std::format;
use std::string::ToString as _;
use std::vec;

fn name(app: &str, stream: &str) -> StreamName {
    let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
    StreamName::new("__defaultVhost__", app, stream, limits).unwrap()
}

fn client(shard: u16, slot: u32) -> ClientState {
    ClientState {
        id: ClientId { shard: ShardId(shard), conn: ConnId { slot, generation: 1 } },
        protocol: Protocol::Rtmp,
        role: ClientRole::Player,
        stream: Some(name("live", "a")),
        peer: "192.0.2.7:5000".parse().unwrap(),
        program: Some(Arc::from("LNX 9,0,124,2")),
        age: Duration::from_millis(1_500),
        bits_per_second: 800_000,
        lag_bytes: 12,
        received_bytes: 3_000,
        sent_bytes: 4_000_000,
    }
}

fn stream(stream: &str, is_home: bool) -> StreamState {
    StreamState {
        name: name("live", stream),
        is_home,
        publisher: is_home.then_some(client(0, 3).id),
        age: Some(Duration::from_secs(60)),
        players: 2,
        hls_viewers: 3,
        video: Some(VideoState {
            codec: Codec::H264,
            description: Arc::from("H.264 High 4.0 1920x1080"),
            size: Some((1_920, 1_080)),
            millihertz: Some(29_970),
            gop: Some(GopState { millis: 2_002, frames: 60 }),
        }),
        audio: Some(AudioState {
            codec: Codec::Aac,
            description: Arc::from("AAC LC 48 kHz 2 channels"),
        }),
        skew_millis: Some(-12),
        received_bytes: 1_000,
        sent_bytes: 2_000,
        received_bits_per_second: 4_000_000,
        sent_bits_per_second: 8_000_000,
        tape_bytes: 5_000,
        jumps: 1,
        skips: 3,
        forwards: if is_home { vec![forward()] } else { vec![] },
    }
}

fn forward() -> ForwardStatus {
    ForwardStatus {
        forward: ForwardId(5),
        name: name("live", "a"),
        destination: Arc::from("rtmp://b.example/live/.."),
        state: ForwardState::Waiting { left: Duration::from_millis(2_500) },
        age: Duration::from_secs(30),
        failures: 2,
        last_failure: Some((ForwardFailure::Refused, Arc::from("NetStream.Publish.BadName"))),
        sent: 700,
        skipped: 0,
    }
}

fn rendition(stream: &str, engine: &str, state: RenditionState) -> RenditionStatus {
    RenditionStatus {
        name: name("live", stream),
        scope: Arc::from("live"),
        engine: Arc::from(engine),
        state,
        age: Duration::from_secs(40),
        restarts: 3,
        failures: 1,
        last_end: Some(RenditionEnd::Exited {
            code: Some(1),
            signal: None,
            was_silent: false,
            last_words: Arc::from("not told twice"),
        }),
        last_words: Arc::from("first\nlast"),
    }
}

const RUNNING: RenditionState =
    RenditionState::Running { process: Some(4_321), age: Duration::from_secs(7) };
const WAITING: RenditionState = RenditionState::Waiting { left: Duration::from_millis(1_200) };

fn shard(streams: vec::Vec<StreamState>, clients: vec::Vec<ClientState>) -> Snapshot {
    let players = streams.iter().map(|stream| stream.players).sum();
    let hls_viewers = streams.iter().map(|stream| stream.hls_viewers).sum();
    let homes = streams.iter().filter(|stream| stream.is_home).count();
    let server = ServerState {
        shards: 1,
        uptime: Duration::from_secs(90),
        wall: WallClock { unix_millis: 1_700_000_000_123 },
        connections: u32::try_from(clients.len()).unwrap(),
        players,
        hls_viewers,
        streams: u32::try_from(homes).unwrap(),
        totals: Totals {
            accepted: 7,
            refused: [(RefuseReason::Busy, 2)].into(),
            ..Totals::default()
        },
        ..ServerState::default()
    };
    Snapshot { server, streams, clients, renditions: vec![] }
}

fn get(snapshot: &Snapshot, target: &str) -> (u16, Value) {
    let endpoints = [Endpoint { scheme: Scheme::Rtmp, port: 1_935 }];
    let answer = match Request::parse("GET", target) {
        Ok(request) => request.answer(snapshot, &endpoints),
        Err(failure) => failure.answer(),
    };
    (answer.status, serde_json::from_slice(&answer.body).expect(target))
}

#[test]
fn each_document_is_as_it_is_documented() {
    let mut snapshot = shard(vec![stream("a", true)], vec![client(0, 3)]);
    snapshot.renditions = vec![rendition("a", "sd", RUNNING), rendition("gone", "sd", WAITING)];
    let version = env!("CARGO_PKG_VERSION");
    let check = |target: &str, expected: Value| {
        assert_eq!(get(&snapshot, target), (200, expected), "{target}");
    };
    check("/api/v1/version", json!({"product": "millstream", "version": version, "api": 1}));
    check(
        "/api/v1/summary",
        json!({
            "version": version, "time_unix_ms": 1_700_000_000_123_u64, "uptime_ms": 90_000,
            "shards": 1, "rtmp_port": 1935, "http_port": null, "connections": 1, "streams": 1,
            "publishers": 0, "players": 2, "hls_viewers": 3, "received_bytes": 0,
            "sent_bytes": 0, "tape_bytes": 0,
            "session_bytes": 0, "accepted": 7, "refused": 2, "jumps": 0, "skips": 0,
        }),
    );
    let forward = json!({
        "stream": "__defaultVhost__/live/a", "destination": "rtmp://b.example/live/..",
        "state": "waiting", "age_ms": 30_000, "failures": 2, "reason": "refused",
        "words": "NetStream.Publish.BadName", "retry_ms": 2500, "sent_bytes": 700,
        "skipped_bytes": 0,
    });
    let running = json!({
        "stream": "__defaultVhost__/live/a", "scope": "live", "engine": "sd", "state": "running",
        "age_ms": 40_000, "process": 4321, "running_ms": 7_000, "retry_ms": null, "restarts": 3,
        "failures": 1, "last_end": {"code": 1, "signal": null, "hung": false, "error": null},
        "last_words": "first\nlast",
    });
    let mut waiting = running.clone();
    waiting["stream"] = json!("__defaultVhost__/live/gone");
    waiting["state"] = json!("waiting");
    waiting["process"] = json!(null);
    waiting["running_ms"] = json!(null);
    waiting["retry_ms"] = json!(1_200);
    let stream = json!({
        "id": "__defaultVhost__/live/a", "vhost": "__defaultVhost__", "app": "live", "name": "a",
        "live": true, "publisher": "0-3.1", "age_ms": 60_000, "players": 2, "hls_viewers": 3,
        "video": {
            "codec": "H.264", "description": "H.264 High 4.0 1920x1080", "width": 1920,
            "height": 1080, "frames_per_second": 29.97, "gop_ms": 2002, "gop_frames": 60,
        },
        "audio": {"codec": "AAC", "description": "AAC LC 48 kHz 2 channels"},
        "av_skew_ms": -12, "received_bytes": 1000, "sent_bytes": 2000,
        "received_bits_per_second": 4_000_000, "sent_bits_per_second": 8_000_000,
        "tape_bytes": 5000, "jumps": 1, "skips": 3,
        "forwards": [forward],
        "renditions": [running],
    });
    let forwards = json!({
        "time_unix_ms": 1_700_000_000_123_u64, "total": 1, "start": 0, "forwards": [forward],
    });
    check("/api/v1/forwards", forwards);
    let mut renditions = json!({
        "time_unix_ms": 1_700_000_000_123_u64, "total": 2, "start": 0,
        "renditions": [running, waiting],
    });
    check("/api/v1/renditions", renditions.clone());
    renditions["start"] = json!(1);
    renditions["renditions"] = json!([waiting]);
    check("/api/v1/renditions?start=1&count=9", renditions);
    check("/api/v1/streams/__defaultVhost__/live/a", stream.clone());
    check("/api/v1/streams/__defaultVhost__%2Flive%2fa?x=1", stream.clone());
    check(
        "/api/v1/streams",
        json!({
            "time_unix_ms": 1_700_000_000_123_u64, "total": 1, "start": 0, "streams": [stream],
        }),
    );
    let client = json!({
        "id": "0-3.1", "protocol": "rtmp", "role": "player", "stream": "__defaultVhost__/live/a",
        "address": "192.0.2.7:5000", "program": "LNX 9,0,124,2", "age_ms": 1500,
        "bits_per_second": 800_000, "lag_bytes": 12, "received_bytes": 3000,
        "sent_bytes": 4_000_000,
    });
    check(
        "/api/v1/clients",
        json!({
            "time_unix_ms": 1_700_000_000_123_u64, "total": 1, "start": 0, "clients": [client],
        }),
    );
}

#[test]
fn failures_have_a_status_a_code_and_words() {
    let snapshot = shard(vec![], vec![]);
    let check = |method: &str, target: &str, status: u16, code: &str| {
        let failure = match Request::parse(method, target) {
            Ok(request) => request.answer(&snapshot, &[]),
            Err(failure) => failure.answer(),
        };
        let body: Value = serde_json::from_slice(&failure.body).unwrap();
        let found = (failure.status, body["error"]["code"].as_str().unwrap());
        assert_eq!(found, (status, code), "{method} {target}");
        assert!(body["error"]["message"].as_str().unwrap().ends_with('.'), "{body}");
        assert_eq!(failure.content_type, "application/json");
    };
    check("GET", "/api/v1/", 404, "not_found");
    check("GET", "/api/v1/stream", 404, "not_found");
    check("GET", "/api/v2/version", 404, "not_found");
    check("GET", "/", 404, "not_found");
    check("POST", "/", 404, "not_found");
    check("POST", "/api/v1/version", 405, "method_not_allowed");
    check("POST", "/metrics", 405, "method_not_allowed");
    check("GET", "/api/v1/streams/live/none", 404, "stream_not_found");
    check("GET", "/api/v1/streams/%zz", 404, "stream_not_found");
    check("GET", "/api/v1/streams/%ff", 404, "stream_not_found");
    check("GET", "/api/v1/streams/%1", 404, "stream_not_found");
    check("GET", "/api/v1/streams?start=-1", 400, "bad_number");
    check("GET", "/api/v1/streams?count=ten", 400, "bad_number");
    check("GET", "/api/v1/clients?count=+1", 400, "bad_number");
    let long = format!("/api/v1/streams/{}", "a".repeat(TARGET_LEN_MAX));
    check("GET", &long, 404, "not_found");
}

#[test]
fn lists_are_complete_unless_a_page_is_asked_for() {
    let streams = (0..25).map(|index| stream(&format!("s{index:02}"), true)).collect();
    let clients = (0..25).map(|slot| client(0, slot)).collect();
    let snapshot = shard(streams, clients);
    let check = |query: &str, start: u64, first: Option<&str>, len: usize| {
        let (_, streams) = get(&snapshot, &format!("/api/v1/streams{query}"));
        let list = streams["streams"].as_array().unwrap();
        let found = list.first().map(|stream| stream["name"].as_str().unwrap());
        assert_eq!((streams["start"].as_u64(), found, list.len()), (Some(start), first, len));
        assert_eq!(streams["total"], 25, "{query}");
        let (_, clients) = get(&snapshot, &format!("/api/v1/clients{query}"));
        assert_eq!(clients["clients"].as_array().unwrap().len(), len, "{query}");
    };
    check("", 0, Some("s00"), 25);
    check("?start=&count=", 0, Some("s00"), 25);
    check("?start=10&count=5", 10, Some("s10"), 5);
    check("?count=5&start=23&_=99", 23, Some("s23"), 2);
    check("?start=25", 25, None, 0);
    check("?start=99999999999999999999999&count=1", 25, None, 0);
    check("?count=99999999999999999999999", 0, Some("s00"), 25);
    check("?count=0", 0, None, 0);
}

#[test]
fn clients_of_one_stream_can_be_asked_for() {
    let mut others = client(0, 2);
    others.stream = Some(name("live", "b"));
    let snapshot = shard(vec![], vec![client(0, 1), others]);
    let (_, clients) = get(&snapshot, "/api/v1/clients?stream=__defaultVhost__%2Flive%2Fb");
    assert_eq!(
        (clients["total"].as_u64(), &clients["clients"][0]["id"]),
        (Some(1), &json!("0-2.1"))
    );
    let (_, clients) = get(&snapshot, "/api/v1/clients?stream=none");
    assert_eq!(clients["total"], 0);
}

#[test]
fn shards_become_one_server_whatever_their_order() {
    let mut home = shard(vec![stream("a", true), stream("c", true)], vec![client(1, 0)]);
    let mut other = shard(vec![stream("a", false), stream("b", true)], vec![client(0, 0)]);
    home.renditions = vec![rendition("a", "hd", RUNNING), rendition("c", "sd", WAITING)];
    other.renditions = vec![rendition("b", "sd", RUNNING)];
    home.server.totals.rendition_restarts = 2;
    other.server.totals.rendition_restarts = 3;
    other.server.totals.forward_failures = 4;
    let merged = Snapshot::merge([home.clone(), other.clone()]);
    assert_eq!(merged, Snapshot::merge([other, home]));
    assert_eq!(merged.server.shards, 2);
    assert_eq!(merged.server.streams, 3, "a replica is no further stream");
    assert_eq!((merged.server.totals.accepted, merged.server.players), (14, 8));
    assert_eq!(merged.server.totals.refused[&RefuseReason::Busy], 4);
    let names: Vec<_> = merged.streams.iter().map(|stream| stream.name.stream()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let ids: Vec<_> = merged.clients.iter().map(|client| client.id.to_string()).collect();
    assert_eq!(ids, ["0-0.1", "1-0.1"]);
    let engines: Vec<_> =
        merged.renditions.iter().map(|one| (one.name.stream(), &*one.engine)).collect();
    assert_eq!(engines, [("a", "hd"), ("b", "sd"), ("c", "sd")]);
    let totals = &merged.server.totals;
    assert_eq!((totals.rendition_restarts, totals.forward_failures), (5, 4));
    let a = &merged.streams[0];
    assert!(a.publisher.is_some() && a.is_home, "what was measured at home counts");
    assert_eq!((a.players, a.sent_bits_per_second), (4, 16_000_000), "players of all shards count");
    assert_eq!((a.received_bytes, a.received_bits_per_second), (1_000, 4_000_000));
}

#[test]
fn metrics_are_bounded_and_well_formed() {
    let count = STREAMS_LABELLED_MAX + 50;
    let streams = (0..count).map(|index| stream(&format!("s{index:04}"), true)).collect();
    let mut snapshot = shard(streams, vec![client(0, 1)]);
    snapshot.server.totals.rendition_restarts = 5;
    snapshot.renditions = vec![
        rendition("s0003", "hd", WAITING),
        rendition("s0003", "sd", RUNNING),
        rendition("s0004", "sd", RUNNING),
    ];
    let answer = Request::parse("GET", "/metrics").unwrap().answer(&snapshot, &[]);
    assert_eq!(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(answer.body).unwrap();
    let mut typed = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            typed = Some(name);
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(Some(series.split('{').next().unwrap()), typed, "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for line in [
        "millstream_uptime_seconds 90.000",
        "millstream_refused_requests_total{reason=\"busy\"} 2",
        "millstream_streams_unlabelled 50",
        "millstream_forwards{state=\"waiting\"} 250",
        "millstream_forwards{state=\"forwarding\"} 0",
        "millstream_renditions{state=\"running\"} 2",
        "millstream_renditions{state=\"waiting\"} 1",
        "millstream_renditions{state=\"ending\"} 0",
        "millstream_rendition_restarts_total 5",
        "millstream_forward_failures_total 0",
        "millstream_stream_forwards{stream=\"__defaultVhost__/live/s0003\"} 1",
        "millstream_stream_forwards_up{stream=\"__defaultVhost__/live/s0003\"} 0",
        "millstream_stream_renditions{stream=\"__defaultVhost__/live/s0003\"} 2",
        "millstream_stream_renditions_up{stream=\"__defaultVhost__/live/s0003\"} 1",
        "millstream_stream_rendition_restarts_total{stream=\"__defaultVhost__/live/s0003\"} 6",
        "millstream_stream_av_skew_seconds{stream=\"__defaultVhost__/live/s0000\"} -0.012",
        "millstream_stream_frames_per_second{stream=\"__defaultVhost__/live/s0199\"} 29.970",
    ] {
        assert!(text.lines().any(|other| other == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("s0200"), "more streams than are to be told");
    let mut series: Vec<_> = text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    series.retain(|(name, _)| !name.starts_with('#'));
    let names: std::collections::BTreeSet<_> = series.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), series.len(), "a series has one value");
    assert!(!text.contains("stream_renditions{stream=\"__defaultVhost__/live/s0001\"}"), "{text}");
}

quickcheck! {
    fn no_target_breaks_it(target: String, query: String) -> bool {
        let snapshot = shard(vec![stream("a", true)], vec![client(0, 1)]);
        for target in [format!("/api/v1/{target}?{query}"), format!("/api/v1/streams/{target}"), target] {
            if let Ok(request) = Request::parse("GET", &target) {
                assert!(matches!(request.answer(&snapshot, &[]).status, 200 | 404));
            }
        }
        true
    }
}

quickcheck::quickcheck! {
    fn any_target_keeps_every_promise(data: vec::Vec<u8>) -> bool {
        fuzz::fuzz_api(&data);
        true
    }

    fn targets_made_of_parts_keep_every_promise(parts: vec::Vec<u8>) -> bool {
        const PARTS: [&str; 20] = [
            "streams", "clients", "summary", "version", "?", "start=", "count=", "&", "1", "3",
            "18446744073709551616", "-1", "stream=", "%", "%2e", "%zz", "/", "10.0.0.0/8", "callback=x",
            "__defaultVhost__/a/s1",
        ];
        let text: vec::Vec<u8> = parts
            .iter()
            .flat_map(|part| PARTS[usize::from(*part) % PARTS.len()].bytes())
            .collect();
        fuzz::fuzz_api(&text);
        true
    }
}
