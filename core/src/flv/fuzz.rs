//! Bodies of the fuzz targets: each takes any bytes, and panics when an invariant is broken.

use super::codec::{aac, audio, av1, describe, h264, h265, nal};
use super::file::{FlvError, FlvHeader, FlvReader, FlvTag, FlvWriter};
use super::{classify, tag};
use crate::frame::FrameKind;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Reads the bytes as a tag body of each kind.
pub fn tag(body: &[u8]) {
    for (kind, info) in
        [(FrameKind::Audio, tag::parse_audio(body)), (FrameKind::Video, tag::parse_video(body))]
    {
        let tracks: Vec<_> = tag::tracks(body, kind).collect();
        assert_eq!(tracks.len(), info.map_or(0, |info| usize::from(info.tracks)));
        assert!(tracks.len() <= 8, "a tag has a few tracks");
        assert_eq!(classify(kind, body), info.map(|info| info.class));
        if let (Ok(info), Some(first)) = (info, tracks.first()) {
            assert_eq!((info.codec, info.track), (first.codec, first.id));
            assert_eq!(info.composition_offset, first.composition_offset);
            assert!((-0x80_0000..0x80_0000).contains(&info.composition_offset));
            assert!(tracks.iter().any(|track| track.class == info.class));
        }
        let payload_len: usize = tracks.iter().map(|track| track.payload.len()).sum();
        assert!(payload_len <= body.len());
        if let Some(text) = describe(body, kind) {
            assert_text(&text);
        }
    }
    assert_eq!(classify(FrameKind::Data, body).is_err(), body.is_empty());
}

/// Reads the bytes as each kind of codec header.
pub fn codec_headers(record: &[u8]) {
    if let Ok(config) = h264::AvcConfig::parse(record) {
        assert!(config.sps().count() > 0 && config.pps().count() > 0);
        let units = config.sps().chain(config.pps());
        assert!(units.map(|unit| unit.len().saturating_add(2)).sum::<usize>() < record.len());
        assert!(matches!(config.nal_length_size, 1 | 2 | 4));
    }
    if let Ok(sps) = h264::Sps::parse(record) {
        assert_dimensions(sps.width, sps.height);
        assert!(sps.frame_rate.is_none_or(|rate| rate.denominator > 0));
        assert_text(&sps.to_string());
    }
    if let Ok(config) = h265::HevcConfig::parse(record) {
        assert!(config.arrays().any(|(_, mut units)| units.any(|unit| unit == config.sps())));
        assert!(matches!(config.nal_length_size, 1 | 2 | 4));
        assert_text(&config.to_string());
    }
    if let Ok(sps) = h265::Sps::parse(record) {
        assert_dimensions(sps.width, sps.height);
    }
    if let Ok(config) = aac::AudioSpecificConfig::parse(record) {
        assert!(config.channels > 0 && config.sample_rate > 0);
        assert_text(&config.to_string());
        assert_adts(&config, record.len());
    }
    for length_size in 0..=u8::MAX {
        assert_units(record, length_size);
    }
    let others = [
        av1::Av1Config::parse(record).map(|config| config.to_string()),
        audio::FlacStreamInfo::parse(record).map(|info| info.to_string()),
        audio::Mp3Header::parse(record).map(|header| header.to_string()),
        audio::OpusHead::parse(record).map(|head| head.to_string()),
    ];
    others.iter().flatten().for_each(|text| assert_text(text));
}

/// Asserts that a description is fit for a log.
fn assert_text(text: &str) {
    assert!(!text.is_empty() && text.is_ascii() && !text.contains(char::is_control), "{text:?}");
}

/// Asserts that the length in an ADTS header is that of the frame with its header.
fn assert_adts(config: &aac::AudioSpecificConfig, frame_len: usize) {
    let Some([0xff, 0xf1, _, high, middle, low, 0xfc]) = config.adts_header(frame_len) else {
        assert_eq!(config.adts_header(frame_len), None);
        return;
    };
    let len = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    assert_eq!(frame_len.checked_add(aac::ADTS_HEADER_LEN), Some(len));
}

/// Asserts that units are parts of the frame, and are found again behind lengths of 4 bytes.
fn assert_units(frame: &[u8], length_size: u8) {
    let Ok(units) = nal::nal_units(frame, length_size) else { return };
    let mut joined = Vec::new();
    for unit in units.clone() {
        assert!(!unit.is_empty());
        let ends_clean = !unit.ends_with(&[0]) && !unit.windows(3).any(|part| part == [0, 0, 1]);
        assert!(ends_clean || !units.is_annex_b(), "a start code is no part of a unit");
        joined.extend_from_slice(&u32::try_from(unit.len()).unwrap_or(u32::MAX).to_be_bytes());
        joined.extend_from_slice(unit);
    }
    let prefixes = units.clone().count().saturating_mul(4);
    assert!(joined.len().saturating_sub(prefixes) <= frame.len());
    let again = nal::nal_units(&joined, 4);
    assert!(again.is_ok_and(|again| again.eq(units)), "units depend on their framing");
}

fn assert_dimensions(width: u32, height: u32) {
    let sane = 1..=super::codec::DIMENSION_MAX;
    assert!(sane.contains(&width) && sane.contains(&height));
}

/// Reads the bytes as a file, whole and in pieces of a size that the first byte tells, and writes
/// what it had again.
pub fn file(bytes: &[u8]) {
    let Some((size, file)) = bytes.split_first() else { return };
    let (whole, end) = read(file, file.len().max(1));
    assert_eq!(read(file, usize::from(*size).max(1)), (whole.clone(), end));
    let Ok(mut writer) = FlvWriter::new(Vec::new(), FlvHeader::AUDIO_VIDEO) else { return };
    for tag in &whole {
        assert_eq!(writer.write(tag.kind, tag.timestamp, &tag.payload), Ok(()));
    }
    let written = writer.into_inner();
    assert_eq!(read(&written, written.len()), (whole, None));
}

fn read(file: &[u8], size: usize) -> (Vec<FlvTag>, Option<FlvError>) {
    let mut reader = FlvReader::new(1 << 16);
    let mut tags = Vec::new();
    for mut piece in file.chunks(size) {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => return (tags, Some(error)),
            }
        }
        assert!(piece.is_empty());
    }
    (tags, None)
}
