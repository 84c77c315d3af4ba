//! The report as one JSON document. All times are in milliseconds, or in microseconds by name.

use super::track::{Track, millis};
use super::{Report, Severity};
use serde_json::{Map, Value, json};

pub(super) fn render(report: &Report) -> String {
    let mut text = value(report).to_string();
    text.push('\n');
    text
}

fn value(report: &Report) -> Value {
    let facts: Map<String, Value> =
        report.facts.iter().map(|(name, fact)| (name.clone(), json!(fact))).collect();
    let pids = report.pids.iter();
    let pids = pids.map(|it| json!({"pid": it.pid, "packets": it.packets, "what": it.role}));
    let segments = report.segments.iter().map(|it| {
        json!({
            "uri": it.uri,
            "sequence": it.sequence,
            "listed_micros": it.listed_micros,
            "found_micros": it.found_micros,
            "bytes": it.bytes,
            "starts_with_keyframe": it.starts_with_keyframe,
            "discontinuity": it.is_discontinuity,
        })
    });
    let problems = report.problems.iter().map(|it| {
        let severity = if it.severity == Severity::Bad { "bad" } else { "flaw" };
        json!({"severity": severity, "text": it.text, "place": it.place, "count": it.count})
    });
    let parts =
        report.parts.iter().map(|(name, part)| json!({"name": name, "report": value(part)}));
    json!({
        "format": report.format,
        "bytes": report.bytes,
        "verdict": report.verdict().to_string(),
        "facts": facts,
        "pids": pids.collect::<Vec<_>>(),
        "tracks": report.tracks.iter().map(track).collect::<Vec<_>>(),
        "segments": segments.collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>(),
        "frames": report.frames,
        "parts": parts.collect::<Vec<_>>(),
    })
}

fn track(track: &Track) -> Value {
    let line = &track.line;
    let gap = |gap: &super::Gap| json!({"at_ms": millis(gap.at), "ms": millis(gap.ticks)});
    let groups = track.groups;
    json!({
        "kind": track.kind,
        "name": track.name,
        "codec": track.codec,
        "frames": track.frames,
        "bytes": track.bytes,
        "bits_per_second": track.bit_rate(),
        "millihertz": track.milli_rate(),
        "first_ms": line.first.map(millis),
        "last_ms": line.last.map(millis),
        "step_ms_min": line.steps.map(|(least, _)| millis(least)),
        "step_ms_max": line.steps.map(|(_, most)| millis(most)),
        "steps_back": line.back,
        "equal_times": line.equal,
        "gap_count": line.gap_count,
        "gaps": line.gaps.iter().map(gap).collect::<Vec<_>>(),
        "headers": track.headers,
        "keyframes": track.keyframes,
        "gop_count": groups.count,
        "gop_ms_min": groups.millis.0,
        "gop_ms_mean": groups.millis.1.checked_div(groups.count),
        "gop_ms_max": groups.millis.2,
        "gop_frames_min": groups.frames.0,
        "gop_frames_mean": groups.frames.1.checked_div(groups.count),
        "gop_frames_max": groups.frames.2,
        "composition_ms_min": track.composition.map(|(least, _)| millis(least)),
        "composition_ms_max": track.composition.map(|(_, most)| millis(most)),
        "starts_with_keyframe": track.starts_with_keyframe,
    })
}
