//! The settings of an agreement for staff, and the customer's name from the LMS.

use chrono::{DateTime, Duration, Utc};

use super::agreements::NewAgreement;
use super::manager::{LicenseManager, find_agreement};
use crate::error::{Conflict, Entity, Error, FieldErrors};
use crate::history::Actor;
use crate::model::agreement::CustomerAgreement;
use crate::model::edit::{Edit, FieldEdit};
use crate::model::expiration_message::ExpirationMessageChanges;
use crate::model::ids::{AgreementId, CustomerId, PlanId};
use crate::ports::{EnterpriseCustomer, StoreExt, UnitOfWork};

/// An agreement and its plan with auto-applied licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementSettings {
    /// The agreement.
    pub agreement: CustomerAgreement,
    /// The plan that auto-applies its licenses, active and current or not; of several, the one that starts last.
    pub auto_applied_plan: Option<PlanId>,
}

/// Changes of an agreement's settings. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in CustomerAgreement or AutoScaling
pub struct AgreementSettingsChanges {
    pub license_duration_before_purge: Option<Duration>,
    pub disable_onboarding_notifications: Option<bool>,
    pub auto_scaling_enabled: Option<bool>,
    pub auto_scaling_max_licenses: Edit<i32>,
    pub auto_scaling_threshold_percentage: Edit<i32>,
    pub auto_scaling_increment_percentage: Edit<i32>,
    pub expiration_message: ExpirationMessageChanges,
    /// The only plan of the agreement that auto-applies its licenses; [`Edit::Clear`] for none.
    pub auto_applied_plan: Edit<PlanId>,
}

impl AgreementSettingsChanges {
    pub(crate) fn apply(self, agreement: &mut CustomerAgreement) -> Result<(), Error> {
        let mut errors = FieldErrors::default();
        if let Some(kept) = self.license_duration_before_purge {
            CustomerAgreement::check_duration_before_purge(kept, &mut errors);
            agreement.license_duration_before_purge = kept;
        }
        set_fields! { agreement, self: disable_onboarding_notifications }
        let scaling = &mut agreement.auto_scaling;
        self.auto_scaling_enabled.edit(&mut scaling.enabled);
        self.auto_scaling_max_licenses.apply(&mut scaling.max_licenses);
        self.auto_scaling_threshold_percentage.apply(&mut scaling.threshold_percentage);
        self.auto_scaling_increment_percentage.apply(&mut scaling.increment_percentage);
        scaling.check(&mut errors);
        agreement.expiration_message = self.expiration_message.apply(agreement.expiration_message.take(), &mut errors);
        errors.into_result()
    }
}

impl LicenseManager {
    /// An agreement's settings.
    ///
    /// # Errors
    /// [`Entity::Agreement`] not found.
    pub fn agreement_settings(&self, id: AgreementId) -> Result<AgreementSettings, Error> {
        self.store.read(|unit| {
            let agreement = find_agreement(unit, id)?;
            with_auto_applied_plan(unit, agreement)
        })
    }

    /// Changes an agreement's settings.
    ///
    /// # Errors
    /// [`Entity::Agreement`] not found; [`Error::UnknownReference`] for a plan of another agreement; [`Error::Invalid`]
    /// with every rule that the settings break.
    pub fn update_agreement_settings(
        &self,
        actor: &Actor,
        id: AgreementId,
        changes: &AgreementSettingsChanges,
    ) -> Result<AgreementSettings, Error> {
        let changes = changes.clone();
        let changes =
            AgreementSettingsChanges { expiration_message: changes.expiration_message.sanitized(), ..changes };
        self.store.write(|unit| {
            let now = self.now();
            unit.agreements().lock(id)?;
            let mut agreement = find_agreement(unit, id)?;
            changes.clone().apply(&mut agreement)?;
            agreement.modified = now;
            let change = actor.change(now);
            unit.agreements().save(&agreement, &change)?;
            match changes.auto_applied_plan {
                Edit::Keep => {}
                Edit::Clear => unit.plans().auto_apply_only(id, None, &change)?,
                Edit::Set(plan) => {
                    if unit.plans().find(plan)?.is_none_or(|details| details.plan.agreement != id) {
                        let field = "auto_applied_subscription";
                        return Err(Error::UnknownReference { field, entity: Entity::Plan });
                    }
                    unit.plans().auto_apply_only(id, Some(plan), &change)?;
                }
            }
            with_auto_applied_plan(unit, agreement)
        })
    }

    /// Whether an LMS is configured that can be asked for customers.
    pub fn knows_customers(&self) -> bool {
        self.directory.is_configured()
    }

    /// Asks the LMS for a customer. Do not call this within a transaction.
    ///
    /// # Errors
    /// [`Error::Upstream`] without a usable answer.
    pub async fn look_customer_up(&self, customer: CustomerId) -> Result<EnterpriseCustomer, Error> {
        self.directory.customer(customer).await
    }

