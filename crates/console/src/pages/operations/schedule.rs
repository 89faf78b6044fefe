//! The schedule: what runs when, how it went, and running it now.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RecurringOperation, RunOutcome};
use license_manager_domain::words::counted;
use maud::{Markup, html};

use super::{PATH, above, head, require};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::lists::number;
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// What an operation does, in words: its name, and what a run causes.
pub(crate) fn words(operation: RecurringOperation) -> (&'static str, &'static str) {
    use RecurringOperation as Operation;
    match operation {
        Operation::ProcessRenewals => (
            "Process renewals",
            "Renewals that take effect soon are processed: their plans are made, and licenses are copied to them.",
        ),
        Operation::ExpireSubscriptions => (
            "Expire plans",
            "Of plans that ended since the last complete run, paid enrollments end in the LMS, and events are sent.",
        ),
        Operation::UnlinkExpiredLicenses => (
            "Unlink learners",
            "Learners whose licenses expired long ago are unlinked from the customers of the settings.",
        ),
        Operation::RetireOldLicenses => (
            "Remove old personal data",
            "Licenses whose time is over lose the address of their holder, as each agreement says. This cannot be undone.",
        ),
        Operation::ProcessAutoScalablePlans => {
            ("Scale plans", "Plans of customers with auto-scaling that are nearly used up get more licenses.")
        }
        Operation::SendLicenseUtilizationEmails => {
            ("Send utilization mails", "Admins get the mails about the utilization of their plans that are due.")
        }
        Operation::TriggerEventForLicenses => (
            "Send events after 180 days",
            "Events are sent about licenses that were activated 180 days ago, for the customers of the settings.",
        ),
        Operation::ValidateNumCatalogQueries => (
            "Check catalogs",
            "The catalog service is asked whether catalogs have queries of their own. Nothing is changed.",
        ),
        Operation::Backup => (
            "Back up",
            "The SQLite database is copied to the place of the settings, and the oldest copies there are removed.",
        ),
    }
}

/// `GET /console/operations/schedule/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let (schedule, is_importing) =
        visitor.read(|console| Ok((console.manager.schedule()?, console.manager.is_importing()?))).await?;
    let goes_on = schedule.iter().any(|entry| entry.running_since.is_some() || entry.requested.is_some());
    let content = html! {
        @if let Some(asked) = query.text("asked").and_then(|name| RecurringOperation::from_name(&name)) {
            p.note.good role="status" { "“" (words(asked).0) "” was asked for. It begins within a few seconds where the schedule runs." }
        }
        (head("schedule/"))
        @if !visitor.console.runs_schedule {
            p.note { "This server does not run the schedule: its setting LM_SCHEDULE__ENABLED is off. What you ask for begins as soon as a "
                "server or worker with that setting is up." }
        }
        @if is_importing {
            p.note { "This database is imported again from another service, which runs the operations. Until "
                code { "license-manager import --finish" } ", only backups run here." }
        }
        section #schedule data-live[goes_on] {
            div.card.wide { table {
                thead { tr { th { "Operation" } th { "Runs" } th { "Next" } th { "Last run" } th { "Result" } th { span.hidden { "Run now" } } } }
                tbody { @for entry in &schedule { (row(&visitor, entry)) } }
            } }
        }
        p.quiet { "Times are UTC. The settings of the schedule say when something runs; “Run now” changes nothing of that." }
    };
    Ok(layout::page(&visitor, Section::Operations, "Schedule", &content))
}

fn row(visitor: &Visitor, entry: &OperationSchedule) -> Markup {
    let (name, _) = words(entry.operation);
    html! {
        tr {
            td.long { b { (name) } br; span.quiet.mono { (entry.operation.as_str()) } }
            td { @if let Some(expression) = &entry.expression { span.mono { (expression) } } @else { span.quiet { "not scheduled" } } }
            td {
                @if let Some(since) = entry.running_since { span.state.assigned { "running since " (moment(since)) } }
                @else if let Some(since) = entry.requested { span.state { "asked for " (moment(since)) } }
                @else if let Some(next) = entry.next_run { (moment(next)) }
                @else { span.quiet { "–" } }
            }
            td { @if let Some(run) = &entry.last_run { (moment(run.started)) } @else { span.quiet { "never" } } }
            td.long { @if let Some(run) = &entry.last_run { (result(run)) } @else { span.quiet { "–" } } }
            td {
                @if entry.requested.is_none() {
                    form method="post" action={ (PATH) "schedule/run/" } {
                        (token(visitor))
                        input type="hidden" name="operation" value=(entry.operation.as_str());
                        button aria-label={ "Run now: " (name) } { "Run now" }
                    }
                }
            }
        }
    }
}

/// How a run ended.
pub(crate) fn result(run: &FinishedRun) -> Markup {
    let (class, word) = match run.outcome {
        RunOutcome::Complete => ("state activated", "complete"),
        RunOutcome::Failed => ("state revoked", "failed"),
        RunOutcome::Interrupted => ("state assigned", "interrupted"),
    };
    let counts: Vec<String> = run
        .summary
        .counts
        .iter()
        .map(|(name, count)| format!("{}: {}", name.replace('_', " "), number(*count)))
        .collect();
    html! {
        span class=(class) { (word) }
        @if !counts.is_empty() { br; span.quiet { (counts.join(", ")) } }
        @if run.summary.failure_count > 0 {
            details {
                summary { (counted(run.summary.failure_count, "failure", "failures")) }
                ul { @for failure in &run.summary.failures { li { (failure.about) ": " (failure.message) } } }
            }
        }
    }
}

/// `POST /console/operations/schedule/run/`: shows what a run does, or asks for it once that was confirmed.
pub(crate) async fn run(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let named = fields.text("operation").and_then(|name| RecurringOperation::from_name(&name));
    let operation = named.ok_or(PageError::BadForm("Say which operation to run."))?;
    let Err(errors) = confirmed(&fields, Why::Optional) else {
        let actor = visitor.actor(fields.text("reason").as_deref());
        visitor.write(move |console| console.manager.request_run(&actor, operation)).await?;
        return Ok(redirect(&format!("{PATH}schedule/?asked={}", operation.as_str())));
    };
    let (name, causes) = words(operation);
    let told = html! {
        p.note { (causes) }
        p { "It runs once, on a server or worker that runs the schedule, with the settings of the schedule. If it runs already, it runs "
            "once more afterwards. You see the result in the list." }
    };
    let title = format!("Run now: {name}");
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::Operations,
            above: &above("schedule/", "Schedule"),
            title: &title,
            told,
            action: &format!("{PATH}schedule/run/"),
            back: &format!("{PATH}schedule/"),
            button: Some("Run it now".to_owned()),
            why: Why::Optional,
            refused: None,
        },
    ))
}
