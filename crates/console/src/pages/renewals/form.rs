//! The guided form of a renewal: which plan, when, how many licenses, what is carried over; then a look at what will come
//! of it, before it is saved.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::SubsecRound;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::use_cases::{RenewalOutcome, RenewalPreview};
use license_manager_domain::{
    Actor, Error, FieldErrors, LicenseCounts, LicenseManager, LicenseTypesToCopy, PlanId, Refusal, RenewalChanges,
    RenewalId, SubscriptionPlan,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::choice::choice;
use super::show::{self, copied_words, outlook_note};
use crate::dates::{day, moment as told};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::license_edit::{MAX_REASON, field, flag, input, reason_errors};
use crate::pages::lists::{self, counted, number};
use crate::pages::plan::{self, Shown as ShownPlan};
use crate::pages::plan_form::{date, moment, moment_text};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The fields of the form.
const FIELDS: [&str; 10] = [
    "effective_date",
    "renewed_expiration_date",
    "number_of_licenses",
    "license_types_to_copy",
    "renewed_subscription_plan",
    "renewed_plan_title",
    "salesforce_opportunity_id",
    "disable_auto_apply_licenses",
    "exempt_from_batch_processing",
    "reason",
];

/// What the form is about.
struct Subject {
    prior: ShownPlan,
    /// The other plans of the agreement, which can follow.
    others: Vec<SubscriptionPlan>,
    /// The renewal that is edited, and when it was last changed.
    edited: Option<(RenewalId, String)>,
}

impl Subject {
    fn address(&self) -> String {
        match &self.edited {
            Some((id, _)) => format!("/console/renewals/{id}/edit/"),
            None => "/console/renewals/new/".to_owned(),
        }
    }

    fn back(&self) -> String {
        match &self.edited {
            Some((id, _)) => format!("/console/renewals/{id}/"),
            None => self.prior.address(""),
        }
    }

    fn title(&self) -> String {
        let verb = if self.edited.is_some() { "Edit the renewal of" } else { "Renew" };
        format!("{verb} {}", self.prior.plan.title)
    }
}

async fn subject(visitor: &Visitor, plan: &str, edited: Option<(RenewalId, String)>) -> Result<Subject, PageError> {
    let prior = plan::find(visitor, plan, Action::Browse).await?;
    visitor.require(Action::Provision, prior.agreement.customer)?;
    let (agreement, own) = (prior.agreement.id, prior.plan.id);
    let others = visitor
        .read(move |console| console.manager.store().read(|unit| unit.plans().find_by_agreements(&[agreement])))
        .await?;
    let others = others.into_iter().map(|details| details.plan).filter(|plan| plan.id != own).collect();
    Ok(Subject { prior, others, edited })
}

/// `GET /console/renewals/new/?plan=…`: the form, or the choice of a plan.
pub(crate) async fn new(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    if !visitor.rights.may(Action::Provision) {
        return Err(PageError::Forbidden);
    }
    let query = Fields::of_query(&request);
    let Some(plan) = query.text("plan") else { return choice(&visitor, &query).await };
    let subject = subject(&visitor, &plan, None).await?;
    let fields = usual(&subject.prior);
    Ok(form(&visitor, &subject, &fields, &FieldErrors::default(), None))
}

/// `POST /console/renewals/new/`.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    let subject = subject(&visitor, &fields.text("plan").unwrap_or_default(), None).await?;
    submitted(&visitor, &subject, &fields).await
}

/// `GET /console/renewals/{renewal}/edit/`.
pub(crate) async fn edit(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let (subject, terms) = edited(&visitor, &path).await?;
    Ok(form(&visitor, &subject, &fields_of(&terms), &FieldErrors::default(), None))
}

/// `POST /console/renewals/{renewal}/edit/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (subject, _) = edited(&visitor, &path).await?;
    let present = subject.edited.as_ref().map(|(_, version)| version.clone());
    if fields.text("version") != present {
        let meanwhile =
            "Somebody else has changed the renewal meanwhile. Nothing was saved: go back and edit it again.";
        return Ok(form(&visitor, &subject, &fields, &FieldErrors::default(), Some(meanwhile)));
    }
    submitted(&visitor, &subject, &fields).await
}

