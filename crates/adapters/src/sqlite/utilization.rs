//! How seats are used: sums of what triggers count whenever history is recorded (migrations/sqlite, "utilization").

use chrono::{DateTime, NaiveDate, NaiveTime};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::model::{ActivationDelay, ActivationDelays, Period, SeatChange};
use license_manager_domain::ports::UtilizationRepository;
use license_manager_domain::{Error, License, LicenseCounts, PlanId};

use super::SqliteUnit;
use super::error::storage_error;
use super::rows::{LicenseRow, licenses};
use super::types::SqlUuid;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// A day as it is stored.
fn number(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp().div_euclid(SECONDS_OF_A_DAY)
}

fn day(number: i64) -> Result<NaiveDate, Error> {
    let midnight = number.checked_mul(SECONDS_OF_A_DAY).and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let outside = || Error::internal(format!("day {number} lies outside of the calendar"));
    midnight.map(|midnight| midnight.date_naive()).ok_or_else(outside)
}

#[derive(QueryableByName)]
struct DayRow {
    #[diesel(sql_type = BigInt)]
    day: i64,
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

#[derive(QueryableByName)]
struct DelayRow {
    #[diesel(sql_type = BigInt)]
    days: i64,
    #[diesel(sql_type = BigInt)]
    activations: i64,
}

impl UtilizationRepository for SqliteUnit<'_> {
    fn seat_changes(&mut self, plan: PlanId, last: NaiveDate) -> Result<Vec<SeatChange>, Error> {
        let rows: Vec<DayRow> = diesel::sql_query(
            "SELECT day, sum(unassigned) AS unassigned, sum(assigned) AS assigned, sum(activated) AS activated,
                 sum(revoked) AS revoked, sum(activations) AS activations
             FROM (
                 SELECT day, unassigned, assigned, activated, revoked, 0 AS activations FROM seat_change
                 WHERE subscription_plan_uuid = ?1 AND day <= ?2
                 UNION ALL
                 SELECT day, 0, 0, 0, 0, number FROM seat_activation
                 WHERE subscription_plan_uuid = ?1 AND day <= ?2
             )
             GROUP BY day ORDER BY day",
        )
        .bind::<Text, _>(SqlUuid(plan.0))
        .bind::<BigInt, _>(number(last))
        .load(self.conn)
        .map_err(storage_error)?;
        let change = |row: DayRow| {
            Ok(SeatChange {
                day: day(row.day)?,
                change: LicenseCounts {
                    unassigned: row.unassigned,
                    assigned: row.assigned,
                    activated: row.activated,
                    revoked: row.revoked,
                },
                activations: row.activations,
            })
        };
        rows.into_iter().map(change).collect()
    }

    fn activation_delays(&mut self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
        let rows: Vec<DelayRow> = diesel::sql_query(
            "SELECT days_assigned AS days, sum(number) AS activations FROM seat_activation
             WHERE subscription_plan_uuid = ?1 AND day BETWEEN ?2 AND ?3
             GROUP BY days_assigned ORDER BY days_assigned",
        )
        .bind::<Text, _>(SqlUuid(plan.0))
        .bind::<BigInt, _>(number(period.first))
        .bind::<BigInt, _>(number(period.last))
        .load(self.conn)
        .map_err(storage_error)?;
        let delay = |row: DelayRow| ActivationDelay { days: row.days, activations: row.activations };
        Ok(ActivationDelays::new(rows.into_iter().map(delay).collect()))
    }

    fn idle(&mut self, plan: PlanId, limit: i64) -> Result<Vec<License>, Error> {
        // The state is written out: SQLite uses a partial index only where it reads the words of its condition.
        let rows: Vec<LicenseRow> = diesel::sql_query(
            "SELECT license.* FROM license WHERE subscription_plan_uuid = ?1 AND status = 'assigned'
             ORDER BY assigned_date, uuid LIMIT ?2",
        )
        .bind::<Text, _>(SqlUuid(plan.0))
        .bind::<BigInt, _>(limit.max(0))
        .load(self.conn)
        .map_err(storage_error)?;
        licenses(rows)
    }
}
