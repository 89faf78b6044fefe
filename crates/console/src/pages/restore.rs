//! Restoring an earlier version of a plan or an agreement, with a look at what would change.

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::history::FieldChange;
use license_manager_domain::permissions::Action;
use license_manager_domain::use_cases::EarlierVersion;
use license_manager_domain::{CustomerAgreement, Error, FieldErrors};
use maud::{Markup, html};

use super::agreement_terms::{self, find as find_agreement};
use super::assign::head;
use super::history::{label, value, why};
use super::license_edit::{MAX_REASON, field, input, reason_errors};
use super::lists::customer_name;
use super::plan::{Shown, find};
use super::plan_edit;
use super::plan_form::{read_reason, reason};
use super::sign_in::redirect;
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// What is refused where somebody else was quicker.
const MEANWHILE: &str =
    "Somebody else has changed it meanwhile. Nothing was restored: look again at what would change.";

/// The number of the version that the fields name.
fn number(fields: &Fields) -> Result<i64, PageError> {
    fields.text("version").and_then(|text| text.parse().ok()).ok_or(PageError::NotFound)
}

/// `GET /console/plans/{plan}/restore/?version=…`.
pub(crate) async fn plan(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let fields = Fields::of_query(&request);
    let (shown, earlier) = earlier_plan(&visitor, &path, &fields).await?;
    Ok(plan_page(&visitor, &shown, &earlier, &fields, &FieldErrors::default(), None))
}

/// `POST /console/plans/{plan}/restore/`.
pub(crate) async fn restore_plan(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (shown, earlier) = earlier_plan(&visitor, &path, &fields).await?;
    let again = |errors: &FieldErrors, refused: Option<&str>| {
        Ok(plan_page(&visitor, &shown, &earlier, &fields, errors, refused))
    };
    if fields.text("present").as_deref() != Some(&plan_edit::version(&shown.plan)) {
        return again(&FieldErrors::default(), Some(MEANWHILE));
    }
    let mut errors = FieldErrors::default();
    let Some(reason) = read_reason(&fields, &mut errors) else { return again(&errors, None) };
    let (actor, id, number) = (visitor.actor(None), shown.plan.id, earlier.version.number);
    let restored = visitor.provision(move |manager| manager.restore_plan(&actor, reason, id, number).map(drop));
    match restored.await {
        Ok(()) => Ok(redirect(&shown.address("history/?done=restored"))),
        Err(PageError::Domain(
            error @ (Error::Invalid(_) | Error::Refused(_) | Error::Conflict(_) | Error::UnknownReference { .. }),
        )) => again(&FieldErrors::default(), Some(&error.to_string())),
        Err(error) => Err(error),
    }
}

async fn earlier_plan(visitor: &Visitor, path: &str, fields: &Fields) -> Result<(Shown, EarlierVersion), PageError> {
    let shown = find(visitor, path, Action::Browse).await?;
    visitor.require(Action::Provision, shown.agreement.customer)?;
    let (id, number) = (shown.plan.id, number(fields)?);
    let earlier = visitor.read(move |console| console.manager.earlier_plan(id, number)).await?;
    Ok((shown, earlier))
}

fn plan_page(
    visitor: &Visitor,
    shown: &Shown,
    earlier: &EarlierVersion,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let desired = earlier.version.row.number("desired_num_licenses").unwrap_or(0);
    let missing = desired - shown.counts.total();
    let content = html! {
        (head(shown, "Restore an earlier version: look before it happens"))
        (layout::refusal(refused))
        (compared(earlier))
        @if missing > 0 && shown.plan.last_freeze_timestamp.is_none() {
            p.note { (super::lists::counted(missing, "license is missing to that number, and is", "licenses are missing to that number, and are")) " added." }
        }
        p.quiet { "The plan's licenses stay as they are." }
        form.card method="post" {
            (token(visitor))
            input type="hidden" name="version" value=(earlier.version.number);
            input type="hidden" name="present" value=(plan_edit::version(&shown.plan));
            @if !earlier.changes.is_empty() { (reason(fields, errors)) }
            div.title {
                @if !earlier.changes.is_empty() { button.first { "Restore" } }
                a.button href=(shown.address("history/")) { "Back" }
            }
        }
    };
    layout::page(visitor, Section::Plans, "Restore an earlier version", &content)
}

