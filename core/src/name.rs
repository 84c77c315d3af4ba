//! Names of streams: from tcUrl and stream argument to one validated `vhost/app/stream`.
//!
//! Peers write the same name in many ways. What these readers fold: upper case of hosts, outer
//! slashes, blanks, a trailing dot of the host, the instance `/_definst_`. What they keep: inner
//! slashes, upper case of app and stream, prefixes such as `mp4:`, percent signs.

pub mod fuzz;
mod refer;
mod text;
mod url;

pub use refer::refer_matches;
pub use text::escape;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

/// The vhost of the configuration that takes all unknown ones; the only one with upper case.
pub const DEFAULT_VHOST: &str = "__defaultVhost__";

/// The part of a tcUrl that names things.
#[derive(Clone, PartialEq, Eq)]
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
    /// The query of the app, without `?` and without the vhost; may hold secrets.
    pub query: Arc<str>,
}

/// A legal stream name: `vhost/app/stream`. It has no control characters, no `.` or `..` component,
/// no backslash, and each part is within its limit; so it may be logged and be part of a path once
/// percent-encoded.
///
/// Two names are equal when their texts are, wherever the app ends in them: clients disagree about
/// that as soon as a name has more than three components.
#[derive(Clone)]
pub struct StreamName {
    full: Arc<str>,
    app_at: u32,
    stream_at: u32,
}

/// Why a name was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// A required part is missing.
    Empty(Part),
    /// A character or component that no name may have.
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
    /// A whole tcUrl; also a whole `app` property or stream argument, with its query.
    pub tc_url_len_max: usize,
}

impl Address {
    /// Reads a tcUrl; `app` is the `app` property of `connect`, which counts when the URL has none.
    ///
    /// `scheme://[userinfo@]host[:port]/app[/instance][?query]`, where an IPv6 host is in brackets.
    /// The query may also start at `...`, or at `,` or `&` when the vhost follows; the vhost is
    /// `vhost` and its value, apart by `=`, `?`, `...` or `,`. What follows a slash in that value
    /// belongs to the app.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn parse(tc_url: &[u8], app: &[u8], limits: NameLimits) -> Result<Self, NameError> {
        let tc_url = text::read(tc_url, Part::TcUrl, limits.tc_url_len_max)?;
        if tc_url.is_empty() {
            return Err(NameError::Empty(Part::TcUrl));
        }
        let url = url::Url::read(tc_url)?;
        let (path, mut query) = url::split_query(url.path);
        let mut name = url::app_of(path);
        if name.is_empty() {
            let property = text::read(app, Part::App, limits.tc_url_len_max)?;
            let (path, property_query) = url::split_query(property);
            name = url::app_of(path);
            if query.is_empty() {
                query = property_query;
            }
        }
        // Where spaces were dropped, a query may seem to begin that was none before.
        check_app(&name, limits)?;
        if query.chars().any(char::is_control) {
            return Err(NameError::Forbidden(Part::TcUrl));
        }
        let (asked, query) = url::cut_vhost(query);
        let asked = asked.map(|text| text.trim_matches('/'));
        let vhost = match asked {
            Some(text) => url::vhost_of(text.split('/').next().unwrap_or_default())?,
            None => url.host.clone(),
        };
        // Of `live?vhost=v/x/y`, ffmpeg takes all before the last slash for the app.
        if let Some((_, instance)) = asked.and_then(|text| text.split_once('/')) {
            name = url::app_of(&alloc::format!("{name}/{instance}")).into_owned().into();
            check_app(&name, limits)?;
        }
        if vhost.len() > limits.app_len_max {
            return Err(NameError::TooLong(Part::Vhost));
        }
        Ok(Self {
            scheme: url.scheme.into(),
            host: url.host.into(),
            port: url.port,
            vhost: vhost.into(),
            app: name.into(),
            query: query.into(),
        })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("vhost", &self.vhost)
            .field("app", &self.app)
            .field("query_len", &self.query.len())
            .finish()
    }
}

/// A stream argument of `publish` or `play`, cut at its query.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamArgument {
    /// The name without query and outer slashes.
    pub stream: Arc<str>,
    /// The query, without `?`; may hold secrets.
    pub query: Arc<str>,
    /// The vhost that the query asks for, as `vhost=` or `domain=`; it stays in the query.
    pub vhost: Option<Arc<str>>,
}

