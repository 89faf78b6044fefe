use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::history::Change;
use crate::model::agreement::CustomerAgreement;
use crate::model::ids::{AgreementId, CustomerId, PlanId, PlanTypeId, ProductId};
use crate::model::jobs::{Job, JobKind};
use crate::model::plan::{PlanDetails, SubscriptionPlan};
use crate::model::product::{PlanType, Product};

/// A part of a list. A number below 0 MUST count as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOffset {
    /// How many items to skip.
    pub offset: i64,
    /// The most items to return.
    pub limit: i64,
}

impl LimitOffset {
    /// The same part without numbers below 0, which databases refuse or take for no limit.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        Self { offset: self.offset.max(0), limit: self.limit.max(0) }
    }

    /// This part of a list that was read whole.
    #[must_use]
    pub fn of<T>(self, all: Vec<T>) -> Vec<T> {
        let size = |number: i64| usize::try_from(number).unwrap_or(0);
        all.into_iter().skip(size(self.offset)).take(size(self.limit)).collect()
    }
}

/// The customers that somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerScope {
    /// All customers.
    All,
    /// These; none if empty.
    Only(Vec<CustomerId>),
}

impl CustomerScope {
    /// Whether the scope includes the customer.
    pub fn covers(&self, customer: CustomerId) -> bool {
        match self {
            Self::All => true,
            Self::Only(customers) => customers.contains(&customer),
        }
    }

    /// The customers of the scope, or of these only the named one; `None` for all.
    pub fn customers(&self, named: Option<CustomerId>) -> Option<Vec<CustomerId>> {
        match (self, named) {
            (scope, Some(customer)) => Some(named.into_iter().filter(|_| scope.covers(customer)).collect()),
            (Self::All, None) => None,
            (Self::Only(customers), None) => Some(customers.clone()),
        }
    }
}

/// A filter for agreements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementFilter {
    /// Customers that the reader may see.
    pub scope: CustomerScope,
    /// Only of this customer.
    pub customer: Option<CustomerId>,
    /// Only this one.
    pub agreement: Option<AgreementId>,
}

/// Customer agreements.
pub trait AgreementRepository {
    /// The agreement with this id.
    fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error> {
        not_provided!("agreements.find", id)
    }

    /// Locks the agreement against other writers until the end of the transaction.
    fn lock(&mut self, id: AgreementId) -> Result<(), Error> {
        not_provided!("agreements.lock", id)
    }

    /// The agreements of these customers, sorted by id, locked in this order against other writers until the end of the
    /// transaction. Customers without one are left out.
    fn lock_by_customers(&mut self, customers: &[CustomerId]) -> Result<Vec<CustomerAgreement>, Error> {
        not_provided!("agreements.lock_by_customers", customers)
    }

    /// Whose slugs these are. Slugs of nobody are left out.
    fn holders_of_slugs(&mut self, slugs: &[String]) -> Result<HashMap<String, AgreementId>, Error> {
        not_provided!("agreements.holders_of_slugs", slugs)
    }

    /// Writes the slugs and the names, in this order, of existing agreements, modified when the change is made, and their
    /// history. MUST fail if one does not exist. Conflicts like [`AgreementRepository::add`].
    fn rename(&mut self, names: &[(AgreementId, String, String)], change: &Change) -> Result<(), Error> {
        not_provided!("agreements.rename", names, change)
    }

    /// The customer's agreement.
    fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error> {
        not_provided!("agreements.find_by_customer", customer)
    }

    /// The agreement of the customer with this slug.
    fn find_by_slug(&mut self, slug: &str) -> Result<Option<CustomerAgreement>, Error> {
        not_provided!("agreements.find_by_slug", slug)
    }

    /// The agreements that match, sorted by id.
    fn list(&mut self, filter: &AgreementFilter, limit_offset: LimitOffset) -> Result<Vec<CustomerAgreement>, Error> {
        not_provided!("agreements.list", filter, limit_offset)
    }

    /// The number of agreements that match.
    fn count(&mut self, filter: &AgreementFilter) -> Result<i64, Error> {
        not_provided!("agreements.count", filter)
    }

    /// Adds an agreement and its history. MUST return [`crate::Conflict::AgreementOfCustomer`] or
    /// [`crate::Conflict::AgreementSlug`] if the customer or the slug is taken.
    fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        not_provided!("agreements.add", agreement, change)
    }

    /// Writes an existing agreement and its history. MUST fail if it does not exist. Conflicts like
    /// [`AgreementRepository::add`].
    fn save(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        not_provided!("agreements.save", agreement, change)
    }

    /// Deletes an existing agreement without plans and its expiration message, and records that. MUST fail if it does not
    /// exist.
    fn delete(&mut self, id: AgreementId, change: &Change) -> Result<(), Error> {
        not_provided!("agreements.delete", id, change)
    }
}

