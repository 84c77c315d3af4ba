//! Fuzz bodies: what must hold for any bytes. Targets and property tests call them.

use super::{ClientRequest, Intent, Session, SessionConfig, SessionError, SessionEvent};
use crate::amf::{Value, amf0};
use crate::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use crate::id::{MessageStreamId, RequestId};
use crate::rng::Rng;
use crate::time::{Instant, Timestamp};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::time::Duration;

/// Bytes of a handshake in one direction.
const HANDSHAKE_LEN: usize = 1 + 2 * 1_536;

/// Bytes that a session may answer to each byte that it gets; the longest answer is to `play`.
const REPLY_PER_BYTE_MAX: usize = 64;

/// Commands that a script can choose from.
const NAMES: [&str; 24] = [
    "connect",
    "createStream",
    "publish",
    "play",
    "closeStream",
    "deleteStream",
    "FCPublish",
    "FCUnpublish",
    "releaseStream",
    "pause",
    "pauseRaw",
    "seek",
    "receiveAudio",
    "receiveVideo",
    "getStreamLength",
    "_checkbw",
    "_result",
    "_error",
    "onStatus",
    "onBWDone",
    "@setDataFrame",
    "|RtmpSampleAccess",
    "nobodyKnows",
    "",
];

/// Feeds `data` to a session, whole and cut: to a server or a client, as bytes or as a script of
/// commands and media.
///
/// # Panics
/// A promise of the session is broken.
pub fn fuzz_session(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    let (client, script, cut) = (mode & 1 != 0, mode & 2 != 0, usize::from(mode >> 3));
    let mut input = if mode & 4 == 0 { handshake() } else { Vec::new() };
    if script {
        write_script(data, &mut input);
    } else {
        input.extend_from_slice(data);
    }
    let whole = run(client, &input, input.len());
    let pieces = run(client, &input, cut.saturating_add(1));
    assert_eq!(whole, pieces, "the result does not depend on the segmentation");
}

/// Events, as text, and how it ended.
fn run(client: bool, input: &[u8], piece_len: usize) -> (Vec<String>, Option<SessionError>) {
    let mut now = Instant::from_micros(0);
    let mut out = BytesMut::new();
    let mut session = start(client, now, &mut out);
    let mut events = Vec::new();
    for piece in input.chunks(piece_len.max(1)) {
        let mut piece = piece;
        loop {
            now = now.after(Duration::from_micros(1));
            match session.receive(now, &mut piece, &mut out) {
                Ok(Some(event)) => {
                    if let Some(request) = request_of(&event) {
                        let accepted = session.accept(now, request, &mut out);
                        assert_eq!(accepted, Ok(()), "a request can be accepted");
                        let again = session.accept(now, request, &mut out);
                        assert!(again.is_err(), "a request is accepted once");
                    }
                    events.push(alloc::format!("{event:?}"));
                }
                Ok(None) => {
                    assert!(piece.is_empty(), "all input is consumed");
                    break;
                }
                Err(error) => {
                    let again = session.receive(now, &mut piece, &mut out);
                    assert_eq!(again, Err(error), "an error is final");
                    assert_eq!(session.poll_timeout(), None, "nothing is due after an error");
                    return (events, Some(error));
                }
            }
        }
        let allowed = input.len().saturating_add(HANDSHAKE_LEN).saturating_mul(REPLY_PER_BYTE_MAX);
        assert!(out.len() <= allowed, "replies are bounded by what was asked");
    }
    check_timeout(&mut session, now, &mut out);
    (events, None)
}

/// A deadline that was handled is over: the session with it.
fn check_timeout(session: &mut Session, now: Instant, out: &mut BytesMut) {
    let Some(deadline) = session.poll_timeout() else { return };
    if now < deadline.at {
        assert_eq!(session.handle_timeout(now, out), Ok(()), "it is not due");
    }
    let error = SessionError::Timeout(deadline.reason);
    assert_eq!(session.handle_timeout(deadline.at.max(now), out), Err(error));
    assert_eq!(session.poll_timeout(), None);
}

