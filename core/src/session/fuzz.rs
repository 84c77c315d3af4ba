//! Fuzz bodies: what must hold for any bytes. Targets and property tests call them.

mod model;
mod script;

use super::{ClientRequest, Session, SessionConfig, SessionError};
use crate::amf::{AmfLimits, amf0};
use crate::chunk::{ChunkLimits, ChunkReader};
use crate::message::{ControlMessage, MessageType};
use crate::rng::Rng;
use crate::time::Instant;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::time::Duration;
use model::Owner;

/// Bytes of a handshake in one direction.
const HANDSHAKE_LEN: usize = 1 + 2 * 1_536;

/// Bytes that a session may answer to each byte that it gets; the longest answer is to `play`.
const REPLY_PER_BYTE_MAX: usize = 64;

/// Feeds `data` to a session, whole and cut: to a server or a client, as bytes or as a script of
/// commands and media. The first two bytes say how, and what its owner does.
///
/// # Panics
/// A promise of the session is broken.
pub fn fuzz_session(data: &[u8]) {
    let Some((&[mode, policy], data)) = data.split_first_chunk() else { return };
    let (client, script, cut) = (mode & 1 != 0, mode & 2 != 0, usize::from(mode >> 3));
    let mut input = if mode & 4 == 0 { handshake() } else { Vec::new() };
    if script {
        script::write_script(data, &mut input);
    } else {
        input.extend_from_slice(data);
    }
    let whole = run(client, policy, &input, input.len());
    let pieces = run(client, policy, &input, cut.saturating_add(1));
    assert_eq!(whole, pieces, "the result does not depend on the segmentation");
    check_replies(&whole.replies);
}

#[derive(PartialEq, Debug)]
struct Run {
    /// As text, which NaN does not make differ from itself.
    events: Vec<String>,
    error: Option<SessionError>,
    /// What was written after the handshake.
    replies: Vec<u8>,
}

fn run(client: bool, policy: u8, input: &[u8], piece_len: usize) -> Run {
    let mut now = Instant::from_micros(0);
    let mut out = BytesMut::new();
    let mut owner = Owner::new(policy);
    let mut session = start(client, &owner, now, &mut out);
    let mut events = Vec::new();
    let mut failed = None;
    'input: for mut piece in input.chunks(piece_len.max(1)) {
        loop {
            now = now.after(Duration::from_micros(1));
            match session.receive(now, &mut piece, &mut out) {
                Ok(Some(event)) => {
                    owner.take(&mut session, now, &event, &mut out);
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
                    failed = Some(error);
                    break 'input;
                }
            }
        }
        assert!(session.buffered() <= input.len(), "what is held has arrived");
    }
    let allowed = input.len().saturating_add(HANDSHAKE_LEN).saturating_mul(REPLY_PER_BYTE_MAX);
    assert!(out.len() <= allowed, "replies are bounded by what was asked");
    let replies = out.get(HANDSHAKE_LEN..).unwrap_or_default().to_vec();
    if failed.is_none() {
        check_timeout(&mut session, now, &mut out);
    }
    Run { events, error: failed, replies }
}

/// Asserts that replies are whole messages that a peer can read, and their values too.
fn check_replies(mut replies: &[u8]) {
    let limits = ChunkLimits {
        chunk_streams_max: 8,
        incomplete_bytes_max: 0,
        message_len_max: u32::from(u16::MAX),
    };
    let mut reader = ChunkReader::new(limits);
    while let Some(message) = reader.read(&mut replies).expect("replies are legal chunks") {
        let type_id = message.header.type_id;
        let control = ControlMessage::parse(type_id, &message.payload);
        if let Ok(ControlMessage::SetChunkSize(size)) = control {
            reader.set_chunk_size(size);
        }
        if type_id == MessageType::CommandAmf0.id() {
            let limits = AmfLimits { depth_max: 4, nodes_max: 64 };
            let mut values = amf0::Reader::new(message.payload, limits);
            while values.read().expect("values of replies can be read").is_some() {}
        }
    }
    assert_eq!(reader.buffered(), 0, "replies are whole messages");
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

fn start(client: bool, owner: &Owner, now: Instant, out: &mut BytesMut) -> Session {
    let config = Arc::new(SessionConfig::default());
    if client {
        let request = ClientRequest {
            intent: owner.intent(),
            app: "live".into(),
            tc_url: "rtmp://localhost/live".into(),
            stream: "stream".into(),
        };
        Session::client(config, request, now, Rng::new(0), out)
    } else {
        Session::server(config, now, Rng::new(0))
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
        fn property(mode: u8, policy: u8, data: Vec<u8>) {
            // A session that has connected, and publishes or plays.
            let connect = [[0x40, 0, 1, 0x00], [0x41, 0, 2, 0x01], [0x42, 1, 3, 0x41]].concat();
            let result = [[0x50, 0, 1, 0x60], [0x50, 0, 2, 0x01], [0x52, 0, 0, 0x61]].concat();
            let prefix = if mode & 1 == 0 { connect } else { result };
            fuzz_session(&[&[mode | 2, policy & 0xC0][..], &prefix, &data].concat());
        }
        quickcheck::QuickCheck::new().tests(400).quickcheck(property as fn(u8, u8, Vec<u8>));
    }
}
