//! What happened, a line each.

use super::track::{Jump, Track};
use super::wire::{Command, Media, Said, Speech, What};
use super::{Connection, End, Replay, words};
use crate::capture::Protocol;
use millstream_conf::report::Report;
use millstream_core::event::Event;
use millstream_core::flv::codec::describe;
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::message::{ControlMessage, UserControl};
use millstream_core::time::Instant;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The longest time that one line of media stands for.
const RUN_MICROS_MAX: u64 = 60_000_000;

/// Jumps of one side that get a line.
const JUMPS_SHOWN: usize = 10;

/// Who speaks in a line. At the same time the cause stands before its effect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Mark {
    /// The client.
    Client,
    /// The network.
    Network,
    /// Our server reports.
    Event,
    /// Our server answers.
    Answer,
}

#[derive(Debug)]
struct Line {
    at_micros: u64,
    mark: Mark,
    connection: usize,
    text: String,
}

pub(super) fn render(replay: &Replay) -> String {
    let mut text = header(replay);
    let mut lines = Vec::new();
    for connection in &replay.connections {
        lines.extend(connection_lines(connection));
    }
    lines.sort_by_key(|line| (line.at_micros, line.mark, line.connection));
    if !lines.is_empty() {
        text.push_str(LEGEND);
    }
    for line in &lines {
        let mark = match line.mark {
            Mark::Network => ' ',
            Mark::Client => '>',
            Mark::Event => '=',
            Mark::Answer => '<',
        };
        let at = words::seconds(line.at_micros);
        let _ = writeln!(text, "{at:>9} [{}] {mark} {}", line.connection, line.text);
    }
    for connection in replay.connections.iter().filter(|connection| connection.is_played()) {
        text.push_str(&differences(connection));
    }
    text
}

const LEGEND: &str = "\n> the client says, < our server answers, = our server reports\n\n";

/// What is in the capture.
pub(super) fn header(replay: &Replay) -> String {
    let mut text = format!("{} s of capture", words::seconds(replay.span_micros));
    let mut kinds = BTreeMap::<&str, usize>::new();
    for connection in &replay.connections {
        *kinds.entry(protocol(connection.protocol)).or_default() += 1;
    }
    for (kind, count) in kinds {
        let plural = if count == 1 { "" } else { "s" };
        let _ = write!(text, ", {count} {kind} connection{plural}");
    }
    text.push('\n');
    for warning in &replay.warnings {
        let _ = writeln!(text, "note: {}", warning);
    }
    for connection in &replay.connections {
        text.push_str(&introduction(connection));
    }
    text
}

fn introduction(connection: &Connection) -> String {
    let Connection { number, client, server, .. } = connection;
    let mut text = format!("[{number}] {client} -> {server} {}", protocol(connection.protocol));
    if let Some(request) = &connection.request {
        let _ = write!(text, " `{request}`");
    }
    if !connection.from_start {
        text.push_str(", its beginning is not in the capture");
    }
    if !connection.is_played() {
        let [client, server] = connection.bytes.map(words::byte_count);
        let _ = write!(text, ", not replayed: {client} of the client, {server} of the server");
    }
    text.push('\n');
    text
}

pub(super) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "HTTP",
        Protocol::Rtmp => "RTMP",
        Protocol::Rtmpe => "RTMPE",
        Protocol::Rtmpt => "RTMPT",
        Protocol::Tls => "TLS",
        Protocol::Unknown => "unknown",
    }
}

fn connection_lines(connection: &Connection) -> Vec<Line> {
    if !connection.is_played() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let line = |at_micros, mark, text: &str| Line {
        at_micros,
        mark,
        connection: connection.number,
        text: text.to_owned(),
    };
    for (at_micros, direction, end) in &connection.ends {
        let did = match end {
            End::Fin => "closes",
            End::Reset => "resets",
        };
        let text = format!("the {} {did}", words::side(*direction));
        lines.push(line(*at_micros, Mark::Network, &text));
    }
    for (at_micros, event) in &connection.events {
        let now = Instant::from_micros(*at_micros);
        let text = match event {
            Event::Accepted { peer, .. } => format!("connection from {peer}"),
            // Each line has a report of its own: none is held back.
            event => Report::new().line(now, event).map(|line| line.text).unwrap_or_default(),
        };
        lines.push(line(*at_micros, Mark::Event, &text));
    }
    let client = Fold::new(connection.number, Mark::Client, BTreeMap::new());
    lines.extend(client.run(&connection.client_said));
    let answers = Fold::new(connection.number, Mark::Answer, calls(connection));
    lines.extend(answers.run(&connection.our_answers));
    lines
}

