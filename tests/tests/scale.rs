//! `millstream bench scale`: one worker, two, and two servers of one.

use millstream_tests::program::output_of;
use millstream_tests::server::binary;
use millstream_tests::tree;
use serde_json::Value;
use std::process::Command;
use std::thread::available_parallelism;

millstream_tests::on_both_transports!(
    each_number_of_workers_has_its_players_on_its_cores,
    more_workers_than_cores_are_refused,
);

fn scale() -> Command {
    let mut command = Command::new(binary());
    command.args(["bench", "scale"]).arg(tree::root().join("conf/host/assets/demo.flv"));
    command.args(["--players", "3", "--for", "3s", "--runs", "1", "--json"]);
    command
}

fn each_number_of_workers_has_its_players_on_its_cores() {
    let cores = available_parallelism().expect("the number of cores").get();
    let (workers, expected) = match cores {
        1 => ("1", [(1, 1, 3)].as_slice()),
        _ => ("1,2", [(1, 1, 3), (1, 2, 6), (2, 1, 6)].as_slice()),
    };
    let rows = output_of(scale().args(["--workers", workers]));
    let rows: Value = serde_json::from_slice(&rows).expect("an array");
    let rows = rows.as_array().expect("an array");
    let number = |row: &Value, name: &str| row[name].as_u64().expect("a number");
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (number(row, "servers"), number(row, "workers"), number(row, "players")))
        .collect();
    assert_eq!(seen, expected);
    for row in rows {
        assert_eq!(row["failed"], 0, "{row}");
        assert!(row["latency_p99_us"].as_u64().is_some(), "{row}");
    }
}

fn more_workers_than_cores_are_refused() {
    let output = scale().args(["--workers", "64"]).output().expect("the load tool runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{error}");
    assert!(error.contains("64 workers want as many cores"), "{error}");
}
