//! All fields of a plan, now or at a moment before, and the numbers of its licenses around it.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Days, Utc};
use license_manager_domain::history::{EntityRef, Version};
use license_manager_domain::model::{Period, SeatDay};
use license_manager_domain::permissions::Action;
use license_manager_domain::{Error, Refusal};
use maud::{Markup, html};

use super::history::{label, value};
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
            as_of(at, &as_it_was.0, &as_it_was.1)
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

fn as_of(at: DateTime<Utc>, version: &Result<Version, Error>, days: &[SeatDay]) -> Markup {
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
                        @if let Some(reason) = &version.reason { ": " (reason) }
                    }
                }
            }
            Err(Error::NotFound(_)) => { p.note { "The plan did not exist then." } }
            Err(error) => { p.note.bad { (error) } }
        }
        @for (words, day) in ["When that day began", "When that day ended, or now"].iter().zip(days) {
            section.card aria-label=(words) {
                h2 { (words) " (UTC)" }
                (seats(&day.counts))
                p.quiet { (counted(day.counts.total(), "license", "licenses")) ", without the revoked ones" }
            }
        }
    }
}
