use super::*;
use millstream_core::flv::file::{FlvHeader, FlvWriter};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::hls::{Ending, HlsConfig, HlsMuxer, HlsOutput};
use millstream_core::time::{Instant, Timestamp, WallClock};
use millstream_core::ts::PACKET_LEN;
use millstream_core::ts::stream::TsStream;
use pretty_assertions::assert_eq;
use std::collections::BTreeMap;

const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x96, 0xff, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
    0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0xa4, 0x80,
];

fn frame(kind: FrameKind, class: FrameClass, at_ms: u32, payload: &[u8]) -> Frame {
    let payload = bytes::Bytes::copy_from_slice(payload);
    Frame { kind, class, timestamp: Timestamp(at_ms), payload }
}

/// Ten seconds of 25 pictures a second and AAC, with a keyframe every two seconds.
fn media() -> Vec<Frame> {
    use FrameClass::{Coded, Keyframe, SequenceHeader};
    use FrameKind::{Audio, Video};
    let head = [0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, SPS.len() as u8];
    let record = [&head[..], &SPS, &[1, 0, 4, 0x68, 0xcb, 0x83, 0xcb]].concat();
    let mut frames = Vec::new();
    for index in 0..250_u32 {
        let is_key = index % 50 == 0;
        let (mark, unit, class) = if is_key { (0x17, 0x65, Keyframe) } else { (0x27, 0x41, Coded) };
        let body = [&[mark, 1, 0, 0, 80][..], &[0, 0, 0, 3, unit, 5, 6]].concat();
        frames.push(frame(Video, class, index * 40, &body));
    }
    for index in 0..430_u32 {
        frames.push(frame(Audio, Coded, index * 10_240 / 441, &[0xaf, 1, 0x21, 7, 7]));
    }
    frames.sort_by_key(|frame| frame.timestamp.0);
    frames.insert(0, frame(Video, SequenceHeader, 0, &record));
    frames.insert(1, frame(Audio, SequenceHeader, 0, &[0xaf, 0, 0x12, 0x10]));
    frames
}

fn flv(frames: &[Frame]) -> Vec<u8> {
    let mut writer = FlvWriter::new(Vec::new(), FlvHeader::AUDIO_VIDEO).unwrap();
    for frame in frames {
        writer.write(frame.kind, frame.timestamp, &frame.payload).unwrap();
    }
    writer.into_inner()
}

fn transport_stream(frames: &[Frame]) -> Vec<u8> {
    let (mut stream, mut out) = (TsStream::new(), bytes::BytesMut::new());
    for frame in frames {
        stream.push(frame, &mut out);
    }
    stream.flush(&mut out);
    out.to_vec()
}

/// Files of a folder by their names.
type Folder = BTreeMap<String, Vec<u8>>;

fn hls(frames: &[Frame]) -> Folder {
    let mut hls = HlsMuxer::new(HlsConfig::default(), "x", 7);
    let mut folder = Folder::new();
    for frame in frames {
        let millis = u64::from(frame.timestamp.0);
        hls.push(Instant::from_micros(millis * 1_000), WallClock { unix_millis: millis }, frame);
    }
    hls.finish(Instant::from_micros(10_000_000), Ending::EndList);
    while let Some(output) = hls.poll_output() {
        match output {
            HlsOutput::Segment(segment) => {
                folder.insert(format!("x-{}.ts", segment.sequence), segment.blocks.concat());
            }
            HlsOutput::Playlist { text } => drop(folder.insert("x.m3u8".into(), text.to_vec())),
            HlsOutput::Expire { .. } => {}
            HlsOutput::Warning(warning) => panic!("{warning}"),
            _ => {}
        }
    }
    folder
}

fn of(bytes: &[u8]) -> Report {
    Report::of(bytes, Frames::Counted, &mut |_| panic!("nothing is beside it")).unwrap()
}

fn of_folder(folder: &Folder) -> Report {
    let mut fetch = |uri: &str| folder.get(uri).cloned().ok_or("no such file".to_owned());
    Report::of(&folder["x.m3u8"], Frames::Counted, &mut fetch).unwrap()
}

#[track_caller]
fn check(report: &Report, verdict: Verdict, problems: &[&str]) {
    let texts: Vec<_> = report.problems.iter().map(|problem| problem.text.as_str()).collect();
    assert_eq!((texts.as_slice(), report.verdict()), (problems, verdict), "{}", report.text());
    let document: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(document["verdict"], report.verdict().to_string());
    assert!(report.text().ends_with(&format!("verdict: {verdict}\n")));
}

#[test]
fn the_same_media_look_alike_in_every_container() {
    let frames = media();
    let reports = [of(&flv(&frames)), of(&transport_stream(&frames)), of_folder(&hls(&frames))];
    for report in &reports {
        check(report, Verdict::Good, &[]);
        let numbers = |track: &Track| {
            let step = track.line.steps.map(|(least, _)| least / track::TICKS);
            let groups = (track.groups.count, track.groups.millis, track.groups.frames);
            (track.kind, track.frames, track.keyframes, step, groups)
        };
        let found: Vec<_> = report.tracks.iter().map(numbers).collect();
        let groups = (4, (2_000, 8_000, 2_000), (50, 200, 50));
        assert_eq!(found[0], ("video", 250, 5, Some(40), groups));
        assert_eq!((found[1].0, found[1].1), ("audio", 430));
        assert_eq!(report.tracks[0].composition, Some((80 * 90, 80 * 90)));
        assert!(report.tracks[0].codec.starts_with("H.264 Constrained Baseline"));
        assert!(report.tracks[1].codec.starts_with("AAC LC 44"));
    }
    assert_eq!(reports[2].segments.len(), 5);
    assert!(reports[2].segments.iter().all(|segment| segment.starts_with_keyframe));
}

