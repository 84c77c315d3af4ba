//! The fuzz body of names.

use super::{Address, NameLimits, StreamArgument, StreamName, escape, refer_matches};

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
    let _ = refer_matches(tc_url, "example.com");
    for max in [0, 1, 5, 256] {
        let line = escape(data, max);
        assert!(line.len() <= max && !line.chars().any(char::is_control), "{line:?}");
    }
    let address = Address::parse(tc_url, app, LIMITS);
    let argument = StreamArgument::parse(argument, LIMITS);
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
