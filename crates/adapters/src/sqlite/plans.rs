//! Changes of subscription plans. The repository is in [`crate::rows::plans`].

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::{AgreementId, Error, PlanId};

use super::json::Keys;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::schema::SUBSCRIPTION_PLAN;
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl SqliteUnit<'_> {
    /// Only one unit of work writes at a time, so a plan needs no lock.
    pub(crate) fn lock_plan(&mut self, _: PlanId) -> Result<(), Error> {
        self.require_write()
    }

    /// Nor do several.
    pub(crate) fn lock_plans(&mut self, _: &[PlanId]) -> Result<(), Error> {
        self.require_write()
    }

    /// Lets only the chosen plan of an agreement auto-apply licenses.
    pub(crate) fn auto_apply_chosen(
        &mut self,
        agreement: AgreementId,
        chosen: Option<PlanId>,
        change: &Change,
    ) -> Result<(), Error> {
        let chosen = chosen.map(|plan| plan.0);
        let query = prepared_sql(
            "SELECT json_group_array(uuid) AS keys FROM subscription_plan
             WHERE customer_agreement_uuid = ?1 AND (should_auto_apply_licenses IS 1) <> (uuid IS ?2)",
        )
        .bind::<SqlUuid, _>(agreement.0)
        .bind::<Nullable<SqlUuid>, _>(chosen);
        let changing: Keys = self.write(|connection| query.get_result(connection))?;
        let statement = prepared_sql(
            "UPDATE subscription_plan SET should_auto_apply_licenses = (uuid IS ?1), modified = ?2
             WHERE uuid IN (SELECT value FROM json_each(?3))",
        )
        .bind::<Nullable<SqlUuid>, _>(chosen)
        .bind::<SqlTimestamp, _>(change.at)
        .bind::<Text, _>(&changing.keys);
        self.write(|connection| statement.execute(connection))?;
        self.record(&SUBSCRIPTION_PLAN, &changing.keys, ChangeKind::Changed, change)
    }
}
