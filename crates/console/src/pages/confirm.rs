//! The page that says what will happen, before it happens.

use actix_web::HttpResponse;
use license_manager_domain::FieldErrors;
use maud::{Markup, html};

use super::license_edit::{MAX_REASON, field, input, reason_errors};
use crate::form::{FORM_TOKEN, Fields};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// Whether people say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// They must.
    Required,
    /// They may.
    Optional,
}

/// What will happen.
pub(crate) struct Preview<'a> {
    pub(crate) section: Section,
    /// The way to the page.
    pub(crate) above: &'a [(String, String)],
    /// What is done.
    pub(crate) title: &'a str,
    /// What it causes.
    pub(crate) told: Markup,
    /// Where the form is sent.
    pub(crate) action: &'a str,
    /// Where "Back" leads.
    pub(crate) back: &'a str,
    /// The words of the button; `None` if there is nothing to do.
    pub(crate) button: Option<String>,
    /// Whether people say why.
    pub(crate) why: Why,
    /// Why it was refused.
    pub(crate) refused: Option<String>,
}

/// Fails unless the form was confirmed, with a reason if one is required. The error has what to show beside its fields,
/// which is nothing the first time.
pub(crate) fn confirmed(fields: &Fields, why: Why) -> Result<(), FieldErrors> {
    if !fields.has("confirmed") {
        return Err(FieldErrors::default());
    }
    if why == Why::Optional && !fields.has("reason") {
        return Ok(());
    }
    let errors = reason_errors(fields);
    if errors.iter().next().is_some() { Err(errors) } else { Ok(()) }
}

/// The page. The form repeats the fields that led to it.
pub(crate) fn preview(visitor: &Visitor, fields: &Fields, errors: &FieldErrors, shown: &Preview<'_>) -> HttpResponse {
    let kept = fields.iter().filter(|(name, _)| ![FORM_TOKEN, "confirmed", "reason"].contains(name));
    let label = match shown.why {
        Why::Required => "Reason",
        Why::Optional => "Reason, if you want to give one",
    };
    let content = html! {
        div {
            @if !shown.above.is_empty() { (crumbs(shown.above)) }
            div.title { h1 { (shown.title) } }
        }
        (layout::refusal(shown.refused.as_deref()))
        (shown.told)
        form.card method="post" action=(shown.action) {
            (token(visitor))
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            @if let Some(button) = &shown.button {
                (field("reason", label, errors, &input(fields, "reason", MAX_REASON)))
                div.title {
                    button.first name="confirmed" value="yes" { (button) }
                    a.button href=(shown.back) { "Back" }
                    span.quiet { "Your name is recorded with it." }
                }
            } @else {
                a.button href=(shown.back) { "Back" }
            }
        }
    };
    layout::page(visitor, shown.section, shown.title, &content)
}