/// The renewal in the path, which is not processed.
async fn edited(visitor: &Visitor, path: &str) -> Result<(Subject, RenewalTerms), PageError> {
    let shown = show::find(visitor, path, Action::Provision).await?;
    let renewal = shown.details.renewal;
    if renewal.processed {
        return Err(PageError::Domain(Refusal::RenewalIsProcessed.into()));
    }
    let version = renewal.modified.timestamp_micros().to_string();
    let subject = subject(visitor, &renewal.terms.prior_plan.to_string(), Some((renewal.id, version))).await?;
    Ok((subject, renewal.terms))
}

/// What a new form proposes: the next plan begins when this one ends, lasts as long, and has as many licenses.
fn usual(prior: &ShownPlan) -> Fields {
    let SubscriptionPlan { start_date, expiration_date, .. } = prior.plan;
    let end = expiration_date.checked_add_signed(expiration_date - start_date).unwrap_or(expiration_date);
    Fields::of([
        ("effective_date", moment_text(expiration_date)),
        ("renewed_expiration_date", moment_text(end)),
        ("number_of_licenses", prior.counts.total().max(1).to_string()),
        ("license_types_to_copy", LicenseTypesToCopy::default().as_str().to_owned()),
    ])
}

fn fields_of(terms: &RenewalTerms) -> Fields {
    let flag = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    Fields::of([
        ("effective_date", moment_text(terms.effective_date)),
        ("renewed_expiration_date", moment_text(terms.renewed_expiration_date)),
        ("number_of_licenses", terms.number_of_licenses.to_string()),
        ("license_types_to_copy", terms.license_types_to_copy.as_str().to_owned()),
        ("renewed_subscription_plan", terms.renewed_plan.map_or(String::new(), |plan| plan.to_string())),
        ("renewed_plan_title", terms.renewed_plan_title.clone().unwrap_or_default()),
        ("salesforce_opportunity_id", terms.salesforce_opportunity_id.clone().unwrap_or_default()),
        ("disable_auto_apply_licenses", flag(terms.disable_auto_apply_licenses)),
        ("exempt_from_batch_processing", flag(terms.exempt_from_batch_processing)),
    ])
}

/// The terms that the fields ask for.
fn read(prior: PlanId, fields: &Fields) -> Result<RenewalTerms, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut date = |name: &'static str| {
        let read = fields.text(name).and_then(|text| moment(&text));
        if read.is_none() {
            errors.add(name, "This must be a date and a time.");
        }
        read.unwrap_or_default()
    };
    let (effective_date, renewed_expiration_date) = (date("effective_date"), date("renewed_expiration_date"));
    let licenses = fields.text("number_of_licenses").and_then(|text| text.parse::<i64>().ok());
    if licenses.is_none() {
        errors.add("number_of_licenses", "This must be a whole number.");
    }
    let types = fields.text("license_types_to_copy").and_then(|name| LicenseTypesToCopy::from_name(&name));
    if types.is_none() {
        errors.add("license_types_to_copy", "Choose what is carried over.");
    }
    let plan = fields.text("renewed_subscription_plan").map(|text| Uuid::parse_str(&text));
    if let Some(Err(_)) = plan {
        errors.add("renewed_subscription_plan", "Choose a plan of the agreement.");
    }
    let terms = RenewalTerms {
        prior_plan: prior,
        renewed_plan: plan.and_then(Result::ok).map(PlanId),
        salesforce_opportunity_id: fields.text("salesforce_opportunity_id"),
        // Numbers that no renewal has are refused by its own rules.
        number_of_licenses: i32::try_from(licenses.unwrap_or_default()).unwrap_or(i32::MAX),
        effective_date,
        renewed_expiration_date,
        renewed_plan_title: fields.text("renewed_plan_title"),
        license_types_to_copy: types.unwrap_or_default(),
        disable_auto_apply_licenses: fields.has("disable_auto_apply_licenses"),
        exempt_from_batch_processing: fields.has("exempt_from_batch_processing"),
    };
    if errors.iter().next().is_some() { Err(errors) } else { Ok(terms) }
}

