//! The first request of each idempotency key.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use license_manager_domain::Error;
use license_manager_domain::model::{FirstRequest, IdempotencyKey, StoredAnswer};
use license_manager_domain::ports::IdempotencyRepository;
use uuid::Uuid;

use super::unit::SqliteUnit;
use crate::rows::idempotency::FirstRequestRow;
use crate::schema::idempotency_key::{self as table, dsl};
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The owner's request, if it has no answer.
macro_rules! claimed {
    ($key:expr, $owner:expr) => {
        dsl::idempotency_key
            .find((&$key.username, &$key.key, &$key.operation))
            .filter(table::owner.eq(SqlUuid($owner)))
            .filter(table::status.is_null())
    };
}

impl IdempotencyRepository for SqliteUnit<'_> {
    // Only one unit of work writes at a time, so nothing happens between the statements.
    fn claim(
        &mut self,
        key: &IdempotencyKey,
        request: &FirstRequest,
        expired: DateTime<Utc>,
    ) -> Result<Option<FirstRequest>, Error> {
        let row = dsl::idempotency_key.find((&key.username, &key.key, &key.operation));
        let query = row.select(FirstRequestRow::as_select()).filter(
            table::status
                .is_not_null()
                .and(table::created.gt(SqlTimestamp(expired)))
                .or(table::status.is_null().and(table::lease_until.gt(SqlTimestamp(request.created)))),
        );
        let standing = self.write(|connection| query.get_result(connection).optional())?;
        if let Some(standing) = standing {
            return FirstRequest::try_from(standing).map(Some);
        }
        let statement = diesel::replace_into(dsl::idempotency_key).values((
            table::username.eq(&key.username),
            table::key.eq(&key.key),
            table::operation.eq(&key.operation),
            table::fingerprint.eq(request.fingerprint.as_slice()),
            table::owner.eq(SqlUuid(request.owner)),
            table::created.eq(SqlTimestamp(request.created)),
            table::lease_until.eq(SqlTimestamp(request.lease_until)),
        ));
        self.write(|connection| statement.execute(connection))?;
        Ok(None)
    }

    fn renew(&mut self, key: &IdempotencyKey, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, Error> {
        let statement = diesel::update(claimed!(key, owner)).set(table::lease_until.eq(SqlTimestamp(lease_until)));
        let renewed = self.write(|connection| statement.execute(connection))?;
        Ok(renewed == 1)
    }

    fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error> {
        let statement = diesel::update(claimed!(key, owner)).set((
            table::status.eq(Some(i16::try_from(answer.status).map_err(Error::internal)?)),
            table::content_type.eq(answer.content_type.as_deref()),
            table::body.eq(answer.body.as_deref()),
        ));
        let completed = self.write(|connection| statement.execute(connection))?;
        Ok(completed == 1)
    }

    fn release(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<(), Error> {
        self.write(|connection| diesel::delete(claimed!(key, owner)).execute(connection))?;
        Ok(())
    }

    fn remove_expired(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        let statement = diesel::sql_query(
            "DELETE FROM idempotency_key WHERE rowid IN
                 (SELECT rowid FROM idempotency_key WHERE created <= ?1 ORDER BY created LIMIT ?2)",
        )
        .bind::<SqlTimestamp, _>(expired)
        .bind::<BigInt, _>(limit);
        self.write(|connection| statement.execute(connection))
    }
}
