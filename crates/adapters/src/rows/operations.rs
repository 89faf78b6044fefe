//! Plans and licenses that an operation has marked as done.

use chrono::{DateTime, Utc};
use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use license_manager_domain::ports::{ExpirationProgress, OperationRepository, Task};
use license_manager_domain::{Error, LicenseId, PlanId};
use uuid::Uuid;

use super::queue::progress_text;
use super::shared::{IdRow, for_both_databases, sorted_uuids};
use crate::prepared::prepared_sql;
use crate::sql_types::{SqlTimestamp, SqlUuid, SqlUuidList};

for_both_databases! {
    impl OperationRepository for Unit {
        fn note_progress(&mut self, task: Task, owner: Uuid, progress: ExpirationProgress) -> Result<(), Error> {
            let statement = prepared_sql(
                "UPDATE operation_lease SET position = $1 WHERE operation = $2 AND key = $3 AND owner = $4",
            )
            .bind::<Text, _>(progress_text(&progress))
            .bind::<Text, _>(task.operation)
            .bind::<SqlUuid, _>(task.key)
            .bind::<SqlUuid, _>(owner);
            self.write(|connection| statement.execute(connection))?;
            Ok(())
        }

        fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
            let statement = prepared_sql(format!(
                "INSERT INTO plan_mark (subscription_plan_uuid, name, created)
                 SELECT value, $1, $2 FROM {} WHERE true
                 ON CONFLICT DO NOTHING
                 RETURNING subscription_plan_uuid AS uuid",
                Self::each("$3")
            ))
            .bind::<Text, _>(name)
            .bind::<SqlTimestamp, _>(now)
            .bind::<SqlUuidList, _>(sorted_uuids(plans.iter().map(|plan| plan.0)));
            let rows = self.write(|connection| statement.load::<IdRow>(connection))?;
            Ok(sorted_uuids(rows.into_iter().map(|row| row.uuid)).into_iter().map(PlanId).collect())
        }

        fn unmark_plans(&mut self, plans: &[PlanId], name: &str) -> Result<(), Error> {
            let statement = prepared_sql(format!(
                "DELETE FROM plan_mark WHERE subscription_plan_uuid {} AND name = $2",
                Self::among("$1")
            ))
            .bind::<SqlUuidList, _>(sorted_uuids(plans.iter().map(|plan| plan.0)))
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
            let statement = prepared_sql(format!(
                "INSERT INTO license_event (license_uuid, event_name, created)
                 SELECT value, $1, $2 FROM {} WHERE true
                 ON CONFLICT (license_uuid, event_name) DO NOTHING
                 RETURNING license_uuid AS uuid",
                Self::each("$3")
            ))
            .bind::<Text, _>(event_name)
            .bind::<SqlTimestamp, _>(now)
            .bind::<SqlUuidList, _>(sorted_uuids(licenses.iter().map(|license| license.0)));
            let rows = self.write(|connection| statement.load::<IdRow>(connection))?;
            Ok(sorted_uuids(rows.into_iter().map(|row| row.uuid)).into_iter().map(LicenseId).collect())
        }
    }
}
