//! What can go wrong, told so that the caller knows what to do about it.

use std::collections::BTreeMap;

use crate::license::{ImpossibleTransition, LicenseStatus};
use crate::transfer::HeldTwice;

/// Why a use case did not do what was asked. Whatever the error, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("No {0} matches.")]
    NotFound(Entity),
    /// Values break a rule; each is named.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// A value names something that does not exist.
    #[error("{field}: no {entity} matches.")]
    UnknownReference {
        /// The field that names it.
        field: &'static str,
        /// What it names.
        entity: Entity,
    },
    /// Something that must be unique exists already.
    #[error("{0}")]
    Conflict(Conflict),
    /// The request is well-formed, and a rule of the business forbids it now.
    #[error("{0}")]
    Refused(Refusal),
    /// Licenses cannot move, because their holders have live ones of the plan already. The message names nobody: it may be logged.
    #[error("{} people would hold two live licenses of the new plan. Nothing was moved.", .0.len())]
    WouldHoldTwo(Vec<HeldTwice>),
    /// The database cannot be reached; the same request may succeed later.
    #[error("The database is not available.")]
    Unavailable,
    /// The storage failed in a way nobody foresaw. For the log, not for the caller.
    #[error("storage: {0}")]
    Storage(String),
}

/// A kind of thing that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the entity of that name
pub enum Entity {
    Agreement,
    Plan,
    License,
    Product,
    Renewal,
    TransferJob,
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agreement => "customer agreement",
            Self::Plan => "subscription plan",
            Self::License => "license",
            Self::Product => "product",
            Self::Renewal => "renewal",
            Self::TransferJob => "license transfer job",
        })
    }
}

/// A uniqueness rule that the database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A customer has one agreement.
    #[error("This customer has an agreement already.")]
    AgreementOfCustomer,
    /// A slug names one customer.
    #[error("Another customer has this slug.")]
    AgreementSlug,
    /// A title names one plan of an agreement.
    #[error("The agreement has a plan of this title already.")]
    PlanTitle,
    /// A person has at most one live license of a plan.
    #[error("This person has a license of the plan already.")]
    LiveLicense,
    /// A plan is renewed at most once.
    #[error("The prior plan has a renewal already.")]
    RenewalOfPlan,
    /// A plan follows at most one other.
    #[error("The renewed plan follows another plan already.")]
    RenewalByPlan,
}

/// A rule of the business that forbids the request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// All or nothing: the plan cannot give every learner a license.
    #[error("The plan has {available} unassigned licenses, and {requested} are needed. Nothing was assigned.")]
    NotEnoughLicenses {
        /// How many learners have none yet.
        requested: usize,
        /// How many licenses are free.
        available: usize,
    },
    /// More activated licenses than the revocation cap leaves.
    #[error(
        "The plan's revocation cap leaves {remaining} revocations, and {requested} activated licenses were named. Nothing was revoked."
    )]
    RevocationCap {
        /// How many activated licenses were named.
        requested: usize,
        /// How many may be revoked.
        remaining: i64,
    },
    /// A capped plan is not revoked as a whole.
    #[error("All licenses of a plan can be revoked only where the plan has no revocation cap.")]
    RevokeAllUnderCap,
    /// An agreement stays with its customer.
    #[error("An agreement's customer cannot be changed.")]
    CustomerIsFixed,
    /// A plan stays in its agreement.
    #[error("A plan's agreement cannot be changed.")]
    AgreementIsFixed,
    /// The license's state does not allow it.
    #[error("A license that is {0} cannot be activated.")]
    NotActivatable(LicenseStatus),
    /// What was done stays as it was agreed.
    #[error("The renewal was processed and cannot be edited any more.")]
    RenewalIsProcessed,
    /// A renewal must hold everybody it carries over.
    #[error("The renewal is for {agreed} licenses, and {needed} are to be carried over. Nothing was renewed.")]
    RenewalTooSmall {
        /// How many licenses were agreed.
        agreed: i32,
        /// How many are to be carried over.
        needed: usize,
    },
    /// Licenses are carried over into a plan that nobody uses yet.
    #[error("The renewed plan has {used} licenses that were handed out already. Nothing was renewed.")]
    RenewedPlanInUse {
        /// How many of its licenses are not unassigned.
        used: i64,
    },
    /// A renewal never takes licenses away.
    #[error("The renewed plan has {present} licenses, and the renewal is for {agreed}. Nothing was renewed.")]
    RenewedPlanTooLarge {
        /// How many licenses were agreed.
        agreed: i32,
        /// How many the plan has.
        present: i64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// A use case that asks for an impossible step has checked too little.
impl From<ImpossibleTransition> for Error {
    fn from(error: ImpossibleTransition) -> Self {
        Self::Storage(error.to_string())
    }
}

impl Error {
    /// An unforeseen failure of the storage.
    pub fn storage(cause: impl std::fmt::Display) -> Self {
        Self::Storage(cause.to_string())
    }
}

/// Messages about values that break rules, by the field they stand in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// One message about one field.
    pub fn one(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Adds a message about a field.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.entry(field.into()).or_default().push(message.into());
    }

    /// The messages by field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(field, messages)| (field.as_str(), messages.as_slice()))
    }

    /// An error where there is any message.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

impl std::fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let messages: Vec<&str> = self.0.values().flatten().map(String::as_str).collect();
        f.write_str(&messages.join(" "))
    }
}
