//! The rows that both databases read and write, one file for each subject, and the domain's values that they stand for. The statements
//! are in [`crate::postgres`] and [`crate::sqlite`].

pub(crate) mod agreements;
pub(crate) mod due_work;
pub(crate) mod enrollment_jobs;
pub(crate) mod idempotency;
pub(crate) mod jobs;
pub(crate) mod licenses;
pub(crate) mod outbox;
pub(crate) mod plans;
pub(crate) mod products;
pub(crate) mod queue;
pub(crate) mod renewals;
pub(crate) mod schedule;
pub(crate) mod staff_records;
pub(crate) mod transfers;
pub(crate) mod users;
pub(crate) mod utilization;
pub(crate) mod webhooks;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use license_manager_domain::LicenseId;
use uuid::Uuid;

use crate::sql_types::SqlUuid;

/// The id of a row.
#[derive(QueryableByName)]
pub(crate) struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    pub uuid: Uuid,
}

/// A number of rows.
#[derive(QueryableByName)]
pub(crate) struct NumberRow {
    #[diesel(sql_type = BigInt)]
    pub number: i64,
}

/// The id that the next licenses come after. No license has the nil id.
pub(crate) fn following(after: Option<LicenseId>) -> Uuid {
    after.map_or(Uuid::nil(), |id| id.0)
}
