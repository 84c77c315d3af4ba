//! The oracle: what a player decodes is a contiguous run of what was published, shifted by the
//! player's base, that begins at a keyframe with headers first, whatever the socket does.

use super::*;
use crate::chunk::{ChunkLimits, ChunkReader, ChunkStreamId};
use crate::rng::Rng;
use FrameKind::{Audio, Data, Video};
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::vec;

const CHUNK_SIZE: u32 = 100;
const REPLY_TYPE: u8 = 20;

fn config(time_jitter: TimeJitter) -> SourceConfig {
    SourceConfig {
        chunk_size: ChunkSize::new(CHUNK_SIZE).unwrap(),
        gop: GopLimits {
            bytes_max: 16 << 20,
            frames_max: 2_500,
            span_max: Duration::from_secs(15),
        },
        gop_cache: true,
        is_replica: false,
        lag_bytes_max: 8 << 20,
        lag_max: Duration::from_secs(10),
        metadata_len_max: 64 << 10,
        time_jitter,
        tracks_max: 8,
    }
}

fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 1 }
}

fn now() -> Instant {
    Instant::from_micros(0)
}

/// A frame whose payload says what it is: AVC or AAC header bytes, then a serial number.
fn frame(kind: FrameKind, class: FrameClass, timestamp: u32, serial: u32, len: usize) -> Frame {
    let mut payload = match (kind, class) {
        (Video, FrameClass::Keyframe) => vec![0x17, 1, 0, 0, 0],
        (Video, FrameClass::SequenceHeader) => vec![0x17, 0, 0, 0, 0],
        (Video, _) => vec![0x27, 1, 0, 0, 0],
        (Audio, FrameClass::SequenceHeader) => vec![0xAF, 0],
        (Audio, _) => vec![0xAF, 1],
        (Data, _) => vec![2, 0, 1, b'x'],
    };
    payload.extend(serial.to_be_bytes());
    payload.resize(payload.len() + len, 0xEE);
    Frame { kind, class, timestamp: Timestamp(timestamp), payload: payload.into() }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Got {
    kind: u8,
    stream: u32,
    timestamp: u32,
    payload: Bytes,
}

/// A player with a socket that takes what the test says.
struct Player {
    id: ConsumerId,
    got: Vec<Got>,
    reader: ChunkReader,
    replies: BytesMut,
    replies_sent: usize,
}

impl Player {
    fn attach(source: &mut Source, slot: u32, stream: u32) -> Self {
        let id = source.attach(now(), conn(slot), MessageStreamId(stream), None);
        let limits = ChunkLimits {
            chunk_streams_max: 64,
            incomplete_bytes_max: 1 << 20,
            message_len_max: 8 << 20,
        };
        let mut reader = ChunkReader::new(limits);
        reader.set_chunk_size(ChunkSize::new(CHUNK_SIZE).unwrap());
        let replies = BytesMut::new();
        // A server lets a player join as soon as it is attached.
        source.prepare(id);
        Self { id, got: Vec::new(), reader, replies, replies_sent: 0 }
    }

    fn reply(&mut self) {
        let header = MessageHeader {
            csid: ChunkStreamId::STREAM,
            type_id: REPLY_TYPE,
            stream_id: MessageStreamId(1),
            timestamp: Timestamp(0),
        };
        let size = ChunkSize::new(CHUNK_SIZE).unwrap();
        write_message(header, &[7; 150], size, &mut self.replies);
        self.replies_sent += 1;
    }

    /// Writes at most `len` bytes; gives how many there were to write.
    fn write(&mut self, source: &mut Source, len: usize) -> usize {
        let is_ready = source.prepare(self.id);
        if !is_ready && self.replies.is_empty() {
            return 0;
        }
        let bytes: Vec<u8> = {
            let mut slices = Slices::new();
            let offered = source.slices(self.id, &self.replies, &mut slices);
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            assert_eq!(bytes.len(), offered);
            bytes
        };
        let offered = bytes.len();
        let len = len.min(offered);
        let replies = source.wrote(self.id, len, self.replies.len());
        bytes::Buf::advance(&mut self.replies, replies);
        let mut input = &bytes[..len];
        while let Some(message) = self.reader.read(&mut input).expect("players get legal chunks") {
            self.got.push(Got {
                kind: message.header.type_id,
                stream: message.header.stream_id.0,
                timestamp: message.header.timestamp.0,
                payload: message.payload,
            });
        }
        offered
    }

    fn drain(&mut self, source: &mut Source) {
        while self.write(source, usize::MAX) > 0 {}
    }

    fn media(&self) -> Vec<(u8, u32, &[u8])> {
        let media = self.got.iter().filter(|got| got.kind != REPLY_TYPE);
        media.map(|got| (got.kind, got.timestamp, got.payload.as_ref())).collect()
    }
}

fn serial(payload: &[u8], kind: u8) -> u32 {
    let at = if kind == 9 {
        5
    } else if kind == 8 {
        2
    } else {
        4
    };
    u32::from_be_bytes(payload[at..at + 4].try_into().unwrap())
}

fn publish(source: &mut Source, frames: &[Frame]) -> Vec<Lapped> {
    let mut lapped = Vec::new();
    for frame in frames {
        source.push(now(), frame, &mut lapped);
    }
    lapped
}

/// Headers, then a keyframe each `gop` video frames, audio in between.
fn stream(start: u32, videos: u32, gop: u32, len: usize) -> Vec<Frame> {
    let mut frames = vec![
        frame(Data, FrameClass::Metadata, start, 9_001, 50),
        frame(Video, FrameClass::SequenceHeader, start, 9_002, 30),
        frame(Audio, FrameClass::SequenceHeader, start, 9_003, 2),
    ];
    for index in 0..videos {
        let at = start.wrapping_add(index * 40);
        let class = if index % gop == 0 { FrameClass::Keyframe } else { FrameClass::Coded };
        frames.push(frame(Video, class, at, index, len));
        for part in 0..2 {
            let at = at.wrapping_add(part * 20);
            frames.push(frame(Audio, FrameClass::Coded, at, index * 2 + part, 40));
        }
    }
    frames
}

#[test]
fn a_player_that_joins_late_starts_at_the_newest_keyframe_with_headers_at_zero() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    publish(&mut source, &stream(5_000_000, 25, 10, 500));
    let mut player = Player::attach(&mut source, 1, 3);
    player.drain(&mut source);
    let media = player.media();
    let head: Vec<_> =
        media[..5].iter().map(|&(kind, at, p)| (kind, at, serial(p, kind))).collect();
    assert_eq!(head, [(18, 0, 9_001), (9, 0, 9_002), (8, 0, 9_003), (9, 0, 20), (8, 0, 40)]);
    let videos: Vec<_> = media.iter().filter(|got| got.0 == 9).map(|got| got.1).collect();
    assert_eq!(videos, [0, 0, 40, 80, 120, 160]);
    assert!(player.got.iter().all(|got| got.stream == 3));
}

