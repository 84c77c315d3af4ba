//! `millstream bench scale`: what more workers give.
//!
//! Each worker has a core, which it shares with the load of its players: two workers have twice the
//! players of one, at the same load on each core. Beside a server of many workers run as many
//! servers of one, which share nothing: what these lose against one alone is the machine's.

use super::compare::{END_MARGIN, Row, SETTLE_TIME, row};
use super::process::{Pinned, free_address, own_program};
use millstream_conf::cli::BenchScale;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// How the work is divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Setup {
    servers: u16,
    /// Of each server.
    workers: u16,
}

/// Servers and loads that run at once.
struct Running {
    loads: Vec<Pinned>,
    servers: Vec<Pinned>,
}

/// Measures all numbers of workers, several times in turn; gives what is to be printed.
pub(super) fn run(args: &BenchScale, told: impl Fn(&str)) -> Result<String, String> {
    crate::limits::raise_open_files();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if let Some(workers) = args.workers.iter().find(|&&workers| usize::from(workers) > cores) {
        return Err(format!("{workers} workers want as many cores, and there are {cores}"));
    }
    let setups = setups(&args.workers);
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); setups.len()];
    for _ in 0..args.runs {
        for (setup, rows) in setups.iter().zip(&mut rows) {
            let row = measure(args, *setup)?;
            told(&line(&row, None));
            rows.push(row);
        }
    }
    let rows: Vec<(Setup, Row)> = setups
        .into_iter()
        .zip(rows)
        .filter_map(|(setup, rows)| Some((setup, median(rows)?)))
        .collect();
    Ok(if args.json { format!("{}\n", json(&rows)) } else { table(&rows) })
}

fn setups(workers: &[u16]) -> Vec<Setup> {
    let mut setups = Vec::new();
    for &workers in workers {
        setups.push(Setup { servers: 1, workers });
        if workers > 1 {
            setups.push(Setup { servers: workers, workers: 1 });
        }
    }
    setups
}

impl Setup {
    const fn cores(self) -> u16 {
        self.servers.saturating_mul(self.workers)
    }

    fn name(self) -> String {
        let of = |number: u16, what: &str| {
            format!("{number} {what}{}", if number == 1 { "" } else { "s" })
        };
        if self.servers == 1 {
            return of(self.workers, "worker");
        }
        of(self.servers, "server")
    }
}

fn measure(args: &BenchScale, setup: Setup) -> Result<Row, String> {
    let program = own_program()?;
    let all: Vec<u16> = (0..setup.cores()).collect();
    let mut running = Running { loads: Vec::new(), servers: Vec::new() };
    let mut addresses = Vec::new();
    for cores in all.chunks(usize::from(setup.workers)) {
        let address = free_address()?;
        let words = server_words(args, setup, address);
        running.servers.push(Pinned::start_server(cores, &program, &words, address)?);
        addresses.push(address);
    }
    for (cores, address) in all.chunks(usize::from(setup.workers)).zip(addresses) {
        running.loads.push(Pinned::start(cores, &program, &load_words(args, setup, address))?);
    }
    let players = args.players * u32::from(setup.workers);
    sleep(Duration::from_secs_f64(f64::from(players) / f64::from(args.rate)) + SETTLE_TIME);
    let (begin, before) = (Instant::now(), running.cpu()?);
    sleep(args.time.saturating_sub(SETTLE_TIME + END_MARGIN));
    let (elapsed, after) = (begin.elapsed(), running.cpu()?);
    let cpu = after.saturating_sub(before) / u32::from(setup.servers);
    // Servers that share nothing are alike: the worst of each figure is told for all.
    let mut worst: Option<Row> = None;
    for load in running.loads {
        let row = row(&setup.name(), players, &load.output()?, elapsed, cpu)?;
        worst = Some(worst.map_or(row.clone(), |worst| worst.or_worse(&row)));
    }
    let mut row = worst.ok_or("no servers")?;
    row.players = players * u32::from(setup.servers);
    Ok(row)
}

impl Running {
    fn cpu(&self) -> Result<Duration, String> {
        self.servers.iter().map(|server| Ok(server.usage()?.cpu)).sum()
    }
}

fn server_words(args: &BenchScale, setup: Setup, address: SocketAddr) -> Vec<String> {
    let (workers, address) = (setup.workers.to_string(), address.to_string());
    let words = ["serve", "--workers", &workers, "--rtmp", &address, "--http", "off"];
    let words = words.into_iter().chain(["--send-delay", &args.send_delay]);
    words.map(str::to_owned).collect()
}

