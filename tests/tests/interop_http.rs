//! Real clients by HTTP: HTTP-FLV to the byte, HLS and HTTP-TS in players, and what strangers send.
use millstream_tests::client::{
    Encoder, Player, SHOWN_SECONDS, Scratch, publish_forever, publish_tags,
};
use millstream_tests::program::{Program, output_of};
use millstream_tests::recording::{Recording, decoded_frames};
use millstream_tests::sample::{self, H264_AAC, Recipe, Tracks};
use millstream_tests::server::Server;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

millstream_tests::on_both_transports!(
    what_was_published_comes_by_http_byte_for_byte,
    audio_alone_comes_by_http_byte_for_byte,
    hevc_comes_by_http_byte_for_byte,
    two_hundred_viewers_get_the_same,
    requests_on_one_connection_are_answered_in_order,
    row_083_what_is_no_request_is_refused_in_words,
    who_comes_late_starts_with_the_first_of_several_video_tracks,
    ffmpeg_plays_all_that_http_offers,
    gstreamer_plays_all_that_http_offers,
    mpv_plays_by_http,
    vlc_plays_by_http,
    viewers_by_http_and_rtmp_publishers_of_every_kind_go_together,
);

const AAC: Recipe = Recipe {
    name: "aac-only",
    seconds: 8,
    tracks: Tracks::Audio,
    arguments: "-c:a aac -ar 44100 -ac 2 -b:a 64k",
};

/// No frame of the samples lasts longer, in milliseconds.
const FRAME_MS: u32 = 50;

/// A body of audio or video, and its time.
type Body = (u8, Vec<u8>, u32);

/// The coded frames of an FLV file, without headers, metadata and what a cut leaves of the last.
fn coded(file: &[u8]) -> Vec<Body> {
    let tags = sample::tags(file).into_iter().filter(|tag| tag.end <= file.len());
    let bodies = tags
        .map(|tag| (file[tag.start], file[tag.start + 11..tag.end - 4].to_vec(), tag.timestamp));
    bodies.filter(|(kind, body, _)| is_coded(*kind, body)).collect()
}

fn is_coded(kind: u8, body: &[u8]) -> bool {
    match (kind, body) {
        (8, [first, ..]) if first >> 4 == 9 => matches!(first & 15, 1),
        (8, [first, second, ..]) => first >> 4 != 10 || *second == 1,
        (9, [first, ..]) if first & 0x80 != 0 => matches!(first & 15, 1 | 3),
        (9, [first, second, ..]) => first & 15 != 7 || *second == 1,
        _ => false,
    }
}

/// Asserts that a viewer got what was published, from some place to the end, with times from about zero.
fn assert_end_of(played: &[Body], published: &[Body], name: &str) {
    let skipped = published.len().checked_sub(played.len());
    let skipped = skipped.unwrap_or_else(|| panic!("{name}: {} frames", played.len()));
    assert!(skipped < published.len() / 2, "{name}: joined late, {skipped} frames");
    let same = |(a, b): (&Body, &Body)| (a.0, &a.1) == (b.0, &b.1);
    let rest = &published[skipped..];
    assert!(played.iter().zip(rest).all(same), "{name}: frames differ");
    let base = rest[0].2 - played[0].2;
    assert!(played.iter().zip(rest).all(|(a, b)| a.2 == b.2 - base), "{name}: times differ");
    // Zero is where the other medium stands when it has nothing yet after the keyframe.
    let start = played.iter().map(|body| body.2).min();
    assert!(start.is_some_and(|start| start < FRAME_MS), "{name}: times start at {start:?}");
}

fn publish(file: &Path, url: &str) -> Program {
    let publisher = publish_tags(file, url);
    publisher.wait_until("media", |lines| lines.iter().any(|line| line.contains("New clock")));
    publisher
}

