//! `millstream bench compare`, with a real server beside this one.

use millstream_tests::program::output_of;
use millstream_tests::server::binary;
use millstream_tests::transport::Transport;
use millstream_tests::tree;
use serde_json::Value;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;

millstream_tests::on_both_transports!(all_servers_get_the_same_load_and_a_line_in_the_plot);

const SERVERS: &[&str] =
    &["millstream, send-delay 0", "nginx-rtmp", "null server", "null server, merging 350 ms"];

fn all_servers_get_the_same_load_and_a_line_in_the_plot() {
    let transport = Transport::under_test();
    let name = format!("millstream-plot-{transport:?}-{}.svg", std::process::id());
    let plot = env::temp_dir().join(name);
    let clip = tree::root().join("conf/host/assets/demo.flv");
    let mut command = Command::new(binary());
    command.args(["bench", "compare"]).arg(clip).arg("--svg").arg(&plot);
    command.args(["--players", "3,6", "--for", "3s", "--cores", "0", "0", "--json"]);
    // The other servers are the same for both transports, and each of them takes its time.
    let (only, expected) = match transport {
        Transport::Tokio => ("send-delay 0,nginx-rtmp,null server", SERVERS),
        Transport::AsyncStd => ("send-delay 0", &SERVERS[..1]),
    };
    command.args(["--only", only]);
    let rows: Value = serde_json::from_slice(&output_of(&mut command)).expect("an array");
    let rows = rows.as_array().expect("an array");
    let servers: BTreeSet<&str> = rows.iter().filter_map(|row| row["server"].as_str()).collect();
    assert_eq!(servers, expected.iter().copied().collect());
    assert_eq!(rows.len(), 2 * expected.len());
    for row in rows {
        assert_eq!(row["failed"], 0, "{row}");
        assert!(row["latency_median_us"].as_u64().is_some(), "{row}");
        // A tick of the processor's account is 10 ms, which may be all or nothing of so few.
        assert!(row["cpu_us_per_player_second"].as_f64().is_some_and(|cpu| cpu < 1e5), "{row}");
    }
    let text = fs::read_to_string(&plot).expect("the plot was written");
    fs::remove_file(&plot).expect("the plot can be removed");
    // A point for each row in each of three panels.
    assert_eq!(text.matches("<circle").count(), 3 * rows.len());
}
