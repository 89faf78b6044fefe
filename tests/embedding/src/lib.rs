//! Licenses of a small service, on tokio. `store.rs` is that of the example of the domain's package.

pub mod store;

use std::sync::Arc;

use license_manager_domain::Error;
use license_manager_domain::prelude::*;

/// The seats of one plan. It is cheap to clone.
#[derive(Clone)]
pub struct Seats {
    manager: LicenseManager,
    plan: PlanId,
}

impl Seats {
    /// A plan with so many seats.
    pub async fn new(seats: u128) -> Result<Self, Error> {
        let store = Arc::new(store::MapStore::default());
        let manager = LicenseManager::new(store, Arc::new(SystemClock), Arc::new(RandomIds), Settings::default());
        let plan = PlanId(uuid::Uuid::from_u128(3));
        let seats_of_plan = Self { manager, plan };
        seats_of_plan.blocking(move |manager| add_plan(manager, plan, seats)).await?;
        Ok(seats_of_plan)
    }

    /// Gives somebody a seat, and returns the key that activates it.
    pub async fn assign(&self, admin: &str, email: &Email) -> Result<Option<ActivationKey>, Error> {
        let (plan, admin, email) = (self.plan, Actor::user(admin), email.clone());
        self.blocking(move |manager| {
            let learners: Assignees = [email.clone()].into_iter().collect();
            manager.assign(&admin, plan, &learners, &AssignmentMail::default())?;
            let person = Person { email: Some(email.clone()), lms_user_id: None };
            let held = manager.store().write(|unit| unit.licenses().lock_all_by_person(&person))?;
            Ok(held.iter().find(|license| license.is_live()).and_then(License::activation_key))
        })
        .await
    }

    /// Activates the seat of whoever has this key and address.
    pub async fn activate(&self, key: ActivationKey, email: &Email) -> Result<LicenseStatus, Error> {
        let person = Person { email: Some(email.clone()), lms_user_id: None };
        self.blocking(move |manager| Ok(manager.activate(&Actor::user("learner"), key, &person)?.license.status()))
            .await
    }

    /// Takes a seat back.
    pub async fn revoke(&self, admin: &str, email: &Email) -> Result<usize, Error> {
        let (plan, admin, whose) = (self.plan, Actor::user(admin), LicenseSelection::Emails(vec![email.clone()]));
        self.blocking(move |manager| Ok(manager.revoke(&admin, plan, &whose)?.revoked.len())).await
    }

    /// How many seats there are, by status.
    pub async fn counts(&self) -> Result<LicenseCounts, Error> {
        let plan = self.plan;
        self.blocking(move |manager| {
            let mut counts = manager.store().read(|unit| unit.licenses().counts(&[plan]))?;
            Ok(counts.remove(&plan).unwrap_or_default())
        })
        .await
    }

    /// Runs a use case on a thread for blocking work.
    async fn blocking<T: Send + 'static>(
        &self,
        use_case: impl FnOnce(&LicenseManager) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let manager = self.manager.clone();
        tokio::task::spawn_blocking(move || use_case(&manager)).await.map_err(Error::internal)?
    }
}

fn add_plan(manager: &LicenseManager, plan: PlanId, seats: u128) -> Result<(), Error> {
    let (now, id) = (manager.now(), uuid::Uuid::from_u128);
    let change = Actor::service().change(now);
    let agreement = CustomerAgreement::new(AgreementId(id(1)), CustomerId(id(2)), now);
    let year = now..now + chrono::Duration::days(365);
    let terms = SubscriptionPlan::new(plan, agreement.id, CatalogId(id(4)), "Engineering".to_owned(), year, now);
    let terms = SubscriptionPlan { is_active: true, ..terms };
    let seats: Vec<LicenseId> = (0..seats).map(|number| LicenseId(id(100 + number))).collect();
    manager.store().write(|unit| {
        unit.agreements().add(&agreement, &change)?;
        unit.plans().add(&terms, &change)?;
        unit.licenses().add_unassigned(plan, &seats, &change)
    })
}
