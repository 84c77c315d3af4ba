//! The first bytes of audio and video tags: codec, class, track.

use crate::frame::{FrameClass, FrameKind};
use core::fmt;

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

impl Codec {
    /// The audio codec of a legacy SoundFormat (annex E.4.2.1).
    #[must_use]
    pub const fn from_sound_format(id: u8) -> Self {
        match id {
            0 => Self::PcmPlatform,
            1 => Self::Adpcm,
            2 | 14 => Self::Mp3,
            3 => Self::PcmLittleEndian,
            4..=6 => Self::Nellymoser,
            7 => Self::G711ALaw,
            8 => Self::G711MuLaw,
            10 => Self::Aac,
            11 => Self::Speex,
            _ => Self::UnknownId(id),
        }
    }

    /// The video codec of a legacy CodecID (annex E.4.3.1); 12 is HEVC by a custom of CDNs.
    #[must_use]
    pub const fn from_video_codec_id(id: u8) -> Self {
        match id {
            2 => Self::H263,
            3 => Self::ScreenVideo,
            4 => Self::Vp6,
            5 => Self::Vp6Alpha,
            6 => Self::ScreenVideo2,
            7 => Self::H264,
            12 => Self::Hevc,
            _ => Self::UnknownId(id),
        }
    }

    /// The codec of a FourCC (Enhanced RTMP v2, `AudioFourCc` and `VideoFourCc`).
    #[must_use]
    pub const fn from_four_cc(four_cc: [u8; 4]) -> Self {
        match &four_cc {
            b"ac-3" => Self::Ac3,
            b"ec-3" => Self::Eac3,
            b"Opus" => Self::Opus,
            b".mp3" => Self::Mp3,
            b"fLaC" => Self::Flac,
            b"mp4a" => Self::Aac,
            b"vp08" => Self::Vp8,
            b"vp09" => Self::Vp9,
            b"av01" => Self::Av1,
            b"avc1" => Self::H264,
            b"hvc1" => Self::Hevc,
            b"vvc1" => Self::Vvc,
            _ => Self::UnknownFourCc(four_cc),
        }
    }

    /// Coded frames of these carry a composition time offset.
    const fn has_composition_offset(self) -> bool {
        matches!(self, Self::H264 | Self::Hevc | Self::Vvc)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aac => "AAC",
            Self::Adpcm => "ADPCM",
            Self::G711ALaw => "G.711 A-law",
            Self::G711MuLaw => "G.711 mu-law",
            Self::Mp3 => "MP3",
            Self::Nellymoser => "Nellymoser",
            Self::PcmPlatform => "PCM platform endian",
            Self::PcmLittleEndian => "PCM little endian",
            Self::Speex => "Speex",
            Self::Ac3 => "AC-3",
            Self::Eac3 => "E-AC-3",
            Self::Flac => "FLAC",
            Self::Opus => "Opus",
            Self::H263 => "Sorenson H.263",
            Self::H264 => "H.264",
            Self::ScreenVideo => "Screen video",
            Self::ScreenVideo2 => "Screen video 2",
            Self::Vp6 => "VP6",
            Self::Vp6Alpha => "VP6 with alpha",
            Self::Av1 => "AV1",
            Self::Hevc => "HEVC",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Vvc => "VVC",
            Self::UnknownId(id) => return write!(f, "unknown codec {id}"),
            Self::UnknownFourCc(four_cc) => {
                return write!(f, "unknown codec '{}'", four_cc.escape_ascii());
            }
        })
    }
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
    /// A reserved value, and what follows depends on its meaning (a layout of tracks).
    Reserved,
    /// More tracks than 8.
    TooManyTracks,
    /// It ends inside of its header.
    Truncated,
}

/// One track of a tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Track<'a> {
    /// The track; 0 unless multitrack.
    pub id: u8,
    /// The codec; `None` for tags without media (command frames).
    pub codec: Option<Codec>,
    /// What a decoder can do with the track.
    pub class: FrameClass,
    /// Composition time offset in milliseconds, where the track has one.
    pub composition_offset: i32,
    /// What follows all headers: a decoder configuration record, or coded media.
    pub payload: &'a [u8],
}

