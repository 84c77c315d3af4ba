//! What a live stream owes its viewers: a picture at once, no end without need, no stranger's media.
use millstream_tests::client::{Encoder, Player, Scratch, publish_forever, publish_tags};
use millstream_tests::program::Program;
use millstream_tests::recording::Recording;
use millstream_tests::sample::{self, H264_AAC, H264_HIGH_AAC};
use millstream_tests::server::Server;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

millstream_tests::on_both_transports!(
    who_joins_amid_a_gop_gets_its_keyframe_at_once,
    two_vhosts_do_not_mix,
    a_stream_plays_on_where_timestamps_need_the_extended_field,
    a_stream_plays_on_where_timestamps_reach_the_sign_bit,
    a_stream_plays_on_where_timestamps_wrap_to_zero,
    a_player_stays_when_the_publisher_starts_anew,
    thirty_players_get_the_same,
    a_second_publisher_is_refused_and_the_first_goes_on,
    a_player_that_comes_first_gets_everything,
    the_log_tells_the_life_of_a_stream_and_keeps_its_key,
);

/// Waits until a recording has so many pictures.
fn wait_for_pictures(playing: &Program, file: &Path, count: usize) {
    playing.wait_until(&format!("{count} pictures"), |_| {
        Recording::read(file).is_some_and(|recording| {
            recording
                .tracks
                .iter()
                .any(|track| track.kind == "video" && track.packets.len() >= count)
        })
    });
}

fn who_joins_amid_a_gop_gets_its_keyframe_at_once() {
    let server = Server::start();
    let url = server.url("live/amid");
    let scratch = Scratch::new("amid");
    let file = scratch.file("played.flv");
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let publisher = Encoder::Ffmpeg.publish(&sample, &url);
    publisher.wait_until("the middle of the first GOP", |lines| {
        let times = lines.iter().filter_map(|line| line.strip_prefix("out_time_ms="));
        times.filter_map(|time| time.parse::<i64>().ok()).any(|micros| micros >= 800_000)
    });

    // Without the cached GOP the first picture would be up to 1.2 seconds away.
    let joined = Instant::now();
    let playing = Player::Rtmpdump.record(&url, &file);
    playing.wait_for(&["kB / "]);
    let first = joined.elapsed();
    assert!(first < Duration::from_millis(700), "the first media after {first:?}");
    drop(publisher.finish());
    let played = Player::Rtmpdump.finish(playing, &file, &published);
    let covered = played.assert_part_of(&published, 0);
    assert_eq!(covered[0].start, 0, "not the GOP that was on: {covered:?}");
}

fn two_vhosts_do_not_mix() {
    let scratch = Scratch::new("vhosts");
    let config = scratch.file("vhosts.kdl");
    std::fs::write(
        &config,
        "vhost \"__defaultVhost__\"\nvhost \"a.example\"\nvhost \"b.example\"\n",
    )
    .expect("a file");
    let server = Server::start_with(&["-c", &config.to_string_lossy()]);
    let samples = [sample::made(H264_AAC), sample::made(H264_HIGH_AAC)];
    // The same stream name, told apart by the vhost alone, in the two places where it may stand.
    let published = ["live/cam?vhost=a.example", "live/cam?vhost=b.example"];
    let played = ["live?vhost=a.example/cam", "live/cam?vhost=b.example"];
    let publishers =
        [0, 1].map(|i| Encoder::Ffmpeg.publish(&samples[i], &server.url(published[i])));
    publishers.iter().for_each(|publisher| Encoder::Ffmpeg.wait_for_media(publisher));
    let file = |i: usize| scratch.file(&format!("{i}.flv"));
    let playing = [0, 1].map(|i| Player::NewFfmpeg.record(&server.url(played[i]), &file(i)));
    for (i, playing) in playing.into_iter().enumerate() {
        let whole = Recording::of(&samples[i]);
        Player::NewFfmpeg.finish(playing, &file(i), &whole).assert_part_of(&whole, 0);
    }
}

/// Publishes from a timestamp onwards and looks at what a player that was there all along got.
fn check_from(first: u32) {
    let server = Server::start();
    let url = server.url("live/wrap");
    let scratch = Scratch::new(&format!("from-{first}"));
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let publisher = publish_tags(&sample::shifted(&sample, first), &url);
    publisher.wait_for(&["New clock"]);
    let players = [Player::Ffmpeg, Player::Rtmpdump, Player::GstRtmp2Src].map(|player| {
        let file = scratch.file(&format!("{player:?}.flv"));
        (player, player.record(&url, &file), file)
    });
    drop(publisher.finish());
    for (player, playing, file) in players {
        let played = player.finish(playing, &file, &published);
        let covered = played.assert_part_of(&published, 0);
        assert!(covered[0].len() >= 150, "{player:?}: {covered:?}");
    }
}