#[test]
fn a_player_that_waits_gets_the_stream_from_its_first_frame() {
    let mut source = Source::new(config(TimeJitter::Full));
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    source.publish(conn(0)).unwrap();
    let frames = stream(77, 3, 10, 10);
    for frame in &frames {
        publish(&mut source, core::slice::from_ref(frame));
        player.drain(&mut source);
    }
    assert_eq!(player.media().len(), frames.len());
    assert_eq!(player.media()[3].1, 0);
}

#[test]
fn one_write_carries_the_prelude_and_the_keyframe() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    publish(&mut source, &stream(0, 5, 10, 500));
    let mut player = Player::attach(&mut source, 1, 1);
    player.write(&mut source, usize::MAX);
    assert_eq!(player.media().len(), 4);
}

#[test]
fn row_059_a_publisher_that_returns_goes_on_with_fresh_headers_and_a_keyframe() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let mut player = Player::attach(&mut source, 1, 1);
    publish(&mut source, &stream(1_000, 7, 10, 100));
    player.drain(&mut source);
    let before = player.media().len();
    let last = player.media().last().unwrap().1;
    source.unpublish();
    source.publish(conn(2)).unwrap();
    let mut again = stream(0, 12, 5, 100);
    again.remove(3); // The first keyframe is lost: what needs it must not be relayed.
    publish(&mut source, &again);
    player.drain(&mut source);
    let media = player.media();
    let after = &media[before..];
    assert_eq!(after[0].0, 18);
    let first_video = after.iter().find(|got| got.0 == 9 && got.2[1] == 1).unwrap();
    assert_eq!(serial(first_video.2, 9), 5);
    assert!(after.iter().all(|got| got.0 == 18 || got.1 >= last));
    assert!(first_video.1 - last < 400, "{} {last}", first_video.1);
}

