//! Many seeds, each with its twin.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use millstream_sim::command::{Show, Subject, run_one, run_twins};
use millstream_sim::scenario::Scenario;
use millstream_sim::world::run_entropy;
use quickcheck::{QuickCheck, TestResult};
use std::time::Instant;

/// Seeds of one run; CI asks for more.
const SEEDS: u64 = 300;

#[test]
fn many_seeds_are_well_and_so_are_their_twins() {
    let count = std::env::var("MILLSTREAM_SIM_SEEDS").ok().and_then(|count| count.parse().ok());
    let first = std::env::var("MILLSTREAM_SIM_FIRST").ok().and_then(|first| first.parse().ok());
    let (count, first): (u64, u64) = (count.unwrap_or(SEEDS), first.unwrap_or(0));
    let begun = Instant::now();
    let mut failed = Vec::new();
    for seed in first..first + count {
        if let Some(failure) = run_twins(&Scenario::from_seed(seed)).failure {
            eprintln!("seed {seed}: at {} us: {}", failure.at, failure.what);
            failed.push(seed);
        }
    }
    eprintln!("{count} seeds in {:?}", begun.elapsed());
    if let Some(&seed) = failed.first() {
        let mut out = Vec::new();
        run_one(&Subject::Seed(seed), Show::Outcome, &mut out).unwrap();
        panic!("{} of {count} failed\n{}", failed.len(), String::from_utf8_lossy(&out));
    }
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
