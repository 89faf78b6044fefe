//! The first request of each idempotency key.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};
use license_manager_domain::Error;
use license_manager_domain::model::{AnswerQuota, Claimed, FirstRequest, IdempotencyKey, StoredAnswer, StoredBody};
use license_manager_domain::ports::IdempotencyRepository;
use uuid::Uuid;

use super::shared::for_both_databases;
use crate::backends::{Pg, Sqlite};
use crate::prepared::prepared_sql;
use crate::schema::idempotency_key::{self, dsl};
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

/// Whether a row is the owner's request, and has no answer.
fn claimed(username: &str, key: &str, operation: &str, owner: &str) -> String {
    format!("username = {username} AND key = {key} AND operation = {operation} AND owner = {owner} AND status IS NULL")
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
            let statement = prepared_sql(
                "INSERT INTO idempotency_key
                     (username, key, operation, fingerprint, owner, created, lease_until, reserved)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (username, key, operation) DO UPDATE
                 SET fingerprint = excluded.fingerprint, owner = excluded.owner, created = excluded.created,
                     lease_until = excluded.lease_until, status = NULL, content_type = NULL, body = NULL,
                     reserved = excluded.reserved, compressed = NULL
                 WHERE idempotency_key.status IS NOT NULL AND idempotency_key.created <= $9
                    OR idempotency_key.status IS NULL AND idempotency_key.lease_until <= $6",
            )
            .bind::<Text, _>(&key.username)
            .bind::<Text, _>(&key.key)
            .bind::<Text, _>(&key.operation)
            .bind::<Binary, _>(request.fingerprint.as_slice())
            .bind::<SqlUuid, _>(request.owner)
            .bind::<SqlTimestamp, _>(request.created)
            .bind::<SqlTimestamp, _>(request.lease_until)
            .bind::<Integer, _>(reserved)
            .bind::<SqlTimestamp, _>(expired);
            if self.write(|connection| statement.execute(connection))? == 1 {
                // Counted now, because the statement above has locked what is counted for the user.
                let query = prepared_sql(USAGE).bind::<Text, _>(&key.username);
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
            let statement = prepared_sql(format!(
                "UPDATE idempotency_key SET lease_until = $1 WHERE {}",
                claimed("$2", "$3", "$4", "$5")
            ))
            .bind::<SqlTimestamp, _>(lease_until)
            .bind::<Text, _>(&key.username)
            .bind::<Text, _>(&key.key)
            .bind::<Text, _>(&key.operation)
            .bind::<SqlUuid, _>(owner);
            Ok(self.write(|connection| statement.execute(connection))? == 1)
        }

        fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error> {
            let status = i16::try_from(answer.status).map_err(Error::internal)?;
            let (plain, compressed) = match &answer.body {
                Some(StoredBody::Plain(bytes)) => (Some(bytes.as_slice()), None),
                Some(StoredBody::Compressed(bytes)) => (None, Some(bytes.as_slice())),
                None => (None, None),
            };
            let statement = prepared_sql(format!(
                "UPDATE idempotency_key SET status = $1, content_type = $2, body = $3, compressed = $4 WHERE {}",
                claimed("$5", "$6", "$7", "$8")
            ))
            .bind::<SmallInt, _>(status)
            .bind::<Nullable<Text>, _>(answer.content_type.as_deref())
            .bind::<Nullable<Binary>, _>(plain)
            .bind::<Nullable<Binary>, _>(compressed)
            .bind::<Text, _>(&key.username)
            .bind::<Text, _>(&key.key)
            .bind::<Text, _>(&key.operation)
            .bind::<SqlUuid, _>(owner);
            Ok(self.write(|connection| statement.execute(connection))? == 1)
        }

        fn release(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<(), Error> {
            let statement =
                prepared_sql(format!("DELETE FROM idempotency_key WHERE {}", claimed("$1", "$2", "$3", "$4")))
                    .bind::<Text, _>(&key.username)
                    .bind::<Text, _>(&key.key)
                    .bind::<Text, _>(&key.operation)
                    .bind::<SqlUuid, _>(owner);
            self.write(|connection| statement.execute(connection))?;
            Ok(())
        }

        fn remove_expired(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
            self.remove_expired_keys(expired, limit)
        }
    }
}
