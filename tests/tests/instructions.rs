//! What the hot paths cost, in instructions: the same on each run and on each machine.
//!
//! The work is `core/benches/instructions.rs`; cachegrind counts. A run of twice as many rounds
//! costs more by what the rounds cost, so preparation and the start of the program cancel out.
//! `tests/instructions.txt` keeps the counts; `MILLSTREAM_RENEW=1` renews it, on purpose.

use millstream_tests::golden::RENEW;
use millstream_tests::program::output_of;
use millstream_tests::tree;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, thread};

const KEPT: &str = "tests/instructions.txt";

/// A count may move so far, in percent, with the compiler that made the kept ones.
const TOLERANCE_PERCENT: f64 = 3.0;

/// Another compiler makes another program: then only what is far off is a mistake of ours.
const OTHER_COMPILER_PERCENT: f64 = 25.0;

/// The work by its name, and how often it is done.
const WORK: &[(&str, u32)] = &[
    ("amf0_connect", 1_000),
    ("chunk_read", 1_000),
    ("chunk_write", 1_000),
    ("cursor_flush", 300),
    ("reload", 100),
    ("tape_push", 1_000),
    ("ts_mux", 1_000),
    ("turn_of_20", 1_000),
    ("turn_of_2000", 1_000),
];

#[test]
fn hot_paths_cost_as_many_instructions_as_ever() {
    let program = build();
    let counts: BTreeMap<String, f64> = thread::scope(|scope| {
        let count = |&(name, rounds): &(&str, u32)| (name.to_owned(), cost(&program, name, rounds));
        let threads: Vec<_> = WORK.iter().map(|work| scope.spawn(move || count(work))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it counts")).collect()
    });
    let [few, many] = ["turn_of_20", "turn_of_2000"].map(|name| counts[name]);
    assert!(many < few * 1.03, "idle connections cost a turn something: {few}, {many}");
    let path = tree::root().join(KEPT);
    if env::var_os(RENEW).is_some_and(|value| value == "1") {
        fs::write(path, text(&compiler(), &counts)).expect("the counts can be written");
        return;
    }
    let kept = tree::text(Path::new(KEPT)).expect("the kept counts are text");
    let complaints = compare(&kept, &compiler(), &counts);
    assert!(
        complaints.is_empty(),
        "{}\nif this is meant: MILLSTREAM_RENEW=1 cargo test -p millstream-tests --test instructions",
        complaints.join("\n")
    );
}

#[test]
fn a_change_above_the_tolerance_is_told() {
    let kept = "# rustc 1\na 100\nb 1000\n";
    let check = |compiler: &str, a: f64, b: f64, expected: &[&str]| {
        let counts = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        assert_eq!(compare(kept, compiler, &counts), expected);
    };
    check("rustc 1", 100.0, 1_000.0, &[]);
    check("rustc 1", 102.9, 971.0, &[]);
    check("rustc 1", 103.5, 1_000.0, &["a: 104 instructions, +3.5 %; 100 were kept"]);
    check("rustc 1", 100.0, 960.0, &["b: 960 instructions, -4.0 %; 1000 were kept"]);
    check("rustc 2", 120.0, 1_000.0, &[]);
    check("rustc 2", 130.0, 1_000.0, &["a: 130 instructions, +30.0 %; 100 were kept"]);
    let more = BTreeMap::from([("c".to_owned(), 1.0)]);
    assert_eq!(compare(kept, "rustc 1", &more), ["c: 1 instructions; no count was kept"]);
}

/// What moved further than it may.
fn compare(kept: &str, compiler: &str, counts: &BTreeMap<String, f64>) -> Vec<String> {
    let is_same = kept.lines().next() == Some(format!("# {compiler}").as_str());
    let tolerance = if is_same { TOLERANCE_PERCENT } else { OTHER_COMPILER_PERCENT };
    let kept: BTreeMap<&str, f64> = kept
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    let complaint = |(name, count): (&String, &f64)| {
        let Some(before) = kept.get(name.as_str()) else {
            return Some(format!("{name}: {count:.0} instructions; no count was kept"));
        };
        let percent = (count / before - 1.0) * 100.0;
        (percent.abs() > tolerance).then(|| {
            format!("{name}: {count:.0} instructions, {percent:+.1} %; {before:.0} were kept")
        })
    };
    counts.iter().filter_map(complaint).collect()
}

fn text(compiler: &str, counts: &BTreeMap<String, f64>) -> String {
    let lines = counts.iter().map(|(name, count)| format!("{name} {count:.0}\n"));
    format!("# {compiler}\n{}", lines.collect::<String>())
}

/// Instructions of one round.
fn cost(program: &Path, name: &str, rounds: u32) -> f64 {
    let once = count(program, name, rounds);
    let twice = count(program, name, 2 * rounds);
    (twice - once) as f64 / f64::from(rounds)
}

fn count(program: &Path, name: &str, rounds: u32) -> i64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    // The size of the environment moves the stack, and with it how memory is aligned.
    command.arg(program).args([name, &rounds.to_string()]).env_clear().stdin(Stdio::null());
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    // One way of copying memory on every machine; and valgrind counts each byte of a `rep movsb`.
    command.env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX512F,-ERMS,-FSRM");
    let output = command.output().expect("valgrind can be started; tests/run installs it");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {told}");
    let line =
        told.lines().find_map(|line| line.split_once("I   refs:").or(line.split_once("I refs:")));
    let (_, refs) = line.unwrap_or_else(|| panic!("{name}: no count in {told}"));
    refs.trim().replace(',', "").parse().expect("a number")
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output_of(Command::new(rustc).arg("--version"));
    String::from_utf8_lossy(&version).trim().to_owned()
}

fn build() -> PathBuf {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["bench", "--quiet", "--locked", "--no-run", "--message-format", "json"]);
    command.args(["-p", "millstream-core", "--bench", "instructions"]);
    command.current_dir(tree::root());
    let messages = String::from_utf8(output_of(&mut command)).expect("cargo writes UTF-8");
    let mut executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executables.next_back().expect("the bench is a program")
}
