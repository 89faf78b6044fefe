//! Reads either database as of one moment.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::Error;

use super::invariants::{Find, INVARIANTS, Invariant};
use super::messages;
use super::{EXAMPLES, Finding, Limits};
use crate::plain_sql::PlainSql;
use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;

/// How long SQLite waits for another process that recovers the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a database cannot be checked. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// This version would look for tables and columns that are missing.
    #[error("the database lacks the migrations {0}: run `license-manager migrate` first")]
    NotMigrated(String),
    /// The database cannot be read.
    #[error("the database cannot be checked: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for CheckError {
    fn from(error: diesel::result::Error) -> Self {
        // The other lines of a message of Postgres may quote a row.
        Self::Failed(error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

fn refuse_unless_migrated(pending: &[String]) -> Result<(), CheckError> {
    if pending.is_empty() { Ok(()) } else { Err(CheckError::NotMigrated(pending.join(", "))) }
}

/// Checks a SQLite database and changes nothing. Others may write meanwhile.
///
/// # Errors
/// See [`CheckError`].
pub fn check_sqlite(store: &SqliteStore, limits: Limits) -> Result<Vec<Finding>, CheckError> {
    refuse_unless_migrated(&store.pending_migrations()?)?;
    let path = store.path().to_str().ok_or_else(|| CheckError::Failed("its path is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(path).map_err(|error| CheckError::Failed(error.to_string()))?;
    // Sorting a large table takes much room.
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA query_only = ON; PRAGMA temp_store = FILE;",
        BUSY_TIMEOUT.as_millis()
    ))?;
    Ok(connection.transaction(|connection| check(connection, limits))?)
}

/// Checks a Postgres database and changes nothing. Others may write meanwhile.
///
/// # Errors
/// See [`CheckError`].
pub fn check_postgres(store: &PostgresStore, limits: Limits) -> Result<Vec<Finding>, CheckError> {
    refuse_unless_migrated(&store.pending_migrations()?)?;
    let mut connection = store.unlimited_connection()?;
    Ok(connection.build_transaction().repeatable_read().read_only().run(|connection| check(connection, limits))?)
}

fn check<C: Snapshot>(connection: &mut C, limits: Limits) -> QueryResult<Vec<Finding>> {
    INVARIANTS.iter().map(|invariant| find(connection, invariant, limits)).collect()
}

fn find<C: Snapshot>(connection: &mut C, invariant: &Invariant, limits: Limits) -> QueryResult<Finding> {
    let (violations, examples) = match invariant.find {
        Find::Rows(statement) => count(connection, &statement(limits))?,
        Find::RowsOf { sqlite, postgres } => count(connection, C::choose(sqlite, postgres))?,
        Find::References => match connection.broken_references()? {
            Some(statement) => count(connection, &statement)?,
            None => (0, Vec::new()),
        },
        Find::Messages => messages::undeliverable(connection)?,
    };
    Ok(Finding { name: invariant.name, meaning: invariant.meaning, violations, examples })
}

/// Counts the rows of a statement, which have the column `id`, and names the first of them.
fn count(connection: &mut impl Snapshot, statement: &str) -> QueryResult<(i64, Vec<String>)> {
    let rows: Vec<ViolationRow> = connection.rows(&format!(
        "WITH violation AS MATERIALIZED ({statement})
         SELECT id, (SELECT count(*) FROM violation) AS number FROM violation ORDER BY id LIMIT {EXAMPLES}"
    ))?;
    let number = rows.first().map_or(0, |row| row.number);
    Ok((number, rows.into_iter().map(|row| row.id).collect()))
}

#[derive(QueryableByName)]
struct ViolationRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A database as of one moment.
pub(super) trait Snapshot: PlainSql {
    /// The statement for this database.
    fn choose<'a>(sqlite: &'a str, postgres: &'a str) -> &'a str;

    /// The statement that finds rows that refer to rows that are not there; `None` if no table refers to another.
    fn broken_references(&mut self) -> QueryResult<Option<String>>;
}

impl Snapshot for SqliteConnection {
    fn choose<'a>(sqlite: &'a str, _postgres: &'a str) -> &'a str {
        sqlite
    }

    fn broken_references(&mut self) -> QueryResult<Option<String>> {
        Ok(Some(
            "SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' refers to no ' || parent AS id
             FROM pragma_foreign_key_check"
                .to_owned(),
        ))
    }
}

impl Snapshot for PgConnection {
    fn choose<'a>(_sqlite: &'a str, postgres: &'a str) -> &'a str {
        postgres
    }

    fn broken_references(&mut self) -> QueryResult<Option<String>> {
        // All foreign keys have one column. The row is named by its place, because a value may name a person.
        let statements = self.texts(
            "SELECT format('SELECT %L || own.ctid::text || %L AS id FROM %s AS own
                            WHERE own.%I IS NOT NULL AND NOT EXISTS (SELECT FROM %s AS other WHERE other.%I = own.%I)',
                           conrelid::regclass || ' row ', ' refers to no ' || confrelid::regclass, conrelid::regclass,
                           own.attname, confrelid::regclass, other.attname, own.attname) AS text
             FROM pg_constraint
             JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = conkey[1]
             JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = confkey[1]
             WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
             ORDER BY conrelid, conname",
        )?;
        Ok((!statements.is_empty()).then(|| statements.join("\nUNION ALL\n")))
    }
}
