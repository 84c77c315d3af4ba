//! Captured conversations, from a pcap or pcapng file or from two raw byte streams.

mod fuzz;
#[cfg(test)]
mod tests;

pub use fuzz::fuzz_capture;

use crate::pcap::{PacketFile, PcapError, Skip, decode};
use crate::tcp::{
    Action, Conversation, ConversationEvent, Direction, Reassembler, is_http_request,
};
use bytes::Bytes;
use core::fmt;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// Everything that was said in a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capture {
    /// In the order of their first packets.
    pub conversations: Vec<Conversation>,
    /// What the file had besides; empty for a whole capture of nothing but TCP.
    pub warnings: Vec<Warning>,
}

/// Something in a capture that no conversation shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Warning {
    /// The file ended inside of a record, or a record contradicts itself; the rest was not read.
    BrokenFile {
        /// Where that record begins.
        offset: usize,
    },
    /// Segments that no window of TCP reaches were ignored.
    OutsideOfWindow {
        /// How many.
        segments: u64,
    },
    /// Packets without a segment were left out.
    Skipped {
        /// Why.
        reason: Skip,
        /// How many.
        packets: u64,
    },
    /// Packets of interfaces that the file does not describe were left out.
    UnknownInterface {
        /// How many.
        packets: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenFile { offset } => {
                write!(f, "the file breaks off at byte {offset}; what came before was read")
            }
            Self::OutsideOfWindow { segments } => {
                write!(f, "{segments} segments fit no connection and were left out")
            }
            Self::Skipped { reason, packets } => {
                let why = match reason {
                    Skip::Fragment => "parts of IP packets, which are not put together",
                    Skip::Malformed => "cut short, or with lengths that contradict each other",
                    Skip::NotTcp => "no TCP over IP",
                    Skip::UnknownLink => "of a link layer that is not known",
                };
                write!(f, "{packets} packets were left out: {why}")
            }
            Self::UnknownInterface { packets } => {
                write!(f, "{packets} packets are of interfaces that the file does not describe")
            }
        }
    }
}

/// Why bytes are not a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CaptureError {
    /// They are not a capture file.
    Pcap(PcapError),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pcap(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CaptureError {}

/// What a client speaks, by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP that is not RTMPT.
    Http,
    /// C0 of version 3.
    Rtmp,
    /// C0 of an encrypted version: 6, 8 or 9.
    Rtmpe,
    /// RTMP tunnelled through HTTP.
    Rtmpt,
    /// A TLS record with a handshake message.
    Tls,
    /// The client sent nothing that is known.
    Unknown,
}

impl Protocol {
    /// What a client speaks that begins with `bytes`.
    #[must_use]
    pub fn of_first_bytes(bytes: &[u8]) -> Self {
        match bytes {
            [3, ..] => Self::Rtmp,
            [6 | 8 | 9, ..] => Self::Rtmpe,
            [0x16, 3, ..] => Self::Tls,
            bytes if is_http_request(bytes) => {
                let tunnel = [&b"POST /open/"[..], b"POST /fcs/", b"POST /send/", b"POST /idle/"];
                if tunnel.iter().any(|start| bytes.starts_with(start)) {
                    Self::Rtmpt
                } else {
                    Self::Http
                }
            }
            _ => Self::Unknown,
        }
    }
}

impl Conversation {
    /// What the client speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        // The longest thing to look at is a method and the first part of a path.
        let mut start = Vec::new();
        for event in &self.events {
            match &event.action {
                Action::Bytes(bytes) if event.direction == Direction::ClientToServer => {
                    let room = 16 - start.len();
                    start.extend(bytes.iter().take(room));
                }
                Action::Bytes(_) | Action::Fin | Action::Gap { .. } | Action::Reset => {}
            }
            if start.len() == 16 {
                break;
            }
        }
        Protocol::of_first_bytes(&start)
    }
}

impl Capture {
    /// Reads a pcap or pcapng file.
    ///
    /// # Errors
    /// The first bytes are not those of a capture file that can be read. A file that breaks off
    /// later gives what came before, and a warning.
    pub fn read(file: &[u8]) -> Result<Self, CaptureError> {
        let packet_file = PacketFile::read(file).map_err(CaptureError::Pcap)?;
        let mut skipped = BTreeMap::<Skip, u64>::new();
        let mut reassembler = Reassembler::new();
        for packet in &packet_file.packets {
            match decode(packet) {
                Ok(segment) => reassembler.handle(packet.at_micros, &segment),
                Err(reason) => *skipped.entry(reason).or_default() += 1,
            }
        }
        let mut warnings = Vec::new();
        warnings.extend(packet_file.broken_at.map(|offset| Warning::BrokenFile { offset }));
        if reassembler.outside_of_window() > 0 {
            warnings.push(Warning::OutsideOfWindow { segments: reassembler.outside_of_window() });
        }
        warnings.extend(
            skipped.into_iter().map(|(reason, packets)| Warning::Skipped { reason, packets }),
        );
        if packet_file.unknown_interface > 0 {
            warnings.push(Warning::UnknownInterface { packets: packet_file.unknown_interface });
        }
        Ok(Self { conversations: reassembler.finish(), warnings })
    }

    /// One conversation from what each side sent, without times: each stream is one event.
    #[must_use]
    pub fn from_raw(client_to_server: &[u8], server_to_client: &[u8]) -> Self {
        let event = |direction, bytes: &[u8]| {
            let action = Action::Bytes(Bytes::copy_from_slice(bytes));
            (!bytes.is_empty()).then_some(ConversationEvent { at_micros: 0, direction, action })
        };
        let events = [
            event(Direction::ClientToServer, client_to_server),
            event(Direction::ServerToClient, server_to_client),
        ];
        let unspecified = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        let conversation = Conversation {
            client: unspecified(0),
            server: unspecified(1_935),
            opened_at_micros: 0,
            from_start: true,
            events: events.into_iter().flatten().collect(),
        };
        Self { conversations: vec![conversation], warnings: Vec::new() }
    }
}
