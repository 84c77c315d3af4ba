//! What a terminal asks for: `sim run`, `sim swarm`, `sim shrink`, `sim explain`.
//!
//! Each function writes to a writer, and gives whether all was well.

use crate::scenario::{self, Scenario, shrink};
use crate::trace::{Detail, fold};
use crate::world::{Origin, Outcome, run};
use millstream_conf::quantity::duration;
use std::io::{self, Write};
use std::time::Duration;

/// Runs of the shrinker.
const SHRINK_TRIES: usize = 2_000;

/// A scenario, by its seed or as the text of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Drawn from a seed.
    Seed(u64),
    /// Read from a KDL file: its name and its text.
    File(String, String),
}

/// `sim run`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    /// The outcome only.
    Outcome,
    /// What happened, with the transfer of bytes folded.
    Folded,
    /// Every line.
    Everything,
}

impl Subject {
    fn scenario(&self) -> io::Result<Scenario> {
        match self {
            Self::Seed(seed) => Ok(Scenario::from_seed(*seed)),
            Self::File(name, text) => scenario::read(text).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}"))
            }),
        }
    }

    fn argument(&self) -> String {
        match self {
            Self::Seed(seed) => format!("--seed {seed}"),
            Self::File(name, _) => name.clone(),
        }
    }
}

/// Runs one scenario, twice: the second time at another time, with other slots. Both must be well
/// and do the same.
///
/// # Errors
/// The subject cannot be read, or `out` not be written to.
pub fn run_one(subject: &Subject, show: Show, out: &mut impl Write) -> io::Result<bool> {
    let scenario = subject.scenario()?;
    let outcome = run_twins(&scenario);
    match show {
        Show::Outcome => {}
        Show::Folded => out.write_all(fold(&outcome.trace).as_bytes())?,
        Show::Everything => out.write_all(outcome.trace.as_bytes())?,
    }
    report(subject, &scenario, &outcome, out)?;
    Ok(outcome.failure.is_none())
}

/// Runs the scenarios of all seeds from `first` on, as long as `goes_on` says so; stops at the first
/// failure.
///
/// # Errors
/// `out` cannot be written to.
pub fn swarm(
    first: u64,
    mut goes_on: impl FnMut() -> bool,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut elapsed = 0;
    let mut frames = 0;
    let mut seed = first;
    while goes_on() {
        let scenario = Scenario::from_seed(seed);
        let outcome = run(&scenario, Origin::FIRST, Detail::None);
        if outcome.failure.is_some() {
            report(&Subject::Seed(seed), &scenario, &outcome, out)?;
            return Ok(false);
        }
        elapsed += outcome.figures.elapsed;
        frames += outcome.figures.frames;
        seed = seed.wrapping_add(1);
    }
    let (runs, time) = (seed.wrapping_sub(first), duration(Duration::from_micros(elapsed)));
    writeln!(out, "{runs} seeds from {first} on are well: {time}, {frames} frames played")?;
    Ok(true)
}

/// Writes the smallest scenario that fails like this one, ready to be kept as a test.
///
/// # Errors
/// The subject cannot be read, or `out` not be written to.
pub fn shrink_one(subject: &Subject, out: &mut impl Write) -> io::Result<bool> {
    let scenario = subject.scenario()?;
    let outcome = run_twins(&scenario);
    let Some(failure) = outcome.failure else {
        writeln!(out, "// {} is well: there is nothing to shrink", subject.argument())?;
        return Ok(true);
    };
    let kind = kind_of(&failure.what);
    let small = shrink(&scenario, SHRINK_TRIES, |candidate| {
        let failure = run_twins(candidate).failure;
        failure.is_some_and(|failure| kind_of(&failure.what) == kind)
    });
    let failure = run_twins(&small).failure.unwrap_or(failure);
    writeln!(out, "// At {} us: {}", failure.at, failure.what.replace('\n', " "))?;
    writeln!(out, "// Shrunk from: millstream sim run {}", subject.argument())?;
    out.write_all(scenario::write(&small).as_bytes())?;
    Ok(false)
}

/// Writes what a scenario is made of, and how it ends.
///
/// # Errors
/// The subject cannot be read, or `out` not be written to.
pub fn explain(subject: &Subject, out: &mut impl Write) -> io::Result<bool> {
    let scenario = subject.scenario()?;
    out.write_all(scenario::write(&scenario).as_bytes())?;
    let outcome = run_twins(&scenario);
    writeln!(out)?;
    out.write_all(fold(&outcome.trace).as_bytes())?;
    report(subject, &scenario, &outcome, out)?;
    Ok(outcome.failure.is_none())
}

/// Runs a scenario and its twin; a difference is a failure.
#[must_use]
pub fn run_twins(scenario: &Scenario) -> Outcome {
    let mut first = run(scenario, Origin::FIRST, Detail::Brief);
    if first.failure.is_some() {
        return first;
    }
    let twin = run(scenario, Origin::TWIN, Detail::Brief);
    if first.trace != twin.trace {
        let mut lines = first.trace.lines().zip(twin.trace.lines()).enumerate();
        let found = lines.find(|(_, (one, other))| one != other);
        let (line, (one, other)) = found.unwrap_or((0, ("a trace", "a longer one")));
        first.failure = Some(crate::oracle::Failure {
            at: 0,
            what: format!("twins differ at line {}: {one:?} and {other:?}", line + 1),
        });
    }
    first
}

fn report(
    subject: &Subject,
    scenario: &Scenario,
    outcome: &Outcome,
    out: &mut impl Write,
) -> io::Result<()> {
    let figures = outcome.figures;
    let argument = subject.argument();
    let Some(failure) = &outcome.failure else {
        return writeln!(
            out,
            "well: {argument}, {} ms, {} connections, {} publishings, {} frames played",
            figures.elapsed / 1_000,
            figures.connections,
            figures.epochs,
            figures.frames
        );
    };
    writeln!(out, "failed at {} us: {}", failure.at, failure.what)?;
    writeln!(out, "repeat:  millstream sim run {argument} --trace")?;
    writeln!(out, "shrink:  millstream sim shrink {argument}")?;
    for line in scenario::write(scenario).lines() {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

/// What a failure is about, without its numbers: a smaller scenario fails in the same way.
fn kind_of(what: &str) -> String {
    what.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}
