//! Numbers about each connection, as tables.

use super::numbers::Numbers;
use super::track::Track;
use super::{Connection, Replay, timeline, words};
use std::fmt::Write as _;

pub(super) fn render(replay: &Replay) -> String {
    let mut text = timeline::header(replay);
    for connection in replay.connections.iter().filter(|connection| connection.is_played()) {
        text.push_str(&table(connection));
    }
    text
}

/// A row for each number, a column for each side.
fn table(connection: &Connection) -> String {
    let sides = [&connection.client_said, &connection.our_answers, &connection.recorded_answers]
        .map(Numbers::of);
    let mut text = format!("\n[{}]\n", connection.number);
    row(&mut text, "", ["client", "ours", "recorded"].map(str::to_owned));
    let mut count = |name: &str, of: &dyn Fn(&Numbers) -> String| {
        row(&mut text, name, [of(&sides[0]), of(&sides[1]), of(&sides[2])]);
    };
    count("bytes", &|it| words::byte_count(it.bytes));
    count("control messages", &|it| it.control.to_string());
    count("commands", &|it| it.commands.to_string());
    count("data messages", &|it| it.data.to_string());
    if sides.iter().any(|it| it.other > 0) {
        count("other messages", &|it| it.other.to_string());
    }
    type TrackOf = fn(&Numbers) -> &Track;
    let kinds: [(&str, TrackOf); 2] = [("audio", |it| &it.audio), ("video", |it| &it.video)];
    for (kind, track) in kinds {
        if sides.iter().all(|it| track(it).messages == 0) {
            continue;
        }
        let is_video = kind == "video";
        let mut count = |name: &str, of: &dyn Fn(&Track) -> String| {
            count(&format!("{kind} {name}"), &|it| match track(it).messages {
                0 => "-".to_owned(),
                _ => of(track(it)),
            });
        };
        count("messages", &|it| it.messages.to_string());
        count("frames", &|it| it.frames.to_string());
        count("frames per second", &|it| or_dash(it.milli_fps().map(thousandths)));
        count("bit rate", &|it| or_dash(it.bit_rate().map(millstream_conf::quantity::bit_rate)));
        count("time in ms", &|it| or_dash(it.times.map(|(from, to)| format!("{from}..{to}"))));
        count("jumps", &|it| it.jumps.len().to_string());
        if is_video {
            count("keyframes", &|it| it.keyframes.to_string());
            count("GOP frames", &|it| {
                let groups = it.groups;
                spread(groups.frames_min, groups.frames, groups.frames_max, groups.count)
            });
            count("GOP ms", &|it| {
                let groups = it.groups;
                spread(groups.millis_min, groups.millis, groups.millis_max, groups.count)
            });
        }
    }
    if sides.iter().any(|it| it.video_lead.is_some()) {
        count("video lead in ms", &|it| {
            or_dash(it.video_lead.map(|(min, max)| format!("{min}..{max}")))
        });
    }
    text
}

fn row(text: &mut String, name: &str, values: [String; 3]) {
    let [client, ours, recorded] = values;
    let _ = writeln!(text, "{name:<24}{client:>22}{ours:>22}{recorded:>22}");
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

/// Least, mean and greatest.
fn spread(min: u64, sum: u64, max: u64, count: u64) -> String {
    or_dash(sum.checked_div(count).map(|mean| format!("{min}/{mean}/{max}")))
}

/// A number of thousandths with two decimals.
fn thousandths(number: u64) -> String {
    format!("{}.{:02}", number / 1_000, number % 1_000 / 10)
}
