//! Who works on what, and what was done once and for all. Whoever writes has the file to itself; so nobody comes between two
//! statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::ports::{OperationRepository, Task, TaskClaim};
use license_manager_domain::{Error, LicenseId, PlanId};
use uuid::Uuid;

use super::SqliteUnit;
use super::error::storage_error;
use super::json::json;
use crate::rows::IdRow;
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(QueryableByName)]
struct LeaseRow {
    #[diesel(sql_type = SqlUuid)]
    owner: Uuid,
    #[diesel(sql_type = SqlTimestamp)]
    until: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    position: Option<String>,
}

fn sorted(rows: Vec<IdRow>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = rows.into_iter().map(|row| row.uuid).collect();
    ids.sort_unstable();
    ids
}

impl OperationRepository for SqliteUnit<'_> {
    fn take(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<TaskClaim, Error> {
        let conn = self.written()?;
        let held = sql_query("SELECT owner, until, position FROM operation_lease WHERE operation = ?1 AND key = ?2")
            .bind::<Text, _>(task.operation)
            .bind::<SqlUuid, _>(task.key)
            .get_result::<LeaseRow>(conn)
            .optional()
            .map_err(storage_error)?;
        if let Some(lease) = &held
            && lease.owner != owner
            && lease.until > now
        {
            return Ok(TaskClaim::HeldUntil(lease.until));
        }
        sql_query(
            "INSERT INTO operation_lease (operation, key, owner, until) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (operation, key) DO UPDATE SET owner = excluded.owner, until = excluded.until",
        )
        .bind::<Text, _>(task.operation)
        .bind::<SqlUuid, _>(task.key)
        .bind::<SqlUuid, _>(owner)
        .bind::<SqlTimestamp, _>(until)
        .execute(conn)
        .map_err(storage_error)?;
        Ok(TaskClaim::Taken(held.and_then(|lease| lease.position)))
    }

    fn keep(&mut self, task: Task, owner: Uuid, until: DateTime<Utc>, position: Option<&str>) -> Result<bool, Error> {
        let kept = sql_query(
            "UPDATE operation_lease SET until = ?4, position = ?5 WHERE operation = ?1 AND key = ?2 AND owner = ?3",
        )
        .bind::<Text, _>(task.operation)
        .bind::<SqlUuid, _>(task.key)
        .bind::<SqlUuid, _>(owner)
        .bind::<SqlTimestamp, _>(until)
        .bind::<Nullable<Text>, _>(position)
        .execute(self.written()?)
        .map_err(storage_error)?;
        Ok(kept > 0)
    }

    fn give_back(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
        sql_query("UPDATE operation_lease SET until = ?4 WHERE operation = ?1 AND key = ?2 AND owner = ?3")
            .bind::<Text, _>(task.operation)
            .bind::<SqlUuid, _>(task.key)
            .bind::<SqlUuid, _>(owner)
            .bind::<SqlTimestamp, _>(now)
            .execute(self.written()?)
            .map_err(storage_error)?;
        Ok(())
    }

    fn finish(&mut self, task: Task, owner: Uuid) -> Result<(), Error> {
        sql_query("DELETE FROM operation_lease WHERE operation = ?1 AND key = ?2 AND owner = ?3")
            .bind::<Text, _>(task.operation)
            .bind::<SqlUuid, _>(task.key)
            .bind::<SqlUuid, _>(owner)
            .execute(self.written()?)
            .map_err(storage_error)?;
        Ok(())
    }

    fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        let rows = sql_query(
            "INSERT INTO plan_mark (subscription_plan_uuid, name, created)
             SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
             ON CONFLICT DO NOTHING
             RETURNING subscription_plan_uuid AS uuid",
        )
        .bind::<Text, _>(json(plans)?)
        .bind::<Text, _>(name)
        .bind::<SqlTimestamp, _>(now)
        .load::<IdRow>(self.written()?)
        .map_err(storage_error)?;
        Ok(sorted(rows).into_iter().map(PlanId).collect())
    }

    fn mark_licenses(
        &mut self,
        licenses: &[LicenseId],
        event_name: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<LicenseId>, Error> {
        let rows = sql_query(
            "INSERT INTO license_event (license_uuid, event_name, created)
             SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
             ON CONFLICT (license_uuid, event_name) DO NOTHING
             RETURNING license_uuid AS uuid",
        )
        .bind::<Text, _>(json(licenses)?)
        .bind::<Text, _>(event_name)
        .bind::<SqlTimestamp, _>(now)
        .load::<IdRow>(self.written()?)
        .map_err(storage_error)?;
        Ok(sorted(rows).into_iter().map(LicenseId).collect())
    }
}
