//! Why a difference to a recorded server is well.
//!
//! A reason is given where it holds: most depend on what else was said. What is not explained here
//! is a finding: either a reason is missing, or our server answers wrongly.

use super::Connection;
use super::compare::{Difference, DifferenceKind};
use super::wire::{Failure, Said, Speech, What};
use crate::capture::Protocol;
use crate::tcp::Direction;
use millstream_core::amf::Value;
use millstream_core::event::{Event, RefuseReason};
use millstream_core::message::UserControl;

/// Calls that want no more than an answer.
const CALLS: [&str; 9] = [
    "releaseStream",
    "FCPublish",
    "FCUnpublish",
    "FCSubscribe",
    "FCUnsubscribe",
    "deleteStream",
    "closeStream",
    "getStreamLength",
    "_checkbw",
];

/// The reason, if there is a known one.
pub(super) fn explain(
    difference: &Difference,
    connection: &Connection,
    connections: &[Connection],
) -> Option<&'static str> {
    let case = Case { connection, connections, at_micros: difference.at_micros };
    let subject = difference.subject.as_str();
    match &difference.kind {
        DifferenceKind::Order => order(subject),
        DifferenceKind::OursOnly => case.impossible().or_else(|| case.ours_only(subject)),
        DifferenceKind::RecordedOnly => case.impossible().or_else(|| case.recorded_only(subject)),
        DifferenceKind::Value { ours, recorded } => value(subject, ours, recorded),
    }
}

fn order(subject: &str) -> Option<&'static str> {
    Some(match subject {
        "chunk size" => "it holds from where it stands, and may stand anywhere",
        "stream begins" => "players take it before and after the status",
        "stream ends" => "players take it before and after the answer to their call",
        "call onFCPublish" => "encoders wait for it, not for its place",
        _ if subject.starts_with("_result for ") => {
            "an answer names its call, so any order will do"
        }
        _ => return None,
    })
}

fn value(subject: &str, ours: &str, recorded: &str) -> Option<&'static str> {
    let nothing = ["", "null", "undefined"];
    let is_nothing = |value| nothing.contains(&value);
    Some(match subject {
        "chunk size" => "each server cuts its messages as it likes",
        "window size" | "peer bandwidth" => {
            "how often the client acknowledges; it is its server's choice"
        }
        "data |RtmpSampleAccess" => "whether Flash may take snapshots; no other player reads it",
        "call onFCPublish" | "call onFCUnpublish" => "encoders wait for its name and read no more",
        "handshake" if (ours, recorded) == ("complex", "simple") => {
            "the recorded server leaves a signed handshake unsigned; clients take both"
        }
        "_result for createStream" => {
            "ids are the server's choice, but the client of the capture goes on with the recorded one"
        }
        "_result for getStreamLength" => "the length of a recording; live streams have none",
        _ if subject.starts_with("_result for ") && is_nothing(ours) && is_nothing(recorded) => {
            "null, undefined and nothing at all mean the same here"
        }
        _ => return None,
    })
}

/// A difference with all that bears on it.
struct Case<'a> {
    connection: &'a Connection,
    connections: &'a [Connection],
    at_micros: u64,
}

