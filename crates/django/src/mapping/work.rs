//! Renewals, transfer jobs, notifications and bulk enrollments.

use license_manager_domain::model::TransferRun;
use serde_json::Value;
use uuid::Uuid;

use super::Mapped;
use super::contracts::later;
use crate::DjangoError;
use crate::values::Cells;

pub(crate) const RENEWAL: &[&str] = &[
    "id",
    "created",
    "modified",
    "salesforce_opportunity_id",
    "number_of_licenses",
    "effective_date",
    "renewed_expiration_date",
    "processed",
    "prior_subscription_plan_id",
    "renewed_subscription_plan_id",
    "license_types_to_copy",
    "processed_datetime",
    "renewed_plan_title",
    "disable_auto_apply_licenses",
    "exempt_from_batch_processing",
];

pub(crate) fn renewal(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let start = cells.fixed_moment("effective_date")?;
    let end = later(cells, "renewed_expiration_date", start, "renewal_period", to)?;
    let asked = cells.number("number_of_licenses")?.unwrap_or_default();
    let number = to.limited(cells, "number_of_licenses", 1..=i64::from(i32::MAX), "renewal_of_no_licenses")?;
    let renewed = cells.uuid("renewed_subscription_plan_id")?;
    let modified = cells.fixed_moment("modified")?;
    let mut is_processed = cells.flag("processed");
    if is_processed && renewed.is_none() {
        to.mend("renewal_without_plan");
        to.keep("processed", Some("1".to_owned()));
        is_processed = false;
    }
    let mut processed_at = cells.moment("processed_datetime")?;
    if is_processed && processed_at.is_none() {
        to.mend("renewal_without_time");
        to.keep("processed_datetime", None);
        processed_at = Some(modified);
    }
    // Nobody asked for what these would do.
    let is_doubtful = asked < 1 || cells.flag("processed") != is_processed;
    if is_doubtful && !cells.flag("exempt_from_batch_processing") {
        to.keep("exempt_from_batch_processing", Some("0".to_owned()));
    }
    let types = cells.text("license_types_to_copy");
    let types = types.as_deref().filter(|types| matches!(*types, "activated" | "nothing"));
    to.row
        .number("id", cells.number("id")?)
        .uuid("prior_subscription_plan_uuid", Some(cells.reference("prior_subscription_plan_id")?))
        .uuid("renewed_subscription_plan_uuid", renewed)
        .text("salesforce_opportunity_id", cells.filled("salesforce_opportunity_id").as_deref())
        .number("number_of_licenses", Some(number.unwrap_or(1)))
        .number("effective_date", Some(start))
        .number("renewed_expiration_date", Some(end))
        .flag("processed", Some(is_processed))
        .number("processed_datetime", processed_at)
        .text("renewed_plan_title", cells.filled("renewed_plan_title").as_deref())
        .text("license_types_to_copy", Some(types.unwrap_or("assigned_and_activated")))
        .flag("disable_auto_apply_licenses", Some(cells.flag("disable_auto_apply_licenses")))
        .flag("exempt_from_batch_processing", Some(is_doubtful || cells.flag("exempt_from_batch_processing")))
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(modified));
    Ok(())
}

pub(crate) const TRANSFER: &[&str] = &[
    "id",
    "created",
    "modified",
    "completed_at",
    "notes",
    "is_dry_run",
    "delimiter",
    "license_uuids_raw",
    "processed_results",
    "customer_agreement_id",
    "new_subscription_plan_id",
    "old_subscription_plan_id",
    "transfer_all",
];

pub(crate) fn transfer(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let old = cells.reference("old_subscription_plan_id")?;
    let new = cells.reference("new_subscription_plan_id")?;
    if old == new && !to.is_history {
        to.leave("transfer_to_the_same_plan");
        to.goes_over = false;
    }
    let licenses = match cells.flag("transfer_all") {
        true => None,
        false => {
            let (ids, others) = named_licenses(cells);
            if others {
                to.mend("transfer_of_no_license");
                to.keep("delimiter", cells.text("delimiter"));
                to.keep("license_uuids_raw", cells.text("license_uuids_raw").filter(|text| names_nobody(text)));
            }
            Some(Value::from(ids).to_string())
        }
    };
    let (runs, others) = runs(cells.text("processed_results").as_deref());
    if others {
        to.mend("transfer_results");
        to.keep("processed_results", cells.text("processed_results").filter(|text| names_nobody(text)));
    }
    to.row
        .number("id", cells.number("id")?)
        .uuid("customer_agreement_uuid", Some(cells.reference("customer_agreement_id")?))
        .uuid("old_subscription_plan_uuid", Some(old))
        .uuid("new_subscription_plan_uuid", Some(new))
        .text("notes", cells.filled("notes").as_deref())
        .flag("is_dry_run", Some(cells.flag("is_dry_run")))
        .text("license_uuids", licenses.as_deref())
        .text("processed_results", Some(&runs))
        .number("completed_at", cells.moment("completed_at")?)
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(cells.fixed_moment("modified")?));
    Ok(())
}

