use super::reader::{MediaPlaylist, Rule, compare, read};
use super::*;
use crate::ts::testing::*;
use crate::ts::{AUDIO_PID, TICKS_PER_MS, VIDEO_PID, ZERO_TICKS};
use pretty_assertions::assert_eq;
use std::vec;

mod bounds;
mod periods;

/// A muxer, its clocks, and all that it gave.
struct World {
    hls: HlsMuxer,
    /// Real time in milliseconds, by which nothing passes unless a test says so.
    now_ms: u64,
    segments: Vec<Segment>,
    playlists: Vec<String>,
    expired: Vec<u64>,
    warnings: Vec<HlsWarning>,
}

const WALL_MS: u64 = 1_795_408_784_000;

impl World {
    fn new() -> Self {
        Self::with(HlsConfig::default())
    }

    fn with(config: HlsConfig) -> Self {
        Self {
            hls: HlsMuxer::new(config, "live stream", 100),
            now_ms: 0,
            segments: vec![],
            playlists: vec![],
            expired: vec![],
            warnings: vec![],
        }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.now_ms * 1_000)
    }

    /// Takes a frame that comes in time.
    fn push(&mut self, frame: &Frame) {
        self.now_ms = self.now_ms.max(u64::from(frame.timestamp.0));
        self.push_now(frame);
    }

    fn push_now(&mut self, frame: &Frame) {
        let wall = WallClock { unix_millis: WALL_MS + self.now_ms };
        self.hls.push(self.now(), wall, frame);
        self.drain();
    }

    fn push_all(&mut self, frames: &[Frame]) {
        frames.iter().for_each(|frame| self.push(frame));
    }

    fn finish(&mut self, ending: Ending) {
        self.hls.finish(self.now(), ending);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.hls.poll_output() {
            match output {
                HlsOutput::Segment(segment) => {
                    assert_sound(&segment);
                    self.segments.push(segment);
                }
                HlsOutput::Playlist { text } => {
                    let text = String::from_utf8(text.to_vec()).unwrap();
                    assert_eq!(text.as_bytes(), &self.hls.playlist()[..]);
                    self.check_playlist(&text);
                    self.playlists.push(text);
                }
                HlsOutput::Expire { sequence } => {
                    assert!(self.hls.segment(sequence).is_none());
                    self.expired.push(sequence);
                }
                HlsOutput::Warning(warning) => self.warnings.push(warning),
            }
        }
    }

    /// The rules for one playlist, and for one after the other.
    fn check_playlist(&self, text: &str) {
        let now = media(text);
        if let Some(before) = self.playlists.last() {
            let mut broken = compare(&media(before), &now);
            // The target grows when encoders surprise us, and a pause may end a list.
            broken.retain(|rule| !matches!(rule, Rule::TargetChange | Rule::Ended));
            assert_eq!(broken, [], "{before}\n{text}");
        }
        for (sequence, entry) in (now.media_sequence..).zip(&now.segments) {
            let segment = self.hls.segment(sequence).expect("what is listed can be fetched");
            assert_eq!(entry.uri, segment_name("live%20stream", sequence));
            assert_eq!(entry.duration_micros, segment.duration_ms() * 1_000);
        }
    }

    fn durations(&self) -> Vec<u64> {
        self.segments.iter().map(Segment::duration_ms).collect()
    }

    fn playlist(&self) -> MediaPlaylist {
        media(self.playlists.last().unwrap())
    }
}

fn media(text: &str) -> MediaPlaylist {
    match read(text.as_bytes()) {
        (reader::Playlist::Media(media), complaints) if complaints.is_empty() => media,
        other => panic!("{other:?}\n{text}"),
    }
}

fn bytes(segments: &[Segment]) -> Vec<u8> {
    segments.iter().flat_map(|segment| segment.blocks.concat()).collect()
}

