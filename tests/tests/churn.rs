//! Publishers and players come and go, 20 a second, and the server holds no more than before.
//!
//! Two minutes with each run of the tests; `MILLSTREAM_CHURN=60m tests/churn` takes an hour. In
//! rounds of some 400 sessions: after each, when the last client has gone, the open files must be
//! those of the start, and resident memory may not grow from the earlier rounds to the later ones.
//! Without HLS, whose segments stay on purpose for most of a minute after a publish: that they go is
//! seen in `core/src/server/tests/hls.rs`. Deadlines that are left behind are counted on virtual
//! time, in `core/src/server/tests/mended.rs`.

use millstream_tests::client::Scratch;
use millstream_tests::program::output_of;
use millstream_tests::server::{Server, binary};
use millstream_tests::tree;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// New clients in a round, and how long they come.
const ROUND: Duration = Duration::from_secs(18);

/// With the last clients, and with what the server still has to close.
const ROUND_IN_ALL: Duration = Duration::from_secs(24);

const CLIENTS_PER_SECOND: u64 = 20;

/// How long the server may take to close what the last client has left.
const CLOSE_TIME: Duration = Duration::from_secs(10);

/// Resident memory may grow so much from the earlier rounds to the later ones, as tables and the
/// allocator's free lists approach what the largest number of clients at once needs. With this, a
/// few hundred bytes that each session leaves behind fail the two minutes, and a few tens the hour.
const MEMORY_TOLERANCE: u64 = 192 << 10;

#[test]
fn what_comes_and_goes_leaves_nothing_behind() {
    let scratch = Scratch::new("churn");
    let config = scratch.file("churn.kdl");
    fs::write(&config, "vhost \"__defaultVhost__\" {\n    hls #false\n}\n").expect("a file");
    let config = config.to_string_lossy();
    let server = Server::start_with(&["-c", &config, "--workers", "2", "--log", "warn"]);
    let process = server.program().id();
    let files = open_files(process);
    let mut resident = Vec::new();
    let rounds = (time().as_secs() / ROUND_IN_ALL.as_secs()).max(5);
    for round in 1..=rounds {
        let result = churn(&server);
        let clients = ROUND.as_secs() * CLIENTS_PER_SECOND;
        assert_eq!(result["started"], clients, "{result}");
        assert_eq!(result["lost"], 0, "{result}");
        assert!(result["bytes"].as_u64() > Some(1_000_000), "media have passed: {result}");
        let left = wait_for_files(process, files);
        assert_eq!(left, files, "open files after round {round}");
        resident.push(resident_memory(process));
        tell(&format!("round {round}: {} KB, {left} files", resident[resident.len() - 1] >> 10));
    }
    let log = server.program().log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    assert_flat(&resident);
}

#[test]
fn growth_is_told_from_noise() {
    let kib = |values: &[u64]| values.iter().map(|kib| kib << 10).collect::<Vec<_>>();
    assert_eq!(growth(&kib(&[5_000, 9_000, 9_100, 9_300, 9_050])), 50 << 10);
    assert_eq!(growth(&kib(&[5_000, 9_000, 9_100, 8_000, 9_050])), 0);
    assert_eq!(growth(&kib(&[5_000, 9_000, 9_400, 9_800, 10_200])), 800 << 10);
}

/// The least of the later rounds may not be above the least of the earlier ones; the first round,
/// in which everything is allocated for the first time, does not count.
fn assert_flat(resident: &[u64]) {
    let growth = growth(resident);
    assert!(growth <= MEMORY_TOLERANCE, "memory has grown by {growth} bytes: {resident:?}");
}

fn growth(resident: &[u64]) -> u64 {
    let counted = resident.get(1..).unwrap_or_default();
    let (earlier, later) = counted.split_at(counted.len() / 2);
    let least = |part: &[u64]| part.iter().copied().min().expect("a round");
    least(later).saturating_sub(least(earlier))
}

fn churn(server: &Server) -> Value {
    let clip = tree::root().join("conf/host/assets/demo.flv");
    let mut command = Command::new(binary());
    command.args(["bench", "churn", &server.url("live/churn-{n}")]).arg(clip);
    command.args(["--for", &format!("{}s", ROUND.as_secs())]);
    command.args(["--rate", &CLIENTS_PER_SECOND.to_string(), "--stay", "3s", "--json"]);
    serde_json::from_slice(&output_of(&mut command)).expect("the load tool writes JSON")
}

#[expect(clippy::print_stdout, reason = "an hour is long for who sees nothing")]
fn tell(text: &str) {
    println!("{text}");
}

/// `MILLSTREAM_CHURN` is a number of minutes, such as `60m`.
fn time() -> Duration {
    let minutes = env::var("MILLSTREAM_CHURN").unwrap_or_else(|_| "2m".to_owned());
    let minutes = minutes.strip_suffix('m').and_then(|minutes| minutes.parse::<u64>().ok());
    Duration::from_secs(60 * minutes.expect("MILLSTREAM_CHURN is a number of minutes, as in 60m"))
}

fn wait_for_files(process: u32, wanted: usize) -> usize {
    let deadline = Instant::now() + CLOSE_TIME;
    loop {
        let files = open_files(process);
        if files == wanted || Instant::now() > deadline {
            return files;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("the server runs").count()
}

fn resident_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the server runs");
    // Pages of the program's file come and go as the system likes.
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a process");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}
