//! Moving licenses between plans of a customer: the jobs, and one with its dry runs.

pub(crate) mod form;
pub(crate) mod job;

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::console::{TransferFilters, TransferRow};
use license_manager_domain::permissions::Action;
use license_manager_domain::{AgreementId, PlanId};
use maud::{Markup, html};

use super::lists::{self, Sorted, choice, customer_name};
use super::operations::messages::total;
use super::paging::{id, page_number, pages, slice};
use crate::dates::{day, moment};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::session::Visitor;

/// The address of these pages.
pub(crate) const PATH: &str = "/console/transfers/";

/// Adds the pages below `/console/transfers`.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/", web::get().to(list))
        .route("/new/", web::get().to(form::new))
        .route("/new/", web::post().to(form::create))
        .route("/{job}/", web::get().to(job::job))
        .route("/{job}/try/", web::post().to(job::dry_run))
        .route("/{job}/run/", web::post().to(job::run))
        .route("/{job}/reverse/", web::post().to(job::reverse))
        .route("/{job}/notes/", web::post().to(job::notes))
        .route("/{job}/delete/", web::post().to(job::delete));
}

/// Refuses everybody who does not do manual work.
pub(crate) fn require(visitor: &Visitor) -> Result<(), PageError> {
    visitor.require_everywhere(Action::Support)
}

/// `GET /console/transfers/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    visitor.require_everywhere(Action::Browse)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let filters = TransferFilters {
        text: query.text("text"),
        agreement: id(&query, "agreement").map(AgreementId),
        plan: id(&query, "plan").map(PlanId),
        is_completed: query.text("state").map(|state| state == "done"),
    };
    let sorted = Sorted { fields: &query, usual: "-made" };
    let slice = slice(page, sorted);
    let found = visitor.list(move |source| source.store.transfer_rows(&filters, slice)).await?;
    let states = [("", "Done or not"), ("open", "Not done yet"), ("done", "Done")];
    let content = html! {
        @if query.has("deleted") { p.note.good role="status" { "The transfer was deleted. It had moved nothing." } }
        div.title {
            h1 { "Transfers" }
            span.quiet { (total(found.total)) }
            @if visitor.rights.may(Action::Support) {
                div.actions { a.button.first href={ (PATH) "new/" } { "New transfer" } }
            }
        }
        form.filters {
            (choice(&query, "state", "State", &states))
            (lists::search_input(&query, "text", "Customer or plan"))
            (lists::hidden(&query, &["agreement", "plan", "order"]))
            button { "Show" }
            @if query.has("agreement") || query.has("plan") { a href=(PATH) { "Of all customers and plans" } }
        }
        @if found.rows.is_empty() {
            p.note {
                @if ["text", "state", "agreement", "plan"].iter().any(|name| query.has(name)) { "No transfer matches. " a href=(PATH) { "Show all" } }
                @else { "Nobody has moved licenses yet. A transfer moves them from one plan of a customer to another, with their holders." }
            }
        } @else {
            (table(&found.rows, sorted))
            (pages(PATH, &query, page, found.total))
        }
    };
    Ok(layout::page(&visitor, Section::Transfers, "Transfers", &content))
}

fn table(rows: &[TransferRow], sorted: Sorted<'_>) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr { th { "Transfer" } th { "Customer" } th { "From" } th { "To" } th { "Whom" } th { "State" } (sorted.heading("made", "Made")) th { "Notes" } } }
            tbody { @for row in rows { tr {
                td { a href={ (PATH) (row.id) "/" } { "Transfer " (row.id) } }
                td.long { a href={ "/console/customers/" (row.agreement) "/" } { (customer_name(row.customer_name.as_deref())) } }
                td.long { a href={ "/console/plans/" (row.old_plan) "/" } { (row.old_title) } }
                td.long { a href={ "/console/plans/" (row.new_plan) "/" } { (row.new_title) } }
                td { @if row.transfer_all { "all" } @else { "some" } }
                td {
                    @if let Some(at) = row.completed_at { span.state.activated { "done " (moment(at)) } }
                    @else { span.state.assigned { "not done yet" } }
                }
                td { (day(row.created)) }
                td.long { (row.notes.as_deref().unwrap_or("–")) }
            } } }
        } }
    }
}
