//! Runs a seed or a file: `sim run|folded|trace|shrink|explain SEED|FILE`, `sim swarm FIRST COUNT`.
#![allow(clippy::unwrap_used)]
use millstream_sim::command::{Show, Subject, explain, run_one, shrink_one, swarm};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "swarm" {
        let mut left: u64 = args[3].parse().unwrap();
        let goes_on = || {
            left = left.saturating_sub(1);
            left > 0
        };
        swarm(args[2].parse().unwrap(), goes_on, &mut std::io::stdout()).unwrap();
        return;
    }
    let subject = match args[2].parse() {
        Ok(seed) => Subject::Seed(seed),
        Err(_) => Subject::File(args[2].clone(), std::fs::read_to_string(&args[2]).unwrap()),
    };
    let mut out = std::io::stdout();
    let _ = match args[1].as_str() {
        "run" => run_one(&subject, Show::Outcome, &mut out),
        "folded" => run_one(&subject, Show::Folded, &mut out),
        "trace" => run_one(&subject, Show::Everything, &mut out),
        "shrink" => shrink_one(&subject, &mut out),
        _ => explain(&subject, &mut out),
    }
    .unwrap();
}
