use super::mux::CLOCK_LEAD_TICKS;
use super::reader::Pes;
use super::stream::TsStream;
use super::testing::*;
use super::*;
use crate::flv::codec::HeaderError;
use crate::frame::{Frame, FrameKind};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use pretty_assertions::assert_eq;
use std::{format, vec};

/// Time bases that lie before what wraps: nothing, 24 bits, 31 bits and 32 bits of milliseconds,
/// and 33 bits of ticks (once with the offset of the zero, once for the PCR).
const BASES: [u32; 7] = [
    0,
    (1 << 24) - 300,
    (1 << 31) - 300,
    u32::MAX - 299,
    95_443_717 - 10_000 - 300,
    95_443_717 - 10_000 + 700 - 300,
    3_600_000,
];

fn streamed(frames: &[Frame]) -> BytesMut {
    let (mut stream, mut out) = (TsStream::new(), BytesMut::new());
    for frame in frames {
        assert_eq!(stream.push(frame, &mut out).skip, None, "{frame:?}");
    }
    stream.flush(&mut out);
    assert_eq!(out.len() % PACKET_LEN, 0);
    out
}

/// Ticks modulo 2^33 of a time in milliseconds.
fn ticks(at_ms: i64) -> u64 {
    (ZERO_TICKS + at_ms * TICKS_PER_MS).rem_euclid(1 << 33) as u64
}

/// Signed distance of two times of 33 bits.
fn distance(from: u64, to: u64) -> i64 {
    let distance = to.wrapping_sub(from) & ((1 << 33) - 1);
    if distance >= 1 << 32 { distance as i64 - (1 << 33) } else { distance as i64 }
}

/// What has to hold of every stream.
fn assert_sound(found: &Found, context: &str) {
    assert_eq!(found.faults, [], "{context}");
    for pair in found.clocks.windows(2) {
        let step = distance(pair[0].ticks / 300, pair[1].ticks / 300);
        assert!(step > 0 && step < 100 * TICKS_PER_MS, "{context}: clock steps by {step}");
    }
    let map = found.maps.last().unwrap();
    assert!(found.clocks.iter().all(|clock| clock.pid == map.pcr_pid), "{context}");
    for pid in [VIDEO_PID, AUDIO_PID] {
        let packets: Vec<_> = found.on(pid).collect();
        for pes in &packets {
            let (pts, dts) = (pes.pts.unwrap(), pes.dts.unwrap());
            assert!(distance(dts, pts) >= 0, "{context}: presented before it is decoded");
            assert!(distance(clock_at(found, pes), dts) > 0, "{context}: late");
        }
        for pair in packets.windows(2) {
            let step = distance(pair[0].dts.unwrap(), pair[1].dts.unwrap());
            assert!(step > 0, "{context}: DTS steps by {step}");
        }
    }
}

/// The clock when a PES packet comes, in ticks.
fn clock_at(found: &Found, pes: &Pes) -> u64 {
    let clock = found.clocks.iter().rfind(|clock| clock.offset <= pes.offset);
    clock.unwrap_or(&found.clocks[0]).ticks / 300
}

/// The access unit that these NAL units become.
fn annex_b(units: &[&[u8]], is_keyframe: bool) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 1, 0x09, 0xf0];
    if is_keyframe {
        for set in [&SPS[..], &PPS] {
            bytes.extend([0, 0, 0, 1]);
            bytes.extend(set);
        }
    }
    for unit in units {
        bytes.extend([0, 0, 1]);
        bytes.extend_from_slice(unit);
    }
    bytes
}

/// Bytes that no start code is in.
fn noise(first: u8, len: usize) -> Vec<u8> {
    (0..len).map(|index| if index == 0 { first } else { (index % 251) as u8 | 4 }).collect()
}

