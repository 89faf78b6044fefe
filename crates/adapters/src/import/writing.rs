//! Writes what an import takes over of what differs, with the histories and the counts that follow from it.

use chrono::{DateTime, Utc};
use license_manager_domain::operations::Supervisor;

use super::database::Database;
use super::seats::{self, Count};
use super::staging::Shape;
use super::state::{self, State};
use super::{ImportError, filling, go_on, histories};
use crate::history::TableWithHistory;

/// Tables to whose rows others refer. Their rows are changed in place; those of other tables are replaced.
const REFERRED_TO: [&str; 6] = ["plan_type", "product", "customer_agreement", "subscription_plan", "license", "users"];

/// Statements that clear what no two rows have alike, so that rows may exchange it.
const CLEARED: &str = "
    UPDATE product SET netsuite_id = NULL WHERE id IN (SELECT id FROM taken_product);
    UPDATE customer_agreement SET enterprise_customer_slug = NULL
    WHERE uuid IN (SELECT uuid FROM taken_customer_agreement);
    UPDATE subscription_plan SET title = CAST(uuid AS text) WHERE uuid IN (SELECT uuid FROM taken_subscription_plan);
    UPDATE license
    SET status = 'unassigned', user_email = NULL, lms_user_id = NULL, activation_key = NULL, assigned_date = NULL,
        activation_date = NULL, last_remind_date = NULL, revoked_date = NULL, renewed_to_uuid = NULL
    WHERE uuid IN (SELECT uuid FROM taken_license);
    DELETE FROM plan_job WHERE subscription_plan_uuid IN (SELECT uuid FROM gone_subscription_plan);
    DELETE FROM license_event_history
    WHERE id IN (SELECT id FROM taken_license_event UNION SELECT id FROM gone_license_event);";

/// All versions of the licenses whose versions or states change.
const TOUCHED_VERSIONS: &str = "(SELECT * FROM license_history WHERE uuid IN (SELECT uuid FROM touched_license))";

/// Writes the rows that were decided to be taken over.
pub(super) fn write<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    state: &State,
    now: DateTime<Utc>,
    supervisor: &dyn Supervisor,
) -> Result<(), ImportError> {
    let own_versions_from = state.own_versions_from;
    connection.without_triggers(|connection| {
        for table in histories::recorded() {
            let touched = touched(table, state.is_filled);
            connection.run(&touched).map_err(|error| ImportError::about(table.name, error))?;
        }
        if !state.counts_anew {
            seats::count(connection, TOUCHED_VERSIONS, Count::Remove)?;
        }
        for table in histories::recorded() {
            let remove = remove_own_versions(table, own_versions_from);
            connection.run(&remove).map_err(|error| ImportError::about(table.name, error))?;
        }
        let fill = |connection: &mut C| -> Result<(), ImportError> {
            write_rows(connection, shapes, state)?;
            go_on(supervisor)?;
            end_histories(connection, shapes, own_versions_from, now)
        };
        match is_mostly_missing(connection, "license_history", state)? {
            true => connection.without_indexes("license_history", fill)?,
            false => fill(connection)?,
        }
        match state.counts_anew {
            true => seats::count_anew(connection, state),
            false => seats::count(connection, TOUCHED_VERSIONS, Count::Add),
        }
    })?;
    for shape in shapes {
        remember(connection, shape)?;
    }
    filling::number_on_again(connection)?;
    state::keep_values(connection)
}

/// The keys of the rows that change, or whose versions do. Where a run was interrupted, the versions that end histories
/// may be missing of rows that are equal, so those are all rows.
fn touched(TableWithHistory { name, key, .. }: &TableWithHistory, is_filled: bool) -> String {
    let all = match is_filled {
        true => String::new(),
        false => format!("UNION SELECT {key} FROM {name} UNION SELECT {key} FROM {name}_history"),
    };
    format!(
        "CREATE TEMPORARY TABLE touched_{name} AS
         SELECT {key} FROM gone_{name}
         UNION SELECT {key} FROM taken_{name}
         UNION SELECT {key} FROM taken_{name}_history
         UNION SELECT own.{key} FROM {name}_history AS own
               WHERE own.history_id IN (SELECT history_id FROM gone_{name}_history
                                        UNION SELECT history_id FROM taken_{name}_history)
         {all};
         CREATE INDEX touched_{name}_by_key ON touched_{name} ({key});"
    )
}

/// Removes versions that earlier imports added at the end, because the histories end anew; and versions of our own of
/// rows that the source's replace. Rows that stay as they were changed here keep theirs.
fn remove_own_versions(TableWithHistory { name, key, .. }: &TableWithHistory, own_versions_from: i64) -> String {
    format!(
        "CREATE TEMPORARY TABLE removed_{name} AS
         SELECT version.history_id FROM {name}_history AS version
         WHERE version.history_id >= {own_versions_from} AND version.{key} IN (SELECT {key} FROM touched_{name})
             AND (version.{key} IN (SELECT {key} FROM gone_{name})
                  OR version.{key} IN (SELECT {key} FROM taken_{name})
                  OR NOT EXISTS (
                      SELECT 1 FROM {name}_history AS own
                      WHERE own.{key} = version.{key} AND own.history_id >= {own_versions_from} AND NOT EXISTS (
                          SELECT 1 FROM imported_row AS known
                          WHERE known.table_name = '{name}_history' AND known.key = CAST(own.history_id AS text))));
         DELETE FROM imported_row WHERE table_name = '{name}_history' AND key IN (
             SELECT CAST(history_id AS text) FROM removed_{name});
         DELETE FROM {name}_history WHERE history_id IN (SELECT history_id FROM removed_{name});
         DROP TABLE removed_{name};"
    )
}

