//! A plan: its licenses, its utilization and its history.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use license_manager_domain::console::{JobFilters, JobRow, Slice};
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{JobKind, License, SeatDay};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{
    CustomerScope, LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseSearch, StoreExt,
};
use license_manager_domain::{
    CustomerAgreement, Entity, Error, LicenseCounts, LicenseId, LicenseStatus, PlanId, RenewalId, SubscriptionPlan,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::chart;
use super::history::timeline_with;
use super::lists::{self, ROWS, choice, counted, customer_name, number, person_link, state};
use super::operations::{job_actions, jobs};
use super::plan_actions::{self, Act};
use super::sign_in::redirect;
use crate::dates::{day, maybe_day};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// Which licenses a list can show, in its address and in words.
const STATES: [(&str, &str); 6] = [
    ("", "All that were handed out"),
    ("assigned", "Assigned"),
    ("activated", "Activated"),
    ("revoked", "Revoked"),
    ("unassigned", "Free"),
    ("all", "All licenses"),
];

/// In which order.
const ORDERS: [(&str, &str); 4] = [
    ("", "By state, then email"),
    ("email", "By email"),
    ("activated", "Activated last first"),
    ("reminded", "Reminded last first"),
];

/// The most versions of a plan that are shown.
const VERSIONS: i64 = 100;

/// A plan as its pages show it.
pub(crate) struct Shown {
    pub(crate) plan: SubscriptionPlan,
    pub(crate) agreement: CustomerAgreement,
    pub(crate) counts: LicenseCounts,
    pub(crate) now: DateTime<Utc>,
    /// Its renewal.
    renewal: Option<RenewalId>,
    /// The jobs that go on.
    jobs: Vec<JobRow>,
}

impl Shown {
    /// The address of the plan, or of something below it.
    pub(crate) fn address(&self, below: &str) -> String {
        format!("/console/plans/{}/{below}", self.plan.id)
    }

    /// The way to the plan's pages.
    pub(crate) fn crumbs(&self) -> Markup {
        crumbs(&[
            ("/console/plans/".to_owned(), "Plans".to_owned()),
            (
                format!("/console/customers/{}/", self.agreement.id),
                customer_name(self.agreement.customer_name.as_deref().or(self.agreement.customer_slug.as_deref()))
                    .to_owned(),
            ),
        ])
    }
}

/// The plan in the path, if the visitor may do this for its customer.
pub(crate) async fn find(visitor: &Visitor, path: &str, action: Action) -> Result<Shown, PageError> {
    let id = PlanId(Uuid::parse_str(path).map_err(|_| PageError::NotFound)?);
    let shown = visitor
        .read(move |console| {
            // The jobs before what they change: a page that shows none any more shows all that they did.
            let jobs = JobFilters { plans: Some(vec![id]), ..JobFilters::default() };
            let jobs = console.store.job_rows(&jobs, console.manager.now(), Slice::new(0, ROWS))?.rows;
            let overview = console.manager.plan(id)?;
            let agreement = overview.details.plan.agreement;
            let agreement = console.manager.store().read(|unit| unit.agreements().find(agreement))?;
            Ok(Shown {
                renewal: overview.chains.renewal_of(id).map(|link| link.id),
                jobs,
                agreement: agreement.ok_or(Error::NotFound(Entity::Agreement))?,
                plan: overview.details.plan,
                counts: overview.counts,
                now: overview.now,
            })
        })
        .await?;
    visitor.require(action, shown.agreement.customer)?;
    Ok(shown)
}

/// The title, the counts and the tabs of a plan.
pub(crate) fn head(visitor: &Visitor, shown: &Shown, current: &str) -> Markup {
    let Shown { plan, counts, now, .. } = shown;
    let days = plan.days_until_expiration(*now);
    html! {
        div {
            (shown.crumbs())
            div.title {
                h1 { (plan.title) }
                span.chip { @if plan.is_active { "Active" } @else { "Not active" } }
                @if plan.for_internal_use_only { span.chip { "Internal" } }
                @if plan.last_freeze_timestamp.is_some() { span.chip { "Frozen" } }
                @if let Some(renewal) = shown.renewal {
                    span.chip {
                        @if visitor.rights.may(Action::Browse) {
                            a href={ "/console/renewals/" (renewal) "/" } { "Has a renewal" }
                        } @else { "Has a renewal" }
                    }
                }
                (actions(visitor, shown))
            }
        }
        section.card aria-label="Licenses" {
            (lists::seats(counts))
            (work(visitor, shown))
            p.quiet {
                (day(plan.start_date)) " – " (day(plan.expiration_date)) ", "
                @if days >= 0 { (counted(days, "day", "days")) " left" } @else { "ended " (counted(-days, "day", "days")) " ago" }
                @if let Some(left) = plan.revocations_remaining(counts) { " · " (counted(left, "revocation", "revocations")) " left" }
                " · " span.mono { (plan.id) }
            }
        }
        nav.tabs aria-label="Plan" {
            @for (tab, name) in [
                ("", "Licenses"), ("utilization/", "Utilization"), ("history/", "History"), ("as-of/", "Details"),
            ] {
                a href=(shown.address(tab)) aria-current=[(tab == current).then_some("page")] { (name) }
            }
        }
    }
}

/// What the visitor may do with the plan. Nothing is shown that would be refused.
fn actions(visitor: &Visitor, shown: &Shown) -> Markup {
    let Shown { plan, agreement, counts, .. } = shown;
    if !visitor.rights.may_for(Action::ManageSeats, agreement.customer) {
        return html! {};
    }
    let (supports, provisions) = (visitor.rights.may(Action::Support), visitor.rights.may(Action::Provision));
    let is_frozen = plan.last_freeze_timestamp.is_some();
    // Only such a plan can be deleted.
    let is_unused = counts.allocated() + counts.revoked == 0 && shown.renewal.is_none() && shown.jobs.is_empty();
    let goes_on = |kind| shown.jobs.iter().any(|job| job.kind == Some(kind));
    let mut acts = Vec::new();
    if plan.licenses_to_provision(counts) > 0 && !goes_on(JobKind::Provision) {
        acts.push(Act::Provision);
    }
    if plan.can_freeze_unused_licenses && (!is_frozen || counts.unassigned > 0) && !goes_on(JobKind::Freeze) {
        acts.push(Act::Freeze);
    }
    if counts.revoked > 0 && !goes_on(JobKind::DeleteRevoked) {
        acts.push(Act::DeleteRevoked);
    }
    html! {
        div.actions {
            @if provisions {
                a.button href=(shown.address("edit/")) { "Edit" }
                @if shown.renewal.is_none() {
                    a.button href={ "/console/renewals/new/?plan=" (plan.id) } { "Renew" }
                }
            }
            @if supports { a.button href=(shown.address("add/")) { "Add a license" } }
            a.button.first href=(shown.address("assign/")) { "Assign licenses" }
        }
        @if supports && (!acts.is_empty() || is_unused) {
            form.actions method="post" action="/console/plans/act/" {
                (token(visitor))
                input type="hidden" name="plan" value=(plan.id);
                input type="hidden" name="from_plan" value="yes";
                (plan_actions::buttons(&acts))
                @if is_unused {
                    a.button.grave href=(shown.address("delete/")) { "Delete the plan" }
                }
            }
        }
    }
}

/// The jobs that go on, and how far they are. Browsers with scripts look again by themselves.
fn work(visitor: &Visitor, shown: &Shown) -> Markup {
    html! {
        @if !shown.jobs.is_empty() {
            div #growing.growing data-live role="status" {
                @for job in &shown.jobs {
                    div { b { (jobs::kind(job.kind)) ": " } (jobs::progress(job)) }
                    @if job.attempts > 0 { p.wrong { "It " (jobs::failure(job)) "." } }
                    @if visitor.rights.may(Action::Support) { (job_actions::of_plan(visitor, job)) }
                }
                p { "You can leave this page; " a href=(shown.address("")) { "look again" } "." }
            }
        }
    }
}

