//! Streams that are forwarded from server to server, seen by who plays at the end.
use millstream_tests::client::{Encoder, Player, Scratch, publish_forever};
use millstream_tests::nginx::Nginx;
use millstream_tests::ports::free_address;
use millstream_tests::program::Program;
use millstream_tests::recording::{Recording, assert_decodes};
use millstream_tests::sample::{self, H264_AAC, H264_HIGH_AAC};
use millstream_tests::server::{Server, binary};
use pretty_assertions::assert_eq;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

millstream_tests::on_both_transports!(
    a_chain_of_two_servers_is_exact,
    a_chain_of_three_servers_is_exact,
    a_stream_goes_through_nginx_and_on,
    a_destination_that_is_killed_is_found_again,
    an_origin_that_is_killed_goes_on_when_it_is_back,
    a_hundred_streams_are_forwarded,
    loops_are_refused_and_the_publish_goes_on,
    a_loop_through_nginx_takes_no_stream_over,
    each_server_of_a_chain_is_found_again,
    keys_of_destinations_are_not_logged,
);

/// A server that forwards to these destinations.
fn forwarding(to: &[&str]) -> Server {
    Server::start_with(&flags(to))
}

fn flags<'a>(to: &[&'a str]) -> Vec<&'a str> {
    to.iter().flat_map(|to| ["--forward", to]).collect()
}

fn address(server: &Server) -> String {
    server.address().to_string()
}

/// Waits until a recording has more than so many pictures.
fn wait_for_pictures(playing: &Program, file: &Path, count: usize) {
    playing.wait_until(&format!("{count} pictures"), |_| pictures(file) > count);
}

fn pictures(file: &Path) -> usize {
    let counts = Recording::read(file).map(|recording| recording.counts());
    counts.and_then(|counts| counts.first().copied()).unwrap_or_default()
}

/// Publishes to the first of `servers`; who waits at the last one gets every packet.
fn check_chain(name: &str, servers: &[&Server]) {
    let scratch = Scratch::new(name);
    let sample = sample::made(H264_HIGH_AAC);
    let published = Recording::of(&sample);
    let stream = format!("live/{name}");
    let playing: Vec<_> = (0..servers.len())
        .map(|index| {
            let file = scratch.file(&format!("{index}.flv"));
            let playing = Player::Rtmpdump.record(&servers[index].url(&stream), &file);
            playing.wait_for(&["Starting Live Stream"]);
            (playing, file)
        })
        .collect();
    let (status, log) = Encoder::Ffmpeg.publish(&sample, &servers[0].url(&stream)).finish();
    assert!(status.success(), "{log}");
    for (playing, file) in playing {
        let played = Player::Rtmpdump.finish(playing, &file, &published);
        played.assert_part_of(&published, 0);
        assert_eq!(played.counts(), published.counts());
        assert_decodes(Path::new("ffmpeg"), &file);
    }
    for server in &servers[..servers.len() - 1] {
        server.program().wait_for(&["forward", &stream, "ended"]);
    }
    // The last server was told of the end.
    servers[servers.len() - 1].program().wait_for(&["publish", &stream, "ended"]);
}

fn a_chain_of_two_servers_is_exact() {
    let second = Server::start();
    let first = forwarding(&[&address(&second)]);
    check_chain("two", &[&first, &second]);
}

fn a_chain_of_three_servers_is_exact() {
    let third = Server::start();
    let to_third = format!("rtmp://localhost:{}/{{app}}/{{stream}}", third.address().port());
    let second = forwarding(&[&to_third]);
    let first = forwarding(&[&format!("rtmp://{}/live", second.address())]);
    check_chain("three", &[&first, &second, &third]);
}

