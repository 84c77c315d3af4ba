use super::file::{FlvReader, FlvTag, FlvWriter};
use super::tag::{Codec, tracks};
use super::*;
use alloc::string::String;
use alloc::vec::Vec;
use pretty_assertions::assert_eq;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[track_caller]
fn check(kind: FrameKind, payload: &[u8], expected: Result<FrameClass, TagError>) {
    assert_eq!(classify(kind, payload), expected, "{}", payload.escape_ascii());
}

#[test]
fn data_is_metadata_by_its_name() {
    let check = |payload: &[u8], expected| check(FrameKind::Data, payload, Ok(expected));
    check(b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09", FrameClass::Metadata);
    check(b"\x02\0\x0aonMetaData", FrameClass::Metadata);
    check(b"\x02\0\x0d@setDataFrame\x02\0\x0aonMetaData\x08", FrameClass::Metadata);
    check(b"\x02\0\x0d@setDataFrame\x02\0\x0aonCuePoint\x08", FrameClass::Control);
    check(b"\x02\0\x0d@setDataFrame", FrameClass::Control);
    check(b"\x02\0\x0aonMetaDat", FrameClass::Control);
    check(b"\x02\0\x0bonMetaData2", FrameClass::Control);
    check(b"\x02\0\x0aonTextData\x08", FrameClass::Control);
    check(b"\x05", FrameClass::Control);
}

#[test]
fn media_have_the_class_of_their_tag() {
    check(FrameKind::Audio, b"\xaf\0\x12\x10", Ok(FrameClass::SequenceHeader));
    check(FrameKind::Audio, b"\xaf\x01\x12\x10", Ok(FrameClass::Coded));
    check(FrameKind::Video, b"\x17\x01\0\0\0x", Ok(FrameClass::Keyframe));
    check(FrameKind::Video, b"\x17", Err(TagError::Truncated));
}

#[test]
fn row_035_empty_payloads() {
    for kind in [FrameKind::Audio, FrameKind::Data, FrameKind::Video] {
        check(kind, b"", Err(TagError::Empty));
    }
}

/// What a sample holds: counts of video tags (sequence headers, key frames, coded, others), of
/// audio tags (sequence headers, coded, others), its last timestamp, and its descriptions in
/// their order. Checked against ffprobe; frames with nothing in them count as others.
type Sample = (&'static str, [u32; 4], [u32; 3], u32, &'static str);

const BASELINE_AND_AAC: &str =
    "H.264 Constrained Baseline 1.2 320x180 25 fps; AAC LC 44.1 kHz 2 channels";

const SAMPLES: [Sample; 44] = [
    ("sample-200k", [1, 4, 196, 1], [1, 346, 0], 7_983, BASELINE_AND_AAC),
    (
        "sample-500k",
        [1, 5, 245, 1],
        [1, 432, 0],
        9_983,
        "H.264 Constrained Baseline 3.0 640x360 25 fps; AAC LC 44.1 kHz 2 channels",
    ),
    ("sample-aac-22k-mono-only", [0, 0, 0, 0], [1, 217, 0], 10_031, "AAC LC 22.05 kHz 1 channel"),
    ("sample-aac-only", [0, 0, 0, 0], [1, 432, 0], 10_008, "AAC LC 44.1 kHz 2 channels"),
    ("sample-adpcm-only", [0, 0, 0, 0], [0, 44, 0], 7_988, "ADPCM 22.05 kHz 1 channel"),
    ("sample-e-ac3-only", [0, 0, 0, 0], [1, 230, 1], 7_976, "AC-3"),
    (
        "sample-e-av1-aac",
        [1, 4, 196, 1],
        [1, 346, 0],
        8_011,
        "AV1 Main 2.0 8 bit; AAC LC 44.1 kHz 2 channels",
    ),
    ("sample-e-eac3-only", [0, 0, 0, 0], [1, 230, 1], 7_976, "E-AC-3"),
    ("sample-e-flac-only", [0, 0, 0, 0], [2, 173, 3], 4_000, "FLAC 44.1 kHz 1 channel"),
    (
        "sample-e-h264-opus",
        [1, 4, 196, 1],
        [1, 401, 1],
        7_967,
        "H.264 Constrained Baseline 1.2 320x180 25 fps; Opus 48 kHz 1 channel",
    ),
    (
        "sample-e-hevc-aac",
        [1, 4, 196, 1],
        [1, 346, 0],
        8_068,
        "HEVC Main 2.0 320x180; AAC LC 44.1 kHz 2 channels",
    ),
    ("sample-e-hevc-hdr10", [1, 2, 98, 1], [0, 0, 0], 3_960, "HEVC Main 10 2.0 320x180"),
    (
        "sample-e-multitrack-h264x2-aacx2",
        [2, 8, 392, 2],
        [2, 722, 1],
        7_960,
        "H.264 High 1.2 320x180 25 fps; H.264 High 1.1 160x90 25 fps; \
         AAC LC 44.1 kHz 1 channel; AAC LC 48 kHz 1 channel",
    ),
    ("sample-e-vp9-aac", [1, 4, 196, 1], [1, 346, 0], 8_011, "VP9; AAC LC 44.1 kHz 2 channels"),
    ("sample-e-vvc-aac", [1, 3, 72, 1], [1, 131, 0], 3_195, "VVC; AAC LC 44.1 kHz 2 channels"),
    ("sample-ffmpeg-concat", [1, 8, 392, 2], [1, 892, 0], 24_029, BASELINE_AND_AAC),
    (
        "sample-ffmpeg-offset-16770s",
        [1, 4, 196, 1],
        [1, 346, 0],
        16_777_960,
        "H.264 Constrained Baseline 1.2 320x180 25 fps; AAC LC 44.1 kHz 1 channel",
    ),
    ("sample-flashsv", [0, 2, 38, 0], [0, 0, 0], 7_800, "Screen video"),
    ("sample-flashsv2", [0, 2, 38, 0], [0, 0, 0], 7_800, "Screen video 2"),
    (
        "sample-flv1-mp3",
        [0, 4, 196, 0],
        [0, 309, 0],
        8_046,
        "MP3 22.05 kHz 2 channels; Sorenson H.263",
    ),
    (
        "sample-flv1-speex",
        [0, 4, 196, 0],
        [0, 400, 0],
        7_980,
        "Speex 16 kHz 1 channel; Sorenson H.263",
    ),
    ("sample-h264-video-only", [1, 4, 196, 1], [0, 0, 0], 7_960, "H.264 Main 1.2 320x180 25 fps"),
    (
        "sample-high-bframes-200k",
        [1, 4, 196, 1],
        [1, 376, 0],
        7_960,
        "H.264 High 1.2 320x180 25 fps; AAC LC 48 kHz 2 channels",
    ),
    (
        "sample-high-bframes-48k",
        [1, 5, 245, 1],
        [1, 470, 0],
        9_960,
        "H.264 High 3.0 640x360 25 fps; AAC LC 48 kHz 2 channels",
    ),
    ("sample-mp3-only", [0, 0, 0, 0], [0, 384, 0], 10_005, "MP3 44.1 kHz 2 channels"),
    ("sample-nellymoser-only", [0, 0, 0, 0], [0, 691, 0], 8_010, "Nellymoser 22.05 kHz 1 channel"),
    ("sample-nellymoser8k-only", [0, 0, 0, 0], [0, 251, 0], 8_000, "Nellymoser 8 kHz 1 channel"),
    ("sample-pcma-only", [0, 0, 0, 0], [0, 346, 0], 7_998, "G.711 A-law 8 kHz 1 channel"),
    ("sample-pcmu-only", [0, 0, 0, 0], [0, 346, 0], 7_998, "G.711 mu-law 8 kHz 1 channel"),
    (
        "sample-seqheader-change",
        [2, 6, 294, 2],
        [2, 520, 0],
        12_034,
        "H.264 Constrained Baseline 1.2 320x180 25 fps; AAC LC 44.1 kHz 2 channels; \
         H.264 Constrained Baseline 2.1 480x270 25 fps",
    ),
    ("sample-speex-only", [0, 0, 0, 0], [0, 400, 0], 7_980, "Speex 16 kHz 1 channel"),
    ("sample-ts-after-2p24", [1, 4, 196, 1], [1, 346, 0], 16_795_199, BASELINE_AND_AAC),
    ("sample-ts-audio-ahead", [1, 4, 196, 1], [1, 346, 0], 7_983, BASELINE_AND_AAC),
    ("sample-ts-jump-back", [1, 4, 196, 1], [1, 346, 0], 67_983, BASELINE_AND_AAC),
    ("sample-ts-near-2p24", [1, 4, 196, 1], [1, 346, 0], 16_781_199, BASELINE_AND_AAC),
    ("sample-ts-near-2p31", [1, 4, 196, 1], [1, 346, 0], 2_147_487_631, BASELINE_AND_AAC),
    ("sample-ts-near-2p32", [1, 4, 196, 1], [1, 346, 0], 2_983, BASELINE_AND_AAC),
    ("sample-ts-start-1h", [1, 4, 196, 1], [1, 346, 0], 3_607_983, BASELINE_AND_AAC),
    (
        "sample-vfr",
        [1, 6, 206, 1],
        [1, 346, 0],
        7_917,
        "H.264 Main 2.1 320x180 60 fps; AAC LC 44.1 kHz 2 channels",
    ),
    (
        "thirdparty-ertmplab-mptestsrc",
        [2, 3, 339, 1],
        [1, 501, 1],
        11_374,
        "AV1; Opus 48 kHz 1 channel; AV1 Main 2.1 8 bit",
    ),
    (
        "thirdparty-ertmplab-testsrc",
        [2, 1, 299, 1],
        [1, 501, 1],
        10_001,
        "AV1; Opus 48 kHz 1 channel; AV1 High 3.0 8 bit",
    ),
    (
        "thirdparty-mozilla-h264-aac",
        [1, 8, 410, 1],
        [1, 603, 0],
        13_969,
        "H.264 Constrained Baseline 3.0 640x360 29.97 fps; AAC LC 44.1 kHz 2 channels",
    ),
    ("thirdparty-red5-vp6", [0, 1, 12, 0], [0, 0, 0], 1_250, "VP6"),
    ("thirdparty-red5-vp6-tiny", [0, 2, 9, 0], [0, 0, 0], 833, "VP6"),
];

#[test]
fn samples_of_real_encoders() {
    let Some(folder) = samples_folder() else { return };
    for sample in SAMPLES {
        check_sample(&folder.join(sample.0).with_extension("flv"), sample);
    }
    // What is not in the table is read and written all the same.
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "flv") {
            read_and_write(&path);
        }
    }
}