#[test]
fn row_074_an_identical_sequence_header_is_no_change() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    publish(&mut source, &stream(0, 3, 10, 100));
    let mut lapped = Vec::new();
    let same = frame(Video, FrameClass::SequenceHeader, 120, 9_002, 30);
    assert!(source.push(now(), &same, &mut lapped).dropped);
    let other = frame(Video, FrameClass::SequenceHeader, 120, 9_102, 30);
    assert!(!source.push(now(), &other, &mut lapped).dropped);
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    assert_eq!(serial(player.media()[1].2, 9), 9_102);
}

#[test]
fn a_player_that_joins_between_new_headers_and_their_keyframe_waits_for_it() {
    let mut source = Source::new(config(TimeJitter::Full));
    publish(&mut source, &stream(0, 5, 10, 10));
    publish(&mut source, &[frame(Video, FrameClass::SequenceHeader, 200, 77, 10)]);
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    publish(&mut source, &[frame(Video, FrameClass::Keyframe, 240, 78, 10)]);
    player.drain(&mut source);
    let video: Vec<u32> = player
        .media()
        .into_iter()
        .filter(|(kind, ..)| *kind == 9)
        .map(|(kind, _, payload)| serial(payload, kind))
        .collect();
    assert_eq!(video, [77, 78]);
}

#[test]
fn row_055_metadata_above_the_limit_are_relayed_but_not_kept() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let mut early = Player::attach(&mut source, 1, 1);
    publish(&mut source, &[frame(Data, FrameClass::Metadata, 0, 1, 64 << 10)]);
    publish(&mut source, &[frame(Audio, FrameClass::Coded, 0, 2, 10)]);
    early.drain(&mut source);
    assert_eq!(early.media()[0].0, 18);
    let mut late = Player::attach(&mut source, 2, 1);
    late.drain(&mut source);
    assert!(late.media().is_empty());
}

#[test]
fn row_004_a_player_that_does_not_read_is_lapped_and_resumes_at_a_keyframe() {
    let mut config = config(TimeJitter::Full);
    config.lag_bytes_max = 200_000;
    let mut source = Source::new(config);
    source.publish(conn(0)).unwrap();
    let mut player = Player::attach(&mut source, 1, 1);
    let frames = stream(0, 1_000, 10, 2_000);
    publish(&mut source, &frames[..20]);
    player.drain(&mut source);
    publish(&mut source, &frames[20..40]);
    player.write(&mut source, 4_321); // Stops in the middle of a message.
    let before = player.media().len();
    let lapped = publish(&mut source, &frames[40..]);
    assert_eq!(lapped.len(), 1, "one skip is told, however long the player sleeps");
    assert!(source.tape().len() < 400_000, "{}", source.tape().len());
    player.drain(&mut source);
    let media = player.media();
    // The message that had begun is whole, then everything starts anew.
    let rest: Vec<_> =
        media[before..].iter().map(|&(kind, _, p)| (kind, serial(p, kind))).collect();
    let anew = rest.iter().position(|&(kind, _)| kind == 18).unwrap();
    assert!(anew <= 1, "{rest:?}");
    assert_eq!(rest[anew..anew + 4], [(18, 9_001), (9, 9_002), (8, 9_003), (9, 990)]);
    let times: Vec<u32> = media.iter().filter(|got| got.0 == 9).map(|got| got.1).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(*times.last().unwrap(), 999 * 40);
}

#[test]
fn row_078_a_gop_without_end_is_not_kept() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    publish(&mut source, &stream(0, 3_600 * 25, 3_600 * 25, 300));
    assert!(source.tape().keyframe().is_none());
    assert!(source.tape().len() <= 128 << 10, "{}", source.tape().len());
    let audio: Vec<Frame> = (0..24 * 3_600 * 43_u32)
        .step_by(20)
        .map(|n| frame(Audio, FrameClass::Coded, n * 23, n, 100))
        .collect();
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    publish(&mut source, &audio);
    assert!(source.tape().len() <= 128 << 10, "{}", source.tape().len());
}

#[test]
fn times_of_an_earlier_publisher_do_not_end_the_gop_cache() {
    let mut source = Source::new(config(TimeJitter::Off));
    publish(&mut source, &stream(1_000_000, 5, 10, 10));
    source.unpublish();
    let videos: Vec<Frame> =
        stream(0, 5, 10, 10).into_iter().filter(|frame| frame.kind == Video).collect();
    publish(&mut source, &videos);
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    assert_eq!(player.media().len(), videos.len());
}

