//! Upkeep of a plan by staff: freezing, provisioning, and deleting revoked licenses.

use super::manager::{LicenseManager, count_licenses, find_agreement, lock_plan};
use crate::error::{Error, Refusal};
use crate::history::Actor;
use crate::model::ids::PlanId;
use crate::model::license::LicenseStatus;
use crate::model::plan::{LicenseCounts, PlanDetails, SubscriptionPlan};
use crate::outbox::OutboxBuilder;
use crate::ports::{StoreExt, UnitOfWork};

/// The result of an upkeep.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanUpkeep {
    /// The plan.
    pub plan: SubscriptionPlan,
    /// The number of licenses that were added.
    pub added: i64,
    /// The number of licenses that a job will add.
    pub pending: i64,
    /// The number of licenses that were deleted.
    pub deleted: i64,
    /// The numbers of its licenses now.
    pub counts: LicenseCounts,
}

impl LicenseManager {
    /// Deletes the unassigned licenses of a plan. A frozen plan gets new licenses only to replace revoked ones.
    /// Freezing again deletes the licenses that have become unassigned since.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::NotFreezable`].
    pub fn freeze(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let mut plan = lock_plan(unit, plan)?.plan;
            let deleted = self.freeze_locked(unit, &mut plan, actor)?;
            upkeep(unit, plan, 0, 0, deleted)
        })
    }

    /// As [`LicenseManager::freeze`], of a locked plan. Returns how many licenses were deleted.
    pub(crate) fn freeze_locked(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &mut SubscriptionPlan,
        actor: &Actor,
    ) -> Result<i64, Error> {
        if !plan.can_freeze_unused_licenses {
            return Err(Refusal::NotFreezable.into());
        }
        let change = actor.change(self.now());
        let deleted = unit.licenses().delete(plan.id, LicenseStatus::Unassigned, &change)?;
        plan.last_freeze_timestamp = Some(change.at);
        plan.modified = change.at;
        unit.plans().save(plan, &change)?;
        Ok(deleted)
    }

    /// Adds the missing licenses of a plan. A job adds more than [`crate::Settings::inline_limit`].
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::Frozen`].
    pub fn provision_plan(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let details = lock_plan(unit, plan)?;
            if details.plan.last_freeze_timestamp.is_some() {
                return Err(Refusal::Frozen.into());
            }
            let before = count_licenses(unit, details.plan.id)?;
            let added = self.provision(unit, &details, before, actor)?;
            let pending = details.plan.licenses_to_provision(&before) - added;
            upkeep(unit, details.plan, added, pending, 0)
        })
    }

    /// Deletes the revoked licenses of a plan. Licenses that were renewed to one of them count as not renewed.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found.
    pub fn delete_revoked(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let details = lock_plan(unit, plan)?;
            let deleted = self.delete_revoked_locked(unit, &details, actor)?;
            upkeep(unit, details.plan, 0, 0, deleted)
        })
    }

    /// As [`LicenseManager::delete_revoked`], of a locked plan. Returns how many licenses were deleted.
    pub(crate) fn delete_revoked_locked(
        &self,
        unit: &mut dyn UnitOfWork,
        details: &PlanDetails,
        actor: &Actor,
    ) -> Result<i64, Error> {
        let change = actor.change(self.now());
        self.add_deletion_events(unit, &details.plan)?;
        let deleted = unit.licenses().delete(details.plan.id, LicenseStatus::Revoked, &change)?;
        // Who lost a copy by this waits for another one.
        self.follow(unit, details, &[], &change)?;
        Ok(deleted)
    }

    /// Reads [`crate::Settings::batch_size`] licenses at a time, to bound memory.
    fn add_deletion_events(&self, unit: &mut dyn UnitOfWork, plan: &SubscriptionPlan) -> Result<(), Error> {
        let agreement = find_agreement(unit, plan.agreement)?;
        let batch = self.batch_size();
        let mut after = None;
        loop {
            let licenses = unit.licenses().lock_revoked_after(plan.id, after, batch)?;
            let mut outbox = OutboxBuilder::new(&agreement, plan, self.ids.as_ref(), self.now());
            licenses.iter().for_each(|license| outbox.deleted(license));
            outbox.write(unit)?;
            if (licenses.len() as i64) < batch {
                return Ok(());
            }
            after = licenses.last().map(|license| license.id);
        }
    }
}

fn upkeep(
    unit: &mut dyn UnitOfWork,
    plan: SubscriptionPlan,
    added: i64,
    pending: i64,
    deleted: i64,
) -> Result<PlanUpkeep, Error> {
    let counts = count_licenses(unit, plan.id)?;
    Ok(PlanUpkeep { plan, added, pending, deleted, counts })
}
