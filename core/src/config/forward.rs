//! Where published streams are pushed to.

use crate::name::{NameLimits, StreamName};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt::{self, Write};

/// A destination. Its parts may hold `{vhost}`, `{app}` and `{stream}`, which stand for the names
/// of the stream that is pushed, percent-encoded in queries; what is absent is taken from there too.
#[derive(Clone, PartialEq, Eq)]
pub struct Forward {
    /// The app, perhaps with a query.
    pub app: Option<Arc<str>>,
    /// A name or an address, without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
    /// The stream, perhaps with a query; often a secret.
    pub stream: Option<Arc<str>>,
    /// The vhost, as SRS's form `host:port?vhost=NAME` has it.
    pub vhost: Option<Arc<str>>,
}

/// Why a destination was not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ForwardError {
    /// There is no host, or it has characters that no host has.
    Host,
    /// With what is written out, no stream makes it a legal vhost, app and stream.
    Name,
    /// The name in braces is none of `vhost`, `app`, `stream`.
    Placeholder,
    /// The port is not 1 to 65,535.
    Port,
    /// Something else than `?vhost=NAME` follows a host without an app.
    Query,
    /// The scheme is not `rtmp`.
    Scheme,
}

impl Forward {
    /// The port of RTMP.
    pub const PORT: u16 = 1935;

    /// Reads `host[:port][?vhost=NAME]` or `rtmp://host[:port][/app[/stream]]`, with an IPv6
    /// address in brackets. The stream is what follows the last slash.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, ForwardError> {
        let (rest, is_url) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("rtmp") => (rest, true),
            Some(_) => return Err(ForwardError::Scheme),
            None => (text, false),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (host, port) = split_port(authority)?;
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || host.starts_with('-') || !host.bytes().all(is_legal) {
            return Err(ForwardError::Host);
        }
        let (app, stream, vhost) = if let Some(path) = path.strip_prefix('/') {
            let (app, stream) = split_stream(path);
            (app, stream, None)
        } else if path.is_empty() {
            (None, None, None)
        } else {
            let vhost = path.strip_prefix("?vhost=").filter(|_| !is_url);
            (None, None, Some(vhost.ok_or(ForwardError::Query)?))
        };
        for template in [app, stream, vhost].into_iter().flatten() {
            expand(template, ("", "", "")).ok_or(ForwardError::Placeholder)?;
        }
        let forward = Self {
            app: app.map(Arc::from),
            host: host.into(),
            port,
            stream: stream.map(Arc::from),
            vhost: vhost.map(Arc::from),
        };
        if forward.may_be_legal() { Ok(forward) } else { Err(ForwardError::Name) }
    }

    /// Whether the shortest names make it a legal one. Others may be too long, or end in a blank.
    fn may_be_legal(&self) -> bool {
        const NO_LIMITS: NameLimits = NameLimits {
            app_len_max: usize::MAX,
            stream_len_max: usize::MAX,
            tc_url_len_max: usize::MAX,
        };
        StreamName::new("a", "a", "a", NO_LIMITS).is_ok_and(|name| {
            let (vhost, app, stream) =
                (self.vhost_for(&name), self.app_for(&name), self.stream_for(&name));
            let path = |text: &str| text.split('?').next().unwrap_or_default().to_string();
            StreamName::new(&vhost, &path(&app), &path(&stream), NO_LIMITS).is_ok()
        })
    }

    /// The app that `name` is pushed to, with its query.
    #[must_use]
    pub fn app_for(&self, name: &StreamName) -> String {
        self.part(self.app.as_deref(), name).unwrap_or_else(|| name.app().to_string())
    }

    /// The stream argument that `name` is published as, with its query.
    #[must_use]
    pub fn stream_for(&self, name: &StreamName) -> String {
        self.part(self.stream.as_deref(), name).unwrap_or_else(|| name.stream().to_string())
    }

    /// The vhost that `name` is pushed to.
    #[must_use]
    pub fn vhost_for(&self, name: &StreamName) -> String {
        self.part(self.vhost.as_deref(), name).unwrap_or_else(|| name.vhost().to_string())
    }

    fn part(&self, template: Option<&str>, name: &StreamName) -> Option<String> {
        let names = (name.vhost(), name.app(), name.stream());
        let Some((path, query)) = template?.split_once('?') else {
            return expand(template?, names);
        };
        // There a name is one value, whatever it holds.
        let (vhost, app, stream) = (encoded(names.0), encoded(names.1), encoded(names.2));
        let query = expand(query, (&vhost, &app, &stream))?;
        Some([&*expand(path, names)?, "?", &query].concat())
    }
}

/// Without the stream and the queries, which may hold keys.
impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = self.app.as_deref().and_then(|app| app.split('?').next());
        f.debug_struct("Forward")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("vhost", &self.vhost)
            .field("app", &app)
            .finish_non_exhaustive()
    }
}

/// Host and port of `host[:port]` or `[address][:port]`.
fn split_port(authority: &str) -> Result<(&str, u16), ForwardError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(ForwardError::Host)?;
            let port = rest.strip_prefix(':');
            if port.is_none() && !rest.is_empty() {
                return Err(ForwardError::Host);
            }
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None => Forward::PORT,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or(ForwardError::Port)?
        }
        Some(_) => return Err(ForwardError::Port),
    };
    Ok((host, port))
}

/// App and stream of a path. A slash in a query divides nothing.
fn split_stream(path: &str) -> (Option<&str>, Option<&str>) {
    let named = |text: &str| !text.is_empty();
    let names = path.split('?').next().unwrap_or(path);
    // `app?query/stream` is the form of clients that keep the query with the app.
    let query = path.strip_prefix(names).unwrap_or("");
    let at = match names.rsplit_once('/') {
        Some((app, _)) => Some(app.len()),
        None => query.rfind('/').map(|at| names.len().saturating_add(at)),
    };
    match at.and_then(|at| path.split_at_checked(at)) {
        Some((app, stream)) => {
            let stream = stream.strip_prefix('/').unwrap_or(stream);
            (Some(app).filter(|text| named(text)), Some(stream).filter(|text| named(text)))
        }
        None => (Some(path).filter(|text| named(text)), None),
    }
}

/// All but the unreserved characters as percent signs (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        // Writing to a String cannot fail.
        let _ = match byte {
            b'-' | b'.' | b'_' | b'~' => out.write_char(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.write_char(char::from(byte)),
            _ => write!(out, "%{byte:02X}"),
        };
    }
    out
}

/// Puts the names of a stream into a template; `None` when it has another name in braces.
fn expand(template: &str, (vhost, app, stream): (&str, &str, &str)) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, after) = after.split_once('}')?;
        out.push_str(match name {
            "vhost" => vhost,
            "app" => app,
            "stream" => stream,
            _ => return None,
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
