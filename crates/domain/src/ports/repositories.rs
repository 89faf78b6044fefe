use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::history::Change;
use crate::model::agreement::CustomerAgreement;
use crate::model::ids::{AgreementId, CustomerId, PlanId, PlanTypeId, ProductId};
use crate::model::jobs::{Job, JobKind};
use crate::model::plan::{PlanDetails, SubscriptionPlan};
use crate::model::product::{PlanType, Product};

/// A part of a long list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOffset {
    /// How many to skip.
    pub offset: i64,
    /// How many to return at most.
    pub limit: i64,
}

/// The customers somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerScope {
    /// Every customer.
    All,
    /// These; where there are none, nothing is seen.
    Only(Vec<CustomerId>),
}

impl CustomerScope {
    /// Whether the customer is among them.
    pub fn covers(&self, customer: CustomerId) -> bool {
        match self {
            Self::All => true,
            Self::Only(customers) => customers.contains(&customer),
        }
    }
}

/// Which agreements a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementFilter {
    /// Of customers the reader may see.
    pub scope: CustomerScope,
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// This one.
    pub agreement: Option<AgreementId>,
}

/// Customer agreements.
pub trait AgreementRepository {
    /// The agreement of that id.
    fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error>;

    /// Waits for others who write the agreement, and keeps them waiting until the end of the transaction.
    fn lock(&mut self, id: AgreementId) -> Result<(), Error>;

    /// The customer's agreement.
    fn find_by_customer(&mut self, customer: CustomerId) -> Result<Option<CustomerAgreement>, Error>;

    /// The agreement of the customer with that slug.
    fn find_by_slug(&mut self, slug: &str) -> Result<Option<CustomerAgreement>, Error>;

    /// The agreements that match, in the order of their ids.
    fn list(&mut self, filter: &AgreementFilter, limit_offset: LimitOffset) -> Result<Vec<CustomerAgreement>, Error>;

    /// How many agreements match.
    fn count(&mut self, filter: &AgreementFilter) -> Result<i64, Error>;

    /// Adds an agreement and its history. MUST return [`crate::Conflict::AgreementOfCustomer`] or
    /// [`crate::Conflict::AgreementSlug`] where the customer or the slug is taken.
    fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error>;

    /// Writes an agreement that exists, and its history. Conflicts as [`AgreementRepository::add`].
    fn save(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error>;
}

/// Which plans a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFilter {
    /// Of customers the reader may see.
    pub scope: CustomerScope,
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Only active ones.
    pub active_only: bool,
    /// Only plans current at this moment.
    pub current_at: Option<DateTime<Utc>>,
}

/// Subscription plans.
pub trait PlanRepository {
    /// The plan of that id with its surroundings.
    fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error>;

    /// The plan, locked: whoever else wants to lock it waits until this transaction ends.
    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error>;

    /// The plans that match, the latest start first; of equal starts the smaller id.
    fn list(&mut self, filter: &PlanFilter, limit_offset: LimitOffset) -> Result<Vec<PlanDetails>, Error>;

    /// How many plans match.
    fn count(&mut self, filter: &PlanFilter) -> Result<i64, Error>;

    /// Every plan of these agreements, ordered as [`PlanRepository::list`].
    fn of_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error>;

    /// Adds a plan and its history. MUST return [`crate::Conflict::PlanTitle`] where the agreement has one of this title.
    fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error>;

    /// Lets the chosen plan of the agreement auto-apply its licenses, and no other one. MUST write, and record, only plans
    /// for which that changes something; those for which nobody ever said stay so.
    fn auto_apply_only(&mut self, agreement: AgreementId, chosen: Option<PlanId>, change: &Change)
    -> Result<(), Error>;

    /// Writes a plan that exists, and its history. Conflicts as [`PlanRepository::add`].
    fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error>;
}

/// Products.
pub trait ProductRepository {
    /// The product of that id with its plan type.
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error>;

    /// Waits for others who write products or plan types, and keeps them waiting until the end of the transaction: they are few,
    /// and seldom written.
    fn lock(&mut self) -> Result<(), Error>;

    /// Every product, in the order of their ids: there are few.
    fn list(&mut self) -> Result<Vec<Product>, Error>;

    /// Every plan type, in the order of their ids.
    fn plan_types(&mut self) -> Result<Vec<PlanType>, Error>;

    /// Adds a product with its history under an id that follows all others, which it returns; the id it came with does not
    /// count. MUST return [`crate::Conflict::ProductNetsuiteId`] where another one has its NetSuite id.
    fn add(&mut self, product: &Product, change: &Change) -> Result<ProductId, Error>;

    /// Writes a product that exists, with its history. Conflicts as [`ProductRepository::add`].
    fn save(&mut self, product: &Product, change: &Change) -> Result<(), Error>;

    /// Adds a plan type under an id that follows all others, which it returns.
    fn add_plan_type(&mut self, plan_type: &PlanType) -> Result<PlanTypeId, Error>;

    /// Writes a plan type that exists.
    fn save_plan_type(&mut self, plan_type: &PlanType) -> Result<(), Error>;

    /// Adds those of the products and plan types that do not exist. Existing ones stay as they are.
    fn seed(&mut self, products: &[Product], change: &Change) -> Result<(), Error>;
}

/// Somebody who has called the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user name in the token.
    pub username: String,
    /// The address in the latest token that had one, as it was written there.
    pub email: Option<String>,
    /// Whether the latest token was an administrator's.
    pub is_staff: bool,
    /// Whether they may do everything. Only the database says so, never a token.
    pub is_superuser: bool,
    /// The roles the database gives them.
    pub roles: Vec<RoleAssignment>,
}

/// A role that the database gives a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// `enterprise_subscriptions_admin` or `enterprise_subscriptions_learner`.
    pub role: String,
    /// For this customer; for every customer where there is none.
    pub customer: Option<CustomerId>,
}

/// Users and the roles the database gives them.
pub trait UserRepository {
    /// The user of that name with their roles. One statement.
    fn find(&mut self, username: &str) -> Result<Option<User>, Error>;

    /// Adds the user, or takes over the staff flag, and the email where there is one. Superuser flag and roles stay as they
    /// are.
    fn remember(
        &mut self,
        username: &str,
        email: Option<&str>,
        is_staff: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Error>;

    /// Makes a user a superuser, or takes that back. MUST fail where there is no such user.
    fn set_superuser(&mut self, username: &str, is_superuser: bool, now: DateTime<Utc>) -> Result<(), Error>;
}

/// Work on a plan that is too large for a request.
pub trait JobRepository {
    /// Adds a job, to be tried at once. Where the plan has one of its kind, that one takes over who asked and when, and keeps
    /// its turn.
    fn add(&mut self, job: &Job) -> Result<(), Error>;

    /// Of the jobs that may be tried at `now` and that nobody else works on, the one that waits longest, locked until the end
    /// of the transaction.
    fn claim(&mut self, now: DateTime<Utc>) -> Result<Option<Job>, Error>;

    /// Lets a job rest: it is not claimed before `until`.
    fn postpone(&mut self, plan: PlanId, kind: JobKind, until: DateTime<Utc>) -> Result<(), Error>;

    /// Removes a job that is done.
    fn remove(&mut self, plan: PlanId, kind: JobKind) -> Result<(), Error>;

    /// How many jobs of each kind are not done yet.
    fn counts(&mut self) -> Result<BTreeMap<JobKind, i64>, Error>;
}
