use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Where new ids and activation keys come from. The domain never asks for randomness, so that a test decides what they are; a service
/// does:
///
/// ```
/// use license_manager_domain::ports::IdSource;
/// use uuid::Uuid;
///
/// struct RandomIds;
///
/// impl IdSource for RandomIds {
///     fn next(&self) -> Uuid {
///         Uuid::new_v4()
///     }
/// }
/// # assert_eq!(RandomIds.next().get_version_num(), 4);
/// ```
pub trait IdSource: Send + Sync {
    /// A UUID never given before. MUST be of version 4 and impossible to guess where activation keys are made of it.
    fn next(&self) -> Uuid;
}

/// Ids that count up, for tests: distinct, of version 4 by their form, and easy to guess.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl IdSource for SequentialIds {
    fn next(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        uuid::Builder::from_random_bytes(u128::from(number).to_be_bytes()).into_uuid()
    }
}
