//! `millstream replay` and `millstream case`: captures and traces in, reports out.

use crate::serve::{pages, trace_of};
use crate::{complain, tell};
use millstream_conf::cli::{Case, CaseAdd, Replay as Args};
use millstream_sim::capture::Capture;
use millstream_sim::replay::Replay;
use millstream_sim::trace::{self, Setup};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Runs `millstream replay`.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match replay(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs `millstream case`.
#[must_use]
pub fn run_case(case: &Case) -> ExitCode {
    let Case::Add(args) = case;
    match add(args).and_then(|text| tell(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Keeps a capture as a test; gives what was done.
fn add(args: &CaseAdd) -> Result<String, String> {
    let capture = read(&args.file)?;
    let case = millstream_sim::case::Case::of(&capture)
        .map_err(|error| format!("{} cannot be kept: {error}", args.file.display()))?;
    std::fs::create_dir_all(&args.dir)
        .map_err(|error| format!("{} cannot be made: {error}", args.dir.display()))?;
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let files = [(".pcap", case.pcap.as_slice()), (".txt", case.timeline.as_bytes())];
    let mut done = String::new();
    for (end, bytes) in files {
        let path = args.dir.join(format!("{stem}{end}"));
        // A test that exists is never replaced by accident.
        let written = std::fs::File::create_new(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, bytes));
        written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        done.push_str(&format!("wrote {} of {} bytes\n", path.display(), bytes.len()));
    }
    Ok(done + "look at the text: is it what should happen?\n")
}

fn replay(args: &Args) -> Result<(), String> {
    let bytes = load(&args.file)?;
    if Setup::begins(&bytes) {
        return replay_trace(args, bytes);
    }
    let capture = parse(&args.file, &bytes)?;
    let started = Instant::now();
    let replay = Replay::of(&capture);
    let report = if args.json {
        replay.json()
    } else if args.stats {
        replay.tables()
    } else {
        replay.timeline()
    };
    if let Some(file) = &args.write_flv {
        write_flv(&replay, file, &args.file)?;
    }
    tell(&report)?;
    if args.stats {
        // Not part of the report, which is the same each time.
        let span = replay.span_micros as f64 / 1e6;
        let took = started.elapsed().as_secs_f64();
        complain(&format!(
            "replayed {span:.1} s in {:.0} ms, {:.0} times as fast as it was",
            took * 1e3,
            span / took
        ));
    }
    Ok(())
}

/// Feeds a trace into this server: it is well when the server does the same again.
fn replay_trace(args: &Args, bytes: Vec<u8>) -> Result<(), String> {
    let shown = args.file.display();
    if args.json || args.stats || args.write_flv.is_some() {
        return Err(format!("{shown} is a trace; --json, --stats and --write-flv take captures"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("{shown} is a damaged trace: it is no text: {error}"))?;
    let started = Instant::now();
    let lines =
        trace::replay(&text, &pages()).map_err(|divergence| format!("{shown}, {divergence}"))?;
    tell(&format!("identical: this server does all that the {lines} lines of {shown} say\n"))?;
    // The first of several shards stands for all of them.
    let placement = Setup::parse(&text, &pages()).map(|setup| setup.placement);
    for own in placement.filter(|at| at.own.0 == 0).map_or(1..1, |at| 1..at.count.get()) {
        let file = trace_of(&args.file, own);
        replay_trace(&Args { file: file.clone(), ..args.clone() }, load(&file)?)?;
    }
    complain(&format!("replayed in {:.0} ms", started.elapsed().as_secs_f64() * 1e3));
    Ok(())
}

/// Reads a capture that has something to replay.
fn read(file: &Path) -> Result<Capture, String> {
    parse(file, &load(file)?)
}

fn load(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Capture, String> {
    let shown = file.display();
    let capture = Capture::read(bytes).map_err(|error| {
        format!("{shown} is {error}; make one by `{RECORD}`, or save one from Wireshark")
    })?;
    if capture.conversations.is_empty() {
        let found: Vec<String> = capture.warnings.iter().map(ToString::to_string).collect();
        let found =
            if found.is_empty() { String::new() } else { format!(" ({})", found.join("; ")) };
        return Err(format!("{shown} has no TCP connection{found}; make one by `{RECORD}`"));
    }
    Ok(capture)
}

/// How to make a capture.
const RECORD: &str = "tcpdump -i any -s 0 -w x.pcap tcp port 1935";

fn write_flv(replay: &Replay, file: &Path, capture: &Path) -> Result<(), String> {
    let published = replay.published();
    if published.is_empty() {
        return Err("nobody publishes in this capture: there is no media to write".to_owned());
    }
    let is_alone = published.len() == 1;
    for (number, bytes) in published {
        let path = if is_alone { file.to_owned() } else { numbered(file, number) };
        if is_same_file(&path, capture) {
            return Err(format!("{} is the capture: name another file", path.display()));
        }
        std::fs::write(&path, bytes)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

/// By whatever names: a link to the capture is the capture.
fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// `x.flv` as `x-3.flv`.
fn numbered(file: &Path, number: usize) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let end = file.extension().unwrap_or("flv".as_ref()).to_string_lossy();
    file.with_file_name(format!("{stem}-{number}.{end}"))
}
