//! Use cases within a transaction of the caller, with the caller's own records.

use std::sync::Arc;

use license_manager_domain::*;

use crate::example::own_store::add_plan;
use crate::example::own_store::store::MapStore;
use crate::support::{admin, email, learners};

fn assign(manager: &LicenseManager, plan: PlanId, address: &str) -> Result<usize, Error> {
    let assigned = manager.assign(&admin(), plan, &learners([address]), &AssignmentMail::default())?;
    Ok(assigned.assigned.len())
}

/// A store with a plan of two licenses, and its license manager.
fn installation() -> (Arc<MapStore>, LicenseManager, PlanId) {
    let store = Arc::new(MapStore::default());
    let (clock, ids) = (Arc::new(ports::SystemClock), Arc::new(ports::RandomIds));
    let manager = LicenseManager::new(store.clone(), clock, ids, Settings::default());
    let plan = add_plan(&manager, 2).unwrap();
    (store, manager, plan)
}

/// The numbers of messages, invoices and changes.
fn written(store: &MapStore) -> (usize, usize, usize) {
    let tables = store.tables();
    (tables.outbox.len(), tables.invoices.len(), tables.history.len())
}

#[test]
fn use_cases_and_own_records_are_committed_together() {
    let (store, manager, plan) = installation();
    let (.., history) = written(&store);
    let transaction = Arc::new(store.begin());
    let within = manager.over(transaction.clone());
    assert_eq!(assign(&within, plan, "amy@example.com"), Ok(1));
    transaction.tables().invoices.push("a seat for Amy".to_owned());
    assert_eq!(store.tables().outbox.len(), 0, "it is not committed yet");
    let refused = within.revoke(&admin(), plan, &LicenseSelection::Emails(vec![email("bob@example.com")])).unwrap();
    assert_eq!(refused.not_found.len(), 1);
    store.commit(&transaction);
    assert_eq!(written(&store), (2, 1, history + 1));
    assert_eq!(assign(&manager, plan, "amy@example.com"), Ok(0), "she has one");
}

#[test]
fn a_transaction_that_is_given_up_has_changed_nothing() {
    let (store, manager, plan) = installation();
    let before = written(&store);
    let transaction = Arc::new(store.begin());
    let within = manager.over(transaction.clone());
    assert_eq!(assign(&within, plan, "amy@example.com"), Ok(1));
    let too_many =
        within.assign(&admin(), plan, &learners(["bob@example.com", "cat@example.com"]), &AssignmentMail::default());
    assert_eq!(too_many, Err(Refusal::NotEnoughLicenses { requested: 2, available: 1 }.into()));
    drop((within, transaction));
    assert_eq!(written(&store), before);
    assert_eq!(assign(&manager, plan, "bob@example.com"), Ok(1));
}

#[test]
fn its_debug_form_shows_settings_and_no_port() {
    let (_, manager, _) = installation();
    let shown = format!("{manager:?}");
    assert!(shown.starts_with("LicenseManager { settings: Settings {") && shown.ends_with(", .. }"), "{shown}");
}
