use std::sync::Mutex;

use chrono::{DateTime, Duration, SubsecRound, Utc};

/// The source of the current time. The domain uses no other, so that tests can set the time. Services use
/// [`SystemClock`], tests [`FixedClock`].
pub trait Clock: Send + Sync {
    /// The current time. Only microseconds are stored.
    fn now(&self) -> DateTime<Utc>;
}

/// The system's clock, with microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // this is the port's implementation for services
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
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
