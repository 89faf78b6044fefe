//! Who changed what when, and why: every write says so, and storage keeps it beside the rows (docs/RULES.md, "History").

use chrono::{DateTime, Utc};

use crate::plan::ChangeReason;

/// The circumstances of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a user name, or nobody where the service acted by itself.
    pub by: Option<String>,
    /// Why, for changes of a plan.
    pub reason: Option<ChangeReason>,
}

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Their user name, or nobody where the service acts by itself.
    pub username: Option<String>,
}

impl Actor {
    /// Somebody.
    pub fn user(username: impl Into<String>) -> Self {
        Self { username: Some(username.into()) }
    }

    /// The service itself.
    pub fn service() -> Self {
        Self { username: None }
    }

    /// A change by them without a reason.
    pub fn change(&self, at: DateTime<Utc>) -> Change {
        Change { at, by: self.username.clone(), reason: None }
    }
}
