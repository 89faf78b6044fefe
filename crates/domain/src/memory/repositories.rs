use std::collections::HashMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, Utc};

use super::{MemoryUnit, Tables, part, replace};
use crate::error::{Conflict, Error};
use crate::history::Change;
use crate::model::agreement::CustomerAgreement;
use crate::model::ids::{AgreementId, CustomerId, PlanId, PlanTypeId, ProductId};
use crate::model::license::License;
use crate::model::plan::{PlanDetails, SubscriptionPlan};
use crate::model::product::{PlanType, Product};
use crate::ports::{
    AgreementFilter, AgreementRepository, CustomerScope, LimitOffset, PlanFilter, PlanRepository, ProductRepository,
    User, UserRepository,
};

fn matching_agreements(tables: &Tables, filter: &AgreementFilter) -> Vec<CustomerAgreement> {
    let matches = |agreement: &&CustomerAgreement| {
        filter.scope.covers(agreement.customer)
            && filter.customer.is_none_or(|customer| customer == agreement.customer)
            && filter.agreement.is_none_or(|id| id == agreement.id)
    };
    tables.agreements.values().filter(matches).cloned().collect()
}

fn check_agreement(tables: &Tables, agreement: &CustomerAgreement) -> Result<(), Error> {
    let others = || tables.agreements.values().filter(|other| other.id != agreement.id);
    if others().any(|other| other.customer == agreement.customer) {
        return Err(Conflict::AgreementOfCustomer.into());
    }
    if agreement.customer_slug.is_some() && others().any(|other| other.customer_slug == agreement.customer_slug) {
        return Err(Conflict::AgreementSlug.into());
    }
    Ok(())
}

impl AgreementRepository for MemoryUnit<'_> {
    fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error> {
        Ok(self.tables.agreements.get(&id).cloned())
    }

    fn lock(&mut self, _: AgreementId) -> Result<(), Error> {
        self.written().map(drop)
    }

    fn lock_by_customers(&mut self, customers: &[CustomerId]) -> Result<Vec<CustomerAgreement>, Error> {
        let agreements = self.written()?.agreements.values();
        Ok(agreements.filter(|agreement| customers.contains(&agreement.customer)).cloned().collect())
    }

    fn holders_of_slugs(&mut self, slugs: &[String]) -> Result<HashMap<String, AgreementId>, Error> {
        let held = |agreement: &CustomerAgreement| {
            let slug = agreement.customer_slug.clone().filter(|slug| slugs.contains(slug))?;
            Some((slug, agreement.id))
        };
        Ok(self.tables.agreements.values().filter_map(held).collect())
    }

    fn rename(&mut self, names: &[(AgreementId, String, String)], change: &Change) -> Result<(), Error> {
        names.iter().try_for_each(|(id, slug, name)| {
            let found = self.written()?.agreements.get(id).cloned();
            let agreement = CustomerAgreement {
                customer_slug: Some(slug.clone()),
                customer_name: Some(name.clone()),
                modified: change.at,
                ..found.ok_or_else(|| Error::internal("no agreement to rename"))?
            };
            AgreementRepository::save(self, &agreement, change)
        })
    }

    fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error> {
        Ok(self.tables.agreements.values().find(|agreement| agreement.customer == customer).cloned())
    }

    fn find_by_slug(&mut self, slug: &str) -> Result<Option<CustomerAgreement>, Error> {
        let has_slug = |agreement: &&CustomerAgreement| agreement.customer_slug.as_deref() == Some(slug);
        Ok(self.tables.agreements.values().find(has_slug).cloned())
    }

    list_and_count!(AgreementFilter => CustomerAgreement, matching_agreements);

    fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check_agreement(tables, agreement)?;
        tables.agreements.insert(agreement.id, agreement.clone());
        tables.record("customer_agreement", agreement.id, '+', change);
        Ok(())
    }

    fn save(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check_agreement(tables, agreement)?;
        replace(&mut tables.agreements, &agreement.id, agreement, "agreement")?;
        tables.record("customer_agreement", agreement.id, '~', change);
        Ok(())
    }

    fn delete(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        if tables.plans.values().any(|plan| plan.agreement == id) {
            return Err(Error::internal("the agreement has plans"));
        }
        tables.agreements.remove(&id).ok_or_else(|| Error::internal("no agreement to delete"))?;
        tables.record("customer_agreement", id, '-', change);
        Ok(())
    }
}

