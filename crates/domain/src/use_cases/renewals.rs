//! Renewals: a plan's licenses continue in the next plan.

use super::manager::{
    LicenseManager, count_licenses, count_matching, find_agreement, find_plan, ids, lock_plan, save_licenses,
};
use super::page::Page;
use crate::error::{Entity, Error, FieldErrors, Refusal};
use crate::history::{Actor, Change};
use crate::model::edit::Edit;
use crate::model::following_plan::LicenseTypesToCopy;
use crate::model::ids::{LicenseId, PlanId, RenewalId};
use crate::model::license::License;
use crate::model::plan::{ChangeReason, LicenseCounts, SubscriptionPlan};
use crate::model::renewal::{RenewalDetails, RenewalTerms};
use crate::outbox::{OutboxBuilder, SLICE};
use crate::ports::{LicenseFilter, LimitOffset, RenewalFilter, StoreExt, UnitOfWork};

/// Changes of a renewal. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in RenewalTerms
pub struct RenewalChanges {
    pub renewed_plan: Edit<PlanId>,
    pub salesforce_opportunity_id: Edit<String>,
    pub number_of_licenses: Option<i32>,
    pub effective_date: Option<chrono::DateTime<chrono::Utc>>,
    pub renewed_expiration_date: Option<chrono::DateTime<chrono::Utc>>,
    pub renewed_plan_title: Edit<String>,
    pub license_types_to_copy: Option<LicenseTypesToCopy>,
    pub disable_auto_apply_licenses: Option<bool>,
    pub exempt_from_batch_processing: Option<bool>,
}

impl RenewalChanges {
    fn apply(self, terms: &mut RenewalTerms) {
        set_fields! { terms, self:
            renewed_plan, salesforce_opportunity_id, number_of_licenses, effective_date, renewed_expiration_date,
            renewed_plan_title, license_types_to_copy, disable_auto_apply_licenses, exempt_from_batch_processing
        }
    }
}

/// The result of writing a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewalOutcome {
    /// It was written.
    Written(RenewalDetails),
    /// A renewal between the same plans exists, and stays as it is.
    Existing(RenewalDetails),
    /// Nothing was written, because this renewal has one of the two plans.
    InTheWay(RenewalDetails),
}

/// Who processes a renewal, as its events say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewedBy {
    /// A person.
    Manual,
    /// The schedule.
    Schedule,
}

/// A processed renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessedRenewal {
    /// The renewal.
    pub details: RenewalDetails,
    /// Whether it was processed just now.
    pub newly: bool,
}

impl LicenseManager {
    /// Creates a renewal of a plan. An existing one between the same plans stays as it is.
    ///
    /// # Errors
    /// [`Error::UnknownReference`] if a plan does not exist; [`Error::Invalid`] with every rule that the terms break, or
    /// if the agreement has a plan with the title of the new one.
    pub fn create_renewal(&self, actor: &Actor, terms: &RenewalTerms) -> Result<RenewalOutcome, Error> {
        self.store.write(|unit| {
            let prior = check(unit, terms)?;
            let present = unit.renewals().find_by_plans(terms.prior_plan, terms.renewed_plan)?;
            if let Some(other) = present.into_iter().next() {
                let other = self.with_count(unit, other)?;
                let same = (other.renewal.terms.prior_plan, other.renewal.terms.renewed_plan)
                    == (terms.prior_plan, terms.renewed_plan);
                return Ok(if same { RenewalOutcome::Existing(other) } else { RenewalOutcome::InTheWay(other) });
            }
            check_title(unit, terms, &prior)?;
            let id = unit.renewals().add(terms, &actor.change(self.now()))?;
            Ok(RenewalOutcome::Written(find_renewal(unit, id)?))
        })
    }

