use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{AgreementId, CustomerId, LicenseId, PlanId, TransferJobId};
use crate::model::transfer::{HeldTwice, LicenseTransferJob, TransferJobSummary, TransferOrder, TransferredLicenses};

/// A filter for transfer jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Of this agreement.
    pub agreement: Option<AgreementId>,
    /// From this plan.
    pub old_plan: Option<PlanId>,
    /// To this plan.
    pub new_plan: Option<PlanId>,
    /// Only completed or only uncompleted ones.
    pub completed: Option<bool>,
}

/// Transfer jobs and moving licenses.
///
/// Every write MUST record the history of each row. The number of statements MUST NOT depend on how many licenses there
/// are.
pub trait TransferRepository {
    /// The job with this id.
    fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        not_provided!("transfers.find", id)
    }

    /// The job, locked: other transactions that lock it wait until this one ends, and then see its changes.
    fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        not_provided!("transfers.lock", id)
    }

    /// The jobs that match, latest first.
    fn list(&mut self, filter: &TransferFilter, limit_offset: LimitOffset) -> Result<Vec<TransferJobSummary>, Error> {
        not_provided!("transfers.list", filter, limit_offset)
    }

    /// The number of jobs that match.
    fn count(&mut self, filter: &TransferFilter) -> Result<i64, Error> {
        not_provided!("transfers.count", filter)
    }

    /// Adds a job that has not run.
    fn add(&mut self, order: &TransferOrder, change: &Change) -> Result<TransferJobId, Error> {
        not_provided!("transfers.add", order, change)
    }

    /// Writes an existing job. MUST fail if it does not exist.
    fn save(&mut self, job: &LicenseTransferJob, change: &Change) -> Result<(), Error> {
        not_provided!("transfers.save", job, change)
    }

    /// Deletes an existing job. MUST fail if it does not exist, and MUST NOT give its id to another job.
    fn delete(&mut self, id: TransferJobId, change: &Change) -> Result<(), Error> {
        not_provided!("transfers.delete", id, change)
    }

    /// The licenses that the order moves, sorted by id, locked.
    fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error> {
        not_provided!("transfers.lock_licenses", plan, licenses)
    }

    /// Those of the licenses that are live and whose holder has a live license of the plan, sorted by id.
    fn held_twice(&mut self, licenses: &[LicenseId], plan: PlanId) -> Result<Vec<HeldTwice>, Error> {
        not_provided!("transfers.held_twice", licenses, plan)
    }

    /// Moves licenses to a plan without other changes.
    ///
    /// MUST fail if one does not exist, and return [`crate::Conflict::LiveLicense`] if a person would get a second live
    /// license of the plan.
    fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error> {
        not_provided!("transfers.move_licenses", licenses, plan, change)
    }
}
