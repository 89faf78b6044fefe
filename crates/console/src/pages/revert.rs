//! Setting the licenses of a plan back to a moment, with a look at what would change.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use license_manager_domain::history::FieldChange;
use license_manager_domain::permissions::Action;
use license_manager_domain::use_cases::{LeftAlone, Reverted};
use license_manager_domain::{Error, FieldErrors, LicenseId, LicenseStatus, RevertRequest};
use maud::{Markup, html};
use uuid::Uuid;

use super::assign::head;
use super::confirm::{Preview, Why, confirmed, preview};
use super::history::{SILENT, label, value};
use super::license_edit::field;
use super::lists::{counted, number};
use super::plan::{Shown, find};
use super::seats::selected_ids;
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section};
use crate::session::Visitor;

/// The most licenses whose changes are shown.
const SHOWN: usize = 100;

/// The plan in the path, for who may set it back.
async fn permitted(visitor: &Visitor, path: &str) -> Result<Shown, PageError> {
    let shown = find(visitor, path, Action::Browse).await?;
    visitor.require(Action::Support, shown.agreement.customer)?;
    Ok(shown)
}

/// `GET /console/plans/{plan}/revert/`: the form; licenses can be named in the query.
pub(crate) async fn form(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let shown = permitted(&visitor, &path).await?;
    Ok(page(&visitor, &shown, &Fields::of_query(&request), &FieldErrors::default(), None))
}

/// The moment in the form.
fn moment_in(fields: &Fields) -> Result<DateTime<Utc>, FieldErrors> {
    let text = fields.text("as_of").ok_or_else(|| FieldErrors::one("as_of", "Say to which moment."))?;
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let read = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let moment = read.map(|moment| moment.and_utc());
    moment.ok_or_else(|| FieldErrors::one("as_of", "A moment is written as 2030-01-31T12:00:00, in UTC."))
}

/// The licenses that the form names; `None` for all.
fn licenses_in(fields: &Fields) -> Result<Option<Vec<LicenseId>>, FieldErrors> {
    let texts: Vec<&str> = fields
        .all("license")
        .flat_map(|text| text.split(|c: char| c.is_whitespace() || c == ','))
        .filter(|word| !word.is_empty())
        .collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let ids: Result<Vec<LicenseId>, _> = texts.iter().map(|text| Uuid::parse_str(text).map(LicenseId)).collect();
    ids.map(Some)
        .map_err(|_| FieldErrors::one("license", "Paste ids of licenses, one on each line, or nothing for all."))
}

/// `POST /console/plans/{plan}/revert/`: shows what would change, or sets the licenses back once that was confirmed.
pub(crate) async fn revert(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = permitted(&visitor, &path).await?;
    // Licenses that were selected in the list come without a moment.
    if fields.all("as_of").next().is_none() {
        let ids = selected_ids(&visitor, shown.plan.id, &fields, &LicenseStatus::ALL).await?;
        let fields = Fields::of_pairs(ids.iter().map(|id| ("license", id.to_string())).collect());
        return Ok(page(&visitor, &shown, &fields, &FieldErrors::default(), None));
    }
    let (as_of, licenses) = match (moment_in(&fields), licenses_in(&fields)) {
        (Ok(as_of), Ok(licenses)) => (as_of, licenses),
        (Err(errors), _) | (_, Err(errors)) => return Ok(page(&visitor, &shown, &fields, &errors, None)),
    };
    let request = RevertRequest { plan: shown.plan.id, licenses, as_of, dry_run: true };
    let Err(errors) = confirmed(&fields, Why::Required) else {
        let actor = visitor.actor(fields.text("reason").as_deref());
        let request = RevertRequest { dry_run: false, ..request };
        let done = visitor.write(move |console| Ok(console.manager.revert(&actor, &request)?.changed.len()));
        return match done.await {
            Ok(changed) => Ok(redirect(&format!("{}?done=reverted&number={changed}", shown.address("")))),
            Err(error) => refused(&visitor, &shown, &fields, error),
        };
    };
    let actor = visitor.actor(None);
    let found = match visitor.read(move |console| console.manager.revert(&actor, &request)).await {
        Ok(found) => found,
        Err(error) => return refused(&visitor, &shown, &fields, error),
    };
    let changed = found.changed.len() as i64;
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::Plans,
            above: &[("/console/plans/".to_owned(), "Plans".to_owned()), (shown.address(""), shown.plan.title.clone())],
            title: "Set licenses back: look before it happens",
            told: told(&found, as_of),
            action: &shown.address("revert/"),
            back: &shown.address("revert/"),
            button: (changed > 0).then(|| format!("Set {} back", number(changed))),
            why: Why::Required,
            refused: None,
        },
    ))
}