    /// Edits a renewal that is not processed. The prior plan cannot change.
    ///
    /// # Errors
    /// [`Entity::Renewal`] not found; [`Refusal::RenewalIsProcessed`]; otherwise as for
    /// [`LicenseManager::create_renewal`].
    pub fn update_renewal(
        &self,
        actor: &Actor,
        id: RenewalId,
        changes: &RenewalChanges,
    ) -> Result<RenewalOutcome, Error> {
        self.store.write(|unit| {
            let now = self.now();
            let mut renewal = lock_renewal(unit, id)?.renewal;
            if renewal.processed {
                return Err(Refusal::RenewalIsProcessed.into());
            }
            let before = renewal.terms.clone();
            changes.clone().apply(&mut renewal.terms);
            let prior = check(unit, &renewal.terms)?;
            let present = unit.renewals().find_by_plans(renewal.terms.prior_plan, renewal.terms.renewed_plan)?;
            if let Some(other) = present.into_iter().find(|other| other.renewal.id != id) {
                return Ok(RenewalOutcome::InTheWay(self.with_count(unit, other)?));
            }
            let title = |terms: &RenewalTerms| (terms.renewed_plan, terms.title(&prior));
            if title(&renewal.terms) != title(&before) {
                check_title(unit, &renewal.terms, &prior)?;
            }
            renewal.modified = now;
            unit.renewals().save(&renewal, &actor.change(now))?;
            Ok(RenewalOutcome::Written(find_renewal(unit, id)?))
        })
    }

    /// Deletes a renewal, processed or not. Its plans and their licenses stay.
    ///
    /// # Errors
    /// [`crate::Entity::Renewal`] not found.
    pub fn delete_renewal(&self, actor: &Actor, id: RenewalId) -> Result<(), Error> {
        self.store.write(|unit| {
            lock_renewal(unit, id)?;
            unit.renewals().delete(id, &actor.change(self.now()))
        })
    }

    /// One renewal.
    ///
    /// # Errors
    /// [`crate::Entity::Renewal`] not found.
    pub fn renewal(&self, id: RenewalId) -> Result<RenewalDetails, Error> {
        self.store.read(|unit| {
            let details = find_renewal(unit, id)?;
            self.with_count(unit, details)
        })
    }

