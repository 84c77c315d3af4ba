//! How our answers differ from those of the recorded server.
//!
//! The answers of both are brought into a common form: a key that says what an answer is, and a
//! value that may differ. Media, acknowledgements and pings are no answers. Keys that both sent are
//! matched in their order first, then out of it.

use super::explain::explain;
use super::timeline::calls;
use super::wire::{Command, Data, Speech, What};
use super::{Connection, words};
use crate::tcp::Direction;
use millstream_core::amf::Value;
use millstream_core::event::{CloseReason, Event};
use millstream_core::frame::FrameClass;
use millstream_core::handshake::HandshakeKind;
use millstream_core::message::{ControlMessage, UserControl};
use std::collections::BTreeMap;

/// Answers of one side that are compared; no session of sense has as many.
const ANSWERS_MAX: usize = 1_000;

/// One difference; like ones are one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// When it first shows: microseconds after the start of the capture.
    pub at_micros: u64,
    /// What it is about: `_result of connect`, `window size`, `status NetStream.Play.Start`, ...
    pub subject: String,
    /// In what way it differs.
    pub kind: DifferenceKind,
    /// How often.
    pub count: usize,
    /// Why that is well; `None` if nobody knows.
    pub explanation: Option<&'static str>,
}

/// In what way an answer differs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// Both sent it, at different places.
    Order,
    /// Our server sent it, the recorded one did not.
    OursOnly,
    /// The recorded server sent it, ours did not.
    RecordedOnly,
    /// Both sent it, with these values.
    Value {
        /// Our value.
        ours: String,
        /// The recorded value.
        recorded: String,
    },
}

impl Difference {
    /// In words, without the explanation.
    #[must_use]
    pub fn text(&self) -> String {
        let subject = &self.subject;
        match &self.kind {
            DifferenceKind::Order => format!("{subject} at another place"),
            DifferenceKind::OursOnly => format!("ours only: {subject}"),
            DifferenceKind::RecordedOnly => format!("recorded only: {subject}"),
            DifferenceKind::Value { ours, recorded } => {
                format!("{subject}: ours {ours}, recorded {recorded}")
            }
        }
    }
}

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Answer {
    at_micros: u64,
    key: String,
    value: String,
}

/// The differences of the connection at `index`.
pub(super) fn differences(connections: &[Connection], index: usize) -> Vec<Difference> {
    let Some(connection) = connections.get(index).filter(|it| it.is_played()) else {
        return Vec::new();
    };
    let calls = calls(connection);
    let ours = answers(&connection.our_answers, &calls);
    let recorded = answers(&connection.recorded_answers, &calls);
    let mut found = diff(&ours, &recorded);
    found.extend(media(connection));
    found.extend(end(connection));
    found.sort_by_key(|difference| difference.at_micros);
    let mut differences: Vec<Difference> = Vec::new();
    for mut difference in found {
        let same = differences
            .iter_mut()
            .find(|it| it.subject == difference.subject && it.kind == difference.kind);
        match same {
            Some(same) => same.count += 1,
            None => {
                difference.explanation = explain(&difference, connection, connections);
                differences.push(difference);
            }
        }
    }
    differences
}

fn difference(at_micros: u64, subject: &str, kind: DifferenceKind) -> Difference {
    Difference { at_micros, subject: subject.to_owned(), kind, count: 1, explanation: None }
}

fn answers(speech: &Speech, calls: &BTreeMap<u64, String>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for said in &speech.said {
        let (key, value) = match &said.what {
            What::Command(command) => command_answer(command, calls),
            What::Control(ControlMessage::Acknowledgement(_)) => continue,
            What::Control(ControlMessage::SetChunkSize(size)) => {
                ("chunk size".to_owned(), size.bytes().to_string())
            }
            What::Control(ControlMessage::WindowAcknowledgementSize(size)) => {
                ("window size".to_owned(), size.to_string())
            }
            What::Control(control @ ControlMessage::SetPeerBandwidth { .. }) => {
                let text = words::control(*control);
                let value = text.strip_prefix("peer bandwidth ").unwrap_or_default();
                ("peer bandwidth".to_owned(), value.to_owned())
            }
            What::Control(control @ ControlMessage::Abort(_)) => {
                (words::control(*control), String::new())
            }
            What::Data(Data { class: FrameClass::Metadata, .. }) => continue,
            What::Data(data) => {
                let arguments: Vec<_> = data.arguments.iter().map(words::value).collect();
                let code = data.arguments.iter().find_map(|it| it.get("code")?.as_text().cloned());
                let code = code.map(|code| format!(" {}", code.to_str_lossy())).unwrap_or_default();
                let name = data.name.to_str_lossy();
                // The rest of a status is told in words of its own by each server.
                let value = if code.is_empty() { arguments.join(", ") } else { String::new() };
                (format!("data {name}{code}"), value)
            }
            What::Failed(failure) => (words::failure(*failure), String::new()),
            What::Handshake(kind) => {
                let is_simple = *kind == HandshakeKind::Simple;
                let value = if is_simple { "simple" } else { "complex" };
                ("handshake".to_owned(), value.to_owned())
            }
            What::Media(_) => continue,
            What::Other { type_id, .. } => (format!("message of type {type_id}"), String::new()),
            What::UserControl(Some(UserControl::PingRequest(_) | UserControl::PingResponse(_))) => {
                continue;
            }
            What::UserControl(event) => user_control_answer(*event),
        };
        answers.push(Answer { at_micros: said.at_micros, key, value });
    }
    answers.truncate(ANSWERS_MAX);
    answers
}

