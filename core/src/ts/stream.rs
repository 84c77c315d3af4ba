//! An endless transport stream: HTTP-TS.
//!
//! The bytes of one stream serve every viewer: the tables stand before each keyframe, and that is
//! where a viewer begins. Audio alone can be joined at every appearance of the tables.

use super::Skip;
use super::clock::{Unwrapped, is_jump};
use super::mux::{Change, TsMuxer};
use super::sample::Sample;
use crate::frame::{Frame, FrameClass, FrameKind};
use bytes::BytesMut;

/// The longest time between two appearances of the tables, in milliseconds of media.
pub const TABLES_INTERVAL_MS: i64 = 500;

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Streamed {
    /// Where in the buffer a viewer may begin, if a place to join was written.
    pub join: Option<usize>,
    /// Why nothing of the frame is carried, if so.
    pub skip: Option<Skip>,
}

/// Muxes one endless stream.
#[derive(Debug, Default)]
pub struct TsStream {
    mux: TsMuxer,
    line: Unwrapped,
    audio_ms: Option<i64>,
    video_ms: Option<i64>,
    tables_ms: Option<i64>,
    has_keyframe: bool,
}

impl TsStream {
    /// A stream that knows no track.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            mux: TsMuxer::new(),
            line: Unwrapped::new(),
            audio_ms: None,
            video_ms: None,
            tables_ms: None,
            has_keyframe: false,
        }
    }

    /// Appends a frame to `out`. Video before the first keyframe is left out.
    pub fn push(&mut self, frame: &Frame, out: &mut BytesMut) -> Streamed {
        let nothing = Streamed { join: None, skip: None };
        let Some(sample) = Sample::of(frame) else { return nothing };
        if sample.class == FrameClass::SequenceHeader {
            self.mux.flush(out);
        }
        match self.mux.prepare(&sample) {
            Err(skip) => return Streamed { skip: Some(skip), ..nothing },
            Ok(Change::New | Change::Changed) => self.tables_ms = None,
            Ok(Change::None) => {}
        }
        if sample.class == FrameClass::SequenceHeader {
            self.has_keyframe &= sample.kind != FrameKind::Video || self.tables_ms.is_some();
            return nothing;
        }
        let is_keyframe = sample.class == FrameClass::Keyframe;
        self.has_keyframe |= is_keyframe;
        if sample.kind == FrameKind::Video && !self.has_keyframe {
            return nothing;
        }
        let at_ms = self.line.millis(frame.timestamp);
        self.check_jump(sample.kind, at_ms, out);
        let join = self.write_tables(at_ms, is_keyframe, out);
        let skip = self.mux.push(at_ms, &sample, out).err();
        Streamed { join, skip }
    }

    /// Appends what is kept for merging: the stream pauses or ends.
    pub fn flush(&mut self, out: &mut BytesMut) {
        self.mux.flush(out);
    }

    /// The publisher has gone. The next one brings headers of its own; the counters go on.
    pub fn unpublish(&mut self, out: &mut BytesMut) {
        self.mux.flush(out);
        self.mux.forget_tracks();
        self.has_keyframe = false;
        self.tables_ms = None;
    }

    fn check_jump(&mut self, kind: FrameKind, at_ms: i64, out: &mut BytesMut) {
        let (own, other) = match kind {
            FrameKind::Audio => (&mut self.audio_ms, &mut self.video_ms),
            FrameKind::Video | FrameKind::Data => (&mut self.video_ms, &mut self.audio_ms),
        };
        if is_jump(*own, *other, at_ms) {
            self.mux.flush(out);
            self.mux.restart();
            (*own, *other) = (None, None);
            self.tables_ms = None;
        }
        *own = Some(own.map_or(at_ms, |latest| latest.max(at_ms)));
    }

    /// Writes the tables if they are due; says where, if a viewer may begin there.
    fn write_tables(&mut self, at_ms: i64, is_keyframe: bool, out: &mut BytesMut) -> Option<usize> {
        let age = self.tables_ms.map(|tables| at_ms.saturating_sub(tables));
        if !is_keyframe && age.is_some_and(|age| age < TABLES_INTERVAL_MS) {
            return None;
        }
        let configured = self.mux.configured();
        self.mux.flush(out);
        self.mux.announce(configured);
        let start = out.len();
        self.mux.write_tables(out);
        self.tables_ms = Some(at_ms);
        (is_keyframe || configured.video.is_none()).then_some(start)
    }
}
