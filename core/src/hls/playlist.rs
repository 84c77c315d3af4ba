//! The text of a media playlist (RFC 8216, section 4.3.3).

use super::{Ending, Segment, segment_name};
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
        const DAY_MS: u64 = 86_400_000;
        let (year, month, day) = civil(self.unix_millis / DAY_MS);
        let millis = self.unix_millis % DAY_MS;
        let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
        let (second, fraction) = (millis / 1_000 % 60, millis % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
    }
}

/// Year, month and day, so many days after 1970-01-01 (Gregorian calendar).
///
/// Years are counted from March, so that a leap day is the last day of its year.
const fn civil(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    // From 0000-03-01.
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let leap_days = (day_of_era / 36_524).saturating_sub(day_of_era / 146_096);
    let year_of_era = day_of_era.saturating_sub(day_of_era / 1_460).saturating_add(leap_days) / 365;
    let before = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100);
    let day_of_year = day_of_era.saturating_sub(before);
    let shifted = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let month_start = shifted.saturating_mul(153).saturating_add(2) / 5;
    let day = day_of_year.saturating_sub(month_start).saturating_add(1);
    let month = if shifted < 10 { shifted.saturating_add(3) } else { shifted.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}
