//! One renewal: its terms, what processing would do, its history; and canceling it.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{RenewalDetails, RenewalTerms};
use license_manager_domain::permissions::Action;
use license_manager_domain::use_cases::{HistoricChange, RenewalOutlook};
use license_manager_domain::{Entity, Error, FieldErrors, LicenseTypesToCopy, RenewalId};
use maud::{Markup, html};

use crate::dates::{day, moment};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::history::timeline;
use crate::pages::license_edit::{MAX_REASON, field, input, reason_errors};
use crate::pages::lists::{counted, number};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The most changes that are shown.
const VERSIONS: i64 = 50;

/// A renewal as its pages show it.
pub(super) struct Shown {
    pub(super) details: RenewalDetails,
    pub(super) outlook: RenewalOutlook,
    pub(super) now: DateTime<Utc>,
}

impl Shown {
    /// The address of the renewal, or of something below it.
    pub(super) fn address(&self, below: &str) -> String {
        format!("/console/renewals/{}/{below}", self.details.renewal.id)
    }
}

/// The renewal in the path, if the visitor may do this for its customer.
pub(super) async fn find(visitor: &Visitor, path: &str, action: Action) -> Result<Shown, PageError> {
    let id = RenewalId(path.parse().map_err(|_| PageError::NotFound)?);
    let shown = visitor
        .read(move |console| {
            let found = console.manager.renewal_outlooks(&[id])?.pop();
            let (_, outlook) = found.ok_or(Error::NotFound(Entity::Renewal))?;
            // With the number of licenses that are not carried over.
            Ok(Shown { details: console.manager.renewal(id)?, outlook, now: console.manager.now() })
        })
        .await?;
    visitor.require(action, shown.details.customer)?;
    Ok(shown)
}

/// Which licenses are copied, in words.
pub(super) fn copied_words(types: LicenseTypesToCopy) -> &'static str {
    match types {
        LicenseTypesToCopy::AssignedAndActivated => "assigned and activated licenses",
        LicenseTypesToCopy::Activated => "activated licenses only",
        LicenseTypesToCopy::Nothing => "no licenses",
    }
}

/// `GET /console/renewals/{renewal}/`.
pub(crate) async fn show(
    visitor: Visitor,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    visitor.require_everywhere(Action::Browse)?;
    let shown = find(&visitor, &path, Action::Browse).await?;
    let of = EntityRef::Renewal(shown.details.renewal.id);
    let history = visitor.read(move |console| console.manager.latest_changes(of, VERSIONS)).await?;
    let done = match Fields::of_query(&request).text("done").as_deref() {
        Some("saved") => Some("The renewal was saved. It is processed when it is due, or by hand."),
        Some("processed") => Some("The renewal was processed."),
        _ => None,
    };
    let content = content(&visitor, &shown, &history, done);
    Ok(layout::page(&visitor, Section::Renewals, &title(&shown), &content))
}

fn title(shown: &Shown) -> String {
    format!("Renewal of {}", shown.details.prior_plan_title)
}

fn content(visitor: &Visitor, shown: &Shown, history: &[HistoricChange], done: Option<&str>) -> Markup {
    let RenewalDetails { renewal, num_not_carried_over, .. } = &shown.details;
    let terms = &renewal.terms;
    let provisions = visitor.rights.may(Action::Provision);
    html! {
        @if let Some(done) = done { p.note.good role="status" { (done) } }
        div {
            (crumbs(&[("/console/renewals/".to_owned(), "Renewals".to_owned())]))
            div.title {
                h1 { (title(shown)) }
                @if renewal.processed { span.chip { "Processed" } }
                @else if terms.effective_date < shown.now { span.chip.grave { "Overdue" } }
                @else { span.chip { "Scheduled" } }
                @if terms.exempt_from_batch_processing && !renewal.processed { span.chip { "By hand only" } }
                @if provisions {
                    form.actions method="post" action="/console/renewals/act/" {
                        (token(visitor))
                        input type="hidden" name="renewal" value=(renewal.id);
                        @if !renewal.processed {
                            a.button href=(shown.address("edit/")) { "Edit" }
                        }
                        a.button.grave href=(shown.address("cancel/")) {
                            @if renewal.processed { "Remove" } @else { "Cancel" }
                        }
                        @if !renewal.processed && shown.outlook.refusal.is_none() {
                            button.first name="act" value="process" { "Process" }
                        }
                    }
                }
            }
        }
        section.card { (terms_list(&shown.details)) }
        @if *num_not_carried_over > 0 {
            p.note.bad {
                b { (counted(*num_not_carried_over, "license is", "licenses are")) " not carried over: " }
                "the renewed plan has too few free ones. Add licenses to it, and they follow."
            }
        }
        @if !renewal.processed { (outlook_note(&shown.outlook)) }
        section.card {
            h2 { "History of the renewal" }
            (timeline(history, |_| None))
            @if history.len() as i64 == VERSIONS { p.quiet { "Only the last " (VERSIONS) " changes are shown." } }
        }
    }
}

