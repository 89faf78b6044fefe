use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{MemoryUnit, Tables, next};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CatalogId, CustomerId, LicenseId, PlanId, PlanTypeId};
use crate::model::license::{License, LicenseStatus};
use crate::model::plan::SubscriptionPlan;
use crate::model::renewal::SubscriptionPlanRenewal;
use crate::model::staff_records::NotificationKind;
use crate::ports::{DueRenewal, DueWorkRepository, PlanEnd, Unlinking};

fn of_schedule(renewal: &&SubscriptionPlanRenewal) -> bool {
    !renewal.processed && !renewal.terms.exempt_from_batch_processing
}

fn due_renewal(renewal: &SubscriptionPlanRenewal) -> DueRenewal {
    DueRenewal { renewal: renewal.id, prior_plan: renewal.terms.prior_plan }
}

impl Tables {
    fn customer_of(&self, plan: PlanId) -> Option<CustomerId> {
        Some(self.agreements.get(&self.plans.get(&plan)?.agreement)?.customer)
    }

    fn has_renewal(&self, plan: PlanId) -> bool {
        self.renewals.values().any(|renewal| renewal.terms.prior_plan == plan)
    }

    fn is_noted(&self, license: LicenseId, event_name: &str) -> bool {
        self.license_events.values().any(|mark| mark.license == license && mark.event_name == event_name)
    }

    /// Whether the holder has a live license of an active, current plan of the customer.
    fn stays(&self, license: &License, unlinking: Unlinking<'_>) -> bool {
        self.licenses.values().any(|other| {
            let same = other.holder_email() == license.holder_email()
                || (other.lms_user_id().is_some() && other.lms_user_id() == license.lms_user_id());
            let usable = |plan: &SubscriptionPlan| plan.is_active && plan.is_current(unlinking.now);
            same && other.is_live()
                && self.plans.get(&other.plan).is_some_and(usable)
                && self.customer_of(other.plan) == Some(unlinking.customer)
        })
    }

    /// When the plan last began to auto-apply, by its history; otherwise when it was created.
    fn auto_applies_since(&self, plan: &SubscriptionPlan) -> DateTime<Utc> {
        let id = plan.id.to_string();
        let (mut before, mut since) = (None, plan.created);
        for entry in self.recorded().filter(|entry| entry.table == "subscription_plan" && entry.id == id) {
            let applies = entry.row.flag("should_auto_apply_licenses");
            if applies == Some(true) && before != Some(true) {
                since = entry.change.at;
            }
            before = applies;
        }
        since
    }
}

