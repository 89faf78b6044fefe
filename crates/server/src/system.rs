//! The time and new ids, from the machine: the one place that asks for them.
#![allow(clippy::disallowed_methods)]

use chrono::{DateTime, SubsecRound, Utc};
use license_manager_domain::ports::{Clock, IdSource};
use uuid::Uuid;

/// The clock on the wall.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// Random ids of version 4.
#[derive(Debug, Clone, Copy)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next(&self) -> Uuid {
        Uuid::new_v4()
    }
}
