use super::response::Cors;
use super::*;
use crate::time::{Deadline, Instant, TimerKind, WallClock};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use smallvec::SmallVec;

mod framing;
mod responses;
mod targets;

const WALL: WallClock = WallClock { unix_millis: 784_111_777_000 };

/// A connection on a virtual clock, and what it said.
struct Rig {
    now: Instant,
    out: BytesMut,
    requests: Vec<Request>,
    wire: Wire,
}

impl Rig {
    fn new() -> Self {
        let now = Instant::from_micros(5);
        let wire = Wire::new(limits(), now);
        Self { now, out: BytesMut::new(), requests: Vec::new(), wire }
    }

    /// Feeds bytes, and answers every request with a word.
    fn feed(&mut self, mut input: &[u8]) -> Result<(), HttpError> {
        while !input.is_empty() {
            if !self.receive(&mut input)? {
                break;
            }
            let body = Response::new(Status::Ok, "text/plain", Bytes::from_static(b"word"));
            if self.answer(body) {
                break;
            }
        }
        Ok(())
    }

    /// True if a request came.
    fn receive(&mut self, input: &mut &[u8]) -> Result<bool, HttpError> {
        let request = self.wire.receive(self.now, WALL, input, &mut self.out)?;
        let came = request.is_some();
        self.requests.extend(request);
        Ok(came)
    }

    /// Answers the last request; true if the connection is to be closed.
    fn answer(&mut self, response: Response) -> bool {
        let request = self.requests.last().unwrap();
        let sending = self.wire.respond(request, response, WALL, &mut self.out);
        for piece in sending.pieces {
            self.out.extend_from_slice(&piece);
        }
        self.wire.handle_sent(self.now)
    }

    fn said(&self) -> String {
        String::from_utf8(self.out.to_vec()).unwrap()
    }

    /// The status codes of all responses.
    fn statuses(&self) -> Vec<u16> {
        let said = self.said();
        let heads = said.match_indices("HTTP/1.1 ");
        heads.map(|(at, _)| said[at + 9..at + 12].parse().unwrap()).collect()
    }
}

fn limits() -> HttpLimits {
    HttpLimits::from(&Limits::default())
}

/// Asserts how a request that is no good is answered, whole and byte by byte.
fn check_refused(request: impl AsRef<[u8]>, error: HttpError, status: u16) {
    let request = request.as_ref();
    let text = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
    for piece_len in [request.len(), 1] {
        let mut rig = Rig::new();
        let result = request.chunks(piece_len).try_for_each(|piece| rig.feed(piece));
        assert_eq!(result, Err(error), "{text}");
        assert_eq!(rig.requests, [], "{text}");
        let said = rig.said();
        let last = said.rfind(&std::format!("HTTP/1.1 {status} "));
        let last = last.unwrap_or_else(|| panic!("{text}: {said}"));
        assert!(said[last..].contains("\r\nConnection: close\r\n"), "{said}");
        assert!(said.ends_with(&std::format!("\r\n\r\n{}\n", error.words())), "{said}");
        assert!(rig.wire.handle_sent(rig.now), "the connection ends");
        assert_eq!(rig.wire.buffered(), 0);
        let mut more: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(rig.receive(&mut more), Ok(false), "nothing is read any more");
        assert!(more.is_empty());
    }
}

/// A request whose head has these further lines, and then `body`.
fn post(lines: &str, body: &str) -> String {
    std::format!("POST /x HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}")
}

#[test]
fn a_request_is_read_however_it_is_cut() {
    let text = b"\r\nGET /live/a.flv?vhost=v&k=%20x HTTP/1.1\r\nHost: example.com:8080\r\n\
        User-Agent:  curl \r\nX-Empty:\r\n\r\nPOST /api HTTP/1.1\r\nhOsT: [::1]:80\r\n\
        content-length: 5\r\n\r\nhello";
    for piece_len in 1..text.len() + 1 {
        let mut rig = Rig::new();
        for piece in text.chunks(piece_len) {
            rig.feed(piece).unwrap();
        }
        let [first, second] = &rig.requests[..] else { panic!("{:?}", rig.requests) };
        assert_eq!((first.method, first.version), (Method::Get, Version::Http11));
        assert_eq!(first.target.path(), Some("/live/a.flv"));
        assert_eq!(first.target.value("vhost").as_deref(), Some("v"));
        assert_eq!(first.target.value("k").as_deref(), Some(" x"));
        assert_eq!(first.target.value("none"), None);
        assert_eq!(first.host(), Some("example.com"));
        assert_eq!(first.text("USER-AGENT"), Some("curl"));
        assert_eq!(first.field("x-empty"), Some(&b""[..]));
        assert_eq!((second.method, &second.body[..]), (Method::Post, &b"hello"[..]));
        assert_eq!(second.host(), Some("[::1]"));
        assert_eq!(rig.statuses(), [200, 200]);
    }
}