#[test]
fn a_paused_player_finishes_its_message_and_resumes_at_a_keyframe() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let frames = stream(0, 100, 10, 2_000);
    publish(&mut source, &frames[..20]);
    let mut player = Player::attach(&mut source, 1, 1);
    player.write(&mut source, usize::MAX);
    player.write(&mut source, 3_000);
    source.set_paused(player.id, true);
    player.reply();
    publish(&mut source, &frames[20..]);
    player.drain(&mut source);
    let paused = player.media().len();
    assert_eq!(player.got.last().unwrap().kind, REPLY_TYPE);
    assert!(paused < 12, "{paused}");
    source.set_paused(player.id, false);
    player.drain(&mut source);
    let resumed: Vec<_> =
        player.media()[paused..].iter().map(|&(kind, _, p)| (kind, serial(p, kind))).collect();
    assert_eq!(resumed[..4], [(18, 9_001), (9, 9_002), (8, 9_003), (9, 90)]);
}

#[test]
fn a_short_pause_loses_nothing_and_no_time_runs_back() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let frames = stream(0, 29, 30, 200);
    let mut player = Player::attach(&mut source, 1, 1);
    for (index, frame) in frames.iter().enumerate() {
        publish(&mut source, core::slice::from_ref(frame));
        match index {
            40 => source.set_paused(player.id, true),
            60 => source.set_paused(player.id, false),
            _ => {}
        }
        player.drain(&mut source);
    }
    let got: Vec<_> = player.media().iter().map(|got| got.2.to_vec()).collect();
    let sent: Vec<_> = frames.iter().map(|frame| frame.payload.to_vec()).collect();
    assert_eq!(got, sent);
}

#[test]
fn audio_can_be_left_out_and_taken_in_again() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let mut player = Player::attach(&mut source, 1, 1);
    let frames = stream(0, 30, 10, 200);
    publish(&mut source, &frames[..33]);
    player.drain(&mut source);
    source.set_selected(player.id, Audio, false);
    publish(&mut source, &frames[33..63]);
    player.drain(&mut source);
    source.set_selected(player.id, Audio, true);
    publish(&mut source, &frames[63..]);
    player.drain(&mut source);
    let left_out: Vec<Vec<u8>> =
        frames[33..63].iter().filter(|f| f.kind == Audio).map(|f| f.payload.to_vec()).collect();
    let media = player.media();
    assert!(media.iter().all(|got| !left_out.iter().any(|out| out == got.2)));
    assert_eq!(media.len(), frames.len() - left_out.len());
    for (kind, at, payload) in media {
        if serial(payload, kind) < 9_000 {
            let expected = serial(payload, kind) * if kind == 9 { 40 } else { 20 };
            assert_eq!(at, expected);
        }
    }
}

/// A player that had switched video off got it without its new sequence header, or without any.
#[test]
fn a_header_that_comes_while_its_kind_is_off_is_not_missed() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let mut player = Player::attach(&mut source, 1, 1);
    publish(&mut source, &stream(0, 30, 10, 200));
    player.drain(&mut source);
    source.set_selected(player.id, Video, false);
    let header = frame(Video, FrameClass::SequenceHeader, 1_200, 9_102, 30);
    publish(&mut source, &[header.clone(), frame(Video, FrameClass::Keyframe, 1_240, 31, 200)]);
    player.drain(&mut source);
    let mut late = Player::attach(&mut source, 2, 1);
    source.set_selected(late.id, Video, false);
    late.drain(&mut source);
    for player in [&mut player, &mut late] {
        source.set_selected(player.id, Video, true);
    }
    publish(&mut source, &[frame(Video, FrameClass::Keyframe, 1_280, 32, 200)]);
    for mut player in [player, late] {
        player.drain(&mut source);
        let media = player.media();
        let video: Vec<_> = media.iter().filter(|got| got.0 == 9).collect();
        let at = video.iter().rposition(|got| got.2[..] == header.payload[..]);
        let after = &video[at.expect("the new header came") + 1..];
        assert!(!after.is_empty() && after.iter().all(|got| serial(got.2, 9) > 30));
    }
}

