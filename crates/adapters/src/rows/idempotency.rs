//! The first request of each idempotency key.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel::upsert::excluded;
use license_manager_domain::Error;
use license_manager_domain::model::{FirstRequest, IdempotencyKey, StoredAnswer};
use license_manager_domain::ports::IdempotencyRepository;
use uuid::Uuid;

use super::shared::for_both_databases;
use crate::schema::idempotency_key::{self, self as table, dsl};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable)]
#[diesel(table_name = idempotency_key, check_for_backend(Pg, Sqlite))]
pub(crate) struct FirstRequestRow {
    fingerprint: Vec<u8>,
    owner: Uuid,
    lease_until: DateTime<Utc>,
    created: DateTime<Utc>,
    status: Option<i16>,
    content_type: Option<String>,
    body: Option<Vec<u8>>,
}

impl TryFrom<FirstRequestRow> for FirstRequest {
    type Error = Error;

    fn try_from(row: FirstRequestRow) -> Result<Self, Error> {
        let FirstRequestRow { fingerprint, owner, lease_until, created, status, content_type, body } = row;
        let fingerprint = <[u8; 32]>::try_from(fingerprint)
            .map_err(|_| Error::internal("a stored fingerprint has a wrong length"))?;
        let status = status.map(u16::try_from).transpose().map_err(Error::internal)?;
        let answer = status.map(|status| StoredAnswer { status, content_type, body });
        Ok(Self { fingerprint, owner, created, lease_until, answer })
    }
}

/// The owner's request, if it has no answer.
macro_rules! claimed {
    ($key:expr, $owner:expr) => {
        dsl::idempotency_key
            .find((&$key.username, &$key.key, &$key.operation))
            .filter(table::owner.eq(SqlUuid($owner)))
            .filter(table::status.is_null())
    };
}

for_both_databases! {
    impl IdempotencyRepository for Unit {
        fn claim(
            &mut self,
            key: &IdempotencyKey,
            request: &FirstRequest,
            expired: DateTime<Utc>,
        ) -> Result<Option<FirstRequest>, Error> {
            // Locks an existing row even if it is not replaced, so that the second statement finds it.
            let statement = diesel::insert_into(dsl::idempotency_key)
                .values((
                    table::username.eq(&key.username),
                    table::key.eq(&key.key),
                    table::operation.eq(&key.operation),
                    table::fingerprint.eq(request.fingerprint.as_slice()),
                    table::owner.eq(SqlUuid(request.owner)),
                    table::created.eq(SqlTimestamp(request.created)),
                    table::lease_until.eq(SqlTimestamp(request.lease_until)),
                ))
                .on_conflict((table::username, table::key, table::operation))
                .do_update()
                .set((
                    table::fingerprint.eq(excluded(table::fingerprint)),
                    table::owner.eq(excluded(table::owner)),
                    table::created.eq(excluded(table::created)),
                    table::lease_until.eq(excluded(table::lease_until)),
                    table::status.eq(None::<i16>),
                    table::content_type.eq(None::<String>),
                    table::body.eq(None::<Vec<u8>>),
                ));
            let replaceable = table::status
                .is_not_null()
                .and(table::created.le(SqlTimestamp(expired)))
                .or(table::status.is_null().and(table::lease_until.le(SqlTimestamp(request.created))));
            let statement = diesel::query_dsl::methods::FilterDsl::filter(statement, replaceable);
            if self.write(|connection| statement.execute(connection))? == 1 {
                return Ok(None);
            }
            let row = dsl::idempotency_key.find((&key.username, &key.key, &key.operation));
            let query = row.select(FirstRequestRow::as_select());
            self.read(|connection| query.get_result(connection)).and_then(FirstRequest::try_from).map(Some)
        }

        fn renew(&mut self, key: &IdempotencyKey, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, Error> {
            let statement = diesel::update(claimed!(key, owner)).set(table::lease_until.eq(SqlTimestamp(lease_until)));
            Ok(self.write(|connection| statement.execute(connection))? == 1)
        }

        fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error> {
            let status = i16::try_from(answer.status).map_err(Error::internal)?;
            let statement = diesel::update(claimed!(key, owner)).set((
                table::status.eq(Some(status)),
                table::content_type.eq(answer.content_type.as_deref()),
                table::body.eq(answer.body.as_deref()),
            ));
            Ok(self.write(|connection| statement.execute(connection))? == 1)
        }

        fn release(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<(), Error> {
            let statement = diesel::delete(claimed!(key, owner));
            self.write(|connection| statement.execute(connection))?;
            Ok(())
        }

        fn remove_expired(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
            self.remove_expired_keys(expired, limit)
        }
    }
}
