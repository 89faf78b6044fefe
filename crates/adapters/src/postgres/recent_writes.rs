//! Users who wrote recently. Their lists are read from the primary, because a replica may not have their writes yet
//! (ADR 29).

use std::time::Duration;

use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{QueryableByName, RunQueryDsl};
use license_manager_domain::Error;

use super::store::PostgresStore;
use crate::prepared::prepared_sql;

// A note holds for a second longer, so that a user who writes all the time writes one note each second.
const NOTE: &str = "
    INSERT INTO recent_write (user_hash, until)
    VALUES (sha256(convert_to($1, 'UTF8')), clock_timestamp() + ($2 + 1) * interval '1 second')
    ON CONFLICT (user_hash) DO UPDATE SET until = excluded.until
    WHERE recent_write.until < clock_timestamp() + $2 * interval '1 second'";

const IS_NOTED: &str = "
    SELECT EXISTS (SELECT 1 FROM recent_write
                   WHERE user_hash = sha256(convert_to($1, 'UTF8')) AND until > clock_timestamp()) AS is_noted";

const REMOVE: &str = "
    DELETE FROM recent_write WHERE user_hash IN (
        SELECT user_hash FROM recent_write WHERE until < clock_timestamp() - interval '1 hour'
        ORDER BY user_hash FOR UPDATE SKIP LOCKED
    )";

#[derive(QueryableByName)]
struct NotedRow {
    #[diesel(sql_type = Bool)]
    is_noted: bool,
}

impl PostgresStore {
    /// Notes that the user wrote, once the write is committed: for so long a replica may lack it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database cannot be reached.
    pub fn note_write(&self, username: &str, max_lag: Duration) -> Result<(), Error> {
        let seconds = i64::try_from(max_lag.as_secs()).unwrap_or(i64::MAX);
        let note = prepared_sql(NOTE).bind::<Text, _>(username).bind::<BigInt, _>(seconds);
        self.on_connection(|connection| note.execute(connection)).map(drop)
    }

    /// Whether a replica may lack what the user wrote.
    ///
    /// # Errors
    /// As [`PostgresStore::note_write`].
    pub fn has_written(&self, username: &str) -> Result<bool, Error> {
        let query = prepared_sql(IS_NOTED).bind::<Text, _>(username);
        let rows: Vec<NotedRow> = self.on_connection(|connection| query.load(connection))?;
        Ok(rows.first().is_some_and(|row| row.is_noted))
    }

    /// Removes notes that no longer matter.
    pub(super) fn remove_old_notes(&self) -> Result<(), Error> {
        self.on_connection(|connection| prepared_sql(REMOVE).execute(connection)).map(drop)
    }
}
