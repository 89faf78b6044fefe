//! Seat utilization.

use chrono::NaiveDate;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use license_manager_domain::model::{ActivationDelay, Period, SeatChange};
use license_manager_domain::{LicenseCounts, PlanId};

use super::licenses::LicenseRow;
use super::shared::SharedQuery;
use crate::sql_types::{SqlDate, SqlUuid};

#[derive(QueryableByName)]
pub(crate) struct DayRow {
    #[diesel(sql_type = SqlDate)]
    day: NaiveDate,
    #[diesel(sql_type = BigInt)]
    unassigned: i64,
    #[diesel(sql_type = BigInt)]
    assigned: i64,
    #[diesel(sql_type = BigInt)]
    activated: i64,
    #[diesel(sql_type = BigInt)]
    revoked: i64,
    #[diesel(sql_type = BigInt)]
    activations: i64,
}

impl From<DayRow> for SeatChange {
    fn from(row: DayRow) -> Self {
        let DayRow { day, unassigned, assigned, activated, revoked, activations } = row;
        Self { day, change: LicenseCounts { unassigned, assigned, activated, revoked }, activations }
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

/// What changed on each day, up to the last day.
pub(crate) fn seat_changes(plan: PlanId, last: NaiveDate) -> impl SharedQuery<DayRow> {
    sql_query(
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
    .bind::<SqlDate, _>(last)
}

/// How long learners took to activate in a period.
pub(crate) fn activation_delays(plan: PlanId, period: Period) -> impl SharedQuery<DelayRow> {
    sql_query(
        "SELECT CAST(days_assigned AS bigint) AS days, sum(number) AS activations FROM seat_activation
         WHERE subscription_plan_uuid = $1 AND day BETWEEN $2 AND $3
         GROUP BY days_assigned ORDER BY days_assigned",
    )
    .bind::<SqlUuid, _>(plan.0)
    .bind::<SqlDate, _>(period.first)
    .bind::<SqlDate, _>(period.last)
}

/// The licenses that were assigned first and are not activated.
pub(crate) fn idle_licenses(plan: PlanId, limit: i64) -> impl SharedQuery<LicenseRow> {
    // The status is a literal: a partial index is used only if the statement has the index's condition.
    sql_query(
        "SELECT license.* FROM license WHERE subscription_plan_uuid = $1 AND status = 'assigned'
         ORDER BY assigned_date, uuid LIMIT $2",
    )
    .bind::<SqlUuid, _>(plan.0)
    .bind::<BigInt, _>(limit.max(0))
}
