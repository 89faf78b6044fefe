//! Jobs on whole plans, and bulk enrollments.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{EnrollmentRow, JobRow, Slice};
use license_manager_domain::model::{Enrollees, JobKind};
use maud::{Markup, html};

use super::messages::total;
use super::{PATH, head, require};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::pages::lists::{ROWS, choice, counted, customer_name, number};
use crate::pages::paging::{page_number, pages};
use crate::session::Visitor;

/// `GET /console/operations/jobs/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let slice = Slice { offset: (page - 1) * ROWS, limit: ROWS };
    let jobs = visitor.read(move |console| console.store.job_rows(console.manager.now(), slice)).await?;
    let content = html! {
        (head("jobs/"))
        section #jobs data-live[!jobs.rows.is_empty()] {
            @if jobs.rows.is_empty() {
                p.note.good { "No job runs or waits. Large additions of licenses, and revoking all of a large plan, show here while they go on." }
            } @else {
                div.card.wide { table {
                    thead { tr {
                        th { "Plan" } th { "Job" } th { "Progress" } th { "State" } th { "Asked for" } th { "Last error" }
                    } }
                    tbody { @for job in &jobs.rows { (row(job)) } }
                } }
            }
            (pages(&format!("{PATH}jobs/"), &query, page, jobs.total))
        }
    };
    Ok(layout::page(&visitor, Section::Operations, "Jobs", &content))
}

fn row(job: &JobRow) -> Markup {
    html! {
        tr {
            td.long { a href={ "/console/plans/" (job.plan) "/" } { (job.plan_title) } }
            td { (kind(job.kind)) }
            td { (progress(job)) }
            td {
                @if job.is_claimed { span.state.assigned { "running" } }
                @else if job.attempts > 0 { span.state.revoked { "failed " (counted(job.attempts.into(), "time", "times")) ", next try " (moment(job.not_before)) } }
                @else { span.state { "waiting" } }
            }
            td { (moment(job.requested_at)) " by " (job.requested_by.as_deref().unwrap_or("the service")) }
            td.long { (job.last_error.as_deref().unwrap_or("–")) }
        }
    }
}

/// A job in words.
pub(crate) fn kind(kind: Option<JobKind>) -> &'static str {
    match kind {
        Some(JobKind::Provision) => "Add licenses",
        Some(JobKind::RevokeAll) => "Revoke all licenses",
        Some(JobKind::Freeze) => "Freeze",
        Some(JobKind::DeleteRevoked) => "Delete revoked licenses",
        None => "Of another version",
    }
}

/// How far a job is.
pub(crate) fn progress(job: &JobRow) -> Markup {
    match (job.kind, job.desired) {
        (Some(JobKind::Provision), Some(desired)) => {
            let desired = i64::from(desired);
            html! {
                progress max=(desired.max(1)) value=(job.total.min(desired)) aria-label="Licenses added" {}
                " " (number(job.total)) " of " (number(desired))
            }
        }
        (Some(JobKind::RevokeAll), _) => html! { (number(job.live)) " left to revoke" },
        _ => html! { span.quiet { "–" } },
    }
}

/// `GET /console/operations/enrollments/`.
pub(crate) async fn enrollments(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let slice = Slice { offset: (page - 1) * ROWS, limit: ROWS };
    let only_unfinished = query.has("unfinished");
    let found = visitor.read(move |console| console.store.enrollment_rows(only_unfinished, slice)).await?;
    let goes_on = found.rows.iter().any(|row| !is_done(row));
    let path = format!("{PATH}enrollments/");
    let content = html! {
        (head("enrollments/"))
        form.filters {
            (choice(&query, "unfinished", "State", &[("", "All bulk enrollments"), ("yes", "Not finished")]))
            button { "Show" }
            span.quiet { (total(found.total)) }
        }
        section #enrollments data-live[goes_on] {
            @if found.rows.is_empty() {
                p.note {
                    @if only_unfinished { "Every bulk enrollment is finished. " a href=(path) { "Show all" } }
                    @else { "Nobody has asked for a bulk enrollment yet. Admins do that in their portal." }
                }
            } @else {
                div.card.wide tabindex="0" role="region" aria-label="Bulk enrollments" { table {
                    thead { tr {
                        th { "Customer" } th { "Asked for" } th.number { "Courses" } th.number { "Learners" } th { "State" }
                        th.number { "Enrolled" } th.number { "Pending" } th.number { "Failed" } th { "Last change" }
                    } }
                    tbody { @for row in &found.rows { (enrollment(row)) } }
                } }
            }
        }
        p.quiet { "A bulk enrollment that was given up is a " a href={ (PATH) "?topic=bulk_enrollment" } { "dead letter" } ": try it again there." }
        (pages(&path, &query, page, found.total))
    };
    Ok(layout::page(&visitor, Section::Operations, "Bulk enrollments", &content))
}

fn is_done(row: &EnrollmentRow) -> bool {
    matches!(row.stage.as_str(), "done" | "filed")
}

fn enrollment(row: &EnrollmentRow) -> Markup {
    let (class, state) = match row.stage.as_str() {
        "enrolling" => ("state assigned", "enrolling"),
        "filing" => ("state assigned", "writing the results"),
        _ => ("state activated", "done"),
    };
    html! {
        tr {
            td.long { (customer_name(row.customer_name.as_deref())) }
            td { (moment(row.created)) }
            td.number { (row.enrollment.course_run_keys.len()) }
            td.number {
                @match &row.enrollment.learners {
                    Enrollees::Emails(emails) => (number(emails.len() as i64)),
                    Enrollees::Holders => "all of a plan",
                }
            }
            td { span class=(class) { (state) } }
            td.number { (number(row.numbers.successes)) }
            td.number { (number(row.numbers.pending)) }
            td.number { (number(row.numbers.failures)) }
            td { (moment(row.modified)) }
        }
    }
}
