//! Values in the lines of a playlist (RFC 8216, section 4.2).

/// A decimal number of seconds as microseconds; further digits are cut.
pub(super) fn parse_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let micros = fraction.bytes().chain(core::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0_u64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')))
    });
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

/// The value of an attribute, without quotes.
pub(super) fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((found, after)) = rest.split_once('=') {
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, left) = quoted.split_once('"')?;
                (value, left.strip_prefix(',').unwrap_or(left))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if found == name {
            return Some(value);
        }
        rest = left;
    }
    None
}

/// A date by ISO 8601, with a time zone, as milliseconds since 1970; `None` for earlier ones.
pub(super) fn parse_date(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let at = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(at)?;
    let mut parts = time.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let micros = i64::try_from(parse_seconds(parts.next()?)?).ok()?;
    let is_legal = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (1_970..=9_999).contains(&year)
        && hour < 24
        && minute < 60
        && micros < 61_000_000;
    if !is_legal {
        return None;
    }
    let minutes = days_from_civil(year, month, day)
        .checked_mul(24)?
        .checked_add(hour)?
        .checked_mul(60)?
        .checked_add(minute)?
        .checked_sub(zone_minutes(zone)?)?;
    let millis = minutes.checked_mul(60_000)?.checked_add(micros.checked_div(1_000)?)?;
    u64::try_from(millis).ok()
}

/// `Z`, `+02:00` or `+0200`, in minutes.
fn zone_minutes(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let minutes = number(hours)?.checked_mul(60)?.checked_add(number(minutes)?)?;
    minutes.checked_mul(sign)
}

fn number(digits: &str) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; years are counted from March.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 {
        (year.saturating_sub(1), month.saturating_add(9))
    } else {
        (year, month.saturating_sub(3))
    };
    let day_of_year = month.saturating_mul(153).saturating_add(2) / 5;
    let leap_days = (year / 4).saturating_sub(year / 100).saturating_add(year / 400);
    let days = year.saturating_mul(365).saturating_add(leap_days).saturating_add(day_of_year);
    days.saturating_add(day).saturating_sub(719_469)
}
