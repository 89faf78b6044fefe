//! Webhooks: the endpoints, and one with its deliveries.

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::console::{WebhookFilters, WebhookRow};
use license_manager_domain::model::WebhookId;
use license_manager_domain::outbox::EventName;
use license_manager_domain::webhooks::{
    OffReason, WAITING_COUNTED, Webhook, WebhookDelivery, WebhookOverview, WebhookState,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::messages::total;
use super::{PATH, above, head, no_customer, require, unknown_customer};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::lists::{self, Sorted, choice, counted, customer_name, number};
use crate::pages::paging::{page_number, pages, slice};
use crate::session::Visitor;

/// The address of a webhook's page, or of something below it.
pub(super) fn address(id: WebhookId, below: &str) -> String {
    format!("{PATH}webhooks/{id}/{below}")
}

/// The id in a path.
pub(super) fn id_in(path: &str) -> Result<WebhookId, PageError> {
    Uuid::parse_str(path).map(WebhookId).map_err(|_| PageError::NotFound)
}

/// The webhook in the path, for who looks after the service.
pub(super) async fn find(visitor: &Visitor, path: &str) -> Result<WebhookOverview, PageError> {
    require(visitor)?;
    let id = id_in(path)?;
    visitor.read(move |console| console.manager.webhook(id)).await
}

/// `GET /console/operations/webhooks/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let sorted = Sorted { fields: &query, usual: "added" };
    let slice = slice(page, sorted);
    let filters = WebhookFilters { customer: query.text("customer"), is_active: query.yes_or_no("active") };
    let found = visitor.read(move |console| console.store.webhook_rows(&filters, slice)).await?;
    let unknown = if found.rows.is_empty() { unknown_customer(&visitor, &query).await? } else { None };
    let path = format!("{PATH}webhooks/");
    let content = html! {
        @if query.has("deleted") { p.note.good role="status" { "The webhook was deleted." } }
        (head("webhooks/"))
        div.title {
            p { "Endpoints of customers and other services that are told what happens to licenses." }
            div.actions { a.button.first href={ (path) "new/" } { "Add a webhook" } }
        }
        form.filters {
            (lists::search_input(&query, "customer", "Customer"))
            (choice(&query, "active", "State", &[("", "On or off"), ("yes", "On"), ("no", "Off")]))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
            span.quiet { (total(found.total)) }
        }
        @if found.rows.is_empty() {
            p.note {
                @if let Some(customer) = &unknown { (no_customer(customer)) a href=(path) { "Show all" } }
                @else if query.has("customer") || query.has("active") { "No such webhook. " a href=(path) { "Show all" } }
                @else { "There is no webhook yet. Add one, and its endpoint is told of every event from then on." }
            }
        } @else {
            (listed(&found.rows, sorted))
            (pages(&path, &query, page, found.total))
        }
    };
    Ok(layout::page(&visitor, Section::Operations, "Webhooks", &content))
}

fn listed(webhooks: &[WebhookRow], sorted: Sorted<'_>) -> Markup {
    html! {
        div.card.wide tabindex="0" role="region" aria-label="Webhooks" { table {
            thead { tr {
                th { "Endpoint" } th { "State" } th { "Events" } th { "Customers" } th.number { "Waiting" } th.number { "Dropped" }
                (sorted.heading("added", "Added"))
            } }
            tbody { @for webhook in webhooks { tr {
                td.long { a href=(address(webhook.id, "")) { (webhook.url) } }
                td { (state(webhook.is_active, webhook.off_reason)) }
                td.long { (events(&webhook.event_types)) }
                td.long {
                    @if webhook.customer.is_some() { (customer_name(webhook.customer_name.as_deref())) } @else { "all" }
                }
                td.number { (waiting_text(webhook.waiting)) }
                td.number { (number(webhook.dropped)) }
                td { (moment(webhook.created)) }
            } } }
        } }
    }
}

/// The events that an endpoint is told, in words.
fn events(events: &[EventName]) -> String {
    match events {
        [] => "all".to_owned(),
        _ => events.iter().map(|event| event.short_name()).collect::<Vec<_>>().join(", "),
    }
}

fn waiting_text(waiting: i64) -> String {
    if waiting >= WAITING_COUNTED { format!("{} or more", number(WAITING_COUNTED)) } else { number(waiting) }
}

fn state(is_active: bool, off_reason: Option<OffReason>) -> Markup {
    html! {
        @if is_active { span.state.activated { "On" } }
        @else {
            span.state.revoked { "Off" }
            @match off_reason {
                Some(OffReason::Gone) => { " " span.quiet { "it answered 410 Gone" } }
                Some(OffReason::Requested) => { " " span.quiet { "switched off by somebody" } }
                None => {}
            }
        }
    }
}

/// `GET /console/operations/webhooks/{webhook}/`.
pub(crate) async fn webhook(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let found = find(&visitor, &path).await?;
    let query = Fields::of_query(&request);
    shown(&visitor, &found, &query, None).await
}

/// `POST /console/operations/webhooks/{webhook}/ping/`.
pub(crate) async fn ping(
    Submitted { visitor, .. }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let found = find(&visitor, &path).await?;
    let (actor, id) = (visitor.actor(None), found.webhook.id);
    let webhook = visitor.write(move |console| console.manager.record_webhook_ping(&actor, id)).await?;
    let answer = match visitor.console.manager.post_webhook_ping(&webhook).await {
        Ok(status) => {
            html! { p.note.good role="status" { "The endpoint accepted the ping: it answered " (status) "." } }
        }
        Err(failure) => {
            html! { p.note.bad role="alert" { "The endpoint did not accept the ping: it " (failure.problem) "." } }
        }
    };
    shown(&visitor, &found, &Fields::default(), Some(answer)).await
}

