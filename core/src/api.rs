//! The HTTP API: what is asked for, and its answer as JSON (`/api/v1/`) or as text for Prometheus
//! (`/metrics`), from a [`Snapshot`] of all shards.
//!
//! | path | answer |
//! |---|---|
//! | `/api/v1/version` | the program, its version and that of the API |
//! | `/api/v1/summary` | sums over all streams and connections, where the server listens |
//! | `/api/v1/streams?start=&count=` | the streams by name, and how many there are |
//! | `/api/v1/streams/VHOST/APP/STREAM` | one stream |
//! | `/api/v1/forwards?start=&count=` | where streams are forwarded, and how that goes |
//! | `/api/v1/renditions?start=&count=` | the processes that transcode streams, and how they do |
//! | `/api/v1/clients?start=&count=&stream=` | the connections by id, and how many there are |
//! | `/metrics` | the figures of all, and of the first streams |
//!
//! Lists are complete unless `count` says otherwise. A failure is
//! `{"error": {"code": ..., "message": ...}}`. Whoever asks sees no query of a peer and no key
//! besides the names of streams: those are what players ask for.

mod document;
#[doc(hidden)]
pub mod fuzz;
mod metrics;
mod snapshot;

pub use metrics::STREAMS_LABELLED_MAX;
pub use snapshot::{
    AudioState, ClientId, ClientRole, ClientState, GopState, Protocol, Scope, ServerState,
    Snapshot, StreamState, Totals, VideoState,
};

use alloc::string::String;
use alloc::vec::Vec;

/// Where the documents are.
pub const PREFIX: &str = "/api/v1/";
/// Where the text for Prometheus is.
pub const METRICS: &str = "/metrics";
/// Bytes of a target that are read; no name of a stream is longer.
const TARGET_LEN_MAX: usize = 2_048;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Connections.
    Clients {
        /// Which of them.
        page: Page,
        /// Those of the stream with this id alone.
        stream: Option<String>,
    },
    /// Where streams are forwarded.
    Forwards(Page),
    /// All figures as text.
    Metrics,
    /// The processes that transcode.
    Renditions(Page),
    /// One stream, by its id.
    Stream(String),
    /// Streams.
    Streams(Page),
    /// The sums.
    Summary,
    /// Who answers.
    Version,
}

/// A part of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// The first item, counted from 0.
    pub start: usize,
    /// The most items.
    pub count: usize,
}

impl Page {
    /// The whole list.
    pub const ALL: Self = Self { start: 0, count: usize::MAX };

    fn of<T>(self, list: &[T]) -> &[T] {
        let rest = list.get(self.start..).unwrap_or_default();
        rest.get(..self.count).unwrap_or(rest)
    }
}

/// An answer, ready to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// Where peers reach the server, for those who build URLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// What is spoken there.
    pub scheme: Scheme,
    /// The port.
    pub port: u16,
}

/// What is spoken at an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scheme {
    /// HTTP.
    Http,
    /// RTMP.
    Rtmp,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// A parameter of the query is not a number.
    BadNumber(&'static str),
    /// Not for this peer: words for it.
    Forbidden(String),
    /// Not under this name: a page of a stranger may have had it lead here.
    Host,
    /// Neither GET nor HEAD.
    Method,
    /// No such document.
    NotFound,
    /// No such stream.
    StreamNotFound,
    /// The shards did not answer in time.
    Unavailable,
}

impl Request {
    /// Reads the target of a request: a path and a query, as they stand in the request line.
    ///
    /// # Errors
    /// There is no such document, or not like this. Parameters that are not known are ignored.
    pub fn parse(method: &str, target: &str) -> Result<Self, Failure> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let document = path.strip_prefix(PREFIX);
        let is_known = document.is_some() || path == METRICS;
        if !is_known || target.len() > TARGET_LEN_MAX {
            return Err(Failure::NotFound);
        }
        if !matches!(method, "GET" | "HEAD") {
            return Err(Failure::Method);
        }
        let Some(document) = document else { return Ok(Self::Metrics) };
        Ok(match document {
            "version" => Self::Version,
            "summary" => Self::Summary,
            "forwards" => Self::Forwards(page(query)?),
            "renditions" => Self::Renditions(page(query)?),
            "streams" => Self::Streams(page(query)?),
            "clients" => {
                let stream = parameter(query, "stream").and_then(decode);
                Self::Clients { page: page(query)?, stream }
            }
            _ => {
                let id = document.strip_prefix("streams/").ok_or(Failure::NotFound)?;
                Self::Stream(decode(id).ok_or(Failure::StreamNotFound)?)
            }
        })
    }

    /// What a snapshot has to show for the answer.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Clients { .. } => Scope::Clients,
            Self::Forwards(_)
            | Self::Metrics
            | Self::Renditions(_)
            | Self::Stream(_)
            | Self::Streams(_) => Scope::Streams,
            Self::Summary | Self::Version => Scope::Server,
        }
    }

    /// The answer of a server that is like `snapshot` and listens at `endpoints`.
    #[must_use]
    pub fn answer(&self, snapshot: &Snapshot, endpoints: &[Endpoint]) -> Answer {
        let body = match self {
            Self::Clients { page, stream } => document::clients(snapshot, *page, stream.as_deref()),
            Self::Forwards(page) => document::forwards(snapshot, *page),
            Self::Metrics => return metrics::answer(snapshot),
            Self::Renditions(page) => document::renditions(snapshot, *page),
            Self::Stream(id) => match document::stream(snapshot, id) {
                Some(body) => body,
                None => return Failure::StreamNotFound.answer(),
            },
            Self::Streams(page) => document::streams(snapshot, *page),
            Self::Summary => document::summary(snapshot, endpoints),
            Self::Version => document::version(),
        };
        Answer { status: 200, content_type: document::CONTENT_TYPE, body }
    }
}

impl Failure {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadNumber(_) => 400,
            Self::Forbidden(_) | Self::Host => 403,
            Self::Method => 405,
            Self::NotFound | Self::StreamNotFound => 404,
            Self::Unavailable => 503,
        }
    }

    /// The failure in words.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let body = document::failure(self);
        Answer { status: self.status(), content_type: document::CONTENT_TYPE, body }
    }
}

fn page(query: &str) -> Result<Page, Failure> {
    let number = |name: &'static str, default| match parameter(query, name) {
        None | Some("") => Ok(default),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(digits.parse().unwrap_or(usize::MAX))
        }
        Some(_) => Err(Failure::BadNumber(name)),
    };
    Ok(Page { start: number("start", 0)?, count: number("count", usize::MAX)? })
}

/// The first parameter of that name.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Undoes percent-encoding; `None` if it is wrong or gives no text.
fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high?.checked_mul(16)?.checked_add(low?)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
