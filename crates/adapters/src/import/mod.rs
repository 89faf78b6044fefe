//! Imports all data of another system into an empty database.
//!
//! | module | contents |
//! |---|---|
//! | `rows` | what a source of rows is, and what it writes to |
//! | `staging` | temporary tables, which take the rows as they come |
//! | `rules` | what is mended there |
//! | `histories` | the order of histories, and their end |
//! | `filling` | the real tables, and the counts by day |
//! | `verify` | comparing an imported database with its source |
//! | `database` | what differs between Postgres and SQLite |
//!
//! Rows are first put into temporary tables, which have the columns of the real ones but none of their constraints.
//! There they are mended by statements over whole tables. Then the real tables are filled in one transaction. A dry run
//! ends before that. No message and no event is written. The number of statements does not depend on the number of
//! rows, but for the pages that are read.

mod database;
mod error;
mod filling;
mod histories;
mod rows;
mod rules;
mod staging;
mod verify;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use license_manager_domain::operations::Supervisor;

use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;
pub(crate) use database::Database;
pub use error::ImportError;
pub use rows::{Page, Source, Target};
use staging::Staging;
pub use verify::{Compared, verify_postgres, verify_sqlite};

/// How to import.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// Whether the real tables stay as they are.
    pub dry_run: bool,
    /// Whether to stop where a license would lose its holder.
    pub strict: bool,
    /// The time of the import.
    pub now: DateTime<Utc>,
}

/// A row that a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq, diesel::QueryableByName)]
pub struct Finding {
    /// The rule's name.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub rule: String,
    /// What the rule does: `mended` or `left`.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub kind: String,
    /// The row: its table and key. It names no person but users.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub about: String,
}

/// How many rows a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq, diesel::QueryableByName)]
pub struct RuleCount {
    /// The rule's name.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub rule: String,
    /// What the rule does: `mended` or `left`.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub kind: String,
    /// The number of rows.
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub number: i64,
}

/// What was imported, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The number of rows of each table.
    pub tables: Vec<(String, i64)>,
    /// The rules that applied, by name.
    pub rules: Vec<RuleCount>,
}

/// Imports into Postgres. See [`import_sqlite`].
///
/// # Errors
/// See [`ImportError`].
pub fn import_postgres(
    store: &PostgresStore,
    source: &mut dyn Source,
    options: ImportOptions,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Imported, ImportError> {
    let mut connection = store.unlimited_connection()?;
    connection.batch_execute(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '60s'",
    )?;
    import(&mut connection, source, options, report, supervisor)
}

/// Imports into SQLite. The database must be migrated and empty. `report` is called for each row that a rule applies
/// to. Temporary tables need as much room as the data. Memory use is bounded.
///
/// # Errors
/// See [`ImportError`]; the database is unchanged.
pub fn import_sqlite(
    store: &SqliteStore,
    source: &mut dyn Source,
    options: ImportOptions,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Imported, ImportError> {
    let mut connection = sqlite_connection(store)?;
    import(&mut connection, source, options, report, supervisor)
}

/// A connection for large work.
fn sqlite_connection(store: &SqliteStore) -> Result<SqliteConnection, ImportError> {
    let path =
        store.path().to_str().ok_or_else(|| ImportError::Failed("the database's path is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(path).map_err(|error| ImportError::Failed(error.to_string()))?;
    connection.batch_execute(
        "PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON; PRAGMA temp_store = FILE; PRAGMA cache_size = -32000;",
    )?;
    Ok(connection)
}

fn import<C: Database>(
    connection: &mut C,
    source: &mut dyn Source,
    options: ImportOptions,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Imported, ImportError> {
    filling::refuse_unless_empty(connection)?;
    supervisor.found(source.count()?);
    let imported = connection.transaction(|connection| {
        let mut staging = Staging::create(connection)?;
        source.read(&mut staging::Writer { staging: &mut staging, connection, supervisor })?;
        staging::index(connection)?;
        rules::apply(connection)?;
        histories::complete(connection, options.now)?;
        summarize(connection, report)
    })?;
    go_on(supervisor)?;
    let frees = |count: &RuleCount| rules::FREEING.contains(&count.rule.as_str());
    if options.strict && imported.rules.iter().any(frees) {
        return Err(ImportError::Strict(Box::new(imported)));
    }
    if !options.dry_run {
        connection.locked(|connection| {
            filling::refuse_unless_empty(connection)?;
            filling::fill(connection, options.now, supervisor)
        })?;
        filling::analyze(connection)?;
    }
    Ok(imported)
}

fn summarize<C: Database>(
    connection: &mut C,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<Imported, ImportError> {
    let tables = staging::TABLES
        .iter()
        .map(|name| {
            Ok(((*name).to_owned(), connection.number(&format!("SELECT count(*) AS number FROM staged_{name}"))?))
        })
        .collect::<Result<Vec<_>, ImportError>>()?;
    let rules = connection.rule_counts(
        "SELECT rule, kind, count(*) AS number FROM staged_finding GROUP BY rule, kind ORDER BY rule, kind",
    )?;
    connection.each_finding("SELECT rule, kind, about FROM staged_finding ORDER BY rule, about", report)?;
    Ok(Imported { tables, rules })
}

/// Fails if the run was asked to stop.
fn go_on(supervisor: &dyn Supervisor) -> Result<(), ImportError> {
    if supervisor.is_stopping() { Err(ImportError::Stopped) } else { Ok(()) }
}
