//! Bodies of the fuzz targets: each takes any bytes, and panics when an invariant is broken.

use super::codec::{aac, audio, av1, describe, h264, h265, nal};
use super::file::{FlvError, FlvHeader, FlvReader, FlvTag, FlvWriter};
use super::{classify, tag};
use crate::frame::FrameKind;
use alloc::vec::Vec;

/// Reads the bytes as a tag body of each kind.
pub fn tag(body: &[u8]) {
    for (kind, info) in
        [(FrameKind::Audio, tag::parse_audio(body)), (FrameKind::Video, tag::parse_video(body))]
    {
        let tracks: Vec<_> = tag::tracks(body, kind).collect();
        assert_eq!(tracks.len(), info.map_or(0, |info| usize::from(info.tracks)));
        assert_eq!(classify(kind, body), info.map(|info| info.class));
        if let (Ok(info), Some(first)) = (info, tracks.first()) {
            assert_eq!((info.codec, info.track), (first.codec, first.id));
            assert_eq!(info.composition_offset, first.composition_offset);
            assert!((-0x80_0000..0x80_0000).contains(&info.composition_offset));
            assert!(tracks.iter().any(|track| track.class == info.class));
        }
        let payload_len: usize = tracks.iter().map(|track| track.payload.len()).sum();
        assert!(payload_len <= body.len());
        let _ = describe(body, kind);
    }
    assert_eq!(classify(FrameKind::Data, body).is_err(), body.is_empty());
}

/// Reads the bytes as each kind of codec header.
pub fn codec_headers(record: &[u8]) {
    if let Ok(config) = h264::AvcConfig::parse(record) {
        assert!(config.sps().count() > 0 && config.pps().count() > 0);
        config.sps().for_each(|sps| assert!(sps.len() < record.len()));
    }
    if let Ok(sps) = h264::Sps::parse(record) {
        assert_dimensions(sps.width, sps.height);
    }
    if let Ok(config) = h265::HevcConfig::parse(record) {
        assert!(config.arrays().any(|(_, mut units)| units.any(|unit| unit == config.sps())));
    }
    if let Ok(sps) = h265::Sps::parse(record) {
        assert_dimensions(sps.width, sps.height);
    }
    if let Ok(config) = aac::AudioSpecificConfig::parse(record) {
        assert!(config.channels > 0 && config.sample_rate > 0);
        let _ = config.adts_header(record.len());
    }
    for length_size in 0..=u8::MAX {
        if let Ok(units) = nal::nal_units(record, length_size) {
            assert!(units.map(<[u8]>::len).sum::<usize>() <= record.len());
        }
    }
    let _ = av1::Av1Config::parse(record);
    let _ = audio::FlacStreamInfo::parse(record);
    let _ = audio::Mp3Header::parse(record);
    let _ = audio::OpusHead::parse(record);
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
