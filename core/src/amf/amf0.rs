//! AMF0: the encoding of commands, of metadata and of everything that we send.
//!
//! Source: Adobe "Action Message Format -- AMF 0" (2007), section 2; the bytes 0x11 switch one
//! value to AMF3 (section 3.1).

use super::input::{Input, length, offset, size};
use super::{AmfError, AmfLimits, Text, Value, amf3};
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// Type markers (section 2.1).
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const STRICT_ARRAY: u8 = 0x0A;
    pub(super) const DATE: u8 = 0x0B;
    pub(super) const LONG_STRING: u8 = 0x0C;
    pub(super) const UNSUPPORTED: u8 = 0x0D;
    pub(super) const XML_DOCUMENT: u8 = 0x0F;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
    pub(super) const SWITCH_TO_AMF3: u8 = 0x11;
}

/// An empty name and the object-end marker (section 2.11).
const OBJECT_END: [u8; 3] = [0x00, 0x00, 0x09];

/// Reads the values of one message, one after the other.
///
/// Decoding keeps its own stack, so nesting costs no stack of the thread. An error is final: each
/// later call returns it again.
#[derive(Debug)]
pub struct Reader {
    input: Input,
    limits: AmfLimits,
    position: usize,
    failure: Option<AmfError>,
}

impl Reader {
    /// Reads from `message`; strings share its memory.
    #[must_use]
    pub fn new(message: Bytes, limits: AmfLimits) -> Self {
        let input = Input::new(message, 0, limits.nodes_max);
        Self { input, limits, position: 0, failure: None }
    }

    /// The next value; `None` at the end of the message.
    ///
    /// References are `Null` and are never followed. The count of an ECMA array is a hint, and
    /// the array may end with the message instead of its end marker, as some encoders send it.
    ///
    /// # Errors
    /// The value is malformed or over budget; nothing of it is returned.
    pub fn read(&mut self) -> Result<Option<Value>, AmfError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.input.is_empty() {
            return Ok(None);
        }
        match read_value(&mut self.input, self.limits) {
            Ok(value) => {
                self.position = self.input.position();
                Ok(Some(value))
            }
            Err(error) => {
                self.failure = Some(error);
                Err(error)
            }
        }
    }

    /// Offset of the next value in the message; after an error, of the value that was refused.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

/// Appends `value`.
///
/// A byte array, which AMF0 lacks, is written as AMF3 behind the switch marker. What the wire
/// cannot count is cut: names at 65,535 bytes, byte arrays at 2^28 - 1 bytes.
pub fn write(value: &Value, out: &mut BytesMut) {
    // The recursion is bounded by the value itself: readers build at most 255 levels, and dropping
    // the value nests just as deep.
    match value {
        Value::Boolean(value) => write_boolean(*value, out),
        Value::Bytes(bytes) => {
            out.put_u8(marker::SWITCH_TO_AMF3);
            amf3::write_byte_array(bytes, out);
        }
        Value::Date { millis } => {
            out.put_u8(marker::DATE);
            out.put_f64(*millis);
            out.put_i16(0);
        }
        Value::EcmaArray(properties) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(length(properties.len()));
            put_properties(properties, out);
        }
        Value::Null => write_null(out),
        Value::Number(number) => write_number(*number, out),
        Value::Object(properties) => {
            out.put_u8(marker::OBJECT);
            put_properties(properties, out);
        }
        Value::StrictArray(values) => {
            out.put_u8(marker::STRICT_ARRAY);
            out.put_u32(length(values.len()));
            for value in values {
                write(value, out);
            }
        }
        Value::String(text) => write_string(text.as_bytes(), out),
        Value::Undefined => write_undefined(out),
        Value::Xml(text) => {
            out.put_u8(marker::XML_DOCUMENT);
            put_long_text(text.as_bytes(), out);
        }
    }
}

/// Appends a string value (a long string above 65,535 bytes).
pub fn write_string(text: &[u8], out: &mut BytesMut) {
    if let Ok(len) = u16::try_from(text.len()) {
        out.put_u8(marker::STRING);
        out.put_u16(len);
        out.put_slice(text);
    } else {
        out.put_u8(marker::LONG_STRING);
        put_long_text(text, out);
    }
}

/// Appends a number.
pub fn write_number(number: f64, out: &mut BytesMut) {
    out.put_u8(marker::NUMBER);
    out.put_f64(number);
}

/// Appends a boolean.
pub fn write_boolean(value: bool, out: &mut BytesMut) {
    out.put_slice(&[marker::BOOLEAN, u8::from(value)]);
}

/// Appends `null`.
pub fn write_null(out: &mut BytesMut) {
    out.put_u8(marker::NULL);
}

/// Appends `undefined`.
pub fn write_undefined(out: &mut BytesMut) {
    out.put_u8(marker::UNDEFINED);
}

/// Appends an object with these properties, in this order.
pub fn write_object(properties: &[(&str, Value)], out: &mut BytesMut) {
    out.put_u8(marker::OBJECT);
    for (name, value) in properties {
        put_name(name.as_bytes(), out);
        write(value, out);
    }
    out.put_slice(&OBJECT_END);
}

fn put_properties(properties: &[(Text, Value)], out: &mut BytesMut) {
    for (name, value) in properties {
        put_name(name.as_bytes(), out);
        write(value, out);
    }
    out.put_slice(&OBJECT_END);
}

