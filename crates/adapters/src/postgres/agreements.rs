//! Locks of customer agreements, and their messages. The repository is in [`crate::rows::agreements`].

use diesel::prelude::*;
use diesel::sql_types::{Array, Text};
use license_manager_domain::history::Change;
use license_manager_domain::{AgreementId, CustomerAgreement, CustomerId, Error};

use super::arrays::column;
use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::schema::{CUSTOMER_AGREEMENT, EXPIRATION_MESSAGE, customer_agreement, expiration_message};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PostgresUnit<'_> {
    /// Locks an agreement.
    pub(crate) fn lock_agreement(&mut self, id: AgreementId) -> Result<(), Error> {
        let query = customer_agreement::table
            .filter(customer_agreement::uuid.eq(SqlUuid(id.0)))
            .select(customer_agreement::uuid)
            .for_no_key_update();
        self.write(|connection| query.execute(connection)).map(drop)
    }

    /// Locks the agreements of these customers, in the order of their ids.
    pub(crate) fn lock_agreements_of(&mut self, customers: &[CustomerId]) -> Result<(), Error> {
        let customers = customers.iter().map(|customer| customer.0);
        let query = customer_agreement::table
            .filter(one_of(customer_agreement::enterprise_customer_uuid, customers))
            .order(customer_agreement::uuid)
            .select(customer_agreement::uuid)
            .for_no_key_update();
        self.write(|connection| query.execute(connection)).map(drop)
    }

    /// Writes slugs and names, and their history.
    pub(crate) fn rename_agreements(
        &mut self,
        names: &[(AgreementId, String, String)],
        change: &Change,
    ) -> Result<(), Error> {
        let statement = prepared_sql(
            "UPDATE customer_agreement
             SET enterprise_customer_slug = input.slug, enterprise_customer_name = input.name, modified = $4
             FROM unnest($1, $2, $3) AS input (uuid, slug, name)
             WHERE customer_agreement.uuid = input.uuid
             RETURNING customer_agreement.*",
        )
        .bind::<Array<SqlUuid>, _>(column(names, |(id, _, _)| id.0))
        .bind::<Array<Text>, _>(column(names, |(_, slug, _)| slug.as_str()))
        .bind::<Array<Text>, _>(column(names, |(_, _, name)| name.as_str()))
        .bind::<SqlTimestamp, _>(change.at);
        let statement = with_history(statement, &CUSTOMER_AGREEMENT, Kind::Changed, change);
        self.write_rows(names.len(), "agreements", |connection| statement.execute(connection))
    }

    /// Writes the message of a new agreement.
    pub(crate) fn add_message(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        match agreement.expiration_message {
            Some(_) => self.save_message(agreement, change),
            None => Ok(()),
        }
    }

    /// Writes or deletes the agreement's message. An unchanged message gets no history.
    pub(crate) fn save_message(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let Some(message) = &agreement.expiration_message else {
            return self.delete_message(agreement.id, change);
        };
        let statement = prepared_sql(
            "INSERT INTO expiration_message AS present
                 (customer_agreement_uuid, modal_header_text, modal_messaging, button_label, button_url)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (customer_agreement_uuid) DO UPDATE SET
                 modal_header_text = excluded.modal_header_text,
                 modal_messaging = excluded.modal_messaging,
                 button_label = excluded.button_label,
                 button_url = excluded.button_url
             WHERE present.* IS DISTINCT FROM excluded.*
             RETURNING present.*",
        )
        .bind::<SqlUuid, _>(agreement.id.0)
        .bind::<Text, _>(&message.modal_header_text)
        .bind::<Text, _>(&message.modal_messaging)
        .bind::<Text, _>(&message.button_label)
        .bind::<Text, _>(&message.button_url);
        let statement = with_history(statement, &EXPIRATION_MESSAGE, Kind::AddedOrChanged, change);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    /// Deletes the agreement's message, if it has one.
    pub(crate) fn delete_message(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
        let statement =
            diesel::delete(expiration_message::table.find(SqlUuid(id.0))).returning(expiration_message::all_columns);
        let statement = with_history(statement, &EXPIRATION_MESSAGE, Kind::Deleted, change);
        self.write(|connection| statement.execute(connection)).map(drop)
    }
}