#[test]
fn a_player_that_asked_for_a_duration_gets_no_more() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let mut player = Player::attach(&mut source, 1, 1);
    source.set_duration(player.id, Duration::from_millis(400));
    publish(&mut source, &stream(123, 30, 10, 200));
    player.drain(&mut source);
    assert!(source.consumer(player.id).unwrap().has_ended());
    assert_eq!(player.media().iter().map(|got| got.1).max(), Some(380));
}

#[test]
fn without_gop_cache_a_player_waits_for_the_next_keyframe() {
    let mut source = Source::new(SourceConfig { gop_cache: false, ..config(TimeJitter::Full) });
    source.publish(conn(0)).unwrap();
    let frames = stream(0, 25, 10, 200);
    publish(&mut source, &frames[..3 + 15 * 3]);
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    publish(&mut source, &frames[3 + 15 * 3..]);
    player.drain(&mut source);
    let first = player.media().into_iter().find(|got| got.0 == 9 && got.2[1] == 1).unwrap();
    assert_eq!(serial(first.2, 9), 20);
}

#[test]
fn off_keeps_the_publishers_times_and_breaks_where_they_run_back() {
    let mut source = Source::new(config(TimeJitter::Off));
    source.publish(conn(0)).unwrap();
    let times = [0x00FF_FFF0_u32, 0x0100_0010, 0x0100_0040, 17, 60, 0xFFFF_FFF0, 24];
    let frames: Vec<Frame> = times
        .iter()
        .enumerate()
        .map(|(n, &at)| {
            let class = if n == 0 { FrameClass::Keyframe } else { FrameClass::Coded };
            frame(Video, class, at, u32::try_from(n).unwrap(), 333)
        })
        .collect();
    let mut player = Player::attach(&mut source, 1, 1);
    publish(&mut source, &frames);
    player.drain(&mut source);
    let got: Vec<u32> = player.media().iter().map(|got| got.1).collect();
    assert_eq!(got, times);
    let mut late = Player::attach(&mut source, 2, 1);
    late.drain(&mut source);
    assert_eq!(late.media(), player.media());
}

#[test]
fn who_stays_while_times_are_mended_in_another_way_gets_both_kinds_at_their_new_times() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    publish(&mut source, &stream(0, 15, 10, 20));
    // Its zero is a later keyframe.
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    source.unpublish();
    source.configure(config(TimeJitter::Off));
    for start in [100_000, 99_990] {
        player.got.clear();
        source.publish(conn(0)).unwrap();
        let frames = stream(start, 5, 5, 20);
        publish(&mut source, &frames);
        player.drain(&mut source);
        let times: Vec<u32> = player.media()[1..].iter().map(|got| got.1).collect();
        let published: Vec<u32> = frames[1..].iter().map(|frame| frame.timestamp.0).collect();
        assert_eq!(times, published);
        source.unpublish();
    }
}

#[test]
fn who_is_behind_when_times_are_mended_in_another_way_gets_the_rest_as_it_began() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let earlier = stream(0, 15, 10, 20);
    publish(&mut source, &earlier);
    let mut player = Player::attach(&mut source, 1, 1);
    // Its zero is the keyframe at 400 ms, and the audio beside that is still to come.
    while !player.media().iter().any(|got| got.0 == 9 && got.2.starts_with(&[0x17, 1])) {
        player.write(&mut source, 10);
    }
    source.unpublish();
    source.configure(config(TimeJitter::Off));
    source.publish(conn(0)).unwrap();
    let later = stream(100_000, 5, 5, 20);
    publish(&mut source, &later);
    player.drain(&mut source);
    let rest = earlier.iter().filter(|frame| frame.timestamp.0 >= 400);
    let rest = rest.map(|frame| frame.timestamp.0 - 400);
    let expected: Vec<u32> = rest.chain(later[1..].iter().map(|frame| frame.timestamp.0)).collect();
    let coded = player.media().into_iter().filter(|got| got.0 != 18);
    let times: Vec<u32> = coded.map(|got| got.1).collect();
    // Its own headers come first.
    assert_eq!(times[2..], expected);
}

