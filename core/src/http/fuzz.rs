//! Bodies of fuzz targets.

use super::{Body, EntityTag, HttpError, HttpLimits, Method, Response, Sending, Status, Wire};
use crate::time::{Instant, WallClock};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use smallvec::SmallVec;

const LIMITS: HttpLimits = HttpLimits {
    body_len_max: 300,
    head_len_max: 600,
    idle_timeout: Duration::from_secs(30),
    request_timeout: Duration::from_secs(10),
    target_len_max: 200,
};

const WALL: WallClock = WallClock { unix_millis: 784_111_777_000 };

/// What is served in three pieces, so that ranges cut all of them.
const BODY: &[u8] = b"a body to be cut into ranges";

/// Reads `data` as a whole and in pieces whose lengths `data` itself tells, and answers all that is
/// asked.
///
/// # Panics
/// The result depends on the pieces, more is kept than the limits say, a path leads elsewhere, or a
/// response contradicts itself.
pub fn fuzz_wire(data: &[u8]) {
    let (seed, data) = data.split_at_checked(1).unwrap_or_default();
    let whole = read(&mut core::iter::once(data));
    let mut len = seed.first().map_or(1, |&seed| usize::from(seed));
    let mut rest = data;
    let pieces = read(&mut core::iter::from_fn(|| {
        let (piece, left) = rest.split_at_checked(len.max(1)).unwrap_or((rest, &[]));
        len = usize::from(piece.last().copied()? & 0x3F);
        rest = left;
        Some(piece)
    }));
    assert_eq!(whole, pieces, "the result depends on the segmentation");
}

/// What was asked and answered, and how it ended.
fn read(pieces: &mut dyn Iterator<Item = &[u8]>) -> (Vec<String>, Option<HttpError>) {
    let now = Instant::from_micros(1);
    let mut wire = Wire::new(LIMITS, now);
    let mut said = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            let mut out = BytesMut::new();
            match wire.receive(now, WALL, &mut piece, &mut out) {
                Ok(Some(request)) => {
                    check_path(request.target.path());
                    assert!(request.body.len() <= LIMITS.body_len_max);
                    let _ = (request.host(), request.target.value("vhost"));
                    said.push(alloc::format!("{request:?}"));
                    out.clear();
                    let sending = wire.respond(&request, response(), WALL, &mut out);
                    said.push(check_response(request.method, &out, &sending));
                    wire.handle_sent(now);
                }
                Ok(None) => assert!(piece.is_empty(), "input is left behind"),
                Err(error) => {
                    let text = String::from_utf8_lossy(&out);
                    assert_eq!(text.contains("Connection: close\r\n"), error.status().is_some());
                    assert_eq!(wire.buffered(), 0);
                    assert!(wire.handle_sent(now), "an error ends the connection");
                    return (said, Some(error));
                }
            }
            assert!(wire.buffered() <= LIMITS.head_len_max.max(LIMITS.body_len_max));
        }
    }
    (said, None)
}

fn check_path(path: Option<&str>) {
    let Some(path) = path else { return };
    assert!(path == "*" || path.starts_with('/'));
    assert!(path.split('/').all(|step| step != ".." && step != "."));
    assert!(!path.contains("//") && !path.contains('\\'));
    assert!(!path.contains(char::is_control));
}

fn response() -> Response {
    let (first, rest) = BODY.split_at_checked(5).unwrap_or_default();
    let pieces = [first, &[], rest].map(Bytes::from_static);
    Response {
        etag: EntityTag::new("tag"),
        ..Response::new(Status::Ok, "text/plain", Body::Bytes(SmallVec::from_iter(pieces)))
    }
}

/// Asserts that the head tells the length of what follows it, and that a part is a part.
fn check_response(method: Method, out: &[u8], sending: &Sending) -> String {
    let head = core::str::from_utf8(out).unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 ") && head.ends_with("\r\n\r\n"));
    assert_eq!(head.matches("\r\n\r\n").count(), 1);
    let body: Vec<u8> = sending.pieces.iter().flatten().copied().collect();
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(": ").map(ToString::to_string)
    };
    let len = field("Content-Length").and_then(|text| text.parse::<usize>().ok());
    if method != Method::Head {
        assert_eq!(len.unwrap_or_default(), body.len());
    }
    assert!(BODY.windows(body.len().max(1)).any(|part| part == body) || body.is_empty());
    if sending.status == Some(Status::PartialContent) {
        let text = String::from_utf8_lossy(&body).into_owned();
        let at = String::from_utf8_lossy(BODY).find(&text).unwrap_or_default();
        assert!(field("Content-Range").is_some_and(|range| range.ends_with("/28")), "{at}");
    }
    head.to_string()
}
