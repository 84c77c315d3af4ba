//! Destinations as the operator writes them, and the targets that they are for a stream.

use crate::name::{Address, DEFAULT_VHOST, NameError, NameLimits, StreamName};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// A server that streams are forwarded to. `Debug` and `Display` show no secret: no query, and no
/// stream that is written out, since that may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    host: Arc<str>,
    port: u16,
    /// `None` for that of the stream, with its vhost.
    app: Option<Template>,
    app_query: Template,
    /// `None` for that of the stream.
    stream: Option<Template>,
    stream_query: Template,
}

/// Why a text is no destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DestinationError {
    /// A blank, a control character or a backslash.
    Character,
    /// The host is missing or not legal, or it has a variable: peers choose no host.
    Host,
    /// A path without `rtmp://` before it.
    Path,
    /// The port is not 1 to 65,535.
    Port,
    /// Another scheme than `rtmp`.
    Scheme,
    /// Longer than the limit.
    TooLong,
    /// A user and a password, which are not supported.
    User,
    /// Braces around something else than `vhost`, `app` or `stream`.
    Variable,
}

/// A destination for one stream.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Target {
    /// A name or an address, without brackets.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// The app of `connect`, with its query.
    pub(crate) app: Arc<str>,
    pub(crate) tc_url: Arc<str>,
    /// The stream of `publish`, with its query.
    pub(crate) stream: Arc<str>,
}

/// A text with names of the stream in it.
#[derive(Clone, PartialEq, Eq, Default)]
struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    App,
    Stream,
    Text(String),
    Vhost,
}

/// Bytes of a destination.
const LEN_MAX: usize = 2_048;

/// The port that need not be written.
const PORT: u16 = 1935;

impl Destination {
    /// Reads `rtmp://host[:port][/app[/stream]][?query]`, or `host[:port]` as SRS writes it.
    ///
    /// Without a stream it is the stream's own, and without an app that too, and its vhost. In
    /// app, stream and query `{vhost}`, `{app}` and `{stream}` stand for the names of the stream.
    /// The last component is the stream; a query belongs to what it stands behind, and one of the
    /// app may stand before the stream (`app?vhost=name/stream`).
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        if text.len() > LEN_MAX {
            return Err(DestinationError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(DestinationError::Character);
        }
        let (rest, is_url) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("rtmp") => (rest, true),
            Some(_) => return Err(DestinationError::Scheme),
            None => (text, false),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (host, port) = read_authority(authority)?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = path.trim_matches('/');
        if !is_url && !path.is_empty() {
            return Err(DestinationError::Path);
        }
        let (app, app_query, stream, stream_query) = match path.rsplit_once('/') {
            Some((app, stream)) => (app, "", stream, query),
            None => match query.rsplit_once('/') {
                Some((query, stream)) if !path.is_empty() => (path, query, stream, ""),
                _ => (path, query, "", ""),
            },
        };
        let part = |text: &str| Template::parse(text).map(|it| (!text.is_empty()).then_some(it));
        Ok(Self {
            host,
            port,
            app: part(app.trim_end_matches('/'))?,
            app_query: Template::parse(app_query)?,
            stream: part(stream)?,
            stream_query: Template::parse(stream_query)?,
        })
    }

    /// As the operator wrote it, with what may be secret.
    #[must_use]
    pub fn reveal(&self) -> String {
        let query = |query: &Template| match query.source() {
            text if text.is_empty() => text,
            text => format!("?{text}"),
        };
        let mut text = format!("rtmp://{}", self.authority());
        if let Some(app) = &self.app {
            let _ = write!(text, "/{}", app.source());
        }
        text.push_str(&query(&self.app_query));
        if let Some(stream) = &self.stream {
            let _ = write!(text, "/{}", stream.source());
        }
        text.push_str(&query(&self.stream_query));
        text
    }

    /// The destination for one stream; `None` when that is no legal app and stream.
    pub(crate) fn target(&self, name: &StreamName, limits: NameLimits) -> Option<Target> {
        let (app, stream) = (self.app_of(name), self.stream_of(name));
        StreamName::new(DEFAULT_VHOST, &app, &stream, limits).ok()?;
        let app = with_query(app, &self.app_query_of(name));
        let stream = with_query(stream, &self.stream_query.render_encoded(name));
        let authority = self.authority();
        Some(Target {
            host: self.host.clone(),
            port: self.port,
            tc_url: format!("rtmp://{authority}/{app}").into(),
            app: app.into(),
            stream: stream.into(),
        })
    }

    /// Where one stream goes, without secrets.
    pub(crate) fn label(&self, name: &StreamName) -> String {
        let stream = match &self.stream {
            Some(stream) if stream.is_fixed() => String::from(HIDDEN),
            Some(_) | None => self.stream_of(name),
        };
        self.shown(&self.app_of(name), &stream)
    }

    fn app_of(&self, name: &StreamName) -> String {
        self.app.as_ref().map_or_else(|| name.app().into(), |app| app.render(name))
    }

