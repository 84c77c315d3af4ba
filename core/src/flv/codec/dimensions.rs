//! The size of the picture: from a sequence header, or as the metadata say.

use super::{DIMENSION_MAX, h264, h265};
use crate::amf::AmfLimits;
use crate::amf::amf0::Reader;
use crate::flv::tag::{Codec, tracks};
use crate::frame::{FrameClass, FrameKind};
use bytes::Bytes;

/// Width and height in pixels of the first track whose sequence header in a video tag tells them.
#[must_use]
pub fn of_header(body: &[u8]) -> Option<(u32, u32)> {
    let mut headers =
        tracks(body, FrameKind::Video).filter(|track| track.class == FrameClass::SequenceHeader);
    headers.find_map(|track| {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other header is looked into")]
        match track.codec? {
            Codec::H264 => {
                let config = h264::AvcConfig::parse(track.payload).ok()?;
                let sps = h264::Sps::parse(config.sps().next()?).ok()?;
                Some((sps.width, sps.height))
            }
            Codec::Hevc => {
                let config = h265::HevcConfig::parse(track.payload).ok()?;
                let sps = h265::Sps::parse(config.sps()).ok()?;
                Some((sps.width, sps.height))
            }
            _ => None,
        }
    })
}

/// Width and height in pixels as `onMetaData` declares them, if that is believable.
#[must_use]
pub fn of_metadata(message: &Bytes, limits: AmfLimits) -> Option<(u32, u32)> {
    let mut reader = Reader::new(message.clone(), limits);
    // The name of the message comes first.
    reader.read().ok()??;
    let values = reader.read().ok()??;
    let number = |name: &str| {
        let number = values.get(name)?.as_number()?;
        // A comparison with what is no number is false.
        let is_size = number >= 1.0 && number <= f64::from(DIMENSION_MAX);
        is_size.then_some(number as u32)
    };
    Some((number("width")?, number("height")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amf::{Value, amf0};
    use alloc::vec;
    use bytes::BytesMut;
    use pretty_assertions::assert_eq;

    #[test]
    fn metadata_declare_a_size() {
        let check = |width: f64, height: Option<f64>, expected| {
            let mut properties = vec![("width", Value::Number(width))];
            properties.extend(height.map(|height| ("height", Value::Number(height))));
            let mut message = BytesMut::new();
            amf0::write_string(b"onMetaData", &mut message);
            amf0::write_object(&properties, &mut message);
            let limits = AmfLimits { depth_max: 32, nodes_max: 4_096 };
            assert_eq!(of_metadata(&message.freeze(), limits), expected, "{width} {height:?}");
        };
        check(1280.0, Some(720.0), Some((1280, 720)));
        check(1280.0, None, None);
        check(0.0, Some(720.0), None);
        check(f64::NAN, Some(720.0), None);
        check(f64::INFINITY, Some(720.0), None);
        check(-5.0, Some(720.0), None);
        check(16_384.0, Some(16_385.0), None);
    }
}
