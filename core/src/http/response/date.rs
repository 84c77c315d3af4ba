//! Dates of HTTP (RFC 9110, section 5.6.7).

use crate::time::{Calendar, WallClock};
use core::fmt;

/// A date as HTTP writes it, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) struct HttpDate(pub(super) WallClock);

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Calendar { year, month, day, weekday, hour, minute, second, .. } =
            Calendar::of(self.0.unix_millis);
        let weekday = DAYS.get(weekday as usize).unwrap_or(&"");
        let month = MONTHS.get(month.saturating_sub(1) as usize).unwrap_or(&"");
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use pretty_assertions::assert_eq;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX / 1_001, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            let wall = WallClock { unix_millis: seconds * 1_000 + 999 };
            assert_eq!(HttpDate(wall).to_string(), text);
        }
    }
}
