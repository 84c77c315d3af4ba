//! HTTP/1.1 (RFC 9110, RFC 9112): bytes to requests, and responses to bytes.
//!
//! [`Wire`] is one connection, server side. It knows nothing of what is served; a service takes each
//! [`Request`] and gives it a [`Response`], at once or later.

mod body;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod request;
mod response;
mod target;
#[cfg(test)]
mod tests;
mod wire;

pub use request::{Method, Request, Version};
pub use response::{
    Body, Cache, Cors, EntityTag, Framing, Response, Sending, Status, write_chunk_end,
    write_chunk_header,
};
pub use target::Target;
pub use wire::Wire;

use crate::limits::Limits;
use core::time::Duration;

/// Bounds on one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// Bytes of a request's body.
    pub body_len_max: usize,
    /// Bytes of a request line and its header fields.
    pub head_len_max: usize,
    /// Time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Time from the first byte of a request to its last one.
    pub request_timeout: Duration,
    /// Bytes of a request line.
    pub target_len_max: usize,
}

impl From<&Limits> for HttpLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            body_len_max: limits.http_body_len_max,
            head_len_max: limits.http_head_len_max,
            idle_timeout: limits.http_idle_timeout,
            request_timeout: limits.http_request_timeout,
            target_len_max: limits.http_target_len_max,
        }
    }
}

/// Why a connection cannot go on. The peer was told where that has a use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HttpError {
    /// The body is longer than the limit.
    BodyTooLong,
    /// A chunk of a body is not written as section 7.1 of RFC 9112 wants it.
    Chunk,
    /// `Content-Length` is no number, or is there twice, or beside `Transfer-Encoding`.
    ContentLength,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A header field that is not written as section 5 of RFC 9112 wants it.
    Field,
    /// The header fields are longer or more than the limit.
    HeadTooLong,
    /// `Host` is absent, or is there twice.
    Host,
    /// The connection was kept and no further request came.
    Idle,
    /// A line that does not end with CR LF.
    LineEnd,
    /// A method that this server does not know.
    Method,
    /// The request line is none.
    RequestLine,
    /// The target of the request is none.
    Target,
    /// The request line is longer than the limit.
    TargetTooLong,
    /// The request was not complete in time.
    Timeout,
    /// `Transfer-Encoding` is not `chunked` alone.
    TransferCoding,
    /// A coding of the body that this server does not know.
    TransferCodingUnknown,
    /// An HTTP version other than 1.0 and 1.1.
    Version,
}

impl HttpError {
    /// The status that tells it to the peer; `None` where nothing is said.
    #[must_use]
    pub const fn status(self) -> Option<Status> {
        Some(match self {
            Self::BodyTooLong => Status::ContentTooLarge,
            Self::Chunk
            | Self::ContentLength
            | Self::Field
            | Self::Host
            | Self::LineEnd
            | Self::RequestLine
            | Self::Target
            | Self::TransferCoding => Status::BadRequest,
            Self::Expectation => Status::ExpectationFailed,
            Self::HeadTooLong => Status::RequestHeaderFieldsTooLarge,
            Self::Idle => return None,
            Self::Method | Self::TransferCodingUnknown => Status::NotImplemented,
            Self::TargetTooLong => Status::UriTooLong,
            Self::Timeout => Status::RequestTimeout,
            Self::Version => Status::HttpVersionNotSupported,
        })
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::BodyTooLong => "The body of the request is longer than this server takes.",
            Self::Chunk => "The chunks of the body are not written as HTTP/1.1 wants them.",
            Self::ContentLength => "Content-Length is not one number, or contradicts the rest.",
            Self::Expectation => "The only expectation that this server knows is 100-continue.",
            Self::Field => "A header field is not written as HTTP/1.1 wants it.",
            Self::HeadTooLong => "The header fields are longer or more than this server takes.",
            Self::Host => "There has to be one Host field.",
            Self::Idle => "No further request came.",
            Self::LineEnd => "A line does not end with CR LF.",
            Self::Method => "This server does not know the method.",
            Self::RequestLine => "The first line is no HTTP request.",
            Self::Target => "The path or query of the request cannot be read.",
            Self::TargetTooLong => "The first line is longer than this server takes.",
            Self::Timeout => "The request was not complete in time.",
            Self::TransferCoding => "Transfer-Encoding has to be chunked and nothing else.",
            Self::TransferCodingUnknown => "This server does not know the coding of the body.",
            Self::Version => "This server speaks HTTP/1.1 and HTTP/1.0.",
        }
    }

    /// The word of logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BodyTooLong => "body_too_long",
            Self::Chunk => "chunk",
            Self::ContentLength => "content_length",
            Self::Expectation => "expectation",
            Self::Field => "field",
            Self::HeadTooLong => "head_too_long",
            Self::Host => "host",
            Self::Idle => "idle",
            Self::LineEnd => "line_end",
            Self::Method => "method",
            Self::RequestLine => "request_line",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::Timeout => "timeout",
            Self::TransferCoding => "transfer_coding",
            Self::TransferCodingUnknown => "transfer_coding_unknown",
            Self::Version => "version",
        }
    }
}
