//! One media or data message of a live stream.

use crate::time::Timestamp;
use bytes::Bytes;

/// What a message carries: RTMP message types 8, 9 and 18.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum FrameKind {
    /// An FLV audio tag body.
    Audio,
    /// An AMF0 data message, without a leading `@setDataFrame`.
    Data,
    /// An FLV video tag body.
    Video,
}

/// What a decoder can do with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FrameClass {
    /// Coded audio, or coded video that needs earlier frames.
    Coded,
    /// Neither coded media nor needed to decode them: end of sequence, cue points, unknown data.
    Control,
    /// Video that decodes without earlier frames: a place to join.
    Keyframe,
    /// `onMetaData`, or metadata of the video (Enhanced RTMP colour information).
    Metadata,
    /// A sequence header: needed before any coded frame of its track.
    SequenceHeader,
}

/// One message of a stream, passed through untouched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Audio, data or video.
    pub kind: FrameKind,
    /// What a decoder can do with it.
    pub class: FrameClass,
    /// Decoding time in milliseconds.
    pub timestamp: Timestamp,
    /// The FLV tag body or the AMF0 data.
    pub payload: Bytes,
}
