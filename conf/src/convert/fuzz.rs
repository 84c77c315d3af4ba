//! What must hold for every text that is converted.

use super::convert;
use crate::settings::problem::Look;

/// Converts a text: it may be wrong in any way, and each problem can be shown.
///
/// # Panics
/// When that does not hold.
pub fn read(bytes: &[u8]) {
    let converted = convert("fuzz.conf", bytes);
    let _ = converted.problems.render(Look::Plain);
    if !converted.problems.are_fatal() {
        assert!(crate::settings::parse("fuzz.kdl", converted.text.as_bytes()).is_ok());
    }
}
