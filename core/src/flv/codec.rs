//! The few fields of codec headers that logs, statistics and packagers need.
//!
//! A header that cannot be read does not keep a stream from being relayed: it is only unknown.

pub mod aac;
pub mod audio;
pub mod av1;
mod bits;
pub mod dimensions;
pub mod h264;
pub mod h265;
pub mod nal;

use super::tag::{Codec, Track, tracks};
use crate::frame::{FrameClass, FrameKind};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// Largest width or height that is believed, in pixels.
pub const DIMENSION_MAX: u32 = 16_384;

/// Why a codec header was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HeaderError {
    /// Width or height is zero or above [`DIMENSION_MAX`].
    Dimensions,
    /// No sequence or no picture parameter set.
    MissingParameterSet,
    /// NAL unit lengths of a size other than 1, 2 or 4 bytes.
    NalLengthSize,
    /// A field outside of its range, or with a reserved value.
    OutOfRange,
    /// It ends inside of a field.
    Truncated,
    /// Not this kind of header: wrong signature, or wrong type of NAL unit.
    Unexpected,
    /// A version that is not known.
    Version(u8),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dimensions => "insane dimensions",
            Self::MissingParameterSet => "no parameter sets",
            Self::NalLengthSize => "bad NAL unit length size",
            Self::OutOfRange => "a field out of range",
            Self::Truncated => "cut short",
            Self::Unexpected => "not a header of this codec",
            Self::Version(version) => return write!(f, "version {version}"),
        })
    }
}

/// Frames per second as a ratio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameRate {
    /// Frames in `denominator` seconds.
    pub numerator: u32,
    /// Seconds; never zero.
    pub denominator: u32,
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = u64::from(self.numerator).saturating_mul(1_000);
        let half = u64::from(self.denominator / 2);
        let rounded = thousandths.saturating_add(half).checked_div(u64::from(self.denominator));
        write!(f, "{}", Thousandths(rounded.unwrap_or_default()))
    }
}

/// Says for a person what a tag carries, such as `H.264 High 4.0 1920x1080 25 fps` or
/// `AAC LC 44.1 kHz 2 channels`; tracks are separated by commas.
///
/// `None` unless every track is a sequence header, or media of a codec that has none. A header
/// that was refused leaves its codec unknown and gives the reason.
#[must_use]
pub fn describe(body: &[u8], kind: FrameKind) -> Option<String> {
    let tracks: Option<Vec<String>> =
        tracks(body, kind).map(|track| describe_track(body, &track)).collect();
    tracks.filter(|tracks| !tracks.is_empty()).map(|tracks| tracks.join(", "))
}

fn describe_track(body: &[u8], track: &Track<'_>) -> Option<String> {
    let codec = track.codec?;
    let description = match track.class {
        FrameClass::SequenceHeader => describe_header(codec, track.payload),
        FrameClass::Coded | FrameClass::Keyframe => describe_media(codec, body, track.payload)?,
        FrameClass::Control | FrameClass::Metadata => return None,
    };
    Some(description.unwrap_or_else(|error| alloc::format!("{codec} unknown ({error})")))
}

fn describe_header(codec: Codec, record: &[u8]) -> Result<String, HeaderError> {
    if record.is_empty() {
        // Some encoders send an empty record and put the real one into the first coded frame.
        return Ok(codec.to_string());
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other codecs are only named")]
    Ok(match codec {
        Codec::Aac => aac::AudioSpecificConfig::parse(record)?.to_string(),
        Codec::Av1 => av1::Av1Config::parse(record)?.to_string(),
        Codec::Flac => audio::FlacStreamInfo::parse(record)?.to_string(),
        Codec::H264 => {
            let config = h264::AvcConfig::parse(record)?;
            let sps = config.sps().next().ok_or(HeaderError::MissingParameterSet)?;
            h264::Sps::parse(sps)?.to_string()
        }
        Codec::Hevc => h265::HevcConfig::parse(record)?.to_string(),
        Codec::Opus => audio::OpusHead::parse(record)?.to_string(),
        codec => codec.to_string(),
    })
}

/// Describes media of the codecs that have no sequence header; `None` for the others.
fn describe_media(
    codec: Codec,
    body: &[u8],
    payload: &[u8],
) -> Option<Result<String, HeaderError>> {
    let rate = match body.first()? >> 4 {
        4 => 16_000,
        // G.711 in FLV is 8 kHz, whatever the rate bits say.
        5 | 7 | 8 | 14 => 8_000,
        // Speex in FLV is 16 kHz.
        11 => 16_000,
        _ => sound_rate(*body.first()?),
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other codecs have sequence headers")]
    Some(match codec {
        Codec::Adpcm
        | Codec::G711ALaw
        | Codec::G711MuLaw
        | Codec::PcmPlatform
        | Codec::PcmLittleEndian => {
            let channels = (body.first()? & 1).saturating_add(1);
            Ok(alloc::format!("{codec} {}", Sound { rate, channels }))
        }
        Codec::Nellymoser | Codec::Speex => {
            Ok(alloc::format!("{codec} {}", Sound { rate, channels: 1 }))
        }
        Codec::Mp3 => audio::Mp3Header::parse(payload).map(|header| header.to_string()),
        Codec::H263
        | Codec::ScreenVideo
        | Codec::ScreenVideo2
        | Codec::Vp6
        | Codec::Vp6Alpha
        | Codec::UnknownId(_)
        | Codec::UnknownFourCc(_) => Ok(codec.to_string()),
        _ => return None,
    })
}

/// The SoundRate bits of a legacy audio tag in Hz.
const fn sound_rate(first: u8) -> u32 {
    match first >> 2 & 3 {
        0 => 5_512,
        1 => 11_025,
        2 => 22_050,
        _ => 44_100,
    }
}

/// A sample rate in Hz and a number of channels, for people.
struct Sound {
    rate: u32,
    channels: u8,
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.channels == 1 { "" } else { "s" };
        let rate = Thousandths(u64::from(self.rate));
        write!(f, "{rate} kHz {} channel{plural}", self.channels)
    }
}

/// A number of thousandths, shown as a decimal without trailing zeros.
struct Thousandths(u64);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 1_000, self.0 % 1_000);
        match fraction {
            0 => write!(f, "{whole}"),
            _ if fraction.is_multiple_of(100) => write!(f, "{whole}.{}", fraction / 100),
            _ if fraction.is_multiple_of(10) => write!(f, "{whole}.{:02}", fraction / 10),
            _ => write!(f, "{whole}.{fraction:03}"),
        }
    }
}

#[cfg(test)]
mod tests;
