use super::*;
use crate::chunk::tests::{LIMITS, bytes, join, message, read_every_split, read_pieces};
use crate::chunk::{ChunkWriter, write_header_delta, write_message};
use crate::message::ControlMessage;
use bytes::BytesMut;
use pretty_assertions::assert_eq;

fn check(input: &[u8], expected: &[Message]) {
    assert_eq!(read_every_split(input), (expected.to_vec(), None), "{input:02X?}");
}

fn check_error(input: &[u8], expected: ChunkError) {
    assert_eq!(read_every_split(input).1, Some(expected), "{input:02X?}");
}

fn chunk_size(size: u32) -> Vec<u8> {
    let mut out = Vec::new();
    ControlMessage::SetChunkSize(ChunkSize::new(size).unwrap()).write(ChunkSize::DEFAULT, &mut out);
    out
}

fn reader(size: u32) -> ChunkReader {
    let mut reader = ChunkReader::new(LIMITS);
    reader.set_chunk_size(ChunkSize::new(size).unwrap());
    reader
}

/// Memory for payload, in use or not.
fn reserved(reader: &ChunkReader) -> usize {
    reader.streams.iter().map(|stream| stream.payload.capacity()).sum()
}

#[test]
fn reader_is_small() {
    assert!(size_of::<ChunkReader>() <= 128, "{}", size_of::<ChunkReader>());
    assert!(size_of::<ChunkStream>() <= 48, "{}", size_of::<ChunkStream>());
}

#[test]
fn messages_take_no_more_memory_than_their_length_and_leave_none_behind() {
    for (len, size, piece) in
        [(100, 128, 4_096), (10_000, 128, 65_536), (10_000, 128, 7), (10_000, 4_096, 1_000)]
    {
        let mut out = Vec::new();
        let video = message(6, 9, 1, 0, &bytes(len));
        write_message(video.header, &video.payload, ChunkSize::new(size).unwrap(), &mut out);
        let mut reader = reader(size);
        let mut messages = Vec::new();
        for mut piece in out.chunks(piece) {
            messages.extend(reader.read(&mut piece).unwrap());
        }
        assert_eq!(reserved(&reader), 0);
        assert_eq!(reader.buffered(), 0);
        assert_eq!(messages, [video]);
        drop(messages.drain(..).map(|message| {
            assert_eq!(message.payload.try_into_mut().unwrap().capacity(), len);
        }));
    }
}

#[test]
fn reader_in_error_stays_in_error_and_holds_nothing() {
    let mut reader = reader(128);
    let mut input: &[u8] = &[4, 0, 0, 0, 0, 1, 0, 8, 1, 0, 0, 0, 1, 2, 3];
    assert_eq!(reader.read(&mut input), Ok(None));
    assert_eq!(reader.buffered(), 3);
    assert_eq!(reader.read(&mut &bytes(125)[..]), Ok(None));
    let error = Err(ChunkError::NoPrecedingHeader);
    assert_eq!(reader.read(&mut &[0xC7_u8; 200][..]), error);
    assert_eq!((reader.buffered(), reserved(&reader)), (0, 0));
    let mut input: &[u8] = &[3, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0];
    assert_eq!(reader.read(&mut input), error);
    reader.abort(ChunkStreamId::CONTROL);
    assert_eq!(reader.read(&mut &[][..]), error);
}

/// Vector 3 of the reference: audio of FMLE.
#[test]
fn lone_type_3_begins_a_message_and_adds_the_last_field_again() {
    let payload = bytes(157);
    let header = [0x04, 0x00, 0x00, 0x1A, 0x00, 0x00, 0x9D, 0x08, 0x01, 0x00, 0x00, 0x00];
    let first = join(&[&header, &payload[..128], &[0xC4], &payload[128..]]);
    let lone = join(&[&[0xC4], &payload[..128], &[0xC4], &payload[128..]]);
    let at = |time| message(4, 8, 1, time, &payload);
    check(&join(&[&first, &lone]), &[at(26), at(52)]);
    // After types 1 and 2 it is their delta.
    let short = join(&[&[0x84, 0, 0, 5], &payload[..128], &[0xC4], &payload[128..]]);
    check(&join(&[&first, &lone, &short, &lone]), &[at(26), at(52), at(57), at(62)]);
}

