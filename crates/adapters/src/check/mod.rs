//! Looks for rows in a database that break a rule.
//!
//! | module | contents |
//! |---|---|
//! | `invariants` | the checks: what each means, and the statement that finds its violations |
//! | `history` | statements for the tables with a history |
//! | `messages` | messages and events that nobody could deliver |
//! | `snapshot` | reads either database as of one moment |
//!
//! Statements read whole tables. Their number does not depend on the number of rows.

mod history;
mod invariants;
mod messages;
mod snapshot;

use license_manager_domain::model::SubscriptionPlan;

pub use snapshot::{CheckError, check_postgres, check_sqlite};

/// The most examples of violations per check.
pub const EXAMPLES: usize = 5;

/// The limits that the rules set.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most licenses of a plan that is not for internal use.
    pub licenses_per_plan: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { licenses_per_plan: SubscriptionPlan::MAX_LICENSES }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the check.
    pub name: &'static str,
    /// What it says of a database without violations.
    pub meaning: &'static str,
    /// The number of violations.
    pub violations: i64,
    /// Some of the violations, at most [`EXAMPLES`], in a fixed order. They name rows by id, and no person.
    pub examples: Vec<String>,
}
