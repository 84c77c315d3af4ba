//! Aggregate messages: several messages in one (section 7.1.6).

use super::MessageType;
use crate::time::Timestamp;
use bytes::Bytes;
use core::iter::FusedIterator;

/// One message of an aggregate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubMessage {
    /// The message type id, never that of an aggregate.
    pub type_id: u8,
    /// Shifted by as much as takes the first one to the time of the aggregate.
    pub timestamp: Timestamp,
    /// The payload; shares the memory of the aggregate.
    pub payload: Bytes,
}

/// The aggregate ends in the middle of a message, which is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadTail {
    /// Bytes that were dropped.
    pub len: usize,
}

/// The messages of an aggregate, in their order; a bad tail is the last item.
///
/// An aggregate inside an aggregate is skipped. A back pointer that is missing is done without:
/// at the end of the payload, and where the next message stands in its place.
#[derive(Clone, Debug)]
pub struct Aggregate {
    rest: Bytes,
    timestamp: Timestamp,
    /// What is added to the time of each message, once the first is known.
    shift: Option<u32>,
}

impl Aggregate {
    /// The messages of a message of type 22.
    #[must_use]
    pub fn new(timestamp: Timestamp, payload: Bytes) -> Self {
        Self { rest: payload, timestamp, shift: None }
    }

    /// Takes the next item, of any type; `None` when it is cut short.
    fn take_item(&mut self) -> Option<SubMessage> {
        let (header, data) = self.rest.split_first_chunk::<ITEM_HEADER_LEN>()?;
        // The message stream of an item is ignored (section 7.1.6).
        let [type_id, len @ .., time_2, time_1, time_0, time_3, _, _, _] = *header;
        let [len_2, len_1, len_0] = len;
        let len = u32::from_be_bytes([0, len_2, len_1, len_0]) as usize;
        let time = u32::from_be_bytes([time_3, time_2, time_1, time_0]);
        let (payload, after) = data.split_at_checked(len)?;
        let shift = *self.shift.get_or_insert(self.timestamp.0.wrapping_sub(time));
        let item = SubMessage {
            type_id,
            timestamp: Timestamp(time.wrapping_add(shift)),
            payload: self.rest.slice_ref(payload),
        };
        self.rest = self.rest.slice_ref(skip_back_pointer(after));
        Some(item)
    }
}

impl Iterator for Aggregate {
    type Item = Result<SubMessage, BadTail>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let len = self.rest.len();
            match self.take_item() {
                Some(item) if item.type_id == MessageType::Aggregate.id() => {}
                Some(item) => return Some(Ok(item)),
                None => {
                    self.rest = Bytes::new();
                    return Some(Err(BadTail { len }));
                }
            }
        }
        None
    }
}

impl FusedIterator for Aggregate {}

/// Type, length, time and message stream of an item, as in an FLV tag.
const ITEM_HEADER_LEN: usize = 11;

/// The length of the item before, as in an FLV file.
const BACK_POINTER_LEN: usize = 4;

/// What follows the back pointer, whose value is not needed. The last one is never looked at:
/// Flash Media Server leaves it uninitialised. Before another item its top byte is 0 (or 1, for an
/// item of nearly 0xFFFFFF bytes), whereas the first byte of an item is its type, which is greater.
fn skip_back_pointer(after: &[u8]) -> &[u8] {
    match after.split_first_chunk::<BACK_POINTER_LEN>() {
        Some(([0 | 1, ..], rest)) => rest,
        Some(_) if after.len() > BACK_POINTER_LEN => after,
        Some(_) | None => &[],
    }
}
