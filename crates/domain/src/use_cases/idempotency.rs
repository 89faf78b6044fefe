//! Idempotency keys: a request with a key is processed once, and repeated requests get the same answer.

use chrono::Duration;
use uuid::Uuid;

use super::manager::LicenseManager;
use crate::error::Error;
use crate::model::idempotency::{Claimed, FirstRequest, IdempotencyKey, StoredAnswer};
use crate::ports::StoreExt;

/// How long an answer is kept, in hours.
const RETENTION_HOURS: i64 = 24;

/// How long a claim lasts after its last renewal, in seconds. A server that dies blocks a key this long.
const LEASE_SECONDS: i64 = 120;

/// How many expired requests are removed in one transaction.
const REMOVAL_BATCH: i64 = 1_000;

/// A claim to process a request. Its holder renews it during the work, then completes or releases it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: IdempotencyKey,
    owner: Uuid,
}

/// How to process a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is the first one with its key: process it.
    First(Claim),
    /// It was processed: send the same answer.
    Answered(StoredAnswer),
    /// It is being processed: wait.
    Underway,
    /// Another request has the key: refuse it.
    OtherRequest,
    /// The quota for kept answers is used up, that of its user or that of all: refuse it.
    NoRoom,
}

impl LicenseManager {
    /// The interval of renewals, several of which fit into one lease.
    pub const CLAIM_RENEWAL: std::time::Duration = std::time::Duration::from_secs(LEASE_SECONDS as u64 / 4);

    /// Claims a request, unless another one with the key exists or the quota leaves no room for its answer.
    /// `fingerprint` is a digest of the whole request.
    pub fn begin_once(&self, key: &IdempotencyKey, fingerprint: [u8; 32]) -> Result<Begun, Error> {
        let now = self.now();
        let owner = self.ids.next();
        let lease_until = now + Duration::seconds(LEASE_SECONDS);
        let quota = &self.settings.answer_quota;
        let request =
            FirstRequest { fingerprint, owner, created: now, lease_until, reserved: quota.answer, answer: None };
        let expired = now - Duration::hours(RETENTION_HOURS);
        let claimed = self.store.write(|unit| unit.idempotency().claim(key, &request, expired, quota))?;
        Ok(match claimed {
            Claimed::First => Begun::First(Claim { key: key.clone(), owner }),
            Claimed::NoRoom => Begun::NoRoom,
            Claimed::Existing(first) if first.fingerprint != fingerprint => Begun::OtherRequest,
            Claimed::Existing(FirstRequest { answer: Some(answer), .. }) => Begun::Answered(answer),
            Claimed::Existing(_) => Begun::Underway,
        })
    }

    /// Renews a claim. Returns `false` if it was lost.
    pub fn renew_claim(&self, claim: &Claim) -> Result<bool, Error> {
        let lease_until = self.now() + Duration::seconds(LEASE_SECONDS);
        self.store.write(|unit| unit.idempotency().renew(&claim.key, claim.owner, lease_until))
    }

    /// Stores the answer for repeated requests, with a body of at most [`AnswerQuota::answer`](crate::model::AnswerQuota::answer) bytes. Returns `false` if the claim was lost.
    pub fn complete_claim(&self, claim: &Claim, answer: &StoredAnswer) -> Result<bool, Error> {
        self.store.write(|unit| unit.idempotency().complete(&claim.key, claim.owner, answer))
    }

    /// Releases the key after a failure, so that the request can be sent again.
    pub fn release_claim(&self, claim: &Claim) -> Result<(), Error> {
        self.store.write(|unit| unit.idempotency().release(&claim.key, claim.owner))
    }

    /// Removes expired answers, and returns their number.
    pub fn remove_expired_answers(&self) -> Result<usize, Error> {
        let expired = self.now() - Duration::hours(RETENTION_HOURS);
        self.remove_in_batches(REMOVAL_BATCH, |unit| unit.idempotency().remove_expired(expired, REMOVAL_BATCH))
    }
}
