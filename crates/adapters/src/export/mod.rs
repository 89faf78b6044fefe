//! Exports all data, or what changed since a moment, into the database of another system.
//!
//! | module | contents |
//! |---|---|
//! | `destination` | what takes the rows |
//! | `tables` | which tables are exported, in which order |
//! | `reading` | rows as JSON; what differs between Postgres and SQLite |
//! | `changes` | what changed since a moment |
//!
//! Everything is read as of one moment, by one statement for each table, whose rows are passed on in pages. Memory use
//! is bounded. Nothing of ours is written.

mod changes;
mod destination;
mod error;
mod reading;
mod tables;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use license_manager_domain::operations::Supervisor;

use crate::import::{Finding, RuleCount};
use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;
pub use destination::{Destination, DistinctName, ExportedRow};
pub use error::ExportError;
use reading::Readable;
use tables::{TABLES, Table, WITHOUT_MEANING};

/// What to export.
#[derive(Debug, Clone, Copy)]
pub struct ExportOptions {
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Only what changed since this moment; `None`: everything, into an empty database.
    pub since: Option<DateTime<Utc>>,
}

/// What was exported, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The number of rows of each table.
    pub tables: Vec<(String, i64)>,
    /// What was refused, changed or left behind: how many rows, by rule.
    pub rules: Vec<RuleCount>,
    /// The number of rows of each table that were removed there, because they are gone here.
    pub removed: Vec<(String, i64)>,
    /// The tables that have no place there, with their number of rows.
    pub left: Vec<(String, i64)>,
}

/// Takes what a rule applies to.
pub type Report<'r> = dyn FnMut(&Finding) -> std::io::Result<()> + 'r;

/// Exports a Postgres database. See [`export_sqlite`].
///
/// # Errors
/// See [`ExportError`].
pub fn export_postgres(
    store: &PostgresStore,
    destination: &mut dyn Destination,
    options: ExportOptions,
    report: &mut Report<'_>,
    supervisor: &dyn Supervisor,
) -> Result<Exported, ExportError> {
    let mut connection = store.unlimited_connection()?;
    connection.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")?;
    export(&mut connection, destination, options, report, supervisor)
}

/// Exports a SQLite database. The database may be in use; what is written meanwhile is not exported. `report` is called
/// for each row that cannot go over as it is.
///
/// # Errors
/// See [`ExportError`]; the destination is unchanged.
pub fn export_sqlite(
    store: &SqliteStore,
    destination: &mut dyn Destination,
    options: ExportOptions,
    report: &mut Report<'_>,
    supervisor: &dyn Supervisor,
) -> Result<Exported, ExportError> {
    export(&mut *store.reader()?, destination, options, report, supervisor)
}

fn export<C: Readable>(
    connection: &mut C,
    destination: &mut dyn Destination,
    options: ExportOptions,
    report: &mut Report<'_>,
    supervisor: &dyn Supervisor,
) -> Result<Exported, ExportError> {
    let since = options.since.map(C::moment);
    connection.as_of_now(|connection| {
        // What is missing here would be removed there.
        if connection.number("SELECT count(*) AS number FROM imported_versions WHERE NOT is_filled")? > 0 {
            return Err(ExportError::Unfilled);
        }
        let mut run = Run { report, supervisor, rules: BTreeMap::new() };
        let left = without_place(connection)?;
        supervisor.found(to_read(connection, since.as_deref())?);
        distinguish(connection, destination, &mut run)?;
        if run.is_refused() {
            destination.only_check();
        }
        destination.open(&last_numbers(connection)?)?;
        let removed = match &since {
            Some(since) => changes::remove(connection, destination, since, &mut run)?,
            None => BTreeMap::new(),
        };
        let mut tables = Vec::new();
        for table in TABLES {
            for name in table.names() {
                tables.push((
                    name.to_owned(),
                    pass_on(connection, destination, table, name, since.as_deref(), &mut run)?,
                ));
            }
        }
        let removed = removed.into_iter().map(|(table, rows)| (table.to_owned(), rows)).collect();
        let exported = Exported { tables, rules: run.rules(), removed, left };
        if run.is_refused() {
            return Err(ExportError::Refused(Box::new(exported)));
        }
        destination.finish()?;
        Ok(exported)
    })
}