    fn stream_of(&self, name: &StreamName) -> String {
        self.stream.as_ref().map_or_else(|| name.stream().into(), |stream| stream.render(name))
    }

    fn app_query_of(&self, name: &StreamName) -> String {
        let query = self.app_query.render_encoded(name);
        if query.is_empty() && self.app.is_none() && name.vhost() != DEFAULT_VHOST {
            // The tcUrl names the machine, so that the vhost has to be asked for.
            return format!("vhost={}", name.vhost());
        }
        query
    }

    /// Host and port as they are in a URL.
    fn authority(&self) -> String {
        let host = &self.host;
        let host =
            if host.contains(':') { format!("[{host}]") } else { String::from(host.as_ref()) };
        if self.port == PORT { host } else { format!("{host}:{}", self.port) }
    }

    fn shown(&self, app: &str, stream: &str) -> String {
        let app_query = if self.app_query.0.is_empty() { "" } else { "?.." };
        let stream_query = if self.stream_query.0.is_empty() { "" } else { "?.." };
        format!("rtmp://{}/{app}{app_query}/{stream}{stream_query}", self.authority())
    }
}

/// In place of what may be a secret.
const HIDDEN: &str = "..";

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = self.app.as_ref().map_or_else(|| "{app}".into(), Template::source);
        let stream = match &self.stream {
            Some(stream) if stream.is_fixed() => HIDDEN.into(),
            Some(stream) => stream.source(),
            None => "{stream}".into(),
        };
        f.write_str(&self.shown(&app, &stream))
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({self})")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl DestinationError {
    /// One sentence that says what is wrong, and what to write.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Character => "A destination has no blanks, control characters or backslashes.",
            Self::Host => "The host of a destination is a name or an address, without variables.",
            Self::Path => "With an app, write rtmp://host/app or rtmp://host/app/stream.",
            Self::Port => "The port of a destination is a number from 1 to 65535.",
            Self::Scheme => "Streams are forwarded by plain RTMP: write rtmp://host/app/stream.",
            Self::TooLong => "A destination has at most 2048 bytes.",
            Self::User => "A user and a password in a destination are not supported.",
            Self::Variable => "Braces hold {vhost}, {app} or {stream}, and nothing else.",
        }
    }
}

impl fmt::Display for DestinationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

impl core::error::Error for DestinationError {}

impl Template {
    fn parse(text: &str) -> Result<Self, DestinationError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (before, behind) = rest.split_once('{').unwrap_or((rest, ""));
            if before.contains('}') || (before.len() < rest.len() && behind.is_empty()) {
                return Err(DestinationError::Variable);
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            if behind.is_empty() {
                break;
            }
            let (variable, after) = behind.split_once('}').ok_or(DestinationError::Variable)?;
            pieces.push(match variable {
                "app" => Piece::App,
                "stream" => Piece::Stream,
                "vhost" => Piece::Vhost,
                _ => return Err(DestinationError::Variable),
            });
            rest = after;
        }
        Ok(Self(pieces))
    }

    /// It is the same for all streams.
    fn is_fixed(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    fn render(&self, name: &StreamName) -> String {
        self.0.iter().map(|piece| piece.text(name)).collect()
    }

    /// As `render`, for a query: names are percent-encoded, so that they are one value.
    fn render_encoded(&self, name: &StreamName) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::App | Piece::Stream | Piece::Vhost => {
                    push_encoded(piece.text(name), &mut text);
                }
            }
        }
        text
    }

    /// As the operator wrote it.
    fn source(&self) -> String {
        let texts = self.0.iter().map(|piece| match piece {
            Piece::App => "{app}",
            Piece::Stream => "{stream}",
            Piece::Text(text) => text,
            Piece::Vhost => "{vhost}",
        });
        texts.collect()
    }
}

impl Piece {
    fn text<'a>(&'a self, name: &'a StreamName) -> &'a str {
        match self {
            Self::App => name.app(),
            Self::Stream => name.stream(),
            Self::Text(text) => text,
            Self::Vhost => name.vhost(),
        }
    }
}

fn read_authority(authority: &str) -> Result<(Arc<str>, u16), DestinationError> {
    if authority.contains('@') {
        return Err(DestinationError::User);
    }
    let limits = NameLimits { app_len_max: 256, stream_len_max: 256, tc_url_len_max: LEN_MAX };
    let url = format!("rtmp://{authority}/app");
    let address = Address::parse(url.as_bytes(), b"", limits).map_err(|error| {
        if error == NameError::Port { DestinationError::Port } else { DestinationError::Host }
    })?;
    Ok((address.host, address.port))
}

fn with_query(mut text: String, query: &str) -> String {
    if !query.is_empty() {
        text.push('?');
        text.push_str(query);
    }
    text
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
fn push_encoded(text: &str, out: &mut String) {
    for byte in text.bytes() {
        // Writing to a String cannot fail.
        let _ = match byte {
            b'-' | b'.' | b'_' | b'~' => out.write_char(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.write_char(char::from(byte)),
            _ => write!(out, "%{byte:02X}"),
        };
    }
}

#[cfg(test)]
mod tests;
