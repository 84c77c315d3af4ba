//! Messages in words, and what must not be in them.

use super::Connection;
use super::wire::{Command, Data, Failure, What};
use crate::tcp::Direction;
use millstream_core::amf::{Text, Value};
use millstream_core::handshake::HandshakeKind;
use millstream_core::message::{ControlMessage, LimitType, UserControl};
use millstream_core::name::escape;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Bytes of a text of a peer in a line.
const TEXT_LEN_MAX: usize = 120;

/// Values of an object or array in a line.
const VALUES_MAX: usize = 24;

/// A stream name of this length is not for people: it is a key.
const KEY_LEN_MIN: usize = 20;

/// Characters of a key that are shown.
const KEY_LEN_SHOWN: usize = 4;

/// So much of a secret gives it away where it stands.
const SECRET_LEN_SEEN: usize = 8;

/// What peers said that must not be shown: keys and queries.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    /// What is found, and what stands for it; the longest first.
    replacements: Vec<(String, String)>,
}

impl Secrets {
    pub(super) fn of(connections: &[Connection]) -> Self {
        let mut found = BTreeSet::new();
        for connection in connections {
            for said in &connection.client_said.said {
                if let What::Command(command) = &said.what {
                    collect(command, &mut found);
                }
            }
        }
        let mut replacements: Vec<(String, String)> = found.into_iter().collect();
        replacements.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        Self { replacements }
    }

    pub(super) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, instead) in &self.replacements {
            text = hide(&text, secret, instead);
        }
        text
    }

    /// For a text in which backslashes are doubled.
    pub(super) fn in_json(&self) -> Self {
        let doubled = |text: &String| text.replace('\\', "\\\\");
        let replacements = self.replacements.iter();
        let replacements =
            replacements.map(|(secret, instead)| (doubled(secret), doubled(instead)));
        Self { replacements: replacements.collect() }
    }
}

/// Replaces a secret also where it was cut short.
fn hide(text: &str, secret: &str, instead: &str) -> String {
    let start: String = secret.chars().take(SECRET_LEN_SEEN).collect();
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&start) {
        let (before, found) = rest.split_at(at);
        let same = found.chars().zip(secret.chars()).take_while(|(found, it)| found == it);
        let len = same.map(|(found, _)| found.len_utf8()).sum();
        hidden.push_str(before);
        hidden.push_str(instead);
        rest = found.split_at(len).1;
    }
    hidden.push_str(rest);
    hidden
}

fn collect(command: &Command, found: &mut BTreeSet<(String, String)>) {
    let is_request =
        ["publish", "play", "releaseStream", "FCPublish", "FCUnpublish", "FCSubscribe"]
            .iter()
            .any(|name| command.name == **name);
    let mut texts = Vec::new();
    for argument in &command.arguments {
        texts_of(argument, &mut texts);
    }
    for text in texts {
        let text = escape(text.as_bytes(), usize::MAX);
        let (name, query) = text.split_once('?').unwrap_or((&text, ""));
        if !query.is_empty() {
            found.insert((format!("?{query}"), "?...".to_owned()));
        }
        if query.len() >= SECRET_LEN_SEEN {
            found.insert((query.to_owned(), "...".to_owned()));
        }
        // `rtmp://user:password@host`, as some encoders write it.
        let authority = name.split_once("://").map_or("", |(_, rest)| rest);
        if let Some((user, _)) = authority.split('/').next().and_then(|it| it.split_once('@')) {
            found.insert((format!("{user}@"), "...@".to_owned()));
        }
        // Some players name a stream by its whole URL.
        let key = name.rsplit('/').next().unwrap_or_default();
        if is_request && key.len() >= KEY_LEN_MIN {
            let shown: String = key.chars().take(KEY_LEN_SHOWN).collect();
            found.insert((key.to_owned(), shown + "..."));
        }
    }
}

fn texts_of<'a>(value: &'a Value, texts: &mut Vec<&'a Text>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Object(list) | Value::EcmaArray(list) => {
            list.iter().for_each(|(_, value)| texts_of(value, texts));
        }
        Value::StrictArray(list) => list.iter().for_each(|value| texts_of(value, texts)),
        _ => {}
    }
}

/// `publish #5 "test", "live"`; an answer names the call that it answers.
pub(super) fn command(command: &Command, call: Option<&str>) -> String {
    let mut text = match command.name.as_bytes() {
        b"" => "command without a name".to_owned(),
        name => escape(name, TEXT_LEN_MAX),
    };
    if command.transaction != 0.0 {
        let _ = write!(text, " #{}", number(command.transaction));
    }
    if let Some(call) = call {
        let _ = write!(text, " for {call}");
    }
    // The command object of most commands is null.
    let arguments = match command.arguments.split_first() {
        Some((Value::Null, rest)) => rest,
        _ => &command.arguments,
    };
    let arguments: Vec<String> = arguments.iter().map(value).collect();
    if !arguments.is_empty() {
        let _ = write!(text, " {}", arguments.join(", "));
    }
    text
}

