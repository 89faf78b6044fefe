//! Plans that auto-apply licenses, among the work of recurring operations. The repository is in [`crate::rows::due_work`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Text};
use license_manager_domain::model::NotificationKind;
use license_manager_domain::{Error, PlanId};

use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::due_work::{PlanNumberRow, SinceRow};
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// When each plan last began to auto-apply, by its history; otherwise when it was created.
const TURNED_ON: &str = "
    CROSS JOIN LATERAL (
        SELECT coalesce(max(version.history_date), plan.created) AS since
        FROM (SELECT history_date, should_auto_apply_licenses AS applies,
                     lag(should_auto_apply_licenses) OVER (ORDER BY history_id) AS applied
              FROM subscription_plan_history WHERE uuid = plan.uuid) AS version
        WHERE version.applies AND version.applied IS NOT TRUE
    ) AS turned_on";

impl PostgresUnit<'_> {
    /// Plans that auto-apply licenses for long enough, with when they began, if nothing was sent for them.
    pub(crate) fn plans_auto_applying(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        mark: &str,
    ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error> {
        let query = prepared_sql(format!(
            "SELECT plan.uuid, turned_on.since FROM subscription_plan AS plan {TURNED_ON}
             WHERE plan.should_auto_apply_licenses AND plan.is_active
                 AND $1 BETWEEN plan.start_date AND plan.expiration_date
                 AND turned_on.since <= $2
                 AND NOT EXISTS (SELECT FROM plan_mark WHERE subscription_plan_uuid = plan.uuid AND name = $3)
                 AND NOT EXISTS (SELECT FROM notification
                                 WHERE subscription_plan_uuid = plan.uuid AND notification_type = $4)
             ORDER BY plan.uuid"
        ))
        .bind::<SqlTimestamp, _>(now)
        .bind::<SqlTimestamp, _>(until)
        .bind::<Text, _>(mark)
        .bind::<Text, _>(NotificationKind::PeriodicInformational.as_str());
        self.list::<SinceRow, _>(query)
    }

    /// How many licenses of plans were auto-applied since the plans began to.
    pub(crate) fn auto_applied_licenses(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, i64>, Error> {
        let query = prepared_sql(format!(
            "SELECT plan.uuid, count(*) AS number FROM subscription_plan AS plan {TURNED_ON}
             JOIN license ON license.subscription_plan_uuid = plan.uuid AND license.auto_applied
                 AND license.activation_date >= turned_on.since
             WHERE plan.uuid = ANY ($1)
             GROUP BY plan.uuid"
        ))
        .bind::<Array<SqlUuid>, _>(plans.iter().map(|plan| plan.0).collect::<Vec<_>>());
        Ok(self.list::<PlanNumberRow, (PlanId, i64)>(query)?.into_iter().collect())
    }
}
