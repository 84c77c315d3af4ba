use super::*;
use crate::chunk::{write_body, write_message};
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;

fn tape(frames: &[(FrameKind, u32, usize)]) -> Tape {
    let mut tape = Tape::new(ChunkSize::new(128).unwrap());
    for &(kind, at, len) in frames {
        let payload = std::vec![0xAA; len];
        tape.push(kind, FrameClass::Coded, Timestamp(at), &payload);
    }
    tape
}

#[test]
fn messages_are_deltas_without_stream_id() {
    let tape = tape(&[(FrameKind::Video, 1_000, 130), (FrameKind::Video, 1_040, 1)]);
    let mut bytes = Vec::new();
    tape.copy(0, tape.end(), &mut bytes);
    assert_eq!(bytes[..8], [0x46, 0, 0, 0, 0, 0, 130, 9]);
    assert_eq!(bytes[8 + 128], 0xC6, "continued by a header of type 3");
    assert_eq!(bytes[8 + 131..], [0x46, 0, 0, 40, 0, 0, 1, 9, 0xAA]);
}

#[test]
fn what_a_delta_cannot_say_is_a_break() {
    let cases = [(0, false), (40, false), (0xFF_FFFE, false), (0xFF_FFFF, true), (-1, true)];
    for (delta, is_break) in cases {
        let second = Timestamp(5).offset(delta);
        let tape = tape(&[(FrameKind::Audio, 5, 1), (FrameKind::Audio, second.0, 1)]);
        assert_eq!(tape.marks_from(0).last().unwrap().is_break, is_break, "delta {delta}");
    }
}

#[test]
fn a_message_is_in_one_block_or_in_two() {
    let tape = tape(&[(FrameKind::Video, 0, 10), (FrameKind::Video, 40, 300_000)]);
    let mut slices = Slices::new();
    let from = tape.marks_from(1).next().unwrap().offset;
    tape.slices(from, tape.end(), &mut slices);
    assert_eq!(slices.len(), 2);
}

#[test]
fn trimming_drops_whole_blocks_with_their_marks() {
    let frames: Vec<_> = (0..200).map(|n| (FrameKind::Video, n * 40, 1_000)).collect();
    let mut tape = tape(&frames);
    let middle = tape.end() / 2;
    let start = tape.start_after_trim(middle);
    tape.trim(middle);
    assert_eq!(tape.start(), start);
    assert!(start > 0 && start <= middle);
    let first = tape.marks_from(0).next().unwrap();
    assert!(first.offset >= start && first.offset < start + 2_000, "the first whole message");
}

#[test]
fn a_short_tape_has_short_blocks() {
    let mut tape = Tape::new(ChunkSize::new(4_096).unwrap());
    let mut held = 0;
    for n in 0..5_000_u32 {
        let begun = tape.push(FrameKind::Audio, FrameClass::Coded, Timestamp(n * 23), &[0; 100]);
        if begun {
            tape.trim(tape.newest().unwrap().offset);
        }
        held = held.max(tape.len());
    }
    assert!(held <= 2 * BLOCK_LEN_MIN as u64, "{held} bytes for a stream that nobody plays");
}

quickcheck! {
    /// Any messages, at any chunk size, read in every way, are what was pushed.
    fn what_was_pushed_is_read(sizes: Vec<u16>, chunk_size: u16, kept: u16) -> bool {
        let size = ChunkSize::new(u32::from(chunk_size).max(1)).unwrap();
        let mut tape = Tape::new(size);
        let (mut payloads, mut written) = (Vec::new(), Vec::new());
        for (n, &seed) in sizes.iter().enumerate() {
            // Most are short, some longer than any block.
            let len = usize::from(if seed % 8 == 0 { seed } else { seed % 3_000 }) * 2;
            let payload: Vec<u8> = (0..len).map(|at| (at * 7 + n) as u8).collect();
            let (delta, csid) = (if n == 0 { 0 } else { 10 }, ChunkStreamId::VIDEO);
            tape.push(FrameKind::Video, FrameClass::Coded, Timestamp(n as u32 * 10), &payload);
            write_header_delta(csid, delta, len as u32, MessageType::Video as u8, &mut written);
            write_body(csid, &payload, size, None, &mut written);
            payloads.push(payload);
        }
        assert_eq!(tape.end(), written.len() as u64);
        tape.trim(tape.end() * u64::from(kept) / 65_536);
        let start = tape.start();
        check_bytes(&tape, &written[start as usize..]);
        let marks: Vec<_> = tape.marks_from(start).collect();
        for (mark, payload) in marks.iter().rev().zip(payloads.iter().rev()) {
            check_message(&tape, mark, payload);
        }
        true
    }
}

fn check_bytes(tape: &Tape, written: &[u8]) {
    let mut bytes = Vec::new();
    tape.copy(tape.start(), tape.end(), &mut bytes);
    assert!(bytes == written, "what is copied is what was written");
    let shared: Vec<_> = tape.share(tape.start(), tape.end()).collect();
    assert!(shared.concat() == written, "what is shared is what was written");
}

fn check_message(tape: &Tape, mark: &Mark, payload: &[u8]) {
    let mut slices = Slices::new();
    assert_eq!(tape.slices(mark.offset, mark.end(), &mut slices), mark.len as usize);
    assert!(slices.len() <= 2, "a message is in two blocks at most");
    let parts: Vec<_> = tape.payload_parts(mark).collect();
    assert!(parts.concat() == payload, "in parts");
    let parts: Vec<_> = tape.share_payload(mark).collect();
    assert!(parts.concat() == payload, "in parts that are shared");
    assert!(tape.frame(mark).payload == payload, "as a frame");
    let (csid, timestamp) = (ChunkStreamId::new(9).unwrap(), Timestamp(0x0100_0000));
    let (type_id, stream_id) = (MessageType::Video as u8, MessageStreamId(1));
    let header = MessageHeader { csid, type_id, stream_id, timestamp };
    let (mut copied, mut written) = (Vec::new(), Vec::new());
    tape.write_copy(mark, csid, stream_id, timestamp, &mut copied);
    write_message(header, payload, tape.chunk_size(), &mut written);
    assert!(copied == written, "on another chunk stream, with a long time");
}

#[test]
fn the_floor_of_lag_is_by_bytes_or_by_time() {
    let frames: Vec<_> = (0..100).map(|n| (FrameKind::Video, n * 1_000, 100)).collect();
    let tape = tape(&frames);
    let by_time = tape.lag_floor(u64::MAX, Duration::from_secs(10));
    assert_eq!(tape.marks_from(by_time).next().unwrap().timestamp, Timestamp(89_000));
    assert_eq!(tape.lag_floor(500, Duration::from_secs(3_600)), tape.end() - 500);
}
