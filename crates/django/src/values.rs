//! The values of a row, and rows of ours as JSON.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::DjangoError;

/// A row that is read: its values, in the order of its table's columns.
pub(crate) struct Cells<'r> {
    pub table: &'static str,
    pub columns: &'r [&'static str],
    pub values: Vec<Option<&'r str>>,
}

impl<'r> Cells<'r> {
    fn at(&self, column: &'static str) -> Option<&'r str> {
        let place = self.columns.iter().position(|name| *name == column);
        debug_assert!(place.is_some(), "{} has no {column}", self.table);
        place.and_then(|place| self.values.get(place).copied().flatten())
    }

    fn unreadable(&self, column: &'static str, expected: &'static str) -> DjangoError {
        let key = self.values.first().copied().flatten().unwrap_or("?").to_owned();
        DjangoError::Value { table: self.table, column, expected, key }
    }

    /// A text. Postgres takes no NUL in a text.
    pub(crate) fn text(&self, column: &'static str) -> Option<String> {
        self.at(column).map(|text| text.replace('\0', ""))
    }

    /// A text where an empty one means none.
    pub(crate) fn filled(&self, column: &'static str) -> Option<String> {
        self.text(column).filter(|text| !text.trim().is_empty())
    }

    /// A UUID with or without hyphens.
    pub(crate) fn uuid(&self, column: &'static str) -> Result<Option<Uuid>, DjangoError> {
        let Some(text) = self.at(column).filter(|text| !text.is_empty()) else { return Ok(None) };
        Uuid::try_parse(text).map(Some).map_err(|_| self.unreadable(column, "UUID"))
    }

    /// A UUID that must be there. A history names what is gone by the nil UUID.
    pub(crate) fn reference(&self, column: &'static str) -> Result<Uuid, DjangoError> {
        self.uuid(column).map(Option::unwrap_or_default)
    }

    /// A whole number.
    pub(crate) fn number(&self, column: &'static str) -> Result<Option<i64>, DjangoError> {
        let number = |text: &str| text.parse().map_err(|_| self.unreadable(column, "number"));
        self.at(column).map(number).transpose()
    }

    /// Whether a flag is set; without a value it is not.
    pub(crate) fn flag(&self, column: &'static str) -> bool {
        self.at(column).is_some_and(|text| text != "0")
    }

    /// A flag, or none.
    pub(crate) fn optional_flag(&self, column: &'static str) -> Option<bool> {
        self.at(column).map(|text| text != "0")
    }

    /// A moment, as microseconds since 1970 UTC. The zero date of MySQL is none.
    pub(crate) fn moment(&self, column: &'static str) -> Result<Option<i64>, DjangoError> {
        match self.at(column) {
            None => Ok(None),
            Some(text) if text.starts_with("0000-00-00") => Ok(None),
            Some(text) => moment(text).map(Some).ok_or_else(|| self.unreadable(column, "moment")),
        }
    }

    /// A moment that must be there; 1970 where it is not.
    pub(crate) fn fixed_moment(&self, column: &'static str) -> Result<i64, DjangoError> {
        self.moment(column).map(Option::unwrap_or_default)
    }
}

/// Reads `YYYY-MM-DD HH:MM:SS[.ffffff]`.
fn moment(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let micros = match text.get(19..) {
        None | Some("") => 0,
        Some(fraction) => {
            let digits = fraction.strip_prefix('.').filter(|digits| digits.len() <= 6)?;
            format!("{digits:0<6}").parse::<i64>().ok()?
        }
    };
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    // Days since 1970 of the proleptic Gregorian calendar, with years that begin in March.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (years.div_euclid(400), years.rem_euclid(400));
    let of_year = (153 * months + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    in_range.then(|| ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + micros)
}

/// A row of ours as a JSON object, in the forms of `license_manager_adapters::import`.
#[derive(Debug, Default)]
pub(crate) struct Object(String);

impl Object {
    fn named(&mut self, name: &str) -> &mut String {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        // Names are those of columns, which need no escape.
        let _ = write!(self.0, "\"{name}\":");
        &mut self.0
    }

    fn shown(&mut self, name: &str, value: Option<impl std::fmt::Display>) -> &mut Self {
        let out = self.named(name);
        let _ = match value {
            Some(value) => write!(out, "{value}"),
            None => write!(out, "null"),
        };
        self
    }

    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.shown(name, value.map(serde_json::Value::from))
    }

    pub(crate) fn uuid(&mut self, name: &str, value: Option<Uuid>) -> &mut Self {
        self.shown(name, value.map(|uuid| format!("\"{uuid}\"")))
    }

    /// A number, or a moment in microseconds since 1970 UTC.
    pub(crate) fn number(&mut self, name: &str, value: Option<i64>) -> &mut Self {
        self.shown(name, value)
    }

    pub(crate) fn flag(&mut self, name: &str, value: Option<bool>) -> &mut Self {
        self.shown(name, value.map(u8::from))
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_microseconds() {
        for (text, micros) in [
            ("1970-01-01 00:00:00.000000", Some(0)),
            ("2024-02-29 23:59:59.000001", Some(1_709_251_199_000_001)),
            ("2000-03-01 00:00:00", Some(951_868_800_000_000)),
            ("1969-12-31 23:59:59.5", Some(-500_000)),
            ("2024-13-01 00:00:00", None),
            ("2024-01-01", None),
            ("2024-01-01 00:00:00.1234567", None),
        ] {
            assert_eq!(moment(text), micros, "{text}");
        }
    }

    #[test]
    fn uuids_are_read_in_both_forms_and_other_texts_are_refused_without_quoting_them() {
        let uuid = Uuid::from_u128(0x9a5e_d158_53cb_40d4_bffa_01b0_86b7_19c0);
        let simple = uuid.simple().to_string();
        let hyphened = uuid.to_string();
        for (text, read) in [(simple.as_str(), Some(uuid)), (&hyphened, Some(uuid)), ("", None)] {
            let cells = Cells { table: "x", columns: &["id"], values: vec![Some(text)] };
            assert_eq!(cells.uuid("id").expect("it is read"), read);
        }
        let cells = Cells { table: "x", columns: &["id", "plan"], values: vec![Some("7"), Some("amy@example.com")] };
        let refused = cells.uuid("plan").expect_err("it is no UUID").to_string();
        assert!(refused.contains("x.plan") && refused.contains("row 7") && !refused.contains("amy"), "{refused}");
    }

    #[test]
    fn an_object_is_json() {
        let mut object = Object::default();
        object.text("name", Some("a \"b\"\n")).number("n", None).flag("on", Some(true));
        let json: serde_json::Value = serde_json::from_str(&object.finish()).expect("it is JSON");
        assert_eq!(json, serde_json::json!({ "name": "a \"b\"\n", "n": null, "on": 1 }));
    }
}
