//! History, read: the same statements for every table that has one.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use license_manager_domain::history::{ChangeKind, EntityRef, Row, Version};
use license_manager_domain::ports::{HistoryRepository, LimitOffset};
use license_manager_domain::{Error, LicenseId, PlanId};

use super::PostgresUnit;
use super::schema;

/// The columns of a [`VersionRow`], of a history table that is called `version`.
const VERSION: &str = "version.history_id, version.history_date, version.history_user,
    version.history_type::text AS history_type, version.history_change_reason, to_jsonb(version)::text AS row_json";

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = BigInt)]
    history_id: i64,
    #[diesel(sql_type = Timestamptz)]
    history_date: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    history_user: Option<String>,
    #[diesel(sql_type = Text)]
    history_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    history_change_reason: Option<String>,
    #[diesel(sql_type = Text)]
    row_json: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = SqlUuid)]
    uuid: uuid::Uuid,
}

/// Where a row's history is: the table with its key, the key's type, and the key.
fn place(of: EntityRef) -> (&'static schema::Recorded, &'static str, String) {
    match of {
        EntityRef::Agreement(id) => (&schema::CUSTOMER_AGREEMENT, "uuid", id.to_string()),
        EntityRef::Plan(id) => (&schema::SUBSCRIPTION_PLAN, "uuid", id.to_string()),
        EntityRef::License(id) => (&schema::LICENSE, "uuid", id.to_string()),
        EntityRef::Product(id) => (&schema::PRODUCT, "integer", id.to_string()),
        EntityRef::Renewal(id) => (&schema::SUBSCRIPTION_PLAN_RENEWAL, "bigint", id.to_string()),
    }
}

fn version(of: EntityRef, row: VersionRow) -> Result<Version, Error> {
    let json = serde_json::from_str(&row.row_json).map_err(Error::internal)?;
    let unreadable =
        |field| Error::internal(format!("{} version {}: {field} cannot be read", of.entity(), row.history_id));
    Ok(Version {
        number: row.history_id,
        at: row.history_date,
        by: row.history_user,
        kind: ChangeKind::from_name(&row.history_type).ok_or_else(|| unreadable("history_type"))?,
        reason: row.history_change_reason,
        row: Row::read(of.fields(), &json).map_err(unreadable)?,
    })
}

impl PostgresUnit<'_> {
    /// The newest version of each key at a moment.
    fn versions_as_of(&mut self, of: EntityRef, keys: &[String], at: DateTime<Utc>) -> Result<Vec<Version>, Error> {
        let (schema::Recorded { table, key, .. }, key_type, _) = place(of);
        let query = sql_query(format!(
            "SELECT DISTINCT ON (version.{key}) {VERSION} FROM {table}_history AS version
             WHERE version.{key} = ANY($1::{key_type}[]) AND version.history_date <= $2
             ORDER BY version.{key}, version.history_id DESC"
        ))
        .bind::<Array<Text>, _>(keys)
        .bind::<Timestamptz, _>(at);
        let rows = self.read(|connection| query.load::<VersionRow>(connection))?;
        rows.into_iter().map(|row| version(of, row)).collect()
    }
}

impl HistoryRepository for PostgresUnit<'_> {
    fn versions(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error> {
        let (schema::Recorded { table, key, .. }, key_type, id) = place(of);
        let query = sql_query(format!(
            "SELECT {VERSION} FROM {table}_history AS version WHERE version.{key} = $1::{key_type}
             ORDER BY version.history_id DESC OFFSET $2 LIMIT $3"
        ))
        .bind::<Text, _>(id)
        .bind::<BigInt, _>(limit_offset.offset)
        .bind::<BigInt, _>(limit_offset.limit);
        let rows = self.read(|connection| query.load::<VersionRow>(connection))?;
        rows.into_iter().map(|row| version(of, row)).collect()
    }

    fn count(&mut self, of: EntityRef) -> Result<i64, Error> {
        let (schema::Recorded { table, key, .. }, key_type, id) = place(of);
        let query = sql_query(format!("SELECT count(*) AS number FROM {table}_history WHERE {key} = $1::{key_type}"))
            .bind::<Text, _>(id);
        Ok(self.read(|connection| query.get_result::<Count>(connection))?.number)
    }

    fn as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error> {
        let (_, _, id) = place(of);
        Ok(self.versions_as_of(of, &[id], at)?.pop())
    }

    fn licenses_as_of(&mut self, licenses: &[LicenseId], at: DateTime<Utc>) -> Result<Vec<Version>, Error> {
        let Some(&first) = licenses.first() else { return Ok(Vec::new()) };
        let ids: Vec<String> = licenses.iter().map(ToString::to_string).collect();
        self.versions_as_of(EntityRef::License(first), &ids, at)
    }

    fn licenses_written_after(&mut self, plan: PlanId, at: DateTime<Utc>) -> Result<Vec<LicenseId>, Error> {
        let query = sql_query(
            "SELECT uuid FROM license
             WHERE subscription_plan_uuid = $1 AND EXISTS (
                 SELECT FROM license_history AS later WHERE later.uuid = license.uuid AND later.history_date > $2)
             ORDER BY uuid",
        )
        .bind::<SqlUuid, _>(plan.0)
        .bind::<Timestamptz, _>(at);
        let found = self.read(|connection| query.load::<Found>(connection))?;
        Ok(found.into_iter().map(|found| LicenseId(found.uuid)).collect())
    }
}
