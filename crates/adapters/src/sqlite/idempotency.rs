//! Removes old idempotency keys. The repository is in [`crate::rows::idempotency`].

use chrono::{DateTime, Utc};
use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;
use license_manager_domain::Error;

use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::sql_types::SqlTimestamp;

impl SqliteUnit<'_> {
    /// Removes the oldest keys that were created until then.
    pub(crate) fn remove_expired_keys(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        let statement = prepared_sql(
            "DELETE FROM idempotency_key WHERE rowid IN
                 (SELECT rowid FROM idempotency_key WHERE created <= ?1 ORDER BY created LIMIT ?2)",
        )
        .bind::<SqlTimestamp, _>(expired)
        .bind::<BigInt, _>(limit.max(0));
        self.write(|connection| statement.execute(connection))
    }
}
