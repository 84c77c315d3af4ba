//! The JSON documents.

mod outward;

use super::snapshot::{ClientState, ServerState, Snapshot, StreamState};
use super::{Endpoint, Failure, Page, Scheme};
use crate::name::StreamName;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use outward::{Forward, Rendition};
pub(super) use outward::{forwards, renditions};
use serde::Serialize;

pub(super) const CONTENT_TYPE: &str = "application/json";

/// The version of the API: it grows when something is taken away or changes its meaning.
const API_VERSION: u32 = 1;

#[derive(Serialize)]
struct Version {
    product: &'static str,
    version: &'static str,
    api: u32,
}

#[derive(Serialize)]
struct Summary {
    version: &'static str,
    time_unix_ms: u64,
    uptime_ms: u64,
    shards: u16,
    rtmp_port: Option<u16>,
    http_port: Option<u16>,
    connections: u32,
    streams: u32,
    publishers: u32,
    players: u32,
    hls_viewers: u32,
    received_bytes: u64,
    sent_bytes: u64,
    tape_bytes: u64,
    session_bytes: u64,
    accepted: u64,
    refused: u64,
    jumps: u64,
    skips: u64,
}

#[derive(Serialize)]
struct Streams<'a> {
    /// The same in each list: the moment of the snapshot, for those who draw curves.
    time_unix_ms: u64,
    total: usize,
    start: usize,
    streams: Vec<Stream<'a>>,
}

#[derive(Serialize)]
struct Stream<'a> {
    id: &'a str,
    vhost: &'a str,
    app: &'a str,
    name: &'a str,
    live: bool,
    publisher: Option<String>,
    age_ms: Option<u64>,
    players: u32,
    hls_viewers: u32,
    video: Option<Video<'a>>,
    audio: Option<Audio<'a>>,
    av_skew_ms: Option<i32>,
    received_bytes: u64,
    sent_bytes: u64,
    received_bits_per_second: u64,
    sent_bits_per_second: u64,
    tape_bytes: u64,
    jumps: u64,
    skips: u64,
    forwards: Vec<Forward<'a>>,
    renditions: Vec<Rendition<'a>>,
}

#[derive(Serialize)]
struct Video<'a> {
    codec: String,
    description: &'a str,
    width: Option<u32>,
    height: Option<u32>,
    frames_per_second: Option<f64>,
    gop_ms: Option<u32>,
    gop_frames: Option<u32>,
}

#[derive(Serialize)]
struct Audio<'a> {
    codec: String,
    description: &'a str,
}

#[derive(Serialize)]
struct Clients<'a> {
    time_unix_ms: u64,
    total: usize,
    start: usize,
    clients: Vec<Client<'a>>,
}

#[derive(Serialize)]
struct Client<'a> {
    id: String,
    protocol: &'static str,
    role: &'static str,
    stream: Option<&'a str>,
    address: String,
    program: Option<&'a str>,
    age_ms: u64,
    bits_per_second: u64,
    lag_bytes: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Serialize)]
struct Failed<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

pub(super) fn version() -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    write(&Version { product: "millstream", version, api: API_VERSION })
}

pub(super) fn summary(snapshot: &Snapshot, endpoints: &[Endpoint]) -> Vec<u8> {
    let port = |scheme: Scheme| {
        endpoints.iter().find(|endpoint| endpoint.scheme == scheme).map(|endpoint| endpoint.port)
    };
    let ServerState { totals, .. } = &snapshot.server;
    let server = &snapshot.server;
    write(&Summary {
        version: env!("CARGO_PKG_VERSION"),
        time_unix_ms: server.wall.unix_millis,
        uptime_ms: millis(server.uptime),
        shards: server.shards,
        rtmp_port: port(Scheme::Rtmp),
        http_port: port(Scheme::Http),
        connections: server.connections,
        streams: server.streams,
        publishers: server.publishers,
        players: server.players,
        hls_viewers: server.hls_viewers,
        received_bytes: totals.received_bytes,
        sent_bytes: totals.sent_bytes,
        tape_bytes: server.tape_bytes,
        session_bytes: server.session_bytes,
        accepted: totals.accepted,
        refused: totals.refused.values().fold(0, |sum, count| sum.saturating_add(*count)),
        jumps: totals.jumps,
        skips: totals.skips,
    })
}

