//! Names of streams: from tcUrl and stream argument to one validated `vhost/app/stream`.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// The part of a tcUrl that names things.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// `rtmp`, `rtmps`, `rtmpt`, ...: lower case.
    pub scheme: Arc<str>,
    /// The host of the URL, without brackets or port: lower case.
    pub host: Arc<str>,
    /// The port; the scheme's own when there is none.
    pub port: u16,
    /// The vhost that the peer asks for: `?vhost=`, `...vhost...`, else the host.
    pub vhost: Arc<str>,
    /// The app, without query and outer slashes.
    pub app: Arc<str>,
    /// The query of the app, without `?` and without the vhost.
    pub query: Arc<str>,
}

/// A legal stream name: `vhost/app/stream`. It has no control characters, no `.` or `..` component,
/// no backslash, and each part is within its limit; so it may be logged and be part of a path once
/// percent-encoded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName {
    full: Arc<str>,
}

/// Why a name was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// A required part is missing.
    Empty(Part),
    /// A character that no name may have.
    Forbidden(Part),
    /// The port is not 1 to 65,535.
    Port,
    /// The scheme is not one of RTMP.
    Scheme,
    /// Longer than its limit.
    TooLong(Part),
}

/// The part of a name that an error is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of the parts")]
pub enum Part {
    App,
    Stream,
    TcUrl,
    Vhost,
}

/// Bounds on the parts of a name, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameLimits {
    /// The app, and the vhost.
    pub app_len_max: usize,
    /// The stream.
    pub stream_len_max: usize,
    /// A whole tcUrl.
    pub tc_url_len_max: usize,
}

impl Address {
    /// Reads a tcUrl; `app` is the `app` property of `connect`, which counts when the URL has none.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn parse(tc_url: &[u8], app: &[u8], limits: NameLimits) -> Result<Self, NameError> {
        todo!()
    }
}

/// A stream argument of `publish` or `play`, cut at its query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamArgument {
    /// The name without query and outer slashes.
    pub stream: Arc<str>,
    /// The query, without `?`; may hold secrets.
    pub query: Arc<str>,
    /// The vhost that the query asks for.
    pub vhost: Option<Arc<str>>,
}

impl StreamArgument {
    /// Cuts `argument` at its query and validates the name.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn parse(argument: &[u8], limits: NameLimits) -> Result<Self, NameError> {
        todo!()
    }
}

impl StreamName {
    /// Joins the parts.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn new(vhost: &str, app: &str, stream: &str, limits: NameLimits) -> Result<Self, NameError> {
        todo!()
    }

    /// `vhost/app/stream`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// Text of a peer for a log line: control characters, quotes and non-UTF-8 escaped, at most `max`
/// bytes.
#[must_use]
pub fn escape(text: &[u8], max: usize) -> String {
    todo!()
}
