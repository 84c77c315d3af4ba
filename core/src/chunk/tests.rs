//! Reader and writer against each other.

use super::*;
use crate::message::ControlMessage;
use bytes::BytesMut;
use pretty_assertions::assert_eq;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::VecDeque;
use std::vec::Vec;

pub(super) const LIMITS: ChunkLimits = ChunkLimits {
    chunk_streams_max: 64,
    incomplete_bytes_max: 256 << 10,
    message_len_max: 8 << 20,
};

/// What a reader gives for `bytes` in pieces of the given lengths, the last one repeated. It obeys
/// the control messages that it gives.
pub(super) fn read_pieces(
    mut reader: ChunkReader,
    mut bytes: &[u8],
    lens: &[usize],
) -> (Vec<Message>, Option<ChunkError>) {
    let mut messages = Vec::new();
    let mut lens = lens.iter();
    let mut len = bytes.len();
    while !bytes.is_empty() {
        len = lens.next().copied().unwrap_or(len).max(1).min(bytes.len());
        let (mut piece, rest) = bytes.split_at(len);
        bytes = rest;
        loop {
            match reader.read(&mut piece) {
                Ok(Some(message)) => {
                    match ControlMessage::parse(message.header.type_id, &message.payload) {
                        Ok(ControlMessage::SetChunkSize(size)) => reader.set_chunk_size(size),
                        Ok(ControlMessage::Abort(csid)) => reader.abort(csid),
                        _ => {}
                    }
                    messages.push(message);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.read(&mut piece), Err(error));
                    return (messages, Some(error));
                }
            }
        }
        assert!(piece.is_empty());
    }
    (messages, None)
}

/// The messages of `bytes`, which are the same for every way to cut `bytes` in two, and byte by
/// byte.
pub(super) fn read_every_split(bytes: &[u8]) -> (Vec<Message>, Option<ChunkError>) {
    let whole = read_pieces(ChunkReader::new(LIMITS), bytes, &[]);
    assert_eq!(read_pieces(ChunkReader::new(LIMITS), bytes, &[1]), whole, "byte by byte");
    for at in 1..bytes.len() {
        let split = read_pieces(ChunkReader::new(LIMITS), bytes, &[at, bytes.len()]);
        assert_eq!(split, whole, "split at {at}");
    }
    whole
}

pub(super) fn message(csid: u32, type_id: u8, stream: u32, time: u32, payload: &[u8]) -> Message {
    let header = MessageHeader {
        csid: ChunkStreamId::new(csid).unwrap(),
        type_id,
        stream_id: MessageStreamId(stream),
        timestamp: Timestamp(time),
    };
    Message { header, payload: Bytes::copy_from_slice(payload) }
}

pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// `len` bytes that differ from their neighbours.
pub(super) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8 ^ 0xA5).collect()
}

/// A message with a chunk stream, a time and a length of the kind where things break.
#[derive(Clone, Debug)]
struct AnyMessage(Message);

impl Arbitrary for AnyMessage {
    fn arbitrary(g: &mut Gen) -> Self {
        let csid = *g.choose(&[2, 3, 6, 63, 64, 65, 319, 320, 65_599]).unwrap();
        let type_id = *g.choose(&[8, 9, 18]).unwrap();
        let stream = *g.choose(&[0, 1, 1, 1, 0xFFFF_FFFF]).unwrap();
        let near = *g.choose(&[0, 1 << 24, 1 << 31, u32::MAX]).unwrap();
        let time = near.wrapping_add(u32::from(u8::arbitrary(g))).wrapping_sub(128);
        let len = *g.choose(&[0, 1, 2, 3, 127, 128, 129, 131, 132, 300]).unwrap();
        let salt = u8::arbitrary(g);
        let payload: Vec<u8> = bytes(len).iter().map(|byte| byte.wrapping_add(salt)).collect();
        Self(message(csid, type_id, stream, time, &payload))
    }

    fn shrink(&self) -> std::boxed::Box<dyn Iterator<Item = Self>> {
        let Message { header, payload } = self.0.clone();
        let half = payload.slice(..payload.len() / 2);
        let shorter = (!payload.is_empty()).then_some(Self(Message { header, payload: half }));
        std::boxed::Box::new(shorter.into_iter())
    }
}

#[derive(Clone, Copy, Debug)]
struct AnyChunkSize(ChunkSize);