pub(super) fn streams(snapshot: &Snapshot, page: Page) -> Vec<u8> {
    write(&Streams {
        time_unix_ms: snapshot.server.wall.unix_millis,
        total: snapshot.streams.len(),
        start: page.start.min(snapshot.streams.len()),
        streams: page.of(&snapshot.streams).iter().map(|one| Stream::of(snapshot, one)).collect(),
    })
}

pub(super) fn stream(snapshot: &Snapshot, id: &str) -> Option<Vec<u8>> {
    let found = snapshot.streams.iter().find(|stream| stream.name.as_str() == id)?;
    Some(write(&Stream::of(snapshot, found)))
}

pub(super) fn clients(snapshot: &Snapshot, page: Page, stream: Option<&str>) -> Vec<u8> {
    let is_asked = |client: &&ClientState| {
        stream.is_none_or(|id| client.stream.as_ref().is_some_and(|name| name.as_str() == id))
    };
    let asked: Vec<&ClientState> = snapshot.clients.iter().filter(is_asked).collect();
    write(&Clients {
        time_unix_ms: snapshot.server.wall.unix_millis,
        total: asked.len(),
        start: page.start.min(asked.len()),
        clients: page.of(&asked).iter().map(|client| Client::of(client)).collect(),
    })
}

pub(super) fn failure(failure: &Failure) -> Vec<u8> {
    let number;
    let (code, message) = match failure {
        Failure::BadNumber(name) => {
            number = alloc::format!("'{name}' is to be a number, counted from 0.");
            ("bad_number", number.as_str())
        }
        Failure::Forbidden(words) => ("forbidden", words.as_str()),
        Failure::Host => {
            ("unknown_host", "The API is not known by this name: see http { api { host ... } }.")
        }
        Failure::Method => ("method_not_allowed", "Documents are read by GET or HEAD."),
        Failure::NotFound => (
            "not_found",
            "There are version, summary, streams, streams/VHOST/APP/STREAM, forwards, renditions \
             and clients.",
        ),
        Failure::StreamNotFound => {
            ("stream_not_found", "Nobody publishes or plays a stream of this name.")
        }
        Failure::Unavailable => ("unavailable", "The server is too busy to answer: try again."),
    };
    write(&Failed { error: Error { code, message } })
}

impl<'a> Stream<'a> {
    fn of(snapshot: &'a Snapshot, stream: &'a StreamState) -> Self {
        let video = stream.video.as_ref().map(|video| Video {
            codec: video.codec.to_string(),
            description: &video.description,
            width: video.size.map(|(width, _)| width),
            height: video.size.map(|(_, height)| height),
            frames_per_second: video.millihertz.map(|rate| f64::from(rate) / 1_000.0),
            gop_ms: video.gop.map(|gop| gop.millis),
            gop_frames: video.gop.map(|gop| gop.frames),
        });
        let audio = stream
            .audio
            .as_ref()
            .map(|audio| Audio { codec: audio.codec.to_string(), description: &audio.description });
        Self {
            id: stream.name.as_str(),
            vhost: stream.name.vhost(),
            app: stream.name.app(),
            name: stream.name.stream(),
            live: stream.publisher.is_some(),
            publisher: stream.publisher.map(|id| id.to_string()),
            age_ms: stream.age.map(millis),
            players: stream.players,
            hls_viewers: stream.hls_viewers,
            video,
            audio,
            av_skew_ms: stream.skew_millis,
            received_bytes: stream.received_bytes,
            sent_bytes: stream.sent_bytes,
            received_bits_per_second: stream.received_bits_per_second,
            sent_bits_per_second: stream.sent_bits_per_second,
            tape_bytes: stream.tape_bytes,
            jumps: stream.jumps,
            skips: stream.skips,
            forwards: stream.forwards.iter().map(Forward::of).collect(),
            renditions: snapshot.renditions_of(&stream.name).iter().map(Rendition::of).collect(),
        }
    }
}

impl<'a> Client<'a> {
    fn of(client: &'a ClientState) -> Self {
        Self {
            id: client.id.to_string(),
            protocol: client.protocol.as_str(),
            role: client.role.as_str(),
            stream: client.stream.as_ref().map(StreamName::as_str),
            address: client.peer.to_string(),
            program: client.program.as_deref(),
            age_ms: millis(client.age),
            bits_per_second: client.bits_per_second,
            lag_bytes: client.lag_bytes,
            received_bytes: client.received_bytes,
            sent_bytes: client.sent_bytes,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writing plain values to memory cannot fail: there are no maps with odd keys among them.
fn write(document: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    text
}