#[test]
fn what_was_muxed_is_read_again_at_every_time_base() {
    /// Each tuple is a frame: its kind, its step in time, its composition time, its size.
    fn property(base: u8, specs: Vec<(u8, u8, i8, u16)>) {
        let base = BASES[usize::from(base) % BASES.len()];
        let mut frames = vec![avc_header(base), aac_header(base)];
        let (mut pictures, mut sounds) = (vec![], vec![]);
        let (mut at, mut lead, mut last_dts) = (0_i64, 0_i64, None::<i64>);
        for (index, (choice, step, composition, size)) in specs.iter().enumerate() {
            at += i64::from(step % 40);
            let time = base.wrapping_add(at as u32);
            let size = usize::from(size % 1_500) + 1;
            if choice % 3 == 0 {
                let raw = noise(0x21, size);
                frames.push(aac(time, &raw));
                sounds.push(Bytes::from(raw));
                continue;
            }
            let is_keyframe = pictures.is_empty() || choice % 5 == 1;
            let composition = i64::from(*composition);
            let slice = noise(if is_keyframe { 0x65 } else { 0x41 }, size);
            let sei = noise(0x06, index % 9 + 1);
            let units: &[&[u8]] = if choice % 2 == 0 { &[&slice] } else { &[&sei, &slice] };
            frames.push(avc(time, composition as i32, is_keyframe, units));
            lead = lead.max(-composition);
            let absolute = (i64::from(base) + at) * TICKS_PER_MS;
            let mut dts = absolute - lead * TICKS_PER_MS;
            dts = dts.max(last_dts.map_or(i64::MIN, |last| last + 1));
            last_dts = Some(dts);
            let pts = dts.max(absolute + composition * TICKS_PER_MS);
            let time_of = |value: i64| (value + ZERO_TICKS).rem_euclid(1 << 33) as u64;
            let bytes = annex_b(units, is_keyframe);
            pictures.push((time_of(pts), time_of(dts), is_keyframe, bytes));
        }
        let stream = streamed(&frames);
        if pictures.is_empty() && sounds.is_empty() {
            assert!(stream.is_empty());
            return;
        }
        let found = Found::of(&stream);
        assert_sound(&found, &format!("base {base}"));
        let read: Vec<_> = found
            .on(VIDEO_PID)
            .map(|pes| {
                let bytes = pes.payload.to_vec();
                (pes.pts.unwrap(), pes.dts.unwrap(), pes.is_random_access, bytes)
            })
            .collect();
        assert_eq!(read, pictures);
        assert_eq!(found.aac_frames(), sounds);
    }
    quickcheck::quickcheck(property as fn(u8, Vec<(u8, u8, i8, u16)>));
}

#[test]
fn every_size_fills_its_packets() {
    let mut frames = vec![avc_header(0), aac_header(0)];
    let (mut pictures, mut sounds) = (vec![], vec![]);
    for len in 1..=600_usize {
        let at = len as u32 * 40;
        let slice = noise(if len == 1 { 0x65 } else { 0x41 }, len);
        frames.push(avc(at, 0, len == 1, &[&slice]));
        pictures.push(annex_b(&[&slice], len == 1));
        // More than 100 ms apart, so each frame has a PES packet of its own.
        let raw = noise(0x21, len);
        if len % 4 == 0 {
            frames.push(aac(at, &raw));
            sounds.push(Bytes::from(raw));
        }
    }
    let found = Found::of(&streamed(&frames));
    assert_sound(&found, "sizes");
    assert_eq!(found.on(VIDEO_PID).map(|pes| pes.payload.to_vec()).collect::<Vec<_>>(), pictures);
    assert_eq!(found.aac_frames(), sounds);
    assert_eq!(found.on(AUDIO_PID).count(), sounds.len());
}

