//! ffmpeg and stand-ins for it, run by the server for real streams.
use millstream_tests::client::{Scratch, publish_forever};
use millstream_tests::ports::free_address;
use millstream_tests::program::{PATIENCE, Program, output_of};
use millstream_tests::sample::{self, H264_AAC};
use millstream_tests::server::{Server, binary};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A server that transcodes as `engines` say, with this program in place of ffmpeg.
fn start(scratch: &Scratch, ffmpeg: &str, engines: &str) -> Server {
    start_with(scratch, ffmpeg, engines, &[])
}

/// The same with further arguments.
fn start_with(scratch: &Scratch, ffmpeg: &str, engines: &str, more: &[&str]) -> Server {
    let file = scratch.file("millstream.kdl");
    let text = format!(
        "listen \"127.0.0.1:0\"\nhttp \"127.0.0.1:0\"\nvhost \"__defaultVhost__\" {{\n    transcode \"live\" {{\n        \
         ffmpeg \"{ffmpeg}\"\n        {engines}\n    }}\n}}\n"
    );
    fs::write(&file, text).expect("a configuration");
    Server::start_with(&[&["-c", file.to_str().expect("text")], more].concat())
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
    for (name, codecs) in [("cam_sd", &["aac", "h264"][..]), ("cam_audio", &["aac"])] {
        let probed = probe(Path::new(&server.http_url(&format!("live/{name}.m3u8"))));
        let streams = probed["streams"].as_array().expect("streams");
        let found: BTreeSet<_> =
            streams.iter().filter_map(|one| one["codec_name"].as_str()).collect();
        assert!(found.iter().eq(codecs), "{name} by HLS: {probed}");
    }
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
    let logs = format!("log-directory \"{}\"", scratch.file("logs").display());
    let engines: Vec<String> = bodies.iter().map(|(name, _)| copies(name)).chain([logs]).collect();
    let server = start(&scratch, ffmpeg.to_str().expect("text"), &engines.join("\n        "));
    let publisher = publish_forever(&sample::made(H264_AAC), &server.url("live/cam"));
    let log = server.program();
    log.wait_for(&["transcode live/cam to exits exited with 7", "it is broken", "again in 1"]);
    log.wait_for(&["transcode live/cam to exits exited with 7", "again in 2"]);
    log.wait_for(&["transcode live/cam to floods exited with 1"]);
    let own = scratch.file("logs/ffmpeg-encoder-__defaultVhost__-live-cam-exits.log");
    let own = fs::read_to_string(own).expect("a log file of its own");
    assert!(own.lines().count() >= 2 && own.lines().all(|line| line == "it is broken"), "{own}");
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
fn row_119_a_process_has_nothing_of_the_server_open() {
    let scratch = Scratch::new("transcode-open");
    let ffmpeg = script(&scratch, "exec sleep 1000");
    let trace = scratch.file("x.trace");
    let flags = ["--trace", trace.to_str().expect("text")];
    let ffmpeg = ffmpeg.to_str().expect("text");
    let server = start_with(&scratch, ffmpeg, &[copies("one"), copies("two")].join("\n"), &flags);
    let id = server.program().id();
    let _publisher = publish_forever(&sample::made(H264_AAC), &server.url("live/cam"));
    let is_there = |id: &u32| command_of(*id).starts_with("sleep");
    let mut running = Vec::new();
    wait_until("both processes run", || {
        running = children(id).into_iter().filter(is_there).collect();
        running.len() >= 2
    });
    // What whoever runs the tests has left open is not the server's.
    let foreign = open_files("self");
    let own: BTreeSet<_> = open_files(&id.to_string()).difference(&foreign).cloned().collect();
    assert!(own.iter().any(|file| file.ends_with("x.trace")), "{own:?}");
    assert!(own.iter().filter(|file| file.starts_with("socket:")).count() > 2, "{own:?}");
    for child in running {
        let passed_on = open_files(&child.to_string());
        assert_eq!(passed_on.intersection(&own).collect::<Vec<_>>(), [""; 0]);
    }
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

#[test]
fn the_state_of_processes_and_forwards_is_in_the_api() {
    let scratch = Scratch::new("transcode-api");
    let body = "case \"$*\" in
*-encoders) exit 1 ;;
*_hd*) echo at work >&2; exec sleep 1000 ;;
*) for last; do :; done; echo \"$last: s3cr3t-name failed\" >&2; exit 7 ;;
esac";
    let ffmpeg = script(&scratch, body);
    let broken = "engine \"sd\" { output \"rtmp://127.0.0.1:1/live/s3cr3t-name?key=s3cr3t-key\"; }";
    let engines = format!("{}\n        {broken}", copies("hd"));
    let second = Server::start();
    let gone = format!("rtmp://{}/live/s3cr3t-name?key=s3cr3t-key", free_address());
    let flags = ["--workers", "3", "--forward", &second.address().to_string(), "--forward", &gone];
    let ffmpeg = ffmpeg.to_str().expect("text");
    let server = start_with(&scratch, ffmpeg, &engines, &flags);
    // Several streams, so that several shards have some.
    let sample = sample::made(H264_AAC);
    let _publishers =
        ["one", "two"].map(|name| publish_forever(&sample, &server.url(&format!("live/{name}"))));
    let get = |path: &str| {
        let url = server.http_url(path);
        output_of(Command::new("curl").args(["-sS", "--fail", &url]))
    };
    let document = |path: &str| -> Value { serde_json::from_slice(&get(path)).expect("JSON") };
    let count = |list: &Value, what: &[(&str, &str)]| {
        let list = list.as_array().expect("a list");
        let fits = |one: &&Value| what.iter().all(|(key, word)| one[*key] == *word);
        list.iter().filter(fits).count()
    };
    let mut renditions = Value::Null;
    wait_until("all processes are told", || {
        renditions = document("api/v1/renditions")["renditions"].take();
        let works = [("engine", "hd"), ("state", "running"), ("last_words", "at work")];
        let fails = [("engine", "sd"), ("last_words", "the output: .. failed")];
        count(&renditions, &works) == 2 && count(&renditions, &fails) == 2
    });
    assert_eq!(renditions.as_array().map(Vec::len), Some(4), "{renditions}");
    let hd = &renditions[0];
    assert_eq!(
        (&hd["stream"], &hd["scope"]),
        (&"__defaultVhost__/live/one".into(), &"live".into())
    );
    let process = hd["process"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("a process");
    wait_until("it is that process", || command_of(process).starts_with("sleep"));
    let sd = |path: &str| document(path)["renditions"][1].clone();
    wait_until("restarts are counted", || {
        let sd = sd("api/v1/streams/__defaultVhost__/live/two");
        sd["restarts"].as_u64() >= Some(1) && sd["last_end"]["code"] == 7
    });
    wait_until("forwards are told", || {
        let forwards = document("api/v1/forwards")["forwards"].take();
        count(&forwards, &[("state", "forwarding")]) == 2
            && count(&forwards, &[("reason", "dial_refused")]) == 2
    });
    let metrics = String::from_utf8(get("metrics")).expect("text");
    for line in [
        "millstream_renditions{state=\"running\"} ",
        "millstream_forwards{state=\"forwarding\"} 2",
        "millstream_stream_renditions{stream=\"__defaultVhost__/live/one\"} 2",
        "millstream_stream_forwards_up{stream=\"__defaultVhost__/live/two\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    let restarts = metrics.lines().find_map(|line| {
        line.strip_prefix("millstream_rendition_restarts_total ")?.parse::<u64>().ok()
    });
    assert!(restarts >= Some(1), "{metrics}");
    for path in ["api/v1/streams", "api/v1/renditions", "api/v1/forwards", "metrics"] {
        let said = String::from_utf8(get(path)).expect("text");
        assert!(!said.contains("s3cr3t"), "{path}: {said}");
    }
    assert!(!server.program().log().contains("s3cr3t"), "{}", server.program().log());
}

#[test]
fn check_asks_the_real_ffmpeg() {
    let scratch = Scratch::new("transcode-check");
    let file = scratch.file("millstream.kdl");
    let check = |video: &str, audio: &str| {
        let text = format!(
            "vhost \"__defaultVhost__\" {{ transcode {{ engine \"sd\" {{ video \"{video}\"; \
             audio \"{audio}\"; {OUTPUT}; }}; }}; }}\n"
        );
        fs::write(&file, text).expect("a configuration");
        let mut command = Command::new(binary());
        command.args(["check", "-c"]).arg(&file).env("NO_COLOR", "1");
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    assert_eq!(check("libx264", "aac"), (true, String::new()));
    assert_eq!(check("h264", "copy"), (true, String::new()));
    let (is_good, said) = check("libx246", "acc");
    assert!(!is_good);
    for words in ["no video encoder `libx246`", "`libx264`?", "no audio encoder `acc`", "`aac`?"] {
        assert!(said.contains(words), "no {words} in {said}");
    }
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

/// What a process has open besides its input, output and errors.
fn open_files(id: &str) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let others = files.filter(|file| !["0", "1", "2"].iter().any(|own| file.file_name() == *own));
    let links = others.filter_map(|file| fs::read_link(file.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
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
