use super::*;
use crate::flv::codec::bits::BitWriter;
use pretty_assertions::assert_eq;

const HEVC_HEADER: &[u8] = b"\x01\x01\x60\x00\x00\x00\x90\x00\x00\x00\x00\x00\x3c\xf0\x00\xfc\xfd\
    \xf8\xf8\x00\x00\x0f\x03";
const HEVC_VPS: &[u8] = b"\x20\x00\x01\x00\x18\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\
    \x00\x00\x03\x00\x00\x03\x00\x3c\x95\x90\x09";
const HEVC_SPS: &[u8] = b"\x21\x00\x01\x00\x2b\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\
    \x00\x00\x03\x00\x3c\xa0\x0a\x08\x0c\x1f\x3e\x59\x59\x12\x93\x0b\xc0\x5a\x02\x00\x00\x03\
    \x00\x02\x00\x00\x03\x00\x32\x10";
const HEVC_PPS: &[u8] = b"\x22\x00\x01\x00\x06\x44\x01\xc0\x73\xc1\x89";

#[track_caller]
fn check(kind: FrameKind, body: &[u8], expected: Option<&str>) {
    assert_eq!(describe(body, kind).as_deref(), expected, "{}", body.escape_ascii());
}

#[test]
fn audio_tags() {
    let check = |body: &[u8], expected| check(FrameKind::Audio, body, Some(expected));
    check(b"\xaf\0\x12\x10\x56\xe5\0", "AAC LC 44.1 kHz 2 channels");
    check(b"\x2f\xff\xfb\x50\x64", "MP3 44.1 kHz 2 channels");
    check(b"\x2f\xff\xfd\x50\xc4", "MP2 44.1 kHz 1 channel");
    check(b"\xe2\xff\xe3\x18\xc4", "MP3 8 kHz 1 channel");
    check(b"\x1ax", "ADPCM 22.05 kHz 1 channel");
    check(b"\x3fx", "PCM little endian 44.1 kHz 2 channels");
    check(b"\x02x", "PCM platform endian 5.512 kHz 1 channel");
    check(b"\x4ex", "Nellymoser 16 kHz 1 channel");
    check(b"\x52x", "Nellymoser 8 kHz 1 channel");
    check(b"\x6ax", "Nellymoser 22.05 kHz 1 channel");
    check(b"\x72x", "G.711 A-law 8 kHz 1 channel");
    check(b"\x83x", "G.711 mu-law 8 kHz 2 channels");
    check(b"\xb6x", "Speex 16 kHz 1 channel");
    check(b"\x90Opus", "Opus");
    check(b"\x90OpusOpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0", "Opus 48 kHz 1 channel");
    check(
        b"\x90fLaCfLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x40\xf0",
        "FLAC 44.1 kHz 1 channel",
    );
    check(b"\x90ac-3", "AC-3");
    check(b"\x91.mp3\xff\xfb\x54\x64", "MP3 48 kHz 2 channels");
    check(b"\x95\x00mp4a\x01\x11\x88", "AAC LC 48 kHz 1 channel");
}

#[test]
fn video_tags() {
    let check = |body: &[u8], expected| check(FrameKind::Video, body, Some(expected));
    check(b"\x12abc", "Sorenson H.263");
    check(b"\x24abc", "VP6");
    check(b"\x90av01\x81\0\x0c\0\x0a\x0b\0", "AV1 Main 2.0 8 bit");
    check(b"\x90av01\x81\x24\x80\0", "AV1 High 3.0 high tier 8 bit");
    check(b"\x90av01\x81\x4d\x60\0", "AV1 Professional 5.1 12 bit");
    check(b"\x90av01\x81\x1f\x40\0", "AV1 Main without level 10 bit");
    check(b"\x90vp09\x01\0\0\0", "VP9");
    let hevc = [HEVC_HEADER, HEVC_VPS, HEVC_SPS, HEVC_PPS].concat();
    check(&[b"\x90hvc1", &hevc[..]].concat(), "HEVC Main 2.0 320x180");
    check(&[b"\x1c\0\0\0\0", &hevc[..]].concat(), "HEVC Main 2.0 320x180");
}

