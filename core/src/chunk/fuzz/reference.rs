//! A second reader, as plain as the specification is: of a whole chunk stream without flaws.

use super::LIMITS;
use crate::chunk::{ChunkStreamId, Message, MessageHeader};
use crate::id::MessageStreamId;
use crate::message::ControlMessage;
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;

/// The last header of a chunk stream, and what has come of its message.
#[derive(Clone, Debug, Default)]
struct State {
    timestamp: u32,
    delta: u32,
    len: usize,
    type_id: u8,
    stream_id: u32,
    /// A message has begun and is not whole.
    payload: Option<Vec<u8>>,
}

/// The messages of `data`. `None` where the specification is silent, programs differ or limits
/// count: then the reader alone knows.
pub(super) fn read(data: &[u8]) -> Option<Vec<Message>> {
    let mut streams = BTreeMap::<u32, State>::new();
    let mut messages = Vec::new();
    let mut chunk_size = 128;
    let mut held: usize = 0;
    let mut rest = data;
    while !rest.is_empty() {
        let Some((csid, mut state)) = take_header(&mut rest, &streams)? else { break };
        if state.len > LIMITS.message_len_max as usize {
            return None;
        }
        let mut payload = state.payload.take().unwrap_or_default();
        let due = state.len.checked_sub(payload.len())?.min(chunk_size);
        held = held.checked_add(due)?;
        if held > LIMITS.incomplete_bytes_max as usize {
            return None;
        }
        let Some((part, after)) = rest.split_at_checked(due) else { break };
        rest = after;
        payload.extend_from_slice(part);
        if payload.len() < state.len {
            state.payload = Some(payload);
        } else {
            held = held.checked_sub(payload.len())?;
            match ControlMessage::parse(state.type_id, &payload) {
                Ok(ControlMessage::SetChunkSize(size)) => chunk_size = size.bytes() as usize,
                Ok(ControlMessage::Abort(_)) => return None,
                Ok(_) | Err(_) => {}
            }
            let header = MessageHeader {
                csid: ChunkStreamId::new(csid)?,
                type_id: state.type_id,
                stream_id: MessageStreamId(state.stream_id),
                timestamp: Timestamp(state.timestamp),
            };
            messages.push(Message { header, payload: Bytes::from(payload) });
        }
        streams.insert(csid, state);
        if streams.len() > usize::from(LIMITS.chunk_streams_max) {
            return None;
        }
    }
    Some(messages)
}

/// The chunk stream of the next chunk, and what its header makes of the last state of that stream;
/// `Some(None)` where the bytes end.
fn take_header(rest: &mut &[u8], streams: &BTreeMap<u32, State>) -> Option<Option<(u32, State)>> {
    let Some([first]) = take(rest) else { return Some(None) };
    let csid = match first & 0x3F {
        0 => take(rest).map(|[low]| u32::from(low).saturating_add(64)),
        1 => take(rest).map(|bytes| u32::from(u16::from_le_bytes(bytes)).saturating_add(64)),
        id => Some(u32::from(id)),
    };
    let Some(csid) = csid else { return Some(None) };
    let known = streams.get(&csid);
    let mut state = known.cloned().unwrap_or_default();
    let kind = first >> 6;
    if kind == 3 {
        known?;
        if state.payload.is_none() {
            state.timestamp = state.timestamp.wrapping_add(state.delta);
        }
        return Some(Some((csid, state)));
    }
    // Types 0 to 2 begin a message; inside of one programs differ.
    if state.payload.is_some() || (kind != 0 && known.is_none()) {
        return None;
    }
    let Some(time) = take(rest).map(u24) else { return Some(None) };
    if time == 0xFF_FFFF {
        return None;
    }
    // A type 3 that begins a message moves by the last time, be it absolute (section 5.3.1.2.4).
    state.delta = time;
    state.timestamp = if kind == 0 { time } else { state.timestamp.wrapping_add(time) };
    if kind < 2 {
        let Some([len @ .., type_id]) = take::<4>(rest) else { return Some(None) };
        (state.len, state.type_id) = (u24(len) as usize, type_id);
    }
    if kind == 0 {
        let Some(stream_id) = take(rest) else { return Some(None) };
        state.stream_id = u32::from_le_bytes(stream_id);
    }
    Some(Some((csid, state)))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn u24([high, middle, low]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, high, middle, low])
}
