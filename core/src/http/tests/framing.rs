//! Bodies of requests, and what could be read in two ways.

use super::*;
use pretty_assertions::assert_eq;

fn check_body(lines: &str, body: &str, expected: &str) {
    let text = post(lines, body) + "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
    for piece_len in [1, 2, 3, text.len()] {
        let mut rig = Rig::new();
        for piece in text.as_bytes().chunks(piece_len) {
            rig.feed(piece).unwrap();
        }
        assert_eq!(rig.requests.len(), 2, "{text}");
        assert_eq!(rig.requests[0].body, expected, "{text}");
        assert_eq!(rig.requests[1].target.path(), Some("/next"));
    }
}

#[test]
fn bodies_end_where_their_head_says() {
    check_body("", "", "");
    check_body("Content-Length: 0\r\n", "", "");
    check_body("Content-Length:\t11 \r\n", "GET / HTTP/", "GET / HTTP/");
    let chunked = "Transfer-Encoding: Chunked\r\n";
    check_body(chunked, "0\r\n\r\n", "");
    check_body(chunked, "3\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n", "abc0123456789");
    check_body(chunked, "3;a=\"b\"\r\nabc\r\n0;x\r\nTrailer: x\r\nB: c\r\n\r\n", "abc");
    check_body(chunked, "3 \t;x\r\nabc\r\n0\r\n\r\n", "abc");
    check_body(chunked, "0000000000000003\r\nabc\r\n0\r\n\r\n", "abc");
}

#[test]
fn who_expects_to_be_asked_for_a_body_is_asked_once() {
    let mut rig = Rig::new();
    rig.feed(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "").as_bytes()).unwrap();
    assert_eq!(rig.said(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.feed(b"ab").unwrap();
    assert_eq!(rig.statuses(), [100, 200]);
    let mut rig = Rig::new();
    rig.feed(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "ab").as_bytes()).unwrap();
    assert_eq!(rig.statuses(), [200], "the body is already there");
    let mut rig = Rig::new();
    rig.feed(post("Expect: 100-continue\r\n", "").as_bytes()).unwrap();
    assert_eq!(rig.statuses(), [200], "there is no body");
    let mut rig = Rig::new();
    let text = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    rig.feed(text).unwrap();
    assert_eq!(rig.said(), "", "HTTP/1.0 does not know it");
    check_refused(post("Expect: tea\r\nContent-Length: 2\r\n", ""), HttpError::Expectation, 417);
}

#[test]
fn row_83_what_two_programs_could_read_in_two_ways_is_refused() {
    for (lines, error, status) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", HttpError::ContentLength, 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", HttpError::ContentLength, 400),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", HttpError::ContentLength, 400),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", HttpError::ContentLength, 400),
        ("Content-Length: 3, 3\r\n", HttpError::ContentLength, 400),
        ("Content-Length: +3\r\n", HttpError::ContentLength, 400),
        ("Content-Length: -3\r\n", HttpError::ContentLength, 400),
        ("Content-Length: 0x3\r\n", HttpError::ContentLength, 400),
        ("Content-Length: 3 4\r\n", HttpError::ContentLength, 400),
        ("Content-Length:\r\n", HttpError::ContentLength, 400),
        ("Transfer-Encoding: chunked , x\r\n", HttpError::TransferCoding, 400),
        ("Transfer-Encoding: x, chunked\r\n", HttpError::TransferCoding, 400),
        ("Transfer-Encoding: chunked, chunked\r\n", HttpError::TransferCoding, 400),
        ("Transfer-Encoding: \x0Bchunked\r\n", HttpError::Field, 400),
        ("Transfer-Encoding: \"chunked\"\r\n", HttpError::TransferCoding, 400),
        ("Transfer-Encoding:\r\n", HttpError::TransferCoding, 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            HttpError::TransferCoding,
            400,
        ),
        ("Transfer-Encoding: gzip\r\n", HttpError::TransferCodingUnknown, 501),
        ("Transfer-Encoding: identity\r\n", HttpError::TransferCodingUnknown, 501),
        ("Content-Length : 3\r\n", HttpError::Field, 400),
        (" Content-Length: 3\r\n", HttpError::Field, 400),
        ("A: b\r\n Content-Length: 3\r\n", HttpError::Field, 400),
        ("A: b\r\n\tc\r\n", HttpError::Field, 400),
        ("A: b\rContent-Length: 3\r\n", HttpError::Field, 400),
        ("A: b\0c\r\n", HttpError::Field, 400),
        ("A b\r\n", HttpError::Field, 400),
        (": b\r\n", HttpError::Field, 400),
        ("A: b\nContent-Length: 3\r\n", HttpError::LineEnd, 400),
    ] {
        check_refused(post(lines, ""), error, status);
    }
    check_refused("GET / HTTP/1.1\nHost: h\n\n", HttpError::LineEnd, 400);
    check_refused("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", HttpError::LineEnd, 400);
    check_refused("GET / HTTP/1.1\r\nHost: h\r\n\n", HttpError::LineEnd, 400);
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    check_refused(old, HttpError::TransferCoding, 400);
}

#[test]
fn row_83_chunks_are_read_to_the_letter() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    for body in [
        "\r\n",
        ";\r\n",
        "g\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "+3\r\nabc\r\n",
        "0x3\r\nabc\r\n",
        "3\nabc\r\n",
        "3\r\nabc\n",
        "3\r\nabcd\r\n",
        "3\r\nab\r\n\r\n",
        "3\rabc\r\n",
        "3;a\nabc",
        "3;a\0",
        "0\r\nA: b\n\r\n",
        "0\r\nA\rb\r\n\r\n",
        "0\r\n\n",
        "00000000000000003\r\nabc\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "3;A\r\nabc\r\n3\rX",
    ] {
        check_refused(post(chunked, body), HttpError::Chunk, 400);
    }
    let long = "x".repeat(65_536);
    check_refused(post(chunked, &std::format!("3;{long}")), HttpError::Chunk, 400);
    check_refused(post(chunked, &std::format!("0\r\nA: {long}")), HttpError::HeadTooLong, 431);
    for len in ["FFFFFFFFFFFFFFFF", "10001", "FFFFFFFF"] {
        check_refused(post(chunked, &std::format!("{len}\r\n")), HttpError::BodyTooLong, 413);
    }
    let two = std::format!("FFFF\r\n{}\r\n2\r\n", &long[1..]);
    check_refused(post(chunked, &two), HttpError::BodyTooLong, 413);
}

quickcheck! {
    fn a_body_survives_any_chunks(body: Vec<u8>, lens: Vec<u8>) -> bool {
        let mut text = BytesMut::from(post("Transfer-Encoding: chunked\r\n", "").as_bytes());
        let mut rest = &body[..];
        for len in lens.into_iter().chain([255; 1_000]) {
            let (piece, left) = rest.split_at(usize::from(len).min(rest.len()));
            if !piece.is_empty() {
                write_chunk_header(piece.len(), &mut text);
                text.extend_from_slice(piece);
                write_chunk_end(&mut text);
            }
            rest = left;
        }
        write_chunk_header(0, &mut text);
        write_chunk_end(&mut text);
        let mut rig = Rig::new();
        rig.feed(&text).unwrap();
        rig.requests[0].body == body
    }
}
