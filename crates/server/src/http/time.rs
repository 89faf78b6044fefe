//! The text form of moments: `2026-11-22T00:17:57.241403Z`, without a fraction of zero.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, SubsecRound, Utc};

/// Writes `time` in UTC with six digits of a second, or none if they are zero. It is truncated to microseconds.
pub fn format(time: &DateTime<Utc>) -> String {
    let digits = if time.timestamp_subsec_micros() == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
    time.to_rfc3339_opts(digits, true)
}

/// Reads a moment in ISO 8601 of the years 1 to 9999, truncated to microseconds. The default offset is UTC, and the default time midnight.
/// `None` for any other text.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let (date, time) = text.split_at_checked(10)?;
    // chrono also accepts years of other lengths.
    let shape = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !shape {
        return None;
    }
    let moment = match time.strip_prefix(['T', 't', ' ']) {
        None if time.is_empty() => date.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc(),
        None => return None,
        Some(time) => {
            let text = format!("{date}T{time}");
            let with_offset = |format| DateTime::parse_from_str(&text, format).ok().map(|moment| moment.to_utc());
            let in_utc = |format| NaiveDateTime::parse_from_str(&text, format).ok().map(|moment| moment.and_utc());
            with_offset("%Y-%m-%dT%H:%M:%S%.f%#z")
                .or_else(|| with_offset("%Y-%m-%dT%H:%M%#z"))
                .or_else(|| in_utc("%Y-%m-%dT%H:%M:%S%.f"))
                .or_else(|| in_utc("%Y-%m-%dT%H:%M"))?
        }
    };
    // chrono represents a leap second as more than 999,999,999 nanoseconds, which no database stores.
    let sound = (1..=9999).contains(&moment.year()) && moment.timestamp_subsec_nanos() < 1_000_000_000;
    sound.then(|| moment.trunc_subsecs(6))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_has_six_digits_or_none() {
        for (written, expected) in [
            ("2026-11-22T00:17:57.241403Z", "2026-11-22T00:17:57.241403Z"),
            ("2026-11-22T00:17:57.5Z", "2026-11-22T00:17:57.500000Z"),
            ("2026-11-22T00:17:57Z", "2026-11-22T00:17:57Z"),
            ("2026-11-22T00:17:57.000000999Z", "2026-11-22T00:17:57Z"),
            ("2026-11-22T00:17:57.000001999Z", "2026-11-22T00:17:57.000001Z"),
            ("2026-11-22T02:17:57+02:00", "2026-11-22T00:17:57Z"),
        ] {
            assert_eq!(super::format(&time(written)), expected);
        }
    }

    #[test]
    fn a_moment_has_many_spellings() {
        let read = |text: &str| super::parse(text).map(|moment| moment.to_rfc3339());
        for (spelling, expected) in [
            ("2030-01-31T12:30:05Z", "2030-01-31T12:30:05+00:00"),
            ("2030-01-31t12:30:05z", "2030-01-31T12:30:05+00:00"),
            ("2030-01-31 12:30:05.5", "2030-01-31T12:30:05.500+00:00"),
            ("2030-01-31T12:30", "2030-01-31T12:30:00+00:00"),
            ("2030-01-31T12:30Z", "2030-01-31T12:30:00+00:00"),
            ("2030-01-31T12:30:05.1234569+02:00", "2030-01-31T10:30:05.123456+00:00"),
            ("2030-01-31T12:30:05-0530", "2030-01-31T18:00:05+00:00"),
            ("2030-01-31T12:30:05+02", "2030-01-31T10:30:05+00:00"),
            ("2030-01-31", "2030-01-31T00:00:00+00:00"),
        ] {
            assert_eq!(read(spelling).as_deref(), Some(expected), "{spelling}");
        }
        for spelling in [
            "",
            "tomorrow",
            "2030-02-30",
            "2030-1-31",
            "30-01-31",
            "+12030-01-31",
            "2030-01-31T25:00:00Z",
            "2030-01-31T",
            "2030-01-31T12",
            "2030-01-31X12:00:00",
            "2030-01-31T23:59:60Z",
            "0000-01-01",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-01:00",
            "2030-01-31T12:30:05Z and more",
            "2030-01-3\u{e9}",
            "123456789\u{e9}1",
        ] {
            assert_eq!(read(spelling), None, "{spelling}");
        }
    }
}
