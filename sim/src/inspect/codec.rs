//! Elementary streams of MPEG-TS: what is in them.

use millstream_core::flv::codec::audio::Mp3Header;
use millstream_core::flv::codec::nal::nal_units;
use millstream_core::flv::codec::{h264, h265};

/// The kind of a `stream_type`, and its name.
pub(super) fn name(stream_type: u8, registration: Option<[u8; 4]>) -> (&'static str, String) {
    let (kind, name) = match (stream_type, registration.as_ref().map(|it| it.as_slice())) {
        (0x01, _) => ("video", "MPEG-1 video"),
        (0x02, _) => ("video", "MPEG-2 video"),
        (0x03, _) => ("audio", "MPEG-1 audio"),
        (0x04, _) => ("audio", "MPEG-2 audio"),
        (0x06, Some(b"Opus")) => ("audio", "Opus"),
        (0x06, Some(b"HEVC")) => ("video", "HEVC"),
        (0x06, Some(b"AC-3")) | (0x81, _) => ("audio", "AC-3"),
        (0x06, Some(b"EAC3")) | (0x87, _) => ("audio", "E-AC-3"),
        (0x0f, _) => ("audio", "AAC"),
        (0x11, _) => ("audio", "AAC in LATM"),
        (0x1b, _) => ("video", "H.264"),
        (0x24, _) => ("video", "HEVC"),
        (0x33, _) => ("video", "VVC"),
        (0x15, _) => ("data", "timed metadata"),
        _ => ("data", "unknown"),
    };
    (kind, format!("{name} (type 0x{stream_type:02x})"))
}

/// What the payload of a PES packet shows.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The codec in words, if a header is in it.
    pub(super) description: Option<String>,
    /// Frames of audio; 1 for all else.
    pub(super) frames: u64,
    /// It has a picture that decodes by itself, and what it needs for that.
    pub(super) is_keyframe: Option<bool>,
    pub(super) headers: u64,
    /// The types of its NAL units.
    pub(super) units: Vec<u8>,
    /// What is wrong with it.
    pub(super) fault: Option<&'static str>,
}

pub(super) fn look(stream_type: u8, payload: &[u8]) -> Shown {
    match stream_type {
        0x0f => adts(payload),
        0x1b => pictures(payload, h264_unit),
        0x24 => pictures(payload, h265_unit),
        0x03 | 0x04 => Shown {
            description: Mp3Header::parse(payload).ok().map(|header| header.to_string()),
            frames: 1,
            ..Shown::default()
        },
        _ => Shown { frames: 1, ..Shown::default() },
    }
}

/// What one NAL unit is.
enum Unit {
    Delimiter,
    Key,
    Picture,
    SequenceSet(Option<String>),
    Other,
}

fn h264_unit(unit: &[u8]) -> (u8, Unit) {
    let unit_type = unit.first().map_or(0, |first| first & 0x1f);
    let meaning = match unit_type {
        1 => Unit::Picture,
        5 => Unit::Key,
        7 => Unit::SequenceSet(h264::Sps::parse(unit).ok().map(|sps| sps.to_string())),
        9 => Unit::Delimiter,
        _ => Unit::Other,
    };
    (unit_type, meaning)
}

fn h265_unit(unit: &[u8]) -> (u8, Unit) {
    let unit_type = unit.first().map_or(0, |first| first >> 1 & 0x3f);
    let meaning = match unit_type {
        0..=9 => Unit::Picture,
        16..=21 => Unit::Key,
        33 => {
            let sps = h265::Sps::parse(unit).ok();
            Unit::SequenceSet(sps.map(|sps| format!("HEVC {}x{}", sps.width, sps.height)))
        }
        35 => Unit::Delimiter,
        _ => Unit::Other,
    };
    (unit_type, meaning)
}

fn pictures(payload: &[u8], unit_of: fn(&[u8]) -> (u8, Unit)) -> Shown {
    let mut shown = Shown { frames: 1, is_keyframe: Some(false), ..Shown::default() };
    // Prefixes of four bytes that are no lengths: what is asked for is start codes.
    let Ok(units) = nal_units(payload, 4) else {
        shown.fault = Some("a picture without start codes");
        return shown;
    };
    let mut delimiters = 0;
    for unit in units {
        let (unit_type, meaning) = unit_of(unit);
        shown.units.push(unit_type);
        match meaning {
            Unit::Delimiter => delimiters += 1,
            Unit::Key => shown.is_keyframe = Some(true),
            Unit::SequenceSet(description) => {
                shown.headers += 1;
                shown.description = description;
            }
            Unit::Picture | Unit::Other => {}
        }
    }
    if delimiters != 1 {
        shown.fault = Some("not one access unit delimiter in each access unit");
    } else if shown.is_keyframe == Some(true) && shown.headers == 0 {
        shown.fault = Some("a keyframe without parameter sets");
    }
    shown
}

fn adts(payload: &[u8]) -> Shown {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    let mut shown = Shown::default();
    let mut rest = payload;
    while !rest.is_empty() {
        let Some(&[0xff, second, third, fourth, fifth, sixth, _]) = rest.first_chunk() else {
            shown.fault = Some("AAC without an ADTS header where one should be");
            return shown;
        };
        let len = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        let Some(after) = rest.get(len..).filter(|_| second & 0xf6 == 0xf0 && len > 7) else {
            shown.fault = Some("an ADTS frame longer than its PES packet");
            return shown;
        };
        if shown.description.is_none() {
            let profile = ["Main", "LC", "SSR", "LTP"][usize::from(third >> 6)];
            let rate = RATES.get(usize::from(third >> 2 & 0x0f)).copied().unwrap_or_default();
            let channels = (third & 1) << 2 | fourth >> 6;
            shown.description = Some(format!("AAC {profile} {rate} Hz {channels} channels"));
        }
        shown.frames += 1;
        rest = after;
    }
    shown
}
