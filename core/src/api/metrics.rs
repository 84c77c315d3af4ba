//! The text for Prometheus (exposition format 0.0.4).
//!
//! Sums have no labels but the reason of a refusal. Only the first streams by name have series of
//! their own, so that a server with ten thousand streams does not drown who reads this.

use super::Answer;
use super::snapshot::{Snapshot, StreamState};
use crate::forward::ForwardState;
use crate::rendition::{RenditionState, RenditionStatus};
use alloc::string::String;
use core::fmt::{Display, Write as _};
use core::time::Duration;

/// Streams with series of their own.
pub const STREAMS_LABELLED_MAX: usize = 200;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn answer(snapshot: &Snapshot) -> Answer {
    let mut text = Text(String::new());
    write_server(&mut text, snapshot);
    let streams = snapshot.streams.get(..STREAMS_LABELLED_MAX).unwrap_or(&snapshot.streams);
    let unlabelled = snapshot.streams.len().saturating_sub(streams.len());
    text.one(
        "streams_unlabelled",
        "gauge",
        "Streams beyond the number that have series of their own.",
        unlabelled,
    );
    write_streams(&mut text, snapshot, streams);
    Answer { status: 200, content_type: CONTENT_TYPE, body: text.0.into_bytes() }
}

fn write_server(text: &mut Text, snapshot: &Snapshot) {
    let server = &snapshot.server;
    let totals = &server.totals;
    text.head("info", "gauge", "The program.");
    text.labelled("info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let seconds = Seconds(server.uptime);
    text.one("uptime_seconds", "gauge", "Time since the start.", seconds);
    text.one("shards", "gauge", "Shards that serve.", server.shards);
    text.one("connections", "gauge", "Connections that are open.", server.connections);
    text.one("streams", "gauge", "Streams with a publisher or players.", server.streams);
    text.one("publishers", "gauge", "Streams with a publisher.", server.publishers);
    text.one("players", "gauge", "Players attached to streams.", server.players);
    text.one("hls_viewers", "gauge", "Those who watch by HLS.", server.hls_viewers);
    text.one("tape_bytes", "gauge", "Bytes of media that players read from.", server.tape_bytes);
    let help = "Bytes of replies and of incomplete messages.";
    text.one("session_bytes", "gauge", help, server.session_bytes);
    let help = "Connections that were accepted.";
    text.one("accepted_connections_total", "counter", help, totals.accepted);
    let help = "Bytes that peers sent.";
    text.one("received_bytes_total", "counter", help, totals.received_bytes);
    text.one("sent_bytes_total", "counter", "Bytes that peers were sent.", totals.sent_bytes);
    let help = "Jumps of publishers' time lines that were mended.";
    text.one("time_jumps_total", "counter", help, totals.jumps);
    let help = "Times that a slow player went on at a later keyframe.";
    text.one("player_skips_total", "counter", help, totals.skips);
    write_outward(text, snapshot);
    text.head("refused_requests_total", "counter", "Requests that were refused.");
    for (reason, count) in &totals.refused {
        text.labelled("refused_requests_total", &[("reason", reason.as_str())], count);
    }
}

/// What leads out of the server, by what it does.
fn write_outward(text: &mut Text, snapshot: &Snapshot) {
    let totals = &snapshot.server.totals;
    text.head("forwards", "gauge", "Forwards by what they do.");
    for word in ForwardState::WORDS {
        let forwards = snapshot.streams.iter().flat_map(|stream| &stream.forwards);
        let count = forwards.filter(|forward| forward.state.as_str() == word).count();
        text.labelled("forwards", &[("state", word)], count);
    }
    let help = "Times that a forward did not work, or no longer.";
    text.one("forward_failures_total", "counter", help, totals.forward_failures);
    text.head("renditions", "gauge", "Processes that transcode, by what they do.");
    for word in RenditionState::WORDS {
        let renditions = snapshot.renditions.iter();
        let count = renditions.filter(|rendition| rendition.state.as_str() == word).count();
        text.labelled("renditions", &[("state", word)], count);
    }
    let help = "Times that a process which transcodes was started again.";
    text.one("rendition_restarts_total", "counter", help, totals.rendition_restarts);
}

/// A figure of a stream and its renditions; `None` where it is not known.
type Figure = fn(&StreamState, &[RenditionStatus]) -> Option<Value>;

/// Name, type, help and value of each figure of a stream.
const FIGURES: &[(&str, &str, &str, Figure)] = &[
    ("stream_live", "gauge", "Whether the stream has a publisher.", |stream, _| {
        Some(Value::Whole(u64::from(stream.publisher.is_some())))
    }),
    ("stream_players", "gauge", "Players of the stream.", |stream, _| {
        Some(Value::Whole(u64::from(stream.players)))
    }),
    ("stream_hls_viewers", "gauge", "Those who watch the stream by HLS.", |stream, _| {
        Some(Value::Whole(u64::from(stream.hls_viewers)))
    }),
    ("stream_received_bytes_total", "counter", "Bytes of media from publishers.", |stream, _| {
        Some(Value::Whole(stream.received_bytes))
    }),
    ("stream_sent_bytes_total", "counter", "Bytes sent to players.", |stream, _| {
        Some(Value::Whole(stream.sent_bytes))
    }),
    ("stream_frames_per_second", "gauge", "Pictures in a second of media.", |stream, _| {
        let rate = stream.video.as_ref()?.millihertz?;
        Some(Value::Thousandths(i64::from(rate)))
    }),
    ("stream_gop_seconds", "gauge", "Time between the last two keyframes.", |stream, _| {
        let gop = stream.video.as_ref()?.gop?;
        Some(Value::Thousandths(i64::from(gop.millis)))
    }),
    ("stream_av_skew_seconds", "gauge", "Time by which video is ahead of audio.", |stream, _| {
        Some(Value::Thousandths(i64::from(stream.skew_millis?)))
    }),
    ("stream_time_jumps_total", "counter", "Jumps of the time line, mended.", |stream, _| {
        Some(Value::Whole(stream.jumps))
    }),
    ("stream_player_skips_total", "counter", "Skips of slow players.", |stream, _| {
        Some(Value::Whole(stream.skips))
    }),
    ("stream_forwards", "gauge", "Destinations of the stream.", |stream, _| {
        some_count(stream.forwards.len(), stream.forwards.len())
    }),
    ("stream_forwards_up", "gauge", "Destinations that take the stream.", |stream, _| {
        let up = |state| matches!(state, ForwardState::Forwarding { .. });
        let count = stream.forwards.iter().filter(|forward| up(forward.state)).count();
        some_count(stream.forwards.len(), count)
    }),
    ("stream_renditions", "gauge", "Processes that transcode the stream.", |_, renditions| {
        some_count(renditions.len(), renditions.len())
    }),
    ("stream_renditions_up", "gauge", "Those of them that run.", |_, renditions| {
        let up = |state| matches!(state, RenditionState::Running { .. });
        let count = renditions.iter().filter(|rendition| up(rendition.state)).count();
        some_count(renditions.len(), count)
    }),
    ("stream_rendition_restarts_total", "counter", "Their restarts.", |_, renditions| {
        let restarts = renditions.iter().map(|rendition| u64::from(rendition.restarts));
        (!renditions.is_empty()).then(|| Value::Whole(restarts.fold(0, u64::saturating_add)))
    }),
];

/// Nothing is told of what a stream has none of.
fn some_count(all: usize, count: usize) -> Option<Value> {
    (all > 0).then(|| Value::Whole(u64::try_from(count).unwrap_or(u64::MAX)))
}

fn write_streams(text: &mut Text, snapshot: &Snapshot, streams: &[StreamState]) {
    for (name, kind, help, figure) in FIGURES {
        text.head(name, kind, help);
        for stream in streams {
            if let Some(value) = figure(stream, snapshot.renditions_of(&stream.name)) {
                text.labelled(name, &[("stream", stream.name.as_str())], value);
            }
        }
    }
}

/// The value of a figure.
enum Value {
    Thousandths(i64),
    Whole(u64),
}

impl Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::Thousandths(value) => {
                let sign = if value < 0 { "-" } else { "" };
                let value = value.unsigned_abs();
                write!(f, "{sign}{}.{:03}", value / 1_000, value % 1_000)
            }
            Self::Whole(value) => value.fmt(f),
        }
    }
}

/// A time in seconds.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// The text so far. Writing to a string cannot fail.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP millstream_{name} {help}");
        let _ = writeln!(self.0, "# TYPE millstream_{name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "millstream_{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "millstream_{name}");
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if index == 0 { '{' } else { ',' });
            for character in text.chars() {
                let _ = match character {
                    '"' | '\\' => write!(self.0, "\\{character}"),
                    '\n' => self.0.write_str("\\n"),
                    _ => self.0.write_char(character),
                };
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "}} {value}");
    }
}
