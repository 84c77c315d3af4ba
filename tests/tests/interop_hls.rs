//! What becomes of samples as MPEG-TS and as HLS, by the judgement of other people's readers:
//! both ffmpegs, the mpeg2ts crate, the m3u8-rs crate; and by our own `inspect`.
use m3u8_rs::Playlist;
use millstream_core::config::TimeJitter;
use millstream_core::flv::{classify, file::FlvReader};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::hls::{Ending, HlsConfig, HlsMuxer, HlsOutput, HlsWarning};
use millstream_core::jitter::Jitter;
use millstream_core::time::{Instant, WallClock};
use millstream_core::ts::Skip;
use millstream_core::ts::stream::TsStream;
use millstream_sim::inspect::{Frames, Report, Verdict};
use millstream_tests::client::Scratch;
use millstream_tests::recording::new_ffmpeg;
use millstream_tests::sample::{self, H264_AAC, H264_HIGH_AAC, LEGACY};
use mpeg2ts::pes::{PesPacketReader, ReadPesPacket as _};
use mpeg2ts::ts::TsPacketReader;
use pretty_assertions::assert_eq;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The frames of a file with the times that the server gives them.
fn frames(file: &Path) -> Vec<Frame> {
    let bytes = fs::read(file).expect("a sample can be read");
    let (mut input, mut reader) = (&bytes[..], FlvReader::new(8 << 20));
    let mut jitter = Jitter::new(TimeJitter::Full);
    let mut frames = Vec::new();
    while let Ok(Some(tag)) = reader.read(&mut input) {
        let Ok(class) = classify(tag.kind, &tag.payload) else { continue };
        // As if all came at once: then a jump is a jump, however long it is.
        let now = Instant::from_micros(1_000_000 + frames.len() as u64);
        let timestamp = match class {
            FrameClass::SequenceHeader => jitter.place(tag.kind, tag.timestamp),
            FrameClass::Coded
            | FrameClass::Control
            | FrameClass::Keyframe
            | FrameClass::Metadata => jitter.correct(tag.kind, tag.timestamp, now).timestamp,
        };
        frames.push(Frame { kind: tag.kind, class, timestamp, payload: tag.payload });
    }
    frames
}

/// The endless stream, and what was left out of it.
fn as_stream(frames: &[Frame]) -> (Vec<u8>, Vec<Skip>) {
    let (mut stream, mut out, mut skipped) = (TsStream::new(), bytes::BytesMut::new(), vec![]);
    for frame in frames {
        let skip = stream.push(frame, &mut out).skip;
        skipped.extend(skip.filter(|skip| !skipped.contains(skip)));
    }
    stream.flush(&mut out);
    (out.to_vec(), skipped)
}

/// A folder with the segments and the playlist, whose path is given, if there is one.
fn as_hls(frames: &[Frame], scratch: &Scratch) -> (Option<PathBuf>, Vec<HlsWarning>) {
    let config = HlsConfig { window: Duration::from_secs(3_600), ..HlsConfig::default() };
    let mut hls = HlsMuxer::new(config, "x", 0);
    let mut warnings = Vec::new();
    let playlist = scratch.file("x.m3u8");
    let mut drain = |hls: &mut HlsMuxer| {
        while let Some(output) = hls.poll_output() {
            match output {
                HlsOutput::Segment(segment) => {
                    let name = format!("x-{}.ts", segment.sequence);
                    let written = fs::write(scratch.file(&name), segment.blocks.concat());
                    written.expect("a segment can be written");
                }
                HlsOutput::Playlist { text } => {
                    fs::write(&playlist, &text).expect("a playlist can be written");
                }
                HlsOutput::Warning(warning) => warnings.push(warning),
                HlsOutput::Expire { .. } => {}
                _ => {}
            }
        }
    };
    let wall = |frame: &Frame| 1_795_408_784_000 + u64::from(frame.timestamp.0);
    for frame in frames {
        let now = Instant::from_micros(u64::from(frame.timestamp.0) * 1_000);
        hls.push(now, WallClock { unix_millis: wall(frame) }, frame);
        drain(&mut hls);
    }
    let last = frames.last().map_or(0, |frame| u64::from(frame.timestamp.0));
    hls.finish(Instant::from_micros(last * 1_000), Ending::EndList);
    drain(&mut hls);
    (playlist.is_file().then_some(playlist), warnings)
}

