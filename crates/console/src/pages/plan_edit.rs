//! Editing a plan, with a reason.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use license_manager_domain::model::{ChangeReason, Product};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{Error, FieldErrors, PlanChanges, ProductId, SubscriptionPlan};
use maud::{Markup, html};

use super::assign::head;
use super::license_edit::{field, flag, input};
use super::plan::{Shown, find};
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// The form of moments in fields.
const MOMENT: &str = "%Y-%m-%dT%H:%M:%S";

/// The reasons, as the history has them and in words.
const REASONS: [(ChangeReason, &str); 5] = [
    (ChangeReason::OrganizationRequestedChange, "The customer asked for it"),
    (ChangeReason::IncorrectUserInput, "A correction of wrong input"),
    (ChangeReason::DelayedPayment, "A late payment"),
    (ChangeReason::New, "The plan is new"),
    (ChangeReason::Other, "Another reason"),
];

/// The plan in the path and all products, for who may edit plans.
async fn permitted(visitor: &Visitor, path: &str) -> Result<(Shown, Vec<Product>), PageError> {
    let shown = find(visitor, path, Action::Browse).await?;
    visitor.require(Action::Provision, shown.agreement.customer)?;
    let products = visitor.read(|console| console.manager.store().read(|unit| unit.products().list())).await?;
    Ok((shown, products))
}

/// `GET /console/plans/{plan}/edit/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let (shown, products) = permitted(&visitor, &path).await?;
    let fields = fields_of(&shown.plan);
    Ok(page(&visitor, &shown, &products, &fields, &FieldErrors::default(), None))
}

