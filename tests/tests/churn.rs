//! Publishers and players come and go, 20 a second, and the server holds no more than before.
//!
//! Two minutes with each run of the tests; `tests/churn` takes an hour. The server is in this
//! process, on real sockets, and its allocator counts: resident memory moves by a megabyte as the
//! allocator likes, what is allocated does not. After each round, when the last client has gone, the
//! open files must be those of the start, and what is allocated may not grow from the earlier rounds
//! to the later ones.
//! Without HLS, whose segments stay on purpose for most of a minute after a publish: that they go is
//! seen in `core/src/server/tests/hls.rs`. Deadlines that are left behind are counted on virtual
//! time, in `core/src/server/tests/mended.rs`.

#[path = "in_process/server.rs"]
mod in_process;

use in_process::Server;
use millstream_async_std::AsyncStd;
use millstream_host::runtime::Runtime;
use millstream_tests::program::output_of;
use millstream_tests::server::binary;
use millstream_tests::transport::Transport;
use millstream_tests::tree;
use millstream_tokio::Tokio;
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is allocated is counted for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// New clients in a round, and how long they come.
const ROUND: Duration = Duration::from_secs(8);

/// With the last clients, and with what the server still has to close.
const ROUND_IN_ALL: Duration = Duration::from_secs(12);

const CLIENTS_PER_SECOND: u64 = 20;

/// How long the server may take to let go of what the last client has left.
const CLOSE_TIME: Duration = Duration::from_secs(10);

/// What is allocated may grow so much from the earlier rounds to the later ones, as tables approach
/// what the largest number of clients at once needs: 19 KB in the hour that was looked at, in nine
/// steps with 45 rounds without any. Two hundred bytes that each session leaves behind are more than
/// that in two minutes, and five are in an hour.
const GROWTH_MAX: usize = 64 << 10;

#[test]
fn tokio() {
    what_comes_and_goes_leaves_nothing_behind::<Tokio>(Transport::Tokio);
}

#[test]
fn async_std() {
    what_comes_and_goes_leaves_nothing_behind::<AsyncStd>(Transport::AsyncStd);
}

fn what_comes_and_goes_leaves_nothing_behind<R: Runtime>(transport: Transport) {
    let _alone = ALONE.lock().expect("the other test is well");
    let load_tool = binary();
    transport.test(|| {
        let server = Server::start::<R>();
        let files = open_files();
        let mut allocated = Vec::new();
        let rounds = (time().as_secs() / 2 / ROUND_IN_ALL.as_secs()).max(4);
        for round in 1..=rounds {
            let result = churn(&load_tool, server.address);
            assert_eq!(result["started"], ROUND.as_secs() * CLIENTS_PER_SECOND, "{result}");
            assert_eq!(result["lost"], 0, "{result}");
            assert!(result["bytes"].as_u64() > Some(1_000_000), "media have passed: {result}");
            let (left, bytes) = let_go(files);
            assert_eq!(left, files, "open files after round {round}");
            allocated.push(bytes);
            tell(&format!("{transport:?}, round {round}: {bytes} bytes, {left} files"));
        }
        server.stop();
        let growth = growth(&allocated);
        assert!(growth <= GROWTH_MAX, "{growth} bytes more are allocated: {allocated:?}");
    });
}

/// The least of the later rounds may not be above the least of the earlier ones; the first round,
/// in which everything is allocated for the first time, does not count.
fn growth(allocated: &[usize]) -> usize {
    let counted = allocated.get(1..).unwrap_or_default();
    let (earlier, later) = counted.split_at(counted.len() / 2);
    let least = |part: &[usize]| part.iter().copied().min().expect("a round");
    least(later).saturating_sub(least(earlier))
}

#[test]
fn growth_is_told_from_what_is_allocated_once() {
    assert_eq!(growth(&[5_000, 9_000, 9_100, 9_300, 9_050]), 50);
    assert_eq!(growth(&[5_000, 9_000, 9_100, 8_000, 9_050]), 0);
    assert_eq!(growth(&[5_000, 9_000, 9_400, 9_800, 10_200]), 800);
}

fn churn(load_tool: &Path, server: SocketAddr) -> Value {
    let clip = tree::root().join("conf/host/assets/demo.flv");
    let mut command = Command::new(load_tool);
    command.args(["bench", "churn", &format!("rtmp://{server}/live/churn-{{number}}")]).arg(clip);
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

/// Waits until the files are those of the start and what is allocated has been the same for a
/// second, but not for ever; gives what there is then.
fn let_go(files: usize) -> (usize, usize) {
    let deadline = Instant::now() + CLOSE_TIME;
    let (mut last, mut looks) = (allocated(), 0);
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = allocated();
        looks = if now == last && open_files() == files { looks + 1 } else { 0 };
        if looks == 10 || Instant::now() > deadline {
            return (open_files(), now);
        }
        last = now;
    }
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}
