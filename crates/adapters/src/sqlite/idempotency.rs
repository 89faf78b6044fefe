//! The first request of each idempotency key.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use license_manager_domain::Error;
use license_manager_domain::model::{FirstRequest, IdempotencyKey, StoredAnswer};
use license_manager_domain::ports::IdempotencyRepository;
use uuid::Uuid;

use super::SqliteUnit;
use super::error::storage_error;
use super::schema::idempotency_key::{self as table, dsl};
use super::types::{SqlMoment, SqlUuid};

type Row = (Vec<u8>, SqlUuid, SqlMoment, SqlMoment, Option<i32>, Option<String>, Option<Vec<u8>>);

fn first_request(row: Row) -> Result<FirstRequest, Error> {
    let (fingerprint, owner, created, lease_until, status, content_type, body) = row;
    let fingerprint =
        <[u8; 32]>::try_from(fingerprint).map_err(|_| Error::internal("a fingerprint of another length"))?;
    let status = status.map(u16::try_from).transpose().map_err(Error::internal)?;
    let answer = status.map(|status| StoredAnswer { status, content_type, body });
    Ok(FirstRequest { fingerprint, owner: owner.0, created: created.0, lease_until: lease_until.0, answer })
}

/// The owner's request, unanswered.
macro_rules! claimed {
    ($key:expr, $owner:expr) => {
        dsl::idempotency_key
            .find((&$key.username, &$key.key, &$key.operation))
            .filter(table::owner.eq(SqlUuid($owner)))
            .filter(table::status.is_null())
    };
}

impl IdempotencyRepository for SqliteUnit<'_> {
    // Whoever writes has the file to itself; so nothing comes between the statements.
    fn claim(
        &mut self,
        key: &IdempotencyKey,
        request: &FirstRequest,
        expired: DateTime<Utc>,
    ) -> Result<Option<FirstRequest>, Error> {
        let conn = self.written()?;
        let row = dsl::idempotency_key.find((&key.username, &key.key, &key.operation));
        let standing = row
            .select((
                table::fingerprint,
                table::owner,
                table::created,
                table::lease_until,
                table::status,
                table::content_type,
                table::body,
            ))
            .filter(
                table::status
                    .is_not_null()
                    .and(table::created.gt(SqlMoment(expired)))
                    .or(table::status.is_null().and(table::lease_until.gt(SqlMoment(request.created)))),
            )
            .get_result(conn)
            .optional()
            .map_err(storage_error)?;
        if let Some(standing) = standing {
            return first_request(standing).map(Some);
        }
        diesel::replace_into(dsl::idempotency_key)
            .values((
                table::username.eq(&key.username),
                table::key.eq(&key.key),
                table::operation.eq(&key.operation),
                table::fingerprint.eq(request.fingerprint.as_slice()),
                table::owner.eq(SqlUuid(request.owner)),
                table::created.eq(SqlMoment(request.created)),
                table::lease_until.eq(SqlMoment(request.lease_until)),
            ))
            .execute(conn)
            .map_err(storage_error)?;
        Ok(None)
    }

    fn renew(&mut self, key: &IdempotencyKey, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, Error> {
        let renewed = diesel::update(claimed!(key, owner))
            .set(table::lease_until.eq(SqlMoment(lease_until)))
            .execute(self.written()?)
            .map_err(storage_error)?;
        Ok(renewed == 1)
    }

    fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error> {
        let completed = diesel::update(claimed!(key, owner))
            .set((
                table::status.eq(Some(i32::from(answer.status))),
                table::content_type.eq(answer.content_type.as_deref()),
                table::body.eq(answer.body.as_deref()),
            ))
            .execute(self.written()?)
            .map_err(storage_error)?;
        Ok(completed == 1)
    }

    fn release(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<(), Error> {
        diesel::delete(claimed!(key, owner)).execute(self.written()?).map_err(storage_error)?;
        Ok(())
    }

    fn remove_expired(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        diesel::sql_query(
            "DELETE FROM idempotency_key WHERE rowid IN
                 (SELECT rowid FROM idempotency_key WHERE created <= ?1 ORDER BY created LIMIT ?2)",
        )
        .bind::<BigInt, _>(SqlMoment(expired))
        .bind::<BigInt, _>(limit)
        .execute(self.written()?)
        .map_err(storage_error)
    }
}