/// A filter for plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFilter {
    /// Customers that the reader may see.
    pub scope: CustomerScope,
    /// Only of this customer.
    pub customer: Option<CustomerId>,
    /// Only active ones.
    pub active_only: bool,
    /// Only plans that are current at this time.
    pub current_at: Option<DateTime<Utc>>,
}

impl PlanFilter {
    /// All plans that the reader may see.
    #[must_use]
    pub const fn new(scope: CustomerScope) -> Self {
        Self { scope, customer: None, active_only: false, current_at: None }
    }

    /// Whether the plan matches.
    pub fn matches(&self, details: &PlanDetails) -> bool {
        self.scope.covers(details.customer)
            && self.customer.is_none_or(|customer| customer == details.customer)
            && (!self.active_only || details.plan.is_active)
            && self.current_at.is_none_or(|moment| details.plan.is_current(moment))
    }
}

/// Subscription plans.
pub trait PlanRepository {
    /// The plan with this id, with related data.
    fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        not_provided!("plans.find", id)
    }

    /// The customer of the plan with this id, to check permissions. A store may find it with less than the plan.
    fn customer_of(&mut self, id: PlanId) -> Result<Option<CustomerId>, Error> {
        Ok(self.find(id)?.map(|details| details.customer))
    }

    /// The plan, locked: other transactions that lock it wait until this one ends.
    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        not_provided!("plans.lock", id)
    }

    /// The existing ones of these plans, locked like [`PlanRepository::lock`], sorted by id. MUST lock them in the order
    /// of their ids, in a number of statements that does not depend on how many there are.
    fn lock_all(&mut self, ids: &[PlanId]) -> Result<Vec<PlanDetails>, Error> {
        not_provided!("plans.lock_all", ids)
    }

    /// Those of these plans that follow another at this time, or are followed, sorted by id. See
    /// [`PlanDetails::follows_at`] and [`PlanDetails::followed_at`].
    fn in_renewals(&mut self, plans: &[PlanId], now: DateTime<Utc>) -> Result<Vec<PlanDetails>, Error> {
        not_provided!("plans.in_renewals", plans, now)
    }

    /// The plans that match, latest start first; ties by id.
    fn list(&mut self, filter: &PlanFilter, limit_offset: LimitOffset) -> Result<Vec<PlanDetails>, Error> {
        not_provided!("plans.list", filter, limit_offset)
    }

    /// The number of plans that match.
    fn count(&mut self, filter: &PlanFilter) -> Result<i64, Error> {
        not_provided!("plans.count", filter)
    }

    /// All plans of these agreements, sorted like [`PlanRepository::list`].
    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error> {
        not_provided!("plans.find_by_agreements", agreements)
    }

    /// All plans of the agreement that this plan belongs to, sorted like [`PlanRepository::list`]; none without such a
    /// plan. A store may find them with one statement.
    fn find_by_agreement_of(&mut self, plan: PlanId) -> Result<Vec<PlanDetails>, Error> {
        match self.find(plan)? {
            Some(details) => self.find_by_agreements(&[details.plan.agreement]),
            None => Ok(Vec::new()),
        }
    }

    /// The plans of this customer, sorted like [`PlanRepository::list`], at most `limit`. A store may read their renewals
    /// with the same statement.
    fn find_by_customer(&mut self, customer: CustomerId, limit: i64) -> Result<Vec<PlanDetails>, Error> {
        let filter = PlanFilter { customer: Some(customer), ..PlanFilter::new(CustomerScope::All) };
        self.list(&filter, LimitOffset { offset: 0, limit })
    }

    /// Adds a plan and its history. MUST return [`crate::Conflict::PlanTitle`] if the agreement has a plan with this
    /// title.
    fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        not_provided!("plans.add", plan, change)
    }

    /// Makes only the chosen plan of the agreement auto-apply licenses. MUST write and record only plans that change;
    /// plans where it was never set stay so.
    fn auto_apply_only(
        &mut self,
        agreement: AgreementId,
        chosen: Option<PlanId>,
        change: &Change,
    ) -> Result<(), Error> {
        not_provided!("plans.auto_apply_only", agreement, chosen, change)
    }

    /// Writes an existing plan and its history. MUST fail if it does not exist. Conflicts like [`PlanRepository::add`].
    fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        not_provided!("plans.save", plan, change)
    }

    /// Whether a license of the plan is or was assigned, one that was deleted from it included. Licenses that a transfer
    /// job moved may count as assigned.
    fn was_handed_out(&mut self, id: PlanId) -> Result<bool, Error> {
        not_provided!("plans.was_handed_out", id)
    }

    /// Deletes an existing plan, and records that. MUST fail if it does not exist, or if something refers to it: a license,
    /// a renewal, a transfer job, a notification or a job.
    fn delete(&mut self, id: PlanId, change: &Change) -> Result<(), Error> {
        not_provided!("plans.delete", id, change)
    }
}

