//! What staff does to a plan's licenses as a whole: freezing, provisioning, and clearing revoked ones away.

use super::manager::{LicenseManager, count_licenses, find_agreement, lock_plan};
use crate::error::{Error, Refusal};
use crate::history::Actor;
use crate::model::ids::PlanId;
use crate::model::license::LicenseStatus;
use crate::model::plan::{LicenseCounts, SubscriptionPlan};
use crate::outbox::OutboxBuilder;
use crate::ports::{StoreExt, UnitOfWork};

/// A plan after something was done to its licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanUpkeep {
    /// The plan.
    pub plan: SubscriptionPlan,
    /// How many licenses were added.
    pub added: i64,
    /// How many licenses are still to be added, after the answer.
    pub pending: i64,
    /// How many licenses were deleted.
    pub deleted: i64,
    /// How many licenses it has now.
    pub counts: LicenseCounts,
}

impl LicenseManager {
    /// Deletes a plan's unassigned licenses. From then on it gets none, except in the place of revoked ones. Freezing again
    /// deletes what has become unassigned since.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::NotFreezable`].
    pub fn freeze(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let now = self.now();
            let mut plan = lock_plan(unit, plan)?.plan;
            if !plan.can_freeze_unused_licenses {
                return Err(Refusal::NotFreezable.into());
            }
            let change = actor.change(now);
            let deleted = unit.licenses().delete(plan.id, LicenseStatus::Unassigned, &change)?;
            plan.last_freeze_timestamp = Some(now);
            plan.modified = now;
            unit.plans().save(&plan, &change)?;
            upkeep(unit, plan, 0, 0, deleted)
        })
    }

    /// Adds the licenses that a plan lacks of those it is to have; more than [`crate::Settings::inline_limit`] by a job.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::Frozen`].
    pub fn provision_plan(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let plan = lock_plan(unit, plan)?.plan;
            if plan.last_freeze_timestamp.is_some() {
                return Err(Refusal::Frozen.into());
            }
            let before = count_licenses(unit, plan.id)?;
            self.provision(unit, &plan, before, actor)?;
            let lacking = plan.licenses_to_provision(&before);
            let (added, pending) =
                if lacking <= i64::from(self.settings.inline_limit) { (lacking, 0) } else { (0, lacking) };
            upkeep(unit, plan, added, pending, 0)
        })
    }

    /// Deletes a plan's revoked licenses. What a renewal had carried on to one of them stands as not carried on.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found.
    pub fn delete_revoked(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let plan = lock_plan(unit, plan)?.plan;
            let change = actor.change(self.now());
            self.add_deletion_events(unit, &plan)?;
            let deleted = unit.licenses().delete(plan.id, LicenseStatus::Revoked, &change)?;
            upkeep(unit, plan, 0, 0, deleted)
        })
    }

    /// Goes through the revoked licenses in parts, so that memory is bounded by [`crate::Settings::batch_size`].
    fn add_deletion_events(&self, unit: &mut dyn UnitOfWork, plan: &SubscriptionPlan) -> Result<(), Error> {
        let agreement = find_agreement(unit, plan.agreement)?;
        let batch = self.batch_size();
        let mut after = None;
        loop {
            let licenses = unit.licenses().lock_revoked_after(plan.id, after, batch)?;
            let mut outbox = OutboxBuilder::new(&agreement, plan, self.ids.as_ref(), self.now());
            licenses.iter().for_each(|license| outbox.deleted(license));
            unit.outbox().add(&outbox.into_messages())?;
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
