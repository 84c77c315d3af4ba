//! A response, and how it is told: conditions, ranges and framing (RFC 9110, sections 13 and 14).

mod date;
mod status;

pub use status::Status;

use super::{Method, Request, Version};
use crate::time::WallClock;
use alloc::string::String;
use bytes::{Bytes, BytesMut};
use core::fmt::Write as _;
use core::ops::Range;
use smallvec::SmallVec;

/// Methods of what can only be read.
const READ_METHODS: &str = "GET, HEAD, OPTIONS";

/// What a request gets.
#[derive(Clone, PartialEq, Debug)]
pub struct Response {
    /// The status for the whole; a range or a condition of the request may change it.
    pub status: Status,
    /// The media type of the body; empty for none.
    pub content_type: &'static str,
    /// How long others may keep it.
    pub cache: Cache,
    /// Names these very bytes: makes conditions and ranges possible.
    pub etag: Option<EntityTag>,
    /// Further header fields, without line ends.
    pub fields: &'static [(&'static str, &'static str)],
    /// Pages of other hosts may read it.
    pub cors: Cors,
    /// The body.
    pub body: Body,
}

/// How long others may keep a response (RFC 9111).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// Not at all.
    No,
    /// They may, and have to ask each time whether it still holds.
    Ask,
    /// For so many seconds.
    Seconds(u32),
    /// For so many seconds, and it never changes.
    Immutable(u32),
}

/// Who may read a response in a browser (the Fetch standard, section 3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cors {
    /// Pages of any host.
    Any,
    /// Pages of this host only.
    SameHost,
}

/// The body of a response.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// These bytes, in order.
    Bytes(SmallVec<[Bytes; 1]>),
    /// It is given piece by piece, and the connection ends with it.
    Endless,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(SmallVec::from_buf([bytes]))
    }
}

/// A strong entity tag with its quotes (RFC 9110, section 8.8.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntityTag(heapless::String<66>);

impl EntityTag {
    /// The tag of 1 to 64 characters of visible ASCII without quotes.
    #[must_use]
    pub fn new(opaque: &str) -> Option<Self> {
        let is_legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        let mut tag = heapless::String::new();
        if opaque.is_empty() || !opaque.bytes().all(is_legal) {
            return None;
        }
        write!(tag, "\"{opaque}\"").ok()?;
        Some(Self(tag))
    }

    /// The tag with its quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if a field names this tag; weak names count as well.
    fn is_in(&self, field: &[u8]) -> bool {
        let mut tags = field.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.0.as_bytes())
    }
}

/// How an endless body is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// By chunks; see [`write_chunk_header`].
    Chunks,
    /// By the end of the connection.
    Close,
}

/// What follows the head of a response.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sending {
    /// Bytes, in order.
    pub pieces: SmallVec<[Bytes; 1]>,
    /// Then an endless body, if there is one.
    pub endless: Option<Framing>,
    /// The status that was told.
    pub status: Option<Status>,
}

impl Response {
    /// A response with this body that nobody keeps.
    #[must_use]
    pub fn new(status: Status, content_type: &'static str, body: impl Into<Body>) -> Self {
        Self {
            status,
            content_type,
            cache: Cache::No,
            etag: None,
            fields: &[],
            cors: Cors::SameHost,
            body: body.into(),
        }
    }

    /// A status with a sentence for people.
    #[must_use]
    pub fn words(status: Status, words: &str) -> Self {
        let mut text = String::with_capacity(words.len().saturating_add(1));
        text.push_str(words);
        text.push('\n');
        Self::new(status, "text/plain; charset=utf-8", Bytes::from(text))
    }

    /// 405, for what can only be read.
    #[must_use]
    pub fn read_only() -> Self {
        let mut response =
            Self::words(Status::MethodNotAllowed, "This can be read and nothing else.");
        response.fields = &[("Allow", READ_METHODS)];
        response
    }