#[test]
fn pipelined_requests_wait_for_the_answers_before_them() {
    let mut rig = Rig::new();
    let mut input: &[u8] =
        b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: h\r\n\r\nGET";
    assert!(rig.receive(&mut input).unwrap());
    let rest = input;
    assert!(!rig.receive(&mut input).unwrap(), "the first one has no answer");
    assert_eq!(input, rest);
    assert!(rig.wire.is_asked());
    assert!(!rig.answer(Response::words(Status::NotFound, "No.")));
    assert!(rig.receive(&mut input).unwrap());
    assert!(!rig.answer(Response::words(Status::NotFound, "No.")));
    assert!(!rig.receive(&mut input).unwrap());
    assert_eq!(rig.wire.buffered(), 3);
    let said = rig.said();
    assert_eq!(said.matches("Content-Length: 4\r\n").count(), 2, "{said}");
    assert_eq!(said.matches("No.\n").count(), 1, "a response to HEAD has no body: {said}");
}

#[test]
fn a_connection_is_kept_as_its_version_and_its_peer_want_it() {
    for (version, lines, keeps) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: foo, Close\r\n", false),
        ("1.1", "Connection: foo\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let mut rig = Rig::new();
        let text = std::format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n");
        assert!(rig.receive(&mut text.as_bytes()).unwrap());
        assert_eq!(rig.answer(Response::words(Status::Ok, "x")), !keeps, "{text}");
        let said = rig.said();
        assert_eq!(said.contains("Connection: close"), !keeps, "{said}");
        assert_eq!(said.contains("Connection: keep-alive"), keeps && version == "1.0", "{said}");
    }
}

#[test]
fn a_second_request_is_not_read_behind_the_last_response() {
    let mut rig = Rig::new();
    let text = b"GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    rig.feed(text).unwrap();
    assert_eq!(rig.requests.len(), 1);
    assert_eq!(rig.statuses(), [200]);
}

#[test]
fn a_host_is_wanted_once_and_may_stand_in_the_target() {
    check_refused("GET / HTTP/1.1\r\n\r\n", HttpError::Host, 400);
    check_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HttpError::Host, 400);
    check_refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", HttpError::Host, 400);
    for (text, host) in [
        ("GET / HTTP/1.0\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", None),
        ("GET http://b:80/x HTTP/1.1\r\nHost: a\r\n\r\n", Some("b")),
        ("GET http://[::1]:80/x HTTP/1.1\r\nHost: a\r\n\r\n", Some("[::1]")),
    ] {
        let mut rig = Rig::new();
        rig.feed(text.as_bytes()).unwrap();
        assert_eq!(rig.requests[0].host(), host, "{text}");
    }
}

#[test]
fn methods_and_versions_that_are_not_known_are_told_so() {
    check_refused("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", HttpError::Method, 501);
    check_refused("get / HTTP/1.1\r\nHost: a\r\n\r\n", HttpError::Method, 501);
    check_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", HttpError::Version, 505);
    check_refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", HttpError::Version, 505);
    check_refused("GET /\r\nHost: a\r\n\r\n", HttpError::RequestLine, 400);
    check_refused("\x03\x00\x00\x00", HttpError::RequestLine, 400);
    check_refused("\r\n\r\n\r\n", HttpError::RequestLine, 400);
}

