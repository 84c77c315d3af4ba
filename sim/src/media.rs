//! The media of the simulation: frames that say who published them, and the ledger of all of them.

pub mod muxable;

use crate::net::Micros;
use bytes::{Bytes, BytesMut};
use millstream_core::amf::{Text, Value, amf0};
use millstream_core::config::TimeJitter;
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::time::Timestamp;

/// The begin of what is stamped on each frame.
const MAGIC: [u8; 4] = *b"mill";
/// Bytes of a stamp.
const STAMP_LEN: usize = 24;

/// What a frame says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The stream that it was published to.
    pub stream: u32,
    /// The publishing that it belongs to: an index into the ledger.
    pub epoch: u32,
    /// Its place in the epoch; of headers and metadata, their version.
    pub serial: u32,
    /// Its time, as published; 0 for headers and metadata.
    pub timestamp: u32,
}

/// One frame as it was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Note {
    /// Audio, data or video.
    pub kind: FrameKind,
    /// What a decoder can do with it.
    pub class: FrameClass,
    /// Its time, as published.
    pub timestamp: u32,
    /// The first of its kind whose time does not follow from the frame before.
    pub jumps: bool,
    /// Versions of the audio and video sequence headers that it needs.
    pub versions: [u32; 2],
    /// How many bytes the publisher had made when it was made.
    pub end: u64,
}

/// One publishing: from an accepted `publish` to its end.
#[derive(Debug)]
pub struct Epoch {
    /// The stream.
    pub stream: u32,
    /// Its frames, by serial.
    pub notes: Vec<Note>,
    /// Some frame jumped.
    pub jumped: bool,
    /// Its place among all publishings, given when the server accepts it.
    pub order: Option<u32>,
    /// How its times are mended; `None` where that is not sure.
    pub jitter: Option<TimeJitter>,
    /// The newest serial that any player has got.
    pub seen: Option<u32>,
    /// The newest keyframe that was sent, and when.
    pub keyframe: Option<(u32, Micros)>,
    /// When the server had it up to which serial: it may have had it somewhat earlier.
    pub known: Vec<(Micros, u32)>,
}

/// Everything that was ever published.
#[derive(Debug, Default)]
pub struct Ledger {
    /// All epochs.
    pub epochs: Vec<Epoch>,
}

impl Ledger {
    /// Opens an epoch of `stream`; gives its index.
    pub fn open(&mut self, stream: u32) -> u32 {
        self.epochs.push(Epoch {
            stream,
            notes: Vec::new(),
            jumped: false,
            order: None,
            jitter: None,
            seen: None,
            keyframe: None,
            known: Vec::new(),
        });
        self.epochs.len() as u32 - 1
    }

    /// The epoch with this index.
    ///
    /// # Panics
    /// There is none; stamps are checked when they are read.
    #[must_use]
    pub fn epoch(&self, index: u32) -> &Epoch {
        &self.epochs[index as usize]
    }

    /// By the frame `(epoch, serial)`, all kinds of media of an epoch have surely had the time to show
    /// themselves: half a second, for the server.
    #[must_use]
    pub fn has_settled(&self, (epoch, serial): (u32, u32)) -> bool {
        let Epoch { notes, jumped, .. } = self.epoch(epoch);
        let first = notes.iter().find(|note| note.class == FrameClass::Keyframe);
        let ends = first.zip(notes.get(serial as usize));
        let span = ends.map(|(first, last)| last.timestamp.wrapping_sub(first.timestamp) as i32);
        !jumped && span.is_some_and(|span| span >= 1_000)
    }
}

/// Where a stamp stands in a frame, by kind: behind the header of the FLV tag.
const fn header_len(kind: FrameKind) -> usize {
    match kind {
        FrameKind::Audio => 2,
        FrameKind::Video => 5,
        FrameKind::Data => 0,
    }
}

/// The same, such that muxers take it.
#[must_use]
pub fn muxable_frame(
    kind: FrameKind,
    class: FrameClass,
    stamp: Stamp,
    time: u32,
    fill_len: usize,
) -> Frame {
    match kind {
        FrameKind::Data => metadata(stamp, time),
        FrameKind::Audio | FrameKind::Video => muxable::frame(kind, class, stamp, time, fill_len),
    }
}

