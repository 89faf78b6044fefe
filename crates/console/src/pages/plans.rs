//! The list of plans.

use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::PlanId;
use license_manager_domain::console::{Part, PlanFilters, PlanOrder, Sorting};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, StoreExt};
use maud::{Markup, html};
use uuid::Uuid;

use super::lists::{self, ROWS, Shape, Sorted, choice, counted, number};
use super::plan_actions::{self, Act};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// Periods within which plans end.
const ENDING: [(&str, &str); 4] =
    [("", "Ending at any time"), ("30", "Ending within 30 days"), ("60", "Ending within 60 days"), ("past", "Ended")];

/// The last thirty years: plans that ended.
const PAST: Duration = Duration::days(30 * 365);

/// The fields of the filters.
pub(super) const FILTERS: [&str; 9] =
    ["title", "active", "current", "ending", "internal", "frozen", "renewed", "product", "job"];

/// The plans that the fields ask for.
pub(super) fn filters(scope: CustomerScope, fields: &Fields, now: DateTime<Utc>) -> PlanFilters {
    let days = |days| Some((now, now + Duration::days(days)));
    PlanFilters {
        title: fields.text("title"),
        is_active: fields.yes_or_no("active"),
        current_at: fields.has("current").then_some(now),
        expires: match fields.text("ending").as_deref() {
            Some("30") => days(30),
            Some("60") => days(60),
            Some("past") => Some((now - PAST, now)),
            _ => None,
        },
        is_internal: fields.yes_or_no("internal"),
        is_frozen: fields.yes_or_no("frozen"),
        is_renewed: fields.yes_or_no("renewed"),
        has_job: fields.yes_or_no("job"),
        product: fields.text("product").and_then(|text| text.parse().ok()),
        ..PlanFilters::of(scope)
    }
}

/// What a column sorts plans by.
pub(super) fn plan_order(column: &str) -> PlanOrder {
    match column {
        "title" => PlanOrder::Title,
        "customer" => PlanOrder::Customer,
        "end" => PlanOrder::Expiration,
        _ => PlanOrder::Start,
    }
}

/// `GET /console/plans/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    let filters = filters(visitor.scope(Action::Browse)?, &query, visitor.console.manager.now());
    let sorted = Sorted { fields: &query, usual: "-start" };
    let (by, descending) = sorted.by();
    let by = plan_order(&by);
    let part = Part { after: lists::after::<Uuid>(&query).map(PlanId), limit: ROWS + 1 };
    let (mut plans, products) = visitor
        .list(move |source| {
            let products = source.manager.store().read(|unit| unit.products().list())?;
            Ok((source.store.plan_rows(&filters, Sorting { by, descending }, part)?, products))
        })
        .await?;
    let last = lists::cut(&mut plans.rows).map(|plan| plan.id.to_string());
    let products: Vec<(String, String)> =
        products.into_iter().map(|product| (product.id.to_string(), product.name)).collect();
    let mut product_choices = vec![("", "Every product")];
    product_choices.extend(products.iter().map(|(id, name)| (id.as_str(), name.as_str())));
    // Where work goes on, the list is looked at again and again, so nothing is selected in it.
    let shows_work = query.text("job").as_deref() == Some("yes");
    let selectable = visitor.rights.may(Action::Support) && !shows_work;
    let shape = Shape { sorted: Some(sorted), selectable };
    let content = html! {
        (asked(&query))
        (lists::done(&query, &[("deleted", "The plan was deleted. Its history stays.")]))
        div.title {
            h1 { "Plans" } span.quiet { (number(plans.total)) }
            @if visitor.rights.may(Action::Provision) {
                div.actions { a.button.first href="/console/plans/new/" { "New plan" } }
            }
        }
        form.filters {
            (lists::search_input(&query, "title", "Title"))
            (choice(&query, "active", "Active", &[("", "Active or not"), ("yes", "Active"), ("no", "Not active")]))
            (choice(&query, "current", "Current", &[("", "At any time"), ("yes", "Current today")]))
            (choice(&query, "ending", "Ending", &ENDING))
            (choice(&query, "internal", "Internal", &[("", "Internal or not"), ("yes", "Internal"), ("no", "Not internal")]))
            (choice(&query, "frozen", "Frozen", &[("", "Frozen or not"), ("yes", "Frozen"), ("no", "Not frozen")]))
            (choice(&query, "renewed", "Renewed", &[("", "With a renewal or not"), ("yes", "With a renewal"), ("no", "Without a renewal")]))
            (choice(&query, "product", "Product", &product_choices))
            (choice(&query, "job", "Job", &[("", "With a job or not"), ("yes", "A job goes on"), ("no", "No job goes on")]))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
        }
        section #plans data-live[shows_work && !plans.rows.is_empty()] {
            @if plans.rows.is_empty() {
                (nothing(&query, &visitor))
            } @else if selectable {
                form method="post" action="/console/plans/act/" {
                    (token(&visitor))
                    (lists::hidden(&query, &FILTERS))
                    (lists::plans_in(&plans.rows, shape))
                    (lists::selected_bar("plans", plans.total, &plan_actions::buttons(&Act::ALL)))
                }
            } @else {
                (lists::plans_in(&plans.rows, shape))
            }
        }
        (lists::pages(&query, last))
    };
    Ok(layout::page(&visitor, Section::Plans, "Plans", &content))
}

/// What an action on several plans has asked for.
fn asked(query: &Fields) -> Markup {
    let act = query.text("act").and_then(|name| Act::named(&name));
    let number = |name: &str| query.text(name).and_then(|text| text.parse::<i64>().ok());
    html! {
        @if let (Some(act), Some(asked)) = (act, number("asked")) {
            p.note.good role="status" {
                b { "“" (act.button()) "” was asked for, for " (counted(asked, "plan", "plans")) ". " }
                "The work goes on with one plan after another, and shows here as long as it does. You can leave this page."
                @if let Some(left @ 1..) = number("left") {
                    " " (counted(left, "plan needs nothing any more, and stays", "plans need nothing any more, and stay"))
                    " as " @if left == 1 { "it is." } @else { "they are." }
                }
            }
        }
    }
}

/// What to do where the list is empty.
fn nothing(query: &Fields, visitor: &Visitor) -> Markup {
    html! {
        p.note {
            @if query.text("job").as_deref() == Some("yes") && !query.has("after") {
                "No job goes on in such a plan: what was asked for is done. " a href="/console/plans/" { "Show all plans" }
            } @else if FILTERS.iter().any(|name| query.has(name)) || query.has("after") {
                "No plan matches. " a href="/console/plans/" { "Show all plans" }
            } @else if visitor.rights.may(Action::Provision) {
                "There is no plan yet. " a href="/console/plans/new/" { "Make the first one" }
            } @else {
                "There is no plan yet. A provisioner makes plans."
            }
        }
    }
}
