//! Messages of customer agreements. The repository is in [`crate::rows::agreements`].

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::{AgreementId, CustomerAgreement, CustomerId, Error};

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::agreements::MessageRow;
use crate::schema::{CUSTOMER_AGREEMENT, EXPIRATION_MESSAGE, expiration_message};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl SqliteUnit<'_> {
    /// Only one unit of work writes at a time, so an agreement needs no lock.
    pub(crate) fn lock_agreement(&mut self, _: AgreementId) -> Result<(), Error> {
        self.require_write()
    }

    /// As [`SqliteUnit::lock_agreement`].
    pub(crate) fn lock_agreements_of(&mut self, _: &[CustomerId]) -> Result<(), Error> {
        self.require_write()
    }

    /// Writes slugs and names, and their history.
    pub(crate) fn rename_agreements(
        &mut self,
        names: &[(AgreementId, String, String)],
        change: &Change,
    ) -> Result<(), Error> {
        let statement = prepared_sql(
            "UPDATE customer_agreement
             SET enterprise_customer_slug = input.value ->> 1, enterprise_customer_name = input.value ->> 2,
                 modified = ?2
             FROM jsonb_each(?1) AS input WHERE customer_agreement.uuid = input.value ->> 0",
        )
        .bind::<Text, _>(json(names)?)
        .bind::<SqlTimestamp, _>(change.at);
        self.write_rows(names.len(), "agreements", |connection| statement.execute(connection))?;
        let keys: Vec<AgreementId> = names.iter().map(|(id, _, _)| *id).collect();
        self.record(&CUSTOMER_AGREEMENT, &json(keys)?, ChangeKind::Changed, change)
    }

    /// Writes the message of a new agreement.
    pub(crate) fn add_message(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        self.write_message(agreement, None, change)
    }

    /// Writes or deletes the agreement's message. An unchanged message gets no history.
    pub(crate) fn save_message(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let query = expiration_message::table.find(SqlUuid(agreement.id.0)).select(MessageRow::as_select());
        let before = self.write(|connection| query.first(connection).optional())?;
        self.write_message(agreement, before, change)
    }

    /// Writes the history of the agreement's message, if it has one. Deleting the agreement deletes it.
    pub(crate) fn delete_message(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
        self.record(&EXPIRATION_MESSAGE, &json([id])?, ChangeKind::Deleted, change)
    }

    /// Adds, changes or deletes the agreement's expiration message.
    fn write_message(
        &mut self,
        agreement: &CustomerAgreement,
        before: Option<MessageRow>,
        change: &Change,
    ) -> Result<(), Error> {
        let row = expiration_message::table.find(SqlUuid(agreement.id.0));
        match (before, MessageRow::of(agreement)) {
            (None, None) => Ok(()),
            (Some(before), Some(after)) if before == after => Ok(()),
            (None, Some(after)) => {
                let statement = diesel::insert_into(expiration_message::table).values(after);
                self.write_recorded(&EXPIRATION_MESSAGE, agreement.id, ChangeKind::Added, change, statement)
            }
            (Some(_), Some(after)) => {
                let statement = diesel::update(row).set(after);
                self.write_recorded(&EXPIRATION_MESSAGE, agreement.id, ChangeKind::Changed, change, statement)
            }
            (Some(_), None) => {
                let statement = diesel::delete(row);
                self.write_recorded(&EXPIRATION_MESSAGE, agreement.id, ChangeKind::Deleted, change, statement)
            }
        }
    }
}