/// A coded frame, or a sequence header, with `fill_len` bytes of filling.
#[must_use]
pub fn frame(
    kind: FrameKind,
    class: FrameClass,
    stamp: Stamp,
    time: u32,
    fill_len: usize,
) -> Frame {
    let mut payload = Vec::with_capacity(8 + STAMP_LEN + fill_len);
    match (kind, class) {
        (FrameKind::Audio, FrameClass::SequenceHeader) => payload.extend([0xAF, 0]),
        (FrameKind::Audio, _) => payload.extend([0xAF, 1]),
        (FrameKind::Video, FrameClass::SequenceHeader) => payload.extend([0x17, 0, 0, 0, 0]),
        (FrameKind::Video, FrameClass::Keyframe) => payload.extend([0x17, 1, 0, 0, 0]),
        (FrameKind::Video, _) => payload.extend([0x27, 1, 0, 0, 0]),
        (FrameKind::Data, _) => return metadata(stamp, time),
    }
    payload.extend(write_stamp(stamp, fill_len));
    payload.resize(payload.len() + fill_len, filling(stamp));
    Frame { kind, class, timestamp: Timestamp(time), payload: payload.into() }
}

fn metadata(stamp: Stamp, time: u32) -> Frame {
    let mut payload = BytesMut::new();
    amf0::write_string(b"onMetaData", &mut payload);
    let text = Text(Bytes::copy_from_slice(&write_stamp(stamp, 0)));
    amf0::write(&Value::EcmaArray(vec![("stamp".into(), Value::String(text))]), &mut payload);
    Frame {
        kind: FrameKind::Data,
        class: FrameClass::Metadata,
        timestamp: Timestamp(time),
        payload: payload.freeze(),
    }
}

fn write_stamp(stamp: Stamp, fill_len: usize) -> [u8; STAMP_LEN] {
    let mut bytes = [0; STAMP_LEN];
    let words = [stamp.stream, stamp.epoch, stamp.serial, stamp.timestamp, fill_len as u32];
    bytes[..4].copy_from_slice(&MAGIC);
    for (index, word) in words.into_iter().enumerate() {
        bytes[4 + index * 4..8 + index * 4].copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

const fn filling(stamp: Stamp) -> u8 {
    0x5A ^ (stamp.serial as u8).wrapping_mul(31)
}

/// Reads the stamp of a frame that a player got; `None` when it is not whole and untouched.
#[must_use]
pub fn read_stamp(frame: &Frame) -> Option<Stamp> {
    read_plain_stamp(frame).or_else(|| muxable::stamp_of(&frame.payload))
}

fn read_plain_stamp(frame: &Frame) -> Option<Stamp> {
    let payload = &frame.payload[..];
    let at = match frame.kind {
        FrameKind::Data => payload.windows(4).position(|window| window == MAGIC)?,
        FrameKind::Audio | FrameKind::Video => header_len(frame.kind),
    };
    let (stamp, fill_len) = parse_stamp(payload.get(at..at + STAMP_LEN)?)?;
    let rest = &payload[at + STAMP_LEN..];
    let is_whole = frame.kind == FrameKind::Data
        || (rest.len() == fill_len && rest.iter().all(|byte| *byte == filling(stamp)));
    is_whole.then_some(stamp)
}

/// A stamp, and how many bytes of filling follow it.
fn parse_stamp(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let word = |index: usize| {
        let word = bytes.get(4 + index * 4..8 + index * 4)?;
        Some(u32::from_be_bytes(word.try_into().ok()?))
    };
    let stamp = Stamp { stream: word(0)?, epoch: word(1)?, serial: word(2)?, timestamp: word(3)? };
    bytes.starts_with(&MAGIC).then_some((stamp, word(4)? as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn stamps_are_read_back_and_damage_is_seen() {
        let stamp = Stamp { stream: 1, epoch: 2, serial: 3, timestamp: 4 };
        let cases = [
            (FrameKind::Audio, FrameClass::Coded),
            (FrameKind::Audio, FrameClass::SequenceHeader),
            (FrameKind::Video, FrameClass::Keyframe),
            (FrameKind::Data, FrameClass::Metadata),
        ];
        for (kind, class) in cases {
            let frame = frame(kind, class, stamp, 9, 40);
            assert_eq!(read_stamp(&frame), Some(stamp));
            assert_eq!(frame.timestamp, Timestamp(9));
            if kind != FrameKind::Data {
                let cut = Frame { payload: frame.payload.slice(..50), ..frame.clone() };
                assert_eq!(read_stamp(&cut), None);
                let mut bytes = frame.payload.to_vec();
                bytes[60] ^= 1;
                assert_eq!(read_stamp(&Frame { payload: bytes.into(), ..frame }), None);
            }
        }
    }
}