impl Arbitrary for AnyChunkSize {
    fn arbitrary(g: &mut Gen) -> Self {
        let sizes = [1, 2, 3, 4, 5, 127, 128, 129, 4_096, 0xFF_FFFF];
        Self(ChunkSize::new(*g.choose(&sizes).unwrap()).unwrap())
    }
}

/// Chunks that are well formed each, but not in what they say together.
#[derive(Clone, Debug)]
struct ChunkSoup(Vec<u8>);

impl Arbitrary for ChunkSoup {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut bytes = Vec::new();
        for csid in 2..6 {
            bytes.extend([csid, 0xFF, 0xFF, 0xFF, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0, 0, 4]);
        }
        for _ in 0..g.size() {
            let kind = *g.choose(&[0, 1, 2, 3, 3, 3]).unwrap();
            bytes.push((kind << 6) | g.choose(&[2_u8, 3, 4, 5]).unwrap());
            let extended = bool::arbitrary(g);
            if kind < 3 {
                bytes.extend(if extended { [0xFF; 3] } else { [0, 0, 1] });
            }
            if kind < 2 {
                bytes.extend([0, 0, *g.choose(&[0, 1, 3, 4, 130]).unwrap()]);
                bytes.push(*g.choose(&[1, 2, 8, 9]).unwrap());
            }
            if kind < 1 {
                bytes.extend([1, 0, 0, 0]);
            }
            if extended {
                bytes.extend([1, 0, 0, *g.choose(&[4, 4, 5]).unwrap()]);
            }
            for _ in 0..*g.choose(&[0, 1, 2, 3, 4, 128]).unwrap() {
                bytes.push(*g.choose(&[0, 0, 1, 4, 0xC4]).unwrap());
            }
        }
        Self(bytes)
    }

    fn shrink(&self) -> std::boxed::Box<dyn Iterator<Item = Self>> {
        std::boxed::Box::new(self.0.shrink().map(Self))
    }
}

fn reader(size: ChunkSize) -> ChunkReader {
    let mut reader = ChunkReader::new(LIMITS);
    reader.set_chunk_size(size);
    reader
}

/// A chunk, and the message that it makes whole.
type ChunkAndMessage = (Vec<u8>, Option<Message>);

/// The chunks of a message of type 0, with or without a repeated extended timestamp.
fn chunks(message: &Message, size: ChunkSize, repeat: bool) -> VecDeque<Vec<u8>> {
    let mut first = Vec::new();
    let len = message.payload.len() as u32;
    let extended = write_header_absolute(message.header, len, &mut first).filter(|_| repeat);
    let header_len = first.len();
    write_body(message.header.csid, &message.payload, size, extended, &mut first);
    let csid = message.header.csid.number();
    let basic_len = 1 + usize::from(csid >= 64) + usize::from(csid >= 320);
    let bare_len = basic_len + if extended.is_some() { 4 } else { 0 };
    let size = size.bytes() as usize;
    let mut rest = first.split_off(first.len().min(header_len + size));
    let mut chunks = VecDeque::from([first]);
    while !rest.is_empty() {
        let after = rest.split_off(rest.len().min(bare_len + size));
        chunks.push_back(rest);
        rest = after;
    }
    chunks
}

