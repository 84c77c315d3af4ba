//! Bodies of fuzz targets.

use super::{ChunkLimits, ChunkReader};
use crate::message::ControlMessage;

/// Reads `data` in pieces whose lengths `data` itself tells, and obeys its control messages.
///
/// # Panics
/// The reader kept more than its budget, gave a message beyond its limit, left input behind or
/// left its error.
pub fn fuzz_reader(data: &[u8]) {
    let mut reader = ChunkReader::new(LIMITS);
    let (seed, mut data) = data.split_at_checked(1).unwrap_or_default();
    let mut len = seed.first().map_or(1, |&seed| usize::from(seed));
    while !data.is_empty() {
        let (mut piece, rest) = data.split_at_checked(len.max(1)).unwrap_or((data, &[]));
        len = usize::from(piece.last().copied().unwrap_or_default() & 0x3F);
        data = rest;
        loop {
            match reader.read(&mut piece) {
                Ok(Some(message)) => {
                    assert!(message.payload.len() <= LIMITS.message_len_max as usize);
                    obey(&mut reader, message.header.type_id, &message.payload);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.read(&mut piece), Err(error), "the reader stays in error");
                    assert_eq!(reader.buffered(), 0);
                    return;
                }
            }
        }
        assert!(piece.is_empty(), "all was consumed");
        let max = LIMITS.message_len_max.saturating_add(LIMITS.incomplete_bytes_max);
        assert!(reader.buffered() <= max as usize);
    }
}

fn obey(reader: &mut ChunkReader, type_id: u8, payload: &[u8]) {
    match ControlMessage::parse(type_id, payload) {
        Ok(ControlMessage::SetChunkSize(size)) => reader.set_chunk_size(size),
        Ok(ControlMessage::Abort(csid)) => reader.abort(csid),
        Ok(_) | Err(_) => {}
    }
}

const LIMITS: ChunkLimits =
    ChunkLimits { chunk_streams_max: 8, incomplete_bytes_max: 512, message_len_max: 1_024 };
