//! Adds up the counts of seats. Triggers keep one row for each plan and day.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use license_manager_domain::Error;

use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;

/// Puts the rows of a plan into its total, but for its newest day: that row changes with every license, and would change
/// the total with it. The triggers do the rest.
const FOLD_CHANGES: &str = "
    UPDATE seat_change SET in_total = 1
    FROM (SELECT subscription_plan_uuid, day FROM seat_change AS counted INDEXED BY seat_change_not_in_total
          WHERE NOT in_total AND EXISTS (
              SELECT 1 FROM seat_change AS later
              WHERE later.subscription_plan_uuid = counted.subscription_plan_uuid AND later.day > counted.day)
          LIMIT $1) AS earlier
    WHERE seat_change.subscription_plan_uuid = earlier.subscription_plan_uuid AND seat_change.day = earlier.day";

impl SqliteUnit<'_> {
    /// Of recent days, nothing is left to add up: each plan has one row for each.
    pub(crate) fn fold_seat_counts(&mut self, since: Option<NaiveDate>, limit: i64) -> Result<usize, Error> {
        if since.is_some() {
            return Ok(0);
        }
        let statement = prepared_sql(FOLD_CHANGES).bind::<BigInt, _>(limit.max(0));
        self.write(|connection| statement.execute(connection))
    }
}
