use super::*;
use bytes::BytesMut;
use pretty_assertions::assert_eq;

const LIMIT: u32 = 1 << 20;

/// Reads a file in pieces of the sizes given, over and over.
fn read(file: &[u8], sizes: &[usize]) -> (Vec<FlvTag>, Result<FlvReader, FlvError>) {
    let mut reader = FlvReader::new(LIMIT);
    let mut tags = Vec::new();
    let mut rest = file;
    for size in sizes.iter().cycle() {
        let (mut piece, after) = rest.split_at(rest.len().min(*size.max(&1)));
        rest = after;
        loop {
            match reader.read(&mut piece) {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.read(&mut &file[..]), Err(error), "an error is for ever");
                    return (tags, Err(error));
                }
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    (tags, Ok(reader))
}

fn tag(kind: FrameKind, timestamp: u32, payload: &[u8]) -> FlvTag {
    FlvTag { kind, timestamp: Timestamp(timestamp), payload: Bytes::copy_from_slice(payload) }
}

fn write(tags: &[FlvTag]) -> Vec<u8> {
    let mut writer = FlvWriter::new(Vec::new(), FlvHeader::AUDIO_VIDEO).unwrap();
    for tag in tags {
        writer.write(tag.kind, tag.timestamp, &tag.payload).unwrap();
    }
    writer.into_inner()
}

#[test]
fn bytes_of_a_file() {
    let file = write(&[tag(FrameKind::Video, 0x0102_0304, b"\x17\x02")]);
    let expected =
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x09\0\0\x02\x02\x03\x04\x01\0\0\0\x17\x02\0\0\0\x0d";
    assert_eq!(file, expected);
    for (has_audio, has_video, flags) in [(true, false, 4), (false, true, 1), (false, false, 0)] {
        assert_eq!(FlvHeader { has_audio, has_video }.to_bytes()[4], flags);
    }
}

#[test]
fn a_file_read_is_the_file_written() {
    fn property(tags: Vec<(u8, u32, Vec<u8>)>, sizes: Vec<u8>) -> bool {
        let kinds = [FrameKind::Audio, FrameKind::Data, FrameKind::Video];
        let tags: Vec<FlvTag> = tags
            .iter()
            .map(|(kind, timestamp, payload)| {
                tag(kinds[usize::from(kind % 3)], *timestamp, &payload.repeat(5))
            })
            .collect();
        let mut sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
        sizes.push(1);
        let (read, reader) = read(&write(&tags), &sizes);
        let reader = reader.unwrap();
        read == tags && reader.is_between_tags() && reader.header() == Some(FlvHeader::AUDIO_VIDEO)
    }
    quickcheck::quickcheck(property as fn(Vec<(u8, u32, Vec<u8>)>, Vec<u8>) -> bool);
}

#[test]
fn random_bytes_keep_the_invariants() {
    fn property(bytes: Vec<u8>, size: u8) {
        crate::flv::fuzz::file(&bytes);
        crate::flv::fuzz::file(&[&[size], &FlvHeader::AUDIO_VIDEO.to_bytes()[..], &bytes].concat());
        let mut writer = FlvWriter::new(Vec::new(), FlvHeader::AUDIO_VIDEO).unwrap();
        writer.write(FrameKind::Audio, Timestamp(7), &bytes).unwrap();
        crate::flv::fuzz::file(&[&[size], &writer.into_inner()[..], &bytes].concat());
    }
    quickcheck::quickcheck(property as fn(Vec<u8>, u8));
}

#[test]
fn wrong_back_pointers_are_tolerated() {
    let tags = [tag(FrameKind::Audio, 1, b"a"), tag(FrameKind::Video, 2, b"b")];
    let mut file = write(&tags);
    file[9..13].fill(0xff);
    file[25..29].fill(0xee);
    assert_eq!(read(&file, &[file.len()]).0, tags);
    // The last one may be absent.
    let (read_tags, reader) = read(&file[..file.len() - 4], &[7]);
    assert_eq!(read_tags, tags);
    assert!(reader.unwrap().is_between_tags());
}

#[test]
fn a_file_cut_short_is_not_between_tags() {
    let file = write(&[tag(FrameKind::Audio, 1, b"abc")]);
    for len in 0..file.len() {
        let is_between = (9..=9).contains(&len) || len == 13 || len == file.len() - 4;
        let reader = read(&file[..len], &[5]).1.unwrap();
        assert_eq!(reader.is_between_tags(), is_between, "{len}");
    }
}

#[test]
fn tags_of_no_use_are_skipped() {
    let wanted = tag(FrameKind::Audio, 1, b"abc");
    let file = write(&[wanted.clone(), wanted.clone(), wanted.clone()]);
    // Type 10 is unknown, 0x28 is encrypted audio; reserved bits mean nothing.
    for (tag_type, count) in [(10, 2), (0x28, 2), (0xc8, 3)] {
        let mut file = file.clone();
        file[31] = tag_type;
        for size in [1, 2, 16, 64] {
            assert_eq!(
                read(&file, &[size]).0,
                core::iter::repeat_n(&wanted, count).cloned().collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn headers() {
    #[track_caller]
    fn check(header: &[u8], expected: Result<Option<(bool, bool)>, FlvError>) {
        for size in [1, 5, 64] {
            let (_, reader) = read(header, &[size]);
            let flags = reader
                .map(|reader| reader.header().map(|header| (header.has_audio, header.has_video)));
            assert_eq!(flags, expected);
        }
    }
    check(b"FLV\x01\x05\0\0\0\x09", Ok(Some((true, true))));
    check(b"FLV\x01\x01\0\0\0\x09\0\0\0\0", Ok(Some((false, true))));
    check(b"FLV\x01\x04\0\0\0\x09", Ok(Some((true, false))));
    check(b"FLV\x01\x05\0\0\0", Ok(None));
    check(b"", Ok(None));
    check(b"FLX\x01\x05\0\0\0\x09", Err(FlvError::NotFlv));
    check(b"FLV\x01\x05\0\0\0\x08", Err(FlvError::HeaderSize { size: 8 }));
    check(b"FLV\x01\x05\0\0\0\0", Err(FlvError::HeaderSize { size: 0 }));
}

#[test]
fn a_longer_header_is_skipped() {
    let tags = [tag(FrameKind::Data, 1, b"a")];
    let file = write(&tags);
    let mut long = file[..9].to_vec();
    long[8] = 12;
    long.extend([1, 2, 3]);
    long.extend(&file[9..]);
    for size in [1, 4, 64] {
        assert_eq!(read(&long, &[size]).0, tags);
    }
    // A size that nobody sends costs nothing but the wait for it.
    let mut reader = FlvReader::new(LIMIT);
    let header = b"FLV\x01\x05\xff\xff\xff\xff".repeat(100);
    assert_eq!(reader.read(&mut &header[..]), Ok(None));
    assert_eq!(reader.partial.capacity(), 0);
}

#[test]
fn the_limit_of_a_tag() {
    let len = 100;
    let file = write(&[tag(FrameKind::Audio, 1, &[7; 100])]);
    assert!(FlvReader::new(len).read(&mut &file[..]).unwrap().is_some());
    let mut reader = FlvReader::new(len - 1);
    assert_eq!(reader.read(&mut &file[..]), Err(FlvError::TagTooLong { len }));
    assert_eq!(reader.read(&mut &file[..]), Err(FlvError::TagTooLong { len }));
}

#[test]
fn memory_is_for_bytes_that_arrived() {
    let mut file = FlvHeader::AUDIO_VIDEO.to_bytes().to_vec();
    file.extend(b"\x08\x0f\xff\xff\0\0\0\0\0\0\0");
    let mut reader = FlvReader::new(LIMIT);
    assert_eq!(reader.read(&mut &file[..]), Ok(None));
    for arrived in 1..2_000_usize {
        assert_eq!(reader.read(&mut &[7_u8][..]), Ok(None));
        assert!(reader.partial.capacity() <= arrived * 2, "{arrived}");
    }
}

#[test]
fn a_full_buffer_is_told() {
    let mut small = [0_u8; 40];
    assert_eq!(
        FlvWriter::new(&mut small[..12], FlvHeader::AUDIO_VIDEO).map(|_| ()),
        Err(FlvWriteError::NoRoom)
    );
    let mut writer = FlvWriter::new(&mut small[..13 + 17], FlvHeader::AUDIO_VIDEO).unwrap();
    let write = |writer: &mut FlvWriter<&mut [u8]>, payload: &[u8]| {
        writer.write(FrameKind::Audio, Timestamp(0), payload)
    };
    assert_eq!(write(&mut writer, b"abc"), Err(FlvWriteError::NoRoom));
    assert_eq!(write(&mut writer, b"ab"), Ok(()));
    assert_eq!(writer.out_mut().len(), 0);
}

#[test]
fn the_longest_tag() {
    assert!(tag_header(FrameKind::Video, Timestamp(0), 0xff_ffff).is_some());
    assert_eq!(tag_header(FrameKind::Video, Timestamp(0), 0x100_0000), None);
    let mut writer = FlvWriter::new(BytesMut::new(), FlvHeader::AUDIO_VIDEO).unwrap();
    let payload = Vec::from_iter(core::iter::repeat_n(0, 0x100_0000));
    let result = writer.write(FrameKind::Video, Timestamp(0), &payload);
    assert_eq!(result, Err(FlvWriteError::TagTooLong));
    assert_eq!(writer.out_mut().len(), 13);
}
