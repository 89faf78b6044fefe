//! The first request of each idempotency key.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::upsert::excluded;
use license_manager_domain::Error;
use license_manager_domain::model::{AnswerQuota, Claimed, FirstRequest, IdempotencyKey, StoredAnswer, StoredBody};
use license_manager_domain::ports::IdempotencyRepository;
use uuid::Uuid;

use super::shared::for_both_databases;
use crate::backends::{Pg, Sqlite};
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
    reserved: i32,
    compressed: Option<Vec<u8>>,
}

/// The bytes that requests count.
#[derive(QueryableByName)]
struct UsageRow {
    #[diesel(sql_type = BigInt)]
    of_user: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
}

impl TryFrom<FirstRequestRow> for FirstRequest {
    type Error = Error;

    fn try_from(row: FirstRequestRow) -> Result<Self, Error> {
        let FirstRequestRow {
            fingerprint,
            owner,
            lease_until,
            created,
            status,
            content_type,
            body,
            reserved,
            compressed,
        } = row;
        let fingerprint = <[u8; 32]>::try_from(fingerprint)
            .map_err(|_| Error::internal("a stored fingerprint has a wrong length"))?;
        let status = status.map(u16::try_from).transpose().map_err(Error::internal)?;
        let body = body.map(StoredBody::Plain).or(compressed.map(StoredBody::Compressed));
        let answer = status.map(|status| StoredAnswer { status, content_type, body });
        Ok(Self { fingerprint, owner, created, lease_until, reserved: reserved.into(), answer })
    }
}

/// Reads [`UsageRow`].
const USAGE: &str = "SELECT CAST(coalesce(sum(CASE WHEN username = $1 THEN bytes END), 0) AS bigint) AS of_user, \
                            CAST(coalesce(sum(bytes), 0) AS bigint) AS total \
                     FROM idempotency_usage";

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
            quota: &AnswerQuota,
        ) -> Result<Claimed, Error> {
            let reserved = i32::try_from(request.reserved).map_err(Error::internal)?;
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
                    table::reserved.eq(reserved),
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
                    table::reserved.eq(excluded(table::reserved)),
                    table::compressed.eq(None::<Vec<u8>>),
                ));
            let replaceable = table::status
                .is_not_null()
                .and(table::created.le(SqlTimestamp(expired)))
                .or(table::status.is_null().and(table::lease_until.le(SqlTimestamp(request.created))));
            let statement = diesel::query_dsl::methods::FilterDsl::filter(statement, replaceable);
            if self.write(|connection| statement.execute(connection))? == 1 {
                // Counted now, because the statement above has locked what is counted for the user.
                let query = sql_query(USAGE).bind::<Text, _>(&key.username);
                let usage: UsageRow = self.read(|connection| query.get_result(connection))?;
                if usage.of_user <= quota.user && usage.total <= quota.total {
                    return Ok(Claimed::First);
                }
                self.release(key, request.owner)?;
                return Ok(Claimed::NoRoom);
            }
            let row = dsl::idempotency_key.find((&key.username, &key.key, &key.operation));
            let query = row.select(FirstRequestRow::as_select());
            self.read(|connection| query.get_result(connection)).and_then(FirstRequest::try_from).map(Claimed::Existing)
        }

        fn renew(&mut self, key: &IdempotencyKey, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, Error> {
            let statement = diesel::update(claimed!(key, owner)).set(table::lease_until.eq(SqlTimestamp(lease_until)));
            Ok(self.write(|connection| statement.execute(connection))? == 1)
        }

        fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error> {
            let status = i16::try_from(answer.status).map_err(Error::internal)?;
            let (plain, compressed) = match &answer.body {
                Some(StoredBody::Plain(bytes)) => (Some(bytes.as_slice()), None),
                Some(StoredBody::Compressed(bytes)) => (None, Some(bytes.as_slice())),
                None => (None, None),
            };
            let statement = diesel::update(claimed!(key, owner)).set((
                table::status.eq(Some(status)),
                table::content_type.eq(answer.content_type.as_deref()),
                table::body.eq(plain),
                table::compressed.eq(compressed),
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
