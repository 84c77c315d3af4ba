//! `millstream sim`: simulated worlds, from the terminal.

use crate::{complain, tell};
use millstream_conf::cli::{Sim, SimRun, SimScenario, SimShrink, SimSwarm};
use millstream_sim::command::{self, Show, Subject};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// What the program ends with when there was nothing to judge: a file that cannot be read.
const NO_VERDICT: u8 = 2;

/// Runs `millstream sim`: ends with 0 when all was well, with 1 when something failed.
#[must_use]
pub fn run(sim: &Sim) -> ExitCode {
    let outcome = match sim {
        Sim::Run(args) => run_one(args),
        Sim::Swarm(args) => swarm(args),
        Sim::Shrink(args) => shrink(args),
        Sim::Explain(args) => subject_of(&args.subject)
            .and_then(|subject| print(|out| command::explain(&subject, out))),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Nobody reads on: that is no error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(NO_VERDICT),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(NO_VERDICT)
        }
    }
}

fn run_one(args: &SimRun) -> io::Result<bool> {
    let subject = subject(&args.scenario)?;
    let show = if args.trace { Show::Everything } else { Show::Outcome };
    print(|out| command::run_one(&subject, show, out))
}

fn swarm(args: &SimSwarm) -> io::Result<bool> {
    // Half of the range: short enough to be typed, and it never runs over the end.
    let first = args.from.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
    let begun = Instant::now();
    print(|out| command::swarm(first, || begun.elapsed() < args.time, out))
}

fn shrink(args: &SimShrink) -> io::Result<bool> {
    let subject = subject(&args.scenario)?;
    // Where a panic is what fails, it comes again and again; `sim run` shows it once.
    std::panic::set_hook(Box::new(|_| {}));
    let Some(path) = &args.write else {
        return print(|out| command::shrink_one(&subject, out));
    };
    let mut text = Vec::new();
    let is_well = command::shrink_one(&subject, &mut text)?;
    if is_well {
        tell(&String::from_utf8_lossy(&text)).map_err(io::Error::other)?;
    } else {
        std::fs::write(path, text).map_err(|error| named(path, "written", &error))?;
        tell(&format!("wrote {}\n", path.display())).map_err(io::Error::other)?;
    }
    Ok(is_well)
}

fn subject(scenario: &SimScenario) -> io::Result<Subject> {
    match (scenario.seed, &scenario.file) {
        (None, Some(path)) => file(path),
        (seed, _) => Ok(Subject::Seed(seed.unwrap_or(0))),
    }
}

/// A number is a seed, all else is a file.
fn subject_of(text: &str) -> io::Result<Subject> {
    text.parse().map_or_else(|_| file(Path::new(text)), |seed| Ok(Subject::Seed(seed)))
}

fn file(path: &Path) -> io::Result<Subject> {
    let text = std::fs::read_to_string(path).map_err(|error| named(path, "read", &error))?;
    Ok(Subject::File(path.display().to_string(), text))
}

fn named(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be {what}: {error}", path.display()))
}

/// Lets `work` write to standard output.
fn print(
    work: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<bool>,
) -> io::Result<bool> {
    let mut out = BufWriter::new(io::stdout().lock());
    let is_well = work(&mut out)?;
    out.flush()?;
    Ok(is_well)
}
