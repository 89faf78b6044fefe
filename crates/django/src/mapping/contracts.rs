//! Plan types, products, agreements, their messages and plans.

use license_manager_domain::model::ExpirationMessage;

use super::Mapped;
use crate::DjangoError;
use crate::values::Cells;

pub(crate) const PLAN_TYPE: &[&str] =
    &["id", "label", "description", "is_paid_subscription", "ns_id_required", "sf_id_required", "internal_use_only"];

pub(crate) fn plan_type(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    to.row
        .number("id", cells.number("id")?)
        .text("label", cells.text("label").as_deref())
        .text("description", cells.text("description").as_deref())
        .flag("is_paid_subscription", Some(cells.flag("is_paid_subscription")))
        .flag("ns_id_required", Some(cells.flag("ns_id_required")))
        .flag("sf_id_required", Some(cells.flag("sf_id_required")))
        .flag("internal_use_only", Some(cells.flag("internal_use_only")));
    Ok(())
}

pub(crate) const PRODUCT: &[&str] =
    &["id", "name", "description", "netsuite_id", "plan_type_id", "salesforce_product_id"];

pub(crate) fn product(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    to.row
        .number("id", cells.number("id")?)
        .text("name", cells.text("name").as_deref())
        .text("description", cells.text("description").as_deref())
        .number("netsuite_id", cells.number("netsuite_id")?)
        .text("salesforce_product_id", cells.filled("salesforce_product_id").as_deref())
        .number("plan_type_id", Some(cells.number("plan_type_id")?.unwrap_or_default()));
    Ok(())
}

pub(crate) const AGREEMENT: &[&str] = &[
    "uuid",
    "created",
    "modified",
    "enterprise_customer_uuid",
    "enterprise_customer_slug",
    "enterprise_customer_name",
    "default_enterprise_catalog_uuid",
    "disable_expiration_notifications",
    "disable_onboarding_notifications",
    "license_duration_before_purge",
    "enable_auto_applied_subscriptions_with_universal_link",
    "enable_auto_scaling_of_current_plan",
    "auto_scaling_max_licenses",
    "auto_scaling_threshold_percentage",
    "auto_scaling_increment_percentage",
    "has_custom_license_expiration_messaging",
    "modal_header_text",
    "expired_subscription_modal_messaging",
    "button_label_in_modal",
    "url_for_button_in_modal",
];

/// The texts of a message.
const TEXTS: [&str; 4] =
    ["modal_header_text", "expired_subscription_modal_messaging", "button_label_in_modal", "url_for_button_in_modal"];

pub(crate) fn agreement(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let micros = cells.number("license_duration_before_purge")?.unwrap_or_default();
    // A part of a second keeps a license for the whole second.
    let seconds = micros.div_euclid(1_000_000) + i64::from(micros.rem_euclid(1_000_000) > 0);
    if seconds < 0 {
        to.mend("purge_duration");
    }
    if seconds.max(0).saturating_mul(1_000_000) != micros {
        to.keep("license_duration_before_purge", Some(micros.to_string()));
    }
    let threshold = to.limited(cells, "auto_scaling_threshold_percentage", 1..=100, "auto_scaling_percentage")?;
    let increment = to.limited(cells, "auto_scaling_increment_percentage", 1..=100, "auto_scaling_percentage")?;
    let most = to.limited(cells, "auto_scaling_max_licenses", 0..=i64::from(i32::MAX), "auto_scaling_most")?;
    // The old place of the message, which the service does not read any more.
    if cells.flag("has_custom_license_expiration_messaging") {
        to.keep("has_custom_license_expiration_messaging", Some("1".to_owned()));
    }
    for column in TEXTS {
        to.keep_filled(cells, column);
    }
    to.row
        .uuid("uuid", cells.uuid("uuid")?)
        .uuid("enterprise_customer_uuid", Some(cells.reference("enterprise_customer_uuid")?))
        .text("enterprise_customer_slug", cells.filled("enterprise_customer_slug").as_deref())
        .text("enterprise_customer_name", cells.filled("enterprise_customer_name").as_deref())
        .uuid("default_enterprise_catalog_uuid", cells.uuid("default_enterprise_catalog_uuid")?)
        .flag("disable_expiration_notifications", Some(cells.flag("disable_expiration_notifications")))
        .flag("disable_onboarding_notifications", Some(cells.flag("disable_onboarding_notifications")))
        .number("license_duration_before_purge_seconds", Some(seconds.max(0)))
        .flag(
            "enable_auto_applied_subscriptions_with_universal_link",
            Some(cells.flag("enable_auto_applied_subscriptions_with_universal_link")),
        )
        .flag("enable_auto_scaling_of_current_plan", Some(cells.flag("enable_auto_scaling_of_current_plan")))
        .number("auto_scaling_max_licenses", most)
        .number("auto_scaling_threshold_percentage", threshold)
        .number("auto_scaling_increment_percentage", increment)
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(cells.fixed_moment("modified")?));
    Ok(())
}

pub(crate) const MESSAGE: &[&str] = &[
    "id",
    "customer_agreement_id",
    "has_custom_license_expiration_messaging",
    "modal_header_text",
    "expired_subscription_modal_messaging",
    "button_label_in_modal",
    "url_for_button_in_modal",
];