#[test]
fn long_pictures_have_no_length() {
    let slice = noise(0x65, 300_000);
    let found = Found::of(&streamed(&[avc_header(0), avc(0, 80, true, &[&slice])]));
    assert_sound(&found, "long");
    let pes = found.on(VIDEO_PID).next().unwrap();
    assert_eq!(pes.payload, annex_b(&[&slice], true));
    assert_eq!((pes.pts, pes.dts), (Some(ticks(80)), Some(ticks(0))));
}

#[test]
fn a_stream_has_the_tracks_that_it_has() {
    #[track_caller]
    fn check(frames: &[Frame], expected: &[(u16, u8)], pcr_pid: u16) {
        let found = Found::of(&streamed(frames));
        assert_sound(&found, "tracks");
        let map = found.maps.last().unwrap();
        let streams: Vec<_> = map.streams.iter().map(|it| (it.pid, it.stream_type)).collect();
        assert_eq!((streams.as_slice(), map.pcr_pid), (expected, pcr_pid));
    }
    let sound: Vec<_> = (0..50).map(|index| aac(index * 23, &[0x21, 0x10])).collect();
    let picture: Vec<_> = (0..50)
        .map(|index| if index % 25 == 0 { key(index * 40) } else { inter(index * 40) })
        .collect();
    let both: Vec<_> =
        picture.iter().zip(&sound).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let (video, audio) = ((VIDEO_PID, 0x1b), (AUDIO_PID, 0x0f));
    check(&[&[aac_header(0)], &sound[..]].concat(), &[audio], AUDIO_PID);
    check(&[&[avc_header(0)], &picture[..]].concat(), &[video], VIDEO_PID);
    check(&[&[avc_header(0), aac_header(0)], &both[..]].concat(), &[video, audio], VIDEO_PID);
}

#[test]
fn parameter_sets_and_delimiters_are_told_once() {
    #[track_caller]
    fn check(units: &[&[u8]], is_keyframe: bool, expected: &[&[u8]]) {
        let frames = [avc_header(0), key(0), avc(40, 0, is_keyframe, units)];
        let found = Found::of(&streamed(&frames));
        let payload = found.on(VIDEO_PID).nth(1).unwrap().payload.to_vec();
        let mut whole = Vec::new();
        for unit in expected {
            let is_long = matches!(unit[0] & 0x1f, 7..=9);
            whole.extend(if is_long { &[0, 0, 0, 1][..] } else { &[0, 0, 1] });
            whole.extend_from_slice(unit);
        }
        assert_eq!(payload, whole);
    }
    let (aud, slice, idr, sei) = (&[9, 0xf0][..], &[0x41, 7][..], &[0x65, 7][..], &[6, 7][..]);
    let (own_sps, own_pps) = (&[0x67, 9, 9][..], &[0x68, 9][..]);
    check(&[slice], false, &[aud, slice]);
    check(&[&[9, 0x10], slice], false, &[aud, slice]);
    check(&[sei, idr], true, &[aud, &SPS, &PPS, sei, idr]);
    check(&[&[9, 0x10], own_sps, own_pps, idr], true, &[aud, own_sps, own_pps, idr]);
    check(&[own_pps, slice], false, &[aud, own_pps, slice]);
    // A recovery point that is marked as a keyframe, with an open GOP.
    check(&[sei, slice], true, &[aud, &SPS, &PPS, sei, slice]);
}

#[test]
fn slow_streams_have_clocks_all_the_same() {
    let frames: Vec<_> = (0..12).map(|index| key(index * 1_000)).collect();
    let found = Found::of(&streamed(&[&[avc_header(0)], &frames[..]].concat()));
    assert_sound(&found, "one picture a second");
    assert!(found.clocks.len() > 11 * 10, "{}", found.clocks.len());
}

