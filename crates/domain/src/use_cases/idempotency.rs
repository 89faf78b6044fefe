//! A request with an idempotency key is done once, and its answer given to whoever sends it again.

use chrono::Duration;
use uuid::Uuid;

use super::manager::LicenseManager;
use crate::error::Error;
use crate::model::idempotency::{FirstRequest, IdempotencyKey, StoredAnswer};
use crate::ports::StoreExt;

/// How long an answer is kept, in hours.
const RETENTION_HOURS: i64 = 24;

/// How long a claim stands after its last renewal, in seconds. So long a key is blocked by a server that died.
const LEASE_SECONDS: i64 = 120;

/// How many expired requests are removed in one transaction.
const REMOVAL_BATCH: i64 = 1_000;

/// A request that is its caller's to do. It must be renewed while it is being done, and completed or released then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: IdempotencyKey,
    owner: Uuid,
}

/// What to do with a request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is the first of its key: do it.
    First(Claim),
    /// It was done: answer the same.
    Answered(StoredAnswer),
    /// Somebody is doing it: wait.
    Underway,
    /// The key belongs to a request that says something else: refuse.
    OtherRequest,
}

impl LicenseManager {
    /// How often a claim is to be renewed: several times before it runs out.
    pub const CLAIM_RENEWAL: std::time::Duration = std::time::Duration::from_secs(LEASE_SECONDS as u64 / 4);

    /// Claims the request for the caller, unless another one with the key stands in its way. `fingerprint` digests everything
    /// that the request says.
    pub fn begin_once(&self, key: &IdempotencyKey, fingerprint: [u8; 32]) -> Result<Begun, Error> {
        let now = self.now();
        let owner = self.ids.next();
        let lease_until = now + Duration::seconds(LEASE_SECONDS);
        let request = FirstRequest { fingerprint, owner, created: now, lease_until, answer: None };
        let expired = now - Duration::hours(RETENTION_HOURS);
        let standing = self.store.write(|unit| unit.idempotency().claim(key, &request, expired))?;
        Ok(match standing {
            None => Begun::First(Claim { key: key.clone(), owner }),
            Some(first) if first.fingerprint != fingerprint => Begun::OtherRequest,
            Some(FirstRequest { answer: Some(answer), .. }) => Begun::Answered(answer),
            Some(_) => Begun::Underway,
        })
    }

    /// Says that the request is still being done. Returns whether it still is the claim's.
    pub fn renew_claim(&self, claim: &Claim) -> Result<bool, Error> {
        let lease_until = self.now() + Duration::seconds(LEASE_SECONDS);
        self.store.write(|unit| unit.idempotency().renew(&claim.key, claim.owner, lease_until))
    }

    /// Keeps the answer for whoever sends the request again. Returns whether it still was the claim's.
    pub fn complete_claim(&self, claim: &Claim, answer: &StoredAnswer) -> Result<bool, Error> {
        self.store.write(|unit| unit.idempotency().complete(&claim.key, claim.owner, answer))
    }

    /// Frees the key: the request came to nothing and may be sent again.
    pub fn release_claim(&self, claim: &Claim) -> Result<(), Error> {
        self.store.write(|unit| unit.idempotency().release(&claim.key, claim.owner))
    }

    /// Removes the answers that are no longer to be kept, and returns how many.
    pub fn remove_expired_answers(&self) -> Result<usize, Error> {
        let expired = self.now() - Duration::hours(RETENTION_HOURS);
        self.remove_in_batches(REMOVAL_BATCH, |unit| unit.idempotency().remove_expired(expired, REMOVAL_BATCH))
    }
}
