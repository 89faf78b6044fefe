//! Compares an imported database with its source.

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use license_manager_domain::operations::Supervisor;

use super::database::Database;
use super::rows::Source;
use super::staging::Shape;
use super::state::{self, State};
use super::{Finding, ImportError, again, compare};
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
    now: DateTime<Utc>,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Vec<Compared>, ImportError> {
    let mut connection = store.unlimited_connection()?;
    connection.batch_execute(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
         SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    )?;
    super::prepare(&mut connection)?;
    verify(&mut connection, source, now, report, supervisor)
}

/// Compares a SQLite database with its source as of `now`: every row with every field, the counts of each plan's licenses
/// and the net days of each agreement. The source's rows are mended as an import mends them, so only what no rule
/// explains is a difference. `report` is called for each difference, in the order of tables and keys, and tells on which
/// side the row was changed since the last import. Only temporary tables are written.
///
/// # Errors
/// See [`ImportError`]. A source without agreements or licenses is refused as by an import, until the import is
/// finished.
pub fn verify_sqlite(
    store: &SqliteStore,
    source: &mut dyn Source,
    now: DateTime<Utc>,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Vec<Compared>, ImportError> {
    verify(&mut super::sqlite_connection(store)?, source, now, report, supervisor)
}

fn verify<C: Database>(
    connection: &mut C,
    source: &mut dyn Source,
    now: DateTime<Utc>,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Vec<Compared>, ImportError> {
    let state = state::read(connection)?.ok_or(ImportError::NeverImported)?;
    supervisor.found(source.count()?);
    connection.transaction(|connection| {
        again::stage(connection, source, supervisor)?;
        again::refuse_blank(connection)?;
        let shapes = Shape::all(connection)?;
        super::go_on(supervisor)?;
        compare::compare(connection, &shapes, state.own_versions_from)?;
        let mut compared = Vec::new();
        for shape in &shapes {
            super::go_on(supervisor)?;
            compared.push(report_table(connection, shape, &state, report)?);
        }
        compared.push(compare_counts(connection, report)?);
        compared.push(compare_days(connection, now, report)?);
        Ok(compared)
    })
}

/// Reports the differences of a table, in the order of its keys.
fn report_table<C: Database>(
    connection: &mut C,
    shape: &Shape,
    state: &State,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<Compared, ImportError> {
    let table = shape.name;
    // Without checksums nobody knows on which side it was changed.
    let rule = match state.tells_sides_apart() {
        true => {
            "CASE WHEN changed_here = 0 THEN
                      CASE WHEN ours = 0 THEN 'added_there' WHEN theirs = 0 THEN 'deleted_there'
                           ELSE 'changed_there' END
                  WHEN changed_there = 0 THEN
                      CASE WHEN theirs = 0 THEN 'added_here' WHEN ours = 0 THEN 'deleted_here'
                           ELSE 'changed_here' END
                  ELSE 'changed_on_both_sides' END"
        }
        false => "CASE WHEN ours = 0 THEN 'only_there' WHEN theirs = 0 THEN 'only_here' ELSE 'differs' END",
    };
    let statement = format!(
        "SELECT {rule} AS rule, table_name AS kind, table_name || ' ' || label || named AS about
         FROM staged_difference WHERE table_name = '{table}' ORDER BY key"
    );
    let differences = counted(connection, &statement, report)?;
    let count = |from: &str| format!("SELECT count(*) AS number FROM {from}");
    let of_import = match shape.is_history() {
        true => format!("{table} WHERE history_id < {}", state.own_versions_from),
        false => table.to_owned(),
    };
    Ok(Compared {
        table: table.to_owned(),
        there: connection.number(&count(&format!("staged_{table}")))?,
        here: connection.number(&count(&of_import))?,
        differences,
    })
}

/// The net days of each agreement: those until the last of its plans ends, which pages show.
fn compare_days<C: Database>(
    connection: &mut C,
    now: DateTime<Utc>,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<Compared, ImportError> {
    let now = C::moment(now);
    let days = |agreements: &str, plans: &str| {
        format!(
            "SELECT agreement.uuid, CASE WHEN max(plan.expiration_date) > {now}
                                         THEN $DAYS[max(plan.expiration_date) - {now}]DAYS ELSE 0 END AS days
             FROM {agreements} AS agreement
             LEFT JOIN {plans} AS plan ON plan.customer_agreement_uuid = agreement.uuid
             GROUP BY agreement.uuid"
        )
    };
    let there = days("staged_customer_agreement", "staged_subscription_plan");
    let here = days("customer_agreement", "subscription_plan");
    let statement = format!(
        "SELECT 'differs' AS rule, 'net_days' AS kind,
                'customer_agreement ' || CAST(there.uuid AS text) || ': ' || CAST(there.days AS text) || ' there, '
                    || CAST(here.days AS text) || ' here' AS about
         FROM ({there}) AS there JOIN ({here}) AS here ON here.uuid = there.uuid
         WHERE there.days <> here.days ORDER BY there.uuid"
    );
    let differences = counted(connection, &statement, report)?;
    let agreements = |table: &str| format!("SELECT count(*) AS number FROM {table}");
    Ok(Compared {
        table: "net_days".to_owned(),
        there: connection.number(&agreements("staged_customer_agreement"))?,
        here: connection.number(&agreements("customer_agreement"))?,
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
         FROM (SELECT subscription_plan_uuid AS plan, unassigned, assigned, activated, revoked FROM seat_count
               UNION ALL
               SELECT subscription_plan_uuid,
                      CASE status WHEN 'unassigned' THEN -1 ELSE 0 END, CASE status WHEN 'assigned' THEN -1 ELSE 0 END,
                      CASE status WHEN 'activated' THEN -1 ELSE 0 END, CASE status WHEN 'revoked' THEN -1 ELSE 0 END
               FROM staged_license) AS counted
         GROUP BY plan
         HAVING sum(unassigned) <> 0 OR sum(assigned) <> 0 OR sum(activated) <> 0 OR sum(revoked) <> 0
         ORDER BY plan",
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