/// The names of the client's calls by transaction.
pub(super) fn calls(connection: &Connection) -> BTreeMap<u64, String> {
    let calls = connection.client_said.said.iter().filter_map(|said| match &said.what {
        What::Command(Command { name, transaction, .. }) if *transaction != 0.0 => {
            Some((transaction.to_bits(), name.to_str_lossy().into_owned()))
        }
        _ => None,
    });
    calls.collect()
}

/// Folds what one side said into lines.
struct Fold {
    connection: usize,
    mark: Mark,
    calls: BTreeMap<u64, String>,
    lines: Vec<Line>,
    runs: [Run; 2],
    described: [Option<String>; 2],
    jumps: usize,
    /// What comes all the time and says little: when it first came, how often, and the last one.
    routine: BTreeMap<&'static str, (u64, usize, String)>,
}

/// The kind of a message that comes all the time, and its value.
fn routine(what: &What) -> Option<(&'static str, String)> {
    match what {
        What::Control(ControlMessage::Acknowledgement(bytes)) => {
            Some(("acknowledgement", bytes.to_string()))
        }
        What::UserControl(Some(UserControl::PingRequest(time))) => Some(("ping", time.to_string())),
        What::UserControl(Some(UserControl::PingResponse(time))) => {
            Some(("pong", time.to_string()))
        }
        _ => None,
    }
}

/// Like media messages that follow each other.
#[derive(Debug, Default)]
struct Run {
    track: Track,
    began: Option<(u64, u32)>,
    last: u32,
}

impl Fold {
    fn new(connection: usize, mark: Mark, calls: BTreeMap<u64, String>) -> Self {
        let (lines, runs, described) = (Vec::new(), [Run::default(), Run::default()], [None, None]);
        let routine = BTreeMap::new();
        Self { connection, mark, calls, lines, runs, described, jumps: 0, routine }
    }

    fn run(mut self, speech: &Speech) -> Vec<Line> {
        for said in &speech.said {
            match (&said.what, routine(&said.what)) {
                (What::Media(media), _) => self.media(said.at_micros, media),
                (_, Some((kind, last))) => {
                    let first = (said.at_micros, 0, String::new());
                    let (_, count, newest) = self.routine.entry(kind).or_insert(first);
                    *count += 1;
                    *newest = last;
                }
                (_, None) => self.message(said),
            }
        }
        self.end_runs();
        for (kind, (at_micros, count, last)) in std::mem::take(&mut self.routine) {
            let text = match count {
                1 => format!("{kind} {last}"),
                _ => format!("{kind} {count}x, the last {last}"),
            };
            self.line(at_micros, text);
        }
        self.lines
    }

    fn line(&mut self, at_micros: u64, text: String) {
        let (mark, connection) = (self.mark, self.connection);
        self.lines.push(Line { at_micros, mark, connection, text });
    }

    fn message(&mut self, said: &Said) {
        let stream = match said.stream.0 {
            0 => String::new(),
            id => format!(" on stream {id}"),
        };
        let text = match &said.what {
            What::Command(command) => {
                let is_answer = command.name == *"_result" || command.name == *"_error";
                let call = self.calls.get(&command.transaction.to_bits()).filter(|_| is_answer);
                words::command(command, call.map(String::as_str)) + &stream
            }
            What::Control(control) => words::control(*control),
            What::Data(data) => words::data(data) + &stream,
            What::Failed(failure) => words::failure(*failure),
            What::Handshake(kind) => format!("handshake {}", words::handshake(*kind)),
            What::Media(_) => return,
            What::Other { type_id, len } => format!("message of type {type_id}, {len} bytes"),
            What::UserControl(event) => words::user_control(*event),
        };
        self.end_runs();
        self.line(said.at_micros, text);
    }

