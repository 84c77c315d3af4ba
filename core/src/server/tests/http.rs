//! HTTP against the server's rules: viewers, pages, and what strangers ask for.

use super::world::World;
use super::*;
use crate::config::Page;
use crate::drive::Input;
use crate::flv::file::{FlvReader, FlvTag};
use crate::frame::FrameKind;
use crate::http::{Method, Status};
use pretty_assertions::assert_eq;

/// One response as a client reads it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    /// The body is whole.
    pub(super) is_whole: bool,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The header flags and tags of a body that is FLV.
    fn flv(&self) -> (u8, Vec<FlvTag>) {
        let mut reader = FlvReader::new(16 << 20);
        let mut input = &self.body[..];
        let mut tags = Vec::new();
        while let Some(tag) = reader.read(&mut input).expect("the body is FLV") {
            tags.push(tag);
        }
        assert!(reader.is_between_tags() || !self.is_whole, "a tag is cut");
        (self.body[4], tags)
    }

    /// The serial numbers and times of the frames of video.
    pub(super) fn frames(&self) -> Vec<(u32, u32)> {
        let video = self.flv().1.into_iter().filter(|tag| tag.kind == FrameKind::Video);
        video
            .map(|tag| {
                let serial = u32::from_be_bytes(tag.payload[5..9].try_into().unwrap());
                (serial, tag.timestamp.0)
            })
            .collect()
    }
}

/// All that a peer was answered.
pub(super) fn answers(peer: &Peer) -> Vec<Answer> {
    let mut rest = &peer.inbox[..];
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(4).position(|part| part == b"\r\n\r\n").expect("a whole head") + 4;
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end..];
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new(), is_whole: true };
        if answer.field("Transfer-Encoding") == Some("chunked") {
            answer.is_whole = take_chunks(&mut rest, &mut answer.body);
        } else if let Some(len) = answer.field("Content-Length") {
            let len = len.parse::<usize>().unwrap().min(rest.len());
            answer.body.extend_from_slice(&rest[..len]);
            rest = &rest[len..];
        } else if status != 304 && status != 204 {
            answer.body.extend_from_slice(rest);
            answer.is_whole = !peer.is_open;
            rest = &[];
        }
        answers.push(answer);
    }
    answers
}

fn take_chunks(rest: &mut &[u8], body: &mut Vec<u8>) -> bool {
    while let Some(end) = rest.windows(2).position(|part| part == b"\r\n") {
        let len = usize::from_str_radix(core::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let all = end + 2 + len + 2;
        if rest.len() < all {
            body.extend_from_slice(&rest[(end + 2).min(rest.len())..]);
            *rest = &[];
            return false;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + len]);
        assert_eq!(&rest[end + 2 + len..all], b"\r\n");
        *rest = &rest[all..];
        if len == 0 {
            return true;
        }
    }
    false
}

pub(super) fn get(world: &mut World, target: &str) -> usize {
    let peer = world.http("10.0.0.9");
    ask(world, peer, target);
    peer
}

pub(super) fn ask(world: &mut World, peer: usize, target: &str) {
    world.send(peer, format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
}

fn statuses(world: &World, peer: usize) -> Vec<u16> {
    answers(&world.peers[peer]).iter().map(|answer| answer.status).collect()
}

fn counted(serials: core::ops::Range<u32>) -> Vec<(u32, u32)> {
    let start = serials.start;
    serials.map(|serial| (serial, (serial - start) * 40)).collect()
}

#[test]
fn a_viewer_gets_the_stream_from_the_newest_keyframe_with_times_from_zero() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..25);
    for (version, framing) in [("1.1", Some("chunked")), ("1.0", None)] {
        let viewer = world.http("198.51.100.9");
        world.send(viewer, format!("GET /live/a.flv HTTP/{version}\r\nHost: h\r\n\r\n").as_bytes());
        let answer = &answers(&world.peers[viewer])[0];
        assert_eq!((answer.status, answer.field("Transfer-Encoding")), (200, framing));
        assert_eq!(answer.field("Content-Type"), Some("video/x-flv"));
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(answer.field("Cache-Control"), Some("no-store"));
        assert_eq!(answer.flv().0, 1, "there is video alone");
        assert_eq!(answer.frames(), counted(20..25));
    }
    world.publish(publisher, 25..45);
    for viewer in [1, 2] {
        assert_eq!(answers(&world.peers[viewer])[0].frames(), counted(20..45));
    }
    assert_eq!(world.server.stats().players, 2);
    world.hang_up(1);
    world.reset(2);
    assert_eq!(world.server.stats().players, 0);
    let stopped = |event: &&Event| matches!(event, Event::Stopped { .. });
    assert_eq!(world.events.iter().filter(stopped).count(), 2);
}

