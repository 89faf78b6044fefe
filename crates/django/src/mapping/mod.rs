//! How each row becomes ours. A rule that mends a value is noted by its name; `docs/MIGRATION.md` explains them.

mod contracts;
mod licenses;
mod people;
mod work;

pub(crate) use contracts::{
    AGREEMENT, MESSAGE, PLAN, PLAN_TYPE, PRODUCT, agreement, message, plan, plan_type, product,
};
pub(crate) use licenses::{EVENT, LICENSE, SOURCE, event, license, license_source};
pub(crate) use people::{ROLE, USER, role_assignment, user};
pub(crate) use work::{ENROLLMENT, NOTIFICATION, RENEWAL, TRANSFER, enrollment, notification, renewal, transfer};

use license_manager_domain::Email;

use crate::DjangoError;
use crate::values::{Cells, Object};

/// What becomes of a row.
pub(crate) struct Mapped {
    /// The row of ours.
    pub row: Object,
    /// Whether it is a version in a history, whose mended values are not noted.
    pub is_history: bool,
    /// Whether the row itself goes over.
    pub goes_over: bool,
    /// In a history: whether the version says that there was nothing.
    pub is_absent: bool,
    notes: Vec<(&'static str, &'static str)>,
    /// Values that have no place here, by column: for the way back.
    kept: Vec<(&'static str, Option<String>)>,
}

impl Mapped {
    /// Maps a row, and the columns that its history adds.
    pub(crate) fn of(
        cells: &Cells<'_>,
        is_history: bool,
        map: fn(&Cells<'_>, &mut Self) -> Result<(), DjangoError>,
    ) -> Result<Self, DjangoError> {
        let mut mapped = Self {
            row: Object::default(),
            is_history,
            goes_over: true,
            is_absent: false,
            notes: Vec::new(),
            kept: Vec::new(),
        };
        map(cells, &mut mapped).map_err(|error| match error {
            DjangoError::Value { table, column, expected, key } if is_history => {
                let version = cells.text("history_id").unwrap_or_default();
                let key = format!("{key}, in the version {version} of its history");
                DjangoError::Value { table, column, expected, key }
            }
            other => other,
        })?;
        if is_history {
            let kind = match cells.text("history_type").as_deref() {
                _ if mapped.is_absent => "-",
                Some("+") => "+",
                Some("-") => "-",
                _ => "~",
            };
            mapped
                .row
                .number("history_id", cells.number("history_id")?)
                .number("history_date", Some(cells.fixed_moment("history_date")?))
                .text("history_user", cells.text("history_user").as_deref())
                .text("history_type", Some(kind))
                .text("history_change_reason", cells.filled("history_change_reason").as_deref());
        }
        Ok(mapped)
    }

    /// Notes that a rule mends the row.
    fn mend(&mut self, rule: &'static str) {
        self.note((rule, "mended"));
    }

    /// Notes that a rule leaves the row, or a part of it, behind.
    fn leave(&mut self, rule: &'static str) {
        self.note((rule, "left"));
    }

    /// Notes a rule once, also where it mends several values of the row: rows are counted.
    fn note(&mut self, note: (&'static str, &'static str)) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The rules that apply to the row: their name, and what they do.
    pub(crate) fn notes(&self) -> &[(&'static str, &'static str)] {
        if self.is_history { &[] } else { &self.notes }
    }

    /// Keeps a value that has no place here for the way back. Personal data is never kept.
    fn keep(&mut self, column: &'static str, value: Option<String>) {
        self.kept.push((column, value));
    }

    /// Keeps a text, unless it is empty.
    fn keep_filled(&mut self, cells: &Cells<'_>, column: &'static str) {
        if let Some(text) = cells.filled(column) {
            self.keep(column, Some(text));
        }
    }

    /// What is kept of the row, as a JSON object; `None` if nothing is. Of a version nothing is.
    pub(crate) fn kept(&self) -> Option<String> {
        if self.is_history || self.kept.is_empty() {
            return None;
        }
        let mut object = Object::default();
        for (column, value) in &self.kept {
            object.text(column, value.as_deref());
        }
        Some(object.finish())
    }

    /// A number within limits. A number beyond them is kept.
    fn limited(
        &mut self,
        cells: &Cells<'_>,
        column: &'static str,
        limits: std::ops::RangeInclusive<i64>,
        rule: &'static str,
    ) -> Result<Option<i64>, DjangoError> {
        let Some(value) = cells.number(column)? else { return Ok(None) };
        let limited = value.clamp(*limits.start(), *limits.end());
        if limited != value {
            self.mend(rule);
            self.keep(column, Some(value.to_string()));
        }
        Ok(Some(limited))
    }

    /// An address in its normal form. One that the LMS refuses stays, in lowercase.
    fn address(&mut self, text: Option<String>) -> Option<String> {
        let text = text?;
        match text.parse::<Email>() {
            Ok(email) => Some(email.as_str().to_owned()),
            Err(_) => {
                self.mend("refused_address");
                Some(Email::to_look_up(&text).map_or_else(|_| text.trim().to_lowercase(), String::from))
            }
        }
    }
}
