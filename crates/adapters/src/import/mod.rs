//! Imports all data of another system into an empty database, and again into the database that it filled.
//!
//! | module | contents |
//! |---|---|
//! | `rows` | what a source of rows is, and what it writes to |
//! | `staging` | temporary tables, which take the rows as they come |
//! | `rules` | what is mended there |
//! | `histories` | the order of histories, and their end |
//! | `filling` | the real tables, filled for the first time |
//! | `again` | importing again, until the import is finished |
//! | `compare` | what differs, and on which side it was changed |
//! | `decisions` | what is taken over of it |
//! | `writing` | writing what is taken over |
//! | `seats` | the counts by day |
//! | `state` | what is remembered from one import to the next |
//! | `verify` | comparing an imported database with its source |
//! | `database` | what differs between Postgres and SQLite |
//! | `checksums` | the checksum of a row in SQLite |
//!
//! Rows are first put into temporary tables, which have the columns of the real ones but none of their constraints.
//! There they are mended by statements over whole tables. Then the real tables are filled, or what differs is written in
//! one transaction. No message and no event is written. The number of statements does not depend on the number of rows,
//! but for the pages that are read, and the parts of histories that are filled. See `docs/adr/0023-importing-again.md`.

mod again;
mod checksums;
mod compare;
mod database;
mod decisions;
mod error;
mod filling;
mod histories;
mod rows;
mod rules;
mod seats;
mod staging;
mod state;
mod verify;
mod writing;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use license_manager_domain::operations::Supervisor;

use crate::postgres::{PostgresStore, english};
use crate::sqlite::SqliteStore;
pub(crate) use database::Database;
pub use decisions::Conflicts;
pub use error::ImportError;
pub use rows::{Page, RangeChecksum, Source, Target};
use staging::Staging;
pub use verify::{Compared, verify_postgres, verify_sqlite};

/// How to import.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// Whether the real tables stay as they are.
    pub dry_run: bool,
    /// Whether to stop where a license would lose its holder.
    pub strict: bool,
    /// What becomes of rows that were changed on both sides since the last import.
    pub conflicts: Conflicts,
    /// The time of the import.
    pub now: DateTime<Utc>,
}

/// A row that a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq, diesel::QueryableByName)]
pub struct Finding {
    /// The rule's name.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub rule: String,
    /// What the rule does: `mended` or `left`; or `conflict`.
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
    /// What the rule does: `mended` or `left`; or `conflict`.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub kind: String,
    /// The number of rows.
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub number: i64,
}

/// What was imported, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The number of rows of each table; empty if the source was imported again.
    pub tables: Vec<(String, i64)>,
    /// The rules that applied, by name. If the source was imported again, those of the rows that were taken over, and of
    /// their histories.
    pub rules: Vec<RuleCount>,
    /// What was written where the source was imported again; `None` if it was imported for the first time.
    pub again: Option<Vec<Changed>>,
}

impl Imported {
    /// The source is as it was.
    fn unchanged() -> Self {
        Self { tables: Vec::new(), rules: Vec::new(), again: Some(Vec::new()) }
    }
}

/// The rows of a table that differed when a source was imported again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The table.
    pub table: String,
    /// New rows of the source.
    pub added: i64,
    /// Rows that were changed to those of the source.
    pub changed: i64,
    /// Rows that the source does not have any more.
    pub deleted: i64,
    /// Rows that stay as they were changed here.
    pub kept: i64,
    /// Rows of the source that were equal already.
    pub unchanged: i64,
}

impl Changed {
    /// Whether no row differed.
    fn is_equal(&self) -> bool {
        [self.added, self.changed, self.deleted, self.kept].iter().all(|number| *number == 0)
    }
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
    without_limits(&mut connection)?;
    prepare(&mut connection)?;
    import(&mut connection, source, options, report, supervisor)
}

/// Imports into SQLite. The database must be migrated. If it is empty, it is filled, in parts that are committed one by
/// one. If it was filled by an import that is not finished, or was filled in part, what differs from the source is
/// written; servers may use the database meanwhile. `report` is called for each row that a rule applies to, and for each
/// conflict. Temporary tables need as much room as the data. Memory use is bounded.
///
/// # Errors
/// See [`ImportError`]; the database is unchanged, but for [`ImportError::Partly`].
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

/// Records that an import into Postgres is finished. See [`finish_sqlite`].
///
/// # Errors
/// See [`ImportError`].
pub fn finish_postgres(store: &PostgresStore, now: DateTime<Utc>) -> Result<(), ImportError> {
    let mut connection = store.unlimited_connection()?;
    without_limits(&mut connection)?;
    prepare(&mut connection)?;
    again::finish(&mut connection, now)
}

