//! The table of truth.

use crate::shelf;
use std::fmt;

/// The side of the session that a direction is replayed into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// It is fed what the server sent.
    Client,
    /// It is fed what the client sent.
    Server,
}

/// Conversations whose server counts its message streams through all of its connections. The replay
/// cannot tell the client another id, so that it asks to play on one that our session did not give.
pub(crate) const FOREIGN_MESSAGE_STREAMS: [(&str, usize); 1] =
    [("ffmpeg-5.1.9_play_rtmpsrv.pcap", 1)];

/// One direction of a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) file: String,
    /// Counted from 0, in the order of the first packets.
    pub(crate) conversation: usize,
    pub(crate) side: Side,
    pub(crate) facts: Facts,
}

/// What a row says, as it stands there; `-` for nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// `simple`, `complex-0` (key first), `complex-1` (digest first), `refused:` and why,
    /// `incomplete` or `nothing`.
    pub(crate) handshake: String,
    /// Bytes in this direction.
    pub(crate) bytes: String,
    /// Server: each `connect` with its app, `publish` and `play` with the stream argument, and their
    /// ends `unpublish` and `stop`.
    /// Client: each result, status (`level=code`) and `eof`.
    pub(crate) commands: String,
    /// Audio, then video, each in the order of the alphabet.
    pub(crate) codecs: String,
    /// Audio messages that are not empty.
    pub(crate) audio: String,
    /// Video messages that are not empty.
    pub(crate) video: String,
    /// Timestamp of the first of these, the last, the smallest and the largest.
    pub(crate) timestamps: [String; 4],
    /// CRC-32 over type, timestamp, length and payload of these.
    pub(crate) digest: String,
    /// The names of the data messages.
    pub(crate) data: String,
}

#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn read() -> Self {
        let path = shelf::repository_folder().join("expected.tsv");
        let text = std::fs::read_to_string(path).expect("the table is there");
        Self { rows: text.lines().skip(1).map(Row::parse).collect() }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn row(&self, file: &str, conversation: usize, side: Side) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| {
            (row.file.as_str(), row.conversation, row.side) == (file, conversation, side)
        })
    }
}

impl Row {
    fn parse(line: &str) -> Self {
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let fields: [String; 15] =
            fields.try_into().unwrap_or_else(|_| panic!("15 fields: {line}"));
        let [file, conversation, side, handshake, bytes, commands, codecs, audio, video, rest @ ..] =
            fields;
        let [first, last, min, max, digest, data] = rest;
        let side = match side.as_str() {
            "client" => Side::Client,
            "server" => Side::Server,
            other => panic!("no side: {other}"),
        };
        let facts = Facts {
            handshake,
            bytes,
            commands,
            codecs,
            audio,
            video,
            timestamps: [first, last, min, max],
            digest,
            data,
        };
        Self { file, conversation: conversation.parse().expect("a number"), side, facts }
    }

    /// What the events of the session should tell.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = self.facts.clone();
        match self.side {
            Side::Client if facts.commands != "-" => {
                facts.commands = client_events(&facts.commands);
                facts.data = client_data(&facts.data);
            }
            Side::Server
                if FOREIGN_MESSAGE_STREAMS.contains(&(self.file.as_str(), self.conversation)) =>
            {
                facts.commands.truncate(facts.commands.find(" play=").expect("it plays"));
            }
            Side::Client | Side::Server => {}
        }
        facts
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} conversation {} {:?}", self.file, self.conversation, self.side)
    }
}

/// The events that follow from what a server said.
fn client_events(commands: &str) -> String {
    let mut started = false;
    let mut events = Vec::new();
    for command in commands.split(' ') {
        let (kind, code) = command.split_once('=').unwrap_or((command, ""));
        match (kind, code) {
            ("_result", "NetConnection.Connect.Success") => events.push("connected".to_owned()),
            ("status", "NetStream.Play.Start" | "NetStream.Publish.Start") if !started => {
                started = true;
                events.push("started".to_owned());
            }
            ("error", _) if !started => events.push(format!("rejected={code}")),
            ("error", _)
            | ("status", "NetStream.Play.Stop" | "NetStream.Play.UnpublishNotify")
            | ("data-status", "NetStream.Play.Complete") => events.push(format!("ended={code}")),
            ("eof", _) if started => events.push("ended=".to_owned()),
            _ => {}
        }
    }
    if events.is_empty() { "-".to_owned() } else { events.join(" ") }
}

/// Data messages that speak to a client are no part of the stream.
fn client_data(names: &str) -> String {
    let names: Vec<_> = names
        .split(' ')
        .filter(|name| !["|RtmpSampleAccess", "onStatus", "onPlayStatus"].contains(name))
        .collect();
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}
