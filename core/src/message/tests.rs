use super::*;
use crate::chunk::tests::join;
use crate::chunk::{ChunkSize, ChunkStreamId};
use crate::id::MessageStreamId;
use crate::time::Timestamp;
use bytes::Bytes;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::vec::Vec;

#[test]
fn row_040_message_types_are_known_by_their_ids() {
    let known = [1, 2, 3, 4, 5, 6, 8, 9, 15, 16, 17, 18, 19, 20, 22];
    for id in 0..=u8::MAX {
        let expected = known.contains(&id).then_some(id);
        assert_eq!(MessageType::from_id(id).map(MessageType::id), expected);
    }
}

fn check_control(type_id: u8, payload: &[u8], expected: Result<ControlMessage, ControlError>) {
    assert_eq!(ControlMessage::parse(type_id, payload), expected, "{type_id} {payload:?}");
}

#[test]
fn row_028_chunk_size_0_is_refused() {
    check_control(1, &[0, 0, 0, 0], Err(ControlError::ChunkSize));
    let one = ControlMessage::SetChunkSize(ChunkSize::new(1).unwrap());
    check_control(1, &[0, 0, 0, 1], Ok(one));
}

#[test]
fn row_030_huge_chunk_sizes_are_clamped() {
    let longest = ControlMessage::SetChunkSize(ChunkSize::new(0xFF_FFFF).unwrap());
    check_control(1, &[0x00, 0xFF, 0xFF, 0xFF], Ok(longest));
    check_control(1, &[0x01, 0x00, 0x00, 0x00], Ok(longest));
    check_control(1, &[0x7F, 0xFF, 0xFF, 0xFF], Ok(longest));
}

#[test]
fn row_031_chunk_size_with_its_top_bit_set_is_refused() {
    check_control(1, &[0x80, 0, 0, 0], Err(ControlError::ChunkSize));
    check_control(1, &[0xFF; 4], Err(ControlError::ChunkSize));
}

#[test]
fn row_033_control_messages_of_any_length() {
    for type_id in [1, 2, 3, 5, 6] {
        for len in [0, 1, 3] {
            check_control(type_id, &[0, 0, 1][..len], Err(ControlError::TooShort));
        }
        let exact = ControlMessage::parse(type_id, &[0, 0, 1, 0]).unwrap();
        let mut long = [2; 64];
        long[..4].copy_from_slice(&[0, 0, 1, 0]);
        check_control(type_id, &long, Ok(exact));
        check_control(type_id, &long[..5], Ok(exact));
        check_control(type_id, &[0; 65], Err(ControlError::TooLong));
        check_control(type_id, &std::vec![0; 1 << 20], Err(ControlError::TooLong));
    }
    for type_id in [0, 4, 7, 8, 20, 255] {
        check_control(type_id, &[0, 0, 1, 0], Err(ControlError::Type));
        check_control(type_id, &[0; 65], Err(ControlError::Type));
    }
}

#[test]
fn row_034_abort_names_a_chunk_stream() {
    let abort = |id| Ok(ControlMessage::Abort(ChunkStreamId::new(id).unwrap()));
    check_control(2, &[0, 0, 0, 2], abort(2));
    check_control(2, &[0, 1, 0, 63], abort(65_599));
    check_control(2, &[0, 0, 0, 1], Err(ControlError::ChunkStreamId));
    check_control(2, &[0, 1, 0, 64], Err(ControlError::ChunkStreamId));
}

#[test]
fn row_041_windows_and_acknowledgements_of_any_size() {
    for bytes in [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
        let payload = bytes.to_be_bytes();
        check_control(3, &payload, Ok(ControlMessage::Acknowledgement(bytes)));
        check_control(5, &payload, Ok(ControlMessage::WindowAcknowledgementSize(bytes)));
    }
}

