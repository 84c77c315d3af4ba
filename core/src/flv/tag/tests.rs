use super::*;
use alloc::vec;
use alloc::vec::Vec;
use pretty_assertions::assert_eq;

/// What a legacy tag says.
fn legacy(codec: Codec, class: FrameClass) -> TagInfo {
    TagInfo {
        codec: Some(codec),
        class,
        track: 0,
        tracks: 1,
        enhanced: false,
        composition_offset: 0,
    }
}

/// What an enhanced tag of one track says.
fn enhanced(codec: Codec, class: FrameClass) -> TagInfo {
    TagInfo { enhanced: true, ..legacy(codec, class) }
}

#[track_caller]
fn check_audio(body: &[u8], expected: Result<TagInfo, TagError>) {
    assert_eq!(parse_audio(body), expected, "{}", body.escape_ascii());
}

#[track_caller]
fn check_video(body: &[u8], expected: Result<TagInfo, TagError>) {
    assert_eq!(parse_video(body), expected, "{}", body.escape_ascii());
}

#[test]
fn row_073_legacy_audio_codecs() {
    use Codec::*;
    let codecs = [
        PcmPlatform,
        Adpcm,
        Mp3,
        PcmLittleEndian,
        Nellymoser,
        Nellymoser,
        Nellymoser,
        G711ALaw,
        G711MuLaw,
        UnknownFourCc(*b"zzzz"),
        Aac,
        Speex,
        UnknownId(12),
        UnknownId(13),
        Mp3,
        UnknownId(15),
    ];
    for (format, codec) in (0_u8..).zip(codecs) {
        let info = match format {
            9 => enhanced(codec, FrameClass::Coded),
            _ => legacy(codec, FrameClass::Coded),
        };
        check_audio(&[format << 4 | 1, b'z', b'z', b'z', b'z', 0], Ok(info));
    }
}

#[test]
fn aac_packets() {
    check_audio(b"\xaf\0\x12\x10", Ok(legacy(Codec::Aac, FrameClass::SequenceHeader)));
    check_audio(b"\xaf\x01\x21\x4a", Ok(legacy(Codec::Aac, FrameClass::Coded)));
    check_audio(b"\xaf", Err(TagError::Truncated));
    check_audio(b"\xaf\x01", Ok(legacy(Codec::Aac, FrameClass::Control)));
}

#[test]
fn row_073_legacy_video_codecs() {
    use Codec::*;
    let codecs = [
        UnknownId(0),
        UnknownId(1),
        H263,
        ScreenVideo,
        Vp6,
        Vp6Alpha,
        ScreenVideo2,
        H264,
        UnknownId(8),
        UnknownId(9),
        UnknownId(10),
        UnknownId(11),
        Hevc,
        UnknownId(13),
        UnknownId(14),
        UnknownId(15),
    ];
    for (id, codec) in (0_u8..).zip(codecs) {
        for (frame_type, class) in [
            (0, FrameClass::Coded),
            (1, FrameClass::Keyframe),
            (2, FrameClass::Coded),
            (3, FrameClass::Coded),
            (4, FrameClass::Keyframe),
            (6, FrameClass::Coded),
            (7, FrameClass::Coded),
        ] {
            check_video(&[frame_type << 4 | id, 1, 0, 0, 0, 0], Ok(legacy(codec, class)));
        }
        let command = TagInfo { codec: None, ..legacy(codec, FrameClass::Control) };
        check_video(&[5 << 4 | id, 1], Ok(command));
    }
}

#[test]
fn avc_packets() {
    for (id, codec) in [(7, Codec::H264), (12, Codec::Hevc)] {
        let check = |rest: &[u8], expected: Result<FrameClass, TagError>| {
            let body = [&[0x10 | id], rest].concat();
            check_video(&body, expected.map(|class| legacy(codec, class)));
        };
        check(b"\0\0\0\0\x01", Ok(FrameClass::SequenceHeader));
        check(b"\x01\0\0\0\0", Ok(FrameClass::Keyframe));
        check(b"\x02\0\0\0", Ok(FrameClass::Control));
        check(b"\x02", Ok(FrameClass::Control));
        check(b"\x03\0\0\0\0", Ok(FrameClass::Control));
        check(b"", Err(TagError::Truncated));
        check(b"\0\0\0", Err(TagError::Truncated));
        check(b"\x01\0\0", Err(TagError::Truncated));
    }
}

