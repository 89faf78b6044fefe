//! Bulk enrollments: how far they are, why one waits, and their results.

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::console::{EnrollmentFilters, EnrollmentRow, EnrollmentTry, Slice};
use license_manager_domain::model::Enrollees;
use license_manager_domain::{EnrollmentJobId, Entity, Error};
use maud::{Markup, html};
use uuid::Uuid;

use super::messages::total;
use super::{PATH, above, head, no_customer, require, unknown_customer};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, crumbs, token};
use crate::pages::lists::{self, Sorted, choice, counted, customer_name, number};
use crate::pages::paging::{page_number, pages, slice};
use crate::session::Visitor;

/// The address of a bulk enrollment's page, or of something below it.
fn address(id: EnrollmentJobId, below: &str) -> String {
    format!("{PATH}enrollments/{id}/{below}")
}

/// `GET /console/operations/enrollments/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let sorted = Sorted { fields: &query, usual: "-asked" };
    let slice = slice(page, sorted);
    let filters =
        EnrollmentFilters { id: None, customer: query.text("customer"), is_unfinished: query.yes_or_no("unfinished") };
    let found = visitor.read(move |console| console.store.enrollment_rows(&filters, slice)).await?;
    let goes_on = found.rows.iter().any(|row| !is_done(row));
    let unknown = if found.rows.is_empty() { unknown_customer(&visitor, &query).await? } else { None };
    let path = format!("{PATH}enrollments/");
    let content = html! {
        (head("enrollments/"))
        form.filters {
            (lists::search_input(&query, "customer", "Customer"))
            (choice(&query, "unfinished", "State", &[("", "Finished or not"), ("yes", "Not finished"), ("no", "Finished")]))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
            span.quiet { (total(found.total)) }
        }
        section #enrollments data-live[goes_on] {
            @if found.rows.is_empty() {
                p.note {
                    @if let Some(customer) = &unknown { (no_customer(customer)) a href=(path) { "Show all" } }
                    @else if query.has("customer") || query.has("unfinished") { "No such bulk enrollment. " a href=(path) { "Show all" } }
                    @else { "Nobody has asked for a bulk enrollment yet. Admins do that in their portal." }
                }
            } @else {
                (table(&found.rows, sorted))
            }
        }
        (pages(&path, &query, page, found.total))
    };
    Ok(layout::page(&visitor, Section::Operations, "Bulk enrollments", &content))
}

fn table(rows: &[EnrollmentRow], sorted: Sorted<'_>) -> Markup {
    html! {
        div.card.wide tabindex="0" role="region" aria-label="Bulk enrollments" { table {
            thead { tr {
                th { "Customer" } (sorted.heading("asked", "Asked for")) th.number { "Courses" } th.number { "Learners" } th { "State" }
                th.number { "Enrolled" } th.number { "Pending" } th.number { "Failed" } th { "Last change" } th { span.hidden { "Open" } }
            } }
            tbody { @for row in rows { tr {
                td.long { (customer_name(row.customer_name.as_deref())) }
                td { (moment(row.created)) }
                td.number { (row.enrollment.course_run_keys.len()) }
                td.number { (learners(row)) }
                td.long { (state(row)) }
                td.number { (number(row.numbers.successes)) }
                td.number { (number(row.numbers.pending)) }
                td.number { (number(row.numbers.failures)) }
                td { (moment(row.modified)) }
                td { a href=(address(row.id, "")) { "Open" } }
            } } }
        } }
    }
}

fn is_done(row: &EnrollmentRow) -> bool {
    matches!(row.stage.as_str(), "done" | "filed")
}

fn learners(row: &EnrollmentRow) -> Markup {
    html! {
        @match &row.enrollment.learners {
            Enrollees::Emails(emails) => (number(emails.len() as i64)),
            Enrollees::Holders => "all of a plan",
        }
    }
}

/// How far it is, and why it does not go on.
fn state(row: &EnrollmentRow) -> Markup {
    let (class, words) = match row.stage.as_str() {
        "enrolling" => ("state assigned", "enrolling"),
        "filing" => ("state assigned", "writing the results"),
        _ => ("state activated", "done"),
    };
    html! {
        @match &row.waiting {
            Some(EnrollmentTry { given_up: Some(_), .. }) => span.state.revoked { "given up" },
            Some(waiting) if waiting.attempts > 0 => span.state.revoked { "failed " (counted(waiting.attempts.into(), "time", "times")) },
            None if !is_done(row) => span.state.revoked { "dropped" },
            _ => span class=(class) { (words) },
        }
    }
}

