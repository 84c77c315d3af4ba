//! Bodies of the fuzz targets: each takes any bytes, and panics when an invariant is broken.

use super::PACKET_LEN;
use super::reader::{TsEvent, TsReader};
use super::stream::TsStream;
use crate::flv::classify;
use crate::frame::{Frame, FrameKind};
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// Reads the bytes as a transport stream, whole and in pieces of a size that the first byte tells.
pub fn fuzz_reader(bytes: &[u8]) {
    let Some((size, stream)) = bytes.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(*size).max(1)), whole);
    let payload: usize = whole.iter().map(payload_len).sum();
    assert!(payload <= stream.len(), "more payload than bytes");
}

/// Muxes the frames that the bytes describe, and reads them again: whatever an encoder sends, the
/// packets are legal.
pub fn fuzz_mux(bytes: &[u8]) {
    let (mut stream, mut out) = (TsStream::new(), BytesMut::new());
    for frame in frames(bytes) {
        let before = out.len();
        let streamed = stream.push(&frame, &mut out);
        assert!(streamed.join.is_none_or(|join| join >= before && join < out.len()));
        assert_eq!(out.len() % PACKET_LEN, 0);
    }
    stream.flush(&mut out);
    for event in read(&out, out.len().max(1)) {
        match event {
            TsEvent::Fault { fault, offset, .. } => panic!("{fault} at {offset}"),
            TsEvent::Pes(pes) => assert!(pes.pts.is_some() && !pes.payload.is_empty()),
            TsEvent::Clock(_) | TsEvent::Map(_) => {}
        }
    }
}

/// Frames from bytes: kind and length, a step in time, a tag body. Those that cannot be classified
/// never reach a muxer.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let (mut rest, mut at, mut frames) = (bytes, 0_u32, Vec::new());
    while let Some((&[choice, high, low], after)) = rest.split_first_chunk() {
        let kind = if choice & 1 == 0 { FrameKind::Video } else { FrameKind::Audio };
        let (body, after) =
            after.split_at_checked(usize::from(choice >> 1)).unwrap_or((after, &[]));
        rest = after;
        at = at.wrapping_add_signed(i32::from(i16::from_be_bytes([high, low])));
        if let Ok(class) = classify(kind, body) {
            let payload = Bytes::copy_from_slice(body);
            frames.push(Frame { kind, class, timestamp: Timestamp(at), payload });
        }
    }
    frames
}

/// Everything that a reader tells of a stream that comes in pieces.
pub(crate) fn read(stream: &[u8], size: usize) -> Vec<TsEvent> {
    let (mut reader, mut events) = (TsReader::new(), Vec::new());
    for mut piece in stream.chunks(size) {
        while let Some(event) = reader.read(&mut piece) {
            events.push(event);
        }
    }
    while let Some(event) = reader.finish() {
        events.push(event);
    }
    events
}

fn payload_len(event: &TsEvent) -> usize {
    match event {
        TsEvent::Pes(pes) => pes.payload.len(),
        TsEvent::Clock(_) | TsEvent::Fault { .. } | TsEvent::Map(_) => 0,
    }
}
