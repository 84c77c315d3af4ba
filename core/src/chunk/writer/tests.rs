use super::*;
use crate::chunk::tests::{bytes, join, message};
use pretty_assertions::assert_eq;
use std::vec::Vec;

#[test]
fn basic_headers_take_the_shortest_form() {
    let check = |csid: u32, expected: &[u8]| {
        let mut out = Vec::new();
        write_basic(3, ChunkStreamId::new(csid).unwrap(), &mut out);
        assert_eq!(out, expected);
    };
    check(2, &[0xC2]);
    check(63, &[0xFF]);
    check(64, &[0xC0, 0]);
    check(319, &[0xC0, 0xFF]);
    check(320, &[0xC1, 0x00, 0x01]);
    check(65_599, &[0xC1, 0xFF, 0xFF]);
}

/// Vector 4 of the reference: 300 bytes at 16777215 and at 20000000, in chunks of 128.
#[test]
fn extended_timestamps_are_repeated_on_each_continuation() {
    for (time, extended) in [
        (16_777_214, None),
        (16_777_215, Some([0x00, 0xFF, 0xFF, 0xFF])),
        (20_000_000, Some([0x01, 0x31, 0x2D, 0x00])),
        (u32::MAX, Some([0xFF; 4])),
    ] {
        let payload = bytes(300);
        let video = message(6, 9, 1, time, &payload);
        let mut out = Vec::new();
        write_message(video.header, &payload, ChunkSize::DEFAULT, &mut out);
        let extended: &[u8] = extended.as_ref().map_or(&[], |extended| extended);
        let field: &[u8] = if extended.is_empty() { &[0xFF, 0xFF, 0xFE] } else { &[0xFF; 3] };
        let expected = join(&[
            &[0x06],
            field,
            &[0x00, 0x01, 0x2C, 9, 1, 0, 0, 0],
            extended,
            &payload[..128],
            &[0xC6],
            extended,
            &payload[128..256],
            &[0xC6],
            extended,
            &payload[256..],
        ]);
        assert_eq!(out, expected);
    }
}

#[test]
fn delta_header_is_of_type_1() {
    let mut out = Vec::new();
    write_header_delta(ChunkStreamId::VIDEO, 40, 0x01_0203, 9, &mut out);
    assert_eq!(out, [0x46, 0, 0, 40, 1, 2, 3, 9]);
}

#[test]
fn body_of_no_bytes_is_empty_and_full_chunks_have_no_header_after_them() {
    let check = |len: usize, expected_len: usize| {
        let mut out = Vec::new();
        write_body(ChunkStreamId::VIDEO, &bytes(len), ChunkSize::DEFAULT, Some(1), &mut out);
        assert_eq!(out.len(), expected_len);
    };
    check(0, 0);
    check(128, 128);
    check(129, 129 + 5);
    check(256, 256 + 5);
}

/// What `ChunkWriter` writes for messages given as (csid, type, stream, time, length): the chunk
/// types of their first chunks.
fn check_types(messages: &[(u32, u8, u32, u32, usize)], expected: &[u8]) {
    let mut writer = ChunkWriter::new();
    let types: Vec<u8> = messages
        .iter()
        .map(|&(csid, type_id, stream, time, len)| {
            let mut out = BytesMut::new();
            let message = message(csid, type_id, stream, time, &bytes(len));
            writer.write(message.header, &message.payload, &mut out);
            out[0] >> 6
        })
        .collect();
    assert_eq!(types, expected, "{messages:?}");
}

#[test]
fn header_says_no_more_than_it_must() {
    // The same length and type, another length, another type, another message stream.
    check_types(&[(4, 8, 1, 0, 10), (4, 8, 1, 23, 10)], &[0, 2]);
    check_types(&[(4, 8, 1, 0, 10), (4, 8, 1, 23, 11)], &[0, 1]);
    check_types(&[(4, 8, 1, 0, 10), (4, 9, 1, 23, 10)], &[0, 1]);
    check_types(&[(4, 8, 1, 0, 10), (4, 8, 2, 23, 10)], &[0, 0]);
    // The same delta again is no reason to leave the header out.
    check_types(&[(4, 8, 1, 0, 10), (4, 8, 1, 0, 10), (4, 8, 1, 0, 10)], &[0, 2, 2]);
    // Other chunk streams do not matter.
    check_types(&[(4, 8, 1, 0, 10), (6, 9, 1, 0, 9), (4, 8, 1, 1, 10)], &[0, 0, 2]);
}

#[test]
fn delta_is_never_extended() {
    check_types(&[(4, 8, 1, 100, 10), (4, 8, 1, 99, 10)], &[0, 0]);
    check_types(&[(4, 8, 1, 0, 10), (4, 8, 1, 0xFF_FFFE, 10)], &[0, 2]);
    check_types(&[(4, 8, 1, 0, 10), (4, 8, 1, 0xFF_FFFF, 10)], &[0, 0]);
    // Across 2^32 a delta is as short as anywhere.
    check_types(&[(4, 8, 1, u32::MAX, 10), (4, 8, 1, 39, 10)], &[0, 2]);
}

#[test]
fn chunk_stream_used_longest_ago_is_forgotten() {
    let nine: Vec<_> = (10..19).map(|csid| (csid, 8, 1, 0, 1)).collect();
    let and = |csid| [nine.as_slice(), &[(csid, 8, 1, 0, 1)]].concat();
    check_types(&and(10), &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    check_types(&and(11), &[0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    let mut used = nine[..8].to_vec();
    used.extend([(10, 8, 1, 0, 1), (18, 8, 1, 0, 1), (10, 8, 1, 0, 1), (11, 8, 1, 0, 1)]);
    check_types(&used, &[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0]);
}

#[test]
fn forgotten_chunk_stream_begins_with_type_0() {
    let mut writer = ChunkWriter::new();
    let mut out = BytesMut::new();
    let audio = message(4, 8, 1, 5, &[1]);
    writer.write(audio.header, &audio.payload, &mut out);
    writer.forget(audio.header.csid);
    out.clear();
    writer.write(audio.header, &audio.payload, &mut out);
    assert_eq!(out[0], 0x04);
}