fn a_stream_goes_through_nginx_and_on() {
    let scratch = Scratch::new("nginx");
    let last = Server::start();
    let push = last.url("live");
    let nginx = Nginx::start(free_address(), Some(&push), &scratch);
    let first = forwarding(&[&nginx.url("live")]);
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let publisher = Encoder::Ffmpeg.publish(&sample, &first.url("live/through"));
    last.program().wait_for(&["publish live/through began"]);
    let players =
        [(Player::Ffmpeg, nginx.url("live/through")), (Player::Rtmpdump, last.url("live/through"))]
            .map(|(player, url)| {
                let file = scratch.file(&format!("{player:?}.flv"));
                (player, player.record(&url, &file), file)
            });
    let (status, log) = publisher.finish();
    assert!(status.success(), "{log}");
    for (player, playing, file) in players {
        let played = player.finish(playing, &file, &published);
        // nginx sends audio and video on two clocks of its own.
        let covered = played.assert_part_of(&published, 50);
        assert!(covered[0].len() >= 100, "{player:?}: {covered:?}");
        assert_decodes(Path::new("ffmpeg"), &file);
    }
    // nginx was told of the end, not cut off.
    nginx.program().wait_for(&["deleteStream"]);
}

fn a_destination_that_is_killed_is_found_again() {
    let scratch = Scratch::new("killed");
    let sample = sample::made(H264_AAC);
    let second = Server::start();
    let at = address(&second);
    let nginx_at = free_address();
    let nginx = Nginx::start(nginx_at, None, &scratch);
    let first = forwarding(&[&at, &format!("rtmp://{nginx_at}/live")]);
    let _publisher = publish_forever(&sample, &first.url("live/cam"));
    second.program().wait_for(&["publish live/cam began"]);
    nginx.program().wait_for(&["publish: name='cam'"]);
    let reference = Player::Rtmpdump.record(&first.url("live/cam"), &scratch.file("first.flv"));
    // Both destinations die, without a word.
    drop(second);
    drop(nginx);
    for to in [&at, &nginx_at.to_string()] {
        first.program().wait_for(&["forward live/cam to", to, "again in"]);
    }
    let second = Server::start_at(&at, &[]);
    let nginx = Nginx::start(nginx_at, None, &scratch);
    second.program().wait_for(&["publish live/cam began"]);
    nginx.program().wait_for(&["publish: name='cam'"]);
    for (player, url) in
        [(Player::Rtmpdump, second.url("live/cam")), (Player::Ffmpeg, nginx.url("live/cam"))]
    {
        let file = scratch.file(&format!("{player:?}.flv"));
        let playing = player.record(&url, &file);
        wait_for_pictures(&playing, &file, 50);
        player.stop(playing);
        let played = Recording::of(&file);
        played.assert_starts_at_keyframe();
        played.assert_monotonic();
    }
    // Who plays at the first server has seen nothing of all that.
    let before = pictures(&scratch.file("first.flv"));
    wait_for_pictures(&reference, &scratch.file("first.flv"), before + 25);
    Player::Rtmpdump.stop(reference);
}

fn an_origin_that_is_killed_goes_on_when_it_is_back() {
    let scratch = Scratch::new("origin");
    let sample = sample::made(H264_AAC);
    let second = Server::start();
    let to_second = address(&second);
    let first = forwarding(&[&to_second]);
    let at = address(&first);
    let publisher = publish_forever(&sample, &first.url("live/cam"));
    second.program().wait_for(&["publish live/cam began"]);
    let file = scratch.file("played.flv");
    let playing = Player::Ffmpeg.record(&second.url("live/cam"), &file);
    wait_for_pictures(&playing, &file, 50);
    drop(first);
    drop(publisher);
    second.program().wait_for(&["publish live/cam ended"]);
    let before = pictures(&file);
    let first = Server::start_at(&at, &flags(&[&to_second]));
    let _publisher = publish_forever(&sample, &first.url("live/cam"));
    // The player has waited at the second server.
    wait_for_pictures(&playing, &file, before + 50);
    Player::Ffmpeg.stop(playing);
    let played = Recording::of(&file);
    played.assert_monotonic();
    played.assert_starts_at_keyframe();
}

