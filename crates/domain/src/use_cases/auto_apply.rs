//! Auto-apply: a learner who logs in gets a license.

use std::sync::Arc;

use super::agreements::{AgreementDetails, agreement_details};
use super::learners::{LearnerLicense, lock_person};
use super::manager::{LicenseManager, find_agreement, find_plan};
use crate::error::{Error, Refusal};
use crate::history::Actor;
use crate::model::ids::{ActivationKey, AgreementId};
use crate::model::license::License;
use crate::model::plan::PlanDetails;
use crate::outbox::OutboxBuilder;
use crate::ports::{Person, StoreExt, UnitOfWork};

/// The result of an auto-apply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoApplied {
    /// The person's license.
    pub held: LearnerLicense,
    /// The number of new licenses that are not carried over to the plan that follows, because it has too few: at most
    /// one.
    pub not_carried_over: usize,
}

impl LicenseManager {
    /// Assigns and activates a license of the agreement's auto-applicable plan. A person who holds a live license of
    /// the plan gets that one, unchanged.
    ///
    /// Many calls may run at the same time: no license is assigned twice, and no person gets two licenses, even with
    /// several addresses.
    ///
    /// # Errors
    /// [`Refusal::NoAutoApplicablePlan`]; [`Refusal::RevokedBefore`] if the person's license of the plan was revoked;
    /// [`Refusal::NoAddress`]; [`Refusal::NoLicenseLeft`], which adds an event to the outbox.
    pub fn auto_apply(&self, actor: &Actor, agreement: AgreementId, person: &Person) -> Result<AutoApplied, Error> {
        let applied = self.store.write(|unit| {
            let now = self.now();
            lock_person(unit, person)?;
            let agreement = find_agreement(unit, agreement)?;
            let details = agreement_details(unit, agreement, now)?;
            let plan = details.auto_applicable_plan().cloned().ok_or(Refusal::NoAutoApplicablePlan)?;
            let licenses = unit.licenses().find_by_person(details.agreement.id, person)?;
            // Activated before assigned before revoked.
            let held = licenses
                .into_iter()
                .filter(|license| license.plan == plan.plan.id)
                .min_by_key(|license| (license.status(), license.id));
            let (license, not_carried_over) = match held {
                Some(license) if license.is_live() => (license, 0),
                Some(_) => return Err(Refusal::RevokedBefore.into()),
                None => match self.take_license(unit, actor, &details, &plan, person)? {
                    Some(taken) => taken,
                    None => return Ok(None),
                },
            };
            let held = LearnerLicense { license, plan, agreement: Arc::new(details) };
            Ok(Some(AutoApplied { held, not_carried_over }))
        })?;
        applied.ok_or_else(|| Refusal::NoLicenseLeft.into())
    }

    /// Activates an unassigned license for the person. Returns it, and how many such licenses are not carried over.
    /// Without one, returns `None` and adds an event.
    fn take_license(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        agreement: &AgreementDetails,
        details: &PlanDetails,
        person: &Person,
    ) -> Result<Option<(License, usize)>, Error> {
        let (now, plan) = (self.now(), &details.plan);
        let mut outbox = OutboxBuilder::new(&agreement.agreement, plan, self.ids.as_ref(), now);
        let email = person.email.as_ref().ok_or(Refusal::NoAddress)?;
        let taken = match unit.licenses().claim_unassigned(plan.id, 1)?.pop() {
            Some(free) => {
                let key = ActivationKey(self.ids.next());
                let license = free.auto_apply(email.clone(), person.lms_user_id, key, now)?;
                let change = actor.change(now);
                unit.licenses().save(std::slice::from_ref(&license), &change)?;
                outbox.auto_applied(&license);
                // Its renewal may have been processed before the license was locked; see `follow`.
                let renewed = agreement.chains.is_renewed(plan.id);
                let details = if renewed { find_plan(unit, plan.id)? } else { details.clone() };
                let not_carried_over = self.follow(unit, &details, &[license.id], &change)?.not_carried_over;
                Some((license, not_carried_over))
            }
            None => {
                outbox.not_assigned(person);
                None
            }
        };
        outbox.write(unit)?;
        Ok(taken)
    }
}
