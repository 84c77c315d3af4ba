//! Data messages (types 15 and 18): from what encoders send to what players get.

use crate::amf::{AmfError, AmfLimits, Text, Value, amf0};
use crate::frame::FrameClass;
use crate::message::MessageType;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// A data message that belongs to the stream.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// Its name: `onMetaData`, `onTextData`, ...
    pub(super) name: Text,
    /// What it is to a decoder.
    pub(super) class: FrameClass,
    /// AMF0: the name and what follows it.
    pub(super) payload: Bytes,
}

/// Properties of a recording: they make players of a live stream stop there.
const PROPERTIES_OF_FILES: [&str; 2] = ["duration", "filesize"];

/// The marker of a string as players expect it (AMF 0, section 2.4): neither long nor of AMF3.
const PLAIN_STRING: u8 = 0x02;

/// Reads a data message; `Ok(None)` for one without effect (`@clearDataFrame`).
///
/// Values before the name are skipped (cameras of Uniview send two numbers there), and so is each
/// `@setDataFrame`. Metadata that can be decoded lose the properties of files and are written anew,
/// in their order; all else is passed through untouched, behind a name that is a plain string.
///
/// # Errors
/// There is no name.
pub(super) fn parse(
    type_id: u8,
    mut payload: Bytes,
    limits: AmfLimits,
) -> Result<Option<Data>, AmfError> {
    let is_amf3 = type_id == MessageType::DataAmf3.id();
    // The format selector of type 15 is 0, which also is the marker of a number: it is one only
    // where a string or a switch to AMF3 follows. (Not all encoders send a selector.)
    if is_amf3 && matches!(payload.get(..2), Some([0x00, 0x02 | 0x0C | 0x11])) {
        payload.advance(1);
    }
    let mut reader = amf0::Reader::new(payload.clone(), limits);
    let (mut at, mut name) = read_name(&mut reader, payload.len())?;
    if name == *"@clearDataFrame" {
        return Ok(None);
    }
    while name == *"@setDataFrame" {
        (at, name) = read_name(&mut reader, payload.len())?;
    }
    let name_end = reader.position();
    let is_metadata = name == *"onMetaData";
    let class = if is_metadata { FrameClass::Metadata } else { FrameClass::Control };
    let rewritten =
        if is_metadata || is_amf3 { rewrite(&name, is_metadata, &mut reader) } else { None };
    let payload = match rewritten {
        Some(written) => written,
        None if payload.get(at) == Some(&PLAIN_STRING) => {
            payload.advance(at);
            payload
        }
        None => {
            payload.advance(name_end);
            let mut written = BytesMut::new();
            amf0::write_string(name.as_bytes(), &mut written);
            written.extend_from_slice(&payload);
            written.freeze()
        }
    };
    Ok(Some(Data { name, class, payload }))
}

/// The next string, and where its value begins.
fn read_name(reader: &mut amf0::Reader, len: usize) -> Result<(usize, Text), AmfError> {
    loop {
        let at = reader.position();
        match reader.read()? {
            Some(Value::String(name)) => return Ok((at, name)),
            Some(_) => {}
            None => return Err(AmfError::Truncated { at: u32::try_from(len).unwrap_or(u32::MAX) }),
        }
    }
}

/// The message as plain AMF0; `None` when its values cannot be decoded.
fn rewrite(name: &Text, is_metadata: bool, reader: &mut amf0::Reader) -> Option<Bytes> {
    let mut values = Vec::new();
    while let Some(mut value) = reader.read().ok()? {
        if is_metadata && let Value::Object(list) | Value::EcmaArray(list) = &mut value {
            list.retain(|(key, _)| !PROPERTIES_OF_FILES.iter().any(|name| *key == **name));
        }
        values.push(value);
    }
    let mut written = BytesMut::new();
    amf0::write_string(name.as_bytes(), &mut written);
    for value in &values {
        amf0::write(value, &mut written);
    }
    Some(written.freeze())
}
