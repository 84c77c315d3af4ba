//! Fuzz bodies: what must hold for any bytes. Targets and property tests call them.

use super::{AmfError, AmfLimits, Value, amf0, amf3};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// The budget that the bodies decode with, small enough to be reached.
pub const LIMITS: AmfLimits = AmfLimits { depth_max: 32, nodes_max: 4_096 };

/// Bytes that one value may cost when written, besides the text that was sent in full: its header,
/// a name that is a number, and twice what AMF3 may repeat (the name of a trait counts as well).
const WRITTEN_BYTES_PER_NODE: usize = 600;

/// Decodes `data` as the values of an AMF0 message.
///
/// # Panics
/// A promise of the decoder or encoder is broken.
pub fn fuzz_amf0(data: &[u8]) {
    let mut reader = amf0::Reader::new(Bytes::copy_from_slice(data), LIMITS);
    let mut values = Vec::new();
    loop {
        let before = reader.position();
        match reader.read() {
            Ok(Some(value)) => {
                assert!(reader.position() > before, "a value takes at least one byte");
                assert!(reader.position() <= data.len(), "no value ends behind the message");
                values.push(value);
            }
            Ok(None) => {
                assert_eq!(reader.position(), data.len(), "the message was read to its end");
                break;
            }
            Err(error) => {
                assert_eq!(reader.position(), before, "a refused value stays unread");
                assert_eq!(reader.read(), Err(error), "an error is final");
                assert!(offset_of(error) <= data.len(), "errors point into the message");
                break;
            }
        }
    }
    check(&values, data.len());
}

/// Decodes `data` as one AMF3 value.
///
/// # Panics
/// A promise of the decoder or encoder is broken.
pub fn fuzz_amf3(data: &[u8]) {
    match amf3::read(&Bytes::copy_from_slice(data), 0, LIMITS) {
        Ok((value, end)) => {
            assert!(end > 0, "a value takes at least one byte");
            assert!(end <= data.len(), "no value ends behind the message");
            let moved = Bytes::from([b"in front", data].concat());
            let (again, moved_end) = amf3::read(&moved, 8, LIMITS).expect("it can be read");
            assert_eq!(moved_end.checked_sub(8), Some(end), "the place does not matter");
            let cut = Bytes::copy_from_slice(data.get(..end).unwrap_or_default());
            let (shorter, _) = amf3::read(&cut, 0, LIMITS).expect("what follows does not matter");
            let written = write(core::slice::from_ref(&value));
            assert_eq!(written, write(&[again]), "the place does not matter");
            assert_eq!(written, write(&[shorter]), "what follows does not matter");
            check(&[value], end);
        }
        Err(error) => assert!(offset_of(error) <= data.len(), "errors point into the message"),
    }
}

/// Asserts that decoded values kept to the budget, and that writing and reading them again changes
/// nothing.
///
/// # Panics
/// One of these does not hold.
fn check(values: &[Value], data_len: usize) {
    let nodes: usize = values.iter().map(nodes).fold(0, usize::saturating_add);
    assert!(u32::try_from(nodes).is_ok_and(|nodes| nodes <= LIMITS.nodes_max), "nodes: {nodes}");
    let depth = values.iter().map(depth).max().unwrap_or(0);
    assert!(depth <= usize::from(LIMITS.depth_max), "depth: {depth}");

    let written = write(values);
    let bound = nodes.saturating_mul(WRITTEN_BYTES_PER_NODE).saturating_add(data_len << 1);
    assert!(written.len() <= bound, "{} bytes became {}", data_len, written.len());

    let mut reader = amf0::Reader::new(written.clone(), LIMITS);
    let mut again = Vec::new();
    while let Some(value) = reader.read().unwrap_or(None) {
        again.push(value);
    }
    assert_eq!(reader.read(), Ok(None), "what is written can be read");
    // Bytes are compared, not values: NaN differs from itself.
    assert_eq!(written, write(&again), "reading and writing again changes nothing");
    assert_eq!(shape(values), shape(&again), "every value keeps its type");
}

fn write(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    for value in values {
        amf0::write(value, &mut out);
    }
    out.freeze()
}

fn shape(values: &[Value]) -> Vec<core::mem::Discriminant<Value>> {
    values.iter().map(core::mem::discriminant).collect()
}

fn offset_of(error: AmfError) -> usize {
    let (AmfError::OutOfRange { at }
    | AmfError::TooDeep { at }
    | AmfError::TooManyNodes { at }
    | AmfError::Truncated { at }
    | AmfError::UnknownMarker { at, .. }) = error;
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// How many values `value` is.
fn nodes(value: &Value) -> usize {
    children(value).map(nodes).fold(1, usize::saturating_add)
}

/// How many containers `value` nests.
fn depth(value: &Value) -> usize {
    match value {
        Value::EcmaArray(_) | Value::Object(_) | Value::StrictArray(_) => {
            children(value).map(depth).max().unwrap_or(0).saturating_add(1)
        }
        Value::Boolean(_)
        | Value::Bytes(_)
        | Value::Date { .. }
        | Value::Null
        | Value::Number(_)
        | Value::String(_)
        | Value::Undefined
        | Value::Xml(_) => 0,
    }
}

fn children(value: &Value) -> impl Iterator<Item = &Value> {
    let elements = if let Value::StrictArray(values) = value { values.as_slice() } else { &[] };
    let properties = value.properties().unwrap_or_default();
    elements.iter().chain(properties.iter().map(|(_, value)| value))
}
