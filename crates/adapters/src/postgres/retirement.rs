//! Erases people.

use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::{DeletedLicense, Retiree, RetirementRepository};
use license_manager_domain::{Email, Error, License, LicenseId, LmsUserId};

use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::licenses::{DeletedRow, LicenseRow, licenses};
use crate::rows::shared::sorted_uuids;
use crate::rows::users::erasure;
use crate::schema::license;
use crate::sql_types::SqlUuid;

/// The ids of the messages about the licenses `$1`: those that wait, and dead letters. Each part has the condition of an
/// index. A message that changes from one to the other meanwhile is deleted too, because it is deleted by its id.
pub(super) const MESSAGES_OF_LICENSES: &str = "
    SELECT uuid FROM outbox WHERE license_uuid = ANY ($1) AND parked_at IS NULL
    UNION ALL
    SELECT uuid FROM outbox WHERE license_uuid = ANY ($1) AND parked_at IS NOT NULL";

/// The condition on messages that name one person. Messages about no license stay, unless they are events. The first
/// line is in the condition of the index `outbox_of_address`.
const NAMES_PERSON: &str = "topic IN ('license_event', 'assignment', 'reminder', 'activation', 'auto_applied')
    AND (license_uuid IS NOT NULL OR topic = 'license_event')";

/// The address in a message, in the words of the index `outbox_of_address`.
const ADDRESS_OF_MESSAGE: &str =
    "coalesce(payload::jsonb ->> 'email', payload::jsonb #>> '{properties,assigned_email}')";

/// The ids of the messages that name somebody by one of the addresses `emails`. `forms` are all forms of these
/// addresses: both are parameters.
///
/// The first part is in the index `outbox_of_address`: dead letters, and events about no license. The others wait, and
/// are about a license that had the address when they were written. The history tells which licenses had one. Each
/// address and each of these licenses is looked up: OFFSET 0 keeps the planner from reading all versions and messages.
pub(super) fn messages_of_people(emails: &str, forms: &str) -> String {
    format!(
        "SELECT uuid FROM outbox
         WHERE {NAMES_PERSON} AND (parked_at IS NOT NULL OR license_uuid IS NULL)
             AND {ADDRESS_OF_MESSAGE} = ANY ({emails})
         UNION ALL
         SELECT message.uuid
         FROM (
             SELECT DISTINCT version.uuid
             FROM unnest({forms}) AS former (email)
             CROSS JOIN LATERAL (SELECT uuid FROM license_history WHERE user_email = former.email OFFSET 0) AS version
         ) AS held
         CROSS JOIN LATERAL (
             SELECT outbox.uuid FROM outbox
             WHERE outbox.license_uuid = held.uuid AND parked_at IS NULL
                 AND {NAMES_PERSON} AND {ADDRESS_OF_MESSAGE} = ANY ({emails})
             OFFSET 0) AS message"
    )
}

/// The condition on webhook deliveries that name somebody by one of the addresses `emails`, a parameter. Each part is
/// in the words of an index: `webhook_delivery_of_address` has those that wait, and `webhook_delivery_of_person` the
/// others.
pub(super) fn delivery_names(emails: &str) -> String {
    let address = "payload::jsonb #>> '{properties,assigned_email}'";
    format!(
        "(nullif({address}, '') = ANY ({emails}) AND state NOT IN ('delivered', 'parked')
          OR ({address}) = ANY ({emails}) AND state IN ('delivered', 'parked'))"
    )
}

