use super::*;
use pretty_assertions::assert_eq;
use std::collections::BTreeSet;

fn row(server: &str, players: u32, cpu_us: f64) -> Row {
    Row {
        server: server.to_owned(),
        players,
        cpu_us,
        bytes: 2_048.0,
        latency_us: [Some(950), Some(101_400)],
        first_frame_us: Some(20),
        setup_us: Some(640),
        stalls: 0,
        failed: 0,
    }
}

#[test]
fn people_get_a_table() {
    let mut late = row("nginx-rtmp", 1_000, 277.0);
    (late.stalls, late.failed, late.latency_us) = (3, 2, [None, None]);
    let text = table(&[row("millstream", 100, 111.6), late]);
    let lines: Vec<&str> = text.lines().collect();
    let head = "server                         players  player and s        median / p99      player        ms";
    assert_eq!(lines[1], head);
    let first = "millstream                         100           112           0.9 / 101         2.0       0.6";
    assert_eq!(lines[2], first);
    assert!(lines[3].contains(" - / - "), "{text}");
    assert!(lines[3].ends_with("0.6  3 gaps over 1 s  2 players failed"), "{text}");
}

#[test]
fn programs_get_an_array() {
    let value = json(&[row("millstream", 100, 111.6)]);
    assert_eq!(value[0]["cpu_us_per_player_second"], 111.6);
    assert_eq!(value[0]["latency_p99_us"], 101_400);
    assert_eq!(value[0]["server"], "millstream");
}

#[test]
fn the_plot_has_each_server_in_each_panel() {
    let rows = [row("a", 100, 50.0), row("a", 1_000, 40.0), row("b", 1_000, 500.0)];
    let text = plot::svg(&rows);
    assert_eq!(text.matches("<circle").count(), 3 * rows.len());
    assert_eq!(text.matches(">a</text>").count(), 1);
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn no_two_servers_are_drawn_alike() {
    let names =
        ["millstream", "millstream, 0", "nginx-rtmp", "SRS", "SRS, low", "null", "null, 350"];
    let rows: Vec<Row> = names.map(|name| row(name, 100, 1.0)).into();
    let text = plot::svg(&rows);
    let legend = text.lines().filter(|line| line.contains("h28"));
    let strokes: Vec<&str> = legend.filter_map(|line| line.split(" stroke=").nth(1)).collect();
    let looks: BTreeSet<&str> = strokes.iter().filter_map(|it| it.split("/>").next()).collect();
    assert_eq!((strokes.len(), looks.len()), (names.len(), names.len()), "{text}");
}
