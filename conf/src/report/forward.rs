//! Lines about forwards.

use super::{Line, short, words};
use crate::quantity::{bit_rate, byte_count, duration};
use millstream_core::event::Event;

/// The line for an event about a forward.
pub(super) fn render(event: &Event) -> Option<Line> {
    let line = match event {
        Event::Forwarding { conn, peer, name, destination, .. } => {
            let text = format!("forward {} to {destination} began ({peer})", short(name));
            Line::new("forwarding", text).of(*conn).about(name)
        }
        Event::ForwardFailed { name, destination, failure, words: said, retry_in, .. } => {
            let why = words::forward_text(*failure);
            let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
            let next = match retry_in {
                Some(wait) => format!("again in {}", duration(*wait)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use millstream_core::drive::IoFailure;
    use millstream_core::forward::ForwardFailure;
    use millstream_core::id::{ConnId, ForwardId};
    use millstream_core::name::{NameLimits, StreamName};
    use millstream_core::session::SessionError;
    use millstream_core::time::Instant;
    use millstream_core::time::TimerKind;
    use pretty_assertions::assert_eq;
    use std::sync::Arc;
    use std::time::Duration;

    fn name() -> StreamName {
        let limits = NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };
        StreamName::new("__defaultVhost__", "live", "cam", limits).expect("a legal name")
    }

    fn check(event: &Event, text: &str) {
        let line = Report::new().line(Instant::from_micros(1_000_000), event).expect("a line");
        assert_eq!(line.text, text);
    }

    const FORWARD: ForwardId = ForwardId(3);

    fn to() -> Arc<str> {
        Arc::from("rtmp://b/live/cam")
    }

    #[test]
    fn the_life_of_a_forward_is_told() {
        let (forward, name, destination) = (FORWARD, name(), to());
        let age = Duration::from_secs(80);
        let conn = ConnId { slot: 2, generation: 5 };
        let peer = "192.0.2.7:1935".parse().expect("an address");
        check(
            &Event::Forwarding {
                forward,
                conn,
                peer,
                name: name.clone(),
                destination: destination.clone(),
            },
            "forward live/cam to rtmp://b/live/cam began (192.0.2.7:1935)",
        );
        check(
            &Event::ForwardProgress {
                forward,
                name: name.clone(),
                destination: destination.clone(),
                age,
                bits_per_second: 500_000,
                lag_bytes: 3_000,
            },
            "forward live/cam to rtmp://b/live/cam 500 kb/s 1m20s, 3 kB behind",
        );
        check(
            &Event::ForwardSkipped {
                forward,
                name: name.clone(),
                destination: destination.clone(),
                bytes: 3_000_000,
            },
            "forward live/cam to rtmp://b/live/cam was too slow, skipped 3.0 MB to the newest \
             keyframe",
        );
        check(
            &Event::ForwardEnded { forward, name, destination, age, sent: 3_000 },
            "forward live/cam to rtmp://b/live/cam ended, 3 kB 1m20s",
        );
    }

    #[test]
    fn a_failure_says_why_and_when_it_is_tried_again() {
        let check = |failure: ForwardFailure, words: &str, again: Option<u64>, text: &str| {
            let event = Event::ForwardFailed {
                forward: FORWARD,
                name: name(),
                destination: to(),
                failure,
                words: Arc::from(words),
                retry_in: again.map(Duration::from_secs),
            };
            check(&event, &format!("forward live/cam to rtmp://b/live/cam: {text}"));
        };
        let refused = ForwardFailure::Dial(IoFailure::Refused);
        check(refused, "", Some(2), "nobody listens there; again in 2s");
        let unknown = ForwardFailure::Dial(IoFailure::NotFound);
        check(unknown, "", Some(1), "the name of its host has no address; again in 1s");
        let busy = "NetStream.Publish.BadName";
        let text = "the destination refused (NetStream.Publish.BadName); again in 30s";
        check(ForwardFailure::Refused, busy, Some(30), text);
        let late = ForwardFailure::Session(SessionError::Timeout(TimerKind::Handshake));
        let text = "the destination did not complete the handshake in time; again in 1s";
        check(late, "", Some(1), text);
        let text = "the stream has passed as many servers as it may; not tried again";
        check(ForwardFailure::Hops, "", None, text);
    }
}
