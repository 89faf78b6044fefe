//! Tables and parts that several pages share.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use license_manager_domain::console::{AgreementRow, LicenseRow, PlanRow, RenewalRow};
use license_manager_domain::{LicenseCounts, LicenseStatus, words};
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

/// How a list is shown: which of its columns can sort it, and whether rows can be selected.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    /// The order that the list has without being asked for one; `None` if it cannot be sorted.
    pub(crate) sorted: Option<Sorted<'a>>,
    /// Whether rows can be selected.
    pub(crate) selectable: bool,
}

impl Shape<'_> {
    /// A list to look at.
    pub(crate) const PLAIN: Self = Self { sorted: None, selectable: false };

    /// The heading of a column that can sort the list.
    fn heading(&self, key: &str, words: &str) -> Markup {
        match &self.sorted {
            Some(sorted) => sorted.heading(key, words),
            None => html! { th { (words) } },
        }
    }

    /// The box that selects every row of the page, if rows can be selected.
    fn select_all(&self) -> Markup {
        html! {
            @if self.selectable { (select_all()) }
        }
    }

    /// The box that selects a row.
    fn select(&self, name: &str, id: &str, words: &str) -> Markup {
        html! {
            @if self.selectable {
                td { input type="checkbox" name=(name) value=(id) aria-label={ "Select " (words) }; }
            }
        }
    }
}

/// The order of a list in its address: `order=title`, or `order=-title` for the largest first.
#[derive(Clone, Copy)]
pub(crate) struct Sorted<'a> {
    /// The fields of the address.
    pub(crate) fields: &'a Fields,
    /// The order that is used without one.
    pub(crate) usual: &'static str,
}

impl Sorted<'_> {
    /// The column that sorts the list, and whether the largest comes first.
    pub(crate) fn by(&self) -> (String, bool) {
        let asked = self.fields.text("order").unwrap_or_else(|| self.usual.to_owned());
        match asked.strip_prefix('-') {
            Some(key) => (key.to_owned(), true),
            None => (asked, false),
        }
    }

    /// Whether the usual order is reversed, of a list that knows no other one.
    pub(crate) fn is_reversed(&self) -> bool {
        let reversed = self.usual.strip_prefix('-').map_or_else(|| format!("-{}", self.usual), ToOwned::to_owned);
        self.fields.text("order") == Some(reversed)
    }

    /// The heading of a column: a link that sorts by it, or reverses the order.
    pub(crate) fn heading(&self, key: &str, words: &str) -> Markup {
        let (by, descending) = self.by();
        let sorted = (by == key).then_some(if descending { "descending" } else { "ascending" });
        let order = if sorted == Some("ascending") { format!("-{key}") } else { key.to_owned() };
        let address = with_field(self.fields, "order", &order);
        html! {
            th aria-sort=[sorted] {
                a href=(address) { (words) @match sorted { Some("ascending") => " ↑", Some(_) => " ↓", None => "" } }
            }
        }
    }
}

/// Plans.
pub(crate) fn plans(rows: &[PlanRow]) -> Markup {
    plans_in(rows, Shape::PLAIN)
}

