//! Conversations as a capture file: pcap, bare IPv4, addresses of documentation.

use crate::tcp::{Action, Conversation, ConversationEvent, Direction};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Where the capture begins: in September 2001, so that it tells nothing of the real one.
const START_SECONDS: u64 = 1_000_000_000;

/// The most payload of one packet; the length of a packet is a field of 16 bits.
const SEGMENT_LEN_MAX: usize = 32_768;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// LINKTYPE_RAW: packets begin with their IP header.
const LINK_TYPE: u32 = 101;

/// Writes a capture file. Which connections share a client or a server stays as it is.
pub(super) fn write(conversations: &[Conversation]) -> Vec<u8> {
    let start = conversations.iter().map(|it| it.opened_at_micros).min().unwrap_or_default();
    let (mut clients, mut servers) = (BTreeMap::new(), BTreeMap::new());
    let mut packets = Vec::new();
    for (index, conversation) in conversations.iter().enumerate() {
        let client = documentation_ip([192, 0, 2], &mut clients, conversation.client);
        let server = documentation_ip([198, 51, 100], &mut servers, conversation.server);
        let client_port = 40_000_u16.wrapping_add(u16::try_from(index).unwrap_or(u16::MAX));
        let mut line = Line {
            ends: [(client, client_port), (server, conversation.server.port())],
            sequence: [1_000, 5_000],
            has_gap: false,
            at_micros: conversation.opened_at_micros - start,
            packets: &mut packets,
        };
        line.open(conversation.from_start);
        for event in &conversation.events {
            line.at_micros = event.at_micros - start;
            line.event(event);
        }
    }
    packets.sort_by_key(|(at_micros, _)| *at_micros);
    let mut file = Vec::new();
    file.extend(0xA1B2_C3D4_u32.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(4_u16.to_le_bytes());
    file.extend([0; 8]);
    file.extend(262_144_u32.to_le_bytes());
    file.extend(LINK_TYPE.to_le_bytes());
    for (at_micros, packet) in packets {
        let seconds = START_SECONDS + at_micros / 1_000_000;
        let len = packet.len() as u32;
        for field in [seconds as u32, (at_micros % 1_000_000) as u32, len, len] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// The same address stands for the same machine.
fn documentation_ip(
    network: [u8; 3],
    known: &mut BTreeMap<IpAddr, u8>,
    real: SocketAddr,
) -> [u8; 4] {
    let next = u8::try_from(known.len() + 1).unwrap_or(u8::MAX);
    let host = *known.entry(real.ip()).or_insert(next);
    let [a, b, c] = network;
    [a, b, c, host]
}

/// One connection: its ends, the client first, and what each has sent.
struct Line<'a> {
    ends: [([u8; 4], u16); 2],
    sequence: [u32; 2],
    has_gap: bool,
    at_micros: u64,
    packets: &'a mut Vec<(u64, Vec<u8>)>,
}

impl Line<'_> {
    /// The beginning, if the capture had it.
    fn open(&mut self, from_start: bool) {
        if from_start {
            self.send(0, SYN, &[]);
            self.send(1, SYN | ACK, &[]);
        }
    }

    fn event(&mut self, event: &ConversationEvent) {
        let from = usize::from(event.direction == Direction::ServerToClient);
        match &event.action {
            Action::Bytes(bytes) => {
                for part in bytes.chunks(SEGMENT_LEN_MAX) {
                    self.send(from, ACK, part);
                }
                if std::mem::take(&mut self.has_gap) {
                    // Bytes are lost once the other side has acknowledged what follows them.
                    self.send(1 - from, ACK, &[]);
                }
            }
            Action::Fin => self.send(from, FIN | ACK, &[]),
            Action::Reset => self.send(from, RST | ACK, &[]),
            Action::Gap { len } => {
                self.sequence[from] = self.sequence[from].wrapping_add(*len as u32);
                self.has_gap = true;
            }
        }
    }

    fn send(&mut self, from: usize, flags: u8, payload: &[u8]) {
        let acknowledged = if flags & ACK == 0 { 0 } else { self.sequence[1 - from] };
        let packet = packet(
            [self.ends[from], self.ends[1 - from]],
            [self.sequence[from], acknowledged],
            flags,
            payload,
        );
        self.packets.push((self.at_micros, packet));
        let ends = u32::from(flags & (SYN | FIN) != 0);
        self.sequence[from] = self.sequence[from].wrapping_add(payload.len() as u32 + ends);
    }
}

/// An IPv4 packet with a TCP segment (RFC 791 and 9293), without checksums.
fn packet(
    ends: [([u8; 4], u16); 2],
    sequence_and_acknowledgement: [u32; 2],
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let total_len = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0];
    packet.extend(total_len.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend(ends.iter().flat_map(|(ip, _)| *ip));
    packet.extend(ends.iter().flat_map(|(_, port)| port.to_be_bytes()));
    packet.extend(sequence_and_acknowledgement.iter().flat_map(|number| number.to_be_bytes()));
    packet.extend([5 << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}
