//! What can go wrong, told so that the caller knows what to do about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::ids::CatalogId;
use crate::model::license::{ImpossibleTransition, LicenseStatus};
use crate::model::transfer::HeldTwice;

/// Why a use case did not do what was asked. Whatever the error, nothing was changed; [`Refusal::NoLicenseLeft`] alone leaves
/// an event behind.
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
    /// The database cannot be reached; the same request may succeed later.
    #[error("The database is not available.")]
    Unavailable,
    /// An upstream service does not answer as it should; the same request may succeed later.
    #[error("{upstream} {problem}.")]
    Upstream {
        /// Which one.
        upstream: Upstream,
        /// What is wrong with it, to follow its name: "answered 502 Bad Gateway".
        problem: String,
    },
    /// The catalog service has to be asked first whose this catalog is: [`crate::LicenseManager::catalog_owner`].
    #[error("Nobody has asked the catalog service whose the catalog {0} is.")]
    UnknownCatalogOwner(CatalogId),
    /// Something failed in a way nobody foresaw. For the log, not for the caller.
    #[error(transparent)]
    Internal(#[from] Cause),
}

/// What failed in a way nobody foresaw. Two are equal where they say the same.
#[derive(Debug, Clone, thiserror::Error)]
#[error("internal error: {0}")]
pub struct Cause(#[source] Arc<dyn std::error::Error + Send + Sync>);

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Cause {}

/// A service around this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the service of that name
pub enum Upstream {
    Catalog,
    Lms,
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Catalog => "The catalog service",
            Self::Lms => "The LMS",
        })
    }
}

/// A kind of thing that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the entity of that name
pub enum Entity {
    Agreement,
    Plan,
    License,
    Product,
    PlanType,
    RoleAssignment,
    EnrollmentJob,
    Renewal,
    TransferJob,
    Webhook,
    WebhookDelivery,
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agreement => "customer agreement",
            Self::Plan => "subscription plan",
            Self::License => "license",
            Self::Product => "product",
            Self::PlanType => "plan type",
            Self::RoleAssignment => "role assignment",
            Self::EnrollmentJob => "bulk enrollment",
            Self::Renewal => "renewal",
            Self::TransferJob => "license transfer job",
            Self::Webhook => "webhook",
            Self::WebhookDelivery => "delivery of this webhook",
        })
    }
}

/// A uniqueness rule that the database holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// A NetSuite id names one product.
    #[error("Another product has this NetSuite id.")]
    ProductNetsuiteId,
    /// A person has at most one live license of a plan. Names the licenses that would be the second one of their holders; none
    /// where the database found it. The message names nobody: it may be logged.
    #[error("{}", second_live(.0))]
    LiveLicense(Vec<HeldTwice>),
    /// A plan is renewed at most once.
    #[error("The prior plan has a renewal already.")]
    RenewalOfPlan,
    /// A plan follows at most one other.
    #[error("The renewed plan follows another plan already.")]
    RenewalByPlan,
}

fn second_live(licenses: &[HeldTwice]) -> String {
    match licenses.len() {
        0 => "Nothing was changed: the person has a live license of the plan already.".to_owned(),
        number => format!(
            "Nothing was changed: {number} of the licenses would be the second live one of its holder in the plan."
        ),
    }
}

/// A rule of the business that forbids the request now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// A filter matches more licenses than are revoked in one request.
    #[error("The filters match more than {most} licenses. Name fewer, or revoke the whole plan. Nothing was revoked.")]
    TooManyMatches {
        /// How many are revoked in one request at most.
        most: i64,
    },
    /// More licenses were written since a moment than one request sets back.
    #[error("More than {most} licenses were written since. Name some of them as license_uuids. Nothing was set back.")]
    TooManyToRevert {
        /// How many one request looks at.
        most: u32,
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
    /// A reminder found nobody who has yet to activate.
    #[error("No license that waits to be activated matches. Nobody was reminded.")]
    NobodyToRemind,
    /// A learner came for a license, and no plan of the agreement hands out licenses by itself.
    #[error("No active and current plan of this agreement hands out licenses by itself.")]
    NoAutoApplicablePlan,
    /// A learner came for a license of a plan that is about to be renewed.
    #[error("The plan is about to be renewed and hands out no licenses until then.")]
    LockedForRenewal,
    /// A learner came for a license after theirs was taken back.
    #[error("Your license of this plan was revoked. An administrator can assign you another one.")]
    RevokedBefore,
    /// A learner came for a license and every one is taken.
    #[error("Every license of the plan is taken.")]
    NoLicenseLeft,
    /// The plan does not permit it.
    #[error("The unused licenses of this plan cannot be frozen: can_freeze_unused_licenses is not set.")]
    NotFreezable,
    /// A frozen plan gets no new licenses.
    #[error("The plan is frozen: it gets no new licenses.")]
    Frozen,
    /// One bulk enrollment is limited.
    #[error("This asks for {requested} enrollments (learners times courses); one request has at most {limit}.")]
    TooManyEnrollments {
        /// How many it asks for.
        requested: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The license's state does not allow it.
    #[error("A license that is {0} cannot be activated.")]
    NotActivatable(LicenseStatus),
    /// A license's life has no such step.
    #[error("{0}")]
    Impossible(ImpossibleTransition),
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

impl From<ImpossibleTransition> for Error {
    fn from(step: ImpossibleTransition) -> Self {
        Refusal::Impossible(step).into()
    }
}

impl Error {
    /// A failure that nobody foresaw.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Cause(cause.into().into()))
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

/// One line: `title: This may not be blank.; expiration_date: …`.
impl std::fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields: Vec<_> =
            self.0.iter().map(|(field, messages)| format!("{field}: {}", messages.join(" "))).collect();
        f.write_str(&fields.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_their_fields() {
        let mut errors = FieldErrors::one("title", "This may not be blank.");
        errors.add("slug", "Too long.");
        errors.add("slug", "No slug.");
        let told = Error::Invalid(errors).to_string();
        assert_eq!(told, "slug: Too long. No slug.; title: This may not be blank.");
    }

    #[test]
    fn a_step_that_no_license_takes_is_refused() {
        let step = ImpossibleTransition { from: LicenseStatus::Revoked, step: "revoked" };
        assert_eq!(Error::from(step), Refusal::Impossible(step).into());
        assert_eq!(Error::from(step).to_string(), "A license that is revoked cannot be revoked.");
    }
}