fn sorted(mut plans: Vec<PlanDetails>) -> Vec<PlanDetails> {
    plans.sort_by_key(|details| (std::cmp::Reverse(details.plan.start_date), details.plan.id));
    plans
}

fn matching_plans(tables: &Tables, filter: &PlanFilter) -> Vec<PlanDetails> {
    let plans = tables.plans.values().filter_map(|plan| tables.details(plan));
    sorted(plans.filter(|details| filter.matches(details)).collect())
}

fn check_plan(tables: &Tables, plan: &SubscriptionPlan) -> Result<(), Error> {
    let taken = |other: &SubscriptionPlan| {
        other.id != plan.id && other.agreement == plan.agreement && other.title == plan.title
    };
    if tables.plans.values().any(taken) { Err(Conflict::PlanTitle.into()) } else { Ok(()) }
}

impl PlanRepository for MemoryUnit<'_> {
    fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        Ok(self.tables.plans.get(&id).and_then(|plan| self.tables.details(plan)))
    }

    fn customer_of(&mut self, id: PlanId) -> Result<Option<CustomerId>, Error> {
        Ok(PlanRepository::find(self, id)?.map(|details| details.customer))
    }

    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        self.written()?;
        PlanRepository::find(self, id)
    }

    fn lock_all(&mut self, ids: &[PlanId]) -> Result<Vec<PlanDetails>, Error> {
        let tables = self.written()?;
        let plans = tables.plans.values().filter(|plan| ids.contains(&plan.id));
        Ok(plans.filter_map(|plan| tables.details(plan)).collect())
    }

    fn in_renewals(&mut self, plans: &[PlanId], now: DateTime<Utc>) -> Result<Vec<PlanDetails>, Error> {
        let plans = self.tables.plans.values().filter(|plan| plans.contains(&plan.id));
        let details = plans.filter_map(|plan| self.tables.details(plan));
        let in_renewal = |found: &PlanDetails| found.followed_at(now).is_some() || found.follows_at(now).is_some();
        Ok(details.filter(in_renewal).collect())
    }

    list_and_count!(PlanFilter => PlanDetails, matching_plans);

    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error> {
        let plans = self.tables.plans.values().filter(|plan| agreements.contains(&plan.agreement));
        Ok(sorted(plans.filter_map(|plan| self.tables.details(plan)).collect()))
    }

    fn find_by_agreement_of(&mut self, plan: PlanId) -> Result<Vec<PlanDetails>, Error> {
        let agreement = self.tables.plans.get(&plan).map(|plan| plan.agreement);
        self.find_by_agreements(agreement.as_slice())
    }

    fn find_by_customer(&mut self, customer: CustomerId, limit: i64) -> Result<Vec<PlanDetails>, Error> {
        let filter = PlanFilter { customer: Some(customer), ..PlanFilter::new(CustomerScope::All) };
        PlanRepository::list(self, &filter, LimitOffset { offset: 0, limit })
    }

    fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check_plan(tables, plan)?;
        tables.plans.insert(plan.id, plan.clone());
        tables.record("subscription_plan", plan.id, '+', change);
        Ok(())
    }

    fn auto_apply_only(
        &mut self,
        agreement: AgreementId,
        chosen: Option<PlanId>,
        change: &Change,
    ) -> Result<(), Error> {
        let tables = self.written()?;
        let mut changed = Vec::new();
        for plan in tables.plans.values_mut().filter(|plan| plan.agreement == agreement) {
            let auto_applies = plan.should_auto_apply_licenses == Some(true);
            if auto_applies != (chosen == Some(plan.id)) {
                plan.should_auto_apply_licenses = Some(!auto_applies);
                plan.modified = change.at;
                changed.push(plan.id);
            }
        }
        changed.into_iter().for_each(|id| tables.record("subscription_plan", id, '~', change));
        Ok(())
    }

    fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check_plan(tables, plan)?;
        replace(&mut tables.plans, &plan.id, plan, "plan")?;
        tables.record("subscription_plan", plan.id, '~', change);
        Ok(())
    }

    fn was_handed_out(&mut self, id: PlanId) -> Result<bool, Error> {
        let is_or_was = |license: &License| license.is_live() || license.modified > license.created;
        let deleted = self.tables.history.iter().filter(|entry| entry.table == "license" && entry.kind == '-');
        let mut deleted = deleted.filter(|entry| entry.row.uuid("subscription_plan_uuid") == Some(id.0));
        let was = deleted.any(|entry| entry.row.moment("modified") > entry.row.moment("created"));
        Ok(was || self.tables.licenses_of(id).any(is_or_was))
    }

    fn delete(&mut self, id: PlanId, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        let is_used = tables.licenses_of(id).next().is_some()
            || tables
                .renewals
                .values()
                .any(|renewal| renewal.terms.prior_plan == id || renewal.terms.renewed_plan == Some(id))
            || tables.transfers.values().any(|job| job.order.old_plan == id || job.order.new_plan == id)
            || tables.notifications.values().any(|notification| notification.plan == id);
        if is_used {
            return Err(Error::internal("something refers to the plan"));
        }
        tables.plans.remove(&id).ok_or_else(|| Error::internal("no plan to delete"))?;
        tables.plan_marks.retain(|(plan, _), _| *plan != id);
        tables.record("subscription_plan", id, '-', change);
        Ok(())
    }
}

