//! The body of the fuzz target of captures.

use super::{Capture, Warning};
use crate::pcap::{PacketFile, Segment, decode};
use crate::tcp::{Action, Conversation, Direction, Reassembler};
use std::net::SocketAddr;

/// The body of a fuzz target: reads `data` as a capture file and checks what must hold of any.
pub fn fuzz_capture(data: &[u8]) {
    let Ok(capture) = Capture::read(data) else { return };
    let end_micros = check_packets(data, &capture);
    check_segments(data);
    let mut delivered = 0;
    for conversation in &capture.conversations {
        let mut now_micros = conversation.opened_at_micros;
        let mut over = [false; 2];
        for event in &conversation.events {
            assert!(event.at_micros >= now_micros, "time goes back");
            now_micros = event.at_micros;
            let over = &mut over[usize::from(event.direction == Direction::ServerToClient)];
            match &event.action {
                Action::Bytes(bytes) => {
                    assert!(!bytes.is_empty() && !*over, "no or late bytes");
                    delivered += bytes.len();
                }
                Action::Gap { len } => assert!(*len > 0 && !*over, "an empty or late gap"),
                Action::Fin => assert!(!core::mem::replace(over, true), "a second end"),
                Action::Reset => *over = true,
            }
        }
        assert!(now_micros <= end_micros, "later than the last packet");
        let _protocol = conversation.protocol();
    }
    assert!(delivered <= data.len(), "more bytes than were captured");
}

/// Checks that packets lie in the file, that none is counted twice, and that what stands in front
/// does not depend on what follows it. Gives the time of the last one.
fn check_packets(data: &[u8], capture: &Capture) -> u64 {
    let file = PacketFile::read(data).expect("it was read before");
    let captured: usize = file.packets.iter().map(|packet| packet.bytes.len()).sum();
    assert!(captured <= data.len(), "more than the file has");
    let without_segment: u64 = capture
        .warnings
        .iter()
        .map(|warning| match warning {
            Warning::OutsideOfWindow { segments: packets } | Warning::Skipped { packets, .. } => {
                *packets
            }
            Warning::BrokenFile { .. } | Warning::UnknownInterface { .. } => 0,
        })
        .sum();
    let packets = file.packets.len() as u64;
    assert!(without_segment <= packets, "a packet counts once");
    assert!(capture.conversations.len() as u64 <= packets, "a conversation has a packet");
    if let Ok(front) = PacketFile::read(&data[..data.len() / 2]) {
        assert!(file.packets.starts_with(&front.packets), "what follows does not matter");
    }
    file.packets.iter().map(|packet| packet.at_micros).max().unwrap_or_default()
}

/// Checks that it does not matter whether segments are sent twice, or in two parts.
fn check_segments(data: &[u8]) {
    let file = PacketFile::read(data).expect("it was read before");
    let mut segments = Vec::new();
    for packet in &file.packets {
        segments.extend(decode(packet).ok().map(|segment| (packet.at_micros, segment)));
    }
    // A connection that is over as soon as it opens is another one when it opens again: its end
    // came before its begin, or with it.
    let mut from_end = segments.iter().skip_while(|(_, segment)| !(segment.fin || segment.reset));
    if from_end.any(|(_, segment)| segment.syn) {
        return;
    }
    let once = reassembled(segments.iter().copied());
    let twice = segments.iter().flat_map(|segment| [*segment; 2]);
    assert_eq!(reassembled(twice), once, "a retransmission says nothing new");
    // Where bytes follow an end, which no host sends, it matters what of them came before it.
    if segments.iter().any(|(_, segment)| segment.fin || segment.reset) {
        return;
    }
    let parts = segments.iter().flat_map(|(at_micros, segment)| {
        let [first, second] = halves(segment);
        [(*at_micros, first), (*at_micros, second)]
    });
    assert_eq!(reassembled(parts), once, "the segmentation does not matter");
}

/// A segment as two that say the same.
fn halves<'a>(segment: &Segment<'a>) -> [Segment<'a>; 2] {
    let (front, back) = segment.payload.split_at(segment.payload.len() / 2);
    let len = front.len() as u32;
    if len == 0 {
        return [*segment; 2];
    }
    let sequence = segment.sequence.wrapping_add(len + u32::from(segment.syn));
    let first = Segment { payload: front, wire_len: len, ..*segment };
    let wire_len = segment.wire_len - len;
    [first, Segment { payload: back, wire_len, sequence, syn: false, ..*segment }]
}

/// What both sides of a connection did, each by itself: bytes, and what came behind them.
type Sides = (SocketAddr, SocketAddr, [Vec<(Vec<u8>, Option<Action>)>; 2]);

fn reassembled<'a>(segments: impl Iterator<Item = (u64, Segment<'a>)>) -> Vec<Sides> {
    let mut reassembler = Reassembler::new();
    for (at_micros, segment) in segments {
        reassembler.handle(at_micros, &segment);
    }
    reassembler.finish().iter().map(sides).collect()
}

fn sides(conversation: &Conversation) -> Sides {
    let side = |direction| {
        let mut parts = vec![(Vec::new(), None)];
        for event in conversation.events.iter().filter(|event| event.direction == direction) {
            match (parts.last_mut(), &event.action) {
                (Some((before, None)), Action::Bytes(bytes)) => before.extend_from_slice(bytes),
                (_, Action::Bytes(bytes)) => parts.push((bytes.to_vec(), None)),
                (_, action) => parts.push((Vec::new(), Some(action.clone()))),
            }
        }
        parts
    };
    let sides = [Direction::ClientToServer, Direction::ServerToClient].map(side);
    (conversation.client, conversation.server, sides)
}
