//! Captures that were kept as tests by `millstream case add`: each replays as its text says.

use millstream_sim::capture::Capture;
use millstream_sim::case::Case;
use millstream_sim::replay::Replay;
use millstream_tests::golden::assert_golden;
use pretty_assertions::assert_eq;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of all cases.
const CASES_LEN_MAX: u64 = 2_000_000;

#[test]
fn every_case_replays_as_its_text_says() {
    for path in cases() {
        assert_golden(&path.with_extension("txt"), &replay(&path).timeline());
    }
}

#[test]
fn no_case_has_a_difference_without_an_explanation() {
    for path in cases() {
        for connection in &replay(&path).connections {
            let unexplained = connection.differences.iter().find(|it| it.explanation.is_none());
            assert_eq!(unexplained, None, "{}", path.display());
        }
    }
}

#[test]
fn a_case_that_is_kept_again_stays_as_it_is() {
    for path in cases() {
        let again = Case::of(&capture(&path)).expect("a case can be kept");
        assert!(again.pcap == fs::read(&path).expect("a case"), "{}", path.display());
    }
}

#[test]
fn the_cases_are_few_and_small() {
    let len: u64 = cases().iter().map(|path| fs::metadata(path).expect("a file").len()).sum();
    assert!(len <= CASES_LEN_MAX, "{len} bytes");
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = fs::read_dir(folder).expect("there are cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "pcap"));
    paths.sort();
    assert!(paths.len() >= 6, "only {} cases", paths.len());
    paths
}

fn capture(path: &Path) -> Capture {
    let capture = Capture::read(&fs::read(path).expect("a case can be read"));
    let capture = capture.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(capture.warnings, [], "{}", path.display());
    capture
}

fn replay(path: &Path) -> Replay {
    Replay::of(&capture(path))
}
