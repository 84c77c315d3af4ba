//! The fuzz body of messages.

use super::{Aggregate, BadTail, ControlMessage, MessageType, UserControl};
use crate::time::Timestamp;
use bytes::Bytes;

/// Reads `data` as the payload of a message, whose type is its first byte.
///
/// # Panics
/// What was read is not read again when it is written, or an aggregate gives what it does not hold.
pub fn fuzz_message(data: &[u8]) {
    let Some((&type_id, payload)) = data.split_first() else { return };
    if let Some(known) = MessageType::from_id(type_id) {
        assert_eq!(known.id(), type_id);
    }
    if let Ok(control) = ControlMessage::parse(type_id, payload) {
        assert_eq!(control.message_type().id(), type_id);
        assert_eq!(ControlMessage::parse(type_id, &control.encode()), Ok(control));
    }
    if let Ok(Some(event)) = UserControl::parse(payload) {
        assert!(payload.starts_with(&event.encode()), "{event:?}");
    }
    check_aggregate(Bytes::copy_from_slice(payload));
}

fn check_aggregate(payload: Bytes) {
    const ITEM_HEADER_LEN: usize = 11;
    let timestamp = Timestamp(0xFFFF_FFF0);
    let mut len: usize = 0;
    let mut items = Aggregate::new(timestamp, payload.clone());
    let mut is_first = payload.first() != Some(&MessageType::Aggregate.id());
    while let Some(item) = items.next() {
        match item {
            Ok(item) => {
                assert_ne!(item.type_id, MessageType::Aggregate.id(), "none inside another");
                assert!(!is_first || item.timestamp == timestamp, "the first has its time");
                len = len.saturating_add(ITEM_HEADER_LEN).saturating_add(item.payload.len());
            }
            Err(BadTail { len: tail }) => {
                len = len.saturating_add(tail);
                assert_eq!(items.next(), None, "a bad tail is the last item");
            }
        }
        is_first = false;
    }
    assert!(len <= payload.len(), "each byte is part of one item");
}
