//! Lines about the processes that transcode streams.

use super::{Line, short};
use crate::cli::LogLevel;
use crate::quantity::duration;
use millstream_core::event::{Event, RenditionEnd, RenditionRefusal};
use millstream_core::name::escape;

/// Bytes of a program's last words in a line.
const WORDS_LEN_MAX: usize = 400;

pub(super) fn render(event: &Event) -> Line {
    match event {
        Event::RenditionStarted { name, engine } => {
            let text = format!("transcode {} to {engine} began", short(name));
            Line::new("transcode_started", text).about(name)
        }
        Event::RenditionEnded { name, engine, end, ran, retry, was_asked } => {
            let stream = short(name);
            if *was_asked {
                let text = format!("transcode {stream} to {engine} ended");
                return Line::new("transcode_ended", text).about(name);
            }
            let again = match retry {
                Some(pause) => format!("again in {}", duration(*pause)),
                None => "the stream has ended too".to_owned(),
            };
            let (after, how) = (duration(*ran), how(end));
            let text = format!("transcode {stream} to {engine} {how} after {after}, {again}");
            let mut line = Line::new("transcode_failed", text).about(name);
            line.level = LogLevel::Warn;
            line.because("transcode_failed")
        }
        Event::RenditionRefused { name, engine, reason } => {
            let (reason, word) = match reason {
                RenditionRefusal::NoListener => ("there is no listener for RTMP", "no_listener"),
                _ => (
                    "as many processes run as may; it waits for one to end, or raise limits.children",
                    "children_max",
                ),
            };
            let text = format!("transcode {} to {engine} is not done: {reason}", short(name));
            let mut line = Line::new("transcode_refused", text).about(name);
            line.level = LogLevel::Warn;
            line.because(word)
        }
        other => Line::new("event", format!("{other:?}")).debug(),
    }
}

fn how(end: &RenditionEnd) -> String {
    match end {
        RenditionEnd::Failed { reason } => format!("failed ({})", said(reason)),
        RenditionEnd::Exited { was_silent: true, .. } => "hung and was killed".to_owned(),
        RenditionEnd::Exited { code, signal, last_words, .. } => {
            let how = match (code, signal) {
                (Some(code), _) => format!("exited with {code}"),
                (None, Some(signal)) => format!("was ended by signal {signal}"),
                (None, None) => "ended".to_owned(),
            };
            if last_words.is_empty() { how } else { format!("{how} ({})", said(last_words)) }
        }
    }
}

/// The last words, on one line.
fn said(words: &str) -> String {
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join("; ");
    let cut = line.len().saturating_sub(WORDS_LEN_MAX);
    let cut = (cut..=line.len()).find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    escape(line.get(cut..).unwrap_or_default().as_bytes(), WORDS_LEN_MAX)
}
