//! The list of renewals.

use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::console::{Part, RenewalFilters, RenewalOrder, Sorting};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::{AgreementId, RenewalId};
use maud::html;
use uuid::Uuid;

use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, token};
use crate::pages::lists::{self, ROWS, Shape, Sorted, choice, number};
use crate::session::Visitor;

/// The fields of the filters.
pub(super) const FILTERS: [&str; 3] = ["text", "state", "agreement"];

/// States of renewals, in words.
const STATES: [(&str, &str); 6] = [
    ("", "Not processed"),
    ("due", "Due within 30 days"),
    ("overdue", "Overdue"),
    ("scheduled", "Scheduled"),
    ("processed", "Processed"),
    ("all", "All renewals"),
];

/// How soon a renewal must take effect to be due.
const SOON: Duration = Duration::days(30);

/// All times before and after any renewal.
const LONG: Duration = Duration::days(400 * 365);

/// The renewals that the fields ask for.
pub(super) fn filters(scope: CustomerScope, fields: &Fields, now: DateTime<Utc>) -> RenewalFilters {
    let (is_processed, effective) = match fields.text("state").as_deref() {
        Some("due") => (Some(false), Some((now, now + SOON))),
        Some("overdue") => (Some(false), Some((now - LONG, now))),
        Some("scheduled") => (Some(false), Some((now, now + LONG))),
        Some("processed") => (Some(true), None),
        Some("all") => (None, None),
        _ => (Some(false), None),
    };
    RenewalFilters {
        agreement: fields.text("agreement").and_then(|id| Uuid::parse_str(&id).ok()).map(AgreementId),
        text: fields.text("text"),
        is_processed,
        effective,
        ..RenewalFilters::of(scope)
    }
}

/// `GET /console/renewals/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    visitor.require_everywhere(Action::Browse)?;
    let query = Fields::of_query(&request);
    let now = visitor.console.manager.now();
    let filters = filters(CustomerScope::All, &query, now);
    let sorted = Sorted { fields: &query, usual: "effective" };
    let (by, descending) = sorted.by();
    let by = match by.as_str() {
        "plan" => RenewalOrder::Plan,
        "customer" => RenewalOrder::Customer,
        _ => RenewalOrder::Effective,
    };
    let part = Part { after: lists::after::<i64>(&query).map(RenewalId), limit: ROWS + 1 };
    let mut renewals =
        visitor.list(move |source| source.store.renewal_rows(&filters, Sorting { by, descending }, part)).await?;
    let last = lists::cut(&mut renewals.rows).map(|renewal| renewal.id.to_string());
    let provisions = visitor.rights.may(Action::Provision);
    let selectable = provisions && renewals.rows.iter().any(|renewal| !renewal.is_processed);
    let shape = Shape { sorted: Some(sorted), selectable };
    let content = html! {
        div.title {
            h1 { "Renewals" } span.quiet { (number(renewals.total)) }
            @if provisions {
                div.actions { a.button.first href="/console/renewals/new/" { "New renewal" } }
            }
        }
        form.filters {
            (lists::search_input(&query, "text", "Customer or plan"))
            (choice(&query, "state", "State", &STATES))
            (lists::hidden(&query, &["agreement", "order"]))
            button { "Show" }
            @if query.has("agreement") { a href="/console/renewals/" { "Of all customers" } }
        }
        @if let Some(done) = done(&query) { p.note.good role="status" { (done) } }
        @if renewals.rows.is_empty() {
            p.note {
                @if query.has("text") || query.has("after") {
                    "No renewal matches. " a href="/console/renewals/?state=all" { "Show all renewals" }
                } @else {
                    "There is no such renewal. " a href="/console/plans/?active=yes&ending=60&renewed=no" {
                        "Show the plans that end within 60 days and have none"
                    }
                }
            }
        } @else if selectable {
            form method="post" action="/console/renewals/act/" {
                (token(&visitor))
                (lists::hidden(&query, &FILTERS))
                (lists::renewals_in(&renewals.rows, now, shape))
                (lists::selected_bar("renewals", renewals.total, &html! {
                    button name="act" value="process" { "Process" }
                }))
            }
        } @else {
            (lists::renewals_in(&renewals.rows, now, shape))
        }
        (lists::pages(&query, last))
    };
    Ok(layout::page(&visitor, Section::Renewals, "Renewals", &content))
}

/// What a page before has done.
fn done(query: &Fields) -> Option<&'static str> {
    (query.text("done").as_deref() == Some("canceled"))
        .then_some("The renewal was canceled. Its plans stay as they are.")
}
