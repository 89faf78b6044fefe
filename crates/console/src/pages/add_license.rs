//! Adding one license to a plan.

use actix_web::{HttpResponse, web};
use license_manager_domain::permissions::Action;
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::{Email, FieldErrors, LicenseStatus};
use maud::html;

use super::assign::head;
use super::license_edit::{MAX_REASON, field, input, reason_errors};
use super::plan::{Shown, find};
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// The plan in the path, for who may add licenses by hand.
async fn permitted(visitor: &Visitor, path: &str) -> Result<Shown, PageError> {
    let shown = find(visitor, path, Action::ManageSeats).await?;
    visitor.require(Action::Support, shown.agreement.customer)?;
    Ok(shown)
}

/// `GET /console/plans/{plan}/add/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let shown = permitted(&visitor, &path).await?;
    Ok(page(&visitor, &shown, &Fields::default(), &FieldErrors::default(), None))
}

/// `POST /console/plans/{plan}/add/`.
pub(crate) async fn add(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = permitted(&visitor, &path).await?;
    let mut errors = reason_errors(&fields);
    let mut edit = LicenseEdit { source: fields.text("source").into(), ..LicenseEdit::default() };
    if let Some(text) = fields.text("user_email") {
        edit.status = Some(LicenseStatus::Assigned);
        match text.parse::<Email>() {
            Ok(email) => edit.user_email = Some(email),
            Err(problem) => errors.add("user_email", problem.to_string()),
        }
    }
    if errors.iter().next().is_some() {
        return Ok(page(&visitor, &shown, &fields, &errors, None));
    }
    let (actor, plan) = (visitor.actor(fields.text("reason").as_deref()), shown.plan.id);
    let added = visitor.write(move |console| Ok(console.manager.add_license(&actor, plan, edit)?.license.id)).await;
    match added {
        Ok(id) => Ok(redirect(&format!("/console/licenses/{id}/?done=made"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            Ok(page(&visitor, &shown, &fields, &errors, refused.as_deref()))
        }
    }
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let content = html! {
        (head(shown, "Add a license"))
        (layout::refusal(refused))
        p { "The plan gets one more license, also if it is frozen. With an address it is assigned at once, and the learner gets a mail." }
        form.card method="post" {
            (token(visitor))
            (field("user_email", "Holder's email; empty for a free license", errors, &input(fields, "user_email", 254)))
            (field("source", "Salesforce opportunity: 18 letters and digits, or empty", errors, &input(fields, "source", 18)))
            (field("reason", "Reason, for the history", errors, &input(fields, "reason", MAX_REASON)))
            div.title { button.first { "Add the license" } a.button href=(shown.address("")) { "Back" } }
        }
    };
    layout::page(visitor, Section::Plans, "Add a license", &content)
}
