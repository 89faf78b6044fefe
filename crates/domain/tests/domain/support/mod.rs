//! A license manager over a store in memory, with a clock that stands still and ids that count up.

pub mod mocks;
pub mod upstreams;

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::memory::MemoryStore;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::outbox::{Message, Topic};
use license_manager_domain::ports::{
    FixedClock, LicenseFilter, LimitOffset, Person, SequentialIds, Store, StoreExt, UnitOfWork, Work,
};
use license_manager_domain::use_cases::{RenewalOutcome, RenewedBy};
use license_manager_domain::*;
use uuid::Uuid;

/// A part that holds everything.
pub const ALL: LimitOffset = LimitOffset { offset: 0, limit: 1_000_000 };

/// The moment at which every story begins.
pub fn beginning() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000)
}

/// The size of batches, for settings.
pub fn batches_of(licenses: u32) -> NonZeroU32 {
    NonZeroU32::new(licenses).expect("a batch has at least one license")
}

pub fn email(text: &str) -> Email {
    text.parse().unwrap()
}

pub fn learners<const N: usize>(addresses: [&str; N]) -> Assignees {
    addresses.into_iter().map(email).collect()
}

/// So many learners with addresses that count up.
pub fn crowd(number: usize) -> Assignees {
    (0..number).map(|number| email(&format!("learner{number}@example.com"))).collect()
}

pub fn person(address: &str, user: i64) -> Person {
    Person { email: Some(email(address)), lms_user_id: Some(LmsUserId(user)) }
}

pub fn admin() -> Actor {
    Actor::user("admin")
}

pub fn customer() -> CustomerId {
    CustomerId(Uuid::from_u128(1))
}

pub fn catalog() -> CatalogId {
    CatalogId(Uuid::from_u128(2))
}

/// Runs work over the units of work of a store, each wrapped into another one.
struct Wrapping<W> {
    store: Arc<dyn Store>,
    wrap: W,
}

impl<W> Store for Wrapping<W>
where
    W: Fn(&mut dyn UnitOfWork, &mut Work<'_>) -> Result<(), Error> + Send + Sync,
{
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.store.run_write(&mut |unit| (self.wrap)(unit, &mut *work))
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.store.run_read(&mut |unit| (self.wrap)(unit, &mut *work))
    }

    fn ping(&self) -> Result<(), Error> {
        self.store.ping()
    }
}

