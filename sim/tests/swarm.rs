//! Many seeds, each with its twin.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use millstream_sim::command::{Show, Subject, run_one, run_twins};
use millstream_sim::scenario::Scenario;
use millstream_sim::world::run_entropy;
use quickcheck::{QuickCheck, TestResult};
use std::time::Instant;

/// Seeds of one run; CI asks for more, and for others with each commit.
const SEEDS: u64 = 200;

/// `MILLSTREAM_SIM_SEEDS` says how many seeds there are, `MILLSTREAM_SIM_FROM` says the first one.
#[test]
fn many_seeds_are_well_and_so_are_their_twins() {
    let (count, first) = (number("MILLSTREAM_SIM_SEEDS", SEEDS), number("MILLSTREAM_SIM_FROM", 0));
    let begun = Instant::now();
    let mut failed = Vec::new();
    for seed in (0..count).map(|index| first.wrapping_add(index)) {
        if let Some(failure) = run_twins(&Scenario::from_seed(seed)).failure {
            eprintln!("seed {seed}: at {} us: {}", failure.at, failure.what);
            failed.push(seed);
        }
    }
    eprintln!("{count} seeds from {first} on, each with its twin, in {:?}", begun.elapsed());
    if let Some(&seed) = failed.first() {
        let mut out = Vec::new();
        run_one(&Subject::Seed(seed), Show::Outcome, &mut out).unwrap();
        panic!("{} of {count} failed\n{}", failed.len(), String::from_utf8_lossy(&out));
    }
}

/// A number of the environment. One that cannot be read would test less than was asked for.
fn number(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|error| panic!("{name} is {text:?}: {error}"))
}

/// What a fuzzer does: any bytes are a run.
#[test]
fn any_bytes_are_a_run_that_is_well() {
    fn is_well(bytes: Vec<u8>) -> TestResult {
        match run_entropy(bytes.clone()).failure {
            None => TestResult::passed(),
            Some(failure) => TestResult::error(format!("{bytes:?}: {}", failure.what)),
        }
    }
    QuickCheck::new().tests(40).quickcheck(is_well as fn(Vec<u8>) -> TestResult);
}
