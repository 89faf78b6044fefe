//! Notifications that were sent to admins. Without the last one of a plan and kind, the mail is sent again.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::SentFilters;
use license_manager_domain::model::{NotificationId, NotificationKind};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::NotificationFilter;
use license_manager_domain::{Actor, LicenseManager, PlanId};
use maud::html;

use super::deletion::{RecordDeletion, bar, done};
use super::{PATH, head, require, require_reading};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::pages::lists::{self, Sorted, choice};
use crate::pages::operations::messages::total;
use crate::pages::paging::{id, page_number, pages, slice};
use crate::session::Visitor;

fn plan(fields: &Fields) -> Option<PlanId> {
    id(fields, "plan").map(PlanId)
}

fn kind(fields: &Fields) -> Option<NotificationKind> {
    fields.text("kind").and_then(|name| NotificationKind::from_name(&name))
}

/// `GET /console/records/notifications/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let filters = SentFilters { plan: plan(&query), title: query.text("title"), kind: kind(&query) };
    let sorted = Sorted { fields: &query, usual: "-sent" };
    let slice = slice(page, sorted);
    let found = visitor.list(move |source| source.store.sent_rows(&filters, slice)).await?;
    let path = format!("{PATH}notifications/");
    let kinds: Vec<(&str, String)> =
        NotificationKind::ALL.into_iter().map(|kind| (kind.as_str(), kind.as_str().replace('_', " "))).collect();
    let mut kinds: Vec<(&str, &str)> = kinds.iter().map(|(name, words)| (*name, words.as_str())).collect();
    kinds.insert(0, ("", "Every kind"));
    // A deletion chooses by plan and kind, so there is no "all" for a part of a title.
    let can_choose_all = !query.has("title");
    let works = visitor.rights.may(Action::Support);
    let content = html! {
        (done(&query, ["notification", "notifications"]))
        (head("notifications/"))
        form.filters {
            (lists::search_input(&query, "title", "Plan's title"))
            (lists::search_input(&query, "plan", "Plan's id"))
            (choice(&query, "kind", "Kind", &kinds))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
            span.quiet { (total(found.total)) }
        }
        @if found.rows.is_empty() {
            p.note {
                @if query.has("title") || query.has("plan") || query.has("kind") { "No notification matches. " a href=(path) { "Show all" } }
                @else { "No admin got a mail about the utilization of a plan yet." }
            }
        } @else {
            form method="post" action={ (PATH) "notifications/delete/" } {
                (token(&visitor))
                @for name in ["plan", "kind"] { input type="hidden" name=(name) value=(query.text(name).unwrap_or_default()); }
                div.card.wide { table {
                    thead { tr {
                        @if works { (lists::select_all()) }
                        th { "Plan" } th { "Kind" } th { "Customer" } th.number { "Admin" } (sorted.heading("sent", "Last sent"))
                    } }
                    tbody { @for row in &found.rows { tr {
                        @if works { td { input type="checkbox" name="item" value=(row.id) aria-label={ "Select notification " (row.id) }; } }
                        td.long { a href={ "/console/plans/" (row.plan) "/" } { (row.plan_title) } }
                        td { (row.kind.replace('_', " ")) }
                        td.mono { (row.customer) }
                        td.number { (row.customer_user) }
                        td { (moment(row.last_sent)) }
                    } } }
                } }
                @if works { (bar("notifications", can_choose_all)) }
            }
            (pages(&path, &query, page, found.total))
        }
    };
    Ok(layout::page(&visitor, Section::Records, "Notifications", &content))
}

/// `POST /console/records/notifications/delete/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn delete(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let filter = match fields.has("all") {
        true => NotificationFilter { plan: plan(&fields), kind: kind(&fields), ..NotificationFilter::default() },
        false => {
            let ids = fields.all("item").filter_map(|text| text.parse().ok()).map(NotificationId).collect();
            NotificationFilter { ids: Some(ids), ..NotificationFilter::default() }
        }
    };
    let records = RecordDeletion {
        tab: ("notifications/", "Notifications"),
        records: "notifications",
        causes: html! {
            "A plan and kind without any record counts as never told: " b { "its admins get the mail again" }
            " as soon as it is due. Records of other admins of the same plan and kind prevent that."
        },
    };
    let delete = move |manager: &LicenseManager, actor: &Actor, is_dry_run| {
        manager.delete_notifications(actor, &filter, is_dry_run)
    };
    records.delete(&visitor, &fields, delete).await
}
