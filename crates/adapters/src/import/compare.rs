//! What differs between the source and the database, and on which side it was changed since the last import.

use super::ImportError;
use super::database::Database;
use super::histories;
use super::staging::Shape;

/// The rows that differ.
///
/// `theirs` and `ours` say whether there is a row in the source, mended by the rules, and in the database. A side was
/// changed if its checksum is not the one that is remembered. `decision` is what an import does with the row, and `why`
/// what keeps it from doing so.
const TABLE: &str = "
    CREATE TEMPORARY TABLE staged_difference (
        table_name TEXT, key TEXT, label TEXT, named TEXT, theirs INTEGER, ours INTEGER, their_checksum BIGINT,
        is_known INTEGER, changed_there INTEGER, changed_here INTEGER, decision TEXT, why TEXT);";

/// Compares all tables. Versions of our own are left out: the rows that they are of tell.
///
/// Makes `staged_difference`, and `differing_<table>`, the keys of the rows in it.
pub(super) fn compare<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    own_versions_from: i64,
) -> Result<(), ImportError> {
    connection.run(TABLE)?;
    for shape in shapes {
        let compared = compare_table(shape, own_versions_from);
        connection.run(&compared).map_err(|error| ImportError::about(shape.name, error))?;
    }
    connection.run("CREATE INDEX staged_difference_by_key ON staged_difference (table_name, key);")?;
    for table in histories::recorded() {
        connection.run(&recorded_here(table.name, table.key, own_versions_from))?;
    }
    if C::NEEDS_STATISTICS {
        connection.run("ANALYZE staged_difference;")?;
    }
    for shape in shapes {
        connection.run(&differing(shape))?;
    }
    Ok(())
}

/// Looks again at the rows that differ, which others may have changed here since they were compared. Those that came to
/// differ since were changed here alone, so they are not looked for.
pub(super) fn look_again<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    own_versions_from: i64,
) -> Result<(), ImportError> {
    for shape in shapes {
        connection.run(&seen_again(shape)).map_err(|error| ImportError::about(shape.name, error))?;
    }
    for table in histories::recorded() {
        connection.run(&recorded_here(table.name, table.key, own_versions_from))?;
    }
    Ok(())
}

/// The keys of the rows of a table that differ.
fn differing(shape: &Shape) -> String {
    let (table, key) = (shape.name, shape.key());
    let keys =
        |theirs: u8| format!("SELECT key FROM staged_difference WHERE table_name = '{table}' AND theirs = {theirs}");
    format!(
        "CREATE TEMPORARY TABLE differing_{table} AS
         SELECT theirs.{key} FROM staged_{table} AS theirs WHERE {} IN ({})
         UNION ALL
         SELECT ours.{key} FROM {table} AS ours WHERE {} IN ({});",
        shape.row_key("theirs"),
        keys(1),
        shape.row_key("ours"),
        keys(0),
    )
}

fn seen_again(shape: &Shape) -> String {
    let (table, key) = (shape.name, shape.key());
    format!(
        "CREATE TEMPORARY TABLE present_{table} AS
         SELECT {} AS row_key, {} AS checksum FROM {table} AS ours
         WHERE ours.{key} IN (SELECT {key} FROM differing_{table});
         CREATE INDEX present_{table}_by_key ON present_{table} (row_key);
         UPDATE staged_difference SET
             ours = CASE WHEN EXISTS (SELECT 1 FROM present_{table} AS present
                                      WHERE present.row_key = staged_difference.key) THEN 1 ELSE 0 END,
             changed_here = CASE WHEN (SELECT present.checksum FROM present_{table} AS present
                                       WHERE present.row_key = staged_difference.key)
                                      IS DISTINCT FROM
                                      (SELECT known.checksum FROM imported_row AS known
                                       WHERE known.table_name = '{table}' AND known.key = staged_difference.key)
                                 THEN 1 ELSE 0 END
         WHERE table_name = '{table}';
         DROP TABLE present_{table};",
        shape.row_key("ours"),
        shape.checksum("ours"),
    )
}

fn compare_table(shape: &Shape, own_versions_from: i64) -> String {
    let (table, key) = (shape.name, shape.key());
    let differs: Vec<String> =
        shape.compared().map(|name| format!("theirs.{name} IS DISTINCT FROM ours.{name}")).collect();
    let named: Vec<String> = shape
        .compared()
        .zip(&differs)
        .map(|(name, differs)| format!("CASE WHEN {differs} THEN ' {name}' ELSE '' END"))
        .collect();
    let is_ours = match shape.is_history() {
        true => format!("ours.history_id < {own_versions_from}"),
        false => "true".to_owned(),
    };
    format!(
        "CREATE INDEX staged_{table}_compared ON staged_{table} ({key});
         INSERT INTO staged_difference
             (table_name, key, label, named, theirs, ours, their_checksum, is_known, changed_there, changed_here)
         SELECT '{table}', side.key, side.label, side.named, side.theirs, side.ours, side.their_checksum,
                CASE WHEN known.checksum IS NULL THEN 0 ELSE 1 END,
                CASE WHEN side.their_checksum IS DISTINCT FROM known.checksum THEN 1 ELSE 0 END,
                CASE WHEN side.our_checksum IS DISTINCT FROM known.checksum THEN 1 ELSE 0 END
         FROM (SELECT {their_key} AS key, CAST(theirs.{key} AS text) AS label, ':' || {named} AS named,
                      1 AS theirs, 1 AS ours, {their_checksum} AS their_checksum, {our_checksum} AS our_checksum
               FROM staged_{table} AS theirs JOIN {table} AS ours ON ours.{key} = theirs.{key}
               WHERE {is_ours} AND ({differs})
               UNION ALL
               SELECT {their_key}, CAST(theirs.{key} AS text), '', 1, 0, {their_checksum}, CAST(NULL AS bigint)
               FROM staged_{table} AS theirs
               WHERE NOT EXISTS (SELECT 1 FROM {table} AS ours WHERE ours.{key} = theirs.{key})
               UNION ALL
               SELECT {our_key}, CAST(ours.{key} AS text), '', 0, 1, CAST(NULL AS bigint), {our_checksum}
               FROM {table} AS ours
               WHERE {is_ours} AND NOT EXISTS (SELECT 1 FROM staged_{table} AS theirs WHERE theirs.{key} = ours.{key})
              ) AS side
         LEFT JOIN imported_row AS known ON known.table_name = '{table}' AND known.key = side.key;",
        their_key = shape.row_key("theirs"),
        our_key = shape.row_key("ours"),
        their_checksum = shape.checksum("theirs"),
        our_checksum = shape.checksum("ours"),
        named = named.join(" || "),
        differs = differs.join(" OR "),
    )
}

/// A row that has versions of our own was changed here, also if it was changed back.
fn recorded_here(name: &str, key: &str, own_versions_from: i64) -> String {
    format!(
        "UPDATE staged_difference SET changed_here = 1
         WHERE table_name = '{name}' AND changed_here = 0
             AND key IN (SELECT CAST(version.{key} AS text) FROM {name}_history AS version
                         WHERE version.history_id >= {own_versions_from} AND NOT EXISTS (
                             SELECT 1 FROM imported_row AS known
                             WHERE known.table_name = '{name}_history'
                                 AND known.key = CAST(version.history_id AS text)));"
    )
}
