use std::sync::Mutex;

use chrono::{DateTime, Duration, Utc};

/// Where the time comes from. The domain never asks the machine, so that a test decides what time it is; a service does:
///
/// ```
/// use chrono::{DateTime, Utc};
/// use license_manager_domain::ports::Clock;
///
/// struct SystemClock;
///
/// impl Clock for SystemClock {
///     fn now(&self) -> DateTime<Utc> {
///         Utc::now()
///     }
/// }
/// # assert!(SystemClock.now() > DateTime::UNIX_EPOCH);
/// ```
pub trait Clock: Send + Sync {
    /// The current time. What is finer than a microsecond, the precision that is stored, does not count.
    fn now(&self) -> DateTime<Utc>;
}

/// A clock that stands still until it is moved, for tests.
#[derive(Debug)]
pub struct FixedClock(Mutex<DateTime<Utc>>);

impl FixedClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock, backwards where `by` is negative.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += by;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
