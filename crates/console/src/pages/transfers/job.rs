//! A transfer: what it would move, running it, and the way back.

use std::collections::HashSet;

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::console::LicenseRow;
use license_manager_domain::history::{ChangeKind, EntityRef};
use license_manager_domain::model::{HeldTwice, TransferOrder, TransferRun, TransferredLicenses};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::use_cases::{HistoricChange, TransferChanges};
use license_manager_domain::{
    Conflict, Error, FieldErrors, LicenseId, LicenseTransferJob, SubscriptionPlan, TransferJobId,
};
use maud::{Markup, html};

use super::form::{MAX_NOTES, days};
use super::{PATH, require};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::history::{SILENT, timeline};
use crate::pages::license_edit::{field, input};
use crate::pages::lists::{self, counted, number, person_link};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The most licenses that are shown.
const SHOWN: i64 = 200;

/// The most versions that are shown.
const VERSIONS: i64 = 50;

/// A transfer as its page shows it.
struct Shown {
    job: LicenseTransferJob,
    /// The plan that licenses leave, and the one they get to.
    plans: (SubscriptionPlan, SubscriptionPlan),
    /// The licenses of the last run.
    licenses: Vec<LicenseRow>,
    history: Vec<HistoricChange>,
}

impl Shown {
    fn address(&self, below: &str) -> String {
        format!("{PATH}{}/{below}", self.job.id)
    }

    fn title(&self) -> String {
        format!("Transfer {}", self.job.id)
    }
}

fn id_in(path: &str) -> Result<TransferJobId, PageError> {
    path.parse().map(TransferJobId).map_err(|_| PageError::NotFound)
}

async fn find(visitor: &Visitor, path: &str) -> Result<Shown, PageError> {
    let id = id_in(path)?;
    visitor
        .read(move |console| {
            let job = console.manager.transfer_job(id)?;
            let plan = |id| Ok::<_, Error>(console.manager.plan(id)?.details.plan);
            let plans = (plan(job.order.old_plan)?, plan(job.order.new_plan)?);
            let moved = job.runs.last().map(|run| run.modified_licenses.as_slice()).unwrap_or_default();
            let licenses = console.store.license_rows(moved, SHOWN)?;
            let part = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: VERSIONS });
            let history = console.manager.history(EntityRef::TransferJob(id), part)?.items;
            Ok(Shown { job, plans, licenses, history })
        })
        .await
}

/// `GET /console/transfers/{job}/`.
pub(crate) async fn job(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    visitor.require_everywhere(Action::Browse)?;
    let shown = find(&visitor, &path).await?;
    let query = Fields::of_query(&request);
    let told = html! {
        @match query.text("done").as_deref() {
            Some("moved") => p.note.good role="status" { "The licenses were moved." },
            Some("noted") => p.note.good role="status" { "The notes were saved." },
            _ => {},
        }
        @if query.has("reversed") { p.note.good role="status" { "This transfer moves the same licenses back. Nothing has moved yet: this is what would move." } }
        @else if query.has("made") { p.note.good role="status" { "The transfer was made. Nothing has moved yet: this is what would move." } }
    };
    Ok(page(&visitor, &shown, &told))
}

