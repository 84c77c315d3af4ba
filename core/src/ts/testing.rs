//! Frames for the tests of muxers, and what a reader finds in what was muxed.

use super::reader::{Clock, Fault, Pes, ProgrammeMap, TsEvent, TsReader};
use crate::flv::classify;
use crate::frame::{Frame, FrameKind};
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::Bytes;
use std::vec;

/// A sequence parameter set of 320x180 Constrained Baseline, and a picture parameter set.
pub(crate) const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x96, 0xff, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
    0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0xa4, 0x80,
];
pub(crate) const PPS: [u8; 4] = [0x68, 0xcb, 0x83, 0xcb];
/// AAC LC, 44.1 kHz, two channels.
pub(crate) const ASC: [u8; 2] = [0x12, 0x10];

/// A frame of this tag body.
pub(crate) fn frame(kind: FrameKind, at_ms: u32, body: &[u8]) -> Frame {
    let class = classify(kind, body).unwrap();
    Frame { kind, class, timestamp: Timestamp(at_ms), payload: Bytes::copy_from_slice(body) }
}

/// An AVC sequence header with the sets above.
pub(crate) fn avc_header(at_ms: u32) -> Frame {
    let mut body = vec![0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, SPS.len() as u8];
    body.extend(SPS);
    body.extend([1, 0, PPS.len() as u8]);
    body.extend(PPS);
    frame(FrameKind::Video, at_ms, &body)
}

/// A frame of H.264 with these NAL units.
pub(crate) fn avc(at_ms: u32, composition_ms: i32, is_keyframe: bool, units: &[&[u8]]) -> Frame {
    let [_, composition @ ..] = composition_ms.to_be_bytes();
    let mut body = vec![if is_keyframe { 0x17 } else { 0x27 }, 1];
    body.extend(composition);
    for unit in units {
        body.extend((unit.len() as u32).to_be_bytes());
        body.extend_from_slice(unit);
    }
    frame(FrameKind::Video, at_ms, &body)
}

/// A keyframe of one slice.
pub(crate) fn key(at_ms: u32) -> Frame {
    avc(at_ms, 0, true, &[&[0x65, 1, 2, 3]])
}

/// A frame of one slice that needs those before.
pub(crate) fn inter(at_ms: u32) -> Frame {
    avc(at_ms, 0, false, &[&[0x41, 1, 2, 3]])
}

/// An AAC sequence header.
pub(crate) fn aac_header(at_ms: u32) -> Frame {
    frame(FrameKind::Audio, at_ms, &[&[0xaf, 0][..], &ASC].concat())
}

/// A frame of AAC.
pub(crate) fn aac(at_ms: u32, raw: &[u8]) -> Frame {
    frame(FrameKind::Audio, at_ms, &[&[0xaf, 1], raw].concat())
}

/// All that a reader finds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) maps: Vec<ProgrammeMap>,
    pub(crate) clocks: Vec<Clock>,
    pub(crate) packets: Vec<Pes>,
    pub(crate) faults: Vec<Fault>,
}

impl Found {
    /// Reads a whole stream.
    pub(crate) fn of(stream: &[u8]) -> Self {
        let (mut reader, mut input, mut found) = (TsReader::new(), stream, Self::default());
        while let Some(event) = reader.read(&mut input).or_else(|| reader.finish()) {
            match event {
                TsEvent::Clock(clock) => found.clocks.push(clock),
                TsEvent::Fault { fault, .. } => found.faults.push(fault),
                TsEvent::Map(map) => found.maps.push(map),
                TsEvent::Pes(pes) => found.packets.push(pes),
            }
        }
        found
    }

    /// The PES packets of one PID.
    pub(crate) fn on(&self, pid: u16) -> impl Iterator<Item = &Pes> {
        self.packets.iter().filter(move |pes| pes.pid == pid)
    }

    /// The raw frames of AAC, in order, and the PTS of each PES packet.
    pub(crate) fn aac_frames(&self) -> Vec<Bytes> {
        let payloads = self.on(super::AUDIO_PID).map(|pes| pes.payload.clone());
        payloads.flat_map(adts_frames).collect()
    }
}

/// The raw frames behind ADTS headers.
pub(crate) fn adts_frames(payload: Bytes) -> Vec<Bytes> {
    let (mut rest, mut frames) = (payload, Vec::new());
    while !rest.is_empty() {
        assert_eq!((rest[0], rest[1]), (0xff, 0xf1), "no ADTS header");
        let len = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3;
        let len = len | usize::from(rest[5] >> 5);
        frames.push(rest.slice(7..len));
        rest = rest.slice(len..);
    }
    frames
}