#[test]
fn audio_that_is_behind_or_ahead_keeps_its_times() {
    for skew in [-1_500_i64, -600, 0, 400, 1_500] {
        let mut frames = vec![avc_header(5_000), aac_header(5_000)];
        for index in 0..200_u32 {
            let at = 5_000 + index * 40;
            frames.push(if index % 50 == 0 { key(at) } else { inter(at) });
            frames.push(aac((i64::from(at) + skew) as u32, &[0x21, index as u8]));
        }
        let found = Found::of(&streamed(&frames));
        if skew > -CLOCK_LEAD_TICKS / TICKS_PER_MS {
            assert_sound(&found, &format!("skew {skew}"));
        }
        // The clock cannot know at first how far audio is behind; then it waits for it.
        for pes in found.packets.iter().filter(|pes| pes.pts.unwrap() > ticks(7_000)) {
            assert!(distance(clock_at(&found, pes), pes.dts.unwrap()) > 0, "skew {skew}");
        }
        assert_eq!(found.on(AUDIO_PID).next().unwrap().pts, Some(ticks(5_000 + skew)));
    }
}

#[test]
fn row_071_frames_that_lie_about_their_units_are_left_out() {
    let mut stream = TsStream::new();
    let mut out = BytesMut::new();
    for header in [avc_header(0), key(0)] {
        assert_eq!(stream.push(&header, &mut out).skip, None);
    }
    let before = out.len();
    for lengths in [[0xff; 4], [0, 0, 0, 9], [0, 1, 0, 0]] {
        let body = [&[0x27, 1, 0, 0, 0][..], &lengths, &[0x41, 1]].concat();
        let skip = stream.push(&frame(FrameKind::Video, 40, &body), &mut out).skip;
        assert_eq!(skip, Some(Skip::BadFrame(Codec::H264, HeaderError::Truncated)));
    }
    assert_eq!(out.len(), before, "nothing of them was written");
    let body = [&[0x27, 1, 0, 0, 0][..], &[0, 0, 0, 1, 0x41, 5, 6]].concat();
    let skip = stream.push(&frame(FrameKind::Video, 80, &body), &mut out).skip;
    assert_eq!(skip, None, "start codes are read where lengths should be");
    let found = Found::of(&out);
    assert_eq!(found.on(VIDEO_PID).nth(1).unwrap().payload, annex_b(&[&[0x41, 5, 6]], false));
}

#[test]
fn row_072_audio_that_adts_cannot_express_is_told() {
    let mut stream = TsStream::new();
    let mut out = BytesMut::new();
    let mut push = |body: &[u8]| stream.push(&frame(FrameKind::Audio, 0, body), &mut out).skip;
    let bad = |error| Some(Skip::BadHeader(Codec::Aac, error));
    assert_eq!(push(&[0xaf, 0]), bad(HeaderError::Truncated));
    assert_eq!(push(&[0xaf, 0, 0x12]), bad(HeaderError::Truncated));
    assert_eq!(push(&[0xaf, 0, 0x16, 0x90]), bad(HeaderError::OutOfRange));
    // Object type 31 escapes to 42, xHE-AAC.
    assert_eq!(push(&[0xaf, 0, 0xf9, 0x48, 0x80]), Some(Skip::NotExpressible(Codec::Aac)));
    assert_eq!(push(&[0xaf, 1, 0x21]), Some(Skip::NoHeader(Codec::Aac)));
    assert_eq!(push(&[0xaf, 0, 0x12, 0x10]), None);
    let longest = [&[0xaf, 1][..], &noise(0x21, 8_184)].concat();
    assert_eq!(push(&longest), None);
    let too_long = [&[0xaf, 1][..], &noise(0x21, 9_000)].concat();
    assert_eq!(push(&too_long), Some(Skip::FrameTooLong(Codec::Aac)));
    stream.flush(&mut out);
    assert_eq!(Found::of(&out).aac_frames(), [Bytes::from(noise(0x21, 8_184))]);
}

