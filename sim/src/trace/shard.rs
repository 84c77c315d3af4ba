//! What shards tell each other, as one line each.
//!
//! A full line holds everything and can be read again: `frames 7 vk:40:1701... ac:46:af01...`. A
//! brief one has the number of frames and a hash of them in their place.

use super::replay::unhex;
use super::words::{LIMITS, read_words, write_words};
use super::{Detail, HASH_START, Names, hash, hex};
use millstream_core::api::Scope;
use millstream_core::forward::Route;
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::id::{ConnId, MessageStreamId};
use millstream_core::name::StreamName;
use millstream_core::shard::{
    Claim, Fetch, Found, HlsPart, ShardId, ShardMessage, Subscription, SurveyId,
};
use millstream_core::time::Timestamp;
use std::fmt::Write as _;

const KINDS: [(FrameKind, char); 3] =
    [(FrameKind::Audio, 'a'), (FrameKind::Data, 'd'), (FrameKind::Video, 'v')];

const CLASSES: [(FrameClass, char); 5] = [
    (FrameClass::Coded, 'c'),
    (FrameClass::Control, 'x'),
    (FrameClass::Keyframe, 'k'),
    (FrameClass::Metadata, 'm'),
    (FrameClass::SequenceHeader, 'h'),
];

/// Between which shards a message goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) from: ShardId,
    pub(super) to: ShardId,
}

/// Appends a message to a line. A brief line calls connections by their names.
pub(super) fn write_message(
    line: &mut String,
    message: &ShardMessage,
    detail: Detail,
    way: Way,
    names: &mut Names,
) {
    let claimant = match message {
        ShardMessage::Granted { .. }
        | ShardMessage::Denied { .. }
        | ShardMessage::Revoked { .. } => way.to,
        _ => way.from,
    };
    let mut words = |what: &str, claim: &Claim| {
        let _ = match detail {
            Detail::Full => write!(line, "{what} {}/{}", claim.conn, claim.stream.0),
            Detail::Brief | Detail::None => {
                let conn = names.name_on(claimant, claim.conn);
                write!(line, "{what} {conn}/{}", claim.stream.0)
            }
        };
    };
    match message {
        ShardMessage::Claim { claim, name, is_rendition, route, server } => {
            words(if *is_rendition { "claim-rendition" } else { "claim" }, claim);
            let _ = write!(line, " {name}");
            if let Some(server) = server {
                let _ = write!(line, " from {server}");
            }
            if route.hops() > 0 {
                let _ = write!(line, " via {route}");
            }
        }
        ShardMessage::Granted { claim, players } => {
            words("granted", claim);
            let _ = write!(line, " {players}");
        }
        ShardMessage::Denied { claim, reason } => {
            words("denied", claim);
            let _ = write!(line, " {}", reason.as_str());
        }
        ShardMessage::Revoked { claim } => words("revoked", claim),
        ShardMessage::Released { claim } => words("released", claim),
        ShardMessage::Published { claim, frames } => {
            words("published", claim);
            write_frames(line, frames, detail);
        }
        ShardMessage::Fetch { fetch, name, part } => {
            fetch_words(line, "fetch", *fetch, detail, &mut |conn| names.name_on(way.from, conn));
            let _ = match part {
                HlsPart::Playlist => write!(line, " playlist {name}"),
                HlsPart::Segment(sequence) => write!(line, " {sequence} {name}"),
            };
        }
        ShardMessage::Fetched { fetch, found } => {
            fetch_words(line, "fetched", *fetch, detail, &mut |conn| names.name_on(way.to, conn));
            write_found(line, found.as_ref(), detail);
        }
        ShardMessage::Subscribe { name, subscription } => {
            let _ = write!(line, "subscribe {} {name}", subscription.0);
        }
        ShardMessage::Unsubscribe { name, subscription, sent_bytes, skips } => {
            let _ = write!(line, "unsubscribe {} {sent_bytes} {skips} {name}", subscription.0);
        }
        ShardMessage::Live { subscription, live } => {
            let _ = write!(line, "live {} {live}", subscription.0);
        }
        ShardMessage::Frames { subscription, frames } => {
            let _ = write!(line, "frames {}", subscription.0);
            write_frames(line, frames, detail);
        }
        ShardMessage::Survey { survey, scope } => {
            let _ = write!(line, "survey {} {scope:?}", survey.0);
        }
        ShardMessage::Surveyed { survey, snapshot } => {
            let words = write_words(&**snapshot);
            let _ = match detail {
                Detail::Full => write!(line, "surveyed {} {words}", survey.0),
                Detail::Brief | Detail::None => {
                    let sum = hash(HASH_START, words.as_bytes());
                    write!(line, "surveyed {} {sum:08x}", survey.0)
                }
            };
        }
    }
}