fn a_hundred_streams_are_forwarded() {
    let second = Server::start();
    let first = forwarding(&[&address(&second)]);
    let scratch = Scratch::new("hundred");
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let mut command = Command::new(binary());
    command.args(["bench", "publish", &first.url("live/many-{number}")]).arg(&sample);
    command.args(["--publishers", "100", "--for", "20s"]);
    let publishers = Program::start(command);
    let began = |server: &Server, what: &str| {
        let log = server.program().log();
        let lines = log.lines().filter_map(|line| line.split_once(what));
        let names = lines.filter_map(|(_, rest)| rest.split(' ').next().map(str::to_owned));
        names.collect::<BTreeSet<String>>().len()
    };
    second
        .program()
        .wait_until("a hundred streams", |_| began(&second, "publish live/many-") == 100);
    first
        .program()
        .wait_until("a hundred forwards", |_| began(&first, "forward live/many-") == 100);
    for number in [0, 50, 99] {
        let file = scratch.file(&format!("{number}.flv"));
        let url = second.url(&format!("live/many-{number}"));
        let playing = Player::Rtmpdump.record(&url, &file);
        wait_for_pictures(&playing, &file, 20);
        Player::Rtmpdump.stop(playing);
        let played = Recording::of(&file);
        assert_eq!(played.codecs(), published.codecs());
        played.assert_starts_at_keyframe();
        played.assert_monotonic();
    }
    drop(publishers);
    first.program().wait_until("the end of all", |lines| {
        lines
            .iter()
            .filter(|line| line.contains("forward live/many-") && line.contains(" ended, "))
            .count()
            == 100
    });
}

fn loops_are_refused_and_the_publish_goes_on() {
    let (at, other) = (free_address(), free_address());
    let names = [
        format!("127.0.0.1:{}", at.port()),
        format!("rtmp://localhost:{}/live/{{stream}}_again", at.port()),
        other.to_string(),
    ];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Several workers are one server.
    let arguments = [vec!["--workers", "3"], flags(&names)].concat();
    let first = Server::start_at(&at.to_string(), &arguments);
    let second = Server::start_at(&other.to_string(), &flags(&[&at.to_string()]));
    let scratch = Scratch::new("loops");
    let file = scratch.file("played.flv");
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let publisher = Encoder::Ffmpeg.publish(&sample, &first.url("live/round"));
    Encoder::Ffmpeg.wait_for_media(&publisher);
    let playing = Player::Rtmpdump.record(&second.url("live/round"), &file);
    let (status, log) = publisher.finish();
    assert!(status.success(), "{log}");
    Player::Rtmpdump.finish(playing, &file, &published).assert_part_of(&published, 0);

    let count = |server: &Server, words: &[&str]| {
        let log = server.program().log();
        log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    };
    let refused = ["forward live/round to", "in a loop; again in "];
    // Within the length of the test, a loop is tried once.
    assert_eq!(count(&first, &refused), 2, "{}", first.program().log());
    assert_eq!(count(&second, &["forward live/round to", "in a loop"]), 1);
    assert_eq!(count(&first, &["refused", "in a loop"]), 3);
    // Only one stream was ever published on each.
    for server in [&first, &second] {
        assert_eq!(
            count(server, &["INFO publish live/", "began"]),
            1,
            "{}",
            server.program().log()
        );
    }
}

