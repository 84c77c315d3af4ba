//! What real players get is what real encoders sent: every packet, byte for byte, in time.
use millstream_tests::client::{Encoder, Player, SHOWN_SECONDS, Scratch};
use millstream_tests::recording::{Recording, assert_decodes, decoded_frames};
use millstream_tests::sample::{self, H264_AAC, H264_HIGH_AAC, Recipe};
use millstream_tests::server::Server;
use std::path::Path;

millstream_tests::on_both_transports!(
    ffmpeg_publishes,
    new_ffmpeg_publishes,
    gstreamer_publishes,
    librtmp_publishes,
    ffmpeg_plays,
    new_ffmpeg_plays,
    gstreamer_plays,
    librtmp_plays_in_gstreamer,
    rtmpdump_plays,
    mpv_plays,
);

/// Publishes once, joins while it runs, and compares the recording with the sample.
fn check(encoder: Encoder, player: Player, recipe: Recipe) {
    let server = Server::start();
    let url = server.url(&format!("live/{encoder:?}-{player:?}-{}", recipe.name));
    let scratch = Scratch::new(&format!("{encoder:?}-{player:?}-{}", recipe.name));
    let file = scratch.file(&format!("played.{}", player.ending()));
    let sample = sample::made(recipe);
    let published = Recording::of(&sample);

    let publisher = encoder.publish(&sample, &url);
    encoder.wait_for_media(&publisher);
    let playing = player.record(&url, &file);
    let (status, log) = publisher.finish();
    assert!(status.success(), "{log}");

    let played = player.finish(playing, &file, &published);
    // flvmux moves the first packets to make them start together.
    let bend_ms_max = if encoder.is_gstreamer() { 50 } else { 0 };
    for (covered, whole) in
        played.assert_part_of(&published, bend_ms_max).iter().zip(published.counts())
    {
        assert!(covered.start <= whole / 2, "joined late: {covered:?} of {whole}");
        if player.ends_itself() {
            assert!(covered.len() >= (SHOWN_SECONDS as usize - 1) * 25, "{covered:?} of {whole}");
        } else if player.is_prompt() {
            assert_eq!(covered.end, whole);
        }
    }
    assert_decodes(Path::new("ffmpeg"), &file);
    let frames = decoded_frames(&file);
    assert_eq!(frames[0], (played.codecs()[0].to_owned(), played.counts()[0] as u64));
}

fn ffmpeg_publishes() {
    check(Encoder::Ffmpeg, Player::Rtmpdump, H264_HIGH_AAC);
}

fn new_ffmpeg_publishes() {
    check(Encoder::NewFfmpeg, Player::Rtmpdump, H264_HIGH_AAC);
}

fn gstreamer_publishes() {
    check(Encoder::GstRtmp2Sink, Player::Rtmpdump, H264_AAC);
}

fn librtmp_publishes() {
    check(Encoder::GstRtmpSink, Player::Rtmpdump, H264_AAC);
}

fn ffmpeg_plays() {
    check(Encoder::Ffmpeg, Player::Ffmpeg, H264_AAC);
}

fn new_ffmpeg_plays() {
    check(Encoder::Ffmpeg, Player::NewFfmpeg, H264_AAC);
}

fn gstreamer_plays() {
    check(Encoder::Ffmpeg, Player::GstRtmp2Src, H264_AAC);
}

fn librtmp_plays_in_gstreamer() {
    check(Encoder::Ffmpeg, Player::GstRtmpSrc, H264_AAC);
}

fn rtmpdump_plays() {
    check(Encoder::Ffmpeg, Player::Rtmpdump, H264_AAC);
}

fn mpv_plays() {
    check(Encoder::Ffmpeg, Player::Mpv, H264_AAC);
}
