//! Licenses, their sources and events. What takes more than one row to mend is mended in our database.

use super::Mapped;
use crate::DjangoError;
use crate::values::Cells;

pub(crate) const LICENSE: &[&str] = &[
    "uuid",
    "created",
    "modified",
    "status",
    "activation_date",
    "last_remind_date",
    "user_email",
    "lms_user_id",
    "subscription_plan_id",
    "activation_key",
    "assigned_date",
    "revoked_date",
    "renewed_to_id",
    "auto_applied",
];

pub(crate) fn license(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let status = match cells.text("status").as_deref() {
        Some("assigned") => "assigned",
        Some("activated") => "activated",
        Some("revoked" | "deactivated") => "revoked",
        Some("unassigned") => "unassigned",
        _ => {
            return Err(DjangoError::Value {
                table: cells.table,
                column: "status",
                expected: "status of a license",
                key: cells.uuid("uuid")?.unwrap_or_default().to_string(),
            });
        }
    };
    let email = to.address(cells.filled("user_email"));
    // Nobody has an id below 1 in the LMS.
    let lms_user_id = cells.number("lms_user_id")?.filter(|id| *id > 0);
    let activation_key = cells.uuid("activation_key")?;
    let assigned = cells.moment("assigned_date")?;
    let activated = cells.moment("activation_date")?;
    let reminded = cells.moment("last_remind_date")?;
    let revoked = cells.moment("revoked_date")?;
    let is_free = status == "unassigned";
    let is_live = matches!(status, "assigned" | "activated");
    let leftover = is_free
        && (email.is_some()
            || lms_user_id.is_some()
            || activation_key.is_some()
            || [assigned, activated, reminded, revoked].iter().any(Option::is_some));
    if leftover {
        to.mend("unassigned_with_leftovers");
    }
    if is_live && revoked.is_some() {
        to.mend("live_with_revoked_date");
    }
    if status == "assigned" && activated.is_some() {
        to.mend("assigned_with_activation_date");
    }
    to.row
        .uuid("uuid", cells.uuid("uuid")?)
        .uuid("subscription_plan_uuid", Some(cells.reference("subscription_plan_id")?))
        .text("status", Some(status))
        .text("user_email", email.filter(|_| !is_free).as_deref())
        .number("lms_user_id", lms_user_id.filter(|_| !is_free))
        .uuid("activation_key", activation_key.filter(|_| !is_free))
        .number("assigned_date", assigned.filter(|_| !is_free))
        .number("activation_date", activated.filter(|_| !is_free && status != "assigned"))
        .number("last_remind_date", reminded.filter(|_| !is_free))
        .number("revoked_date", revoked.filter(|_| !is_free && !is_live))
        .uuid("renewed_to_uuid", cells.uuid("renewed_to_id")?)
        .flag("auto_applied", cells.optional_flag("auto_applied"))
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(cells.fixed_moment("modified")?));
    Ok(())
}

pub(crate) const SOURCE: &[&str] = &["id", "created", "modified", "source_id", "license_id"];

pub(crate) fn license_source(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let id = cells.text("source_id").unwrap_or_default();
    let source_id = opportunity(&id);
    if source_id != id {
        to.mend("source_id");
        to.keep("source_id", Some(id));
    }
    to.row
        .uuid("license_uuid", Some(cells.reference("license_id")?))
        .text("source_id", Some(&source_id))
        .text("source_type", Some(cells.text("source_type").as_deref().unwrap_or("AMT")))
        .number("created", Some(cells.fixed_moment("created")?))
        .number("modified", Some(cells.fixed_moment("modified")?));
    Ok(())
}

/// A Salesforce id of 18 characters. Three check characters make one of 15 characters independent of case; another
/// length is filled with zeros.
fn opportunity(id: &str) -> String {
    if id.chars().count() != 15 || !id.is_ascii() {
        return id.chars().chain(std::iter::repeat('0')).take(18).collect();
    }
    let check = |part: &[u8]| {
        let bits = part.iter().rev().fold(0, |bits, letter| bits * 2 + usize::from(letter.is_ascii_uppercase()));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits])
    };
    id.chars().chain(id.as_bytes().chunks(5).map(check)).collect()
}

pub(crate) const EVENT: &[&str] = &["id", "created", "event_name", "license_id"];

pub(crate) fn event(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    to.row
        .number("id", cells.number("id")?)
        .uuid("license_uuid", cells.uuid("license_id")?)
        .text("event_name", Some(&cells.text("event_name").unwrap_or_default()))
        .number("created", Some(cells.fixed_moment("created")?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salesforce_id_gets_18_characters() {
        for (id, full) in [
            ("006000000000000AAA", "006000000000000AAA"),
            ("006AbCdEfGhIjKl", "006AbCdEfGhIjKlIVK"),
            ("006", "006000000000000000"),
            ("", "000000000000000000"),
        ] {
            let made = opportunity(id);
            assert_eq!(made.len(), 18, "{id}");
            if id.len() != 15 {
                assert_eq!(made, full);
            }
        }
        // The known example: the check characters name the uppercase letters of each five.
        assert_eq!(opportunity("0017F000002Ywsn"), "0017F000002YwsnQAC");
    }
}
