//! Errors.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::model::ids::CatalogId;
use crate::model::license::{ImpossibleTransition, LicenseStatus};
use crate::model::transfer::HeldTwice;
use crate::words::counted;

/// Why a use case failed. A use case that fails has changed nothing; only [`Refusal::NoLicenseLeft`] adds an event to
/// the outbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not exist.
    #[error("No {0} matches.")]
    NotFound(Entity),
    /// Fields have invalid values.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// A field refers to something that does not exist. It is named as in [`FieldErrors`].
    #[error("{field}: no {entity} matches.")]
    UnknownReference {
        /// The field.
        field: &'static str,
        /// What it refers to.
        entity: Entity,
    },
    /// Something that must be unique already exists.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The request is valid, but a business rule forbids it now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database cannot be reached. A retry may succeed.
    #[error("The database is not available.")]
    Unavailable,
    /// An upstream service failed. A retry may succeed.
    #[error("{upstream} {problem}.")]
    Upstream {
        /// The service.
        upstream: Upstream,
        /// The problem, to follow the name of the service: "answered 502 Bad Gateway".
        problem: String,
    },
    /// The owner of this catalog is needed first; see [`crate::LicenseManager::catalog_owner`].
    #[error("The owner of the catalog {0} is not known. Ask the catalog service first.")]
    UnknownCatalogOwner(CatalogId),
    /// Something is missing that the use case needs: a method of a repository, such as `licenses.list`, or a feature of
    /// this crate, such as `the feature csv`. See [`crate::own_store`].
    #[error("This program does not provide {0}, which is needed here.")]
    NotProvided(&'static str),
    /// An unexpected failure, for the log and not for the caller.
    #[error(transparent)]
    Internal(#[from] Cause),
}

/// The cause of an unexpected failure. Causes with the same text are equal.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "internal error: {}", self.0)
    }
}

// Not derived: the cause shall be the error itself, which can be downcast, and not the pointer to it.
impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Cause {}

/// An upstream service. There may be more of them, so a `match` needs a last arm:
///
/// ```compile_fail
/// # use license_manager_domain::Upstream;
/// fn initial(upstream: Upstream) -> char {
///     match upstream {
///         Upstream::Catalog => 'c',
///         Upstream::Lms => 'l',
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the service of that name
#[non_exhaustive]
pub enum Upstream {
    Catalog,
    Lms,
}

impl Upstream {
    /// Its name in logs, metrics and traces: `catalog` or `lms`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Lms => "lms",
        }
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Catalog => "The catalog service",
            Self::Lms => "The LMS",
        })
    }
}

/// What can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the entity of that name
#[non_exhaustive]
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
    Notification,
    LicenseEvent,
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
            Self::Notification => "notification",
            Self::LicenseEvent => "license event",
            Self::Webhook => "webhook",
            Self::WebhookDelivery => "delivery of this webhook",
        })
    }
}

/// A uniqueness rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A customer has one agreement.
    #[error("This customer has an agreement already.")]
    AgreementOfCustomer,
    /// Slugs are unique.
    #[error("Another customer has this slug.")]
    AgreementSlug,
    /// Titles of plans are unique in an agreement.
    #[error("The agreement has a plan of this title already.")]
    PlanTitle,
    /// NetSuite ids are unique.
    #[error("Another product has this NetSuite id.")]
    ProductNetsuiteId,
    /// A person has at most one live license of a plan. Contains the licenses that would be the second one of their
    /// holders; empty if the database found the conflict. The message names no person, so it can be logged.
    #[error("{}", second_live(.0))]
    LiveLicense(Vec<HeldTwice>),
    /// A plan is renewed at most once.
    #[error("The prior plan already has a renewal.")]
    RenewalOfPlan,
    /// A plan renews at most one other plan.
    #[error("The renewed plan already follows another plan.")]
    RenewalByPlan,
}

