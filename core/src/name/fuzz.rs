//! The fuzz body of names.

use super::{
    Address, DEFAULT_VHOST, NameLimits, StreamArgument, StreamName, escape, refer_matches,
};
use alloc::format;

const LIMITS: NameLimits =
    NameLimits { app_len_max: 128, stream_len_max: 256, tc_url_len_max: 2_048 };

/// Reads `data` as tcUrl, app and stream argument, apart by zero bytes.
///
/// # Panics
/// When a name that was read is not legal, not stable, or when escaped text is not one line.
pub fn fuzz_name(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let tc_url = parts.next().unwrap_or_default();
    let app = parts.next().unwrap_or_default();
    let argument = parts.next().unwrap_or_default();
    check_refer(tc_url);
    for max in [0, 1, 5, 256] {
        check_escaped(data, max);
    }
    let address = Address::parse(tc_url, app, LIMITS);
    let argument = StreamArgument::parse(argument, LIMITS);
    if let Ok(address) = &address {
        check_address(address);
    }
    if let Ok(argument) = &argument {
        check_argument(argument);
    }
    let (Ok(address), Ok(argument)) = (address, argument) else { return };
    let name = StreamName::new(&address.vhost, &address.app, &argument.stream, LIMITS);
    let name = name.expect("what the readers accept is a legal name");
    assert_eq!(name.vhost(), &*address.vhost);
    assert_eq!(name.app(), &*address.app);
    assert_eq!(name.stream(), &*argument.stream);
    let has_dots = name.as_str().split('/').any(|part| matches!(part, "" | "." | ".."));
    assert!(!has_dots && !name.as_str().contains('\\'), "{name}");
    assert_eq!(
        escape(name.as_str().as_bytes(), 4_096).replace("\\x22", "\"").replace("\\x27", "'"),
        name.as_str()
    );
}

/// Asserts that a page of another domain is never taken for one of ours.
fn check_refer(page_url: &[u8]) {
    let domain = "example.com";
    if refer_matches(page_url, domain) {
        let mut windows = page_url.windows(domain.len());
        assert!(windows.any(|part| part.eq_ignore_ascii_case(domain.as_bytes())));
    }
}

fn check_escaped(text: &[u8], max: usize) {
    let line = escape(text, max);
    assert!(line.len() <= max && !line.chars().any(char::is_control), "{line:?}");
    assert!(!line.contains(['"', '\'', '\u{2028}', '\u{202E}']), "{line:?}");
}

/// Asserts that an address is read again as it was written.
fn check_address(address: &Address) {
    let Address { scheme, host, port, vhost, app, query } = address;
    assert!(!query.chars().any(char::is_control), "{query:?}");
    for name in [host, vhost] {
        assert!(**name == *DEFAULT_VHOST || !name.contains(char::is_uppercase), "{name}");
    }
    assert!(*port > 0 && !app.is_empty() && app.len() <= LIMITS.app_len_max);
    let bracketed = if host.contains(':') { format!("[{host}]") } else { (**host).into() };
    let url = format!("{scheme}://{bracketed}:{port}/a?vhost={vhost}");
    let again = Address::parse(url.as_bytes(), b"", LIMITS);
    let expected = Address { app: "a".into(), query: "".into(), ..address.clone() };
    assert_eq!(again, Ok(expected), "{url}");
    let url = format!("rtmp://h/{app}");
    let again = Address::parse(url.as_bytes(), b"", LIMITS).map(|again| again.app);
    assert_eq!(again.as_ref(), Ok(app), "{url}");
}

/// Asserts that a stream argument is read again as it was written.
fn check_argument(argument: &StreamArgument) {
    let StreamArgument { stream, query, vhost } = argument;
    assert!(!query.chars().any(char::is_control), "{query:?}");
    assert!(vhost.as_ref().is_none_or(|vhost| !vhost.is_empty() && !query.is_empty()));
    let text = format!("{stream}?{query}");
    if text.len() <= LIMITS.tc_url_len_max {
        assert_eq!(StreamArgument::parse(text.as_bytes(), LIMITS).as_ref(), Ok(argument), "{text}");
    }
}