fn a_stream_plays_on_where_timestamps_need_the_extended_field() {
    check_from((1 << 24) - 4000);
}

fn a_stream_plays_on_where_timestamps_reach_the_sign_bit() {
    check_from((1 << 31) - 4000);
}

fn a_stream_plays_on_where_timestamps_wrap_to_zero() {
    check_from(u32::MAX - 4000);
}

fn a_player_stays_when_the_publisher_starts_anew() {
    let server = Server::start();
    let url = server.url("live/again");
    let scratch = Scratch::new("again");
    let file = scratch.file("played.flv");
    let sample = sample::made(H264_AAC);
    let publisher = publish_forever(&sample, &url);
    let playing = Player::Ffmpeg.record(&url, &file);
    wait_for_pictures(&playing, &file, 60);
    // Killed, as by a lost network: no word of farewell.
    drop(publisher);

    let before = Recording::of(&file).counts()[0];
    let _publisher = publish_forever(&sample, &url);
    wait_for_pictures(&playing, &file, before + 60);
    Player::Ffmpeg.stop(playing);
    let played = Recording::of(&file);
    played.assert_monotonic();
    played.assert_starts_at_keyframe();
    let first = &Recording::of(&sample).tracks[0].packets[0].checksum;
    let video = played.tracks.iter().find(|track| track.kind == "video").expect("a picture");
    let starts = video.packets.iter().filter(|packet| packet.checksum == *first).count();
    assert!(starts >= 2, "the second publication begins with its first keyframe");
}

fn thirty_players_get_the_same() {
    let server = Server::start();
    let url = server.url("live/thirty");
    let scratch = Scratch::new("thirty");
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let publisher = Encoder::Ffmpeg.publish(&sample, &url);
    Encoder::Ffmpeg.wait_for_media(&publisher);
    let players: Vec<(Program, PathBuf)> = (0..30)
        .map(|i| scratch.file(&format!("{i}.flv")))
        .map(|file| (Player::Rtmpdump.record(&url, &file), file))
        .collect();
    let (status, log) = publisher.finish();
    assert!(status.success(), "{log}");
    thread::scope(|scope| {
        for (playing, file) in players {
            let published = &published;
            scope.spawn(move || {
                let played = Player::Rtmpdump.finish(playing, &file, published);
                let covered = played.assert_part_of(published, 0);
                assert_eq!(covered[0].end, published.counts()[0], "{covered:?}");
            });
        }
    });
}

fn a_second_publisher_is_refused_and_the_first_goes_on() {
    let server = Server::start();
    let url = server.url("live/taken");
    let scratch = Scratch::new("taken");
    let file = scratch.file("played.flv");
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let first = Encoder::Ffmpeg.publish(&sample, &url);
    Encoder::Ffmpeg.wait_for_media(&first);
    let playing = Player::Rtmpdump.record(&url, &file);

    for encoder in [Encoder::Ffmpeg, Encoder::NewFfmpeg, Encoder::GstRtmp2Sink] {
        let (status, log) = encoder.publish(&sample, &url).finish();
        assert!(!status.success(), "{encoder:?} was not refused:\n{log}");
    }
    let log = server.program().log();
    let refused = log.lines().filter(|line| line.contains("refused") && line.contains("busy"));
    assert_eq!(refused.count(), 3, "{log}");
    let (status, log) = first.finish();
    assert!(status.success(), "{log}");
    Player::Rtmpdump.finish(playing, &file, &published).assert_part_of(&published, 0);
}

fn a_player_that_comes_first_gets_everything() {
    let server = Server::start();
    let url = server.url("live/early");
    let scratch = Scratch::new("early");
    let file = scratch.file("played.flv");
    let sample = sample::made(H264_HIGH_AAC);
    let published = Recording::of(&sample);
    let playing = Player::Rtmpdump.record(&url, &file);
    playing.wait_for(&["Starting Live Stream"]);
    drop(Encoder::Ffmpeg.publish(&sample, &url).finish());
    let played = Player::Rtmpdump.finish(playing, &file, &published);
    played.assert_part_of(&published, 0);
    assert_eq!(played.counts(), published.counts());
}

fn the_log_tells_the_life_of_a_stream_and_keeps_its_key() {
    let server = Server::start();
    let secret = "s3cr3t";
    let url = server.url(&format!("live/told?key={secret}"));
    let scratch = Scratch::new("told");
    let publisher = publish_forever(&sample::made(H264_AAC), &url);
    let playing = Player::Rtmpdump.record(&url, &scratch.file("played.flv"));
    playing.wait_for(&["kB / "]);
    Player::Rtmpdump.stop(playing);
    drop(publisher);

    let program = server.program();
    for words in ["publish", "play"] {
        for end in ["began", "ended"] {
            program.wait_for(&[words, "live/told", end]);
        }
    }
    assert!(!program.log().contains(secret), "{}", program.log());
}
