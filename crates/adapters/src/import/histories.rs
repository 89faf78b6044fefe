//! The order of histories, and their end.

use chrono::{DateTime, Utc};

use super::ImportError;
use super::database::Database;
use crate::history::TableWithHistory;
use crate::schema::{LICENSE_EVENT, WITH_HISTORY};

/// Why the last version of a row was added.
const REASON: &str = "import";

/// The tables whose histories end with the row. Of license events only deletions are recorded.
pub(super) fn recorded() -> impl Iterator<Item = &'static TableWithHistory> {
    WITH_HISTORY.iter().copied().filter(|table| table.name != LICENSE_EVENT.name)
}

/// Makes each history one of a row that is created once, then changed, then deleted.
pub(super) fn put_in_order<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    for table in recorded() {
        connection.run(&order(table)).map_err(|error| ImportError::about(table.name, error))?;
    }
    Ok(())
}

/// The number from which versions are of this system: half of the numbers are left to the source, whose numbers are
/// those of a 32-bit integer.
pub(super) fn own_versions_from<C: Database>(connection: &mut C) -> Result<i64, ImportError> {
    let mut last = 0;
    for TableWithHistory { name, .. } in recorded() {
        let highest = format!("SELECT coalesce(max(history_id), 0) AS number FROM staged_{name}_history");
        last = last.max(connection.number(&highest)?);
    }
    let most = i64::from(i32::MAX);
    let left = if last < most { most - last } else { most };
    Ok(last + left / 2 + 1)
}

/// Lets each history end with the row. The versions that this adds to a table are numbered after `last(table)`.
pub(super) fn end<C: Database>(
    connection: &mut C,
    now: DateTime<Utc>,
    mut last: impl FnMut(&mut C, &TableWithHistory) -> Result<i64, ImportError>,
) -> Result<(), ImportError> {
    let now = C::moment(now);
    for table in recorded() {
        let last = last(connection, table)?;
        let done = format!("DROP TABLE staged_{}_newest;", table.name);
        let statements = [newest(table), ended(table, &now, last), closed(table, &now, last), done].concat();
        connection.run(&statements).map_err(|error| ImportError::about(table.name, error))?;
    }
    Ok(())
}

/// Kinds of versions that do not fit to their neighbours are corrected. A message that is switched off more than once
/// is deleted once.
fn order(TableWithHistory { name, key, .. }: &TableWithHistory) -> String {
    let absent = match *name {
        "expiration_message" => {
            "DELETE FROM staged_expiration_message_history WHERE history_id IN (
                 SELECT history_id FROM (
                     SELECT history_id, history_type, lag(history_type, 1, '-') OVER (
                         PARTITION BY customer_agreement_uuid ORDER BY history_id) AS former
                     FROM staged_expiration_message_history) AS version
                 WHERE history_type = '-' AND former = '-');"
        }
        _ => "",
    };
    format!(
        "{absent}
         CREATE TEMPORARY TABLE staged_{name}_kind AS
         SELECT history_id, kind FROM (
             SELECT history_id, history_type, CASE
                 WHEN history_type = '+' AND former <> '-' THEN '~'
                 WHEN history_type = '~' AND former = '-' THEN '+'
                 WHEN history_type = '-' AND later = '-' THEN '~'
                 ELSE history_type END AS kind
             FROM (SELECT history_id, history_type,
                          lag(history_type) OVER versions AS former, lead(history_type) OVER versions AS later
                   FROM staged_{name}_history
                   WINDOW versions AS (PARTITION BY {key} ORDER BY history_id)) AS version) AS corrected
         WHERE kind <> history_type;
         INSERT INTO staged_finding
         SELECT 'history_order', 'mended', '{name}_history ' || CAST(history_id AS text) FROM staged_{name}_kind;
         CREATE UNIQUE INDEX staged_{name}_kind_by_id ON staged_{name}_kind (history_id);
         UPDATE staged_{name}_history SET history_type = (
             SELECT kind FROM staged_{name}_kind AS corrected
             WHERE corrected.history_id = staged_{name}_history.history_id)
         WHERE history_id IN (SELECT history_id FROM staged_{name}_kind);
         DROP TABLE staged_{name}_kind;"
    )
}

/// The newest version of each row, as a table of its own: without an index, SQLite would look for each row in all of
/// them.
fn newest(TableWithHistory { name, key, .. }: &TableWithHistory) -> String {
    format!(
        "CREATE TEMPORARY TABLE staged_{name}_newest AS
         SELECT * FROM staged_{name}_history WHERE history_id IN (
             SELECT max(history_id) FROM staged_{name}_history GROUP BY {key});
         CREATE UNIQUE INDEX staged_{name}_newest_by_key ON staged_{name}_newest ({key});"
    )
}