/// Whether a first import was interrupted before it wrote most rows of a table. Building the indexes at the end is faster
/// then.
fn is_mostly_missing<C: Database>(connection: &mut C, table: &str, state: &State) -> Result<bool, ImportError> {
    if state.is_filled {
        return Ok(false);
    }
    let mut rows = |table: &str| connection.number(&format!("SELECT count(*) AS number FROM {table}"));
    Ok(rows(&format!("taken_{table}"))? > rows(table)?)
}

fn write_rows<C: Database>(connection: &mut C, shapes: &[Shape], state: &State) -> Result<(), ImportError> {
    connection.run(CLEARED)?;
    for shape in shapes.iter().rev() {
        let (table, key) = (shape.name, shape.key());
        let replaced = match REFERRED_TO.contains(&table) {
            true => String::new(),
            false => format!("DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM taken_{table});"),
        };
        let delete = format!("DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM gone_{table}); {replaced}");
        connection.run(&delete).map_err(|error| ImportError::about(table, error))?;
    }
    for shape in shapes {
        let (table, key, names) = (shape.name, shape.key(), shape.columns.join(", "));
        let others = shape.columns[1..].join(", ");
        let change = match REFERRED_TO.contains(&table) {
            true => format!(
                "INSERT INTO {table} ({names})
                 SELECT {names} FROM taken_{table} AS theirs
                 WHERE NOT EXISTS (SELECT 1 FROM {table} AS ours WHERE ours.{key} = theirs.{key});
                 UPDATE {table} SET ({others}) = (
                     SELECT {others} FROM taken_{table} AS theirs WHERE theirs.{key} = {table}.{key})
                 WHERE {key} IN (SELECT {key} FROM taken_{table});"
            ),
            false => {
                format!("INSERT INTO {table} ({names}) $OVERRIDING SELECT {names} FROM taken_{table} ORDER BY {key};")
            }
        };
        let write = |connection: &mut C| -> Result<(), ImportError> {
            connection.run(&change).map_err(|error| ImportError::about(table, error))
        };
        match table == "license" && is_mostly_missing(connection, table, state)? {
            true => connection.without_indexes(table, write)?,
            false => write(connection)?,
        }
    }
    Ok(())
}

/// Lets the histories of the rows that changed end with the rows.
fn end_histories<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    own_versions_from: i64,
    now: DateTime<Utc>,
) -> Result<(), ImportError> {
    connection.run("DELETE FROM staged_finding;")?;
    for TableWithHistory { name, key, .. } in histories::recorded() {
        // The histories of licenses need the times at which plans were frozen, so all plans are looked at.
        let touched = match *name {
            "subscription_plan" => String::new(),
            _ => format!("WHERE {key} IN (SELECT {key} FROM touched_{name})"),
        };
        connection.run(&format!(
            "DROP TABLE staged_{name};
             CREATE TEMPORARY TABLE staged_{name} AS SELECT * FROM {name} {touched};
             CREATE INDEX staged_{name}_by_key ON staged_{name} ({key});
             DROP TABLE staged_{name}_history;
             CREATE TEMPORARY TABLE staged_{name}_history AS SELECT * FROM {name}_history {touched};
             CREATE INDEX staged_{name}_history_by_id ON staged_{name}_history (history_id);"
        ))?;
    }
    histories::put_in_order(connection)?;
    histories::end(connection, now, |connection, table| {
        let highest = format!("SELECT coalesce(max(history_id), 0) AS number FROM {}_history", table.name);
        Ok(connection.number(&highest)?.max(own_versions_from - 1))
    })?;
    for TableWithHistory { name, .. } in histories::recorded() {
        let history = format!("{name}_history");
        let Some(shape) = shapes.iter().find(|shape| shape.name == history) else { continue };
        let names = shape.columns.join(", ");
        connection.run(&format!(
            "CREATE TEMPORARY TABLE added_{history} AS
             SELECT staged.* FROM staged_{history} AS staged
             WHERE NOT EXISTS (SELECT 1 FROM {history} AS own WHERE own.history_id = staged.history_id);
             INSERT INTO {history} ({names}) $OVERRIDING SELECT {names} FROM added_{history} ORDER BY history_id;
             UPDATE {history} SET history_type = (
                 SELECT staged.history_type FROM staged_{history} AS staged
                 WHERE staged.history_id = {history}.history_id)
             WHERE history_id IN (
                 SELECT staged.history_id FROM staged_{history} AS staged JOIN {history} AS own
                     ON own.history_id = staged.history_id AND own.history_type <> staged.history_type);"
        ))?;
        state::remember_rows(connection, shape, &format!("added_{history}"))?;
    }
    Ok(())
}

/// Remembers the source's rows that were taken over or refused for good.
fn remember<C: Database>(connection: &mut C, shape: &Shape) -> Result<(), ImportError> {
    let table = shape.name;
    connection.run(&format!(
        "DELETE FROM imported_row WHERE table_name = '{table}' AND key IN (
             SELECT key FROM staged_difference
             WHERE table_name = '{table}' AND (changed_there = 1 OR decision = 'take'));
         INSERT INTO imported_row (table_name, key, checksum)
         SELECT '{table}', key, their_checksum FROM staged_difference
         WHERE table_name = '{table}' AND changed_there = 1 AND their_checksum IS NOT NULL AND decision = 'stay';"
    ))?;
    state::remember_rows(connection, shape, &format!("taken_{table}"))
}
