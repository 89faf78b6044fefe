//! Transfer jobs: move licenses between two plans of an agreement.

use super::manager::{LicenseManager, find_plan, lock_plan};
use crate::error::{Conflict, Entity, Error, FieldErrors};
use crate::history::{Actor, Change};
use crate::model::ids::{AgreementId, LicenseId, PlanId, TransferJobId};
use crate::model::plan::PlanDetails;
use crate::model::transfer::{LicenseTransferJob, TransferOrder, TransferRun, TransferredLicenses};
use crate::ports::{StoreExt, UnitOfWork};

/// Changes to a transfer job. `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferChanges {
    /// The agreement of both plans.
    pub agreement: Option<AgreementId>,
    /// The plan to move licenses from.
    pub old_plan: Option<PlanId>,
    /// The plan to move them to.
    pub new_plan: Option<PlanId>,
    /// Staff's notes.
    pub notes: Option<Option<String>>,
    /// Whether a run only reports what it would move.
    pub is_dry_run: Option<bool>,
    /// Whether all licenses move. If not, the job must name some.
    pub transfer_all: Option<bool>,
    /// The licenses that move.
    pub licenses: Option<Vec<LicenseId>>,
}

impl TransferChanges {
    fn refuse_all_but_notes(&self) -> Result<(), Error> {
        let mut errors = FieldErrors::default();
        for (field, is_named) in [
            ("customer_agreement", self.agreement.is_some()),
            ("old_subscription_plan", self.old_plan.is_some()),
            ("new_subscription_plan", self.new_plan.is_some()),
            ("is_dry_run", self.is_dry_run.is_some()),
            ("transfer_all", self.transfer_all.is_some()),
            ("license_uuids", self.licenses.is_some()),
        ] {
            if is_named {
                errors.add(field, "The job has moved its licenses: only its notes can be edited.");
            }
        }
        errors.into_result()
    }

    fn apply(self, order: &mut TransferOrder) {
        order.agreement = self.agreement.unwrap_or(order.agreement);
        order.old_plan = self.old_plan.unwrap_or(order.old_plan);
        order.new_plan = self.new_plan.unwrap_or(order.new_plan);
        order.notes = self.notes.unwrap_or(order.notes.take());
        order.is_dry_run = self.is_dry_run.unwrap_or(order.is_dry_run);
        match (self.transfer_all, self.licenses) {
            (Some(true), _) => order.licenses = TransferredLicenses::All,
            (_, Some(licenses)) => order.licenses = TransferredLicenses::Named(licenses),
            (Some(false), None) if order.licenses == TransferredLicenses::All => {
                order.licenses = TransferredLicenses::Named(Vec::new());
            }
            _ => {}
        }
    }
}

impl LicenseManager {
    /// Creates a transfer job. It moves nothing yet.
    ///
    /// # Errors
    /// [`Error::UnknownReference`] if the agreement or a plan does not exist; [`Error::Invalid`] if a plan belongs to
    /// another agreement, both plans are the same, or no license is named.
    pub fn create_transfer_job(&self, actor: &Actor, order: &TransferOrder) -> Result<LicenseTransferJob, Error> {
        self.store.write(|unit| {
            check(unit, order)?;
            let id = unit.transfers().add(order, &actor.change(self.now()))?;
            find_job(unit, id)
        })
    }

    /// Edits a transfer job. Once its licenses were moved, only its notes can be edited.
    ///
    /// # Errors
    /// [`Entity::TransferJob`] not found; [`Error::Invalid`] for other fields of a completed job; as
    /// [`LicenseManager::create_transfer_job`].
    pub fn update_transfer_job(
        &self,
        actor: &Actor,
        id: TransferJobId,
        changes: &TransferChanges,
    ) -> Result<LicenseTransferJob, Error> {
        self.store.write(|unit| {
            let mut job = unit.transfers().lock(id)?.ok_or(Error::NotFound(Entity::TransferJob))?;
            if job.completed_at.is_some() {
                changes.refuse_all_but_notes()?;
            }
            let before = job.order.clone();
            changes.clone().apply(&mut job.order);
            if job.completed_at.is_none() {
                check(unit, &job.order)?;
            }
            if job.order != before {
                job.modified = self.now();
                unit.transfers().save(&job, &actor.change(job.modified))?;
            }
            Ok(job)
        })
    }

