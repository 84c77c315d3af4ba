//! What must hold for every text of a configuration.

use super::parse;
use super::problem::Look;

/// Reads a text: it may be wrong in any way, and each problem can be shown. What can be used can be
/// written, and is the same when it is read again.
///
/// # Panics
/// When that does not hold.
pub fn read(bytes: &[u8]) {
    match parse("fuzz.kdl", bytes) {
        Err(problems) => {
            assert!(problems.are_fatal());
            let _ = problems.render(Look::Plain);
            let _ = problems.to_json();
        }
        Ok(loaded) => {
            let text = loaded.settings.write();
            let again = parse("again.kdl", text.as_bytes());
            let again = again.unwrap_or_else(|problems| {
                panic!("{}\n{text}", problems.render(Look::Plain));
            });
            assert_eq!(again.settings, loaded.settings, "{text}");
            let _ = super::show::text(&loaded);
        }
    }
}
