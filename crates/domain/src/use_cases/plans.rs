//! Subscription plans.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::manager::{LicenseManager, count_licenses, find_agreement, find_plan, lock_plan};
use super::page::Page;
use super::renewals::RenewedBy;
use crate::error::{Entity, Error, FieldErrors, Refusal};
use crate::history::{Actor, Change};
use crate::model::edit::Edit;
use crate::model::ids::{AgreementId, CatalogId, CustomerId, PlanId, ProductId};
use crate::model::jobs::JobKind;
use crate::model::plan::{ChangeReason, LicenseCounts, PlanDetails, SubscriptionPlan};
use crate::model::product::Product;
use crate::model::renewal::RenewalChains;
use crate::ports::{LimitOffset, PlanFilter, StoreExt, UnitOfWork};

/// How many plans of a customer are few.
const FEW_PLANS: i64 = 100;

/// A new plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in SubscriptionPlan
pub struct NewPlan {
    pub agreement: AgreementId,
    pub title: String,
    pub start_date: DateTime<Utc>,
    pub expiration_date: DateTime<Utc>,
    /// The other fields. An absent catalog is the agreement's default.
    pub changes: PlanChanges,
}

/// Changes of a plan. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in SubscriptionPlan
pub struct PlanChanges {
    /// The agreement cannot change: another one is refused.
    pub agreement: Option<AgreementId>,
    pub title: Option<String>,
    pub start_date: Option<DateTime<Utc>>,
    pub expiration_date: Option<DateTime<Utc>>,
    pub catalog: Option<CatalogId>,
    pub is_active: Option<bool>,
    pub is_revocation_cap_enabled: Option<bool>,
    pub revoke_max_percentage: Option<i16>,
    pub salesforce_opportunity_line_item: Edit<String>,
    pub product: Option<ProductId>,
    pub for_internal_use_only: Option<bool>,
    pub can_freeze_unused_licenses: Option<bool>,
    pub should_auto_apply_licenses: Edit<bool>,
    pub desired_num_licenses: Edit<i32>,
}

impl PlanChanges {
    /// Makes the changes in a plan, whose rules are not checked: see [`SubscriptionPlan::check`].
    ///
    /// # Errors
    /// [`Refusal::AgreementIsFixed`] for another agreement.
    pub fn apply(self, plan: &mut SubscriptionPlan) -> Result<(), Error> {
        if self.agreement.is_some_and(|agreement| agreement != plan.agreement) {
            return Err(Refusal::AgreementIsFixed.into());
        }
        set_fields! { plan, self:
            title, start_date, expiration_date, catalog, is_active, is_revocation_cap_enabled, revoke_max_percentage,
            salesforce_opportunity_line_item, product, for_internal_use_only, can_freeze_unused_licenses,
            should_auto_apply_licenses, desired_num_licenses
        }
        Ok(())
    }
}

/// A plan and the numbers of its licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanOverview {
    /// The plan, its customer and its plan type.
    pub details: PlanDetails,
    /// The numbers of its licenses by status.
    pub counts: LicenseCounts,
    /// The renewals of its agreement's plans, and perhaps of others.
    pub chains: Arc<RenewalChains>,
    /// The time of reading.
    pub now: DateTime<Utc>,
}

impl LicenseManager {
    /// Creates a plan and its licenses. A job adds more than [`crate::Settings::inline_limit`] licenses.
    ///
    /// # Errors
    /// [`Entity::Agreement`] not found; an unknown product; [`crate::Conflict::PlanTitle`]; [`Error::Invalid`] with
    /// every rule that the plan breaks, or for a catalog of another customer; [`Error::UnknownCatalogOwner`] until its
    /// owner is known.
    pub fn create_plan(&self, actor: &Actor, reason: ChangeReason, new: NewPlan) -> Result<PlanOverview, Error> {
        let id = PlanId(self.ids.next());
        self.store.write(|unit| {
            let now = self.now();
            let agreement = find_agreement(unit, new.agreement)?;
            let catalog = new.changes.catalog.or(agreement.default_catalog).ok_or_else(|| {
                Error::Invalid(FieldErrors::one(
                    "enterprise_catalog_uuid",
                    "The plan or its agreement must name a catalog.",
                ))
            })?;
            self.check_catalog("enterprise_catalog_uuid", agreement.customer, catalog)?;
            let runs = new.start_date..new.expiration_date;
            let mut plan = SubscriptionPlan::new(id, agreement.id, catalog, &new.title, runs, now);
            new.changes.clone().apply(&mut plan)?;
            let product = find_product(unit, plan.product)?;
            plan.check(&product)?;
            let change = Change { reason: Some(reason.into()), ..actor.change(now) };
            unit.plans().add(&plan, &change)?;
            let (customer, plan_type) = (agreement.customer, product.plan_type.label);
            let details = PlanDetails::new(plan, customer, plan_type);
            self.provision(unit, &details, LicenseCounts::default(), actor)?;
            self.plan_overview(unit, details)
        })
    }

