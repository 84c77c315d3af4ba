//! Peers that do not speak RTMP, or do so oddly.

use super::world::World;
use super::*;
use crate::handshake::{HandshakeError, HandshakeKind};
use crate::rng::Rng;
use pretty_assertions::assert_eq;

fn check(bytes: &[u8], error: HandshakeError) {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.attack(peer, bytes);
    assert!(!world.peers[peer].is_open, "closed at once: {error}");
    assert!(world.peers[peer].inbox.is_empty(), "no reply: {error}");
    world.finish(&[CloseReason::Error(SessionError::Handshake(error))]);
}

#[test]
fn row_014_tls_on_the_plain_port_is_named() {
    check(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3], HandshakeError::Tls);
}

#[test]
fn row_018_the_first_byte_decides() {
    for version in [0, 1, 2, 4, 31, 32, 0x80, 0xFF] {
        check(&[version; 4_000], HandshakeError::Version { version });
    }
    for request in ["GET / HTTP/1.1\r\n\r\n", "POST /", "OPTIONS *", "HEAD /"] {
        check(request.as_bytes(), HandshakeError::Http);
    }
}

#[test]
fn row_019_any_c1_leads_to_a_simple_handshake() {
    let mut rng = Rng::new(1);
    let mut blocks = std::vec![[0xFF; 1_536], [0; 1_536]];
    for offset in [8, 772] {
        let mut block = [0; 1_536];
        block[offset..offset + 4].fill(0xFF);
        blocks.push(block);
    }
    for _ in 0..100 {
        let mut block = [0; 1_536];
        rng.fill(&mut block);
        blocks.push(block);
    }
    let mut world = World::watched(config());
    for c1 in &blocks {
        let peer = world.raw("127.0.0.1");
        world.attack(peer, &[&[3], &c1[..]].concat());
        assert_eq!(world.peers[peer].inbox.len(), 1 + 2 * 1_536);
        assert_eq!(&world.peers[peer].inbox[1 + 1_536..], c1, "S2 is C1");
        world.attack(peer, &[&c1[..], &wire::connect("live")].concat());
        assert!(world.replies(peer).contains(&"_result 1 NetConnection.Connect.Success".into()));
    }
    let simple = |event: &&Event| matches!(event, Event::Connected { handshake: HandshakeKind::Simple, app, .. } if **app == *"__defaultVhost__/live");
    assert_eq!(world.events.iter().filter(simple).count(), blocks.len());
    world.finish(&[]);
}

#[test]
fn row_020_every_split_gives_the_same() {
    let mut wrong_echo = wire::publishing("a");
    wrong_echo[1 + 1_536..1 + 2 * 1_536].fill(0xAB);
    let mut world = World::watched(config());
    let whole = world.raw("127.0.0.1");
    world.attack(whole, &wrong_echo);
    let expected = world.replies(whole);
    assert!(expected.contains(&"onStatus NetStream.Publish.Start".into()), "{expected:?}");
    world.hang_up(whole);
    for at in 1..wrong_echo.len() {
        let peer = world.raw("127.0.0.1");
        world.send(peer, &wrong_echo[..at]);
        world.send(peer, &wrong_echo[at..]);
        assert_eq!(world.replies(peer), expected, "split at {at}");
        world.hang_up(peer);
    }
    let closes = std::vec![CloseReason::Peer; wrong_echo.len()];
    world.finish(&closes);
}

#[test]
fn row_020_connect_in_place_of_c2_waits_for_the_deadline() {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    let handshake = wire::handshake();
    world.attack(peer, &[&handshake[..1 + 1_536], &wire::connect("live")].concat());
    world.sleep(Duration::from_secs(11));
    world.finish(&[CloseReason::Error(SessionError::Timeout(TimerKind::Handshake))]);
}

#[test]
fn row_021_encryption_is_not_offered() {
    for version in [6, 8, 9] {
        for key in [0, 1, 0xFF] {
            let mut hello = std::vec![key; 1 + 1_536];
            hello[0] = version;
            check(&hello, HandshakeError::Encrypted { version });
        }
    }
}

#[test]
fn row_022_what_follows_c1_is_not_held() {
    // Zeros are empty messages on chunk stream 64; and a client that sends them reads nothing.
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.peers[peer].reads = false;
    world.send(peer, &[3]);
    for _ in 0..64 {
        world.attack(peer, &[0; 16 << 10]);
        let stats = world.server.stats();
        assert!(stats.session_bytes <= 4 << 10, "{stats:?}");
    }
    world.sleep(Duration::from_secs(13));
    world.finish(&[CloseReason::Error(SessionError::Timeout(TimerKind::Connect))]);
}

#[test]
fn row_022_noise_after_c1_is_refused() {
    let mut world = World::watched(config());
    let peer = world.raw("192.0.2.1");
    world.peers[peer].reads = false;
    let mut noise = std::vec![0; 1 << 20];
    Rng::new(1).fill(&mut noise);
    noise[0] = 3;
    world.attack(peer, &noise);
    assert!(world.server.stats().session_bytes <= 64 << 10);
    world.sleep(Duration::from_secs(3));
    assert!(matches!(world.closes()[..], [CloseReason::Error(SessionError::Chunk(_))]));
    let closes = world.closes();
    world.finish(&closes);
}