/// The store, whose work `wrap` runs over another unit of work than that which it is given.
pub fn wrapping(
    store: Arc<dyn Store>,
    wrap: impl Fn(&mut dyn UnitOfWork, &mut Work<'_>) -> Result<(), Error> + Send + Sync + 'static,
) -> Arc<dyn Store> {
    Arc::new(Wrapping { store, wrap })
}

/// An installation with one customer.
pub struct World {
    pub store: Arc<MemoryStore>,
    pub clock: Arc<FixedClock>,
    pub manager: LicenseManager,
    pub agreement: AgreementId,
}

impl World {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        let store = Arc::new(MemoryStore::with_seeded_products());
        let clock = Arc::new(FixedClock::new(beginning()));
        let manager = LicenseManager::new(store.clone(), clock.clone(), Arc::new(SequentialIds::default()), settings);
        let changes = AgreementChanges { default_catalog: Edit::Set(catalog()), ..AgreementChanges::default() };
        let overview = manager.create_agreement(&admin(), NewAgreement { customer: customer(), changes }).unwrap();
        let agreement = overview.details.agreement.id;
        Self { store, clock, manager, agreement }
    }

    /// A plan as most stories need it: active, of the product Test, from now for a year.
    pub fn new_plan(&self, title: &str, seats: i32) -> NewPlan {
        NewPlan {
            agreement: self.agreement,
            title: title.to_owned(),
            start_date: self.manager.now(),
            expiration_date: self.manager.now() + Duration::days(365),
            changes: PlanChanges {
                is_active: Some(true),
                product: Some(ProductId(4)),
                desired_num_licenses: Edit::Set(seats),
                ..PlanChanges::default()
            },
        }
    }

    pub fn create(&self, new: NewPlan) -> Result<PlanId, Error> {
        Ok(self.manager.create_plan(&admin(), ChangeReason::New, new)?.details.plan.id)
    }

    pub fn plan(&self, seats: i32) -> PlanId {
        self.create(self.new_plan(&format!("Plan of {seats}"), seats)).unwrap()
    }

    pub fn capped_plan(&self, seats: i32, percentage: i16) -> PlanId {
        let mut new = self.new_plan("Capped", seats);
        new.changes.is_revocation_cap_enabled = Some(true);
        new.changes.revoke_max_percentage = Some(percentage);
        self.create(new).unwrap()
    }

    pub fn change(&self, plan: PlanId, changes: PlanChanges) -> Result<PlanOverview, Error> {
        self.manager.update_plan(&admin(), ChangeReason::Other, plan, changes)
    }

    pub fn details(&self, plan: PlanId) -> SubscriptionPlan {
        self.manager.plan(plan).unwrap().details.plan
    }

    pub fn counts(&self, plan: PlanId) -> LicenseCounts {
        self.manager.plan(plan).unwrap().counts
    }

    pub fn licenses(&self, plan: PlanId) -> Vec<License> {
        self.store.read(|unit| unit.licenses().list(plan, &LicenseFilter::default(), &[], ALL)).unwrap()
    }

    /// The one license of the plan that the address holds or held.
    pub fn license_of(&self, plan: PlanId, address: &str) -> License {
        let mut found = self.store.read(|unit| unit.licenses().find_by_email(plan, &email(address))).unwrap();
        assert_eq!(found.len(), 1, "one license of {address}");
        found.remove(0)
    }

    pub fn assign(&self, plan: PlanId, learners: &Assignees) -> Result<Assignments, Error> {
        self.manager.assign(&admin(), plan, learners, &AssignmentMail::default())
    }

    /// Gives a learner a license and lets them activate it.
    pub fn activate(&self, plan: PlanId, address: &str, user: i64) {
        self.assign(plan, &learners([address])).unwrap();
        let key = self.license_of(plan, address).activation_key().unwrap();
        self.manager.activate(&Actor::user(address), key, &person(address, user)).unwrap();
    }

    pub fn revoke(&self, plan: PlanId, addresses: &[&str]) -> Result<Revocations, Error> {
        let emails = addresses.iter().map(|address| email(address)).collect();
        self.manager.revoke(&admin(), plan, &LicenseSelection::Emails(emails))
    }

    /// The renewal of a plan for so many licenses, in a hundred days for a year.
    pub fn terms(&self, prior_plan: PlanId, number_of_licenses: i32) -> RenewalTerms {
        let runs = beginning() + Duration::days(100)..beginning() + Duration::days(465);
        RenewalTerms::new(prior_plan, number_of_licenses, runs)
    }

    /// Schedules a renewal that nothing stands in the way of.
    pub fn schedule(&self, terms: &RenewalTerms) -> RenewalId {
        match self.manager.create_renewal(&admin(), terms).unwrap() {
            RenewalOutcome::Written(details) => details.renewal.id,
            other => panic!("not scheduled: {other:?}"),
        }
    }

    /// Processes a renewal and returns the plan that follows.
    pub fn renew(&self, renewal: RenewalId) -> Result<PlanId, Error> {
        let processed = self.manager.process_renewal(&admin(), renewal, RenewedBy::Manual)?;
        Ok(processed.details.renewal.terms.renewed_plan.expect("a processed renewal has a plan"))
    }

    /// What waits of a kind, as JSON.
    pub fn owed(&self, topic: Topic) -> Vec<serde_json::Value> {
        let messages = self.store.outbox().into_iter().filter(|message| message.payload.topic() == topic);
        messages.map(|message| serde_json::from_str(&message.payload.to_text()).unwrap()).collect()
    }

    /// The messages that the work adds.
    pub fn newly_owed(&self, work: impl FnOnce()) -> Vec<Message> {
        let before = self.store.outbox().len();
        work();
        self.store.outbox().split_off(before)
    }

    /// Changes the plan in ways that no use case offers yet.
    pub fn rewrite_plan(&self, plan: PlanId, change: impl Fn(&mut SubscriptionPlan)) {
        self.store
            .write(|unit| {
                let mut details = unit.plans().find(plan)?.ok_or(Error::NotFound(Entity::Plan))?;
                change(&mut details.plan);
                unit.plans().save(&details.plan, &admin().change(beginning()))
            })
            .unwrap();
    }

    /// Changes the agreement in ways that no use case offers yet.
    pub fn rewrite_agreement(&self, change: impl Fn(&mut CustomerAgreement)) {
        self.store
            .write(|unit| {
                let mut agreement =
                    unit.agreements().find(self.agreement)?.ok_or(Error::NotFound(Entity::Agreement))?;
                change(&mut agreement);
                unit.agreements().save(&agreement, &admin().change(beginning()))
            })
            .unwrap();
    }

    /// Every history entry, outbox message and license there is: equal before and after what changes nothing.
    pub fn footprint(&self, plan: PlanId) -> (usize, usize, Vec<License>, SubscriptionPlan) {
        (self.store.history().len(), self.store.outbox().len(), self.licenses(plan), self.details(plan))
    }
}

/// The topics of messages, in their order.
pub fn topics(messages: &[Message]) -> Vec<Topic> {
    messages.iter().map(|message| message.payload.topic()).collect()
}