/// What a decoder says of a file: complaints, and checksums of all that it decodes of a kind.
fn decode(ffmpeg: &Path, file: &Path, kind: &str) -> (String, Vec<String>) {
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "warning", "-i"]).arg(file);
    command.args(["-map", &format!("0:{kind}:0?")]);
    match kind {
        "v" => command.args(["-fps_mode", "passthrough", "-f", "framemd5", "-"]),
        // Of the samples: how they are grouped into frames is the demuxer's choice.
        _ => command.args(["-c:a", "pcm_s16le", "-f", "md5", "-"]),
    };
    let output = command.stdin(Stdio::null()).output().expect("ffmpeg can be started");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = lines.lines().filter(|line| !line.starts_with('#'));
    let sum = |line: &str| line.rsplit([',', '=']).next().unwrap_or_default().trim().to_owned();
    (complaints, lines.map(sum).collect())
}

/// Asserts that a second reader, which is not ours, takes every packet.
fn assert_read_by_another(stream: &[u8]) {
    let mut reader = PesPacketReader::new(TsPacketReader::new(stream));
    let mut times = BTreeSet::new();
    while let Some(pes) = reader.read_pes_packet().expect("mpeg2ts reads every packet") {
        assert!(!pes.data.is_empty());
        let pts = pes.header.pts.expect("each PES packet has a time");
        times.insert((pes.header.stream_id.as_u8(), pts.as_u64()));
    }
    let ours = Report::of(stream, Frames::Listed, &mut |_| unreachable!()).expect("a stream");
    assert_eq!(ours.frames.len(), times.len());
}

fn inspected(file: &Path) -> Report {
    let folder = file.parent().expect("a file is in a folder");
    let bytes = fs::read(file).expect("what was written can be read");
    let mut fetch = |uri: &str| fs::read(folder.join(uri)).map_err(|error| error.to_string());
    Report::of(&bytes, Frames::Counted, &mut fetch).expect("it is known")
}

/// Muxes a sample in both ways and has it judged. Gives the names of the codecs that were left out.
fn check(name: &str, sample: &Path) -> Vec<String> {
    let scratch = Scratch::new(&format!("hls-{name}"));
    let frames = frames(sample);
    let (stream, skipped) = as_stream(&frames);
    let (playlist, warnings) = as_hls(&frames, &scratch);
    let told: Vec<_> = skipped.iter().map(|skip| HlsWarning::Skipped(*skip)).collect();
    assert_eq!(warnings, told, "{name}: both tell the same");
    assert_eq!(playlist.is_none(), stream.is_empty(), "{name}");
    let Some(playlist) = playlist else { return skipped.iter().map(Skip::to_string).collect() };
    let file = scratch.file("x.ts");
    fs::write(&file, &stream).expect("a stream can be written");
    assert_read_by_another(&stream);
    let text = fs::read(&playlist).expect("there is a playlist");
    match m3u8_rs::parse_playlist_res(&text) {
        Ok(Playlist::MediaPlaylist(media)) => {
            assert!(media.end_list && !media.segments.is_empty());
            let longest = media.segments.iter().map(|it| it.duration).fold(0.0, f32::max);
            assert!(longest.round() as u64 <= media.target_duration, "{name}");
        }
        other => panic!("{name}: {other:?}"),
    }
    for path in [&file, &playlist] {
        let report = inspected(path);
        // A publisher whose audio is far ahead stays so, and is told: its segments overlap.
        let is_good = report.verdict() == Verdict::Good;
        assert_eq!(is_good, !name.contains("ahead"), "{name}: {}", report.text());
    }
    let has = |kind| frames.iter().any(|frame| frame.kind == kind);
    for ffmpeg in [PathBuf::from("ffmpeg"), new_ffmpeg()] {
        for (kind, frame_kind) in [("v", FrameKind::Video), ("a", FrameKind::Audio)] {
            if !has(frame_kind) || skipped.iter().any(|skip| is_about(*skip, frame_kind)) {
                continue;
            }
            let (complaints, source) = decode(&ffmpeg, sample, kind);
            for path in [&file, &playlist] {
                let (said, sums) = decode(&ffmpeg, path, kind);
                let shown = path.display();
                if complaints.is_empty() {
                    assert_eq!(said, "", "{shown} of {name} with {}", ffmpeg.display());
                    assert_same(&sums, &source, &format!("{kind} of {shown} of {name}"));
                }
            }
        }
    }
    skipped.iter().map(Skip::to_string).collect()
}

