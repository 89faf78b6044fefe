//! Locks and changes of subscription plans. The repository is in [`crate::rows::plans`].

use diesel::prelude::*;
use diesel::sql_types::Nullable;
use license_manager_domain::history::Change;
use license_manager_domain::{AgreementId, Error, PlanId};
use uuid::Uuid;

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::schema::{SUBSCRIPTION_PLAN, subscription_plan};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PostgresUnit<'_> {
    /// Locks a plan.
    pub(crate) fn lock_plan(&mut self, id: PlanId) -> Result<(), Error> {
        let query = subscription_plan::table.find(SqlUuid(id.0)).select(subscription_plan::uuid).for_no_key_update();
        self.write(|connection| query.get_result::<Uuid>(connection).optional())?;
        Ok(())
    }

    /// Locks plans, in the order of their ids.
    pub(crate) fn lock_plans(&mut self, ids: &[PlanId]) -> Result<(), Error> {
        let query = subscription_plan::table
            .filter(one_of(subscription_plan::uuid, ids.iter().map(|plan| plan.0)))
            .order(subscription_plan::uuid)
            .select(subscription_plan::uuid)
            .for_no_key_update();
        self.write(|connection| query.load::<Uuid>(connection))?;
        Ok(())
    }

    /// Lets only the chosen plan of an agreement auto-apply licenses.
    pub(crate) fn auto_apply_chosen(
        &mut self,
        agreement: AgreementId,
        chosen: Option<PlanId>,
        change: &Change,
    ) -> Result<(), Error> {
        let statement = prepared_sql(
            "UPDATE subscription_plan
             SET should_auto_apply_licenses = (subscription_plan.uuid IS NOT DISTINCT FROM $2), modified = $3
             FROM (SELECT uuid FROM subscription_plan
                   WHERE customer_agreement_uuid = $1
                       AND (should_auto_apply_licenses IS TRUE) <> (uuid IS NOT DISTINCT FROM $2)
                   ORDER BY uuid FOR NO KEY UPDATE) AS locked
             WHERE subscription_plan.uuid = locked.uuid
             RETURNING subscription_plan.*",
        )
        .bind::<SqlUuid, _>(agreement.0)
        .bind::<Nullable<SqlUuid>, _>(chosen.map(|plan| plan.0))
        .bind::<SqlTimestamp, _>(change.at);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN, Kind::Changed, change);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }
}
