//! What the columns of the database can hold.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use crate::DjangoError;
use crate::client::Client;

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub name: String,
    pub is_nullable: bool,
    /// Whether a row can be written without a value for it.
    pub has_default: bool,
    /// Whether it is of the type `uuid`.
    pub is_uuid: bool,
    /// The most letters of a text.
    pub length: Option<usize>,
    pub charset: Charset,
    /// The collation of a text.
    pub collation: Option<String>,
    /// The numbers that it can hold.
    pub numbers: RangeInclusive<i64>,
}

/// Which letters a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    All,
    /// UTF-8 of at most three bytes.
    Short,
    /// Others; ASCII is in all of them.
    Ascii,
}

impl Charset {
    pub(super) fn holds(self, text: &str) -> bool {
        match self {
            Self::All => true,
            Self::Short => text.chars().all(|letter| letter.len_utf8() < 4),
            Self::Ascii => text.is_ascii(),
        }
    }

    fn of(name: Option<&str>) -> Self {
        match name {
            None | Some("utf8mb4") => Self::All,
            Some("utf8" | "utf8mb3") => Self::Short,
            Some(_) => Self::Ascii,
        }
    }
}

/// The columns of all tables.
#[derive(Debug)]
pub(super) struct Columns(HashMap<String, BTreeMap<String, Definition>>);

impl Columns {
    pub(super) fn read(client: &mut Client) -> Result<Self, DjangoError> {
        let mut tables: HashMap<String, BTreeMap<String, Definition>> = HashMap::new();
        let rows = client.query(
            "SELECT table_name, column_name, data_type, column_type, is_nullable, column_default, extra,
                    character_maximum_length, character_set_name, collation_name
             FROM information_schema.columns WHERE table_schema = database()",
        )?;
        for row in rows {
            let cells = row.cells();
            let text = |place: usize| cells.get(place).copied().flatten();
            let (Some(table), Some(name)) = (text(0), text(1)) else { continue };
            let is_nullable = text(4) == Some("YES");
            let extra = text(6).unwrap_or_default().to_lowercase();
            let definition = Definition {
                name: name.to_owned(),
                is_nullable,
                has_default: is_nullable || text(5).is_some() || extra.contains("auto_increment"),
                is_uuid: text(2) == Some("uuid"),
                length: text(7).and_then(|length| length.parse().ok()),
                charset: Charset::of(text(8)),
                collation: text(9).map(str::to_owned),
                numbers: numbers(text(2).unwrap_or_default(), text(3).unwrap_or_default().contains("unsigned")),
            };
            tables.entry(table.to_owned()).or_default().insert(name.to_owned(), definition);
        }
        Ok(Self(tables))
    }

    /// The columns of a table; `None` if there is no such table.
    pub(super) fn of(&self, table: &str) -> Option<&BTreeMap<String, Definition>> {
        self.0.get(table)
    }

    /// A column.
    pub(super) fn column(&self, table: &str, column: &str) -> Option<&Definition> {
        self.0.get(table)?.get(column)
    }
}

fn numbers(kind: &str, is_unsigned: bool) -> RangeInclusive<i64> {
    let bits = match kind {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        _ => return if is_unsigned { 0..=i64::MAX } else { i64::MIN..=i64::MAX },
    };
    match is_unsigned {
        true => 0..=(1 << bits) - 1,
        false => -(1 << (bits - 1))..=(1 << (bits - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_the_numbers_of_their_type() {
        assert_eq!(numbers("int", false), -2_147_483_648..=2_147_483_647);
        assert_eq!(numbers("smallint", true), 0..=65_535);
        assert_eq!(numbers("bigint", false), i64::MIN..=i64::MAX);
    }

    #[test]
    fn columns_hold_the_letters_of_their_charset() {
        assert!(Charset::of(Some("utf8mb4")).holds("Söhne 名前 🎓"));
        assert!(Charset::of(Some("utf8")).holds("Söhne 名前") && !Charset::of(Some("utf8")).holds("🎓"));
        assert!(Charset::of(Some("latin1")).holds("abc") && !Charset::of(Some("latin1")).holds("名"));
    }
}