/// Reads a message that was written in full.
pub(super) fn read_message(text: &str) -> Option<ShardMessage> {
    let (what, rest) = text.split_once(' ')?;
    let (subject, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let claim = || {
        let (conn, stream) = subject.split_once('/')?;
        let (slot, generation) = conn.split_once('.')?;
        let conn = ConnId { slot: slot.parse().ok()?, generation: generation.parse().ok()? };
        Some(Claim { conn, stream: MessageStreamId(stream.parse().ok()?) })
    };
    let fetch = || {
        let (conn, serial) = subject.split_once('/')?;
        let (slot, generation) = conn.split_once('.')?;
        let conn = ConnId { slot: slot.parse().ok()?, generation: generation.parse().ok()? };
        Some(Fetch { conn, serial: serial.parse().ok()? })
    };
    let subscription = || Some(Subscription(subject.parse().ok()?));
    Some(match what {
        "claim" | "claim-rendition" => {
            let is_rendition = what == "claim-rendition";
            let (name, route) = rest.split_once(" via ").unwrap_or((rest, ""));
            let route = Route::parse(route.as_bytes(), usize::MAX);
            let (name, server) = match name.split_once(" from ") {
                Some((name, server)) => (read_name(name)?, Some(server.parse().ok()?)),
                None => (read_name(name)?, None),
            };
            ShardMessage::Claim { claim: claim()?, name, is_rendition, route, server }
        }
        "granted" => ShardMessage::Granted { claim: claim()?, players: rest.parse().ok()? },
        "denied" => {
            let reason = read_words(rest)?;
            ShardMessage::Denied { claim: claim()?, reason }
        }
        "revoked" => ShardMessage::Revoked { claim: claim()? },
        "released" => ShardMessage::Released { claim: claim()? },
        "published" => ShardMessage::Published { claim: claim()?, frames: read_frames(rest)? },
        "fetch" => {
            let (part, name) = rest.split_once(' ')?;
            let part = match part {
                "playlist" => HlsPart::Playlist,
                sequence => HlsPart::Segment(sequence.parse().ok()?),
            };
            ShardMessage::Fetch { fetch: fetch()?, name: read_name(name)?, part }
        }
        "fetched" => ShardMessage::Fetched { fetch: fetch()?, found: read_found(rest)? },
        "subscribe" => {
            ShardMessage::Subscribe { subscription: subscription()?, name: read_name(rest)? }
        }
        "unsubscribe" => {
            let (sent_bytes, rest) = rest.split_once(' ')?;
            let (skips, name) = rest.split_once(' ')?;
            ShardMessage::Unsubscribe {
                subscription: subscription()?,
                sent_bytes: sent_bytes.parse().ok()?,
                skips: skips.parse().ok()?,
                name: read_name(name)?,
            }
        }
        "live" => ShardMessage::Live { subscription: subscription()?, live: rest.parse().ok()? },
        "survey" => ShardMessage::Survey {
            survey: SurveyId(subject.parse().ok()?),
            scope: match rest {
                "Server" => Scope::Server,
                "Streams" => Scope::Streams,
                "Clients" => Scope::Clients,
                _ => return None,
            },
        },
        "surveyed" => ShardMessage::Surveyed {
            survey: SurveyId(subject.parse().ok()?),
            snapshot: Box::new(read_words(rest)?),
        },
        "frames" => {
            let frames = read_frames(rest)?.into();
            ShardMessage::Frames { subscription: subscription()?, frames }
        }
        _ => return None,
    })
}

fn write_found(line: &mut String, found: Option<&Found>, detail: Detail) {
    let Some(Found { bytes, tag }) = found else { return line.push_str(" nothing") };
    let _ = write!(line, " {tag}");
    if detail == Detail::Full {
        for part in bytes.iter() {
            line.push_str(" .");
            hex(line, part);
        }
    } else {
        let sum = bytes.iter().fold(HASH_START, |sum, part| hash(sum, part));
        let _ = write!(line, " {} {sum:08x}", bytes.len());
    }
}

fn read_found(text: &str) -> Option<Option<Found>> {
    if text == "nothing" {
        return Some(None);
    }
    let mut words = text.split(' ');
    let tag = words.next()?.parse().ok()?;
    let part = |word: &str| Some(unhex(word.strip_prefix('.')?)?.into());
    Some(Some(Found { tag, bytes: words.map(part).collect::<Option<_>>()? }))
}

/// A question of a connection: by its name, or in a full trace by its id, to be read again.
fn fetch_words(
    line: &mut String,
    what: &str,
    fetch: Fetch,
    detail: Detail,
    name: &mut dyn FnMut(ConnId) -> String,
) {
    let _ = match detail {
        Detail::Full => write!(line, "{what} {}/{}", fetch.conn, fetch.serial),
        Detail::Brief | Detail::None => {
            write!(line, "{what} {}/{}", name(fetch.conn), fetch.serial)
        }
    };
}

fn write_frames(line: &mut String, frames: &[Frame], detail: Detail) {
    let mut sum = HASH_START;
    for Frame { kind, class, timestamp, payload } in frames {
        let kind = KINDS.iter().find(|(known, _)| known == kind).map_or('?', |known| known.1);
        let class = CLASSES.iter().find(|(known, _)| known == class).map_or('?', |known| known.1);
        if detail == Detail::Full {
            let _ = write!(line, " {kind}{class}:{}:", timestamp.0);
            hex(line, payload);
        } else {
            sum = hash(sum, format!("{kind}{class}{}", timestamp.0).as_bytes());
            sum = hash(sum, payload);
        }
    }
    if detail != Detail::Full {
        let _ = write!(line, " {} {sum:08x}", frames.len());
    }
}

fn read_frames(text: &str) -> Option<Vec<Frame>> {
    let frames = text.split(' ').filter(|word| !word.is_empty());
    frames.map(read_frame).collect()
}

fn read_frame(text: &str) -> Option<Frame> {
    let mut parts = text.splitn(3, ':');
    let mut letters = parts.next()?.chars();
    let (kind, class) = (letters.next()?, letters.next()?);
    Some(Frame {
        kind: KINDS.iter().find(|known| known.1 == kind)?.0,
        class: CLASSES.iter().find(|known| known.1 == class)?.0,
        timestamp: Timestamp(parts.next()?.parse().ok()?),
        payload: unhex(parts.next()?)?.into(),
    })
}

/// A name from `vhost/app/stream`: the stream has no slash where the app may have some.
fn read_name(text: &str) -> Option<StreamName> {
    let (vhost, rest) = text.split_once('/')?;
    let slashes = rest.match_indices('/').map(|(at, _)| at);
    let names =
        slashes.filter_map(|at| StreamName::new(vhost, &rest[..at], &rest[at + 1..], LIMITS).ok());
    // An app has one part, or two with its instance: what is left is the stream.
    names.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::words::REASONS;
    use millstream_core::api::{
        AudioState, ClientId, ClientRole, ClientState, GopState, Protocol, ServerState, Snapshot,
        StreamState, Totals, VideoState,
    };
    use millstream_core::event::RefuseReason;
    use millstream_core::event::RenditionEnd;
    use millstream_core::flv::tag::Codec;
    use millstream_core::forward::{ForwardFailure, ForwardState, ForwardStatus};
    use millstream_core::id::ForwardId;
    use millstream_core::rendition::{RenditionState, RenditionStatus};
    use millstream_core::time::WallClock;
    use pretty_assertions::assert_eq;
    use std::time::Duration;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let conn = ConnId { slot: 3, generation: 9 };
        let claim = Claim { conn, stream: MessageStreamId(1) };
        let name = StreamName::new("__defaultVhost__", "live", "cam", LIMITS).unwrap();
        let subscription = Subscription(7);
        let (none, route) = (Route::default(), Route::parse(b"00000000000000ab", 1));
        let frame = |kind, class, payload: &'static [u8]| Frame {
            kind,
            class,
            timestamp: Timestamp(u32::MAX),
            payload: payload.into(),
        };
        let frames = vec![
            frame(FrameKind::Video, FrameClass::Keyframe, b"\x17\x01\xFF"),
            frame(FrameKind::Audio, FrameClass::SequenceHeader, b""),
            frame(FrameKind::Data, FrameClass::Metadata, b" "),
        ];
        let fetch = Fetch { conn, serial: 12 };
        let found = Some(Found { bytes: [&b"a"[..], b"", b"bc"].map(Into::into).into(), tag: 9 });
        let mut messages = vec![
            ShardMessage::Claim {
                is_rendition: true,
                claim,
                name: name.clone(),
                route: none,
                server: Some("2001:db8::1".parse().unwrap()),
            },
            ShardMessage::Claim {
                is_rendition: false,
                claim,
                name: name.clone(),
                route,
                server: None,
            },
            ShardMessage::Fetch { fetch, name: name.clone(), part: HlsPart::Playlist },
            ShardMessage::Fetch { fetch, name: name.clone(), part: HlsPart::Segment(77) },
            ShardMessage::Fetched { fetch, found },
            ShardMessage::Fetched { fetch, found: None },
            ShardMessage::Granted { claim, players: 4 },
            ShardMessage::Revoked { claim },
            ShardMessage::Released { claim },
            ShardMessage::Published { claim, frames: frames.clone() },
            ShardMessage::Published { claim, frames: Vec::new() },
            ShardMessage::Subscribe { name: name.clone(), subscription },
            ShardMessage::Unsubscribe { name, subscription, sent_bytes: 7_000, skips: 2 },
            ShardMessage::Live { subscription, live: true },
            ShardMessage::Frames { subscription, frames: frames.into() },
            ShardMessage::Surveyed { survey: SurveyId(4), snapshot: Box::default() },
            ShardMessage::Surveyed { survey: SurveyId(5), snapshot: Box::new(snapshot()) },
        ];
        messages.extend(REASONS.map(|reason| ShardMessage::Denied { claim, reason }));
        for message in messages {
            let mut line = String::new();
            let way = Way { from: ShardId(0), to: ShardId(1) };
            write_message(&mut line, &message, Detail::Full, way, &mut Names::new());
            assert_eq!(read_message(&line).as_ref(), Some(&message), "{line}");
            assert!(!line.contains('\n'));
        }
    }

    fn exited(code: Option<i32>, signal: Option<i32>) -> RenditionEnd {
        RenditionEnd::Exited { code, signal, was_silent: true, last_words: "".into() }
    }

    /// Every field has something that is not usual.
    fn snapshot() -> Snapshot {
        let name = StreamName::new("a.example", "live/inst", "a-b", LIMITS).unwrap();
        let conn = ConnId { slot: 3, generation: 9 };
        let id = ClientId { shard: ShardId(2), conn };
        let second = Duration::from_secs(1);
        let totals = Totals {
            accepted: 1,
            refused: [(RefuseReason::Refer, 3), (RefuseReason::Busy, u64::MAX)].into(),
            ..Totals::default()
        };
        let wall = WallClock { unix_millis: u64::MAX };
        let server = ServerState { shards: 2, uptime: second, wall, totals, ..Default::default() };
        let video = VideoState {
            codec: Codec::UnknownFourCc(*b"abcd"),
            description: "H.264 \"Main\"".into(),
            size: Some((640, 360)),
            millihertz: Some(25_000),
            gop: Some(GopState { millis: 2_000, frames: 50 }),
        };
        let states = [
            ForwardState::Connecting,
            ForwardState::Ending { conn },
            ForwardState::Forwarding { conn, age: second },
            ForwardState::Waiting { left: second },
        ];
        let forwards = states.map(|state| ForwardStatus {
            forward: ForwardId(7),
            name: name.clone(),
            destination: "rtmp://h/live".into(),
            state,
            age: second,
            failures: 2,
            last_failure: Some((ForwardFailure::DialTimeout, "no answer".into())),
            sent: 3,
            skipped: 4,
        });
        let stream = StreamState {
            name: name.clone(),
            is_home: true,
            publisher: Some(id),
            age: Some(second),
            hls_viewers: 8,
            players: 1,
            video: Some(video),
            audio: Some(AudioState { codec: Codec::UnknownId(9), description: "".into() }),
            skew_millis: Some(-40),
            received_bytes: 1,
            sent_bytes: 2,
            received_bits_per_second: 3,
            sent_bits_per_second: 4,
            tape_bytes: 5,
            jumps: 6,
            skips: 7,
            forwards: forwards.into(),
        };
        let client = ClientState {
            id,
            protocol: Protocol::HttpTs,
            role: ClientRole::Player,
            stream: Some(name),
            peer: "[::1]:5".parse().unwrap(),
            program: Some("a\tprogram".into()),
            age: second,
            bits_per_second: 1,
            lag_bytes: 2,
            received_bytes: 3,
            sent_bytes: 4,
        };
        let (process, age) = (Some(77), second);
        let ends = [
            (RenditionState::Ending { process: None, age }, None),
            (RenditionState::Running { process, age }, Some(exited(Some(1), None))),
            (RenditionState::Waiting { left: age }, Some(exited(None, Some(9)))),
            (
                RenditionState::Waiting { left: age },
                Some(RenditionEnd::Failed { reason: "no such file".into() }),
            ),
        ];
        let renditions = ends.map(|(state, last_end)| RenditionStatus {
            name: client.stream.clone().unwrap(),
            scope: "live".into(),
            engine: "sd".into(),
            state,
            age,
            restarts: 5,
            failures: 6,
            last_end,
            last_words: "a line\nand \"another\"".into(),
        });
        Snapshot {
            server,
            streams: vec![stream],
            clients: vec![client],
            renditions: renditions.into(),
        }
    }

    #[test]
    fn names_of_every_shape_are_read_again() {
        for (app, stream) in [("live", "cam"), ("live/inst", "cam"), ("live", "a/b/c")] {
            let name = StreamName::new("a.example", app, stream, LIMITS).unwrap();
            assert_eq!(read_name(name.as_str()).as_ref(), Some(&name));
        }
    }

    #[test]
    fn what_is_damaged_is_refused() {
        for text in
            ["", "claim 3.9/1", "frames x", "live 3 maybe", "frames 3 vz:1:00", "frames 3 vk:1:0"]
        {
            assert_eq!(read_message(text), None, "{text}");
        }
    }
}