#[test]
fn a_viewer_who_comes_first_waits_for_the_publisher() {
    let mut world = world();
    let viewer = get(&mut world, "/live/a.flv");
    assert_eq!(world.peers[viewer].inbox, b"");
    world.sleep(Duration::from_secs(4));
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..30);
    let answer = &answers(&world.peers[viewer])[0];
    // Without metadata it takes half a second to see that there is no audio.
    assert_eq!(answer.frames(), counted(10..30));
}

#[test]
fn row_088_a_stream_that_does_not_come_is_not_found_and_the_connection_goes_on() {
    let mut world = World::watched(config());
    let viewer = get(&mut world, "/live/a.flv");
    ask(&mut world, viewer, "/live/b.flv");
    assert_eq!(world.server.stats().streams, 2, "the second request waits for the first");
    world.sleep(Duration::from_millis(4_900));
    assert_eq!(world.peers[viewer].inbox, b"");
    world.sleep(Duration::from_millis(200));
    assert_eq!(statuses(&world, viewer), [404]);
    world.sleep(Duration::from_secs(5));
    assert_eq!(statuses(&world, viewer), [404, 404]);
    assert!(world.peers[viewer].is_open);
    assert_eq!(world.server.stats().streams, 1);
    world.sleep(Duration::from_secs(30));
    assert!(!world.peers[viewer].is_open, "it has asked for nothing since");
    world.finish(&[CloseReason::Http(crate::http::HttpError::Idle)]);
}

#[test]
fn row_088_ten_thousand_requests_for_nothing_leave_nothing() {
    let mut world = World::watched(config());
    let viewer = world.http("127.0.0.1");
    for index in 0..200 {
        for inner in 0..50 {
            let target = format!("/live/{index}-{inner}.flv");
            let peer = if inner == 0 { world.http("127.0.0.1") } else { viewer };
            ask(&mut world, peer, &target);
        }
        world.hang_up(viewer + 1 + index);
    }
    world.sleep(Duration::from_secs(6));
    world.hang_up(viewer);
    let peers = core::iter::repeat_n(CloseReason::Peer, 201).collect::<Vec<_>>();
    world.finish(&peers);
}

#[test]
fn row_088_the_body_ends_whole_when_the_publisher_has_gone() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..25);
    let viewer = get(&mut world, "/live/a.flv");
    world.hang_up(publisher);
    world.sleep(Duration::from_secs(14));
    assert!(world.peers[viewer].is_open, "the publisher may come back");
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..25);
    world.hang_up(publisher);
    world.sleep(Duration::from_secs(16));
    assert!(!world.peers[viewer].is_open);
    let answer = &answers(&world.peers[viewer])[0];
    assert!(answer.is_whole);
    let frames = answer.frames();
    assert!(frames.is_sorted_by_key(|(_, time)| *time), "{frames:?}");
    let serials: Vec<u32> = frames.iter().map(|(serial, _)| *serial).collect();
    assert_eq!(serials, (20..25).chain(0..25).collect::<Vec<_>>());
    let reason = closed(&world, world.peers[viewer].id);
    assert_eq!(reason, Some(CloseReason::StreamEnded));
}

