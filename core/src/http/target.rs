//! The target of a request: its path, decoded once, and its query (RFC 9112, section 3.2).

use super::HttpError;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    authority: Option<Box<str>>,
    path: Option<Box<str>>,
    /// Path and query as they were sent.
    sent: Box<str>,
    /// Where the query begins in it.
    query_at: usize,
}

impl Target {
    /// Reads the origin form (`/path?query`), the absolute form (`http://host/path`), and `*`.
    ///
    /// # Errors
    /// `Target`: another form, or a path whose percent-encoding is broken.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let (authority, rest) = match strip_scheme(text) {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at_checked(end).ok_or(HttpError::Target)?;
                // RFC 9110, sections 4.2.1 and 4.2.4.
                if authority.is_empty() || authority.contains('@') {
                    return Err(HttpError::Target);
                }
                (Some(Box::from(authority)), rest)
            }
            None => (None, text),
        };
        // A fragment is the client's own matter and must not be sent.
        if rest.contains('#') {
            return Err(HttpError::Target);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = match path {
            "" if authority.is_some() => "/",
            "*" if authority.is_none() && query.is_empty() => "*",
            path if path.starts_with('/') => path,
            _ => return Err(HttpError::Target),
        };
        let query_at = rest.len().saturating_sub(query.len());
        Ok(Self { authority, path: decode_path(path)?, sent: Box::from(rest), query_at })
    }

    /// The path, decoded; `None` if nothing can have it: a way up, an empty step, a backslash, a
    /// control character, or a slash in disguise.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The query as it was sent, without its `?`; may hold secrets.
    #[must_use]
    pub fn query(&self) -> &str {
        self.sent.get(self.query_at..).unwrap_or_default()
    }

    /// Path and query as they were sent; may hold secrets.
    #[must_use]
    pub fn as_sent(&self) -> &str {
        &self.sent
    }

    /// The decoded value of the first `key` of the query.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Cow<'_, str>> {
        self.query().split('&').find_map(|pair| {
            let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
            (found == key).then(|| decode_value(value)).flatten()
        })
    }

    /// The host and port of the absolute form.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }
}

fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_http.then_some(rest)
}

/// Decodes a path once. What looks like an encoding afterwards is taken by its letters.
fn decode_path(path: &str) -> Result<Option<Box<str>>, HttpError> {
    let decoded = if path.contains('%') {
        let Some(bytes) = decode(path.bytes()) else { return Err(HttpError::Target) };
        if bytes.iter().filter(|&&byte| byte == b'/').count() != path.matches('/').count() {
            return Ok(None);
        }
        String::from_utf8(bytes).map_err(|_| HttpError::Target)?
    } else {
        String::from(path)
    };
    let steps = decoded.strip_prefix('/').unwrap_or(&decoded);
    // The last step may be empty: a folder ends with a slash.
    let folder = steps.strip_suffix('/').unwrap_or(steps);
    let is_legal = steps.is_empty()
        || folder.split('/').all(|step| !step.is_empty() && step != "." && step != "..");
    let is_plain = !decoded.contains(|c: char| c == '\\' || c.is_control());
    Ok((is_legal && is_plain).then(|| decoded.into_boxed_str()))
}

fn decode_value(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains(['%', '+']) {
        return Some(Cow::Borrowed(value));
    }
    let spaced = value.bytes().map(|byte| if byte == b'+' { b' ' } else { byte });
    String::from_utf8(decode(spaced)?).ok().map(Cow::Owned)
}

/// Percent-decodes; `None` if a `%` has no two hex digits behind it.
fn decode(mut bytes: impl Iterator<Item = u8>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let (high, low) = (hex_digit(bytes.next()?)?, hex_digit(bytes.next()?)?);
                high << 4 | low
            }
            byte => byte,
        });
    }
    Some(out)
}

/// The value of a hex digit.
pub(super) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}