#[test]
fn faults_of_flv_are_told() {
    let frames = media();
    let whole = flv(&frames);
    check(&of(&whole[..whole.len() - 9]), Verdict::Bad, &["the file ends inside of a tag"]);
    check(
        &of(&whole[..13]),
        Verdict::Bad,
        &["the header of the file tells of audio", "no audio and no video"],
    );
    let mut back = frames.clone();
    back.iter_mut().filter(|it| it.timestamp.0 >= 5_000).for_each(|it| it.timestamp.0 -= 1_000);
    check(
        &of(&flv(&back)),
        Verdict::Bad,
        &["video (track 0) times go back", "audio (track 0) times go back"],
    );
    let mut gap = frames.clone();
    gap.iter_mut().filter(|it| it.timestamp.0 >= 5_000).for_each(|it| it.timestamp.0 += 1_000);
    check(
        &of(&flv(&gap)),
        Verdict::Flawed,
        &["video (track 0) has gaps above 500 ms", "audio (track 0) has gaps above 500 ms"],
    );
    let late: Vec<_> =
        frames.iter().filter(|it| it.class != FrameClass::Keyframe).cloned().collect();
    check(&of(&flv(&late)), Verdict::Bad, &["video (track 0) does not begin with a keyframe"]);
}

#[test]
fn faults_of_transport_streams_are_told() {
    let whole = transport_stream(&media());
    let mut sounds =
        (0..whole.len()).step_by(PACKET_LEN).filter(|at| whole[at + 1..at + 3] == [0x41, 1]);
    let third = sounds.nth(2).unwrap();
    let mut lost = whole.clone();
    lost.drain(third..third + PACKET_LEN);
    check(&of(&lost), Verdict::Bad, &["packets are missing (continuity counter)"]);
    let mut garbage = whole.clone();
    garbage.splice(third..third, [1, 2, 3]);
    check(&of(&garbage), Verdict::Bad, &["bytes that are no packet"]);
    let late = of(&whole[2 * PACKET_LEN..]);
    assert_eq!(late.problems[0].text, "PID that no table names");
}

#[test]
fn faults_of_playlists_are_told() {
    let whole = hls(&media());
    let mut missing = whole.clone();
    missing.remove("x-9.ts");
    let report = of_folder(&missing);
    assert_eq!(report.verdict(), Verdict::Bad);
    assert_eq!(report.problems[0].text, "packets are missing (continuity counter)");
    let gone = report.problems.iter().find(|it| it.place == "x-9.ts").unwrap();
    assert_eq!(gone.text, "segments cannot be read: no such file");

    let change = |from: &str, to: &str| {
        let mut folder = whole.clone();
        let text = String::from_utf8(folder["x.m3u8"].clone()).unwrap();
        assert!(text.contains(from));
        folder.insert("x.m3u8".into(), text.replacen(from, to, 1).into_bytes());
        of_folder(&folder)
    };
    check(
        &change("DURATION:2", "DURATION:1"),
        Verdict::Bad,
        &["RFC 8216: a segment is longer than the target duration"],
    );
    let wrong = change("#EXTINF:2.000", "#EXTINF:0.500");
    assert!(wrong.problems.iter().any(|it| it.text == "segments of another duration than listed"));
}

#[test]
fn every_frame_can_be_listed() {
    let stream = transport_stream(&media());
    let report = Report::of(&stream, Frames::Listed, &mut |_| unreachable!()).unwrap();
    let first = report.frames.iter().find(|line| line.starts_with("video")).unwrap();
    assert!(first.contains("dts 10000 ms cts 80 ms pcr 9300 ms dts-pcr 700 ms"), "{first}");
    assert!(first.ends_with("key NAL [9, 7, 8, 5]"), "{first}");
    assert!(report.text().contains(first));
}

#[test]
fn what_is_published_in_a_capture_is_inspected() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let bytes = std::fs::read(folder.join("ffmpeg-4.2.2_publish_nginxrtmp.pcap"));
    // Not every capture is in the repository.
    if let Ok(bytes) = bytes {
        let report = of(&bytes);
        assert_eq!(report.parts.len(), 1);
        assert_eq!(report.parts[0].1.format, "FLV");
    }
    let bytes = std::fs::read(folder.join("ffmpeg-5.1.9_publish_nginxrtmp_pcma.pcap")).unwrap();
    let report = of(&bytes);
    assert_eq!(report.parts[0].1.tracks[0].kind, "audio");
    assert!(report.text().contains("G.711 A-law"), "{}", report.text());
}

#[test]
fn what_is_nothing_is_refused() {
    for bytes in [&b""[..], b"FL", b"RIFF", b"\0\0\0\x18ftyp"] {
        assert!(Report::of(bytes, Frames::Counted, &mut |_| unreachable!()).is_err());
    }
}

#[test]
fn any_bytes_may_come() {
    fn property(bytes: Vec<u8>, at: u16) {
        let mut fetch = |_: &str| Ok(bytes.clone());
        for start in [
            &b"FLV\x01\x05\0\0\0\x09"[..],
            b"\x47",
            b"#EXTM3U\n#EXTINF:1,\nx\n",
            b"\xd4\xc3\xb2\xa1",
        ] {
            let file = [start, &bytes].concat();
            let _ = Report::of(&file, Frames::Listed, &mut fetch).map(|report| report.text());
        }
        let mut stream = transport_stream(&media()[..20]);
        let at = usize::from(at) % stream.len();
        stream.splice(at..at, bytes.iter().copied());
        let report = Report::of(&stream, Frames::Counted, &mut fetch);
        let _ = report.map(|report| report.json());
    }
    quickcheck::quickcheck(property as fn(Vec<u8>, u16));
}
