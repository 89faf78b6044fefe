//! Compares an imported database with its source.

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use license_manager_domain::operations::Supervisor;

use super::database::Database;
use super::rows::Source;
use super::staging::{self, Staging, TABLES};
use super::{Finding, ImportError, histories, rules};
use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;

/// The rows of one table on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The table.
    pub table: String,
    /// The rows of the source, mended by the rules.
    pub there: i64,
    /// The rows of the imported database.
    pub here: i64,
    /// The rows that differ, or are on one side only.
    pub differences: i64,
}

/// Compares a Postgres database with its source. See [`verify_sqlite`].
///
/// # Errors
/// See [`ImportError`].
pub fn verify_postgres(
    store: &PostgresStore,
    source: &mut dyn Source,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Vec<Compared>, ImportError> {
    let mut connection = store.unlimited_connection()?;
    connection.batch_execute(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
         SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    )?;
    verify(&mut connection, source, report, supervisor)
}

/// Compares a SQLite database with its source, every row with every field, and the counts of each plan's licenses. The
/// source's rows are mended as an import mends them, so only what no rule explains is a difference. `report` is called
/// for each difference. Only temporary tables are written.
///
/// # Errors
/// See [`ImportError`].
pub fn verify_sqlite(
    store: &SqliteStore,
    source: &mut dyn Source,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Vec<Compared>, ImportError> {
    verify(&mut super::sqlite_connection(store)?, source, report, supervisor)
}

fn verify<C: Database>(
    connection: &mut C,
    source: &mut dyn Source,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Vec<Compared>, ImportError> {
    supervisor.found(source.count()?);
    connection.transaction(|connection| {
        let imported_at = imported_at(connection)?;
        let mut staging = Staging::create(connection)?;
        source.read(&mut staging::Writer { staging: &mut staging, connection, supervisor })?;
        staging::index(connection)?;
        rules::apply(connection)?;
        connection.run(KEYS)?;
        histories::complete(connection, imported_at)?;
        let mut compared = Vec::new();
        for table in TABLES {
            super::go_on(supervisor)?;
            compared.push(compare(connection, table, report)?);
        }
        compared.push(compare_counts(connection, report)?);
        Ok(compared)
    })
}

/// When the database was imported. Versions that close a history have this time.
fn imported_at<C: Database>(connection: &mut C) -> Result<DateTime<Utc>, ImportError> {
    let micros =
        connection.number("SELECT coalesce(max($MICROS[imported_at]MICROS), -1) AS number FROM imported_versions")?;
    DateTime::from_timestamp_micros(micros).filter(|_| micros >= 0).ok_or(ImportError::NeverImported)
}

/// New keys are random, so those that were made are taken over.
const KEYS: &str = "
    UPDATE staged_license SET activation_key = coalesce(
        (SELECT own.activation_key FROM license AS own WHERE own.uuid = staged_license.uuid), activation_key)
    WHERE 'license ' || CAST(uuid AS text) IN (
        SELECT about FROM staged_finding WHERE rule = 'missing_activation_key');";

fn compare<C: Database>(
    connection: &mut C,
    table: &str,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<Compared, ImportError> {
    let names: Vec<String> = connection.columns(table)?.into_iter().map(|column| column.name).collect();
    let key = &names[0];
    connection.run(&format!("CREATE INDEX staged_{table}_compared ON staged_{table} ({key})"))?;
    let differs: Vec<String> = names.iter().map(|name| format!("theirs.{name} IS DISTINCT FROM ours.{name}")).collect();
    let named: Vec<String> = names
        .iter()
        .zip(&differs)
        .map(|(name, differs)| format!("CASE WHEN {differs} THEN ' {name}' ELSE '' END"))
        .collect();
    let row = |side: &str| format!("'{table} ' || CAST({side}.{key} AS text)");
    let statement = format!(
        "SELECT 'differs' AS rule, '{table}' AS kind, {} || ':' || {} AS about
         FROM staged_{table} AS theirs JOIN {table} AS ours ON ours.{key} = theirs.{key} WHERE {}
         UNION ALL
         SELECT 'only_there', '{table}', {} FROM staged_{table} AS theirs
         WHERE NOT EXISTS (SELECT 1 FROM {table} AS ours WHERE ours.{key} = theirs.{key})
         UNION ALL
         SELECT 'only_here', '{table}', {} FROM {table} AS ours
         WHERE NOT EXISTS (SELECT 1 FROM staged_{table} AS theirs WHERE theirs.{key} = ours.{key})",
        row("theirs"),
        named.join(" || "),
        differs.join(" OR "),
        row("theirs"),
        row("ours"),
    );
    let differences = counted(connection, &statement, report)?;
    let count = |from: &str| format!("SELECT count(*) AS number FROM {from}");
    Ok(Compared {
        table: table.to_owned(),
        there: connection.number(&count(&format!("staged_{table}")))?,
        here: connection.number(&count(table))?,
        differences,
    })
}

/// The counts that pages show: those of each plan's licenses by status.
fn compare_counts<C: Database>(
    connection: &mut C,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<Compared, ImportError> {
    let differences = counted(
        connection,
        "SELECT 'differs' AS rule, 'counts_of_licenses' AS kind, 'subscription_plan ' || CAST(plan AS text) AS about
         FROM (SELECT subscription_plan_uuid AS plan, unassigned, assigned, activated, revoked FROM seat_change
               UNION ALL
               SELECT subscription_plan_uuid,
                      CASE status WHEN 'unassigned' THEN -1 ELSE 0 END, CASE status WHEN 'assigned' THEN -1 ELSE 0 END,
                      CASE status WHEN 'activated' THEN -1 ELSE 0 END, CASE status WHEN 'revoked' THEN -1 ELSE 0 END
               FROM staged_license) AS counted
         GROUP BY plan
         HAVING sum(unassigned) <> 0 OR sum(assigned) <> 0 OR sum(activated) <> 0 OR sum(revoked) <> 0",
        report,
    )?;
    let plans = |table: &str| format!("SELECT count(DISTINCT subscription_plan_uuid) AS number FROM {table}");
    Ok(Compared {
        table: "counts_of_licenses".to_owned(),
        there: connection.number(&plans("staged_license"))?,
        here: connection.number(&plans("license"))?,
        differences,
    })
}

/// Reports the rows of a statement, and counts them.
fn counted<C: Database>(
    connection: &mut C,
    statement: &str,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<i64, ImportError> {
    let mut differences = 0;
    connection.each_finding(statement, &mut |finding| {
        differences += 1;
        report(finding)
    })?;
    Ok(differences)
}