/// Plans in a list of this shape.
pub(crate) fn plans_in(rows: &[PlanRow], shape: Shape<'_>) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                (shape.select_all())
                (shape.heading("title", "Plan")) (shape.heading("customer", "Customer")) th { "State" }
                (shape.heading("start", "Starts")) (shape.heading("end", "Ends")) th.number { "Free" }
                th.number { "In use" } th.number { "Licenses" }
            } }
            tbody { @for row in rows { tr {
                (shape.select("plan", &row.id.to_string(), &row.title))
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
        @if row.is_growing { " " span.chip { "Licenses are being added" } }
        @else if row.has_job { " " span.chip { "A job goes on" } }
        @if let Some(problem) = &row.job_problem { br; span.wrong { "It failed, and is tried again: " (problem) } }
    }
}

/// Renewals in a list of this shape.
pub(crate) fn renewals_in(rows: &[RenewalRow], now: DateTime<Utc>, shape: Shape<'_>) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                (shape.select_all())
                (shape.heading("effective", "Takes effect")) (shape.heading("plan", "Plan")) (shape.heading("customer", "Customer"))
                th { "State" } th { "Renewed plan" } th.number { "Licenses" } th { "Until" } th { span.hidden { "Open" } }
            } }
            tbody { @for row in rows { tr {
                (shape.select("renewal", &row.id.to_string(), &format!("the renewal of {}", row.prior_plan_title)))
                td { (day(row.effective_date)) }
                td.long { a href={ "/console/plans/" (row.prior_plan) "/" } { (row.prior_plan_title) } }
                td.long { a href={ "/console/customers/" (row.agreement) "/" } { (customer_name(row.customer_name.as_deref())) } }
                td { (renewal_chips(row, now)) }
                td.long {
                    @if let (Some(plan), Some(title)) = (row.renewed_plan, &row.renewed_plan_title) {
                        a href={ "/console/plans/" (plan) "/" } { (title) }
                    } @else { span.quiet { "a new plan" } }
                }
                td.number { (number(row.number_of_licenses.into())) }
                td { (day(row.renewed_expiration_date)) }
                td { a href={ "/console/renewals/" (row.id) "/" } { "Open" } }
            } } }
        } }
    }
}

/// What a renewal is.
fn renewal_chips(row: &RenewalRow, now: DateTime<Utc>) -> Markup {
    html! {
        @if row.is_processed { span.chip { "Processed" } }
        @else if row.effective_date < now { span.chip.grave { "Overdue" } }
        @else { span.chip { "Scheduled" } }
        @if row.is_exempt && !row.is_processed { " " span.chip { "By hand only" } }
    }
}

/// Agreements.
pub(crate) fn agreements(rows: &[AgreementRow]) -> Markup {
    agreements_in(rows, Shape::PLAIN)
}