    /// Fills in the slug and the name of a new agreement's customer from the LMS, if they are absent. They stay absent
    /// if the LMS does not answer. Do not call this within a transaction.
    pub async fn name_customer(&self, mut new: NewAgreement) -> NewAgreement {
        let changes = &mut new.changes;
        let (slug, name) = (&mut changes.customer_slug, &mut changes.customer_name);
        let unnamed = |text: &Edit<String>| !matches!(text, Edit::Set(_));
        if !self.directory.is_configured() || !(unnamed(slug) || unnamed(name)) {
            return new;
        }
        match self.look_customer_up(new.customer).await {
            Ok(known) => {
                if unnamed(slug) {
                    *slug = Edit::Set(known.slug);
                }
                if unnamed(name) {
                    *name = Edit::Set(known.name);
                }
            }
            Err(error) => {
                tracing::warn!(customer = %new.customer, %error, "the LMS did not name the customer of a new agreement; its name stays empty")
            }
        }
        new
    }

    /// Updates the slug and the name of an agreement's customer from the LMS. Writes nothing if they are the same.
    ///
    /// # Errors
    /// [`Entity::Agreement`] not found if the customer has none; [`crate::Conflict::AgreementSlug`].
    pub fn adopt_customer(&self, actor: &Actor, known: &EnterpriseCustomer) -> Result<AgreementSettings, Error> {
        self.store.write(|unit| {
            let now = self.now();
            let found = unit.agreements().find_by_customer(known.id)?;
            let id = found.ok_or(Error::NotFound(Entity::Agreement))?.id;
            unit.agreements().lock(id)?;
            let mut agreement = find_agreement(unit, id)?;
            if adopt(&mut agreement, known, now)? {
                unit.agreements().save(&agreement, &actor.change(now))?;
            }
            with_auto_applied_plan(unit, agreement)
        })
    }
}

impl LicenseManager {
    /// As [`LicenseManager::adopt_customer`], of several customers in one transaction. Returns for each, in their order,
    /// whether something changed, or why it stays as it is: a refused one stops no other. Name each customer once.
    ///
    /// The number of statements does not depend on the number of customers.
    ///
    /// # Errors
    /// [`Conflict::AgreementSlug`] if another request takes one of the slugs meanwhile; then nothing has changed.
    pub fn adopt_customers(
        &self,
        actor: &Actor,
        known: &[EnterpriseCustomer],
    ) -> Result<Vec<Result<bool, Error>>, Error> {
        self.store.write(|unit| {
            let now = self.now();
            let ids: Vec<CustomerId> = known.iter().map(|known| known.id).collect();
            let slugs: Vec<String> = known.iter().map(|known| known.slug.clone()).collect();
            let locked = unit.agreements().lock_by_customers(&ids)?;
            let mut holders = unit.agreements().holders_of_slugs(&slugs)?;
            let mut renamed = Vec::new();
            let mut adopt_one = |known: &EnterpriseCustomer| {
                let found = locked.iter().find(|agreement| agreement.customer == known.id);
                let mut agreement = found.ok_or(Error::NotFound(Entity::Agreement))?.clone();
                if *holders.entry(known.slug.clone()).or_insert(agreement.id) != agreement.id {
                    return Err(Conflict::AgreementSlug.into());
                }
                let is_changed = adopt(&mut agreement, known, now)?;
                if is_changed {
                    renamed.push((agreement.id, known.slug.clone(), known.name.clone()));
                }
                Ok(is_changed)
            };
            let adopted: Vec<Result<bool, Error>> = known.iter().map(&mut adopt_one).collect();
            if !renamed.is_empty() {
                unit.agreements().rename(&renamed, &actor.change(now))?;
            }
            Ok(adopted)
        })
    }
}

/// Whether the agreement changed.
fn adopt(agreement: &mut CustomerAgreement, known: &EnterpriseCustomer, now: DateTime<Utc>) -> Result<bool, Error> {
    let before = (agreement.customer_slug.clone(), agreement.customer_name.clone());
    let after = (Some(known.slug.clone()), Some(known.name.clone()));
    if before == after {
        return Ok(false);
    }
    (agreement.customer_slug, agreement.customer_name) = after;
    agreement.check_names()?;
    agreement.modified = now;
    Ok(true)
}

fn with_auto_applied_plan(unit: &mut dyn UnitOfWork, agreement: CustomerAgreement) -> Result<AgreementSettings, Error> {
    let plans = unit.plans().find_by_agreements(&[agreement.id])?;
    let mut auto_applied = plans.iter().filter(|details| details.plan.should_auto_apply_licenses == Some(true));
    let auto_applied_plan = auto_applied.next().map(|details| details.plan.id);
    Ok(AgreementSettings { agreement, auto_applied_plan })
}