fn check_product(tables: &Tables, product: &Product) -> Result<(), Error> {
    let taken = |other: &Product| {
        other.id != product.id && other.netsuite_id.is_some() && other.netsuite_id == product.netsuite_id
    };
    if tables.products.values().any(taken) { Err(Conflict::ProductNetsuiteId.into()) } else { Ok(()) }
}

impl ProductRepository for MemoryUnit<'_> {
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
        Ok(self.tables.products.get(&id).cloned())
    }

    fn lock(&mut self) -> Result<(), Error> {
        self.written().map(drop)
    }

    fn list(&mut self) -> Result<Vec<Product>, Error> {
        Ok(self.tables.products.values().cloned().collect())
    }

    fn plan_types(&mut self) -> Result<Vec<PlanType>, Error> {
        Ok(self.tables.plan_types.values().cloned().collect())
    }

    fn add(&mut self, product: &Product, change: &Change) -> Result<ProductId, Error> {
        let tables = self.written()?;
        let id = ProductId(tables.products.keys().next_back().map_or(1, |last| last.0 + 1));
        let product = Product { id, ..product.clone() };
        check_product(tables, &product)?;
        tables.products.insert(id, product);
        tables.record("product", id, '+', change);
        Ok(id)
    }

    fn save(&mut self, product: &Product, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check_product(tables, product)?;
        replace(&mut tables.products, &product.id, product, "product")?;
        tables.record("product", product.id, '~', change);
        Ok(())
    }

    fn add_plan_type(&mut self, plan_type: &PlanType) -> Result<PlanTypeId, Error> {
        let plan_types = &mut self.written()?.plan_types;
        let id = PlanTypeId(plan_types.keys().next_back().map_or(1, |last| last.0 + 1));
        plan_types.insert(id, PlanType { id, ..plan_type.clone() });
        Ok(id)
    }

    fn save_plan_type(&mut self, plan_type: &PlanType) -> Result<(), Error> {
        let tables = self.written()?;
        replace(&mut tables.plan_types, &plan_type.id, plan_type, "plan type")?;
        for product in tables.products.values_mut().filter(|product| product.plan_type.id == plan_type.id) {
            product.plan_type = plan_type.clone();
        }
        Ok(())
    }

    fn seed(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for product in products {
            let plan_type = &product.plan_type;
            tables.plan_types.entry(plan_type.id).or_insert_with(|| plan_type.clone());
            if let Entry::Vacant(place) = tables.products.entry(product.id) {
                place.insert(product.clone());
                tables.record("product", product.id, '+', change);
            }
        }
        Ok(())
    }
}

impl UserRepository for MemoryUnit<'_> {
    fn find(&mut self, username: &str) -> Result<Option<User>, Error> {
        let roles = self.tables.roles.iter().filter(|assigned| assigned.username == username);
        let roles = roles.map(|assigned| assigned.role.clone()).collect();
        Ok(self.tables.users.get(username).map(|user| User { roles, ..user.clone() }))
    }

    fn remember(
        &mut self,
        username: &str,
        email: Option<&str>,
        is_staff: bool,
        _now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let new = User { username: username.to_owned(), email: None, is_staff, is_superuser: false, roles: Vec::new() };
        let user = self.written()?.users.entry(username.to_owned()).or_insert(new);
        user.email = email.map(str::to_owned).or(user.email.take());
        user.is_staff = is_staff;
        Ok(())
    }

    fn set_superuser(&mut self, username: &str, is_superuser: bool, _now: DateTime<Utc>) -> Result<(), Error> {
        let user = self.written()?.users.get_mut(username);
        user.ok_or_else(|| Error::internal("there is no such user"))?.is_superuser = is_superuser;
        Ok(())
    }
}
