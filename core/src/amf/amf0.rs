//! AMF0.

use super::{AmfError, AmfLimits, Text, Value};
use bytes::{Bytes, BytesMut};

/// Reads the values of one message, one after the other.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Reads from `message`; strings share its memory.
    #[must_use]
    pub fn new(message: Bytes, limits: AmfLimits) -> Self {
        todo!()
    }

    /// The next value; `None` at the end of the message.
    ///
    /// # Errors
    /// The value is malformed or over budget; nothing of it is returned.
    pub fn read(&mut self) -> Result<Option<Value>, AmfError> {
        todo!()
    }

    /// Offset of the next value in the message.
    #[must_use]
    pub fn position(&self) -> usize {
        todo!()
    }
}

/// Appends `value`.
pub fn write(value: &Value, out: &mut BytesMut) {
    todo!()
}

/// Appends a string value (a long string above 65,535 bytes).
pub fn write_string(text: &[u8], out: &mut BytesMut) {
    todo!()
}

/// Appends a number.
pub fn write_number(number: f64, out: &mut BytesMut) {
    todo!()
}

/// Appends a boolean.
pub fn write_boolean(value: bool, out: &mut BytesMut) {
    todo!()
}

/// Appends `null`.
pub fn write_null(out: &mut BytesMut) {
    todo!()
}

/// Appends `undefined`.
pub fn write_undefined(out: &mut BytesMut) {
    todo!()
}

/// Appends an object with these properties, in this order.
pub fn write_object(properties: &[(&str, Value)], out: &mut BytesMut) {
    todo!()
}
