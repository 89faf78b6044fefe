use std::collections::HashSet;

use super::licenses::check_holders;
use super::{MemoryUnit, Tables, part, replace};
use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{LicenseId, PlanId, TransferJobId};
use crate::model::license::License;
use crate::model::transfer::{HeldTwice, LicenseTransferJob, TransferJobSummary, TransferOrder, TransferredLicenses};
use crate::ports::{LimitOffset, TransferFilter, TransferRepository};

const TABLE: &str = "license_transfer_job";

fn matching(tables: &Tables, filter: &TransferFilter) -> Vec<TransferJobSummary> {
    let customer = |job: &LicenseTransferJob| tables.agreements.get(&job.order.agreement).map(|found| found.customer);
    let matches = |job: &&LicenseTransferJob| {
        let order = &job.order;
        (filter.customer.is_none() || filter.customer == customer(job))
            && filter.agreement.is_none_or(|agreement| agreement == order.agreement)
            && filter.old_plan.is_none_or(|plan| plan == order.old_plan)
            && filter.new_plan.is_none_or(|plan| plan == order.new_plan)
            && filter.completed.is_none_or(|completed| completed == job.completed_at.is_some())
    };
    tables.transfers.values().rev().filter(matches).map(TransferJobSummary::from).collect()
}

impl TransferRepository for MemoryUnit<'_> {
    fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        Ok(self.tables.transfers.get(&id).cloned())
    }

    fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        Ok(self.written()?.transfers.get(&id).cloned())
    }

    list_and_count!(TransferFilter => TransferJobSummary, matching);

    fn add(&mut self, order: &TransferOrder, change: &Change) -> Result<TransferJobId, Error> {
        let tables = self.written()?;
        tables.last_transfer += 1;
        let id = TransferJobId(tables.last_transfer);
        let job = LicenseTransferJob {
            id,
            order: order.clone(),
            runs: Vec::new(),
            completed_at: None,
            created: change.at,
            modified: change.at,
        };
        tables.transfers.insert(id, job);
        tables.record(TABLE, id, '+', change);
        Ok(id)
    }

    fn save(&mut self, job: &LicenseTransferJob, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        replace(&mut tables.transfers, &job.id, job, "transfer job")?;
        tables.record(TABLE, job.id, '~', change);
        Ok(())
    }

    fn delete(&mut self, id: TransferJobId, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        tables.transfers.remove(&id).ok_or_else(|| Error::internal("no transfer job to delete"))?;
        tables.record(TABLE, id, '-', change);
        Ok(())
    }

    fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error> {
        let tables = self.written()?;
        let named: Option<HashSet<&LicenseId>> = match licenses {
            TransferredLicenses::All => None,
            TransferredLicenses::Named(ids) => Some(ids.iter().collect()),
        };
        let moves = |license: &&License| {
            license.plan == plan && named.as_ref().is_none_or(|named| license.is_live() && named.contains(&license.id))
        };
        Ok(tables.licenses.values().filter(moves).map(|license| license.id).collect())
    }

    fn held_twice(&mut self, licenses: &[LicenseId], plan: PlanId) -> Result<Vec<HeldTwice>, Error> {
        let all = &self.tables.licenses;
        let present = self.tables.licenses_of(plan).filter(|license| license.is_live());
        let holders: HashSet<_> = present.filter_map(License::holder_email).collect();
        let mut ids = licenses.to_vec();
        ids.sort_unstable();
        let moving = ids.iter().filter_map(|id| all.get(id)).filter(|license| license.is_live());
        Ok(moving
            .filter_map(|license| Some(HeldTwice { license: license.id, email: license.holder_email()?.clone() }))
            .filter(|held| holders.contains(&held.email))
            .collect())
    }

    fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        let mut moved = Vec::with_capacity(licenses.len());
        for id in licenses {
            let license = tables.licenses.get_mut(id).ok_or_else(|| Error::internal("no license to write"))?;
            (license.plan, license.modified) = (plan, change.at);
            moved.push(license.clone());
            tables.record("license", id, '~', change);
        }
        check_holders(tables, &moved)
    }
}
