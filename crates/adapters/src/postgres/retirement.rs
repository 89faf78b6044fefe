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
        let statement = prepared_sql(
            "WITH told AS (
                 DELETE FROM webhook_delivery
                 WHERE license_uuid = ANY ($1)
                    OR EXISTS (SELECT FROM unnest($2) AS named (email) WHERE strpos(payload, named.email) > 0))
             DELETE FROM outbox
             WHERE license_uuid = ANY ($1)
                OR (license_uuid IS NOT NULL OR topic = $3)
                   AND EXISTS (SELECT FROM unnest($2) AS named (email) WHERE strpos(payload, named.email) > 0)",
        )
        .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)))
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_json).collect::<Vec<_>>())
        .bind::<Text, _>(Topic::LicenseEvent.as_str());
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_requester(&mut self, lms_user_id: LmsUserId) -> Result<(), Error> {
        let statement = prepared_sql(
            "WITH asked AS (UPDATE bulk_enrollment_job SET lms_user_id = NULL WHERE lms_user_id = $1)
             DELETE FROM outbox WHERE topic = $2 AND payload::jsonb ->> 'lms_user_id' = $1::text",
        )
        .bind::<BigInt, _>(lms_user_id.0)
        .bind::<Text, _>(Topic::EnrollmentResultsMail.as_str());
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
