use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::idempotency::{AnswerQuota, Claimed, FirstRequest, IdempotencyKey, StoredAnswer};

/// The first request of each idempotency key, with its answer.
pub trait IdempotencyRepository {
    /// Stores the request as the first of its key; or changes nothing and returns the existing one. MUST replace an
    /// answered request created at `expired` or before, and an unanswered one whose lease ended at `request.created` or
    /// before. Of concurrent claims, exactly one MUST succeed.
    ///
    /// If the user's requests, or all requests, would then [count](FirstRequest::size) more than the quota, MUST NOT
    /// store it; a request that it would have replaced may be removed. An existing one is returned whatever the quota. The
    /// user's quota MUST hold for concurrent claims, too.
    fn claim(
        &mut self,
        key: &IdempotencyKey,
        request: &FirstRequest,
        expired: DateTime<Utc>,
        quota: &AnswerQuota,
    ) -> Result<Claimed, Error> {
        not_provided!("idempotency.claim", key, request, expired, quota)
    }

    /// Extends the lease. Returns whether the request still belongs to the owner and is unanswered; otherwise changes
    /// nothing.
    fn renew(&mut self, key: &IdempotencyKey, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, Error> {
        not_provided!("idempotency.renew", key, owner, lease_until)
    }

    /// Stores the answer. Returns whether the request still belonged to the owner and was unanswered; otherwise changes
    /// nothing.
    fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error> {
        not_provided!("idempotency.complete", key, owner, answer)
    }

    /// Removes the owner's unanswered request. Another owner's stays.
    fn release(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<(), Error> {
        not_provided!("idempotency.release", key, owner)
    }

    /// Removes up to `limit` requests created at this time or before, answered or not. Returns their number.
    fn remove_expired(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        not_provided!("idempotency.remove_expired", expired, limit)
    }
}