fn page(visitor: &Visitor, shown: &Shown, told: &Markup) -> HttpResponse {
    let Shown { job, plans: (old, new), licenses, history } = shown;
    let order = &job.order;
    let last = job.runs.last();
    let (is_done, works) = (job.completed_at.is_some(), visitor.rights.may(Action::Support));
    let notes = Fields::of([("notes", order.notes.clone().unwrap_or_default())]);
    let content = html! {
        (told)
        div {
            (crumbs(&[(PATH.to_owned(), "Transfers".to_owned())]))
            div.title {
                h1 { (shown.title()) }
                @if is_done { span.state.activated { "Done" } } @else { span.state.assigned { "Not done yet" } }
                div.actions {
                    @if !works {}
                    @else if is_done {
                        form method="post" action=(shown.address("reverse/")) { (token(visitor)) button { "Make the way back" } }
                    } @else {
                        form method="post" action=(shown.address("try/")) { (token(visitor)) button { "Look at what would move" } }
                        @if last.is_some_and(|run| !run.modified_licenses.is_empty()) {
                            form method="post" action=(shown.address("run/")) { (token(visitor)) button.first { "Move the licenses" } }
                        }
                        form method="post" action=(shown.address("delete/")) { (token(visitor)) button.grave { "Delete" } }
                    }
                }
            }
        }
        section.card { dl {
            dt { "From" } dd { a href={ "/console/plans/" (old.id) "/" } { (old.title) } " " span.quiet { (days(old)) } }
            dt { "To" } dd { a href={ "/console/plans/" (new.id) "/" } { (new.title) } " " span.quiet { (days(new)) } }
            dt { "Whom" } dd {
                @match &order.licenses {
                    TransferredLicenses::All => "all licenses of the plan",
                    TransferredLicenses::Named(ids) => { (counted(ids.len() as i64, "license", "licenses")) " by id" }
                }
            }
            @if let Some(at) = job.completed_at { dt { "Moved" } dd { (moment(at)) " UTC" } }
            @if !works { dt { "Notes" } dd { (order.notes.as_deref().unwrap_or("–")) } }
        } }
        @if let Some(run) = last { (result(run, order, licenses)) }
        @else { p.note { "It is not known yet what would move. To look changes nothing, and shows every license." } }
        @if works {
            form.card method="post" action=(shown.address("notes/")) {
                (token(visitor))
                (field("notes", "Notes", &FieldErrors::default(), &input(&notes, "notes", MAX_NOTES)))
                button { "Save the notes" }
            }
        }
        section.card {
            h2 { "History of the transfer" }
            (timeline(history, dry_run_headline))
        }
    };
    layout::page(visitor, Section::Transfers, &shown.title(), &content)
}

/// A dry run changes no field that people see.
fn dry_run_headline(change: &HistoricChange) -> Option<String> {
    let is_silent = change.changes.iter().all(|change| SILENT.contains(&change.field));
    (change.version.kind == ChangeKind::Changed && is_silent).then(|| "Looked at what would move".to_owned())
}

/// What the last run moved or would move, and what stays.
fn result(run: &TransferRun, order: &TransferOrder, licenses: &[LicenseRow]) -> Markup {
    let moved = run.modified_licenses.len() as i64;
    let staying = match &order.licenses {
        TransferredLicenses::All => Vec::new(),
        TransferredLicenses::Named(ids) => {
            ids.iter().filter(|id| run.modified_licenses.binary_search(id).is_err()).collect()
        }
    };
    html! {
        section {
            h2 {
                @if run.is_dry_run { "What would move, looked at " } @else { "What moved " }
                (moment(run.completed_at)) " UTC"
            }
            p class=(if moved == 0 { "note" } else { "note good" }) {
                b { (counted(moved, "license", "licenses")) }
                @if run.is_dry_run { " would move, each with its holder and state." } @else { " moved." }
                @if moved > SHOWN { " The first " (SHOWN) " are shown." }
            }
            @if !staying.is_empty() {
                details.note open[staying.len() <= 10] {
                    summary { (counted(staying.len() as i64, "of the ids stays where it is", "of the ids stay where they are")) }
                    p { "No live license of the plan has such an id: it is revoked, free, in another plan, or unknown." }
                    ul { @for id in staying.iter().take(SHOWN as usize) { li.mono { a href={ "/console/licenses/" (id) "/" } { (id) } } } }
                }
            }
        }
        @if !licenses.is_empty() { (lists::licenses(licenses)) }
    }
}

