//! The database as a destination: the way back.
//!
//! | module | contents |
//! |---|---|
//! | `tables` | which of our tables goes where, column by column |
//! | `columns` | what the columns there can hold |
//! | `values` | values as SQL |
//! | `numbers` | the numbers that users, roles and types of sources have there |
//! | `rows` | writing rows |
//! | `removal` | what goes or changes hands before rows are written |
//!
//! Everything is written in one transaction. References are not checked while it lasts, because licenses refer to each
//! other: our database holds them sound.

mod columns;
mod numbers;
mod removal;
mod rows;
mod tables;
mod values;

use std::collections::BTreeMap;

use license_manager_adapters::export::{Destination, DistinctName, ExportError, ExportedRow};
use license_manager_adapters::import::Finding;

use crate::client::Client;
use crate::layout::Layout;
use crate::{DatabaseAddress, DjangoError};
use columns::Columns;
use numbers::Numbers;
use tables::{TABLES, Table};
use values::{date, quoted};

/// The most bytes of a statement that holds more than one row.
const STATEMENT: usize = 1 << 20;
/// The most versions of a history that are named because ours does not have them. The others are counted.
const NAMED: usize = 1_000;
/// What a packet holds besides a statement.
const ENVELOPE: usize = 1 << 10;

/// A database of the Django service that is written.
pub struct DjangoExport {
    client: Client,
    columns: Columns,
    numbers: Numbers,
    /// Rows from this moment on are changes of ours, in microseconds since 1970 UTC; `None` where the database is empty.
    since: Option<i64>,
    is_writing: bool,
    has_names: bool,
    /// The most bytes of a statement.
    largest: usize,
}

impl From<DjangoError> for ExportError {
    fn from(error: DjangoError) -> Self {
        Self::Destination(error.to_string())
    }
}

impl DjangoExport {
    /// Connects, and checks the layout. `since` are microseconds since 1970 UTC.
    ///
    /// # Errors
    /// See [`DjangoError`].
    pub fn connect(address: &DatabaseAddress, since: Option<i64>, dry_run: bool) -> Result<Self, DjangoError> {
        let mut client = Client::connect(address)?;
        client.execute("SET SESSION time_zone = '+00:00', sql_mode = '', group_concat_max_len = 65536")?;
        Layout::read(&mut client)?;
        let columns = Columns::read(&mut client)?;
        refuse_unknown_columns(&columns)?;
        let largest = single(&mut client, "SELECT @@max_allowed_packet")?.and_then(|size| size.parse().ok());
        Ok(Self {
            client,
            columns,
            numbers: Numbers::default(),
            since,
            is_writing: !dry_run,
            has_names: false,
            largest: largest.unwrap_or(STATEMENT).saturating_sub(ENVELOPE),
        })
    }

