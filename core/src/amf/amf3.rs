//! AMF3, as far as messages of real clients carry it: types 15 and 17, and the switch of AMF0.
//!
//! Source: Adobe "Action Message Format -- AMF 3" (2013), section 3.

use super::input::{Input, length, offset, size};
use super::{AmfError, AmfLimits, Text, Value};
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// Type markers (section 3.1).
mod marker {
    pub(super) const UNDEFINED: u8 = 0x00;
    pub(super) const NULL: u8 = 0x01;
    pub(super) const FALSE: u8 = 0x02;
    pub(super) const TRUE: u8 = 0x03;
    pub(super) const INTEGER: u8 = 0x04;
    pub(super) const DOUBLE: u8 = 0x05;
    pub(super) const STRING: u8 = 0x06;
    pub(super) const XML_DOCUMENT: u8 = 0x07;
    pub(super) const DATE: u8 = 0x08;
    pub(super) const ARRAY: u8 = 0x09;
    pub(super) const OBJECT: u8 = 0x0A;
    pub(super) const XML: u8 = 0x0B;
    pub(super) const BYTE_ARRAY: u8 = 0x0C;
    pub(super) const VECTOR_INT: u8 = 0x0D;
    pub(super) const VECTOR_UINT: u8 = 0x0E;
    pub(super) const VECTOR_DOUBLE: u8 = 0x0F;
    pub(super) const VECTOR_OBJECT: u8 = 0x10;
}

/// The largest number of an inline length: 29 bits, one of them the flag.
const LENGTH_MAX: usize = (1 << 28) - 1;

/// Text that references may repeat for each value, besides as much as was sent in full.
///
/// A reference of two bytes repeats a string of any length. Decoding shares the memory, but whoever
/// writes the value again pays for it, so that this cost stays linear in the message.
const REPEATED_BYTES_PER_NODE: usize = 256;

/// Reads one AMF3 value that begins at `at`; returns it and the offset behind it.
///
/// Decoding keeps its own stack, so nesting costs no stack of the thread. Typed objects drop their
/// class name; an array with names becomes an ECMA array whose dense part has decimal names;
/// vectors become strict arrays. References to strings share memory, within a bound: what is read
/// can be written again at a cost linear in the message.
///
/// # Errors
/// The value is malformed or over budget. References to objects resolve to `Null`: trees only.
pub fn read(message: &Bytes, at: usize, limits: AmfLimits) -> Result<(Value, usize), AmfError> {
    let mut input = Input::new(message.clone(), at, limits.nodes_max);
    let value = read_value(&mut input, usize::from(limits.depth_max))?;
    Ok((value, input.position()))
}

/// Reads one value with tables of its own, at most `depth_max` containers deep.
pub(super) fn read_value(input: &mut Input, depth_max: usize) -> Result<Value, AmfError> {
    let mut decoder = Decoder::new(input);
    let mut open: Vec<Container> = Vec::new();
    loop {
        let at = decoder.input.position();
        let begun = match decoder.begin()? {
            Begun::Scalar(value) => Some(value),
            Begun::Container(_) if open.len() >= depth_max => {
                return Err(AmfError::TooDeep { at: offset(at) });
            }
            Begun::Container(container) => {
                open.push(container);
                None
            }
        };
        if let Some(value) = decoder.finish(&mut open, begun)? {
            return Ok(value);
        }
    }
}

/// Appends a byte array (section 3.14), cut at 2^28 - 1 bytes.
pub(super) fn write_byte_array(bytes: &[u8], out: &mut BytesMut) {
    let bytes = bytes.get(..LENGTH_MAX).unwrap_or(bytes);
    out.put_u8(marker::BYTE_ARRAY);
    put_u29(length(bytes.len()) << 1 | 1, out);
    out.put_slice(bytes);
}

