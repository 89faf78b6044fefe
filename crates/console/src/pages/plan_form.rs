//! The form of a plan, new or not.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use license_manager_domain::model::{ChangeReason, Product};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{CatalogId, Conflict, Edit, Error, FieldErrors, PlanChanges, ProductId, SubscriptionPlan};
use maud::{Markup, html};
use uuid::Uuid;

use super::license_edit::{field, flag, input};
use crate::error::PageError;
use crate::form::Fields;
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

/// A reason in words.
pub(super) fn reason_words(reason: ChangeReason) -> &'static str {
    REASONS.iter().find(|(known, _)| *known == reason).map_or("Another reason", |(_, words)| words)
}

/// The form's fields of a plan.
pub(super) fn fields_of(plan: &SubscriptionPlan) -> Fields {
    let flag = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    let number = |number: Option<i32>| number.map_or(String::new(), |number| number.to_string());
    let auto_apply = match plan.should_auto_apply_licenses {
        None => "",
        Some(true) => "yes",
        Some(false) => "no",
    };
    Fields::of([
        ("title", plan.title.clone()),
        ("start_date", moment_text(plan.start_date)),
        ("expiration_date", moment_text(plan.expiration_date)),
        ("is_active", flag(plan.is_active)),
        ("desired_num_licenses", number(plan.desired_num_licenses)),
        ("salesforce_opportunity_line_item", plan.salesforce_opportunity_line_item.clone().unwrap_or_default()),
        ("product", plan.product.to_string()),
        ("enterprise_catalog_uuid", plan.catalog.to_string()),
        ("is_revocation_cap_enabled", flag(plan.is_revocation_cap_enabled)),
        ("revoke_max_percentage", plan.revoke_max_percentage.to_string()),
        ("can_freeze_unused_licenses", flag(plan.can_freeze_unused_licenses)),
        ("for_internal_use_only", flag(plan.for_internal_use_only)),
        ("should_auto_apply_licenses", auto_apply.to_owned()),
    ])
}

/// What a form is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// A new plan, whose every field is checked.
    Make,
    /// Another version of a plan.
    Edit,
}

/// The reason, and the changes that the fields ask for: only what differs from the plan. If some cannot be read, the
/// error also has the rules that the others break.
pub(super) fn read(
    purpose: Purpose,
    plan: &SubscriptionPlan,
    products: &[Product],
    fields: &Fields,
) -> Result<(ChangeReason, PlanChanges), FieldErrors> {
    let mut errors = FieldErrors::default();
    let reason = read_reason(fields, &mut errors);
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
    changes.desired_num_licenses = Edit::between(&plan.desired_num_licenses, desired);
    changes.revoke_max_percentage = percentage.filter(|percentage| *percentage != plan.revoke_max_percentage);
    changes.product = product.filter(|product| *product != plan.product);
    match fields.text("enterprise_catalog_uuid").map(|text| Uuid::parse_str(&text)) {
        None => {}
        Some(Ok(catalog)) => changes.catalog = Some(CatalogId(catalog)).filter(|catalog| *catalog != plan.catalog),
        Some(Err(_)) => errors.add("enterprise_catalog_uuid", "A catalog is named by its UUID."),
    }
    let item = fields.text("salesforce_opportunity_line_item");
    changes.salesforce_opportunity_line_item = Edit::between(&plan.salesforce_opportunity_line_item, item);
    let flag = |name: &str, now: bool| Some(fields.has(name)).filter(|flag| *flag != now);
    changes.is_active = flag("is_active", plan.is_active);
    changes.is_revocation_cap_enabled = flag("is_revocation_cap_enabled", plan.is_revocation_cap_enabled);
    changes.can_freeze_unused_licenses = flag("can_freeze_unused_licenses", plan.can_freeze_unused_licenses);
    changes.for_internal_use_only = flag("for_internal_use_only", plan.for_internal_use_only);
    let auto_apply = fields.yes_or_no("should_auto_apply_licenses");
    changes.should_auto_apply_licenses = Edit::between(&plan.should_auto_apply_licenses, auto_apply);
    match reason {
        Some(reason) if errors.iter().next().is_none() => Ok((reason, changes)),
        _ => {
            add_broken_rules(&mut errors, purpose, plan, products, changes);
            Err(errors)
        }
    }
}

/// Adds the rules that the plan breaks with what could be read. A rule about a field that could not be read is left out.
fn add_broken_rules(
    errors: &mut FieldErrors,
    purpose: Purpose,
    plan: &SubscriptionPlan,
    products: &[Product],
    changes: PlanChanges,
) {
    let mut edited = plan.clone();
    if changes.apply(&mut edited).is_err() {
        return;
    }
    let Some(product) = products.iter().find(|product| product.id == edited.product) else { return };
    let checked = match purpose {
        Purpose::Make => edited.check(product),
        Purpose::Edit => edited.check_edit(plan, product),
    };
    let Err(Error::Invalid(broken)) = checked else { return };
    let unread: Vec<String> = errors.iter().map(|(field, _)| field.to_owned()).collect();
    let is_unread = |field: &str| unread.iter().any(|known| known == field);
    for (field, messages) in broken.iter() {
        let depends_on = match field {
            "expiration_date" => "start_date",
            "salesforce_opportunity_line_item" => "product",
            other => other,
        };
        if !is_unread(field) && !is_unread(depends_on) {
            messages.iter().for_each(|message| errors.add(field, message));
        }
    }
}