impl Case<'_> {
    /// Why nothing can be compared at all.
    fn impossible(&self) -> Option<&'static str> {
        let is_foreign = self.recorded(|what| matches!(what, What::Failed(Failure::Handshake(_))));
        if self.connection.protocol == Protocol::Rtmpe {
            Some("RTMPE is not offered: the client is turned away at its first byte")
        } else if is_foreign {
            Some("the recorded server does not speak plain RTMP")
        } else {
            None
        }
    }

    fn ours_only(&self, subject: &str) -> Option<&'static str> {
        let answered = subject.strip_prefix("_result for ").and_then(|it| it.split(' ').next());
        if answered.is_some_and(|call| CALLS.contains(&call)) {
            return Some("the recorded server leaves the call unanswered; no client waits for it");
        }
        let word = subject.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Some(match word.as_str() {
            "call onBWDone" => {
                "SRS and Flash Media Server end their answer to connect so; harmless"
            }
            "window size" | "peer bandwidth" | "chunk size" => {
                "the recorded server keeps to the defaults; any client takes it"
            }
            "call onFCPublish" | "call onFCUnpublish" => {
                "encoders that call FCPublish may wait for it; others ignore it"
            }
            "data |RtmpSampleAccess" => "only Flash reads it",
            "status NetStream.Play.Reset" => {
                "Flash waits for it; the recorded server leaves it out"
            }
            "status NetStream.Unpublish.Success" => {
                "the recorded server says nothing when publishing ends"
            }
            "stream ends" if self.client_ended() => {
                "we tell a player that ends its stream so; the recorded server does not"
            }
            "status NetStream.Pause.Notify" | "status NetStream.Unpause.Notify"
                if self.is_recording() =>
            {
                RECORDING
            }
            word if is_about_stream(word) && self.is_on_foreign_stream() => FOREIGN_STREAM,
            "_result for"
            | "status NetStream.Publish.Start"
            | "status NetStream.Play.Start"
            | "stream begins"
                if self.recorded_refuses() =>
            {
                "the recorded server refused by rules of its own, which ours does not have"
            }
            "status NetStream.Seek.Failed" => {
                "live streams cannot be sought in; recordings are not served"
            }
            "status NetStream.Play.StreamNotFound" | "close of" if self.has_bad_name() => {
                "the name holds characters that no name may have here"
            }
            _ => return None,
        })
    }

    fn recorded_only(&self, subject: &str) -> Option<&'static str> {
        let word = subject.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Some(match word.as_str() {
            "_result for" if subject.starts_with("_result for nothing") => {
                "an answer to a call that wants none"
            }
            "stream begins" if subject.ends_with(" 0") => {
                "about the connection, not about a stream; no client waits for it"
            }
            "stream begins" if self.connection.commands("publish").next().is_some() => {
                "told to a publisher, for whom it means nothing"
            }
            "status NetStream.Play.PublishNotify" | "status NetStream.Play.UnpublishNotify" => {
                "told when a publisher comes or goes; no player needs it"
            }
            "call onBWCheck" => "Flash Media Server measures the line so; no client needs it",
            "chunk size" => "each server cuts its messages as it likes",
            "data onStatus" if !subject.ends_with("NetStream.Data.Start") => return None,
            "status NetStream.Data.Start" | "data onStatus" => {
                "left out: ffmpeg takes it for a stream of data"
            }
            "status NetStream.DeleteStream.Suceess" => "a status of xiu alone; no client knows it",
            "user control" => "a private event of Flash Media Server",
            "call deleteStream" | "call FCUnpublish" => {
                "the recorded server is an encoder that listens, and ends as an encoder does"
            }
            "stream 1"
            | "stream ends"
            | "data onPlayStatus"
            | "status NetStream.Play.Stop"
            | "status NetStream.Seek.Notify"
            | "stream begins"
            | "media"
                if self.is_recording() =>
            {
                RECORDING
            }
            word if is_about_stream(word) && self.is_on_foreign_stream() => FOREIGN_STREAM,
            "media"
            | "stream ends"
            | "stream begins"
            | "status NetStream.Play.Stop"
            | "status NetStream.Play.Failed"
            | "stream 1"
                if !self.is_published_here() =>
            {
                "nobody publishes the stream in this capture"
            }
            "stream ends" | "stream begins" | "status NetStream.Play.Stop" => {
                "told when a publisher goes or comes back; ours holds its players for a grace time"
            }
            "status NetStream.Publish.BadName" if !self.is_published_here() => {
                "the other publisher of the stream is not in this capture"
            }
            "close of" if self.recorded_refuses() => {
                "the recorded server refused by rules of its own, which ours does not have"
            }
            "close of" if self.client_ended() => {
                "the client had ended its stream; ours lets the client hang up"
            }
            "close of" if self.recorded_grants() => {
                "the recorded server hung up for a reason that it does not tell"
            }
            _ => return None,
        })
    }

    fn recorded(&self, is: impl Fn(&What) -> bool) -> bool {
        self.connection.recorded_answers.said.iter().any(|said| is(&said.what))
    }

    /// The client ended its stream before the difference shows.
    fn client_ended(&self) -> bool {
        let mut said = self.connection.client_said.said.iter();
        said.any(|Said { at_micros, what, .. }| {
            matches!(what, What::Command(command)
                if ["deleteStream", "closeStream", "FCUnpublish"]
                    .iter()
                    .any(|name| command.name == **name))
                && *at_micros <= self.at_micros
        })
    }

    /// The recorded server answered an error, or hung up on a request without an answer.
    fn recorded_refuses(&self) -> bool {
        let is_error = |what: &What| match what {
            What::Command(command) => {
                let level = |value: &Value| value.get("level").and_then(Value::as_text).cloned();
                command.name == *"_error"
                    || command.arguments.iter().filter_map(level).any(|level| level == *"error")
            }
            _ => false,
        };
        let hung_up = self.connection.ends.first();
        let hung_up = hung_up.is_some_and(|(_, by, _)| *by == Direction::ServerToClient);
        self.recorded(is_error) || (hung_up && !self.recorded_grants())
    }

    /// The recorded server let the client publish or play.
    fn recorded_grants(&self) -> bool {
        has_code(
            &self.connection.recorded_answers,
            &["NetStream.Publish.Start", "NetStream.Play.Start"],
        )
    }

    /// The client publishes or plays on a message stream that only the recorded server gave.
    fn is_on_foreign_stream(&self) -> bool {
        let ids = |speech: &Speech| -> Vec<u64> {
            let create = |command: &super::wire::Command| {
                self.connection
                    .commands("createStream")
                    .any(|call| call.transaction == command.transaction)
            };
            let said = speech.said.iter().filter_map(|said| match &said.what {
                What::Command(command) if command.name == *"_result" && create(command) => {
                    command.arguments.get(1)?.as_number()
                }
                _ => None,
            });
            said.map(f64::to_bits).collect()
        };
        let ours = ids(&self.connection.our_answers);
        let recorded = ids(&self.connection.recorded_answers);
        recorded.iter().any(|id| !ours.contains(id)) && !ours.is_empty()
    }

    /// What was played is a file.
    fn is_recording(&self) -> bool {
        let is_recorded =
            |what: &What| matches!(what, What::UserControl(Some(UserControl::StreamIsRecorded(_))));
        let complete = |what: &What| match what {
            What::Data(data) => data.name == *"onPlayStatus",
            _ => false,
        };
        self.recorded(is_recorded) || self.recorded(complete)
    }

    /// Another client of the same server publishes the stream of this one.
    fn is_published_here(&self) -> bool {
        let wanted: Vec<&[u8]> =
            ["play", "publish"].into_iter().flat_map(|name| names(self.connection, name)).collect();
        self.connections.iter().any(|other| {
            other.number != self.connection.number
                && other.server == self.connection.server
                && names(other, "publish").any(|name| wanted.contains(&name))
        })
    }

    fn has_bad_name(&self) -> bool {
        self.connection
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Refused { reason: RefuseReason::BadName, .. }))
    }
}

/// The first two words of a subject that depends on the message stream.
fn is_about_stream(word: &str) -> bool {
    let starts = ["status NetStream.P", "stream ", "media", "close of", "_error for"];
    starts.iter().any(|start| word.starts_with(start))
}

const RECORDING: &str = "a recording was played; live streams alone are served";

const FOREIGN_STREAM: &str =
    "the client goes on with the message stream that the recorded server gave, which ours did not";

/// The streams that a client names in these commands, without queries.
fn names<'a>(connection: &'a Connection, command: &'a str) -> impl Iterator<Item = &'a [u8]> {
    connection.commands(command).filter_map(|command| {
        let name = command.arguments.get(1)?.as_text()?.as_bytes();
        name.split(|byte| *byte == b'?').next()
    })
}

fn has_code(speech: &Speech, codes: &[&str]) -> bool {
    speech.said.iter().any(|said| match &said.what {
        What::Command(command) => command.arguments.iter().any(|value| {
            let code = value.get("code").and_then(Value::as_text);
            code.is_some_and(|code| codes.iter().any(|it| *code == **it))
        }),
        _ => false,
    })
}