#[test]
fn row_073_codecs_that_ts_does_not_carry_are_named() {
    #[track_caller]
    fn check(kind: FrameKind, body: &[u8], expected: Skip) {
        let mut out = BytesMut::new();
        assert_eq!(TsStream::new().push(&frame(kind, 0, body), &mut out).skip, Some(expected));
        assert!(out.is_empty());
        if let Skip::NotCarried(codec) = expected {
            assert!(!carries(codec), "{codec}");
        }
    }
    use Codec::{Aac, Ac3, Eac3, H264, Hevc, Mp3, Opus};
    for codec in [Aac, Ac3, Eac3, H264, Hevc, Mp3, Opus] {
        assert!(carries(codec), "{codec}");
    }
    use FrameKind::{Audio, Video};
    check(Video, &[0x12, 1], Skip::NotCarried(Codec::H263));
    check(Video, &[0x14, 1], Skip::NotCarried(Codec::Vp6));
    check(Video, &[0x1c, 1, 0, 0, 0, 1], Skip::NoHeader(Codec::Hevc));
    check(Video, b"\x91av01\0\0\0\x01", Skip::NotCarried(Codec::Av1));
    check(Video, b"\x91zzzz\0\0\0\x01", Skip::NotCarried(Codec::UnknownFourCc(*b"zzzz")));
    check(Audio, &[0xb2, 1], Skip::NotCarried(Codec::Speex));
    check(Audio, &[0x72, 1], Skip::NotCarried(Codec::G711ALaw));
    check(Audio, &[0x91, b'f', b'L', b'a', b'C', 1], Skip::NotCarried(Codec::Flac));
}

#[test]
fn row_076_composition_offsets_of_all_sizes_are_safe() {
    let extremes = [-(1 << 23), -600_000, -1, 0, 1, 600_000, (1 << 23) - 1];
    for base in BASES {
        let mut frames = vec![avc_header(base)];
        for (index, composition) in (0..).zip(extremes.iter().cycle().take(70)) {
            let at = base.wrapping_add(index * 40);
            frames.push(avc(at, *composition, index == 0, &[&[0x65, 1, 2]]));
        }
        assert_sound(&Found::of(&streamed(&frames)), &format!("base {base}"));
    }
}

#[test]
fn row_077_times_that_stand_still_or_go_back_a_little_still_grow() {
    let times = [0, 0, 0, 40, 20, 80, 60, 1_000, 300, 1_040, 1_080];
    let mut frames = vec![avc_header(0), aac_header(0)];
    for at in times {
        frames.extend([key(at), aac(at, &[0x21])]);
    }
    assert_sound(&Found::of(&streamed(&frames)), "loose times");
}

#[test]
fn row_077_jumps_begin_another_clock() {
    let mut frames = vec![avc_header(0)];
    for at in [0, 40, 80, 3_600_000, 3_600_040, 1_000, 1_040] {
        frames.push(key(at));
    }
    let found = Found::of(&streamed(&frames));
    assert_eq!(found.faults, []);
    let marked: Vec<u64> = found
        .clocks
        .iter()
        .filter(|clock| clock.is_discontinuity)
        .map(|clock| clock.ticks / 300 + CLOCK_LEAD_TICKS as u64)
        .collect();
    assert_eq!(marked, [ticks(3_600_000), ticks(1_000)]);
    let times: Vec<_> = found.on(VIDEO_PID).map(|pes| pes.dts.unwrap()).collect();
    assert_eq!(times, [0, 40, 80, 3_600_000, 3_600_040, 1_000, 1_040].map(ticks));
}

