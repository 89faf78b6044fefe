//! Trying jobs again, and canceling them: in the list of jobs, and on the page of a plan.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use license_manager_domain::PlanId;
use license_manager_domain::console::{JobFilters, JobRow, Slice};
use license_manager_domain::model::JobKind;
use license_manager_domain::permissions::Action;
use maud::{Markup, html};
use uuid::Uuid;

use super::{PATH as OPERATIONS, above, jobs};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{Section, token};
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::lists::{ROWS, counted};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// Where the forms are sent.
pub(crate) const PATH: &str = "/console/jobs/act/";

/// A job in a form.
pub(super) fn item(kind: JobKind, plan: PlanId) -> String {
    format!("{} {plan}", kind.as_str())
}

/// The job in a form; `None` for anything else.
fn read_item(text: &str) -> Option<(JobKind, PlanId)> {
    let (kind, plan) = text.split_once(' ')?;
    Some((JobKind::from_name(kind)?, PlanId(Uuid::parse_str(plan).ok()?)))
}

/// The plans of the jobs that were selected, by kind.
fn selected(fields: &Fields) -> BTreeMap<JobKind, Vec<PlanId>> {
    let mut selected: BTreeMap<JobKind, Vec<PlanId>> = BTreeMap::new();
    for (kind, plan) in fields.all("item").filter_map(read_item).take(ROWS as usize) {
        selected.entry(kind).or_default().push(plan);
    }
    selected
}

/// What can be done with jobs.
pub(super) fn buttons() -> Markup {
    html! {
        button name="act" value="retry" { "Try again now" }
        button.grave name="act" value="cancel" { "Cancel" }
    }
}

/// The forms for a job on the page of its plan.
pub(crate) fn of_plan(visitor: &Visitor, job: &JobRow) -> Markup {
    html! {
        @if let Some(kind) = job.kind {
            form.filters method="post" action=(PATH) {
                (token(visitor))
                input type="hidden" name="item" value=(item(kind, job.plan));
                input type="hidden" name="from_plan" value=(job.plan);
                @if job.attempts > 0 { button name="act" value="retry" { "Try again now" } }
                button.grave name="act" value="cancel" { "Cancel the job" }
            }
        }
    }
}

/// What a form before has done.
pub(super) fn done(query: &Fields) -> Markup {
    let number = query.text("number").and_then(|text| text.parse().ok());
    let words = query.text("done").zip(number).and_then(|(what, number)| match what.as_str() {
        "retry" => Some(counted(number, "job is being tried again.", "jobs are being tried again.")),
        "cancel" => Some(counted(number, "job was canceled.", "jobs were canceled.")),
        _ => None,
    });
    html! { @if let Some(words) = words { p.note.good role="status" { (words) } } }
}

/// Where the form came from.
fn back(fields: &Fields) -> String {
    match fields.text("from_plan").and_then(|id| Uuid::parse_str(&id).ok()) {
        Some(plan) => format!("/console/plans/{plan}/"),
        None => format!("{OPERATIONS}jobs/"),
    }
}

/// `POST /console/jobs/act/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn act(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    if !visitor.rights.may(Action::Support) {
        return Err(PageError::Forbidden);
    }
    let cancels = match fields.text("act").as_deref() {
        Some("retry") => false,
        Some("cancel") => true,
        _ => return Err(PageError::BadForm("Say what to do: try again or cancel.")),
    };
    let why = if cancels { Why::Required } else { Why::Optional };
    let selected = selected(&fields);
    let Err(errors) = confirmed(&fields, why) else {
        return perform(&visitor, &fields, cancels, selected).await;
    };
    let filters = JobFilters { plans: Some(selected.values().flatten().copied().collect()), ..JobFilters::default() };
    // Each of these plans may have a job of every kind.
    let slice = Slice::new(0, ROWS * JobKind::ALL.len() as i64);
    let found = visitor.read(move |console| console.store.job_rows(&filters, console.manager.now(), slice)).await?;
    let is_meant =
        |job: &JobRow| job.kind.and_then(|kind| selected.get(&kind)).is_some_and(|plans| plans.contains(&job.plan));
    let found: Vec<JobRow> = found.rows.into_iter().filter(is_meant).collect();
    let number = found.len() as i64;
    let verb = if cancels { "Cancel" } else { "Try again:" };
    let (title, above) = match fields.has("from_plan") {
        true => ("The job of the plan", vec![(back(&fields), "The plan".to_owned())]),
        false => ("Jobs", above("jobs/", "Jobs")),
    };
    let shown = Preview {
        section: if fields.has("from_plan") { Section::Plans } else { Section::Operations },
        above: &above,
        title: &format!("{title}: look before it happens"),
        told: told(&found, cancels),
        action: PATH,
        back: &back(&fields),
        button: (number > 0).then(|| format!("{verb} {}", counted(number, "job", "jobs"))),
        why,
        refused: None,
    };
    Ok(preview(&visitor, &fields, &errors, &shown))
}

/// What will happen to these jobs.
fn told(found: &[JobRow], cancels: bool) -> Markup {
    let number = found.len() as i64;
    html! {
        @if found.is_empty() {
            p.note { "No job is selected, or the selected ones are done meanwhile. Nothing happens." }
        } @else if cancels {
            p.note.bad { b { (counted(number, "job is", "jobs are")) " given up. " }
                "What was done stays as it is, and no more is done. Ask for it again on the plan's page." }
        } @else {
            p.note { b { (counted(number, "job is", "jobs are")) " tried again at once" }
                ", with all tries. A job that runs already goes on. It fails again if the reason is still there." }
        }
        @if !found.is_empty() {
            ul { @for job in found { li {
                b { (jobs::kind(job.kind)) } ", " (job.plan_title) ": " (jobs::progress(job))
                @if job.attempts > 0 { "; " (jobs::failure(job)) }
            } } }
        }
    }
}

/// There are few kinds, and a statement does it for all plans of a kind.
async fn perform(
    visitor: &Visitor,
    fields: &Fields,
    cancels: bool,
    selected: BTreeMap<JobKind, Vec<PlanId>>,
) -> Result<HttpResponse, PageError> {
    let actor = visitor.actor(fields.text("reason").as_deref());
    let number = visitor
        .write(move |console| {
            let mut number = 0;
            for (kind, plans) in selected {
                number += match cancels {
                    true => console.manager.cancel_jobs(&actor, kind, &plans)?,
                    false => console.manager.retry_jobs(&actor, kind, &plans)?,
                };
            }
            Ok(number)
        })
        .await?;
    visitor.console.host.wake_jobs();
    let done = if cancels { "cancel" } else { "retry" };
    Ok(redirect(&format!("{}?done={done}&number={number}", back(fields))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_jobs_are_read_by_kind() {
        let plan = PlanId(Uuid::from_u128(7));
        assert_eq!(read_item(&item(JobKind::Freeze, plan)), Some((JobKind::Freeze, plan)));
        let form = format!("item=freeze+{plan}&item=provision+{plan}&item=burn+{plan}&item=freeze&item=");
        let selected = selected(&Fields::parse(form.as_bytes()));
        assert_eq!(selected, BTreeMap::from([(JobKind::Freeze, vec![plan]), (JobKind::Provision, vec![plan])]));
    }
}
