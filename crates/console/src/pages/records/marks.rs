//! License events: what was done for a license, so that it is done once. Without the record it is done again.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{EVENTS_LOOKED_AT, MarkFilters};
use license_manager_domain::model::LicenseEventId;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::LicenseEventFilter;
use license_manager_domain::{Actor, LicenseId, LicenseManager, PlanId};
use maud::html;

use super::deletion::{RecordDeletion, bar, done};
use super::{PATH, head, require, require_reading};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::pages::lists::{self, Sorted, number, person_link};
use crate::pages::operations::messages::total;
use crate::pages::paging::{id, page_number, pages, slice};
use crate::session::Visitor;

fn license(fields: &Fields) -> Option<LicenseId> {
    id(fields, "license").map(LicenseId)
}

/// `GET /console/records/license-events/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let filters =
        MarkFilters { license: license(&query), plan: id(&query, "plan").map(PlanId), event_name: query.text("event") };
    // A deletion chooses by license and name, so there is no "all" of a plan.
    let can_choose_all = filters.plan.is_none();
    let sorted = Sorted { fields: &query, usual: "-when" };
    let slice = slice(page, sorted);
    let found = visitor.list(move |source| source.store.mark_rows(&filters, slice)).await?;
    let path = format!("{PATH}license-events/");
    let works = visitor.rights.may(Action::Support);
    let content = html! {
        (done(&query, ["license event", "license events"]))
        (head("license-events/"))
        form.filters {
            (lists::search_input(&query, "event", "Name of the event"))
            (lists::search_input(&query, "license", "License's id"))
            (lists::search_input(&query, "plan", "Plan's id"))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
            span.quiet { (total(found.total)) }
        }
        @if query.has("plan") {
            p.quiet { "Only the latest " (number(EVENTS_LOOKED_AT)) " events of all plans were looked at. A license's id finds all of its events." }
        }
        @if found.rows.is_empty() {
            p.note {
                @if query.has("event") || query.has("license") || query.has("plan") { "No license event matches. " a href=(path) { "Show all" } }
                @else { "Nothing was done for a license that is done only once, such as unlinking its learner." }
            }
        } @else {
            form method="post" action={ (PATH) "license-events/delete/" } {
                (token(&visitor))
                @for name in ["event", "license"] { input type="hidden" name=(name) value=(query.text(name).unwrap_or_default()); }
                div.card.wide { table {
                    thead { tr {
                        @if works { (lists::select_all()) }
                        th { "Event" } th { "Holder" } th { "Plan" } (sorted.heading("when", "When")) th { span.hidden { "Open" } }
                    } }
                    tbody { @for row in &found.rows { tr {
                        @if works { td { input type="checkbox" name="item" value=(row.id) aria-label={ "Select license event " (row.id) }; } }
                        td.long.mono { (row.event_name) }
                        td { @if let Some(email) = &row.email { (person_link(email)) } @else { "–" } }
                        td.long { a href={ "/console/plans/" (row.plan) "/" } { (row.plan_title) } }
                        td { (moment(row.created)) }
                        td { a href={ "/console/licenses/" (row.license) "/" } { "License" } }
                    } } }
                } }
                @if works { (bar("license events", can_choose_all)) }
            }
            (pages(&path, &query, page, found.total))
        }
    };
    Ok(layout::page(&visitor, Section::Records, "License events", &content))
}

/// `POST /console/records/license-events/delete/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn delete(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let filter = match fields.has("all") {
        true => {
            LicenseEventFilter { license: license(&fields), event_name: fields.text("event"), ..Default::default() }
        }
        false => {
            let ids = fields.all("item").filter_map(|text| text.parse().ok()).map(LicenseEventId).collect();
            LicenseEventFilter { ids: Some(ids), ..LicenseEventFilter::default() }
        }
    };
    let records = RecordDeletion {
        tab: ("license-events/", "License events"),
        records: "license events",
        causes: html! {
            "Each says that something was done for a license. " b { "Without it, the next scheduled run does it again" }
            ": it unlinks the learner, or sends the event after 180 days once more."
        },
    };
    let delete = move |manager: &LicenseManager, actor: &Actor, is_dry_run| {
        manager.delete_license_events(actor, &filter, is_dry_run)
    };
    records.delete(&visitor, &fields, delete).await
}