impl StreamArgument {
    /// Cuts `argument` at its query and validates the name.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn parse(argument: &[u8], limits: NameLimits) -> Result<Self, NameError> {
        let argument = text::read(argument, Part::Stream, limits.tc_url_len_max)?;
        let (name, query) = argument.split_once('?').unwrap_or((argument, ""));
        let stream = text::fold(name);
        text::check_name(&stream, Part::Stream, limits.stream_len_max)?;
        if query.chars().any(char::is_control) {
            return Err(NameError::Forbidden(Part::Stream));
        }
        let asked = url::find_field(query, "vhost").or_else(|| url::find_field(query, "domain"));
        let vhost = asked.map(url::vhost_of).transpose()?;
        if vhost.as_ref().is_some_and(|vhost| vhost.len() > limits.app_len_max) {
            return Err(NameError::TooLong(Part::Vhost));
        }
        Ok(Self { stream: stream.into(), query: query.into(), vhost: vhost.map(Into::into) })
    }
}

impl fmt::Debug for StreamArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamArgument")
            .field("stream", &self.stream)
            .field("query_len", &self.query.len())
            .field("vhost", &self.vhost)
            .finish()
    }
}

impl StreamName {
    /// Joins the parts; the vhost is folded to lower case, but for [`DEFAULT_VHOST`].
    ///
    /// It takes the parts as the readers above give them: a blank, an outer slash, a query or an
    /// instance `/_definst_` is forbidden here.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn new(
        vhost: &str,
        app: &str,
        stream: &str,
        limits: NameLimits,
    ) -> Result<Self, NameError> {
        let vhost = url::host_of(vhost)?;
        if vhost.len() > limits.app_len_max {
            return Err(NameError::TooLong(Part::Vhost));
        }
        check_app(app, limits)?;
        text::check_name(stream, Part::Stream, limits.stream_len_max)?;
        let app_at = vhost.len().saturating_add(1);
        let stream_at = app_at.saturating_add(app.len()).saturating_add(1);
        Ok(Self {
            full: format!("{vhost}/{app}/{stream}").into(),
            app_at: u32::try_from(app_at).map_err(|_| NameError::TooLong(Part::Vhost))?,
            stream_at: u32::try_from(stream_at).map_err(|_| NameError::TooLong(Part::App))?,
        })
    }

    /// As [`new`](Self::new), of parts as a peer may write them: folded as in the readers above.
    ///
    /// # Errors
    /// Says which part is wrong, and how.
    pub fn read(
        vhost: &str,
        app: &str,
        stream: &str,
        limits: NameLimits,
    ) -> Result<Self, NameError> {
        Self::new(vhost, &url::app_of(app), &text::fold(stream), limits)
    }

    /// `vhost/app/stream`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The vhost: a host in lower case, an IPv6 address without brackets, or [`DEFAULT_VHOST`].
    #[must_use]
    pub fn vhost(&self) -> &str {
        self.part(0, self.app_at.saturating_sub(1))
    }

    /// The app, with its instance.
    #[must_use]
    pub fn app(&self) -> &str {
        self.part(self.app_at, self.stream_at.saturating_sub(1))
    }

    /// The stream, without query.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.part(self.stream_at, u32::MAX)
    }

    fn part(&self, from: u32, to: u32) -> &str {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let to = usize::try_from(to).unwrap_or(usize::MAX).min(self.full.len());
        self.full.get(from..to).unwrap_or_default()
    }
}

/// Whether `app` may be an app: a legal name that would be read again as it is.
fn check_app(app: &str, limits: NameLimits) -> Result<(), NameError> {
    text::check_name(app, Part::App, limits.app_len_max)?;
    if url::app_of(url::split_query(app).0) != app {
        return Err(NameError::Forbidden(Part::App));
    }
    Ok(())
}

impl PartialEq for StreamName {
    fn eq(&self, other: &Self) -> bool {
        self.full == other.full
    }
}

impl Eq for StreamName {}

impl PartialOrd for StreamName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StreamName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.full.cmp(&other.full)
    }
}

impl Hash for StreamName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.full.hash(state);
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

impl NameError {
    /// One sentence that names the part and the fault, fit for the peer.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Empty(Part::App) => "The app is missing.",
            Self::Empty(Part::Stream) => "The stream name is missing.",
            Self::Empty(Part::TcUrl) => "The tcUrl is missing.",
            Self::Empty(Part::Vhost) => "The tcUrl has no host.",
            Self::Forbidden(Part::App) => "The app has a forbidden character or component.",
            Self::Forbidden(Part::Stream) => {
                "The stream name has a forbidden character or component."
            }
            Self::Forbidden(Part::TcUrl) => "The tcUrl has a forbidden character.",
            Self::Forbidden(Part::Vhost) => "The vhost is not a host name or address.",
            Self::Port => "The port of the tcUrl is not a number from 1 to 65535.",
            Self::Scheme => "The tcUrl does not start with rtmp:// or a variant of it.",
            Self::TooLong(Part::App) => "The app is too long.",
            Self::TooLong(Part::Stream) => "The stream name is too long.",
            Self::TooLong(Part::TcUrl) => "The tcUrl is too long.",
            Self::TooLong(Part::Vhost) => "The vhost is too long.",
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

impl core::error::Error for NameError {}

#[cfg(test)]
mod tests;
