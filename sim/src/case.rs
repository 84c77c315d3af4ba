//! A capture as a permanent test: small, and free of what concerns nobody else.
//!
//! What the clients sent keeps every size, header and time, because that is what a server stumbles
//! over: names, keys, addresses, free text and media are overwritten in place. What the recorded
//! server answered is only compared, so it is written anew without its media. Connections that are
//! not RTMP are left out, and so is all that TCP adds: retransmissions, bare acknowledgements.
//!
//! - `layout`: where the messages of a client stand in its bytes.
//! - `scrub`: what is overwritten in a message.
//! - `packets`: the new capture file.
#![expect(clippy::wildcard_enum_match_arm, reason = "a function picks the values of its subject")]

mod layout;
mod packets;
mod scrub;

#[cfg(test)]
mod tests;

use crate::capture::{Capture, CaptureError, Protocol};
use crate::replay::wire::{Listener, Said, Side, Speech, What};
use crate::replay::{Connection, Replay};
use crate::tcp::{Action, Conversation, ConversationEvent, Direction};
use bytes::{Bytes, BytesMut};
use core::fmt;
use millstream_core::chunk::{ChunkSize, Message, write_message};
use millstream_core::message::{ControlMessage, MessageType};
use scrub::Scrubber;

/// A capture that was made a test.
#[derive(Clone, Debug)]
pub struct Case {
    /// A pcap file.
    pub pcap: Vec<u8>,
    /// What its replay shows.
    pub timeline: String,
}

/// Why a capture cannot become a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CaseError {
    /// What was written cannot be read: a bug.
    Capture(CaptureError),
    /// The messages of a client cannot be told apart, so secrets in them could be missed.
    Chunks {
        /// The number of the connection.
        connection: usize,
    },
    /// Without its secrets a client would say something else: a bug, or a very odd client.
    Changed {
        /// The number of the connection.
        connection: usize,
    },
    /// No connection is RTMP.
    NoRtmp,
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => write!(f, "what was written cannot be read: {error}"),
            Self::Chunks { connection } => {
                write!(f, "the messages of connection [{connection}] cannot be told apart")
            }
            Self::Changed { connection } => {
                write!(f, "without its secrets the client of [{connection}] says something else")
            }
            Self::NoRtmp => f.write_str("no connection in it is RTMP"),
        }
    }
}

impl core::error::Error for CaseError {}

/// The part of an encrypted connection that shows that it is one: C0, C1 and C2.
const ENCRYPTED_LEN: usize = 3_073;

/// Media messages of each type that the recorded server keeps: that there were some is compared.
const SERVER_MEDIA: usize = 1;

impl Case {
    /// Makes a test of `capture`.
    ///
    /// # Errors
    /// It holds no RTMP, or cannot be overwritten safely; nothing is given then.
    pub fn of(capture: &Capture) -> Result<Self, CaseError> {
        let is_kept =
            |it: &&Conversation| matches!(it.protocol(), Protocol::Rtmp | Protocol::Rtmpe);
        let kept: Vec<_> = capture.conversations.iter().filter(is_kept).cloned().collect();
        if kept.is_empty() {
            return Err(CaseError::NoRtmp);
        }
        let kept = Capture { conversations: kept, warnings: Vec::new() };
        let before = Replay::of(&kept);
        let scrubber = Scrubber::of(&before.connections);
        let scrubbed: Result<Vec<Conversation>, CaseError> = kept
            .conversations
            .iter()
            .enumerate()
            .map(|(number, it)| scrub_conversation(number, it, &scrubber))
            .collect();
        let pcap = packets::write(&scrubbed?);
        let after = Replay::of(&Capture::read(&pcap).map_err(CaseError::Capture)?);
        for connection in &before.connections {
            let number = connection.number;
            let twin = after.connections.get(number);
            if !twin.is_some_and(|twin| is_alike(connection, twin)) {
                return Err(CaseError::Changed { connection: number });
            }
        }
        Ok(Self { pcap, timeline: after.timeline() })
    }
}

/// The client says as much, of the same kinds, at the same times.
fn is_alike(before: &Connection, after: &Connection) -> bool {
    let shape = |said: &Said| {
        let what = match &said.what {
            What::Command(command) => (20, command.arguments.len(), 0),
            What::Control(_) => (1, 0, 0),
            What::Data(data) => (18, data.payload.len(), data.timestamp.0),
            What::Failed(_) => (0, 0, 0),
            What::Handshake(_) => (3, 0, 0),
            What::Media(media) => (9, media.payload.len(), media.timestamp.0),
            What::Other { type_id, len } => (*type_id, *len, 0),
            What::UserControl(_) => (4, 0, 0),
        };
        (said.stream, what)
    };
    let shapes = |speech: &Speech| speech.said.iter().map(shape).collect::<Vec<_>>();
    before.protocol == Protocol::Rtmpe || shapes(&before.client_said) == shapes(&after.client_said)
}

