use super::*;
use crate::flv::codec::bits::BitWriter;
use alloc::string::ToString;
use alloc::vec::Vec;
use pretty_assertions::assert_eq;

#[track_caller]
fn check(record: &[u8], expected: Result<&str, HeaderError>) {
    let config = AudioSpecificConfig::parse(record).map(|config| config.to_string());
    assert_eq!(config.as_deref(), expected.as_ref().map(|text| *text));
}

#[test]
fn configurations() {
    check(b"\x12\x10", Ok("AAC LC 44.1 kHz 2 channels"));
    check(b"\x12\x10\x56\xe5\0", Ok("AAC LC 44.1 kHz 2 channels"));
    check(b"\x11\x90\x56\xe5\0", Ok("AAC LC 48 kHz 2 channels"));
    check(b"\x13\x88\x56\xe5\0", Ok("AAC LC 22.05 kHz 1 channel"));
    check(b"\x0a\x10", Ok("AAC Main 44.1 kHz 2 channels"));
    check(b"\x12\x30", Ok("AAC LC 44.1 kHz 6 channels"));
    check(b"\x12\x38", Ok("AAC LC 44.1 kHz 8 channels"));
    // HE-AAC: behind an LC configuration, and by its object type; then version 2 in both ways.
    check(b"\x13\x10\x56\xe5\x98", Ok("AAC HE 48 kHz 2 channels"));
    check(b"\x2b\x11\x88\0", Ok("AAC HE 48 kHz 2 channels"));
    check(b"\x13\x08\x56\xe5\x9d\x48\x80", Ok("AAC HE v2 48 kHz 2 channels"));
    check(b"\x13\x08\x56\xe5\x9d\x48", Ok("AAC HE 48 kHz 1 channel"));
    check(b"\xeb\x09\x88\0", Ok("AAC HE v2 48 kHz 2 channels"));
}

#[test]
fn row_072_short_configurations() {
    check(b"", Err(HeaderError::Truncated));
    check(b"\x12", Err(HeaderError::Truncated));
    check(b"\x2b\x11", Err(HeaderError::Truncated));
    check(b"\x17\x80\0", Err(HeaderError::Truncated));
}

#[test]
fn row_072_sample_rates() {
    let rates =
        ["96", "88.2", "64", "48", "44.1", "32", "24", "22.05", "16", "12", "11.025", "8", "7.35"];
    let record = |index: u32| BitWriter::default().bits(2, 5).bits(index, 4).bits(2, 4).bytes();
    for (index, rate) in (0..).zip(rates) {
        check(&record(index), Ok(&alloc::format!("AAC LC {rate} kHz 2 channels")));
    }
    check(&record(13), Err(HeaderError::OutOfRange));
    check(&record(14), Err(HeaderError::OutOfRange));
    let explicit =
        |rate| BitWriter::default().bits(2, 5).bits(15, 4).bits(rate, 24).bits(2, 4).bytes();
    check(&explicit(37_800), Ok("AAC LC 37.8 kHz 2 channels"));
    check(&explicit(0xff_ffff), Ok("AAC LC 16777.215 kHz 2 channels"));
    check(&explicit(0), Err(HeaderError::OutOfRange));
}

#[test]
fn row_072_channel_configurations() {
    let record =
        |channels: u32| BitWriter::default().bits(2, 5).bits(3, 4).bits(channels, 4).bytes();
    let channels = [1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];
    for (configuration, channels) in (1..).zip(channels) {
        let config = AudioSpecificConfig::parse(&record(configuration));
        let expected = if channels == 0 { Err(HeaderError::OutOfRange) } else { Ok(channels) };
        assert_eq!(config.map(|config| config.channels), expected, "{configuration}");
    }
    // Configuration 0 needs a program configuration, which is not there.
    check(&record(0), Err(HeaderError::Truncated));
    let program = |elements: [u32; 4]| {
        let mut writer = BitWriter::default();
        writer.bits(2, 5).bits(3, 4).bits(0, 4).bits(0, 3).bits(0, 10);
        let [front, side, back, low_frequency] = elements;
        writer.bits(front, 4).bits(side, 4).bits(back, 4).bits(low_frequency, 2);
        // One data and one coupling element, and a mono mixdown.
        writer.bits(1, 3).bits(1, 4).bits(1, 1).bits(5, 4).bits(0, 2);
        // The first front element is a single channel, all others are pairs.
        for element in 0..front + side + back {
            writer.bits(u32::from(element > 0), 1).bits(element & 15, 4);
        }
        for _ in 0..low_frequency + 1 {
            writer.bits(0, 4);
        }

        writer.bits(0, 5);
        writer.bytes()
    };
    let mut record = program([2, 0, 1, 1]);
    check(&record, Err(HeaderError::Truncated));
    record.extend(b"\x02hi");
    check(&record, Ok("AAC LC 48 kHz 6 channels"));
    let mut record = program([0, 0, 0, 0]);
    record.push(0);
    check(&record, Err(HeaderError::OutOfRange));
}

#[test]
fn row_072_object_types() {
    let record = |object_type: u32| {
        let mut writer = BitWriter::default();
        match object_type.checked_sub(32) {
            Some(extended) => writer.bits(31, 5).bits(extended, 6),
            None => writer.bits(object_type, 5),
        };
        writer.bits(3, 4).bits(2, 4).bits(0, 32).bytes()
    };
    check(&record(42), Ok("xHE-AAC 48 kHz 2 channels"));
    check(&record(39), Ok("AAC ELD 48 kHz 2 channels"));
    check(&record(95), Ok("AAC object type 95 48 kHz 2 channels"));
    check(&record(0), Ok("AAC object type 0 48 kHz 2 channels"));
    check(b"\xff", Err(HeaderError::Truncated));
}

#[test]
fn row_072_frames_in_adts() {
    let config = AudioSpecificConfig::parse(b"\x12\x10").unwrap();
    assert_eq!(config.adts_header(369 - 7), Some([0xff, 0xf1, 0x50, 0x80, 0x2e, 0x3f, 0xfc]));
    assert_eq!(config.adts_header(0), Some([0xff, 0xf1, 0x50, 0x80, 0, 0xff, 0xfc]));
    assert_eq!(config.adts_header(8_184), Some([0xff, 0xf1, 0x50, 0x83, 0xff, 0xff, 0xfc]));
    for len in [8_185, 9_000, usize::MAX] {
        assert_eq!(config.adts_header(len), None);
    }
    // ADTS knows four object types, rates with an index, and seven channel configurations.
    let header = |config: AudioSpecificConfig| config.adts_header(1).map(|_| ());
    assert_eq!(header(AudioSpecificConfig { object_type: 4, ..config }), Some(()));
    assert_eq!(header(AudioSpecificConfig { object_type: 5, ..config }), None);
    assert_eq!(header(AudioSpecificConfig { object_type: 0, ..config }), None);
    assert_eq!(header(AudioSpecificConfig { sampling_index: None, ..config }), None);
    assert_eq!(header(AudioSpecificConfig { channel_configuration: 0, ..config }), None);
    assert_eq!(header(AudioSpecificConfig { channel_configuration: 8, ..config }), None);
}

#[test]
fn random_configurations_keep_the_invariants() {
    fn property(bytes: Vec<u8>) {
        crate::flv::fuzz::codec_headers(&bytes);
    }
    quickcheck::QuickCheck::new().tests(2_000).quickcheck(property as fn(Vec<u8>));
}