impl RetirementRepository for PostgresUnit<'_> {
    fn lock_licenses(&mut self, person: &Retiree) -> Result<Vec<License>, Error> {
        let emails: Vec<&str> = person.emails.iter().map(Email::as_str).collect();
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::lms_user_id.eq(person.lms_user_id.map(|id| id.0)).or(license::user_email.eq_any(emails)))
            .order(license::uuid)
            .for_no_key_update();
        licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)
    }

    fn deleted_licenses(&mut self, person: &Retiree) -> Result<Vec<DeletedLicense>, Error> {
        let query = prepared_sql(
            "SELECT uuid, user_email FROM license_history
             WHERE history_type = '-' AND (lms_user_id = $1 OR user_email = ANY ($2))",
        )
        .bind::<Nullable<BigInt>, _>(person.lms_user_id.map(|id| id.0))
        .bind::<Array<Text>, _>(person.emails.iter().map(Email::as_str).collect::<Vec<_>>());
        let rows = self.write(|connection| query.load::<DeletedRow>(connection))?;
        Ok(rows.into_iter().map(DeletedLicense::from).collect())
    }

    fn erase_history(&mut self, licenses: &[LicenseId], person: &Retiree, emails: &[Email]) -> Result<(), Error> {
        let statement = prepared_sql(
            "WITH newest AS (
                 SELECT DISTINCT ON (uuid) uuid, activation_key
                 FROM license_history WHERE uuid = ANY ($1) ORDER BY uuid, history_id DESC)
             UPDATE license_history AS told SET
                 user_email = NULL,
                 lms_user_id = NULL,
                 activation_key = (
                     SELECT activation_key FROM newest
                     WHERE newest.uuid = told.uuid AND newest.activation_key = told.activation_key),
                 history_user = nullif(history_user, $4)
             WHERE uuid = ANY ($1) OR lms_user_id = $2 OR user_email = ANY ($3)",
        )
        .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)))
        .bind::<Nullable<BigInt>, _>(person.lms_user_id.map(|id| id.0))
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_str).collect::<Vec<_>>())
        .bind::<Nullable<Text>, _>(person.username.as_deref());
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_sources(&mut self, licenses: &[LicenseId]) -> Result<(), Error> {
        let statement = prepared_sql(
            "WITH erased AS (DELETE FROM license_source WHERE license_uuid = ANY ($1))
             DELETE FROM license_source_history WHERE license_uuid = ANY ($1)",
        )
        .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)));
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_messages(&mut self, licenses: &[LicenseId], emails: &[Email]) -> Result<(), Error> {
        let forms = Email::all_stored_forms(emails);
        // Messages of the embedding program may name the person anywhere.
        let statement = prepared_sql(format!(
            "WITH told AS (DELETE FROM webhook_delivery WHERE license_uuid = ANY ($1) OR {})
             DELETE FROM outbox WHERE uuid = ANY (ARRAY({MESSAGES_OF_LICENSES}
                 UNION ALL
                 {}
                 UNION ALL
                 SELECT uuid FROM outbox
                 WHERE topic = '{}' AND license_uuid IS NOT NULL
                     AND EXISTS (SELECT FROM unnest($3) AS named (email) WHERE strpos(payload, named.email) > 0)))",
            delivery_names("$2"),
            messages_of_people("$2", "$4"),
            Topic::Custom.as_str()
        ))
        .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)))
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_str).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_json).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(forms.iter().map(Email::as_str).collect::<Vec<_>>());
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_requester(&mut self, lms_user_id: LmsUserId) -> Result<(), Error> {
        // The topic is that of the index outbox_of_results.
        let statement = prepared_sql(format!(
            "WITH asked AS (UPDATE bulk_enrollment_job SET lms_user_id = NULL WHERE lms_user_id = $1)
             DELETE FROM outbox WHERE topic = '{}' AND payload::jsonb ->> 'lms_user_id' = $1::text",
            Topic::EnrollmentResultsMail.as_str()
        ))
        .bind::<BigInt, _>(lms_user_id.0);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_user(&mut self, username: &str) -> Result<bool, Error> {
        let mut erased = 0;
        for statement in erasure(username) {
            erased = self.write(|connection| ExecuteDsl::execute(statement, connection))?;
        }
        Ok(erased > 0)
    }
}