#[test]
fn row_042_peer_bandwidth_and_user_control_of_any_kind() {
    let bandwidth = |size, limit_type| Ok(ControlMessage::SetPeerBandwidth { size, limit_type });
    check_control(6, &[0, 0, 0, 0, 0], bandwidth(0, LimitType::Hard));
    check_control(6, &[0, 0, 0, 1, 1], bandwidth(1, LimitType::Soft));
    check_control(6, &[0, 0, 0, 1, 2], bandwidth(1, LimitType::Dynamic));
    check_control(6, &[0, 0, 0, 1, 7], bandwidth(1, LimitType::Dynamic));
    check_control(6, &[0, 0, 0, 1], bandwidth(1, LimitType::Dynamic));

    let check = |payload: &[u8], expected| assert_eq!(UserControl::parse(payload), expected);
    check(&[], Ok(None));
    check(&[0], Ok(None));
    check(&[0, 6, 0, 0, 0], Ok(None));
    // A buffer length without the length, as some clients of old wrote it.
    check(&[0, 3, 0, 0, 0, 1, 3, 232], Ok(None));
    // The private event that asks for a verification of the player.
    check(&[0, 26, 1], Ok(None));
    check(&[0, 5, 0, 0, 0, 1], Ok(None));
    check(&[1, 0, 0, 0, 0, 1], Ok(None));
    check(&[0; 65], Err(ControlError::TooLong));
    let stream = MessageStreamId(1);
    check(
        &[0, 3, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF],
        Ok(Some(UserControl::SetBufferLength { stream, length_ms: u32::MAX })),
    );
    check(&[0, 6, 0, 0, 0x0D, 0x0F], Ok(Some(UserControl::PingRequest(0x0D0F))));
    check(&[0, 1, 0, 0, 0, 1, 9, 9], Ok(Some(UserControl::StreamEof(stream))));
}

#[test]
fn control_messages_are_read_as_they_were_written() {
    let size = ChunkSize::new(60_000).unwrap();
    for (message, payload) in [
        (ControlMessage::SetChunkSize(size), &[0_u8, 0, 0xEA, 0x60] as &[u8]),
        (ControlMessage::Abort(ChunkStreamId::VIDEO), &[0, 0, 0, 6]),
        (ControlMessage::Acknowledgement(u32::MAX), &[0xFF; 4]),
        (ControlMessage::WindowAcknowledgementSize(2_500_000), &[0, 0x26, 0x25, 0xA0]),
        (
            ControlMessage::SetPeerBandwidth { size: 2_500_000, limit_type: LimitType::Dynamic },
            &[0, 0x26, 0x25, 0xA0, 2],
        ),
    ] {
        let type_id = message.message_type().id();
        assert_eq!(message.encode(), payload);
        check_control(type_id, payload, Ok(message));
        let mut out = Vec::new();
        message.write(ChunkSize::DEFAULT, &mut out);
        let header = [2, 0, 0, 0, 0, 0, payload.len() as u8, type_id, 0, 0, 0, 0];
        assert_eq!(out, join(&[&header, payload]));
    }
}

#[test]
fn user_control_events_are_read_as_they_were_written() {
    let stream = MessageStreamId(1);
    for (event, payload) in [
        (UserControl::StreamBegin(stream), &[0_u8, 0, 0, 0, 0, 1] as &[u8]),
        (UserControl::StreamEof(stream), &[0, 1, 0, 0, 0, 1]),
        (UserControl::StreamDry(stream), &[0, 2, 0, 0, 0, 1]),
        (
            UserControl::SetBufferLength { stream, length_ms: 1_000 },
            &[0, 3, 0, 0, 0, 1, 0, 0, 3, 0xE8],
        ),
        (UserControl::StreamIsRecorded(stream), &[0, 4, 0, 0, 0, 1]),
        (UserControl::PingRequest(0x0D0F), &[0, 6, 0, 0, 0x0D, 0x0F]),
        (UserControl::PingResponse(0x0D0F), &[0, 7, 0, 0, 0x0D, 0x0F]),
    ] {
        assert_eq!(event.encode(), payload);
        assert_eq!(UserControl::parse(payload), Ok(Some(event)));
        let mut out = Vec::new();
        event.write(ChunkSize::DEFAULT, &mut out);
        let header = [2, 0, 0, 0, 0, 0, payload.len() as u8, 4, 0, 0, 0, 0];
        assert_eq!(out, join(&[&header, payload]));
    }
}

#[test]
fn control_message_is_cut_by_a_tiny_chunk_size() {
    let mut out = Vec::new();
    ControlMessage::Acknowledgement(0x0102_0304).write(ChunkSize::new(3).unwrap(), &mut out);
    assert_eq!(out, [2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 1, 2, 3, 0xC2, 4]);
}

/// An item of an aggregate, with its back pointer.
fn item(type_id: u8, time: u32, data: &[u8]) -> Vec<u8> {
    let [time_3, time_2, time_1, time_0] = time.to_be_bytes();
    let len = data.len() as u32;
    let mut item = Vec::from([type_id]);
    item.extend(&len.to_be_bytes()[1..]);
    item.extend([time_2, time_1, time_0, time_3, 0, 0, 1]);
    item.extend(data);
    item.extend((len + 11).to_be_bytes());
    item
}