/// Vector 5 of the reference.
#[test]
fn row_023_chunk_stream_ids_in_every_form() {
    let rest = [0, 0, 7, 0, 0, 1, 8, 1, 0, 0, 0, 0xAB];
    for (basic, csid) in [
        (&[0x02_u8] as &[u8], 2),
        (&[0x03], 3),
        (&[0x3F], 63),
        (&[0x00, 0x00], 64),
        (&[0x00, 0xFF], 319),
        (&[0x01, 0x00, 0x01], 320),
        (&[0x01, 0xFF, 0xFF], 65_599),
        // In three bytes, where two would do.
        (&[0x01, 0x00, 0x00], 64),
        (&[0x01, 0xFF, 0x00], 319),
    ] {
        check(&join(&[basic, &rest]), &[message(csid, 8, 1, 7, &[0xAB])]);
    }
    // Each form means the same chunk stream.
    let bytes = join(&[&[0x00, 0x05], &rest, &[0xC1, 0x05, 0x00, 0xCD]]);
    check(&bytes, &[message(69, 8, 1, 7, &[0xAB]), message(69, 8, 1, 14, &[0xCD])]);
}

#[test]
fn row_024_many_csids_with_huge_lengths() {
    let chunk = |csid: u16| {
        let [low, high] = csid.to_le_bytes();
        [0x01, low, high, 0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 1, 0, 0, 0, 0xAA]
    };
    let attack: Vec<u8> = (0..65_000).flat_map(chunk).collect();
    let limits = ChunkLimits { message_len_max: 0xFF_FFFF, ..LIMITS };
    for piece in [1, 15, 1_448, 65_536, attack.len()] {
        let mut reader = ChunkReader::new(limits);
        reader.set_chunk_size(ChunkSize::new(1).unwrap());
        let mut pieces = attack.chunks(piece);
        let error = loop {
            match reader.read(&mut pieces.next().unwrap()) {
                Ok(message) => assert_eq!(message, None),
                Err(error) => break error,
            }
            assert!(reserved(&reader) <= piece + 2 * 64 * 8);
        };
        assert_eq!(error, ChunkError::TooManyChunkStreams);
    }
    // 64 chunk streams are accepted, whatever their ids; the 65th is not.
    let full: Vec<u8> = (0..64).map(|index| index * 1_000).flat_map(chunk).collect();
    let mut reader = ChunkReader::new(limits);
    reader.set_chunk_size(ChunkSize::new(1).unwrap());
    assert_eq!(reader.read(&mut &full[..]), Ok(None));
    assert_eq!(reader.buffered(), 64);
    assert!(reserved(&reader) <= full.len() + 64 * 8);
    let error = reader.read(&mut &chunk(64_000)[..]);
    assert_eq!(error, Err(ChunkError::TooManyChunkStreams));
}

#[test]
fn incomplete_bytes_have_a_budget() {
    let limits =
        ChunkLimits { chunk_streams_max: 64, incomplete_bytes_max: 50, message_len_max: 100 };
    let header = |csid| [csid, 0, 0, 0, 0, 0, 100, 9, 1, 0, 0, 0];
    let mut input = Vec::new();
    for csid in [3, 4, 5] {
        input.extend(header(csid));
        input.extend([csid; 50]);
    }
    let mut reader = ChunkReader::new(limits);
    reader.set_chunk_size(ChunkSize::new(50).unwrap());
    assert_eq!(reader.read(&mut &input[..]), Ok(None));
    assert_eq!(reader.buffered(), 150);
    // Nothing more fits, be it the end of a message.
    assert_eq!(reader.read(&mut &[0xC4][..]), Err(ChunkError::IncompleteBytes));

    // A message that is whole makes room for others.
    let mut reader = ChunkReader::new(limits);
    reader.set_chunk_size(ChunkSize::new(50).unwrap());
    assert_eq!(reader.read(&mut &input[..124]), Ok(None));
    let rest = join(&[&[0xC4], &[4; 50][..]]);
    assert!(reader.read(&mut &rest[..]).unwrap().is_some());
    assert_eq!(reader.buffered(), 50);
    let more = join(&[&header(4), &[4; 50][..], &header(5), &[5; 50][..]]);
    assert_eq!(reader.read(&mut &more[..]), Ok(None));
    assert_eq!(reader.buffered(), 150);
    assert_eq!(reader.read(&mut &header(6)[..]), Err(ChunkError::IncompleteBytes));
}