pub(crate) fn message(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let text = |column| cells.text(column).unwrap_or_default();
    let before = ExpirationMessage {
        modal_header_text: text("modal_header_text"),
        modal_messaging: text("expired_subscription_modal_messaging"),
        button_label: text("button_label_in_modal"),
        button_url: text("url_for_button_in_modal"),
    };
    let is_on = cells.flag("has_custom_license_expiration_messaging");
    if !is_on {
        to.goes_over = to.is_history;
        to.is_absent = true;
        let has_texts = [&before.modal_header_text, &before.modal_messaging, &before.button_label, &before.button_url]
            .iter()
            .any(|text| !text.is_empty());
        if has_texts {
            to.leave("message_that_is_off");
        }
    }
    let message = before.clone().harmless();
    if is_on && message != before {
        to.mend("harmless_message");
    }
    if !is_on && cells.uuid("customer_agreement_id")?.is_some() {
        let agreement = cells.reference("customer_agreement_id")?;
        to.keep("customer_agreement_id", Some(agreement.to_string()));
        for column in TEXTS {
            to.keep_filled(cells, column);
        }
    }
    to.row
        .uuid("customer_agreement_uuid", Some(cells.reference("customer_agreement_id")?))
        .text("modal_header_text", Some(&message.modal_header_text))
        .text("modal_messaging", Some(&message.modal_messaging))
        .text("button_label", Some(&message.button_label))
        .text("button_url", Some(&message.button_url));
    Ok(())
}

pub(crate) const PLAN: &[&str] = &[
    "uuid",
    "created",
    "modified",
    "title",
    "start_date",
    "expiration_date",
    "expiration_processed",
    "enterprise_catalog_uuid",
    "customer_agreement_id",
    "is_active",
    "is_revocation_cap_enabled",
    "revoke_max_percentage",
    "num_revocations_applied",
    "salesforce_opportunity_line_item",
    "salesforce_opportunity_id",
    "product_id",
    "for_internal_use_only",
    "can_freeze_unused_licenses",
    "last_freeze_timestamp",
    "should_auto_apply_licenses",
    "desired_num_licenses",
];

/// The most licenses of a plan that is not for internal use.
const MOST_LICENSES: i64 = 1_000_000;

pub(crate) fn plan(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let start = cells.fixed_moment("start_date")?;
    let end = later(cells, "expiration_date", start, "plan_period", to)?;
    let is_internal = cells.flag("for_internal_use_only");
    let most = if is_internal { i64::from(i32::MAX) } else { MOST_LICENSES };
    let desired = to.limited(cells, "desired_num_licenses", 0..=most, "desired_licenses")?;
    let percent = to.limited(cells, "revoke_max_percentage", 0..=100, "revoke_percentage")?;
    let revoked = to.limited(cells, "num_revocations_applied", 0..=i64::from(i32::MAX), "number_of_revocations")?;
    if cells.filled("salesforce_opportunity_id").is_some() {
        to.leave("plan_opportunity");
        to.keep_filled(cells, "salesforce_opportunity_id");
    }
    if cells.number("product_id")?.is_none() {
        to.keep("product_id", None);
    }
    to.row
        .uuid("uuid", cells.uuid("uuid")?)
        .text("title", Some(&cells.text("title").unwrap_or_default()))
        .number("start_date", Some(start))
        .number("expiration_date", Some(end))
        .flag("expiration_processed", Some(cells.flag("expiration_processed")))
        .uuid("enterprise_catalog_uuid", Some(cells.reference("enterprise_catalog_uuid")?))
        .uuid("customer_agreement_uuid", Some(cells.reference("customer_agreement_id")?))
        .flag("is_active", Some(cells.flag("is_active")))
        .flag("is_revocation_cap_enabled", Some(cells.flag("is_revocation_cap_enabled")))
        .number("revoke_max_percentage", Some(percent.unwrap_or(5)))
        .number("num_revocations_applied", Some(revoked.unwrap_or_default()))
        .text("salesforce_opportunity_line_item", cells.filled("salesforce_opportunity_line_item").as_deref())
        .number("product_id", cells.number("product_id")?)
        .flag("for_internal_use_only", Some(is_internal))
        .flag("can_freeze_unused_licenses", Some(cells.flag("can_freeze_unused_licenses")))
        .number("last_freeze_timestamp", cells.moment("last_freeze_timestamp")?)
        .flag("should_auto_apply_licenses", cells.optional_flag("should_auto_apply_licenses"))
        .number("desired_num_licenses", desired)
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(cells.fixed_moment("modified")?));
    Ok(())
}

/// The end of a period, at least a second after its start. Another one is kept.
pub(super) fn later(
    cells: &Cells<'_>,
    column: &'static str,
    start: i64,
    rule: &'static str,
    to: &mut Mapped,
) -> Result<i64, DjangoError> {
    let end = cells.fixed_moment(column)?;
    if end > start {
        return Ok(end);
    }
    to.mend(rule);
    to.keep(column, cells.text(column));
    Ok(start + 1_000_000)
}