    /// Edits a plan, and adds missing licenses.
    ///
    /// # Errors
    /// [`Entity::Plan`] not found; otherwise as for [`LicenseManager::create_plan`].
    pub fn update_plan(
        &self,
        actor: &Actor,
        reason: ChangeReason,
        id: PlanId,
        changes: PlanChanges,
    ) -> Result<PlanOverview, Error> {
        self.store.write(|unit| {
            let now = self.now();
            let mut details = lock_plan(unit, id)?;
            let before = details.plan.clone();
            if let Some(catalog) = changes.catalog.filter(|catalog| *catalog != before.catalog) {
                self.check_catalog("enterprise_catalog_uuid", details.customer, catalog)?;
            }
            changes.clone().apply(&mut details.plan)?;
            details.plan.modified = now;
            if details.plan.expiration_date != before.expiration_date && details.plan.expiration_date > now {
                // The plan was extended, so its expiration must be processed again.
                details.plan.expiration_processed = false;
            }
            let product = find_product(unit, details.plan.product)?;
            details.plan.check_edit(&before, &product)?;
            let change = Change { reason: Some(reason.into()), ..actor.change(now) };
            unit.plans().save(&details.plan, &change)?;
            let counts = count_licenses(unit, id)?;
            self.provision(unit, &details, counts, actor)?;
            self.follow_new_start(unit, &details, before.start_date, &change)?;
            details.plan_type = product.plan_type.label;
            self.plan_overview(unit, details)
        })
    }

    /// One plan.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found.
    pub fn plan(&self, id: PlanId) -> Result<PlanOverview, Error> {
        self.store.read(|unit| {
            let details = find_plan(unit, id)?;
            self.plan_overview(unit, details)
        })
    }

