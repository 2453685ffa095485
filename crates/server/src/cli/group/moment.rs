//! Times as people write them: `2026-01-31T12:00:00.000+01:00`, milliseconds since 1970, `PT2H30M`, `90m`.

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Milliseconds since 1970 of a date and time in the form of ISO 8601 (UTC where no zone stands), or of digits only, which are that number.
/// `None` when it is neither.
pub(super) fn datetime(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut date = date.splitn(3, '-');
    let mut field = |digits: usize| date.next().and_then(|text| number(text, digits));
    let (year, month, day) = (field(4)?, field(2)?, field(2)?);
    let days = days_since_1970(year, month, day)?;
    let (time, zone_ms) = zone(time)?;
    days.checked_mul(DAY)?.checked_add(time_of_day(time)?)?.checked_sub(zone_ms)
}

/// Milliseconds of a duration: ISO 8601 without years and months (`P1DT2H3M4.5S`), or a number with `ms`, `s`, `m`, `h` or `d`.
/// `None` when it is neither, or too long.
pub(super) fn duration(text: &str) -> Option<i64> {
    let Some(text) = text.strip_prefix(['P', 'p']) else { return simple_duration(text) };
    let (days, time) = text.split_once(['T', 't']).map_or((text, None), |(days, time)| (days, Some(time)));
    if days.is_empty() && time.is_none_or(str::is_empty) {
        return None;
    }
    let days = parts(days, &[('D', DAY)])?;
    let time = parts(time.unwrap_or_default(), &[('H', HOUR), ('M', MINUTE), ('S', SECOND)])?;
    days.checked_add(time)
}

fn simple_duration(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(end)?;
    let unit = match unit {
        "ms" => 1,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(unit)
}

/// Numbers each followed by its unit, the units in their order.
fn parts(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut total = 0i64;
    for (letter, unit) in units {
        if let Some((value, rest)) = text.split_once([*letter, letter.to_ascii_lowercase()]) {
            total = total.checked_add(scaled(value, *unit)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

/// `1.5` of a unit; at most three digits behind the point count.
fn scaled(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = thousandths(fraction)?;
    let whole = number(whole, whole.len())?.checked_mul(unit)?;
    whole.checked_add(thousandths.checked_mul(unit)? / 1000)
}

fn thousandths(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<3}").get(..3)?.parse().ok()
}

/// Splits off `Z` or `+HH:MM`; milliseconds to subtract.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(utc) = time.strip_suffix(['Z', 'z']) {
        return Some((utc, 0));
    }
    let Some(position) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (time, zone) = time.split_at_checked(position)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone: String = zone.chars().filter(char::is_ascii_digit).collect();
    let hours = number(zone.get(..2)?, 2).filter(|hours| *hours <= 18)?;
    let minutes = match zone.get(2..)? {
        "" => 0,
        minutes => number(minutes, 2).filter(|minutes| *minutes < 60)?,
    };
    Some((time, sign * (hours * HOUR + minutes * MINUTE)))
}

/// `HH:MM[:SS[.mmm]]`.
fn time_of_day(text: &str) -> Option<i64> {
    let mut fields = text.split(':');
    let hours = number(fields.next()?, 2).filter(|hours| *hours < 24)?;
    let minutes = number(fields.next()?, 2).filter(|minutes| *minutes < 60)?;
    let (seconds, fraction) = match fields.next() {
        None => (0, 0),
        Some(text) => {
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
            (number(seconds, 2).filter(|seconds| *seconds < 60)?, thousandths(fraction)?)
        }
    };
    fields.next().is_none().then_some(hours * HOUR + minutes * MINUTE + seconds * SECOND + fraction)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Days of the Gregorian calendar; `None` for a day that is not in it.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if !(1..=*lengths.get(before)?).contains(&day) {
        return None;
    }
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let to_year = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    Some(to_year + lengths.iter().take(before).sum::<i64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_since_1970() {
        for (text, expected) in [
            ("0", 0),
            ("1767225600000", 1_767_225_600_000),
            ("1970-01-01", 0),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("2026-01-01T00:00:00.000", 1_767_225_600_000),
            ("2026-01-01 01:00:00.250+01:00", 1_767_225_600_250),
            ("2025-12-31T19:00-0500", 1_767_225_600_000),
            ("2000-02-29T23:59:59.9Z", 951_868_799_900),
            ("1969-12-31T23:59:59Z", -1000),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000),
        ] {
            assert_eq!(datetime(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "yesterday",
            "",
            "-5",
            "2026-13-01",
            "2026-02-29",
            "2026-00-01",
            "2026-01-00",
            "2026-1-1",
            "2026-01-01T24:00",
            "2026-01-01T00",
            "2026-01-01T00:00:00:00",
            "2026-01-01T00:00:60",
            "2026-01-01T00:00+99:00",
            "2026-01-01T00:00+é",
            "99999999999999999999",
        ] {
            assert_eq!(datetime(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_iso_or_a_number_with_its_unit() {
        for (text, expected) in [
            ("PT2H", 2 * HOUR),
            ("P1DT2H3M4.5S", DAY + 2 * HOUR + 3 * MINUTE + 4500),
            ("p7d", 7 * DAY),
            ("PT0S", 0),
            ("90m", 90 * MINUTE),
            ("1500ms", 1500),
            ("7d", 7 * DAY),
        ] {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        for text in ["", "P", "PT", "P1Y", "PT2", "2", "PT-2H", "h", "PTS", "9999999999999d", "PT1M1H", "1é"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
