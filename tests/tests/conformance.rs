//! What the server owes its peers in bytes and time, on every transport and simulated.
use millstream_core::session::Intent;
use millstream_sim::capture::{Capture, Protocol};
use millstream_sim::tcp::Direction;
use millstream_tests::tree;
use millstream_tests::world::{Came, Client, World};
use pretty_assertions::assert_eq;
use std::fs;
use std::time::Duration;

millstream_tests::in_all_worlds!(
    players_get_what_is_published,
    a_second_publisher_is_refused_and_the_first_goes_on,
    a_stream_is_free_once_its_publisher_has_left,
    a_session_in_single_bytes_is_as_good,
    captured_clients_are_answered_though_they_say_all_at_once,
    players_are_told_of_the_end_of_the_server,
    row_001_a_silent_connection_ends_at_the_deadline,
    row_002_bytes_now_and_then_do_not_move_the_deadline,
    row_003_a_publisher_that_falls_silent_has_left,
    row_004_a_player_that_does_not_read_harms_nobody_and_goes_on_at_a_keyframe,
    row_006_a_reset_amid_a_message_ends_the_stream,
    row_006_a_half_close_ends_the_stream,
    row_018_other_protocols_get_no_reply,
    row_036_a_long_message_before_a_role_is_refused,
    garbage_ends_its_connection_alone,
);

const SECOND: Duration = Duration::from_secs(1);

/// A version and two handshake messages: all that a client needs to begin.
fn handshake() -> Vec<u8> {
    [&[3][..], &[0; 1_536], &[0; 1_536]].concat()
}

fn numbers(client: &Client) -> Vec<u32> {
    client.pictures.iter().map(|(number, _)| *number).collect()
}

/// Waits until a stream can be published.
fn publish_again(world: &mut World, stream: &str) -> Client {
    for _ in 0..100 {
        let mut client = Client::new(world, Intent::Publish, stream);
        client.wait(world, "answer", |client| client.has_started() || client.end_code().is_some());
        if client.has_started() {
            return client;
        }
        client.receive(world, SECOND / 20);
    }
    panic!("the stream is never free");
}

fn players_get_what_is_published(mut world: World) {
    let mut early = Client::start(&mut world, Intent::Play, "a");
    let mut publisher = Client::start(&mut world, Intent::Publish, "a");
    publisher.publish(&mut world, 0..25, 1_000);
    early.wait(&mut world, "25 pictures", |early| early.pictures.len() == 25);
    let mut late = Client::start(&mut world, Intent::Play, "a");
    publisher.publish(&mut world, 25..40, 1_000);
    early.wait(&mut world, "40 pictures", |early| early.pictures.len() == 40);
    late.wait(&mut world, "the last picture", |late| numbers(late).last() == Some(&39));
    assert_eq!(numbers(&early), (0..40).collect::<Vec<_>>());
    assert_eq!(numbers(&late), (20..40).collect::<Vec<_>>(), "from the newest keyframe on");
    for client in [&early, &late] {
        let times: Vec<u32> = client.pictures.iter().map(|(_, time)| time.0).collect();
        let expected = (0..client.pictures.len() as u32).map(|index| index * 40);
        assert_eq!(times, expected.collect::<Vec<_>>());
    }
}

fn a_second_publisher_is_refused_and_the_first_goes_on(mut world: World) {
    let mut first = Client::start(&mut world, Intent::Publish, "a");
    let mut player = Client::start(&mut world, Intent::Play, "a");
    let mut second = Client::new(&mut world, Intent::Publish, "a");
    second.wait(&mut world, "refusal", |second| second.end_code().is_some());
    assert_eq!(second.end_code().as_deref(), Some("NetStream.Publish.BadName"));
    first.publish(&mut world, 0..5, 100);
    player.wait(&mut world, "five pictures", |player| player.pictures.len() == 5);
}

