//! The Gregorian calendar, for the dates of HTTP and of playlists.

/// A point in time as people write it, in UTC.
///
/// Both formats have four digits for the year: later than the end of 9999 is shown as that end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Calendar {
    pub(crate) year: u64,
    /// From 1.
    pub(crate) month: u64,
    /// Of the month, from 1.
    pub(crate) day: u64,
    /// From Sunday, which is 0.
    pub(crate) weekday: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
    pub(crate) millisecond: u64,
}

/// 9999-12-31T23:59:59.999Z.
const END_MS: u64 = 253_402_300_799_999;

const DAY_MS: u64 = 86_400_000;

/// Days of 400 years, after which the calendar begins anew.
const DAYS_PER_ERA: u64 = 146_097;

/// From the 1st of March of the year 0 to the 1st of January 1970.
const DAYS_BEFORE_EPOCH: u64 = 719_468;

/// The 1st of January 1970 was a Thursday.
const EPOCH_WEEKDAY: u64 = 4;

impl Calendar {
    /// The point in time so many milliseconds after 1970-01-01T00:00:00Z.
    ///
    /// Counts years from March, so that a leap day is the last day of its year.
    #[expect(clippy::arithmetic_side_effects, reason = "nothing exceeds the days of 9999 years")]
    pub(crate) const fn of(unix_millis: u64) -> Self {
        let unix_millis = if unix_millis > END_MS { END_MS } else { unix_millis };
        let (unix_days, millis) = (unix_millis / DAY_MS, unix_millis % DAY_MS);
        let days = unix_days + DAYS_BEFORE_EPOCH;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let leap_days = day_of_era / 1_460 + day_of_era / (DAYS_PER_ERA - 1);
        let year_of_era = (day_of_era + day_of_era / 36_524 - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let is_next_year = month_from_march >= 10;
        Self {
            year: era * 400 + year_of_era + is_next_year as u64,
            month: if is_next_year { month_from_march - 9 } else { month_from_march + 3 },
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: (unix_days + EPOCH_WEEKDAY) % 7,
            hour: millis / 3_600_000,
            minute: millis / 60_000 % 60,
            second: millis / 1_000 % 60,
            millisecond: millis % 1_000,
        }
    }
}
