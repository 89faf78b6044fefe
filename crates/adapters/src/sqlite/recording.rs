//! History, written: beside each table that has one stands `<table>_history`, which gets a copy of each row after its change. How it
//! is read stands in [`super::history`].

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::history::Change;

use super::error::storage_error;
use super::types::SqlMoment;

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

/// A table with a history.
#[derive(Debug, Clone, Copy)]
pub(super) enum Table {
    Product,
    Agreement,
    ExpirationMessage,
    Plan,
    License,
    Notification,
    Renewal,
    TransferJob,
}

impl Table {
    pub(super) fn name_and_key(self) -> (&'static str, &'static str) {
        match self {
            Self::Product => ("product", "id"),
            Self::Agreement => ("customer_agreement", "uuid"),
            Self::ExpirationMessage => ("expiration_message", "customer_agreement_uuid"),
            Self::Plan => ("subscription_plan", "uuid"),
            Self::License => ("license", "uuid"),
            Self::Notification => ("notification", "id"),
            Self::Renewal => ("subscription_plan_renewal", "id"),
            Self::TransferJob => ("license_transfer_job", "id"),
        }
    }
}

/// Copies the rows whose keys stand in the JSON array into the table's history.
pub(super) fn record(
    conn: &mut SqliteConnection,
    table: Table,
    keys: &str,
    kind: Kind,
    change: &Change,
) -> Result<(), Error> {
    let (name, key) = table.name_and_key();
    // Rows are found by key, one after another in the order of the keys, never by a walk through the table.
    diesel::sql_query(format!(
        "INSERT INTO {name}_history SELECT NULL, ?1, ?2, ?3, ?4, {name}.*
         FROM json_each(?5) AS input CROSS JOIN {name} ON {name}.{key} = input.value"
    ))
    .bind::<BigInt, _>(SqlMoment(change.at))
    .bind::<Nullable<Text>, _>(change.by.as_deref())
    .bind::<Text, _>(kind.as_str())
    .bind::<Nullable<Text>, _>(change.reason.map(|reason| reason.as_str()))
    .bind::<Text, _>(keys)
    .execute(conn)
    .map_err(storage_error)?;
    Ok(())
}