#[test]
fn all_tracks_are_described() {
    let body = b"\x95\x10mp4a\0\0\0\x02\x12\x10\x01\0\0\x02\x11\x88";
    let expected = "AAC LC 44.1 kHz 2 channels, AAC LC 48 kHz 1 channel";
    check(FrameKind::Audio, body, Some(expected));
}

#[test]
fn tags_that_describe_nothing() {
    check(FrameKind::Video, b"", None);
    check(FrameKind::Video, b"\x17\x01\0\0\0abc", None);
    check(FrameKind::Video, b"\x17\x02\0\0\0", None);
    check(FrameKind::Video, b"\x57\0", None);
    check(FrameKind::Video, b"\x91av01abc", None);
    check(FrameKind::Video, b"\xd4av01abc", None);
    check(FrameKind::Audio, b"\xaf\x01abc", None);
    check(FrameKind::Data, b"\x02\0\x0aonMetaData", None);
}

#[test]
fn row_069_a_refused_header_has_a_reason() {
    let check = |body: &[u8], expected| check(FrameKind::Video, body, Some(expected));
    check(b"\x17\0\0\0\0", "H.264");
    check(b"\x17\0\0\0\0\x02\x42\xc0\x0c\xff\xe0\0", "H.264 unknown (version 2)");
    check(b"\x17\0\0\0\0\x01\x42\xc0\x0c\xff\xe0\0", "H.264 unknown (no parameter sets)");
    check(b"\x17\0\0\0\0\x01\x42\xc0\x0c\xfe\xe0\0", "H.264 unknown (bad NAL unit length size)");
    check(b"\x17\0\0\0\0\x01\x42", "H.264 unknown (cut short)");
    check(
        b"\x17\0\0\0\0\x01\x42\xc0\x0c\xff\xe1\0\x01\x68\x01\0\x01\x68",
        "H.264 unknown (not a header of this codec)",
    );
}

#[test]
fn row_073_unknown_codecs_are_named() {
    check(FrameKind::Audio, b"\xc0x", Some("unknown codec 12"));
    check(FrameKind::Video, b"\x1fx", Some("unknown codec 15"));
    check(FrameKind::Video, b"\x90zzzzx", Some("unknown codec 'zzzz'"));
    check(FrameKind::Video, b"\x90\x00\x1b\n'x", Some("unknown codec '\\x00\\x1b\\n\\''"));
}

#[test]
fn row_080_hevc_arrays() {
    #[track_caller]
    fn check(arrays: &[&[u8]], expected: Result<usize, HeaderError>) {
        let record = [&[HEVC_HEADER], arrays].concat().concat();
        let units = h265::HevcConfig::parse(&record)
            .map(|config| config.arrays().map(|(_, units)| units.count()).sum::<usize>());
        assert_eq!(units, expected);
    }
    check(&[HEVC_VPS, HEVC_SPS, HEVC_PPS], Ok(3));
    check(&[HEVC_VPS, HEVC_SPS], Err(HeaderError::Truncated));
    check(&[HEVC_VPS, HEVC_PPS, HEVC_PPS], Err(HeaderError::MissingParameterSet));
    check(&[b"\x21\xff\xff", &HEVC_SPS[3..]], Err(HeaderError::Truncated));
    check(&[b"\x21\x00\x01\xff\xff"], Err(HeaderError::Truncated));
    // As many units as can be told, all of them empty: no memory is spent on them.
    let empty = [b"\x22\xff\xff".to_vec(), [0; 2 * 65_535].to_vec()].concat();
    check(&[&empty, &empty, HEVC_SPS], Ok(2 * 65_535 + 1));
    let record = |version, length_size| {
        let mut record = [HEVC_HEADER, HEVC_VPS, HEVC_SPS, HEVC_PPS].concat();
        (record[0], record[21]) = (version, length_size);
        h265::HevcConfig::parse(&record).map(|config| config.nal_length_size)
    };
    assert_eq!(record(1, 0x0f), Ok(4));
    assert_eq!(record(0, 0x0c), Ok(1));
    assert_eq!(record(1, 0x0e), Err(HeaderError::NalLengthSize));
    assert_eq!(record(2, 0x0f), Err(HeaderError::Version(2)));
}

