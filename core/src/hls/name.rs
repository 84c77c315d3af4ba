//! Names of segments and their numbers.

use crate::time::WallClock;
use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

/// The name of a segment's file: `[stream]-[seq].ts`, as SRS has it.
///
/// `stream` is the last part of the stream's name as it is; it is not percent-encoded here.
#[must_use]
pub fn segment_name(stream: &str, sequence: u64) -> String {
    format!("{stream}-{sequence}.ts")
}

/// A number to begin with that no earlier run of the server has reached: half seconds since 2020.
/// Segments last half a second at least.
///
/// GStreamer reads numbers of 31 bits and plays nothing above them; these last until 2054.
#[must_use]
pub const fn start_sequence(wall: WallClock) -> u64 {
    wall.unix_millis.saturating_sub(MILLIS_BEFORE_2020) / 500
}

/// From 1970 to 2020.
const MILLIS_BEFORE_2020: u64 = 1_577_836_800_000;

/// Text for a URI: all but unreserved characters (RFC 3986, section 2.3) are encoded.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