/// Shows what would come of the form, or saves it once that was confirmed.
async fn submitted(visitor: &Visitor, subject: &Subject, fields: &Fields) -> Result<HttpResponse, PageError> {
    let again = |errors: &FieldErrors, refused: Option<&str>| Ok(form(visitor, subject, fields, errors, refused));
    if fields.has("again") {
        return again(&FieldErrors::default(), None);
    }
    let mut errors = match subject.edited {
        Some(_) => reason_errors(fields),
        None => FieldErrors::default(),
    };
    let terms = match read(subject.prior.plan.id, fields) {
        Ok(terms) if errors.iter().next().is_none() => terms,
        Ok(_) => return again(&errors, None),
        Err(wrong) => {
            for (field, messages) in wrong.iter() {
                messages.iter().for_each(|message| errors.add(field, message));
            }
            return again(&errors, None);
        }
    };
    let id = subject.edited.as_ref().map(|(id, _)| *id);
    let (asked, actor) = (terms.clone(), visitor.actor(fields.text("reason").as_deref()));
    let answered = if fields.has("confirmed") {
        visitor.write(move |console| saved(&console.manager, &actor, id, asked)).await.map(Answered::from)
    } else {
        visitor
            .read(move |console| console.manager.preview_renewal_terms(id, &asked))
            .await
            .map(|preview| Answered::Preview(Box::new(preview)))
    };
    match answered {
        Ok(Answered::Saved(id)) => Ok(redirect(&format!("/console/renewals/{id}/?done=saved"))),
        Ok(Answered::InTheWay(plan)) => again(&FieldErrors::default(), Some(&in_the_way(&plan))),
        Ok(Answered::Preview(preview)) => Ok(previewed(visitor, subject, fields, &terms, &preview)),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            again(&errors, refused.as_deref())
        }
    }
}

/// What came of a form.
enum Answered {
    Preview(Box<RenewalPreview>),
    Saved(RenewalId),
    /// The renewal of this plan is in the way.
    InTheWay(String),
}

impl From<RenewalOutcome> for Answered {
    fn from(outcome: RenewalOutcome) -> Self {
        match outcome {
            RenewalOutcome::Written(details) => Self::Saved(details.renewal.id),
            RenewalOutcome::Existing(other) | RenewalOutcome::InTheWay(other) => Self::InTheWay(other.prior_plan_title),
        }
    }
}

fn saved(
    manager: &LicenseManager,
    actor: &Actor,
    id: Option<RenewalId>,
    terms: RenewalTerms,
) -> Result<RenewalOutcome, Error> {
    let Some(id) = id else { return manager.create_renewal(actor, &terms) };
    let changes = RenewalChanges {
        renewed_plan: terms.renewed_plan.into(),
        salesforce_opportunity_id: terms.salesforce_opportunity_id.into(),
        number_of_licenses: Some(terms.number_of_licenses),
        effective_date: Some(terms.effective_date),
        renewed_expiration_date: Some(terms.renewed_expiration_date),
        renewed_plan_title: terms.renewed_plan_title.into(),
        license_types_to_copy: Some(terms.license_types_to_copy),
        disable_auto_apply_licenses: Some(terms.disable_auto_apply_licenses),
        exempt_from_batch_processing: Some(terms.exempt_from_batch_processing),
    };
    manager.update_renewal(actor, id, &changes)
}

fn in_the_way(plan: &str) -> String {
    format!(
        "One of the two plans is in another renewal already: that of {plan}. Choose another plan, or edit that renewal."
    )
}

fn head(subject: &Subject, title: &str) -> Markup {
    html! {
        div {
            (crumbs(&[
                ("/console/renewals/".to_owned(), "Renewals".to_owned()),
                (subject.prior.address(""), subject.prior.plan.title.clone()),
            ]))
            div.title { h1 { (title) } }
        }
    }
}

