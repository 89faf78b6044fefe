//! Reminding and revoking: of the selected licenses or of all that match, with a look at what will happen.

use actix_web::{HttpResponse, web};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, LicenseFilter, LicenseSearch, StoreExt};
use license_manager_domain::{
    Email, Error, LicenseCounts, LicenseId, LicenseSelection, LicenseStatus, PlanId, ReminderMail,
};
use maud::html;
use uuid::Uuid;

use super::assign::head;
use super::lists::{counted, number};
use super::plan::{Shown, filter, find};
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// The most licenses that a form names one by one.
pub(super) const MAX_NAMED: usize = 10_000;

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Remind,
    Revoke,
}

/// Whose licenses, and how many there are of each status.
struct Selected {
    whose: LicenseSelection,
    counts: LicenseCounts,
}

/// `POST /console/plans/{plan}/act/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn act(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::ManageSeats).await?;
    let act = match fields.text("act").as_deref() {
        Some("remind") => Act::Remind,
        Some("revoke") => Act::Revoke,
        _ => return Err(PageError::BadForm("Say what to do: remind or revoke.")),
    };
    let selected = selected(&visitor, &shown, &fields).await?;
    if !fields.has("confirmed") {
        return Ok(previewed(&visitor, &shown, &fields, act, &selected, None));
    }
    let (actor, plan, whose) = (visitor.actor(None), shown.plan.id, selected.whose.clone());
    let done = visitor.write(move |console| match act {
        Act::Remind => console.manager.remind(&actor, plan, &whose, &ReminderMail::default()),
        Act::Revoke => Ok(console.manager.revoke(&actor, plan, &whose)?.revoked.len()),
    });
    let word = match act {
        Act::Remind => "reminded",
        Act::Revoke => "revoked",
    };
    let done = done.await;
    visitor.console.host.wake_jobs();
    match done {
        Ok(number) => Ok(redirect(&format!("{}?done={word}&number={number}", back(&shown, &fields)))),
        Err(PageError::Domain(error @ Error::Refused(_))) => {
            Ok(previewed(&visitor, &shown, &fields, act, &selected, Some(&error.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// Where the form came from: the page of a license, or of the plan.
fn back(shown: &Shown, fields: &Fields) -> String {
    let license = fields.all("license").next().filter(|_| fields.has("from_license"));
    match license.and_then(|id| Uuid::parse_str(id).ok()) {
        Some(license) => format!("/console/licenses/{license}/"),
        None => shown.address(""),
    }
}

/// The live licenses that the form selects, and how many it names that are not live.
async fn selected(visitor: &Visitor, shown: &Shown, fields: &Fields) -> Result<Selected, PageError> {
    let plan = shown.plan.id;
    if fields.has("all") {
        let mut filter: LicenseFilter = filter(fields);
        let live = |status: &LicenseStatus| LicenseStatus::LIVE.contains(status);
        filter.statuses = filter.statuses.map(|statuses| statuses.into_iter().filter(live).collect());
        let counted = filter.clone();
        let counts = visitor.read(move |console| console.manager.license_overview(plan, &counted)).await?;
        return Ok(Selected { whose: LicenseSelection::Matching(filter), counts });
    }
    let ids = named(fields);
    let found =
        visitor.read(move |console| console.manager.store().read(|unit| unit.lookups().find_by_ids(&ids))).await?;
    let mut counts = LicenseCounts::default();
    let mut emails: Vec<Email> = Vec::new();
    for (license, _) in found.iter().filter(|(license, _)| license.plan == plan) {
        *counts.of_mut(license.status()) += 1;
        emails.extend(license.holder_email().filter(|_| license.is_live()).cloned());
    }
    Ok(Selected { whose: LicenseSelection::Emails(emails), counts })
}

/// The ids of the selected licenses.
fn named(fields: &Fields) -> Vec<LicenseId> {
    fields.all("license").filter_map(|id| Uuid::parse_str(id).ok()).map(LicenseId).collect()
}

/// The ids of what the form of a plan's list selects, of these states: the selected licenses, or all that match.
pub(super) async fn selected_ids(
    visitor: &Visitor,
    plan: PlanId,
    fields: &Fields,
    states: &[LicenseStatus],
) -> Result<Vec<LicenseId>, PageError> {
    if !fields.has("all") {
        return Ok(named(fields));
    }
    let mut filter = filter(fields);
    if let Some(statuses) = &mut filter.statuses {
        statuses.retain(|status| states.contains(status));
    }
    let search = LicenseSearch { scope: CustomerScope::All, customer: None, plan: Some(plan), filter };
    let ids = visitor
        .read(move |console| {
            let most = MAX_NAMED as i64 + 1;
            console.manager.store().read(|unit| unit.lookups().first_ids(&search, &[], most))
        })
        .await?;
    if ids.len() > MAX_NAMED {
        return Err(PageError::BadForm("More than 10,000 licenses match. Go back and narrow the filter."));
    }
    Ok(ids)
}

fn previewed(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    act: Act,
    selected: &Selected,
    refused: Option<&str>,
) -> HttpResponse {
    let LicenseCounts { activated, assigned, revoked, unassigned } = selected.counts;
    let others = revoked + unassigned;
    let cap = shown.plan.revocations_remaining(&shown.counts);
    let (title, concerned, button) = match act {
        Act::Remind => ("Remind", assigned, format!("Remind {}", number(assigned))),
        Act::Revoke => ("Revoke", assigned + activated, format!("Revoke {}", number(assigned + activated))),
    };
    let over_cap = act == Act::Revoke && cap.is_some_and(|left| activated > left);
    let content = html! {
        (head(shown, &format!("{title}: look before it happens")))
        (layout::refusal(refused))
        @if concerned == 0 {
            p.note {
                @if act == Act::Remind { "No license of these waits to be activated. Nobody is reminded." }
                @else { "No license of these is live. Nothing is revoked." }
            }
        } @else if act == Act::Remind {
            p.note.good { b { (counted(assigned, "person gets", "people get")) " a reminder mail." } }
            @if activated > 0 { p.note { (counted(activated, "person has", "people have")) " activated their license already. Nothing happens to them." } }
        } @else {
            p.note.bad {
                b { (counted(concerned, "license is", "licenses are")) " revoked for good: " }
                (number(activated)) " activated, " (number(assigned)) " assigned. "
                "The learners lose their access, and the plan gets as many new free licenses."
            }
            @if let Some(left) = cap {
                p class=(if over_cap { "note bad" } else { "note" }) {
                    "The plan's revocation cap leaves " (counted(left, "revocation", "revocations")) " of activated licenses. "
                    @if over_cap { "Select fewer of them." }
                }
            }
        }
        @if others > 0 { p.note { (counted(others, "license is", "licenses are")) " revoked or free already. Nothing happens to them." } }
        form method="post" action=(shown.address("act/")) {
            (token(visitor))
            input type="hidden" name="act" value=(fields.text("act").unwrap_or_default());
            @for name in ["all", "email", "state", "from_license"] {
                input type="hidden" name=(name) value=(fields.text(name).unwrap_or_default());
            }
            @for license in fields.all("license") { input type="hidden" name="license" value=(license); }
            div.title {
                @if concerned > 0 && !over_cap {
                    button.first name="confirmed" value="yes" { (button) }
                }
                a.button href=(back(shown, fields)) { "Back" }
                @if act == Act::Revoke { span.quiet { "Your name goes into the history." } }
            }
        }
    };
    layout::page(visitor, Section::Plans, title, &content)
}