pub(super) fn data(data: &Data) -> String {
    let arguments: Vec<String> = data.arguments.iter().map(value).collect();
    let name = match data.name.as_bytes() {
        b"" => "without a name".to_owned(),
        name => escape(name, TEXT_LEN_MAX),
    };
    format!("data {name} {}", arguments.join(", ")).trim_end().to_owned()
}

pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Date { millis } => format!("date {}", number(*millis)),
        Value::Null => "null".to_owned(),
        Value::Number(value) => number(*value),
        Value::Object(list) | Value::EcmaArray(list) => {
            let shown = list.iter().take(VALUES_MAX).map(|(key, it)| {
                format!("{}={}", escape(key.as_bytes(), TEXT_LEN_MAX), self::value(it))
            });
            format!("{{{}}}", with_rest(shown.collect(), list.len()))
        }
        Value::StrictArray(list) => {
            let shown = list.iter().take(VALUES_MAX).map(self::value);
            format!("[{}]", with_rest(shown.collect(), list.len()))
        }
        Value::String(text) => format!("\"{}\"", escape(text.as_bytes(), TEXT_LEN_MAX)),
        Value::Undefined => "undefined".to_owned(),
        Value::Xml(text) => format!("XML of {} bytes", text.as_bytes().len()),
        _ => "a value".to_owned(),
    }
}

fn with_rest(mut shown: Vec<String>, len: usize) -> String {
    if shown.len() < len {
        shown.push(format!("and {} more", len - shown.len()));
    }
    shown.join(" ")
}

/// Whole numbers without a point.
pub(super) fn number(value: f64) -> String {
    // Adding 0 takes the sign of a negative zero away.
    format!("{}", value + 0.0)
}

pub(super) fn control(message: ControlMessage) -> String {
    match message {
        ControlMessage::SetChunkSize(size) => format!("chunk size {}", size.bytes()),
        ControlMessage::Abort(csid) => format!("abort on chunk stream {}", csid.number()),
        ControlMessage::Acknowledgement(bytes) => format!("acknowledgement {bytes}"),
        ControlMessage::WindowAcknowledgementSize(bytes) => format!("window size {bytes}"),
        ControlMessage::SetPeerBandwidth { size, limit_type } => {
            let limit_type = match limit_type {
                LimitType::Hard => "hard",
                LimitType::Soft => "soft",
                LimitType::Dynamic => "dynamic",
            };
            format!("peer bandwidth {size} {limit_type}")
        }
    }
}

pub(super) fn user_control(event: Option<UserControl>) -> String {
    match event {
        Some(UserControl::StreamBegin(stream)) => format!("stream {} begins", stream.0),
        Some(UserControl::StreamEof(stream)) => format!("stream {} ends", stream.0),
        Some(UserControl::StreamDry(stream)) => format!("stream {} is dry", stream.0),
        Some(UserControl::SetBufferLength { stream, length_ms }) => {
            format!("buffer length of stream {} {length_ms} ms", stream.0)
        }
        Some(UserControl::StreamIsRecorded(stream)) => format!("stream {} is recorded", stream.0),
        Some(UserControl::PingRequest(time)) => format!("ping {time}"),
        Some(UserControl::PingResponse(time)) => format!("pong {time}"),
        None => "user control event of unknown kind".to_owned(),
    }
}

pub(super) fn failure(failure: Failure) -> String {
    match failure {
        Failure::Chunk(error) => format!("the chunk stream broke: {error:?}"),
        Failure::Gap { len } => {
            format!("{len} bytes are missing in the capture; what follows cannot be read")
        }
        Failure::Handshake(error) => format!("not plain RTMP: {error}"),
    }
}

pub(super) fn handshake(kind: HandshakeKind) -> &'static str {
    match kind {
        HandshakeKind::ComplexSchema0 => "complex (schema 0)",
        HandshakeKind::ComplexSchema1 => "complex (schema 1)",
        HandshakeKind::Simple => "simple",
    }
}

pub(super) fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client",
        Direction::ServerToClient => "recorded server",
    }
}

/// `980 B`, `48 kB`, `4.2 MB`.
pub(super) fn byte_count(bytes: u64) -> String {
    millstream_conf::quantity::byte_count(bytes)
}

/// Seconds with three decimals.
pub(super) fn seconds(micros: u64) -> String {
    let millis = micros / 1_000;
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