/// The bulk enrollment in the path, for who looks after the service.
async fn find(visitor: &Visitor, path: &str) -> Result<EnrollmentRow, PageError> {
    require(visitor)?;
    let id = Uuid::parse_str(path).map(EnrollmentJobId).map_err(|_| PageError::NotFound)?;
    let filters = EnrollmentFilters { id: Some(id), ..EnrollmentFilters::default() };
    let slice = Slice::new(0, 1);
    let found = visitor.read(move |console| console.store.enrollment_rows(&filters, slice)).await?;
    found.rows.into_iter().next().ok_or(PageError::NotFound)
}

/// `GET /console/operations/enrollments/{job}/`.
pub(crate) async fn enrollment(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let row = find(&visitor, &path).await?;
    let request = &row.enrollment;
    let done = row.numbers.successes + row.numbers.pending + row.numbers.failures;
    let content = html! {
        div {
            (crumbs(&above("enrollments/", "Bulk enrollments")))
            div.title {
                h1 { "Bulk enrollment of " (customer_name(row.customer_name.as_deref())) }
                @if is_done(&row) && !request.is_imported() {
                    div.actions { a.button.first href=(address(row.id, "csv/")) download { "Download the results" } }
                }
            }
        }
        section #enrollment data-live[!is_done(&row)] {
            section.card { dl {
                dt { "State" } dd { (state(&row)) }
                dt { "Results so far" } dd {
                    @if let Enrollees::Emails(emails) = &request.learners {
                        @let all = (emails.len() * request.course_run_keys.len()) as i64;
                        progress max=(all.max(1)) value=(done.min(all)) aria-label="Enrollments" {}
                        " " (number(done)) " of " (number(all)) ": "
                    } @else { (number(done)) ": " }
                    (number(row.numbers.successes)) " enrolled, " (number(row.numbers.pending)) " pending until the learner has an account, "
                    (number(row.numbers.failures)) " failed"
                }
                dt { "Asked for" } dd { (moment(row.created)) " UTC" }
                dt { "Last change" } dd { (moment(row.modified)) " UTC" }
                dt { "Learners" } dd { (learners(&row)) @if !request.notify { ", without a mail" } }
                dt { "Licenses" } dd {
                    @if let Some(plan) = request.plan { "of one plan: " a.mono href={ "/console/plans/" (plan) "/" } { (plan) } }
                    @else { "of any plan of the customer" }
                }
                dt { "Courses" } dd { ul { @for key in &request.course_run_keys { li.mono { (key) } } } }
                dt { "Id" } dd.mono { (row.id) }
            } }
            (delivery(&visitor, &row))
        }
    };
    Ok(layout::page(&visitor, Section::Operations, "Bulk enrollment", &content))
}

/// What is still to be done, and what somebody can do about it.
fn delivery(visitor: &Visitor, row: &EnrollmentRow) -> Markup {
    html! {
        @match &row.waiting {
            Some(waiting) => section.card {
                h2 { "What is still to be done" }
                @if let Some(given_up) = waiting.given_up {
                    p.wrong { "It was given up on " (moment(given_up)) " UTC, after too many failures." }
                } @else {
                    p { "It goes on by itself. Next try: " (moment(waiting.not_before)) " UTC." }
                }
                @if waiting.attempts > 0 { p { "It failed " (counted(waiting.attempts.into(), "time", "times")) " one after another." } }
                @if let Some(error) = &waiting.last_error { p { "Last error: " (error) } }
                @if waiting.attempts > 0 || waiting.given_up.is_some() {
                    form.filters method="post" action={ (PATH) "messages/act/" } {
                        (token(visitor))
                        input type="hidden" name="item" value=(waiting.message);
                        input type="hidden" name="enrollment" value=(row.id);
                        button.first name="act" value="retry" { "Try again now" }
                        @if waiting.given_up.is_some() { button.grave name="act" value="drop" { "Drop it" } }
                    }
                }
            },
            None if !is_done(row) => p.note.bad {
                "Its message was dropped: it does not go on. The customer's admin can ask for another bulk enrollment; who is enrolled already stays so."
            },
            None => {},
        }
    }
}

/// `GET /console/operations/enrollments/{job}/csv/`: the results, once it is done.
pub(crate) async fn csv(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let row = find(&visitor, &path).await?;
    let (customer, id) = (row.customer, row.id);
    let results = visitor
        .read(move |console| {
            let results = console.manager.enrollment_results(customer, id)?;
            results.ok_or(Error::NotFound(Entity::EnrollmentJob))
        })
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"bulk-enrollment-{id}.csv\"")))
        .body(results))
}