fn start(client: bool, now: Instant, out: &mut BytesMut) -> Session {
    let config = Arc::new(SessionConfig::default());
    if client {
        let request = ClientRequest {
            intent: Intent::Play,
            app: "live".into(),
            tc_url: "rtmp://localhost/live".into(),
            stream: "stream".into(),
        };
        Session::client(config, request, now, Rng::new(0), out)
    } else {
        Session::server(config, now, Rng::new(0))
    }
}

/// The request that an event asks to decide.
pub(super) fn request_of(event: &SessionEvent) -> Option<RequestId> {
    if let SessionEvent::Connect(connect) = event {
        Some(connect.request)
    } else if let SessionEvent::Publish(publish) = event {
        Some(publish.request)
    } else if let SessionEvent::Play(play) = event {
        Some(play.request)
    } else {
        None
    }
}

/// C0, C1 and C2, or S0, S1 and S2, of a simple handshake.
pub(super) fn handshake() -> Vec<u8> {
    let mut bytes = vec![0; HANDSHAKE_LEN];
    if let Some(version) = bytes.first_mut() {
        *version = 3;
    }
    bytes
}

/// Four bytes a message: what it is, its message stream, and two for its content.
fn write_script(script: &[u8], out: &mut Vec<u8>) {
    for step in script.chunks_exact(4) {
        let &[what, stream, first, second] = step else { return };
        let name = NAMES.get(usize::from(what & 0x1F));
        let payload = match name {
            Some(name) => command(name, first, second),
            None => BytesMut::from(&[first, second, 0, 0, 0, first][..]),
        };
        // A script knows the chunk size, so it does not set one.
        let type_id = match (name, what >> 5) {
            (_, 0) => 18,
            (_, 1) => 17,
            (None, 2) => 8,
            (None, 3) => 9,
            (None, 4) => 22,
            (None, _) => second.max(2),
            (Some(_), _) => 20,
        };
        let header = MessageHeader {
            csid: ChunkStreamId::STREAM,
            type_id,
            stream_id: MessageStreamId(u32::from(stream & 3)),
            timestamp: Timestamp(u32::from(first)),
        };
        write_message(header, &payload, ChunkSize::DEFAULT, out);
    }
}

fn command(name: &str, transaction: u8, argument: u8) -> BytesMut {
    let mut payload = BytesMut::new();
    amf0::write_string(name.as_bytes(), &mut payload);
    amf0::write_number(f64::from(transaction & 7), &mut payload);
    let code = if argument & 8 == 0 { "NetStream.Play.Start" } else { "NetStream.Play.Stop" };
    let status = [("level", Value::String("status".into())), ("code", Value::String(code.into()))];
    let object = if argument & 0x10 == 0 { &status[..] } else { &[] };
    if argument & 1 == 0 {
        amf0::write_object(object, &mut payload);
    } else {
        amf0::write_null(&mut payload);
    }
    match argument >> 5 {
        0 => amf0::write_number(f64::from(argument & 7), &mut payload),
        1 => amf0::write_boolean(argument & 2 == 0, &mut payload),
        2 => amf0::write_string(b"stream?key=1", &mut payload),
        3 => amf0::write_object(object, &mut payload),
        4 => amf0::write_number(f64::NAN, &mut payload),
        5 => amf0::write_undefined(&mut payload),
        _ => {}
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_harmless() {
        fn property(data: Vec<u8>) {
            fuzz_session(&data);
        }
        quickcheck::QuickCheck::new().tests(400).quickcheck(property as fn(Vec<u8>));
    }

    #[test]
    fn any_script_is_harmless() {
        fn property(mode: u8, data: Vec<u8>) {
            // A session that has connected, and publishes or plays.
            let connect = [[0x40, 0, 1, 0x00], [0x41, 0, 2, 0x01], [0x42, 1, 3, 0x41]].concat();
            let result = [[0x50, 0, 1, 0x60], [0x50, 0, 2, 0x01], [0x52, 0, 0, 0x61]].concat();
            let prefix = if mode & 1 == 0 { connect } else { result };
            fuzz_session(&[&[mode | 2][..], &prefix, &data].concat());
        }
        quickcheck::QuickCheck::new().tests(400).quickcheck(property as fn(u8, Vec<u8>));
    }
}