    /// One transfer job.
    ///
    /// # Errors
    /// [`Entity::TransferJob`] not found.
    pub fn transfer_job(&self, id: TransferJobId) -> Result<LicenseTransferJob, Error> {
        self.store.read(|unit| find_job(unit, id))
    }

    /// Runs a transfer job: moves its licenses, or records what would move if it is a dry run. `is_dry_run` overrides
    /// the job's setting. A completed job stays as it is, so concurrent calls move the licenses once.
    ///
    /// # Errors
    /// [`Entity::TransferJob`] not found; [`Conflict::LiveLicense`] with every license whose holder has a live one of
    /// the new plan.
    pub fn process_transfer_job(
        &self,
        actor: &Actor,
        id: TransferJobId,
        is_dry_run: Option<bool>,
    ) -> Result<LicenseTransferJob, Error> {
        self.store.write(|unit| {
            let mut job = unit.transfers().lock(id)?.ok_or(Error::NotFound(Entity::TransferJob))?;
            if job.completed_at.is_some() {
                return Ok(job);
            }
            let (now, order) = (self.now(), &mut job.order);
            order.is_dry_run = is_dry_run.unwrap_or(order.is_dry_run);
            // Two plans are always locked in the order of their ids, against deadlocks.
            let [first, last] = [order.old_plan.min(order.new_plan), order.old_plan.max(order.new_plan)];
            let plans = [lock_plan(unit, first)?, lock_plan(unit, last)?];
            let moving = unit.transfers().lock_licenses(order.old_plan, &order.licenses)?;
            let held_twice = unit.transfers().held_twice(&moving, order.new_plan)?;
            if !held_twice.is_empty() {
                return Err(Conflict::LiveLicense(held_twice).into());
            }
            let change = actor.change(now);
            if !order.is_dry_run {
                unit.transfers().move_licenses(&moving, order.new_plan, &change)?;
                self.follow_transfer(unit, &plans, order.old_plan, &moving, &change)?;
                job.completed_at = Some(now);
            }
            let is_dry_run = order.is_dry_run;
            job.runs.push(TransferRun { is_dry_run, modified_licenses: moving, completed_at: now });
            job.modified = now;
            unit.transfers().save(&job, &change)?;
            Ok(job)
        })
    }
}

impl LicenseManager {
    /// Ends the copies that follow the old plan, then carries licenses over from the new one.
    fn follow_transfer(
        &self,
        unit: &mut dyn UnitOfWork,
        plans: &[PlanDetails; 2],
        old_plan: PlanId,
        moved: &[LicenseId],
        change: &Change,
    ) -> Result<(), Error> {
        let mut followed: Vec<&PlanDetails> =
            plans.iter().filter(|details| details.followed_at(change.at).is_some()).collect();
        followed.sort_by_key(|details| details.plan.id != old_plan);
        for details in followed {
            let licenses = unit.licenses().find_by_ids(moved)?;
            self.follow(unit, details, &licenses, change)?;
        }
        Ok(())
    }
}

/// Checks the agreement, the plans and the licenses of an order.
pub(crate) fn check(unit: &mut dyn UnitOfWork, order: &TransferOrder) -> Result<(), Error> {
    if unit.agreements().find(order.agreement)?.is_none() {
        return Err(Error::UnknownReference { field: "customer_agreement", entity: Entity::Agreement });
    }
    let mut errors = FieldErrors::default();
    let mut check_plan = |plan: PlanId, field: &'static str| match find_plan(unit, plan) {
        Ok(details) => {
            if details.plan.agreement != order.agreement {
                errors.add(field, "This plan is not one of the agreement's.");
            }
            Ok(())
        }
        Err(Error::NotFound(entity)) => Err(Error::UnknownReference { field, entity }),
        Err(error) => Err(error),
    };
    check_plan(order.old_plan, "old_subscription_plan")?;
    check_plan(order.new_plan, "new_subscription_plan")?;
    if order.old_plan == order.new_plan {
        errors.add("new_subscription_plan", "The licenses are in this plan already.");
    }
    if matches!(&order.licenses, TransferredLicenses::Named(ids) if ids.is_empty()) {
        errors.add("license_uuids", "Name the licenses to move, or set transfer_all.");
    }
    errors.into_result()
}

fn find_job(unit: &mut dyn UnitOfWork, id: TransferJobId) -> Result<LicenseTransferJob, Error> {
    unit.transfers().find(id)?.ok_or(Error::NotFound(Entity::TransferJob))
}
