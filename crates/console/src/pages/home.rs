//! The first page: what needs attention.

use actix_web::HttpResponse;
use chrono::Duration;
use license_manager_domain::console::{Part, PlanFilters, PlanOrder, PlanRow, Sorting};
use license_manager_domain::permissions::Action;
use maud::{Markup, html};

use super::lists::{customer_name, number};
use crate::dates::{day, moment};
use crate::error::PageError;
use crate::layout::{self, Section};
use crate::session::Visitor;

/// How soon a plan must end to be shown.
const SOON: Duration = Duration::days(60);

/// The most plans that are looked at.
const LOOKED_AT: i64 = 100;

/// The most plans of a card.
const SHOWN: usize = 8;

/// `GET /console/`.
pub(crate) async fn home(visitor: Visitor) -> Result<HttpResponse, PageError> {
    let scope = visitor.scope(Action::Browse)?;
    let (now, ending, current) = visitor
        .read(move |console| {
            let now = console.manager.now();
            let part = Part::first(LOOKED_AT);
            let active = PlanFilters { is_active: Some(true), ..PlanFilters::of(scope) };
            let ending = PlanFilters { expires: Some((now, now + SOON)), ..active.clone() };
            let ending = console.store.plan_rows(&ending, Sorting::ascending(PlanOrder::Expiration), part)?.rows;
            let current = PlanFilters { current_at: Some(now), ..active };
            let current = console.store.plan_rows(&current, Sorting::descending(PlanOrder::Start), part)?.rows;
            Ok((now, ending, current))
        })
        .await?;
    let mut scarce: Vec<&PlanRow> = current.iter().filter(|plan| is_scarce(plan)).collect();
    scarce.sort_by_key(|plan| plan.counts.unassigned);
    let content = html! {
        div.title { h1 { "Home" } span.quiet { (moment(now)) " UTC" } }
        div.cards {
            section.card {
                h2 { "Ending within 60 days" }
                (plans(&ending.iter().collect::<Vec<_>>(), "No active plan ends soon.", |plan| html! {
                    (day(plan.expiration_date)) br;
                    span.quiet { @if plan.is_renewed { "has a renewal" } @else { "no renewal" } }
                }))
            }
            section.card {
                h2 { "Running out of licenses" }
                (plans(&scarce, "Every current plan has free licenses.", |plan| html! {
                    (number(plan.counts.unassigned)) " of " (number(plan.counts.total())) " free"
                }))
            }
        }
        p { a href="/console/plans/" { "All plans" } " · " a href="/console/customers/" { "All customers" } }
    };
    Ok(layout::page(&visitor, Section::Home, "Home", &content))
}

/// Whether fewer than a tenth of the licenses are free.
fn is_scarce(plan: &PlanRow) -> bool {
    plan.counts.total() > 0 && !plan.is_frozen && plan.counts.unassigned * 10 < plan.counts.total()
}

fn plans(plans: &[&PlanRow], empty: &str, told: impl Fn(&PlanRow) -> Markup) -> Markup {
    html! {
        @if plans.is_empty() {
            p.quiet { (empty) }
        } @else {
            table { tbody { @for plan in plans.iter().take(SHOWN) { tr {
                td.long {
                    a href={ "/console/plans/" (plan.id) "/" } { (plan.title) } br;
                    span.quiet { (customer_name(plan.customer_name.as_deref())) }
                }
                td.number { (told(plan)) }
            } } } }
        }
    }
}
