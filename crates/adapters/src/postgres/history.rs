//! Reads history, with the same statements for every table. [`super::recording`] writes it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use license_manager_domain::history::{EntityRef, Version};
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::{Error, LicenseId};

use super::unit::PostgresUnit;
use crate::history::{TableWithHistory, VersionRow};
use crate::prepared::prepared_sql;
use crate::rows::shared::NumberRow;
use crate::schema;
use crate::sql_types::SqlTimestamp;

/// The columns of a [`VersionRow`], from a history table with the alias `version`. The long texts of transfer jobs are
/// not shown.
const VERSION: &str = "version.history_id, version.history_date, version.history_user,
    version.history_type::text AS history_type, version.history_change_reason,
    (to_jsonb(version) - '{license_uuids,processed_results}'::text[])::text AS row_json";

/// The table of an entity, the SQL type of the table's key, and the entity's key.
fn place(of: EntityRef) -> (&'static TableWithHistory, &'static str, String) {
    match of {
        EntityRef::Agreement(id) => (&schema::CUSTOMER_AGREEMENT, "uuid", id.to_string()),
        EntityRef::Plan(id) => (&schema::SUBSCRIPTION_PLAN, "uuid", id.to_string()),
        EntityRef::License(id) => (&schema::LICENSE, "uuid", id.to_string()),
        EntityRef::Product(id) => (&schema::PRODUCT, "integer", id.to_string()),
        EntityRef::Renewal(id) => (&schema::SUBSCRIPTION_PLAN_RENEWAL, "bigint", id.to_string()),
        EntityRef::TransferJob(id) => (&schema::LICENSE_TRANSFER_JOB, "bigint", id.to_string()),
        EntityRef::Notification(id) => (&schema::NOTIFICATION, "bigint", id.to_string()),
        EntityRef::LicenseEvent(id) => (&schema::LICENSE_EVENT, "bigint", id.to_string()),
    }
}

impl PostgresUnit<'_> {
    /// The newest version of each key at a moment.
    fn versions_as_of(&mut self, of: EntityRef, keys: &[String], at: DateTime<Utc>) -> Result<Vec<Version>, Error> {
        let (table @ TableWithHistory { name, key, .. }, key_type, _) = place(of);
        let query = prepared_sql(format!(
            "SELECT DISTINCT ON (version.{key}) {VERSION} FROM {name}_history AS version
             WHERE version.{key} = ANY($1::{key_type}[]) AND version.history_date <= $2
             ORDER BY version.{key}, version.history_id DESC"
        ))
        .bind::<Array<Text>, _>(keys)
        .bind::<SqlTimestamp, _>(at);
        let rows = self.read(|connection| query.load::<VersionRow>(connection))?;
        rows.into_iter().map(|row| row.version(table)).collect()
    }

    /// The versions of an entity, the newest first.
    pub(crate) fn versions_of(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error> {
        let (table @ TableWithHistory { name, key, .. }, key_type, id) = place(of);
        let LimitOffset { offset, limit } = limit_offset.at_least_zero();
        let query = prepared_sql(format!(
            "SELECT {VERSION} FROM {name}_history AS version WHERE version.{key} = $1::{key_type}
             ORDER BY version.history_id DESC OFFSET $2 LIMIT $3"
        ))
        .bind::<Text, _>(id)
        .bind::<BigInt, _>(offset)
        .bind::<BigInt, _>(limit);
        let rows = self.read(|connection| query.load::<VersionRow>(connection))?;
        rows.into_iter().map(|row| row.version(table)).collect()
    }

    /// How many versions an entity has.
    pub(crate) fn number_of_versions(&mut self, of: EntityRef) -> Result<i64, Error> {
        let (TableWithHistory { name, key, .. }, key_type, id) = place(of);
        let query = prepared_sql(format!("SELECT count(*) AS number FROM {name}_history WHERE {key} = $1::{key_type}"))
            .bind::<Text, _>(id);
        Ok(self.read(|connection| query.get_result::<NumberRow>(connection))?.number)
    }

    /// The version of an entity at a moment.
    pub(crate) fn version_as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error> {
        let (_, _, id) = place(of);
        Ok(self.versions_as_of(of, &[id], at)?.pop())
    }

    /// The versions of licenses at a moment.
    pub(crate) fn license_versions_as_of(
        &mut self,
        licenses: &[LicenseId],
        at: DateTime<Utc>,
    ) -> Result<Vec<Version>, Error> {
        let Some(&first) = licenses.first() else { return Ok(Vec::new()) };
        let ids: Vec<String> = licenses.iter().map(ToString::to_string).collect();
        self.versions_as_of(EntityRef::License(first), &ids, at)
    }
}