/// A run, with what was found in it.
struct Run<'r> {
    report: &'r mut Report<'r>,
    supervisor: &'r dyn Supervisor,
    /// The number of findings by kind and rule.
    rules: BTreeMap<(String, String), i64>,
}

impl Run<'_> {
    fn take(&mut self, findings: Vec<Finding>) -> Result<(), ExportError> {
        for finding in findings {
            (self.report)(&finding)?;
            *self.rules.entry((finding.kind, finding.rule)).or_default() += 1;
        }
        Ok(())
    }

    fn is_refused(&self) -> bool {
        self.rules.keys().any(|(kind, _)| kind == "refused")
    }

    fn rules(&self) -> Vec<RuleCount> {
        let count = |((kind, rule), number): (&(String, String), &i64)| RuleCount {
            rule: rule.clone(),
            kind: kind.clone(),
            number: *number,
        };
        self.rules.iter().map(count).collect()
    }

    fn advanced(&self, rows: usize) -> Result<(), ExportError> {
        self.supervisor.advanced(rows as u64);
        if self.supervisor.is_stopping() { Err(ExportError::Stopped) } else { Ok(()) }
    }
}

/// The tables with rows that have no place there.
fn without_place<C: Readable>(connection: &mut C) -> Result<Vec<(String, i64)>, ExportError> {
    let mut left = Vec::new();
    for table in connection.tables()? {
        let has_place = TABLES.iter().any(|exported| exported.names().any(|name| name == table));
        if has_place || WITHOUT_MEANING.contains(&table.as_str()) {
            continue;
        }
        let rows = connection.number(&format!("SELECT count(*) AS number FROM {table}"))?;
        if rows > 0 {
            left.push((table, rows));
        }
    }
    Ok(left)
}

fn to_read<C: Readable>(connection: &mut C, since: Option<&str>) -> Result<u64, ExportError> {
    let mut rows = 0;
    for table in TABLES {
        for name in table.names() {
            let which = changes::condition(table, since);
            rows += connection.number(&format!("SELECT count(*) AS number FROM {name} AS own {which}"))?;
        }
    }
    Ok(rows.unsigned_abs())
}

/// Passes on the names that must differ there, and takes those that are equal there.
fn distinguish<C: Readable>(
    connection: &mut C,
    destination: &mut dyn Destination,
    run: &mut Run<'_>,
) -> Result<(), ExportError> {
    for (kind, statement) in tables::NAMES {
        connection.each_page(statement, &mut |rows| {
            let names: Vec<DistinctName> = rows.iter().map(DistinctName::of).collect();
            destination.distinguish(kind, &names)?;
            run.advanced(0)
        })?;
        run.take(destination.equal_names(kind)?)?;
    }
    Ok(())
}

/// The highest numbers of tables that only their histories remember.
fn last_numbers<C: Readable>(connection: &mut C) -> Result<Vec<(&'static str, i64)>, ExportError> {
    let mut numbers = Vec::new();
    for table in TABLES.iter().filter(|table| table.key == "id") {
        let Some(history) = table.history else { continue };
        let mut last = |name: &str| {
            connection.number(&format!("SELECT coalesce(max(id), CAST(0 AS bigint)) AS number FROM {name}"))
        };
        let (present, ever) = (last(table.name)?, last(history)?);
        if ever > present {
            numbers.push((table.name, ever));
        }
    }
    Ok(numbers)
}

/// Passes on the rows of a table, and returns their number.
fn pass_on<C: Readable>(
    connection: &mut C,
    destination: &mut dyn Destination,
    table: &Table,
    name: &'static str,
    since: Option<&str>,
    run: &mut Run<'_>,
) -> Result<i64, ExportError> {
    let statement = reading::rows(connection, table, name, since)?;
    let mut number = 0;
    connection.each_page(&statement, &mut |rows| {
        number += rows.len() as i64;
        let findings = destination.write(name, rows)?;
        run.take(findings)?;
        run.advanced(rows.len())
    })?;
    run.take(destination.end(name)?)?;
    Ok(number)
}