/// Agreements in a list of this shape.
pub(crate) fn agreements_in(rows: &[AgreementRow], shape: Shape<'_>) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                (shape.select_all())
                (shape.heading("name", "Customer")) th { "Slug" } th { "Customer id" } th.number { "Active plans" } th.number { "Plans" }
            } }
            tbody { @for row in rows { tr {
                (shape.select("agreement", &row.id.to_string(), customer_name(row.name.as_deref().or(row.slug.as_deref()))))
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

/// How many of something, in words: `1 license`, `2,000 licenses`.
pub(crate) fn counted(count: i64, one: &str, many: &str) -> String {
    words::counted(number(count), one, many)
}

/// The row after which a part of a list begins; `None` for its first part, or for what is no id.
pub(crate) fn after<Id: FromStr>(fields: &Fields) -> Option<Id> {
    fields.text("after")?.parse().ok()
}

/// Fields that tell once what a form has done.
pub(crate) const TOLD: [&str; 7] = ["done", "number", "saved", "deleted", "act", "asked", "left"];

/// The address of this page with another value of one field, from the first row.
fn with_field(fields: &Fields, name: &str, value: &str) -> String {
    let kept = |(known, text): &(&str, &str)| {
        ![name, "after", "page"].contains(known) && !TOLD.contains(known) && !text.is_empty()
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(kept)).append_pair(name, value);
    format!("?{}", query.finish())
}

/// The links to the first part of a list and to the next one, which begins after the row `last`.
pub(crate) fn pages(fields: &Fields, last: Option<String>) -> Markup {
    let first = || {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let kept = |(name, text): &(&str, &str)| *name != "after" && !TOLD.contains(name) && !text.is_empty();
        query.extend_pairs(fields.iter().filter(kept));
        format!("?{}", query.finish())
    };
    html! {
        @if fields.has("after") || last.is_some() {
            nav.filters aria-label="Pages" {
                @if fields.has("after") { a.button href=(first()) { "First page" } }
                @if let Some(last) = last { a.button rel="next" href=(with_field(fields, "after", &last)) { "Next" } }
            }
        }
    }
}

/// Cuts a list that was read with one row more than a page has. Returns the last row of the page if there is a next one.
pub(crate) fn cut<T>(rows: &mut Vec<T>) -> Option<&T> {
    let more = rows.len() as i64 > ROWS;
    rows.truncate(ROWS as usize);
    rows.last().filter(|_| more)
}

/// The fields of a list's filters, for a form that acts on what matches.
pub(crate) fn hidden(fields: &Fields, names: &[&str]) -> Markup {
    html! {
        @for name in names {
            @if let Some(value) = fields.text(name) { input type="hidden" name=(name) value=(value); }
        }
    }
}

/// What a form before has done, by the name of it.
pub(crate) fn done(query: &Fields, words: &[(&str, &str)]) -> Markup {
    let done = query.text("done");
    let told = words.iter().find(|(name, _)| done.as_deref() == Some(*name));
    html! { @if let Some((_, told)) = told { p.note.good role="status" { (told) } } }
}

/// The address of a list with these of its filters, and with more fields.
pub(crate) fn with_filters(path: &str, fields: &Fields, names: &[&str], more: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(|(name, value)| names.contains(name) && !value.is_empty()));
    let query = query.extend_pairs(more).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The bar below a list with selectable rows: how many are selected, and what can be done with them.
pub(crate) fn selected_bar(what: &str, total: i64, buttons: &Markup) -> Markup {
    html! {
        div.selected {
            b data-selected="" role="status" { "Select " (what) }
            label { input type="checkbox" name="all" value="yes"; " all " (number(total)) " that match the filter" }
            (buttons)
        }
    }
}

/// The heading with the box that selects every row of the page, for browsers with scripts.
pub(crate) fn select_all() -> Markup {
    html! { th { input type="checkbox" data-selects-all="" hidden aria-label="Select all of this page"; } }
}

/// A text in a filter: the name of its field, and what to look for.
pub(crate) fn search_input(fields: &Fields, name: &str, label: &str) -> Markup {
    let text = fields.text(name).unwrap_or_default();
    html! { input type="search" name=(name) aria-label=(label) placeholder=(label) value=(text); }
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
        let told = [0, 1, 2_000].map(|count| counted(count, "license was", "licenses were"));
        assert_eq!(told, ["0 licenses were", "1 license was", "2,000 licenses were"]);
    }

    #[test]
    fn pages_keep_the_filters() {
        let fields = Fields::parse(b"title=data+science&after=7&is_active=");
        let links = pages(&fields, Some("9".to_owned())).into_string();
        assert!(
            links.contains("?title=data+science\"") && links.contains("?title=data+science&amp;after=9\""),
            "{links}"
        );
        assert_eq!(pages(&Fields::parse(b"title=data"), None).into_string(), "");
        let told = pages(&Fields::parse(b"job=yes&act=freeze&asked=60"), Some("9".to_owned())).into_string();
        assert!(told.contains("?job=yes&amp;after=9\""), "what was done is told once: {told}");
    }

    #[test]
    fn a_list_keeps_its_filters() {
        let fields = Fields::parse(b"title=data+science&plan=7&active=&all=yes");
        assert_eq!(
            with_filters("/x/", &fields, &["title", "active"], &[("done", "it")]),
            "/x/?title=data+science&done=it"
        );
        assert_eq!(with_filters("/x/", &fields, &["active"], &[]), "/x/");
    }

    #[test]
    fn a_heading_reverses_the_order() {
        let heading = |query: &[u8], key| {
            let fields = Fields::parse(query);
            Sorted { fields: &fields, usual: "-start" }.heading(key, "Words").into_string()
        };
        assert_eq!(heading(b"", "title"), "<th><a href=\"?order=title\">Words</a></th>");
        let usual = heading(b"active=yes&after=7", "start");
        assert!(
            usual.contains("aria-sort=\"descending\"") && usual.contains("?active=yes&amp;order=start\""),
            "{usual}"
        );
        assert!(heading(b"order=title", "title").contains("order=-title"));
        assert!(!heading(b"page=3", "title").contains("page"), "the order begins with the first page");
    }

    #[test]
    fn a_list_of_one_order_can_be_reversed() {
        let reversed = |query: &[u8], usual| Sorted { fields: &Fields::parse(query), usual }.is_reversed();
        assert!(reversed(b"order=-name", "name") && reversed(b"order=sent", "-sent"));
        assert!(!reversed(b"", "name") && !reversed(b"order=name", "name") && !reversed(b"order=title", "-sent"));
    }
}
