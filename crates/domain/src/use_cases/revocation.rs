//! Revocation: an admin revokes licenses, and the plan gets a new one for each.

use std::collections::HashSet;

use super::manager::{LicenseManager, count_licenses, find_agreement, ids, lock_plan, save_licenses};
use super::selection::LicenseSelection;
use crate::error::{Error, Refusal};
use crate::history::Actor;
use crate::model::agreement::CustomerAgreement;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::jobs::JobKind;
use crate::model::license::{License, LicenseStatus};
use crate::model::plan::{LicenseCounts, PlanDetails, SubscriptionPlan};
use crate::outbox::OutboxBuilder;
use crate::ports::{LicenseFilter, StoreExt, UnitOfWork};

/// A revoked license.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoked {
    /// The license.
    pub license: LicenseId,
    /// The former holder.
    pub email: Email,
    /// The status before.
    pub original_status: LicenseStatus,
}

/// The result of a revocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revocations {
    /// The revoked licenses.
    pub revoked: Vec<Revoked>,
    /// The addresses without a live license of the plan.
    pub not_found: Vec<Email>,
}

impl LicenseManager {
    /// Revokes the selected live licenses, and reports the addresses without one.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::RevocationCap`] if the cap leaves too few revocations of activated
    /// licenses; [`Refusal::TooManyMatches`] if the filter matches more than [`crate::Settings::batch_size`].
    pub fn revoke(&self, actor: &Actor, plan: PlanId, whose: &LicenseSelection) -> Result<Revocations, Error> {
        self.store.write(|unit| {
            let plan = lock_plan(unit, plan)?;
            let agreement = find_agreement(unit, plan.plan.agreement)?;
            let (licenses, not_found) = match whose {
                LicenseSelection::Emails(emails) => {
                    let licenses =
                        unit.licenses().lock_live_by_emails(plan.plan.id, &Email::all_stored_forms(emails))?;
                    let holders: HashSet<_> = licenses.iter().filter_map(License::holder_email).cloned().collect();
                    let holds = |email: &&Email| email.is_among(&holders);
                    let not_found = emails.iter().filter(|email| !holds(email)).cloned().collect();
                    (licenses, not_found)
                }
                LicenseSelection::Matching(filter) => {
                    let most = self.batch_size();
                    let licenses = unit.licenses().lock_live(plan.plan.id, filter, most.saturating_add(1))?;
                    if licenses.len() as i64 > most {
                        return Err(Refusal::TooManyMatches { most }.into());
                    }
                    (licenses, Vec::new())
                }
            };
            let revoked = self.take_back(unit, actor, &agreement, plan, licenses)?;
            Ok(Revocations { revoked, not_found })
        })
    }

    /// Revokes all live licenses of the plan. A job revokes more than [`crate::Settings::batch_size`].
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::RevokeAllUnderCap`] if the plan has a revocation cap.
    pub fn revoke_all(&self, actor: &Actor, plan: PlanId) -> Result<(), Error> {
        self.store.write(|unit| {
            let plan = lock_plan(unit, plan)?;
            if plan.plan.is_revocation_cap_enabled {
                return Err(Refusal::RevokeAllUnderCap.into());
            }
            let counts = count_licenses(unit, plan.plan.id)?;
            if counts.allocated() > self.batch_size() {
                return self.add_job(unit, plan.plan.id, JobKind::RevokeAll, actor);
            }
            self.revoke_live(unit, actor, plan, &LicenseFilter::default(), (None, self.batch_size()))?;
            Ok(())
        })
    }

    /// Revokes up to `limit` live licenses of the plan that match, after the given id, and returns them sorted by id.
    pub(crate) fn revoke_live(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        plan: PlanDetails,
        filter: &LicenseFilter,
        (after, limit): (Option<LicenseId>, i64),
    ) -> Result<Vec<Revoked>, Error> {
        let agreement = find_agreement(unit, plan.plan.agreement)?;
        let licenses = unit.licenses().lock_live_after(plan.plan.id, filter, after, limit)?;
        self.take_back(unit, actor, &agreement, plan, licenses)
    }

    /// Revokes live licenses of a plan within its cap. The caller has locked both.
    pub(crate) fn take_back(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        agreement: &CustomerAgreement,
        mut details: PlanDetails,
        licenses: Vec<License>,
    ) -> Result<Vec<Revoked>, Error> {
        if licenses.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let change = actor.change(now);
        let plan = &mut details.plan;
        let activated = licenses.iter().filter(|license| license.status() == LicenseStatus::Activated).count();
        let cap_reached =
            plan.is_revocation_cap_enabled && activated > 0 && self.apply_to_cap(unit, plan, activated)?;

        let mut revoked = Vec::with_capacity(licenses.len());
        let mut changed = Vec::with_capacity(licenses.len());
        for license in licenses {
            let original_status = license.status();
            let email = license.holder_email().cloned();
            let license = license.revoke(now)?;
            revoked.extend(email.map(|email| Revoked { license: license.id, email, original_status }));
            changed.push(license);
        }
        if activated > 0 && plan.is_revocation_cap_enabled {
            plan.modified = now;
            unit.plans().save(plan, &change)?;
        }
        save_licenses(unit, &changed, &change)?;
        unit.licenses().add_unassigned(plan.id, &self.new_license_ids(changed.len() as i64), &change)?;
        let mut outbox = OutboxBuilder::new(agreement, plan, self.ids.as_ref(), now);
        outbox.write_for_each(unit, &changed, OutboxBuilder::revoked)?;
        if cap_reached {
            outbox.revocation_cap_reached();
        }
        outbox.write(unit)?;
        self.follow(unit, &details, &ids(&changed), &change)?;
        Ok(revoked)
    }

    /// Counts revocations of activated licenses against the plan's cap, or refuses them. Whether the cap is used up
    /// now.
    fn apply_to_cap(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &mut SubscriptionPlan,
        activated: usize,
    ) -> Result<bool, Error> {
        let counts: LicenseCounts = count_licenses(unit, plan.id)?;
        let requested = activated as i64;
        let remaining = plan.revocations_remaining(&counts).unwrap_or(requested);
        if requested > remaining {
            return Err(Refusal::RevocationCap { requested: activated, remaining }.into());
        }
        plan.num_revocations_applied =
            plan.num_revocations_applied.saturating_add(i32::try_from(requested).unwrap_or(i32::MAX));
        Ok(requested == remaining)
    }
}
