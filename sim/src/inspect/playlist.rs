//! HLS playlists and their segments.

use super::ts::State;
use super::{Fetch, Frames, Report, Segment, Severity};
use millstream_core::hls::reader::{Complaint, Entry, MediaPlaylist, Playlist, Variant, read};

/// Renditions of a master playlist that are looked into.
const RENDITIONS_MAX: usize = 16;
/// How far a duration may be from what the playlist says: half a second is what rounding hides.
const DURATION_MICROS: u64 = 500_000;
/// How far the media of one segment may begin from the end of the one before, in ticks.
const SEAM_TICKS: i64 = 500 * 90;

pub(super) fn report(bytes: &[u8], frames: Frames, fetch: &mut Fetch<'_>) -> Report {
    match read(bytes) {
        (Playlist::Media(media), complaints) => {
            let mut report = media_report(&media, frames, fetch);
            complain(&mut report, &complaints);
            report
        }
        (Playlist::Master(variants), complaints) => {
            let mut report = Report::new("HLS master playlist", bytes.len() as u64);
            complain(&mut report, &complaints);
            for variant in variants.iter().take(RENDITIONS_MAX) {
                rendition(&mut report, variant, frames, fetch);
            }
            report
        }
    }
}

fn complain(report: &mut Report, complaints: &[Complaint]) {
    for Complaint { line, rule } in complaints {
        let place = if *line == 0 { String::new() } else { format!("line {line}") };
        report.problem(Severity::Bad, format!("RFC 8216: {rule}"), place);
    }
}

fn rendition(report: &mut Report, variant: &Variant, frames: Frames, fetch: &mut Fetch<'_>) {
    let Variant { uri, bandwidth, codecs, resolution } = variant;
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let told = format!("{bandwidth} b/s {} {}", or_dash(codecs), or_dash(resolution));
    report.fact(uri, told);
    match fetch(uri).map(|bytes| read(&bytes)) {
        Ok((Playlist::Media(media), complaints)) => {
            let mut part = media_report(&media, frames, fetch);
            complain(&mut part, &complaints);
            report.parts.push((uri.clone(), part));
        }
        Ok((Playlist::Master(_), _)) => {
            report.problem(Severity::Bad, "a master playlist in a master playlist", &**uri);
        }
        Err(error) => {
            report.problem(Severity::Bad, format!("a rendition cannot be read: {error}"), &**uri);
        }
    }
}

fn media_report(media: &MediaPlaylist, frames: Frames, fetch: &mut Fetch<'_>) -> Report {
    let mut state = State::new(frames);
    let (mut segments, mut problems) = (Vec::new(), Vec::new());
    let (mut total, mut before) = (0, None);
    for (sequence, entry) in (media.media_sequence..).zip(&media.segments) {
        let segment = look(sequence, entry, &mut state, &mut before, fetch, &mut problems);
        total += segment.bytes;
        segments.push(segment);
    }
    let mut report = state.finish(total);
    report.format = "HLS";
    report.segments = segments;
    for (severity, text, place) in problems {
        report.problem(severity, text, place);
    }
    let micros: u64 = media.segments.iter().map(|entry| entry.duration_micros).sum();
    report.facts.splice(
        0..0,
        [
            ("version".to_owned(), media.version.to_string()),
            ("target duration".to_owned(), format!("{} s", media.target_secs)),
            ("media sequence".to_owned(), media.media_sequence.to_string()),
            ("discontinuity sequence".to_owned(), media.discontinuity_sequence.to_string()),
            ("segments".to_owned(), media.segments.len().to_string()),
            (
                "duration".to_owned(),
                format!("{}.{:03} s", micros / 1_000_000, micros / 1_000 % 1_000),
            ),
            ("ended".to_owned(), if media.is_ended { "yes" } else { "no" }.to_owned()),
        ],
    );
    report
}

type Found = (Severity, String, String);

/// Reads one segment; `before` is where the media of the one before ended, in ticks.
fn look(
    sequence: u64,
    entry: &Entry,
    state: &mut State,
    before: &mut Option<i64>,
    fetch: &mut Fetch<'_>,
    problems: &mut Vec<Found>,
) -> Segment {
    let mut segment = Segment {
        uri: entry.uri.clone(),
        sequence,
        listed_micros: entry.duration_micros,
        found_micros: None,
        bytes: 0,
        starts_with_keyframe: false,
        is_discontinuity: entry.is_discontinuity,
    };
    let mut problem = |severity, text: &str| {
        problems.push((severity, text.to_owned(), entry.uri.clone()));
    };
    let bytes = match fetch(&entry.uri) {
        Ok(bytes) => bytes,
        Err(error) => {
            problem(Severity::Bad, &format!("segments cannot be read: {error}"));
            *before = None;
            return segment;
        }
    };
    segment.bytes = bytes.len() as u64;
    if !super::ts::is_transport_stream(&bytes) {
        problem(Severity::Bad, "segments that are no MPEG-TS");
        return segment;
    }
    if entry.is_discontinuity {
        state.forget_time();
        *before = None;
    }
    state.begin_segment();
    state.read(&bytes);
    state.end_input();
    segment.starts_with_keyframe = state.starts_with_keyframe.unwrap_or_default();
    if state.starts_with_keyframe == Some(false) {
        problem(Severity::Flaw, "segments whose first picture is no keyframe");
    }
    let (Some(start), Some(end)) = (state.start, state.end) else { return segment };
    let listed = i64::try_from(entry.duration_micros * 9 / 100).unwrap_or(i64::MAX);
    if let Some(before) = before
        && (start - *before).abs() > SEAM_TICKS
    {
        problem(Severity::Bad, "segments that do not continue the one before");
    }
    // What the last frame adds is not known here, so a segment seems a little short.
    let found = u64::try_from((end - start) * 100 / 9).unwrap_or_default();
    segment.found_micros = Some(found);
    if found > entry.duration_micros + DURATION_MICROS
        || found + 2 * DURATION_MICROS < entry.duration_micros
    {
        problem(Severity::Bad, "segments of another duration than listed");
    }
    *before = Some(start + listed);
    segment
}
