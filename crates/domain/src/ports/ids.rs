use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// The source of new ids and activation keys. The domain uses no other randomness, so that tests can predict them.
/// Services use [`RandomIds`], tests [`SequentialIds`].
pub trait IdSource: Send + Sync {
    /// A new UUID. MUST be a version 4 UUID and impossible to guess, because activation keys are made of it.
    fn next(&self) -> Uuid;
}

/// Random UUIDs, version 4.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[allow(clippy::disallowed_methods)] // this is the port's implementation for services
    fn next(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// Ids for tests that count up: distinct, formally version 4, and easy to guess.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl IdSource for SequentialIds {
    fn next(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        uuid::Builder::from_random_bytes(u128::from(number).to_be_bytes()).into_uuid()
    }
}
