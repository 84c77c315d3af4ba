use super::*;
use crate::flv::codec::bits::BitWriter;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use pretty_assertions::assert_eq;

/// Records of real encoders, and what they say.
const RECORDS: [(&[u8], &str); 5] = [
    (
        b"\x01\x42\xc0\x0c\xff\xe1\x00\x17\x67\x42\xc0\x0c\xda\x05\x06\x7e\x7c\x04\x40\x00\x00\
          \x03\x00\x40\x00\x00\x0c\x83\xc5\x0a\xa8\x01\x00\x04\x68\xce\x3c\x80",
        "H.264 Constrained Baseline 1.2 320x180 25 fps",
    ),
    (
        b"\x01\x64\x00\x1e\xff\xe1\x00\x1a\x67\x64\x00\x1e\xac\xd9\x40\xa0\x2f\xf9\x70\x11\x00\
          \x00\x03\x00\x01\x00\x00\x03\x00\x32\x0f\x16\x2d\x96\x01\x00\x05\x68\xea\xec\xb2\x2c\
          \xfd\xf8\xf8\x00",
        "H.264 High 3.0 640x360 25 fps",
    ),
    (
        b"\x01\x4d\x40\x15\xff\xe1\x00\x19\x67\x4d\x40\x15\xec\xa0\xa0\xcf\xcf\x80\x88\x00\x00\
          \x03\x00\x08\x00\x00\x03\x03\xc0\x78\xb1\x6c\xb0\x01\x00\x04\x68\xef\xbc\x80",
        "H.264 Main 2.1 320x180 60 fps",
    ),
    (
        b"\x01\x64\x00\x0b\xff\xe1\x00\x19\x67\x64\x00\x0b\xac\xd9\x42\x8d\xf9\x30\x11\x00\x00\
          \x03\x00\x01\x00\x00\x03\x00\x32\x0f\x14\x29\x96\x01\x00\x04\x68\xef\xbc\xb0\xfd\xf8\
          \xf8\x00",
        "H.264 High 1.1 160x90 25 fps",
    ),
    (
        b"\x01\x42\xc0\x1e\xff\xe1\x00\x16\x67\x42\xc0\x1e\x92\x44\x05\x01\x7f\xcb\x08\x00\x00\
          \x1f\x48\x00\x07\x53\x00\x78\xb1\x75\x01\x00\x04\x68\xce\x3c\x80",
        "H.264 Constrained Baseline 3.0 640x360 29.97 fps",
    ),
];

#[test]
fn real_records() {
    for (record, expected) in RECORDS {
        let config = AvcConfig::parse(record).unwrap();
        assert_eq!(config.nal_length_size, 4);
        assert_eq!((config.sps().count(), config.pps().count()), (1, 1));
        assert_eq!(config.pps().next().map(|pps| pps[0]), Some(0x68));
        let sps = Sps::parse(config.sps().next().unwrap()).unwrap();
        assert_eq!((config.profile, config.level), (sps.profile, sps.level));
        assert_eq!(config.compatibility, sps.constraints);
        assert_eq!(sps.to_string(), expected);
    }
}