fn put_name(name: &[u8], out: &mut BytesMut) {
    let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
    out.put_u16(len);
    out.put_slice(name.get(..usize::from(len)).unwrap_or(name));
}

fn put_long_text(text: &[u8], out: &mut BytesMut) {
    let len = length(text.len());
    out.put_u32(len);
    out.put_slice(text.get(..size(len)).unwrap_or(text));
}

/// An object or array whose end was not read yet.
enum Container {
    Object { properties: Vec<(Text, Value)>, name: Text },
    EcmaArray { properties: Vec<(Text, Value)>, name: Text },
    StrictArray { values: Vec<Value>, left: u32 },
}

impl Container {
    /// Looks for a further value inside; the name before it is read and kept.
    fn value_follows(&mut self, input: &mut Input) -> Result<bool, AmfError> {
        match self {
            Self::Object { name, .. } => {
                if input.skip_if(&OBJECT_END) {
                    return Ok(false);
                }
                *name = read_text(input)?;
            }
            Self::EcmaArray { name, .. } => {
                // Some encoders leave out the end marker of the array that ends the message.
                if input.is_empty() || input.skip_if(&OBJECT_END) {
                    return Ok(false);
                }
                *name = read_text(input)?;
            }
            Self::StrictArray { left, .. } => match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// Adds the value that followed.
    fn push(&mut self, value: Value) {
        match self {
            Self::Object { properties, name } | Self::EcmaArray { properties, name } => {
                properties.push((core::mem::take(name), value));
            }
            Self::StrictArray { values, .. } => values.push(value),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Object { properties, .. } => Value::Object(properties),
            Self::EcmaArray { properties, .. } => Value::EcmaArray(properties),
            Self::StrictArray { values, .. } => Value::StrictArray(values),
        }
    }
}

/// What stands behind a marker.
enum Begun {
    Scalar(Value),
    Container(Container),
}

fn read_value(input: &mut Input, limits: AmfLimits) -> Result<Value, AmfError> {
    let depth_max = usize::from(limits.depth_max);
    let mut open: Vec<Container> = Vec::new();
    loop {
        let at = input.position();
        // Containers that are open never outnumber `depth_max`, so nothing is lost here.
        let depth_left = depth_max.saturating_sub(open.len());
        let begun = match begin(input, depth_left)? {
            Begun::Scalar(value) => Some(value),
            Begun::Container(_) if depth_left == 0 => {
                return Err(AmfError::TooDeep { at: offset(at) });
            }
            Begun::Container(container) => {
                open.push(container);
                None
            }
        };
        if let Some(value) = finish(input, &mut open, begun)? {
            return Ok(value);
        }
    }
}

/// Hands a complete value to the innermost container and closes every container that ends here.
///
/// Returns the outermost value once complete, `None` while another value follows.
fn finish(
    input: &mut Input,
    open: &mut Vec<Container>,
    mut complete: Option<Value>,
) -> Result<Option<Value>, AmfError> {
    while let Some(container) = open.last_mut() {
        if let Some(value) = complete.take() {
            container.push(value);
        }
        if container.value_follows(input)? {
            return Ok(None);
        }
        complete = open.pop().map(Container::into_value);
    }
    Ok(complete)
}

fn begin(input: &mut Input, depth_left: usize) -> Result<Begun, AmfError> {
    let at = input.position();
    let marker = input.byte()?;
    if marker == marker::SWITCH_TO_AMF3 {
        // The AMF3 value counts itself.
        return amf3::read_value(input, depth_left).map(Begun::Scalar);
    }
    input.spend_node(at)?;
    let value = match marker {
        marker::NUMBER => Value::Number(input.double()?),
        marker::BOOLEAN => Value::Boolean(input.byte()? != 0),
        marker::STRING => Value::String(read_text(input)?),
        marker::OBJECT => return Ok(begin_object()),
        marker::NULL => Value::Null,
        marker::UNDEFINED | marker::UNSUPPORTED => Value::Undefined,
        marker::REFERENCE => {
            // Following references could build cycles, and no client needs them.
            input.u16()?;
            Value::Null
        }
        marker::ECMA_ARRAY => {
            // The count is a hint that encoders get wrong.
            input.u32()?;
            let (properties, name) = Default::default();
            return Ok(Begun::Container(Container::EcmaArray { properties, name }));
        }
        marker::STRICT_ARRAY => {
            let left = input.u32()?;
            return Ok(Begun::Container(Container::StrictArray { values: Vec::new(), left }));
        }
        marker::DATE => {
            let millis = input.double()?;
            // The time zone is reserved (section 2.13).
            input.u16()?;
            Value::Date { millis }
        }
        marker::LONG_STRING => Value::String(read_long_text(input)?),
        marker::XML_DOCUMENT => Value::Xml(read_long_text(input)?),
        marker::TYPED_OBJECT => {
            read_text(input)?;
            return Ok(begin_object());
        }
        _ => return Err(AmfError::UnknownMarker { at: offset(at), marker }),
    };
    Ok(Begun::Scalar(value))
}

fn begin_object() -> Begun {
    let (properties, name) = Default::default();
    Begun::Container(Container::Object { properties, name })
}

fn read_text(input: &mut Input) -> Result<Text, AmfError> {
    let len = input.u16()?;
    input.bytes(usize::from(len)).map(Text)
}

fn read_long_text(input: &mut Input) -> Result<Text, AmfError> {
    let len = input.u32()?;
    input.bytes(size(len)).map(Text)
}
