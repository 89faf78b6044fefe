//! Previews of manual operations.

use crate::error::{Conflict, Error, Refusal};
use crate::model::ids::{LicenseId, PlanId};
use crate::model::transfer::TransferOrder;
use crate::ports::StoreExt;
use crate::use_cases::manager::{LicenseManager, count_licenses, find_plan};
use crate::use_cases::plan_upkeep::PlanUpkeep;

/// The licenses that a transfer would move.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferPreview {
    /// The licenses, in the order of their ids.
    pub licenses: Vec<LicenseId>,
}

impl LicenseManager {
    /// What [`LicenseManager::freeze`] would do.
    ///
    /// # Errors
    /// The same.
    pub fn preview_freeze(&self, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.read(|unit| {
            let plan = find_plan(unit, plan)?.plan;
            if !plan.can_freeze_unused_licenses {
                return Err(Refusal::NotFreezable.into());
            }
            let counts = count_licenses(unit, plan.id)?;
            Ok(PlanUpkeep { deleted: counts.unassigned, added: 0, pending: 0, counts, plan })
        })
    }

    /// What [`LicenseManager::provision_plan`] would do.
    ///
    /// # Errors
    /// The same.
    pub fn preview_provision(&self, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.read(|unit| {
            let plan = find_plan(unit, plan)?.plan;
            if plan.last_freeze_timestamp.is_some() {
                return Err(Refusal::Frozen.into());
            }
            let counts = count_licenses(unit, plan.id)?;
            Ok(PlanUpkeep { added: plan.licenses_to_provision(&counts), pending: 0, deleted: 0, counts, plan })
        })
    }

    /// What a transfer would move. It needs no job.
    ///
    /// # Errors
    /// As [`LicenseManager::create_transfer_job`] and [`LicenseManager::process_transfer_job`].
    pub fn preview_transfer(&self, order: &TransferOrder) -> Result<TransferPreview, Error> {
        // It locks the same rows as the transfer, but writes nothing.
        self.store.write(|unit| {
            crate::use_cases::transfers::check(unit, order)?;
            let licenses = unit.transfers().lock_licenses(order.old_plan, &order.licenses)?;
            let held_twice = unit.transfers().held_twice(&licenses, order.new_plan)?;
            if held_twice.is_empty() {
                Ok(TransferPreview { licenses })
            } else {
                Err(Conflict::LiveLicense(held_twice).into())
            }
        })
    }
}
