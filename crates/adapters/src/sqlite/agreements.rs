//! Customer agreements.

use diesel::prelude::*;
use license_manager_domain::history::Change;
use license_manager_domain::ports::{AgreementFilter, AgreementRepository, LimitOffset};
use license_manager_domain::{AgreementId, CustomerAgreement, CustomerId, Error};

use super::json::json;
use super::recording::Kind;
use super::unit::SqliteUnit;
use crate::rows::agreements::{AgreementRow, AgreementWithMessage, MessageRow, agreement, agreements, matching};
use crate::schema::{CUSTOMER_AGREEMENT, EXPIRATION_MESSAGE, customer_agreement, expiration_message};
use crate::sql_types::SqlUuid;

impl AgreementRepository for SqliteUnit<'_> {
    fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error> {
        let query = agreements().filter(customer_agreement::uuid.eq(SqlUuid(id.0)));
        let found = self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?;
        found.map(agreement).transpose()
    }

    fn lock(&mut self, _: AgreementId) -> Result<(), Error> {
        self.require_write()
    }

    fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error> {
        let query = agreements().filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        let found = self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?;
        found.map(agreement).transpose()
    }

    fn find_by_slug(&mut self, slug: &str) -> Result<Option<CustomerAgreement>, Error> {
        let query = agreements().filter(customer_agreement::enterprise_customer_slug.eq(slug));
        let found = self.read(|connection| query.first::<AgreementWithMessage>(connection).optional())?;
        found.map(agreement).transpose()
    }

    fn list(&mut self, filter: &AgreementFilter, limit_offset: LimitOffset) -> Result<Vec<CustomerAgreement>, Error> {
        let query = matching!(agreements(), filter)
            .order(customer_agreement::uuid)
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0));
        let found = self.read(|connection| query.load::<AgreementWithMessage>(connection))?;
        found.into_iter().map(agreement).collect()
    }

    fn count(&mut self, filter: &AgreementFilter) -> Result<i64, Error> {
        let query = matching!(customer_agreement::table.count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let statement = diesel::insert_into(customer_agreement::table).values(AgreementRow::from(agreement));
        self.write(|connection| statement.execute(connection))?;
        let key = json([agreement.id])?;
        self.record(&CUSTOMER_AGREEMENT, &key, Kind::Added, change)?;
        self.write_message(agreement, None, &key, change)
    }

    fn save(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let statement =
            diesel::update(customer_agreement::table.find(SqlUuid(agreement.id.0))).set(AgreementRow::from(agreement));
        self.write_rows(1, "customer agreements", |connection| statement.execute(connection))?;
        let key = json([agreement.id])?;
        self.record(&CUSTOMER_AGREEMENT, &key, Kind::Changed, change)?;
        let query = expiration_message::table.find(SqlUuid(agreement.id.0)).select(MessageRow::as_select());
        let before = self.write(|connection| query.first(connection).optional())?;
        self.write_message(agreement, before, &key, change)
    }

    fn delete(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
        let key = json([id])?;
        self.record(&EXPIRATION_MESSAGE, &key, Kind::Deleted, change)?;
        self.record(&CUSTOMER_AGREEMENT, &key, Kind::Deleted, change)?;
        // Deleting an agreement deletes its message.
        let statement = diesel::delete(customer_agreement::table.find(SqlUuid(id.0)));
        self.write_rows(1, "customer agreements", |connection| statement.execute(connection))
    }
}

impl SqliteUnit<'_> {
    /// Adds, changes or deletes the agreement's expiration message.
    fn write_message(
        &mut self,
        agreement: &CustomerAgreement,
        before: Option<MessageRow>,
        key: &str,
        change: &Change,
    ) -> Result<(), Error> {
        let row = expiration_message::table.find(SqlUuid(agreement.id.0));
        match (before, MessageRow::of(agreement)) {
            (None, None) => Ok(()),
            (Some(before), Some(after)) if before == after => Ok(()),
            (None, Some(after)) => {
                let statement = diesel::insert_into(expiration_message::table).values(after);
                self.write(|connection| statement.execute(connection))?;
                self.record(&EXPIRATION_MESSAGE, key, Kind::Added, change)
            }
            (Some(_), Some(after)) => {
                self.write(|connection| diesel::update(row).set(after).execute(connection))?;
                self.record(&EXPIRATION_MESSAGE, key, Kind::Changed, change)
            }
            (Some(_), None) => {
                self.record(&EXPIRATION_MESSAGE, key, Kind::Deleted, change)?;
                self.write(|connection| diesel::delete(row).execute(connection))?;
                Ok(())
            }
        }
    }
}
