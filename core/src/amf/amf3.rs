//! AMF3, as far as messages of real clients carry it (types 15 and 17, and the 0x11 switch of AMF0).

use super::{AmfError, AmfLimits, Value};
use bytes::Bytes;

/// Reads one AMF3 value that begins at `at`; returns it and the offset behind it.
///
/// # Errors
/// The value is malformed or over budget. References to objects resolve to `Null`: trees only.
pub fn read(message: &Bytes, at: usize, limits: AmfLimits) -> Result<(Value, usize), AmfError> {
    todo!()
}
