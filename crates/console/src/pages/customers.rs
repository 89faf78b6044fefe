//! Customers: the list, and the page of one with its agreement and plans.

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::console::{AgreementFilters, AgreementOrder, PlanFilters, PlanOrder, Slice};
use license_manager_domain::history::EntityRef;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{LimitOffset, StoreExt};
use license_manager_domain::{AgreementId, Entity, Error};
use maud::{Markup, html};
use uuid::Uuid;

use super::history::timeline;
use super::lists::{self, ROWS, choice, customer_name, number, page_number};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, crumbs};
use crate::session::Visitor;

/// The most versions of an agreement that are shown.
const VERSIONS: i64 = 50;

/// `GET /console/customers/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    let filters = AgreementFilters {
        scope: visitor.scope(Action::Browse)?,
        name: query.text("name"),
        has_active_plan: query.text("active").map(|value| value == "yes"),
    };
    let order = if query.has("order") { AgreementOrder::Created } else { AgreementOrder::Name };
    let page = page_number(&query);
    let slice = Slice { offset: (page - 1) * ROWS, limit: ROWS };
    let agreements = visitor.read(move |console| console.store.agreement_rows(&filters, order, slice)).await?;
    let content = html! {
        div.title { h1 { "Customers" } span.quiet { (number(agreements.total)) } }
        form.filters {
            input type="search" name="name" aria-label="Name or slug" placeholder="Name or slug" value=(query.text("name").unwrap_or_default());
            (choice(&query, "active", "Active plans", &[("", "With active plans or not"), ("yes", "With an active plan"), ("no", "Without an active plan")]))
            (choice(&query, "order", "Order", &[("", "By name"), ("created", "Latest first")]))
            button { "Show" }
        }
        @if agreements.rows.is_empty() {
            p.note { "No customer matches. " a href="/console/customers/" { "Show all customers" } }
        } @else {
            (lists::agreements(&agreements.rows))
            (lists::pages("/console/customers/", &query, page, agreements.total))
        }
    };
    Ok(layout::page(&visitor, Section::Customers, "Customers", &content))
}

/// `GET /console/customers/{agreement}/`.
pub(crate) async fn agreement(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let id = AgreementId(Uuid::parse_str(&path).map_err(|_| PageError::NotFound)?);
    let scope = visitor.scope(Action::Browse)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let slice = Slice { offset: (page - 1) * ROWS, limit: ROWS };
    let (agreement, plans, history) = visitor
        .read(move |console| {
            let found = console.manager.store().read(|unit| unit.agreements().find(id))?;
            let agreement =
                found.filter(|agreement| scope.covers(agreement.customer)).ok_or(Error::NotFound(Entity::Agreement))?;
            let filters = PlanFilters { agreement: Some(id), ..PlanFilters::of(scope) };
            let plans = console.store.plan_rows(&filters, PlanOrder::Start, slice)?;
            let part = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: VERSIONS });
            let history = console.manager.history(EntityRef::Agreement(id), part)?.items;
            Ok((agreement, plans, history))
        })
        .await?;
    let title = customer_name(agreement.customer_name.as_deref().or(agreement.customer_slug.as_deref()));
    let scaling = &agreement.auto_scaling;
    let content = html! {
        div {
            (crumbs(&[("/console/customers/".to_owned(), "Customers".to_owned())]))
            div.title {
                h1 { (title) }
                @if visitor.rights.may(Action::Support) {
                    div.actions { a.button href={ "/console/customers/" (id) "/edit/" } { "Edit" } }
                }
            }
        }
        section.card { dl {
            dt { "Slug" } dd { (agreement.customer_slug.as_deref().unwrap_or("–")) }
            dt { "Customer id" } dd.mono { (agreement.customer) }
            dt { "Agreement" } dd.mono { (agreement.id) }
            dt { "Default catalog" } dd.mono { @if let Some(catalog) = agreement.default_catalog { (catalog) } @else { "–" } }
            dt { "Expiration notices" } dd { (on(!agreement.disable_expiration_notifications)) }
            dt { "Onboarding mails" } dd { (on(!agreement.disable_onboarding_notifications)) }
            dt { "Personal data is kept for" } dd { (agreement.license_duration_before_purge.num_days()) " days after a license ends" }
            dt { "Universal link gives licenses" } dd { (on(agreement.enable_auto_applied_subscriptions_with_universal_link)) }
            dt { "Auto-scaling" } dd {
                (on(scaling.enabled))
                @if let (true, Some(most), Some(threshold), Some(increment)) =
                    (scaling.enabled, scaling.max_licenses, scaling.threshold_percentage, scaling.increment_percentage) {
                    ": from " (threshold) " % in use, by " (increment) " %, up to " (number(most.into())) " licenses"
                }
            }
            dt { "Expiration message" } dd {
                @if let Some(message) = &agreement.expiration_message { (message.modal_header_text) } @else { "the default one" }
            }
        } }
        section {
            h2 { "Plans" }
            @if plans.rows.is_empty() {
                p.note { "The customer has no plan." }
            } @else {
                (lists::plans(&plans.rows))
                (lists::pages(&format!("/console/customers/{id}/"), &query, page, plans.total))
            }
        }
        section.card {
            h2 { "History of the agreement" }
            (timeline(&history, |_| None))
            @if history.len() as i64 == VERSIONS { p.quiet { "Only the last " (VERSIONS) " changes are shown." } }
        }
    };
    Ok(layout::page(&visitor, Section::Customers, title, &content))
}

fn on(on: bool) -> Markup {
    html! { @if on { "on" } @else { "off" } }
}
