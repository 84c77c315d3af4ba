//! ffmpeg and stand-ins for it, run by the server for real streams.
use millstream_tests::client::{Scratch, publish_forever};
use millstream_tests::program::{PATIENCE, Program, output_of};
use millstream_tests::sample::{self, H264_AAC};
use millstream_tests::server::Server;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A server that transcodes as `engines` say, with this program in place of ffmpeg.
fn start(scratch: &Scratch, ffmpeg: &str, engines: &str) -> Server {
    let file = scratch.file("millstream.kdl");
    let text = format!(
        "listen \"127.0.0.1:0\"\nhttp \"off\"\nvhost \"__defaultVhost__\" {{\n    transcode \"live\" {{\n        \
         ffmpeg \"{ffmpeg}\"\n        {engines}\n    }}\n}}\n"
    );
    fs::write(&file, text).expect("a configuration");
    Server::start_with(&["-c", file.to_str().expect("text")])
}

const OUTPUT: &str = "output \"rtmp://localhost:[port]/[app]?vhost=[vhost]/[stream]_[engine]\"";

/// A script in place of ffmpeg.
fn script(scratch: &Scratch, body: &str) -> PathBuf {
    let file = scratch.file("ffmpeg");
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    file
}

/// One engine that passes everything on.
fn copies(name: &str) -> String {
    format!("engine \"{name}\" {{ {OUTPUT} }}")
}

#[test]
fn one_publish_makes_two_renditions() {
    let scratch = Scratch::new("transcode-two");
    let engines = format!(
        "engine \"sd\" {{
            video \"libx264\" {{ bitrate \"150kbps\"; fps 20; size \"160x90\"; profile \"main\"; preset \"veryfast\"; threads 1; \
               params {{ g 40; maxrate \"150k\"; bufsize \"150k\"; }} }}
            audio \"aac\" {{ bitrate \"48kbps\"; rate 44100; channels 1 }}
            {OUTPUT}
        }}
        engine \"audio\" {{
            video \"off\"
            audio \"copy\"
            {OUTPUT}
        }}"
    );
    let server = start(&scratch, "ffmpeg", &engines);
    let _publisher = publish_forever(&sample::made(H264_AAC), &server.url("live/cam"));
    server.program().wait_for(&["publish live/cam_sd began"]);
    server.program().wait_for(&["publish live/cam_audio began"]);

    let sd = probe(&record(&server.url("live/cam_sd"), &scratch, 8));
    let video = stream(&sd, "video").expect("a picture");
    assert_eq!((&video["codec_name"], &video["profile"]), (&"h264".into(), &"Main".into()));
    assert_eq!((&video["width"], &video["height"]), (&160.into(), &90.into()));
    assert_eq!(video["r_frame_rate"], "20/1");
    let audio = stream(&sd, "audio").expect("a tone");
    assert_eq!((&audio["codec_name"], &audio["channels"]), (&"aac".into(), &1.into()));
    let bit_rate: f64 =
        sd["format"]["bit_rate"].as_str().and_then(|rate| rate.parse().ok()).expect("a rate");
    // Video and audio, and a little for the headers of FLV.
    assert!((bit_rate - 198_000.0).abs() < 0.2 * 198_000.0, "{bit_rate}");

    let audio = probe(&record(&server.url("live/cam_audio"), &scratch, 3));
    assert!(stream(&audio, "video").is_none() && stream(&audio, "audio").is_some(), "{audio}");
    // By whatever name of this machine a rendition comes back, none is made of it.
    assert!(!server.program().log().contains("cam_sd_sd"), "{}", server.program().log());
}

