//! Where a player page may come from.

/// Whether the page at `page_url` lies in `domain`: its host is the domain, or ends with a dot and
/// the domain.
///
/// Case, a trailing dot, userinfo and port do not count; neither does a scheme that is missing. An
/// empty URL matches nothing: whether a client without a page is welcome is for the caller to say.
#[must_use]
pub fn refer_matches(page_url: &[u8], domain: &str) -> bool {
    let domain = domain.trim_matches('.').as_bytes();
    let Some(host) = host(page_url.trim_ascii()) else { return false };
    let Some(at) = host.len().checked_sub(domain.len()) else { return false };
    let Some((before, end)) = host.split_at_checked(at) else { return false };
    !domain.is_empty()
        && end.eq_ignore_ascii_case(domain)
        && (before.is_empty() || before.ends_with(b"."))
}

/// The host of a URL, or nothing when it is none that a browser could have visited.
fn host(url: &[u8]) -> Option<&[u8]> {
    let rest = without_scheme(url);
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\'));
    let authority = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    let address = authority.rsplit(|byte| *byte == b'@').next()?;
    let host = match address.strip_prefix(b"[") {
        Some(bracketed) => {
            let host = bracketed.split(|byte| *byte == b']').next()?;
            return host
                .iter()
                .all(|byte| byte.is_ascii_hexdigit() || *byte == b':')
                .then_some(host);
        }
        None => address.split(|byte| *byte == b':').next()?,
    };
    let host = host.strip_suffix(b".").unwrap_or(host);
    let is_legal = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') || !byte.is_ascii()
    };
    host.iter().all(is_legal).then_some(host)
}

/// What follows `scheme://` or `//`; all of it when neither is in front.
fn without_scheme(url: &[u8]) -> &[u8] {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let len = url.iter().position(|byte| !is_scheme(byte)).unwrap_or(url.len());
    let rest = url.get(len..).unwrap_or_default();
    match rest.strip_prefix(b"://") {
        Some(rest) => rest,
        None => url.strip_prefix(b"//").unwrap_or(url),
    }
}
