//! Jobs on whole plans.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{JobFilters, JobRow, Slice};
use license_manager_domain::model::JobKind;
use maud::{Markup, html};

use super::messages::total;
use super::{PATH, head, job_actions, require};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, token};
use crate::pages::lists::{ROWS, choice, counted, number, search_input, select_all};
use crate::pages::paging::{page_number, pages};
use crate::session::Visitor;

/// The fields of the filters.
const FILTERS: [&str; 3] = ["title", "kind", "state"];

/// What the list shows.
fn filters(fields: &Fields) -> JobFilters {
    JobFilters {
        title: fields.text("title"),
        kind: fields.text("kind").and_then(|name| JobKind::from_name(&name)),
        has_failed: match fields.text("state").as_deref() {
            Some("failed") => Some(true),
            Some("going") => Some(false),
            _ => None,
        },
        plans: None,
    }
}

/// `GET /console/operations/jobs/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let (filters, slice) = (filters(&query), Slice::new((page - 1) * ROWS, ROWS));
    let jobs = visitor.read(move |console| console.store.job_rows(&filters, console.manager.now(), slice)).await?;
    let mut kinds: Vec<(&str, &str)> = JobKind::ALL.into_iter().map(|of| (of.as_str(), kind(Some(of)))).collect();
    kinds.insert(0, ("", "Every job"));
    let path = format!("{PATH}jobs/");
    let content = html! {
        (job_actions::done(&query))
        (head("jobs/"))
        form.filters {
            (search_input(&query, "title", "Plan's title"))
            (choice(&query, "kind", "Job", &kinds))
            (choice(&query, "state", "State", &[("", "Failed or not"), ("failed", "Failed"), ("going", "Not failed")]))
            button { "Show" }
            span.quiet { (total(jobs.total)) }
        }
        section #jobs data-live[!jobs.rows.is_empty()] {
            @if jobs.rows.is_empty() {
                p.note.good {
                    @if FILTERS.iter().any(|name| query.has(name)) { "No such job goes on. " a href=(path) { "Show all" } }
                    @else { "No job runs or waits. Large additions of licenses, revoking or reminding all of a large plan, and actions on several plans show here while they go on." }
                }
            } @else {
                form method="post" action=(job_actions::PATH) {
                    (token(&visitor))
                    (table(&jobs.rows))
                    div.selected {
                        b data-selected="" role="status" { "Select jobs" }
                        (job_actions::buttons())
                    }
                }
            }
        }
        (pages(&path, &query, page, jobs.total))
    };
    Ok(layout::page(&visitor, Section::Operations, "Jobs", &content))
}

fn table(jobs: &[JobRow]) -> Markup {
    html! {
        div.card.wide tabindex="0" role="region" aria-label="Jobs" { table {
            thead { tr {
                (select_all())
                th { "Plan" } th { "Job" } th { "Progress" } th { "State" } th { "Asked for" } th { "Reason" }
            } }
            tbody { @for job in jobs { (row(job)) } }
        } }
    }
}

fn row(job: &JobRow) -> Markup {
    html! {
        tr {
            td {
                @if let Some(known) = job.kind {
                    input type="checkbox" name="item" value=(job_actions::item(known, job.plan))
                        aria-label={ "Select: " (kind(job.kind)) ", " (job.plan_title) };
                }
            }
            td.long { a href={ "/console/plans/" (job.plan) "/" } { (job.plan_title) } }
            td { (kind(job.kind)) }
            td { (progress(job)) }
            td.long {
                @if job.is_claimed { span.state.assigned { "running" } }
                @else if job.attempts > 0 { span.state.revoked { (failure(job)) } }
                @else { span.state { "waiting" } }
            }
            td { (moment(job.requested_at)) " by " (job.requested_by.as_deref().unwrap_or("the service")) }
            td.long { (job.reason.as_deref().unwrap_or("–")) }
        }
    }
}

/// How often a job failed, why, and when it goes on.
pub(crate) fn failure(job: &JobRow) -> Markup {
    html! {
        "failed " (counted(job.attempts.into(), "time", "times")) ", next try " (moment(job.not_before)) " UTC"
        @if let Some(error) = &job.last_error { ": " (error) }
    }
}

/// A job in words.
pub(crate) fn kind(kind: Option<JobKind>) -> &'static str {
    match kind {
        Some(JobKind::Provision) => "Add licenses",
        Some(JobKind::RevokeAll) => "Revoke all licenses",
        Some(JobKind::Freeze) => "Freeze",
        Some(JobKind::DeleteRevoked) => "Delete revoked licenses",
        Some(JobKind::Remind) => "Remind learners",
        None => "Of another version",
    }
}

/// How far a job is.
pub(crate) fn progress(job: &JobRow) -> Markup {
    let left = |licenses: i64, words: &str| html! { (number(licenses)) " " (words) };
    match (job.kind, job.desired) {
        (Some(JobKind::Provision), Some(desired)) => {
            let (total, desired) = (job.counts.total(), i64::from(desired));
            html! {
                progress max=(desired.max(1)) value=(total.min(desired)) aria-label="Licenses added" {}
                " " (number(total)) " of " (number(desired))
            }
        }
        (Some(JobKind::RevokeAll), _) => left(job.counts.allocated(), "left to revoke"),
        (Some(JobKind::Freeze), _) => left(job.counts.unassigned, "left to delete"),
        (Some(JobKind::DeleteRevoked), _) => left(job.counts.revoked, "left to delete"),
        (Some(JobKind::Remind), _) => html! { "mails are being added" },
        _ => html! { span.quiet { "–" } },
    }
}
