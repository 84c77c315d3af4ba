//! Several video tracks (Enhanced RTMP), a message for each.

use super::*;
use FrameClass::{Coded, Keyframe, SequenceHeader};
use pretty_assertions::assert_eq;

/// Track 0 is without an enhanced header, as encoders send it.
fn video(track: u8, class: FrameClass, timestamp: u32) -> Frame {
    if track == 0 {
        return frame(Video, class, timestamp, timestamp, 0);
    }
    let (first, packet) = match class {
        SequenceHeader => (0x96, 0),
        Keyframe => (0x96, 1),
        _ => (0xA6, 1),
    };
    let payload = [&[first, packet], &b"avc1"[..], &[track, 0, 0, 0, 9]].concat();
    Frame { kind: Video, class, timestamp: Timestamp(timestamp), payload: payload.into() }
}

/// Pictures of both tracks, every 40 ms; the main one begins with a keyframe.
fn pictures(from: u32, to: u32, side_gop: u32) -> Vec<Frame> {
    let class = |is_keyframe| if is_keyframe { Keyframe } else { Coded };
    let both = |n: u32| {
        let side = class((n - from).is_multiple_of(side_gop));
        [video(0, class(n == from), n * 40), video(1, side, n * 40)]
    };
    (from..to).flat_map(both).collect()
}

fn two_tracks(gop_cache: bool) -> Source {
    let mut source = Source::new(SourceConfig { gop_cache, ..config(TimeJitter::Full) });
    source.publish(conn(0)).unwrap();
    publish(&mut source, &[video(0, SequenceHeader, 0), video(1, SequenceHeader, 0)]);
    source
}

fn name(payload: &[u8]) -> (u8, FrameClass) {
    let info = parse_video(payload).unwrap();
    (info.track, info.class)
}

/// The first pictures that a player gets; headers come before.
fn first_pictures(player: &Player) -> Vec<(u8, FrameClass)> {
    let media = player.media();
    let names = media.iter().map(|(_, _, payload)| name(payload));
    names.filter(|(_, class)| *class != SequenceHeader).take(3).collect()
}

const MAIN_FIRST: [(u8, FrameClass); 3] = [(0, Keyframe), (1, Keyframe), (0, Coded)];

#[test]
fn who_joins_late_starts_at_the_keyframe_of_the_main_track_not_of_the_last_one() {
    let mut source = two_tracks(true);
    publish(&mut source, &pictures(0, 50, 50));
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    assert_eq!(first_pictures(&player), MAIN_FIRST);

    // A side track with more keyframes changes nothing.
    publish(&mut source, &pictures(50, 100, 7));
    let mut player = Player::attach(&mut source, 2, 1);
    player.drain(&mut source);
    assert_eq!(first_pictures(&player), MAIN_FIRST);
    assert_eq!(player.media().len(), 2 + 100);

    let snapshot = source.snapshot();
    let mut replica = Source::new(SourceConfig { is_replica: true, ..config(TimeJitter::Full) });
    replica.publish(conn(0)).unwrap();
    publish(&mut replica, &snapshot);
    let mut player = Player::attach(&mut replica, 1, 1);
    player.drain(&mut replica);
    assert_eq!(first_pictures(&player), MAIN_FIRST);
}

#[test]
fn a_side_track_that_runs_a_little_behind_stays_one() {
    let mut source = two_tracks(true);
    let late = [video(0, Keyframe, 2_000), video(1, Keyframe, 1_990), video(0, Coded, 2_040)];
    publish(&mut source, &late);
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    assert_eq!(first_pictures(&player), MAIN_FIRST);
}

#[test]
fn a_keyframe_of_a_side_track_is_not_what_a_player_waits_for() {
    // Whether it comes into a group of pictures, or before the first one.
    for (gop_cache, before) in [(false, 5), (true, 0)] {
        let mut source = two_tracks(gop_cache);
        publish(&mut source, &pictures(0, before, 50));
        let mut player = Player::attach(&mut source, 1, 1);
        publish(
            &mut source,
            &[video(1, Keyframe, 200), video(0, Coded, 240), video(1, Coded, 240)],
        );
        publish(&mut source, &pictures(7, 9, 50));
        player.drain(&mut source);
        // It decodes alone, what follows does not.
        assert_eq!(first_pictures(&player), [(1, Keyframe), (0, Keyframe), (1, Keyframe)]);
    }
}

#[test]
fn a_lapped_player_goes_on_at_the_keyframe_of_the_main_track() {
    let mut source = two_tracks(true);
    publish(&mut source, &pictures(0, 50, 50));
    let mut player = Player::attach(&mut source, 1, 1);
    player.write(&mut source, 200);
    let mut lapped = Vec::new();
    for n in 1..20 {
        lapped.extend(publish(&mut source, &pictures(n * 50, n * 50 + 50, 25)));
    }
    assert_eq!(lapped.len(), 1);
    let before = player.got.len();
    player.drain(&mut source);
    player.got.drain(..before);
    let media = player.media();
    let places = media.iter().position(|(_, _, payload)| name(payload).1 == Keyframe);
    player.got.drain(..places.unwrap());
    assert_eq!(first_pictures(&player), MAIN_FIRST);
}

#[test]
fn a_main_track_that_ends_keeps_nobody_from_the_others() {
    let mut source = two_tracks(true);
    publish(&mut source, &pictures(0, 50, 50));
    for n in 50..1_000_u32 {
        let class = if n.is_multiple_of(50) { Keyframe } else { Coded };
        publish(&mut source, &[video(1, class, n * 40)]);
    }
    let mut player = Player::attach(&mut source, 1, 1);
    player.drain(&mut source);
    assert_eq!(first_pictures(&player), [(1, Keyframe), (1, Coded), (1, Coded)]);
    // It is the main track again at once when it returns.
    publish(&mut source, &pictures(1_000, 1_050, 50));
    let mut player = Player::attach(&mut source, 2, 1);
    player.drain(&mut source);
    assert_eq!(first_pictures(&player), MAIN_FIRST);
}
