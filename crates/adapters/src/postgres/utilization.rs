//! Adds up the counts of seats. Triggers only add rows, one for each statement that changes seats, so that statements
//! that change seats of the same plan do not wait for each other.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};
use license_manager_domain::Error;

use super::unit::PostgresUnit;
use crate::prepared::{prepared, prepared_sql};
use crate::rows::shared::NumberRow;
use crate::sql_types::SqlDate;

/// The lock of whoever adds up. The number is arbitrary.
const FOLD_LOCK: i64 = 716_253_402;

/// Fewer rows are not worth the work, where it is done often.
const CROWDED: i64 = 8;

/// Puts rows into the totals of their plans, together with the sum of their day. Looks at rows that are in no total, which
/// an index has in the order of the plans, and stops at the limit. A row of these days that was in the total is deleted and
/// added again: the trigger on deletions takes it out of the total.
///
/// The rows are deleted by their place, because Postgres does not expect the limit to be small, and would find them by
/// reading the whole table. A row that somebody adds meanwhile is not seen, and stays. Whoever counts sees either what was
/// before or what is after, in both tables.
const FOLD_CHANGES: &str = "
    WITH crowded AS (
        SELECT DISTINCT subscription_plan_uuid, day
        FROM (SELECT subscription_plan_uuid, day
              FROM (SELECT subscription_plan_uuid, day, count(*) OVER (PARTITION BY subscription_plan_uuid) AS number
                    FROM seat_change WHERE NOT in_total AND day >= coalesce($3, '-infinity')) AS counted
              WHERE number >= $1
              LIMIT $2) AS looked_at
    ), taken AS (
        DELETE FROM seat_change WHERE ctid = ANY (ARRAY(
            SELECT counted.place FROM crowded CROSS JOIN LATERAL (
                SELECT ctid AS place FROM seat_change
                WHERE subscription_plan_uuid = crowded.subscription_plan_uuid AND day = crowded.day
                OFFSET 0
            ) AS counted
        ))
        RETURNING subscription_plan_uuid, day, unassigned, assigned, activated, revoked
    ), added_up AS (
        INSERT INTO seat_total AS total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
        SELECT subscription_plan_uuid, sum(unassigned), sum(assigned), sum(activated), sum(revoked)
        FROM taken GROUP BY subscription_plan_uuid ORDER BY subscription_plan_uuid
        ON CONFLICT (subscription_plan_uuid) DO UPDATE SET
            unassigned = total.unassigned + excluded.unassigned, assigned = total.assigned + excluded.assigned,
            activated = total.activated + excluded.activated, revoked = total.revoked + excluded.revoked
    ), by_day AS (
        INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked, in_total)
        SELECT subscription_plan_uuid, day, sum(unassigned), sum(assigned), sum(activated), sum(revoked), true
        FROM taken GROUP BY subscription_plan_uuid, day
    )
    SELECT count(*) AS number FROM taken";

/// Adds up the activations of a plan, a day and a number of days assigned. Looks at the days of each plan by the index: in
/// the order of the days, all rows would have to be read.
const FOLD_ACTIVATIONS: &str = "
    WITH crowded AS (
        SELECT plan.uuid, counted.day, counted.days_assigned FROM subscription_plan AS plan
        CROSS JOIN LATERAL (
            SELECT day, days_assigned FROM seat_activation
            WHERE subscription_plan_uuid = plan.uuid AND day >= coalesce($3, '-infinity')
            GROUP BY day, days_assigned HAVING count(*) >= $1
        ) AS counted
        LIMIT $2
    ), taken AS (
        DELETE FROM seat_activation WHERE ctid = ANY (ARRAY(
            SELECT counted.place FROM crowded CROSS JOIN LATERAL (
                SELECT ctid AS place FROM seat_activation
                WHERE subscription_plan_uuid = crowded.uuid AND day = crowded.day
                    AND days_assigned = crowded.days_assigned
                OFFSET 0
            ) AS counted
        ))
        RETURNING subscription_plan_uuid, day, days_assigned, number
    )
    INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
    SELECT subscription_plan_uuid, day, days_assigned, sum(number)
    FROM taken GROUP BY subscription_plan_uuid, day, days_assigned";

impl PostgresUnit<'_> {
    pub(crate) fn fold_seat_counts(&mut self, since: Option<NaiveDate>, limit: i64) -> Result<usize, Error> {
        let lock = diesel::select(
            diesel::dsl::sql::<Bool>("pg_try_advisory_xact_lock(").bind::<BigInt, _>(FOLD_LOCK).sql(")"),
        );
        if !self.read(|connection| prepared(lock).get_result(connection))? {
            return Ok(0);
        }
        // Where all days are added up, which is done rarely, every row comes into a total.
        let fewest = if since.is_some() { CROWDED } else { 1 };
        let changes = prepared_sql(FOLD_CHANGES)
            .bind::<BigInt, _>(fewest)
            .bind::<BigInt, _>(limit.max(0))
            .bind::<Nullable<SqlDate>, _>(since);
        let changes: NumberRow = self.write(|connection| changes.get_result(connection))?;
        let activations = prepared_sql(FOLD_ACTIVATIONS)
            .bind::<BigInt, _>(CROWDED)
            .bind::<BigInt, _>(limit.max(0))
            .bind::<Nullable<SqlDate>, _>(since);
        let activations = self.write(|connection| activations.execute(connection))?;
        Ok(activations.max(changes.number as usize))
    }
}
