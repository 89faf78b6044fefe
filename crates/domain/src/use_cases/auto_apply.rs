//! Auto-apply: a learner who logs in gets a license by themselves.

use std::sync::Arc;

use super::agreements::agreement_details;
use super::learners::LearnerLicense;
use super::manager::{LicenseManager, find_agreement};
use crate::error::{Error, Refusal};
use crate::history::Actor;
use crate::model::agreement::CustomerAgreement;
use crate::model::ids::{ActivationKey, AgreementId};
use crate::model::license::License;
use crate::model::plan::SubscriptionPlan;
use crate::outbox::OutboxBuilder;
use crate::ports::{Person, StoreExt, UnitOfWork};

impl LicenseManager {
    /// Gives the person a license of the agreement's auto-applicable plan, in use from now. A person who holds one, in use or
    /// not, gets that one back as it is.
    ///
    /// Any number of people may ask at once: each license goes to one of them, and nobody gets two.
    ///
    /// # Errors
    /// [`Refusal::NoAutoApplicablePlan`]; [`Refusal::RevokedBefore`] where the person's license of the plan was taken back;
    /// [`Refusal::LockedForRenewal`]; [`Refusal::NoLicenseLeft`], which alone leaves something behind: the event that the
    /// person went away without one.
    pub fn auto_apply(&self, actor: &Actor, agreement: AgreementId, person: &Person) -> Result<LearnerLicense, Error> {
        let license = self.store.write(|unit| {
            let now = self.now();
            let agreement = find_agreement(unit, agreement)?;
            let details = agreement_details(unit, agreement, now)?;
            let plan = details.auto_applicable_plan().cloned().ok_or(Refusal::NoAutoApplicablePlan)?;
            let licenses = unit.licenses().find_by_person(details.agreement.id, person)?;
            // One in use comes before one that waits, and either before one that was taken back.
            let held = licenses
                .into_iter()
                .filter(|license| license.plan == plan.plan.id)
                .min_by_key(|license| (license.status(), license.id));
            let license = match held {
                Some(license) if license.is_live() => license,
                Some(_) => return Err(Refusal::RevokedBefore.into()),
                None if details.chains.is_locked(plan.plan.id, self.settings.renewal_lock, now) => {
                    return Err(Refusal::LockedForRenewal.into());
                }
                None => match self.take_license(unit, actor, &details.agreement, &plan.plan, person)? {
                    Some(license) => license,
                    None => return Ok(None),
                },
            };
            Ok(Some(LearnerLicense { license, plan, agreement: Arc::new(details) }))
        })?;
        license.ok_or_else(|| Refusal::NoLicenseLeft.into())
    }

    /// Takes a free license of the plan into use for the person; `None`, and the event of it, where there is none.
    fn take_license(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        agreement: &CustomerAgreement,
        plan: &SubscriptionPlan,
        person: &Person,
    ) -> Result<Option<License>, Error> {
        let now = self.now();
        let mut outbox = OutboxBuilder::new(agreement, plan, self.ids.as_ref(), now);
        let license = match unit.licenses().claim_unassigned(plan.id, 1)?.pop() {
            Some(free) => {
                let key = ActivationKey(self.ids.next());
                let license = free.auto_apply(person.email.clone(), person.lms_user_id, key, now)?;
                unit.licenses().save(std::slice::from_ref(&license), &actor.change(now))?;
                outbox.auto_applied(&license);
                Some(license)
            }
            None => {
                outbox.not_assigned(person);
                None
            }
        };
        unit.outbox().add(&outbox.into_messages())?;
        Ok(license)
    }
}
