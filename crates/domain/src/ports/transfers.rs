use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{AgreementId, CustomerId, LicenseId, PlanId, TransferJobId};
use crate::model::transfer::{HeldTwice, LicenseTransferJob, TransferJobSummary, TransferOrder, TransferredLicenses};

/// Which transfer jobs a reader wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Of this agreement.
    pub agreement: Option<AgreementId>,
    /// Out of this plan.
    pub old_plan: Option<PlanId>,
    /// Into this plan.
    pub new_plan: Option<PlanId>,
    /// Only those whose licenses moved, or only the others.
    pub completed: Option<bool>,
}

/// Transfer jobs, and the moving of licenses itself.
///
/// Every write MUST record the history of each row it touches. The number of statements MUST NOT depend on how many licenses
/// there are.
pub trait TransferRepository {
    /// The job of that id.
    fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error>;

    /// The job, locked: whoever else wants to lock it waits until this transaction ends, and then sees what it did.
    fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error>;

    /// The jobs that match, the latest first.
    fn list(&mut self, filter: &TransferFilter, limit_offset: LimitOffset) -> Result<Vec<TransferJobSummary>, Error>;

    /// How many jobs match.
    fn count(&mut self, filter: &TransferFilter) -> Result<i64, Error>;

    /// Adds a job that has not run.
    fn add(&mut self, order: &TransferOrder, change: &Change) -> Result<TransferJobId, Error>;

    /// Writes a job that exists.
    fn save(&mut self, job: &LicenseTransferJob, change: &Change) -> Result<(), Error>;

    /// The licenses that the order moves, in the order of their ids, locked.
    fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error>;

    /// Those of the licenses that are live and whose holder has a live license of the plan, in the order of their ids.
    fn held_twice(&mut self, licenses: &[LicenseId], plan: PlanId) -> Result<Vec<HeldTwice>, Error>;

    /// Moves licenses to a plan; else they stay as they are.
    ///
    /// MUST fail where one does not exist, and return [`crate::Conflict::LiveLicense`] where a person would get a second live
    /// license of the plan.
    fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error>;
}