/// Reads the header of an audio tag body.
///
/// # Errors
/// The header is cut or over a limit.
pub fn parse_audio(body: &[u8]) -> Result<TagInfo, TagError> {
    read_audio(body)?.info()
}

/// Reads the header of a video tag body.
///
/// # Errors
/// The header is cut or over a limit.
pub fn parse_video(body: &[u8]) -> Result<TagInfo, TagError> {
    read_video(body)?.info()
}

/// Gives the tracks of a tag body: one of most tags, none of data and of unreadable tags.
#[must_use]
pub fn tracks(body: &[u8], kind: FrameKind) -> Tracks<'_> {
    let tracks = match kind {
        FrameKind::Audio => read_audio(body),
        FrameKind::Data => Err(TagError::Empty),
        FrameKind::Video => read_video(body),
    };
    // A tag with a bad track is unreadable as a whole, as `parse_*` says too.
    tracks.ok().filter(|tracks| tracks.info().is_ok()).unwrap_or(Tracks::NONE)
}

/// The tracks of one tag, in their order.
#[derive(Clone, Debug)]
pub struct Tracks<'a> {
    rest: &'a [u8],
    layout: Layout,
    codec: Option<Codec>,
    class: FrameClass,
    enhanced: bool,
    composition: Composition,
    timestamp_offset_nanos: u32,
}

impl Tracks<'_> {
    const NONE: Self = Self {
        rest: &[],
        layout: Layout::End,
        codec: None,
        class: FrameClass::Control,
        enhanced: false,
        composition: Composition::Absent,
        timestamp_offset_nanos: 0,
    };

    /// Nanoseconds to add to the presentation time (ModEx `TimestampOffsetNano`), below 2^24.
    #[must_use]
    pub const fn timestamp_offset_nanos(&self) -> u32 {
        self.timestamp_offset_nanos
    }

    /// Reads all tracks, so that nothing after it can fail.
    fn info(&self) -> Result<TagInfo, TagError> {
        let mut tracks = self.clone();
        let first = tracks.next_track()?.ok_or(TagError::Truncated)?;
        let (mut class, mut count) = (first.class, 1_u8);
        while let Some(track) = tracks.next_track()? {
            if count == TRACKS_MAX {
                return Err(TagError::TooManyTracks);
            }
            count = count.saturating_add(1);
            if class == FrameClass::Control {
                class = track.class;
            }
        }
        Ok(TagInfo {
            codec: first.codec,
            class,
            track: first.id,
            tracks: count,
            enhanced: self.enhanced,
            composition_offset: first.composition_offset,
        })
    }
}

impl<'a> Iterator for Tracks<'a> {
    type Item = Track<'a>;

    fn next(&mut self) -> Option<Track<'a>> {
        self.next_track().ok().flatten()
    }
}

impl<'a> Tracks<'a> {
    fn legacy(codec: Option<Codec>, class: FrameClass, rest: &'a [u8]) -> Self {
        Self { rest, layout: Layout::Plain, codec, class, ..Tracks::NONE }
    }

    fn next_track(&mut self) -> Result<Option<Track<'a>>, TagError> {
        let (mut codec, mut id, mut payload) = (self.codec, 0, self.rest);
        match self.layout {
            Layout::End => return Ok(None),
            Layout::Plain => self.layout = Layout::End,
            Layout::OneTrack => {
                self.layout = Layout::End;
                id = take_byte(&mut payload)?;
            }
            Layout::ManyTracks | Layout::ManyTracksManyCodecs => {
                if let Layout::ManyTracksManyCodecs = self.layout {
                    codec = Some(Codec::from_four_cc(take(&mut payload)?));
                }
                id = take_byte(&mut payload)?;
                let [high, middle, low] = take(&mut payload)?;
                let size = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                let (track, rest) = payload.split_at_checked(size).ok_or(TagError::Truncated)?;
                (payload, self.rest) = (track, rest);
                if rest.is_empty() {
                    self.layout = Layout::End;
                }
            }
        }
        let has_offset = match self.composition {
            Composition::Absent => false,
            Composition::ByCodec => codec.is_some_and(Codec::has_composition_offset),
        };
        let composition_offset = if has_offset { signed_24(take(&mut payload)?) } else { 0 };
        let is_coded = matches!(self.class, FrameClass::Coded | FrameClass::Keyframe);
        // Some encoders end a sequence with an empty key frame, where nobody can join.
        let is_empty = is_coded && payload.is_empty();
        let class = if is_empty { FrameClass::Control } else { self.class };
        Ok(Some(Track { id, codec, class, composition_offset, payload }))
    }
}

