use super::*;
use crate::ts::stream::TsStream;
use crate::ts::testing::*;
use crate::ts::{PAT_PID, PMT_PID, VIDEO_PID};
use bytes::BytesMut;
use pretty_assertions::assert_eq;
use std::vec;

/// Some pictures and sounds, and where the packets of `pid` begin.
fn stream() -> Vec<u8> {
    let (mut stream, mut out) = (TsStream::new(), BytesMut::new());
    let mut push = |frame| stream.push(&frame, &mut out);
    push(avc_header(0));
    push(aac_header(0));
    for index in 0..30 {
        let at = index * 40;
        push(if index % 10 == 0 { key(at) } else { avc(at, 0, false, &[&[0x41; 700]]) });
        push(aac(at, &[0x21; 100]));
    }
    stream.flush(&mut out);
    out.to_vec()
}

fn packets_of(bytes: &[u8], pid: u16) -> Vec<usize> {
    let starts = (0..bytes.len()).step_by(PACKET_LEN);
    let of = |at: &usize| u16::from_be_bytes([bytes[*at + 1] & 0x1f, bytes[*at + 2]]) == pid;
    starts.filter(of).collect()
}

#[track_caller]
fn check(change: impl FnOnce(&mut Vec<u8>), expected: &[Fault]) {
    let mut bytes = stream();
    assert_eq!(Found::of(&bytes).faults, []);
    change(&mut bytes);
    assert_eq!(Found::of(&bytes).faults, expected);
}

#[test]
fn every_fault_is_told() {
    let bytes = stream();
    let video = packets_of(&bytes, VIDEO_PID);
    let (pat, pmt) = (packets_of(&bytes, PAT_PID)[1], packets_of(&bytes, PMT_PID)[1]);
    let lost = |bytes: &mut Vec<u8>, at| drop(bytes.drain(at..at + PACKET_LEN));
    let continuity = |found: u8| Fault::Continuity { expected: found - 1, found };
    check(|bytes| lost(bytes, video[2]), &[continuity(3)]);
    check(|bytes| lost(bytes, pat), &[continuity(2)]);
    check(|bytes| bytes[pat + 10] ^= 1, &[Fault::Checksum]);
    check(|bytes| bytes[pmt + 20] ^= 1, &[Fault::Checksum]);
    check(
        |bytes| drop(bytes.splice(video[1]..video[1], [1, 2, 3])),
        &[Fault::LostSync { bytes: 3 }],
    );
    check(|bytes| bytes[video[0] + 1] |= 0x80, &[Fault::TransportError]);
    check(|bytes| bytes[video[0] + 3] |= 0x80, &[Fault::Scrambled]);
    check(|bytes| bytes[video[0] + 4] = 200, &[Fault::Adaptation]);
    check(|bytes| bytes[video[0] + 3] &= 0x0f, &[Fault::Adaptation]);
    let cut = Found::of(&bytes[..bytes.len() - 1]);
    assert_eq!(cut.faults[0], Fault::Truncated);
    let twice = |bytes: &mut Vec<u8>, at: usize| {
        let copy = bytes[at..at + PACKET_LEN].to_vec();
        bytes.splice(at..at, copy);
    };
    check(|bytes| twice(bytes, video[2]), &[Fault::Duplicate]);
    check(
        |bytes| {
            bytes[video[2] + 1] = 0x1f;
            bytes[video[2] + 2] = 0xf0;
        },
        &[Fault::UnknownPid, continuity(3)],
    );
}

#[test]
fn broken_pes_headers_are_told() {
    let bytes = stream();
    let first = packets_of(&bytes, VIDEO_PID)[0];
    let pes = first + 5 + usize::from(bytes[first + 4]);
    assert_eq!(bytes[pes..pes + 4], [0, 0, 1, 0xe0]);
    for (at, mask) in [(2, 1), (6, 0x80), (7, 0x40), (9, 0x10), (9, 1), (11, 1), (13, 1)] {
        check(|bytes| bytes[pes + at] ^= mask, &[Fault::PesHeader]);
    }
}

#[test]
fn reading_does_not_depend_on_how_bytes_come() {
    let bytes = [&[9; 5][..], &stream()].concat();
    let mut whole = TsReader::new();
    let mut input = &bytes[..];
    let events: Vec<_> = core::iter::from_fn(|| whole.read(&mut input)).collect();
    assert!(events.len() > 50);
    for size in [1, 2, 187, 188, 189, 1_000] {
        let (mut reader, mut found) = (TsReader::new(), vec![]);
        for mut piece in bytes.chunks(size) {
            while let Some(event) = reader.read(&mut piece) {
                found.push(event);
            }
        }
        assert_eq!(found, events, "pieces of {size}");
    }
}

#[test]
fn packets_are_counted() {
    let bytes = stream();
    let (mut reader, mut input) = (TsReader::new(), &bytes[..]);
    while reader.read(&mut input).is_some() {}
    for (pid, packets) in reader.packets() {
        assert_eq!(packets as usize, packets_of(&bytes, pid).len(), "PID {pid}");
    }
}
