//! The list of plans.

use actix_web::{HttpRequest, HttpResponse};
use chrono::Duration;
use license_manager_domain::console::{PlanFilters, PlanOrder, Slice};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::StoreExt;
use maud::html;

use super::lists::{self, ROWS, choice, number, page_number};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::session::Visitor;

/// Periods within which plans end.
const ENDING: [(&str, &str); 4] =
    [("", "Ending at any time"), ("30", "Ending within 30 days"), ("60", "Ending within 60 days"), ("past", "Ended")];

/// The last thirty years: plans that ended.
const PAST: Duration = Duration::days(30 * 365);

/// `GET /console/plans/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    let now = visitor.console.manager.now();
    let yes_or_no = |name: &str| query.text(name).map(|value| value == "yes");
    let days = |days| Some((now, now + Duration::days(days)));
    let filters = PlanFilters {
        title: query.text("title"),
        is_active: yes_or_no("active"),
        current_at: query.has("current").then_some(now),
        expires: match query.text("ending").as_deref() {
            Some("30") => days(30),
            Some("60") => days(60),
            Some("past") => Some((now - PAST, now)),
            _ => None,
        },
        is_internal: yes_or_no("internal"),
        is_frozen: yes_or_no("frozen"),
        product: query.text("product").and_then(|text| text.parse().ok()),
        ..PlanFilters::of(visitor.scope(Action::Browse)?)
    };
    let order = match query.text("order").as_deref() {
        Some("title") => PlanOrder::Title,
        Some("ends") => PlanOrder::Expiration,
        _ => PlanOrder::Start,
    };
    let page = page_number(&query);
    let slice = Slice { offset: (page - 1) * ROWS, limit: ROWS };
    let (plans, products) = visitor
        .read(move |console| {
            let products = console.manager.store().read(|unit| unit.products().list())?;
            Ok((console.store.plan_rows(&filters, order, slice)?, products))
        })
        .await?;
    let products: Vec<(String, String)> =
        products.into_iter().map(|product| (product.id.to_string(), product.name)).collect();
    let mut product_choices = vec![("", "Every product")];
    product_choices.extend(products.iter().map(|(id, name)| (id.as_str(), name.as_str())));
    let content = html! {
        div.title { h1 { "Plans" } span.quiet { (number(plans.total)) } }
        form.filters {
            input type="search" name="title" aria-label="Title" placeholder="Title" value=(query.text("title").unwrap_or_default());
            (choice(&query, "active", "Active", &[("", "Active or not"), ("yes", "Active"), ("no", "Not active")]))
            (choice(&query, "current", "Current", &[("", "At any time"), ("yes", "Current today")]))
            (choice(&query, "ending", "Ending", &ENDING))
            (choice(&query, "internal", "Internal", &[("", "Internal or not"), ("yes", "Internal"), ("no", "Not internal")]))
            (choice(&query, "frozen", "Frozen", &[("", "Frozen or not"), ("yes", "Frozen"), ("no", "Not frozen")]))
            (choice(&query, "product", "Product", &product_choices))
            (choice(&query, "order", "Order", &[("", "Latest start first"), ("ends", "Earliest end first"), ("title", "By title")]))
            button { "Show" }
        }
        @if plans.rows.is_empty() {
            p.note { "No plan matches. " a href="/console/plans/" { "Show all plans" } }
        } @else {
            (lists::plans(&plans.rows))
            (lists::pages("/console/plans/", &query, page, plans.total))
        }
    };
    Ok(layout::page(&visitor, Section::Plans, "Plans", &content))
}
