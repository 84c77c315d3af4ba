//! The first bytes of audio and video tags: codec, class, track.

use crate::frame::FrameClass;

/// An audio or video codec, by its legacy id or its FourCC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the codecs' own")]
pub enum Codec {
    // Audio, legacy.
    Aac,
    Adpcm,
    G711ALaw,
    G711MuLaw,
    Mp3,
    Nellymoser,
    PcmPlatform,
    PcmLittleEndian,
    Speex,
    // Audio, enhanced.
    Ac3,
    Eac3,
    Flac,
    Opus,
    // Video, legacy.
    H263,
    H264,
    ScreenVideo,
    ScreenVideo2,
    Vp6,
    Vp6Alpha,
    // Video, enhanced.
    Av1,
    Hevc,
    Vp8,
    Vp9,
    Vvc,
    /// A legacy id without a name.
    UnknownId(u8),
    /// A FourCC without a name.
    UnknownFourCc([u8; 4]),
}

/// What the first bytes of a tag say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TagInfo {
    /// The codec of the first track; `None` for tags without media (command frames).
    pub codec: Option<Codec>,
    /// What a decoder can do with the tag, over all of its tracks.
    pub class: FrameClass,
    /// The track of a single-track tag, the first one of a multitrack tag.
    pub track: u8,
    /// Number of tracks in the tag; 1 unless multitrack.
    pub tracks: u8,
    /// Enhanced RTMP header.
    pub enhanced: bool,
    /// Composition time offset in milliseconds, where the tag has one.
    pub composition_offset: i32,
}

/// Why a tag could not be read; it may still be relayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TagError {
    /// Nothing in it.
    Empty,
    /// A chain of ModEx items above the limit of 8.
    ModExChain,
    /// More tracks than 8.
    TooManyTracks,
    /// It ends inside of its header.
    Truncated,
}

/// Reads the header of an audio tag body.
///
/// # Errors
/// The header is cut or over a limit.
pub fn parse_audio(body: &[u8]) -> Result<TagInfo, TagError> {
    todo!()
}

/// Reads the header of a video tag body.
///
/// # Errors
/// The header is cut or over a limit.
pub fn parse_video(body: &[u8]) -> Result<TagInfo, TagError> {
    todo!()
}