    /// The answer to `OPTIONS` for what any page may read, also one that comes from a wider network.
    #[must_use]
    pub fn options(request: &Request) -> Self {
        let private = request.text("access-control-request-private-network") == Some("true");
        Self {
            cors: Cors::Any,
            fields: match (request.field("access-control-request-method").is_some(), private) {
                (false, _) => &[("Allow", READ_METHODS)],
                (true, false) => &PREFLIGHT[1..],
                (true, true) => &PREFLIGHT,
            },
            ..Self::new(Status::NoContent, "", Bytes::new())
        }
    }

    /// Writes the head for `request`; gives what has to follow it.
    pub(super) fn write(
        mut self,
        request: &Request,
        closes: Option<Closes>,
        wall: WallClock,
        out: &mut BytesMut,
    ) -> Sending {
        let reads = matches!(request.method, Method::Get | Method::Head);
        let mut pieces = SmallVec::new();
        let mut len: u64 = 0;
        let is_endless = match core::mem::replace(&mut self.body, Body::Endless) {
            Body::Bytes(bytes) => {
                let lens = bytes.iter().map(|piece| piece.len() as u64);
                len = lens.fold(0, u64::saturating_add);
                pieces = bytes;
                false
            }
            Body::Endless => true,
        };
        let mut content_range = None;
        if reads && self.status == Status::Ok && !is_endless {
            match self.condition(request, len) {
                Condition::Whole => {}
                Condition::NotModified => {
                    self.status = Status::NotModified;
                    pieces.clear();
                }
                Condition::Part(range) => {
                    self.status = Status::PartialContent;
                    content_range = Some((Some(range.clone()), len));
                    cut(&mut pieces, &range);
                    len = range.end.saturating_sub(range.start);
                }
                Condition::NoSuchPart => {
                    self.status = Status::RangeNotSatisfiable;
                    content_range = Some((None, len));
                    pieces.clear();
                    len = 0;
                }
            }
        }
        let framing = match (is_endless, request.version) {
            (false, _) => None,
            (true, Version::Http11) => Some(Framing::Chunks),
            (true, Version::Http10) => Some(Framing::Close),
        };
        let mut head = Head(out);
        head.start(self.status, wall);
        self.write_fields(content_range, &mut head);
        match framing {
            None if matches!(self.status, Status::NoContent | Status::NotModified) => {}
            None => head.field("Content-Length", format_args!("{len}")),
            Some(Framing::Chunks) => head.field("Transfer-Encoding", "chunked"),
            Some(Framing::Close) => {}
        }
        match (closes, request.version) {
            (Some(Closes), _) => head.field("Connection", "close"),
            (None, Version::Http10) => head.field("Connection", "keep-alive"),
            (None, Version::Http11) => {}
        }
        head.end();
        if request.method == Method::Head {
            return Sending { status: Some(self.status), ..Sending::default() };
        }
        pieces.retain(|piece| !piece.is_empty());
        Sending { pieces, endless: framing, status: Some(self.status) }
    }

    fn write_fields(&self, range: Option<(Option<Range<u64>>, u64)>, head: &mut Head<'_>) {
        if !self.content_type.is_empty() {
            head.field("Content-Type", self.content_type);
            head.field("X-Content-Type-Options", "nosniff");
        }
        match self.cache {
            Cache::No => head.field("Cache-Control", "no-store"),
            Cache::Ask => head.field("Cache-Control", "no-cache"),
            Cache::Seconds(age) => head.field("Cache-Control", format_args!("max-age={age}")),
            Cache::Immutable(age) => {
                head.field("Cache-Control", format_args!("max-age={age}, immutable"));
            }
        }
        if let Some(etag) = &self.etag {
            head.field("ETag", etag.as_str());
            head.field("Accept-Ranges", "bytes");
        }
        match range {
            Some((Some(Range { start, end }), len)) => {
                let last = end.saturating_sub(1);
                head.field("Content-Range", format_args!("bytes {start}-{last}/{len}"));
            }
            Some((None, len)) => head.field("Content-Range", format_args!("bytes */{len}")),
            None => {}
        }
        if self.cors == Cors::Any {
            head.field("Access-Control-Allow-Origin", "*");
            head.field("Access-Control-Expose-Headers", "Content-Range, Date, ETag");
        }
        for &(name, value) in self.fields {
            head.field(name, value);
        }
    }

