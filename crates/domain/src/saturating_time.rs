//! Arithmetic with moments: a result outside of the calendar becomes its first or its last moment.

use chrono::{DateTime, Duration, Utc};

/// The moment so long after another one.
pub(crate) fn after(moment: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    let beyond = if span < Duration::zero() { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    moment.checked_add_signed(span).unwrap_or(beyond)
}

/// The moment so long before another one.
pub(crate) fn before(moment: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    let beyond = if span < Duration::zero() { DateTime::<Utc>::MAX_UTC } else { DateTime::<Utc>::MIN_UTC };
    moment.checked_sub_signed(span).unwrap_or(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_leave_the_calendar_end_at_its_edge() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(after(now, Duration::days(1)), now + Duration::days(1));
        assert_eq!(before(now, Duration::days(1)), now - Duration::days(1));
        for (span, later, earlier) in [
            (Duration::MAX, DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC),
            (Duration::MIN, DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC),
        ] {
            assert_eq!((after(now, span), before(now, span)), (later, earlier));
        }
    }
}