impl DueWorkRepository for MemoryUnit<'_> {
    fn renewals(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
        let due = |renewal: &&SubscriptionPlanRenewal| (from..=to).contains(&renewal.terms.effective_date);
        let mut found: Vec<_> = self.tables.renewals.values().filter(of_schedule).filter(due).collect();
        found.sort_by_key(|renewal| (renewal.terms.effective_date, renewal.id));
        Ok(found.into_iter().map(due_renewal).collect())
    }

    fn renewals_starting(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
        let starts = |renewal: &SubscriptionPlanRenewal| {
            let following = renewal.processed.then(|| self.tables.following(renewal.terms.prior_plan))?;
            following.map(|following| following.start_date).filter(|start| (from..=to).contains(start))
        };
        let renewals = self.tables.renewals.values();
        let mut found: Vec<_> = renewals.filter_map(|renewal| Some((starts(renewal)?, renewal))).collect();
        found.sort_by_key(|(start, renewal)| (*start, renewal.id));
        Ok(found.into_iter().map(|(_, renewal)| due_renewal(renewal)).collect())
    }

    fn count_renewals_before(&mut self, moment: DateTime<Utc>) -> Result<i64, Error> {
        let renewals = self.tables.renewals.values().filter(of_schedule);
        Ok(renewals.filter(|renewal| renewal.terms.effective_date < moment).count() as i64)
    }

    fn expired_plans(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        processed_too: bool,
    ) -> Result<Vec<PlanId>, Error> {
        let due = |plan: &&SubscriptionPlan| {
            (from..=to).contains(&plan.expiration_date)
                && (processed_too || !plan.expiration_processed)
                && !self.tables.has_renewal(plan.id)
        };
        let mut found: Vec<_> = self.tables.plans.values().filter(due).collect();
        found.sort_by_key(|plan| (plan.expiration_date, plan.id));
        Ok(found.into_iter().map(|plan| plan.id).collect())
    }

    fn plan_ends(&mut self, plans: &[PlanId]) -> Result<Vec<PlanEnd>, Error> {
        let end = |id: &PlanId| {
            let plan = self.tables.plans.get(id)?;
            Some(PlanEnd {
                plan: plan.id,
                customer: self.tables.customer_of(plan.id)?,
                expiration_date: plan.expiration_date,
                expiration_processed: plan.expiration_processed,
                has_renewal: self.tables.has_renewal(plan.id),
            })
        };
        Ok(plans.iter().filter_map(end).collect())
    }

    fn live_licenses_after(
        &mut self,
        plan: PlanId,
        unrenewed_only: bool,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let live = self.tables.licenses_of(plan).filter(|license| license.is_live());
        Ok(next(live.filter(|license| !unrenewed_only || license.renewed_to.is_none()), after, limit))
    }

    fn plans_to_unlink(&mut self, customer: CustomerId, before: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        let over = self.tables.plans.values().filter(|plan| plan.expiration_processed && plan.expiration_date < before);
        Ok(over.map(|plan| plan.id).filter(|&plan| self.tables.customer_of(plan) == Some(customer)).collect())
    }

    fn licenses_to_unlink(
        &mut self,
        plan: PlanId,
        unlinking: Unlinking<'_>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<(LicenseId, Email)>, Error> {
        let due = |license: &&License| {
            license.is_live()
                && license.renewed_to.is_none()
                && !self.tables.is_noted(license.id, unlinking.event_name)
                && !self.tables.stays(license, unlinking)
        };
        let found = next(self.tables.licenses_of(plan).filter(due), after, limit);
        Ok(found.iter().filter_map(|license| Some((license.id, license.holder_email()?.clone()))).collect())
    }

    fn auto_scaling_agreements(&mut self) -> Result<Vec<AgreementId>, Error> {
        let agreements = self.tables.agreements.values().filter(|agreement| agreement.auto_scaling.enabled);
        Ok(agreements.map(|agreement| agreement.id).collect())
    }

    fn auto_applying_plans(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        mark: &str,
    ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error> {
        let tables = &*self.tables;
        let was_told = |plan: PlanId| {
            tables.plan_marks.contains_key(&(plan, mark.to_owned()))
                || tables
                    .notifications
                    .values()
                    .any(|sent| sent.plan == plan && sent.kind == NotificationKind::PeriodicInformational)
        };
        let applying = tables.plans.values().filter(|plan| {
            plan.should_auto_apply_licenses == Some(true)
                && plan.is_active
                && plan.is_current(now)
                && !was_told(plan.id)
        });
        let since = applying.map(|plan| (plan.id, tables.auto_applies_since(plan)));
        Ok(since.filter(|(_, since)| *since <= until).collect())
    }

    fn auto_applied_since_turned_on(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, i64>, Error> {
        let tables = &*self.tables;
        let count = |plan: &SubscriptionPlan| {
            let since = tables.auto_applies_since(plan);
            let applied =
                |license: &&License| license.auto_applied == Some(true) && license.activation_date() >= Some(since);
            tables.licenses_of(plan.id).filter(applied).count() as i64
        };
        Ok(plans.iter().filter_map(|id| Some((*id, count(tables.plans.get(id)?)))).collect())
    }

    fn licenses_activated_before(
        &mut self,
        agreement: AgreementId,
        before: DateTime<Utc>,
        event_name: &str,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let of_active = |plan: &SubscriptionPlan| plan.agreement == agreement && plan.is_active;
        let due = |license: &&License| {
            license.status() == LicenseStatus::Activated
                && license.activation_date().is_some_and(|date| date < before)
                && self.tables.plans.get(&license.plan).is_some_and(of_active)
                && !self.tables.is_noted(license.id, event_name)
        };
        Ok(next(self.tables.licenses.values().filter(due), after, limit))
    }

    fn catalogs_in_use(&mut self, now: DateTime<Utc>) -> Result<Vec<(CatalogId, PlanTypeId)>, Error> {
        let plans = self.tables.plans.values().filter(|plan| plan.expiration_date > now && !plan.for_internal_use_only);
        let pairs: BTreeSet<_> = plans
            .filter_map(|plan| Some((plan.catalog, self.tables.products.get(&plan.product)?.plan_type.id)))
            .collect();
        Ok(pairs.into_iter().collect())
    }
}