fn a_stream_is_free_once_its_publisher_has_left(mut world: World) {
    let mut player = Client::start(&mut world, Intent::Play, "a");
    for round in 1..=3 {
        let mut publisher = publish_again(&mut world, "a");
        publisher.publish(&mut world, 0..5, 100);
        player.wait(&mut world, "the round", |player| player.pictures.len() == 5 * round);
        publisher.finish(&mut world);
    }
    let times: Vec<u32> = player.pictures.iter().map(|(_, time)| time.0).collect();
    assert!(times.is_sorted(), "{times:?}");
}

fn a_session_in_single_bytes_is_as_good(mut world: World) {
    let mut player = Client::in_pieces(&mut world, Intent::Play, "a", 1);
    player.wait(&mut world, "start", Client::has_started);
    let mut publisher = Client::in_pieces(&mut world, Intent::Publish, "a", 1);
    publisher.wait(&mut world, "start", Client::has_started);
    publisher.publish(&mut world, 0..3, 300);
    player.wait(&mut world, "three pictures", |player| numbers(player) == [0, 1, 2]);
}

/// Real clients wait for answers. A server that is slow gets all their words in one read, and one
/// that is fast gets them cut anywhere.
fn captured_clients_are_answered_though_they_say_all_at_once(mut world: World) {
    let folder = tree::root().join("tests/captures");
    let check = |world: &mut World, name: &str, code: &str| {
        let capture = Capture::read(&fs::read(folder.join(name)).expect(name)).expect(name);
        let is_rtmp = |it: &&_| millstream_sim::tcp::Conversation::protocol(it) == Protocol::Rtmp;
        let conversation = capture.conversations.iter().find(is_rtmp).expect(name);
        let words = conversation.bytes_until_gap(Direction::ClientToServer);
        let peer = world.connect();
        world.send(peer, &words);
        let mut said = Vec::new();
        while !said.windows(code.len()).any(|part| part == code.as_bytes()) {
            match world.receive(peer, 20 * SECOND) {
                Came::Bytes(bytes) => said.extend(bytes),
                Came::End | Came::Nothing => panic!("{name}: after {}", said.escape_ascii()),
            }
        }
        world.reset(peer);
    };
    for (name, code) in [
        ("ffmpeg-5.1.9_publish_nginxrtmp_pcma.pcap", "NetStream.Publish.Start"),
        ("ffmpeg-9.0.2_publish_nms4_vvc.pcap", "NetStream.Publish.Start"),
        ("gstrtmp2sink-1.22_publish_srs7_longts2p32.pcap", "NetStream.Publish.Start"),
        ("librtmp-2.4_publish_nginxrtmp_nellymoser8k.pcap", "NetStream.Publish.Start"),
        ("obs-29.0.2_publish-query_srs7.pcap", "NetStream.Publish.Start"),
        ("ffmpeg-4.2.2_play_nginxrtmp.pcap", "NetStream.Play.Start"),
        ("flvstreamer-2.1_play_nginxrtmp.pcap", "NetStream.Play.Start"),
        ("gstrtmp2src-1.22_play_nginxrtmp-chunk128.pcap", "NetStream.Play.Start"),
        ("mplayer-1.5_play_nginxrtmp.pcap", "NetStream.Play.Start"),
        ("vlc-3.0_play_nginxrtmp.pcap", "NetStream.Play.Start"),
    ] {
        check(&mut world, name, code);
    }
}

fn players_are_told_of_the_end_of_the_server(mut world: World) {
    let mut player = Client::start(&mut world, Intent::Play, "a");
    let mut publisher = Client::start(&mut world, Intent::Publish, "a");
    publisher.publish(&mut world, 0..5, 100);
    player.wait(&mut world, "five pictures", |player| player.pictures.len() == 5);
    world.shut_down();
    player.wait(&mut world, "word", |player| player.end_code().is_some());
    player.wait(&mut world, "end", |player| player.is_over);
    publisher.wait(&mut world, "end", |publisher| publisher.is_over);
}

fn row_001_a_silent_connection_ends_at_the_deadline(mut world: World) {
    let peer = world.connect();
    let (said, took) = world.receive_all(peer, 15 * SECOND);
    assert_eq!(said, b"");
    assert!((9 * SECOND..12 * SECOND).contains(&took), "{took:?}");
}

