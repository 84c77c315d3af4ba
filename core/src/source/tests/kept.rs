//! What is kept of a stream for players that join later.

use super::*;

#[test]
fn colours_or_channels_that_change_within_a_gop_do_not_cost_its_keyframe() {
    let metadata = [(Video, &b"\xD4hvc1"[..]), (Audio, &b"\x94Opus"[..])];
    for (kind, header) in metadata {
        let metadata = |timestamp, value: u8| Frame {
            kind,
            class: FrameClass::Metadata,
            timestamp: Timestamp(timestamp),
            payload: [header, &[value]].concat().into(),
        };
        let mut source = Source::new(config(TimeJitter::Full));
        let frames = stream(0, 20, 20, 10);
        source.publish(conn(0)).unwrap();
        publish(&mut source, &[metadata(0, 1)]);
        publish(&mut source, &frames);
        publish(&mut source, &[metadata(800, 2)]);
        let mut player = Player::attach(&mut source, 1, 1);
        player.drain(&mut source);
        let media = player.media();
        let metadata = media.iter().position(|(_, _, payload)| payload.starts_with(header));
        let keyframe = media.iter().position(|(_, _, payload)| payload.starts_with(&[0x17, 1]));
        let keyframe = keyframe.expect("the keyframe of the GOP is there");
        assert!(metadata.is_some_and(|metadata| metadata < keyframe), "{kind:?}");
    }
}