/// The licenses that a list shows: the states, and words of addresses.
pub(crate) fn filter(query: &Fields) -> LicenseFilter {
    use LicenseStatus::{Activated, Assigned, Revoked};
    let statuses = match query.text("state").as_deref().and_then(LicenseStatus::from_name) {
        Some(status) => vec![status],
        None if query.text("state").as_deref() == Some("all") => LicenseStatus::ALL.to_vec(),
        None => vec![Activated, Assigned, Revoked],
    };
    let words = query.text("email").unwrap_or_default();
    LicenseFilter {
        statuses: Some(statuses),
        email_words: words.split_whitespace().map(str::to_lowercase).collect(),
        ..LicenseFilter::default()
    }
}

/// The order that a list asks for.
fn order(query: &Fields) -> Vec<LicenseOrder> {
    let by = |field, descending| LicenseOrder { field, descending };
    match query.text("order").as_deref() {
        Some("email") => vec![by(LicenseField::UserEmail, false)],
        Some("activated") => vec![by(LicenseField::ActivationDate, true)],
        Some("reminded") => vec![by(LicenseField::LastRemindDate, true)],
        _ => vec![by(LicenseField::Status, false), by(LicenseField::UserEmail, false)],
    }
}

/// `GET /console/plans/{plan}/`.
pub(crate) async fn licenses(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::Browse).await?;
    let query = Fields::of_query(&request);
    let filter = filter(&query);
    let total = filter.only_statuses().map(|statuses| shown.counts.only(statuses).all());
    let search =
        LicenseSearch { scope: CustomerScope::All, customer: None, plan: Some(shown.plan.id), filter: filter.clone() };
    let (order, after) = (order(&query), query.text("after").and_then(|text| read_position(&text)));
    let mut licenses = visitor
        .list(move |source| {
            source.manager.store().read(|unit| unit.lookups().list_after(&search, &order, after.as_ref(), ROWS + 1))
        })
        .await?;
    let next = lists::cut(&mut licenses).map(|license| position_text(&LicensePosition::from(license)));
    let may_manage = visitor.rights.may_for(Action::ManageSeats, shown.agreement.customer);
    let content = html! {
        (done(&query))
        (head(&visitor, &shown, ""))
        form.filters {
            (lists::search_input(&query, "email", "Email"))
            (choice(&query, "state", "State", &STATES))
            (choice(&query, "order", "Order", &ORDERS))
            button { "Show" }
            @if let Some(total) = total { span.quiet { (counted(total, "license", "licenses")) } }
            a.button href=(lists::with_filters(&shown.address("csv/"), &query, &["email", "state"], &[])) download
                title="All licenses that the filter shows, also on other pages" { "Download these as CSV" }
        }
        @if licenses.is_empty() {
            p.note {
                @if query.has("email") || query.has("state") { "No license matches. " a href=(shown.address("")) { "Show all" } }
                @else { "No license was handed out yet." }
            }
        } @else if may_manage {
            (selectable(&visitor, &shown, &query, &licenses))
        } @else {
            (table(&licenses, &[]))
        }
        (lists::pages(&query, next))
    };
    Ok(layout::page(&visitor, Section::Plans, &shown.plan.title, &content))
}