    /// The tables of the database that are written: the table, its name there, and whether it is a history.
    fn written(&self) -> Vec<(&'static Table, &'static str, bool)> {
        let own = |table: &'static Table| {
            std::iter::once((table, table.there, false)).chain(table.history.map(|history| (table, history, true)))
        };
        TABLES.iter().flat_map(own).filter(|(_, there, _)| self.columns.of(there).is_some()).collect()
    }

    /// The tables that have rows.
    fn filled(&mut self) -> Result<Vec<&'static str>, DjangoError> {
        let mut filled = Vec::new();
        for (table, there, _) in self.written() {
            let look = format!("SELECT 1 FROM `{there}` LIMIT 1");
            if !table.is_seeded && !self.client.query(&look)?.is_empty() {
                filled.push(there);
            }
        }
        Ok(filled)
    }

    fn refuse_unless_empty(&mut self) -> Result<(), ExportError> {
        let filled = self.filled()?;
        if filled.is_empty() { Ok(()) } else { Err(ExportError::NotEmpty(filled.join(", "))) }
    }

    /// Runs a statement over rows. The server's message may quote one, so it is left out.
    fn change(&mut self, there: &str, statement: &str) -> Result<u64, DjangoError> {
        self.client.change(statement).map_err(|error| match error {
            DjangoError::Refused { code, .. } => {
                DjangoError::Refused { code, message: format!("rows of {there} were not written{}", why(code)) }
            }
            other => other,
        })
    }

    /// Notes the versions there since the moment, in a temporary table. Those that ours has are taken out of it when they
    /// are passed on, and what stays was written there.
    fn note_versions(&mut self, since: i64) -> Result<(), DjangoError> {
        let since = date(since).unwrap_or_default();
        for (table, there, is_history) in self.written() {
            if is_history {
                let counted = table.counted_there();
                let note = format!(
                    "INSERT INTO exported_unknown (table_there, history_id)
                     SELECT '{there}', history_id FROM `{there}` WHERE history_date >= '{since}' AND {counted}"
                );
                self.change("exported_unknown", &note)?;
            }
        }
        Ok(())
    }

    /// The versions of a history there that ours does not have.
    fn unknown_versions(&mut self, table: &Table) -> Result<Vec<Finding>, DjangoError> {
        let Some(there) = table.history.filter(|_| self.since.is_some()) else { return Ok(Vec::new()) };
        let of_history = format!("FROM exported_unknown WHERE table_there = '{there}'");
        let named = format!("SELECT history_id {of_history} ORDER BY history_id LIMIT {NAMED}");
        let rows = self.client.query(&named)?;
        let about = rows.iter().filter_map(|row| Some(format!("{there} {}", row.cells()[0]?)));
        let mut findings: Vec<Finding> = about.map(|about| refused("written_there", about)).collect();
        let all = single(&mut self.client, &format!("SELECT count(*) {of_history}"))?;
        let all: usize = all.and_then(|number| number.parse().ok()).unwrap_or_default();
        if all > NAMED {
            findings.push(refused("written_there", format!("{there}: {} more versions", all - NAMED)));
        }
        Ok(findings)
    }
}

/// What a number of an error means, where it can be said without quoting a row.
fn why(code: u16) -> &'static str {
    match code {
        1062 => ": a name or number is taken by another row",
        1153 => ": the row is larger than max_allowed_packet of the server",
        1142 | 1143 | 1044 => ": the user may not do that; see docs/MIGRATION.md for the privileges",
        1292 => ": a value is none of its column's type, such as a UUID that MariaDB takes for none",
        1366 => ": a text has letters that the column does not take",
        _ => "",
    }
}

/// The first value of a statement.
fn single(client: &mut Client, statement: &str) -> Result<Option<String>, DjangoError> {
    Ok(client.query(statement)?.first().and_then(|row| row.cells()[0].map(str::to_owned)))
}

/// A column that this program does not know and that must have a value cannot be written.
fn refuse_unknown_columns(columns: &Columns) -> Result<(), DjangoError> {
    for table in TABLES {
        for (there, is_history) in std::iter::once((table.there, false)).chain(table.history.map(|name| (name, true))) {
            let known = |name: &str| {
                table.columns.iter().any(|(column, ..)| *column == name)
                    || (is_history && tables::OF_HISTORY.iter().any(|(column, ..)| *column == name))
            };
            let unknown = columns.of(there).into_iter().flat_map(BTreeMap::values);
            if let Some(column) = unknown.filter(|column| !column.has_default).find(|column| !known(&column.name)) {
                return Err(DjangoError::Layout(format!(
                    "the layout is newer than this program: {there}.{} must have a value, and this program has none",
                    column.name
                )));
            }
        }
    }
    Ok(())
}