#[test]
fn row_070_hevc_sizes() {
    let sps = |sub_layers: u32, chroma_format: u32, size: [u32; 2], window: Option<[u32; 4]>| {
        let mut writer = BitWriter::default();
        writer.bits(33 << 9 | 1, 16).bits(0, 4).bits(sub_layers, 3).bits(1, 1);
        for _ in 0..3 {
            writer.bits(0x0101_0101, 32);
        }
        if sub_layers > 0 {
            // Each layer has a profile and a level.
            for layer in 0..8 {
                writer.bits(if layer < sub_layers { 3 } else { 0 }, 2);
            }
            for _ in 0..sub_layers * 3 {
                writer.bits(0, 32);
            }
        }
        writer.golomb(0).golomb(chroma_format);
        if chroma_format == 3 {
            writer.bits(0, 1);
        }
        writer.golomb(size[0]).golomb(size[1]).bits(window.is_some().into(), 1);
        for offset in window.into_iter().flatten() {
            writer.golomb(offset);
        }
        let unit = writer.nal_unit();
        h265::Sps::parse(&unit).map(|sps| (sps.width, sps.height))
    };
    assert_eq!(sps(0, 1, [1_920, 1_088], Some([0, 0, 0, 4])), Ok((1_920, 1_080)));
    assert_eq!(sps(6, 3, [1_920, 1_080], Some([1, 2, 3, 4])), Ok((1_917, 1_073)));
    assert_eq!(sps(2, 2, [1_920, 1_080], Some([1, 0, 1, 0])), Ok((1_918, 1_079)));
    assert_eq!(sps(1, 0, [16_384, 16_384], None), Ok((16_384, 16_384)));
    assert_eq!(sps(0, 1, [16_385, 16], None), Err(HeaderError::Dimensions));
    assert_eq!(sps(0, 1, [u32::MAX - 1, 16], None), Err(HeaderError::Dimensions));
    assert_eq!(sps(0, 1, [0, 16], None), Err(HeaderError::Dimensions));
    assert_eq!(sps(0, 1, [16, 16], Some([4, 4, 0, 0])), Err(HeaderError::Dimensions));
    assert_eq!(sps(7, 1, [16, 16], None), Err(HeaderError::OutOfRange));
    assert_eq!(sps(0, 4, [16, 16], None), Err(HeaderError::OutOfRange));
    assert_eq!(h265::Sps::parse(&HEVC_VPS[5..]), Err(HeaderError::Unexpected));
    let real = &HEVC_SPS[5..];
    assert_eq!(h265::Sps::parse(real), Ok(h265::Sps { width: 320, height: 180 }));
    // The window behind the size ends in its 24th byte.
    assert_eq!(h265::Sps::parse(&real[..24]), h265::Sps::parse(real));
    for len in 0..24 {
        assert_eq!(h265::Sps::parse(&real[..len]), Err(HeaderError::Truncated), "{len}");
    }
}

#[test]
fn av1_records() {
    #[track_caller]
    fn check(record: &[u8], expected: Result<u8, HeaderError>) {
        assert_eq!(av1::Av1Config::parse(record).map(|config| config.bit_depth), expected);
    }
    check(b"\x81\0\x0c\0", Ok(8));
    check(b"\x81\0\x4c\0", Ok(10));
    check(b"\x81\0\x0c", Err(HeaderError::Truncated));
    check(b"\x01\0\x0c\0", Err(HeaderError::Unexpected));
    check(b"\x82\0\x0c\0", Err(HeaderError::Version(2)));
    check(b"\x81\x60\x0c\0", Err(HeaderError::OutOfRange));
}

#[test]
fn decimals() {
    for (thousandths, expected) in
        [(0, "0"), (1, "0.001"), (50, "0.05"), (600, "0.6"), (44_100, "44.1"), (29_970, "29.97")]
    {
        assert_eq!(alloc::format!("{}", Thousandths(thousandths)), expected);
    }
}
