//! The report as tables.

use super::track::{Track, millis};
use super::{Report, Severity};
use millstream_conf::quantity::{bit_rate, byte_count};
use std::fmt::Write as _;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    write_report(report, &mut text);
    let _ = writeln!(text, "verdict: {}", report.verdict());
    text
}

fn write_report(report: &Report, text: &mut String) {
    let _ = writeln!(text, "{}, {}", report.format, byte_count(report.bytes));
    for (name, value) in &report.facts {
        let _ = writeln!(text, "  {name}: {value}");
    }
    if !report.pids.is_empty() {
        let rows = report.pids.iter();
        let rows = rows.map(|it| vec![it.pid.to_string(), it.packets.to_string(), it.role.clone()]);
        table(&["PID", "packets", "what"], rows.collect(), text);
    }
    if !report.segments.is_empty() {
        let rows = report.segments.iter().map(|it| {
            let mark = |is_set, word: &str| if is_set { word } else { "" }.to_owned();
            vec![
                it.sequence.to_string(),
                seconds(it.listed_micros),
                it.found_micros.map_or("-".to_owned(), seconds),
                byte_count(it.bytes),
                mark(it.starts_with_keyframe, "key"),
                mark(it.is_discontinuity, "discontinuity"),
                it.uri.clone(),
            ]
        });
        let names = ["segment", "listed", "media", "bytes", "", "", "URI"];
        table(&names, rows.collect(), text);
    }
    if !report.tracks.is_empty() {
        write_tracks(&report.tracks, text);
    }
    for line in &report.frames {
        let _ = writeln!(text, "  {line}");
    }
    for problem in &report.problems {
        let word = if problem.severity == Severity::Bad { "bad" } else { "flaw" };
        let times =
            if problem.count > 1 { format!(" ({}x)", problem.count) } else { String::new() };
        let place = if problem.place.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "  {word}: {}{times}{place}{}", problem.text, problem.place);
    }
    for (name, part) in &report.parts {
        let _ = write!(text, "\n{name}: ");
        write_report(part, text);
    }
}

/// A column for each track.
fn write_tracks(tracks: &[Track], text: &mut String) {
    let mut names = vec![""];
    names.extend(tracks.iter().map(|track| track.kind));
    let mut rows = Vec::new();
    let mut row = |name: &str, of: &dyn Fn(&Track) -> Option<String>| {
        let values: Vec<_> = tracks.iter().map(of).collect();
        if values.iter().any(Option::is_some) {
            let values = values.into_iter().map(|value| value.unwrap_or_else(|| "-".to_owned()));
            rows.push(core::iter::once(name.to_owned()).chain(values).collect());
        }
    };
    row("name", &|it| Some(it.name.clone()));
    row("codec", &|it| Some(it.codec.clone()));
    row("frames", &|it| Some(it.frames.to_string()));
    row("per second", &|it| it.milli_rate().map(thousandths));
    row("bit rate", &|it| it.bit_rate().map(bit_rate));
    row("from ms", &|it| it.line.first.map(|at| millis(at).to_string()));
    row("to ms", &|it| it.line.last.map(|at| millis(at).to_string()));
    row("step ms", &|it| {
        it.line.steps.map(|(least, most)| format!("{}..{}", decimal(least), decimal(most)))
    });
    row("gaps", &|it| Some(it.line.gap_count.to_string()));
    row("steps back", &|it| Some(it.line.back.to_string()));
    row("headers", &|it| (it.headers > 0).then(|| it.headers.to_string()));
    row("keyframes", &|it| (it.kind == "video").then(|| it.keyframes.to_string()));
    row("GOP ms", &|it| spread(it.groups.millis, it.groups.count));
    row("GOP frames", &|it| spread(it.groups.frames, it.groups.count));
    row("PTS-DTS ms", &|it| {
        let (least, most) = it.composition.filter(|_| it.kind == "video")?;
        Some(format!("{}..{}", millis(least), millis(most)))
    });
    table(&names, rows, text);
}

/// Least, mean and greatest.
fn spread((least, sum, most): (u64, u64, u64), count: u64) -> Option<String> {
    Some(format!("{least}/{}/{most}", sum.checked_div(count)?))
}

/// Columns as wide as they need to be; the last one is ragged.
fn table(names: &[&str], rows: Vec<Vec<String>>, text: &mut String) {
    let head = names.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = core::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..names.len()).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "  {}", line.trim_end());
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000_000, micros / 1_000 % 1_000)
}

fn thousandths(number: u64) -> String {
    format!("{}.{:02}", number / 1_000, number % 1_000 / 10)
}

/// Ticks as milliseconds with one decimal.
fn decimal(ticks: i64) -> String {
    format!("{}.{}", ticks / 90, ticks % 90 / 9)
}