/// What to say beside other errors if another plan of the agreement has the title: only storing the plan would find it.
pub(super) async fn taken_title(
    visitor: &Visitor,
    plan: &SubscriptionPlan,
    fields: &Fields,
) -> Result<Option<String>, PageError> {
    let Some(title) = fields.text("title") else { return Ok(None) };
    let (own, agreement) = (plan.id, plan.agreement);
    let plans =
        visitor.read(move |console| console.manager.store().read(|unit| unit.plans().find_by_agreements(&[agreement])));
    let is_taken = plans.await?.iter().any(|other| other.plan.id != own && other.plan.title == title);
    Ok(is_taken.then(|| Error::from(Conflict::PlanTitle).to_string()))
}

/// A moment as browsers send it, with seconds or without.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let read = NaiveDateTime::parse_from_str(text, MOMENT);
    read.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")).ok().map(|moment| moment.and_utc())
}

/// The reason that was chosen; an error if there is none.
pub(super) fn read_reason(fields: &Fields, errors: &mut FieldErrors) -> Option<ChangeReason> {
    let reason = fields.text("reason").and_then(|name| ChangeReason::from_name(&name));
    if reason.is_none() {
        errors.add("reason", "Say why. The history shows it.");
    }
    reason
}

/// The fields, with what is wrong with them.
pub(super) fn markup(fields: &Fields, errors: &FieldErrors, products: &[Product]) -> Markup {
    let chosen = |name: &str, value: &str| fields.text(name).unwrap_or_default() == value;
    html! {
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
        (field("salesforce_opportunity_line_item", "Salesforce opportunity line item: 18 letters and digits from 00k", errors,
            &input(fields, "salesforce_opportunity_line_item", SubscriptionPlan::SALESFORCE_ID_LENGTH)))
        (field("enterprise_catalog_uuid", "Catalog, by its UUID", errors,
            &input(fields, "enterprise_catalog_uuid", 36)))
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
        (reason(fields, errors))
    }
}

/// The choice of a reason.
pub(super) fn reason(fields: &Fields, errors: &FieldErrors) -> Markup {
    field(
        "reason",
        "Reason, for the history",
        errors,
        &html! {
            select #reason name="reason" {
                option value="" { "Choose one" }
                @for (reason, words) in REASONS {
                    option value=(reason.as_str()) selected[fields.text("reason").as_deref() == Some(reason.as_str())] { (words) }
                }
            }
        },
    )
}

/// A field for a moment.
pub(super) fn date(fields: &Fields, name: &str) -> Markup {
    html! { input id=(name) name=(name) type="datetime-local" step="1" value=(fields.text(name).unwrap_or_default()); }
}

/// A moment as fields have it.
pub(super) fn moment_text(moment: DateTime<Utc>) -> String {
    moment.format(MOMENT).to_string()
}

#[cfg(test)]
mod tests {
    use license_manager_domain::model::seeded_products;
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

    fn read_edit(change: &str) -> Result<(ChangeReason, PlanChanges), FieldErrors> {
        read(Purpose::Edit, &plan(), &seeded_products(), &with(change))
    }

    fn wrong(purpose: Purpose, change: &str) -> Vec<String> {
        let errors = read(purpose, &plan(), &seeded_products(), &with(change)).unwrap_err();
        errors.iter().map(|(field, _)| field.to_owned()).collect()
    }

    #[test]
    fn a_form_sent_as_it_is_changes_nothing() {
        assert_eq!(read_edit("reason=other"), Ok((ChangeReason::Other, PlanChanges::default())));
    }

    #[test]
    fn only_what_was_edited_changes() {
        let (reason, changes) =
            read_edit("reason=new&title=Music&is_active=yes&expiration_date=2031-01-01T00:00").unwrap();
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
        let fields = wrong(Purpose::Edit, "start_date=soon&desired_num_licenses=many");
        assert_eq!(fields, ["desired_num_licenses", "reason", "start_date"]);
    }

    #[test]
    fn rules_are_told_beside_what_cannot_be_read() {
        let fields = wrong(Purpose::Edit, "title=&desired_num_licenses=many&expiration_date=2000-01-01T00:00");
        assert_eq!(fields, ["desired_num_licenses", "expiration_date", "reason", "title"]);
        let fields = wrong(Purpose::Edit, "reason=other&enterprise_catalog_uuid=x&revoke_max_percentage=101");
        assert_eq!(fields, ["enterprise_catalog_uuid", "revoke_max_percentage"]);
        assert_eq!(
            wrong(Purpose::Make, ""),
            ["reason", "salesforce_opportunity_line_item"],
            "of a new plan, every field"
        );
    }

    #[test]
    fn rules_about_what_cannot_be_read_are_not_told() {
        let fields = wrong(Purpose::Edit, "reason=other&start_date=soon&expiration_date=2000-01-01T00:00");
        assert_eq!(fields, ["start_date"], "the plan may start before");
        assert_eq!(wrong(Purpose::Make, "reason=other&product=x"), ["product"], "the product decides");
    }
}