/// Tracks in one tag (the limit of the project; the specification allows 256).
const TRACKS_MAX: u8 = 8;
/// ModEx items in one tag (the limit of the project; the specification has none).
const MOD_EX_MAX: u8 = 8;
/// The frame type of a video info or command frame.
const FRAME_TYPE_COMMAND: u8 = 5;

/// Where the tracks of a tag stand.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// No more tracks.
    End,
    /// No multitrack: all that follows is the payload.
    Plain,
    OneTrack,
    ManyTracks,
    ManyTracksManyCodecs,
}

/// Whether a composition time offset stands before the payload.
#[derive(Clone, Copy, Debug)]
enum Composition {
    Absent,
    ByCodec,
}

fn read_audio(body: &[u8]) -> Result<Tracks<'_>, TagError> {
    let (&first, mut rest) = body.split_first().ok_or(TagError::Empty)?;
    let (format, low) = (first >> 4, first & 0x0f);
    if format == 9 {
        return read_enhanced_audio(low, rest);
    }
    let codec = Codec::from_sound_format(format);
    let class = if codec == Codec::Aac && take_byte(&mut rest)? == 0 {
        FrameClass::SequenceHeader
    } else {
        FrameClass::Coded
    };
    Ok(Tracks::legacy(Some(codec), class, rest))
}

fn read_video(body: &[u8]) -> Result<Tracks<'_>, TagError> {
    let (&first, mut rest) = body.split_first().ok_or(TagError::Empty)?;
    let (frame_type, low) = (first >> 4 & 0x07, first & 0x0f);
    if first & 0x80 != 0 {
        return read_enhanced_video(frame_type, low, rest);
    }
    if frame_type == FRAME_TYPE_COMMAND {
        return Ok(Tracks::legacy(None, FrameClass::Control, rest));
    }
    let codec = Codec::from_video_codec_id(low);
    let coded = coded_video(frame_type);
    if !codec.has_composition_offset() {
        return Ok(Tracks::legacy(Some(codec), coded, rest));
    }
    let packet_type = take_byte(&mut rest)?;
    match packet_type {
        0 => {
            let [_, _, _] = take(&mut rest)?;
            Ok(Tracks::legacy(Some(codec), FrameClass::SequenceHeader, rest))
        }
        1 => Ok(Tracks {
            composition: Composition::ByCodec,
            ..Tracks::legacy(Some(codec), coded, rest)
        }),
        // An end of sequence is complete without the composition time that some leave out.
        _ => Ok(Tracks::legacy(Some(codec), FrameClass::Control, rest)),
    }
}

fn read_enhanced_audio(packet_type: u8, mut rest: &[u8]) -> Result<Tracks<'_>, TagError> {
    let (mut packet_type, timestamp_offset_nanos) = take_mod_ex(packet_type, &mut rest)?;
    let mut layout = Layout::Plain;
    if packet_type == 5 {
        (layout, packet_type) = take_layout(&mut rest)?;
        if matches!(packet_type, 5 | 7) {
            return Err(TagError::Reserved);
        }
    }
    let class = match packet_type {
        0 => FrameClass::SequenceHeader,
        1 => FrameClass::Coded,
        // MultichannelConfig comes beside the sequence header and must not replace it.
        4 => FrameClass::Metadata,
        _ => FrameClass::Control,
    };
    let codec = take_shared_codec(layout, &mut rest)?;
    let composition = Composition::Absent;
    Ok(Tracks { rest, layout, codec, class, enhanced: true, composition, timestamp_offset_nanos })
}