fn user_control_answer(event: Option<UserControl>) -> (String, String) {
    match event {
        // About the connection, not about a stream.
        Some(UserControl::StreamBegin(stream)) if stream.0 == 0 => {
            ("stream begins 0".to_owned(), String::new())
        }
        Some(UserControl::StreamBegin(stream)) => {
            ("stream begins".to_owned(), stream.0.to_string())
        }
        Some(UserControl::StreamEof(stream)) => ("stream ends".to_owned(), stream.0.to_string()),
        event => (words::user_control(event), String::new()),
    }
}

/// The key of a status is its code; that of a result the call that it answers.
fn command_answer(command: &Command, calls: &BTreeMap<u64, String>) -> (String, String) {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_text).map(|text| text.to_str_lossy().into_owned())
    };
    let code = command.arguments.iter().find_map(|value| text(value, "code"));
    let level = command.arguments.iter().find_map(|value| text(value, "level"));
    let name = command.name.to_str_lossy();
    match &*name {
        "_result" | "_error" => {
            let call = calls.get(&command.transaction.to_bits()).map_or("nothing", String::as_str);
            let value = match code {
                Some(code) => code,
                None => command.arguments.get(1).map(words::value).unwrap_or_default(),
            };
            (format!("{name} for {call}"), value)
        }
        "onStatus" => {
            let key = format!("status {}", code.as_deref().unwrap_or("without a code"));
            (key, level.unwrap_or_default())
        }
        name => (format!("call {name}"), code.unwrap_or_default()),
    }
}

/// Matches the keys of both in their order as far as possible, then out of it.
fn diff(ours: &[Answer], recorded: &[Answer]) -> Vec<Difference> {
    let mut found = Vec::new();
    let (mut ours_left, mut recorded_left) = (Vec::new(), Vec::new());
    for step in longest_match(ours, recorded) {
        match step {
            (Some(ours), Some(recorded)) => found.extend(value(ours, recorded)),
            (Some(ours), None) => ours_left.push(ours),
            (None, Some(recorded)) => recorded_left.push(recorded),
            (None, None) => {}
        }
    }
    for ours in ours_left {
        let twin = recorded_left.iter().position(|recorded| recorded.key == ours.key);
        match twin.map(|index| recorded_left.remove(index)) {
            Some(recorded) => {
                found.push(difference(recorded.at_micros, &ours.key, DifferenceKind::Order));
                found.extend(value(ours, recorded));
            }
            None => {
                let kind = DifferenceKind::OursOnly;
                found.push(difference(ours.at_micros, &subject(ours), kind));
            }
        }
    }
    for recorded in recorded_left {
        let kind = DifferenceKind::RecordedOnly;
        found.push(difference(recorded.at_micros, &subject(recorded), kind));
    }
    found
}

fn subject(answer: &Answer) -> String {
    match answer.value.as_str() {
        "" => answer.key.clone(),
        value => format!("{} {value}", answer.key),
    }
}

fn value(ours: &Answer, recorded: &Answer) -> Option<Difference> {
    let kind = DifferenceKind::Value { ours: ours.value.clone(), recorded: recorded.value.clone() };
    (ours.value != recorded.value).then(|| difference(recorded.at_micros, &ours.key, kind))
}

type Step<'a> = (Option<&'a Answer>, Option<&'a Answer>);

/// The longest common subsequence of keys, and what is between.
fn longest_match<'a>(ours: &'a [Answer], recorded: &'a [Answer]) -> Vec<Step<'a>> {
    let width = recorded.len() + 1;
    // The longest match of what follows each pair of places.
    let mut lengths = vec![0_u32; (ours.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    for (i, our) in ours.iter().enumerate().rev() {
        for (j, theirs) in recorded.iter().enumerate().rev() {
            lengths[at(i, j)] = if our.key == theirs.key {
                lengths[at(i + 1, j + 1)] + 1
            } else {
                lengths[at(i + 1, j)].max(lengths[at(i, j + 1)])
            };
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    loop {
        match (ours.get(i), recorded.get(j)) {
            (None, None) => return steps,
            (Some(our), Some(theirs)) if our.key == theirs.key => {
                steps.push((Some(our), Some(theirs)));
                (i, j) = (i + 1, j + 1);
            }
            (Some(our), theirs)
                if theirs.is_none() || lengths[at(i + 1, j)] >= lengths[at(i, j + 1)] =>
            {
                steps.push((Some(our), None));
                i += 1;
            }
            (_, theirs) => {
                steps.push((None, theirs));
                j += 1;
            }
        }
    }
}

/// Whether both sent media at all.
fn media(connection: &Connection) -> Option<Difference> {
    let first = |speech: &Speech| {
        let mut said = speech.said.iter();
        said.find(|said| matches!(said.what, What::Media(_))).map(|said| said.at_micros)
    };
    let (ours, recorded) = (first(&connection.our_answers), first(&connection.recorded_answers));
    match (ours, recorded) {
        (Some(at), None) => Some(difference(at, "media", DifferenceKind::OursOnly)),
        (None, Some(at)) => Some(difference(at, "media", DifferenceKind::RecordedOnly)),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

/// Whether it was the server who ended the connection.
fn end(connection: &Connection) -> Option<Difference> {
    let ours = connection.events.iter().find_map(|(at, event)| match event {
        Event::Closed { reason, .. } => Some((*at, *reason)),
        _ => None,
    });
    let ours = ours.filter(|(_, why)| !matches!(why, CloseReason::Peer | CloseReason::Io(_)));
    let recorded = connection.ends.first();
    let recorded = recorded.filter(|(_, by, _)| *by == Direction::ServerToClient);
    let subject = "close of the connection";
    match (ours, recorded) {
        (Some((at, _)), None) => Some(difference(at, subject, DifferenceKind::OursOnly)),
        (None, Some((at, ..))) => Some(difference(*at, subject, DifferenceKind::RecordedOnly)),
        (None, None) | (Some(_), Some(_)) => None,
    }
}
