//! The numbers that users, roles, types of sources, and rows that ours know by another row have there.

use std::collections::{BTreeMap, BTreeSet};

use license_manager_adapters::export::ExportedRow;
use serde_json::Value;

use super::DjangoExport;
use super::columns::Columns;
use super::tables::{self, Form, Named, ROLES, SOURCE_TYPES, Table};
use super::values::{date, list, quoted};
use crate::DjangoError;
use crate::client::Client;

/// The numbers that hold for the whole run.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    source_types: BTreeMap<String, i64>,
    roles: BTreeMap<String, i64>,
    /// The highest number of each table whose rows ours know by another row.
    highest: BTreeMap<&'static str, i64>,
}

impl Numbers {
    pub(super) fn read(client: &mut Client, columns: &Columns, is_filled: bool) -> Result<Self, DjangoError> {
        let mut numbers = Self::default();
        for (named, into) in [(SOURCE_TYPES, &mut numbers.source_types), (ROLES, &mut numbers.roles)] {
            if columns.of(named.table).is_some() {
                *into = pairs(client, &format!("SELECT `{}`, id FROM `{}`", named.column, named.table))?;
            }
        }
        for table in tables::TABLES.iter().filter(|_| is_filled) {
            let is_numbered = table.columns.iter().any(|(_, _, form)| *form == Form::OwnNumber);
            for there in std::iter::once(table.there).chain(table.history).filter(|_| is_numbered) {
                if columns.of(there).is_some() {
                    let highest = super::single(client, &format!("SELECT max(id) FROM `{there}`"))?;
                    let highest: i64 = highest.and_then(|number| number.parse().ok()).unwrap_or_default();
                    let known = numbers.highest.entry(table.name).or_default();
                    *known = highest.max(*known);
                }
            }
        }
        Ok(numbers)
    }
}

/// The numbers that a page needs.
#[derive(Debug, Default)]
pub(super) struct PageNumbers {
    /// Those of users, by name.
    pub users: BTreeMap<String, i64>,
    /// Those of rows, by the row that ours know them by.
    pub own: BTreeMap<String, i64>,
}

impl DjangoExport {
    /// Looks up the numbers for a page of rows, and adds the roles and types of sources that are missing.
    pub(super) fn page_numbers(
        &mut self,
        table: &Table,
        is_history: bool,
        rows: &[ExportedRow],
    ) -> Result<PageNumbers, DjangoError> {
        let mut numbers = PageNumbers::default();
        let of_history = tables::OF_HISTORY.iter().filter(|_| is_history);
        for (_, own, form) in table.columns.iter().chain(of_history) {
            let texts: BTreeSet<&str> = rows.iter().filter_map(|row| row.get(*own).and_then(Value::as_str)).collect();
            match form {
                Form::User if !texts.is_empty() && self.is_writing => {
                    let known = format!("SELECT username, id FROM core_user WHERE username IN ({})", list(texts));
                    numbers.users = pairs(&mut self.client, &known)?;
                }
                Form::SourceType => self.add_named(SOURCE_TYPES, &texts)?,
                Form::Role => {
                    let roles = texts.into_iter().filter(|role| is_role_there(role)).collect();
                    self.add_named(ROLES, &roles)?;
                }
                Form::OwnNumber if self.since.is_some() => numbers.own = self.own_numbers(table, rows)?,
                _ => {}
            }
        }
        Ok(numbers)
    }

    /// The numbers of rows that are there already, or were.
    fn own_numbers(&mut self, table: &Table, rows: &[ExportedRow]) -> Result<BTreeMap<String, i64>, DjangoError> {
        let mut numbers = BTreeMap::new();
        for there in table.history.into_iter().chain([table.there]) {
            if let Some(keys) = self.keys_of(table, there, rows) {
                let key = table.key;
                let known =
                    format!("SELECT `{key}`, max(id) FROM `{there}` WHERE `{key}` IN ({keys}) GROUP BY `{key}`");
                let found = pairs(&mut self.client, &known)?;
                numbers.extend(found.into_iter().map(|(key, id)| (hyphenated(&key), id)));
            }
        }
        Ok(numbers)
    }

    /// The number of a row that ours know by another row.
    pub(super) fn own_number(&self, table: &Table, row: &ExportedRow, page: &PageNumbers) -> Option<i64> {
        let key = row.get(table.own_key().1).and_then(Value::as_str);
        let known = key.and_then(|key| page.own.get(key)).copied();
        let highest = self.numbers.highest.get(table.name).copied().unwrap_or_default();
        known.or_else(|| {
            // Versions are numbered beyond what is there, or the number is: what is there keeps its own.
            let first = row.get("first_version")?.as_i64()?;
            Some(if first > highest { first } else { highest + first })
        })
    }

    pub(super) fn source_type(&self, slug: &str) -> Option<i64> {
        self.numbers.source_types.get(slug).copied()
    }

    pub(super) fn role(&self, name: &str) -> Option<i64> {
        self.numbers.roles.get(name).copied()
    }

    /// Adds names that are missing.
    fn add_named(&mut self, named: Named, names: &BTreeSet<&str>) -> Result<(), DjangoError> {
        if !self.is_writing || self.columns.of(named.table).is_none() {
            return Ok(());
        }
        let known = match named.table == ROLES.table {
            true => &self.numbers.roles,
            false => &self.numbers.source_types,
        };
        let missing: Vec<&str> = names.iter().copied().filter(|name| !known.contains_key(*name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let columns: Vec<&str> = [named.column].into_iter().chain(named.others.iter().copied()).collect();
        let now = "utc_timestamp(6), utc_timestamp(6)";
        let rows: Vec<String> =
            missing.iter().map(|name| format!("({now}, {})", vec![quoted(name); columns.len()].join(", "))).collect();
        let insert = format!(
            "INSERT INTO `{}` (created, modified, {}) VALUES {}",
            named.table,
            columns.join(", "),
            rows.join(", ")
        );
        self.change(named.table, &insert)?;
        let all = pairs(&mut self.client, &format!("SELECT `{}`, id FROM `{}`", named.column, named.table))?;
        match named.table == ROLES.table {
            true => self.numbers.roles = all,
            false => self.numbers.source_types = all,
        }
        Ok(())
    }
}

/// Whether the service knows a role. Those of our console mean nothing there.
pub(super) fn is_role_there(role: &str) -> bool {
    matches!(role, "enterprise_subscriptions_admin" | "enterprise_subscriptions_learner")
}

/// Names with numbers.
fn pairs(client: &mut Client, statement: &str) -> Result<BTreeMap<String, i64>, DjangoError> {
    let pair = |row: &crate::client::Row| {
        let cells = row.cells();
        Some((cells[0]?.to_owned(), cells[1]?.parse().ok()?))
    };
    Ok(client.query(statement)?.iter().filter_map(pair).collect())
}

/// A UUID with hyphens.
pub(super) fn hyphenated(text: &str) -> String {
    uuid::Uuid::try_parse(text).map_or_else(|_| text.to_owned(), |uuid| uuid.to_string())
}

/// Whether a date there is at a moment or later.
pub(super) fn is_since(text: &str, moment: i64) -> bool {
    date(moment).is_some_and(|moment| text >= moment.as_str())
}
