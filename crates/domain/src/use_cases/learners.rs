//! A learner's own licenses.

use std::collections::HashSet;
use std::sync::Arc;

use super::agreements::{AgreementDetails, agreement_details};
use super::manager::{LicenseManager, find_plan};
use super::renewals::RenewedBy;
use crate::error::Error;
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, PlanId};
use crate::model::license::{License, LicenseStatus};
use crate::model::plan::PlanDetails;
use crate::ports::{Person, StoreExt, UnitOfWork};

/// A filter for a learner's licenses. The default is all live ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LearnerLicenseFilter {
    /// Also revoked ones.
    pub include_revoked: bool,
    /// Only of active plans.
    pub active_plans_only: bool,
    /// Only of current plans.
    pub current_plans_only: bool,
}

/// A license with its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LearnerLicense {
    /// The license.
    pub license: License,
    /// Its plan.
    pub plan: PlanDetails,
    /// The agreement of the plan.
    pub agreement: Arc<AgreementDetails>,
}

/// A learner's licenses of one customer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LearnerView {
    /// The customer's agreement, if it has one.
    pub agreement: Option<Arc<AgreementDetails>>,
    /// The licenses: activated before assigned before revoked, then by latest expiration of the plan.
    pub licenses: Vec<LearnerLicense>,
}

impl LicenseManager {
    /// A person's licenses in the plans of a customer, found by email address or LMS user id.
    ///
    /// If a license with the LMS user id has another address, all licenses with this id are first updated to the new
    /// address.
    pub fn learner_licenses(
        &self,
        actor: &Actor,
        customer: CustomerId,
        person: &Person,
        wanted: LearnerLicenseFilter,
    ) -> Result<LearnerView, Error> {
        if let Some(view) = self.learner_licenses_unless_outdated(customer, person, wanted)? {
            return Ok(view);
        }
        if let Some(email) = &person.email {
            self.adopt_email(actor, person, email)?;
        }
        self.read_learner_licenses(customer, person, wanted)
    }

    /// As [`LicenseManager::learner_licenses`], but `None` if that would update an address. It only reads, for callers
    /// that wait in another way for writing than for reading.
    pub fn learner_licenses_unless_outdated(
        &self,
        customer: CustomerId,
        person: &Person,
        wanted: LearnerLicenseFilter,
    ) -> Result<Option<LearnerView>, Error> {
        let view = self.read_learner_licenses(customer, person, wanted)?;
        Ok(Some(view).filter(|view| !has_outdated_address(view, person)))
    }

    /// A person's live licenses of a plan, found by email address or LMS user id.
    pub fn own_licenses_of_plan(&self, plan: PlanId, person: &Person) -> Result<Vec<License>, Error> {
        self.store.read(|unit| {
            let agreement = find_plan(unit, plan)?.plan.agreement;
            let mut licenses = unit.licenses().find_by_person(agreement, person)?;
            licenses.retain(|license| license.plan == plan && license.is_live());
            Ok(licenses)
        })
    }

    pub(crate) fn read_learner_licenses(
        &self,
        customer: CustomerId,
        person: &Person,
        wanted: LearnerLicenseFilter,
    ) -> Result<LearnerView, Error> {
        let now = self.now();
        self.store.read(|unit| {
            let Some(agreement) = unit.agreements().find_by_customer(customer)? else {
                return Ok(LearnerView { agreement: None, licenses: Vec::new() });
            };
            let found = unit.licenses().find_by_person(agreement.id, person)?;
            let agreement = Arc::new(agreement_details(unit, agreement, now)?);
            let mut licenses: Vec<LearnerLicense> = found
                .into_iter()
                .filter(|license| wanted.include_revoked || license.status() != LicenseStatus::Revoked)
                .filter_map(|license| {
                    let plan = agreement.plans.iter().find(|details| details.plan.id == license.plan)?.clone();
                    Some(LearnerLicense { license, plan, agreement: agreement.clone() })
                })
                .filter(|found| !wanted.active_plans_only || found.plan.plan.is_active)
                .filter(|found| !wanted.current_plans_only || found.plan.plan.is_current(now))
                .collect();
            licenses.sort_by_key(|found| {
                (found.license.status(), std::cmp::Reverse(found.plan.plan.expiration_date), found.license.id)
            });
            Ok(LearnerView { agreement: Some(agreement), licenses })
        })
    }

    /// Updates the address of all licenses with the person's LMS user id, unless the address would get a second live
    /// license of a plan.
    fn adopt_email(&self, actor: &Actor, person: &Person, email: &Email) -> Result<(), Error> {
        self.store.write(|unit| {
            let now = self.now();
            let has_it = |license: &License| license.holder_email() == Some(email);
            let (present, mut outdated): (Vec<_>, Vec<_>) =
                unit.licenses().lock_all_by_person(person)?.into_iter().filter(is_named).partition(has_it);
            let mut taken: HashSet<PlanId> =
                present.iter().filter(|license| license.is_live()).map(|license| license.plan).collect();
            // Of several live licenses of a plan with old addresses, one gets the new address: an activated one first.
            outdated.sort_by_key(|license| (license.status(), license.id));
            let renamed: Vec<License> = outdated
                .into_iter()
                .filter(|license| !license.is_live() || taken.insert(license.plan))
                .map(|license| license.with_email(email.clone(), now))
                .collect();
            let change = actor.change(now);
            unit.licenses().save(&renamed, &change)?;
            let mut followed = self.change_copies_in_all_plans(unit, &renamed, &change)?;
            self.carry_over_waiting(unit, &mut followed, RenewedBy::Manual, &change)
        })
    }
}

/// Whether a license has another address than the person, and can get theirs.
fn has_outdated_address(view: &LearnerView, person: &Person) -> bool {
    let Some(email) = &person.email else { return false };
    let has_it = |found: &&LearnerLicense| found.license.holder_email() == Some(email);
    let named = view.licenses.iter().filter(|found| is_named(&found.license));
    let (present, outdated): (Vec<_>, Vec<_>) = named.partition(has_it);
    let taken: HashSet<PlanId> =
        present.iter().filter(|found| found.license.is_live()).map(|found| found.license.plan).collect();
    // A live license keeps its old address if another live license of the plan has the new one.
    outdated.iter().any(|found| !found.license.is_live() || !taken.contains(&found.license.plan))
}

/// Whether it has an address. A license whose time is over has the LMS user id alone, and gets no new address.
fn is_named(license: &License) -> bool {
    license.holder_email().is_some()
}

/// Locks the person before they get a seat.
pub(super) fn lock_person(unit: &mut dyn UnitOfWork, person: &Person) -> Result<(), Error> {
    person.lms_user_id.map_or(Ok(()), |user| unit.licenses().lock_person(user))
}
