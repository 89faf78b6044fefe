//! Customers: the list, and the page of one with its agreement and plans.

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::console::{AgreementFilters, AgreementOrder, Part, PlanFilters, Sorting};
use license_manager_domain::history::EntityRef;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, StoreExt};
use license_manager_domain::{AgreementId, CustomerAgreement, Entity, Error, PlanId};
use maud::{Markup, html};
use uuid::Uuid;

use super::history::timeline_with;
use super::lists::{self, ROWS, Shape, Sorted, choice, counted, customer_name, number};
use super::plans::plan_order;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The most versions of an agreement that are shown.
const VERSIONS: i64 = 50;

/// The fields of the filters.
pub(super) const FILTERS: [&str; 2] = ["name", "active"];

/// The agreements that the fields ask for.
pub(super) fn filters(scope: CustomerScope, fields: &Fields) -> AgreementFilters {
    AgreementFilters {
        name: fields.text("name"),
        has_active_plan: fields.yes_or_no("active"),
        ..AgreementFilters::of(scope)
    }
}

/// `GET /console/customers/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    let filters = filters(visitor.scope(Action::Browse)?, &query);
    let sorted = Sorted { fields: &query, usual: "name" };
    let (by, descending) = sorted.by();
    let by = if by == "created" { AgreementOrder::Created } else { AgreementOrder::Name };
    let part = Part { after: lists::after::<Uuid>(&query).map(AgreementId), limit: ROWS + 1 };
    let mut agreements =
        visitor.list(move |source| source.store.agreement_rows(&filters, Sorting { by, descending }, part)).await?;
    let last = lists::cut(&mut agreements.rows).map(|agreement| agreement.id.to_string());
    let selectable = visitor.rights.may(Action::Support) && visitor.console.manager.knows_customers();
    let shape = Shape { sorted: Some(sorted), selectable };
    let content = html! {
        (lists::done(&query, &[("deleted", "The agreement was deleted. Its history stays.")]))
        div.title {
            h1 { "Customers" } span.quiet { (number(agreements.total)) }
            @if visitor.rights.may(Action::Provision) {
                div.actions { a.button.first href="/console/customers/new/" { "New agreement" } }
            }
        }
        form.filters {
            (lists::search_input(&query, "name", "Name or slug"))
            (choice(&query, "active", "Active plans", &[("", "With active plans or not"), ("yes", "With an active plan"), ("no", "Without an active plan")]))
            (choice(&query, "order", "Order", &[("", "By name"), ("-name", "By name, last first"), ("-created", "Latest first"), ("created", "Earliest first")]))
            button { "Show" }
        }
        @if agreements.rows.is_empty() {
            p.note {
                @if FILTERS.iter().any(|name| query.has(name)) || query.has("after") {
                    "No customer matches. " a href="/console/customers/" { "Show all customers" }
                } @else if visitor.rights.may(Action::Provision) {
                    "There is no customer yet. " a href="/console/customers/new/" { "Make the first agreement" }
                } @else {
                    "There is no customer yet. A provisioner makes agreements."
                }
            }
        } @else if selectable {
            form method="post" action="/console/customers/act/" {
                (token(&visitor))
                (lists::hidden(&query, &FILTERS))
                (lists::agreements_in(&agreements.rows, shape))
                (lists::selected_bar("customers", agreements.total, &html! {
                    button name="act" value="sync" { "Take name and slug from the LMS" }
                }))
            }
        } @else {
            (lists::agreements_in(&agreements.rows, shape))
        }
        (lists::pages(&query, last))
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
    let sorted = Sorted { fields: &query, usual: "-start" };
    let (by, descending) = sorted.by();
    let sorting = Sorting { by: plan_order(&by), descending };
    let part = Part { after: lists::after::<Uuid>(&query).map(PlanId), limit: ROWS + 1 };
    let (agreement, mut plans, history) = visitor
        .read(move |console| {
            let found = console.manager.store().read(|unit| unit.agreements().find(id))?;
            let agreement =
                found.filter(|agreement| scope.covers(agreement.customer)).ok_or(Error::NotFound(Entity::Agreement))?;
            let filters = PlanFilters { agreement: Some(id), ..PlanFilters::of(scope) };
            let plans = console.store.plan_rows(&filters, sorting, part)?;
            let history = console.manager.latest_changes(EntityRef::Agreement(id), VERSIONS)?;
            Ok((agreement, plans, history))
        })
        .await?;
    let last = lists::cut(&mut plans.rows).map(|plan| plan.id.to_string());
    let provisions = visitor.rights.may(Action::Provision);
    let title = customer_name(agreement.customer_name.as_deref().or(agreement.customer_slug.as_deref()));
    let content = html! {
        (lists::done(&query, &[("saved", "The agreement was saved."), ("restored", "The version was restored.")]))
        (head(&visitor, &agreement, title, plans.total == 0))
        (facts(&agreement))
        section {
            h2 { "Plans" }
            @if plans.rows.is_empty() {
                p.note {
                    "The customer has no plan" @if query.has("after") { " after this one" } ". "
                    @if provisions { a href={ "/console/plans/new/?agreement=" (id) } { "Make one" } }
                }
            } @else {
                (lists::plans_in(&plans.rows, Shape { sorted: Some(sorted), selectable: false }))
            }
            (lists::pages(&query, last))
        }
        section.card {
            h2 { "History of the agreement" }
            (timeline_with(&history, |_| None, &|place, change| html! {
                @if provisions && place > 0 {
                    div { a href={ "/console/customers/" (id) "/restore/?version=" (change.version.number) } { "Restore this version" } }
                }
            }))
            @if history.len() as i64 == VERSIONS { p.quiet { "Only the last " (VERSIONS) " changes are shown." } }
        }
    };
    Ok(layout::page(&visitor, Section::Customers, title, &content))
}