/// As some encoders write at the end of a part, with nothing in it to join at.
#[test]
fn an_empty_key_frame_is_no_place_to_join() {
    check_video(b"\x17\x01\0\0\0", Ok(legacy(Codec::H264, FrameClass::Control)));
    check_video(b"\x12", Ok(legacy(Codec::H263, FrameClass::Control)));
    check_video(b"\x93hvc1", Ok(enhanced(Codec::Hevc, FrameClass::Control)));
    let half_empty = TagInfo { tracks: 2, ..enhanced(Codec::Vp9, FrameClass::Keyframe) };
    check_video(b"\x96\x11vp09\0\0\0\0\x01\0\0\x01x", Ok(half_empty));
}

#[test]
fn row_076_composition_offsets() {
    for (bytes, offset) in [
        ([0, 0, 0], 0),
        ([0, 0, 80], 80),
        ([0xff, 0xff, 0xff], -1),
        ([0x80, 0, 0], -(1 << 23)),
        ([0x7f, 0xff, 0xff], (1 << 23) - 1),
        ([0x09, 0x27, 0xc0], 600_000),
    ] {
        let [high, middle, low] = bytes;
        for (id, codec) in [(7, Codec::H264), (12, Codec::Hevc)] {
            let info = legacy(codec, FrameClass::Coded);
            let info = TagInfo { composition_offset: offset, ..info };
            check_video(&[0x20 | id, 1, high, middle, low, 9], Ok(info));
        }
        for (four_cc, codec) in
            [(b"avc1", Codec::H264), (b"hvc1", Codec::Hevc), (b"vvc1", Codec::Vvc)]
        {
            let info = enhanced(codec, FrameClass::Coded);
            let with_offset = TagInfo { composition_offset: offset, ..info };
            check_video(&[b"\xa1", &four_cc[..], &bytes, b"x"].concat(), Ok(with_offset));
            check_video(&[b"\xa3", &four_cc[..], &bytes].concat(), Ok(info));
        }
        // A sequence header and codecs without composition time have no offset to read.
        let body = [0x17, 0, high, middle, low, 1];
        check_video(&body, Ok(legacy(Codec::H264, FrameClass::SequenceHeader)));
        let body = [b"\xa1av01", &bytes[..]].concat();
        check_video(&body, Ok(enhanced(Codec::Av1, FrameClass::Coded)));
    }
}

#[test]
fn enhanced_video_packets() {
    use FrameClass::*;
    for (four_cc, codec) in [
        (b"vp08", Codec::Vp8),
        (b"vp09", Codec::Vp9),
        (b"av01", Codec::Av1),
        (b"avc1", Codec::H264),
        (b"hvc1", Codec::Hevc),
        (b"vvc1", Codec::Vvc),
        (b"zzzz", Codec::UnknownFourCc(*b"zzzz")),
    ] {
        for (frame_type, coded) in [(1, Keyframe), (2, Coded), (3, Coded), (4, Keyframe)] {
            let classes = [SequenceHeader, coded, Control, coded, Metadata, SequenceHeader];
            for (packet_type, class) in (0_u8..).zip(classes) {
                let first = 0x80 | frame_type << 4 | packet_type;
                let body = [&[first], &four_cc[..], b"\0\0\0x"].concat();
                check_video(&body, Ok(enhanced(codec, class)));
                check_video(&body[..4], Err(TagError::Truncated));
            }
            for packet_type in 8..16 {
                let first = 0x80 | frame_type << 4 | packet_type;
                let body = [&[first], &four_cc[..]].concat();
                check_video(&body, Ok(enhanced(codec, Control)));
            }
        }
    }
}