/// Appends a number of 29 bits in one to four bytes (section 1.3.1).
fn put_u29(number: u32, out: &mut BytesMut) {
    let [_, _, _, low] = number.to_be_bytes();
    let group = |shift: u32| {
        let [_, _, _, byte] = (number >> shift).to_be_bytes();
        byte | 0x80
    };
    match number {
        0..0x80 => out.put_u8(low),
        0x80..0x4000 => out.put_slice(&[group(7), low & 0x7F]),
        0x4000..0x20_0000 => out.put_slice(&[group(14), group(7), low & 0x7F]),
        // The fourth byte carries eight bits.
        _ => out.put_slice(&[group(22), group(15), group(8), low]),
    }
}

/// The names of a class, as a range of `Decoder::names`.
#[derive(Clone, Copy)]
struct Traits {
    first: usize,
    end: usize,
    dynamic: bool,
}

/// An object or array whose end was not read yet.
enum Container {
    Array { properties: Vec<(Text, Value)>, name: Option<Text>, values: Vec<Value>, left: u32 },
    Object { properties: Vec<(Text, Value)>, name: Text, traits: Traits },
    Vector { values: Vec<Value>, left: u32 },
}

impl Container {
    /// Adds the value that followed.
    fn push(&mut self, value: Value) {
        match self {
            Self::Array { properties, name: Some(name), .. }
            | Self::Object { properties, name, .. } => {
                properties.push((core::mem::take(name), value));
            }
            Self::Array { values, name: None, .. } | Self::Vector { values, .. } => {
                values.push(value);
            }
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Array { mut properties, values, .. } => {
                if properties.is_empty() {
                    return Value::StrictArray(values);
                }
                let dense = values.into_iter().enumerate();
                properties.extend(dense.map(|(index, value)| (decimal(index), value)));
                Value::EcmaArray(properties)
            }
            Self::Object { properties, .. } => Value::Object(properties),
            Self::Vector { values, .. } => Value::StrictArray(values),
        }
    }
}

/// What stands behind a marker.
enum Begun {
    Scalar(Value),
    Container(Container),
}

/// What the low bit of a number tells apart (section 2.2).
enum Header {
    Reference,
    Inline(u32),
}

struct Decoder<'a> {
    input: &'a mut Input,
    start: usize,
    nodes: usize,
    repeated_bytes: usize,
    /// How many objects could be referred to; the objects themselves never are.
    objects: u32,
    strings: Vec<Text>,
    traits: Vec<Traits>,
    names: Vec<Text>,
}

impl<'a> Decoder<'a> {
    fn new(input: &'a mut Input) -> Self {
        Self {
            start: input.position(),
            input,
            nodes: 0,
            repeated_bytes: 0,
            objects: 0,
            strings: Vec::new(),
            traits: Vec::new(),
            names: Vec::new(),
        }
    }

    fn begin(&mut self) -> Result<Begun, AmfError> {
        let at = self.input.position();
        let marker = self.input.byte()?;
        self.spend_node(at)?;
        let value = match marker {
            marker::UNDEFINED => Value::Undefined,
            marker::NULL => Value::Null,
            marker::FALSE => Value::Boolean(false),
            marker::TRUE => Value::Boolean(true),
            marker::INTEGER => Value::Number(f64::from(signed(self.u29()?))),
            marker::DOUBLE => Value::Number(self.input.double()?),
            marker::STRING => Value::String(self.string()?),
            marker::XML_DOCUMENT | marker::XML => {
                self.object_bytes()?.map_or(Value::Null, |bytes| Value::Xml(Text(bytes)))
            }
            marker::DATE => match self.object_header()? {
                Header::Reference => Value::Null,
                Header::Inline(_) => Value::Date { millis: self.input.double()? },
            },
            marker::ARRAY => return self.begin_array(),
            marker::OBJECT => return self.begin_object(at),
            marker::BYTE_ARRAY => self.object_bytes()?.map_or(Value::Null, Value::Bytes),
            marker::VECTOR_INT => {
                self.vector(|input| input.array().map(i32::from_be_bytes).map(f64::from))?
            }
            marker::VECTOR_UINT => self.vector(|input| input.u32().map(f64::from))?,
            marker::VECTOR_DOUBLE => self.vector(Input::double)?,
            marker::VECTOR_OBJECT => return self.begin_vector(),
            _ => return Err(AmfError::UnknownMarker { at: offset(at), marker }),
        };
        Ok(Begun::Scalar(value))
    }

