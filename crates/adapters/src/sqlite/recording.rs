//! Writes history: `<table>_history` gets a copy of each row after its change. [`super::history`] reads it.

use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::history::{Change, ChangeKind};
use serde::Serialize;

use super::json::json;
use super::unit::SqliteUnit;
use crate::history::TableWithHistory;
use crate::prepared::prepared_sql;
use crate::sql_types::SqlTimestamp;

impl SqliteUnit<'_> {
    /// Runs a statement that writes the row with this key, and its history.
    pub(crate) fn write_recorded<S: ExecuteDsl<SqliteConnection>>(
        &mut self,
        table: &TableWithHistory,
        key: impl Serialize,
        kind: ChangeKind,
        change: &Change,
        statement: S,
    ) -> Result<(), Error> {
        let key = json([key])?;
        if kind == ChangeKind::Deleted {
            self.record(table, &key, kind, change)?;
        }
        self.write_rows(1, table.name, |connection| S::execute(statement, connection))?;
        if kind != ChangeKind::Deleted {
            self.record(table, &key, kind, change)?;
        }
        Ok(())
    }

    /// Copies the rows whose keys are in the JSON array to the table's history.
    pub(super) fn record(
        &mut self,
        table: &TableWithHistory,
        keys: &str,
        kind: ChangeKind,
        change: &Change,
    ) -> Result<(), Error> {
        let TableWithHistory { name, key, .. } = table;
        // CROSS JOIN makes SQLite look up each row by its key, in the order of the keys.
        let statement = prepared_sql(format!(
            "INSERT INTO {name}_history SELECT NULL, ?1, ?2, ?3, ?4, {name}.*
             FROM json_each(?5) AS input CROSS JOIN {name} ON {name}.{key} = input.value"
        ))
        .bind::<SqlTimestamp, _>(change.at)
        .bind::<Nullable<Text>, _>(change.by.as_deref())
        .bind::<Text, _>(kind.as_str())
        .bind::<Nullable<Text>, _>(change.reason.as_deref())
        .bind::<Text, _>(keys);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }
}
