//! Statements over any number of renewals. The repository is in [`crate::rows::renewals`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::FollowingPlan;
use license_manager_domain::{Error, LicenseId, PlanId, RenewalId};

use super::json::json;
use super::unit::SqliteUnit;
use crate::rows::renewals::{CountRow, RenewalRow, not_carried_over, waiting_among};
use crate::rows::shared::IdRow;
use crate::schema::{SUBSCRIPTION_PLAN_RENEWAL, subscription_plan_renewal as renewal};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl SqliteUnit<'_> {
    /// Only one unit of work writes at a time, so a renewal needs no lock.
    pub(crate) fn lock_renewal(&mut self, _: RenewalId) -> Result<(), Error> {
        self.require_write()
    }

    /// Counts what waits for each of the renewals.
    pub(crate) fn count_not_carried_over(
        &mut self,
        renewals: &[RenewalId],
        now: DateTime<Utc>,
    ) -> Result<HashMap<RenewalId, i64>, Error> {
        let query = sql_query(not_carried_over!("IN (SELECT value FROM json_each($1))"))
            .bind::<Text, _>(json(renewals.iter().map(|renewal| renewal.0).collect::<Vec<_>>())?)
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
        let query = sql_query(waiting_among!("IN (SELECT value FROM json_each($4))"))
            .bind::<SqlUuid, _>(prior_plan.0)
            .bind::<Text, _>(following.license_types_to_copy.as_str())
            .bind::<SqlUuid, _>(following.id.0)
            .bind::<Text, _>(json(licenses)?);
        self.list::<IdRow, LicenseId>(query)
    }

    /// Adds a renewal.
    pub(crate) fn add_renewal(&mut self, row: RenewalRow, change: &Change) -> Result<RenewalId, Error> {
        let query = diesel::insert_into(renewal::table).values(row).returning(renewal::id);
        let id = self.write(|connection| query.get_result(connection))?;
        self.record(&SUBSCRIPTION_PLAN_RENEWAL, &json([id])?, ChangeKind::Added, change)?;
        Ok(RenewalId(id))
    }
}