quickcheck! {
    fn writer_and_reader_are_inverse(
        messages: Vec<AnyMessage>,
        size: AnyChunkSize,
        lens: Vec<usize>
    ) -> bool {
        let messages: Vec<Message> = messages.into_iter().map(|any| any.0).collect();
        let mut writer = ChunkWriter::new();
        writer.set_chunk_size(size.0);
        let mut out = BytesMut::new();
        for message in &messages {
            writer.write(message.header, &message.payload, &mut out);
        }
        read_pieces(reader(size.0), &out, &lens) == (messages, None)
    }

    fn whole_messages_are_read_back(message: AnyMessage, size: AnyChunkSize) -> bool {
        let mut out = Vec::new();
        write_message(message.0.header, &message.0.payload, size.0, &mut out);
        let expected = (Vec::from([message.0]), None);
        read_pieces(reader(size.0), &out, &[]) == expected
            && read_pieces(reader(size.0), &out, &[1]) == expected
    }

    fn row_026_any_interleaving_is_read_back(
        messages: Vec<AnyMessage>,
        turns: Vec<u8>,
        size: AnyChunkSize,
        repeat: bool,
        lens: Vec<usize>
    ) -> bool {
        // One queue of chunks for each chunk stream: within it messages cannot interleave.
        let mut queues: Vec<(u32, VecDeque<ChunkAndMessage>)> = Vec::new();
        for AnyMessage(message) in messages {
            let csid = message.header.csid.number();
            if !queues.iter().any(|queue| queue.0 == csid) {
                queues.push((csid, VecDeque::new()));
            }
            let queue = &mut queues.iter_mut().find(|queue| queue.0 == csid).unwrap().1;
            let mut chunks = chunks(&message, size.0, repeat);
            let last = chunks.pop_back().unwrap();
            queue.extend(chunks.into_iter().map(|chunk| (chunk, None)));
            queue.push_back((last, Some(message)));
        }
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let mut turns = turns.into_iter().cycle();
        while !queues.is_empty() {
            let turn = usize::from(turns.next().unwrap_or_default()) % queues.len();
            let (chunk, whole) = queues[turn].1.pop_front().unwrap();
            bytes.extend(chunk);
            expected.extend(whole);
            queues.retain(|queue| !queue.1.is_empty());
        }
        // The end of a message that looks like its time is given once the next byte came.
        bytes.extend([0x02, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0]);
        expected.push(message(2, 9, 0, 0, &[]));
        read_pieces(reader(size.0), &bytes, &lens) == (expected, None)
    }

    fn row_043_results_do_not_depend_on_segments(bytes: Vec<u8>, lens: Vec<usize>) -> bool {
        let whole = read_pieces(ChunkReader::new(LIMITS), &bytes, &[]);
        read_pieces(ChunkReader::new(LIMITS), &bytes, &[1]) == whole
            && read_pieces(ChunkReader::new(LIMITS), &bytes, &lens) == whole
    }

    fn row_043_broken_streams_do_not_depend_on_segments(soup: ChunkSoup, lens: Vec<u8>) -> bool {
        let lens: Vec<usize> = lens.into_iter().map(|len| usize::from(len % 32)).collect();
        let whole = read_pieces(ChunkReader::new(LIMITS), &soup.0, &[]);
        read_pieces(ChunkReader::new(LIMITS), &soup.0, &[1]) == whole
            && read_pieces(ChunkReader::new(LIMITS), &soup.0, &lens) == whole
    }

    fn fuzz_body_holds(bytes: Vec<u8>, soup: ChunkSoup) -> bool {
        fuzz::fuzz_reader(&bytes);
        fuzz::fuzz_reader(&soup.0);
        true
    }
}

#[test]
fn fuzz_body_holds_on_a_true_stream_with_flaws() {
    let mut out = BytesMut::new();
    let mut writer = ChunkWriter::new();
    for (csid, len) in [(3, 300), (4, 20), (64, 700), (3, 5), (400, 129), (2, 4)] {
        let type_id = if csid == 2 { 1 } else { 9 };
        let message = message(csid, type_id, 1, 0x0100_0000, &bytes(len));
        writer.write(message.header, &message.payload, &mut out);
    }
    for at in 0..out.len() {
        for flaw in [0x00, 0x01, 0x7F, 0xC3, 0xFF] {
            let mut bytes = out.to_vec();
            bytes[at] = flaw;
            fuzz::fuzz_reader(&bytes);
        }
    }
}

/// Ordinary and extended times on both sides of each border, in both dialects, with every split.
#[test]
fn row_038_times_across_every_border_in_both_dialects() {
    let borders = [0xFF_FFFF, 1 << 24, 1 << 31, u32::MAX];
    for border in borders {
        for step in [40_u32, 0xFF_FFFE, 0xFF_FFFF, 0x0100_0000, 0x8000_0001] {
            for repeat in [true, false] {
                let before = border.wrapping_sub(20);
                let messages = [
                    message(6, 9, 1, before, &bytes(5)),
                    message(6, 9, 1, before.wrapping_add(step), &bytes(9)),
                    message(6, 9, 1, before, &bytes(10)),
                ];
                let mut out = Vec::new();
                crate::message::ControlMessage::SetChunkSize(ChunkSize::new(4).unwrap())
                    .write(ChunkSize::DEFAULT, &mut out);
                for message in &messages {
                    out.extend(
                        chunks(message, ChunkSize::new(4).unwrap(), repeat).iter().flatten(),
                    );
                }
                let (read, error) = read_every_split(&out);
                assert_eq!((&read[1..], error), (&messages[..], None), "repeat {repeat}");
            }
        }
    }
}
