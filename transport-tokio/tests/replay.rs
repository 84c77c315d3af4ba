//! `millstream replay` and `millstream case` as their users meet them.

use pretty_assertions::assert_eq;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_millstream");
const PUBLISH: &str = "ffmpeg-5.1.9_publish_nginxrtmp_pcma.pcap";

fn capture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    folder.join(name).to_str().expect("a plain path").to_owned()
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("the program starts")
}

/// What a run that succeeds prints; nothing is complained of but what `--stats` says of its speed.
fn print(args: &[&str]) -> String {
    let output = run(args);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {complaints}");
    let is_speed = |line: &str| line.contains("times as fast as it was");
    assert!(complaints.lines().all(is_speed), "{complaints}");
    String::from_utf8(output.stdout).expect("text")
}

/// What a run that fails complains of.
fn complaint(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    assert!(output.stdout.is_empty(), "{args:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// A folder of one test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("millstream-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_timeline_tells_both_sides_and_what_the_server_decides() {
    let timeline = print(&["replay", &capture(PUBLISH)]);
    for words in [
        "1 RTMP connection",
        "> handshake complex (schema 1)",
        "> connect #1 {app=\"live\"",
        "< _result #1 for connect",
        "< onStatus {level=\"status\" code=\"NetStream.Publish.Start\"",
        "= publish live/",
        "> audio is G.711 A-law 8 kHz 1 channel",
        "where our answers differ from the recorded server's",
        "each server cuts its messages as it likes",
    ] {
        assert!(timeline.contains(words), "{words} is not in\n{timeline}");
    }
    assert!(!timeline.contains("UNEXPLAINED"), "{timeline}");
    assert_eq!(print(&["replay", &capture(PUBLISH)]), timeline);
}

#[test]
fn stats_are_tables_and_the_same_each_time() {
    let tables = print(&["replay", "--stats", &capture(PUBLISH)]);
    assert!(tables.contains("audio frames per second"), "{tables}");
    assert!(!tables.contains(" > "), "{tables}");
    assert_eq!(print(&["replay", "--stats", &capture(PUBLISH)]), tables);
}

#[test]
fn json_is_one_document() {
    let text = print(&["replay", "--json", &capture(PUBLISH)]);
    let document: Value = serde_json::from_str(&text).expect("a document");
    let connection = &document["connections"][0];
    assert_eq!(connection["protocol"], "RTMP");
    let events = connection["events"].as_array().expect("events");
    assert!(events.iter().any(|event| event["event"] == "published"), "{events:?}");
    assert!(connection["client"]["audio"]["frames"].as_u64() > Some(10), "{text}");
    let refused = run(&["replay", "--json", "--stats", &capture(PUBLISH)]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn published_media_become_files() {
    let scratch = Scratch::new("flv");
    let one = scratch.path("one.flv");
    print(&["replay", &capture(PUBLISH), "--write-flv", &one]);
    assert!(std::fs::read(&one).expect("a file").starts_with(b"FLV\x01\x04"), "audio alone");
    let comes_back = capture("../cases/publisher-comes-back.pcap");
    print(&["replay", &comes_back, "--write-flv", &scratch.path("two.flv")]);
    let entries = std::fs::read_dir(&scratch.0).expect("the folder");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["one.flv", "two-0.flv", "two-2.flv"]);

    let play = capture("flvstreamer-2.1_play_nginxrtmp.pcap");
    let why = complaint(&["replay", &play, "--write-flv", &scratch.path("none.flv")]);
    assert!(why.contains("nobody publishes"), "{why}");
}

#[test]
fn errors_teach() {
    let scratch = Scratch::new("errors");
    let check = |name: &str, bytes: &[u8], words: &str| {
        let file = scratch.path(name);
        std::fs::write(&file, bytes).expect("a file");
        let why = complaint(&["replay", &file]);
        assert!(why.contains(words) && why.contains("tcpdump -i any"), "{why}");
    };
    check("text", b"no capture at all", "neither a pcap nor a pcapng file");
    check("empty", b"", "neither a pcap nor a pcapng file");
    let whole = std::fs::read(capture(PUBLISH)).expect("a capture");
    check("header", &whole[..20], "ends inside of its header");
    check("nothing", &whole[..24], "no TCP connection");
    let why = complaint(&["replay", &scratch.path("missing")]);
    assert!(why.contains("cannot be read"), "{why}");

    let cut = scratch.path("cut.pcap");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("a file");
    let timeline = print(&["replay", &cut]);
    assert!(timeline.contains("note: the file breaks off at byte"), "{timeline}");
    assert!(timeline.contains("= publish live/"), "what could be read is shown: {timeline}");
}

#[test]
fn other_protocols_are_listed() {
    let timeline = print(&["replay", &capture("curl_http-get-to-rtmp_nginxrtmp.pcap")]);
    assert!(timeline.contains("1 HTTP connection"), "{timeline}");
    assert!(timeline.contains("HTTP `GET /") && timeline.contains("not replayed"), "{timeline}");
}

#[test]
fn keys_are_never_shown() {
    let file = capture("obs-29.0.2_publish-query_srs7.pcap");
    for args in
        [&["replay", &file][..], &["replay", "--json", &file], &["replay", "--stats", &file]]
    {
        let report = print(args);
        assert!(!report.contains("token="), "{report}");
    }
    assert!(print(&["replay", &file]).contains("publish #6 \"obskey2?...\""));
}

#[test]
fn a_capture_is_kept_as_a_test_once() {
    let scratch = Scratch::new("case");
    let folder = scratch.path("cases");
    let file = capture("obs-29.0.2_publish-query_srs7.pcap");
    let done = print(&["case", "add", &file, "--dir", &folder]);
    assert!(done.contains("obs-29.0.2_publish-query_srs7.pcap of "), "{done}");
    let kept = format!("{folder}/obs-29.0.2_publish-query_srs7");
    let timeline = std::fs::read_to_string(format!("{kept}.txt")).expect("a text");
    assert_eq!(print(&["replay", &format!("{kept}.pcap")]), timeline);
    assert!(!timeline.contains("obskey2") && !timeline.contains("127.0.0.1:5"), "{timeline}");

    let why = complaint(&["case", "add", &file, "--dir", &folder]);
    assert!(why.contains("cannot be written"), "{why}");
    let http = capture("curl_http-get-to-rtmp_nginxrtmp.pcap");
    let why = complaint(&["case", "add", &http, "--dir", &folder]);
    assert!(why.contains("no connection in it is RTMP"), "{why}");
}
