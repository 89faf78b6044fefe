//! Plans and licenses that an operation has marked as done.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Text};
use license_manager_domain::ports::{ExpirationProgress, OperationRepository, Task};
use license_manager_domain::{Error, LicenseId, PlanId};
use uuid::Uuid;

use super::arrays::sorted_uuids;
use super::unit::PostgresUnit;
use crate::rows::queue::progress_text;
use crate::rows::shared::IdRow;
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl OperationRepository for PostgresUnit<'_> {
    fn note_progress(&mut self, task: Task, owner: Uuid, progress: ExpirationProgress) -> Result<(), Error> {
        let statement =
            sql_query("UPDATE operation_lease SET position = $4 WHERE operation = $1 AND key = $2 AND owner = $3")
                .bind::<Text, _>(task.operation)
                .bind::<SqlUuid, _>(task.key)
                .bind::<SqlUuid, _>(owner)
                .bind::<Text, _>(progress_text(&progress));
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

    fn unmark_plans(&mut self, plans: &[PlanId], name: &str) -> Result<(), Error> {
        let statement = sql_query("DELETE FROM plan_mark WHERE subscription_plan_uuid = ANY ($1) AND name = $2")
            .bind::<Array<SqlUuid>, _>(sorted_uuids(plans.iter().map(|plan| plan.0)))
            .bind::<Text, _>(name);
        self.write(|connection| statement.execute(connection)).map(drop)
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