/// Products.
pub trait ProductRepository {
    /// The product with this id, with its plan type.
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
        not_provided!("products.find", id)
    }

    /// Locks all products and plan types against other writers until the end of the transaction: they are few and
    /// rarely written.
    fn lock(&mut self) -> Result<(), Error> {
        not_provided!("products.lock")
    }

    /// All products, sorted by id.
    fn list(&mut self) -> Result<Vec<Product>, Error> {
        not_provided!("products.list")
    }

    /// All plan types, sorted by id.
    fn plan_types(&mut self) -> Result<Vec<PlanType>, Error> {
        not_provided!("products.plan_types")
    }

    /// Adds a product and its history with the next id, and returns the id; the given id is ignored. MUST return
    /// [`crate::Conflict::ProductNetsuiteId`] if another product has its NetSuite id.
    fn add(&mut self, product: &Product, change: &Change) -> Result<ProductId, Error> {
        not_provided!("products.add", product, change)
    }

    /// Writes an existing product and its history. MUST fail if it does not exist. Conflicts like
    /// [`ProductRepository::add`].
    fn save(&mut self, product: &Product, change: &Change) -> Result<(), Error> {
        not_provided!("products.save", product, change)
    }

    /// Adds a plan type with the next id, and returns the id.
    fn add_plan_type(&mut self, plan_type: &PlanType) -> Result<PlanTypeId, Error> {
        not_provided!("products.add_plan_type", plan_type)
    }

    /// Writes an existing plan type. MUST fail if it does not exist.
    fn save_plan_type(&mut self, plan_type: &PlanType) -> Result<(), Error> {
        not_provided!("products.save_plan_type", plan_type)
    }

    /// Adds the products and plan types that do not exist. Existing ones stay unchanged.
    fn seed(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
        not_provided!("products.seed", products, change)
    }
}

/// A user who has called the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user name in their tokens.
    pub username: String,
    /// The email address in the latest token that had one, as written there.
    pub email: Option<String>,
    /// Whether the latest token says that they are an administrator.
    pub is_staff: bool,
    /// Whether they may do everything. Only the database decides that, never a token.
    pub is_superuser: bool,
    /// Their roles in the database.
    pub roles: Vec<RoleAssignment>,
}

/// A user's role in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// One of [`RoleAssignment::ROLES`].
    pub role: String,
    /// The customer; `None` for all customers.
    pub customer: Option<CustomerId>,
}

impl RoleAssignment {
    /// The roles that the database gives.
    pub const ROLES: [&str; 4] = [
        "enterprise_subscriptions_admin",
        "enterprise_subscriptions_learner",
        "license_manager_viewer",
        "license_manager_operator",
    ];
}

/// Users and their roles in the database.
pub trait UserRepository {
    /// The user with this name, with their roles. One statement.
    fn find(&mut self, username: &str) -> Result<Option<User>, Error> {
        not_provided!("users.find", username)
    }

    /// Adds the user, or updates the staff flag and, if given, the email address. The superuser flag and roles stay.
    fn remember(
        &mut self,
        username: &str,
        email: Option<&str>,
        is_staff: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        not_provided!("users.remember", username, email, is_staff, now)
    }

    /// Sets the superuser flag. MUST fail if the user does not exist.
    fn set_superuser(&mut self, username: &str, is_superuser: bool, now: DateTime<Utc>) -> Result<(), Error> {
        not_provided!("users.set_superuser", username, is_superuser, now)
    }
}

/// Jobs on plans that are too large for a request, or too many. [`super::QueueRepository`] hands them out.
pub trait JobRepository {
    /// Adds a job that is due at once. If the plan has a job of its kind, that one is replaced, and keeps its place and its
    /// lease.
    fn add(&mut self, job: &Job) -> Result<(), Error> {
        not_provided!("jobs.add", job)
    }

    /// Adds a job of this kind, without reminders, to each of these plans, asked for by who makes the change; like
    /// [`JobRepository::add`], in a number of statements that does not depend on how many there are.
    fn add_to_plans(&mut self, plans: &[PlanId], kind: JobKind, change: &Change) -> Result<(), Error> {
        not_provided!("jobs.add_to_plans", plans, kind, change)
    }

    /// Makes the jobs of this kind on these plans due at once, with all their attempts, unless somebody works on them at
    /// this time. Returns their number.
    fn hurry(&mut self, plans: &[PlanId], kind: JobKind, now: DateTime<Utc>) -> Result<usize, Error> {
        not_provided!("jobs.hurry", plans, kind, now)
    }

    /// Removes the jobs of this kind on these plans, whether somebody works on them or not. Returns their number.
    fn remove(&mut self, plans: &[PlanId], kind: JobKind) -> Result<usize, Error> {
        not_provided!("jobs.remove", plans, kind)
    }

    /// The job of a plan.
    fn find(&mut self, plan: PlanId, kind: JobKind) -> Result<Option<Job>, Error> {
        not_provided!("jobs.find", plan, kind)
    }

    /// The number of unfinished jobs of each kind.
    fn counts(&mut self) -> Result<BTreeMap<JobKind, i64>, Error> {
        not_provided!("jobs.counts")
    }
}
