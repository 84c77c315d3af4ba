//! The program as its users meet it: started, published to, played, signalled, starved.
#![cfg(target_os = "linux")]

use millstream_tests::server::binary;
use millstream_tests::transport::Transport;
use pretty_assertions::assert_eq;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

millstream_tests::on_both_transports!(
    the_demo_plays_to_many_and_ends_in_order,
    marks_measure_latency_from_end_to_end,
    many_publish_and_a_second_publisher_is_refused,
    row_007_without_descriptors_the_server_refuses_and_recovers,
    row_008_a_storm_of_connections_leaves_no_descriptor,
    row_012_a_taken_port_is_named_and_the_program_ends,
    row_018_other_protocols_are_named_in_the_log,
    row_121_players_are_told_of_the_end_and_a_second_signal_ends_at_once,
    a_trace_of_a_server_replays_line_by_line,
    files_that_are_no_whole_trace_are_refused_in_words,
    a_trace_needs_a_place,
    a_trace_of_several_workers_replays_shard_by_shard,
    seeds_and_files_are_simulated_the_same_each_time,
    a_failure_says_how_to_repeat_it_and_is_shrunk,
);

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/host/assets/demo.flv");

/// A server in a process of its own; killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts the program on a free port, and reads the port from its banner.
    fn start(args: &[&str]) -> Self {
        Self::spawn(Command::new(binary()).args(args).args(["--rtmp", "127.0.0.1:0"]))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut banner = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = banner
            .find_map(|line| line.expect("text").strip_prefix("RTMP on ").map(str::to_owned))
            .expect("a banner")
            .parse()
            .expect("an address");
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, lines) = (child.stderr.take().expect("its log"), log.clone());
        thread::spawn(move || {
            // The banner is read on, so that the program never writes to a closed pipe.
            let _banner = banner;
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("the log").push_str(&(line + "\n"));
            }
        });
        Self { child, address, log }
    }

    fn url(&self, stream: &str) -> String {
        format!("rtmp://{}/{stream}", self.address)
    }

    fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the program runs");
    }

    /// Waits for the end, and says how long it took.
    fn wait(mut self, most: Duration) -> (ExitStatus, Duration, String) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status, start.elapsed(), self.log());
            }
            assert!(start.elapsed() < most, "it still runs: {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `millstream bench` and gives its result.
fn bench(args: &[&str]) -> Value {
    bench_of(&binary(), args)
}

fn bench_of(program: &Path, args: &[&str]) -> Value {
    let output = Command::new(program).arg("bench").args(args).arg("--json").output().expect("it");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("an object")
}

/// Sends C0 and C1, and waits for the first byte of the reply.
fn shakes_hands(mut stream: &TcpStream) -> bool {
    let mut hello = [0; 1_537];
    hello[0] = 3;
    let mut reply = [0];
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    stream.write_all(&hello).is_ok() && stream.read_exact(&mut reply).is_ok() && reply == [3]
}

fn the_demo_plays_to_many_and_ends_in_order() {
    let server = Server::start(&["demo"]);
    // The publisher needs a moment; a player may come first all the same.
    let result = bench(&["play", &server.url("live/demo"), "--players", "20", "--for", "2s"]);
    assert_eq!(result["started"], 20, "{result}");
    assert_eq!((&result["lost"], &result["silent"]), (&0.into(), &0.into()), "{result}");
    assert!(result["bits_per_second"]["median"].as_u64() > Some(50_000), "{result}");

    server.signal(Signal::TERM);
    let (status, _, log) = server.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("publish live/demo began"), "{log}");
    assert!(log.contains("live/demo has H.264") && log.contains("live/demo has AAC"), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

fn marks_measure_latency_from_end_to_end() {
    let server = Server::start(&["serve"]);
    let url = server.url("live/load");
    let result = bench(&[
        "play",
        &url,
        "--publish",
        CLIP,
        "--players",
        "10",
        "--for",
        "2s",
        "--threads",
        "1",
    ]);
    assert_eq!(result["started"], 10, "{result}");
    assert_eq!(result["lost_frames"], 0, "{result}");
    // About 50 frames for each player; most were sent after its start.
    let latency = &result["latency_us"];
    assert!(latency["count"].as_u64() > Some(200), "{result}");
    assert!(latency["median"].as_u64() < Some(500_000), "{result}");
    assert!(result["setup_us"]["max"].as_u64() < Some(5_000_000), "{result}");
}

fn many_publish_and_a_second_publisher_is_refused() {
    let server = Server::start(&["--log-format", "json"]);
    let result =
        bench(&["publish", &server.url("live/p"), CLIP, "--publishers", "5", "--for", "1s"]);
    assert_eq!((&result["started"], &result["lost"]), (&5.into(), &0.into()), "{result}");

    // Five publishers of one name: one gets it.
    let url = server.url("live/one?n={number}");
    let result = bench(&["publish", &url, CLIP, "--publishers", "5", "--for", "1s"]);
    assert_eq!((&result["started"], &result["failed"]), (&1.into(), &4.into()), "{result}");
    let reasons = result["failures"].to_string();
    assert!(reasons.contains("NetStream.Publish.BadName"), "{reasons}");

    server.signal(Signal::INT);
    let (status, _, log) = server.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{log}");
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((of("published"), of("unpublished"), of("refused")), (6, 6, 4), "{log}");
    let refused = lines.iter().find(|line| line["event"] == "refused").expect("a refusal");
    assert_eq!(refused["reason"], "busy");
    assert!(refused["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
}

fn row_007_without_descriptors_the_server_refuses_and_recovers() {
    let shell = format!("ulimit -n 40; exec {} --workers 1 --rtmp 127.0.0.1:0", binary().display());
    let server = Server::spawn(Command::new("sh").args(["-c", &shell]));
    let bystander = TcpStream::connect(server.address).expect("a connection");
    thread::sleep(Duration::from_millis(50));
    let crowd: Vec<_> = (0..100).filter_map(|_| TcpStream::connect(server.address).ok()).collect();

    let ticks = cpu_ticks(server.child.id());
    thread::sleep(Duration::from_secs(1));
    let spent = cpu_ticks(server.child.id()) - ticks;
    assert!(spent <= 20, "{spent} of 100 ticks");

    let held = crowd.iter().filter(|stream| is_open(stream)).count();
    assert!((10..40).contains(&held), "{held} are held, the others were closed at once");
    assert!(shakes_hands(&bystander), "those who are there are served");
    drop(crowd);
    let freed = Instant::now();
    while !TcpStream::connect(server.address).is_ok_and(|stream| shakes_hands(&stream)) {
        assert!(freed.elapsed() < Duration::from_secs(1), "{}", server.log());
    }
    let warnings = server.log().matches("cannot accept connections").count();
    assert_eq!(warnings, 1, "{}", server.log());
}

fn row_008_a_storm_of_connections_leaves_no_descriptor() {
    let server = Server::start(&["--log", "warn"]);
    let folder = format!("/proc/{}/fd", server.child.id());
    let open = || std::fs::read_dir(&folder).expect("a process").count();
    let before = open();
    for round in 0..2_000 {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        // Some say nothing, some begin to shake hands.
        if round % 2 == 0 {
            stream.write_all(&[3, 0, 0]).expect("sent");
        }
    }
    let ended = Instant::now();
    while open() > before + 2 {
        assert!(ended.elapsed() < Duration::from_secs(10), "{before}, now {}", open());
        thread::sleep(Duration::from_millis(10));
    }
    let after = TcpStream::connect(server.address).expect("a connection");
    assert!(shakes_hands(&after), "{}", server.log());
}

/// Clock ticks of user and system time (proc(5), fields 14 and 15 of stat).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let tick = |index: usize| fields[index].parse::<u64>().expect("a number");
    tick(11) + tick(12)
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let read = (&mut &*stream).read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

fn row_012_a_taken_port_is_named_and_the_program_ends() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = Command::new(binary()).args(["--rtmp", &address]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&address) && stderr.contains("choose another port"), "{stderr}");
    assert!(output.stdout.is_empty(), "no banner");
}

fn row_018_other_protocols_are_named_in_the_log() {
    let server = Server::start(&[]);
    for hello in [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.write_all(hello).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        assert_eq!(stream.read(&mut [0; 64]).expect("an end"), 0, "no reply");
    }
    server.signal(Signal::TERM);
    let (_, _, log) = server.wait(Duration::from_secs(10));
    assert!(log.contains("HTTP on the RTMP port"), "{log}");
    assert!(log.contains("TLS on a plain RTMP port"), "{log}");
}

fn row_121_players_are_told_of_the_end_and_a_second_signal_ends_at_once() {
    let server = Server::start(&["demo"]);
    let url = server.url("live/demo");
    let program = binary();
    let players = thread::spawn(move || {
        bench_of(&program, &["play", &url, "--players", "50", "--for", "20s"])
    });
    thread::sleep(Duration::from_secs(2));
    server.signal(Signal::TERM);
    let (status, time, log) = server.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(time < Duration::from_secs(10), "{time:?}");
    let result = players.join().expect("a result");
    assert_eq!((&result["started"], &result["lost"]), (&50.into(), &50.into()), "{result}");
    let reasons = result["losses"].to_string();
    assert!(reasons.contains("the server ended the stream"), "{reasons}");

    // Peers that never read and never close hold the first signal up, but not the second.
    let server = Server::start(&[]);
    let silent: Vec<_> =
        (0..10).map(|_| TcpStream::connect(server.address).expect("a connection")).collect();
    thread::sleep(Duration::from_millis(200));
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    let (status, time, log) = server.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(time < Duration::from_secs(1), "{time:?}");
    drop(silent);
}

/// Runs the program to its end: its exit code, and what it says.
fn ends(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary()).args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A file of a test; its path.
fn scratch(name: &str) -> String {
    format!("{}/{:?}-{name}", env!("CARGO_TARGET_TMPDIR"), Transport::under_test())
}

fn a_trace_of_a_server_replays_line_by_line() {
    let file = scratch("session.trace");
    let server = Server::start(&["--trace", &file, "--log", "debug"]);
    let url = server.url("live/load");
    let result = bench(&["play", &url, "--publish", CLIP, "--players", "3", "--for", "1s"]);
    assert_eq!(result["started"], 3, "{result}");
    assert!(!shakes_hands_with_nonsense(server.address), "nonsense is refused");
    server.signal(Signal::TERM);
    let (status, _, log) = server.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{log}");

    let trace = std::fs::read_to_string(&file).expect("a trace");
    let count = |begin: &str| trace.lines().filter(|line| line.starts_with(begin)).count();
    assert_eq!((count("event published"), count("event played")), (1, 3));
    assert_eq!((count("event closed"), count("ready shutdown")), (5, 1));
    let (code, said, complaint) = ends(&["replay", &file]);
    assert_eq!(code, Some(0), "{complaint}");
    let identical = format!("identical: this server does all that the {} lines", count(""));
    assert!(said.starts_with(&identical), "{said}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("a file"));
    assert_eq!(mode & 0o077, 0, "stream keys are for the owner's eyes");

    // A server that does something else is found out, by the line where it does.
    let other = scratch("other.trace");
    let line = 1 + trace.lines().position(|line| line.starts_with("event played")).expect("one");
    let changed = trace.replacen("event played", "event prayed", 1);
    std::fs::write(&other, &changed).expect("written");
    let (code, said, complaint) = ends(&["replay", &other]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(complaint.contains(&format!("line {line}: the trace says")), "{complaint}");

    // A trace whose end never reached the disk is replayed as far as it goes.
    std::fs::write(&other, &trace[..trace.len() / 2]).expect("written");
    let (code, _, complaint) = ends(&["replay", &other]);
    assert_eq!(code, Some(0), "{complaint}");
}

/// Says what is no RTMP; gives whether the server goes on all the same.
fn shakes_hands_with_nonsense(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(&[0xAB; 64]).expect("sent");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    stream.read(&mut [0]).is_ok_and(|len| len > 0)
}

fn files_that_are_no_whole_trace_are_refused_in_words() {
    let file = scratch("broken.trace");
    let check = |bytes: &[u8], more: &[&str], hint: &str| {
        std::fs::write(&file, bytes).expect("written");
        let (code, said, complaint) = ends(&[&["replay", &file], more].concat());
        assert_eq!((code, said.as_str()), (Some(1), ""), "{hint}");
        assert!(complaint.contains(hint), "{complaint}");
    };
    let title = b"millstream-trace 5\n".as_slice();
    check(b"millstream-trace 9\nbegin\n", &[], "no full trace of this version");
    check(title, &[], "no full trace of this version");
    check(&[title, b"seed many\nbegin\n"].concat(), &[], "no full trace of this version");
    check(&[title, b"begin\nready lunch\n"].concat(), &[], "a line that cannot be read");
    check(&[title, b"begin\nnow soon\n"].concat(), &[], "line 3: the trace says");
    check(&[title, b"\xFF\xFE\n"].concat(), &[], "it is no text");
    check(&[title, b"begin\n"].concat(), &["--json"], "take captures");
    check(b"", &[], "tcpdump");
}

fn a_trace_needs_a_place() {
    let (code, said, complaint) = ends(&["demo", "--trace", "/nonexistent/file", "--rtmp", ":0"]);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{complaint}");
    assert!(complaint.contains("/nonexistent/file cannot be written"), "{complaint}");
}

fn a_trace_of_several_workers_replays_shard_by_shard() {
    let file = scratch("shards.trace");
    let server = Server::start(&["--workers", "3", "--trace", &file, "--log", "debug"]);
    let url = server.url("live/load");
    let result = bench(&["play", &url, "--publish", CLIP, "--players", "12", "--for", "1s"]);
    assert_eq!(result["started"], 12, "{result}");
    server.signal(Signal::TERM);
    let (status, _, log) = server.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{log}");

    let read = |end: &str| std::fs::read_to_string(format!("{file}{end}")).expect("a trace");
    let traces = ["", ".1", ".2"].map(read);
    let count = |begin: &str| {
        let lines = traces.iter().flat_map(|trace| trace.lines());
        lines.filter(|line| line.starts_with(begin)).count()
    };
    assert_eq!((count("event published"), count("event played")), (1, 12));
    // Where each connection lands is up to the kernel: it is not likely that all are at home.
    assert!(count("shard 0 ") + count("shard 1 ") + count("shard 2 ") > 0);
    let (code, said, complaint) = ends(&["replay", &file]);
    assert_eq!(code, Some(0), "{complaint}");
    assert_eq!(said.lines().filter(|line| line.starts_with("identical")).count(), 3, "{said}");
}

fn seeds_and_files_are_simulated_the_same_each_time() {
    let (code, first, complaint) = ends(&["sim", "run", "--seed", "1", "--trace"]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert!(first.lines().count() > 1_000, "{first}");
    assert!(first.lines().last().is_some_and(|line| line.starts_with("well: --seed 1, ")));
    assert_eq!(ends(&["sim", "run", "--seed", "1", "--trace"]).1, first, "again");

    let (code, explained, _) = ends(&["sim", "explain", "1"]);
    assert_eq!(code, Some(0));
    assert!(explained.contains("event published") && explained.contains("well: --seed 1"));
    let file = scratch("one.kdl");
    let scenario = explained.split("\n\n").next().expect("a scenario");
    std::fs::write(&file, scenario).expect("written");
    let (code, said, complaint) = ends(&["sim", "run", &file, "--trace"]);
    assert_eq!(code, Some(0), "{complaint}");
    assert_eq!(said.replace(&file, "--seed 1"), first, "the file is the seed");

    let (code, said, _) = ends(&["sim", "shrink", "--seed", "1"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("nothing to shrink"), "{said}");
    let (code, said, _) = ends(&["sim", "swarm", "--from", "7", "--for", "300ms"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("seeds from 7 on are well"), "{said}");

    std::fs::write(&file, "scenario {").expect("written");
    for (path, hint) in [(file.as_str(), "one.kdl"), ("/nonexistent.kdl", "cannot be read")] {
        let (code, said, complaint) = ends(&["sim", "explain", path]);
        assert_eq!((code, said.as_str()), (Some(2), ""), "{path}");
        assert!(complaint.contains(hint), "{complaint}");
    }
}

/// A scenario that the promises do not cover: a publisher that sends nothing is thrown out.
const FAILING: &str = "scenario\nserver\npublisher again=1000000 {\n    \
    media video-ms=0 audio-ms=0\n}\nplayer\nplayer start=1000\n";

fn a_failure_says_how_to_repeat_it_and_is_shrunk() {
    let (file, small) = (scratch("failing.kdl"), scratch("small.kdl"));
    std::fs::write(&file, FAILING).expect("written");
    let (code, said, _) = ends(&["sim", "run", &file]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("failed at "), "{said}");
    assert!(said.contains(&format!("repeat:  millstream sim run {file} --trace")), "{said}");
    assert!(said.contains("video-ms=0"), "the parameters: {said}");

    let (code, said, complaint) = ends(&["sim", "shrink", &file, "--write", &small]);
    assert_eq!((code, complaint.as_str()), (Some(1), ""));
    assert_eq!(said, format!("wrote {small}\n"));
    let text = std::fs::read_to_string(&small).expect("a scenario");
    assert!(text.contains("publisher") && !text.contains("player"), "{text}");
    assert_eq!(ends(&["sim", "explain", &small]).0, Some(1), "it fails alike");
}
