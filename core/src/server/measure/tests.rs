use super::*;
use crate::chunk::ChunkSize;
use crate::config::TimeJitter;
use crate::id::ConnId;
use crate::source::SourceConfig;
use crate::tape::GopLimits;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::format;

const START: Instant = Instant::from_micros(5_000_000);

fn at(millis: u64) -> Instant {
    START.after(Duration::from_millis(millis))
}

/// A stream that is measured, without a server.
struct Stream {
    measure: Measure,
    source: Source,
}

impl Stream {
    fn new() -> Self {
        let mut source = Source::new(SourceConfig {
            chunk_size: ChunkSize::DEFAULT,
            gop: GopLimits {
                bytes_max: 1 << 20,
                frames_max: 1_000,
                span_max: Duration::from_secs(60),
            },
            gop_cache: true,
            is_replica: false,
            lag_bytes_max: 1 << 20,
            lag_max: Duration::from_secs(10),
            metadata_len_max: 1 << 10,
            time_jitter: TimeJitter::Full,
            tracks_max: 8,
        });
        source.publish(ConnId { slot: 0, generation: 0 }).unwrap();
        let mut measure = Measure::new(START);
        measure.begin(START);
        Self { measure, source }
    }

    /// A frame whose time is also that of the clock.
    fn push(&mut self, millis: u32, payload: &'static [u8]) {
        let kind = if payload[0] == 0xAF { FrameKind::Audio } else { FrameKind::Video };
        let class = match (kind, payload) {
            (_, [_, 0, ..]) => FrameClass::SequenceHeader,
            (FrameKind::Video, [0x17, ..]) => FrameClass::Keyframe,
            _ => FrameClass::Coded,
        };
        let payload = Bytes::from_static(payload);
        let frame = Frame { kind, class, timestamp: Timestamp(millis), payload };
        let now = at(u64::from(millis));
        let pushed = self.source.push(now, &frame, &mut Vec::new());
        self.measure.observe(now, &frame, &pushed, 0, &self.source);
    }

    /// Pictures `from..to`, so many in `seconds`, each `gop`th a keyframe.
    fn pictures(&mut self, from: u32, to: u32, rate: (u32, u32), gop: u32) {
        for index in from..to {
            let millis = u64::from(index) * 1_000 * u64::from(rate.1) / u64::from(rate.0);
            self.push(
                u32::try_from(millis).unwrap(),
                if index % gop == 0 { KEYFRAME } else { PICTURE },
            );
        }
    }
}

const AUDIO_HEADER: &[u8] = &[0xAF, 0, 0x12, 0x10];
const AUDIO: &[u8] = &[0xAF, 1, 0, 0];
const KEYFRAME: &[u8] = &[0x17, 1, 0, 0, 0, 1];
const PICTURE: &[u8] = &[0x27, 1, 0, 0, 0, 2];

#[test]
fn pictures_are_counted_by_the_time_of_the_media() {
    let check = |rate: (u32, u32), expected: (u32, u32)| {
        let mut stream = Stream::new();
        let count = 20 * rate.0 / rate.1;
        stream.pictures(0, count, rate, 50);
        let video = stream.measure.video(at(20_000)).unwrap();
        let millihertz = video.millihertz.unwrap();
        assert!((expected.0..=expected.1).contains(&millihertz), "{rate:?}: {millihertz}");
    };
    check((25, 1), (25_000, 25_000));
    check((50, 1), (50_000, 50_000));
    check((30_000, 1_001), (29_960, 29_980));
    check((60_000, 1_001), (59_920, 59_960));
    check((1, 1), (1_000, 1_000));
}

#[test]
fn a_first_rate_is_told_before_the_window_is_full_and_none_after_the_end() {
    let mut stream = Stream::new();
    stream.pictures(0, 5, (25, 1), 50);
    assert_eq!(stream.measure.video(at(160)).unwrap().millihertz, None);
    stream.pictures(5, 26, (25, 1), 50);
    assert_eq!(stream.measure.video(at(1_000)).unwrap().millihertz, Some(25_000));
    let stands = stream.measure.video(at(6_000)).unwrap();
    assert_eq!(stands.millihertz, Some(0), "nothing has come for seconds");
    stream.measure.end(at(6_000));
    assert_eq!(stream.measure.video(at(6_000)), None);
    assert_eq!(stream.measure.received.total(), 26 * 6, "what was counted stays");
}

#[test]
fn a_group_of_pictures_is_measured_once_it_is_complete() {
    let mut stream = Stream::new();
    stream.pictures(0, 50, (25, 1), 50);
    assert_eq!(stream.measure.video(at(2_000)).unwrap().gop, None);
    stream.pictures(50, 60, (25, 1), 50);
    let expected = Some(GopState { millis: 2_000, frames: 50 });
    assert_eq!(stream.measure.video(at(2_400)).unwrap().gop, expected);
    stream.pictures(60, 110, (25, 1), 100);
    assert_eq!(stream.measure.video(at(4_400)).unwrap().gop, expected, "a shorter one follows");
}

