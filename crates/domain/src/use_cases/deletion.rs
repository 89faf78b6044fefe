//! Deletions by staff: agreements, plans, transfer jobs, and records of the service's own actions.

use std::collections::BTreeSet;

use super::manager::{LicenseManager, find_agreement, find_plan, lock_plan};
use crate::error::{Entity, Error, Refusal};
use crate::history::Actor;
use crate::model::ids::{AgreementId, LicenseEventId, NotificationId, PlanId, TransferJobId};
use crate::model::jobs::JobKind;
use crate::model::license::LicenseStatus;
use crate::model::staff_records::{Notification, NotificationKind};
use crate::operations::utilization_mails::INITIAL_UTILIZATION;
use crate::ports::{LicenseEventFilter, LimitOffset, NotificationFilter, StoreExt, TransferFilter, UnitOfWork};

impl LicenseManager {
    /// Deletes an agreement without plans.
    ///
    /// # Errors
    /// [`Entity::Agreement`] not found; [`Refusal::AgreementHasPlans`].
    pub fn delete_agreement(&self, actor: &Actor, id: AgreementId) -> Result<(), Error> {
        self.store.write(|unit| {
            unit.agreements().lock(id)?;
            check_agreement(unit, id)?;
            unit.agreements().delete(id, &actor.change(self.now()))
        })
    }

    /// Checks whether [`LicenseManager::delete_agreement`] would delete the agreement now.
    ///
    /// # Errors
    /// The same.
    pub fn check_deletion_of_agreement(&self, id: AgreementId) -> Result<(), Error> {
        self.store.read(|unit| check_agreement(unit, id))
    }

    /// Deletes a plan none of whose licenses was ever assigned, with its unassigned licenses and its notifications.
    ///
    /// # Errors
    /// [`Entity::Plan`] not found; [`Refusal::PlanHasRenewal`]; [`Refusal::PlanHasJobs`];
    /// [`Refusal::PlanWasHandedOut`].
    pub fn delete_plan(&self, actor: &Actor, id: PlanId) -> Result<(), Error> {
        self.store.write(|unit| {
            let change = actor.change(self.now());
            lock_plan(unit, id)?;
            check_plan(unit, id)?;
            unit.licenses().delete(id, LicenseStatus::Unassigned, &change)?;
            let notified = NotificationFilter { plan: Some(id), ..NotificationFilter::default() };
            unit.notifications().delete(&notified, &change)?;
            unit.plans().delete(id, &change)
        })
    }

    /// Checks whether [`LicenseManager::delete_plan`] would delete the plan now.
    ///
    /// # Errors
    /// The same.
    pub fn check_deletion_of_plan(&self, id: PlanId) -> Result<(), Error> {
        self.store.read(|unit| {
            find_plan(unit, id)?;
            check_plan(unit, id)
        })
    }

    /// Deletes a transfer job that moved no licenses.
    ///
    /// # Errors
    /// [`Entity::TransferJob`] not found; [`Refusal::TransferIsCompleted`].
    pub fn delete_transfer_job(&self, actor: &Actor, id: TransferJobId) -> Result<(), Error> {
        self.store.write(|unit| {
            let job = unit.transfers().lock(id)?.ok_or(Error::NotFound(Entity::TransferJob))?;
            match job.completed_at {
                None => unit.transfers().delete(id, &actor.change(self.now())),
                Some(_) => Err(Refusal::TransferIsCompleted.into()),
            }
        })
    }

    /// Deletes the record of a sent notification. Without the last one about a plan and kind, the mail is sent again
    /// when it is due.
    ///
    /// # Errors
    /// [`Entity::Notification`] not found.
    pub fn delete_notification(&self, actor: &Actor, id: NotificationId) -> Result<(), Error> {
        let filter = NotificationFilter { ids: Some(vec![id]), ..NotificationFilter::default() };
        match self.delete_notifications(actor, &filter, false)? {
            0 => Err(Error::NotFound(Entity::Notification)),
            _ => Ok(()),
        }
    }