/// Shows why nothing was changed, where people can mend it.
fn refused(visitor: &Visitor, shown: &Shown, fields: &Fields, error: PageError) -> Result<HttpResponse, PageError> {
    match error {
        PageError::Domain(Error::Invalid(errors)) => {
            // The names of the use case's fields differ from the form's.
            let mut named = FieldErrors::default();
            for (field, messages) in errors.iter() {
                let name = if field == "license_uuids" { "license" } else { field };
                messages.iter().for_each(|message| named.add(name, message.clone()));
            }
            Ok(page(visitor, shown, fields, &named, None))
        }
        PageError::Domain(error @ (Error::Refused(_) | Error::Conflict(_))) => {
            Ok(page(visitor, shown, fields, &FieldErrors::default(), Some(&error.to_string())))
        }
        error => Err(error),
    }
}

/// What would change.
fn told(found: &Reverted, as_of: DateTime<Utc>) -> Markup {
    let changed = found.changed.len();
    html! {
        @if changed == 0 {
            p.note { "No license differs from " (as_of.format("%Y-%m-%d %H:%M:%S")) " UTC. Nothing would change." }
        } @else {
            p.note {
                b { (counted(changed as i64, "license becomes as it was", "licenses become as they were")) " at " (as_of.format("%Y-%m-%d %H:%M:%S")) " UTC" }
                ": state, holder, dates and key. Nobody gets a mail."
                @if found.removed > 0 { " " (counted(found.removed, "free license is", "free licenses are")) " deleted, because as many revoked ones come back." }
                @if found.added > 0 { " " (counted(found.added, "free license is", "free licenses are")) " added, because as many are revoked." }
            }
            div.card.wide { table {
                thead { tr { th { "License" } th { "What changes" } } }
                tbody { @for (id, fields) in found.changed.iter().take(SHOWN) { tr {
                    td.mono { a href={ "/console/licenses/" (id) "/" } { (id) } }
                    td.long { ul { @for change in fields { (line(change)) } } }
                } } }
            } }
            @if changed > SHOWN { p.quiet { "The first " (SHOWN) " are shown." } }
        }
        @if !found.left_alone.is_empty() {
            details.note {
                summary { (counted(found.left_alone.len() as i64, "license that was written since stays as it is", "licenses that were written since stay as they are")) }
                ul { @for (id, why) in found.left_alone.iter().take(SHOWN) { li {
                    a.mono href={ "/console/licenses/" (id) "/" } { (id) } ": " (reason(*why))
                } } }
            }
        }
    }
}

fn line(change: &FieldChange) -> Markup {
    let is_shown = change.from != change.to && !SILENT.contains(&change.field);
    html! { @if is_shown { li { (label(change.field)) ": " (value(&change.from)) " → " (value(&change.to)) } } }
}

fn reason(why: LeftAlone) -> &'static str {
    match why {
        LeftAlone::DidNotExist => "it did not exist then",
        LeftAlone::InAnotherPlan => "it was in another plan then; a transfer brings it back",
        LeftAlone::HolderRetired => "its holder was retired since, so their address is gone",
        LeftAlone::Unchanged => "it was then as it is now",
    }
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let named: Vec<&str> = fields.all("license").filter(|text| !text.is_empty()).collect();
    let content = html! {
        (head(shown, "Set licenses back to a moment"))
        (layout::refusal(refused))
        p { "After a mistake, licenses of the plan get back the state, holder, dates and key that they had. The plan keeps its size." }
        form.card method="post" action=(shown.address("revert/")) {
            (crate::layout::token(visitor))
            (field("as_of", "Moment, in UTC", errors, &html! {
                input #as_of type="datetime-local" step="1" name="as_of" value=(fields.text("as_of").unwrap_or_default());
            }))
            (field("license", "Ids of licenses, one on each line; empty for all of the plan", errors, &html! {
                textarea #license name="license" rows="4" spellcheck="false" { (named.join("\n")) }
            }))
            div.title { button.first { "Look at what would change" } a.button href=(shown.address("")) { "Back" } }
        }
    };
    layout::page(visitor, Section::Plans, "Set licenses back", &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_ids_are_read_as_people_write_them() {
        let of = |form: &str| moment_in(&Fields::parse(form.as_bytes()));
        let noon = DateTime::from_timestamp(1_896_091_200, 0).unwrap();
        assert_eq!(of("as_of=2030-01-31T12:00"), Ok(noon));
        assert_eq!(of("as_of=2030-01-31+12:00:00"), Ok(noon));
        assert!(of("as_of=yesterday").is_err() && of("").is_err());
        let ids = |form: &str| licenses_in(&Fields::parse(form.as_bytes()));
        assert_eq!(ids("license="), Ok(None));
        let id = Uuid::from_u128(1);
        assert_eq!(ids(&format!("license={id}%0A{id}")).unwrap().unwrap().len(), 2);
        assert!(ids("license=amy").is_err());
    }
}
