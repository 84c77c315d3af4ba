//! The outer shape of a tcUrl: scheme, host, port, app and query.

use super::text::fold;
use super::{DEFAULT_VHOST, NameError, Part, String};
use alloc::borrow::{Cow, ToOwned};
use alloc::string::ToString;
use core::net::Ipv6Addr;

/// The schemes of RTMP and their ports.
const SCHEMES: [(&str, u16); 6] = [
    ("rtmp", 1935),
    ("rtmpe", 1935),
    ("rtmps", 443),
    ("rtmpt", 80),
    ("rtmpte", 80),
    ("rtmpts", 443),
];

/// The instance that some clients append to an app without one.
const DEFAULT_INSTANCE: &str = "/_definst_";

/// A tcUrl cut in its parts.
pub(super) struct Url<'a> {
    pub(super) scheme: &'static str,
    pub(super) host: String,
    pub(super) port: u16,
    /// What follows the host: app and query.
    pub(super) path: &'a str,
}

impl<'a> Url<'a> {
    pub(super) fn read(url: &'a str) -> Result<Self, NameError> {
        let (scheme, rest) = url.split_once("://").ok_or(NameError::Scheme)?;
        let (scheme, default_port) = SCHEMES
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(scheme))
            .ok_or(NameError::Scheme)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (host, port) = split_port(authority)?;
        let host = host_of(host)?;
        let port = match port {
            "" => default_port,
            // Digits alone: the parser of integers would also take a sign.
            _ if !port.bytes().all(|byte| byte.is_ascii_digit()) => return Err(NameError::Port),
            _ => port.parse().ok().filter(|port| *port != 0).ok_or(NameError::Port)?,
        };
        Ok(Self { scheme, host, port, path })
    }
}

/// The app of a path that was cut from its query.
pub(super) fn app_of(path: &str) -> Cow<'_, str> {
    let mut app = fold(path);
    while let Some(shorter) = app.strip_suffix(DEFAULT_INSTANCE) {
        app = fold(shorter).into_owned().into();
    }
    app
}

/// The vhost that a query asks for; a port behind it is no part of it.
pub(super) fn vhost_of(text: &str) -> Result<String, NameError> {
    host_of(split_port(text.trim_matches('/'))?.0)
}

/// A host in the one way it is written here.
pub(super) fn host_of(text: &str) -> Result<String, NameError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Err(NameError::Empty(Part::Vhost));
    }
    if text.contains(':') {
        let address: Ipv6Addr = text.parse().map_err(|_| NameError::Forbidden(Part::Vhost))?;
        return Ok(address.to_string());
    }
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !text.bytes().all(is_legal) || text.starts_with('-') || text.split('.').any(str::is_empty) {
        return Err(NameError::Forbidden(Part::Vhost));
    }
    if text.eq_ignore_ascii_case(DEFAULT_VHOST) {
        return Ok(DEFAULT_VHOST.to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// Cuts app from query: at `?` or `...`, or where `,` or `&` leads to a vhost.
pub(super) fn split_query(path: &str) -> (&str, &str) {
    let mut at: usize = 0;
    loop {
        let Some((before, separator, after)) = path.get(at..).and_then(split_separator) else {
            return (path, "");
        };
        let end = at.saturating_add(before.len());
        if matches!(separator, "?" | "...") || field_value(after, "vhost").is_some() {
            return (path.get(..end).unwrap_or_default(), after);
        }
        at = end.saturating_add(separator.len());
    }
}

/// Takes the vhost out of a query and leaves all else as it is.
pub(super) fn cut_vhost(query: &str) -> (Option<&str>, String) {
    let mut vhost = None;
    let mut kept = String::new();
    let mut before = "";
    let mut rest = Some(query);
    while let Some(field) = rest {
        let found = field_value(field, "vhost");
        let (value, separator, after) = match found {
            Some(value) => value,
            None => split_separator(field).map_or((field, "", None), whole),
        };
        if found.is_some() {
            vhost = vhost.or(Some(value).filter(|value| !value.is_empty()));
        } else {
            if !kept.is_empty() {
                kept.push_str(before);
            }
            kept.push_str(value);
        }
        before = separator;
        rest = after;
    }
    (vhost, kept)
}

/// The first value of `key` in a query that is not empty.
pub(super) fn find_field<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = Some(query);
    while let Some(field) = rest {
        if let Some((value, _, after)) = field_value(field, key) {
            if !value.is_empty() {
                return Some(value);
            }
            rest = after;
        } else {
            rest = split_separator(field).map(|(_, _, after)| after);
        }
    }
    None
}

/// A field, the separator behind it (or nothing), and what follows that.
type Field<'a> = (&'a str, &'a str, Option<&'a str>);

/// The value of `key` when `text` starts with that field.
fn field_value<'a>(text: &'a str, key: &str) -> Option<Field<'a>> {
    let (name, rest) = text.split_at_checked(key.len())?;
    if !name.eq_ignore_ascii_case(key) {
        return None;
    }
    let value = ["=", "?", "...", ","].iter().find_map(|mark| rest.strip_prefix(mark))?;
    Some(split_separator(value).map_or((value, "", None), whole))
}

fn whole<'a>((field, separator, after): (&'a str, &'a str, &'a str)) -> Field<'a> {
    (field, separator, Some(after))
}

/// Cuts at the first mark that ends a field.
fn split_separator(text: &str) -> Option<(&str, &str, &str)> {
    let (at, len) = text.bytes().enumerate().find_map(|(at, byte)| match byte {
        b'&' | b'?' | b',' => Some((at, 1)),
        b'.' if text.get(at..).is_some_and(|rest| rest.starts_with("...")) => Some((at, 3)),
        _ => None,
    })?;
    let (field, rest) = text.split_at_checked(at)?;
    let (separator, after) = rest.split_at_checked(len)?;
    Some((field, separator, after))
}

/// Cuts `[userinfo@]host[:port]`; the port is empty when there is none.
fn split_port(authority: &str) -> Result<(&str, &str), NameError> {
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let Some(bracketed) = address.strip_prefix('[') else {
        return Ok(match address.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, port),
            // Without a colon there is no port; with several, this is a bare IPv6 address.
            _ => (address, ""),
        });
    };
    let forbidden = NameError::Forbidden(Part::Vhost);
    let (host, rest) = bracketed.split_once(']').ok_or(forbidden)?;
    // The zone of a link-local address means something to the peer alone.
    let host = host.split_once('%').map_or(host, |(host, _)| host);
    if !host.contains(':') || !(rest.is_empty() || rest.starts_with(':')) {
        return Err(forbidden);
    }
    Ok((host, rest.trim_start_matches(':')))
}
