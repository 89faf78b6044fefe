use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::idempotency::{FirstRequest, IdempotencyKey, StoredAnswer};

/// The first request of each idempotency key, and its answer.
pub trait IdempotencyRepository {
    /// Writes the request as the first of its key, and returns `None`; or changes nothing and returns the one that stands there
    /// already. MUST replace one that is answered and was created at `expired` or before, and one that is not answered and whose
    /// lease ended at `request.created` or before. Of many claims at once, MUST let one succeed.
    fn claim(
        &mut self,
        key: &IdempotencyKey,
        request: &FirstRequest,
        expired: DateTime<Utc>,
    ) -> Result<Option<FirstRequest>, Error>;

    /// Extends the lease of the owner's request, and returns whether it still is theirs and unanswered; else changes nothing.
    fn renew(&mut self, key: &IdempotencyKey, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, Error>;

    /// Writes the answer to the owner's request, and returns whether it still was theirs and unanswered; else changes nothing.
    fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error>;

    /// Removes the owner's request while it is unanswered. One of somebody else stays.
    fn release(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<(), Error>;

    /// Removes up to `limit` requests created at this moment or before, whatever their state, and returns how many.
    fn remove_expired(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error>;
}
