//! Locks of renewals, and statements over any number of them. The repository is in [`crate::rows::renewals`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Text};
use license_manager_domain::history::Change;
use license_manager_domain::model::FollowingPlan;
use license_manager_domain::{Error, LicenseId, PlanId, RenewalId};

use super::arrays::{column, sorted_uuids};
use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::rows::renewals::{CountRow, RenewalRow, not_carried_over, waiting_among};
use crate::rows::shared::IdRow;
use crate::schema::{SUBSCRIPTION_PLAN_RENEWAL, subscription_plan_renewal as renewal};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PostgresUnit<'_> {
    /// Locks a renewal.
    pub(crate) fn lock_renewal(&mut self, id: RenewalId) -> Result<(), Error> {
        let query = renewal::table.find(id.0).select(renewal::id).for_no_key_update();
        self.write(|connection| query.get_result::<i64>(connection).optional())?;
        Ok(())
    }

    /// Counts what waits for each of the renewals.
    pub(crate) fn count_not_carried_over(
        &mut self,
        renewals: &[RenewalId],
        now: DateTime<Utc>,
    ) -> Result<HashMap<RenewalId, i64>, Error> {
        let query = sql_query(not_carried_over!("= ANY($1)"))
            .bind::<Array<BigInt>, _>(column(renewals, |renewal| renewal.0))
            .bind::<SqlTimestamp, _>(now);
        Ok(self.list::<CountRow, (RenewalId, i64)>(query)?.into_iter().collect())
    }

    /// Those of the licenses that wait for one of the plan that follows.
    pub(crate) fn those_waiting(
        &mut self,
        prior_plan: PlanId,
        following: &FollowingPlan,
        licenses: &[LicenseId],
    ) -> Result<Vec<LicenseId>, Error> {
        let query = sql_query(waiting_among!("= ANY($4)"))
            .bind::<SqlUuid, _>(prior_plan.0)
            .bind::<Text, _>(following.license_types_to_copy.as_str())
            .bind::<SqlUuid, _>(following.id.0)
            .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)));
        self.list::<IdRow, LicenseId>(query)
    }

    /// Adds a renewal.
    pub(crate) fn add_renewal(&mut self, row: RenewalRow, change: &Change) -> Result<RenewalId, Error> {
        let statement = diesel::insert_into(renewal::table).values(row).returning(renewal::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN_RENEWAL, Kind::Added, change).returning_id();
        self.write(|connection| statement.get_result::<i64>(connection)).map(RenewalId)
    }
}
