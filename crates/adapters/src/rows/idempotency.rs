//! The first request of each idempotency key.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::Error;
use license_manager_domain::model::{FirstRequest, StoredAnswer};
use uuid::Uuid;

use crate::schema::idempotency_key;

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