/// Every picture is there; of the sound HLS leaves out what comes before the first picture, and
/// MPEG-TS has no word for the samples of Opus that a decoder is to drop.
fn assert_same(sums: &[String], source: &[String], what: &str) {
    let is_exact = what.contains("x.ts") && !what.contains("opus");
    if what.starts_with('v') || is_exact {
        assert_eq!(sums, source, "{what}");
    } else {
        assert!(!sums.is_empty(), "{what}");
    }
}

fn is_about(skip: Skip, kind: FrameKind) -> bool {
    let text = skip.to_string();
    let sounds = ["ADPCM", "FLAC", "G.711", "Nellymoser", "Speex"];
    sounds.iter().any(|name| text.contains(name)) == (kind == FrameKind::Audio)
}

#[test]
fn what_most_encoders_send() {
    assert_eq!(check("h264-aac", &sample::made(H264_AAC)), [""; 0]);
    assert_eq!(check("h264-high-aac", &sample::made(H264_HIGH_AAC)), [""; 0]);
}

#[test]
fn times_that_wrap() {
    let sample = sample::made(H264_HIGH_AAC);
    for first in [(1 << 24) - 4_000, (1 << 31) - 4_000, u32::MAX - 4_000, 95_443_717 - 14_000] {
        let shifted = sample::shifted(&sample, first);
        assert_eq!(check(&format!("from-{first}"), &shifted), [""; 0]);
    }
}

#[test]
fn codecs_of_the_time_of_flash() {
    let carried = |name: &str| name == "flv1-mp3";
    for recipe in LEGACY {
        let left_out = check(recipe.name, &sample::made(*recipe));
        assert!(!left_out.is_empty(), "{}", recipe.name);
        let all = left_out.iter().all(|text| text.starts_with("MPEG-TS does not carry "));
        assert!(all && (left_out.len() == 1 || !carried(recipe.name)), "{left_out:?}");
    }
}

#[test]
fn codecs_of_enhanced_rtmp() {
    for (name, left_out) in [
        ("enhanced-ac3-only.flv", None),
        ("enhanced-av1-aac.flv", Some("AV1")),
        ("enhanced-eac3-only.flv", None),
        ("enhanced-flac-only.flv", Some("FLAC")),
        ("enhanced-h264-opus.flv", None),
        ("enhanced-hevc-aac.flv", None),
        ("enhanced-hevc-hdr10.flv", None),
        ("enhanced-multitrack-h264x2-aacx2.flv", None),
        ("enhanced-vp9-aac.flv", Some("VP9")),
        ("enhanced-vvc-aac.flv", Some("VVC")),
    ] {
        let left_out = left_out.map(|codec| format!("MPEG-TS does not carry {codec}"));
        assert_eq!(check(name, &sample::in_repository(name)), Vec::from_iter(left_out), "{name}");
    }
}

#[test]
fn further_samples() {
    for name in [
        "sample-500k.flv",
        "sample-aac-22k-mono-only.flv",
        "sample-aac-only.flv",
        "sample-ffmpeg-offset-16770s.flv",
        "sample-h264-video-only.flv",
        "sample-mp3-only.flv",
        "sample-seqheader-change.flv",
        "sample-ts-audio-ahead.flv",
        "sample-ts-jump-back.flv",
        "sample-ts-near-2p32.flv",
        "sample-vfr.flv",
        "thirdparty-mozilla-h264-aac.flv",
    ] {
        let left_out = sample::shared(name).map(|sample| check(name, &sample));
        assert_eq!(left_out.unwrap_or_default(), [""; 0], "{name}");
    }
}
