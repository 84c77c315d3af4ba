//! FLV files.

use super::track::{Frame, TICKS, Track};
use super::{Frames, Report, Severity};
use millstream_core::flv::codec::describe;
use millstream_core::flv::file::{FlvReader, FlvTag};
use millstream_core::flv::tag::{parse_audio, parse_video, tracks};
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::ts::Unwrapped;

/// Bytes of a tag: all that FLV can express.
const TAG_LEN_MAX: u32 = 0xff_ffff;

pub(super) fn report(bytes: &[u8], frames: Frames) -> Report {
    let mut state = State { report: Report::new("FLV", bytes.len() as u64), frames, tags: 0 };
    let mut reader = FlvReader::new(TAG_LEN_MAX);
    let (mut input, mut line) = (bytes, Unwrapped::new());
    loop {
        match reader.read(&mut input) {
            Ok(Some(tag)) => state.take(&tag, line.millis(tag.timestamp)),
            Ok(None) => break,
            Err(error) => {
                let place = format!("byte {}", bytes.len() - input.len());
                state.report.problem(Severity::Bad, format!("broken file: {error:?}"), place);
                break;
            }
        }
    }
    let State { mut report, tags, .. } = state;
    if !reader.is_between_tags() {
        report.problem(Severity::Bad, "the file ends inside of a tag", "end");
    }
    report.fact("tags", tags.to_string());
    if let Some(header) = reader.header() {
        let has = |kind| report.tracks.iter().any(|track| track.kind == kind);
        for (kind, told) in [("audio", header.has_audio), ("video", header.has_video)] {
            if told != has(kind) {
                let is = if told { "tells of" } else { "does not tell of the" };
                let text = format!("the header of the file {is} {kind}");
                report.problem(Severity::Flaw, text, "byte 4");
                break;
            }
        }
    }
    report.judge_tracks();
    report
}

struct State {
    report: Report,
    frames: Frames,
    tags: u64,
}

impl State {
    fn take(&mut self, tag: &FlvTag, at_ms: i64) {
        self.tags += 1;
        let body = &tag.payload;
        let parsed = match tag.kind {
            FrameKind::Audio => parse_audio(body),
            FrameKind::Video => parse_video(body),
            FrameKind::Data => return,
        };
        if let Err(error) = parsed {
            let text = format!("a tag that cannot be read: {error:?}");
            return self.report.problem(Severity::Flaw, text, format!("{at_ms} ms"));
        }
        let kind = if tag.kind == FrameKind::Audio { "audio" } else { "video" };
        let described = describe(body, tag.kind);
        for part in tracks(body, tag.kind) {
            let Some(codec) = part.codec else { continue };
            let name = format!("track {}", part.id);
            let index = self.track(kind, &name);
            let track = &mut self.report.tracks[index];
            if let Some(described) = &described {
                track.codec.clone_from(described);
            } else if track.codec.is_empty() {
                track.codec = codec.to_string();
            }
            match part.class {
                FrameClass::SequenceHeader => track.headers += 1,
                FrameClass::Coded | FrameClass::Keyframe => {
                    let dts = at_ms * TICKS;
                    let pts = dts + i64::from(part.composition_offset) * TICKS;
                    let is_keyframe = part.class == FrameClass::Keyframe;
                    let len = part.payload.len();
                    track.take(Frame { dts, pts, len, is_keyframe, count: 1 });
                    if self.frames == Frames::Listed {
                        let key = if is_keyframe { " key" } else { "" };
                        let composition = part.composition_offset;
                        self.report.frames.push(format!(
                            "{kind} {name} dts {at_ms} ms cts {composition} ms {len} bytes{key}"
                        ));
                    }
                }
                FrameClass::Control | FrameClass::Metadata => {}
            }
        }
    }

    fn track(&mut self, kind: &'static str, name: &str) -> usize {
        let tracks = &mut self.report.tracks;
        let known = tracks.iter().position(|it| it.kind == kind && it.name == name);
        known.unwrap_or_else(|| {
            tracks.push(Track::new(kind, name));
            tracks.len() - 1
        })
    }
}
