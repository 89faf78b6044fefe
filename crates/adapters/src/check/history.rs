//! Statements over all tables with a history. An id is the table's name and the row's key.

use crate::history::TableWithHistory;
use crate::schema::{LICENSE_EVENT, WITH_HISTORY};

/// The tables whose every change is recorded. Of license events only deletions are.
fn recorded() -> impl Iterator<Item = &'static TableWithHistory> {
    WITH_HISTORY.iter().copied().filter(|table| table.name != LICENSE_EVENT.name)
}

fn union(statements: impl Iterator<Item = String>) -> String {
    statements.collect::<Vec<_>>().join("\nUNION ALL\n")
}

/// The newest version of each row.
fn newest(TableWithHistory { name, key, .. }: &TableWithHistory) -> String {
    format!(
        "(SELECT * FROM {name}_history
          WHERE history_id IN (SELECT max(history_id) FROM {name}_history GROUP BY {key})) AS version"
    )
}

/// Rows that differ from their newest version or have none, rows that are recorded as deleted, and rows that went
/// without a record.
pub(super) fn not_ending_in_the_row() -> String {
    let of_table = |table: &TableWithHistory| {
        let TableWithHistory { name, key, columns } = table;
        let differs = columns.iter().map(|column| format!("own.{0} IS DISTINCT FROM version.{0}", column.name));
        let newest = newest(table);
        format!(
            "SELECT '{name} ' || CAST(own.{key} AS text) AS id
             FROM {name} AS own LEFT JOIN {newest} ON version.{key} = own.{key}
             WHERE version.history_id IS NULL OR version.history_type = '-' OR {}
             UNION ALL
             SELECT '{name} ' || CAST(version.{key} AS text)
             FROM {newest}
             WHERE version.history_type <> '-' AND NOT EXISTS (SELECT 1 FROM {name} AS own WHERE own.{key} = version.{key})",
            differs.collect::<Vec<_>>().join(" OR ")
        )
    };
    let TableWithHistory { name, key, .. } = LICENSE_EVENT;
    let events = format!(
        "SELECT '{name} ' || CAST(own.{key} AS text) AS id
         FROM {name} AS own WHERE EXISTS (SELECT 1 FROM {name}_history AS version WHERE version.{key} = own.{key})"
    );
    union(recorded().map(of_table).chain([events]))
}

/// Rows that were created while they existed, or changed or deleted while they did not. What was recorded before the
/// oldest version that is left is not known.
pub(super) fn out_of_order() -> String {
    union(recorded().map(|TableWithHistory { name, key, .. }| {
        format!(
            "SELECT DISTINCT '{name} ' || CAST({key} AS text) AS id
             FROM (SELECT {key}, history_type, lag(history_type) OVER (PARTITION BY {key} ORDER BY history_id) AS former
                   FROM {name}_history) AS version
             WHERE history_type NOT IN ('+', '~', '-')
                OR (history_type = '+' AND former <> '-') OR (history_type <> '+' AND former = '-')"
        )
    }))
}