fn check_flv(file: &Path) {
    let server = Server::start_with(&["--grace", "1"]);
    let name = file.file_stem().expect("a sample has a name").to_string_lossy();
    let scratch = Scratch::new(&format!("http-flv-{name}"));
    let played = scratch.file("played.flv");
    let publisher = publish(file, &server.url(&format!("live/{name}")));
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "-o"]).arg(&played);
    let curl = Program::start({
        curl.arg(server.http_url(&format!("live/{name}.flv")));
        curl
    });
    drop(publisher.finish());
    let (status, log) = curl.finish();
    assert!(status.success(), "the body ends whole: {log}");
    let published = coded(&fs::read(file).expect("a sample"));
    let played = fs::read(&played).expect("what curl wrote");
    let (audio, video) = (u8::from(published.iter().any(|body| body.0 == 8)) * 4, published.iter());
    let video = u8::from(video.clone().any(|body| body.0 == 9));
    assert_eq!(played[4], audio | video, "{name}: the header tells which media follow");
    assert_end_of(&coded(&played), &published, &name);
}

fn what_was_published_comes_by_http_byte_for_byte() {
    check_flv(&sample::made(H264_AAC));
}

fn audio_alone_comes_by_http_byte_for_byte() {
    check_flv(&sample::made(AAC));
}

fn hevc_comes_by_http_byte_for_byte() {
    check_flv(&sample::in_repository("enhanced-hevc-aac.flv"));
}

/// Takes the chunks off a body; panics unless it is whole.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|part| part == b"\r\n").expect("a chunk");
        let digits = std::str::from_utf8(&rest[..end]).expect("a length");
        let len = usize::from_str_radix(digits, 16).expect("a length");
        body.extend_from_slice(&rest[end + 2..end + 2 + len]);
        assert_eq!(&rest[end + 2 + len..end + 4 + len], b"\r\n");
        rest = &rest[end + 4 + len..];
        if len == 0 {
            assert_eq!(rest, b"");
            return body;
        }
    }
}

fn connect(server: &Server) -> TcpStream {
    let url = server.http_url("");
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a timeout");
    stream
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the server ends it in order");
    bytes
}

fn two_hundred_viewers_get_the_same() {
    let server = Server::start_with(&["--grace", "1"]);
    let file = sample::made(H264_AAC);
    let publisher = publish(&file, &server.url("live/crowd"));
    let mut viewers: Vec<TcpStream> = (0..200).map(|_| connect(&server)).collect();
    for viewer in &mut viewers {
        viewer.write_all(b"GET /live/crowd.flv HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    }
    drop(publisher.finish());
    let published = coded(&fs::read(&file).expect("a sample"));
    for (index, viewer) in viewers.iter_mut().enumerate() {
        let answer = read_all(viewer);
        let head = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
        assert_end_of(&coded(&unchunked(&answer[head..])), &published, &index.to_string());
    }
}

fn requests_on_one_connection_are_answered_in_order() {
    let server = Server::start();
    let mut stream = connect(&server);
    let requests = "GET /api/v1/version HTTP/1.1\r\nHost: a\r\n\r\n\
        HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\
        GET /none HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /api/v1/streams HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}\
        GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n\
        GET /api/v1/streams HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).expect("sent");
    let said = String::from_utf8(read_all(&mut stream)).expect("text");
    let heads = said.match_indices("HTTP/1.1 ").map(|(at, _)| &said[at + 9..at + 12]);
    assert_eq!(heads.collect::<Vec<_>>(), ["200", "200", "404", "405", "404", "200"], "{said}");
}

fn row_083_what_is_no_request_is_refused_in_words() {
    let server = Server::start();
    for (request, status) in [
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("\x16\x03\x01\x02\x00\x01", 400),
        (&format!("GET /{} HTTP/1.1\r\n", "x".repeat(65_536)), 414),
        (&format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n", "x".repeat(65_536)), 431),
    ] {
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).expect("sent");
        let said = String::from_utf8(read_all(&mut stream)).expect("text");
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
    }
}

/// Publishes a sample for ever, and waits for its first segment.
fn on_air(server: &Server, recipe: Recipe) -> Program {
    on_air_as(server, recipe, "live/a")
}

fn on_air_as(server: &Server, recipe: Recipe, name: &str) -> Program {
    let publisher = publish_forever(&sample::made(recipe), &server.url(name));
    wait_for_segment(server, name);
    publisher
}

fn wait_for_segment(server: &Server, name: &str) {
    let url = server.http_url(&format!("{name}.m3u8"));
    let playlist = output_of(Command::new("curl").args(["-sS", "--fail", &url]));
    assert!(playlist.starts_with(b"#EXTM3U"), "the first request waits for the first segment");
}

fn who_comes_late_starts_with_the_first_of_several_video_tracks() {
    let server = Server::start();
    let file = sample::in_repository("enhanced-multitrack-h264x2-aacx2.flv");
    let _publisher = publish(&file, &server.url("live/a"));
    wait_for_segment(&server, "live/a");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "1", &server.http_url("live/a.flv")]);
    let played = coded(&curl.output().expect("curl can be started").stdout);
    // The first track has no number, so it is told from the other one: it is what counts as coded here.
    let mut videos = played.iter().filter(|body| body.0 == 9).map(|body| &body.1[..2]);
    assert_eq!(videos.next(), Some(&[0x17, 1][..]), "a keyframe");
    assert_eq!(videos.next(), Some(&[0x27, 1][..]), "what follows it");
}

