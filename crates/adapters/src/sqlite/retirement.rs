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

/// The ids of the messages about the licenses `?1`: those that wait, and dead letters. Each part has the condition of an
/// index.
pub(super) const MESSAGES_OF_LICENSES: &str = "
    SELECT uuid FROM outbox WHERE license_uuid IN (SELECT value FROM json_each(?1)) AND parked_at IS NULL
    UNION ALL
    SELECT uuid FROM outbox WHERE license_uuid IN (SELECT value FROM json_each(?1)) AND parked_at IS NOT NULL";

/// The condition on messages that name one person. Messages about no license stay, unless they are events. The first
/// line is in the condition of the index `outbox_of_address`.
const NAMES_PERSON: &str = "topic IN ('license_event', 'assignment', 'reminder', 'activation', 'auto_applied')
    AND (license_uuid IS NOT NULL OR topic = 'license_event')";

/// The address in a message, in the words of the index `outbox_of_address`.
const ADDRESS_OF_MESSAGE: &str = "coalesce(payload ->> 'email', payload ->> '$.properties.assigned_email')";

/// The ids of the messages that name somebody by one of the addresses `emails`. `forms` are all forms of these
/// addresses: both are parameters.
///
/// The first part is in the index `outbox_of_address`: dead letters, and events about no license. The others wait, and
/// are about a license that had the address when they were written. The history tells which licenses had one.
pub(super) fn messages_of_people(emails: &str, forms: &str) -> String {
    format!(
        "SELECT uuid FROM outbox
         WHERE {NAMES_PERSON} AND (parked_at IS NOT NULL OR license_uuid IS NULL)
             AND {ADDRESS_OF_MESSAGE} IN (SELECT value FROM json_each({emails}))
         UNION ALL
         SELECT uuid FROM outbox
         WHERE license_uuid IN (
                 SELECT uuid FROM license_history WHERE user_email IN (SELECT value FROM json_each({forms})))
             AND parked_at IS NULL
             AND {NAMES_PERSON} AND {ADDRESS_OF_MESSAGE} IN (SELECT value FROM json_each({emails}))"
    )
}

/// The positions of the webhook deliveries that name somebody by one of the addresses `emails`, a parameter. Each part
/// is in the words of an index: `webhook_delivery_of_address` has those that wait, and `webhook_delivery_of_person` the
/// others.
pub(super) fn deliveries_of_people(emails: &str) -> String {
    let address = "payload ->> '$.properties.assigned_email'";
    format!(
        "SELECT position FROM webhook_delivery
         WHERE nullif({address}, '') IN (SELECT value FROM json_each({emails})) AND state = 'waiting'
         UNION ALL
         SELECT position FROM webhook_delivery
         WHERE {address} IN (SELECT value FROM json_each({emails})) AND state IN ('delivered', 'parked')"
    )
}

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
        let (licenses, addresses, named) = (json(licenses)?, json(emails)?, json(named)?);
        let forms = json(Email::all_stored_forms(emails))?;
        // Messages of the embedding program may name the person anywhere.
        let statement = prepared_sql(format!(
            "DELETE FROM outbox WHERE uuid IN ({MESSAGES_OF_LICENSES}
                 UNION ALL
                 {}
                 UNION ALL
                 SELECT uuid FROM outbox
                 WHERE topic = '{}' AND license_uuid IS NOT NULL
                     AND EXISTS (SELECT 1 FROM json_each(?3) AS named WHERE instr(outbox.payload, named.value) > 0))",
            messages_of_people("?2", "?4"),
            Topic::Custom.as_str()
        ))
        .bind::<Text, _>(&licenses)
        .bind::<Text, _>(&addresses)
        .bind::<Text, _>(&named)
        .bind::<Text, _>(&forms);
        self.write(|connection| statement.execute(connection))?;
        let statement = prepared_sql(format!(
            "DELETE FROM webhook_delivery WHERE position IN (
                 SELECT position FROM webhook_delivery WHERE license_uuid IN (SELECT value FROM json_each(?1))
                 UNION ALL
                 {})",
            deliveries_of_people("?2")
        ))
        .bind::<Text, _>(&licenses)
        .bind::<Text, _>(&addresses);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn erase_requester(&mut self, lms_user_id: LmsUserId) -> Result<(), Error> {
        let statement = prepared_sql("UPDATE bulk_enrollment_job SET lms_user_id = NULL WHERE lms_user_id = ?1")
            .bind::<BigInt, _>(lms_user_id.0);
        self.write(|connection| statement.execute(connection))?;
        // The topic is that of the index outbox_of_results.
        let statement = prepared_sql(format!(
            "DELETE FROM outbox WHERE topic = '{}' AND payload ->> 'lms_user_id' = ?1",
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