#[test]
fn a_viewer_may_begin_at_every_place_that_is_told() {
    let mut stream = TsStream::new();
    let mut out = BytesMut::new();
    let mut joins = vec![];
    let mut push = |frame: &Frame, out: &mut BytesMut| {
        joins.extend(stream.push(frame, out).join);
    };
    push(&avc_header(0), &mut out);
    push(&aac_header(0), &mut out);
    // Not decodable, so left out.
    push(&inter(0), &mut out);
    for index in 0..100 {
        let at = index * 40;
        push(&if index % 25 == 0 { key(at) } else { inter(at) }, &mut out);
        push(&aac(at, &[0x21, 3]), &mut out);
    }
    assert_eq!(joins.len(), 4);
    assert_eq!(joins[0], 0);
    for (index, join) in joins.iter().enumerate() {
        let found = Found::of(&out[*join..]);
        assert_sound(&found, "join");
        let first = found.on(VIDEO_PID).next().unwrap();
        assert!(first.is_random_access);
        assert_eq!(first.dts, Some(ticks(index as i64 * 1_000)));
        assert!(found.packets.iter().all(|pes| pes.offset > first.offset || pes.pid != AUDIO_PID));
    }
}

#[test]
fn tables_come_at_least_every_half_second() {
    let mut frames = vec![avc_header(0), key(0)];
    frames.extend((1..200).map(|index| inter(index * 40)));
    let out = streamed(&frames);
    let is_table = |packet: &&[u8]| packet[1] & 0x1f == 0 && packet[2] == 0;
    let tables = out.chunks(PACKET_LEN).filter(is_table).count();
    assert!((16..=18).contains(&tables), "{tables}");
}

#[test]
fn another_track_is_another_version_of_the_map() {
    let mut frames = vec![avc_header(0), key(0), inter(40), aac_header(50), aac(50, &[0x21])];
    frames.extend([inter(80), key(120), aac(130, &[0x21])]);
    let found = Found::of(&streamed(&frames));
    assert_eq!(found.faults, []);
    let maps: Vec<_> = found.maps.iter().map(|map| (map.version, map.streams.len())).collect();
    assert_eq!(maps, [(0, 1), (1, 2)]);
}

#[test]
fn dolby_and_mp3_and_opus_are_carried_as_they_are() {
    #[track_caller]
    fn check(header: Option<&[u8]>, body: &[u8], framing: &[u8], stream_type: u8, step: u64) {
        let tag = |at, bytes| frame(FrameKind::Audio, at, bytes);
        let mut frames: Vec<_> = header.into_iter().map(|header| tag(0, header)).collect();
        // Half of the media of one frame passes between two, for the clock to be by their count.
        frames.extend((0..8).map(|index| tag(index * (step as u32 / 90), body)));
        let found = Found::of(&streamed(&frames));
        assert_eq!(found.faults, []);
        let map = &found.maps[0].streams[0];
        assert_eq!((map.pid, map.stream_type), (AUDIO_PID, stream_type));
        let coded = if body[0] >> 4 == 9 { &body[5..] } else { &body[1..] };
        let payload: Vec<u8> = found.on(AUDIO_PID).flat_map(|pes| pes.payload.to_vec()).collect();
        assert_eq!(payload, [framing, coded].concat().repeat(8));
        let second = found.on(AUDIO_PID).nth(1).unwrap().pts.unwrap();
        assert_eq!((second - ticks(0)) % step, 0, "by the count of samples");
    }
    let ac3 = [0x91, b'a', b'c', b'-', b'3', 0x0b, 0x77, 0, 0, 0x1c, 0x40, 1];
    check(None, &ac3, &[], 0x81, 2_880);
    let eac3 = [0x91, b'e', b'c', b'-', b'3', 0x0b, 0x77, 0, 0x20, 0x30, 0x80, 1];
    check(None, &eac3, &[], 0x87, 2_880);
    check(None, &[0x2f, 0xff, 0xfb, 0x54, 0x64, 1, 2], &[], 0x03, 2_160);
    check(None, &[0x2a, 0xff, 0xf3, 0x64, 0xc0, 1, 2], &[], 0x04, 2_160);
    let head = b"\x90OpusOpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    // 20 ms of CELT; the size is 3.
    check(Some(head), b"\x91Opus\xfc\x01\x02", &[0x7f, 0xe0, 3], 0x06, 1_800);
}
