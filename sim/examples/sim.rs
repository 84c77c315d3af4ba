//! Runs one seed or file: `sim run|explain|shrink SEED|FILE`.
#![allow(clippy::unwrap_used)]
use millstream_sim::command::{Show, Subject, explain, run_one, shrink_one};
fn main() {
    let args: Vec<String> = std::env::args().collect();
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
