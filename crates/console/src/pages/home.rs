//! The first page: what needs attention, and where to mend it.

use actix_web::HttpResponse;
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::console::{
    JobFilters, JobRow, MOST_COUNTED, Part, PlanFilters, PlanOrder, PlanRow, RenewalFilters, RenewalOrder, RenewalRow,
    Slice, Sorting,
};
use license_manager_domain::operations::{OperationSchedule, RunOutcome};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::webhooks::WebhookBacklog;
use license_manager_domain::{Error, words};
use maud::{Markup, html};

use super::lists::{customer_name, number};
use super::operations::{self, jobs, messages, schedule};
use crate::Console;
use crate::dates::{day, moment};
use crate::error::PageError;
use crate::layout::{self, Section};
use crate::session::Visitor;

/// How soon a plan must end, or a renewal take effect, to be shown.
const SOON: Duration = Duration::days(60);

/// The most rows of a card.
const SHOWN: i64 = 8;

/// What ran since this long ago is shown.
const LAST_NIGHT: Duration = Duration::hours(24);

/// What everybody sees, of the customers whom they may see.
struct Shown {
    now: DateTime<Utc>,
    ending: Vec<PlanRow>,
    scarce: Vec<PlanRow>,
    renewals: Vec<RenewalRow>,
    operations: Option<Operations>,
}

/// What operators see.
struct Operations {
    dead_letters: i64,
    waiting: i64,
    webhooks: WebhookBacklog,
    jobs: (i64, Vec<JobRow>),
    schedule: Vec<OperationSchedule>,
}

impl Shown {
    fn read(console: &Console, scope: &CustomerScope, operates: bool) -> Result<Self, Error> {
        let (store, now) = (&console.store, console.manager.now());
        let plans =
            PlanFilters { is_active: Some(true), expires: Some((now, now + SOON)), ..PlanFilters::of(scope.clone()) };
        let renewals = RenewalFilters {
            is_processed: Some(false),
            effective: Some((DateTime::UNIX_EPOCH, now + SOON)),
            ..RenewalFilters::of(scope.clone())
        };
        let (by_end, by_effect) =
            (Sorting::ascending(PlanOrder::Expiration), Sorting::ascending(RenewalOrder::Effective));
        Ok(Self {
            now,
            ending: store.plan_rows(&plans, by_end, Part::first(SHOWN))?.rows,
            scarce: store.scarce_plans(scope, now, SHOWN)?,
            renewals: store.renewal_rows(&renewals, by_effect, Part::first(SHOWN))?.rows,
            operations: operates.then(|| Operations::read(console, now)).transpose()?,
        })
    }
}

impl Operations {
    fn read(console: &Console, now: DateTime<Utc>) -> Result<Self, Error> {
        let backlog = console.manager.backlog(MOST_COUNTED)?;
        let jobs = console.store.job_rows(&JobFilters::default(), now, Slice::new(0, SHOWN))?;
        Ok(Self {
            dead_letters: backlog.iter().map(|(_, backlog)| backlog.dead_lettered).sum(),
            waiting: backlog.iter().map(|(_, backlog)| backlog.waiting).sum(),
            webhooks: console.manager.webhook_backlog(MOST_COUNTED)?,
            jobs: (jobs.total, jobs.rows),
            schedule: console.manager.schedule()?,
        })
    }
}

/// `GET /console/`.
pub(crate) async fn home(visitor: Visitor) -> Result<HttpResponse, PageError> {
    let scope = visitor.scope(Action::Browse)?;
    let operates = visitor.rights.may(Action::Operate);
    let shown = visitor.read(move |console| Shown::read(console, &scope, operates)).await?;
    let content = html! {
        div.title { h1 { "Home" } span.quiet { (moment(shown.now)) " UTC" } }
        div.cards {
            section.card {
                h2 { "Ending within 60 days" }
                (plans(&shown.ending, "No active plan ends soon.", |plan| html! {
                    (day(plan.expiration_date)) br;
                    span.quiet { @if plan.is_renewed { "has a renewal" } @else { "no renewal" } }
                }))
            }
            section.card {
                h2 { "Running out of licenses" }
                (plans(&shown.scarce, "Every current plan has free licenses.", |plan| html! {
                    (number(plan.counts.unassigned)) " of " (number(plan.counts.total())) " free"
                }))
            }
            section.card {
                h2 { "Renewals due" }
                (renewals(&visitor, &shown.renewals, shown.now))
            }
            @if let Some(operations) = &shown.operations { (operations_cards(operations, shown.now)) }
        }
        p { a href="/console/plans/" { "All plans" } " · " a href="/console/customers/" { "All customers" } }
    };
    Ok(layout::page(&visitor, Section::Home, "Home", &content))
}

