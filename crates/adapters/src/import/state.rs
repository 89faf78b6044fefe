//! What is remembered of an import, so that it can be repeated.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::ImportError;
use super::database::Database;
use super::rows::{Page, RangeChecksum};
use super::staging::Shape;

/// The rule by which activations are counted by day. Rule 1 left out those before the first version of a license.
const COUNTING_RULE: i64 = 2;

/// The import that filled the database.
#[derive(Debug)]
pub(super) struct State {
    /// The number from which versions in histories are of this system.
    pub own_versions_from: i64,
    /// When the source was compared last, in microseconds since 1970 UTC.
    compared_at: i64,
    /// Whether it was finished: nothing is imported again.
    pub is_finished: bool,
    /// Whether the checksums of rows are those of this database.
    has_checksums: bool,
    /// Whether the first import wrote all rows.
    pub is_filled: bool,
    /// Whether the counts by day have to be made anew: because they were not made, or by an older rule.
    pub counts_anew: bool,
}

impl State {
    /// Whether rows that were changed here can be told from those that were changed in the source.
    pub(super) fn tells_sides_apart(&self) -> bool {
        self.has_checksums && !self.is_finished
    }
}

/// The import that filled the database; `None` if there was none.
pub(super) fn read<C: Database>(connection: &mut C) -> Result<Option<State>, ImportError> {
    if connection.number("SELECT count(*) AS number FROM imported_versions")? == 0 {
        return Ok(None);
    }
    let own_versions_from = connection.number("SELECT own_versions_from AS number FROM imported_versions")?;
    let unfinished = "SELECT count(*) AS number FROM imported_versions WHERE finished_at IS NULL";
    let is_finished = connection.number(unfinished)? == 0;
    let has_checksums =
        connection.texts("SELECT checksums_of AS text FROM imported_versions")?.concat() == C::CHECKSUMS;
    let compared_at = compared_at(connection)?;
    let is_filled = connection.number("SELECT count(*) AS number FROM imported_versions WHERE is_filled")? > 0;
    let counting_rule = connection.number("SELECT counting_rule AS number FROM imported_versions")?;
    // Counts outlive versions that were removed.
    let is_history_whole = connection.number("SELECT count(*) AS number FROM history_retention")? == 0;
    let counts_anew = !is_filled || (counting_rule < COUNTING_RULE && is_history_whole);
    Ok(Some(State { own_versions_from, compared_at, is_finished, has_checksums, is_filled, counts_anew }))
}

fn compared_at<C: Database>(connection: &mut C) -> Result<i64, ImportError> {
    Ok(connection.number("SELECT coalesce($MICROS[compared_at]MICROS, 0) AS number FROM imported_versions")?)
}

/// Fails if another import ran meanwhile.
pub(super) fn refuse_others<C: Database>(connection: &mut C, state: &State) -> Result<(), ImportError> {
    match read(connection)? {
        Some(now) if now.compared_at == state.compared_at && now.is_filled == state.is_filled && !now.is_finished => {
            Ok(())
        }
        _ => Err(ImportError::Overtaken),
    }
}

/// Records that the database is being imported, and holds a part of the rows.
pub(super) fn begin<C: Database>(
    connection: &mut C,
    now: DateTime<Utc>,
    own_versions_from: i64,
) -> Result<State, ImportError> {
    let (now, kind, last) = (C::moment(now), C::CHECKSUMS, own_versions_from - 1);
    connection.run(&format!(
        "INSERT INTO imported_versions
             (id, imported_at, last_license_history_id, own_versions_from, checksums_of, compared_at, is_filled)
         VALUES (1, {now}, {last}, {own_versions_from}, '{kind}', {now}, false)"
    ))?;
    read(connection)?.ok_or(ImportError::NeverImported)
}

/// Records that all rows were written, and counted by the rule of today.
pub(super) fn completed<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    Ok(connection.run(&format!("UPDATE imported_versions SET is_filled = true, counting_rule = {COUNTING_RULE}"))?)
}

/// Records when the source was compared last.
pub(super) fn compared<C: Database>(connection: &mut C, now: DateTime<Utc>) -> Result<(), ImportError> {
    Ok(connection.run(&format!("UPDATE imported_versions SET compared_at = {}", C::moment(now)))?)
}

/// Records that nothing is imported again, and forgets what that needs.
pub(super) fn finish<C: Database>(connection: &mut C, now: DateTime<Utc>) -> Result<(), ImportError> {
    Ok(connection.run(&format!(
        "UPDATE imported_versions SET finished_at = {};
         DELETE FROM imported_row;
         DELETE FROM imported_range;",
        C::moment(now)
    ))?)
}

/// Remembers the checksums of rows. `from` has the columns of the table.
pub(super) fn remember_rows<C: Database>(connection: &mut C, shape: &Shape, from: &str) -> Result<(), ImportError> {
    let (table, key, checksum) = (shape.name, shape.row_key("own"), shape.checksum("own"));
    let insert = format!(
        "INSERT INTO imported_row (table_name, key, checksum)
         SELECT '{table}', {key} AS row_key, {checksum} FROM {from} AS own $IN_ORDER_OF_KEYS;"
    );
    connection.run(&insert).map_err(|error| ImportError::about(table, error))
}

/// Keeps values of the source for the way back. Of a user who is not here, nothing is kept: the person may have been
/// retired here.
pub(super) fn keep_values<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    Ok(connection.run(
        "DELETE FROM imported_value;
         INSERT INTO imported_value (source_table, source_key, kept)
         SELECT source_table, source_key, min(kept) FROM staged_value
         WHERE (source_table <> 'core_user' OR source_key IN (SELECT username FROM users))
           AND (source_table NOT IN ('core_user_groups', 'core_user_user_permissions')
                OR EXISTS (SELECT 1 FROM users
                           WHERE substr(staged_value.source_key, 1, length(username) + 2) = username || ': '))
         GROUP BY source_table, source_key;",
    )?)
}

/// Whether the source is as it was at the last import.
pub(super) fn is_unchanged<C: Database>(connection: &mut C, ranges: &[RangeChecksum]) -> Result<bool, ImportError> {
    let known = connection
        .texts("SELECT source_table || ' ' || CAST(number AS text) || ' ' || checksum AS text FROM imported_range")?;
    let known: BTreeSet<String> = known.into_iter().collect();
    let found: BTreeSet<String> =
        ranges.iter().map(|range| format!("{} {} {}", range.table, range.number, range.checksum)).collect();
    Ok(known == found)
}

/// Remembers the checksums of the source.
pub(super) fn remember_ranges<C: Database>(connection: &mut C, ranges: &[RangeChecksum]) -> Result<(), ImportError> {
    connection.run("DELETE FROM imported_range;")?;
    let mut page = Page::default();
    for RangeChecksum { table, number, checksum, .. } in ranges {
        page.push(&serde_json::json!({ "source_table": table, "number": number, "checksum": checksum }).to_string());
    }
    let Some((json, rows)) = page.rows() else { return Ok(()) };
    let insert = C::insert("imported_range", &connection.columns("imported_range")?)?;
    let written = connection.write(&insert, &json)?;
    match written == rows {
        true => Ok(()),
        false => Err(ImportError::Failed(format!("{written} of {rows} checksums were remembered"))),
    }
}