fn second_live(licenses: &[HeldTwice]) -> String {
    match licenses.len() {
        0 => "Nothing was changed: the person already has a live license of the plan.".to_owned(),
        number => format!(
            "Nothing was changed: {number} of the licenses would give their holder a second live license of the plan."
        ),
    }
}

/// A business rule that forbids the request now. The message of each explains its fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each variant has docs; the fields are numbers of licenses in its message
#[non_exhaustive]
pub enum Refusal {
    /// The plan has too few unassigned licenses.
    #[error(
        "The plan has {}, and {} needed. Nothing was assigned.",
        counted(.available, "unassigned license", "unassigned licenses"),
        counted(.requested, "is", "are")
    )]
    NotEnoughLicenses { requested: usize, available: usize },
    /// The revocation cap leaves too few revocations of activated licenses.
    #[error(
        "The plan's revocation cap leaves {}, and {} named. Nothing was revoked.",
        counted(.remaining, "revocation", "revocations"),
        counted(.requested, "activated license was", "activated licenses were")
    )]
    RevocationCap { requested: usize, remaining: i64 },
    /// A filter matches more licenses than one request revokes.
    #[error("The filters match more than {most} licenses. Name fewer, or revoke the whole plan. Nothing was revoked.")]
    TooManyMatches { most: i64 },
    /// More licenses were written since than one request reverts.
    #[error("More than {most} licenses were changed since that moment. Name the licenses. Nothing was changed.")]
    TooManyToRevert { most: u32 },
    /// The plan has too few unassigned licenses to delete for the revoked ones that a revert brings back.
    #[error(
        "{} missing to keep the size of the plan: one is deleted for each revoked license that comes back. Name fewer licenses, or make others unassigned first. Nothing was changed.",
        counted(.missing, "unassigned license is", "unassigned licenses are")
    )]
    TooFewToRemove { missing: i64 },
    /// The history of this time was removed.
    #[error("The history before {} was removed. Name this moment or a later one.", .since.to_rfc3339_opts(SecondsFormat::AutoSi, true))]
    HistoryRemoved { since: DateTime<Utc> },
    /// A plan with a revocation cap cannot be revoked as a whole.
    #[error(
        "The plan has a revocation cap, so its licenses cannot be revoked all at once. Name the licenses to revoke."
    )]
    RevokeAllUnderCap,
    /// The customer of an agreement cannot change.
    #[error("An agreement's customer cannot be changed.")]
    CustomerIsFixed,
    /// The agreement of a plan cannot change.
    #[error("A plan's agreement cannot be changed.")]
    AgreementIsFixed,
    /// No selected license is assigned and not activated.
    #[error("No matching license is assigned and not yet activated. Nobody was reminded.")]
    NobodyToRemind,
    /// A job with another filter or other texts is unfinished.
    #[error("Many learners of this plan are still being reminded. Wait until this is done. Nobody else was reminded.")]
    AlreadyReminding,
    /// No active and current plan of the agreement auto-applies its licenses.
    #[error("This agreement has no active and current plan that applies its licenses automatically.")]
    NoAutoApplicablePlan,
    /// The learner's license of the plan was revoked.
    #[error("Your license of this plan was revoked. An administrator can assign you another one.")]
    RevokedBefore,
    /// The learner has no email address that is known to be theirs and that this service accepts.
    #[error(
        "A license needs an email address that is confirmed and valid. Confirm your address in the LMS, or change it there."
    )]
    NoAddress,
    /// The plan has no unassigned license.
    #[error("The plan has no unassigned license left. Ask an administrator for more licenses.")]
    NoLicenseLeft,
    /// The plan does not allow freezing.
    #[error("The unused licenses of this plan cannot be frozen: the plan does not allow it.")]
    NotFreezable,
    /// The license continues one of the prior plan, whose holder it has.
    #[error(
        "This license is a copy of a license of the prior plan and has the same holder. Correct that license; the copy follows."
    )]
    HolderOfOriginal,
    /// The plan has as many licenses as a plan can have.
    #[error("The plan has the maximum number of licenses. Use another plan for more.")]
    PlanIsFull,
    /// An agreement with plans cannot be deleted.
    #[error("The agreement has {}. Only an agreement without plans can be deleted.", counted(.plans, "plan", "plans"))]
    AgreementHasPlans { plans: usize },
    /// A plan with a license that was ever assigned cannot be deleted.
    #[error("Licenses of the plan were handed out. Only a plan whose licenses never were can be deleted.")]
    PlanWasHandedOut,
    /// A plan that is renewed or renews another cannot be deleted.
    #[error("The plan has a renewal, or is the future plan of one. Delete the renewal first.")]
    PlanHasRenewal,
    /// A plan with jobs cannot be deleted.
    #[error("The plan has transfer jobs, or licenses are still being added to it. It cannot be deleted.")]
    PlanHasJobs,
    /// A completed transfer job cannot be deleted.
    #[error("The transfer job moved its licenses and cannot be deleted any more.")]
    TransferIsCompleted,
    /// A frozen plan gets no new licenses.
    #[error("The plan is frozen: it gets no new licenses.")]
    Frozen,
    /// A bulk enrollment is too large.
    #[error("This asks for {requested} enrollments (learners times courses); one request has at most {limit}.")]
    TooManyEnrollments { requested: usize, limit: usize },
    /// A license with this status cannot be activated.
    #[error("A license that is {0} cannot be activated.")]
    NotActivatable(LicenseStatus),
    /// The license has no such transition.
    #[error("{0}")]
    Impossible(ImpossibleTransition),
    /// A processed renewal cannot change.
    #[error("The renewal was processed and cannot be edited any more.")]
    RenewalIsProcessed,
    /// The renewal has too few licenses for all holders.
    #[error(
        "The renewal is for {}, and {} to be carried over. Raise its number of licenses. Nothing was renewed.",
        counted(.agreed, "license", "licenses"),
        counted(.needed, "is", "are")
    )]
    RenewalTooSmall { agreed: i32, needed: usize },
    /// The renewed plan already has licenses with holders.
    #[error(
        "The renewed plan has {} assigned. Choose a plan whose licenses are unassigned. Nothing was renewed.",
        counted(.used, "license that is or was", "licenses that are or were")
    )]
    RenewedPlanInUse { used: i64 },
    /// The renewed plan has more licenses than the renewal.
    #[error(
        "The renewed plan has {}, and the renewal is for {agreed}. Raise the number of the renewal. Nothing was renewed.",
        counted(.present, "license", "licenses")
    )]
    RenewedPlanTooLarge { agreed: i32, present: i64 },
}

