//! Looking after the service: messages, webhooks, the schedule, jobs, and who did what.

pub(crate) mod actions;
pub(crate) mod deliveries;
pub(crate) mod enrollments;
pub(crate) mod job_actions;
pub(crate) mod jobs;
pub(crate) mod messages;
pub(crate) mod schedule;
pub(crate) mod webhook_edit;
pub(crate) mod webhooks;

use actix_web::web;
use license_manager_domain::console::{AgreementFilters, AgreementOrder, Part, Sorting};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::CustomerScope;
use maud::{Markup, html};

use crate::error::PageError;
use crate::form::Fields;
use crate::session::Visitor;

/// The address of these pages.
pub(crate) const PATH: &str = "/console/operations/";

/// Adds the pages below `/console/operations`.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/", web::get().to(messages::list))
        .route("/messages/act/", web::post().to(messages::act))
        .route("/webhooks/", web::get().to(webhooks::list))
        .route("/webhooks/new/", web::get().to(webhook_edit::new))
        .route("/webhooks/new/", web::post().to(webhook_edit::create))
        .route("/webhooks/{webhook}/", web::get().to(webhooks::webhook))
        .route("/webhooks/{webhook}/ping/", web::post().to(webhooks::ping))
        .route("/webhooks/{webhook}/edit/", web::get().to(webhook_edit::form))
        .route("/webhooks/{webhook}/edit/", web::post().to(webhook_edit::save))
        .route("/webhooks/{webhook}/secret/", web::post().to(webhook_edit::secret))
        .route("/webhooks/{webhook}/switch/", web::post().to(webhook_edit::switch))
        .route("/webhooks/{webhook}/delete/", web::post().to(webhook_edit::delete))
        .route("/webhooks/{webhook}/replay/", web::post().to(deliveries::replay))
        .route("/schedule/", web::get().to(schedule::list))
        .route("/schedule/run/", web::post().to(schedule::run))
        .route("/jobs/", web::get().to(jobs::list))
        .route("/enrollments/", web::get().to(enrollments::list))
        .route("/enrollments/{job}/", web::get().to(enrollments::enrollment))
        .route("/enrollments/{job}/csv/", web::get().to(enrollments::csv))
        .route("/actions/", web::get().to(actions::list));
}

/// Refuses everybody who does not look after the service.
pub(crate) fn require(visitor: &Visitor) -> Result<(), PageError> {
    if visitor.rights.may(Action::Operate) { Ok(()) } else { Err(PageError::Forbidden) }
}

/// The customer that a list was filtered by, if there is no customer with that in the name or slug.
async fn unknown_customer(visitor: &Visitor, query: &Fields) -> Result<Option<String>, PageError> {
    let Some(customer) = query.text("customer") else { return Ok(None) };
    let filters = AgreementFilters { name: Some(customer.clone()), ..AgreementFilters::of(CustomerScope::All) };
    let sorting = Sorting::ascending(AgreementOrder::Name);
    let found = visitor.read(move |console| console.store.agreement_rows(&filters, sorting, Part::first(1))).await?;
    Ok(Some(customer).filter(|_| found.rows.is_empty()))
}

/// Says that there is no such customer.
fn no_customer(customer: &str) -> Markup {
    html! { "There is no customer with “" (customer) "” in the name or slug. " }
}

/// The title and the tabs of these pages.
pub(crate) fn head(current: &str) -> Markup {
    let tabs = [
        ("", "Messages"),
        ("webhooks/", "Webhooks"),
        ("schedule/", "Schedule"),
        ("jobs/", "Jobs"),
        ("enrollments/", "Bulk enrollments"),
        ("actions/", "Who did what"),
    ];
    html! {
        div.title { h1 { "Operations" } }
        nav.tabs aria-label="Operations" {
            @for (tab, name) in tabs {
                a href={ (PATH) (tab) } aria-current=[(tab == current).then_some("page")] { (name) }
            }
        }
    }
}

/// The way to a page below one of the tabs.
pub(crate) fn above(tab: &str, name: &str) -> Vec<(String, String)> {
    vec![(PATH.to_owned(), "Operations".to_owned()), (format!("{PATH}{tab}"), name.to_owned())]
}