#[test]
fn the_budget_of_incomplete_bytes_depended_on_the_segmentation() {
    let limits =
        ChunkLimits { chunk_streams_max: 64, incomplete_bytes_max: 50, message_len_max: 128 };
    let header = |csid, len| [csid, 0, 0, 0, 0, 0, len, 9, 1, 0, 0, 0];
    // Two messages that want more, and a short one that is whole.
    for (short, expected) in [(28, Ok(28)), (29, Err(ChunkError::IncompleteBytes))] {
        let input = join(&[
            &header(3, 128),
            &[3; 75][..],
            &header(4, 128),
            &[4; 75][..],
            &header(5, short),
            &bytes(short.into())[..],
        ]);
        for pieces in [&[][..], &[1], &[input.len() - 1, 1]] {
            let mut reader = ChunkReader::new(limits);
            reader.set_chunk_size(ChunkSize::new(75).unwrap());
            let (messages, error) = read_pieces(reader, &input, pieces);
            let result = messages.first().map(|message| message.payload.len());
            assert_eq!(result.ok_or(error).map_err(Option::unwrap), expected, "{pieces:?}");
        }
    }
}

/// Vector 6 of the reference: librtmp begins so.
#[test]
fn row_025_first_chunk_of_each_type() {
    let ping = [0x42, 0, 0, 0, 0, 0, 6, 4, 0, 6, 0, 0, 0x0D, 0x0F];
    check(&ping, &[message(2, 4, 0, 0, &ping[8..])]);
    let audio = [0x45, 0, 0, 9, 0, 0, 1, 8, 0xAF];
    check(&audio, &[message(5, 8, 0, 9, &[0xAF])]);
    check_error(&[0x82, 0, 0, 0, 1], ChunkError::NoPrecedingHeader);
    check_error(&[0x80, 0, 0, 0, 0, 1], ChunkError::NoPrecedingHeader);
    check_error(&[0xC2, 0], ChunkError::NoPrecedingHeader);
    check_error(&[0xC1, 0, 0], ChunkError::NoPrecedingHeader);
}

#[test]
fn row_026_interleaved_messages() {
    let (a, b) = (bytes(300), [7; 50]);
    let input = join(&[
        &[0x04, 0, 0, 1, 0, 1, 0x2C, 8, 1, 0, 0, 0],
        &a[..128],
        &[0x06, 0, 0, 2, 0, 0, 50, 9, 1, 0, 0, 0],
        &b,
        &[0xC4],
        &a[128..256],
        &[0xC6],
        &b,
        &[0xC4],
        &a[256..],
    ]);
    let expected = [message(6, 9, 1, 2, &b), message(6, 9, 1, 4, &b), message(4, 8, 1, 1, &a)];
    check(&input, &expected);
}

#[test]
fn row_027_header_inside_message() {
    let payload = bytes(130);
    let first = join(&[&[0x04, 0, 0, 9, 0, 0, 130, 8, 1, 0, 0, 0], &payload[..128]]);
    let check_inside = |header: &[u8], accepted: bool| {
        let input = join(&[&first, header, &payload[128..]]);
        if accepted {
            check(&input, &[message(4, 8, 1, 9, &payload)]);
        } else {
            check_error(&input, ChunkError::HeaderInsideMessage);
        }
    };
    check_inside(&[0x04, 0, 0, 9, 0, 0, 130, 8, 1, 0, 0, 0], false);
    check_inside(&[0x44, 0, 0, 9, 0, 0, 131, 8], false);
    check_inside(&[0x44, 0, 0, 9, 0, 0, 2, 8], false);
    check_inside(&[0x44, 0, 0, 9, 0, 0, 130, 9], false);
    // A header that repeats the message in progress continues it, and does not change its time.
    check_inside(&[0x44, 0, 0, 9, 0, 0, 130, 8], true);
    check_inside(&[0x84, 0, 0, 9], true);
    check_inside(&[0x84, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0], true);
    check_inside(&[0xC4], true);
}

