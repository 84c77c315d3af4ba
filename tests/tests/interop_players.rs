//! Players that show what they get, or write it anew, so that it is compared as pictures.
use millstream_tests::client::{Player, SHOWN_SECONDS, Scratch, ffplay, publish_forever};
use millstream_tests::recording::{Recording, decoded_frames};
use millstream_tests::sample::{self, H264_AAC};
use millstream_tests::server::Server;

millstream_tests::on_both_transports!(vlc_plays, ffplay_plays,);

fn vlc_plays() {
    let server = Server::start();
    let url = server.url("live/vlc");
    let scratch = Scratch::new("vlc");
    let file = scratch.file("played.ts");
    let _publisher = publish_forever(&sample::made(H264_AAC), &url);
    let playing = Player::Vlc.record(&url, &file);
    drop(playing.finish());

    let played = Recording::of(&file);
    assert_eq!(played.codecs(), ["h264", "aac"]);
    played.assert_monotonic();
    played.assert_starts_at_keyframe();
    // VLC cuts the last packet of its file, so one picture may be lost.
    let (_, frames) = decoded_frames(&file)[0];
    assert!(frames >= u64::from(SHOWN_SECONDS - 1) * 25, "{frames} pictures");
    assert!(frames + 1 >= played.counts()[0] as u64, "{frames} of {:?}", played.counts());
}

fn ffplay_plays() {
    let server = Server::start();
    let url = server.url("live/ffplay");
    let _publisher = publish_forever(&sample::made(H264_AAC), &url);
    let playing = ffplay(&url);
    let mut shown = Vec::new();
    playing.wait_until("a hundred pictures", |lines| {
        shown = lines.iter().filter(|line| line.contains("pts_time:")).cloned().collect();
        shown.len() >= 100
    });
    assert!(shown[0].contains("iskey:1"), "{}", shown[0]);
    let log = playing.log();
    assert!(!log.contains("rror"), "{log}");
}
