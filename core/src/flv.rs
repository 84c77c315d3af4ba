//! FLV tag bodies as RTMP carries them, Enhanced RTMP included, and FLV files.
//!
//! Sources: Adobe "Video File Format Specification 10.1", annex E; Enhanced RTMP v1 and v2.

pub mod codec;
pub mod file;
pub mod fuzz;
pub mod tag;

use crate::frame::{FrameClass, FrameKind};
use tag::TagError;

/// Says what a decoder can do with the payload of a frame.
///
/// AMF0 data is metadata when its name is `onMetaData`, with or without a `@setDataFrame` before
/// it; all other data is control.
///
/// # Errors
/// The payload is empty, or the header of its tag is cut or over a limit.
pub fn classify(kind: FrameKind, payload: &[u8]) -> Result<FrameClass, TagError> {
    match kind {
        FrameKind::Audio => Ok(tag::parse_audio(payload)?.class),
        FrameKind::Data => classify_data(payload),
        FrameKind::Video => Ok(tag::parse_video(payload)?.class),
    }
}

/// Compares the name as bytes: a data message need not be valid AMF to be relayed.
fn classify_data(payload: &[u8]) -> Result<FrameClass, TagError> {
    if payload.is_empty() {
        return Err(TagError::Empty);
    }
    let data = payload.strip_prefix(b"\x02\x00\x0d@setDataFrame").unwrap_or(payload);
    let is_metadata = data.starts_with(b"\x02\x00\x0aonMetaData");
    Ok(if is_metadata { FrameClass::Metadata } else { FrameClass::Control })
}

#[cfg(test)]
mod tests;