#[test]
fn row_088_head_tells_of_a_stream_and_ends() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..25);
    let viewer = world.http("198.51.100.9");
    world.send(viewer, b"HEAD /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n");
    let said = String::from_utf8(world.peers[viewer].inbox.clone()).unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("\r\n\r\n"), "{said}");
    assert!(!world.peers[viewer].is_open);
    assert_eq!(world.server.stats().players, 0);
}

#[test]
fn long_messages_are_whole_whatever_the_chunk_size() {
    for chunk_size in [128, 4_096, 60_000, 1 << 20] {
        let mut world = World::new(Config { chunk_size, ..config() });
        let publisher = world.client(Intent::Publish, "live", "a");
        world.publish(publisher, 0..20);
        let early = get(&mut world, "/live/a.flv");
        for (serial, len) in (20..).zip([32_760, 32_768, 40_000, 65_527, 65_536, 70_000, 300_000]) {
            world.publish_sized(publisher, serial..serial + 1, len);
        }
        let late = get(&mut world, "/live/a.flv");
        world.publish(publisher, 27..30);
        for (viewer, first) in [(early, 10), (late, 20)] {
            let answer = &answers(&world.peers[viewer])[0];
            assert_eq!(answer.frames(), counted(first..30), "chunks of {chunk_size}");
            let (_, tags) = answer.flv();
            let fill = |tag: &FlvTag| tag.payload[9..].iter().all(|byte| *byte == 0x55);
            assert!(tags.iter().all(fill), "no chunk header is left in a tag");
            assert_eq!(tags[tags.len() - 4].payload.len(), 300_009);
        }
    }
}

#[test]
fn row_004_a_viewer_who_does_not_read_owns_little_and_goes_on_at_a_keyframe() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish_sized(publisher, 0..20, 20_000);
    let viewer = get(&mut world, "/live/a.flv");
    world.peers[viewer].reads = false;
    world.peers[viewer].room = 30_000;
    world.publish_sized(publisher, 20..600, 20_000);
    let stats = world.server.stats();
    assert!(stats.session_bytes + stats.player_bytes < 200_000, "{stats:?}");
    let skipped = |event: &Event| matches!(event, Event::Skipped { .. });
    assert!(world.events.iter().any(skipped), "{:?} {stats:?}", world.events);
    let id = world.peers[viewer].id;
    world.peers[viewer].reads = true;
    world.input(Input::Writable { conn: id });
    world.publish(publisher, 600..610);
    let frames = answers(&world.peers[viewer])[0].frames();
    assert_eq!(frames[..10], counted(10..20), "what was there when it stopped to read");
    let gap = frames.windows(2).position(|pair| pair[1].0 != pair[0].0 + 1).unwrap();
    assert_eq!(frames[gap + 1].0 % 10, 0, "it goes on at a keyframe");
    assert_eq!(frames.last(), Some(&(609, 599 * 40)));
    world.peers[viewer].reads = false;
    world.publish_sized(publisher, 610..700, 20_000);
    world.sleep(Duration::from_secs(14));
    world.publish(publisher, 700..701);
    world.sleep(Duration::from_secs(14));
    world.publish(publisher, 701..702);
    world.sleep(Duration::from_secs(3));
    assert_eq!(closed(&world, id), Some(CloseReason::SlowReader));
}