#[test]
fn the_skew_is_that_of_the_interleaving() {
    let check = |ahead: i64, tolerance: i64| {
        let mut stream = Stream::new();
        stream.push(0, AUDIO_HEADER);
        // Audio in frames of 20 ms, video in frames of 40 ms, video `ahead` of it.
        for millis in (1_000..11_000_i64).step_by(20) {
            stream.push(u32::try_from(millis).unwrap(), AUDIO);
            if millis % 40 == 0 {
                let millis = u32::try_from(millis + ahead).unwrap();
                stream.push(millis, if millis % 2_000 == 0 { KEYFRAME } else { PICTURE });
            }
        }
        let skew = i64::from(stream.measure.skew_millis().unwrap());
        assert!((skew - ahead).abs() <= tolerance, "{ahead} ms ahead, measured {skew}");
    };
    check(0, 25);
    check(400, 25);
    check(-200, 25);
    let mut stream = Stream::new();
    stream.pictures(0, 50, (25, 1), 50);
    assert_eq!(stream.measure.skew_millis(), None, "there is no audio");
}

#[test]
fn a_rate_is_that_of_the_last_seconds() {
    let mut meter = Meter::new(START);
    assert_eq!(meter.bits_per_second(START), 0);
    for millis in (0..10_000).step_by(100) {
        meter.count(at(millis), 12_500);
        let rate = meter.bits_per_second(at(millis));
        assert!((1..=1_100_000).contains(&rate), "{rate} after {millis} ms");
    }
    let rate = meter.bits_per_second(at(10_000));
    assert!((970_000..=1_030_000).contains(&rate), "{rate} of 1 Mbit/s");
    assert_eq!(meter.bits_per_second(at(14_000)), 0, "it has stopped");
    meter.count(at(60_000), 125_000);
    assert_eq!(meter.bits_per_second(at(60_000)), 1_000_000, "a minute of nothing is forgotten");
    assert_eq!(meter.total(), 100 * 12_500 + 125_000);
}

#[test]
fn what_is_shown_is_described_and_has_the_declared_size() {
    let mut stream = Stream::new();
    stream.push(0, AUDIO_HEADER);
    stream.pictures(0, 3, (25, 1), 50);
    assert_eq!(&*stream.measure.audio().unwrap().description, "AAC LC 44.1 kHz 2 channels");
    assert_eq!(stream.measure.video(at(80)).unwrap().size, None);
    let mut message = bytes::BytesMut::new();
    crate::amf::amf0::write_string(b"onMetaData", &mut message);
    let number = crate::amf::Value::Number;
    let size = [("width", number(640.0)), ("height", number(360.0))];
    crate::amf::amf0::write_object(&size, &mut message);
    let frame = Frame {
        kind: FrameKind::Data,
        class: FrameClass::Metadata,
        timestamp: Timestamp(100),
        payload: message.freeze(),
    };
    let pushed = stream.source.push(at(100), &frame, &mut Vec::new());
    stream.measure.observe(at(100), &frame, &pushed, 0, &stream.source);
    let video = stream.measure.video(at(120)).unwrap();
    assert_eq!((video.codec, video.size), (Codec::H264, Some((640, 360))));
}

quickcheck! {
    fn no_times_break_it(times: Vec<(u32, u16, bool, bool)>) -> bool {
        let mut stream = Stream::new();
        stream.push(0, AUDIO_HEADER);
        let mut now = START;
        for (timestamp, wait, is_audio, is_keyframe) in times {
            now = now.after(Duration::from_millis(u64::from(wait).max(1)));
            let (kind, class, payload) = match (is_audio, is_keyframe) {
                (true, _) => (FrameKind::Audio, FrameClass::Coded, AUDIO),
                (false, true) => (FrameKind::Video, FrameClass::Keyframe, KEYFRAME),
                (false, false) => (FrameKind::Video, FrameClass::Coded, PICTURE),
            };
            let payload = Bytes::from_static(payload);
            let frame = Frame { kind, class, timestamp: Timestamp(timestamp), payload };
            let pushed = stream.source.push(now, &frame, &mut Vec::new());
            stream.measure.observe(now, &frame, &pushed, 0, &stream.source);
            let video = stream.measure.video(now);
            let shown = (video, stream.measure.skew_millis(), stream.measure.received.bits_per_second(now));
            assert!(!format!("{shown:?}").is_empty());
        }
        true
    }
}
