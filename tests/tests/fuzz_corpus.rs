//! The corpora of the fuzz targets, fed to the bodies without libFuzzer: as they are, and each with
//! some seeded changes.
//!
//! `tests/fuzz/run` makes the corpora. An input that breaks a promise here is written to a file,
//! and the failure names the command that runs it again.

#[path = "../fuzz/table.rs"]
pub mod table;

use millstream_core::rng::Rng;
use millstream_tests::tree;
use pretty_assertions::assert_eq;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::{TARGETS, Target};

/// Changed copies of each file that are tried, unless its corpus has too many files for that.
const CHANGES_PER_FILE: usize = 1_000;

/// Bytes of all corpora.
const CORPORA_LEN_MAX: usize = 2 << 20;

#[test]
fn every_target_has_a_file_a_corpus_and_a_binary() {
    let names = TARGETS.map(|target| target.name);
    let files: Vec<String> = names.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(tree::entries(&folder("targets")), files);
    assert_eq!(tree::entries(&folder("corpus")), names);
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("the manifest is text");
    assert_eq!(manifest.matches("[[bin]]").count(), names.len());
    for name in names {
        let code = fs::read_to_string(folder("targets").join(format!("{name}.rs")));
        assert!(code.is_ok_and(|code| code.contains(&format!("run(\"{name}\", data)"))), "{name}");
        let binary = format!("[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"\n");
        assert!(manifest.contains(&binary), "{name}");
    }
}

#[test]
fn the_corpora_are_small() {
    let mut total_len = 0;
    for target in TARGETS {
        let corpus = corpus(&target);
        assert!(corpus.len() >= 3, "{} has {} inputs", target.name, corpus.len());
        for input in corpus {
            assert!(input.bytes.len() <= target.len_max, "{} is too long", input.name);
            total_len += input.bytes.len();
        }
    }
    assert!(total_len <= CORPORA_LEN_MAX, "{total_len} bytes");
}

#[test]
fn no_input_of_the_corpora_breaks_a_promise_changed_or_not() {
    let corpora = TARGETS.map(|target| (target, corpus(&target)));
    let cases: Vec<(&Target, &[Input], &Input)> = corpora
        .iter()
        .flat_map(|(target, corpus)| corpus.iter().map(move |input| (target, &corpus[..], input)))
        .collect();
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    let work = || {
        while let Some((target, corpus, input)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(complaint) = try_all(target, corpus, input) {
                complaints.lock().expect("no panic while it is held").push(complaint);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let complaints = complaints.into_inner().expect("no panic while it is held");
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// A file of a corpus.
struct Input {
    name: String,
    bytes: Vec<u8>,
}

fn folder(name: &str) -> PathBuf {
    tree::root().join("tests/fuzz").join(name)
}

fn corpus(target: &Target) -> Vec<Input> {
    let folder = folder("corpus").join(target.name);
    let read = |name: String| {
        let bytes = fs::read(folder.join(&name)).expect("a file of the corpus can be read");
        Input { name, bytes }
    };
    tree::entries(&folder).into_iter().map(read).collect()
}

/// Tries an input as it is, and then changed; the first that fails ends it.
fn try_all(target: &Target, corpus: &[Input], input: &Input) -> Result<(), String> {
    try_one(target, &input.name, &input.bytes)?;
    let count = CHANGES_PER_FILE.min(target.changes / corpus.len());
    for seed in 0..count {
        let mut rng = Rng::new(seed as u64);
        let other = &corpus[below(&mut rng, corpus.len())];
        let mut changed = input.bytes.clone();
        for _ in 0..1 + below(&mut rng, 4) {
            change(&mut rng, &mut changed, &other.bytes);
        }
        changed.truncate(target.len_max);
        try_one(target, &format!("{}-changed-{seed}", input.name), &changed)?;
    }
    Ok(())
}

fn try_one(target: &Target, name: &str, bytes: &[u8]) -> Result<(), String> {
    // The panic's own message has been printed by then.
    catch_unwind(AssertUnwindSafe(|| (target.body)(bytes))).map_err(|_| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", target.name));
        fs::write(&path, bytes).expect("a failing input can be kept");
        format!("tests/fuzz/run {} --repeat {}", target.name, path.display())
    })
}

/// Makes one change: bits, values, a cut, a splice with `other`, or bytes that are new or double.
fn change(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = below(rng, bytes.len() + 1);
    let len = below(rng, 16).min(bytes.len() - at);
    match below(rng, 8) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << below(rng, 8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = [0, 1, 0x7F, 0x80, 0xFE, 0xFF][below(rng, 6)];
            }
        }
        3 => bytes.truncate(at),
        4 => {
            bytes.drain(at..at + len);
        }
        5 => {
            let double = bytes[at..at + len].to_vec();
            bytes.splice(at..at, double);
        }
        6 => {
            let mut new = [0; 4];
            rng.fill(&mut new);
            bytes.splice(at..at, new);
        }
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[below(rng, other.len() + 1)..]);
        }
    }
}

/// A number below `end`, or 0.
fn below(rng: &mut Rng, end: usize) -> usize {
    rng.next_u32() as usize % end.max(1)
}
