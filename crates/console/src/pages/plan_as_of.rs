//! All fields of a plan, now or at a moment before, and the numbers of its licenses around it.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use license_manager_domain::history::{EntityRef, Version};
use license_manager_domain::model::{Period, SeatDay};
use license_manager_domain::permissions::Action;
use license_manager_domain::{Error, Refusal};
use maud::{Markup, html};

use super::history::{label, value, why};
use super::lists::{counted, seats};
use super::plan::{find, head};
use super::plan_form::{date, moment, moment_text};
use crate::dates;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::session::Visitor;

/// Fields that are no news: they never change.
const SILENT: [&str; 3] = ["uuid", "created", "modified"];

/// `GET /console/plans/{plan}/as-of/?at=…`.
pub(crate) async fn page(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::Browse).await?;
    let query = Fields::of_query(&request);
    let asked = query.text("at").map_or(Some(shown.now), |text| moment(&text));
    let content = match asked {
        None => html! { p.note.bad role="alert" { "This is no date and time." } },
        Some(at) if at > shown.now => html! { p.note.bad role="alert" { "This moment is yet to come." } },
        Some(at) => {
            let id = shown.plan.id;
            let as_it_was = visitor
                .read(move |console| {
                    let day = at.date_naive();
                    let before = day.checked_sub_days(Days::new(1)).unwrap_or(day);
                    let days = console.manager.seat_days(id, Period { first: before, last: day })?;
                    match console.manager.as_of(EntityRef::Plan(id), at) {
                        Ok(version) => Ok((Ok(version), days)),
                        Err(error @ (Error::NotFound(_) | Error::Refused(Refusal::HistoryRemoved { .. }))) => {
                            Ok((Err(error), days))
                        }
                        Err(error) => Err(error),
                    }
                })
                .await?;
            html! {
                (fields_at(at, &as_it_was.0))
                (licenses_at(at, shown.now, &as_it_was.1))
            }
        }
    };
    let fields = Fields::of([("at", moment_text(asked.unwrap_or(shown.now)))]);
    let content = html! {
        (head(&visitor, &shown, "as-of/"))
        form.filters {
            label for="at" { "As of (UTC)" }
            (date(&fields, "at"))
            button { "Show" }
        }
        (content)
    };
    Ok(layout::page(&visitor, Section::Plans, &format!("{}: details", shown.plan.title), &content))
}

fn fields_at(at: DateTime<Utc>, version: &Result<Version, Error>) -> Markup {
    html! {
        @match version {
            Ok(version) => {
                section.card {
                    h2 { "The plan on " (dates::moment(at)) " UTC" }
                    dl { @for (field, was) in version.row.iter().filter(|(field, _)| !SILENT.contains(field)) {
                        dt { (label(field)) } dd { (value(was)) }
                    } }
                    p.quiet {
                        "As changed on " (dates::moment(version.at)) " UTC by "
                        (version.by.as_deref().unwrap_or("the service"))
                        @if let Some(reason) = &version.reason { ": " (why(reason)) }
                    }
                }
            }
            Err(Error::NotFound(_)) => { p.note { "The plan did not exist then." } }
            Err(error) => { p.note.bad { (error) } }
        }
    }
}

/// The numbers of the licenses at the moment, or around it: they are counted by day, so that they are there at once for
/// a million licenses, too. The days are the moment's and the one before.
fn licenses_at(at: DateTime<Utc>, now: DateTime<Utc>, days: &[SeatDay]) -> Markup {
    let [.., before, day] = days else { return html! {} };
    if at == now || !day.has_changed {
        return licenses(&html! { "The licenses on " (dates::moment(at)) " UTC" }, day);
    }
    let begins = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let next = day.day.checked_add_days(Days::new(1)).map(begins).filter(|next| *next <= now);
    html! {
        p.note {
            "Licenses changed on that day. Their numbers are known for its beginning and its end, and not for the moment \
             between. The history of a license has all of its moments."
        }
        (licenses(&html! { "The licenses on " (dates::moment(begins(day.day))) " UTC, when that day began" }, before))
        (licenses(&html! {
            @if let Some(next) = next { "The licenses on " (dates::moment(next)) " UTC, when that day ended" }
            @else { "The licenses now" }
        }, day))
    }
}

fn licenses(title: &Markup, day: &SeatDay) -> Markup {
    html! {
        section.card {
            h2 { (title) }
            (seats(&day.counts))
            p.quiet { (counted(day.counts.total(), "license", "licenses")) ", without the revoked ones" }
        }
    }
}

#[cfg(test)]
mod tests {
    use license_manager_domain::LicenseCounts;

    use super::*;

    /// What is told of a moment of the second day, in which something changed or not.
    fn told(at: &str, now: &str, has_changed: bool) -> Vec<String> {
        let counts = |unassigned| LicenseCounts { unassigned, ..LicenseCounts::default() };
        let day = |number, unassigned, has_changed| SeatDay {
            day: NaiveDate::from_ymd_opt(2030, 1, number).unwrap(),
            counts: counts(unassigned),
            activations: 0,
            has_changed,
        };
        let days = [day(1, 5, true), day(2, 7, has_changed)];
        let page = licenses_at(at.parse().unwrap(), now.parse().unwrap(), &days).into_string();
        page.split("aria-label=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn licenses_are_those_of_the_moment_or_of_its_day() {
        let (noon, later) = ("2030-01-02T12:00:00Z", "2030-02-01T00:00:00Z");
        let (before, after) = ("0 activated, 0 assigned, 5 free of 5", "0 activated, 0 assigned, 7 free of 7");
        assert_eq!(told(noon, later, false), [after]);
        assert_eq!(told(noon, noon, true), [after]);
        assert_eq!(told(noon, later, true), [before, after]);
    }
}