impl From<ImpossibleTransition> for Error {
    fn from(step: ImpossibleTransition) -> Self {
        Refusal::Impossible(step).into()
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Error {
    /// A name of the error for programs. It stays when the words change: `not_found`, `invalid`, `unknown_reference`,
    /// `unavailable`, `upstream`, `unknown_catalog_owner`, `not_provided`, `internal`, and those of [`Conflict::code`]
    /// and [`Refusal::code`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::Invalid(_) => "invalid",
            Self::UnknownReference { .. } => "unknown_reference",
            Self::Conflict(conflict) => conflict.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::Unavailable => "unavailable",
            Self::Upstream { .. } => "upstream",
            Self::UnknownCatalogOwner(_) => "unknown_catalog_owner",
            Self::NotProvided(_) => "not_provided",
            Self::Internal(_) => "internal",
        }
    }

    /// An unexpected failure.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Cause(cause.into().into()))
    }
}

impl Conflict {
    /// Its name for programs, which stays: `conflict.` and the name of the variant, such as `conflict.plan_title`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AgreementOfCustomer => "conflict.agreement_of_customer",
            Self::AgreementSlug => "conflict.agreement_slug",
            Self::PlanTitle => "conflict.plan_title",
            Self::ProductNetsuiteId => "conflict.product_netsuite_id",
            Self::LiveLicense(..) => "conflict.live_license",
            Self::RenewalOfPlan => "conflict.renewal_of_plan",
            Self::RenewalByPlan => "conflict.renewal_by_plan",
        }
    }
}

