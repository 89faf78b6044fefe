//! Adds up the counts of seats. Triggers only add rows, one for each statement that changes seats, so that statements
//! that change seats of the same plan do not wait for each other.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};
use license_manager_domain::Error;

use super::unit::PostgresUnit;
use crate::prepared::{prepared, prepared_sql};
use crate::sql_types::SqlDate;

/// The lock of whoever adds up. The number is arbitrary.
const FOLD_LOCK: i64 = 716_253_402;

/// Fewer rows of one plan and day are not worth the work.
const CROWDED: i64 = 8;

/// Looks at the days of each plan by the index: in the order of the days, all rows would have to be read. The rows are
/// deleted by their place, because Postgres does not expect the limit to be small, and would find them by reading the
/// whole table. A row that somebody adds meanwhile is not seen, and stays.
const FOLD_CHANGES: &str = "
    WITH crowded AS (
        SELECT plan.uuid, counted.day FROM subscription_plan AS plan
        CROSS JOIN LATERAL (
            SELECT day FROM seat_change
            WHERE subscription_plan_uuid = plan.uuid AND day >= coalesce($3, '-infinity')
            GROUP BY day HAVING count(*) >= $1
        ) AS counted
        LIMIT $2
    ), taken AS (
        DELETE FROM seat_change WHERE ctid = ANY (ARRAY(
            SELECT counted.place FROM crowded CROSS JOIN LATERAL (
                SELECT ctid AS place FROM seat_change
                WHERE subscription_plan_uuid = crowded.uuid AND day = crowded.day
                OFFSET 0
            ) AS counted
        ))
        RETURNING subscription_plan_uuid, day, unassigned, assigned, activated, revoked
    )
    INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
    SELECT subscription_plan_uuid, day, sum(unassigned), sum(assigned), sum(activated), sum(revoked)
    FROM taken GROUP BY subscription_plan_uuid, day";

/// The same for activations.
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
        let mut folded = 0;
        for statement in [FOLD_CHANGES, FOLD_ACTIVATIONS] {
            let statement = prepared_sql(statement)
                .bind::<BigInt, _>(CROWDED)
                .bind::<BigInt, _>(limit.max(0))
                .bind::<Nullable<SqlDate>, _>(since);
            folded = folded.max(self.write(|connection| statement.execute(connection))?);
        }
        Ok(folded)
    }
}