/// The licenses, with what can be done with those that are selected.
fn selectable(visitor: &Visitor, shown: &Shown, query: &Fields, licenses: &[License]) -> Markup {
    let may_set_back = visitor.rights.may(Action::Support);
    html! {
        form method="post" action=(shown.address("act/")) {
            (token(visitor))
            input type="hidden" name="email" value=(query.text("email").unwrap_or_default());
            input type="hidden" name="state" value=(query.text("state").unwrap_or_default());
            (table(licenses, if may_set_back { &LicenseStatus::ALL } else { &LicenseStatus::LIVE }))
            div.selected {
                b data-selected="" role="status" { "Select licenses" }
                label { input type="checkbox" name="all" value="yes"; " all that match the filter" }
                button name="act" value="remind" { "Remind" }
                @if may_set_back {
                    button formaction="/console/transfers/new/" name="from_plan" value=(shown.plan.id) { "Move" }
                    button formaction=(shown.address("revert/")) { "Set back" }
                }
                button.grave name="act" value="revoke" { "Revoke" }
            }
        }
    }
}

/// What a form before has done.
pub(super) fn done(query: &Fields) -> Markup {
    if query.text("done").as_deref() == Some("created") {
        return html! { p.note.good role="status" { "The plan was made." } };
    }
    let told = query.text("number").and_then(|text| text.parse::<u32>().ok()).zip(query.text("done"));
    let told = told.and_then(|(count, what)| {
        let (one, many, rest) = match what.as_str() {
            "assigned" => ("license was", "licenses were", "assigned."),
            "reminded" => ("reminder mail is on its", "reminder mails are on their", "way."),
            "revoked" => ("license was", "licenses were", "revoked."),
            "added" => ("license was", "licenses were", "added."),
            "growing" => ("license is", "licenses are", "being added. You can leave this page."),
            "freezing" => ("free license is", "free licenses are", "being deleted. The plan is frozen."),
            "deleting" => ("revoked license is", "revoked licenses are", "being deleted. You can leave this page."),
            "frozen" => ("free license was", "free licenses were", "deleted. The plan is frozen."),
            "deleted" => ("revoked license was", "revoked licenses were", "deleted."),
            "reverted" => ("license was", "licenses were", "set back."),
            "retry" => ("job is", "jobs are", "being tried again."),
            "cancel" => ("job was", "jobs were", "canceled. What was done stays."),
            _ => return None,
        };
        Some(format!("{} {rest}", counted(count.into(), one, many)))
    });
    html! {
        @if let Some(told) = told { p.note.good role="status" { (told) } }
    }
}

