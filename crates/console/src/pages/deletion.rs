//! Deleting a plan or an agreement that was made by mistake, with a reason.

use actix_web::{HttpResponse, web};
use license_manager_domain::permissions::Action;
use license_manager_domain::{AgreementId, Error, FieldErrors, PlanId};
use maud::{Markup, html};

use super::agreement_terms::find as find_agreement;
use super::license_edit::{MAX_REASON, field, input, reason_errors};
use super::lists::{counted, customer_name};
use super::plan::find;
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// Something that may be deleted.
struct Deletion {
    section: Section,
    /// What it is: "plan".
    what: &'static str,
    name: String,
    /// Its page.
    address: String,
    /// What goes with it.
    consequences: String,
    /// Why it stays.
    refused: Option<String>,
}

/// Whether a use case would delete it: `None`, or why not.
fn refusal(checked: Result<(), Error>) -> Result<Option<String>, Error> {
    match checked {
        Ok(()) => Ok(None),
        Err(Error::Refused(refusal)) => Ok(Some(refusal.to_string())),
        Err(error) => Err(error),
    }
}

async fn of_plan(visitor: &Visitor, path: &str) -> Result<(PlanId, Deletion), PageError> {
    let shown = find(visitor, path, Action::Browse).await?;
    visitor.require(Action::Support, shown.agreement.customer)?;
    let id = shown.plan.id;
    let refused = visitor.read(move |console| refusal(console.manager.check_deletion_of_plan(id))).await?;
    let deletion = Deletion {
        section: Section::Plans,
        what: "plan",
        address: shown.address(""),
        name: shown.plan.title,
        consequences: {
            let licenses = counted(
                shown.counts.unassigned,
                "license, which nobody ever had, goes",
                "licenses, which nobody ever had, go",
            );
            format!("Its {licenses} with it.")
        },
        refused,
    };
    Ok((id, deletion))
}

async fn of_agreement(visitor: &Visitor, path: &str) -> Result<(AgreementId, Deletion), PageError> {
    let agreement = find_agreement(visitor, path).await?;
    visitor.require(Action::Support, agreement.customer)?;
    let id = agreement.id;
    let refused = visitor.read(move |console| refusal(console.manager.check_deletion_of_agreement(id))).await?;
    let deletion = Deletion {
        section: Section::Customers,
        what: "agreement",
        address: format!("/console/customers/{id}/"),
        name: customer_name(agreement.customer_name.as_deref().or(agreement.customer_slug.as_deref())).to_owned(),
        consequences: "Its message on expired plans goes with it.".to_owned(),
        refused,
    };
    Ok((id, deletion))
}

/// `GET /console/plans/{plan}/delete/`.
pub(crate) async fn plan(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let (_, deletion) = of_plan(&visitor, &path).await?;
    Ok(page(&visitor, &deletion, &Fields::default(), &FieldErrors::default()))
}

/// `POST /console/plans/{plan}/delete/`.
pub(crate) async fn delete_plan(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (id, deletion) = of_plan(&visitor, &path).await?;
    let errors = reason_errors(&fields);
    if errors.iter().next().is_some() {
        return Ok(page(&visitor, &deletion, &fields, &errors));
    }
    let actor = visitor.actor(fields.text("reason").as_deref());
    let deleted = visitor.write(move |console| console.manager.delete_plan(&actor, id)).await;
    done(&visitor, deletion, &fields, deleted, "/console/plans/")
}

/// `GET /console/customers/{agreement}/delete/`.
pub(crate) async fn agreement(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let (_, deletion) = of_agreement(&visitor, &path).await?;
    Ok(page(&visitor, &deletion, &Fields::default(), &FieldErrors::default()))
}

/// `POST /console/customers/{agreement}/delete/`.
pub(crate) async fn delete_agreement(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (id, deletion) = of_agreement(&visitor, &path).await?;
    let errors = reason_errors(&fields);
    if errors.iter().next().is_some() {
        return Ok(page(&visitor, &deletion, &fields, &errors));
    }
    let actor = visitor.actor(fields.text("reason").as_deref());
    let deleted = visitor.write(move |console| console.manager.delete_agreement(&actor, id)).await;
    done(&visitor, deletion, &fields, deleted, "/console/customers/")
}

fn done(
    visitor: &Visitor,
    deletion: Deletion,
    fields: &Fields,
    deleted: Result<(), PageError>,
    list: &str,
) -> Result<HttpResponse, PageError> {
    match deleted {
        Ok(()) => Ok(redirect(&format!("{list}?done=deleted"))),
        Err(PageError::Domain(Error::Refused(refusal))) => {
            let deletion = Deletion { refused: Some(refusal.to_string()), ..deletion };
            Ok(page(visitor, &deletion, fields, &FieldErrors::default()))
        }
        Err(error) => Err(error),
    }
}

fn page(visitor: &Visitor, deletion: &Deletion, fields: &Fields, errors: &FieldErrors) -> HttpResponse {
    let Deletion { section, what, name, address, consequences, refused } = deletion;
    let title = format!("Delete the {what}");
    let list = match section {
        Section::Plans => ("/console/plans/".to_owned(), "Plans".to_owned()),
        _ => ("/console/customers/".to_owned(), "Customers".to_owned()),
    };
    let content: Markup = html! {
        div {
            (crumbs(&[list, (address.clone(), name.clone())]))
            div.title { h1 { (title) } }
        }
        @if let Some(refused) = refused {
            p.note.bad role="alert" { (refused) }
            p { a.button href=(address) { "Back" } }
        } @else {
            p.note.bad { b { (name) " is deleted for good." } " " (consequences) " Its history stays." }
            form.card method="post" {
                (token(visitor))
                (field("reason", "Reason, for the history", errors, &input(fields, "reason", MAX_REASON)))
                div.title { button.grave { (title) } a.button href=(address) { "Back" } }
            }
        }
    };
    layout::page(visitor, *section, &title, &content)
}