/// What has to hold of each segment by itself.
fn assert_sound(segment: &Segment) {
    let bytes = segment.blocks.concat();
    assert_eq!(bytes.len(), segment.len);
    let found = Found::of(&bytes);
    assert_eq!(found.faults, [], "segment {}", segment.sequence);
    assert_eq!(found.maps.len(), 1, "all tables of a segment are equal");
    assert_eq!(bytes[1..3], [0x40, 0], "a segment begins with its tables");
    assert_eq!(bytes[189..191], [0x50, 1]);
    let video = found.on(VIDEO_PID).next();
    assert_eq!(video.is_some_and(|pes| pes.is_random_access), segment.starts_with_keyframe);
    let announced = |pid| found.maps[0].streams.iter().any(|stream| stream.pid == pid);
    assert!(found.packets.iter().all(|pes| announced(pes.pid)));
    assert!(segment.duration_ms() > 0);
}

/// Audio and video for `seconds`, 25 pictures a second, with a keyframe every `gop_ms`.
fn both(from_ms: u32, seconds: u32, gop_ms: u32) -> Vec<Frame> {
    let mut frames: Vec<_> = pictures(from_ms, seconds, gop_ms);
    frames.extend(sounds(from_ms, seconds));
    frames.sort_by_key(|frame| frame.timestamp.0);
    [vec![avc_header(from_ms), aac_header(from_ms)], frames].concat()
}

fn pictures(from_ms: u32, seconds: u32, gop_ms: u32) -> Vec<Frame> {
    let picture = |index: u32| {
        let at = from_ms + index * 40;
        if (index * 40).is_multiple_of(gop_ms) { key(at) } else { inter(at) }
    };
    (0..seconds * 25).map(picture).collect()
}

fn sounds(from_ms: u32, seconds: u32) -> Vec<Frame> {
    let frames = seconds * 44_100 / 1_024;
    (0..frames).map(|index| aac(from_ms + index * 10_240 / 441, &[0x21, index as u8])).collect()
}

#[test]
fn segments_are_cut_at_keyframes() {
    #[track_caller]
    fn check(gop_ms: u32, seconds: u32, expected: &[u64]) {
        let mut world = World::new();
        world.push_all(&both(0, seconds, gop_ms));
        assert_eq!(world.durations(), expected);
        assert!(world.segments.iter().all(|segment| segment.starts_with_keyframe));
        assert_eq!(world.warnings, []);
    }
    check(2_000, 9, &[2_000; 4]);
    // The first segment needs only one GOP, for a playlist to be there soon.
    check(1_000, 8, &[1_000, 2_000, 2_000, 2_000]);
    check(400, 7, &[800, 2_000, 2_000, 2_000]);
    check(3_000, 10, &[3_000; 3]);
    check(8_000, 17, &[8_000; 2]);
    // A picture before every other one is needed by none.
    check(40, 5, &[480, 2_000, 2_000]);
}

#[test]
fn the_first_playlist_is_there_within_one_gop_and_half_a_second() {
    for gop_ms in [400, 1_000, 2_000, 4_000, 10_000] {
        let mut world = World::new();
        for frame in both(0, 12, gop_ms) {
            world.push(&frame);
            if !world.playlists.is_empty() {
                break;
            }
        }
        assert!(world.now_ms <= u64::from(gop_ms) + 500, "{gop_ms}: {}", world.now_ms);
    }
}

#[test]
fn the_playlist_says_what_there_is() {
    let mut world = World::new();
    world.push_all(&both(0, 7, 2_000));
    let expected = "#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:39:44.000Z
#EXTINF:2.000,
live%20stream-100.ts
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:39:46.000Z
#EXTINF:2.000,
live%20stream-101.ts
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:39:48.000Z
#EXTINF:2.000,
live%20stream-102.ts
";
    assert_eq!(world.playlists.last().unwrap(), expected);
    world.push_all(&both(20_000, 1, 2_000)[..2]);
    world.finish(Ending::EndList);
    let last = world.playlists.last().unwrap();
    assert!(last.ends_with("#EXTINF:1.000,\nlive%20stream-103.ts\n#EXT-X-ENDLIST\n"), "{last}");
}

