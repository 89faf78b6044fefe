//! Who changed what when, and why: every write says so, and storage keeps it beside the rows (docs/RULES.md, "History").

mod rows;

use chrono::{DateTime, Utc};

pub use rows::{Row, Value};

use crate::error::Entity;
use crate::model::ids::{AgreementId, LicenseId, PlanId, ProductId, RenewalId};
use crate::model::plan::ChangeReason;

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

/// Something whose history can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the entity of that name
pub enum EntityRef {
    Agreement(AgreementId),
    Plan(PlanId),
    License(LicenseId),
    Product(ProductId),
    Renewal(RenewalId),
}

impl EntityRef {
    /// What kind of thing it is.
    pub fn entity(self) -> Entity {
        match self {
            Self::Agreement(_) => Entity::Agreement,
            Self::Plan(_) => Entity::Plan,
            Self::License(_) => Entity::License,
            Self::Product(_) => Entity::Product,
            Self::Renewal(_) => Entity::Renewal,
        }
    }
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It was written.
    Changed,
    /// It was deleted.
    Deleted,
}

names!(ChangeKind {
    Added => "+",
    Changed => "~",
    Deleted => "-",
});

/// A row as one change left it; of a deletion, as it last was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counts up over the changes of all rows of one kind.
    pub number: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a user name, or nobody where the service acted by itself.
    pub by: Option<String>,
    /// What happened.
    pub kind: ChangeKind,
    /// Why, where that was said.
    pub reason: Option<String>,
    /// The whole row.
    pub row: Row,
}

/// A field with another value than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its name.
    pub field: &'static str,
    /// What it was.
    pub from: Value,
    /// What it became.
    pub to: Value,
}

impl Version {
    /// What this change changed. `before` is the version before it; without one, every field was empty. The moment of the last
    /// write is left out: it is the moment of the change.
    pub fn changes(&self, before: Option<&Self>) -> Vec<FieldChange> {
        match self.kind {
            ChangeKind::Deleted => Vec::new(),
            _ => self.row.changes(before.map_or(&Row::default(), |version| &version.row)),
        }
    }
}