#[test]
fn requests_are_answered_in_order_and_not_kept_without_end() {
    let mut world = world();
    let peer = world.http("198.51.100.9");
    world.send(peer, b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    world.send(peer, b"POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
    let said = String::from_utf8(world.peers[peer].inbox.clone()).unwrap();
    assert_eq!(said.matches("HTTP/1.1 404").count(), 2, "{said}");
    assert_eq!(said.matches("HTTP/1.1 405").count(), 1, "{said}");
    let told = world.events.iter().filter_map(|event| match event {
        Event::Answered { method, path, status, .. } => Some((*method, &**path, *status)),
        _ => None,
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (Some(Method::Get), "/1", Status::NotFound),
            (Some(Method::Head), "/2", Status::NotFound),
            (Some(Method::Post), "/3", Status::MethodNotAllowed),
        ]
    );
    ask(&mut world, peer, "/live/none.flv");
    for _ in 0..100 {
        ask(&mut world, peer, &format!("/{}", "x".repeat(1_000)));
        if !world.peers[peer].is_read {
            break;
        }
    }
    assert!(!world.peers[peer].is_read, "the socket is not read while so much waits");
    world.sleep(Duration::from_secs(6));
    assert!(world.peers[peer].is_read);
    let said = String::from_utf8(world.peers[peer].inbox.clone()).unwrap();
    assert!(said.matches("HTTP/1.1 404").count() >= 18, "{said}");
    ask(&mut world, peer, "/last");
    assert_eq!(world.server.stats().session_bytes, 0);
}

#[test]
fn who_has_said_all_is_answered_before_the_end() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    let peer = get(&mut world, "/live/a.m3u8");
    world.send(peer, b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHo");
    world.hang_up(peer);
    assert_eq!((statuses(&world, peer), world.peers[peer].is_read), (Vec::new(), false));
    world.publish(publisher, 0..100);
    world.sleep(Duration::from_secs(11));
    let statuses = statuses(&world, peer);
    assert_eq!(statuses.len(), 2, "{statuses:?}");
    assert_eq!(closed(&world, world.peers[peer].id), Some(CloseReason::Peer));
    // Who has asked for nothing, or for a body without end, has left.
    for text in ["", "GET / HTTP/1.1\r\nHo", "GET /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n"] {
        let peer = world.http("198.51.100.9");
        world.send(peer, text.as_bytes());
        world.hang_up(peer);
        assert_eq!(closed(&world, world.peers[peer].id), Some(CloseReason::Peer), "{text}");
    }
}

#[test]
fn row_081_slow_and_idle_connections_are_closed() {
    let mut world = World::watched(config());
    let slow = world.http("198.51.100.9");
    for byte in b"GET / HTTP/1.1\r\nHo".iter().take(9) {
        world.send(slow, &[*byte]);
        world.sleep(Duration::from_secs(1));
    }
    let silent = world.http("198.51.100.8");
    world.sleep(Duration::from_secs(2));
    assert_eq!(statuses(&world, slow), [408]);
    world.sleep(Duration::from_secs(10));
    assert_eq!(world.peers[silent].inbox, b"");
    use crate::http::HttpError;
    let timeout = [HttpError::Timeout, HttpError::Idle].map(CloseReason::Http);
    world.finish(&timeout);
}

#[test]
fn row_083_and_085_what_is_no_request_is_refused_and_what_leads_elsewhere_is_not_found() {
    let mut world = World::watched(config());
    for target in ["/live/../../etc/passwd", "/%2e%2e%2fetc", "//etc", "/live/%00.flv", "/live"] {
        let peer = get(&mut world, target);
        assert_eq!(statuses(&world, peer), [404], "{target}");
        world.hang_up(peer);
    }
    let smuggler = world.http("198.51.100.7");
    world.attack(
        smuggler,
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
        0\r\n\r\nGET /secret HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert_eq!(statuses(&world, smuggler), [400]);
    let rtmp = world.http("198.51.100.7");
    world.attack(rtmp, &super::wire::handshake());
    assert_eq!(statuses(&world, rtmp), [400]);
    use crate::http::HttpError;
    let mut reasons = std::vec![CloseReason::Peer; 5];
    reasons.push(CloseReason::Http(HttpError::ContentLength));
    reasons.push(CloseReason::Http(HttpError::RequestLine));
    world.finish(&reasons);
}

#[test]
fn pages_are_served_with_their_tags() {
    const PAGE: Page = Page {
        path: "/",
        content_type: "text/html",
        bytes: b"<p>hello",
        etag: "\"abc\"",
        fields: &[("Content-Security-Policy", "default-src 'none'")],
    };
    let mut world = World::new(Config { pages: Arc::from([PAGE]), ..config() });
    let peer = get(&mut world, "/?x=y");
    world.send(peer, b"GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"abc\"\r\n\r\n");
    let answers = answers(&world.peers[peer]);
    assert_eq!(answers[0].body, PAGE.bytes);
    assert_eq!(answers[0].field("ETag"), Some("\"abc\""));
    assert_eq!(answers[0].field("Content-Security-Policy"), Some("default-src 'none'"));
    assert_eq!(answers[0].field("Cache-Control"), Some("no-cache"));
    assert_eq!(answers[1].status, 304);
}

#[test]
fn hosts_name_vhosts_where_they_are_configured() {
    let mut config = config();
    config.vhosts.insert(Arc::from("a.example"), Arc::new(vhost()));
    config
        .vhosts
        .insert(Arc::from("closed.example"), Arc::new(Vhost { enabled: false, ..vhost() }));
    config.vhosts.insert(Arc::from("off.example"), Arc::new(Vhost { http_flv: false, ..vhost() }));
    let mut world = World::new(config);
    let there = world.client(Intent::Publish, "live?vhost=a.example", "s");
    world.publish(there, 0..25);
    let here = world.client(Intent::Publish, "live", "s");
    world.publish(here, 0..35);
    for (host, query, first) in [
        ("a.example", "", Some(20)),
        ("A.example:8080", "", Some(20)),
        ("b.example", "?vhost=a.example", Some(20)),
        ("b.example", "?vhost=A.example", Some(20)),
        ("b.example", "?vhost=c.example", Some(30)),
        ("b.example", "", Some(30)),
        ("127.0.0.1:8080", "", Some(30)),
        ("[::1]:8080", "", Some(30)),
        ("closed.example", "", None),
        ("b.example", "?vhost=closed.example", None),
        ("off.example", "", None),
        ("b.example", "?vhost=%2f..", None),
    ] {
        let viewer = world.http("127.0.0.1");
        let text = format!("GET /live/s.flv{query} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        world.send(viewer, text.as_bytes());
        let answer = &answers(&world.peers[viewer])[0];
        let found = (answer.status == 200).then(|| answer.frames()[0].0);
        assert_eq!(found, first, "{host} {query}");
    }
}

#[test]
fn a_viewer_that_asks_for_an_unknown_vhost_does_not_notice_a_reload() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "s");
    world.publish(publisher, 0..25);
    let viewer = get(&mut world, "/live/s.flv?vhost=nobody.example");
    world.input(Input::Reload(Arc::new(config())));
    world.publish(publisher, 25..35);
    assert!(world.peers[viewer].is_open);
    let frames = answers(&world.peers[viewer])[0].frames();
    assert_eq!(
        frames.iter().map(|frame| frame.0).collect::<Vec<_>>(),
        (20..35).collect::<Vec<_>>()
    );
}

#[test]
fn shutdown_ends_bodies_and_drains() {
    let mut world = world();
    let publisher = world.client(Intent::Publish, "live", "a");
    world.publish(publisher, 0..25);
    let viewer = get(&mut world, "/live/a.flv");
    let waiting = get(&mut world, "/live/none.flv");
    let idle = world.http("198.51.100.9");
    world.input(Input::Shutdown);
    assert!(world.server.is_drained());
    assert!(answers(&world.peers[viewer])[0].is_whole);
    assert_eq!(world.peers[waiting].inbox, b"");
    assert_eq!(closed(&world, world.peers[idle].id), Some(CloseReason::Shutdown));
}