#[test]
fn row_81_who_is_slow_is_given_up_however_many_bytes_come() {
    let seconds = Duration::from_secs;
    let mut rig = Rig::new();
    let at = rig.now.after(seconds(10));
    let deadline = Deadline { at, reason: TimerKind::Request };
    for byte in b"GET / HTTP/1.1\r\nHost" {
        assert_eq!(rig.wire.poll_timeout(), Some(deadline), "no byte moves it");
        rig.feed(&[*byte]).unwrap();
    }
    rig.now = at;
    let Rig { wire, now, out, .. } = &mut rig;
    assert_eq!(wire.handle_timeout(*now, WALL, out), Err(HttpError::Timeout));
    assert_eq!(rig.statuses(), [408]);
    assert_eq!(rig.wire.poll_timeout(), None);

    let mut rig = Rig::new();
    rig.feed(post("Content-Length: 9\r\n", "x").as_bytes()).unwrap();
    assert_eq!(rig.wire.poll_timeout(), Some(deadline), "a body has the same one");
    rig.feed(b"12345678").unwrap();
    let at = rig.now.after(seconds(30));
    assert_eq!(rig.wire.poll_timeout(), Some(Deadline { at, reason: TimerKind::KeepAlive }));
    let Rig { wire, now, out, .. } = &mut rig;
    assert_eq!(wire.handle_timeout(*now, WALL, out), Ok(()), "it is too early");
    rig.now = at;
    let Rig { wire, now, out, .. } = &mut rig;
    assert_eq!(wire.handle_timeout(*now, WALL, out), Err(HttpError::Idle));
    assert_eq!(rig.statuses(), [200], "an idle connection ends without a word");
}

#[test]
fn row_81_a_request_on_a_kept_connection_has_a_deadline_of_its_own() {
    let mut rig = Rig::new();
    rig.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    rig.now = rig.now.after(Duration::from_secs(29));
    rig.feed(b"G").unwrap();
    let at = rig.now.after(Duration::from_secs(10));
    assert_eq!(rig.wire.poll_timeout(), Some(Deadline { at, reason: TimerKind::Request }));
    rig.feed(b"ET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(rig.requests.len(), 2);
}

#[test]
fn row_82_lines_fields_and_bodies_have_limits() {
    let limits = limits();
    let long = |len: usize| "x".repeat(len);
    let head = |len: usize| std::format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", long(len));
    let head_max = limits.head_len_max - head(0).len();
    let mut rig = Rig::new();
    rig.feed(head(head_max).as_bytes()).unwrap();
    assert_eq!(rig.requests.len(), 1);
    check_refused(head(head_max + 1), HttpError::HeadTooLong, 431);
    check_refused(head(65_536), HttpError::HeadTooLong, 431);
    let fields: String = (0..1_000).map(|n| std::format!("A{n}: b\r\n")).collect();
    let request = std::format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    check_refused(request, HttpError::HeadTooLong, 431);

    let line = |len: usize| std::format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", long(len));
    let mut rig = Rig::new();
    rig.feed(line(limits.target_len_max - 1).as_bytes()).unwrap();
    assert_eq!(rig.requests.len(), 1);
    check_refused(line(limits.target_len_max + 100), HttpError::TargetTooLong, 414);
    check_refused(line(65_536), HttpError::TargetTooLong, 414);
    check_refused("GET /".to_string() + &long(65_536), HttpError::TargetTooLong, 414);

    let body = long(limits.body_len_max);
    let length = std::format!("Content-Length: {}\r\n", body.len());
    let mut rig = Rig::new();
    rig.feed(post(&length, &body).as_bytes()).unwrap();
    assert_eq!(rig.requests[0].body.len(), body.len());
    for length in ["65537", "104857600", "18446744073709551616", "99999999999999999999999"] {
        let length = std::format!("Content-Length: {length}\r\n");
        check_refused(post(&length, ""), HttpError::BodyTooLong, 413);
    }
}

quickcheck! {
    fn any_bytes_keep_every_promise(data: Vec<u8>) -> bool {
        fuzz::fuzz_wire(&data);
        true
    }

    fn requests_made_of_parts_keep_every_promise(parts: Vec<u8>) -> bool {
        const PARTS: [&str; 24] = [
            "GET / HTTP/1.1\r\n", "POST /a/b?c=d HTTP/1.1\r\n", "HEAD /%2e/x HTTP/1.0\r\n",
            "Host: h\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "\r\n",
            "\r\n\r\n", "abc", "3\r\nabc\r\n", "0\r\n\r\n", "5;x\r\n", "Range: bytes=3-9\r\n",
            "Range: bytes=-4\r\n", "If-None-Match: \"tag\"\r\n", "Expect: 100-continue\r\n",
            "Connection: close\r\n", "\n", " ", "\0", "OPTIONS * HTTP/1.1\r\n", "A: b\r\n c\r\n",
            "GET http://x/%c3%a4 HTTP/1.1\r\nHost: a\r\n\r\n", "T: a\r\n\r\n",
        ];
        let mut data = std::vec![parts.len() as u8];
        for part in parts {
            data.extend_from_slice(PARTS[part as usize % PARTS.len()].as_bytes());
        }
        fuzz::fuzz_wire(&data);
        true
    }
}