    /// Hands a complete value to the innermost container and closes every container that ends here.
    ///
    /// Returns the outermost value once complete, `None` while another value follows.
    fn finish(
        &mut self,
        open: &mut Vec<Container>,
        mut complete: Option<Value>,
    ) -> Result<Option<Value>, AmfError> {
        while let Some(container) = open.last_mut() {
            if let Some(value) = complete.take() {
                container.push(value);
            }
            if self.value_follows(container)? {
                return Ok(None);
            }
            complete = open.pop().map(Container::into_value);
        }
        Ok(complete)
    }

    /// Looks for a further value inside; the name before it is read and kept.
    fn value_follows(&mut self, container: &mut Container) -> Result<bool, AmfError> {
        match container {
            Container::Array { name, left, .. } => {
                if name.is_some() {
                    *name = self.name()?;
                }
                if name.is_some() {
                    return Ok(true);
                }
                Ok(take_one(left))
            }
            Container::Object { name, traits, .. } => {
                if traits.first < traits.end {
                    *name = self.sealed_name(traits.first)?;
                    traits.first = traits.first.saturating_add(1);
                    return Ok(true);
                }
                if !traits.dynamic {
                    return Ok(false);
                }
                match self.name()? {
                    Some(next) => *name = next,
                    None => return Ok(false),
                }
                Ok(true)
            }
            Container::Vector { left, .. } => Ok(take_one(left)),
        }
    }

    fn begin_array(&mut self) -> Result<Begun, AmfError> {
        let Header::Inline(left) = self.object_header()? else {
            return Ok(Begun::Scalar(Value::Null));
        };
        // The named part comes first; once its names end, `name` is `None`.
        let name = Some(Text::default());
        let (properties, values) = Default::default();
        Ok(Begun::Container(Container::Array { properties, name, values, left }))
    }

    fn begin_vector(&mut self) -> Result<Begun, AmfError> {
        let Header::Inline(left) = self.object_header()? else {
            return Ok(Begun::Scalar(Value::Null));
        };
        // Whether the vector has a fixed length, and the class of its elements.
        self.input.byte()?;
        self.string()?;
        Ok(Begun::Container(Container::Vector { values: Vec::new(), left }))
    }

    fn begin_object(&mut self, at: usize) -> Result<Begun, AmfError> {
        let Header::Inline(header) = self.object_header()? else {
            return Ok(Begun::Scalar(Value::Null));
        };
        let traits = if header & 1 == 0 {
            let traits = self.traits.get(size(header >> 1));
            *traits.ok_or(AmfError::OutOfRange { at: offset(at) })?
        } else if header & 2 == 0 {
            self.inline_traits(header >> 3, header & 4 != 0)?
        } else {
            // Only the class itself knows where its externalizable objects end.
            return Err(AmfError::UnknownMarker { at: offset(at), marker: marker::OBJECT });
        };
        let (properties, name) = Default::default();
        Ok(Begun::Container(Container::Object { properties, name, traits }))
    }

    fn inline_traits(&mut self, count: u32, dynamic: bool) -> Result<Traits, AmfError> {
        self.string()?;
        let first = self.names.len();
        for _ in 0..count {
            let at = self.input.position();
            let name = self.string()?;
            self.spend_node(at)?;
            self.names.push(short_name(name, at)?);
        }
        let traits = Traits { first, end: self.names.len(), dynamic };
        self.traits.push(traits);
        Ok(traits)
    }

    /// A vector whose elements are numbers of a fixed size.
    fn vector(
        &mut self,
        element: fn(&mut Input) -> Result<f64, AmfError>,
    ) -> Result<Value, AmfError> {
        let Header::Inline(count) = self.object_header()? else {
            return Ok(Value::Null);
        };
        // Whether the vector has a fixed length.
        self.input.byte()?;
        let mut values = Vec::new();
        for _ in 0..count {
            let at = self.input.position();
            let number = element(self.input)?;
            self.spend_node(at)?;
            values.push(Value::Number(number));
        }
        Ok(Value::StrictArray(values))
    }

