//! History, written: beside each table that has one stands `<table>_history`, which gets a copy of each row after its change. How it
//! is read stands in [`super::history`].

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::history::Change;

use super::error::storage_error;
use crate::history::TableWithHistory;
use crate::sql_types::SqlTimestamp;

/// What happened to a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// It is new.
    Added,
    /// It was written.
    Changed,
    /// It is about to be deleted.
    Deleted,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "+",
            Self::Changed => "~",
            Self::Deleted => "-",
        }
    }
}

/// Copies the rows whose keys stand in the JSON array into the table's history.
pub(super) fn record(
    conn: &mut SqliteConnection,
    table: &TableWithHistory,
    keys: &str,
    kind: Kind,
    change: &Change,
) -> Result<(), Error> {
    let TableWithHistory { name, key, .. } = table;
    // Rows are found by key, one after another in the order of the keys, never by a walk through the table.
    diesel::sql_query(format!(
        "INSERT INTO {name}_history SELECT NULL, ?1, ?2, ?3, ?4, {name}.*
         FROM json_each(?5) AS input CROSS JOIN {name} ON {name}.{key} = input.value"
    ))
    .bind::<SqlTimestamp, _>(change.at)
    .bind::<Nullable<Text>, _>(change.by.as_deref())
    .bind::<Text, _>(kind.as_str())
    .bind::<Nullable<Text>, _>(change.reason.map(|reason| reason.as_str()))
    .bind::<Text, _>(keys)
    .execute(conn)
    .map_err(storage_error)?;
    Ok(())
}