fn head(visitor: &Visitor, agreement: &CustomerAgreement, title: &str, has_no_plans: bool) -> Markup {
    let (supports, provisions) = (visitor.rights.may(Action::Support), visitor.rights.may(Action::Provision));
    html! {
        div {
            (crumbs(&[("/console/customers/".to_owned(), "Customers".to_owned())]))
            div.title {
                h1 { (title) }
                div.actions {
                    @if provisions {
                        a.button href={ "/console/customers/" (agreement.id) "/terms/" } { "Edit name and catalog" }
                    }
                    @if supports { a.button href={ "/console/customers/" (agreement.id) "/edit/" } { "Edit settings" } }
                    @if visitor.rights.may(Action::Browse) {
                        a.button href={ "/console/renewals/?agreement=" (agreement.id) } { "Renewals" }
                    }
                    @if provisions { a.button.first href={ "/console/plans/new/?agreement=" (agreement.id) } { "New plan" } }
                }
                @if supports && (visitor.console.manager.knows_customers() || has_no_plans) {
                    form.actions method="post" action="/console/customers/act/" {
                        (token(visitor))
                        input type="hidden" name="agreement" value=(agreement.id);
                        @if visitor.console.manager.knows_customers() {
                            button name="act" value="sync" { "Take name and slug from the LMS" }
                        }
                        @if has_no_plans {
                            a.button.grave href={ "/console/customers/" (agreement.id) "/delete/" } { "Delete the agreement" }
                        }
                    }
                }
            }
        }
    }
}

/// What was agreed.
fn facts(agreement: &CustomerAgreement) -> Markup {
    let scaling = &agreement.auto_scaling;
    html! {
        section.card { dl {
            dt { "Slug" } dd { (agreement.customer_slug.as_deref().unwrap_or("–")) }
            dt { "Customer id" } dd.mono { (agreement.customer) }
            dt { "Agreement" } dd.mono { (agreement.id) }
            dt { "Default catalog" } dd.mono { @if let Some(catalog) = agreement.default_catalog { (catalog) } @else { "–" } }
            dt { "Expiration notices" } dd { (on(!agreement.disable_expiration_notifications)) }
            dt { "Onboarding mails" } dd { (on(!agreement.disable_onboarding_notifications)) }
            dt { "Personal data is kept for" } dd { (counted(agreement.license_duration_before_purge.num_days(), "day", "days")) " after a license ends" }
            dt { "Universal link gives licenses" } dd { (on(agreement.enable_auto_applied_subscriptions_with_universal_link)) }
            dt { "Auto-scaling" } dd {
                (on(scaling.enabled))
                @if let (true, Some(most), Some(threshold), Some(increment)) =
                    (scaling.enabled, scaling.max_licenses, scaling.threshold_percentage, scaling.increment_percentage) {
                    ": from " (threshold) " % in use, by " (increment) " %, up to " (counted(most.into(), "license", "licenses"))
                }
            }
            dt { "Expiration message" } dd {
                @if let Some(message) = &agreement.expiration_message { (message.modal_header_text) } @else { "the default one" }
            }
        } }
    }
}

fn on(on: bool) -> Markup {
    html! { @if on { "on" } @else { "off" } }
}
