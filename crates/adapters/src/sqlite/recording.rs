//! Writes history: `<table>_history` gets a copy of each row after its change. [`super::history`] reads it.

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::history::Change;

use super::unit::SqliteUnit;
use crate::history::TableWithHistory;
use crate::prepared::prepared;
use crate::sql_types::SqlTimestamp;

/// What happened to a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// It was added.
    Added,
    /// It was changed.
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

impl SqliteUnit<'_> {
    /// Copies the rows whose keys are in the JSON array to the table's history.
    pub(super) fn record(
        &mut self,
        table: &TableWithHistory,
        keys: &str,
        kind: Kind,
        change: &Change,
    ) -> Result<(), Error> {
        let TableWithHistory { name, key, .. } = table;
        // CROSS JOIN makes SQLite look up each row by its key, in the order of the keys.
        let statement = diesel::sql_query(format!(
            "INSERT INTO {name}_history SELECT NULL, ?1, ?2, ?3, ?4, {name}.*
             FROM json_each(?5) AS input CROSS JOIN {name} ON {name}.{key} = input.value"
        ))
        .bind::<SqlTimestamp, _>(change.at)
        .bind::<Nullable<Text>, _>(change.by.as_deref())
        .bind::<Text, _>(kind.as_str())
        .bind::<Nullable<Text>, _>(change.reason.as_deref())
        .bind::<Text, _>(keys);
        self.write(|connection| prepared(statement).execute(connection))?;
        Ok(())
    }
}
