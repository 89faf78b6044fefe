//! Tables and parts that several pages share.

use license_manager_domain::console::{AgreementRow, LicenseRow, PlanRow};
use license_manager_domain::{LicenseCounts, LicenseStatus};
use maud::{Markup, html};

use crate::dates::{day, maybe_day};
use crate::form::Fields;

/// Rows of a page.
pub(crate) const ROWS: i64 = 50;

/// A status: a color and always a word.
pub(crate) fn state(status: LicenseStatus) -> Markup {
    let word = match status {
        LicenseStatus::Activated => "Activated",
        LicenseStatus::Assigned => "Assigned",
        LicenseStatus::Revoked => "Revoked",
        LicenseStatus::Unassigned => "Free",
    };
    html! { span class={ "state " (status.as_str()) } { (word) } }
}

/// A name of a customer.
pub(crate) fn customer_name(row: Option<&str>) -> &str {
    row.unwrap_or("A customer without a name")
}

/// A person's page.
pub(crate) fn person_link(email: &str) -> Markup {
    let query: String = form_urlencoded::byte_serialize(email.as_bytes()).collect();
    html! { a href={ "/console/people/?email=" (query) } { (email) } }
}

/// Licenses of several plans.
pub(crate) fn licenses(rows: &[LicenseRow]) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                th { "Email" } th { "State" } th { "Plan" } th { "Customer" } th { "Assigned" } th { "Activated" }
                th { "Revoked" } th { span.hidden { "Open" } }
            } }
            tbody { @for row in rows { tr {
                td { @if let Some(email) = &row.email { (person_link(email)) } @else { span.quiet { "–" } } }
                td { (state(row.status)) }
                td.long { a href={ "/console/plans/" (row.plan) "/" } { (row.plan_title) } }
                td.long { (customer_name(row.customer_name.as_deref())) }
                td { (maybe_day(row.assigned_date)) }
                td { (maybe_day(row.activation_date)) }
                td { (maybe_day(row.revoked_date)) }
                td { a href={ "/console/licenses/" (row.id) "/" } { "Open" } }
            } } }
        } }
    }
}

/// Plans.
pub(crate) fn plans(rows: &[PlanRow]) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                th { "Plan" } th { "Customer" } th { "State" } th { "Starts" } th { "Ends" } th.number { "Free" }
                th.number { "In use" } th.number { "Licenses" }
            } }
            tbody { @for row in rows { tr {
                td.long { a href={ "/console/plans/" (row.id) "/" } { (row.title) } }
                td.long { a href={ "/console/customers/" (row.agreement) "/" } { (customer_name(row.customer_name.as_deref())) } }
                td { (plan_chips(row)) }
                td { (day(row.start_date)) }
                td { (day(row.expiration_date)) }
                td.number { (number(row.counts.unassigned)) }
                td.number { (number(row.counts.allocated())) }
                td.number { (number(row.counts.total())) }
            } } }
        } }
    }
}

/// What a plan is.
pub(crate) fn plan_chips(row: &PlanRow) -> Markup {
    html! {
        span.chip { @if row.is_active { "Active" } @else { "Not active" } }
        @if row.for_internal_use_only { " " span.chip { "Internal" } }
        @if row.is_frozen { " " span.chip { "Frozen" } }
        @if row.is_renewed { " " span.chip { "Has a renewal" } }
    }
}

/// Agreements.
pub(crate) fn agreements(rows: &[AgreementRow]) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                th { "Customer" } th { "Slug" } th { "Customer id" } th.number { "Active plans" } th.number { "Plans" }
            } }
            tbody { @for row in rows { tr {
                td.long { a href={ "/console/customers/" (row.id) "/" } {
                    (customer_name(row.name.as_deref().or(row.slug.as_deref())))
                } }
                td { (row.slug.as_deref().unwrap_or("–")) }
                td.mono { (row.customer) }
                td.number { (number(row.active_plans)) }
                td.number { (number(row.plans)) }
            } } }
        } }
    }
}

/// The licenses of a plan as a bar with a legend.
pub(crate) fn seats(counts: &LicenseCounts) -> Markup {
    let total = counts.total().max(1) as f64;
    let part = |number: i64| number as f64 / total * 1000.0;
    let (activated, assigned) = (part(counts.activated), part(counts.assigned));
    let told = format!(
        "{} activated, {} assigned, {} free of {}",
        counts.activated,
        counts.assigned,
        counts.unassigned,
        counts.total()
    );
    html! {
        svg.seats viewBox="0 0 1000 12" preserveAspectRatio="none" role="img" aria-label=(told) {
            rect.activated x="0" y="0" width=(activated) height="12" {}
            rect.assigned x=(activated) y="0" width=(assigned) height="12" {}
            rect.unassigned x=(activated + assigned) y="0" width=(part(counts.unassigned)) height="12" {}
        }
        div.legend {
            span.state.activated { "Activated " b { (number(counts.activated)) } }
            span.state.assigned { "Assigned " b { (number(counts.assigned)) } }
            span.state { "Free " b { (number(counts.unassigned)) } }
            span.quiet { "of " b { (number(counts.total())) } }
            span.state.revoked { "Revoked " b { (number(counts.revoked)) } }
        }
    }
}

/// A number with its thousands apart.
pub(crate) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// The page of a list that was asked for, from 1.
pub(crate) fn page_number(fields: &Fields) -> i64 {
    fields.text("page").and_then(|text| text.parse().ok()).filter(|page| (1..=1_000_000).contains(page)).unwrap_or(1)
}

/// The links to the pages before and after.
pub(crate) fn pages(path: &str, fields: &Fields, page: i64, total: i64) -> Markup {
    let last = (total - 1).max(0) / ROWS + 1;
    let address = |page: i64| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.iter().filter(|(name, value)| *name != "page" && !value.is_empty()));
        query.append_pair("page", &page.to_string());
        format!("{path}?{}", query.finish())
    };
    html! {
        @if last > 1 {
            nav.filters aria-label="Pages" {
                @if page > 1 { a.button rel="prev" href=(address(page - 1)) { "Previous" } }
                span.quiet { "Page " (number(page)) " of " (number(last)) }
                @if page < last { a.button rel="next" href=(address(page + 1)) { "Next" } }
            }
        }
    }
}

/// A choice in a filter: its name, and its values with their words.
pub(crate) fn choice(fields: &Fields, name: &str, label: &str, values: &[(&str, &str)]) -> Markup {
    let chosen = fields.text(name).unwrap_or_default();
    html! {
        select name=(name) aria-label=(label) {
            @for (value, words) in values {
                option value=(value) selected[*value == chosen] { (words) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_thousands() {
        let told: Vec<String> = [0, 999, 1_000, 1_234_567, -1_000].into_iter().map(number).collect();
        assert_eq!(told, ["0", "999", "1,000", "1,234,567", "-1,000"]);
    }

    #[test]
    fn pages_keep_the_filters() {
        let fields = Fields::parse(b"title=data+science&page=2&is_active=");
        let links = pages("/console/plans/", &fields, 2, ROWS * 3).into_string();
        assert!(links.contains("?title=data+science&amp;page=1\"") && links.contains("page=3\""), "{links}");
        assert_eq!(pages("/x/", &fields, 1, ROWS).into_string(), "");
    }
}