/// Plays four seconds; any complaint of ffmpeg fails.
fn assert_plays(url: &str) {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-xerror", "-i", url, "-t", "4"]);
    let output = command.args(["-f", "null", "-"]).output().expect("ffmpeg can be started");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{url}: {complaints}");
}

fn ffmpeg_plays_all_that_http_offers() {
    // A stream key may have a slash.
    for (recipe, name) in [(H264_AAC, "live/cam/1"), (AAC, "live/a")] {
        let server = Server::start();
        let _publisher = on_air_as(&server, recipe, name);
        for end in ["m3u8", "ts", "flv"] {
            assert_plays(&server.http_url(&format!("{name}.{end}")));
        }
    }
}

fn gstreamer_plays_all_that_http_offers() {
    let server = Server::start();
    let _publisher = on_air(&server, H264_AAC);
    for end in ["m3u8", "ts", "flv"] {
        let url = server.http_url(&format!("live/a.{end}"));
        let mut command = Command::new("gst-launch-1.0");
        command.args(["-v", "uridecodebin", &format!("uri={url}"), "!", "fakesink"]);
        command.args(["silent=false", "sync=true"]);
        let playing = Program::start(command);
        let is_buffer = |line: &&String| line.contains("chain");
        playing.wait_until("sixty buffers", |lines| lines.iter().filter(is_buffer).count() >= 60);
    }
}

fn mpv_plays_by_http() {
    let server = Server::start();
    let _publisher = on_air(&server, H264_AAC);
    let scratch = Scratch::new("http-mpv");
    for end in ["m3u8", "flv"] {
        let file = scratch.file(&format!("{end}.mkv"));
        drop(Player::Mpv.record(&server.http_url(&format!("live/a.{end}")), &file).finish());
        assert_eq!(Recording::of(&file).codecs(), ["h264", "aac"]);
    }
}

fn vlc_plays_by_http() {
    let server = Server::start();
    let _publisher = on_air(&server, H264_AAC);
    let scratch = Scratch::new("http-vlc");
    for end in ["m3u8", "flv"] {
        let file = scratch.file(&format!("{end}.ts"));
        drop(Player::Vlc.record(&server.http_url(&format!("live/a.{end}")), &file).finish());
        let (codec, frames) = decoded_frames(&file)[0].clone();
        assert_eq!(codec, "h264");
        assert!(frames >= u64::from(SHOWN_SECONDS - 2) * 25, "{end}: {frames} pictures");
    }
}

fn viewers_by_http_and_rtmp_publishers_of_every_kind_go_together() {
    let server = Server::start();
    let file = sample::in_repository("enhanced-hevc-aac.flv");
    let publisher = Encoder::NewFfmpeg.publish(&file, &server.url("live/hevc"));
    let url = server.http_url("live/hevc.m3u8");
    let playlist = output_of(Command::new("curl").args(["-sS", "--fail", &url]));
    let playlist = String::from_utf8(playlist).expect("text");
    let segment = playlist.lines().find(|line| line.ends_with(".ts")).expect("a segment");
    let segment = server.http_url(&format!("live/{segment}"));
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", &segment]);
    let codecs = String::from_utf8(output_of(&mut probe)).expect("text");
    assert!(codecs.contains("hevc") && codecs.contains("aac"), "{codecs}");
    drop(publisher);
}
