use std::collections::btree_map::Entry;

use chrono::{DateTime, Utc};

use super::{MemoryUnit, Tables};
use crate::agreement::CustomerAgreement;
use crate::error::{Conflict, Error};
use crate::history::Change;
use crate::ids::{AgreementId, CustomerId, PlanId, ProductId};
use crate::jobs::{Job, JobKind};
use crate::outbox::Message;
use crate::plan::{PlanDetails, SubscriptionPlan};
use crate::ports::{
    AgreementFilter, AgreementRepository, JobRepository, OutboxRepository, PlanFilter, PlanRepository,
    ProductRepository, User, UserRepository, Window,
};
use crate::product::Product;

pub(super) fn part<T>(all: Vec<T>, window: Window) -> Vec<T> {
    let skip = usize::try_from(window.offset).unwrap_or(0);
    all.into_iter().skip(skip).take(usize::try_from(window.limit).unwrap_or(0)).collect()
}

pub(super) fn missing(what: &str) -> Error {
    Error::storage(format!("no {what} to write"))
}

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

    fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error> {
        Ok(self.tables.agreements.values().find(|agreement| agreement.customer == customer).cloned())
    }

    fn list(&mut self, filter: &AgreementFilter, window: Window) -> Result<Vec<CustomerAgreement>, Error> {
        Ok(part(matching_agreements(self.tables, filter), window))
    }

    fn count(&mut self, filter: &AgreementFilter) -> Result<i64, Error> {
        Ok(matching_agreements(self.tables, filter).len() as i64)
    }

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
        *tables.agreements.get_mut(&agreement.id).ok_or_else(|| missing("agreement"))? = agreement.clone();
        tables.record("customer_agreement", agreement.id, '~', change);
        Ok(())
    }
}

fn sorted(mut plans: Vec<PlanDetails>) -> Vec<PlanDetails> {
    plans.sort_by_key(|details| (std::cmp::Reverse(details.plan.start_date), details.plan.id));
    plans
}

fn matching_plans(tables: &Tables, filter: &PlanFilter) -> Vec<PlanDetails> {
    let matches = |details: &PlanDetails| {
        filter.scope.covers(details.customer)
            && filter.customer.is_none_or(|customer| customer == details.customer)
            && (!filter.active_only || details.plan.is_active)
            && filter.current_at.is_none_or(|moment| details.plan.is_current(moment))
    };
    sorted(tables.plans.values().filter_map(|plan| tables.details(plan)).filter(matches).collect())
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

    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        self.written()?;
        PlanRepository::find(self, id)
    }

    fn list(&mut self, filter: &PlanFilter, window: Window) -> Result<Vec<PlanDetails>, Error> {
        Ok(part(matching_plans(self.tables, filter), window))
    }

    fn count(&mut self, filter: &PlanFilter) -> Result<i64, Error> {
        Ok(matching_plans(self.tables, filter).len() as i64)
    }

    fn of_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error> {
        let plans = self.tables.plans.values().filter(|plan| agreements.contains(&plan.agreement));
        Ok(sorted(plans.filter_map(|plan| self.tables.details(plan)).collect()))
    }

    fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check_plan(tables, plan)?;
        tables.plans.insert(plan.id, plan.clone());
        tables.record("subscription_plan", plan.id, '+', change);
        Ok(())
    }

    fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check_plan(tables, plan)?;
        *tables.plans.get_mut(&plan.id).ok_or_else(|| missing("plan"))? = plan.clone();
        tables.record("subscription_plan", plan.id, '~', change);
        Ok(())
    }

    fn stop_auto_applying(
        &mut self,
        agreement: AgreementId,
        except: Option<PlanId>,
        change: &Change,
    ) -> Result<(), Error> {
        let tables = self.written()?;
        let applies = |plan: &SubscriptionPlan| {
            plan.agreement == agreement && Some(plan.id) != except && plan.should_auto_apply_licenses == Some(true)
        };
        let stopped: Vec<PlanId> = tables.plans.values().filter(|plan| applies(plan)).map(|plan| plan.id).collect();
        for id in stopped {
            if let Some(plan) = tables.plans.get_mut(&id) {
                plan.should_auto_apply_licenses = Some(false);
                plan.modified = change.at;
            }
            tables.record("subscription_plan", id, '~', change);
        }
        Ok(())
    }
}

impl ProductRepository for MemoryUnit<'_> {
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
        Ok(self.tables.products.get(&id).cloned())
    }

    fn seed(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for product in products {
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
        Ok(self.tables.users.get(username).cloned())
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
}

impl OutboxRepository for MemoryUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.written()?.outbox.extend_from_slice(messages);
        Ok(())
    }

    fn count(&mut self) -> Result<i64, Error> {
        Ok(self.tables.outbox.len() as i64)
    }
}

impl JobRepository for MemoryUnit<'_> {
    fn add(&mut self, job: &Job) -> Result<(), Error> {
        let jobs = &mut self.written()?.jobs;
        if !jobs.iter().any(|other| (other.plan, other.kind) == (job.plan, job.kind)) {
            jobs.push(job.clone());
        }
        Ok(())
    }

    fn claim(&mut self) -> Result<Option<Job>, Error> {
        Ok(self.written()?.jobs.iter().min_by_key(|job| job.requested_at).cloned())
    }

    fn remove(&mut self, plan: PlanId, kind: JobKind) -> Result<(), Error> {
        self.written()?.jobs.retain(|job| (job.plan, job.kind) != (plan, kind));
        Ok(())
    }
}