fn terms_list(details: &RenewalDetails) -> Markup {
    let terms: &RenewalTerms = &details.renewal.terms;
    html! { dl {
        dt { "Prior plan" } dd { a href={ "/console/plans/" (terms.prior_plan) "/" } { (details.prior_plan_title) } }
        dt { "Renewed plan" } dd {
            @if let (Some(plan), Some(title)) = (terms.renewed_plan, &details.renewed_plan_title) {
                a href={ "/console/plans/" (plan) "/" } { (title) }
            } @else { "a new plan" }
        }
        dt { "Takes effect" } dd { (moment(terms.effective_date)) " UTC" }
        dt { "Renewed plan ends" } dd { (day(terms.renewed_expiration_date)) }
        dt { "Licenses" } dd { (number(terms.number_of_licenses.into())) }
        dt { "Carried over" } dd { (copied_words(terms.license_types_to_copy)) }
        dt { "Salesforce opportunity" } dd { (terms.salesforce_opportunity_id.as_deref().unwrap_or("–")) }
        dt { "Gives licenses to learners who log in" } dd {
            @if terms.disable_auto_apply_licenses { "not after the renewal" } @else { "as the prior plan" }
        }
        @if let Some(processed) = details.renewal.processed_datetime { dt { "Processed" } dd { (moment(processed)) " UTC" } }
    } }
}

/// What processing would do, or why it would be refused.
pub(super) fn outlook_note(outlook: &RenewalOutlook) -> Markup {
    html! {
        @match &outlook.refusal {
            Some(refusal) => {
                p.note.bad { b { "Processing would be refused. " } (refusal) }
            }
            None => {
                p.note.good {
                    b { "Processing would copy " (counted(outlook.copied, "license", "licenses")) }
                    " to " @if outlook.creates_plan { "the new plan " } @else { "the plan " } b { (outlook.title) }
                    ", which then has " (counted(outlook.unassigned, "free one", "free ones")) "."
                }
            }
        }
    }
}

/// `GET /console/renewals/{renewal}/cancel/`.
pub(crate) async fn cancel(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::Provision).await?;
    Ok(cancel_page(&visitor, &shown, &Fields::default(), &FieldErrors::default()))
}

/// `POST /console/renewals/{renewal}/cancel/`.
pub(crate) async fn cancel_it(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::Provision).await?;
    let errors = reason_errors(&fields);
    if errors.iter().next().is_some() {
        return Ok(cancel_page(&visitor, &shown, &fields, &errors));
    }
    let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), shown.details.renewal.id);
    visitor.write(move |console| console.manager.delete_renewal(&actor, id)).await?;
    Ok(redirect("/console/renewals/?done=canceled"))
}

fn cancel_page(visitor: &Visitor, shown: &Shown, fields: &Fields, errors: &FieldErrors) -> HttpResponse {
    let title = if shown.details.renewal.processed { "Remove the renewal" } else { "Cancel the renewal" };
    let content = html! {
        div {
            (crumbs(&[
                ("/console/renewals/".to_owned(), "Renewals".to_owned()),
                (shown.address(""), self::title(shown)),
            ]))
            div.title { h1 { (title) } }
        }
        p.note.bad {
            @if shown.details.renewal.processed {
                b { "The renewed plan no longer follows the prior plan. " }
                "Both plans and their licenses stay as they are now."
            } @else {
                b { "The plan is not renewed. " } "Its licenses stay as they are, until it ends."
            }
        }
        form.card method="post" {
            (token(visitor))
            (field("reason", "Reason, for the history", errors, &input(fields, "reason", MAX_REASON)))
            div.title { button.grave { (title) } a.button href=(shown.address("")) { "Back" } }
        }
    };
    layout::page(visitor, Section::Renewals, title, &content)
}