impl Refusal {
    /// Its name for programs, which stays: `refused.` and the name of the variant, such as
    /// `refused.not_enough_licenses`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEnoughLicenses { .. } => "refused.not_enough_licenses",
            Self::RevocationCap { .. } => "refused.revocation_cap",
            Self::TooManyMatches { .. } => "refused.too_many_matches",
            Self::TooManyToRevert { .. } => "refused.too_many_to_revert",
            Self::TooFewToRemove { .. } => "refused.too_few_to_remove",
            Self::HistoryRemoved { .. } => "refused.history_removed",
            Self::RevokeAllUnderCap => "refused.revoke_all_under_cap",
            Self::CustomerIsFixed => "refused.customer_is_fixed",
            Self::AgreementIsFixed => "refused.agreement_is_fixed",
            Self::NobodyToRemind => "refused.nobody_to_remind",
            Self::AlreadyReminding => "refused.already_reminding",
            Self::NoAutoApplicablePlan => "refused.no_auto_applicable_plan",
            Self::RevokedBefore => "refused.revoked_before",
            Self::NoAddress => "refused.no_address",
            Self::NoLicenseLeft => "refused.no_license_left",
            Self::NotFreezable => "refused.not_freezable",
            Self::HolderOfOriginal => "refused.holder_of_original",
            Self::PlanIsFull => "refused.plan_is_full",
            Self::AgreementHasPlans { .. } => "refused.agreement_has_plans",
            Self::PlanWasHandedOut => "refused.plan_was_handed_out",
            Self::PlanHasRenewal => "refused.plan_has_renewal",
            Self::PlanHasJobs => "refused.plan_has_jobs",
            Self::TransferIsCompleted => "refused.transfer_is_completed",
            Self::Frozen => "refused.frozen",
            Self::TooManyEnrollments { .. } => "refused.too_many_enrollments",
            Self::NotActivatable(..) => "refused.not_activatable",
            Self::Impossible(..) => "refused.impossible",
            Self::RenewalIsProcessed => "refused.renewal_is_processed",
            Self::RenewalTooSmall { .. } => "refused.renewal_too_small",
            Self::RenewedPlanInUse { .. } => "refused.renewed_plan_in_use",
            Self::RenewedPlanTooLarge { .. } => "refused.renewed_plan_too_large",
        }
    }
}

/// Messages about invalid values, by field. Fields have the names of the API, which is often also their name in the
/// history: `enterprise_catalog_uuid` is [`crate::PlanChanges::catalog`].
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

    /// An error if there is a message.
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
    fn an_error_has_a_name_for_programs() {
        let refused = Error::from(Refusal::NotEnoughLicenses { requested: 2, available: 1 });
        assert_eq!(refused.code(), "refused.not_enough_licenses");
        assert_eq!(Error::from(Conflict::PlanTitle).code(), "conflict.plan_title");
        assert_eq!(Error::NotFound(Entity::Plan).code(), "not_found");
        assert_eq!(Error::NotProvided("licenses.list").code(), "not_provided");
        assert_eq!([Upstream::Catalog, Upstream::Lms].map(Upstream::as_str), ["catalog", "lms"]);
    }

    #[test]
    fn the_cause_of_an_unexpected_failure_is_kept() {
        let error = Error::internal(std::io::Error::other("the disk is full"));
        assert_eq!(error.to_string(), "internal error: the disk is full");
        let cause = std::error::Error::source(&error).expect("it has a cause");
        assert_eq!(
            cause.downcast_ref::<std::io::Error>().map(ToString::to_string).as_deref(),
            Some("the disk is full")
        );
    }

    #[test]
    fn a_step_that_no_license_takes_is_refused() {
        let step = ImpossibleTransition { from: LicenseStatus::Revoked, step: "revoked" };
        assert_eq!(Error::from(step), Refusal::Impossible(step).into());
        assert_eq!(Error::from(step).to_string(), "A license that is revoked cannot be revoked.");
    }
}