async fn shown(
    visitor: &Visitor,
    found: &WebhookOverview,
    query: &Fields,
    told: Option<Markup>,
) -> Result<HttpResponse, PageError> {
    let WebhookOverview { webhook, waiting } = found;
    let page = page_number(query);
    let state_filter = query.text("state").and_then(|name| WebhookState::from_name(&name));
    let sorted = Sorted { fields: query, usual: "-happened" };
    let (id, slice) = (webhook.id, slice(page, sorted));
    let found = visitor.read(move |console| console.store.delivery_rows(id, state_filter, slice)).await?;
    let deliveries = &found.rows;
    let content = html! {
        @if let Some(told) = told { (told) }
        (done(query))
        (head_of(visitor, webhook))
        (facts(webhook, *waiting))
        section {
            h2 { "Deliveries" }
            form.filters {
                (choice(query, "state", "State", &[("", "All deliveries"), ("waiting", "Waiting"), ("parked", "Given up"), ("delivered", "Delivered")]))
                (lists::hidden(query, &["order"]))
                button { "Show" }
                span.quiet { (total(found.total)) }
            }
        }
        @if deliveries.is_empty() {
            p.note {
                @if query.has("state") { "No such delivery. " a href=(address(webhook.id, "")) { "Show all" } }
                @else { "Nothing was sent yet. Send a ping to see whether the endpoint answers." }
            }
        } @else {
            form method="post" action=(address(webhook.id, "replay/")) {
                (token(visitor))
                input type="hidden" name="state" value=(query.text("state").unwrap_or_default());
                (table(deliveries, sorted))
                div.selected {
                    b data-selected="" role="status" { "Select deliveries" }
                    label { input type="checkbox" name="all" value="yes"; " all of this list" }
                    button { "Send again" }
                }
            }
            (pages(&address(webhook.id, ""), query, page, found.total))
        }
    };
    Ok(layout::page(visitor, Section::Operations, &webhook.url, &content))
}

/// What a form before has done.
fn done(query: &Fields) -> Markup {
    html! {
        @match query.text("done").as_deref() {
            Some("saved") => p.note.good role="status" { "The webhook was saved." },
            Some("on") => p.note.good role="status" { "The webhook is on. What waited is delivered now." },
            Some("off") => p.note.good role="status" { "The webhook is off. Events wait for it." },
            Some("replayed") => p.note.good role="status" {
                (counted(query.text("number").and_then(|text| text.parse().ok()).unwrap_or_default(), "delivery is", "deliveries are")) " being sent again."
            },
            _ => {},
        }
    }
}

fn head_of(visitor: &Visitor, webhook: &Webhook) -> Markup {
    html! {
        div {
            (crumbs(&above("webhooks/", "Webhooks")))
            div.title {
                h1 { (webhook.url) }
                (state(webhook.is_active, webhook.off_reason))
                div.actions {
                    form method="post" action=(address(webhook.id, "ping/")) { (token(visitor)) button { "Ping" } }
                    a.button href=(address(webhook.id, "edit/")) { "Edit" }
                    form method="post" action=(address(webhook.id, "secret/")) { (token(visitor)) button { "New secret" } }
                    form method="post" action=(address(webhook.id, "switch/")) {
                        (token(visitor))
                        button name="to" value=(if webhook.is_active { "off" } else { "on" }) {
                            @if webhook.is_active { "Switch off" } @else { "Switch on" }
                        }
                    }
                    form method="post" action=(address(webhook.id, "delete/")) { (token(visitor)) button.grave { "Delete" } }
                }
            }
        }
    }
}

fn facts(webhook: &Webhook, waiting: i64) -> Markup {
    html! {
        section.card { dl {
            dt { "Id" } dd.mono { (webhook.id) }
            dt { "Events" } dd { (events(&webhook.event_types)) }
            dt { "Customer" } dd { @if let Some(customer) = webhook.customer { span.mono { (customer) } } @else { "all" } }
            dt { "Waiting" } dd { (waiting_text(waiting)) }
            @if webhook.dropped > 0 { dt { "Dropped" } dd { (counted(webhook.dropped, "event", "events")) " waited too long while it was off" } }
            @if let Some((_, until)) = &webhook.previous_secret { dt { "Signed with the secret before, too, until" } dd { (moment(*until)) " UTC" } }
            @if let Some(at) = webhook.switched_at { dt { "Last switched" } dd { (moment(at)) " UTC" } }
            dt { "Added" } dd { (moment(webhook.created)) " UTC by " (webhook.created_by.as_deref().unwrap_or("the service")) }
        } }
    }
}

fn table(deliveries: &[WebhookDelivery], sorted: Sorted<'_>) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                (lists::select_all())
                th { "Event" } (sorted.heading("happened", "Happened")) th { "State" } th.number { "Failed tries" } th.number { "Answer" } th { "Last error" }
            } }
            tbody { @for delivery in deliveries { tr {
                td { input type="checkbox" name="item" value=(delivery.id) aria-label={ "Select the delivery " (delivery.id) }; }
                td { (delivery.event_type.rsplit("license-manager.").next().unwrap_or_default()) }
                td { (moment(delivery.created)) }
                td {
                    @match delivery.state {
                        WebhookState::Waiting => span.state.assigned { "next try " (moment(delivery.not_before)) },
                        WebhookState::Delivered => span.state.activated { "delivered" },
                        WebhookState::DeadLettered => span.state.revoked { "given up" },
                    }
                }
                td.number { (delivery.attempts) }
                td.number { @if let Some(status) = delivery.last_status { (status) } @else { "–" } }
                td.long { (delivery.last_error.as_deref().unwrap_or("–")) }
            } } }
        } }
    }
}
