//! Where the times of a player begin.

use super::*;
use pretty_assertions::assert_eq;

/// What a player that waits from before the publish is given: kind and time.
fn times_of(mode: TimeJitter, frames: &[Frame]) -> Vec<(u8, u32)> {
    let mut source = Source::new(config(mode));
    source.publish(conn(0)).unwrap();
    let mut player = Player::attach(&mut source, 1, 1);
    for frame in frames {
        publish(&mut source, core::slice::from_ref(frame));
        player.drain(&mut source);
    }
    player.media().iter().map(|&(kind, time, _)| (kind, time)).collect()
}

#[test]
fn no_time_is_before_zero_where_video_begins_after_later_audio() {
    let coded = FrameClass::Coded;
    let frames = [
        frame(Video, FrameClass::SequenceHeader, 0, 1, 30),
        frame(Audio, FrameClass::SequenceHeader, 0, 2, 2),
        frame(Audio, coded, 60, 3, 10),
        frame(Video, FrameClass::Keyframe, 0, 4, 10),
        frame(Audio, coded, 83, 5, 10),
        frame(Video, coded, 40, 6, 10),
        frame(Video, coded, 80, 7, 10),
        frame(Video, coded, 120, 8, 10),
        frame(Audio, coded, 106, 9, 10),
    ];
    // Each kind is as far from the other as it was, once it has come to zero.
    let expected = [(9, 0), (8, 0), (8, 0), (9, 0), (8, 23), (9, 0), (9, 20), (9, 60), (8, 46)];
    assert_eq!(times_of(TimeJitter::Full, &frames), expected);
    // Headers say here that video begins at 0.
    let raw: Vec<(u8, u32)> = frames
        .iter()
        .map(|frame| (Lane::of(frame.kind, frame.class).type_id(), frame.timestamp.0))
        .collect();
    assert_eq!(times_of(TimeJitter::Zero, &frames), raw);
    assert_eq!(times_of(TimeJitter::Off, &frames), raw);
}

#[test]
fn a_header_without_a_time_of_its_own_is_no_players_zero() {
    let at = 16_770_000;
    let frames = [
        frame(Data, FrameClass::Metadata, 0, 1, 30),
        frame(Video, FrameClass::SequenceHeader, 0, 2, 30),
        frame(Audio, FrameClass::SequenceHeader, 0, 3, 2),
        frame(Video, FrameClass::Keyframe, at, 4, 10),
        frame(Audio, FrameClass::Coded, at + 3, 5, 10),
        frame(Video, FrameClass::Coded, at + 40, 6, 10),
    ];
    let expected = [(18, 0), (9, 0), (8, 0), (9, 0), (8, 3), (9, 40)];
    assert_eq!(times_of(TimeJitter::Zero, &frames), expected);
    assert_eq!(times_of(TimeJitter::Full, &frames), expected);
}

#[test]
fn who_has_come_to_zero_is_not_held_there_when_times_come_round() {
    // A time just before the player's zero, 49 days later.
    let mut frames = vec![frame(Video, FrameClass::Keyframe, 0, 0, 10)];
    let step = 4_000_000_u32;
    let rounds = (u32::MAX - 10_000) / step;
    frames.extend((1..=rounds).map(|n| frame(Video, FrameClass::Keyframe, n * step, n, 10)));
    frames.push(frame(Video, FrameClass::Keyframe, u32::MAX - 5_000, rounds + 1, 10));
    let times = times_of(TimeJitter::Zero, &frames);
    assert_eq!(times.last(), Some(&(9, u32::MAX - 5_000)));
}

#[test]
fn a_kind_that_is_new_when_times_are_mended_is_not_held_at_a_zero_that_was_none() {
    let mut source = Source::new(config(TimeJitter::Off));
    source.publish(conn(0)).unwrap();
    let mut player = Player::attach(&mut source, 1, 1);
    let at = u32::MAX - 3_000;
    publish(&mut source, &[frame(Video, FrameClass::Keyframe, at, 0, 10)]);
    player.drain(&mut source);
    source.unpublish();
    source.configure(config(TimeJitter::Full));
    source.publish(conn(0)).unwrap();
    let both = [
        frame(Audio, FrameClass::Coded, 500, 1, 10),
        frame(Video, FrameClass::Keyframe, 500, 2, 10),
        frame(Audio, FrameClass::Coded, 523, 3, 10),
    ];
    publish(&mut source, &both);
    player.drain(&mut source);
    let times: Vec<(u8, u32)> = player.media().iter().map(|got| (got.0, got.1)).collect();
    assert_eq!(times, [(9, at), (8, at + 40), (9, at + 40), (8, at + 63)]);
}