    /// What the conditions of `request` make of a body of `len` bytes.
    fn condition(&self, request: &Request, len: u64) -> Condition {
        let Some(etag) = &self.etag else { return Condition::Whole };
        if request.field("if-none-match").is_some_and(|field| etag.is_in(field)) {
            return Condition::NotModified;
        }
        let Some(range) = request.field("range") else { return Condition::Whole };
        let is_other = |field: &[u8]| field != etag.as_str().as_bytes();
        if request.method == Method::Head || request.field("if-range").is_some_and(is_other) {
            return Condition::Whole;
        }
        match range.split_at_checked(BYTES_UNIT.len()) {
            Some((unit, range)) if unit.eq_ignore_ascii_case(BYTES_UNIT) => {
                parse_range(range, len).map_or(Condition::NoSuchPart, Condition::Part)
            }
            _ => Condition::Whole,
        }
    }
}

/// The connection ends with the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closes;

/// Writes the length of a chunk that follows (RFC 9112, section 7.1); a chunk of length 0 is the
/// last one.
pub fn write_chunk_header(len: usize, out: &mut BytesMut) {
    // BytesMut grows: it takes all that is written.
    let _ = write!(out, "{len:X}\r\n");
}

/// Writes what follows the bytes of a chunk, the last one too.
pub fn write_chunk_end(out: &mut BytesMut) {
    out.extend_from_slice(b"\r\n");
}

const BYTES_UNIT: &[u8] = b"bytes=";

/// Fields of the answer to a preflight; the first one only for those that ask.
const PREFLIGHT: [(&str, &str); 4] = [
    ("Access-Control-Allow-Private-Network", "true"),
    ("Access-Control-Allow-Methods", READ_METHODS),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, Range"),
    ("Access-Control-Max-Age", "86400"),
];

enum Condition {
    NoSuchPart,
    NotModified,
    Part(Range<u64>),
    Whole,
}

/// The one range that `text` asks of `len` bytes (RFC 9110, section 14.1.2). A number may be larger
/// than any length.
fn parse_range(text: &[u8], len: u64) -> Option<Range<u64>> {
    let (first, last) = core::str::from_utf8(text).ok()?.trim().split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (first, last) {
        ("", suffix) => len.saturating_sub(number(suffix)?)..len,
        (first, "") => number(first)?..len,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(len)
        }
    };
    (range.start < range.end).then_some(range)
}

/// Keeps `range` of what the pieces are together.
fn cut(pieces: &mut SmallVec<[Bytes; 1]>, range: &Range<u64>) {
    let mut at: u64 = 0;
    for piece in pieces.iter_mut() {
        let end = at.saturating_add(piece.len() as u64);
        let from = range.start.clamp(at, end).saturating_sub(at);
        let to = range.end.clamp(at, end).saturating_sub(at).max(from);
        // Both are at most the length of the piece.
        *piece = piece.slice(from as usize..to as usize);
        at = end;
    }
}

/// Writes the head of a response.
struct Head<'a>(&'a mut BytesMut);

impl Head<'_> {
    fn start(&mut self, status: Status, wall: WallClock) {
        let (code, reason) = (status.code(), status.reason());
        let _ = write!(self.0, "HTTP/1.1 {code} {reason}\r\n");
        self.field("Date", date::HttpDate(wall));
        self.field("Server", "millstream");
    }

    fn field(&mut self, name: &str, value: impl core::fmt::Display) {
        let _ = write!(self.0, "{name}: {value}\r\n");
    }

    fn end(&mut self) {
        self.0.extend_from_slice(b"\r\n");
    }
}

/// Writes a whole response to what is no request; the connection ends with it.
pub(super) fn write_refusal(status: Status, words: &str, wall: WallClock, out: &mut BytesMut) {
    let mut head = Head(out);
    head.start(status, wall);
    head.field("Content-Type", "text/plain; charset=utf-8");
    head.field("Content-Length", format_args!("{}", words.len().saturating_add(1)));
    head.field("Connection", "close");
    head.end();
    out.extend_from_slice(words.as_bytes());
    out.extend_from_slice(b"\n");
}