/// `GET /console/customers/{agreement}/restore/?version=…`.
pub(crate) async fn agreement(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let fields = Fields::of_query(&request);
    let (agreement, earlier) = earlier_agreement(&visitor, &path, &fields).await?;
    Ok(agreement_page(&visitor, &agreement, &earlier, &fields, &FieldErrors::default(), None))
}

/// `POST /console/customers/{agreement}/restore/`.
pub(crate) async fn restore_agreement(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (agreement, earlier) = earlier_agreement(&visitor, &path, &fields).await?;
    let again = |errors: &FieldErrors, refused: Option<&str>| {
        Ok(agreement_page(&visitor, &agreement, &earlier, &fields, errors, refused))
    };
    if fields.text("present").as_deref() != Some(&agreement_terms::version(&agreement)) {
        return again(&FieldErrors::default(), Some(MEANWHILE));
    }
    let errors = reason_errors(&fields);
    if errors.iter().next().is_some() {
        return again(&errors, None);
    }
    let actor = visitor.actor(fields.text("reason").as_deref());
    let (id, number) = (agreement.id, earlier.version.number);
    let restored = visitor.provision(move |manager| manager.restore_agreement(&actor, id, number).map(drop));
    match restored.await {
        Ok(()) => Ok(redirect(&format!("/console/customers/{id}/?done=restored"))),
        Err(PageError::Domain(error @ (Error::Invalid(_) | Error::Refused(_) | Error::Conflict(_)))) => {
            again(&FieldErrors::default(), Some(&error.to_string()))
        }
        Err(error) => Err(error),
    }
}

async fn earlier_agreement(
    visitor: &Visitor,
    path: &str,
    fields: &Fields,
) -> Result<(CustomerAgreement, EarlierVersion), PageError> {
    let agreement = find_agreement(visitor, path).await?;
    visitor.require(Action::Provision, agreement.customer)?;
    let (id, number) = (agreement.id, number(fields)?);
    let earlier = visitor.read(move |console| console.manager.earlier_agreement(id, number)).await?;
    Ok((agreement, earlier))
}

fn agreement_page(
    visitor: &Visitor,
    agreement: &CustomerAgreement,
    earlier: &EarlierVersion,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let address = format!("/console/customers/{}/", agreement.id);
    let name = customer_name(agreement.customer_name.as_deref().or(agreement.customer_slug.as_deref())).to_owned();
    let content = html! {
        div {
            (crumbs(&[("/console/customers/".to_owned(), "Customers".to_owned()), (address.clone(), name)]))
            div.title { h1 { "Restore an earlier version: look before it happens" } }
        }
        (layout::refusal(refused))
        (compared(earlier))
        p.quiet { "The message on expired plans, and the plan that gives licenses to learners who log in, stay as they are." }
        form.card method="post" {
            (token(visitor))
            input type="hidden" name="version" value=(earlier.version.number);
            input type="hidden" name="present" value=(agreement_terms::version(agreement));
            @if !earlier.changes.is_empty() {
                (field("reason", "Reason, for the history", errors, &input(fields, "reason", MAX_REASON)))
            }
            div.title {
                @if !earlier.changes.is_empty() { button.first { "Restore" } }
                a.button href=(address) { "Back" }
            }
        }
    };
    layout::page(visitor, Section::Customers, "Restore an earlier version", &content)
}

/// What restoring a version would change, and what would stay.
fn compared(earlier: &EarlierVersion) -> Markup {
    let EarlierVersion { version, changes, kept, .. } = earlier;
    html! {
        p.quiet {
            "The version of " (moment(version.at)) " UTC, by " (version.by.as_deref().unwrap_or("the service"))
            @if let Some(reason) = &version.reason { ": " (why(reason)) }
        }
        @if changes.is_empty() {
            p.note { "This version is like the present one: there is nothing to restore." }
        } @else {
            (table("Becomes", changes))
        }
        @if !kept.is_empty() {
            p.note { "These happened since, and stay as they are now:" }
            (table("Was then", kept))
        }
    }
}

fn table(heading: &str, changes: &[FieldChange]) -> Markup {
    html! {
        div.card.wide tabindex="0" role="region" aria-label=(heading) { table {
            thead { tr { th { "Field" } th { "Now" } th { (heading) } } }
            tbody { @for change in changes { tr {
                td.long { (label(change.field)) }
                td.long { (value(&change.from)) }
                td.long { (value(&change.to)) }
            } } }
        } }
    }
}