    /// The bytes of an XML document or byte array; `None` if it is a reference.
    fn object_bytes(&mut self) -> Result<Option<Bytes>, AmfError> {
        match self.object_header()? {
            Header::Reference => Ok(None),
            Header::Inline(len) => self.input.bytes(size(len)).map(Some),
        }
    }

    /// The number that opens each object; an object is known to references from here on.
    fn object_header(&mut self) -> Result<Header, AmfError> {
        let at = self.input.position();
        let number = self.u29()?;
        if number & 1 == 1 {
            self.objects = self.objects.saturating_add(1);
            return Ok(Header::Inline(number >> 1));
        }
        if number >> 1 >= self.objects {
            return Err(AmfError::OutOfRange { at: offset(at) });
        }
        Ok(Header::Reference)
    }

    /// The name of a property; `None` where an empty name ends the list.
    fn name(&mut self) -> Result<Option<Text>, AmfError> {
        let at = self.input.position();
        let name = short_name(self.string()?, at)?;
        Ok(if name.as_bytes().is_empty() { None } else { Some(name) })
    }

    fn sealed_name(&mut self, index: usize) -> Result<Text, AmfError> {
        let at = self.input.position();
        let name = self.names.get(index).cloned();
        let name = name.ok_or(AmfError::OutOfRange { at: offset(at) })?;
        self.repeat(&name, at)?;
        Ok(name)
    }

    /// A string or a reference to one (section 1.3.2).
    fn string(&mut self) -> Result<Text, AmfError> {
        let at = self.input.position();
        let number = self.u29()?;
        if number & 1 == 0 {
            let text = self.strings.get(size(number >> 1)).cloned();
            let text = text.ok_or(AmfError::OutOfRange { at: offset(at) })?;
            self.repeat(&text, at)?;
            return Ok(text);
        }
        let text = self.input.bytes(size(number >> 1)).map(Text)?;
        // The empty string is never sent by reference.
        if !text.as_bytes().is_empty() {
            self.strings.push(text.clone());
        }
        Ok(text)
    }

    /// Accounts for text that is used again without being sent again.
    fn repeat(&mut self, text: &Text, at: usize) -> Result<(), AmfError> {
        self.repeated_bytes = self.repeated_bytes.saturating_add(text.as_bytes().len());
        let sent = self.input.position().saturating_sub(self.start);
        let nodes_bytes = self.nodes.saturating_mul(REPEATED_BYTES_PER_NODE);
        if self.repeated_bytes > sent.saturating_add(nodes_bytes) {
            return Err(AmfError::OutOfRange { at: offset(at) });
        }
        Ok(())
    }

    fn spend_node(&mut self, at: usize) -> Result<(), AmfError> {
        self.nodes = self.nodes.saturating_add(1);
        self.input.spend_node(at)
    }

    /// A number of 29 bits in one to four bytes (section 1.3.1).
    fn u29(&mut self) -> Result<u32, AmfError> {
        let mut number = 0;
        for _ in 0..3 {
            let byte = self.input.byte()?;
            number = number << 7 | u32::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Ok(number << 8 | u32::from(self.input.byte()?))
    }
}

/// The 29 bits of an integer, with their sign (section 3.6).
fn signed(number: u32) -> i32 {
    (number << 3).cast_signed() >> 3
}

/// Counts one element down; false if none is left.
fn take_one(left: &mut u32) -> bool {
    let less = left.checked_sub(1);
    *left = less.unwrap_or(0);
    less.is_some()
}

/// A name that AMF0 can carry too: whatever is decoded can be written again.
fn short_name(name: Text, at: usize) -> Result<Text, AmfError> {
    match u16::try_from(name.as_bytes().len()) {
        Ok(_) => Ok(name),
        Err(_) => Err(AmfError::OutOfRange { at: offset(at) }),
    }
}

/// The name that ActionScript gives to an element of an array.
fn decimal(index: usize) -> Text {
    Text(Bytes::from(alloc::format!("{index}")))
}