#[test]
fn row_117_whatever_ffmpeg_does_the_stream_goes_on() {
    let scratch = Scratch::new("transcode-bad");
    let bodies = [
        ("exits", "echo it is broken >&2; exit 7"),
        ("floods", "head -c 50000000 /dev/zero | tr '\\0' 'x' >&2; exit 1"),
        ("hangs", "trap '' TERM; sleep 1000 & wait; wait; sleep 1000"),
        ("is-silent", "exec >&- 2>&-; exec sleep 1000"),
    ];
    let mut body = String::from("case \"$*\" in\n");
    for (name, what) in bodies {
        body += &format!("*_{name}) {what} ;;\n");
    }
    let ffmpeg = script(&scratch, &format!("{body}esac"));
    let engines: Vec<String> = bodies.iter().map(|(name, _)| copies(name)).collect();
    let server = start(&scratch, ffmpeg.to_str().expect("text"), &engines.join("\n        "));
    let publisher = publish_forever(&sample::made(H264_AAC), &server.url("live/cam"));
    let log = server.program();
    log.wait_for(&["transcode live/cam to exits exited with 7", "it is broken", "again in 1"]);
    log.wait_for(&["transcode live/cam to exits exited with 7", "again in 2"]);
    log.wait_for(&["transcode live/cam to floods exited with 1"]);
    let played = probe(&record(&server.url("live/cam"), &scratch, 3));
    assert!(stream(&played, "video").is_some(), "{played}");
    drop(publisher);
    // It ignores the request to end, and is killed five seconds later.
    log.wait_for(&["transcode live/cam to hangs ended"]);
    wait_until("no process is left", || children(server.program().id()).is_empty());
}

#[test]
fn row_120_no_process_and_no_descriptor_is_left_behind() {
    let scratch = Scratch::new("transcode-churn");
    let ffmpeg = script(&scratch, "exec sleep 1000");
    let server = start(&scratch, ffmpeg.to_str().expect("text"), &copies("sd"));
    let id = server.program().id();
    let sample = sample::made(H264_AAC);
    let mut open = 0;
    for round in 0..200 {
        let url = server.url(&format!("live/cam{}", round % 7));
        let publisher = publish_forever(&sample, &url);
        wait_until("a process runs", || !children(id).is_empty());
        drop(publisher);
        if round == 10 {
            wait_until("no process is left", || children(id).is_empty());
            open = descriptors(id);
        }
    }
    wait_until("no process is left", || children(id).is_empty());
    wait_until("no descriptor is left", || descriptors(id) <= open + 2);
}

#[test]
fn row_117_processes_end_with_a_server_that_is_killed() {
    let scratch = Scratch::new("transcode-killed");
    let ffmpeg = script(&scratch, "exec sleep 1000");
    let server = start(&scratch, ffmpeg.to_str().expect("text"), &copies("sd"));
    let _publisher = publish_forever(&sample::made(H264_AAC), &server.url("live/cam"));
    let mut left = Vec::new();
    wait_until("a process runs", || {
        left = children(server.program().id());
        left.iter().any(|id| command_of(*id).starts_with("sleep"))
    });
    server.program().signal("KILL");
    wait_until("the process has ended too", || left.iter().all(|id| command_of(*id).is_empty()));
}

#[test]
fn an_orderly_end_takes_the_processes_along() {
    let scratch = Scratch::new("transcode-end");
    let ffmpeg = script(&scratch, "exec sleep 1000");
    let server = start(&scratch, ffmpeg.to_str().expect("text"), &copies("sd"));
    let _publisher = publish_forever(&sample::made(H264_AAC), &server.url("live/cam"));
    let mut left = Vec::new();
    wait_until("a process runs", || {
        left = children(server.program().id());
        !left.is_empty()
    });
    let program = server.into_program();
    program.signal("TERM");
    let (status, log) = program.finish();
    assert!(status.success(), "{log}");
    wait_until("the process has ended too", || left.iter().all(|id| command_of(*id).is_empty()));
}

/// Plays so many seconds of a stream into a file.
fn record(url: &str, scratch: &Scratch, seconds: u32) -> PathBuf {
    let file = scratch.file("played.flv");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i", url, "-t", &seconds.to_string(), "-c", "copy"]);
    let (status, log) = Program::start({
        command.arg(&file);
        command
    })
    .finish();
    assert!(status.success(), "{log}");
    file
}

fn probe(file: &Path) -> Value {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_streams", "-show_format", "-of", "json"]).arg(file);
    serde_json::from_slice(&output_of(&mut command)).expect("ffprobe writes JSON")
}

fn stream<'a>(probed: &'a Value, kind: &str) -> Option<&'a Value> {
    probed["streams"].as_array()?.iter().find(|stream| stream["codec_type"] == kind)
}

/// The processes that `id` has started and that have not been waited for.
fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split(' ').filter_map(|id| id.trim().parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// The command line of a process; empty when it has ended.
fn command_of(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default().replace('\0', " ")
}

fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}

/// Looks until it holds; only a failing test waits for long.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it never came: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