/// The licenses, of which those with these states can be selected.
fn table(licenses: &[License], selectable: &[LicenseStatus]) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                @if !selectable.is_empty() { (lists::select_all()) }
                th { "Email" } th { "State" } th { "Assigned" } th { "Activated" } th { "Last mail" } th { span.hidden { "Open" } }
            } }
            tbody { @for license in licenses {
                @let email = license.holder_email().map(|email| email.as_str());
                tr {
                    @if !selectable.is_empty() { td {
                        @if selectable.contains(&license.status()) {
                            input type="checkbox" name="license" value=(license.id)
                                aria-label={ "Select " (email.unwrap_or("a license without a holder")) };
                        }
                    } }
                    td { @if let Some(email) = email { (person_link(email)) } @else { span.quiet { "–" } } }
                    td { (state(license.status())) }
                    td { (maybe_day(license.assigned_date())) }
                    td { (maybe_day(license.activation_date())) }
                    td { (maybe_day(license.last_remind_date())) }
                    td { a href={ "/console/licenses/" (license.id) "/" } { "Open" } }
                }
            } }
        } }
    }
}

/// A position in a list as one text. The address, which may have any character, stands last.
fn position_text(position: &LicensePosition) -> String {
    let micros = |date: Option<DateTime<Utc>>| date.map_or(String::new(), |date| date.timestamp_micros().to_string());
    format!(
        "{}~{}~{}~{}~{}",
        position.id,
        position.status,
        micros(position.activation_date),
        micros(position.last_remind_date),
        position.user_email.as_ref().map_or("", |email| email.as_str())
    )
}

/// The position in a text; `None` for anything else.
fn read_position(text: &str) -> Option<LicensePosition> {
    let mut parts = text.splitn(5, '~');
    let id = LicenseId(Uuid::parse_str(parts.next()?).ok()?);
    let status = LicenseStatus::from_name(parts.next()?)?;
    let mut date = || match parts.next()? {
        "" => Some(None),
        micros => DateTime::from_timestamp_micros(micros.parse().ok()?).map(Some),
    };
    let (activation_date, last_remind_date) = (date()?, date()?);
    let user_email = match parts.next()? {
        "" => None,
        email => Some(license_manager_domain::Email::to_look_up(email).ok()?),
    };
    Some(LicensePosition { id, status, user_email, activation_date, last_remind_date })
}