fn form(
    visitor: &Visitor,
    subject: &Subject,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let ShownPlan { plan, counts, .. } = &subject.prior;
    let version = subject.edited.as_ref().map(|(_, version)| version);
    // Rules about several fields.
    let whole = errors.iter().filter(|(name, _)| *name == "non_field_errors").flat_map(|(_, messages)| messages);
    let content = html! {
        (head(subject, &subject.title()))
        (layout::refusal(refused))
        @for message in whole { p.note.bad role="alert" { (message) } }
        p.quiet {
            (plan.title) " runs from " (day(plan.start_date)) " to " (told(plan.expiration_date)) " UTC, and has "
            (counted(counts.total(), "license", "licenses")) ": " (number(counts.activated)) " activated, " (number(counts.assigned))
            " assigned, " (number(counts.unassigned)) " free."
        }
        form.card method="post" action=(subject.address()) {
            (token(visitor))
            input type="hidden" name="plan" value=(plan.id);
            @if let Some(version) = version {
                input type="hidden" name="version" value=(fields.text("version").unwrap_or_else(|| version.clone()));
            }
            h2 { "1. When" }
            (field("effective_date", "Takes effect (UTC)", errors, &date(fields, "effective_date")))
            (field("renewed_expiration_date", "The renewed plan ends (UTC)", errors, &date(fields, "renewed_expiration_date")))
            h2 { "2. How many licenses" }
            (field("number_of_licenses", "Licenses of the renewed plan", errors, &input(fields, "number_of_licenses", 9)))
            h2 { "3. What is carried over" }
            (carried_over(fields, errors, counts))
            h2 { "4. Which plan follows" }
            (field("renewed_subscription_plan", "Renewed plan", errors, &followers(subject, fields)))
            (field("renewed_plan_title", "Title of the new plan; empty for the usual one", errors,
                &input(fields, "renewed_plan_title", SubscriptionPlan::MAX_TITLE_LENGTH)))
            (field("salesforce_opportunity_id", "Salesforce opportunity: 18 letters and digits, or empty", errors,
                &input(fields, "salesforce_opportunity_id", SubscriptionPlan::SALESFORCE_ID_LENGTH)))
            @if plan.should_auto_apply_licenses == Some(true) || fields.has("disable_auto_apply_licenses") {
                (flag(fields, "disable_auto_apply_licenses", "The renewed plan gives no licenses to learners who log in, though the prior plan does"))
            }
            (flag(fields, "exempt_from_batch_processing", "Processed by hand only, never by the schedule"))
            @if subject.edited.is_some() {
                (field("reason", "Reason, for the history", errors, &input(fields, "reason", MAX_REASON)))
            }
            div.title { button.first { "Look at what will happen" } a.button href=(subject.back()) { "Back" } }
        }
    };
    layout::page(visitor, Section::Renewals, &subject.title(), &content)
}

/// The kinds of licenses that can be carried over, with their numbers.
fn carried_over(fields: &Fields, errors: &FieldErrors, counts: &LicenseCounts) -> Markup {
    let types = [LicenseTypesToCopy::AssignedAndActivated, LicenseTypesToCopy::Activated, LicenseTypesToCopy::Nothing];
    let chosen = fields.text("license_types_to_copy");
    html! {
        fieldset.field {
            legend.hidden { "What is carried over" }
            @for kind in types {
                label {
                    input type="radio" name="license_types_to_copy" value=(kind.as_str()) checked[chosen.as_deref() == Some(kind.as_str())];
                    @match kind {
                        LicenseTypesToCopy::AssignedAndActivated => " Assigned and activated licenses: ",
                        LicenseTypesToCopy::Activated => " Activated licenses only: ",
                        LicenseTypesToCopy::Nothing => " Nothing: every license of the renewed plan is free",
                    }
                    @if kind != LicenseTypesToCopy::Nothing { (number(counts.only(kind.statuses()).all())) }
                }
            }
            @for (_, messages) in errors.iter().filter(|(name, _)| *name == "license_types_to_copy") {
                @for message in messages { span.wrong role="alert" { (message) } }
            }
        }
    }
}

/// The plans that can follow: a new one, or one of the agreement.
fn followers(subject: &Subject, fields: &Fields) -> Markup {
    let chosen = fields.text("renewed_subscription_plan").unwrap_or_default();
    html! {
        select #renewed_subscription_plan name="renewed_subscription_plan" {
            option value="" { "A new plan" }
            @for plan in &subject.others {
                option value=(plan.id) selected[chosen == plan.id.to_string()] {
                    (plan.title) " (" (plan.start_date.format("%b %-d, %Y")) " – " (plan.expiration_date.format("%b %-d, %Y")) ")"
                }
            }
        }
    }
}

