use std::sync::Mutex;

use chrono::{DateTime, Duration, Utc};

/// The source of the current time. The domain uses no other, so that tests can set the time. A service implements it
/// like this:
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
    /// The current time. Only microseconds are stored.
    fn now(&self) -> DateTime<Utc>;
}

/// A clock for tests that moves only when told.
#[derive(Debug)]
pub struct FixedClock(Mutex<DateTime<Utc>>);

impl FixedClock {
    /// A clock set to `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock; backwards if `by` is negative.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += by;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