#[test]
fn row_029_chunks_of_one_byte() {
    for (len, piece) in [(1 << 20, 1_448), (1 << 20, usize::MAX), (1 << 16, 1), (1 << 16, 6)] {
        let video = message(6, 9, 1, 1 << 24, &bytes(len));
        let mut out = Vec::new();
        write_message(video.header, &video.payload, ChunkSize::new(1).unwrap(), &mut out);
        let (messages, error) = read_pieces(reader(1), &out, &[piece]);
        assert_eq!(error, None);
        assert!(messages == [video]);
    }
}

#[test]
fn row_030_huge_chunk_sizes_cost_nothing() {
    let mut reader = ChunkReader::new(ChunkLimits { message_len_max: u32::MAX, ..LIMITS });
    reader.set_chunk_size(ChunkSize::new(0x7FFF_FFFF).unwrap());
    let mut input: &[u8] = &[4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 8, 1, 0, 0, 0, 1, 2, 3];
    assert_eq!(reader.read(&mut input), Ok(None));
    assert_eq!((reader.buffered(), reserved(&reader)), (3, 3));
}

#[test]
fn row_032_chunk_size_changes_inside_a_message() {
    let payload = bytes(700);
    let resize =
        |size: u32| join(&[&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0], &size.to_be_bytes()[..]]);
    let input = join(&[
        &[0x04, 0, 0, 1, 0, 2, 0xBC, 8, 1, 0, 0, 0],
        &payload[..128],
        &resize(300),
        &[0xC4],
        &payload[128..428],
        &resize(200),
        &[0xC4],
        &payload[428..628],
        &[0xC4],
        &payload[628..],
    ]);
    let expected = [
        message(2, 1, 0, 0, &300_u32.to_be_bytes()),
        message(2, 1, 0, 0, &200_u32.to_be_bytes()),
        message(4, 8, 1, 1, &payload),
    ];
    check(&input, &expected);
}

#[test]
fn row_034_abort_discards_what_is_incomplete() {
    let abort = |csid: u8| [2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, csid];
    let aborted = |csid: u8| message(2, 2, 0, 0, &[0, 0, 0, csid]);
    let header = [0x04, 0, 0, 9, 0, 0, 130, 8, 1, 0, 0, 0];
    let payload = bytes(130);
    let mut input = join(&[&header, &payload[..128]]);
    let mut expected = Vec::new();
    // Unknown, its own, another without a message in progress, and the one in progress, often.
    for csid in [77, 2, 77, 4, 4, 4] {
        input.extend(abort(csid));
        expected.push(aborted(csid));
    }
    // What follows is the first chunk of a new message.
    input.extend(join(&[&[0xC4], &payload[..128], &[0xC4], &payload[128..]]));
    expected.push(message(4, 8, 1, 18, &payload));
    input.extend(join(&[&header, &payload[..128], &[0xC4], &payload[128..]]));
    expected.push(message(4, 8, 1, 9, &payload));
    check(&input, &expected);
    for _ in 0..10_000 {
        let mut reader = reader(128);
        assert_eq!(reader.read(&mut &input[..50]), Ok(None));
        assert_eq!(reader.buffered(), 38);
        reader.abort(ChunkStreamId::AUDIO);
        assert_eq!((reader.buffered(), reserved(&reader)), (0, 0));
    }
}

#[test]
fn abort_inside_a_chunk_skips_the_rest_of_it() {
    let mut reader = reader(128);
    let payload = bytes(200);
    let first = join(&[&[0x04, 0, 0, 9, 0, 0, 200, 8, 1, 0, 0, 0], &payload[..100]]);
    assert_eq!(reader.read(&mut &first[..]), Ok(None));
    reader.abort(ChunkStreamId::AUDIO);
    assert_eq!(reader.read(&mut &payload[100..110]), Ok(None));
    let rest = join(&[&payload[110..128], &[0x04, 0, 0, 1, 0, 0, 1, 8, 1, 0, 0, 0, 0xAB]]);
    assert_eq!(reader.read(&mut &rest[..]), Ok(Some(message(4, 8, 1, 1, &[0xAB]))));
}

