//! Upkeep of a plan by staff: freezing, provisioning, and deleting revoked licenses.

use super::jobs::{actor, end_batch};
use super::manager::{LicenseManager, count_licenses, find_agreement, ids, lock_plan};
use crate::error::{Error, Refusal};
use crate::history::{Actor, Change};
use crate::model::agreement::CustomerAgreement;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::jobs::{Job, JobKind};
use crate::model::license::{License, LicenseStatus};
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
    /// The number of licenses that a job will add or delete.
    pub pending: i64,
    /// The number of licenses that were deleted.
    pub deleted: i64,
    /// The numbers of its licenses now.
    pub counts: LicenseCounts,
}

impl LicenseManager {
    /// Deletes the unassigned licenses of a plan. A frozen plan gets new licenses only to replace revoked ones.
    /// Freezing again deletes the licenses that have become unassigned since. A job deletes more licenses than
    /// [`crate::Settings::inline_limit`], unless they are one batch.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::NotFreezable`].
    pub fn freeze(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let mut plan = lock_plan(unit, plan)?.plan;
            if !plan.can_freeze_unused_licenses {
                return Err(Refusal::NotFreezable.into());
            }
            let unassigned = count_licenses(unit, plan.id)?.unassigned;
            if unassigned > self.most_at_once() {
                self.add_job(unit, plan.id, JobKind::Freeze, actor)?;
                // At once: a frozen plan gets no licenses in place of those that the job deletes. It is marked after the
                // request, so that the job does not mark it again.
                mark_frozen(unit, &mut plan, &actor.change(self.now()))?;
                return upkeep(unit, plan, 0, unassigned, 0);
            }
            let deleted = self.freeze_locked(unit, &mut plan, actor)?;
            upkeep(unit, plan, 0, 0, deleted)
        })
    }

    /// The most licenses that a request deletes, or adds reminders for.
    pub(crate) fn most_at_once(&self) -> i64 {
        self.batch_size().max(self.settings.inline_limit.into())
    }

    /// As [`LicenseManager::freeze`], of a locked plan that permits it. Returns how many licenses were deleted.
    pub(crate) fn freeze_locked(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &mut SubscriptionPlan,
        actor: &Actor,
    ) -> Result<i64, Error> {
        let change = actor.change(self.now());
        let deleted = unit.licenses().delete(plan.id, LicenseStatus::Unassigned, &change)?;
        mark_frozen(unit, plan, &change)?;
        Ok(deleted)
    }

    /// One batch of [`LicenseManager::freeze_locked`]: whether it was the last one, and how many licenses were deleted.
    pub(crate) fn freeze_batch(
        &self,
        unit: &mut dyn UnitOfWork,
        job: &Job,
        plan: &mut SubscriptionPlan,
    ) -> Result<(bool, i64), Error> {
        let batch = self.batch_size();
        if count_licenses(unit, plan.id)?.unassigned <= batch {
            return Ok((true, self.freeze_locked(unit, plan, &actor(job))?));
        }
        let change = actor(job).change(self.now());
        // At once: a frozen plan gets no licenses in place of those that are deleted.
        if plan.last_freeze_timestamp.is_none_or(|frozen| frozen < job.requested_at) {
            mark_frozen(unit, plan, &change)?;
        }
        let (status, after) = (LicenseStatus::Unassigned, job.read_until);
        let unassigned = ids(&unit.licenses().lock_with_status_after(plan.id, status, after, batch)?);
        if unassigned.is_empty() && after.is_none() {
            // Others have taken all that were counted, or the count is wrong: further batches would find none either.
            return Ok((true, unit.licenses().delete(plan.id, status, &change)?));
        }
        unit.licenses().delete_unassigned(&unassigned, &change)?;
        // It is not the last batch. If it found none, those that are left come before `after`: the next batch begins at the
        // first license.
        unit.jobs().add(&Job { read_until: unassigned.last().copied(), ..job.clone() })?;
        Ok((false, unassigned.len() as i64))
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

    /// Deletes the revoked licenses of a plan. Licenses that were renewed to one of them count as not renewed. A job
    /// deletes very many of them, as by [`LicenseManager::freeze`].
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found.
    pub fn delete_revoked(&self, actor: &Actor, plan: PlanId) -> Result<PlanUpkeep, Error> {
        self.store.write(|unit| {
            let details = lock_plan(unit, plan)?;
            let revoked = count_licenses(unit, details.plan.id)?.revoked;
            if revoked > self.most_at_once() {
                self.add_job(unit, details.plan.id, JobKind::DeleteRevoked, actor)?;
                return upkeep(unit, details.plan, 0, revoked, 0);
            }
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

    /// One batch of [`LicenseManager::delete_revoked_locked`]: whether it was the last one, and how many licenses were
    /// deleted.
    pub(crate) fn delete_revoked_batch(
        &self,
        unit: &mut dyn UnitOfWork,
        job: &Job,
        details: &PlanDetails,
    ) -> Result<(bool, i64), Error> {
        let change = actor(job).change(self.now());
        let agreement = find_agreement(unit, details.plan.agreement)?;
        let licenses = ids(&self.add_events_of_deleted(unit, &agreement, &details.plan, job.read_until)?);
        unit.licenses().delete_revoked(&licenses, &change)?;
        self.follow(unit, details, &[], &change)?;
        let deleted = licenses.len() as i64;
        let last = licenses.last().copied().filter(|_| deleted == self.batch_size());
        Ok((end_batch(unit, job, last)?, deleted))
    }

    /// Reads [`crate::Settings::batch_size`] licenses at a time, to bound memory.
    fn add_deletion_events(&self, unit: &mut dyn UnitOfWork, plan: &SubscriptionPlan) -> Result<(), Error> {
        let agreement = find_agreement(unit, plan.agreement)?;
        let mut after = None;
        loop {
            let licenses = self.add_events_of_deleted(unit, &agreement, plan, after)?;
            if (licenses.len() as i64) < self.batch_size() {
                return Ok(());
            }
            after = licenses.last().map(|license| license.id);
        }
    }

    /// Locks the next batch of a plan's revoked licenses, and adds the events that they are deleted.
    fn add_events_of_deleted(
        &self,
        unit: &mut dyn UnitOfWork,
        agreement: &CustomerAgreement,
        plan: &SubscriptionPlan,
        after: Option<LicenseId>,
    ) -> Result<Vec<License>, Error> {
        let revoked = LicenseStatus::Revoked;
        let licenses = unit.licenses().lock_with_status_after(plan.id, revoked, after, self.batch_size())?;
        let mut outbox = OutboxBuilder::new(agreement, plan, self.ids.as_ref(), self.now());
        licenses.iter().for_each(|license| outbox.deleted(license));
        outbox.write(unit)?;
        Ok(licenses)
    }
}

fn mark_frozen(unit: &mut dyn UnitOfWork, plan: &mut SubscriptionPlan, change: &Change) -> Result<(), Error> {
    plan.last_freeze_timestamp = Some(change.at);
    plan.modified = change.at;
    unit.plans().save(plan, change)
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