/// Records that an import is finished: nothing is imported again, and this system runs the operations. Counts by day
/// that an earlier version made by another rule are made anew, also if the import is finished already.
///
/// # Errors
/// See [`ImportError`].
pub fn finish_sqlite(store: &SqliteStore, now: DateTime<Utc>) -> Result<(), ImportError> {
    again::finish(&mut sqlite_connection(store)?, now)
}

/// Lets work take long, but for waiting for others.
fn without_limits(connection: &mut PgConnection) -> Result<(), ImportError> {
    Ok(connection.batch_execute(&format!(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '60s'; {}",
        english(false)
    ))?)
}

/// Prepares a connection for large work: memory of the database server, and the forms of texts, which checksums are made
/// of. Hides that a table to be dropped is not there.
fn prepare(connection: &mut PgConnection) -> Result<(), ImportError> {
    connection.batch_execute(
        "SET temp_buffers = '64MB'; SET work_mem = '64MB'; SET maintenance_work_mem = '256MB';
         SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1; SET client_min_messages = warning",
    )?;
    // A run that was killed would hold its locks until the statement ends, and keep the next run waiting. Some systems
    // cannot tell a server that its client is gone; there it is as it was.
    let _ = connection.batch_execute("SET client_connection_check_interval = '1s'");
    Ok(())
}

/// A connection for large work. SQLite sorts in as much memory as the cache may have, and a statement may sort while the
/// cache is full, so the size counts more than twice. The limit that the store sets for all connections would take it away.
fn sqlite_connection(store: &SqliteStore) -> Result<SqliteConnection, ImportError> {
    let path =
        store.path().to_str().ok_or_else(|| ImportError::Failed("the database's path is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(path).map_err(|error| ImportError::Failed(error.to_string()))?;
    connection.batch_execute(
        "PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON; PRAGMA temp_store = FILE; PRAGMA cache_size = -24000;
         PRAGMA soft_heap_limit = 0;",
    )?;
    checksums::register(&mut connection)?;
    Ok(connection)
}

fn import<C: Database>(
    connection: &mut C,
    source: &mut dyn Source,
    options: ImportOptions,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Imported, ImportError> {
    if let Some(state) = state::read(connection)? {
        return again::import(connection, &state, source, options, report, supervisor);
    }
    filling::refuse_unless_empty(connection)?;
    let rows = source.count()?;
    supervisor.found(rows);
    if !options.dry_run {
        // Each row is read, and then written.
        supervisor.found(rows);
    }
    let (imported, own_versions_from) = connection.transaction(|connection| {
        let mut staging = Staging::create(connection)?;
        source.read(&mut staging::Writer { staging: &mut staging, connection, supervisor })?;
        if !options.dry_run {
            source.begin_checksums();
        }
        staging::index(connection)?;
        rules::apply(connection)?;
        histories::put_in_order(connection)?;
        let own_versions_from = histories::own_versions_from(connection)?;
        histories::end(connection, options.now, |_, _| Ok(own_versions_from - 1))?;
        Ok::<_, ImportError>((summarize(connection, report)?, own_versions_from))
    })?;
    go_on(supervisor)?;
    let frees = |count: &RuleCount| rules::FREEING.contains(&count.rule.as_str());
    if options.strict && imported.rules.iter().any(frees) {
        return Err(ImportError::Refused(Box::new(imported)));
    }
    if !options.dry_run {
        filling::fill(connection, source, options.now, own_versions_from, &mut Written { left: rows, supervisor })?;
        filling::analyze(connection)?;
    }
    Ok(imported)
}

/// Shows how many rows were written. Rules add rows and leave some behind, so their number is not quite that of the
/// source.
struct Written<'a> {
    left: u64,
    supervisor: &'a dyn Supervisor,
}

impl Written<'_> {
    fn advanced(&mut self, rows: u64) -> Result<(), ImportError> {
        let rows = rows.min(self.left);
        self.left -= rows;
        self.supervisor.advanced(rows);
        go_on(self.supervisor)
    }

    /// All rows were written.
    fn completed(&mut self) {
        self.supervisor.advanced(std::mem::take(&mut self.left));
    }
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
    Ok(Imported { tables, rules, again: None })
}

/// Fails if the run was asked to stop.
fn go_on(supervisor: &dyn Supervisor) -> Result<(), ImportError> {
    if supervisor.is_stopping() { Err(ImportError::Stopped) } else { Ok(()) }
}
