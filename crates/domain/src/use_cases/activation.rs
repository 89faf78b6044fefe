//! Activation: a learner activates an assigned license.

use std::sync::Arc;

use super::agreements::agreement_details;
use super::learners::LearnerLicense;
use super::manager::{LicenseManager, find_agreement};
use crate::error::{Entity, Error, Refusal};
use crate::history::Actor;
use crate::model::ids::{ActivationKey, CustomerId};
use crate::model::license::{License, LicenseState, LicenseStatus};
use crate::outbox::OutboxBuilder;
use crate::ports::{Person, StoreExt};

impl LicenseManager {
    /// The customer of the license with this activation key, to check permissions.
    pub fn customer_of_activation_key(&self, key: ActivationKey) -> Result<Option<CustomerId>, Error> {
        self.store.read(|unit| {
            let licenses = unit.licenses().find_by_activation_key(key)?;
            Ok(licenses.first().map(|(_, details)| details.customer))
        })
    }

    /// Activates the license with this key for the person it was assigned to. Its plan must be active and current. A
    /// license that is activated already stays as it is.
    ///
    /// # Errors
    /// [`Entity::License`] not found without such a license; [`Refusal::NotActivatable`] if it was revoked.
    pub fn activate(&self, actor: &Actor, key: ActivationKey, person: &Person) -> Result<LearnerLicense, Error> {
        self.store.write(|unit| {
            let now = self.now();
            let (license, details) = unit
                .licenses()
                .find_by_activation_key(key)?
                .into_iter()
                .filter(|(license, details)| {
                    license.holder_email() == Some(&person.email)
                        && details.plan.is_active
                        && details.plan.is_current(now)
                })
                .min_by_key(|(license, _)| precedence(license))
                .ok_or(Error::NotFound(Entity::License))?;
            let agreement = find_agreement(unit, details.plan.agreement)?;
            let license = match license.state {
                LicenseState::Activated { .. } => license,
                LicenseState::Assigned(_) => {
                    let license = license.activate(person.lms_user_id, now)?;
                    let mut outbox = OutboxBuilder::new(&agreement, &details.plan, self.ids.as_ref(), now);
                    outbox.activated(&license);
                    unit.licenses().save(std::slice::from_ref(&license), &actor.change(now))?;
                    outbox.write(unit)?;
                    license
                }
                LicenseState::Revoked { .. } | LicenseState::Unassigned => {
                    return Err(Refusal::NotActivatable(license.status()).into());
                }
            };
            let agreement = Arc::new(agreement_details(unit, agreement, now)?);
            Ok(LearnerLicense { license, plan: details, agreement })
        })
    }
}

/// Renewed licenses share their key: an activated one comes first, then the latest assigned one.
fn precedence(license: &License) -> (LicenseStatus, std::cmp::Reverse<Option<chrono::DateTime<chrono::Utc>>>) {
    (license.status(), std::cmp::Reverse(license.assigned_date()))
}
