//! What a viewer by HTTP is sent: FLV tags or a transport stream, with times of its own.
//!
//! The times of FLV are absolute, so the headers of tags belong to each viewer. Short messages are
//! copied behind them; long ones are shared, so a slow viewer owns little. Transport streams are
//! muxed for each viewer.

use super::super::{Kinds, Source};
use crate::flv::file::{FlvHeader, TAG_OVERHEAD, tag_header};
use crate::frame::{Frame, FrameKind};
use crate::http::{Framing, write_chunk_end, write_chunk_header};
use crate::tape::{Mark, Tape};
use crate::time::Timestamp;
use crate::ts::stream::TsStream;
use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

/// Longer payloads are shared with the tape, as far as its blocks are full.
const COPIED_LEN_MAX: u32 = 32 << 10;

/// What a viewer is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Container {
    /// FLV (Adobe FLV 10.1, annex E).
    Flv(Framing),
    /// MPEG-TS (ISO/IEC 13818-1).
    Ts(Framing),
}

#[derive(Debug)]
pub(super) struct Viewer {
    container: Container,
    has_header: bool,
    mux: TsStream,
    /// The rest of the tag that ends the private bytes.
    pieces: SmallVec<[Bytes; 2]>,
}

impl Viewer {
    pub(super) fn new(container: Container) -> Self {
        Self { container, has_header: false, mux: TsStream::new(), pieces: SmallVec::new() }
    }

    pub(super) const fn container(&self) -> Container {
        self.container
    }

    /// Its container has a zero of its own, which times may lie before.
    pub(super) const fn has_own_zero(&self) -> bool {
        matches!(self.container, Container::Ts(_))
    }

    /// The header has to tell which media follow: a player waits for what does not come.
    pub(super) fn may_begin(&self, source: &Source) -> bool {
        self.has_header || source.kinds().is_some()
    }

    /// Writes what precedes the first message: the header of the file, metadata, sequence headers.
    pub(super) fn write_prelude(&mut self, source: &Source, at: Timestamp, out: &mut BytesMut) {
        let framing = match self.container {
            Container::Flv(framing) => framing,
            Container::Ts(framing) => {
                self.has_header = true;
                let frames = source.introduction(at);
                return frames.for_each(|frame| self.mux(framing, &frame, out));
            }
        };
        if !self.has_header
            && let Some(Kinds { audio, video }) = source.kinds()
        {
            self.has_header = true;
            let header = FlvHeader { has_audio: audio, has_video: video }.to_bytes();
            framed(framing, header.len(), out, |out| out.put_slice(&header));
        }
        for Frame { kind, payload, .. } in source.introduction(at) {
            write_tag(framing, kind, at, payload.len(), out, |out| out.put_slice(&payload));
        }
    }

    fn mux(&mut self, framing: Framing, frame: &Frame, out: &mut BytesMut) {
        let mut packets = BytesMut::new();
        // What cannot be carried is left out; the segments of the stream tell of it.
        self.mux.push(frame, &mut packets);
        if !packets.is_empty() {
            framed(framing, packets.len(), out, |out| out.put_slice(&packets));
        }
    }

    /// Writes one message; what is long becomes pieces behind `out`.
    pub(super) fn write(&mut self, tape: &Tape, mark: &Mark, at: Timestamp, out: &mut BytesMut) {
        let framing = match self.container {
            Container::Flv(framing) => framing,
            Container::Ts(framing) => {
                let frame = Frame { timestamp: at, ..tape.frame(mark) };
                return self.mux(framing, &frame, out);
            }
        };
        let len = mark.payload_len as usize;
        if mark.payload_len <= COPIED_LEN_MAX {
            write_tag(framing, mark.kind, at, len, out, |out| {
                tape.payload_parts(mark).for_each(|part| out.put_slice(part));
            });
            return;
        }
        let Some(header) = tag_header(mark.kind, at, len) else { return };
        if framing == Framing::Chunks {
            write_chunk_header(len.saturating_add(TAG_OVERHEAD), out);
        }
        out.put_slice(&header);
        self.pieces.extend(tape.share_payload(mark));
        let mut end = BytesMut::new();
        write_tag_end(framing, len, &mut end);
        self.pieces.push(end.freeze());
    }

    pub(super) fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    pub(super) fn pieces_len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).fold(0, usize::saturating_add)
    }

    pub(super) fn take_pieces(&mut self) -> impl Iterator<Item = Bytes> {
        core::mem::take(&mut self.pieces).into_iter()
    }
}

fn write_tag(
    framing: Framing,
    kind: FrameKind,
    at: Timestamp,
    len: usize,
    out: &mut BytesMut,
    write_payload: impl FnOnce(&mut BytesMut),
) {
    // No message is longer than a tag may be: both have 24 bits for it.
    let Some(header) = tag_header(kind, at, len) else { return };
    if framing == Framing::Chunks {
        write_chunk_header(len.saturating_add(TAG_OVERHEAD), out);
    }
    out.put_slice(&header);
    write_payload(out);
    write_tag_end(framing, len, out);
}

fn write_tag_end(framing: Framing, len: usize, out: &mut BytesMut) {
    let tag_len = len.saturating_add(11);
    out.put_u32(u32::try_from(tag_len).unwrap_or(u32::MAX));
    if framing == Framing::Chunks {
        write_chunk_end(out);
    }
}

fn framed(framing: Framing, len: usize, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    if framing == Framing::Chunks {
        write_chunk_header(len, out);
    }
    write(out);
    if framing == Framing::Chunks {
        write_chunk_end(out);
    }
}
