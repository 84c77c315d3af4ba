//! Many seeds, each with its twin.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use millstream_sim::command::{Show, Subject, run_one, run_twins};
use millstream_sim::oracle::Failure;
use millstream_sim::scenario::Scenario;
use millstream_sim::world::run_entropy;
use quickcheck::{QuickCheck, TestResult};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Seeds of one run; CI asks for more, and for others with each commit.
const SEEDS: u64 = 200;

/// `MILLSTREAM_SIM_SEEDS` says how many seeds there are, `MILLSTREAM_SIM_FROM` says the first one.
#[test]
fn many_seeds_are_well_and_so_are_their_twins() {
    let (count, first) = (number("MILLSTREAM_SIM_SEEDS", SEEDS), number("MILLSTREAM_SIM_FROM", 0));
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut results: Vec<(u64, Duration, Option<Failure>)> = std::thread::scope(|scope| {
        let workers = (0..cores).map(|_| scope.spawn(|| run_seeds(&next, count, first)));
        let workers: Vec<_> = workers.collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    eprintln!("{count} seeds from {first} on, each with its twin, in {:?}", begun.elapsed());
    results.sort_by_key(|(_, lasted, _)| std::cmp::Reverse(*lasted));
    for (seed, lasted, _) in results.iter().take(3) {
        eprintln!("slow: seed {seed} in {lasted:?}");
    }
    let mut failed: Vec<u64> =
        results.iter().filter(|(_, _, failure)| failure.is_some()).map(|result| result.0).collect();
    failed.sort_unstable();
    if let Some(&seed) = failed.first() {
        let mut out = Vec::new();
        run_one(&Subject::Seed(seed), Show::Outcome, &mut out).unwrap();
        panic!("{} of {count} failed\n{}", failed.len(), String::from_utf8_lossy(&out));
    }
}

/// Takes seeds that nobody has taken yet, until there are no more: how long each took, and how it
/// failed.
fn run_seeds(next: &AtomicU64, count: u64, first: u64) -> Vec<(u64, Duration, Option<Failure>)> {
    let mut results = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= count {
            return results;
        }
        let seed = first.wrapping_add(index);
        let begun = Instant::now();
        let failure = run_twins(&Scenario::from_seed(seed)).failure;
        if let Some(Failure { at, what }) = &failure {
            eprintln!("seed {seed}: at {at} us: {what}");
        }
        results.push((seed, begun.elapsed(), failure));
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
