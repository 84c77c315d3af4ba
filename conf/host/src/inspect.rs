//! `millstream inspect`: a file in, a report and a verdict out.

use crate::{complain, tell};
use millstream_conf::cli::Inspect as Args;
use millstream_sim::inspect::{Frames, Report, Verdict};
use std::path::Path;
use std::process::ExitCode;

/// Runs `millstream inspect`; the exit code is 1 when the verdict is bad.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match inspect(args) {
        Ok(Verdict::Good | Verdict::Flawed) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn inspect(args: &Args) -> Result<Verdict, String> {
    let shown = args.file.display();
    let bytes =
        std::fs::read(&args.file).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let frames = if args.frames { Frames::Listed } else { Frames::Counted };
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let report = Report::of(&bytes, frames, &mut |uri| beside(folder, uri))
        .map_err(|error| format!("{shown} is {error}"))?;
    tell(&if args.json { report.json() } else { report.text() })?;
    Ok(report.verdict())
}

/// Reads a file that a playlist names: one in its own folder or below, and nothing else.
fn beside(folder: &Path, uri: &str) -> Result<Vec<u8>, String> {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let path = percent_decoded(path).ok_or("not a file name")?;
    let is_inside = !path.is_empty()
        && !path.contains(['\\', '\0', ':'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_inside {
        return Err("not a file beside the playlist".to_owned());
    }
    std::fs::read(folder.join(path)).map_err(|error| error.to_string())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}
