//! Erases the holders of old licenses.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Text};
use license_manager_domain::ports::{DeletedLicense, Purge, PurgeRepository};
use license_manager_domain::{Email, Error, License, LicenseId};
use uuid::Uuid;

use super::retirement::{MESSAGES_OF_LICENSES, delivery_names, messages_of_people};
use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::licenses::{DeletedRow, EmailRow, LicenseRow, licenses};
use crate::rows::shared::{IdRow, following};
use crate::schema::LICENSE;
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The licenses that are due at `$1`.
fn due(purge: Purge) -> String {
    let (condition, since) = match purge {
        Purge::PlanExpired => ("license.status <> 'unassigned'", "plan.expiration_date"),
        Purge::Revoked => ("license.status = 'revoked' AND NOT plan.for_internal_use_only", "license.revoked_date"),
        Purge::NeverActivated => {
            ("license.status = 'assigned' AND NOT plan.for_internal_use_only", "license.assigned_date")
        }
    };
    format!(
        "SELECT {} FROM license
         JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
         JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
         WHERE {condition}
             AND license.user_email IS NOT NULL
             AND {since} < $1 - make_interval(secs => agreement.license_duration_before_purge_seconds)",
        LICENSE.columns_of("license")
    )
}

/// The condition of the index `license_revoked`.
const REVOKED_WITH_HOLDER: &str = "license.status = 'revoked' AND (license.user_email IS NOT NULL) IS TRUE";

/// Up to `$2` licenses that are due at `$1`, locked. It reads the plans, and of their licenses only those that are due:
/// each subquery has the order of an index that begins with the plan and the state. Without it, Postgres may read the
/// table from its beginning for each batch.
fn locked_when_due(purge: Purge) -> String {
    let end = "$1 - make_interval(secs => agreement.license_duration_before_purge_seconds)";
    let not_internal = "NOT plan.for_internal_use_only".to_owned();
    let (states, of_plan, of_license, order) = match purge {
        Purge::PlanExpired => (
            "CROSS JOIN unnest(ARRAY['activated', 'assigned', 'revoked']) AS state (name)",
            format!("plan.expiration_date < {end}"),
            "license.status = state.name".to_owned(),
            "license.user_email NULLS FIRST, license.uuid",
        ),
        Purge::Revoked => {
            let since = format!("{REVOKED_WITH_HOLDER} AND license.revoked_date < {end}");
            ("", not_internal, since, "license.revoked_date")
        }
        Purge::NeverActivated => {
            let since = format!("license.status = 'assigned' AND license.assigned_date < {end}");
            ("", not_internal, since, "license.assigned_date")
        }
    };
    // The result as a whole has no order: a statement that skips locked rows does not wait, so it cannot deadlock.
    format!(
        "SELECT {} FROM subscription_plan AS plan
         JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
         {states}
         CROSS JOIN LATERAL (
             SELECT * FROM license
             WHERE license.subscription_plan_uuid = plan.uuid AND {of_license} AND license.user_email IS NOT NULL
             ORDER BY {order} LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
         ) AS license
         WHERE {of_plan}
         LIMIT $2",
        LICENSE.columns_of("license")
    )
}

/// The deleted licenses whose history is due at `$1`. The first conditions are those of the index
/// `license_history_of_deleted`.
const DELETED: &str = "
    FROM license_history AS deleted
    JOIN subscription_plan AS plan ON plan.uuid = deleted.subscription_plan_uuid
    JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
    WHERE deleted.history_type = '-'
        AND (deleted.modified > deleted.created
             OR num_nonnulls(deleted.user_email, deleted.lms_user_id, deleted.activation_key) > 0)
        AND deleted.history_date < $1 - make_interval(secs => agreement.license_duration_before_purge_seconds)
        AND (NOT plan.for_internal_use_only
             OR plan.expiration_date < $1 - make_interval(secs => agreement.license_duration_before_purge_seconds))
        AND (SELECT max(told.history_id) = deleted.history_id
                    AND count(told.user_email) > 0
             FROM license_history AS told WHERE told.uuid = deleted.uuid)";

