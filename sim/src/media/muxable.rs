//! Frames that muxers take: H.264 and AAC as far as anybody looks, with the stamp inside.
//!
//! A stamp is written as half bytes with the top bit set, so that nothing in it looks like a start
//! code, nor has to be escaped.

use super::{MAGIC, STAMP_LEN, Stamp, filling, parse_stamp, write_stamp};
use bytes::Bytes;
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::time::Timestamp;

/// A sequence parameter set of 320x180 Constrained Baseline.
const SPS: [u8; 25] = [
    0x67, 0x42, 0xC0, 0x0D, 0xD9, 0x01, 0x41, 0x96, 0xFF, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
    0x00, 0x00, 0x03, 0x03, 0x20, 0xF1, 0x42, 0xA4, 0x80,
];
/// A picture parameter set; its version follows.
const PPS: [u8; 4] = [0x68, 0xCB, 0x83, 0xCB];
/// AAC LC, 44.1 kHz, two channels.
const ASC: [u8; 2] = [0x12, 0x10];

/// A frame of audio or video, or its sequence header, with `fill_len` bytes of filling.
pub(super) fn frame(
    kind: FrameKind,
    class: FrameClass,
    stamp: Stamp,
    time: u32,
    fill_len: usize,
) -> Frame {
    let is_header = class == FrameClass::SequenceHeader;
    let fill_len = if is_header { 0 } else { fill_len };
    let mut payload = Vec::with_capacity(16 + 2 * STAMP_LEN + fill_len);
    match (kind, is_header) {
        (FrameKind::Audio, true) => {
            payload.extend([0xAF, 0]);
            payload.extend(ASC);
        }
        (FrameKind::Audio, false) => payload.extend([0xAF, 1]),
        (_, true) => {
            payload.extend([0x17, 0, 0, 0, 0, 1, 0x42, 0xC0, 0x0D, 0xFF, 0xE1, 0, 25]);
            payload.extend(SPS);
            payload.extend([1, 0, 5]);
            payload.extend(PPS);
            payload.push(0x80 | stamp.serial as u8);
        }
        (_, false) => {
            let is_key = class == FrameClass::Keyframe;
            payload.extend([if is_key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
            let len = 1 + 2 * STAMP_LEN + fill_len;
            payload.extend((len as u32).to_be_bytes());
            payload.push(if is_key { 0x65 } else { 0x41 });
        }
    }
    payload.extend(marks(&write_stamp(stamp, fill_len)));
    payload.resize(payload.len() + fill_len, filling(stamp) | 0x80);
    Frame { kind, class, timestamp: Timestamp(time), payload: payload.into() }
}

/// All stamps in some bytes, in order; `None` when one of them, or what follows it, is damaged.
#[must_use]
pub fn stamps(bytes: &[u8]) -> Option<Vec<Stamp>> {
    let begin: Vec<u8> = marks(&MAGIC).collect();
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(begin.len()).position(|window| window == begin) {
        let (stamp, len) = read(&rest[at..])?;
        found.push(stamp);
        rest = &rest[at + len..];
    }
    Some(found)
}

/// The stamp that the bytes begin with, and how many belong to it.
fn read(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let marks = bytes.get(..2 * STAMP_LEN)?;
    let half = |mark: &u8| (mark & 0xF0 == 0x80).then_some(mark & 0x0F);
    let whole = marks.chunks_exact(2).map(|pair| Some(half(&pair[0])? << 4 | half(&pair[1])?));
    let whole = whole.collect::<Option<Vec<u8>>>()?;
    let (stamp, fill_len) = parse_stamp(&whole)?;
    let rest = bytes.get(2 * STAMP_LEN..2 * STAMP_LEN + fill_len)?;
    let is_whole = rest.iter().all(|byte| *byte == filling(stamp) | 0x80);
    is_whole.then_some((stamp, 2 * STAMP_LEN + fill_len))
}

/// The stamp of a frame that ends with it and its filling.
pub(super) fn stamp_of(payload: &Bytes) -> Option<Stamp> {
    let begin: Vec<u8> = marks(&MAGIC).collect();
    let at = payload.windows(begin.len()).position(|window| window == begin)?;
    let (stamp, len) = read(&payload[at..])?;
    (at + len == payload.len()).then_some(stamp)
}

fn marks(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [0x80 | byte >> 4, 0x80 | byte & 0x0F])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::read_stamp;
    use millstream_core::flv::classify;
    use pretty_assertions::assert_eq;

    #[test]
    fn stamps_are_read_back_and_frames_are_what_they_seem() {
        let stamp = Stamp { stream: 1, epoch: 0, serial: 300, timestamp: 4 };
        let cases = [
            (FrameKind::Audio, FrameClass::Coded),
            (FrameKind::Audio, FrameClass::SequenceHeader),
            (FrameKind::Video, FrameClass::SequenceHeader),
            (FrameKind::Video, FrameClass::Coded),
            (FrameKind::Video, FrameClass::Keyframe),
        ];
        for (kind, class) in cases {
            let frame = frame(kind, class, stamp, 9, 40);
            assert_eq!(read_stamp(&frame), Some(stamp));
            assert_eq!(classify(kind, &frame.payload).ok(), Some(class));
            let twice = [&frame.payload[..], &frame.payload[..]].concat();
            assert_eq!(stamps(&twice), Some(vec![stamp, stamp]));
            let mut bytes = frame.payload.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            assert_eq!(read_stamp(&Frame { payload: bytes.into(), ..frame }), None);
        }
    }
}
