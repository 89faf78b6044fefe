//! Activation: a learner activates an assigned license.

use std::sync::Arc;

use super::agreements::agreement_with_plans;
use super::learners::{LearnerLicense, lock_person};
use super::manager::{LicenseManager, find_agreement, ids};
use crate::error::{Entity, Error, Refusal};
use crate::history::Actor;
use crate::model::ids::{ActivationKey, CustomerId};
use crate::model::license::{ImpossibleTransition, License, LicenseStatus};
use crate::outbox::OutboxBuilder;
use crate::ports::{Person, StoreExt};

impl LicenseManager {
    /// The customer of the license with this activation key, to check permissions.
    pub fn customer_of_activation_key(&self, key: ActivationKey) -> Result<Option<CustomerId>, Error> {
        self.store.read(|unit| unit.licenses().customer_of_activation_key(key))
    }

    /// Activates the license with this key for the person it was assigned to. Its plan must be active and current. A
    /// license that is activated already stays as it is.
    ///
    /// A person who holds other live licenses of the plan under other addresses keeps one: the activated one, else the
    /// one that was assigned last. That one is activated and returned, and the others become unassigned.
    ///
    /// # Errors
    /// [`Entity::License`] not found without such a license; [`Refusal::NotActivatable`] if it was revoked.
    pub fn activate(&self, actor: &Actor, key: ActivationKey, person: &Person) -> Result<LearnerLicense, Error> {
        self.store.write(|unit| {
            let now = self.now();
            lock_person(unit, person)?;
            let is_named = |license: &License| license.activation_key() == Some(key) && is_for(license, person);
            // One statement locks all licenses that are written here, in the usual order.
            let mut held = unit.licenses().lock_all_by_person(person)?;
            if held.iter().any(|license| is_named(license) && is_renewed_beyond(license, &held)) {
                // The lock may have waited for a renewal. Then it did not see the licenses that this renewal added.
                held = unit.licenses().lock_all_by_person(person)?;
            }
            let mut named: Vec<&License> = held.iter().filter(|license| is_named(license)).collect();
            named.sort_by_key(|license| precedence(license));
            let any = named.first().ok_or(Error::NotFound(Entity::License))?;
            // Renewed licenses share their key and stay in their agreement: its plans are enough for all of them.
            let plans = unit.plans().find_by_agreement_of(any.plan)?;
            let (license, details) = named
                .into_iter()
                .filter_map(|license| Some((license, plans.iter().find(|of| of.plan.id == license.plan)?)))
                .find(|(_, details)| details.plan.is_active && details.plan.is_current(now))
                .map(|(license, details)| (license.clone(), details.clone()))
                .ok_or(Error::NotFound(Entity::License))?;
            let agreement = find_agreement(unit, details.plan.agreement)?;
            let agreement = Arc::new(agreement_with_plans(unit, agreement, plans, now)?);
            if !license.is_live() {
                return Err(Refusal::NotActivatable(license.status()).into());
            }
            let is_other = |other: &License| {
                other.is_live()
                    && (other.plan, other.lms_user_id()) == (license.plan, person.lms_user_id)
                    && person.lms_user_id.is_some()
                    && other.id != license.id
            };
            // The sort is stable: of licenses assigned at one moment, the one with the given key stays.
            let mut seats = vec![license.clone()];
            seats.extend(held.into_iter().filter(is_other));
            seats.sort_by_key(precedence);
            let mut changed = seats
                .drain(1..)
                .map(|spare| spare.reset(now))
                .collect::<Result<Vec<License>, ImpossibleTransition>>()?;
            let mut license = seats.remove(0);
            let mut outbox = OutboxBuilder::new(&agreement.agreement, &details.plan, self.ids.as_ref(), now);
            if license.status() == LicenseStatus::Assigned {
                license = license.activate(person.lms_user_id, now)?;
                outbox.activated(&license);
                changed.push(license.clone());
            }
            let change = actor.change(now);
            unit.licenses().save(&changed, &change)?;
            outbox.write(unit)?;
            self.follow(unit, &details, &ids(&changed), &change)?;
            Ok(LearnerLicense { license, plan: details, agreement })
        })
    }
}

/// Whether the license was assigned to this person: to their address, or, if they have none that we accept, to their
/// LMS user id.
fn is_for(license: &License, person: &Person) -> bool {
    match &person.email {
        Some(email) => license.has_address(email),
        None => person.lms_user_id.is_some() && license.lms_user_id() == person.lms_user_id,
    }
}

/// Whether the license was renewed by one that is not among these.
fn is_renewed_beyond(license: &License, held: &[License]) -> bool {
    license.renewed_to.is_some_and(|copy| held.iter().all(|own| own.id != copy))
}

/// Renewed licenses share their key: an activated one comes first, then the latest assigned one.
fn precedence(license: &License) -> (LicenseStatus, std::cmp::Reverse<Option<chrono::DateTime<chrono::Utc>>>) {
    (license.status(), std::cmp::Reverse(license.assigned_date()))
}
