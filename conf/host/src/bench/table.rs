//! The result, for people and for programs.

use super::histogram::Histogram;
use super::tally::Tally;
use millstream_conf::quantity::{bit_rate, byte_count};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) what: &'a str,
    pub(super) url: &'a str,
    pub(super) clients: &'a str,
}

/// A table of times and rates, then what went wrong.
pub(super) fn human(head: &Head<'_>, tally: &Tally) -> String {
    let mut text = format!("{} {}\n", head.what, head.url);
    let _ = writeln!(text, "{:<14}{:>12}{:>12}{:>12}{:>12}", "", "min", "median", "p99", "max");
    row(&mut text, "set-up time", &tally.setup_micros, time);
    let is_hls = head.what == "hls";
    let first = if is_hls { "first segment" } else { "first frame" };
    row(&mut text, first, &tally.first_frame_micros, time);
    if is_hls {
        row(&mut text, "playlist", &tally.playlist_micros, time);
        row(&mut text, "segment", &tally.segment_micros, time);
    }
    row(&mut text, "latency", &tally.latency_micros, time);
    row(&mut text, "bit rate", &tally.bits_per_second, bit_rate);
    let (failed, lost) = (sum(&tally.failures), sum(&tally.losses));
    let _ = writeln!(
        text,
        "{} of {} {} started, {lost} lost, {}",
        tally.started,
        tally.started + failed,
        head.clients,
        byte_count(tally.bytes),
    );
    if matches!(head.what, "flv" | "hls" | "play") {
        let unit = if is_hls { "segment" } else { "frame" };
        let _ = writeln!(
            text,
            "{} stalls (longest {} {}), {} frames lost, {} {} without a {unit}",
            tally.stalls,
            if is_hls { "wait" } else { "gap" },
            time(tally.longest_gap_micros),
            tally.lost_frames,
            tally.silent,
            head.clients,
        );
        if is_hls {
            let (came, lost) = (tally.segments, tally.lost_segments);
            let _ = writeln!(text, "{came} segments, {lost} lost, {} faults in them", tally.faults);
        } else if tally.faults > 0 {
            let _ = writeln!(text, "{} faults in what came", tally.faults);
        }
        if tally.latency_micros.count() == 0 {
            text.push_str(
                "latency needs a publisher with marks: --publish FILE, or `bench publish`, \
                 and H.264\n",
            );
        }
    }
    for (reason, count) in tally.failures.iter().chain(&tally.losses) {
        let _ = writeln!(text, "{count} x {reason}");
    }
    text
}

fn row(text: &mut String, name: &str, samples: &Histogram, write: fn(u64) -> String) {
    let [min, median, p99, max] = summary(samples).map(|value| value.map_or("-".into(), write));
    let _ = writeln!(text, "{name:<14}{min:>12}{median:>12}{p99:>12}{max:>12}");
}

/// One object on one line.
pub(super) fn json(head: &Head<'_>, tally: &Tally) -> String {
    let object = json!({
        "bench": head.what,
        "url": head.url,
        "clients": tally.started + sum(&tally.failures),
        "started": tally.started,
        "failed": sum(&tally.failures),
        "lost": sum(&tally.losses),
        "silent": tally.silent,
        "setup_us": quantiles(&tally.setup_micros),
        "first_frame_us": quantiles(&tally.first_frame_micros),
        "latency_us": quantiles(&tally.latency_micros),
        "bits_per_second": quantiles(&tally.bits_per_second),
        "stalls": tally.stalls,
        "longest_gap_us": tally.longest_gap_micros,
        "lost_frames": tally.lost_frames,
        "playlist_us": quantiles(&tally.playlist_micros),
        "segment_us": quantiles(&tally.segment_micros),
        "segments": tally.segments,
        "lost_segments": tally.lost_segments,
        "faults": tally.faults,
        "bytes": tally.bytes,
        "failures": tally.failures,
        "losses": tally.losses,
    });
    format!("{object}\n")
}

fn quantiles(samples: &Histogram) -> Value {
    let [min, median, p99, max] = summary(samples);
    json!({ "count": samples.count(), "min": min, "median": median, "p99": p99, "max": max })
}

fn summary(samples: &Histogram) -> [Option<u64>; 4] {
    [samples.min(), samples.quantile(0.5), samples.quantile(0.99), samples.max()]
}

fn sum(counts: &std::collections::BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

/// `850 us`, `1.25 ms`, `125 ms`, `12.5 s`.
fn time(micros: u64) -> String {
    let millis = micros as f64 / 1_000.0;
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..100_000 => format!("{millis:.2} ms"),
        100_000..10_000_000 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    fn tally() -> Tally {
        let mut tally = Tally { started: 2, bytes: 3_000_000, ..Tally::default() };
        tally.setup_micros.record(855);
        tally.setup_micros.record(1_250);
        tally.bits_per_second.record(512_000);
        tally.fail("the server refused: NetStream.Play.StreamNotFound");
        tally
    }

    #[test]
    fn people_get_a_table() {
        let head = Head { what: "play", url: "rtmp://h/a/s", clients: "players" };
        let text = human(&head, &tally());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "play rtmp://h/a/s");
        assert_eq!(lines[2], "set-up time         855 us      855 us     1.25 ms     1.25 ms");
        assert_eq!(lines[3], "first frame              -           -           -           -");
        assert_eq!(lines[6], "2 of 3 players started, 0 lost, 3.0 MB");
        assert_eq!(
            text.lines().last(),
            Some("1 x the server refused: NetStream.Play.StreamNotFound")
        );
    }

    #[test]
    fn of_hls_segments_are_told() {
        let head = Head { what: "hls", url: "http://h/a/s.m3u8", clients: "viewers" };
        let mut tally = Tally { segments: 40, lost_segments: 1, stalls: 2, ..tally() };
        tally.segment_micros.record(2_000);
        let text = human(&head, &tally);
        for line in [
            "first segment            -           -           -           -",
            "segment            2.00 ms     2.00 ms     2.00 ms     2.00 ms",
            "2 stalls (longest wait 0 us), 0 frames lost, 0 viewers without a segment",
            "40 segments, 1 lost, 0 faults in them",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn programs_get_an_object() {
        let head = Head { what: "play", url: "rtmp://h/a/s", clients: "players" };
        let text = json(&head, &tally());
        let object: Value = serde_json::from_str(&text).expect("an object");
        assert_eq!(object["setup_us"]["max"], 1_250);
        assert_eq!(object["latency_us"]["median"], Value::Null);
        assert_eq!(object["failed"], 1);
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn times_are_written_in_their_unit() {
        let check = |micros: u64, text: &str| assert_eq!(time(micros), text);
        check(0, "0 us");
        check(999, "999 us");
        check(1_250, "1.25 ms");
        check(125_400, "125 ms");
        check(12_500_000, "12.5 s");
    }
}