/// `POST /console/transfers/{job}/try/`: a dry run.
pub(crate) async fn dry_run(
    Submitted { visitor, .. }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let id = id_in(&path)?;
    looked_at(&visitor, id, "").await
}

/// Makes a dry run, and leads to what it found or shows why nothing can move.
pub(super) async fn looked_at(visitor: &Visitor, id: TransferJobId, query: &str) -> Result<HttpResponse, PageError> {
    let actor = visitor.actor(None);
    match visitor.write(move |console| console.manager.process_transfer_job(&actor, id, Some(true)).map(drop)).await {
        Ok(()) => Ok(redirect(&format!("{PATH}{id}/{query}"))),
        Err(PageError::Domain(Error::Conflict(conflict))) => {
            let shown = find(visitor, &id.to_string()).await?;
            Ok(page(visitor, &shown, &refusal(visitor, &shown.job.order, &conflict)))
        }
        Err(error) => Err(error),
    }
}

/// Why nothing moves: who would hold two licenses, and the way to leave them out.
fn refusal(visitor: &Visitor, order: &TransferOrder, conflict: &Conflict) -> Markup {
    let held: &[HeldTwice] = match conflict {
        Conflict::LiveLicense(held) => held,
        _ => &[],
    };
    html! {
        div.note.bad role="alert" {
            @if held.is_empty() { p { (conflict.to_string()) } }
            @else {
                p { b { "Nothing can move: " (counted(held.len() as i64, "person", "people")) " would hold two live licenses of the new plan." }
                    " Leave their licenses out, or revoke one of the two." }
                ul { @for held in held.iter().take(SHOWN as usize) { li {
                    (person_link(held.email.as_str())) " · " a href={ "/console/licenses/" (held.license) "/" } { "the license that would move" }
                } } }
                (without(visitor, order, held))
            }
        }
    }
}

/// The button that makes a transfer of the other licenses.
fn without(visitor: &Visitor, order: &TransferOrder, held: &[HeldTwice]) -> Markup {
    let TransferredLicenses::Named(ids) = &order.licenses else { return html! {} };
    let held: HashSet<LicenseId> = held.iter().map(|held| held.license).collect();
    let rest: Vec<String> = ids.iter().filter(|id| !held.contains(*id)).map(LicenseId::to_string).collect();
    html! {
        @if !rest.is_empty() {
            form method="post" action={ (PATH) "new/" } {
                (token(visitor))
                input type="hidden" name="agreement" value=(order.agreement);
                input type="hidden" name="old_subscription_plan" value=(order.old_plan);
                input type="hidden" name="new_subscription_plan" value=(order.new_plan);
                input type="hidden" name="notes" value=(order.notes.as_deref().unwrap_or_default());
                textarea hidden name="license_uuids" aria-label="Ids of licenses" { (rest.join("\n")) }
                button { "Make a transfer without them" }
            }
        }
    }
}

