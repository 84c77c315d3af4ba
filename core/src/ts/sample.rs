//! What a frame of a live stream is to a muxer.

use crate::flv::tag::{Codec, Track, tracks};
use crate::frame::{Frame, FrameClass, FrameKind};

/// The first track of a media frame: a codec header or coded media.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample<'a> {
    /// Audio or video, never data.
    pub kind: FrameKind,
    /// The codec.
    pub codec: Codec,
    /// Sequence header, keyframe or other coded media; nothing else.
    pub class: FrameClass,
    /// Presentation time less decoding time in milliseconds; 0 for audio.
    pub composition_ms: i32,
    /// To be added to the presentation time, in nanoseconds below 2^24 (Enhanced RTMP ModEx).
    pub offset_nanos: u32,
    /// A decoder configuration record or coded media, without the headers of the tag.
    pub payload: &'a [u8],
}

impl<'a> Sample<'a> {
    /// Reads a frame; `None` when it has nothing that a muxer could want: data, metadata, the end
    /// of a sequence, other tracks than the first, tags that cannot be read.
    #[must_use]
    pub fn of(frame: &'a Frame) -> Option<Self> {
        Self::of_body(frame.kind, &frame.payload)
    }

    /// As [`Sample::of`], from a tag body.
    #[must_use]
    pub fn of_body(kind: FrameKind, body: &'a [u8]) -> Option<Self> {
        let mut tracks = tracks(body, kind);
        let offset_nanos = tracks.timestamp_offset_nanos();
        let track: Track<'a> = tracks.find(|track| track.id == 0)?;
        match track.class {
            FrameClass::Control | FrameClass::Metadata => return None,
            FrameClass::Coded | FrameClass::Keyframe | FrameClass::SequenceHeader => {}
        }
        Some(Self {
            kind,
            codec: track.codec?,
            class: track.class,
            composition_ms: track.composition_offset,
            offset_nanos,
            payload: track.payload,
        })
    }
}