impl PurgeRepository for PostgresUnit<'_> {
    fn lock_due(&mut self, purge: Purge, now: DateTime<Utc>, limit: i64) -> Result<Vec<License>, Error> {
        let query = prepared_sql(locked_when_due(purge)).bind::<SqlTimestamp, _>(now).bind::<BigInt, _>(limit.max(0));
        let mut due = licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)?;
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
        let query = prepared_sql(format!("{} AND license.uuid > $3 ORDER BY license.uuid LIMIT $2", due(purge)))
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
        let query = prepared_sql(format!(
            "SELECT deleted.uuid, deleted.user_email {DELETED} AND deleted.uuid > $3
             ORDER BY deleted.uuid LIMIT $2 FOR NO KEY UPDATE OF deleted SKIP LOCKED"
        ))
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit.max(0))
        .bind::<SqlUuid, _>(following(after));
        let mut due = self.write(|connection| query.load::<DeletedRow>(connection))?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        // Another transaction may have erased some of them just now: the statement above saw the history as it was
        // before.
        let query =
            prepared_sql("SELECT DISTINCT uuid FROM license_history WHERE uuid = ANY ($1) AND user_email IS NOT NULL")
                .bind::<Array<SqlUuid>, _>(due.iter().map(|row| row.uuid).collect::<Vec<_>>());
        let rows = self.write(|connection| query.load::<IdRow>(connection))?;
        let known: HashSet<Uuid> = rows.into_iter().map(|row| row.uuid).collect();
        due.retain(|row| known.contains(&row.uuid));
        due.sort_unstable_by_key(|row| row.uuid);
        Ok(due.into_iter().map(DeletedLicense::from).collect())
    }

    fn deleted_after(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error> {
        let query = prepared_sql(format!(
            "SELECT deleted.uuid, deleted.user_email {DELETED} AND deleted.uuid > $3 ORDER BY deleted.uuid LIMIT $2"
        ))
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit.max(0))
        .bind::<SqlUuid, _>(following(after));
        self.list::<DeletedRow, _>(query)
    }

    fn addresses_in_use(&mut self, emails: &[Email]) -> Result<Vec<Email>, Error> {
        let query = prepared_sql(
            "SELECT email FROM unnest($1) AS input (email)
             WHERE EXISTS (SELECT FROM license WHERE license.user_email = input.email)",
        )
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_str).collect::<Vec<_>>());
        let rows = self.read(|connection| query.load::<EmailRow>(connection))?;
        Ok(rows.into_iter().map(|row| Email::from_storage(row.email)).collect())
    }

    fn erase_traces(&mut self, licenses: &[LicenseId], gone: &[Email]) -> Result<(), Error> {
        let ids: Vec<Uuid> = licenses.iter().map(|license| license.0).collect();
        // Before the history: it tells which licenses had the addresses.
        self.erase_told(&ids, gone)?;
        let history = prepared_sql(
            "UPDATE license_history AS told SET
                 user_email = NULL,
                 lms_user_id = CASE WHEN told.lms_user_id = newest.lms_user_id THEN told.lms_user_id END,
                 activation_key = CASE WHEN told.activation_key = newest.activation_key THEN told.activation_key END
             FROM (
                 SELECT DISTINCT ON (uuid) uuid, lms_user_id, activation_key
                 FROM unnest($1) AS input (license) JOIN license_history ON license_history.uuid = input.license
                 ORDER BY uuid, history_id DESC
             ) AS newest
             WHERE told.uuid = newest.uuid
                 AND num_nonnulls(told.user_email, told.lms_user_id, told.activation_key) > 0",
        )
        .bind::<Array<SqlUuid>, _>(&ids);
        self.write(|connection| history.execute(connection))?;
        let sources = prepared_sql(
            "WITH erased AS (DELETE FROM license_source WHERE license_uuid = ANY ($1))
             DELETE FROM license_source_history WHERE license_uuid = ANY ($1)",
        )
        .bind::<Array<SqlUuid>, _>(&ids);
        self.write(|connection| sources.execute(connection))?;
        Ok(())
    }
}

impl PostgresUnit<'_> {
    /// Deletes the messages and the webhook deliveries about these licenses, and those that name people who are gone.
    fn erase_told(&mut self, licenses: &[Uuid], gone: &[Email]) -> Result<(), Error> {
        // These are planned for their values each time. Postgres looks up messages in a list of ids or addresses only if it
        // knows the list when it plans; otherwise it would compare each message with each of them.
        let about_licenses = sql_query(format!(
            "WITH told AS (DELETE FROM webhook_delivery WHERE license_uuid = ANY ($1))
             DELETE FROM outbox WHERE uuid = ANY (ARRAY({MESSAGES_OF_LICENSES}))"
        ))
        .bind::<Array<SqlUuid>, _>(licenses);
        self.write(|connection| about_licenses.execute(connection))?;
        if gone.is_empty() {
            return Ok(());
        }
        let forms = Email::all_stored_forms(gone);
        let about_people = sql_query(format!(
            "WITH told AS (DELETE FROM webhook_delivery WHERE {})
             DELETE FROM outbox WHERE uuid = ANY (ARRAY({}))",
            delivery_names("$1"),
            messages_of_people("$1", "$2")
        ))
        .bind::<Array<Text>, _>(gone.iter().map(Email::as_str).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(forms.iter().map(Email::as_str).collect::<Vec<_>>());
        self.write(|connection| about_people.execute(connection))?;
        Ok(())
    }
}
