//! What changed since a moment.

use std::collections::BTreeMap;

use super::destination::{Destination, ExportedRow};
use super::reading::Readable;
use super::tables::{TABLES, Table};
use super::{ExportError, Run};

/// The condition for the rows of a table, or the versions of its history, that changed.
pub(super) fn condition(table: &Table, since: Option<&str>) -> String {
    match since {
        Some(since) => {
            let begun =
                format!("coalesce((SELECT imported_at FROM imported_versions WHERE imported_at < {since}), {since})");
            format!("WHERE {}", table.changed.replace("$RECORDED", &recorded(since)).replace("$BEGUN", &begun))
        }
        None => String::new(),
    }
}

/// Whether a version was recorded since. What an import mended counts as well: it numbers the versions that it adds as our
/// own ones, whatever their date.
fn recorded(since: &str) -> String {
    format!(
        "(version.history_date >= {since}
          OR version.history_id >= (SELECT own_versions_from FROM imported_versions))"
    )
}

/// Removes what is gone here, and prepares what will be written again. The tables that refer to others come first. Returns
/// the number of removed rows of each table.
pub(super) fn remove<C: Readable>(
    connection: &mut C,
    destination: &mut dyn Destination,
    since: &str,
    run: &mut Run<'_>,
) -> Result<BTreeMap<&'static str, i64>, ExportError> {
    let mut removed = BTreeMap::new();
    for table in TABLES.iter().rev() {
        let Table { name, key, .. } = table;
        let Some(versions) = versions(table) else { continue };
        let changed = format!("SELECT DISTINCT own.{key} FROM {versions} AS own {}", condition(table, Some(since)));
        let there = |exists| {
            format!(
                "SELECT $OBJECT['key', CAST(changed.{key} AS text)]OBJECT AS text FROM ({changed}) AS changed
                 WHERE {exists} (SELECT 1 FROM {name} AS present WHERE present.{key} = changed.{key})"
            )
        };
        connection.each_page(&there("NOT EXISTS"), &mut |rows| {
            *removed.entry(*name).or_default() += rows.len() as i64;
            destination.remove(name, &keys(rows))?;
            run.advanced(0)
        })?;
        connection.each_page(&there("EXISTS"), &mut |rows| {
            destination.release(name, &keys(rows))?;
            run.advanced(0)
        })?;
    }
    sources_without_a_trace(connection, destination, since)?;
    for column in ["user_email", "lms_user_id", "activation_key"] {
        let erased = format!(
            "SELECT $OBJECT['key', CAST(history_id AS text)]OBJECT AS text FROM license_history WHERE {column} IS NULL"
        );
        connection.each_page(&erased, &mut |rows| {
            destination.erase(column, &keys(rows))?;
            run.advanced(0)
        })?;
    }
    for table in ["role_assignment", "users"] {
        let rows = absent(connection, destination, table, run)?;
        if rows > 0 {
            removed.insert(table, rows);
        }
    }
    Ok(removed)
}

/// The table whose versions tell what is gone.
fn versions(table: &Table) -> Option<&'static str> {
    match table.name {
        "license_event" => Some("license_event_history"),
        _ => table.history,
    }
}

/// Erasing a person removes a source together with its history.
fn sources_without_a_trace<C: Readable>(
    connection: &mut C,
    destination: &mut dyn Destination,
    since: &str,
) -> Result<(), ExportError> {
    let gone = format!(
        "SELECT $OBJECT['key', CAST(changed.uuid AS text)]OBJECT AS text
         FROM (SELECT DISTINCT version.uuid FROM license_history AS version WHERE {}) AS changed
         WHERE NOT EXISTS (SELECT 1 FROM license_source AS present WHERE present.license_uuid = changed.uuid)
             AND NOT EXISTS (SELECT 1 FROM license_source_history AS version WHERE version.license_uuid = changed.uuid)",
        recorded(since),
    );
    connection.each_page(&gone, &mut |rows| {
        destination.remove("license_source", &keys(rows))?;
        destination.remove("license_source_history", &keys(rows))
    })
}

/// Users and roles have no history: those that are there and not here are gone.
fn absent<C: Readable>(
    connection: &mut C,
    destination: &mut dyn Destination,
    table: &'static str,
    run: &mut Run<'_>,
) -> Result<i64, ExportError> {
    let mut removed = 0;
    let mut after: Option<String> = None;
    loop {
        let page = destination.present(table, after.as_deref())?;
        let Some(last) = page.last() else { return Ok(removed) };
        after = Some(text_of(last, "position"));
        let sent = serde_json::to_string(&page).map_err(|error| ExportError::Failed(error.to_string()))?;
        let gone = connection.texts_of(C::absent(table), &sent)?;
        destination.remove(table, &gone)?;
        removed += gone.len() as i64;
        run.advanced(0)?;
    }
}

fn keys(rows: &[ExportedRow]) -> Vec<String> {
    rows.iter().map(|row| text_of(row, "key")).collect()
}

fn text_of(row: &ExportedRow, column: &str) -> String {
    row.get(column).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
