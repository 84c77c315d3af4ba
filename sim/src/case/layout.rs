//! Where the messages of a client stand in its bytes.

use millstream_core::chunk::{ChunkLimits, ChunkReader, Message};
use millstream_core::message::ControlMessage;
use std::collections::BTreeMap;

/// C0, C1 and C2.
const HANDSHAKE_LEN: usize = 3_073;

const LIMITS: ChunkLimits = ChunkLimits {
    chunk_streams_max: 4_096,
    incomplete_bytes_max: 64 << 20,
    message_len_max: 0xFF_FFFF,
};

/// A message, and where each byte of its payload stands.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) message: Message,
    pub(super) places: Vec<usize>,
}

/// The whole messages of a client; `None` when they cannot be told apart for sure.
///
/// The reader of the server itself is fed byte by byte: a byte that makes its payload grow is
/// payload. So whatever the reader tolerates is understood here in the same way.
pub(super) fn messages(bytes: &[u8]) -> Option<Vec<Placed>> {
    let mut reader = ChunkReader::new(LIMITS);
    let mut places = BTreeMap::<u32, Vec<usize>>::new();
    let mut found = Vec::new();
    // Where the chunk header that is read begins, and the chunk stream that it told of.
    let (mut header_at, mut current) = (HANDSHAKE_LEN, None);
    for (at, byte) in bytes.iter().enumerate().skip(HANDSHAKE_LEN) {
        let mut input = std::slice::from_ref(byte);
        loop {
            let before = reader.buffered();
            // What follows an error is nothing to a server.
            let Ok(read) = reader.read(&mut input) else { return Some(found) };
            let end = at + 1 - input.len();
            let Some(message) = read else {
                let grown = reader.buffered().saturating_sub(before);
                if grown > 0 {
                    let begin = end.checked_sub(grown)?;
                    if begin > header_at {
                        current = csid(bytes.get(header_at..begin)?);
                    }
                    places.entry(current?).or_default().extend(begin..end);
                    header_at = end;
                }
                break;
            };
            let mut known = places.remove(&message.header.csid.number()).unwrap_or_default();
            let missing = message.payload.len().checked_sub(known.len())?;
            known.extend(end.checked_sub(missing)?..end);
            current = Some(message.header.csid.number());
            header_at = end;
            let read: Option<Vec<u8>> = known.iter().map(|at| bytes.get(*at).copied()).collect();
            if read? != message.payload {
                return None;
            }
            let Message { header, payload } = &message;
            match ControlMessage::parse(header.type_id, payload) {
                Ok(ControlMessage::SetChunkSize(size)) => reader.set_chunk_size(size),
                Ok(ControlMessage::Abort(csid)) => {
                    reader.abort(csid);
                    places.remove(&csid.number());
                }
                Ok(_) | Err(_) => {}
            }
            found.push(Placed { message, places: known });
        }
    }
    Some(found)
}

/// The chunk stream id at the front of a chunk header (section 5.3.1.1).
fn csid(header: &[u8]) -> Option<u32> {
    match (header.first()? & 0x3F, header) {
        (0, [_, low, ..]) => Some(64 + u32::from(*low)),
        (1, [_, low, high, ..]) => Some(64 + u32::from(*low) + 256 * u32::from(*high)),
        (0 | 1, _) => None,
        (id, _) => Some(u32::from(id)),
    }
}