#[test]
fn row_035_empty_messages_are_whole_at_once() {
    for type_id in [1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 20, 22] {
        let input = [5, 0, 0, 7, 0, 0, 0, type_id, 1, 0, 0, 0, 0xC5, 0x85, 0, 0, 1];
        let empty = |time| message(5, type_id, 1, time, &[]);
        check(&input, &[empty(7), empty(14), empty(15)]);
    }
}

#[test]
fn row_036_long_message_that_comes_slowly() {
    let header = [6, 0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 1, 0, 0, 0];
    let early = ChunkLimits { message_len_max: 64 << 10, ..LIMITS };
    let error = ChunkReader::new(early).read(&mut &header[..]);
    let limit = 64 << 10;
    assert_eq!(error, Err(ChunkError::MessageTooLong { len: 0xFF_FFFF, limit }));
    // At the limit it is accepted, above it refused, also by a header that does not say the length.
    let at_limit = [6, 0, 0, 0, 1, 0, 0, 9, 1, 0, 0, 0];
    assert_eq!(ChunkReader::new(early).read(&mut &at_limit[..]), Ok(None));
    let above = [6, 0, 0, 0, 1, 0, 1, 9, 1, 0, 0, 0];
    let error = ChunkReader::new(early).read(&mut &above[..]);
    assert_eq!(error, Err(ChunkError::MessageTooLong { len: limit + 1, limit }));
    let mut reader = ChunkReader::new(LIMITS);
    reader.set_chunk_size(ChunkSize::new(0xFF_FFFF).unwrap());
    let input = join(&[&header[..4], &[1, 0, 1], &header[7..], &bytes(limit as usize + 1)]);
    assert!(reader.read(&mut &input[..]).unwrap().is_some());
    reader.set_limits(early);
    let error = reader.read(&mut &[0xC6][..]);
    assert_eq!(error, Err(ChunkError::MessageTooLong { len: limit + 1, limit }));

    let granted = ChunkLimits { message_len_max: 0xFF_FFFF, ..LIMITS };
    let mut reader = ChunkReader::new(granted);
    reader.set_chunk_size(ChunkSize::new(0xFF_FFFF).unwrap());
    assert_eq!(reader.read(&mut &header[..]), Ok(None));
    let mut sizes = Vec::new();
    for received in (1_024..=1 << 20).step_by(1_024) {
        assert_eq!(reader.read(&mut &[0; 1_024][..]), Ok(None));
        assert_eq!(reader.buffered(), received);
        assert!(reserved(&reader) <= 2 * received);
        sizes.push(reserved(&reader));
    }
    // The bytes were moved to a longer buffer a few times only: the cost is linear.
    sizes.dedup();
    assert_eq!(sizes.len(), 11);
}

#[test]
fn row_037_long_keyframes_pass() {
    for (len, size) in [(1_188_572, 128), (1_200_000, 4_096), (6_000_000, 60_000)] {
        let video = message(6, 9, 1, 40, &bytes(len));
        let mut out = chunk_size(size);
        let size = ChunkSize::new(size).unwrap();
        write_message(video.header, &video.payload, size, &mut out);
        let (messages, error) = read_pieces(ChunkReader::new(LIMITS), &out, &[65_536]);
        assert_eq!(error, None);
        assert!(messages[1..] == [video]);
    }
}

/// Vector 4 of the reference: with and without the 4 bytes on type 3.
#[test]
fn row_038_extended_timestamps_in_both_dialects() {
    let payload = bytes(300);
    for time in [0xFF_FFFF_u32, 20_000_000, 1 << 31, u32::MAX] {
        for extended in [&time.to_be_bytes() as &[u8], &[]] {
            let input = join(&[
                &[0x06, 0xFF, 0xFF, 0xFF, 0x00, 0x01, 0x2C, 9, 1, 0, 0, 0],
                &time.to_be_bytes(),
                &payload[..128],
                &[0xC6],
                extended,
                &payload[128..256],
                &[0xC6],
                extended,
                &payload[256..],
            ]);
            check(&input, &[message(6, 9, 1, time, &payload)]);
        }
    }
}

