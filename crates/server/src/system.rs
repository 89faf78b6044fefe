//! The system's clock and random ids. Nothing else reads them directly.
#![allow(clippy::disallowed_methods)]

use chrono::{DateTime, SubsecRound, Utc};
use license_manager_domain::ports::{Clock, IdSource};
use uuid::Uuid;

/// The system's clock, with microseconds.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// Random UUIDs, version 4.
#[derive(Debug, Clone, Copy)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next(&self) -> Uuid {
        Uuid::new_v4()
    }
}
