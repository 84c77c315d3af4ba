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

/// The number in the name of a file, if [`segment_name`] has made it for this stream.
#[must_use]
pub fn segment_number(file: &str, stream: &str) -> Option<u64> {
    let digits = file.strip_prefix(stream)?.strip_prefix('-')?.strip_suffix(".ts")?;
    let number = digits.parse().ok()?;
    // There are other ways to write a number, as `+7` or `007`: those are not of this server.
    (segment_name(stream, number) == file).then_some(number)
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