#[test]
fn audio_alone_is_cut_by_duration() {
    let mut world = World::new();
    world.push(&aac_header(0));
    world.push_all(&sounds(0, 9));
    assert!(world.durations().iter().all(|millis| (2_000..2_024).contains(millis)));
    assert_eq!(world.segments.len(), 4);
    let found = Found::of(&bytes(&world.segments));
    assert_eq!(found.faults, []);
    assert_eq!(found.maps[0].pcr_pid, AUDIO_PID);
    // Each frame once, and the segments as long as they say.
    let frames = found.aac_frames();
    let mut expected = (0..frames.len()).map(|index| vec![0x21, index as u8]);
    assert!(frames.iter().all(|frame| *frame == expected.next().unwrap()));
    let mut start = 0;
    for segment in &world.segments {
        let first = Found::of(&segment.blocks.concat()).packets[0].pts.unwrap();
        let at = (first as i64 - ZERO_TICKS) / TICKS_PER_MS;
        assert!((at - start).abs() <= 24, "{at} {start}");
        start += segment.duration_ms() as i64;
    }
}

#[test]
fn segments_follow_each_other_without_a_fault() {
    let mut world = World::new();
    let frames = both(0, 30, 2_000);
    world.push_all(&frames);
    world.finish(Ending::Pause);
    let found = Found::of(&bytes(&world.segments));
    assert_eq!(found.faults, [], "counters go on across segments");
    assert_eq!(found.on(VIDEO_PID).count(), 30 * 25);
    assert_eq!(found.aac_frames().len(), sounds(0, 30).len());
}

#[test]
fn durations_are_those_of_the_media() {
    // 30000/1001 pictures a second, with times cut to milliseconds.
    let mut world = World::new();
    world.push(&avc_header(0));
    for index in 0..1_000_u32 {
        let at = index * 1_001 / 30;
        world.push(&if index % 60 == 0 { key(at) } else { inter(at) });
    }
    assert_eq!(world.segments.len(), 16);
    let sum: u64 = world.durations().iter().sum();
    assert_eq!(sum, 16 * 60 * 1_001 / 30, "errors of rounding do not add up");
}

#[test]
fn durations_are_those_of_the_media_though_times_step_back() {
    let mut world = World::new();
    world.push(&avc_header(0));
    for index in 0..200_u32 {
        // Half a second back, five pictures before a keyframe: it is shown behind them.
        let at = if index < 20 { index * 40 } else { index * 40 - 500 };
        world.push(&if index % 25 == 0 { key(at) } else { inter(at) });
    }
    assert_eq!(world.durations(), [760, 2_740, 2_000]);
    let first = |segment: &Segment| Found::of(&segment.blocks.concat()).packets[0].dts.unwrap();
    for pair in world.segments.windows(2) {
        let told = pair[0].duration_ms() * TICKS_PER_MS.unsigned_abs();
        // Pictures that would be shown at once are a tick apart.
        assert!((first(&pair[1]) - first(&pair[0])).abs_diff(told) < 90);
    }
}

#[test]
fn the_window_slides_and_segments_expire_later() {
    let mut world = World::new();
    world.push_all(&both(0, 61, 2_000));
    let playlist = world.playlist();
    assert_eq!(playlist.segments.len(), 6, "12 s of 2 s each");
    assert_eq!(playlist.media_sequence, 124);
    // A segment stays for its own 2 s and the 14 s of the longest playlist that had it.
    assert_eq!(world.expired, (100..116).collect::<Vec<_>>());
    assert!(world.hls.segment(116).is_some() && world.hls.segment(115).is_none());
    let timeout = world.hls.poll_timeout().unwrap();
    world.now_ms = timeout.as_millis();
    world.hls.handle_timeout(timeout);
    world.drain();
    assert_eq!(world.expired.last(), Some(&116));
    assert!(world.hls.poll_timeout().unwrap() > timeout);
    world.hls.dispose();
    world.drain();
    assert_eq!(world.expired, (100..130).collect::<Vec<_>>());
    assert_eq!(world.hls.kept_len(), world.hls.open.as_ref().unwrap().blocks.len());
}