    /// Deletes the records of the notifications that match, like [`LicenseManager::delete_notification`], and returns
    /// their number. A dry run only counts them.
    pub fn delete_notifications(
        &self,
        actor: &Actor,
        filter: &NotificationFilter,
        is_dry_run: bool,
    ) -> Result<usize, Error> {
        if is_dry_run {
            return Ok(number(self.store.read(|unit| unit.notifications().count(filter))?));
        }
        self.store.write(|unit| {
            let told = plans_told(unit, filter)?;
            let deleted = unit.notifications().delete(filter, &actor.change(self.now()))?;
            if !told.is_empty() {
                let still = unit.notifications().find_by_plans(&told)?.into_iter();
                let still: BTreeSet<PlanId> = still.filter(is_informational).map(|sent| sent.plan).collect();
                let again: Vec<PlanId> = told.into_iter().filter(|plan| !still.contains(plan)).collect();
                unit.operations().unmark_plans(&again, INITIAL_UTILIZATION)?;
            }
            Ok(deleted)
        })
    }

    /// Deletes the record that something was done for a license. It is done again when it is due.
    ///
    /// # Errors
    /// [`Entity::LicenseEvent`] not found.
    pub fn delete_license_event(&self, actor: &Actor, id: LicenseEventId) -> Result<(), Error> {
        let filter = LicenseEventFilter { ids: Some(vec![id]), ..LicenseEventFilter::default() };
        match self.delete_license_events(actor, &filter, false)? {
            0 => Err(Error::NotFound(Entity::LicenseEvent)),
            _ => Ok(()),
        }
    }

    /// Deletes the license events that match, like [`LicenseManager::delete_license_event`], and returns their number. A
    /// dry run only counts them.
    pub fn delete_license_events(
        &self,
        actor: &Actor,
        filter: &LicenseEventFilter,
        is_dry_run: bool,
    ) -> Result<usize, Error> {
        if is_dry_run {
            return Ok(number(self.store.read(|unit| unit.license_events().count(filter))?));
        }
        self.store.write(|unit| unit.license_events().delete(filter, &actor.change(self.now())))
    }
}

/// Refuses the deletion of an agreement that something belongs to.
fn check_agreement(unit: &mut dyn UnitOfWork, id: AgreementId) -> Result<(), Error> {
    find_agreement(unit, id)?;
    match unit.plans().find_by_agreements(&[id])?.len() {
        0 => Ok(()),
        plans => Err(Refusal::AgreementHasPlans { plans }.into()),
    }
}

/// Refuses the deletion of a plan that something refers to, or that was used.
fn check_plan(unit: &mut dyn UnitOfWork, id: PlanId) -> Result<(), Error> {
    if !unit.renewals().find_by_plans(id, Some(id))?.is_empty() {
        return Err(Refusal::PlanHasRenewal.into());
    }
    if has_jobs(unit, id)? {
        return Err(Refusal::PlanHasJobs.into());
    }
    if unit.plans().was_handed_out(id)? {
        return Err(Refusal::PlanWasHandedOut.into());
    }
    Ok(())
}

fn number(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn is_informational(sent: &Notification) -> bool {
    sent.kind == NotificationKind::PeriodicInformational
}

/// The plans whose utilization the notifications that match have told, sorted.
fn plans_told(unit: &mut dyn UnitOfWork, filter: &NotificationFilter) -> Result<Vec<PlanId>, Error> {
    let found = unit.notifications().list(filter, LimitOffset { offset: 0, limit: i64::MAX })?.into_iter();
    let informational = found.map(|(_, sent)| sent).filter(is_informational);
    let plans: BTreeSet<PlanId> = informational.map(|sent| sent.plan).collect();
    Ok(plans.into_iter().collect())
}

/// Whether licenses are to be moved from or to the plan, were moved, or are still being added to it or revoked.
fn has_jobs(unit: &mut dyn UnitOfWork, plan: PlanId) -> Result<bool, Error> {
    let from = TransferFilter { old_plan: Some(plan), ..TransferFilter::default() };
    let to = TransferFilter { new_plan: Some(plan), ..TransferFilter::default() };
    let mut jobs = unit.transfers().count(&from)? + unit.transfers().count(&to)?;
    for kind in JobKind::ALL {
        jobs += i64::from(unit.jobs().find(plan, kind)?.is_some());
    }
    Ok(jobs > 0)
}