fn plans(plans: &[PlanRow], empty: &str, told: impl Fn(&PlanRow) -> Markup) -> Markup {
    html! {
        @if plans.is_empty() {
            p.quiet { (empty) }
        } @else {
            table { tbody { @for plan in plans { tr {
                td.long {
                    a href={ "/console/plans/" (plan.id) "/" } { (plan.title) } br;
                    span.quiet { (customer_name(plan.customer_name.as_deref())) }
                }
                td.number { (told(plan)) }
            } } } }
        }
    }
}

fn renewals(visitor: &Visitor, renewals: &[RenewalRow], now: DateTime<Utc>) -> Markup {
    html! {
        @if renewals.is_empty() {
            p.quiet { "No renewal takes effect soon." }
        } @else {
            table { tbody { @for renewal in renewals { tr {
                td.long {
                    @if visitor.rights.may(Action::Browse) {
                        a href={ "/console/renewals/" (renewal.id) "/" } { (renewal.prior_plan_title) }
                    } @else {
                        a href={ "/console/plans/" (renewal.prior_plan) "/" } { (renewal.prior_plan_title) }
                    }
                    br;
                    span.quiet { (customer_name(renewal.customer_name.as_deref())) }
                }
                td.number {
                    (day(renewal.effective_date)) br;
                    @if renewal.effective_date <= now { span.wrong { "overdue" } }
                    @else if renewal.is_exempt { span.quiet { "by hand" } }
                    @else { span.quiet { "by the schedule" } }
                }
            } } } }
        }
    }
}

fn operations_cards(shown: &Operations, now: DateTime<Utc>) -> Markup {
    let Operations { dead_letters, waiting, webhooks, jobs: (total, rows), schedule: entries } = shown;
    let path = operations::PATH;
    let recent: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some((entry.operation, entry.last_run.as_ref()?)))
        .filter(|(_, run)| run.finished >= now - LAST_NIGHT)
        .collect();
    html! {
        section.card {
            h2 { "Deliveries" }
            table { tbody {
                tr { td.long { a href=(path) { "Dead letters" } } td.number { (count(*dead_letters)) } }
                tr { td.long { a href={ (path) "?state=waiting" } { "Messages that wait" } } td.number { (messages::total(*waiting)) } }
                tr {
                    td.long { a href={ (path) "webhooks/" } { "Deliveries to webhooks that were given up" } }
                    td.number { (count(webhooks.deliveries.dead_lettered)) }
                }
                tr { td.long { a href={ (path) "webhooks/" } { "Webhooks that are off" } } td.number { (count(webhooks.off)) } }
            } }
        }
        section.card {
            h2 { "Jobs" }
            @if rows.is_empty() { p.quiet { "No job runs or waits." } }
            @else {
                table { tbody { @for job in rows { tr {
                    td.long { a href={ "/console/plans/" (job.plan) "/" } { (job.plan_title) } br; span.quiet { (jobs::kind(job.kind)) } }
                    td.number { (jobs::progress(job)) }
                } } } }
                p { a href={ (path) "jobs/" } { "All jobs: " (number(*total)) } }
            }
        }
        section.card {
            h2 { "What ran within a day" }
            @if recent.is_empty() {
                p.quiet { "Nothing of the schedule. " a href={ (path) "schedule/" } { "See the schedule" } }
            } @else {
                table { tbody { @for (operation, run) in &recent { tr {
                    td.long { a href={ (path) "schedule/" } { (schedule::words(*operation).0) } br; span.quiet { (moment(run.started)) } }
                    td.number {
                        @match run.outcome {
                            RunOutcome::Complete => span.state.activated { "complete" },
                            RunOutcome::Failed => span.state.revoked { (words::counted(run.summary.failure_count, "failure", "failures")) },
                            RunOutcome::Interrupted => span.state.assigned { "interrupted" },
                        }
                    }
                } } } }
            }
        }
    }
}

/// A number of things that should not be.
fn count(of: i64) -> Markup {
    html! { @if of > 0 { span.wrong { (messages::total(of)) } } @else { "0" } }
}