/// Whether a text has no address.
fn names_nobody(text: &str) -> bool {
    !text.contains('@')
}

/// The licenses that a job names, and whether it names something else.
fn named_licenses(cells: &Cells<'_>) -> (Vec<String>, bool) {
    let raw = cells.text("license_uuids_raw").unwrap_or_default();
    let delimiter = match cells.text("delimiter").as_deref() {
        Some("comma") => ',',
        Some("pipe") => '|',
        _ => '\n',
    };
    let named: Vec<&str> = raw.split(delimiter).map(str::trim).filter(|id| !id.is_empty()).collect();
    let ids: Vec<String> = named.iter().filter_map(|id| Uuid::try_parse(id).ok()).map(|id| id.to_string()).collect();
    let others = ids.len() < named.len();
    (ids, others)
}

/// The runs of a job as ours stores them, and whether there was something that is no run.
fn runs(text: Option<&str>) -> (String, bool) {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return ("[]".to_owned(), false) };
    let entries = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(entries)) => entries,
        Ok(Value::Null) => Vec::new(),
        Ok(_) | Err(_) => return ("[]".to_owned(), true),
    };
    let number = entries.len();
    let read: Vec<TransferRun> = entries.into_iter().filter_map(run).collect();
    (serde_json::to_string(&read).unwrap_or_else(|_| "[]".to_owned()), read.len() < number)
}

/// Python writes a moment with a space where ISO 8601 has a `T`.
fn run(mut entry: Value) -> Option<TransferRun> {
    let at = entry.get("completed_at")?.as_str()?.replacen(' ', "T", 1);
    entry["completed_at"] = at.into();
    serde_json::from_value(entry).ok()
}

pub(crate) const NOTIFICATION: &[&str] = &[
    "id",
    "created",
    "modified",
    "enterprise_customer_uuid",
    "enterprise_customer_user_uuid",
    "notification_type",
    "last_sent",
    "subscripton_plan_id",
];

pub(crate) fn notification(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let packed = cells.reference("enterprise_customer_user_uuid")?.as_u128();
    let user = i64::try_from(packed).unwrap_or_else(|_| {
        to.mend("notified_user");
        to.keep("enterprise_customer_user_uuid", Some(Uuid::from_u128(packed).to_string()));
        // Still one number for each user, so that the mail does not go out again.
        (packed as u64 >> 1).cast_signed()
    });
    let plan = cells.uuid("subscripton_plan_id")?;
    if plan.is_none() {
        to.keep("subscripton_plan_id", None);
    }
    to.row
        .number("id", cells.number("id")?)
        .uuid("enterprise_customer_uuid", Some(cells.reference("enterprise_customer_uuid")?))
        .number("enterprise_customer_user_id", Some(user))
        .uuid("subscription_plan_uuid", if to.is_history { Some(plan.unwrap_or_default()) } else { plan })
        .text("notification_type", Some(&cells.text("notification_type").unwrap_or_default()))
        .number("last_sent", Some(cells.fixed_moment("last_sent")?))
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(cells.fixed_moment("modified")?));
    Ok(())
}

pub(crate) const ENROLLMENT: &[&str] =
    &["uuid", "created", "modified", "enterprise_customer_uuid", "lms_user_id", "results_s3_object_name"];

pub(crate) fn enrollment(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let file = cells.filled("results_s3_object_name");
    // The service keeps neither what was asked for nor, in its database, what came of it: that is in its bucket.
    let nothing = r#"{"learners":{"emails":[]},"plan":null,"course_run_keys":[],"notify":false}"#;
    to.row
        .uuid("uuid", cells.uuid("uuid")?)
        .uuid("enterprise_customer_uuid", Some(cells.reference("enterprise_customer_uuid")?))
        .number("lms_user_id", cells.number("lms_user_id")?.filter(|id| *id > 0))
        .text("parameters", Some(nothing))
        .text("results", Some(""))
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(cells.fixed_moment("modified")?))
        .text("stage", Some(if file.is_some() { "filed" } else { "done" }))
        .text("results_file", file.as_deref())
        .number("successes", Some(0))
        .number("pending", Some(0))
        .number("failures", Some(0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_as_python_writes_them() {
        let license = Uuid::from_u128(7);
        let text = format!(
            r#"[{{"is_dry_run": true, "modified_licenses": ["{license}"], "completed_at": "2026-11-08 19:04:40.589929+00:00"}}]"#
        );
        let (read, others) = runs(Some(&text));
        let read: Vec<TransferRun> = serde_json::from_str(&read).expect("they are runs");
        assert!(!others && read[0].is_dry_run && read[0].modified_licenses[0].0 == license);
        assert_eq!(read[0].completed_at.timestamp_micros(), 1_794_164_680_589_929);
        for (text, others) in [(None, false), (Some("null"), false), (Some("[{}]"), true), (Some("{"), true)] {
            assert_eq!(runs(text), ("[]".to_owned(), others), "{text:?}");
        }
    }
}
