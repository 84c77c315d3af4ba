//! Captures: what their clients publish.

use super::{Frames, Report, Severity, flv};
use crate::capture::Capture;
use crate::replay::Replay;

/// Whether the bytes begin as pcap or pcapng.
pub(super) fn is_capture(bytes: &[u8]) -> bool {
    let magics: [[u8; 4]; 5] = [
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x0a, 0x0d, 0x0d, 0x0a],
    ];
    bytes.first_chunk().is_some_and(|magic| magics.contains(magic))
}

pub(super) fn report(bytes: &[u8], frames: Frames) -> Result<Report, String> {
    let capture = Capture::read(bytes).map_err(|error| error.to_string())?;
    let replay = Replay::of(&capture);
    let mut report = Report::new("capture", bytes.len() as u64);
    report.fact("connections", replay.connections.len().to_string());
    for (number, file) in replay.published() {
        report.parts.push((format!("published by [{number}]"), flv::report(&file, frames)));
    }
    for warning in &replay.warnings {
        report.problem(Severity::Flaw, format!("{warning:?}"), "");
    }
    if report.parts.is_empty() {
        let text = "nobody publishes; `millstream replay FILE` tells what was said";
        report.problem(Severity::Flaw, text, "");
    }
    Ok(report)
}
