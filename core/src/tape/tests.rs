use super::*;
use pretty_assertions::assert_eq;

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
fn a_message_longer_than_a_block_is_in_one_piece() {
    let tape = tape(&[(FrameKind::Video, 0, 10), (FrameKind::Video, 40, 300_000)]);
    let mut slices = Slices::new();
    let from = tape.marks_from(1).next().unwrap().offset;
    tape.slices(from, tape.end(), &mut slices);
    assert_eq!(slices.len(), 1);
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
    assert_eq!(tape.marks_from(0).next().unwrap().offset, start);
}

#[test]
fn the_floor_of_lag_is_by_bytes_or_by_time() {
    let frames: Vec<_> = (0..100).map(|n| (FrameKind::Video, n * 1_000, 100)).collect();
    let tape = tape(&frames);
    let by_time = tape.lag_floor(u64::MAX, Duration::from_secs(10));
    assert_eq!(tape.marks_from(by_time).next().unwrap().timestamp, Timestamp(89_000));
    assert_eq!(tape.lag_floor(500, Duration::from_secs(3_600)), tape.end() - 500);
}
