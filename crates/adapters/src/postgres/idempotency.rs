//! Removes old idempotency keys. The repository is in [`crate::rows::idempotency`].

use chrono::{DateTime, Utc};
use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;
use license_manager_domain::Error;

use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::sql_types::SqlTimestamp;

impl PostgresUnit<'_> {
    /// Removes the oldest keys that were created until then.
    pub(crate) fn remove_expired_keys(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        // Several servers may do this at the same time, each with other rows.
        let statement = prepared_sql(
            "DELETE FROM idempotency_key WHERE (username, key, operation) IN
                 (SELECT username, key, operation FROM idempotency_key WHERE created <= $1
                  ORDER BY created LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind::<SqlTimestamp, _>(expired)
        .bind::<BigInt, _>(limit.max(0));
        self.write(|connection| statement.execute(connection))
    }
}
