//! Lines about forwards.

use super::{Line, short, words};
use crate::quantity::{bit_rate, byte_count, duration};
use millstream_core::event::Event;
use millstream_core::time::Instant;

/// The line for an event about a forward.
pub(super) fn render(now: Instant, event: &Event) -> Option<Line> {
    let line = match event {
        Event::Forwarding { conn, peer, name, destination, .. } => {
            let text = format!("forward {} to {destination} began ({peer})", short(name));
            Line::new("forwarding", text).of(*conn).about(name)
        }
        Event::ForwardFailed { name, destination, failure, words: said, retry_at, .. } => {
            let why = words::forward_text(*failure);
            let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
            let next = match retry_at {
                Some(at) => format!("again in {}", duration(at.since(now))),
                None => "not tried again".to_owned(),
            };
            let text = format!("forward {} to {destination}: {why}{said}; {next}", short(name));
            Line::new("forward_failed", text).about(name).because(failure.as_str())
        }
        Event::ForwardEnded { name, destination, age, sent, .. } => {
            let (sent, age) = (byte_count(*sent), duration(*age));
            let text = format!("forward {} to {destination} ended, {sent} {age}", short(name));
            Line::new("forward_ended", text).about(name)
        }
        Event::ForwardSkipped { name, destination, bytes, .. } => {
            let bytes = byte_count(*bytes);
            let text = format!(
                "forward {} to {destination} was too slow, skipped {bytes} to the newest keyframe",
                short(name)
            );
            Line::new("forward_skipped", text).about(name).because("skipped")
        }
        Event::ForwardProgress { name, destination, age, bits_per_second, lag_bytes, .. } => {
            let (rate, age) = (bit_rate(*bits_per_second), duration(*age));
            let lag = match lag_bytes {
                0 => String::new(),
                bytes => format!(", {} behind", byte_count(*bytes)),
            };
            let text = format!("forward {} to {destination} {rate} {age}{lag}", short(name));
            Line::new("progress", text).about(name)
        }
        _ => return None,
    };
    Some(line)
}
