//! Customer agreements.

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::history::Change;
use license_manager_domain::ports::{AgreementFilter, AgreementRepository, CustomerScope, LimitOffset};
use license_manager_domain::{AgreementId, CustomerAgreement, CustomerId, Error};

use super::SqliteUnit;
use super::error::{check_written, storage_error};
use super::json::{in_json, json};
use super::recording::{Kind, record};
use crate::rows::agreements::{AgreementRow, AgreementWithMessage, MessageRow, agreement};
use crate::schema::{CUSTOMER_AGREEMENT, EXPIRATION_MESSAGE, customer_agreement, expiration_message};
use crate::sql_types::SqlUuid;

#[diesel::dsl::auto_type]
fn with_message() -> _ {
    let columns: diesel::dsl::AsSelect<AgreementWithMessage, Sqlite> = AgreementWithMessage::as_select();
    customer_agreement::table.left_join(expiration_message::table).select(columns)
}

#[diesel::dsl::auto_type]
fn in_order() -> _ {
    with_message().order(customer_agreement::uuid)
}

/// Restricts a boxed query to the agreements that match. A macro, since the query's type differs between reading and counting.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let mut query = $query.into_boxed();
        if let CustomerScope::Only(customers) = &$filter.scope {
            let customers = json(customers)?;
            query = query.filter(in_json(customer_agreement::enterprise_customer_uuid, customers));
        }
        if let Some(customer) = $filter.customer {
            query = query.filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        }
        if let Some(agreement) = $filter.agreement {
            query = query.filter(customer_agreement::uuid.eq(SqlUuid(agreement.0)));
        }
        query
    }};
}

impl AgreementRepository for SqliteUnit<'_> {
    fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error> {
        let query = with_message().filter(customer_agreement::uuid.eq(SqlUuid(id.0)));
        let found = query.first::<AgreementWithMessage>(self.conn).optional().map_err(storage_error)?;
        found.map(agreement).transpose()
    }

    fn lock(&mut self, _: AgreementId) -> Result<(), Error> {
        self.written().map(drop)
    }

    fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error> {
        let query = with_message().filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        let found = query.first::<AgreementWithMessage>(self.conn).optional().map_err(storage_error)?;
        found.map(agreement).transpose()
    }

    fn find_by_slug(&mut self, slug: &str) -> Result<Option<CustomerAgreement>, Error> {
        let query = with_message().filter(customer_agreement::enterprise_customer_slug.eq(slug));
        let found = query.first::<AgreementWithMessage>(self.conn).optional().map_err(storage_error)?;
        found.map(agreement).transpose()
    }

    fn list(&mut self, filter: &AgreementFilter, limit_offset: LimitOffset) -> Result<Vec<CustomerAgreement>, Error> {
        let query = matching!(in_order(), filter).offset(limit_offset.offset.max(0)).limit(limit_offset.limit.max(0));
        let found = query.load::<AgreementWithMessage>(self.conn).map_err(storage_error)?;
        found.into_iter().map(agreement).collect()
    }

    fn count(&mut self, filter: &AgreementFilter) -> Result<i64, Error> {
        matching!(customer_agreement::table.count(), filter).get_result(self.conn).map_err(storage_error)
    }

    fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        diesel::insert_into(customer_agreement::table)
            .values(AgreementRow::from(agreement))
            .execute(conn)
            .map_err(storage_error)?;
        let key = json([agreement.id])?;
        record(conn, &CUSTOMER_AGREEMENT, &key, Kind::Added, change)?;
        write_message(conn, agreement, None, &key, change)
    }

    fn save(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        let written = diesel::update(customer_agreement::table.find(SqlUuid(agreement.id.0)))
            .set(AgreementRow::from(agreement))
            .execute(conn)
            .map_err(storage_error)?;
        check_written(written, 1, "customer agreements")?;
        let key = json([agreement.id])?;
        record(conn, &CUSTOMER_AGREEMENT, &key, Kind::Changed, change)?;
        let before = expiration_message::table
            .find(SqlUuid(agreement.id.0))
            .select(MessageRow::as_select())
            .first(conn)
            .optional()
            .map_err(storage_error)?;
        write_message(conn, agreement, before, &key, change)
    }
}

/// Brings the agreement's expiration message from what it was to what it is to be.
fn write_message(
    conn: &mut SqliteConnection,
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
            diesel::insert_into(expiration_message::table).values(after).execute(conn).map_err(storage_error)?;
            record(conn, &EXPIRATION_MESSAGE, key, Kind::Added, change)
        }
        (Some(_), Some(after)) => {
            diesel::update(row).set(after).execute(conn).map_err(storage_error)?;
            record(conn, &EXPIRATION_MESSAGE, key, Kind::Changed, change)
        }
        (Some(_), None) => {
            record(conn, &EXPIRATION_MESSAGE, key, Kind::Deleted, change)?;
            diesel::delete(row).execute(conn).map_err(storage_error)?;
            Ok(())
        }
    }
}
