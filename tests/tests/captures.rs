//! Captured conversations of real clients and servers, replayed into both sides of the session.
//!
//! `captures/expected.tsv` has a row for each direction: counted by a program that shares no code
//! with this repository, and checked against Wireshark. Captures that are not in the repository
//! are read from `$MILLSTREAM_SHARED` where they exist.

#[path = "captures/expected.rs"]
mod expected;
#[path = "captures/manifest.rs"]
mod manifest;
#[path = "captures/observed.rs"]
mod observed;
#[path = "captures/replay.rs"]
mod replay;
#[path = "captures/shelf.rs"]
mod shelf;
#[path = "captures/timelines.rs"]
mod timelines;

use expected::{Row, Table};
use observed::Observed;
use pretty_assertions::assert_eq;
use replay::{Segmentation, Stream};
use shelf::Shelf;
use std::path::Path;

/// As many ways to cut a stream at random are tried.
const RANDOM_SEGMENTATIONS: u64 = 50;

#[test]
fn every_direction_is_read_as_the_table_says() {
    let (table, shelf) = (Table::read(), Shelf::open());
    let streams = shelf.streams(&table);
    assert!(streams.len() >= 60, "the captures of the repository are missing");
    shelf::in_parallel(&streams, |(row, stream)| {
        let mut observed = Observed::default();
        let end = stream.replay(Segmentation::AtOnce, &mut |event| observed.note(event));
        observed.finish(end, stream);
        assert_eq!(observed.facts(), row.facts(), "{row}");
    });
}

#[test]
fn every_segmentation_gives_the_same_events() {
    let (table, shelf) = (Table::read(), Shelf::open());
    shelf::in_parallel(&shelf.streams(&table), |(row, stream)| {
        let mut whole = Vec::new();
        let whole_end = stream.replay(Segmentation::AtOnce, &mut |event| whole.push(event));
        let random = (0..RANDOM_SEGMENTATIONS).map(Segmentation::Random);
        for segmentation in
            [Segmentation::Captured, Segmentation::ByteByByte].into_iter().chain(random)
        {
            let mut remaining = whole.iter();
            let end = stream.replay(segmentation, &mut |event| {
                let expected = remaining.next();
                assert!(Some(&event) == expected, "{row} {segmentation:?}: {event:?} {expected:?}");
            });
            assert_eq!(end, whole_end, "{row} {segmentation:?}");
            assert_eq!(remaining.next(), None, "{row} {segmentation:?}");
        }
    });
}

#[test]
fn no_cut_makes_a_session_fail() {
    // A stream may end anywhere: what was said before its end stands, and no error follows from it.
    let (table, shelf) = (Table::read(), Shelf::open());
    shelf::in_parallel(&shelf.streams(&table), |(row, stream)| {
        let mut whole = Vec::new();
        let whole_end = stream.replay(Segmentation::AtOnce, &mut |event| whole.push(event));
        for cut in stream.some_cuts() {
            let mut count = 0;
            let end = stream.cut(cut).replay(Segmentation::AtOnce, &mut |event| {
                assert!(whole.get(count) == Some(&event), "{row} cut at {cut}: {event:?}");
                count += 1;
            });
            assert!(end.is_none() || end == whole_end, "{row} cut at {cut}: {end:?}");
        }
    });
}

#[test]
fn the_table_agrees_with_the_description_of_the_captures() {
    let Some(text) = Shelf::open().manifest() else { return };
    let table = Table::read();
    let mut compared = 0;
    for claim in manifest::claims(&text) {
        let row = table.row(&claim.file, claim.conversation, claim.side);
        let row = row.unwrap_or_else(|| panic!("no row for {claim:?}"));
        claim.assert_agrees(row);
        compared += 1;
    }
    assert!(compared > 300, "only {compared} claims were found");
}

#[test]
fn the_captures_in_the_repository_have_an_origin_and_rows() {
    let folder = shelf::repository_folder();
    let origin = std::fs::read_to_string(folder.join("ORIGIN.md")).expect("the origin is there");
    let table = Table::read();
    let mut total_len = 0;
    let mut count = 0;
    for path in shelf::files_of(&folder) {
        let name = file_name(&path);
        total_len += std::fs::metadata(&path).expect("the file is there").len();
        if name == "ORIGIN.md" || name == "expected.tsv" {
            continue;
        }
        count += 1;
        assert!(origin.contains(&format!("| {name} |")), "ORIGIN.md lacks {name}");
        assert!(table.rows().iter().any(|row| row.file == name), "expected.tsv lacks {name}");
    }
    assert!(count >= 35, "only {count} captures");
    assert!(total_len <= 12_000_000, "{total_len} bytes");
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("captures have plain names")
}

/// A row of the table and the stream that it tells of.
type Case = (Row, Stream);
