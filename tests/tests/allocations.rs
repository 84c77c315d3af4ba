//! What each transport allocates while media pass over real sockets: something for each frame, nothing
//! for each player.
//!
//! The server is in this process, and its allocator counts; the load is another process. Of two runs
//! with as many players, the longer one has passed more frames, and has set up as much.
//! The core alone is counted exactly, in `core/tests/allocations.rs`.

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

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is allocated is counted for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const PLAYERS: u64 = 300;

/// Pictures sent to players for each allocation, at least. With one allocation for each picture that
/// a player is sent it would be one; with those of the turns, in which all players are sent something,
/// there are five to twenty.
const PICTURES_PER_ALLOCATION_MIN: u64 = 2;

#[test]
fn tokio() {
    players_cost_no_allocations::<Tokio>(Transport::Tokio);
}

#[test]
fn async_std() {
    players_cost_no_allocations::<AsyncStd>(Transport::AsyncStd);
}

fn players_cost_no_allocations<R: Runtime>(transport: Transport) {
    let _alone = ALONE.lock().expect("the other test is well");
    let load_tool = binary();
    transport.test(|| {
        let server = Server::start::<R>();
        let [(_, first), (few, short), (many, long)] =
            ["1s", "2s", "6s"].map(|time| play(&load_tool, server.address, time));
        server.stop();
        assert!(first > 0 && short > 0, "the allocator counts");
        let (pictures, allocations) = (many - few, long.saturating_sub(short));
        assert!(pictures > 50 * PLAYERS, "{pictures} more pictures in the longer run");
        assert!(
            allocations * PICTURES_PER_ALLOCATION_MIN < pictures,
            "{allocations} allocations for {pictures} pictures"
        );
    });
}

/// Pictures that came to the players within `time`, and allocations of the server.
fn play(load_tool: &Path, server: SocketAddr, time: &str) -> (u64, u64) {
    let clip = tree::root().join("conf/host/assets/demo.flv");
    let before = allocations();
    let mut command = Command::new(load_tool);
    command.args(["bench", "play", &format!("rtmp://{server}/live/{time}")]);
    command
        .args(["--players", &PLAYERS.to_string(), "--for", time, "--json", "--publish"])
        .arg(clip);
    let result: Value = serde_json::from_slice(&output_of(&mut command)).expect("it writes JSON");
    assert_eq!((&result["started"], &result["lost"]), (&PLAYERS.into(), &0.into()), "{result}");
    let pictures = result["latency_us"]["count"].as_u64().expect("pictures have come");
    (pictures, allocations() - before)
}

fn allocations() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.allocations + stats.reallocations) as u64
}
