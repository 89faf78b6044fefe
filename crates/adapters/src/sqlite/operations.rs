//! Plans and licenses that an operation has marked as done.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use license_manager_domain::ports::{ExpirationProgress, OperationRepository, Task};
use license_manager_domain::{Error, LicenseId, PlanId};
use uuid::Uuid;

use super::json::json;
use super::unit::SqliteUnit;
use crate::rows::queue::progress_text;
use crate::rows::shared::IdRow;
use crate::sql_types::{SqlTimestamp, SqlUuid};

fn sorted(rows: Vec<IdRow>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = rows.into_iter().map(|row| row.uuid).collect();
    ids.sort_unstable();
    ids
}

impl OperationRepository for SqliteUnit<'_> {
    fn note_progress(&mut self, task: Task, owner: Uuid, progress: ExpirationProgress) -> Result<(), Error> {
        let statement =
            sql_query("UPDATE operation_lease SET position = ?4 WHERE operation = ?1 AND key = ?2 AND owner = ?3")
                .bind::<Text, _>(task.operation)
                .bind::<SqlUuid, _>(task.key)
                .bind::<SqlUuid, _>(owner)
                .bind::<Text, _>(progress_text(&progress));
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        let query = sql_query(
            "INSERT INTO plan_mark (subscription_plan_uuid, name, created)
             SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
             ON CONFLICT DO NOTHING
             RETURNING subscription_plan_uuid AS uuid",
        )
        .bind::<Text, _>(json(plans)?)
        .bind::<Text, _>(name)
        .bind::<SqlTimestamp, _>(now);
        let rows = self.write(|connection| query.load::<IdRow>(connection))?;
        Ok(sorted(rows).into_iter().map(PlanId).collect())
    }

    fn unmark_plans(&mut self, plans: &[PlanId], name: &str) -> Result<(), Error> {
        let statement = sql_query(
            "DELETE FROM plan_mark
             WHERE subscription_plan_uuid IN (SELECT value FROM json_each(?1)) AND name = ?2",
        )
        .bind::<Text, _>(json(plans)?)
        .bind::<Text, _>(name);
        self.write(|connection| statement.execute(connection)).map(drop)
    }

    fn mark_licenses(
        &mut self,
        licenses: &[LicenseId],
        event_name: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<LicenseId>, Error> {
        let query = sql_query(
            "INSERT INTO license_event (license_uuid, event_name, created)
             SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
             ON CONFLICT (license_uuid, event_name) DO NOTHING
             RETURNING license_uuid AS uuid",
        )
        .bind::<Text, _>(json(licenses)?)
        .bind::<Text, _>(event_name)
        .bind::<SqlTimestamp, _>(now);
        let rows = self.write(|connection| query.load::<IdRow>(connection))?;
        Ok(sorted(rows).into_iter().map(LicenseId).collect())
    }
}
