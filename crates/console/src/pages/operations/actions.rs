//! Who did what to the service.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::Error;
use license_manager_domain::model::{JobKind, StaffAction, StaffActionKind};
use license_manager_domain::operations::RecurringOperation;
use license_manager_domain::ports::{LimitOffset, StaffActionFilter};
use maud::{Markup, html};

use super::{PATH, head, jobs, require, schedule};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::pages::lists::{ROWS, choice, number, search_input};
use crate::pages::paging::{page_number, pages};
use crate::session::Visitor;

/// `GET /console/operations/actions/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let filter = StaffActionFilter {
        by: query.text("by"),
        kind: query.text("kind").and_then(|name| StaffActionKind::from_name(&name)),
    };
    let part = move |_| Ok::<_, Error>(LimitOffset { offset: (page - 1) * ROWS, limit: ROWS });
    let found = visitor.read(move |console| console.manager.staff_actions(&filter, part)).await?;
    let mut kinds: Vec<(&str, &str)> =
        StaffActionKind::ALL.into_iter().map(|kind| (kind.as_str(), words(kind))).collect();
    kinds.insert(0, ("", "Everything"));
    let path = format!("{PATH}actions/");
    let content = html! {
        (head("actions/"))
        form.filters {
            (search_input(&query, "by", "User name"))
            (choice(&query, "kind", "What", &kinds))
            button { "Show" }
            span.quiet { (number(found.total)) }
        }
        @if found.items.is_empty() {
            p.note {
                @if query.has("by") || query.has("kind") { "Nobody did this. " a href=(path) { "Show everything" } }
                @else { "Nobody has done anything here yet. Changes of plans, licenses and customers are in their histories." }
            }
        } @else {
            (table(&found.items))
            (pages(&path, &query, page, found.total))
        }
    };
    Ok(layout::page(&visitor, Section::Operations, "Who did what", &content))
}

/// What people did.
pub(crate) fn table(actions: &[StaffAction]) -> Markup {
    html! {
        div.card.wide tabindex="0" role="region" aria-label="What people did" { table {
            thead { tr { th { "When" } th { "Who" } th { "What" } th { "About" } th.number { "Number" } th { "Reason" } } }
            tbody { @for action in actions { tr {
                td { (moment(action.at)) }
                td { (action.by.as_deref().unwrap_or("–")) }
                td { (words(action.kind)) }
                td.long { (about(action)) }
                td.number { (number(action.number)) }
                td.long { (action.reason.as_deref().unwrap_or("–")) }
            } } }
        } }
    }
}

fn about(action: &StaffAction) -> Markup {
    use StaffActionKind as Kind;
    let subject = action.subject.as_deref();
    html! {
        @match (action.kind, subject) {
            (Kind::WebhookAdded | Kind::WebhookChanged | Kind::WebhookPinged | Kind::DeliveriesReplayed, Some(id)) =>
                a.mono href={ (PATH) "webhooks/" (id) "/" } { (id) },
            (Kind::RunRequested, Some(name)) =>
                (RecurringOperation::from_name(name).map_or(name, |operation| schedule::words(operation).0)),
            (Kind::MessagesRetried | Kind::MessagesDropped, Some(topic)) => (topic.replace('_', " ")),
            (Kind::JobsRetried | Kind::JobsCanceled, Some(job)) => (about_job(job)),
            (_, Some(subject)) => (subject),
            (_, None) => "–",
        }
        @if let Some(user) = &action.user { " · " (user) }
    }
}

/// A job, named by its kind and its plan.
fn about_job(job: &str) -> Markup {
    let (kind, plan) = job.split_once(' ').unwrap_or((job, ""));
    html! { (jobs::kind(JobKind::from_name(kind))) " · " a.mono href={ "/console/plans/" (plan) "/" } { (plan) } }
}

/// An action in words.
pub(crate) fn words(kind: StaffActionKind) -> &'static str {
    use StaffActionKind as Kind;
    match kind {
        Kind::MessagesRetried => "Messages tried again",
        Kind::MessagesDropped => "Messages dropped",
        Kind::WebhookAdded => "Webhook added",
        Kind::WebhookChanged => "Webhook changed",
        Kind::WebhookRemoved => "Webhook deleted",
        Kind::DeliveriesReplayed => "Deliveries sent again",
        Kind::RunRequested => "Run asked for",
        Kind::RoleGiven => "Role given",
        Kind::RoleTaken => "Role taken",
        Kind::PlanTypeAdded => "Plan type added",
        Kind::PlanTypeChanged => "Plan type changed",
        Kind::PersonRetired => "Person retired",
        Kind::WebhookPinged => "Webhook pinged",
        Kind::SessionEnded => "Session ended",
        Kind::JobsRetried => "Jobs tried again",
        Kind::JobsCanceled => "Jobs canceled",
    }
}
