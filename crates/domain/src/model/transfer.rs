//! Jobs that move licenses between plans of an agreement.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::history::Row;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, LicenseId, PlanId, TransferJobId};

/// The work of a transfer job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TransferOrder {
    /// The agreement of both plans.
    pub agreement: AgreementId,
    /// The plan to move licenses from.
    pub old_plan: PlanId,
    /// The plan to move them to.
    pub new_plan: PlanId,
    /// Staff's notes.
    pub notes: Option<String>,
    /// Whether a run only reports what it would move.
    pub is_dry_run: bool,
    /// Which licenses move.
    pub licenses: TransferredLicenses,
}

impl TransferOrder {
    /// An order that moves the licenses when the job is run; a dry run can come first.
    pub fn new(agreement: AgreementId, old_plan: PlanId, new_plan: PlanId, licenses: TransferredLicenses) -> Self {
        Self { agreement, old_plan, new_plan, notes: None, is_dry_run: false, licenses }
    }
}

/// The licenses of the old plan to move.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum TransferredLicenses {
    /// All, whatever their status.
    All,
    /// Those of these that are live and in the old plan.
    Named(Vec<LicenseId>),
}

/// A transfer job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LicenseTransferJob {
    /// Its id.
    pub id: TransferJobId,
    /// Its work. `is_dry_run` is that of the latest run.
    pub order: TransferOrder,
    /// Its runs, oldest first.
    pub runs: Vec<TransferRun>,
    /// When the licenses were moved.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// One run of a transfer job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRun {
    /// Whether it was a dry run.
    pub is_dry_run: bool,
    /// The moved licenses, or those that would be moved, sorted by id.
    pub modified_licenses: Vec<LicenseId>,
    /// When it ran.
    pub completed_at: DateTime<Utc>,
}

/// A transfer job in lists, without its licenses, of which there can be a hundred thousand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in LicenseTransferJob or TransferOrder
pub struct TransferJobSummary {
    pub id: TransferJobId,
    pub agreement: AgreementId,
    pub old_plan: PlanId,
    pub new_plan: PlanId,
    pub notes: Option<String>,
    pub is_dry_run: bool,
    /// Whether all licenses of the old plan move.
    pub transfer_all: bool,
    pub completed_at: Option<DateTime<Utc>>,
    pub created: DateTime<Utc>,
    pub modified: DateTime<Utc>,
}

impl From<&LicenseTransferJob> for TransferJobSummary {
    fn from(job: &LicenseTransferJob) -> Self {
        Self {
            id: job.id,
            agreement: job.order.agreement,
            old_plan: job.order.old_plan,
            new_plan: job.order.new_plan,
            notes: job.order.notes.clone(),
            is_dry_run: job.order.is_dry_run,
            transfer_all: job.order.licenses == TransferredLicenses::All,
            completed_at: job.completed_at,
            created: job.created,
            modified: job.modified,
        }
    }
}

/// A transfer job as history shows it: without its licenses and results, of which there can be a hundred thousand.
impl From<&LicenseTransferJob> for Row {
    fn from(job: &LicenseTransferJob) -> Self {
        let order = &job.order;
        Self::from([
            ("id", job.id.0.into()),
            ("customer_agreement_uuid", order.agreement.0.into()),
            ("old_subscription_plan_uuid", order.old_plan.0.into()),
            ("new_subscription_plan_uuid", order.new_plan.0.into()),
            ("notes", order.notes.as_deref().into()),
            ("is_dry_run", order.is_dry_run.into()),
            ("completed_at", job.completed_at.into()),
            ("created", job.created.into()),
            ("modified", job.modified.into()),
        ])
    }
}

/// A license that would be the second live one of its holder in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTwice {
    /// The license.
    pub license: LicenseId,
    /// Its holder.
    pub email: Email,
}