/// Samples lie beside the repository, and not everybody has them.
fn samples_folder() -> Option<PathBuf> {
    let shared = env::var_os("MILLSTREAM_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = shared.unwrap_or_else(beside).join("media");
    folder.is_dir().then_some(folder)
}

fn read_and_write(path: &Path) -> Vec<FlvTag> {
    let bytes = fs::read(path).unwrap();
    let mut reader = FlvReader::new(1 << 20);
    let mut tags: Vec<FlvTag> = Vec::new();
    for mut piece in bytes.chunks(1_000) {
        while let Some(tag) = reader.read(&mut piece).unwrap() {
            tags.push(tag);
        }
    }
    assert!(reader.is_between_tags());
    tags.iter().for_each(check_nal_units);
    let mut writer = FlvWriter::new(Vec::new(), reader.header().unwrap()).unwrap();
    for tag in &tags {
        writer.write(tag.kind, tag.timestamp, &tag.payload).unwrap();
    }
    assert!(writer.into_inner() == bytes, "{path:?} is written as it was read");
    tags
}

fn check_sample(path: &Path, (name, video, audio, last_timestamp, descriptions): Sample) {
    let tags = read_and_write(path);
    assert_eq!(tags.last().map(|tag| tag.timestamp.0), Some(last_timestamp), "{name}");
    let count = |kind, classes: &[FrameClass]| {
        let is_meant = |tag: &&FlvTag| {
            tag.kind == kind && classes.contains(&classify(kind, &tag.payload).unwrap())
        };
        u32::try_from(tags.iter().filter(is_meant).count()).unwrap()
    };
    let count_video = |class: &[FrameClass]| count(FrameKind::Video, class);
    let count_audio = |class: &[FrameClass]| count(FrameKind::Audio, class);
    use FrameClass::*;
    assert_eq!(
        [&[SequenceHeader][..], &[Keyframe], &[Coded], &[Control, Metadata]].map(count_video),
        video,
        "{name}"
    );
    assert_eq!(
        [&[SequenceHeader][..], &[Coded], &[Control, Metadata]].map(count_audio),
        audio,
        "{name}"
    );
    let metadata = if name == "sample-seqheader-change" { 2 } else { 1 };
    assert_eq!(count(FrameKind::Data, &[Metadata]), metadata, "{name}");
    assert_eq!(describe_all(&tags), descriptions, "{name}");
}

/// All different descriptions, in the order of their first appearance.
fn describe_all(tags: &[FlvTag]) -> String {
    let mut descriptions: Vec<String> = Vec::new();
    for description in tags.iter().filter_map(|tag| codec::describe(&tag.payload, tag.kind)) {
        if !descriptions.contains(&description) {
            descriptions.push(description);
        }
    }
    descriptions.join("; ")
}

/// All encoders of the samples write lengths of four bytes.
fn check_nal_units(tag: &FlvTag) {
    for track in tracks(&tag.payload, tag.kind) {
        let has_units = matches!(track.codec, Some(Codec::H264 | Codec::Hevc | Codec::Vvc));
        if has_units && matches!(track.class, FrameClass::Coded | FrameClass::Keyframe) {
            let units = codec::nal::nal_units(track.payload, 4).unwrap();
            assert!(!units.is_annex_b() && units.count() > 0);
        }
    }
}
