//! AMF0 and AMF3 values: the encoding of RTMP commands and data messages.
//!
//! Sources: Adobe "Action Message Format -- AMF 0" (2007) and "AMF 3" (2013).

pub mod amf0;
pub mod amf3;
#[doc(hidden)]
pub mod fuzz;
mod input;
#[cfg(test)]
mod testing;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// A string of a peer: raw bytes, made readable only for display.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Text(pub Bytes);

impl Text {
    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text for display; what is not UTF-8 is replaced.
    #[must_use]
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        alloc::string::String::from_utf8_lossy(&self.0)
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

/// One AMF value. Objects keep the order of their properties (FMLE depends on it).
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A boolean.
    Boolean(bool),
    /// Raw bytes (AMF3 byte array).
    Bytes(Bytes),
    /// Milliseconds since 1970 and a time zone that is always 0 on the wire.
    Date {
        /// Milliseconds since 1970-01-01.
        millis: f64,
    },
    /// An ECMA array: named properties, like an object.
    EcmaArray(Vec<(Text, Value)>),
    /// `null`; also what a reference resolves to.
    Null,
    /// A number; AMF3 integers too.
    Number(f64),
    /// An object; a typed object drops its class name.
    Object(Vec<(Text, Value)>),
    /// A strict array.
    StrictArray(Vec<Value>),
    /// A string or long string.
    String(Text),
    /// `undefined`, and the "unsupported" marker.
    Undefined,
    /// An XML document, opaque and never parsed.
    Xml(Text),
}

impl Value {
    /// The number, if this is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(value) = self { Some(*value) } else { None }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&Text> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The boolean, if this is one.
    #[must_use]
    pub fn as_boolean(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The properties of an object or ECMA array, in their order.
    #[must_use]
    pub fn properties(&self) -> Option<&[(Text, Value)]> {
        if let Self::Object(list) | Self::EcmaArray(list) = self { Some(list) } else { None }
    }

    /// The first property called `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.properties()?.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// Budgets of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmfLimits {
    /// Objects and arrays inside of each other; a scalar at the top has depth 0.
    pub depth_max: u8,
    /// Values in all, elements and properties included; the names of AMF3 traits count too.
    pub nodes_max: u32,
}

/// Why AMF bytes were refused; `at` is the offset of the offending byte in the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AmfError {
    /// A number or reference outside of its range (AMF3).
    OutOfRange {
        /// Offset in the message.
        at: u32,
    },
    /// Values nest deeper than the limit.
    TooDeep {
        /// Offset in the message.
        at: u32,
    },
    /// More values than the limit.
    TooManyNodes {
        /// Offset in the message.
        at: u32,
    },
    /// The message ends inside a value.
    Truncated {
        /// Offset in the message.
        at: u32,
    },
    /// A marker that no specification names, that the specification only reserves, or whose
    /// content cannot be delimited (AMF3 externalizable objects) or represented (dictionaries).
    UnknownMarker {
        /// Offset in the message.
        at: u32,
        /// The marker.
        marker: u8,
    },
}
