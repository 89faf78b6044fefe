//! Corrections of a license, with a reason.

use actix_web::{HttpResponse, web};
use license_manager_domain::permissions::Action;
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::{Edit, Email, FieldErrors, LicenseStatus, LmsUserId};
use maud::{Markup, html};

use super::license::{Shown, find};
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The longest reason, in characters.
pub(crate) const MAX_REASON: usize = 100;

/// `GET /console/licenses/{license}/edit/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path).await?;
    visitor.require(Action::Support, shown.row.customer)?;
    let fields = Fields::of([
        ("user_email", shown.row.email.clone().unwrap_or_default()),
        ("lms_user_id", shown.row.lms_user_id.map_or(String::new(), |id| id.to_string())),
        ("source", shown.record.source.clone().unwrap_or_default()),
    ]);
    Ok(page(&visitor, &shown, &fields, &FieldErrors::default(), None))
}

/// `POST /console/licenses/{license}/edit/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path).await?;
    visitor.require(Action::Support, shown.row.customer)?;
    let edit = match edit(&shown, &fields) {
        Ok(edit) => edit,
        Err(errors) => return Ok(page(&visitor, &shown, &fields, &errors, None)),
    };
    let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), shown.row.id);
    let saved = visitor.write(move |console| console.manager.edit_license(&actor, id, edit).map(drop)).await;
    match saved {
        Ok(()) => Ok(redirect(&format!("/console/licenses/{id}/?done=saved"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            Ok(page(&visitor, &shown, &fields, &errors, refused.as_deref()))
        }
    }
}

/// What is wrong with the reason.
pub(crate) fn reason_errors(fields: &Fields) -> FieldErrors {
    match fields.text("reason").map(|reason| reason.chars().count()) {
        None => FieldErrors::one("reason", "Say why. The history shows it."),
        Some(length) if length > MAX_REASON => {
            FieldErrors::one("reason", format!("This may have at most {MAX_REASON} characters."))
        }
        Some(_) => FieldErrors::default(),
    }
}

/// The edit that the fields ask for: only what differs from the license.
fn edit(shown: &Shown, fields: &Fields) -> Result<LicenseEdit, FieldErrors> {
    let mut errors = reason_errors(fields);
    let status = fields.text("status").and_then(|name| LicenseStatus::from_name(&name));
    let mut edit =
        LicenseEdit { status: status.filter(|status| *status != shown.row.status), ..LicenseEdit::default() };
    let typed = fields.text("user_email");
    if typed != shown.row.email {
        match typed.as_deref().map(str::parse::<Email>) {
            Some(Ok(email)) => edit.user_email = Some(email),
            Some(Err(problem)) => errors.add("user_email", problem.to_string()),
            // A license that becomes unassigned loses its holder.
            None if edit.status == Some(LicenseStatus::Unassigned) => {}
            None => errors.add("user_email", "A license with a holder needs an address."),
        }
    }
    let typed = fields.text("lms_user_id");
    if typed != shown.row.lms_user_id.map(|id| id.to_string()) {
        match typed.as_deref().map(|text| text.parse().ok().and_then(LmsUserId::known)) {
            Some(Some(id)) => edit.lms_user_id = Edit::Set(id),
            Some(None) => errors.add("lms_user_id", "An LMS user id is a whole number above 0."),
            None => edit.lms_user_id = Edit::Clear,
        }
    }
    edit.source = Edit::between(&shown.record.source, fields.text("source"));
    if errors.iter().next().is_some() { Err(errors) } else { Ok(edit) }
}

/// The states that a license can go to.
fn next_states(status: LicenseStatus) -> &'static [(LicenseStatus, &'static str)] {
    use LicenseStatus::{Activated, Assigned, Revoked, Unassigned};
    match status {
        Unassigned => {
            &[(Assigned, "Assign: the holder gets a mail"), (Activated, "Activate for the holder, without a mail")]
        }
        Assigned => &[
            (Activated, "Activate"),
            (Unassigned, "Take it from the holder"),
            (Revoked, "Revoke: the plan gets a new free license"),
        ],
        Activated => {
            &[(Unassigned, "Take it from the holder"), (Revoked, "Revoke: it counts against the cap, if there is one")]
        }
        Revoked => &[],
    }
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let address = format!("/console/licenses/{}/", shown.row.id);
    let name = shown.row.email.clone().unwrap_or_else(|| shown.row.id.to_string());
    let states = next_states(shown.row.status);
    let chosen = fields.text("status");
    let content = html! {
        div {
            (crumbs(&[
                ("/console/plans/".to_owned(), "Plans".to_owned()),
                (format!("/console/plans/{}/", shown.row.plan), shown.row.plan_title.clone()),
                (address.clone(), name),
            ]))
            div.title { h1 { "Edit the license" } }
        }
        (layout::refusal(refused))
        form.card method="post" {
            (token(visitor))
            @if !states.is_empty() {
                (field("status", "State", errors, &html! {
                    select #status name="status" {
                        option value="" { "Stays " (shown.row.status) }
                        @for (status, words) in states {
                            option value=(status) selected[chosen.as_deref() == Some(status.as_str())] { (words) }
                        }
                    }
                }))
            }
            (field("user_email", "Holder's email", errors, &input(fields, "user_email", 254)))
            (field("lms_user_id", "Holder's LMS user id", errors, &input(fields, "lms_user_id", 19)))
            (field("source", "Salesforce opportunity: 18 letters and digits", errors, &input(fields, "source", 18)))
            (field("reason", "Reason, for the history", errors, &input(fields, "reason", MAX_REASON)))
            div.title { button.first { "Save" } a.button href=(address) { "Back" } }
        }
    };
    layout::page(visitor, Section::Plans, "Edit the license", &content)
}

/// A text field with its value.
pub(crate) fn input(fields: &Fields, name: &str, length: usize) -> Markup {
    html! { input id=(name) name=(name) maxlength=(length) value=(fields.text(name).unwrap_or_default()) autocomplete="off"; }
}

/// A box to tick.
pub(crate) fn flag(fields: &Fields, name: &str, label: &str) -> Markup {
    html! { div.field { label { input type="checkbox" name=(name) value="yes" checked[fields.has(name)]; " " (label) } } }
}

/// A labelled input with its errors.
pub(crate) fn field(name: &str, label: &str, errors: &FieldErrors, input: &Markup) -> Markup {
    // The form's name of the source differs from that of the use case.
    let own = |field: &str| field == name || (field == "source_id" && name == "source");
    html! {
        div.field {
            label for=(name) { (label) }
            (input)
            @for (_, messages) in errors.iter().filter(|(field, _)| own(field)) {
                @for message in messages { span.wrong role="alert" { (message) } }
            }
        }
    }
}