fn read_enhanced_video(
    frame_type: u8,
    packet_type: u8,
    mut rest: &[u8],
) -> Result<Tracks<'_>, TagError> {
    let (mut packet_type, timestamp_offset_nanos) = take_mod_ex(packet_type, &mut rest)?;
    // The frame type of metadata means nothing; elsewhere a command replaces the media.
    if frame_type == FRAME_TYPE_COMMAND && packet_type != 4 {
        let command = Tracks::legacy(None, FrameClass::Control, rest);
        return Ok(Tracks { enhanced: true, timestamp_offset_nanos, ..command });
    }
    let mut layout = Layout::Plain;
    if packet_type == 6 {
        (layout, packet_type) = take_layout(&mut rest)?;
        if matches!(packet_type, 6 | 7) {
            return Err(TagError::Reserved);
        }
    }
    let class = match packet_type {
        0 | 5 => FrameClass::SequenceHeader,
        1 | 3 => coded_video(frame_type),
        4 => FrameClass::Metadata,
        _ => FrameClass::Control,
    };
    let codec = take_shared_codec(layout, &mut rest)?;
    let composition = if packet_type == 1 { Composition::ByCodec } else { Composition::Absent };
    Ok(Tracks { rest, layout, codec, class, enhanced: true, composition, timestamp_offset_nanos })
}

/// A key frame (1) or generated key frame (4) is a place to join, whatever its codec.
const fn coded_video(frame_type: u8) -> FrameClass {
    if matches!(frame_type, 1 | 4) { FrameClass::Keyframe } else { FrameClass::Coded }
}

/// Takes the chain of ModEx items; gives the packet type behind it and the nanosecond offset.
fn take_mod_ex(mut packet_type: u8, rest: &mut &[u8]) -> Result<(u8, u32), TagError> {
    const MOD_EX: u8 = 7;
    const TIMESTAMP_OFFSET_NANO: u8 = 0;
    let mut timestamp_offset_nanos = 0;
    let mut items = 0_u8;
    while packet_type == MOD_EX {
        if items == MOD_EX_MAX {
            return Err(TagError::ModExChain);
        }
        items = items.saturating_add(1);
        let size = match take_byte(rest)? {
            0xff => usize::from(u16::from_be_bytes(take(rest)?)),
            size => usize::from(size),
        };
        let (data, after) =
            rest.split_at_checked(size.saturating_add(1)).ok_or(TagError::Truncated)?;
        *rest = after;
        let types = take_byte(rest)?;
        packet_type = types & 0x0f;
        if let (TIMESTAMP_OFFSET_NANO, Some(&[high, middle, low])) =
            (types >> 4, data.first_chunk())
        {
            timestamp_offset_nanos = u32::from_be_bytes([0, high, middle, low]);
        }
    }
    Ok((packet_type, timestamp_offset_nanos))
}

/// Takes the byte that opens a multitrack tag: `AvMultitrackType` and the real packet type.
fn take_layout(rest: &mut &[u8]) -> Result<(Layout, u8), TagError> {
    let types = take_byte(rest)?;
    let layout = match types >> 4 {
        0 => Layout::OneTrack,
        1 => Layout::ManyTracks,
        2 => Layout::ManyTracksManyCodecs,
        _ => return Err(TagError::Reserved),
    };
    Ok((layout, types & 0x0f))
}

/// Takes the FourCC that all tracks share, unless each track has its own.
fn take_shared_codec(layout: Layout, rest: &mut &[u8]) -> Result<Option<Codec>, TagError> {
    match layout {
        Layout::ManyTracksManyCodecs => Ok(None),
        Layout::End | Layout::Plain | Layout::OneTrack | Layout::ManyTracks => {
            Ok(Some(Codec::from_four_cc(take(rest)?)))
        }
    }
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, TagError> {
    let [byte] = take(rest)?;
    Ok(byte)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], TagError> {
    let (taken, after) = rest.split_first_chunk().ok_or(TagError::Truncated)?;
    *rest = after;
    Ok(*taken)
}

/// A signed 24-bit number, big endian.
const fn signed_24([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

#[cfg(test)]
mod tests;