/// A delta of types 1 and 2 is a delta; what is repeated may be the delta or the time.
#[test]
fn row_039_extended_deltas() {
    let payload = bytes(130);
    let first = [0x06, 0, 0, 100, 0, 0, 1, 9, 1, 0, 0, 0, 0xAB];
    for (delta, time) in [
        (0x0100_0000, 0x0100_0064),
        (16_776_216, 16_776_316),
        // Time goes back by 50: a delta modulo 2^32.
        (50_u32.wrapping_neg(), 50_u32),
    ] {
        let repeats: [&[u8]; 3] = [&delta.to_be_bytes(), &time.to_be_bytes(), &[]];
        for repeat in repeats {
            let input = join(&[
                &first,
                &[0x46, 0xFF, 0xFF, 0xFF, 0, 0, 130, 9],
                &delta.to_be_bytes(),
                &payload[..128],
                &[0xC6],
                repeat,
                &payload[128..],
            ]);
            check(&input, &[message(6, 9, 1, 100, &[0xAB]), message(6, 9, 1, time, &payload)]);
        }
    }
    let short = join(&[&first, &[0x86, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0xCD]]);
    check(&short, &[message(6, 9, 1, 100, &[0xAB]), message(6, 9, 1, 0x0100_0064, &[0xCD])]);
}

/// The field that begins a message on type 3 means what it meant before.
#[test]
fn lone_type_3_with_an_extended_timestamp() {
    let full = [0x06, 0xFF, 0xFF, 0xFF, 0, 0, 1, 9, 1, 0, 0, 0, 0x01, 0, 0, 0, 0xA0];
    let lone = [0xC6, 0x01, 0, 0, 23, 0xA1];
    let at = |time, byte| message(6, 9, 1, time, &[byte]);
    check(&join(&[&full[..], &lone]), &[at(1 << 24, 0xA0), at((1 << 24) + 23, 0xA1)]);
    let delta = [0x86, 0xFF, 0xFF, 0xFF, 0x01, 0, 0, 0, 0xA2];
    check(
        &join(&[&full[..], &delta, &lone]),
        &[at(1 << 24, 0xA0), at(2 << 24, 0xA2), at((3 << 24) + 23, 0xA1)],
    );
    // An ordinary header ends it.
    let short = [0x86, 0, 0, 40, 0xA3, 0xC6, 0xA4];
    check(
        &join(&[&full[..], &short]),
        &[at(1 << 24, 0xA0), at((1 << 24) + 40, 0xA3), at((1 << 24) + 80, 0xA4)],
    );
}

/// A peer that leaves the 4 bytes out inside messages leaves them out of every type 3.
#[test]
fn peer_that_omits_extended_timestamps_is_remembered() {
    let payload = bytes(130);
    let mut reader = ChunkReader::new(LIMITS);
    let header = [0x06, 0xFF, 0xFF, 0xFF, 0, 0, 130, 9, 1, 0, 0, 0, 0x01, 0, 0, 0];
    let input = join(&[&header[..], &payload[..128], &[0xC6], &payload[128..]]);
    let video = message(6, 9, 1, 1 << 24, &payload);
    assert_eq!(reader.read(&mut &input[..]), Ok(Some(video.clone())));
    // The end of the next one looks like the time, and nothing comes after it: it is given.
    let input = join(&[&header[..], &payload[..128], &[0xC6, 0x01, 0x00]]);
    let read = reader.read(&mut &input[..]).unwrap().unwrap();
    assert_eq!(read.payload[128..], [0x01, 0x00]);
    // A lone type 3 has none either; no time has passed.
    let input = join(&[&[0xC6], &payload[..128], &[0xC6], &payload[128..]]);
    assert_eq!(reader.read(&mut &input[..]), Ok(Some(video.clone())));
    // Where 4 bytes are to come it can still be seen to repeat them.
    let header = [0x06, 0xFF, 0xFF, 0xFF, 0, 0, 132, 9, 1, 0, 0, 0, 0x01, 0, 0, 0];
    let payload = bytes(132);
    let repeat = [0x01, 0, 0, 0];
    let input = join(&[&header[..], &payload[..128], &[0xC6], &repeat, &payload[128..]]);
    let video = message(6, 9, 1, 1 << 24, &payload);
    assert_eq!(reader.read(&mut &input[..]), Ok(Some(video)));
}

