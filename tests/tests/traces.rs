//! Traces of the real program: what passes its sockets, and all else that it is told, replays.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use millstream_tests::client::Scratch;
use millstream_tests::program::Program;
use millstream_tests::server::{Server, binary};
use pretty_assertions::assert_eq;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

millstream_tests::on_both_transports!(a_trace_of_everything_replays);

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/host/assets/demo.flv");

/// A test that waits longer than this for an answer has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// Publishers, forwards, segments on disk, a program that fails, HTTP, the API of several shards and
/// a reload: all that the server takes in is in the traces of its shards.
fn a_trace_of_everything_replays() {
    let scratch = Scratch::new("trace");
    let destination = Server::start_with(&["--http", "off"]);
    let (file, trace) = (scratch.file("a.kdl"), scratch.file("a.trace"));
    let content = |rest: &str| {
        let to = destination.address();
        let hls = scratch.file("hls");
        format!(
            "vhost \"__defaultVhost__\" {{\n forward \"{to}\"\n hls {{ storage \"disk\"; path {hls:?} \
             }}\n transcode \"live/load-0\" {{ ffmpeg \"/bin/false\"; engine \"sd\" {{ video \
             \"libx264\" {{ params {{ x \"y z\" }} }}; output \"rtmp://127.0.0.1:[port]/x/y\" }} \
             }}\n}}\n{rest}"
        )
    };
    fs::write(&file, content("")).unwrap();
    let [file_name, trace_name] = [&file, &trace].map(|path| path.to_str().unwrap().to_owned());
    let server = Server::start_with(&[
        "--http",
        "127.0.0.1:0",
        "--workers",
        "2",
        "--log",
        "debug",
        "-c",
        &file_name,
        "--trace",
        &trace_name,
    ]);
    let publishing = publish(&server, "live/load");
    server.program().wait_until("four forwards", |lines| {
        let is_begin = |line: &&String| line.contains("forward ") && line.contains(" began (");
        lines.iter().filter(is_begin).count() >= 4
    });
    for stream in 0..4 {
        let answer = get(&server, &format!("live/load-{stream}.m3u8"), 20);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}: {}", server.program().log());
        assert!(get(&server, &format!("live/load-{stream}.flv"), 9_000).contains("FLV"));
    }
    ask_all(&server);
    let changed = content("chunk-size 4096\nvhost \"a.example\" { refer \"b.example\" }\n");
    fs::write(&file, changed).unwrap();
    server.program().signal("HUP");
    server.program().wait_for(&["reload 1: done"]);
    ask_all(&server);
    let late = publish(&server, "live/late");
    server.program().wait_until("four more publishers", |lines| {
        lines.iter().filter(|line| line.contains("publish live/late")).count() >= 4
    });
    ask_all(&server);
    drop((publishing, late));
    server.program().signal("TERM");
    let (status, log) = server.into_program().finish();
    assert!(status.success(), "{log}");
    check(&trace);
}

fn publish(server: &Server, name: &str) -> Program {
    let mut command = Command::new(binary());
    command.args(["bench", "publish", &server.url(name)]).arg(CLIP);
    command.args(["--publishers", "4", "--for", "60s"]).stdin(Stdio::null());
    Program::start(command)
}

/// Asks for what the API and the console have, of both shards.
fn ask_all(server: &Server) {
    for path in ["", "api/v1/streams", "api/v1/clients", "api/v1/summary", "metrics"] {
        // Where a connection lands is up to the kernel.
        for _ in 0..3 {
            let answer = get(server, path, 200);
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        }
    }
}

/// The first bytes of an answer.
fn get(server: &Server, path: &str, len: usize) -> String {
    let url = server.http_url(path);
    let (host, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Both shards do the same again, and what this is about is in their traces.
fn check(trace: &Path) {
    let name = trace.to_str().unwrap();
    let output = Command::new(binary()).args(["replay", name]).output().unwrap();
    let [said, complaint] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{complaint}");
    assert_eq!(said.lines().filter(|line| line.starts_with("identical")).count(), 2, "{said}");
    let traces = ["", ".1"].map(|end| fs::read_to_string(format!("{name}{end}")).unwrap());
    let count = |begin: &str| {
        let lines = traces.iter().flat_map(|trace| trace.lines());
        lines.filter(|line| line.starts_with(begin)).count()
    };
    assert_eq!(count("ready config"), 2);
    let configs = traces.iter().flat_map(|trace| trace.lines());
    let configs = configs.filter(|line| line.starts_with("config "));
    assert_eq!(configs.filter(|line| line.contains(" chunk_size 4096 ")).count(), 2);
    assert_eq!(count("event published"), 8);
    let expected = [
        "ready dialled",
        "ready accepted",
        "job ",
        "do start ",
        "shard 0 surveyed",
        "shard 1 surveyed",
        "shard 0 survey ",
        "event answered",
        "event rendition ended",
    ];
    for begin in expected {
        assert!(count(begin) > 0, "{begin}: {:?}", expected.map(|begin| (begin, count(begin))));
    }
    assert!(traces.iter().any(|trace| trace.contains(" exited 1 ")), "a program has failed");
}