fn row_002_bytes_now_and_then_do_not_move_the_deadline(mut world: World) {
    let peer = world.connect();
    let mut seconds = 0;
    loop {
        world.send(peer, &handshake()[seconds..=seconds]);
        match world.receive(peer, SECOND) {
            Came::Nothing => seconds += 1,
            Came::End => break,
            Came::Bytes(bytes) => panic!("an answer to nothing: {bytes:?}"),
        }
        assert!(seconds < 15, "the connection is still open");
    }
    assert!((9..12).contains(&seconds), "{seconds}");
}

fn row_003_a_publisher_that_falls_silent_has_left(mut world: World) {
    let mut silent = Client::start(&mut world, Intent::Publish, "a");
    silent.publish(&mut world, 0..5, 100);
    silent.wait(&mut world, "end", |silent| silent.is_over);
    publish_again(&mut world, "a");
}

/// More than any socket takes; the player that does not read falls off the tape.
fn row_004_a_player_that_does_not_read_harms_nobody_and_goes_on_at_a_keyframe(mut world: World) {
    const LEN: usize = 100_000;
    let mut player = Client::start(&mut world, Intent::Play, "a");
    let mut stuck = Client::start(&mut world, Intent::Play, "a");
    let mut publisher = Client::start(&mut world, Intent::Publish, "a");
    for number in 0..400 {
        publisher.publish(&mut world, number..number + 1, LEN);
        let count = number as usize + 1;
        player.wait(&mut world, "each picture", |player| player.pictures.len() == count);
    }
    stuck.wait(&mut world, "the last picture", |stuck| numbers(stuck).last() == Some(&399));
    let seen = numbers(&stuck);
    assert!(seen.len() < 400, "it fell behind");
    for pair in seen.windows(2) {
        let is_next = pair[1] == pair[0] + 1;
        assert!(is_next || pair[1] > pair[0] && pair[1] % 10 == 0, "{pair:?}");
    }
}

fn row_006_a_reset_amid_a_message_ends_the_stream(mut world: World) {
    let mut publisher = Client::start(&mut world, Intent::Publish, "a");
    publisher.publish(&mut world, 0..5, 200_000);
    // The begin of a message of 256 KiB on a chunk stream of its own.
    world.send(publisher.peer(), &[9, 0, 0, 0, 4, 0, 0, 9, 1, 0, 0, 0, 0x17, 1, 0, 0]);
    world.reset(publisher.peer());
    publish_again(&mut world, "a");
}

fn row_006_a_half_close_ends_the_stream(mut world: World) {
    let mut publisher = Client::start(&mut world, Intent::Publish, "a");
    publisher.publish(&mut world, 0..5, 1_000);
    world.half_close(publisher.peer());
    publisher.wait(&mut world, "end", |publisher| publisher.is_over);
    publish_again(&mut world, "a");
}

fn row_018_other_protocols_get_no_reply(mut world: World) {
    for words in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
    ] {
        let peer = world.connect();
        world.send(peer, words);
        let (said, took) = world.receive_all(peer, 5 * SECOND);
        assert_eq!(said, b"", "{}", words.escape_ascii());
        assert!(took < SECOND, "{took:?}");
    }
}

fn row_036_a_long_message_before_a_role_is_refused(mut world: World) {
    let peer = world.connect();
    // 16 MiB are declared.
    let long = [&handshake()[..], &[3, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0]].concat();
    world.send(peer, &long);
    let (_, took) = world.receive_all(peer, 5 * SECOND);
    assert!(took < SECOND, "{took:?}");
}

fn garbage_ends_its_connection_alone(mut world: World) {
    let mut player = Client::start(&mut world, Intent::Play, "a");
    let mut publisher = Client::start(&mut world, Intent::Publish, "a");
    for seed in 0..20_u8 {
        let peer = world.connect();
        let noise: Vec<u8> = (0..4_000_u32).map(|at| (at * 31 + 7) as u8 ^ seed).collect();
        world.send(peer, &[handshake(), noise].concat());
        world.receive_all(peer, 15 * SECOND);
    }
    publisher.publish(&mut world, 0..5, 100);
    player.wait(&mut world, "five pictures", |player| player.pictures.len() == 5);
}
