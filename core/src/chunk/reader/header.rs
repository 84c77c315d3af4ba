//! The header of one chunk (Adobe RTMP 1.0, sections 5.3.1.1 to 5.3.1.3).

use crate::chunk::{ChunkError, ChunkStreamId, EXTENDED};

/// The longest header: 3 bytes of basic header, 11 of message header, 4 of extended timestamp.
pub(super) const HEADER_LEN_MAX: usize = 18;

/// A chunk header that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ChunkHeader {
    pub(super) csid: ChunkStreamId,
    pub(super) form: HeaderForm,
}

/// What the header of a chunk says, by its type (section 5.3.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderForm {
    /// Type 0.
    Full { time: TimeField, len: u32, type_id: u8, stream_id: u32 },
    /// Type 1.
    SameStream { time: TimeField, len: u32, type_id: u8 },
    /// Type 2.
    TimeOnly { time: TimeField },
    /// Type 3, with its extended timestamp if it has one.
    Bare { extended: Option<u32> },
}

/// The timestamp field of a header of type 0 to 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TimeField {
    /// The value of the field itself, or of the extended timestamp.
    pub(super) value: u32,
    /// The value came from an extended timestamp.
    pub(super) extended: bool,
}

/// Whether an extended timestamp follows a header of type 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExtendedField {
    /// It does not.
    Absent,
    /// It does if the bytes equal one of these: peers differ, and only the bytes can tell.
    IfEqual([u32; 2]),
    /// It does.
    Present,
}

/// Reads a header from the front of `bytes`; gives it with its length, or `None` when `bytes` ends
/// too early to tell. `bare` says what follows a header of type 3 on a chunk stream.
pub(super) fn parse(
    bytes: &[u8],
    bare: impl FnOnce(ChunkStreamId) -> Result<ExtendedField, ChunkError>,
) -> Result<Option<(ChunkHeader, usize)>, ChunkError> {
    let mut rest = bytes;
    let Some((kind, csid)) = take_basic(&mut rest) else { return Ok(None) };
    let form = match kind {
        0 => take_full(&mut rest),
        1 => take_same_stream(&mut rest),
        2 => take_u24(&mut rest).and_then(|field| {
            Some(HeaderForm::TimeOnly { time: take_extended(field, &mut rest)? })
        }),
        _ => take_bare(bare(csid)?, &mut rest),
    };
    let len = bytes.len().saturating_sub(rest.len());
    Ok(form.map(|form| (ChunkHeader { csid, form }, len)))
}

/// Takes the chunk type and the chunk stream id, in any of its three forms (section 5.3.1.1).
fn take_basic(rest: &mut &[u8]) -> Option<(u8, ChunkStreamId)> {
    let [first] = take(rest)?;
    let csid = match first & 0x3F {
        0 => {
            let [low] = take(rest)?;
            u32::from(low).wrapping_add(64)
        }
        1 => u32::from(u16::from_le_bytes(take(rest)?)).wrapping_add(64),
        id => u32::from(id),
    };
    // Every form gives 2 to 65,599.
    Some((first >> 6, ChunkStreamId(csid)))
}

fn take_full(rest: &mut &[u8]) -> Option<HeaderForm> {
    let field = take_u24(rest)?;
    let len = take_u24(rest)?;
    let [type_id] = take(rest)?;
    let stream_id = u32::from_le_bytes(take(rest)?);
    Some(HeaderForm::Full { time: take_extended(field, rest)?, len, type_id, stream_id })
}

fn take_same_stream(rest: &mut &[u8]) -> Option<HeaderForm> {
    let field = take_u24(rest)?;
    let len = take_u24(rest)?;
    let [type_id] = take(rest)?;
    Some(HeaderForm::SameStream { time: take_extended(field, rest)?, len, type_id })
}

/// Decides at the first byte that differs, so that it waits only while all bytes agree.
fn take_bare(field: ExtendedField, rest: &mut &[u8]) -> Option<HeaderForm> {
    let extended = match field {
        ExtendedField::Absent => None,
        ExtendedField::Present => Some(u32::from_be_bytes(take(rest)?)),
        ExtendedField::IfEqual(expected) => {
            let seen = rest.get(..4).unwrap_or(rest);
            if expected.iter().any(|value| value.to_be_bytes().starts_with(seen)) {
                Some(u32::from_be_bytes(take(rest)?))
            } else {
                None
            }
        }
    };
    Some(HeaderForm::Bare { extended })
}

fn take_extended(field: u32, rest: &mut &[u8]) -> Option<TimeField> {
    if field == EXTENDED {
        Some(TimeField { value: u32::from_be_bytes(take(rest)?), extended: true })
    } else {
        Some(TimeField { value: field, extended: false })
    }
}

fn take_u24(rest: &mut &[u8]) -> Option<u32> {
    let [high, middle, low] = take(rest)?;
    Some(u32::from_be_bytes([0, high, middle, low]))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}
