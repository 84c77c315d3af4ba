//! What is kept of a stream for players that join later.

use super::*;
use pretty_assertions::assert_eq;

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

#[test]
fn metadata_that_name_no_codec_do_not_say_that_there_is_no_audio() {
    let kinds = |source: &Source| source.kinds().map(|kinds| (kinds.audio, kinds.video));
    let metadata = |text: &'static [u8]| Frame {
        kind: Data,
        class: FrameClass::Metadata,
        timestamp: Timestamp(0),
        payload: Bytes::from_static(text),
    };
    let begin = |text| {
        let mut source = Source::new(config(TimeJitter::Full));
        source.publish(conn(0)).unwrap();
        publish(&mut source, &[metadata(text)]);
        publish(&mut source, &[frame(Video, FrameClass::Keyframe, 0, 1, 10)]);
        source
    };
    let silent = b"\x02\0\x0AonMetaData\x03\0\x05width\0";
    let mut source = begin(silent);
    assert_eq!(kinds(&source), None, "audio may still come");
    publish(&mut source, &[frame(Audio, FrameClass::Coded, 20, 2, 10)]);
    assert_eq!(kinds(&source), Some((true, true)));

    let mut source = begin(silent);
    let frames = (1..15).map(|n| frame(Video, FrameClass::Coded, n * 40, n + 2, 10));
    publish(&mut source, &frames.collect::<Vec<_>>());
    assert_eq!(kinds(&source), Some((false, true)), "it has had the time to show itself");

    let source = begin(b"\x02\0\x0AonMetaData\x03\0\x0Cvideocodecid\0");
    assert_eq!(kinds(&source), Some((false, true)), "no audio is told of");
}
