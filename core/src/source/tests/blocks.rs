//! Messages that lie in two blocks of the tape, the first of which goes.

use super::*;
use pretty_assertions::assert_eq;

#[test]
fn who_is_within_a_message_goes_on_when_its_first_block_has_gone() {
    for part in (0..40_000).step_by(1_999) {
        let mut source = Source::new(config(TimeJitter::Full));
        source.publish(conn(0)).unwrap();
        let mut player = Player::attach(&mut source, 1, 1);
        let frames = stream(0, 60, 20, 3_000);
        publish(&mut source, &frames[..3]);
        player.drain(&mut source);
        let long = frame(Video, FrameClass::Keyframe, 0, 7_777, 40_000);
        publish(&mut source, &[long]);
        player.write(&mut source, part);
        // Blocks before the place of the player are given back with each new keyframe.
        publish(&mut source, &frames[3..]);
        player.reply();
        player.write(&mut source, 1);
        player.reply();
        player.write(&mut source, 1);
        player.drain(&mut source);
        let media = player.media();
        let serials: Vec<_> = media.iter().map(|&(kind, _, p)| serial(p, kind)).collect();
        let type_id = |frame: &Frame| Lane::of(frame.kind, frame.class).type_id();
        let sent = frames.iter().map(|frame| serial(&frame.payload, type_id(frame)));
        let mut expected: Vec<_> = sent.collect();
        expected.insert(3, 7_777);
        assert_eq!(serials, expected, "stopped {part} bytes behind the headers");
        assert_eq!(player.got.len() - media.len(), player.replies_sent);
    }
}

#[test]
fn who_has_not_begun_a_message_goes_on_with_it_when_the_block_of_its_header_has_gone() {
    // The header of the keyframe that a player joins at ends the first block at eight of these.
    for len in 3_900..4_100_usize {
        let mut source = Source::new(config(TimeJitter::Full));
        source.publish(conn(0)).unwrap();
        let before = [
            frame(Video, FrameClass::Keyframe, 0, 1, len / 2),
            frame(Video, FrameClass::Coded, 20, 2, len - len / 2),
            frame(Video, FrameClass::Keyframe, 40, 3, 3_000),
        ];
        publish(&mut source, &before);
        let mut player = Player::attach(&mut source, 1, 1);
        player.write(&mut source, 0);
        let after = [
            frame(Video, FrameClass::Coded, 80, 4, 3_000),
            frame(Video, FrameClass::Keyframe, 120, 5, 3_000),
        ];
        publish(&mut source, &after);
        player.write(&mut source, 500);
        player.reply();
        player.drain(&mut source);
        let media = player.media();
        let serials: Vec<_> = media.iter().map(|&(kind, _, part)| serial(part, kind)).collect();
        assert_eq!(serials, [3, 4, 5], "{len}");
        assert_eq!(player.got.len() - media.len(), player.replies_sent, "{len}");
    }
}