#[test]
fn row_069_records() {
    #[track_caller]
    fn check(record: &[u8], expected: Result<(usize, usize), HeaderError>) {
        let counts =
            AvcConfig::parse(record).map(|config| (config.sps().count(), config.pps().count()));
        assert_eq!(counts, expected);
    }
    check(b"\x01\x42\xc0\x0c\xff\xe2\0\x01\x67\0\x01\x67\x02\0\x01\x68\0\x01\x68", Ok((2, 2)));
    check(b"\0\x42\xc0\x0c\xff\xe1\0\x01\x67\x01\0\x01\x68", Err(HeaderError::Version(0)));
    check(b"\x02\x42\xc0\x0c\xff\xe1\0\x01\x67\x01\0\x01\x68", Err(HeaderError::Version(2)));
    check(b"\x01\x42\xc0\x0c\xfe\xe1\0\x01\x67\x01\0\x01\x68", Err(HeaderError::NalLengthSize));
    check(b"\x01\x42\xc0\x0c\xff\xff", Err(HeaderError::Truncated));
    check(b"\x01\x42\xc0\x0c\xff\xe1\xff\xff\x67\x01\0\x01\x68", Err(HeaderError::Truncated));
    check(b"\x01\x42\xc0\x0c\xff\xe0\x01\0\x01\x68", Err(HeaderError::MissingParameterSet));
    check(b"\x01\x42\xc0\x0c\xff\xe1\0\x01\x67\0", Err(HeaderError::MissingParameterSet));
    check(b"\x01\x42\xc0\x0c\xff\xe0\0", Err(HeaderError::MissingParameterSet));
    check(b"\x01\x42\xc0\x0c\xff\xe1\0\x01\x67", Err(HeaderError::Truncated));
    check(b"", Err(HeaderError::Truncated));
    // The longest set that its length can tell.
    let mut record = b"\x01\x42\xc0\x0c\xff\xe1\xff\xff".to_vec();
    record.extend(vec![0x67; 65_535]);
    check(&record, Err(HeaderError::Truncated));
    record.extend(b"\x01\0\x01\x68");
    check(&record, Ok((1, 1)));
    let sps = AvcConfig::parse(&record).unwrap().sps().next().unwrap().len();
    assert_eq!(sps, 65_535);
}

#[test]
fn row_069_every_length_of_a_record() {
    for (record, _) in RECORDS {
        // Behind the parameter sets stand extensions that may be absent.
        let last_pps = record.windows(2).rposition(|window| window == [0, 4] || window == [0, 5]);
        let end = last_pps.unwrap() + 2 + usize::from(record[last_pps.unwrap() + 1]);
        for len in 0..record.len() {
            assert_eq!(AvcConfig::parse(&record[..len]).is_ok(), len >= end, "{len} of {end}");
        }
    }
}

/// The values of a set that tests vary.
struct Fields {
    profile: u8,
    chroma_format: u32,
    scaling_deltas: Option<i32>,
    order_count_type: u32,
    width_mbs: u32,
    height_map_units: u32,
    frame_mbs_only: bool,
    crop: Option<[u32; 4]>,
    timing: Option<(u32, u32)>,
}

const FULL_HD: Fields = Fields {
    profile: 100,
    chroma_format: 1,
    scaling_deltas: None,
    order_count_type: 0,
    width_mbs: 120,
    height_map_units: 68,
    frame_mbs_only: true,
    crop: Some([0, 0, 0, 4]),
    timing: Some((1, 50)),
};

fn sps(fields: &Fields) -> Vec<u8> {
    let mut writer = BitWriter::default();
    writer.bits(0x67, 8).bits(fields.profile.into(), 8).bits(0, 8).bits(40, 8).golomb(0);
    if has_chroma_format(fields.profile) {
        writer.golomb(fields.chroma_format);
        if fields.chroma_format == 3 {
            writer.bits(0, 1);
        }
        writer.golomb(0).golomb(0).bits(0, 1);
        writer.bits(fields.scaling_deltas.is_some().into(), 1);
        if let Some(delta) = fields.scaling_deltas {
            for list in 0..if fields.chroma_format == 3 { 12 } else { 8 } {
                writer.bits(1, 1);
                // A list ends early where its next value would be 0.
                let size = if list < 6 { 16 } else { 64 };
                let ends = |count: &i32| (8 + count * delta).rem_euclid(256) == 0;
                let deltas = (1..size).find(ends).unwrap_or(size);
                for _ in 0..deltas {
                    writer.signed_golomb(delta);
                }
            }
        }
    }
    writer.golomb(0).golomb(fields.order_count_type);
    match fields.order_count_type {
        0 => {
            writer.golomb(4);
        }
        1 => {
            writer.bits(0, 1).signed_golomb(-3).signed_golomb(4);
            writer.golomb(2).signed_golomb(1).signed_golomb(-1);
        }
        _ => {}
    }
    writer.golomb(4).bits(0, 1);
    writer.golomb(fields.width_mbs - 1).golomb(fields.height_map_units - 1);
    writer.bits(fields.frame_mbs_only.into(), 1);
    if !fields.frame_mbs_only {
        writer.bits(1, 1);
    }
    writer.bits(1, 1).bits(fields.crop.is_some().into(), 1);
    for crop in fields.crop.into_iter().flatten() {
        writer.golomb(crop);
    }
    writer.bits(fields.timing.is_some().into(), 1);
    if let Some((ticks, time_scale)) = fields.timing {
        // An aspect ratio of its own, overscan, colours and chroma location come before it.
        writer.bits(1, 1).bits(255, 8).bits(0x0001_0001, 32).bits(0b11, 2);
        writer.bits(1, 1).bits(0b1010, 4).bits(1, 1).bits(0x01_0101, 24);
        writer.bits(1, 1).golomb(0).golomb(0);
        writer.bits(1, 1).bits(ticks, 32).bits(time_scale, 32).bits(1, 1);
    }
    writer.nal_unit()
}

