//! Who changed what, when and why, as a time line.

use license_manager_domain::history::{ChangeKind, FieldChange, Value};
use license_manager_domain::model::ChangeReason;
use license_manager_domain::use_cases::HistoricChange;
use maud::{Markup, html};

use super::plan_form::reason_words;
use crate::dates::moment;

/// Fields that say nothing to people: they are shown by other fields.
pub(crate) const SILENT: [&str; 3] = ["created", "modified", "uuid"];

/// The time line of a row, newest first. `headline` names a change, or leaves it to its kind.
pub(crate) fn timeline(changes: &[HistoricChange], headline: impl Fn(&HistoricChange) -> Option<String>) -> Markup {
    timeline_with(changes, headline, &|_, _| html! {})
}

/// The same, with something below each change; `below` gets its place, the newest being 0.
pub(crate) fn timeline_with(
    changes: &[HistoricChange],
    headline: impl Fn(&HistoricChange) -> Option<String>,
    below: &dyn Fn(usize, &HistoricChange) -> Markup,
) -> Markup {
    html! {
        ol.timeline {
            @for (place, change) in changes.iter().enumerate() {
                li {
                    b { (headline(change).unwrap_or_else(|| kind(change.version.kind).to_owned())) }
                    div.quiet {
                        (moment(change.version.at)) " UTC · "
                        (change.version.by.as_deref().unwrap_or("the service"))
                        @if let Some(reason) = &change.version.reason { " · " (why(reason)) }
                    }
                    @if change.version.kind == ChangeKind::Changed { (fields(&change.changes)) }
                    (below(place, change))
                }
            }
        }
    }
}

/// A reason as its form offers it, or as it was written.
pub(super) fn why(reason: &str) -> &str {
    match ChangeReason::from_name(reason) {
        Some(known) => reason_words(known),
        None => reason,
    }
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "Created",
        ChangeKind::Changed => "Changed",
        ChangeKind::Deleted => "Deleted",
    }
}

/// Fields with their values before and after.
fn fields(changes: &[FieldChange]) -> Markup {
    let shown: Vec<&FieldChange> = changes.iter().filter(|change| !SILENT.contains(&change.field)).collect();
    html! {
        @if !shown.is_empty() {
            ul { @for change in shown {
                li { (label(change.field)) ": " (value(&change.from)) " → " (value(&change.to)) }
            } }
        }
    }
}

/// A field's name in words: those of the form that edits it, or the name itself.
pub(super) fn label(field: &str) -> String {
    let words = match field {
        "start_date" => "Starts",
        "expiration_date" => "Ends",
        "is_active" => "Active",
        "desired_num_licenses" => "Licenses wanted",
        "enterprise_catalog_uuid" => "Catalog",
        "is_revocation_cap_enabled" => "Revocations are capped",
        "revoke_max_percentage" => "Cap, in percent of the licenses",
        "num_revocations_applied" => "Revocations that count",
        "should_auto_apply_licenses" => "Gives licenses to learners who log in",
        "can_freeze_unused_licenses" => "Unused licenses may be frozen",
        "last_freeze_timestamp" => "Frozen",
        "user_email" => "Holder's email",
        "lms_user_id" => "LMS user id",
        "last_remind_date" => "Last mail",
        _ => return in_words(field),
    };
    words.to_owned()
}

/// A name as people write it.
fn in_words(name: &str) -> String {
    let words = name.trim_end_matches("_uuid").replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A value as people read it.
pub(super) fn value(value: &Value) -> Markup {
    match value {
        Value::Empty => html! { "–" },
        Value::Flag(true) => html! { "yes" },
        Value::Flag(false) => html! { "no" },
        Value::Number(number) => html! { (number) },
        Value::Text(text) => html! { (text) },
        Value::Moment(at) => moment(*at),
    }
}

/// What happened to a license, in words.
pub(crate) fn license_headline(change: &HistoricChange) -> Option<String> {
    if change.version.kind != ChangeKind::Changed {
        return None;
    }
    let changed = |field: &str| change.changes.iter().find(|change| change.field == field);
    if let Some(status) = changed("status") {
        let email = change.version.row.text("user_email").unwrap_or("nobody");
        return Some(match &status.to {
            Value::Text(to) if to == "assigned" => format!("Assigned to {email}"),
            Value::Text(to) if to == "activated" => "Activated".to_owned(),
            Value::Text(to) if to == "revoked" => "Revoked".to_owned(),
            _ => "Set back to unassigned".to_owned(),
        });
    }
    if changed("subscription_plan_uuid").is_some() {
        return Some("Moved to another plan".to_owned());
    }
    if changed("last_remind_date").is_some() {
        return Some("Reminder mail sent".to_owned());
    }
    if let Some(renewed) = changed("renewed_to_uuid") {
        let is_set = renewed.to != Value::Empty;
        return Some(if is_set { "Renewed" } else { "Not renewed any more" }.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_names_in_words() {
        assert_eq!(label("subscription_plan_uuid"), "Subscription plan");
        assert_eq!(label("desired_num_licenses"), "Licenses wanted");
    }
}
