//! Erases the holders of old licenses.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::ports::{DeletedLicense, Purge, PurgeRepository};
use license_manager_domain::{Email, Error, License, LicenseId};

use super::json::json;
use super::retirement::{MESSAGES_OF_LICENSES, deliveries_of_people, messages_of_people};
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::licenses::{DeletedRow, EmailRow, LicenseRow, licenses};
use crate::rows::shared::following;
use crate::schema::LICENSE;
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The licenses that are due at `?1`.
fn due(purge: Purge) -> String {
    let (condition, since) = match purge {
        Purge::PlanExpired => ("license.status IN ('activated', 'assigned', 'revoked')", "plan.expiration_date"),
        // The first conditions are those of the index license_revoked.
        Purge::Revoked => (
            "license.status = 'revoked' AND (license.user_email IS NOT NULL) IS TRUE AND NOT plan.for_internal_use_only",
            "license.revoked_date",
        ),
        Purge::NeverActivated => {
            ("license.status = 'assigned' AND NOT plan.for_internal_use_only", "license.assigned_date")
        }
    };
    format!(
        "SELECT {} FROM subscription_plan AS plan
         CROSS JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
         CROSS JOIN license ON license.subscription_plan_uuid = plan.uuid
         WHERE {condition}
             AND license.user_email IS NOT NULL
             AND {since} < ?1 - agreement.license_duration_before_purge_seconds * 1000000",
        LICENSE.columns_of("license")
    )
}

/// The deleted licenses whose history is due at `?1`. The first conditions are those of the index.
const DELETED: &str = "
    SELECT deleted.uuid, deleted.user_email
    FROM license_history AS deleted INDEXED BY license_history_of_deleted
    CROSS JOIN subscription_plan AS plan ON plan.uuid = deleted.subscription_plan_uuid
    CROSS JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
    WHERE deleted.history_type = '-'
        AND (deleted.modified > deleted.created
             OR coalesce(deleted.user_email, deleted.lms_user_id, deleted.activation_key) IS NOT NULL)
        AND deleted.history_date < ?1 - agreement.license_duration_before_purge_seconds * 1000000
        AND (NOT plan.for_internal_use_only
             OR plan.expiration_date < ?1 - agreement.license_duration_before_purge_seconds * 1000000)
        AND (SELECT max(told.history_id) = deleted.history_id
                    AND count(told.user_email) > 0
             FROM license_history AS told WHERE told.uuid = deleted.uuid)";

impl PurgeRepository for SqliteUnit<'_> {
    // Only one unit of work writes at a time, so no row is locked by another.
    fn lock_due(&mut self, purge: Purge, now: DateTime<Utc>, limit: i64) -> Result<Vec<License>, Error> {
        let query = prepared_sql(format!("{} LIMIT ?2", due(purge)))
            .bind::<SqlTimestamp, _>(now)
            .bind::<BigInt, _>(limit.max(0));
        let rows = self.write(|connection| query.load::<LicenseRow>(connection))?;
        let mut due = licenses(rows)?;
        due.sort_unstable_by_key(|license| license.id);
        Ok(due)
    }

    fn due_after(
        &mut self,
        purge: Purge,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let query = prepared_sql(format!("{} AND license.uuid > ?3 ORDER BY license.uuid LIMIT ?2", due(purge)))
            .bind::<SqlTimestamp, _>(now)
            .bind::<BigInt, _>(limit.max(0))
            .bind::<SqlUuid, _>(following(after));
        self.list::<LicenseRow, _>(query)
    }

    fn lock_deleted(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error> {
        self.require_write()?;
        self.deleted_after(now, after, limit)
    }

    fn deleted_after(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error> {
        let query = prepared_sql(format!("{DELETED} AND deleted.uuid > ?3 ORDER BY deleted.uuid LIMIT ?2"))
            .bind::<SqlTimestamp, _>(now)
            .bind::<BigInt, _>(limit.max(0))
            .bind::<SqlUuid, _>(following(after));
        self.list::<DeletedRow, _>(query)
    }

    fn addresses_in_use(&mut self, emails: &[Email]) -> Result<Vec<Email>, Error> {
        let query = prepared_sql(
            "SELECT value AS email FROM json_each(?1) AS input
             WHERE EXISTS (SELECT 1 FROM license WHERE license.user_email = input.value)",
        )
        .bind::<Text, _>(json(emails)?);
        let rows = self.read(|connection| query.load::<EmailRow>(connection))?;
        Ok(rows.into_iter().map(|row| Email::from_storage(row.email)).collect())
    }

    fn erase_traces(&mut self, licenses: &[LicenseId], gone: &[Email]) -> Result<(), Error> {
        // Before the history: it tells which licenses had the addresses.
        self.erase_told_of(gone)?;
        let keys = json(licenses)?;
        let messages = format!("DELETE FROM outbox WHERE uuid IN ({MESSAGES_OF_LICENSES})");
        for statement in [
            // With max(), SQLite takes the other columns from the row that has the maximum.
            "UPDATE license_history AS told SET
                 user_email = NULL,
                 lms_user_id = iif(told.lms_user_id = newest.lms_user_id, told.lms_user_id, NULL),
                 activation_key = iif(told.activation_key = newest.activation_key, told.activation_key, NULL)
             FROM (
                 SELECT uuid, lms_user_id, activation_key, max(history_id) FROM license_history
                 WHERE uuid IN (SELECT value FROM json_each(?1)) GROUP BY uuid
             ) AS newest
             WHERE told.uuid = newest.uuid
                 AND coalesce(told.user_email, told.lms_user_id, told.activation_key) IS NOT NULL",
            "DELETE FROM license_source WHERE license_uuid IN (SELECT value FROM json_each(?1))",
            "DELETE FROM license_source_history WHERE license_uuid IN (SELECT value FROM json_each(?1))",
            messages.as_str(),
            "DELETE FROM webhook_delivery WHERE license_uuid IN (SELECT value FROM json_each(?1))",
        ] {
            self.write(|connection| prepared_sql(statement).bind::<Text, _>(&keys).execute(connection))?;
        }
        Ok(())
    }
}

impl SqliteUnit<'_> {
    /// Deletes the messages and the webhook deliveries that name people who are gone.
    fn erase_told_of(&mut self, gone: &[Email]) -> Result<(), Error> {
        if gone.is_empty() {
            return Ok(());
        }
        let addresses = json(gone)?;
        let messages = prepared_sql(format!("DELETE FROM outbox WHERE uuid IN ({})", messages_of_people("?1", "?2")))
            .bind::<Text, _>(&addresses)
            .bind::<Text, _>(json(Email::all_stored_forms(gone))?);
        self.write(|connection| messages.execute(connection))?;
        let deliveries =
            prepared_sql(format!("DELETE FROM webhook_delivery WHERE position IN ({})", deliveries_of_people("?1")))
                .bind::<Text, _>(&addresses);
        self.write(|connection| deliveries.execute(connection))?;
        Ok(())
    }
}
