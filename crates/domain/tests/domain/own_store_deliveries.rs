//! A store that implements no more than delivering needs, as the page about own stores says.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use license_manager_domain::outbox::{ClaimedMessage, Message};
use license_manager_domain::ports::*;
use license_manager_domain::queue::{Claim, Lease, Queue, QueueKind, Settlement};
use license_manager_domain::*;
use uuid::Uuid;

use crate::support::upstreams::*;
use crate::support::*;

/// The accessors and methods that were called.
type Called = BTreeSet<(&'static str, &'static str)>;

/// A unit of work with the methods below, which notes those that are called. All others fail.
struct PartialUnit<'a> {
    unit: &'a mut dyn UnitOfWork,
    called: &'a Mutex<Called>,
}

macro_rules! partial_unit {
    ($($accessor:ident: $repository:ident {
        $(fn $method:ident($($argument:ident: $type:ty),*) -> $result:ty;)+
    })+) => {
        impl UnitOfWork for PartialUnit<'_> {
            $(fn $accessor(&mut self) -> &mut dyn $repository {
                self
            })+
        }

        $(impl $repository for PartialUnit<'_> {
            $(fn $method(&mut self, $($argument: $type),*) -> Result<$result, Error> {
                self.called.lock().unwrap().insert((stringify!($accessor), stringify!($method)));
                self.unit.$accessor().$method($($argument),*)
            })+
        })+
    };
}

partial_unit! {
    agreements: AgreementRepository {
        fn list(filter: &AgreementFilter, limit_offset: LimitOffset) -> Vec<CustomerAgreement>;
    }
    lookups: LookupRepository {
        fn find_by_ids(ids: &[LicenseId]) -> Vec<(License, PlanDetails)>;
        fn find_activated(customers: &[CustomerId], lms_user_ids: &[LmsUserId], emails: &[Email])
            -> Vec<(License, PlanDetails)>;
    }
    outbox: OutboxRepository {
        fn add(messages: &[Message]) -> ();
    }
    queue: QueueRepository {
        fn due(kind: QueueKind, now: DateTime<Utc>) -> Vec<Queue>;
        fn claim(claim: &Claim) -> Vec<ClaimedMessage>;
        fn held(lease: Lease, work: &[Uuid]) -> Vec<Uuid>;
        fn settle(lease: Lease, settlements: &[Settlement]) -> ();
    }
}

#[test]
fn the_page_names_the_methods_that_delivering_needs() {
    let town = Town::new();
    let plan = town.world.plan(3);
    town.world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let called = Arc::<Mutex<Called>>::default();
    let noted = called.clone();
    let store = wrapping(town.world.store.clone(), move |unit, work| work(&mut PartialUnit { unit, called: &noted }));
    let deliveries = Town::deliveries_of(&town.world.manager.over(store));
    let deliver = || {
        loop {
            let due = deliveries.due(QueueKind::Messages).unwrap();
            if due.is_empty() {
                return;
            }
            for queue in due {
                let batch = deliveries.claim(queue).unwrap();
                let outcome = at_once(deliveries.deliver(&batch));
                deliveries.settle(&batch, &outcome).unwrap();
            }
        }
    };
    deliver();
    let key = town.world.license_of(plan, "amy@example.com").activation_key().unwrap();
    town.world.manager.activate(&Actor::user("amy"), key, &person("amy@example.com", 7)).unwrap();
    deliver();
    town.world.revoke(plan, &["amy@example.com"]).unwrap();
    deliver();
    assert_eq!(town.waiting(), [], "everything is delivered");

    let called = called.lock().unwrap();
    let accessors: BTreeSet<&str> = called.iter().map(|(accessor, _)| *accessor).collect();
    let lines = accessors.into_iter().map(|accessor| {
        let methods = called.iter().filter(|(of, _)| *of == accessor).map(|(_, method)| format!("`{method}`"));
        format!("| `{accessor}` | {} |\n", methods.collect::<Vec<_>>().join(", "))
    });
    let table: String = lines.collect();
    let page = include_str!("../../OWN_STORE.md");
    assert!(page.contains(&table), "OWN_STORE.md must contain this table:\n{table}");
}