/// `POST /console/plans/{plan}/edit/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (shown, products) = permitted(&visitor, &path).await?;
    let again =
        |errors: &FieldErrors, refused: Option<&str>| Ok(page(&visitor, &shown, &products, &fields, errors, refused));
    if fields.text("version").as_deref() != Some(&version(&shown.plan)) {
        let meanwhile = "Somebody else has changed the plan meanwhile. Nothing was saved: go back and edit it again.";
        return again(&FieldErrors::default(), Some(meanwhile));
    }
    let (reason, changes) = match read(&shown.plan, &fields) {
        Ok(read) => read,
        Err(errors) => return again(&errors, None),
    };
    let (actor, id) = (visitor.actor(None), shown.plan.id);
    let saved = visitor.write(move |console| console.manager.update_plan(&actor, reason, id, changes).map(drop)).await;
    match saved {
        Ok(()) => Ok(redirect(&shown.address("history/"))),
        Err(PageError::Domain(Error::Invalid(errors))) => again(&errors, None),
        Err(PageError::Domain(error @ (Error::Refused(_) | Error::Conflict(_) | Error::UnknownReference { .. }))) => {
            again(&FieldErrors::default(), Some(&error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// What tells one version of a plan from another.
fn version(plan: &SubscriptionPlan) -> String {
    plan.modified.timestamp_micros().to_string()
}

/// The form's fields of a plan.
fn fields_of(plan: &SubscriptionPlan) -> Fields {
    let flag = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    let number = |number: Option<i32>| number.map_or(String::new(), |number| number.to_string());
    let auto_apply = match plan.should_auto_apply_licenses {
        None => "",
        Some(true) => "yes",
        Some(false) => "no",
    };
    Fields::of([
        ("title", plan.title.clone()),
        ("start_date", plan.start_date.format(MOMENT).to_string()),
        ("expiration_date", plan.expiration_date.format(MOMENT).to_string()),
        ("is_active", flag(plan.is_active)),
        ("desired_num_licenses", number(plan.desired_num_licenses)),
        ("salesforce_opportunity_line_item", plan.salesforce_opportunity_line_item.clone().unwrap_or_default()),
        ("product", plan.product.to_string()),
        ("is_revocation_cap_enabled", flag(plan.is_revocation_cap_enabled)),
        ("revoke_max_percentage", plan.revoke_max_percentage.to_string()),
        ("can_freeze_unused_licenses", flag(plan.can_freeze_unused_licenses)),
        ("for_internal_use_only", flag(plan.for_internal_use_only)),
        ("should_auto_apply_licenses", auto_apply.to_owned()),
    ])
}

/// The reason, and the changes that the fields ask for: only what differs from the plan.
fn read(plan: &SubscriptionPlan, fields: &Fields) -> Result<(ChangeReason, PlanChanges), FieldErrors> {
    let mut errors = FieldErrors::default();
    let reason = fields.text("reason").and_then(|name| ChangeReason::from_name(&name));
    if reason.is_none() {
        errors.add("reason", "Say why. The history shows it.");
    }
    let mut changes = PlanChanges::default();
    let title = fields.text("title").unwrap_or_default();
    changes.title = (title != plan.title).then_some(title);
    for (name, now, change) in [
        ("start_date", plan.start_date, &mut changes.start_date),
        ("expiration_date", plan.expiration_date, &mut changes.expiration_date),
    ] {
        match fields.text(name).and_then(|text| moment(&text)) {
            None => errors.add(name, "This must be a date and a time."),
            // The form has whole seconds.
            Some(moment) => *change = (moment != now.trunc_subsecs(0)).then_some(moment),
        }
    }
    let mut number = |name: &'static str| -> Option<i64> {
        let text = fields.text(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            errors.add(name, "This must be a whole number.");
        }
        number
    };
    // Numbers that no plan has are refused by the plan's own rules.
    let desired = number("desired_num_licenses").map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    let percentage = number("revoke_max_percentage").map(|number| i16::try_from(number).unwrap_or(i16::MAX));
    let product = number("product").map(|number| ProductId(i32::try_from(number).unwrap_or(0)));
    changes.desired_num_licenses = (desired != plan.desired_num_licenses).then_some(desired);
    changes.revoke_max_percentage = percentage.filter(|percentage| *percentage != plan.revoke_max_percentage);
    changes.product = product.filter(|product| *product != plan.product);
    let item = fields.text("salesforce_opportunity_line_item");
    changes.salesforce_opportunity_line_item = (item != plan.salesforce_opportunity_line_item).then_some(item);
    let flag = |name: &str, now: bool| Some(fields.has(name)).filter(|flag| *flag != now);
    changes.is_active = flag("is_active", plan.is_active);
    changes.is_revocation_cap_enabled = flag("is_revocation_cap_enabled", plan.is_revocation_cap_enabled);
    changes.can_freeze_unused_licenses = flag("can_freeze_unused_licenses", plan.can_freeze_unused_licenses);
    changes.for_internal_use_only = flag("for_internal_use_only", plan.for_internal_use_only);
    let auto_apply = fields.text("should_auto_apply_licenses").map(|value| value == "yes");
    changes.should_auto_apply_licenses = (auto_apply != plan.should_auto_apply_licenses).then_some(auto_apply);
    match reason {
        Some(reason) if errors.iter().next().is_none() => Ok((reason, changes)),
        _ => Err(errors),
    }
}

/// A moment as browsers send it, with seconds or without.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let read = NaiveDateTime::parse_from_str(text, MOMENT);
    read.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")).ok().map(|moment| moment.and_utc())
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    products: &[Product],
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let chosen = |name: &str, value: &str| fields.text(name).unwrap_or_default() == value;
    let content = html! {
        (head(shown, "Edit the plan"))
        @if let Some(refused) = refused { p.note.bad role="alert" { (refused) } }
        form.card method="post" {
            (token(visitor))
            input type="hidden" name="version" value=(fields.text("version").unwrap_or_else(|| version(&shown.plan)));
            (field("title", "Title", errors, &input(fields, "title", SubscriptionPlan::MAX_TITLE_LENGTH)))
            (field("start_date", "Starts (UTC)", errors, &date(fields, "start_date")))
            (field("expiration_date", "Ends (UTC)", errors, &date(fields, "expiration_date")))
            (flag(fields, "is_active", "Active"))
            (field("desired_num_licenses", "Licenses; missing ones are added, none are removed", errors,
                &input(fields, "desired_num_licenses", 9)))
            (field("product", "Product", errors, &html! {
                select #product name="product" { @for product in products {
                    option value=(product.id) selected[chosen("product", &product.id.to_string())] { (product.name) }
                } }
            }))
            (field("salesforce_opportunity_line_item", "Salesforce opportunity line item", errors,
                &input(fields, "salesforce_opportunity_line_item", SubscriptionPlan::SALESFORCE_ID_LENGTH)))
            (flag(fields, "is_revocation_cap_enabled", "Revocations are capped"))
            (field("revoke_max_percentage", "Cap, in percent of the licenses", errors, &input(fields, "revoke_max_percentage", 3)))
            (field("should_auto_apply_licenses", "Gives licenses to learners who log in", errors, &html! {
                select #should_auto_apply_licenses name="should_auto_apply_licenses" {
                    @for (value, words) in [("", "Not set"), ("yes", "Yes"), ("no", "No")] {
                        option value=(value) selected[chosen("should_auto_apply_licenses", value)] { (words) }
                    }
                }
            }))
            (flag(fields, "can_freeze_unused_licenses", "Unused licenses may be frozen"))
            (flag(fields, "for_internal_use_only", "For internal use only"))
            (field("reason", "Reason, for the history", errors, &html! {
                select #reason name="reason" {
                    option value="" { "Choose one" }
                    @for (reason, words) in REASONS {
                        option value=(reason.as_str()) selected[chosen("reason", reason.as_str())] { (words) }
                    }
                }
            }))
            div.title { button.first { "Save" } a.button href=(shown.address("")) { "Back" } }
        }
    };
    layout::page(visitor, Section::Plans, "Edit the plan", &content)
}