/// With a peer that is not known yet, an end that looks like the time waits for the byte after it.
#[test]
fn end_of_a_message_that_looks_like_its_time() {
    let payload = bytes(128);
    let header = [0x06, 0xFF, 0xFF, 0xFF, 0, 0, 131, 9, 1, 0, 0, 0, 0x01, 0x02, 0x03, 0x04];
    let next = [0x04, 0, 0, 5, 0, 0, 1, 8, 1, 0, 0, 0, 0xAF];
    let tail = [0x01, 0x02, 0x03];
    let time = 0x0102_0304;
    let omitted = join(&[&header[..], &payload, &[0xC6], &tail, &[0x05], &next[1..]]);
    let whole = join(&[&payload[..], &tail]);
    check(&omitted, &[message(6, 9, 1, time, &whole), message(5, 8, 1, 5, &[0xAF])]);
    // Where the byte after it is that of the time too, only a peer that repeats can be meant.
    let repeated = join(&[&header[..], &payload, &[0xC6], &tail, &[0x04], &tail, &next]);
    check(&repeated, &[message(6, 9, 1, time, &whole), message(4, 8, 1, 5, &[0xAF])]);
}

/// Bytes that were held back for a decision may hold whole messages.
#[test]
fn held_bytes_are_read_before_the_input() {
    let header = [0x06, 0xFF, 0xFF, 0xFF, 0, 0, 6, 9, 1, 0, 0, 0, 0x01, 0xC6, 0x02, 0x09];
    // In chunks of one byte without repetition, `01 C6 02` looks like the time until `C6` comes.
    let body = [0xAA, 0xC6, 0x01, 0xC6, 0x02, 0xC6, 0x03, 0xC6, 0x04, 0xC6, 0x05];
    let input = join(&[&header[..], &body]);
    let video = message(6, 9, 1, 0x01C6_0209, &[0xAA, 1, 2, 3, 4, 5]);
    for piece in 1..=input.len() {
        let (messages, error) = read_pieces(reader(1), &input, &[piece]);
        assert_eq!((&messages[..], error), (&[video.clone()][..], None));
    }
}

#[test]
fn times_wrap_at_2_to_the_32() {
    let mut input = Vec::new();
    let first = message(4, 8, 1, u32::MAX - 10, &[1]);
    write_message(first.header, &first.payload, ChunkSize::DEFAULT, &mut input);
    write_header_delta(ChunkStreamId::AUDIO, 23, 1, 8, &mut input);
    input.push(2);
    check(&input, &[first, message(4, 8, 1, 12, &[2])]);
}

#[test]
fn row_043_a_session_in_every_segmentation() {
    let mut writer = ChunkWriter::new();
    let mut out = BytesMut::new();
    let mut expected = Vec::new();
    let messages = [(3, 20, 0, 0, 200), (2, 1, 0, 0, 0), (8, 18, 1, 0, 300), (6, 9, 1, 0, 1_000)];
    let more = [(4, 8, 1, 0, 7), (4, 8, 1, 23, 100), (6, 9, 1, 1 << 24, 700), (70, 8, 1, 5, 1)];
    for (csid, type_id, stream, time, len) in messages.into_iter().chain(more) {
        let payload = if type_id == 1 { Vec::from([0, 0, 1, 0]) } else { bytes(len) };
        let message = message(csid, type_id, stream, time, &payload);
        writer.write(message.header, &message.payload, &mut out);
        if type_id == 1 {
            writer.set_chunk_size(ChunkSize::new(256).unwrap());
        }
        expected.push(message);
    }
    check(&out, &expected);
    for piece in 2..64 {
        let pieces = read_pieces(ChunkReader::new(LIMITS), &out, &[piece]);
        assert_eq!(pieces, (expected.clone(), None));
    }
}