    /// The plans that match. `limit_offset` chooses the page from the number of matches.
    pub fn plans<E: From<Error>>(
        &self,
        filter: &PlanFilter,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<PlanOverview>, E> {
        self.store.read(|unit| {
            let few = few_plans(unit, filter)?;
            let total = match &few {
                Some(plans) => plans.len() as i64,
                None => unit.plans().count(filter)?,
            };
            let part = match limit_offset(total) {
                Ok(part) => part,
                Err(error) => return Ok(Err(error)),
            };
            let details = match few {
                Some(plans) => part.of(plans),
                None => unit.plans().list(filter, part)?,
            };
            Ok(Ok(Page { total, items: self.plan_overviews(unit, details)? }))
        })?
    }

    /// The current plan that matches; of several, the one that was created last.
    pub fn current_plan(&self, filter: &PlanFilter) -> Result<Option<PlanOverview>, Error> {
        let filter = PlanFilter { current_at: Some(self.now()), ..filter.clone() };
        self.store.read(|unit| {
            let matching = match few_plans(unit, &filter)? {
                Some(plans) => plans,
                None => unit.plans().list(&filter, LimitOffset { offset: 0, limit: i64::MAX })?,
            };
            let last = matching.into_iter().max_by_key(|details| (details.plan.created, details.plan.id));
            last.map(|details| self.plan_overview(unit, details)).transpose()
        })
    }

    /// The customer of a plan.
    pub fn customer_of_plan(&self, id: PlanId) -> Result<Option<CustomerId>, Error> {
        self.store.read(|unit| unit.plans().customer_of(id))
    }

    /// The slug of a plan's customer, for links.
    pub fn customer_slug_of_plan(&self, id: PlanId) -> Result<Option<String>, Error> {
        self.store.read(|unit| {
            let agreement = find_plan(unit, id)?.plan.agreement;
            Ok(find_agreement(unit, agreement)?.customer_slug)
        })
    }

    /// Brings a plan that follows another in line with it after an edit of its start, because dates of its licenses
    /// depend on the start. If the start moves from the future to the past, the plan follows for the last time. If it
    /// moves from the past to the future, the plan begins to follow again.
    fn follow_new_start(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &PlanDetails,
        former_start: DateTime<Utc>,
        change: &Change,
    ) -> Result<(), Error> {
        let Some((prior, following)) = plan.as_following() else { return Ok(()) };
        if following.start_date == former_start || following.start_date.max(former_start) <= change.at {
            return Ok(());
        }
        self.follow_whole_plan(unit, prior, &following, RenewedBy::Manual, change).map(drop)
    }

    /// Adds the missing licenses of a plan, and returns their number. A job adds more than
    /// [`crate::Settings::inline_limit`].
    pub(crate) fn provision(
        &self,
        unit: &mut dyn UnitOfWork,
        details: &PlanDetails,
        counts: LicenseCounts,
        actor: &Actor,
    ) -> Result<i64, Error> {
        let plan = &details.plan;
        match plan.licenses_to_provision(&counts) {
            0 => Ok(0),
            few if few <= i64::from(self.settings.inline_limit) => {
                self.add_unassigned(unit, details, few, &actor.change(self.now()))?;
                Ok(few)
            }
            _ => {
                self.add_job(unit, plan.id, JobKind::Provision, actor)?;
                Ok(0)
            }
        }
    }

    /// Adds unassigned licenses to a plan.
    pub(crate) fn add_unassigned(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &PlanDetails,
        number: i64,
        change: &Change,
    ) -> Result<(), Error> {
        unit.licenses().add_unassigned(plan.plan.id, &self.new_license_ids(number), change)?;
        self.follow(unit, plan, &[], change).map(drop)
    }

    fn plan_overview(&self, unit: &mut dyn UnitOfWork, details: PlanDetails) -> Result<PlanOverview, Error> {
        let (id, agreement) = (details.plan.id, details.plan.agreement);
        let counts = count_licenses(unit, id)?;
        let chains = Arc::new(RenewalChains::new(unit.renewals().find_by_agreements(&[agreement])?));
        Ok(PlanOverview { details, counts, chains, now: self.now() })
    }

    fn plan_overviews(&self, unit: &mut dyn UnitOfWork, details: Vec<PlanDetails>) -> Result<Vec<PlanOverview>, Error> {
        let ids: Vec<_> = details.iter().map(|details| details.plan.id).collect();
        let mut agreements: Vec<_> = details.iter().map(|details| details.plan.agreement).collect();
        agreements.sort_unstable();
        agreements.dedup();
        // Right after the plans, because a store may have read the renewals with them.
        let chains = Arc::new(RenewalChains::new(unit.renewals().find_by_agreements(&agreements)?));
        let counts = unit.licenses().counts(&ids)?;
        let now = self.now();
        let overview = |details: PlanDetails| {
            let counts = counts.get(&details.plan.id).copied().unwrap_or_default();
            PlanOverview { details, counts, chains: chains.clone(), now }
        };
        Ok(details.into_iter().map(overview).collect())
    }
}

/// The plans that match, if one customer is named that has few. All plans of a customer are read with one statement, and a
/// store can read their renewals with it. A page would take three: the number of plans, the plans and their renewals.
fn few_plans(unit: &mut dyn UnitOfWork, filter: &PlanFilter) -> Result<Option<Vec<PlanDetails>>, Error> {
    let Some(customer) = filter.customer else { return Ok(None) };
    if !filter.scope.covers(customer) {
        return Ok(Some(Vec::new()));
    }
    let mut plans = unit.plans().find_by_customer(customer, FEW_PLANS + 1)?;
    if plans.len() as i64 > FEW_PLANS {
        return Ok(None);
    }
    plans.retain(|details| filter.matches(details));
    Ok(Some(plans))
}

fn find_product(unit: &mut dyn UnitOfWork, id: ProductId) -> Result<Product, Error> {
    let unknown = Error::UnknownReference { field: "product", entity: Entity::Product };
    unit.products().find(id)?.ok_or(unknown)
}
