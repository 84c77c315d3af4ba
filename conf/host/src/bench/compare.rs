//! `millstream bench compare`: this server beside others, under the same load.
//!
//! Each runs in turn, alone on one core, and the load on another. CPU and memory are read from the
//! system while all players play; what the players see comes from `bench play`. A null server,
//! which does nothing but send, shows what of all that is the kernel's.

mod plot;
mod server;

use super::process::{Pinned, own_program};
use super::tally::STALL;
use millstream_conf::cli::BenchCompare;
use serde_json::{Value, json};
use server::Kind;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// After the last player has joined: until then there is more to do than to send.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(1_500);

/// Before the first player leaves.
pub(super) const END_MARGIN: Duration = Duration::from_millis(500);

/// One player for so long shows what the stream itself takes of memory.
const ALONE_TIME: Duration = Duration::from_secs(4);

/// What one server did under one load.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) server: String,
    pub(super) players: u32,
    /// Microseconds of CPU for each player and second.
    pub(super) cpu_us: f64,
    /// Bytes of resident memory for each player, beyond what one player makes it hold.
    bytes: f64,
    /// Median and 99th percentile.
    pub(super) latency_us: [Option<u64>; 2],
    first_frame_us: Option<u64>,
    setup_us: Option<u64>,
    pub(super) stalls: u64,
    pub(super) failed: u64,
}

/// Runs all servers with all numbers of players; gives what is to be printed.
pub(super) fn run(args: &BenchCompare, told: impl Fn(&str)) -> Result<String, String> {
    crate::limits::raise_open_files();
    let folder = Folder::new()?;
    let mut rows = Vec::new();
    for kind in server::all(args) {
        let alone = measure(args, &kind, 1, args.time.min(ALONE_TIME), &folder.0)?.1;
        for &players in &args.players {
            let mut best: Option<Row> = None;
            for _ in 0..args.runs {
                let (mut row, resident) = measure(args, &kind, players, args.time, &folder.0)?;
                row.bytes = resident.saturating_sub(alone) as f64 / f64::from(players);
                if best.as_ref().is_none_or(|best| row.cpu_us < best.cpu_us) {
                    best = Some(row);
                }
            }
            rows.extend(best.inspect(|row| told(&line(row))));
        }
    }
    if rows.is_empty() {
        return Err("no server of that name".to_owned());
    }
    if let Some(file) = &args.svg {
        fs::write(file, plot::svg(&rows))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(if args.json { format!("{}\n", json(&rows)) } else { table(&rows) })
}

/// One server under one load: what it did, and the bytes that it held.
fn measure(
    args: &BenchCompare,
    kind: &Kind,
    players: u32,
    time: Duration,
    folder: &Path,
) -> Result<(Row, u64), String> {
    let [server_core, load_core] = args.cores.as_slice() else {
        return Err("--cores takes two numbers".to_owned());
    };
    let server = kind.start(args, *server_core, folder)?;
    let words = kind.load(args, server.address, players, time);
    let load = Pinned::start(&[*load_core], &own_program()?, &words)?;
    let joined = Duration::from_secs_f64(f64::from(players) / f64::from(args.rate));
    sleep(joined + SETTLE_TIME);
    let (begin, before) = (Instant::now(), server.process.usage()?);
    sleep(time.saturating_sub(SETTLE_TIME + END_MARGIN));
    let (elapsed, after) = (begin.elapsed(), server.process.usage()?);
    let cpu = after.cpu.saturating_sub(before.cpu);
    Ok((row(kind.name, players, &load.output()?, elapsed, cpu)?, after.resident))
}

/// `told` is what the load tool has written; in the time `elapsed` the server has used `cpu`.
pub(super) fn row(
    server: &str,
    players: u32,
    told: &str,
    elapsed: Duration,
    cpu: Duration,
) -> Result<Row, String> {
    let seen: Value = serde_json::from_str(told).map_err(|error| {
        format!("{server}: the load tool told nothing ({error}); does the file have H.264?")
    })?;
    let number = |name: &str| seen.get(name).and_then(Value::as_u64).unwrap_or(0);
    let quantile = |name: &str, part: &str| seen.get(name)?.get(part)?.as_u64();
    Ok(Row {
        server: server.to_owned(),
        players,
        cpu_us: cpu.as_secs_f64() * 1e6 / elapsed.as_secs_f64() / f64::from(players),
        bytes: 0.0,
        latency_us: ["median", "p99"].map(|part| quantile("latency_us", part)),
        first_frame_us: quantile("first_frame_us", "median"),
        setup_us: quantile("setup_us", "median"),
        stalls: number("stalls"),
        failed: number("failed") + number("lost") + number("silent"),
    })
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<30}{:>8}{:>14}{:>20}{:>12}{:>10}\n{:<30}{:>8}{:>14}{:>20}{:>12}{:>10}\n",
        "",
        "",
        "CPU us per",
        "latency ms",
        "KB per",
        "set-up",
        "server",
        "players",
        "player and s",
        "median / p99",
        "player",
        "ms",
    );
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

fn line(row: &Row) -> String {
    let mut text = format!(
        "{:<30}{:>8}{:>14.0}{:>20}{:>12.1}{:>10}",
        row.server,
        row.players,
        row.cpu_us,
        row.latencies(),
        row.bytes / 1_000.0,
        millis(row.setup_us),
    );
    text.push_str(&row.troubles());
    text.push('\n');
    text
}

fn millis(micros: Option<u64>) -> String {
    match micros.map(|micros| micros as f64 / 1_000.0) {
        None => "-".to_owned(),
        Some(millis) if millis < 10.0 => format!("{millis:.1}"),
        Some(millis) => format!("{millis:.0}"),
    }
}

impl Row {
    /// The worse of both, figure by figure.
    pub(super) fn or_worse(mut self, other: &Self) -> Self {
        for (own, other) in self.latency_us.iter_mut().zip(other.latency_us) {
            *own = (*own).max(other);
        }
        self.stalls += other.stalls;
        self.failed += other.failed;
        self
    }

    /// Median and 99th percentile of the latency.
    pub(super) fn latencies(&self) -> String {
        let [median, p99] = self.latency_us.map(millis);
        format!("{median} / {p99}")
    }

    /// What went wrong: nothing, in the end.
    pub(super) fn troubles(&self) -> String {
        let mut text = String::new();
        if self.stalls > 0 {
            let _ = write!(text, "  {} gaps over {} s", self.stalls, STALL.as_secs());
        }
        if self.failed > 0 {
            let _ = write!(text, "  {} players failed", self.failed);
        }
        text
    }
}

fn json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "server": row.server,
            "players": row.players,
            "cpu_us_per_player_second": row.cpu_us,
            "bytes_per_player": row.bytes,
            "latency_median_us": row.latency_us[0],
            "latency_p99_us": row.latency_us[1],
            "first_frame_median_us": row.first_frame_us,
            "setup_median_us": row.setup_us,
            "stalls": row.stalls,
            "failed": row.failed,
        })
    };
    rows.iter().map(row).collect()
}

/// A folder for the configurations of others, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("millstream-compare-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is in the folder of temporary files: nothing is lost if it stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
