//! Erases people.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::{DeletedLicense, Retiree, RetirementRepository};
use license_manager_domain::{Email, Error, License, LicenseId, LmsUserId};

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::{prepared, prepared_sql};
use crate::rows::licenses::{DeletedRow, LicenseRow, licenses};
use crate::rows::users::erasure;
use crate::schema::license;

impl RetirementRepository for SqliteUnit<'_> {
    fn lock_licenses(&mut self, person: &Retiree) -> Result<Vec<License>, Error> {
        let has_address = sql::<Nullable<Bool>>("user_email IN (SELECT value FROM json_each(")
            .bind::<Text, _>(json(&person.emails)?)
            .sql("))");
        let query = license::table
            .filter(license::lms_user_id.eq(person.lms_user_id.map(|id| id.0)).or(has_address))
            .order(license::uuid)
            .select(LicenseRow::as_select());
        licenses(self.write(|connection| prepared(query).load::<LicenseRow>(connection))?)
    }

    fn deleted_licenses(&mut self, person: &Retiree) -> Result<Vec<DeletedLicense>, Error> {
        let query = prepared_sql(
            "SELECT uuid, user_email FROM license_history
             WHERE history_type = '-' AND (lms_user_id = ?1 OR user_email IN (SELECT value FROM json_each(?2)))",
        )
        .bind::<Nullable<BigInt>, _>(person.lms_user_id.map(|id| id.0))
        .bind::<Text, _>(json(&person.emails)?);
        let rows = self.write(|connection| query.load::<DeletedRow>(connection))?;
        Ok(rows.into_iter().map(DeletedLicense::from).collect())
    }

    fn erase_history(&mut self, licenses: &[LicenseId], person: &Retiree, emails: &[Email]) -> Result<(), Error> {
        let statement = prepared_sql(
            // With max(), SQLite takes the other columns from the row that has the maximum.
            "WITH newest AS (
                 SELECT uuid, activation_key, max(history_id) FROM license_history
                 WHERE uuid IN (SELECT value FROM json_each(?1)) GROUP BY uuid)
             UPDATE license_history AS told SET
                 user_email = NULL,
                 lms_user_id = NULL,
                 activation_key = (
                     SELECT activation_key FROM newest
                     WHERE newest.uuid = told.uuid AND newest.activation_key = told.activation_key),
                 history_user = nullif(history_user, ?4)
             WHERE uuid IN (SELECT value FROM json_each(?1)) OR lms_user_id = ?2
                OR user_email IN (SELECT value FROM json_each(?3))",
        )
        .bind::<Text, _>(json(licenses)?)
        .bind::<Nullable<BigInt>, _>(person.lms_user_id.map(|id| id.0))
        .bind::<Text, _>(json(emails)?)
        .bind::<Nullable<Text>, _>(person.username.as_deref());
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_sources(&mut self, licenses: &[LicenseId]) -> Result<(), Error> {
        let keys = json(licenses)?;
        for table in ["license_source", "license_source_history"] {
            let statement =
                prepared_sql(format!("DELETE FROM {table} WHERE license_uuid IN (SELECT value FROM json_each(?1))"))
                    .bind::<Text, _>(&keys);
            self.write(|connection| statement.execute(connection))?;
        }
        Ok(())
    }

    fn erase_messages(&mut self, licenses: &[LicenseId], emails: &[Email]) -> Result<(), Error> {
        let named: Vec<String> = emails.iter().map(Email::as_json).collect();
        let named = json(named)?;
        let licenses = json(licenses)?;
        let statement = prepared_sql(
            "DELETE FROM outbox
             WHERE license_uuid IN (SELECT value FROM json_each(?1))
                OR (license_uuid IS NOT NULL OR topic = ?3)
                   AND EXISTS (SELECT 1 FROM json_each(?2) AS named WHERE instr(outbox.payload, named.value) > 0)",
        )
        .bind::<Text, _>(&licenses)
        .bind::<Text, _>(&named)
        .bind::<Text, _>(Topic::LicenseEvent.as_str());
        self.write(|connection| statement.execute(connection))?;
        let statement = prepared_sql(
            "DELETE FROM webhook_delivery
             WHERE license_uuid IN (SELECT value FROM json_each(?1))
                OR EXISTS (SELECT 1 FROM json_each(?2) AS named WHERE instr(payload, named.value) > 0)",
        )
        .bind::<Text, _>(&licenses)
        .bind::<Text, _>(&named);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_requester(&mut self, lms_user_id: LmsUserId) -> Result<(), Error> {
        let statement = prepared_sql("UPDATE bulk_enrollment_job SET lms_user_id = NULL WHERE lms_user_id = ?1")
            .bind::<BigInt, _>(lms_user_id.0);
        self.write(|connection| statement.execute(connection))?;
        let statement = prepared_sql("DELETE FROM outbox WHERE topic = ?2 AND payload ->> 'lms_user_id' = ?1")
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
