//! Seat utilization: sums of the counts that triggers keep (`migrations/*/*_utilization`).

use chrono::NaiveDate;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use license_manager_domain::model::{ActivationDelay, ActivationDelays, Period, SeatChange};
use license_manager_domain::ports::UtilizationRepository;
use license_manager_domain::{Error, License, PlanId};

use super::licenses::{CountsRow, LicenseRow};
use super::shared::for_both_databases;
use crate::prepared::prepared_sql;
use crate::schema::LICENSE;
use crate::sql_types::{SqlDate, SqlUuid};

#[derive(QueryableByName)]
pub(crate) struct DayRow {
    #[diesel(sql_type = SqlDate)]
    day: NaiveDate,
    #[diesel(embed)]
    change: CountsRow,
    #[diesel(sql_type = BigInt)]
    activations: i64,
}

impl From<DayRow> for SeatChange {
    fn from(row: DayRow) -> Self {
        Self { day: row.day, change: row.change.into(), activations: row.activations }
    }
}

#[derive(QueryableByName)]
pub(crate) struct DelayRow {
    #[diesel(sql_type = BigInt)]
    days: i64,
    #[diesel(sql_type = BigInt)]
    activations: i64,
}

impl From<DelayRow> for ActivationDelay {
    fn from(row: DelayRow) -> Self {
        Self { days: row.days, activations: row.activations }
    }
}

for_both_databases! {
    impl UtilizationRepository for Unit {
        fn seat_changes(&mut self, plan: PlanId, last: NaiveDate) -> Result<Vec<SeatChange>, Error> {
            let query = prepared_sql(
                "SELECT day, sum(unassigned) AS unassigned, sum(assigned) AS assigned, sum(activated) AS activated,
                     sum(revoked) AS revoked, sum(activations) AS activations
                 FROM (
                     SELECT day, unassigned, assigned, activated, revoked, 0 AS activations FROM seat_change
                     WHERE subscription_plan_uuid = $1 AND day <= $2
                     UNION ALL
                     SELECT day, 0, 0, 0, 0, number FROM seat_activation
                     WHERE subscription_plan_uuid = $1 AND day <= $2
                 ) AS counted
                 GROUP BY day ORDER BY day",
            )
            .bind::<SqlUuid, _>(plan.0)
            .bind::<SqlDate, _>(last);
            self.list::<DayRow, _>(query)
        }

        fn activation_delays(&mut self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
            let query = prepared_sql(
                "SELECT CAST(days_assigned AS bigint) AS days, sum(number) AS activations FROM seat_activation
                 WHERE subscription_plan_uuid = $1 AND day BETWEEN $2 AND $3
                 GROUP BY days_assigned ORDER BY days_assigned",
            )
            .bind::<SqlUuid, _>(plan.0)
            .bind::<SqlDate, _>(period.first)
            .bind::<SqlDate, _>(period.last);
            self.list::<DelayRow, _>(query).map(ActivationDelays::new)
        }

        fn fold(&mut self, since: Option<NaiveDate>, limit: i64) -> Result<usize, Error> {
            self.fold_seat_counts(since, limit)
        }

        fn idle(&mut self, plan: PlanId, limit: i64) -> Result<Vec<License>, Error> {
            // The status is a literal: a partial index is used only if the statement has the index's condition.
            let query = prepared_sql(format!(
                "SELECT {} FROM license WHERE subscription_plan_uuid = $1 AND status = 'assigned'
                 ORDER BY assigned_date, uuid LIMIT $2",
                LICENSE.column_names()
            ))
            .bind::<SqlUuid, _>(plan.0)
            .bind::<BigInt, _>(limit.max(0));
            self.list::<LicenseRow, _>(query)
        }
    }
}