fn date(fields: &Fields, name: &str) -> Markup {
    html! { input id=(name) name=(name) type="datetime-local" step="1" value=(fields.text(name).unwrap_or_default()); }
}

#[cfg(test)]
mod tests {
    use license_manager_domain::{AgreementId, CatalogId, PlanId};
    use uuid::Uuid;

    use super::*;

    fn plan() -> SubscriptionPlan {
        let start = DateTime::from_timestamp_micros(1_900_000_000_123_456).unwrap();
        let end = start + chrono::Duration::days(300);
        let (agreement, catalog) = (AgreementId(Uuid::nil()), CatalogId(Uuid::nil()));
        SubscriptionPlan::new(PlanId(Uuid::nil()), agreement, catalog, "Languages", start..end, start)
    }

    fn with(change: &str) -> Fields {
        let plan = plan();
        let changed = Fields::parse(change.as_bytes());
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(changed.iter());
        pairs.extend_pairs(fields_of(&plan).iter().filter(|(name, _)| changed.all(name).next().is_none()));
        Fields::parse(pairs.finish().as_bytes())
    }

    #[test]
    fn a_form_sent_as_it_is_changes_nothing() {
        assert_eq!(read(&plan(), &with("reason=other")), Ok((ChangeReason::Other, PlanChanges::default())));
    }

    #[test]
    fn only_what_was_edited_changes() {
        let (reason, changes) =
            read(&plan(), &with("reason=new&title=Music&is_active=yes&expiration_date=2031-01-01T00:00")).unwrap();
        let expected = PlanChanges {
            title: Some("Music".to_owned()),
            is_active: Some(true),
            expiration_date: Some("2031-01-01T00:00:00Z".parse().unwrap()),
            ..PlanChanges::default()
        };
        assert_eq!((reason, changes), (ChangeReason::New, expected));
    }

    #[test]
    fn every_wrong_field_is_told() {
        let errors = read(&plan(), &with("start_date=soon&desired_num_licenses=many")).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["desired_num_licenses", "reason", "start_date"]);
    }
}