fn load_words(args: &BenchScale, setup: Setup, address: SocketAddr) -> Vec<String> {
    let (url, file) = (format!("rtmp://{address}/live/scale"), args.file.display().to_string());
    let players = (args.players * u32::from(setup.workers)).to_string();
    let (time, rate) = (format!("{}ms", args.time.as_millis()), args.rate.to_string());
    let (threads, words) = (setup.workers.to_string(), ["bench", "play", &url, "--publish", &file]);
    let load = ["--players", &players, "--for", &time, "--rate", &rate, "--threads", &threads];
    words.into_iter().chain(load).chain(["--json"]).map(str::to_owned).collect()
}

/// The run whose CPU is the median of all.
fn median(mut rows: Vec<Row>) -> Option<Row> {
    rows.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    let middle = rows.len().checked_sub(1)? / 2;
    Some(rows.swap_remove(middle))
}

/// How many times the players of the first line would have the same CPU on each core.
fn times_players(rows: &[(Setup, Row)], setup: Setup, row: &Row) -> Option<f64> {
    let (first, one) = rows.first()?;
    (row.cpu_us > 0.0)
        .then(|| one.cpu_us / row.cpu_us * f64::from(setup.cores()) / f64::from(first.cores()))
}

fn table(rows: &[(Setup, Row)]) -> String {
    let mut text = format!(
        "{:<14}{:>8}{:>14}{:>14}{:>20}\n{:<14}{:>8}{:>14}{:>14}{:>20}\n",
        "",
        "",
        "CPU us per",
        "times the",
        "latency ms",
        "",
        "players",
        "player and s",
        "players",
        "median / p99",
    );
    for (setup, row) in rows {
        text.push_str(&line(row, times_players(rows, *setup, row)));
    }
    text
}

fn line(row: &Row, times: Option<f64>) -> String {
    let times = times.map_or_else(|| "-".to_owned(), |times| format!("{times:.2}"));
    let (server, players, cpu) = (&row.server, row.players, row.cpu_us);
    let mut text = format!("{server:<14}{players:>8}{cpu:>14.0}{times:>14}{:>20}", row.latencies());
    let _ = writeln!(text, "{}", row.troubles());
    text
}

fn json(rows: &[(Setup, Row)]) -> Value {
    let row = |(setup, row): &(Setup, Row)| {
        json!({
            "servers": setup.servers,
            "workers": setup.workers,
            "players": row.players,
            "cpu_us_per_player_second": row.cpu_us,
            "times_players": times_players(rows, *setup, row),
            "latency_median_us": row.latency_us[0],
            "latency_p99_us": row.latency_us[1],
            "stalls": row.stalls,
            "failed": row.failed,
        })
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    const TOLD: &str = r#"{"failed":0,"stalls":2,"latency_us":{"median":4100,"p99":12400}}"#;

    fn row_of(name: &str, players: u32, cpu: u64) -> Row {
        row(name, players, TOLD, Duration::from_secs(2), Duration::from_micros(cpu)).expect("told")
    }

    #[test]
    fn each_number_of_workers_has_as_many_servers_beside_it() {
        let setups = setups(&[1, 2]);
        let expected =
            [(1, 1), (1, 2), (2, 1)].map(|(servers, workers)| Setup { servers, workers });
        assert_eq!(setups, expected);
        let names: Vec<String> = setups.iter().map(|setup| setup.name()).collect();
        assert_eq!(names, ["1 worker", "2 workers", "2 servers"]);
    }

    #[test]
    fn twice_the_players_at_the_same_cost_are_twice_the_players() {
        let setups = setups(&[1, 2]);
        let rows = [row_of("1 worker", 10, 8_000), row_of("2 workers", 20, 16_000)];
        let rows = [rows.as_slice(), &[row_of("2 servers", 10, 10_000)]].concat();
        let rows: Vec<(Setup, Row)> = setups.into_iter().zip(rows).collect();
        let times = json(&rows);
        let times: Vec<&Value> = (0..3).map(|at| &times[at]["times_players"]).collect();
        assert_eq!(times, [1.0, 2.0, 1.6]);
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().collect();
        let second = "2 workers           20           400          2.00            4.1 / 12";
        assert_eq!(lines[3], format!("{second}  2 gaps over 1 s"));
    }

    #[test]
    fn the_median_of_the_runs_counts() {
        let rows = [9, 1, 5].map(|cpu| row_of("", 1, cpu)).to_vec();
        assert_eq!(median(rows).map(|row| row.cpu_us), Some(2.5));
        assert!(median(Vec::new()).is_none());
    }
}
