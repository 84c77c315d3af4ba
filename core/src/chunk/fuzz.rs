//! Bodies of fuzz targets.

mod reference;

use super::{ChunkError, ChunkLimits, ChunkReader, ChunkWriter, Message, MessageHeader};
use crate::chunk::ChunkStreamId;
use crate::id::MessageStreamId;
use crate::message::ControlMessage;
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// Reads `data` as a whole and in pieces whose lengths `data` itself tells, obeys its control
/// messages, and writes again what was read.
///
/// # Panics
/// The reader kept more than its budget, gave a message beyond its limit, left input behind, left
/// its error, depended on the pieces, or read something else than the writer was given.
pub fn fuzz_reader(data: &[u8]) {
    let (seed, data) = data.split_at_checked(1).unwrap_or_default();
    let whole = read(&mut core::iter::once(data), LIMITS);
    let mut len = seed.first().map_or(1, |&seed| usize::from(seed));
    let mut rest = data;
    let pieces = read(
        &mut core::iter::from_fn(|| {
            let (piece, left) = rest.split_at_checked(len.max(1)).unwrap_or((rest, &[]));
            len = usize::from(piece.last().copied()? & 0x3F);
            rest = left;
            Some(piece)
        }),
        LIMITS,
    );
    assert_eq!(whole, pieces, "the result depends on the segmentation");
    if let Some(plain) = reference::read(data) {
        assert_eq!(whole.0, plain, "the reader and the specification differ");
    }
    write_again(&whole.0);
}

/// What a reader gives, and how it ended.
fn read(
    pieces: &mut dyn Iterator<Item = &[u8]>,
    limits: ChunkLimits,
) -> (Vec<Message>, Option<ChunkError>) {
    let mut reader = ChunkReader::new(limits);
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(message)) => {
                    assert!(message.payload.len() <= limits.message_len_max as usize);
                    obey(&mut reader, message.header.type_id, &message.payload);
                    messages.push(message);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.read(&mut piece), Err(error), "the reader stays in error");
                    assert_eq!(reader.buffered(), 0);
                    return (messages, Some(error));
                }
            }
        }
        assert!(piece.is_empty(), "all was consumed");
        reader.check();
        let max = limits.message_len_max.saturating_add(limits.incomplete_bytes_max);
        assert!(reader.buffered() <= max as usize);
    }
    (messages, None)
}

fn obey(reader: &mut ChunkReader, type_id: u8, payload: &[u8]) {
    match ControlMessage::parse(type_id, payload) {
        Ok(ControlMessage::SetChunkSize(size)) => reader.set_chunk_size(size),
        Ok(ControlMessage::Abort(csid)) => reader.abort(csid),
        Ok(_) | Err(_) => {}
    }
}

/// Asserts that the writer says what was read, and at no more cost than a header for each chunk.
fn write_again(messages: &[Message]) {
    let mut writer = ChunkWriter::new();
    let mut out = BytesMut::new();
    let mut payload_len: usize = 0;
    let mut chunks: usize = 0;
    for message in messages.iter().chain([&LAST]) {
        let len = message.payload.len();
        payload_len = payload_len.saturating_add(len);
        let parts = len.div_ceil(writer.chunk_size().bytes() as usize);
        chunks = chunks.saturating_add(parts.max(1));
        writer.write(message.header, &message.payload, &mut out);
        // A reader has to obey what it reads, so a writer has to as well.
        if let Ok(ControlMessage::SetChunkSize(size)) =
            ControlMessage::parse(message.header.type_id, &message.payload)
        {
            writer.set_chunk_size(size);
        }
    }
    assert!(out.len() <= payload_len.saturating_add(chunks.saturating_mul(HEADER_LEN_MAX)));
    let limits = ChunkLimits { chunk_streams_max: 9, ..LIMITS };
    let (again, error) = read(&mut core::iter::once(&*out), limits);
    assert_eq!(error, None, "what is written can be read");
    assert!(again.iter().eq(messages.iter().chain([&LAST])), "{again:?} of {messages:?}");
}

/// A message behind the others: the end of one whose last bytes look like its time is only known
/// by what follows it.
const LAST: Message = Message {
    header: MessageHeader {
        csid: ChunkStreamId::CONTROL,
        type_id: 9,
        stream_id: MessageStreamId(0),
        timestamp: Timestamp(0),
    },
    payload: Bytes::new(),
};

/// A basic header, a message header and an extended timestamp.
const HEADER_LEN_MAX: usize = 3 + 11 + 4;

const LIMITS: ChunkLimits =
    ChunkLimits { chunk_streams_max: 8, incomplete_bytes_max: 100, message_len_max: 600 };