fn scrub_conversation(
    number: usize,
    conversation: &Conversation,
    scrubber: &Scrubber,
) -> Result<Conversation, CaseError> {
    let of = |direction| conversation.events.iter().filter(move |it| it.direction == direction);
    let (client, server) = (Direction::ClientToServer, Direction::ServerToClient);
    let mut events = if conversation.protocol() == Protocol::Rtmpe {
        let mut events = first_bytes(of(client));
        events.extend(first_bytes(of(server)));
        events
    } else {
        let mut events =
            client_events(of(client), scrubber).ok_or(CaseError::Chunks { connection: number })?;
        events.extend(server_events(of(server), scrubber));
        events
    };
    events.sort_by_key(|event| event.at_micros);
    Ok(Conversation { events, ..conversation.clone() })
}

/// What shows that a connection is encrypted, and its end.
fn first_bytes<'a>(events: impl Iterator<Item = &'a ConversationEvent>) -> Vec<ConversationEvent> {
    let mut left = ENCRYPTED_LEN;
    let cut = events.filter_map(|event| {
        let Action::Bytes(bytes) = &event.action else { return Some(event.clone()) };
        let len = bytes.len().min(left);
        left -= len;
        let action = Action::Bytes(bytes.slice(..len));
        (len > 0).then(|| ConversationEvent { action, ..event.clone() })
    });
    cut.collect()
}

/// What the client did, overwritten in place. Bytes after a gap cannot be told apart, and go.
fn client_events<'a>(
    events: impl Iterator<Item = &'a ConversationEvent>,
    scrubber: &Scrubber,
) -> Option<Vec<ConversationEvent>> {
    let mut has_gap = false;
    let events = events.filter(|event| {
        let is_readable = !has_gap || !matches!(event.action, Action::Bytes(_));
        has_gap |= matches!(event.action, Action::Gap { .. });
        is_readable
    });
    let events: Vec<_> = events.cloned().collect();
    let mut bytes = Vec::new();
    for event in &events {
        if let Action::Bytes(part) = &event.action {
            bytes.extend_from_slice(part);
        }
    }
    for placed in layout::messages(&bytes)? {
        let mut payload = placed.message.payload.to_vec();
        scrubber.scrub(&placed.message, &mut payload);
        for (place, byte) in placed.places.iter().zip(payload) {
            *bytes.get_mut(*place)? = byte;
        }
    }
    let mut rest = Bytes::from(bytes);
    let events = events.into_iter().map(|event| match &event.action {
        Action::Bytes(part) => {
            let action = Action::Bytes(rest.split_to(part.len()));
            ConversationEvent { action, ..event }
        }
        Action::Fin | Action::Gap { .. } | Action::Reset => event,
    });
    Some(events.collect())
}

/// What the recorded server answered, written anew: its handshake as it was, its messages without
/// most of its media.
fn server_events<'a>(
    events: impl Iterator<Item = &'a ConversationEvent>,
    scrubber: &Scrubber,
) -> Vec<ConversationEvent> {
    let mut written = Vec::new();
    let mut listener = Listener::new(Side::Server);
    let mut chunk_size = ChunkSize::DEFAULT;
    let mut media = [0; 2];
    let mut handshake_left = ENCRYPTED_LEN;
    for event in events {
        let Action::Bytes(bytes) = &event.action else {
            written.push(event.clone());
            continue;
        };
        let mut out = BytesMut::new();
        let len = bytes.len().min(handshake_left);
        handshake_left -= len;
        out.extend_from_slice(&bytes[..len]);
        listener.hear_messages(event.at_micros, bytes, &mut |message| {
            if is_needed(message, &mut media) {
                let mut payload = message.payload.to_vec();
                scrubber.scrub(message, &mut payload);
                write_message(message.header, &payload, chunk_size, &mut out);
            }
            let Message { header, payload } = message;
            if let Ok(ControlMessage::SetChunkSize(size)) =
                ControlMessage::parse(header.type_id, payload)
            {
                chunk_size = size;
            }
        });
        if !out.is_empty() {
            let action = Action::Bytes(out.freeze());
            written.push(ConversationEvent { action, ..event.clone() });
        }
    }
    written
}

/// The message is compared, or stands for others that are.
fn is_needed(message: &Message, media: &mut [usize; 2]) -> bool {
    let index = match MessageType::from_id(message.header.type_id) {
        Some(MessageType::Acknowledgement | MessageType::Aggregate | MessageType::Abort) => {
            return false;
        }
        Some(MessageType::Audio) => 0,
        Some(MessageType::Video) => 1,
        _ => return true,
    };
    let Some(count) = media.get_mut(index) else { return false };
    *count += 1;
    *count <= SERVER_MEDIA
}
