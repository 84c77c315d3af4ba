//! Captures replayed into the whole server: their timelines, and what the table says of them.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks the messages of its subject")]

use crate::expected::{FOREIGN_MESSAGE_STREAMS, Row, Side, Table};
use crate::shelf::{self, Shelf};
use millstream_core::event::Event;
use millstream_core::frame::FrameKind;
use millstream_core::handshake::HandshakeKind;
use millstream_sim::replay::wire::{Media, Speech, What};
use millstream_sim::replay::{Connection, Replay};
use millstream_tests::golden::assert_golden;
use pretty_assertions::assert_eq;
use std::collections::BTreeSet;

/// A play whose name our server refuses: the client sent a whole URL where a name belongs.
const BAD_NAMES: [&str; 1] = ["thirdparty-flash-9_play-failed_fms.pcap"];

/// Bytes of one timeline, and of all that are kept.
const TIMELINE_LEN_MAX: usize = 40_000;
const TIMELINES_LEN_MAX: usize = 1_000_000;

#[test]
fn every_capture_of_the_repository_has_the_timeline_that_is_kept() {
    let folder = shelf::repository_folder();
    let mut total = 0;
    let shelf = Shelf::open();
    for name in shelf.names().into_iter().filter(|name| folder.join(name).is_file()) {
        let timeline = replay(&shelf, name).timeline();
        assert!(timeline.len() <= TIMELINE_LEN_MAX, "{name}: {} bytes", timeline.len());
        total += timeline.len();
        assert_golden(&folder.join(format!("golden/{name}.txt")), &timeline);
    }
    assert!((1..=TIMELINES_LEN_MAX).contains(&total), "{total} bytes");
}

#[test]
fn every_replay_comes_out_as_the_table_says() {
    let (table, shelf) = (Table::read(), Shelf::open());
    let mut compared = 0;
    for name in shelf.names() {
        let replay = replay(&shelf, name);
        for row in table.rows().iter().filter(|row| row.file == name) {
            let connection = &replay.connections[row.conversation];
            match row.side {
                Side::Server => {
                    assert_said(row, &connection.client_said);
                    assert_roles(row, connection);
                }
                Side::Client => assert_said(row, &connection.recorded_answers),
            }
            compared += 1;
        }
    }
    assert!(compared >= 60, "only {compared} rows were compared");
}

#[test]
fn no_difference_to_a_recorded_server_is_without_an_explanation() {
    let shelf = Shelf::open();
    let (mut explained, mut unexplained) = (0, Vec::new());
    for name in shelf.names() {
        for connection in &replay(&shelf, name).connections {
            for difference in &connection.differences {
                if difference.explanation.is_some() {
                    explained += 1;
                } else {
                    let (number, text) = (connection.number, difference.text());
                    unexplained.push(format!("{name} [{number}] {text}"));
                }
            }
        }
    }
    assert_eq!(unexplained, [""; 0]);
    assert!(explained > 100, "only {explained} differences were found at all");
}

#[test]
fn players_get_what_the_publisher_of_the_same_capture_sends() {
    let shelf = Shelf::open();
    let mut players = 0;
    for name in shelf.names() {
        let replay = replay(&shelf, name);
        for connection in &replay.connections {
            let live = connection
                .events
                .iter()
                .any(|(_, event)| matches!(event, Event::Played { live: true, .. }));
            if live {
                players += 1;
                assert!(
                    count(&connection.our_answers, FrameKind::Video) > 0
                        || count(&connection.our_answers, FrameKind::Audio) > 0,
                    "{name}"
                );
            }
        }
    }
    assert!(players > 0 || shelf.manifest().is_none(), "no player met its publisher");
}

#[test]
fn a_replay_is_the_same_each_time() {
    let shelf = Shelf::open();
    for name in shelf.names().into_iter().step_by(7) {
        let reports = || {
            let replay = replay(&shelf, name);
            (replay.timeline(), replay.tables(), replay.json(), replay.published())
        };
        assert!(reports() == reports(), "{name}");
    }
}

#[test]
fn the_json_of_every_replay_can_be_read_and_holds_no_more_than_numbers() {
    let shelf = Shelf::open();
    for name in shelf.names() {
        let text = replay(&shelf, name).json();
        let document: serde_json::Value = serde_json::from_str(&text).expect(name);
        assert!(document["connections"].is_array(), "{name}");
        assert!(!text.contains("NaN"), "{name}");
    }
}

fn replay(shelf: &Shelf, name: &str) -> Replay {
    Replay::of(&shelf.capture(name).expect("the capture is at hand"))
}

/// The handshake, the codecs and the counts of one direction are those of the table.
fn assert_said(row: &Row, speech: &Speech) {
    let facts = &row.facts;
    let handshake = speech.said.iter().find_map(|said| match said.what {
        What::Handshake(HandshakeKind::ComplexSchema0) => Some("complex-0"),
        What::Handshake(HandshakeKind::ComplexSchema1) => Some("complex-1"),
        What::Handshake(HandshakeKind::Simple) => Some("simple"),
        _ => None,
    });
    let is_rtmp = ["complex-0", "complex-1", "simple"].contains(&facts.handshake.as_str());
    assert_eq!(handshake, is_rtmp.then_some(facts.handshake.as_str()), "{row}");
    if !is_rtmp {
        return;
    }
    let counted = [FrameKind::Audio, FrameKind::Video].map(|kind| count(speech, kind).to_string());
    assert_eq!(counted, [facts.audio.clone(), facts.video.clone()], "{row}");
    let codecs = |kind| -> BTreeSet<String> {
        let of_kind = media(speech).filter(|media| media.kind == kind);
        of_kind.filter_map(|media| Some(format!("{:?}", media.codec?))).collect()
    };
    let (audio, video) = (codecs(FrameKind::Audio), codecs(FrameKind::Video));
    let codecs = audio.iter().chain(&video).cloned().collect::<Vec<_>>().join("+");
    assert_eq!(if codecs.is_empty() { "-" } else { &codecs }, facts.codecs, "{row}");
}

/// Our server lets the client do what it wanted.
fn assert_roles(row: &Row, connection: &Connection) {
    if BAD_NAMES.contains(&row.file.as_str()) {
        return;
    }
    let wanted = |verb: &str| {
        let words = row.facts.commands.split(' ').filter_map(|word| word.split_once('='));
        words.filter(|(word, _)| *word == verb).count()
    };
    let reached =
        |is: fn(&Event) -> bool| connection.events.iter().filter(|(_, event)| is(event)).count();
    let connected = reached(|event| matches!(event, Event::Connected { .. }));
    let published = reached(|event| matches!(event, Event::Published { .. }));
    let played = reached(|event| matches!(event, Event::Played { .. }));
    assert_eq!(connected, wanted("connect"), "{row}");
    if FOREIGN_MESSAGE_STREAMS.contains(&(row.file.as_str(), row.conversation)) {
        return;
    }
    assert_eq!((published, played), (wanted("publish"), wanted("play")), "{row}");
    let ended = reached(|event| matches!(event, Event::Unpublished { .. }));
    assert!(ended <= published, "{row}");
}

fn count(speech: &Speech, kind: FrameKind) -> usize {
    media(speech).filter(|media| media.kind == kind && !media.payload.is_empty()).count()
}

fn media(speech: &Speech) -> impl Iterator<Item = &Media> {
    speech.said.iter().filter_map(|said| match &said.what {
        What::Media(media) => Some(media),
        _ => None,
    })
}