fn previewed(
    visitor: &Visitor,
    subject: &Subject,
    fields: &Fields,
    terms: &RenewalTerms,
    preview: &RenewalPreview,
) -> HttpResponse {
    let title = format!("{}: look before it is saved", subject.title());
    let in_the_way = preview.in_the_way.as_ref();
    let content = html! {
        (head(subject, &title))
        @match in_the_way {
            Some(other) => {
                p.note.bad role="alert" {
                    (self::in_the_way(&other.prior_plan_title)) " "
                    a href={ "/console/renewals/" (other.renewal.id) "/" } { "Open that renewal" }
                }
            }
            None => { (outlook_note(&preview.outlook)) }
        }
        (warnings(&subject.prior, terms))
        section.card { dl {
            dt { "Takes effect" } dd { (told(terms.effective_date)) " UTC" }
            dt { "The renewed plan ends" } dd { (told(terms.renewed_expiration_date)) " UTC" }
            dt { "Licenses" } dd { (number(terms.number_of_licenses.into())) }
            dt { "Carried over" } dd { (copied_words(terms.license_types_to_copy)) ": " (number(preview.outlook.copied)) " now" }
            dt { "Renewed plan" } dd { (preview.outlook.title) @if preview.outlook.creates_plan { ", which processing makes" } }
            dt { "Salesforce opportunity" } dd { (terms.salesforce_opportunity_id.as_deref().unwrap_or("–")) }
            dt { "Processed" } dd {
                @if terms.exempt_from_batch_processing { "by hand only" } @else { "by the schedule shortly before it takes effect, or by hand" }
            }
        } }
        form method="post" action=(subject.address()) {
            (token(visitor))
            (lists::hidden(fields, &["plan", "version"])) (lists::hidden(fields, &FIELDS))
            div.title {
                @if in_the_way.is_none() {
                    button.first name="confirmed" value="yes" { "Save the renewal" }
                }
                button name="again" value="yes" { "Change something" }
                a.button href=(subject.back()) { "Back" }
                span.quiet { "Your name goes into the history." }
            }
        }
    };
    layout::page(visitor, Section::Renewals, &title, &content)
}

/// What is permitted and unusual.
fn warnings(prior: &ShownPlan, terms: &RenewalTerms) -> Markup {
    let end = prior.plan.expiration_date;
    // The form has whole seconds.
    let against_end = terms.effective_date.trunc_subsecs(0).cmp(&end.trunc_subsecs(0));
    html! {
        @if terms.effective_date < prior.now {
            p.note { "It takes effect in the past. The schedule leaves it alone: process it by hand." }
        }
        @if against_end.is_lt() {
            p.note { "It takes effect before the prior plan ends on " (day(end)) ": both plans then run at once." }
        }
        @if against_end.is_gt() {
            p.note { "The prior plan ends on " (day(end)) ": until the renewal takes effect, learners have no access." }
        }
        @if terms.salesforce_opportunity_id.is_none() && terms.renewed_plan.is_none() {
            p.note { "Without a Salesforce opportunity, the new plan has no line item." }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn terms_are_read_as_the_form_shows_them() {
        let start = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        let terms = RenewalTerms {
            prior_plan: PlanId(Uuid::from_u128(7)),
            renewed_plan: Some(PlanId(Uuid::from_u128(8))),
            salesforce_opportunity_id: Some("00k000000000000001".to_owned()),
            number_of_licenses: 12,
            effective_date: start,
            renewed_expiration_date: start + chrono::Duration::days(365),
            renewed_plan_title: None,
            license_types_to_copy: LicenseTypesToCopy::Activated,
            disable_auto_apply_licenses: false,
            exempt_from_batch_processing: true,
        };
        assert_eq!(read(terms.prior_plan, &fields_of(&terms)), Ok(terms));
    }

    #[test]
    fn every_wrong_field_is_told() {
        let fields = Fields::parse(b"effective_date=soon&number_of_licenses=many&renewed_subscription_plan=that");
        let errors = read(PlanId(Uuid::nil()), &fields).unwrap_err();
        let names: Vec<&str> = errors.iter().map(|(field, _)| field).collect();
        let expected = [
            "effective_date",
            "license_types_to_copy",
            "number_of_licenses",
            "renewed_expiration_date",
            "renewed_subscription_plan",
        ];
        assert_eq!(names, expected);
    }
}