#[test]
fn enhanced_command_frames_have_no_codec() {
    let command = TagInfo { codec: None, ..enhanced(Codec::Av1, FrameClass::Control) };
    for packet_type in [0, 1, 2, 3, 5, 6, 8] {
        check_video(&[0x80 | 5 << 4 | packet_type, 0], Ok(command));
    }
    // The frame type of metadata is to be ignored; this is what real encoders send.
    let metadata = enhanced(Codec::Av1, FrameClass::Metadata);
    check_video(b"\xd4av01\x02\0\x09colorInfo", Ok(metadata));
}

#[test]
fn enhanced_audio_packets() {
    use FrameClass::*;
    for (four_cc, codec) in [
        (b"ac-3", Codec::Ac3),
        (b"ec-3", Codec::Eac3),
        (b"Opus", Codec::Opus),
        (b".mp3", Codec::Mp3),
        (b"fLaC", Codec::Flac),
        (b"mp4a", Codec::Aac),
        (b"zzzz", Codec::UnknownFourCc(*b"zzzz")),
    ] {
        let classes = [SequenceHeader, Coded, Control, Control, Metadata];
        for (packet_type, class) in (0_u8..).zip(classes) {
            let body = [&[0x90 | packet_type], &four_cc[..], b"x"].concat();
            check_audio(&body, Ok(enhanced(codec, class)));
            check_audio(&body[..4], Err(TagError::Truncated));
        }
    }
    check_audio(b"\x9aOpus", Ok(enhanced(Codec::Opus, Control)));
}

#[test]
fn row_080_an_empty_sequence_start() {
    check_video(b"\x90av01", Ok(enhanced(Codec::Av1, FrameClass::SequenceHeader)));
    check_audio(b"\x90ac-3", Ok(enhanced(Codec::Ac3, FrameClass::SequenceHeader)));
}

#[test]
fn mod_ex_items_are_read_through() {
    // Three bytes of nanoseconds, then CodedFrames of a key frame.
    let body = b"\x97\x02\x0f\x42\x3f\x01avc1\0\0\x50x";
    let info = enhanced(Codec::H264, FrameClass::Keyframe);
    check_video(body, Ok(TagInfo { composition_offset: 80, ..info }));
    assert_eq!(tracks(body, FrameKind::Video).timestamp_offset_nanos(), 999_999);
    // An item of an unknown type, one too short for nanoseconds, and a multitrack tag.
    let body = b"\x97\0\xff\x17\0\xff\x07\x02\0\0\x05\x05\x00Opus\x07\xff";
    check_audio(
        body,
        Ok(TagInfo { track: 7, ..enhanced(Codec::Opus, FrameClass::SequenceHeader) }),
    );
    assert_eq!(tracks(body, FrameKind::Audio).timestamp_offset_nanos(), 5);
    // 257 bytes of data need the long size.
    let body = [b"\x97\xff\x01\0", &[0; 257][..], b"\x11Opusx"].concat();
    check_audio(&body, Ok(enhanced(Codec::Opus, FrameClass::Coded)));
    check_audio(&body[..260], Err(TagError::Truncated));
    check_audio(&body[..261], Err(TagError::Truncated));
    // A command frame ends behind its ModEx items.
    let command = TagInfo { codec: None, ..enhanced(Codec::Av1, FrameClass::Control) };
    check_video(b"\xd7\0\0\x01\0", Ok(command));
}

#[test]
fn row_080_mod_ex_chains_have_an_end() {
    let chain =
        |items: usize| [b"\x97", &b"\0\0\x17".repeat(items - 1)[..], b"\0\0\x11Opusx"].concat();
    check_audio(&chain(8), Ok(enhanced(Codec::Opus, FrameClass::Coded)));
    check_audio(&chain(9), Err(TagError::ModExChain));
    check_audio(&chain(1_000), Err(TagError::ModExChain));
    check_video(&chain(1_000), Err(TagError::ModExChain));
    check_audio(&chain(8)[..20], Err(TagError::Truncated));
}

