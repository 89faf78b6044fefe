//! Transfer jobs: move licenses between two plans of an agreement.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::manager::{LicenseManager, find_plan, ids, lock_plan, save_licenses};
use crate::error::{Conflict, Entity, Error, FieldErrors};
use crate::history::Actor;
use crate::model::edit::Edit;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, LicenseId, PlanId, TransferJobId};
use crate::model::license::License;
use crate::model::plan::PlanDetails;
use crate::model::transfer::{HeldTwice, LicenseTransferJob, TransferOrder, TransferRun, TransferredLicenses};
use crate::outbox::SLICE;
use crate::ports::{StoreExt, UnitOfWork};

/// Changes to a transfer job. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferChanges {
    /// The agreement of both plans.
    pub agreement: Option<AgreementId>,
    /// The plan to move licenses from.
    pub old_plan: Option<PlanId>,
    /// The plan to move them to.
    pub new_plan: Option<PlanId>,
    /// Staff's notes.
    pub notes: Edit<String>,
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
        set_fields! { order, self: agreement, old_plan, new_plan, notes, is_dry_run }
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
            let mut held_twice = Vec::new();
            for slice in moving.chunks(SLICE) {
                held_twice.extend(unit.transfers().held_twice(slice, order.new_plan)?);
            }
            let copies = copies_in_the_way(unit, &plans, order, &mut held_twice, now)?;
            if !held_twice.is_empty() {
                return Err(Conflict::LiveLicense(held_twice).into());
            }
            let change = actor.change(now);
            if !order.is_dry_run {
                let freed = copies.into_iter().map(|copy| copy.reset(now)).collect::<Result<Vec<License>, _>>()?;
                let freed_ids = ids(&freed);
                save_licenses(unit, &freed, &change)?;
                unit.licenses().unlink(&freed_ids, &change)?;
                for slice in moving.chunks(SLICE) {
                    unit.transfers().move_licenses(slice, order.new_plan, &change)?;
                }
                for plan in &plans {
                    self.follow(unit, plan, &[&moving[..], &freed_ids].concat(), &change)?;
                }
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

/// The copies in the way of licenses that move to the plan that follows theirs: the live ones of their holders. A
/// transfer takes each of these holders out of `held_twice`.
fn copies_in_the_way(
    unit: &mut dyn UnitOfWork,
    plans: &[PlanDetails; 2],
    order: &TransferOrder,
    held_twice: &mut Vec<HeldTwice>,
    now: DateTime<Utc>,
) -> Result<Vec<License>, Error> {
    let old = plans.iter().find(|details| details.plan.id == order.old_plan);
    let following = old.and_then(|details| details.followed_at(now));
    if held_twice.is_empty() || following.is_none_or(|following| following.id != order.new_plan) {
        return Ok(Vec::new());
    }
    let originals: Vec<LicenseId> = held_twice.iter().map(|held| held.license).collect();
    let mut copies = unit.licenses().lock_copies(order.new_plan, &originals)?;
    let holders: HashMap<LicenseId, Email> = held_twice.iter().map(|held| (held.license, held.email.clone())).collect();
    let holder = |copy: &License| holders.get(&copy.renewed_from?);
    copies.retain(|copy| holder(copy).is_some() && copy.holder_email() == holder(copy));
    let solved: HashSet<LicenseId> = copies.iter().filter_map(|copy| copy.renewed_from).collect();
    held_twice.retain(|held| !solved.contains(&held.license));
    Ok(copies)
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
        errors.add("license_uuids", "Name the licenses to move, or choose all of the plan.");
    }
    errors.into_result()
}

fn find_job(unit: &mut dyn UnitOfWork, id: TransferJobId) -> Result<LicenseTransferJob, Error> {
    unit.transfers().find(id)?.ok_or(Error::NotFound(Entity::TransferJob))
}