fn a_loop_through_nginx_takes_no_stream_over() {
    let scratch = Scratch::new("nginx-loop");
    let (at, nginx_at) = (free_address(), free_address());
    let to_nginx = nginx_at.to_string();
    let arguments = [vec!["--publish", "takeover", "--workers", "2"], flags(&[&to_nginx])].concat();
    let server = Server::start_at(&at.to_string(), &arguments);
    // nginx says nothing of where a stream has been.
    let _nginx = Nginx::start(nginx_at, Some(&server.url("live")), &scratch);
    let sample = sample::made(H264_AAC);
    let published = Recording::of(&sample);
    let file = scratch.file("played.flv");
    let playing = Player::Rtmpdump.record(&server.url("live/round"), &file);
    playing.wait_for(&["Starting Live Stream"]);
    let (status, log) = Encoder::Ffmpeg.publish(&sample, &server.url("live/round")).finish();
    assert!(status.success(), "{log}");
    let played = Player::Rtmpdump.finish(playing, &file, &published);
    played.assert_part_of(&published, 0);
    assert_eq!(played.counts(), published.counts());
    server.program().wait_for(&["refused", "in a loop"]);
    let log = server.program().log();
    assert_eq!(log.matches("publish live/round began").count(), 1, "{log}");
    assert!(!log.contains("took the stream over"), "{log}");
}

fn each_server_of_a_chain_is_found_again() {
    let scratch = Scratch::new("chain");
    let sample = sample::made(H264_AAC);
    let third = Server::start();
    let to_third = address(&third);
    let second = forwarding(&[&to_third]);
    let to_second = address(&second);
    let first = forwarding(&[&to_second]);
    let at = address(&first);
    let publisher = publish_forever(&sample, &first.url("live/cam"));
    let file = scratch.file("played.flv");
    let playing = Player::Ffmpeg.record(&third.url("live/cam"), &file);
    wait_for_pictures(&playing, &file, 25);
    // The one in the middle: who plays at the end waits, and goes on.
    drop(second);
    third.program().wait_for(&["publish live/cam ended"]);
    let second = Server::start_at(&to_second, &flags(&[&to_third]));
    let before = pictures(&file);
    wait_for_pictures(&playing, &file, before + 25);
    // The first one, with the publisher.
    drop(first);
    drop(publisher);
    second.program().wait_for(&["publish live/cam ended"]);
    let before = pictures(&file);
    let first = Server::start_at(&at, &flags(&[&to_second]));
    let _publisher = publish_forever(&sample, &first.url("live/cam"));
    wait_for_pictures(&playing, &file, before + 25);
    Player::Ffmpeg.stop(playing);
    let played = Recording::of(&file);
    played.assert_monotonic();
    played.assert_starts_at_keyframe();
    // The last one.
    drop(third);
    second.program().wait_for(&["forward live/cam to", &to_third, "again in"]);
    let third = Server::start_at(&to_third, &[]);
    third.program().wait_for(&["publish live/cam began"]);
    let file = scratch.file("again.flv");
    let playing = Player::Rtmpdump.record(&third.url("live/cam"), &file);
    wait_for_pictures(&playing, &file, 25);
    Player::Rtmpdump.stop(playing);
    Recording::of(&file).assert_starts_at_keyframe();
    // The first has noticed nothing of that.
    assert!(!first.program().log().contains("again in"), "{}", first.program().log());
}

fn keys_of_destinations_are_not_logged() {
    let second = Server::start();
    let to = format!("rtmp://{}/live/s3cr3t-name?key=s3cr3t-key", second.address());
    let gone = format!("rtmp://{}/live/s3cr3t-name?key=s3cr3t-key", free_address());
    let arguments = [vec!["--log", "trace", "--pithy-print", "1"], flags(&[&to, &gone])].concat();
    let first = Server::start_with(&arguments);
    let publisher = publish_forever(&sample::made(H264_AAC), &first.url("live/cam"));
    let shown = format!("rtmp://{}/live/..?..", second.address());
    first.program().wait_for(&["forward live/cam to", &shown, "began"]);
    first.program().wait_for(&["forward live/cam to", &shown, "kb/s"]);
    first.program().wait_for(&["forward live/cam to", "again in"]);
    second.program().wait_for(&["publish live/s3cr3t-name began"]);
    drop(publisher);
    first.program().wait_for(&["forward live/cam to", &shown, "ended"]);
    assert!(!first.program().log().contains("s3cr3t"), "{}", first.program().log());
}