impl Destination for DjangoExport {
    fn distinguish(&mut self, kind: &'static str, names: &[DistinctName]) -> Result<(), ExportError> {
        let Some((table, column)) = tables::column_of_names(kind) else { return Ok(()) };
        let Some(definition) = self.columns.column(table, column) else { return Ok(()) };
        if !self.has_names {
            let collation = definition.collation.as_deref().unwrap_or("utf8mb4_general_ci");
            let charset = collation.split('_').next().unwrap_or("utf8mb4");
            self.client.execute(&format!(
                "CREATE TEMPORARY TABLE exported_name (
                     scope varchar(64) CHARACTER SET ascii NOT NULL,
                     name varchar(255) CHARACTER SET {charset} COLLATE {collation} NOT NULL,
                     about text CHARACTER SET utf8mb4 NOT NULL)"
            ))?;
            self.has_names = true;
        }
        for part in names.chunks(500) {
            let rows: Vec<String> = part
                .iter()
                .map(|name| format!("({}, {}, {})", quoted(&name.scope), quoted(&name.name), quoted(&name.about)))
                .collect();
            self.change("exported_name", &format!("INSERT INTO exported_name VALUES {}", rows.join(", ")))?;
        }
        Ok(())
    }

    fn equal_names(&mut self, _: &'static str) -> Result<Vec<Finding>, ExportError> {
        if !std::mem::take(&mut self.has_names) {
            return Ok(Vec::new());
        }
        let rows = self.client.query(
            "SELECT group_concat(about ORDER BY CAST(about AS BINARY) SEPARATOR ' = ') FROM exported_name
             GROUP BY scope, name HAVING count(*) > 1",
        )?;
        self.client.execute("DROP TEMPORARY TABLE exported_name")?;
        Ok(rows.iter().filter_map(|row| Some(refused("equal_names", row.cells()[0]?.to_owned()))).collect())
    }

    fn only_check(&mut self) {
        self.is_writing = false;
    }

    fn open(&mut self, last_numbers: &[(&'static str, i64)]) -> Result<(), ExportError> {
        if self.since.is_none() {
            self.refuse_unless_empty()?;
        } else {
            self.client.execute(
                "CREATE TEMPORARY TABLE exported_unknown (
                     table_there varchar(64) CHARACTER SET ascii NOT NULL, history_id bigint NOT NULL,
                     PRIMARY KEY (table_there, history_id))",
            )?;
        }
        if self.is_writing {
            // Changing the next number ends a transaction, so it comes first. It changes no row.
            for (table, last) in last_numbers.iter().filter_map(|(name, last)| Some((tables::of(name)?.0, last))) {
                self.change(table.there, &format!("ALTER TABLE `{}` AUTO_INCREMENT = {}", table.there, last + 1))?;
            }
            self.client.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES', foreign_key_checks = 0")?;
            self.client.execute("START TRANSACTION")?;
        }
        match self.since {
            Some(since) => self.note_versions(since)?,
            None => {
                // Somebody may have written since the look.
                self.refuse_unless_empty()?;
                if self.is_writing {
                    for (_, there, _) in self.written().into_iter().rev().filter(|(table, ..)| table.is_seeded) {
                        self.change(there, &format!("DELETE FROM `{there}`"))?;
                    }
                }
            }
        }
        self.numbers = Numbers::read(&mut self.client, &self.columns, self.since.is_some())?;
        Ok(())
    }

    fn write(&mut self, table: &'static str, rows: &[ExportedRow]) -> Result<Vec<Finding>, ExportError> {
        Ok(self.write_rows(table, rows)?)
    }

    fn end(&mut self, table: &'static str) -> Result<Vec<Finding>, ExportError> {
        let Some((table, true)) = tables::of(table) else { return Ok(Vec::new()) };
        Ok(self.unknown_versions(table)?)
    }

    fn remove(&mut self, table: &'static str, keys: &[String]) -> Result<(), ExportError> {
        Ok(self.remove_rows(table, keys)?)
    }

    fn release(&mut self, table: &'static str, keys: &[String]) -> Result<(), ExportError> {
        Ok(self.release_rows(table, keys)?)
    }

    fn erase(&mut self, column: &'static str, versions: &[String]) -> Result<(), ExportError> {
        Ok(self.erase_versions(column, versions)?)
    }

    fn present(&mut self, table: &'static str, after: Option<&str>) -> Result<Vec<ExportedRow>, ExportError> {
        Ok(self.present_rows(table, after)?)
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        if self.is_writing {
            self.client.execute("COMMIT")?;
        }
        Ok(())
    }
}

fn refused(rule: &str, about: String) -> Finding {
    Finding { rule: rule.to_owned(), kind: "refused".to_owned(), about }
}

fn left(rule: &str, about: String) -> Finding {
    Finding { rule: rule.to_owned(), kind: "left".to_owned(), about }
}

fn changed(rule: &str, about: String) -> Finding {
    Finding { rule: rule.to_owned(), kind: "changed".to_owned(), about }
}
