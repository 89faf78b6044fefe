//! Values as SQL.

use std::fmt::Write as _;

use license_manager_adapters::export::ExportedRow;
use license_manager_adapters::http::results_file;
use license_manager_domain::EnrollmentJobId;
use serde_json::Value;
use uuid::Uuid;

use super::columns::Definition;
use super::tables::{Column, Form};

/// A value that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    Null,
    Text(String),
    Number(i64),
    /// Microseconds since 1970 UTC.
    Moment(i64),
    Uuid(Uuid),
    /// A password that nobody can enter: as Django makes one, `!` and 40 random letters.
    Password,
}

/// Why a value has no place in its column.
pub(super) type Problem = &'static str;

/// The value of a column, but for numbers that are looked up.
pub(super) fn value(row: &ExportedRow, (there, own, form): Column) -> Result<Written, Problem> {
    let cell = row.get(own).unwrap_or(&Value::Null);
    let uuid = || cell.as_str().map(|text| Uuid::try_parse(text).map_err(|_| "not_a_uuid")).transpose();
    let number = || cell.as_i64().map_or(Written::Null, Written::Number);
    let text = || cell.as_str().map_or(Written::Null, |text| Written::Text(text.to_owned()));
    Ok(match form {
        Form::Text => text(),
        Form::Filled => Written::Text(cell.as_str().unwrap_or_default().to_owned()),
        Form::Number | Form::Flag => number(),
        Form::NumberOrNone => cell.as_i64().filter(|number| *number != 0).map_or(Written::Null, Written::Number),
        Form::Moment => cell.as_i64().map_or(Written::Null, Written::Moment),
        Form::Uuid => uuid()?.map_or(Written::Null, Written::Uuid),
        Form::UuidOrNone => uuid()?.filter(|uuid| !uuid.is_nil()).map_or(Written::Null, Written::Uuid),
        Form::Seconds => match cell.as_i64().map(|seconds| seconds.checked_mul(1_000_000)) {
            Some(Some(micros)) => Written::Number(micros),
            Some(None) => return Err("too_large"),
            None => Written::Null,
        },
        Form::PackedNumber => {
            let packed = cell.as_i64().and_then(|number| u128::try_from(number).ok());
            packed.map_or(Written::Null, |number| Written::Uuid(Uuid::from_u128(number)))
        }
        Form::Lines => {
            let ids: Option<Vec<String>> = cell.as_str().and_then(|list| serde_json::from_str(list).ok());
            ids.map_or(Written::Null, |ids| Written::Text(ids.join("\n")))
        }
        Form::IsNone => Written::Number(i64::from(cell.is_null())),
        Form::ResultsFile => match (cell.as_str(), row.get("stage").and_then(Value::as_str), row.get("uuid")) {
            (Some(file), _, _) => Written::Text(file.to_owned()),
            (None, Some("filed"), Some(id)) => {
                let id = id.as_str().and_then(|id| Uuid::try_parse(id).ok()).unwrap_or_default();
                Written::Text(results_file(EnrollmentJobId(id)))
            }
            _ => Written::Null,
        },
        Form::Always(text) | Form::New(text) => Written::Text(text.to_owned()),
        Form::NewNumber(number) => Written::Number(number),
        Form::NewPassword => Written::Password,
        Form::Kept => kept(row, there).map_or(Written::Null, Written::Text),
        Form::KeptNumber(number) => {
            Written::Number(kept(row, there).and_then(|kept| kept.parse().ok()).unwrap_or(number))
        }
        Form::User | Form::SourceType | Form::Role | Form::OwnNumber => Written::Null,
    })
}

/// What an import kept of a row, for a column there. Of versions nothing is kept.
fn kept(row: &ExportedRow, there: &str) -> Option<String> {
    let kept: Value = serde_json::from_str(row.get("kept")?.as_str()?).ok()?;
    Some(kept.get(there)?.as_str()?.to_owned())
}

impl Written {
    /// Checks that the column can hold the value, and shortens the reason of a change where it cannot.
    pub(super) fn fit(self, column: &Definition) -> Result<(Self, Option<Problem>), Problem> {
        match self {
            Self::Null if !column.is_nullable => Err("missing_value"),
            Self::Text(text) => {
                if !column.charset.holds(&text) {
                    return Err("characters");
                }
                match column.length {
                    Some(most) if text.chars().count() > most && column.name == "history_change_reason" => {
                        Ok((Self::Text(text.chars().take(most).collect()), Some("reason_shortened")))
                    }
                    Some(most) if text.chars().count() > most => Err("too_long"),
                    _ => Ok((Self::Text(text), None)),
                }
            }
            Self::Number(number) if !column.numbers.contains(&number) => Err("too_large"),
            Self::Moment(micros) if date(micros).is_none() => Err("moment"),
            value => Ok((value, None)),
        }
    }

    /// The value as a literal for a column.
    pub(super) fn literal(&self, column: &Definition) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Password => "concat('!', md5(rand()), left(md5(uuid()), 8))".to_owned(),
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
            Self::Moment(micros) => format!("'{}'", date(*micros).unwrap_or_default()),
            Self::Uuid(uuid) if column.is_uuid => format!("'{uuid}'"),
            Self::Uuid(uuid) => format!("'{}'", uuid.simple()),
        }
    }
}

/// A text as a literal. The session's `sql_mode` must not have NO_BACKSLASH_ESCAPES.
pub(super) fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => literal.push_str("\\'"),
            '\\' => literal.push_str("\\\\"),
            '\0' => literal.push_str("\\0"),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

/// Values as the list of an `IN`.
pub(super) fn list<'t>(values: impl IntoIterator<Item = &'t str>) -> String {
    values.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// A moment as `YYYY-MM-DD HH:MM:SS.ffffff`, if its year has four digits.
pub(super) fn date(micros: i64) -> Option<String> {
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    // The proleptic Gregorian calendar, with years that begin in March.
    let since = days + 719_468;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * of_year + 2) / 153;
    let day = of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let mut text = String::new();
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{micros:06}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    (1_000..=9_999).contains(&year).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_of_the_calendar() {
        for (micros, text) in [
            (0, Some("1970-01-01 00:00:00.000000")),
            (1_709_251_199_000_001, Some("2024-02-29 23:59:59.000001")),
            (951_868_800_000_000, Some("2000-03-01 00:00:00.000000")),
            (-500_000, Some("1969-12-31 23:59:59.500000")),
            (253_402_300_800_000_000, None),
        ] {
            assert_eq!(date(micros).as_deref(), text, "{micros}");
        }
    }

    #[test]
    fn a_text_is_quoted() {
        assert_eq!(quoted("o'hara \\ \0"), "'o\\'hara \\\\ \\0'");
    }
}
