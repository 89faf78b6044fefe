//! Customer agreements.

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::history::Change;
use license_manager_domain::ports::{AgreementFilter, AgreementRepository, LimitOffset};
use license_manager_domain::{AgreementId, CustomerAgreement, CustomerId, Error};

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::rows::agreements::{AgreementRow, AgreementWithMessage, agreement, agreements, matching};
use crate::schema::{CUSTOMER_AGREEMENT, EXPIRATION_MESSAGE, customer_agreement, expiration_message};
use crate::sql_types::SqlUuid;

impl AgreementRepository for PostgresUnit<'_> {
    fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error> {
        let query = agreements().filter(customer_agreement::uuid.eq(SqlUuid(id.0)));
        self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?.map(agreement).transpose()
    }

    fn lock(&mut self, id: AgreementId) -> Result<(), Error> {
        let query = customer_agreement::table
            .filter(customer_agreement::uuid.eq(SqlUuid(id.0)))
            .select(customer_agreement::uuid)
            .for_no_key_update();
        self.write(|connection| query.execute(connection)).map(drop)
    }

    fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error> {
        let query = agreements().filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?.map(agreement).transpose()
    }

    fn find_by_slug(&mut self, slug: &str) -> Result<Option<CustomerAgreement>, Error> {
        let query = agreements().filter(customer_agreement::enterprise_customer_slug.eq(slug));
        self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?.map(agreement).transpose()
    }

    fn list(&mut self, filter: &AgreementFilter, limit_offset: LimitOffset) -> Result<Vec<CustomerAgreement>, Error> {
        let query = matching!(agreements(), filter)
            .order(customer_agreement::uuid)
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        self.read(|connection| query.load::<AgreementWithMessage>(connection))?.into_iter().map(agreement).collect()
    }

    fn count(&mut self, filter: &AgreementFilter) -> Result<i64, Error> {
        let query = matching!(customer_agreement::table.count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let statement = diesel::insert_into(customer_agreement::table)
            .values(AgreementRow::from(agreement))
            .returning(customer_agreement::all_columns);
        let statement = with_history(statement, &CUSTOMER_AGREEMENT, Kind::Added, change);
        self.write_rows(1, "agreements", |connection| statement.execute(connection))?;
        match agreement.expiration_message {
            Some(_) => self.save_message(agreement, change),
            None => Ok(()),
        }
    }

    fn save(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let statement = diesel::update(customer_agreement::table.find(SqlUuid(agreement.id.0)))
            .set(AgreementRow::from(agreement))
            .returning(customer_agreement::all_columns);
        let statement = with_history(statement, &CUSTOMER_AGREEMENT, Kind::Changed, change);
        self.write_rows(1, "agreements", |connection| statement.execute(connection))?;
        self.save_message(agreement, change)
    }

    fn delete(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
        self.delete_message(id, change)?;
        let statement =
            diesel::delete(customer_agreement::table.find(SqlUuid(id.0))).returning(customer_agreement::all_columns);
        let statement = with_history(statement, &CUSTOMER_AGREEMENT, Kind::Deleted, change);
        self.write_rows(1, "agreements", |connection| statement.execute(connection))
    }
}

impl PostgresUnit<'_> {
    /// Writes or deletes the agreement's message. An unchanged message gets no history.
    fn save_message(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let Some(message) = &agreement.expiration_message else {
            return self.delete_message(agreement.id, change);
        };
        let statement = diesel::sql_query(
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
    fn delete_message(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
        let statement =
            diesel::delete(expiration_message::table.find(SqlUuid(id.0))).returning(expiration_message::all_columns);
        let statement = with_history(statement, &EXPIRATION_MESSAGE, Kind::Deleted, change);
        self.write(|connection| statement.execute(connection)).map(drop)
    }
}
