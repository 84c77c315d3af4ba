//! The plot: CPU, memory and latency against the number of players, a line for each server.
//!
//! Values lie orders of magnitude apart, so all axes are logarithmic.

use super::Row;
use std::fmt::Write as _;

const PANEL_WIDTH: f64 = 290.0;
const PANEL_HEIGHT: f64 = 240.0;
const GAP: f64 = 50.0;
const LEFT: f64 = 50.0;
const TOP: f64 = 40.0;
const LEGEND_LINE: f64 = 20.0;

/// The colour of each server's lines, by what its name begins with.
const COLOURS: &[(&str, &str)] =
    &[("millstream", "#1f5fbf"), ("nginx", "#c2570c"), ("SRS", "#9d2463"), ("null", "#6b6b6b")];

/// Dash patterns of lines of one colour: they can be told apart without colours too.
const DASHES: &[&str] = &["", "7 3", "2 3", "9 3 2 3"];

/// One measure, for one panel.
struct Measure {
    title: &'static str,
    of: fn(&Row) -> Option<f64>,
    /// What is less is drawn there.
    least: f64,
}

const MEASURES: &[Measure] = &[
    Measure { title: "CPU, us per player and second", of: |row| Some(row.cpu_us), least: 1.0 },
    Measure { title: "memory, KB per player", of: |row| Some(row.bytes / 1e3), least: 0.1 },
    Measure {
        title: "latency p99, ms",
        of: |row| row.latency_us[1].map(|micros| micros as f64 / 1e3),
        least: 0.1,
    },
];

/// A document of its own.
pub(super) fn svg(rows: &[Row]) -> String {
    let mut servers: Vec<&str> = Vec::new();
    for row in rows {
        if !servers.contains(&row.server.as_str()) {
            servers.push(&row.server);
        }
    }
    let lines = servers.len().div_ceil(3) as f64;
    let width = LEFT + MEASURES.len() as f64 * (PANEL_WIDTH + GAP);
    let height = TOP + PANEL_HEIGHT + 60.0 + lines * LEGEND_LINE;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (index, measure) in MEASURES.iter().enumerate() {
        panel(&mut text, measure, LEFT + index as f64 * (PANEL_WIDTH + GAP), rows, &servers);
    }
    for (index, server) in servers.iter().enumerate() {
        let x = LEFT + (index % 3) as f64 * (PANEL_WIDTH + GAP);
        let y = TOP + PANEL_HEIGHT + 58.0 + (index / 3) as f64 * LEGEND_LINE;
        let _ = writeln!(
            text,
            "<path d=\"M{x:.0} {:.0}h28\" {}/><text x=\"{:.0}\" y=\"{y:.0}\">{server}</text>",
            y - 4.0,
            stroke(&servers, index),
            x + 36.0
        );
    }
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, measure: &Measure, left: f64, rows: &[Row], servers: &[&str]) {
    let value = |row: &Row| (measure.of)(row).map(|value| value.max(measure.least));
    let players = Axis::over(rows.iter().map(|row| f64::from(row.players)));
    let values = Axis::over(rows.iter().filter_map(value));
    let x = |players_of: u32| left + players.share(players_of.into()) * PANEL_WIDTH;
    let y = |of: f64| TOP + (1.0 - values.share(of)) * PANEL_HEIGHT;
    let _ = writeln!(
        text,
        "<text x=\"{left:.0}\" y=\"{:.0}\" font-weight=\"bold\">{}</text>",
        TOP - 16.0,
        measure.title
    );
    for tick in values.ticks() {
        let at = y(tick);
        let _ = writeln!(
            text,
            "<path d=\"M{left:.0} {at:.1}h{PANEL_WIDTH:.0}\" stroke=\"#ddd\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
            left - 6.0,
            at + 4.0
        );
    }
    let mut counts: Vec<u32> = rows.iter().map(|row| row.players).collect();
    counts.sort_unstable();
    counts.dedup();
    for count in counts {
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{count}</text>",
            x(count),
            TOP + PANEL_HEIGHT + 18.0
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">players</text>",
        left + PANEL_WIDTH / 2.0,
        TOP + PANEL_HEIGHT + 34.0
    );
    for (index, server) in servers.iter().enumerate() {
        let own = rows.iter().filter(|row| row.server == *server);
        let points: Vec<(f64, f64)> =
            own.filter_map(|row| Some((x(row.players), y(value(row)?)))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if !path.is_empty() {
            let _ = writeln!(text, "<path d=\"M{}\" {}/>", path.join("L"), stroke(servers, index));
        }
        for (x, y) in points {
            let colour = style(servers, index).0;
            let _ =
                writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
}

fn stroke(servers: &[&str], index: usize) -> String {
    let (colour, dashes) = style(servers, index);
    format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"")
}

/// The colour and the dashes of a server's lines.
fn style(servers: &[&str], index: usize) -> (&'static str, &'static str) {
    let colour = |server: &str| {
        let found = COLOURS.iter().find(|(begin, _)| server.starts_with(begin));
        found.map_or("#000", |(_, colour)| colour)
    };
    let own = servers.get(index).map_or("#000", |server| colour(server));
    let before = servers.iter().take(index).filter(|server| colour(server) == own).count();
    (own, DASHES.get(before % DASHES.len()).copied().unwrap_or_default())
}

/// A logarithmic axis from a power of ten, or twice or five times one, to another.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            least = least.min(value);
            most = most.max(value);
        }
        if !least.is_finite() {
            return Self { from: 1.0, to: 10.0 };
        }
        let from = steps().filter(|step| *step <= least * 1.001).fold(1e-3, f64::max);
        let to = steps().find(|step| *step >= most * 0.999 && *step > from).unwrap_or(most);
        Self { from, to }
    }

    fn share(&self, value: f64) -> f64 {
        (value / self.from).ln() / (self.to / self.from).ln()
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (from, to) = (self.from, self.to);
        steps().filter(move |step| (from..=to).contains(step))
    }
}

/// 0.001, 0.002, 0.005, 0.01 and so on.
fn steps() -> impl Iterator<Item = f64> {
    let digits = |exponent: i32| [1, 2, 5].map(|digit| format!("{digit}e{exponent}"));
    (-3..9).flat_map(digits).filter_map(|step| step.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn axes_hold_all_values() {
        let check = |values: &[f64], from: f64, to: f64| {
            let axis = Axis::over(values.iter().copied());
            assert_eq!((axis.from, axis.to), (from, to), "{values:?}");
            for value in values {
                assert!((0.0..=1.0).contains(&axis.share(*value)), "{values:?}");
            }
        };
        check(&[42.0, 906.0], 20.0, 1_000.0);
        check(&[100.0, 1_000.0], 100.0, 1_000.0);
        check(&[7.0], 5.0, 10.0);
        check(&[1.0], 1.0, 2.0);
        check(&[], 1.0, 10.0);
        let axis = Axis { from: 0.5, to: 10.0 };
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [0.5, 1.0, 2.0, 5.0, 10.0]);
    }
}