    /// The renewals that match. `limit_offset` chooses the page from the number of matches.
    pub fn renewals<E: From<Error>>(
        &self,
        filter: &RenewalFilter,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<RenewalDetails>, E> {
        let list = |unit: &mut dyn UnitOfWork, part| {
            let listed = unit.renewals().list(filter, part)?;
            self.with_counts(unit, listed)
        };
        self.page(|unit| unit.renewals().count(filter), limit_offset, list)
    }

    /// Counts what is not carried over. No statement if no renewal is processed.
    fn with_counts(
        &self,
        unit: &mut dyn UnitOfWork,
        mut renewals: Vec<RenewalDetails>,
    ) -> Result<Vec<RenewalDetails>, Error> {
        let processed = renewals.iter().filter(|details| details.renewal.processed);
        let processed: Vec<RenewalId> = processed.map(|details| details.renewal.id).collect();
        if !processed.is_empty() {
            let counts = unit.renewals().not_carried_over(&processed, self.now())?;
            for details in &mut renewals {
                details.num_not_carried_over = counts.get(&details.renewal.id).copied().unwrap_or_default();
            }
        }
        Ok(renewals)
    }

    fn with_count(&self, unit: &mut dyn UnitOfWork, renewal: RenewalDetails) -> Result<RenewalDetails, Error> {
        self.with_counts(unit, vec![renewal])?.pop().ok_or(Error::NotFound(Entity::Renewal))
    }

    /// Processes a renewal: copies the live licenses of the prior plan to the renewed plan, which is created if there
    /// is none, and adds unassigned licenses up to the agreed number. A job adds more than
    /// [`crate::Settings::inline_limit`]. A processed renewal stays as it is, so concurrent calls process it once.
    ///
    /// # Errors
    /// [`Entity::Renewal`] not found; [`Refusal::RenewalTooSmall`], [`Refusal::RenewedPlanInUse`],
    /// [`Refusal::RenewedPlanTooLarge`]; [`Refusal::Frozen`] if the renewed plan is frozen;
    /// [`crate::Conflict::PlanTitle`] if the agreement has a plan with the title of the new one.
    pub fn process_renewal(&self, actor: &Actor, id: RenewalId, by: RenewedBy) -> Result<ProcessedRenewal, Error> {
        let (plan_id, now) = (PlanId(self.ids.next()), self.now());
        self.store.write(|unit| {
            let details = lock_renewal(unit, id)?;
            if details.renewal.processed {
                return Ok(ProcessedRenewal { details: self.with_count(unit, details)?, newly: false });
            }
            let mut renewal = details.renewal;
            let terms = &renewal.terms;
            let (prior, renewed) = lock_plans(unit, terms)?;
            // Who assigns a license meanwhile is waited for, or sees that the plan is followed; see `follow`.
            unit.licenses().lock_against_claims(prior.id)?;
            let filter = LicenseFilter {
                statuses: Some(terms.license_types_to_copy.statuses().to_vec()),
                ..LicenseFilter::default()
            };
            let needed = count_matching(unit, prior.id, &filter)?.allocated();
            let present = match &renewed {
                Some(plan) => count_licenses(unit, plan.id)?,
                None => LicenseCounts::default(),
            };
            check_processable(terms, renewed.as_ref(), usize::try_from(needed).unwrap_or_default(), &present)?;

            let change = actor.change(now);
            let plan = self.prepare_plan(unit, terms, &prior, renewed, plan_id, &change)?;
            let agreement = find_agreement(unit, plan.agreement)?;
            let mut outbox = OutboxBuilder::new(&agreement, &plan, self.ids.as_ref(), now);
            let (mut copies, mut after): (Vec<LicenseId>, Option<LicenseId>) = (Vec::new(), None);
            unit.licenses().announce_claims(plan.id, needed.min(present.unassigned));
            loop {
                let originals = unit.licenses().lock_live_after(prior.id, &filter, after, SLICE as i64)?;
                after = originals.last().map(|license| license.id);
                let is_last = originals.len() < SLICE;
                let free = (present.unassigned - copies.len() as i64).max(0);
                let added = self.carry_over(unit, &plan, originals, free, &change)?;
                outbox.write_for_each(unit, &added, |outbox, copy| outbox.renewed(copy, by == RenewedBy::Schedule))?;
                copies.extend(ids(&added));
                if is_last {
                    break;
                }
            }
            let copied = copies.len() as i64;
            let counts = LicenseCounts {
                assigned: copied,
                unassigned: (present.unassigned - copied).max(0),
                ..LicenseCounts::default()
            };

            renewal.terms.renewed_plan = Some(plan.id);
            renewal.processed = true;
            renewal.processed_datetime = Some(now);
            renewal.modified = now;
            unit.renewals().save(&renewal, &change)?;
            let next = find_plan(unit, plan.id)?;
            self.provision(unit, &next, counts, actor)?;
            if let Some(following) = next.followed_at(now) {
                let mut followed = self.align(unit, plan.id, &following, &copies, by, &change)?;
                self.carry_over_waiting(unit, &mut followed, by, &change)?;
            }
            Ok(ProcessedRenewal { details: find_renewal(unit, id)?, newly: true })
        })
    }

    /// Creates or updates the renewed plan, and sets the plan of the agreement that auto-applies its licenses.
    fn prepare_plan(
        &self,
        unit: &mut dyn UnitOfWork,
        terms: &RenewalTerms,
        prior: &SubscriptionPlan,
        renewed: Option<SubscriptionPlan>,
        new_id: PlanId,
        change: &Change,
    ) -> Result<SubscriptionPlan, Error> {
        let exists = renewed.is_some();
        let mut plan = renewed.unwrap_or_else(|| terms.make_plan(new_id, prior, change.at));
        plan.desired_num_licenses = Some(terms.number_of_licenses);
        plan.modified = change.at;
        let reason = if exists { ChangeReason::Other } else { ChangeReason::New };
        let change = |reason: ChangeReason| Change { reason: Some(reason.into()), ..change.clone() };
        let takes_over = prior.should_auto_apply_licenses == Some(true);
        if takes_over {
            plan.should_auto_apply_licenses = Some(!terms.disable_auto_apply_licenses);
        }
        if exists {
            unit.plans().save(&plan, &change(reason))?;
        } else {
            unit.plans().add(&plan, &change(reason))?;
        }
        if takes_over {
            let chosen = (!terms.disable_auto_apply_licenses).then_some(plan.id);
            unit.plans().auto_apply_only(prior.agreement, chosen, &change(ChangeReason::Other))?;
        }
        Ok(plan)
    }

    /// Copies the licenses to up to `free` unassigned licenses of the plan, then to new ones. Returns the copies.
    fn carry_over(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &SubscriptionPlan,
        originals: Vec<License>,
        free: i64,
        change: &Change,
    ) -> Result<Vec<License>, Error> {
        let number = originals.len() as i64;
        let free = unit.licenses().claim_unassigned(plan.id, number.min(free))?;
        let reused = free.len();
        // An earlier renewal, deleted since, may have led to them.
        unit.licenses().unlink(&ids(&free), change)?;
        let fresh = self.new_license_ids(number - reused as i64).into_iter();
        let targets = free.into_iter().chain(fresh.map(|id| License::unassigned(id, plan.id, change.at)));
        let (mut changed, copies) = originals
            .into_iter()
            .zip(targets)
            .map(|(original, onto)| original.renew(onto, plan.start_date, change.at))
            .collect::<Result<(Vec<License>, Vec<License>), _>>()?;

        for slice in copies[reused..].chunks(SLICE) {
            unit.licenses().add(slice, change)?;
        }
        changed.extend_from_slice(&copies[..reused]);
        save_licenses(unit, &changed, change)?;
        Ok(copies)
    }
}

/// Checks the plans and the rules of the terms. Returns the prior plan.
pub(crate) fn check(unit: &mut dyn UnitOfWork, terms: &RenewalTerms) -> Result<SubscriptionPlan, Error> {
    let prior = named_plan(unit, terms.prior_plan, "prior_subscription_plan")?;
    let renewed = match terms.renewed_plan {
        Some(plan) => Some(named_plan(unit, plan, "renewed_subscription_plan")?),
        None => None,
    };
    terms.check(&prior, renewed.as_ref())?;
    Ok(prior)
}

/// Refuses terms whose new plan would have a title that another plan of the agreement has.
pub(crate) fn check_title(
    unit: &mut dyn UnitOfWork,
    terms: &RenewalTerms,
    prior: &SubscriptionPlan,
) -> Result<(), Error> {
    if !is_title_taken(unit, terms, prior)? {
        return Ok(());
    }
    let message = format!("The agreement has a plan with the title \"{}\". Choose another title.", terms.title(prior));
    Err(Error::Invalid(FieldErrors::one("renewed_plan_title", message)))
}

/// Whether processing would create a plan with a title that another plan of the agreement has.
pub(crate) fn is_title_taken(
    unit: &mut dyn UnitOfWork,
    terms: &RenewalTerms,
    prior: &SubscriptionPlan,
) -> Result<bool, Error> {
    if terms.renewed_plan.is_some() {
        return Ok(false);
    }
    let title = terms.title(prior);
    Ok(unit.plans().find_by_agreements(&[prior.agreement])?.iter().any(|other| other.plan.title == title))
}

/// Checks that `needed` licenses can be copied to the renewed plan, which has the licenses `present`.
pub(crate) fn check_processable(
    terms: &RenewalTerms,
    renewed: Option<&SubscriptionPlan>,
    needed: usize,
    present: &LicenseCounts,
) -> Result<(), Error> {
    if renewed.is_some_and(|plan| plan.last_freeze_timestamp.is_some()) {
        return Err(Refusal::Frozen.into());
    }
    terms.check_room(needed, present)
}

fn named_plan(unit: &mut dyn UnitOfWork, id: PlanId, field: &'static str) -> Result<SubscriptionPlan, Error> {
    match find_plan(unit, id) {
        Ok(details) => Ok(details.plan),
        Err(Error::NotFound(entity)) => Err(Error::UnknownReference { field, entity }),
        Err(error) => Err(error),
    }
}

/// Locks both plans, always in the order of their ids, against deadlocks.
fn lock_plans(
    unit: &mut dyn UnitOfWork,
    terms: &RenewalTerms,
) -> Result<(SubscriptionPlan, Option<SubscriptionPlan>), Error> {
    match terms.renewed_plan {
        Some(renewed) if renewed < terms.prior_plan => {
            let renewed = lock_plan(unit, renewed)?.plan;
            Ok((lock_plan(unit, terms.prior_plan)?.plan, Some(renewed)))
        }
        renewed => {
            let prior = lock_plan(unit, terms.prior_plan)?.plan;
            let renewed = renewed.map(|plan| lock_plan(unit, plan)).transpose()?;
            Ok((prior, renewed.map(|details| details.plan)))
        }
    }
}

pub(crate) fn find_renewal(unit: &mut dyn UnitOfWork, id: RenewalId) -> Result<RenewalDetails, Error> {
    unit.renewals().find(id)?.ok_or(Error::NotFound(Entity::Renewal))
}

fn lock_renewal(unit: &mut dyn UnitOfWork, id: RenewalId) -> Result<RenewalDetails, Error> {
    unit.renewals().lock(id)?.ok_or(Error::NotFound(Entity::Renewal))
}
