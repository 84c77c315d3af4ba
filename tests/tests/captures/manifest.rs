//! What the people who made the captures say about them: a table with one row for each file.

use crate::expected::{Row, Side};
use pretty_assertions::assert_eq;
use std::collections::BTreeSet;

/// What is said about one direction.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Words {
    /// `simple` or `complex`.
    handshake: String,
    /// The codecs in the words of the table of truth.
    codecs: BTreeSet<String>,
    /// The timestamps of the first and the last media message.
    range: Option<(String, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) file: String,
    pub(crate) conversation: usize,
    pub(crate) side: Side,
    words: Words,
}

impl Claim {
    pub(crate) fn assert_agrees(&self, row: &Row) {
        let facts = &row.facts;
        // The description knows half of a handshake, too.
        if facts.handshake == "incomplete" {
            return;
        }
        let [first, last, ..] = &facts.timestamps;
        let codecs = facts.codecs.split('+').filter(|codec| *codec != "-");
        let expected = Words {
            handshake: facts.handshake.split('-').next().unwrap_or_default().to_owned(),
            codecs: codecs.map(str::to_owned).collect(),
            range: (first != "-").then(|| (first.clone(), last.clone())),
        };
        if facts.handshake.starts_with("refused:") {
            assert_eq!(self.words.range, None, "{row}");
            return;
        }
        assert_eq!(self.words, expected, "{row}");
    }
}

/// The claims of all rows that tell of RTMP without a tunnel or encryption.
pub(crate) fn claims(manifest: &str) -> Vec<Claim> {
    let rows = manifest.lines().filter(|line| line.starts_with("| ") && line.contains(".pcap |"));
    rows.flat_map(|row| {
        // A `\|` is part of a cell.
        let row = row.replace("\\|", "");
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (file, notable) = (cells[1].to_owned(), cells[6].to_owned());
        let conversations: Vec<_> = notable
            .split("<br>")
            .filter(|part| part.contains("C>S chunk"))
            .map(str::to_owned)
            .collect();
        conversations.into_iter().enumerate().flat_map(move |(index, part)| {
            let (number, text) = numbered(&part).unwrap_or((index, &part));
            [Side::Server, Side::Client].map(|side| Claim {
                file: file.clone(),
                conversation: number,
                side,
                words: words(text, side),
            })
        })
    })
    .collect()
}

/// `[1] text` as 1 and the text.
fn numbered(part: &str) -> Option<(usize, &str)> {
    let (number, text) = part.strip_prefix('[')?.split_once("] ")?;
    Some((number.parse().ok()?, text))
}

/// Reads `C1 complex/s0, S1 simple; C>S chunk 128, a:AAC+v:AVC ts 0..100; S>C chunk 4096; ...`.
fn words(text: &str, side: Side) -> Words {
    let (block, direction) = match side {
        Side::Client => ("S1 ", "S>C chunk "),
        Side::Server => ("C1 ", "C>S chunk "),
    };
    let after = |marker| text.split_once(marker).map_or("", |(_, rest)| rest);
    let handshake = after(block).split(['/', ',', ';']).next().unwrap_or_default().to_owned();
    let direction = after(direction).split(';').next().unwrap_or_default();
    let media = direction.split(", ").find_map(|part| part.split_once(" ts "));
    let (names, range) = media.unwrap_or_default();
    Words {
        handshake,
        codecs: names.split('+').filter_map(codec).map(str::to_owned).collect(),
        range: range.split_once("..").map(|(first, last)| (first.to_owned(), last.to_owned())),
    }
}

/// The name of a codec in the table of truth.
fn codec(name: &str) -> Option<&'static str> {
    // A multitrack tag is told with its kind; its codec comes last.
    Some(match name.split([':', ' ']).next_back()? {
        "AAC" | "mp4a" => "Aac",
        "AVC" | "avc1" => "H264",
        "FLV1" => "H263",
        "FlashSV" => "ScreenVideo",
        "MP3" => "Mp3",
        "Nelly" | "Nelly8" => "Nellymoser",
        "PCMA" => "G711ALaw",
        "Speex" => "Speex",
        "VP6" => "Vp6",
        "ac-3" => "Ac3",
        "av01" => "Av1",
        "fLaC" => "Flac",
        "hvc1" => "Hevc",
        "vp09" => "Vp9",
        "vvc1" => "Vvc",
        "" => return None,
        other => panic!("an unknown codec: {other}"),
    })
}
