//! Numbers as people read and write them: durations, bit rates, amounts of bytes.

use crate::settings::kind::scaled as scaled_by;
use std::time::Duration;

/// Reads `20s`, `500ms`, `2m`, `1h`, or `20` for seconds.
///
/// # Errors
/// Says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let expected = || format!("`{text}` is not a duration; write 20s, 500ms, 2m or 1h");
    let number: u64 = number.parse().map_err(|_| expected())?;
    let millis_of_unit = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    number.checked_mul(millis_of_unit).map(Duration::from_millis).ok_or_else(expected)
}

/// The units of amounts of bytes.
pub const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads `64KiB`, `8MiB`, `1.5MB`, or `4096` for bytes.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let at = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let units = || SIZE_UNITS.iter().filter(|(name, _)| name.eq_ignore_ascii_case(unit));
    let size = if unit.is_empty() { 1 } else { units().next()?.1 };
    scaled_by(number, size)
}

/// `850ms`, `12s`, `1m20s`, `2h03m`, `3d04h`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else if seconds > 0 {
        format!("{seconds}s")
    } else {
        format!("{}ms", time.as_millis())
    }
}

/// `980 b/s`, `512 kb/s`, `4.2 Mb/s`: powers of 1,000.
#[must_use]
pub fn bit_rate(bits_per_second: u64) -> String {
    scaled(bits_per_second, "b/s")
}

/// `980 B`, `512 kB`, `4.2 MB`: powers of 1,000.
#[must_use]
pub fn byte_count(bytes: u64) -> String {
    scaled(bytes, "B")
}

fn scaled(number: u64, unit: &str) -> String {
    const PREFIXES: [(u64, &str); 4] =
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    for (size, prefix) in PREFIXES {
        if number >= size {
            let (whole, tenth) = (number / size, number % size / (size / 10));
            return if whole < 10 && size > 1_000 {
                format!("{whole}.{tenth} {prefix}{unit}")
            } else {
                format!("{whole} {prefix}{unit}")
            };
        }
    }
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn durations_are_read_with_their_unit() {
        let check = |text: &str, millis: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("20", 20_000);
        check("20s", 20_000);
        check("500ms", 500);
        check("2m", 120_000);
        check("1h", 3_600_000);
        for text in
            ["", "s", "-1s", "1.5s", "20 s", "20x", "99999999999999999999", "9999999999999999h"]
        {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains("write 20s"), "{error}");
        }
    }

    #[test]
    fn durations_are_written_in_two_units() {
        let check = |millis: u64, text: &str| {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        };
        check(0, "0ms");
        check(999, "999ms");
        check(59_999, "59s");
        check(80_000, "1m20s");
        check(7_380_000, "2h03m");
        check(273_600_000, "3d04h");
    }

    #[test]
    fn amounts_are_written_with_their_prefix() {
        let check = |number: u64, text: &str| assert_eq!(bit_rate(number), text);
        check(0, "0 b/s");
        check(999, "999 b/s");
        check(1_000, "1 kb/s");
        check(512_345, "512 kb/s");
        check(4_210_000, "4.2 Mb/s");
        check(42_100_000, "42 Mb/s");
        check(u64::MAX, "18446744 Tb/s");
        assert_eq!(byte_count(3_250_000), "3.2 MB");
    }
}
