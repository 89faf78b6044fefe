//! Salesforce opportunities of licenses.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::permissions::Action;
use maud::html;

use super::{PATH, head, require_reading};
use crate::dates::day;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::pages::lists::{self, Sorted, person_link};
use crate::pages::operations::messages::total;
use crate::pages::paging::{page_number, pages, slice};
use crate::session::Visitor;

/// `GET /console/records/opportunities/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let sorted = Sorted { fields: &query, usual: "opportunity" };
    let slice = slice(page, sorted);
    let (source, email) = (query.text("opportunity"), query.text("email"));
    let found = visitor.list(move |lists| lists.store.source_rows(source.as_deref(), email.as_deref(), slice)).await?;
    let path = format!("{PATH}opportunities/");
    let content = html! {
        (head("opportunities/"))
        form.filters {
            input type="search" name="opportunity" aria-label="Opportunity" placeholder="Opportunity, all 18 characters" value=(query.text("opportunity").unwrap_or_default());
            (lists::search_input(&query, "email", "Holder's address"))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
            span.quiet { (total(found.total)) }
        }
        @if found.rows.is_empty() {
            p.note {
                @if query.has("opportunity") || query.has("email") { "No license matches. " a href=(path) { "Show all" } }
                @else { "No license has an opportunity. They are given when licenses are assigned, or when a license is edited." }
            }
        } @else {
            div.card.wide { table {
                thead { tr { (sorted.heading("opportunity", "Opportunity")) th { "Holder" } th { "Plan" } th { "Since" } th { span.hidden { "Edit" } } } }
                tbody { @for row in &found.rows { tr {
                    td.mono { (row.source) }
                    td { @if let Some(email) = &row.email { (person_link(email)) } @else { "–" } }
                    td.long { a href={ "/console/plans/" (row.plan) "/" } { (row.plan_title) } }
                    td { (day(row.created)) }
                    td { @if visitor.rights.may(Action::Support) {
                        a href={ "/console/licenses/" (row.license) "/edit/" } aria-label={ "Edit the license with " (row.source) } { "Edit" }
                    } @else {
                        a href={ "/console/licenses/" (row.license) "/" } aria-label={ "The license with " (row.source) } { "License" }
                    } }
                } } }
            } }
            (pages(&path, &query, page, found.total))
        }
    };
    Ok(layout::page(&visitor, Section::Records, "Opportunities", &content))
}
