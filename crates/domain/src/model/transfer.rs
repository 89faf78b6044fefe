//! Transfer jobs: licenses move from one plan of an agreement to another.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::email::Email;
use crate::model::ids::{AgreementId, LicenseId, PlanId, TransferJobId};

/// What a transfer job is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferOrder {
    /// The agreement of both plans.
    pub agreement: AgreementId,
    /// The plan the licenses leave.
    pub old_plan: PlanId,
    /// The plan they move to.
    pub new_plan: PlanId,
    /// What somebody wants to be remembered of it.
    pub notes: Option<String>,
    /// Whether a run only tells what would move.
    pub is_dry_run: bool,
    /// Which licenses move.
    pub licenses: TransferredLicenses,
}

/// Which licenses of the old plan move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferredLicenses {
    /// Every one, whatever its state.
    All,
    /// Those of these that are in the old plan, in somebody's hands.
    Named(Vec<LicenseId>),
}

/// A transfer job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseTransferJob {
    /// Its id.
    pub id: TransferJobId,
    /// What it is to do. Whether it is a dry run is what the latest run was.
    pub order: TransferOrder,
    /// Its runs, the oldest first.
    pub runs: Vec<TransferRun>,
    /// When the licenses moved.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// One run of a transfer job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRun {
    /// Whether nothing moved.
    pub is_dry_run: bool,
    /// The licenses that moved, or would have, in the order of their ids.
    pub modified_licenses: Vec<LicenseId>,
    /// When it was done.
    pub completed_at: DateTime<Utc>,
}

/// A transfer job as lists show it: without what may name a hundred thousand licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in LicenseTransferJob or TransferOrder
pub struct TransferJobSummary {
    pub id: TransferJobId,
    pub agreement: AgreementId,
    pub old_plan: PlanId,
    pub new_plan: PlanId,
    pub notes: Option<String>,
    pub is_dry_run: bool,
    /// Whether every license of the old plan moves.
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

/// A license that would be the second live one of its holder in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTwice {
    /// The license.
    pub license: LicenseId,
    /// Its holder.
    pub email: Email,
}
