//! Who changed what, when and why. Every write records it (RULES.md, "History").

pub(crate) mod rows;

use std::borrow::Cow;

use chrono::{DateTime, Utc};

pub use rows::{FieldChange, Row, Value};

use crate::error::Entity;
use crate::model::ids::{
    AgreementId, LicenseEventId, LicenseId, NotificationId, PlanId, ProductId, RenewalId, TransferJobId,
};

/// The time, author and reason of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a user name; `None` for the service itself.
    pub by: Option<String>,
    /// Why, if a reason was given.
    pub reason: Option<Cow<'static, str>>,
}

/// The author of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Their user name; `None` for the service itself.
    pub username: Option<String>,
    /// Why they make the changes, if they said so.
    pub reason: Option<Cow<'static, str>>,
}

impl Actor {
    /// A user.
    pub fn user(username: impl Into<String>) -> Self {
        Self { username: Some(username.into()), reason: None }
    }

    /// The service itself.
    pub fn service() -> Self {
        Self { username: None, reason: None }
    }

    /// The actor, who gives a reason or none.
    pub fn because(self, reason: Option<String>) -> Self {
        Self { reason: reason.map(Cow::Owned), ..self }
    }

    /// A change by this actor.
    pub fn change(&self, at: DateTime<Utc>) -> Change {
        Change { at, by: self.username.clone(), reason: self.reason.clone() }
    }
}

/// An entity with a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the entity of that name
pub enum EntityRef {
    Agreement(AgreementId),
    Plan(PlanId),
    License(LicenseId),
    Product(ProductId),
    Renewal(RenewalId),
    TransferJob(TransferJobId),
    Notification(NotificationId),
    LicenseEvent(LicenseEventId),
}

impl EntityRef {
    /// Its kind.
    pub fn entity(self) -> Entity {
        match self {
            Self::Agreement(_) => Entity::Agreement,
            Self::Plan(_) => Entity::Plan,
            Self::License(_) => Entity::License,
            Self::Product(_) => Entity::Product,
            Self::Renewal(_) => Entity::Renewal,
            Self::TransferJob(_) => Entity::TransferJob,
            Self::Notification(_) => Entity::Notification,
            Self::LicenseEvent(_) => Entity::LicenseEvent,
        }
    }
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Added.
    Added,
    /// Changed.
    Changed,
    /// It was deleted.
    Deleted,
}

names!(ChangeKind {
    Added => "+",
    Changed => "~",
    Deleted => "-",
});

/// A row after a change; for a deletion, the row before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counts all changes of this kind of row.
    pub number: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a user name; `None` for the service itself.
    pub by: Option<String>,
    /// What happened.
    pub kind: ChangeKind,
    /// Why, if given.
    pub reason: Option<String>,
    /// The whole row; of a transfer job, without its licenses and results.
    pub row: Row,
}

impl Version {
    /// The fields changed since `before`; of a new row, since all fields were empty. Unknown, so none, if the versions
    /// before a change were removed. The modification time is left out: it is the time of the change.
    pub fn changes(&self, before: Option<&Self>) -> Vec<FieldChange> {
        match (self.kind, before) {
            (ChangeKind::Deleted, _) | (ChangeKind::Changed, None) => Vec::new(),
            _ => self.row.changes(before.map_or(&Row::default(), |version| &version.row)),
        }
    }
}
