//! MPEG-TS (ISO/IEC 13818-1): a muxer for segments and endless streams, and a strict reader.
//!
//! A programme has at most one video and one audio track. What the muxer takes are FLV tag bodies
//! (see [`sample`]); what it gives are whole packets of 188 bytes, appended to a buffer.
//!
//! - [`mux`]: samples to packets.
//! - [`stream`]: an endless stream with its tables where viewers join.
//! - [`reader`]: packets to tables, access units, clocks and everything that is wrong with them.

mod audio;
mod clock;
pub mod fuzz;
pub mod mux;
mod packet;
pub mod reader;
pub mod sample;
pub mod stream;
pub mod tables;
mod video;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use crate::flv::codec::HeaderError;
use crate::flv::tag::Codec;
use core::fmt;

pub use clock::{JUMP_BACK_MAX_MS, JUMP_MAX_MS, Unwrapped, is_jump};

/// Bytes of a packet.
pub const PACKET_LEN: usize = 188;
/// The first byte of a packet.
pub const SYNC: u8 = 0x47;
/// PID of the programme association table.
pub const PAT_PID: u16 = 0;
/// PID of the programme map table, as SRS has it.
pub const PMT_PID: u16 = 0x1001;
/// PID of the video track, as SRS has it.
pub const VIDEO_PID: u16 = 0x100;
/// PID of the audio track, as SRS has it.
pub const AUDIO_PID: u16 = 0x101;
/// Ticks of PTS, DTS and PCR base in a millisecond.
pub const TICKS_PER_MS: i64 = 90;
/// PTS and DTS of the zero of the time line, in ticks. Ten seconds leave room for all that may lie
/// before it: the lead of the PCR, negative composition offsets, a track that starts earlier.
pub const ZERO_TICKS: i64 = 900_000;

/// Whether MPEG-TS carries a codec, if its headers can be read.
pub(crate) fn carries(codec: Codec) -> bool {
    let is_known = |skip: Skip| skip != Skip::NotCarried(codec);
    audio::AudioTrack::of_frame(codec, &[]).err().is_none_or(is_known)
        || video::VideoTrack::new(codec, &[]).err().is_none_or(is_known)
}

/// Why a sample is not in the transport stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Skip {
    /// The sequence header of this codec cannot be read, so nothing of the track is carried.
    BadHeader(Codec, HeaderError),
    /// The NAL units of a frame, or the header of an audio frame, cannot be read.
    BadFrame(Codec, HeaderError),
    /// A frame above what its framing can express (AAC: 8,184 bytes).
    FrameTooLong(Codec),
    /// A profile that the framing of the codec in MPEG-TS cannot express (ADTS: four profiles, 13
    /// sample rates, 1 to 7 channels).
    NotExpressible(Codec),
    /// MPEG-TS has no mapping for the codec, or none that players know.
    NotCarried(Codec),
    /// No sequence header came yet.
    NoHeader(Codec),
    /// Not of the first track of its kind.
    OtherTrack,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadHeader(codec, error) => {
                write!(f, "the sequence header of {codec} cannot be read: {error}")
            }
            Self::BadFrame(codec, error) => write!(f, "a frame of {codec} is broken: {error}"),
            Self::FrameTooLong(codec) => write!(f, "a frame of {codec} is too long for MPEG-TS"),
            Self::NotExpressible(codec) => {
                write!(f, "this profile of {codec} has no framing in MPEG-TS")
            }
            Self::NotCarried(codec) => write!(f, "MPEG-TS does not carry {codec}"),
            Self::NoHeader(codec) => write!(f, "{codec} without a sequence header"),
            Self::OtherTrack => f.write_str("only the first track of a kind is carried"),
        }
    }
}