/// The statements that add versions to a history, numbered after all others and after `last`. A version has the `rule` by
/// which it is added.
fn add(table: &TableWithHistory, versions: &str, last: i64) -> String {
    let TableWithHistory { name, key, .. } = table;
    let columns = table.column_names();
    format!(
        "CREATE TEMPORARY TABLE staged_{name}_added AS {versions};
         INSERT INTO staged_finding
         SELECT rule, 'mended', '{name} ' || CAST({key} AS text) FROM staged_{name}_added;
         INSERT INTO staged_{name}_history
             (history_id, history_date, history_user, history_type, history_change_reason, {columns})
         SELECT (SELECT CASE WHEN max(history_id) > {last} THEN max(history_id) ELSE {last} END
                 FROM staged_{name}_history) + row_number() OVER (ORDER BY {key}),
                history_date, NULL, kind, reason, {columns}
         FROM staged_{name}_added;
         DROP TABLE staged_{name}_added;"
    )
}

fn list(table: &TableWithHistory, of: &str) -> String {
    table.columns.iter().map(|column| format!("{of}.{}", column.name)).collect::<Vec<_>>().join(", ")
}

/// Rows that went without a version that says so, as bulk deletions leave them. Freezing a plan is one whose moment is
/// known.
fn ended(table: &TableWithHistory, now: &str, last: i64) -> String {
    let TableWithHistory { name, key, .. } = table;
    let moment = match *name {
        "license" => format!(
            "coalesce((SELECT plan.last_freeze_timestamp FROM staged_subscription_plan AS plan
                       WHERE plan.uuid = version.subscription_plan_uuid
                           AND plan.last_freeze_timestamp >= version.history_date
                           AND version.status = 'unassigned'), {now})"
        ),
        _ => now.to_owned(),
    };
    let gone = format!(
        "FROM staged_{name}_newest AS version WHERE version.history_type <> '-'
             AND NOT EXISTS (SELECT 1 FROM staged_{name} AS own WHERE own.{key} = version.{key})"
    );
    let versions = format!(
        "SELECT 'history_without_end' AS rule, {moment} AS history_date, '-' AS kind, '{REASON}' AS reason, {} {gone}",
        list(table, "version")
    );
    add(table, &versions, last)
}

/// Rows that differ from their newest version, or have none.
fn closed(table: &TableWithHistory, now: &str, last: i64) -> String {
    let TableWithHistory { name, key, columns } = table;
    let differs: Vec<String> =
        columns.iter().map(|column| format!("own.{0} IS DISTINCT FROM version.{0}", column.name)).collect();
    let began = if columns.iter().any(|column| column.name == "created") { "own.created" } else { now };
    // A license that came into its state after its newest version did so at the date of that state.
    let (state_date, reason) = match *name {
        "license" => (
            format!(
                "CASE WHEN own.status <> version.status THEN
                     CASE own.status WHEN 'assigned' THEN own.assigned_date WHEN 'activated' THEN own.activation_date
                                     WHEN 'revoked' THEN own.revoked_date ELSE {now} END
                 ELSE {now} END"
            ),
            format!(
                "coalesce((SELECT freed.reason FROM staged_freed AS freed WHERE freed.uuid = own.uuid), '{REASON}')"
            ),
        ),
        _ => (now.to_owned(), format!("'{REASON}'")),
    };
    let rows = format!(
        "FROM staged_{name} AS own LEFT JOIN staged_{name}_newest AS version ON version.{key} = own.{key}
         WHERE version.history_id IS NULL OR version.history_type = '-' OR {}",
        differs.join(" OR ")
    );
    let rule = "CASE WHEN version.history_id IS NULL THEN 'history_missing' ELSE 'history_behind' END";
    let versions = format!(
        "SELECT {rule} AS rule,
                CASE WHEN version.history_id IS NULL THEN {began}
                     WHEN {state_date} > version.history_date AND {state_date} <= {now} THEN {state_date}
                     WHEN version.history_date > {now} THEN version.history_date
                     ELSE {now} END AS history_date,
                CASE WHEN version.history_id IS NULL OR version.history_type = '-' THEN '+' ELSE '~' END AS kind,
                {reason} AS reason, {} {rows}",
        list(table, "own")
    );
    add(table, &versions, last)
}
