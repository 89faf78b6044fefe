//! A license, and everything that happened to it.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use license_manager_domain::console::LicenseRow;
use license_manager_domain::history::EntityRef;
use license_manager_domain::outbox::WaitingMessage;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::use_cases::{HistoricChange, LicenseRecord};
use license_manager_domain::{Error, LicenseId, LicenseStatus};
use maud::{Markup, html};
use uuid::Uuid;

use super::history::{license_headline, timeline};
use super::lists::{self, customer_name, person_link, state};
use super::operations::messages::waiting;
use super::plan::done;
use crate::dates::moment;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The most versions that are shown.
const VERSIONS: i64 = 200;

/// The most messages that are shown.
const MESSAGES: i64 = 100;

/// A license as its page shows it.
pub(crate) struct Shown {
    pub(crate) row: LicenseRow,
    pub(crate) record: LicenseRecord,
    history: Vec<HistoricChange>,
    messages: Vec<WaitingMessage>,
}

/// The license in the path, if the visitor may see it.
pub(crate) async fn find(visitor: &Visitor, path: &str) -> Result<Shown, PageError> {
    let id = LicenseId(Uuid::parse_str(path).map_err(|_| PageError::NotFound)?);
    let row = visitor.read(move |console| console.store.license_row(id)).await?.ok_or(PageError::NotFound)?;
    visitor.require(Action::Browse, row.customer)?;
    visitor
        .read(move |console| {
            let part = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: VERSIONS });
            Ok(Shown {
                record: console.manager.license_record(id)?,
                history: console.manager.history(EntityRef::License(id), part)?.items,
                messages: console.store.messages_of_licenses(&[id], MESSAGES)?,
                row,
            })
        })
        .await
}

/// `GET /console/licenses/{license}/`.
pub(crate) async fn license(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path).await?;
    let Shown { row, record, history, messages } = &shown;
    let license = &record.license;
    let plan = format!("/console/plans/{}/", row.plan);
    let query = Fields::of_query(&request);
    let title = row.email.as_deref().unwrap_or("A license without a holder");
    let content = html! {
        (done(&query))
        (lists::done(&query, &[("saved", "The license was saved."), ("made", "The license was added.")]))
        div {
            (crumbs(&[("/console/plans/".to_owned(), "Plans".to_owned()), (plan.clone(), row.plan_title.clone())]))
            div.title {
                h1 { (title) }
                (state(row.status))
                (actions(&visitor, row))
            }
        }
        section.card { dl {
            dt { "License" } dd.mono { (row.id) }
            dt { "Plan" } dd { a href=(plan) { (row.plan_title) } }
            dt { "Customer" } dd { (customer_name(row.customer_name.as_deref())) }
            dt { "Holder" } dd { @if let Some(email) = &row.email { (person_link(email)) } @else { "–" } }
            dt { "LMS user id" } dd {
                @if let Some(id) = row.lms_user_id { a href={ "/console/people/?lms_user_id=" (id) } { (id) } } @else { "–" }
            }
            dt { "Activation key" } dd.mono {
                @if let Some(key) = license.activation_key() { (key) } @else { "–" }
            }
            (date("Assigned", row.assigned_date))
            (date("Last reminded", license.last_remind_date()))
            (date("Activated", row.activation_date))
            (date("Revoked", row.revoked_date))
            dt { "Assigned by login" } dd {
                @match license.auto_applied { Some(true) => "yes", Some(false) => "no", None => "–" }
            }
            dt { "Salesforce opportunity" } dd.mono { (record.source.as_deref().unwrap_or("–")) }
            @if let Some(next) = license.renewed_to {
                dt { "Renewed to" } dd.mono { a href={ "/console/licenses/" (next) "/" } { (next) } }
            }
            @if let Some(prior) = license.renewed_from {
                dt { "Continues" } dd.mono { a href={ "/console/licenses/" (prior) "/" } { (prior) } }
            }
        } }
        (waiting(&visitor, messages))
        section.card {
            h2 { "What happened" }
            (timeline(history, license_headline))
            @if history.len() as i64 == VERSIONS { p.quiet { "Only the last " (VERSIONS) " changes are shown." } }
        }
    };
    Ok(layout::page(&visitor, Section::Plans, title, &content))
}

/// What the visitor may do with the license. Reminding and revoking are shown first by the plan's pages.
fn actions(visitor: &Visitor, row: &LicenseRow) -> Markup {
    let is_live = LicenseStatus::LIVE.contains(&row.status);
    html! {
        div.actions {
            @if is_live && visitor.rights.may_for(Action::ManageSeats, row.customer) {
                form.filters method="post" action={ "/console/plans/" (row.plan) "/act/" } {
                    (token(visitor))
                    input type="hidden" name="license" value=(row.id);
                    input type="hidden" name="from_license" value="yes";
                    @if row.status == LicenseStatus::Assigned { button name="act" value="remind" { "Remind" } }
                    button.grave name="act" value="revoke" { "Revoke" }
                }
            }
            @if visitor.rights.may(Action::Support) {
                @if is_live {
                    a.button href={ "/console/transfers/new/?from_plan=" (row.plan) "&license=" (row.id) } { "Move" }
                }
                a.button href={ "/console/licenses/" (row.id) "/edit/" } { "Edit" }
            }
        }
    }
}

fn date(label: &str, date: Option<DateTime<Utc>>) -> Markup {
    html! {
        dt { (label) }
        dd { @if let Some(date) = date { (moment(date)) " UTC" } @else { "–" } }
    }
}
