//! Adds up the counts of seats. Triggers only add rows, one for each statement that changes seats, so that statements
//! that change seats of the same plan do not wait for each other.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use license_manager_domain::Error;

use super::unit::PostgresUnit;
use crate::prepared::{prepared, prepared_sql};

/// The lock of whoever adds up. The number is arbitrary.
const FOLD_LOCK: i64 = 716_253_402;

/// Fewer rows of one plan and day are not worth the work.
const CROWDED: i64 = 8;

/// A row that somebody adds meanwhile is not seen, and stays.
const FOLD_CHANGES: &str = "
    WITH crowded AS (
        SELECT subscription_plan_uuid, day FROM seat_change
        GROUP BY subscription_plan_uuid, day HAVING count(*) >= $1
        ORDER BY subscription_plan_uuid, day LIMIT $2
    ), taken AS (
        DELETE FROM seat_change USING crowded
        WHERE seat_change.subscription_plan_uuid = crowded.subscription_plan_uuid AND seat_change.day = crowded.day
        RETURNING seat_change.*
    )
    INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
    SELECT subscription_plan_uuid, day, sum(unassigned), sum(assigned), sum(activated), sum(revoked)
    FROM taken GROUP BY subscription_plan_uuid, day";

const FOLD_ACTIVATIONS: &str = "
    WITH crowded AS (
        SELECT subscription_plan_uuid, day, days_assigned FROM seat_activation
        GROUP BY subscription_plan_uuid, day, days_assigned HAVING count(*) >= $1
        ORDER BY subscription_plan_uuid, day, days_assigned LIMIT $2
    ), taken AS (
        DELETE FROM seat_activation USING crowded
        WHERE seat_activation.subscription_plan_uuid = crowded.subscription_plan_uuid
            AND seat_activation.day = crowded.day AND seat_activation.days_assigned = crowded.days_assigned
        RETURNING seat_activation.*
    )
    INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
    SELECT subscription_plan_uuid, day, days_assigned, sum(number)
    FROM taken GROUP BY subscription_plan_uuid, day, days_assigned";

impl PostgresUnit<'_> {
    pub(crate) fn fold_seat_counts(&mut self, limit: i64) -> Result<usize, Error> {
        let lock = diesel::select(
            diesel::dsl::sql::<Bool>("pg_try_advisory_xact_lock(").bind::<BigInt, _>(FOLD_LOCK).sql(")"),
        );
        if !self.read(|connection| prepared(lock).get_result(connection))? {
            return Ok(0);
        }
        let mut folded = 0;
        for statement in [FOLD_CHANGES, FOLD_ACTIVATIONS] {
            let statement = prepared_sql(statement).bind::<BigInt, _>(CROWDED).bind::<BigInt, _>(limit.max(0));
            folded = folded.max(self.write(|connection| statement.execute(connection))?);
        }
        Ok(folded)
    }
}
