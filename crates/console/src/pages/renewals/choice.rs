//! The choice of a plan to renew.

use actix_web::HttpResponse;
use license_manager_domain::console::{Part, PlanFilters, PlanOrder, PlanRow, Sorting};
use license_manager_domain::ports::CustomerScope;
use maud::{Markup, html};

use crate::dates::day;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, crumbs};
use crate::pages::lists::{self, number};
use crate::session::Visitor;

/// The most plans that can be chosen from.
const CHOICES: i64 = 50;

/// Plans to renew: active ones without a renewal, the earliest end first.
pub(super) async fn choice(visitor: &Visitor, query: &Fields) -> Result<HttpResponse, PageError> {
    let filters = PlanFilters {
        title: query.text("title"),
        is_active: Some(true),
        is_renewed: Some(false),
        ..PlanFilters::of(CustomerScope::All)
    };
    let sorting = Sorting::ascending(PlanOrder::Expiration);
    let found = visitor.read(move |console| console.store.plan_rows(&filters, sorting, Part::first(CHOICES))).await?;
    let content = html! {
        div {
            (crumbs(&[("/console/renewals/".to_owned(), "Renewals".to_owned())]))
            div.title { h1 { "New renewal: of which plan?" } }
        }
        form.filters {
            (lists::search_input(query, "title", "Title"))
            button { "Search" }
        }
        (plans(&found.rows))
        @if found.total > CHOICES { p.quiet { "Only the first " (CHOICES) " are shown: search for the title." } }
    };
    Ok(layout::page(visitor, Section::Renewals, "New renewal", &content))
}

fn plans(rows: &[PlanRow]) -> Markup {
    html! {
        @if rows.is_empty() {
            p.note { "No active plan without a renewal matches. " a href="/console/plans/" { "Look at all plans" } }
        } @else {
            div.card.wide { table {
                thead { tr { th { "Plan" } th { "Customer" } th { "Ends" } th.number { "In use" } th.number { "Licenses" } } }
                tbody { @for row in rows { tr {
                    td.long { a href={ "/console/renewals/new/?plan=" (row.id) } { (row.title) } }
                    td.long { (lists::customer_name(row.customer_name.as_deref())) }
                    td { (day(row.expiration_date)) }
                    td.number { (number(row.counts.allocated())) }
                    td.number { (number(row.counts.total())) }
                } } }
            } }
        }
    }
}