/// The path that other tools link to: leads to the plan's page.
pub(crate) async fn linked(path: web::Path<Uuid>) -> HttpResponse {
    redirect(&format!("/console/plans/{path}/"))
}

/// `GET /console/plans/{plan}/utilization/`.
pub(crate) async fn utilization(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::Browse).await?;
    let id = shown.plan.id;
    let (days, delays) = visitor
        .list(move |source| {
            let (_, period) = source.manager.utilization_period(id, None, None)?;
            let Some(period) = period else { return Ok((Vec::<SeatDay>::new(), None)) };
            let delays = source.manager.activation_delays(id, period)?;
            Ok((source.manager.seat_days(id, period)?, Some(delays)))
        })
        .await?;
    let content = html! {
        (head(&visitor, &shown, "utilization/"))
        @if days.is_empty() {
            p.note { "The plan has not started yet." }
        } @else {
            section.card {
                h2 { "Licenses in use, by day" }
                (chart::by_day(&days))
                p.quiet { span.state.activated { "Activated" } "  " span.state.assigned { "Assigned" } "  " span.state { "Free" } }
            }
            @if let Some(delays) = &delays {
                section.card {
                    h2 { "From assignment to activation" }
                    dl {
                        dt { "Activations" } dd { (number(delays.activations())) }
                        dt { "Half of them within" } dd {
                            @match delays.percentile(50) { Some(days) => (counted(days, "day", "days")), None => "–" }
                        }
                        dt { "Nine of ten within" } dd {
                            @match delays.percentile(90) { Some(days) => (counted(days, "day", "days")), None => "–" }
                        }
                    }
                }
            }
        }
    };
    Ok(layout::page(&visitor, Section::Plans, &format!("{}: utilization", shown.plan.title), &content))
}

/// `GET /console/plans/{plan}/history/`.
pub(crate) async fn history(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    let shown = find(&visitor, &path, Action::Browse).await?;
    let of = EntityRef::Plan(shown.plan.id);
    let changes = visitor.list(move |source| source.manager.latest_changes(of, VERSIONS)).await?;
    let may_restore = visitor.rights.may(Action::Provision);
    let content = html! {
        (lists::done(&query, &[("saved", "The plan was saved."), ("restored", "The version was restored.")]))
        (head(&visitor, &shown, "history/"))
        section.card {
            div.title {
                h2 { "Who changed the plan, when and why" }
                @if visitor.rights.may(Action::Support) {
                    div.actions { a.button href=(shown.address("revert/")) { "Set licenses back to a moment" } }
                }
            }
            (timeline_with(&changes, |_| None, &|place, change| html! {
                @if may_restore && place > 0 {
                    div { a href={ (shown.address("restore/")) "?version=" (change.version.number) } { "Restore this version" } }
                }
            }))
            @if changes.len() as i64 == VERSIONS { p.quiet { "Only the last " (VERSIONS) " changes are shown." } }
        }
    };
    Ok(layout::page(&visitor, Section::Plans, &format!("{}: history", shown.plan.title), &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let position = LicensePosition {
            id: LicenseId(Uuid::from_u128(7)),
            status: LicenseStatus::Assigned,
            user_email: Some("a~b@example.com".parse().unwrap()),
            activation_date: None,
            last_remind_date: DateTime::from_timestamp_micros(1_900_000_000_123_456),
        };
        assert_eq!(read_position(&position_text(&position)), Some(position));
        for nonsense in ["", "x", "00000000-0000-0000-0000-000000000007~assigned~x~~", "~~~~"] {
            assert_eq!(read_position(nonsense), None, "{nonsense}");
        }
    }
}