#[test]
fn sizes_and_rates() {
    #[track_caller]
    fn check(fields: &Fields, expected: &str) {
        let sps = Sps::parse(&sps(fields)).map(|sps| sps.to_string());
        assert_eq!(sps.as_deref(), Ok(expected));
    }
    check(&FULL_HD, "H.264 High 4.0 1920x1080 25 fps");
    check(&Fields { timing: None, ..FULL_HD }, "H.264 High 4.0 1920x1080");
    check(
        &Fields { timing: Some((1_001, 60_000)), ..FULL_HD },
        "H.264 High 4.0 1920x1080 29.97 fps",
    );
    check(
        &Fields { timing: Some((1_001, 48_000)), ..FULL_HD },
        "H.264 High 4.0 1920x1080 23.976 fps",
    );
    check(&Fields { timing: Some((0, 50)), ..FULL_HD }, "H.264 High 4.0 1920x1080");
    check(&Fields { timing: Some((1 << 31, 50)), ..FULL_HD }, "H.264 High 4.0 1920x1080");
    check(&Fields { crop: None, ..FULL_HD }, "H.264 High 4.0 1920x1088 25 fps");
    let interlaced = Fields { frame_mbs_only: false, height_map_units: 34, ..FULL_HD };
    check(&Fields { crop: Some([0, 0, 0, 2]), ..interlaced }, "H.264 High 4.0 1920x1080 25 fps");
    let monochrome = Fields { chroma_format: 0, crop: Some([1, 2, 3, 5]), ..FULL_HD };
    check(&monochrome, "H.264 High 4.0 1917x1080 25 fps");
    let crop = Some([0, 1, 0, 8]);
    check(
        &Fields { profile: 122, chroma_format: 2, crop, ..FULL_HD },
        "H.264 High 4:2:2 4.0 1918x1080 25 fps",
    );
    check(
        &Fields { profile: 244, chroma_format: 3, crop, scaling_deltas: Some(1), ..FULL_HD },
        "H.264 High 4:4:4 Predictive 4.0 1919x1080 25 fps",
    );
    check(&Fields { order_count_type: 1, ..FULL_HD }, "H.264 High 4.0 1920x1080 25 fps");
    check(
        &Fields { order_count_type: 2, profile: 77, ..FULL_HD },
        "H.264 Main 4.0 1920x1080 25 fps",
    );
}

#[test]
fn row_070_scaling_lists() {
    for chroma_format in [1, 3] {
        for delta in [-128, -8, -1, 0, 1, 127] {
            let fields =
                Fields { profile: 244, chroma_format, scaling_deltas: Some(delta), ..FULL_HD };
            let sps = Sps::parse(&sps(&fields)).map(|sps| (sps.width, sps.frame_rate.is_some()));
            assert_eq!(sps, Ok((1_920, true)), "{chroma_format} {delta}");
        }
    }
}

