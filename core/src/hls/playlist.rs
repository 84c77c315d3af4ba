//! The text of a media playlist (RFC 8216, section 4.3.3).

use super::{Ending, Segment, segment_name};
use crate::time::Calendar;
use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt::{self, Write as _};

/// What a playlist says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Playlist<'a> {
    /// The stream in segment names, percent-encoded.
    pub(super) stem: &'a str,
    pub(super) target_secs: u64,
    /// Discontinuities before the first segment.
    pub(super) discontinuity_sequence: u64,
    pub(super) segments: &'a VecDeque<Segment>,
    pub(super) ending: Ending,
}

impl Playlist<'_> {
    pub(super) fn render(&self) -> String {
        let mut text = String::with_capacity(self.segments.len().saturating_mul(128));
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let first = self.segments.front().map_or(0, |segment| segment.sequence);
        // Version 3 has fractions of seconds; 6 has EXT-X-INDEPENDENT-SEGMENTS.
        writeln!(text, "#EXTM3U\n#EXT-X-VERSION:3")?;
        writeln!(text, "#EXT-X-TARGETDURATION:{}", self.target_secs)?;
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}")?;
        writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence)?;
        for (index, segment) in self.segments.iter().enumerate() {
            // At the head of the list it is in the discontinuity sequence.
            if segment.is_discontinuity && index > 0 {
                writeln!(text, "#EXT-X-DISCONTINUITY")?;
            }
            writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", Date { unix_millis: segment.wall_ms })?;
            let millis = segment.duration_ms();
            writeln!(text, "#EXTINF:{}.{:03},", millis / 1_000, millis % 1_000)?;
            writeln!(text, "{}", segment_name(self.stem, segment.sequence))?;
        }
        if self.ending == Ending::EndList {
            writeln!(text, "#EXT-X-ENDLIST")?;
        }
        Ok(())
    }
}

/// A point in time by ISO 8601, in UTC: `2026-11-23T04:39:44.000Z`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_millis: u64,
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Calendar { year, month, day, hour, minute, second, millisecond, .. } =
            Calendar::of(self.unix_millis);
        write!(f, "{year:04}-{month:02}-{day:02}T")?;
        write!(f, "{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}