/// Reads an aggregate at `time`; items are (type, time, data), a bad tail is its length.
fn check_aggregate(
    time: u32,
    payload: &[u8],
    expected: &[(u8, u32, &[u8])],
    bad_tail: Option<usize>,
) {
    let mut items = Vec::new();
    let mut tail = None;
    let mut aggregate = Aggregate::new(Timestamp(time), Bytes::copy_from_slice(payload));
    for item in &mut aggregate {
        assert_eq!(tail, None, "nothing follows a bad tail");
        match item {
            Ok(item) => items.push(item),
            Err(BadTail { len }) => tail = Some(len),
        }
    }
    assert_eq!(aggregate.next(), None);
    let expected: Vec<SubMessage> = expected
        .iter()
        .map(|&(type_id, time, data)| SubMessage {
            type_id,
            timestamp: Timestamp(time),
            payload: Bytes::copy_from_slice(data),
        })
        .collect();
    assert_eq!((items, tail), (expected, bad_tail));
}

#[test]
fn aggregate_begins_at_its_own_time() {
    let payload = [item(8, 5_000, b"a"), item(9, 5_020, b"bc"), item(8, 5_023, b"")].concat();
    check_aggregate(70, &payload, &[(8, 70, b"a"), (9, 90, b"bc"), (8, 93, b"")], None);
    check_aggregate(5_000, &payload, &[(8, 5_000, b"a"), (9, 5_020, b"bc"), (8, 5_023, b"")], None);
    check_aggregate(0, &[], &[], None);
    // The high byte of the time comes last; all arithmetic is modulo 2^32.
    let payload = [item(8, 0xFEFF_FFFF, b"a"), item(8, 0x0000_0001, b"b")].concat();
    check_aggregate(u32::MAX, &payload, &[(8, u32::MAX, b"a"), (8, 0x0100_0001, b"b")], None);
}

#[test]
fn row_079_aggregates_that_are_broken() {
    let whole = item(8, 10, b"abc");
    let good: &[(u8, u32, &[u8])] = &[(8, 10, b"abc")];
    // Cut anywhere but within the back pointer, a second item is lost and told.
    for len in 1..whole.len() - 4 {
        let payload = join(&[&whole, &whole[..len]]);
        check_aggregate(10, &payload, good, Some(len));
    }
    // The last item needs no back pointer; Flash Media Server leaves it uninitialised.
    for len in 0..4 {
        check_aggregate(10, &whole[..14 + len], good, None);
    }
    check_aggregate(10, &join(&[&whole[..14], &[0x4D, 0xF7, 0xC9, 0xBF]]), good, None);
    check_aggregate(10, &join(&[&whole[..14], &[9, 0, 0, 0, 0]]), good, Some(5));
    // A length beyond the end.
    let mut payload = whole.clone();
    payload[1] = 0xFF;
    check_aggregate(10, &payload, &[], Some(payload.len()));
    // An aggregate inside is skipped, whatever it holds.
    let nested = item(22, 10, &item(22, 10, &whole));
    let payload = [nested, whole.clone()].concat();
    check_aggregate(10, &payload, good, None);
    // Times that go back are kept as they are.
    let payload = [item(8, 10, b"a"), item(9, 4, b"b")].concat();
    check_aggregate(10, &payload, &[(8, 10, b"a"), (9, 4, b"b")], None);
    check_aggregate(0, &payload, &[(8, 0, b"a"), (9, u32::MAX - 5, b"b")], None);
    // A back pointer is missing in the middle.
    let payload = join(&[&whole[..14], &item(9, 20, b"de")]);
    check_aggregate(10, &payload, &[(8, 10, b"abc"), (9, 20, b"de")], None);
    // A wrong back pointer does no harm.
    let mut payload = [whole.clone(), item(9, 20, b"de")].concat();
    payload[14..18].fill(0);
    check_aggregate(10, &payload, &[(8, 10, b"abc"), (9, 20, b"de")], None);
}

quickcheck! {
    fn any_payload_is_split_without_loss_of_order(time: u32, payload: Vec<u8>) -> bool {
        let payload = Bytes::from(payload);
        let items: usize = Aggregate::new(Timestamp(time), payload.clone())
            .map(|item| item.map_or_else(|tail| tail.len, |item| item.payload.len() + 11))
            .sum();
        items <= payload.len()
    }

    fn any_control_payload_is_judged(type_id: u8, payload: Vec<u8>) -> bool {
        let control = [1, 2, 3, 5, 6].contains(&type_id);
        let too_long = payload.len() > CONTROL_LEN_MAX;
        let error = ControlMessage::parse(type_id, &payload).err();
        (error == Some(ControlError::Type)) != control
            && (error == Some(ControlError::TooLong)) == (control && too_long)
            && UserControl::parse(&payload).is_err() == too_long
    }
}