/// `POST /console/transfers/{job}/run/`: shows what will happen, or moves the licenses once that was confirmed.
pub(crate) async fn run(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let shown = find(&visitor, &path).await?;
    let id = shown.job.id;
    let (errors, refused) = match confirmed(&fields, Why::Required) {
        Ok(()) => {
            let actor = visitor.actor(fields.text("reason").as_deref());
            let done =
                visitor.write(move |console| console.manager.process_transfer_job(&actor, id, Some(false)).map(drop));
            match done.await {
                Ok(()) => return Ok(redirect(&shown.address("?done=moved"))),
                Err(PageError::Domain(Error::Conflict(conflict))) => {
                    let again = find(&visitor, &path).await?;
                    return Ok(page(&visitor, &again, &refusal(&visitor, &again.job.order, &conflict)));
                }
                Err(PageError::Domain(error @ Error::Refused(_))) => (FieldErrors::default(), Some(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Err(errors) => (errors, None),
    };
    let (old, new) = &shown.plans;
    let looked = shown.job.runs.last();
    let moved = looked.map_or(0, |run| run.modified_licenses.len() as i64);
    let told = html! {
        p.note {
            b { (counted(moved, "license moves", "licenses move")) } " from " b { (old.title) } " to " b { (new.title) }
            ", as they were looked at" @if let Some(run) = looked { " " (moment(run.completed_at)) " UTC" } ". "
            "What has changed since counts: licenses that were revoked since stay. Learners keep their licenses; what they can take follows the new plan."
        }
        (lists::licenses(&shown.licenses))
    };
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::Transfers,
            above: &[(PATH.to_owned(), "Transfers".to_owned()), (shown.address(""), shown.title())],
            title: "Move the licenses",
            told,
            action: &shown.address("run/"),
            back: &shown.address(""),
            button: Some(format!("Move {}", number(moved))),
            why: Why::Required,
            refused,
        },
    ))
}

/// `POST /console/transfers/{job}/reverse/`: makes the job that moves the same licenses back.
pub(crate) async fn reverse(
    Submitted { visitor, .. }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let id = id_in(&path)?;
    let actor = visitor.actor(None);
    let made = visitor.write(move |console| {
        let job = console.manager.transfer_job(id)?;
        let moved = job.runs.iter().rev().find(|run| !run.is_dry_run).map(|run| run.modified_licenses.clone());
        let order = TransferOrder {
            agreement: job.order.agreement,
            old_plan: job.order.new_plan,
            new_plan: job.order.old_plan,
            notes: Some(format!("The way back of transfer {id}")),
            is_dry_run: true,
            licenses: TransferredLicenses::Named(moved.unwrap_or_default()),
        };
        Ok(console.manager.create_transfer_job(&actor, &order)?.id)
    });
    match made.await {
        Ok(made) => looked_at(&visitor, made, "?reversed=yes").await,
        Err(PageError::Domain(error @ (Error::Invalid(_) | Error::UnknownReference { .. }))) => {
            let shown = find(&visitor, &path).await?;
            let told = html! { p.note.bad role="alert" { "There is no way back: " (error.to_string()) } };
            Ok(page(&visitor, &shown, &told))
        }
        Err(error) => Err(error),
    }
}

/// `POST /console/transfers/{job}/notes/`.
pub(crate) async fn notes(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let id = id_in(&path)?;
    let notes = fields.text("notes").map(|notes| notes.chars().take(MAX_NOTES).collect::<String>());
    let (actor, changes) = (visitor.actor(None), TransferChanges { notes: notes.into(), ..TransferChanges::default() });
    visitor.write(move |console| console.manager.update_transfer_job(&actor, id, &changes)).await?;
    Ok(redirect(&format!("{PATH}{id}/?done=noted")))
}

/// `POST /console/transfers/{job}/delete/`: shows what will happen, or deletes the job once that was confirmed.
pub(crate) async fn delete(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let shown = find(&visitor, &path).await?;
    let id = shown.job.id;
    let (errors, refused) = match confirmed(&fields, Why::Required) {
        Ok(()) => {
            let actor = visitor.actor(fields.text("reason").as_deref());
            match visitor.write(move |console| console.manager.delete_transfer_job(&actor, id)).await {
                Ok(()) => return Ok(redirect(&format!("{PATH}?deleted=yes"))),
                Err(PageError::Domain(error @ Error::Refused(_))) => (FieldErrors::default(), Some(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Err(errors) => (errors, None),
    };
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::Transfers,
            above: &[(PATH.to_owned(), "Transfers".to_owned()), (shown.address(""), shown.title())],
            title: "Delete the transfer",
            told: html! { p.note { "The transfer has moved nothing. Its order and its dry runs are deleted; the history of it stays." } },
            action: &shown.address("delete/"),
            back: &shown.address(""),
            button: shown.job.completed_at.is_none().then(|| "Delete it".to_owned()),
            why: Why::Required,
            refused,
        },
    ))
}
