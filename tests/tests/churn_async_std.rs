//! One round of clients that come and go, on async-std: nothing of them may stay open. The same on
//! tokio, with many rounds and an eye on memory, is `churn.rs`.
#![cfg(target_os = "linux")]

use millstream_tests::program::{PATIENCE, output_of};
use millstream_tests::server::{Server, binary};
use millstream_tests::transport::Transport;
use millstream_tests::tree;
use pretty_assertions::assert_eq;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

#[test]
fn what_comes_and_goes_leaves_nothing_open() {
    Transport::AsyncStd.test(|| {
        let server = Server::start_with(&["--workers", "2", "--log", "warn"]);
        let files = open_files(&server);
        let clip = tree::root().join("conf/host/assets/demo.flv");
        let mut command = Command::new(binary());
        command.args(["bench", "churn", &server.url("live/churn-{n}")]).arg(clip);
        command.args(["--for", "15s", "--rate", "20", "--stay", "2s", "--json"]);
        let result: Value = serde_json::from_slice(&output_of(&mut command)).expect("JSON");
        assert_eq!((&result["started"], &result["lost"]), (&300.into(), &0.into()), "{result}");
        assert!(result["bytes"].as_u64() > Some(1_000_000), "media have passed: {result}");
        let deadline = Instant::now() + PATIENCE;
        while open_files(&server) != files {
            assert!(Instant::now() < deadline, "{} files, {files} before", open_files(&server));
            thread::sleep(Duration::from_millis(100));
        }
        let log = server.program().log();
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    });
}

fn open_files(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.program().id());
    fs::read_dir(folder).expect("the server runs").count()
}
