//! Assigns, activates and revokes a license over a store of one's own: `cargo run --example own_store`.

pub mod store;

use std::sync::Arc;

use license_manager_domain::Error;
use license_manager_domain::prelude::*;

use self::store::MapStore;

/// Runs the example.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(MapStore::default());
    let manager = LicenseManager::new(store.clone(), Arc::new(SystemClock), Arc::new(RandomIds), Settings::default());
    let (admin, plan) = (Actor::user("admin"), add_plan(&manager, 2)?);

    let amy: Email = "amy@example.com".parse()?;
    let learners: Assignees = [(amy.clone(), None)].into_iter().collect();
    manager.assign(&admin, plan, &learners, &AssignmentMail::default())?;
    // The key is a part of the message that invites her.
    let person = Person { email: Some(amy.clone()), lms_user_id: None };
    let held = store.write(|unit| unit.licenses().lock_all_by_person(&person))?;
    let key = held[0].activation_key().ok_or("an assigned license has a key")?;
    manager.activate(&Actor::user("amy"), key, &person)?;
    manager.revoke(&admin, plan, &LicenseSelection::Emails(vec![amy]))?;

    let counts = store.read(|unit| unit.licenses().counts(&[plan]))?;
    let expected = LicenseCounts { unassigned: 2, revoked: 1, ..LicenseCounts::default() };
    assert_eq!(counts.get(&plan), Some(&expected));
    // Another use case says what it lacks.
    assert_eq!(manager.products(), Err(Error::NotProvided("products.list")));
    println!("{expected:?}, {} messages to deliver", store.tables().outbox.len());
    Ok(())
}

/// Adds a plan with unassigned licenses. `LicenseManager::create_plan` would check it, and need more repositories.
pub fn add_plan(manager: &LicenseManager, licenses: u128) -> Result<PlanId, Error> {
    let now = manager.now();
    let change = Actor::service().change(now);
    let id = |number: u128| uuid::Uuid::from_u128(number);
    let (customer, catalog, plan) = (CustomerId(id(1)), CatalogId(id(2)), PlanId(id(3)));
    let agreement = CustomerAgreement::new(AgreementId(id(4)), customer, now);
    let year = now..now + chrono::Duration::days(365);
    let terms = SubscriptionPlan::new(plan, agreement.id, catalog, "Engineering".to_owned(), year, now);
    let terms = SubscriptionPlan { is_active: true, ..terms };
    let seats: Vec<LicenseId> = (0..licenses).map(|number| LicenseId(id(100 + number))).collect();
    manager.store().write(|unit| {
        unit.agreements().add(&agreement, &change)?;
        unit.plans().add(&terms, &change)?;
        unit.licenses().add_unassigned(plan, &seats, &change)
    })?;
    Ok(plan)
}