#[test]
fn tracks_of_each_layout() {
    let track = |id, codec, composition_offset, payload| Track {
        id,
        codec: Some(codec),
        class: FrameClass::Keyframe,
        composition_offset,
        payload,
    };
    #[track_caller]
    fn check(body: &[u8], expected: &[Track<'_>]) {
        assert_eq!(tracks(body, FrameKind::Video).collect::<Vec<_>>(), expected);
        let info = TagInfo {
            track: expected[0].id,
            tracks: u8::try_from(expected.len()).unwrap(),
            enhanced: true,
            composition_offset: expected[0].composition_offset,
            ..legacy(expected[0].codec.unwrap(), FrameClass::Keyframe)
        };
        check_video(body, Ok(info));
    }
    check(b"\x96\x01avc1\x05\xff\xff\xfeabc", &[track(5, Codec::H264, -2, b"abc")]);
    check(
        b"\x96\x11hvc1\x00\0\0\x05\0\0\x09ab\x03\0\0\x04\0\0\x01c",
        &[track(0, Codec::Hevc, 9, b"ab"), track(3, Codec::Hevc, 1, b"c")],
    );
    check(
        b"\x96\x21av01\x01\0\0\x02abavc1\x02\0\0\x04\0\0\x07c",
        &[track(1, Codec::Av1, 0, b"ab"), track(2, Codec::H264, 7, b"c")],
    );
}

#[test]
fn one_track_of_single_track_tags() {
    #[track_caller]
    fn check(body: &[u8], kind: FrameKind, class: FrameClass, payload: &[u8]) {
        let tracks: Vec<_> = tracks(body, kind).map(|track| (track.class, track.payload)).collect();
        assert_eq!(tracks, [(class, payload)]);
    }
    check(b"\xaf\0\x12\x10", FrameKind::Audio, FrameClass::SequenceHeader, b"\x12\x10");
    check(b"\x2fabc", FrameKind::Audio, FrameClass::Coded, b"abc");
    check(b"\x17\0\0\0\0abc", FrameKind::Video, FrameClass::SequenceHeader, b"abc");
    check(b"\x17\x01\0\0\0abc", FrameKind::Video, FrameClass::Keyframe, b"abc");
    check(b"\x57\0", FrameKind::Video, FrameClass::Control, b"\0");
    check(b"\xd1\0", FrameKind::Video, FrameClass::Control, b"\0");
    check(b"\x22abc", FrameKind::Video, FrameClass::Coded, b"abc");
    assert_eq!(tracks(b"\x02\0\x01a", FrameKind::Data).count(), 0);
    assert_eq!(tracks(b"", FrameKind::Video).count(), 0);
}

#[test]
fn row_080_tracks_have_an_end() {
    let many = |count: u8| {
        let tracks: Vec<u8> = (0..count).flat_map(|id| [id, 0, 0, 1, 9]).collect();
        [b"\x96\x10av01", &tracks[..]].concat()
    };
    let info = enhanced(Codec::Av1, FrameClass::SequenceHeader);
    check_video(&many(8), Ok(TagInfo { tracks: 8, ..info }));
    for count in [9, 255] {
        check_video(&many(count), Err(TagError::TooManyTracks));
        assert_eq!(tracks(&many(count), FrameKind::Video).count(), 0);
    }
    check_video(&many(0), Err(TagError::Truncated));
    check_video(b"\x96\x10av01\0\xff\xff\xffabc", Err(TagError::Truncated));
    check_video(b"\x96\x20av01\0\0\0\x01aav", Err(TagError::Truncated));
    check_video(b"\x96\x11avc1\0\0\0\x02ab", Err(TagError::Truncated));
    // A bad second track makes the tag unreadable, the first track of it too.
    let body = b"\x96\x11av01\0\0\0\x01a\x01\0\0\x09a";
    check_video(body, Err(TagError::Truncated));
    assert_eq!(tracks(body, FrameKind::Video).count(), 0);
}

#[test]
fn reserved_multitrack_headers_are_refused() {
    for types in [0x30, 0xf0, 0x06, 0x07] {
        check_video(&[b"\x96", &[types][..], b"av01\0"].concat(), Err(TagError::Reserved));
    }
    for types in [0x30, 0xf0, 0x05, 0x07] {
        check_audio(&[b"\x95", &[types][..], b"Opus\0"].concat(), Err(TagError::Reserved));
    }
}

#[test]
fn row_035_empty_bodies() {
    check_audio(b"", Err(TagError::Empty));
    check_video(b"", Err(TagError::Empty));
}

/// All bodies of one to three bytes: the error is typed, and only whole headers are read.
#[test]
fn row_068_all_short_bodies() {
    for body in 0..1_u32 << 24 {
        let [_, first, second, third] = body.to_be_bytes();
        let body = [first, second, third];
        // Shorter bodies once each: those whose last bytes are zero.
        let shortest = if third != 0 {
            3
        } else if second != 0 {
            2
        } else {
            1
        };
        for len in shortest..=3 {
            check_short(&body[..len]);
        }
    }
}

fn check_short(body: &[u8]) {
    let len = body.len();
    let expected_audio = match body[0] >> 4 {
        10 if len < 2 => Err(TagError::Truncated),
        10 if body[1] == 0 => Ok(FrameClass::SequenceHeader),
        10 if len < 3 => Ok(FrameClass::Control),
        // Nothing enhanced fits into three bytes, and one byte of a multitrack tag may be bad.
        9 => Err(match body {
            [0x95, types, ..] if *types >= 0x30 => TagError::Reserved,
            [0x95, types, ..] if matches!(types & 15, 5 | 7) => TagError::Reserved,
            _ => TagError::Truncated,
        }),
        _ if len < 2 => Ok(FrameClass::Control),
        _ => Ok(FrameClass::Coded),
    };
    assert_eq!(parse_audio(body).map(|info| info.class), expected_audio, "audio {body:?}");
    let expected_video = match body[0] {
        first @ 0x80.. => match (first >> 4 & 7, first & 15) {
            (5, packet_type) if !matches!(packet_type, 4 | 7) => Ok(FrameClass::Control),
            (_, 6) if len >= 2 && (body[1] >= 0x30 || matches!(body[1] & 15, 6 | 7)) => {
                Err(TagError::Reserved)
            }
            _ => Err(TagError::Truncated),
        },
        0x50..=0x5f => Ok(FrameClass::Control),
        first if matches!(first & 15, 7 | 12) => match body.get(1) {
            None | Some(0 | 1) => Err(TagError::Truncated),
            Some(_) => Ok(FrameClass::Control),
        },
        _ if len < 2 => Ok(FrameClass::Control),
        first if matches!(first >> 4, 1 | 4) => Ok(FrameClass::Keyframe),
        _ => Ok(FrameClass::Coded),
    };
    assert_eq!(parse_video(body).map(|info| info.class), expected_video, "video {body:?}");
}

#[test]
fn random_bodies_keep_the_invariants() {
    fn property(bytes: Vec<u8>, first: u8, second: u8) {
        crate::flv::fuzz::tag(&bytes);
        // Bias towards enhanced headers, which random bytes hardly ever complete.
        let packet_type = first & 15;
        let types = second & 0x13;
        for start in [0x80 | first, 0x90 | packet_type] {
            crate::flv::fuzz::tag(&[&[start], &bytes[..]].concat());
            crate::flv::fuzz::tag(&[&[start, types], &b"avc1"[..], &bytes].concat());
            crate::flv::fuzz::tag(&[&[start, 0], &bytes[..]].concat());
        }
    }
    quickcheck::QuickCheck::new().tests(2_000).quickcheck(property as fn(Vec<u8>, u8, u8));
}

#[test]
fn names_of_codecs() {
    for (codec, name) in [
        (Codec::Hevc, "HEVC"),
        (Codec::UnknownId(9), "unknown codec 9"),
        (Codec::UnknownFourCc(*b"zzzz"), "unknown codec 'zzzz'"),
        (Codec::UnknownFourCc(*b"a\n\x1b'"), "unknown codec 'a\\n\\x1b\\''"),
    ] {
        assert_eq!(alloc::format!("{codec}"), name);
    }
    assert_eq!(vec![Codec::from_four_cc(*b"Opus")], [Codec::Opus]);
}
