//! Who works on what, and what was done once and for all.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Nullable, Text};
use license_manager_domain::ports::{OperationRepository, Task, TaskClaim};
use license_manager_domain::{Error, LicenseId, PlanId};
use uuid::Uuid;

use super::PostgresUnit;
use super::arrays::sorted_uuids;
use crate::rows::IdRow;
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(QueryableByName)]
struct PositionRow {
    #[diesel(sql_type = Nullable<Text>)]
    position: Option<String>,
}

#[derive(QueryableByName)]
struct UntilRow {
    #[diesel(sql_type = SqlTimestamp)]
    until: DateTime<Utc>,
}

impl OperationRepository for PostgresUnit<'_> {
    fn take(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<TaskClaim, Error> {
        // Who comes second waits for the first's transaction here, and then sees whose it is.
        let statement = sql_query(
            "INSERT INTO operation_lease AS lease (operation, key, owner, until) VALUES ($1, $2, $3, $4)
             ON CONFLICT (operation, key) DO UPDATE SET owner = excluded.owner, until = excluded.until
                 WHERE lease.until <= $5 OR lease.owner = excluded.owner
             RETURNING position",
        )
        .bind::<Text, _>(task.operation)
        .bind::<SqlUuid, _>(task.key)
        .bind::<SqlUuid, _>(owner)
        .bind::<SqlTimestamp, _>(until)
        .bind::<SqlTimestamp, _>(now);
        let taken = self.write(|connection| statement.get_result::<PositionRow>(connection).optional())?;
        if let Some(row) = taken {
            return Ok(TaskClaim::Taken(row.position));
        }
        let query = sql_query("SELECT until FROM operation_lease WHERE operation = $1 AND key = $2")
            .bind::<Text, _>(task.operation)
            .bind::<SqlUuid, _>(task.key);
        let held = self.read(|connection| query.get_result::<UntilRow>(connection).optional())?;
        // Finished between the two statements: to be asked for again at once.
        Ok(TaskClaim::HeldUntil(held.map_or(now, |row| row.until)))
    }

    fn keep(&mut self, task: Task, owner: Uuid, until: DateTime<Utc>, position: Option<&str>) -> Result<bool, Error> {
        let statement = sql_query(
            "UPDATE operation_lease SET until = $4, position = $5 WHERE operation = $1 AND key = $2 AND owner = $3",
        )
        .bind::<Text, _>(task.operation)
        .bind::<SqlUuid, _>(task.key)
        .bind::<SqlUuid, _>(owner)
        .bind::<SqlTimestamp, _>(until)
        .bind::<Nullable<Text>, _>(position);
        Ok(self.write(|connection| statement.execute(connection))? > 0)
    }

    fn give_back(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
        let statement =
            sql_query("UPDATE operation_lease SET until = $4 WHERE operation = $1 AND key = $2 AND owner = $3")
                .bind::<Text, _>(task.operation)
                .bind::<SqlUuid, _>(task.key)
                .bind::<SqlUuid, _>(owner)
                .bind::<SqlTimestamp, _>(now);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn finish(&mut self, task: Task, owner: Uuid) -> Result<(), Error> {
        let statement = sql_query("DELETE FROM operation_lease WHERE operation = $1 AND key = $2 AND owner = $3")
            .bind::<Text, _>(task.operation)
            .bind::<SqlUuid, _>(task.key)
            .bind::<SqlUuid, _>(owner);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        let statement = sql_query(
            "INSERT INTO plan_mark (subscription_plan_uuid, name, created)
             SELECT plan, $2, $3 FROM unnest($1) AS input (plan)
             ON CONFLICT DO NOTHING
             RETURNING subscription_plan_uuid AS uuid",
        )
        .bind::<Array<SqlUuid>, _>(sorted_uuids(plans.iter().map(|plan| plan.0)))
        .bind::<Text, _>(name)
        .bind::<SqlTimestamp, _>(now);
        let rows = self.write(|connection| statement.load::<IdRow>(connection))?;
        Ok(sorted_uuids(rows.into_iter().map(|row| row.uuid)).into_iter().map(PlanId).collect())
    }

    fn mark_licenses(
        &mut self,
        licenses: &[LicenseId],
        event_name: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<LicenseId>, Error> {
        self.require_write()?;
        if licenses.is_empty() {
            return Ok(Vec::new());
        }
        let statement = sql_query(
            "INSERT INTO license_event (license_uuid, event_name, created)
             SELECT license, $2, $3 FROM unnest($1) AS input (license)
             ON CONFLICT (license_uuid, event_name) DO NOTHING
             RETURNING license_uuid AS uuid",
        )
        .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)))
        .bind::<Text, _>(event_name)
        .bind::<SqlTimestamp, _>(now);
        let rows = self.write(|connection| statement.load::<IdRow>(connection))?;
        Ok(sorted_uuids(rows.into_iter().map(|row| row.uuid)).into_iter().map(LicenseId).collect())
    }
}
