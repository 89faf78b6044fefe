//! Reads history, with the same statements for every table. [`super::recording`] writes it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::history::{EntityRef, Version};
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::{Error, LicenseId};

use super::json::json;
use super::unit::SqliteUnit;
use crate::history::{Column, TableWithHistory, VersionRow};
use crate::prepared::prepared_sql;
use crate::rows::shared::NumberRow;
use crate::schema::{
    CUSTOMER_AGREEMENT, LICENSE, LICENSE_EVENT, LICENSE_TRANSFER_JOB, NOTIFICATION, PRODUCT, SUBSCRIPTION_PLAN,
    SUBSCRIPTION_PLAN_RENEWAL,
};
use crate::sql_types::SqlTimestamp;

/// The table of an entity, and the entity's key as a JSON array.
fn place(of: EntityRef) -> Result<(&'static TableWithHistory, String), Error> {
    let (table, key) = match of {
        EntityRef::Agreement(id) => (&CUSTOMER_AGREEMENT, serde_json::to_string(&[id])),
        EntityRef::Plan(id) => (&SUBSCRIPTION_PLAN, serde_json::to_string(&[id])),
        EntityRef::License(id) => (&LICENSE, serde_json::to_string(&[id])),
        EntityRef::Product(id) => (&PRODUCT, serde_json::to_string(&[id])),
        EntityRef::Renewal(id) => (&SUBSCRIPTION_PLAN_RENEWAL, serde_json::to_string(&[id])),
        EntityRef::TransferJob(id) => (&LICENSE_TRANSFER_JOB, serde_json::to_string(&[id])),
        EntityRef::Notification(id) => (&NOTIFICATION, serde_json::to_string(&[id])),
        EntityRef::LicenseEvent(id) => (&LICENSE_EVENT, serde_json::to_string(&[id])),
    };
    Ok((table, key.map_err(Error::internal)?))
}

/// The columns of a [`VersionRow`].
fn columns(table: &TableWithHistory) -> String {
    let fields: Vec<String> = table.shown().map(|Column { name, .. }| format!("'{name}', {name}")).collect();
    format!(
        "history_id, history_date, history_user, history_type, history_change_reason,
         json_object({}) AS row_json",
        fields.join(", ")
    )
}

impl SqliteUnit<'_> {
    /// The newest version of each key at a moment, in the order of the keys.
    fn versions_as_of(&mut self, of: EntityRef, keys: &str, at: DateTime<Utc>) -> Result<Vec<Version>, Error> {
        let (table @ TableWithHistory { name, key, .. }, _) = place(of)?;
        let query = prepared_sql(format!(
            "SELECT {} FROM {name}_history WHERE history_id IN (
                 SELECT (SELECT max(history_id) FROM {name}_history
                         WHERE {key} = wanted.value AND history_date <= ?2)
                 FROM json_each(?1) AS wanted)
             ORDER BY {key}",
            columns(table)
        ))
        .bind::<Text, _>(keys)
        .bind::<SqlTimestamp, _>(at);
        let rows: Vec<VersionRow> = self.read(|connection| query.load(connection))?;
        rows.into_iter().map(|row| row.version(table)).collect()
    }

    /// The versions of an entity, the newest first.
    pub(crate) fn versions_of(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error> {
        let (table @ TableWithHistory { name, key, .. }, id) = place(of)?;
        let LimitOffset { offset, limit } = limit_offset.at_least_zero();
        let query = prepared_sql(format!(
            "SELECT {} FROM {name}_history WHERE {key} = ?1 ->> 0
             ORDER BY history_id DESC LIMIT ?2 OFFSET ?3",
            columns(table)
        ))
        .bind::<Text, _>(id)
        .bind::<BigInt, _>(limit)
        .bind::<BigInt, _>(offset);
        let rows: Vec<VersionRow> = self.read(|connection| query.load(connection))?;
        rows.into_iter().map(|row| row.version(table)).collect()
    }

    /// How many versions an entity has.
    pub(crate) fn number_of_versions(&mut self, of: EntityRef) -> Result<i64, Error> {
        let (TableWithHistory { name, key, .. }, id) = place(of)?;
        let query = prepared_sql(format!("SELECT count(*) AS number FROM {name}_history WHERE {key} = ?1 ->> 0"))
            .bind::<Text, _>(id);
        let count: NumberRow = self.read(|connection| query.get_result(connection))?;
        Ok(count.number)
    }

    /// The version of an entity at a moment.
    pub(crate) fn version_as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error> {
        let (_, id) = place(of)?;
        Ok(self.versions_as_of(of, &id, at)?.pop())
    }

    /// The versions of licenses at a moment.
    pub(crate) fn license_versions_as_of(
        &mut self,
        licenses: &[LicenseId],
        at: DateTime<Utc>,
    ) -> Result<Vec<Version>, Error> {
        let Some(&first) = licenses.first() else { return Ok(Vec::new()) };
        let ids = json(licenses)?;
        self.versions_as_of(EntityRef::License(first), &ids, at)
    }
}