#[test]
fn a_further_player_of_a_connection_has_chunk_streams_of_its_own() {
    let mut source = Source::new(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    publish(&mut source, &stream(9_000, 12, 10, 500));
    let id = source.attach(now(), conn(1), MessageStreamId(2), Some(14));
    let mut bytes = BytesMut::new();
    while source.prepare(id) {
        source.take_private(id, &mut bytes);
    }
    let mut player = Player::attach(&mut source, 9, 1);
    let mut input = &bytes[..];
    let mut times = Vec::new();
    while let Some(message) = player.reader.read(&mut input).unwrap() {
        assert!((14..17).contains(&message.header.csid.number()));
        assert_eq!(message.header.stream_id, MessageStreamId(2));
        times.push((message.header.type_id, message.header.timestamp.0));
    }
    assert_eq!(
        times,
        [(18, 0), (9, 0), (8, 0), (9, 0), (8, 0), (8, 20), (9, 40), (8, 40), (8, 60)]
    );
}

/// Publishes a random stream to players that join, stall, reply and pause at random.
fn survives(seed: u64, time_jitter: TimeJitter, start: u32) {
    let mut rng = Rng::new(seed);
    let mut config = config(time_jitter);
    config.lag_bytes_max = 300_000;
    let mut source = Source::new(config);
    source.publish(conn(0)).unwrap();
    let gop = 1 + rng.next_u32() % 30;
    let len = (rng.next_u32() % 4_000) as usize;
    let frames = stream(start, 300, gop, len);
    let mut lines: Vec<(u8, u32, u32)> = Vec::new();
    let mut players: Vec<Player> = Vec::new();
    for frame in &frames {
        publish(&mut source, core::slice::from_ref(frame));
        let mark = *source.tape().marks_from(0).last().unwrap();
        lines.push((
            mark.lane().type_id(),
            serial(&frame.payload, mark.lane().type_id()),
            mark.timestamp.0,
        ));
        if players.len() < 6 && rng.next_u32().is_multiple_of(40) {
            let slot = u32::try_from(players.len()).unwrap() + 1;
            players.push(Player::attach(&mut source, slot, slot));
        }
        for (index, player) in players.iter_mut().enumerate() {
            match rng.next_u32() % 24 {
                0 => player.reply(),
                1 if index % 2 == 1 => {
                    source.set_paused(player.id, rng.next_u32().is_multiple_of(2))
                }
                2..6 => {
                    let limit = rng.next_u32() as usize % 5_000;
                    player.write(&mut source, limit);
                }
                6..10 => player.drain(&mut source),
                _ => {}
            }
        }
    }
    for player in &mut players {
        source.set_paused(player.id, false);
        player.drain(&mut source);
        let replies = player.got.iter().filter(|got| got.kind == REPLY_TYPE).count();
        assert_eq!(replies, player.replies_sent, "seed {seed}: every reply arrives whole");
        check_run(player, &lines, time_jitter, seed);
    }
}

fn check_run(player: &Player, lines: &[(u8, u32, u32)], mode: TimeJitter, seed: u64) {
    let mut expected: Option<usize> = None;
    let mut base = None;
    for (kind, at, payload) in player.media() {
        let number = serial(payload, kind);
        if number >= 9_000 {
            continue;
        }
        let found = lines.iter().position(|&(k, s, _)| k == kind && s == number).unwrap();
        if expected.is_some_and(|next| next != found) || expected.is_none() {
            assert_eq!((kind, payload[0]), (9, 0x17), "seed {seed}: restarts at a keyframe");
        }
        expected = lines[found + 1..].iter().position(|line| line.1 < 9_000).map(|n| found + 1 + n);
        let zero = lines[found].2.wrapping_sub(at);
        assert_eq!(*base.get_or_insert(zero), zero, "seed {seed}: one base, whatever happens");
    }
    let last = player.media().last().map(|&(kind, _, payload)| serial(payload, kind));
    assert_eq!(last, lines.last().map(|line| line.1), "seed {seed}: reaches the end");
    if mode == TimeJitter::Off {
        assert_eq!(base, Some(0));
    }
}

quickcheck! {
    fn players_decode_a_contiguous_run_whatever_happens(seed: u64) -> bool {
        survives(seed, TimeJitter::Full, (seed >> 7) as u32);
        true
    }

    fn also_across_the_wraps_with_absolute_times(seed: u64) -> bool {
        let edge = [1_u64 << 24, 1 << 31, 1 << 32][(seed % 3) as usize];
        survives(seed, TimeJitter::Off, (edge - 4_000) as u32);
        survives(seed, TimeJitter::Full, (edge - 4_000) as u32);
        true
    }
}

mod blocks;
mod kept;
mod tracks;
mod zero;
