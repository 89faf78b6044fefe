//! Seat utilization: sums of the counts that a trigger keeps (migrations/postgres, "utilization").

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use license_manager_domain::model::{ActivationDelay, ActivationDelays, Period, SeatChange};
use license_manager_domain::ports::UtilizationRepository;
use license_manager_domain::{Error, License, PlanId};

use super::unit::PostgresUnit;
use crate::rows::licenses::{LicenseRow, licenses};
use crate::rows::utilization::{DayRow, DelayRow};
use crate::sql_types::{SqlDate, SqlUuid};

impl UtilizationRepository for PostgresUnit<'_> {
    fn seat_changes(&mut self, plan: PlanId, last: NaiveDate) -> Result<Vec<SeatChange>, Error> {
        let query = sql_query(
            "SELECT day, sum(unassigned) AS unassigned, sum(assigned) AS assigned, sum(activated) AS activated,
                 sum(revoked) AS revoked, sum(activations) AS activations
             FROM (
                 SELECT day, unassigned, assigned, activated, revoked, 0 AS activations FROM seat_change
                 WHERE subscription_plan_uuid = $1 AND day <= $2
                 UNION ALL
                 SELECT day, 0, 0, 0, 0, number FROM seat_activation
                 WHERE subscription_plan_uuid = $1 AND day <= $2
             ) AS told
             GROUP BY day ORDER BY day",
        )
        .bind::<SqlUuid, _>(plan.0)
        .bind::<SqlDate, _>(last);
        self.list::<DayRow, _>(query)
    }

    fn activation_delays(&mut self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
        let query = sql_query(
            "SELECT days_assigned::bigint AS days, sum(number) AS activations FROM seat_activation
             WHERE subscription_plan_uuid = $1 AND day BETWEEN $2 AND $3
             GROUP BY days_assigned ORDER BY days_assigned",
        )
        .bind::<SqlUuid, _>(plan.0)
        .bind::<SqlDate, _>(period.first)
        .bind::<SqlDate, _>(period.last);
        let rows = self.read(|connection| query.load::<DelayRow>(connection))?;
        Ok(ActivationDelays::new(rows.into_iter().map(ActivationDelay::from).collect()))
    }

    fn idle(&mut self, plan: PlanId, limit: i64) -> Result<Vec<License>, Error> {
        // The status is a literal: Postgres uses a partial index only if the statement has the index's condition.
        let query = sql_query(
            "SELECT license.* FROM license WHERE subscription_plan_uuid = $1 AND status = 'assigned'
             ORDER BY assigned_date, uuid LIMIT $2",
        )
        .bind::<SqlUuid, _>(plan.0)
        .bind::<BigInt, _>(limit.max(0));
        licenses(self.read(|connection| query.load::<LicenseRow>(connection))?)
    }
}
