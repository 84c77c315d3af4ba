//! Every codec goes through untouched: those of Flash's time, and those of Enhanced RTMP.
use millstream_tests::client::{Encoder, Player, Scratch, publish_tags};
use millstream_tests::program::Program;
use millstream_tests::recording::{Recording, assert_decodes, new_ffmpeg};
use millstream_tests::sample::{self, H264_AAC, LEGACY};
use millstream_tests::server::Server;
use std::path::Path;

millstream_tests::on_both_transports!(
    the_codecs_of_flash_go_through,
    hevc_goes_through,
    hevc_with_colour_information_goes_through,
    av1_goes_through,
    vp9_goes_through,
    vvc_goes_through,
    opus_goes_through,
    flac_goes_through,
    ac3_goes_through,
    eac3_goes_through,
    several_tracks_go_through,
    librtmp_sends_the_tags_of_a_new_codec_as_they_are,
    the_order_of_obs_is_as_good,
    samples_of_other_makers_go_through,
);

/// Publishes a file once while `player` is joined, and compares.
fn check(server: &Server, file: &Path, player: Player, publish: impl FnOnce(&str) -> Program) {
    let name = file.file_stem().expect("a sample has a name").to_string_lossy();
    let url = server.url(&format!("live/{name}-{player:?}"));
    let scratch = Scratch::new(&format!("codecs-{name}-{player:?}"));
    let played_file = scratch.file("played.flv");
    let published = Recording::of(file);

    let publisher = publish(&url);
    publisher.wait_until("media", |lines| {
        lines.iter().any(|line| line.contains("out_time_ms=") || line.contains("New clock"))
    });
    let playing = player.record(&url, &played_file);
    let (status, log) = publisher.finish();
    assert!(status.success(), "{name}: {log}");
    let played = player.finish(playing, &played_file, &published);
    played.assert_part_of(&published, 0);
    assert_decodes(&new_ffmpeg(), &played_file);
}

fn the_codecs_of_flash_go_through() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for recipe in LEGACY {
            let (server, file) = (&server, sample::made(*recipe));
            scope.spawn(move || {
                check(server, &file, Player::Rtmpdump, |url| Encoder::Ffmpeg.publish(&file, url));
            });
        }
        let file = sample::in_repository("vp6.flv");
        let server = &server;
        scope.spawn(move || {
            check(server, &file, Player::Rtmpdump, |url| Encoder::Ffmpeg.publish(&file, url));
        });
    });
}

fn check_enhanced(name: &str, codecs: &[&str]) {
    let server = Server::start();
    let file = sample::in_repository(&format!("enhanced-{name}.flv"));
    assert_eq!(Recording::of(&file).codecs(), codecs);
    check(&server, &file, Player::NewFfmpeg, |url| Encoder::NewFfmpeg.publish(&file, url));
}

fn hevc_goes_through() {
    check_enhanced("hevc-aac", &["hevc", "aac"]);
}

fn hevc_with_colour_information_goes_through() {
    check_enhanced("hevc-hdr10", &["hevc"]);
}

fn av1_goes_through() {
    check_enhanced("av1-aac", &["av1", "aac"]);
}

fn vp9_goes_through() {
    check_enhanced("vp9-aac", &["vp9", "aac"]);
}

fn vvc_goes_through() {
    check_enhanced("vvc-aac", &["vvc", "aac"]);
}

fn opus_goes_through() {
    check_enhanced("h264-opus", &["h264", "opus"]);
}

fn flac_goes_through() {
    check_enhanced("flac-only", &["flac"]);
}

fn ac3_goes_through() {
    check_enhanced("ac3-only", &["ac3"]);
}

fn eac3_goes_through() {
    check_enhanced("eac3-only", &["eac3"]);
}

fn several_tracks_go_through() {
    check_enhanced("multitrack-h264x2-aacx2", &["h264", "h264", "aac", "aac"]);
}

fn librtmp_sends_the_tags_of_a_new_codec_as_they_are() {
    let server = Server::start();
    let file = sample::in_repository("enhanced-av1-aac.flv");
    check(&server, &file, Player::Rtmpdump, |url| publish_tags(&file, url));
}

fn the_order_of_obs_is_as_good() {
    let server = Server::start();
    let file = sample::audio_first(&sample::made(H264_AAC));
    check(&server, &file, Player::Rtmpdump, |url| publish_tags(&file, url));
}

/// Where the neighbouring folder of samples is missing, the samples above have to do.
fn samples_of_other_makers_go_through() {
    let server = Server::start();
    let names = [
        "sample-seqheader-change.flv",
        "sample-vfr.flv",
        "thirdparty-ertmplab-testsrc.flv",
        "thirdparty-mozilla-h264-aac.flv",
        "thirdparty-red5-vp6.flv",
    ];
    std::thread::scope(|scope| {
        for file in names.iter().filter_map(|name| sample::shared(name)) {
            let server = &server;
            scope.spawn(move || {
                check(server, &file, Player::Rtmpdump, |url| publish_tags(&file, url));
            });
        }
    });
}