#[test]
fn row_070_dimensions() {
    #[track_caller]
    fn check(fields: Fields, expected: Result<(u32, u32), HeaderError>) {
        assert_eq!(Sps::parse(&sps(&fields)).map(|sps| (sps.width, sps.height)), expected);
    }
    let plain = Fields { crop: None, ..FULL_HD };
    check(Fields { width_mbs: 1_024, ..plain }, Ok((16_384, 1_088)));
    check(Fields { width_mbs: 1_025, ..plain }, Err(HeaderError::Dimensions));
    check(Fields { height_map_units: 1_024, ..plain }, Ok((1_920, 16_384)));
    check(Fields { height_map_units: 1_025, ..plain }, Err(HeaderError::Dimensions));
    check(Fields { width_mbs: 1 << 27, ..plain }, Err(HeaderError::Dimensions));
    check(
        Fields { width_mbs: u32::MAX, height_map_units: u32::MAX, ..plain },
        Err(HeaderError::Dimensions),
    );
    check(Fields { crop: Some([480, 480, 0, 0]), ..FULL_HD }, Err(HeaderError::Dimensions));
    check(Fields { crop: Some([480, 479, 0, 0]), ..FULL_HD }, Ok((2, 1_088)));
    check(
        Fields { crop: Some([0, 0, u32::MAX - 1, u32::MAX - 1]), ..FULL_HD },
        Err(HeaderError::Dimensions),
    );
}

#[test]
fn row_070_cut_at_each_bit() {
    for record in RECORDS.map(|(record, _)| AvcConfig::parse(record).unwrap()) {
        let unit = record.sps().next().unwrap();
        let whole = Sps::parse(unit).unwrap();
        let mut has_size = false;
        for bits in 0..unit.len() * 8 {
            let mut cut = unit[..bits.div_ceil(8)].to_vec();
            if bits % 8 == 0 {
                let size = Sps::parse(&cut).map(|sps| (sps.width, sps.height));
                // Once the size is whole it stays, with a rate or without.
                has_size |= size.is_ok();
                let expected = (whole.width, whole.height);
                let truncated = Err(HeaderError::Truncated);
                assert_eq!(size, if has_size { Ok(expected) } else { truncated }, "{bits}");
            } else if let Some(byte) = cut.last_mut() {
                // A reader of bytes sees the bits that are cut off as zeros.
                *byte &= !(0xff >> (bits % 8));
                crate::flv::fuzz::codec_headers(&cut);
            }
        }
        assert_eq!(Sps::parse(unit), Ok(whole));
    }
}

#[test]
fn row_070_emulation_bytes_at_the_end() {
    let unit = sps(&Fields { timing: None, ..FULL_HD });
    for end in [&[0, 0, 3][..], &[0, 0, 3, 0, 0, 3], &[0, 0, 0], &[0, 0]] {
        let sps = Sps::parse(&[&unit, end].concat()).unwrap();
        assert_eq!((sps.width, sps.height), (1_920, 1_080));
        assert!(Sps::parse(&[&unit[..6], end].concat()).is_err());
    }
}

#[test]
fn sets_that_are_none() {
    assert_eq!(Sps::parse(b""), Err(HeaderError::Truncated));
    assert_eq!(Sps::parse(b"\x68\xce\x3c\x80"), Err(HeaderError::Unexpected));
    let names = [(66, 0, "Baseline 4.0"), (66, 0x40, "Constrained Baseline 4.0")];
    for (profile, constraints, name) in names {
        let unit = sps(&Fields { profile, ..FULL_HD });
        let sps = Sps { constraints, ..Sps::parse(&unit).unwrap() };
        assert_eq!(sps.to_string(), alloc::format!("H.264 {name} 1920x1080 25 fps"));
    }
    let level = |profile, constraints, level| {
        let frame_rate = None;
        let sps = Sps { profile, constraints, level, width: 1, height: 1, frame_rate };
        sps.to_string()
    };
    assert_eq!(level(77, 0x10, 11), "H.264 Main 1b 1x1");
    assert_eq!(level(77, 0, 11), "H.264 Main 1.1 1x1");
    assert_eq!(level(100, 0, 9), "H.264 High 1b 1x1");
    assert_eq!(level(3, 0, 52), "H.264 profile 3 5.2 1x1");
}

#[test]
fn changed_headers_keep_the_invariants() {
    fn property(which: usize, changes: Vec<(usize, u8)>) {
        let (record, _) = RECORDS[which % RECORDS.len()];
        let mut record = record.to_vec();
        let len = record.len();
        changes.iter().for_each(|(at, byte)| record[at % len] = *byte);
        crate::flv::fuzz::codec_headers(&record);
        crate::flv::fuzz::codec_headers(&record[8..]);
    }
    quickcheck::QuickCheck::new().tests(1_000).quickcheck(property as fn(usize, Vec<(usize, u8)>));
}
