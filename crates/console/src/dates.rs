//! Moments as people read them. Times are UTC.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

/// A day, with the exact moment for who points at it.
pub(crate) fn day(moment: DateTime<Utc>) -> Markup {
    time(moment, "%b %-d, %Y")
}

/// A moment to the minute.
pub(crate) fn moment(moment: DateTime<Utc>) -> Markup {
    time(moment, "%b %-d, %Y, %H:%M")
}

/// A day, or a dash.
pub(crate) fn maybe_day(moment: Option<DateTime<Utc>>) -> Markup {
    match moment {
        Some(moment) => day(moment),
        None => html! { span.quiet { "–" } },
    }
}

fn time(moment: DateTime<Utc>, form: &str) -> Markup {
    html! {
        time datetime=(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            title=(moment.format("%Y-%m-%d %H:%M:%S UTC")) { (moment.format(form)) }
    }
}
