//! Marks: the time at which a video frame was sent, carried in the frame itself.
//!
//! A mark is an H.264 SEI message "user data unregistered" (ITU-T H.264, annex D.1.7) before the
//! other NAL units of a frame. Decoders skip it, and every server that relays frames untouched
//! relays it. It is written in hexadecimal digits, so that it needs no emulation prevention.

use bytes::{BufMut as _, Bytes, BytesMut};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use std::time::{SystemTime, UNIX_EPOCH};

/// Says that the user data are ours; drawn by lot.
const UUID: [u8; 16] = *b"\x6d\x69\x6c\x6c\x73\x74\x4e\xa1\x9b\x2e\xd5\x71\xc0\x84\x3f\x1d";

/// Digits of the time and of the number.
const TIME_LEN: usize = 16;
const NUMBER_LEN: usize = 8;

/// The payload of the SEI message.
const PAYLOAD_LEN: usize = UUID.len() + TIME_LEN + NUMBER_LEN;

/// NAL header, payload type, payload size, payload, stop bit.
const NAL_LEN: usize = 1 + 2 + PAYLOAD_LEN + 1;

/// Type 6, supplemental enhancement information, without reference.
const NAL_SEI: u8 = 6;

/// User data unregistered.
const PAYLOAD_TYPE: u8 = 5;

/// Frame type and codec, packet type, composition time: what precedes the NAL units.
const TAG_HEADER_LEN: usize = 5;

/// Bytes at the begin of a picture among which its mark is looked for.
const FIND_LEN_MAX: usize = 1 << 10;

/// When a frame was sent, and which one of its publisher it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// Microseconds since 1970.
    pub(crate) unix_micros: u64,
    /// Counts the marked frames of one publisher.
    pub(crate) number: u32,
}

/// Marks the video frames of one publisher.
#[derive(Debug, Default)]
pub(crate) struct Marker {
    number: u32,
    /// Bytes of the length before each NAL unit; known once a sequence header has passed.
    nal_length_len: Option<usize>,
}

impl Marker {
    /// Puts a mark into a coded H.264 frame; leaves all others alone.
    pub(crate) fn mark(&mut self, frame: &mut Frame) {
        if frame.kind != FrameKind::Video || !is_legacy_h264(&frame.payload) {
            return;
        }
        match frame.class {
            FrameClass::SequenceHeader => {
                // lengthSizeMinusOne of the AVCDecoderConfigurationRecord (ISO 14496-15, 5.3.3.1).
                let size =
                    frame.payload.get(TAG_HEADER_LEN + 4).map(|byte| usize::from(byte & 3) + 1);
                self.nal_length_len = size;
            }
            FrameClass::Coded | FrameClass::Keyframe => {
                // Only lengths of 4 bytes: what all encoders write, and what `read` looks for.
                let Some((head, nals)) = frame.payload.split_at_checked(TAG_HEADER_LEN) else {
                    return;
                };
                if self.nal_length_len == Some(4) {
                    let mark = Mark { unix_micros: unix_micros(), number: self.number };
                    self.number = self.number.wrapping_add(1);
                    frame.payload = mark.before(head, nals);
                }
            }
            FrameClass::Control | FrameClass::Metadata => {}
        }
    }
}

impl Mark {
    /// The mark of a video tag body, if it has one.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        if !is_legacy_h264(body) {
            return None;
        }
        let nal = body.get(TAG_HEADER_LEN + 4..TAG_HEADER_LEN + 4 + NAL_LEN)?;
        let [NAL_SEI, PAYLOAD_TYPE, len, payload @ .., _stop] = nal else { return None };
        let (uuid, digits) = payload.split_at_checked(UUID.len())?;
        if usize::from(*len) != PAYLOAD_LEN || uuid != UUID {
            return None;
        }
        let (time, number) = digits.split_at_checked(TIME_LEN)?;
        let number = u32::try_from(number_of(number)?).ok()?;
        Some(Self { unix_micros: number_of(time)?, number })
    }

    /// The mark of a picture in a transport stream, if it has one: it stands behind the access unit
    /// delimiter and the parameter sets.
    pub(crate) fn find(picture: &[u8]) -> Option<Self> {
        let begin = picture.get(..picture.len().min(FIND_LEN_MAX))?;
        let at = begin.windows(UUID.len()).position(|bytes| bytes == UUID)?;
        let digits = picture.get(at + UUID.len()..at + PAYLOAD_LEN)?;
        let (time, number) = digits.split_at_checked(TIME_LEN)?;
        let number = u32::try_from(number_of(number)?).ok()?;
        Some(Self { unix_micros: number_of(time)?, number })
    }

    /// A frame that is nothing but this mark.
    #[cfg(test)]
    pub(crate) fn test_body(self) -> Bytes {
        self.before(&[0x27, 1, 0, 0, 0], &[])
    }

    fn before(self, head: &[u8], nals: &[u8]) -> Bytes {
        let mut body = BytesMut::with_capacity(head.len() + 4 + NAL_LEN + nals.len());
        body.put_slice(head);
        body.put_u32(NAL_LEN as u32);
        body.put_slice(&[NAL_SEI, PAYLOAD_TYPE, PAYLOAD_LEN as u8]);
        body.put_slice(&UUID);
        body.put_slice(format!("{:016x}{:08x}", self.unix_micros, self.number).as_bytes());
        body.put_u8(0x80);
        body.put_slice(nals);
        body.freeze()
    }
}

/// The wall clock; publisher and player may be two processes of one machine.
pub(crate) fn unix_micros() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

/// Codec id 7 in a header that is not enhanced (annex E.4.3.1).
fn is_legacy_h264(body: &[u8]) -> bool {
    body.first().is_some_and(|byte| byte & 0x8f == 7)
}

fn number_of(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::Clip;
    use pretty_assertions::assert_eq;

    #[test]
    fn each_frame_of_the_demo_takes_a_mark_and_keeps_its_bytes() {
        let clip = Clip::demo().expect("a clip");
        let mut marker = Marker::default();
        let mut marks = Vec::new();
        let before = unix_micros();
        for frame in clip.frames() {
            let mut marked = frame.clone();
            marker.mark(&mut marked);
            if let Some(mark) = Mark::read(&marked.payload) {
                let (head, rest) = marked.payload.split_at(TAG_HEADER_LEN);
                assert_eq!([head, &rest[4 + NAL_LEN..]].concat(), frame.payload);
                assert_eq!(Mark::read(&frame.payload), None);
                marks.push(mark);
            } else {
                assert_eq!(&marked, frame);
            }
        }
        let numbers: Vec<_> = marks.iter().map(|mark| mark.number).collect();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
        let now = unix_micros();
        assert!(marks.iter().all(|mark| (before..=now).contains(&mark.unix_micros)));
    }

    #[test]
    fn a_mark_is_a_whole_sei_message_without_start_codes() {
        let mark = Mark { unix_micros: 0, number: u32::MAX };
        let body = mark.before(&[0x17, 1, 0, 0, 0], &[0, 0, 0, 1, 0x65]);
        assert_eq!(body.len(), 5 + 4 + NAL_LEN + 5);
        let sei = &body[9..9 + NAL_LEN];
        assert!(sei.windows(2).all(|pair| pair != [0, 0]));
        assert_eq!(Mark::read(&body), Some(mark));
        for len in 0..9 + NAL_LEN {
            assert_eq!(Mark::read(&body[..len]), None, "{len}");
        }
    }
}