    fn media(&mut self, at_micros: u64, media: &Media) {
        let index = usize::from(media.kind == FrameKind::Video);
        let kind = kind_name(media.kind);
        if self.describe(at_micros, media, index) {
            return;
        }
        let is_full = self.runs.iter().any(|run| {
            run.began.is_some_and(|(began, _)| at_micros.saturating_sub(began) > RUN_MICROS_MAX)
        });
        if is_full {
            self.end_runs();
        }
        let jump = self.runs.get(index).and_then(|run| run.track.jump(media));
        if let Some(Jump { from, to, millis }) = jump {
            self.jumps += 1;
            if self.jumps <= JUMPS_SHOWN {
                self.end_runs();
                let text = format!("{kind} timestamps jump by {millis} ms, from {from} to {to}");
                self.line(at_micros, text);
            }
            if self.jumps == JUMPS_SHOWN {
                self.line(at_micros, "further jumps are counted by --stats".to_owned());
            }
        }
        let Some(run) = self.runs.get_mut(index) else { return };
        run.track.add(media);
        run.began.get_or_insert((at_micros, media.timestamp.0));
        run.last = media.timestamp.0;
    }

    /// A line when the codec shows, or changes; true if it stands for the message.
    fn describe(&mut self, at_micros: u64, media: &Media, index: usize) -> bool {
        let is_header = media.class == Some(FrameClass::SequenceHeader);
        let Some(known) = self.described.get_mut(index) else { return false };
        if !is_header && known.is_some() {
            return false;
        }
        let description = describe(&media.payload, media.kind)
            .or_else(|| media.codec.map(|codec| codec.to_string()));
        let Some(text) = description.filter(|text| known.as_ref() != Some(text)) else {
            return false;
        };
        *known = Some(text.clone());
        let (kind, len) = (kind_name(media.kind), media.payload.len());
        self.end_run(media.kind);
        if is_header {
            self.line(at_micros, format!("{kind} is {text}, by a sequence header of {len} bytes"));
        } else {
            self.line(at_micros, format!("{kind} is {text}"));
        }
        is_header
    }

    fn end_runs(&mut self) {
        self.end_run(FrameKind::Audio);
        self.end_run(FrameKind::Video);
    }

    fn end_run(&mut self, kind: FrameKind) {
        let Some(run) = self.runs.get_mut(usize::from(kind == FrameKind::Video)) else { return };
        let Some((began, first)) = run.began.take() else { return };
        let track = run.track.split();
        let text = run_text(kind, &track, first, run.last);
        self.line(began, text);
    }
}

pub(super) fn kind_name(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Audio => "audio",
        FrameKind::Data => "data",
        FrameKind::Video => "video",
    }
}

/// `video 152x, 4 keys, 0..5983 ms, 120 kB, GOP 50 frames 2000 ms`.
fn run_text(kind: FrameKind, track: &Track, first: u32, last: u32) -> String {
    let mut text = format!("{} {}x", kind_name(kind), track.messages);
    if kind == FrameKind::Video {
        let plural = if track.keyframes == 1 { "" } else { "s" };
        let _ = write!(text, ", {} key{plural}", track.keyframes);
    }
    let _ = write!(text, ", {first}..{last} ms, {}", words::byte_count(track.bytes));
    if track.groups.count > 0 {
        let _ = write!(text, ", GOP {}", track.groups.text());
    }
    text
}

fn differences(connection: &Connection) -> String {
    let number = connection.number;
    if connection.differences.is_empty() {
        return format!("\n[{number}] our answers are those of the recorded server\n");
    }
    let mut text = format!("\n[{number}] where our answers differ from the recorded server's\n");
    for difference in &connection.differences {
        let at = words::seconds(difference.at_micros);
        let times =
            if difference.count > 1 { format!(" {}x", difference.count) } else { String::new() };
        let why = difference.explanation.unwrap_or("UNEXPLAINED");
        let _ = writeln!(text, "{at:>9} {}{times}: {why}", difference.text());
    }
    text
}
