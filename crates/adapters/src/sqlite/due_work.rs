//! Plans that auto-apply licenses, among the work of recurring operations. The repository is in [`crate::rows::due_work`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::sql_types::Text;
use license_manager_domain::model::NotificationKind;
use license_manager_domain::{Error, PlanId};

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::due_work::{PlanNumberRow, SinceRow};
use crate::sql_types::SqlTimestamp;

/// When a plan last began to auto-apply, by its history; otherwise when it was created.
const TURNED_ON: &str = "
    coalesce((
        SELECT max(version.history_date)
        FROM (SELECT history_date, should_auto_apply_licenses AS applies,
                     lag(should_auto_apply_licenses) OVER (ORDER BY history_id) AS applied
              FROM subscription_plan_history WHERE uuid = plan.uuid) AS version
        WHERE version.applies AND version.applied IS NOT 1
    ), plan.created)";

impl SqliteUnit<'_> {
    /// Plans that auto-apply licenses for long enough, with when they began, if nothing was sent for them.
    pub(crate) fn plans_auto_applying(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        mark: &str,
    ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error> {
        let query = prepared_sql(format!(
            "SELECT uuid, since FROM (
             SELECT plan.uuid, {TURNED_ON} AS since
             FROM subscription_plan AS plan
             WHERE plan.should_auto_apply_licenses AND plan.is_active
                 AND ?1 BETWEEN plan.start_date AND plan.expiration_date
                 AND NOT EXISTS (SELECT 1 FROM plan_mark WHERE subscription_plan_uuid = plan.uuid AND name = ?3)
                 AND NOT EXISTS (SELECT 1 FROM notification
                                 WHERE subscription_plan_uuid = plan.uuid AND notification_type = ?4)
             ) WHERE since <= ?2 ORDER BY uuid"
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
            "WITH applying AS MATERIALIZED (
                 SELECT plan.uuid, {TURNED_ON} AS since FROM subscription_plan AS plan
                 WHERE plan.uuid IN (SELECT value FROM json_each(?1)))
             SELECT applying.uuid, count(*) AS number FROM applying
             JOIN license ON license.subscription_plan_uuid = applying.uuid AND license.auto_applied
                 AND license.activation_date >= applying.since
             GROUP BY applying.uuid"
        ))
        .bind::<Text, _>(json(plans)?);
        Ok(self.list::<PlanNumberRow, (PlanId, i64)>(query)?.into_iter().collect())
    }
}
