//! Heads of responses, conditions and ranges.

use super::*;
use pretty_assertions::assert_eq;

/// Answers a request with twelve bytes in three pieces.
fn ask(method: &str, lines: &str) -> String {
    ask_for(method, lines, |_| twelve())
}

fn twelve() -> Response {
    let pieces = ["0123", "45678", "9ab"].map(|piece| Bytes::from_static(piece.as_bytes()));
    Response {
        etag: EntityTag::new("e1"),
        cache: Cache::Immutable(60),
        ..Response::new(Status::Ok, "video/mp2t", Body::Bytes(SmallVec::from_iter(pieces)))
    }
}

fn ask_for(method: &str, lines: &str, make: impl FnOnce(&Request) -> Response) -> String {
    let mut rig = Rig::new();
    let text = std::format!("{method} / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    assert!(rig.receive(&mut text.as_bytes()).unwrap());
    let response = make(&rig.requests[0]);
    rig.answer(response);
    rig.said()
}

#[test]
fn a_response_is_written_to_the_letter() {
    assert_eq!(
        ask("GET", ""),
        "HTTP/1.1 200 OK\r\n\
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Server: millstream\r\n\
        Content-Type: video/mp2t\r\n\
        X-Content-Type-Options: nosniff\r\n\
        Cache-Control: max-age=60, immutable\r\n\
        ETag: \"e1\"\r\n\
        Accept-Ranges: bytes\r\n\
        Content-Length: 12\r\n\r\n\
        0123456789ab"
    );
    let head = ask("HEAD", "");
    assert!(head.contains("Content-Length: 12\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn row_87_one_range_is_served_and_all_others_are_refused() {
    for (range, expected) in [
        ("bytes=0-3", "0-3 0123"),
        ("bytes=3-4", "3-4 34"),
        ("bytes=0-0", "0-0 0"),
        ("bytes=11-", "11-11 b"),
        ("bytes=-1", "11-11 b"),
        ("bytes=-100", "0-11 0123456789ab"),
        ("BYTES=9-18446744073709551615", "9-11 9ab"),
        ("bytes=0-18446744073709551615", "0-11 0123456789ab"),
        ("bytes=2-99999999999999999999999", "2-11 23456789ab"),
    ] {
        let said = ask("GET", &std::format!("Range: {range}\r\n"));
        let (part, body) = expected.split_once(' ').unwrap();
        assert!(said.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{range}: {said}");
        assert!(said.contains(&std::format!("\r\nContent-Range: bytes {part}/12\r\n")), "{said}");
        assert!(said.contains(&std::format!("\r\nContent-Length: {}\r\n", body.len())), "{said}");
        assert!(said.ends_with(&std::format!("\r\n\r\n{body}")), "{said}");
    }
    let many = std::format!("bytes={}", "0-,".repeat(1_000));
    for range in [
        "bytes=18446744073709551615-",
        "bytes=18446744073709551616-",
        "bytes=12-",
        "bytes=5-1",
        "bytes=-0",
        "bytes=-",
        "bytes=",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=0-1,3-4",
        many.as_str(),
    ] {
        let said = ask("GET", &std::format!("Range: {range}\r\n"));
        assert!(said.starts_with("HTTP/1.1 416 Range Not Satisfiable\r\n"), "{range}: {said}");
        assert!(said.contains("\r\nContent-Range: bytes */12\r\n"), "{said}");
        assert!(said.ends_with("Content-Length: 0\r\n\r\n"), "{said}");
    }
}

#[test]
fn row_87_a_range_of_more_than_4_gib_is_exact() {
    // One memory many times over: nothing of it is read.
    let piece = Bytes::from(std::vec![0; 64 << 20]);
    let said = ask_for("GET", "Range: bytes=4294967297-4294967299\r\n", |_| Response {
        etag: EntityTag::new("big"),
        ..Response::new(Status::Ok, "", Body::Bytes(SmallVec::from_elem(piece, 65)))
    });
    assert!(said.contains("Content-Range: bytes 4294967297-4294967299/4362076160\r\n"), "{said}");
    assert!(said.ends_with("Content-Length: 3\r\n\r\n\0\0\0"), "{said}");
}

#[test]
fn ranges_and_conditions_count_where_they_should() {
    for (method, lines, status, len) in [
        ("GET", "If-None-Match: \"e1\"\r\n", 304, 0),
        ("GET", "If-None-Match: W/\"e1\"\r\n", 304, 0),
        ("GET", "If-None-Match: \"e0\", \"e1\"\r\n", 304, 0),
        ("HEAD", "If-None-Match: *\r\n", 304, 0),
        ("GET", "If-None-Match: \"e1\"\r\nRange: bytes=0-1\r\n", 304, 0),
        ("GET", "If-None-Match: \"e2\"\r\n", 200, 12),
        ("GET", "If-None-Match: e1\r\n", 200, 12),
        ("GET", "Range: bytes=0-1\r\nIf-Range: \"e1\"\r\n", 206, 2),
        ("GET", "Range: bytes=0-1\r\nIf-Range: \"e2\"\r\n", 200, 12),
        ("GET", "Range: bytes=0-1\r\nIf-Range: W/\"e1\"\r\n", 200, 12),
        ("GET", "Range: lines=0-1\r\n", 200, 12),
        ("HEAD", "Range: bytes=0-1\r\n", 200, 0),
        ("POST", "Range: bytes=0-1\r\nIf-None-Match: \"e1\"\r\n", 200, 12),
    ] {
        let said = ask(method, lines);
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&std::format!("HTTP/1.1 {status} ")), "{lines}: {head}");
        assert_eq!(body.len(), len, "{lines}: {said}");
        assert_eq!(head.contains("Content-Length"), status != 304, "{said}");
        assert!(head.contains("ETag: \"e1\""), "{said}");
    }
    let said = ask_for("GET", "Range: bytes=0-1\r\n", |_| Response { etag: None, ..twelve() });
    assert!(said.starts_with("HTTP/1.1 200 ") && !said.contains("Accept-Ranges"), "{said}");
}

#[test]
fn what_others_may_keep_and_read_is_told() {
    for (cache, words) in [
        (Cache::No, "no-store"),
        (Cache::Ask, "no-cache"),
        (Cache::Seconds(1), "max-age=1"),
        (Cache::Immutable(3_600), "max-age=3600, immutable"),
    ] {
        let said = ask_for("GET", "", |_| Response { cache, cors: Cors::Any, ..twelve() });
        assert!(said.contains(&std::format!("\r\nCache-Control: {words}\r\n")), "{said}");
        assert!(said.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{said}");
    }
    assert!(!ask("GET", "").contains("Access-Control"));
}

#[test]
fn a_page_of_another_host_may_ask_first() {
    let asked = "Origin: http://a\r\nAccess-Control-Request-Method: GET\r\n";
    let private = "Access-Control-Request-Private-Network: true\r\n";
    for (lines, preflight, network) in [
        (std::string::String::new(), false, false),
        (asked.to_string(), true, false),
        (std::format!("{asked}{private}"), true, true),
    ] {
        let said = ask_for("OPTIONS", &lines, Response::options);
        assert!(said.starts_with("HTTP/1.1 204 No Content\r\n"), "{said}");
        assert_eq!(said.contains("Access-Control-Allow-Headers"), preflight, "{said}");
        assert_eq!(said.contains("Access-Control-Allow-Private-Network: true"), network, "{said}");
        assert_eq!(said.contains("\r\nAllow: GET, HEAD, OPTIONS"), !preflight, "{said}");
        assert!(!said.contains("Content-Length"), "{said}");
    }
    let said = ask_for("DELETE", "", |_| Response::read_only());
    assert!(said.starts_with("HTTP/1.1 405 "), "{said}");
    assert!(said.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"), "{said}");
}

#[test]
fn an_endless_body_has_chunks_or_ends_with_its_connection() {
    for (version, method, framing) in [
        ("1.1", "GET", Some(Framing::Chunks)),
        ("1.0", "GET", Some(Framing::Close)),
        ("1.1", "HEAD", None),
    ] {
        let mut rig = Rig::new();
        let text = std::format!("{method} / HTTP/{version}\r\nHost: h\r\n\r\n");
        assert!(rig.receive(&mut text.as_bytes()).unwrap());
        let endless = Response::new(Status::Ok, "video/x-flv", Body::Endless);
        let sending = rig.wire.respond(&rig.requests[0], endless, WALL, &mut rig.out);
        assert_eq!(sending.endless, framing);
        let said = rig.said();
        assert!(said.contains("\r\nConnection: close\r\n"), "{said}");
        assert!(!said.contains("Content-Length"), "{said}");
        assert_eq!(said.contains("Transfer-Encoding: chunked"), version == "1.1", "{said}");
        let mut more: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        assert!(!rig.receive(&mut more).unwrap());
        assert!(more.is_empty(), "nothing that follows can count");
        assert!(rig.wire.handle_sent(rig.now));
    }
}

#[test]
fn a_tag_is_one_word() {
    assert_eq!(EntityTag::new("a-1").unwrap().as_str(), "\"a-1\"");
    for bad in ["", "a b", "a\"", "ä", "a\r\n"] {
        assert_eq!(EntityTag::new(bad), None, "{bad}");
    }
    assert!(EntityTag::new(&"x".repeat(64)).is_some());
    assert_eq!(EntityTag::new(&"x".repeat(65)), None);
}
