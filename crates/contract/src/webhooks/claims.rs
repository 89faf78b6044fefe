//! Which deliveries are due, and who claims them.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::WebhookId;
use license_manager_domain::outbox::{EventName, Message};
use license_manager_domain::ports::{Store, StoreExt};
use license_manager_domain::queue::{Queue, QueueKind};
use license_manager_domain::webhooks::{Webhook, WebhookState};

use super::{
    assigned_event, claim, claim_at, event, event_of, events, id, lease, named_event, numbers, promise, register,
    settle, stand, told, webhook, webhook_id,
};
use crate::Database;
use crate::fixtures::*;

fn due(store: &dyn Store, now: DateTime<Utc>) -> Vec<WebhookId> {
    let due = store.read(|unit| unit.queue().due(QueueKind::Webhooks, now)).unwrap();
    let webhook = |queue| match queue {
        Queue::Webhook(webhook) => webhook,
        other => panic!("{other:?} is no queue of a webhook"),
    };
    due.into_iter().map(webhook).collect()
}

/// An endpoint gets the events of a license in their order.
pub fn events_of_a_license_are_claimed_one_after_another(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1), webhook(2)]);
    let nobody_s = event(5, None, EventName::NotAssigned);
    promise(&*store, &[assigned_event(1, 1), assigned_event(2, 1), assigned_event(3, 2), nobody_s.clone()]);
    promise(&*store, &[Message { id: id(6), payload: named_event(EventName::NotAssigned, "6"), ..nobody_s }]);
    assert_eq!(numbers(&claim_at(&*store, 9, 2, day(2), 2)), [1, 3], "another endpoint's are another matter");
    assert_eq!(claim(&*store, 1, 1), [1, 3, 5, 6]);
    assert_eq!(claim(&*store, 2, 1), [0; 0], "what is claimed is nobody else's");
    // The first one fails, and the next one of its license waits for it.
    settle(&*store, 1, 1, &[stand(1, WebhookState::Waiting, day(3)), stand(3, WebhookState::Delivered, day(2))], None);
    assert_eq!(claim(&*store, 2, 1), [0; 0]);
    assert_eq!(numbers(&claim_at(&*store, 2, 1, day(3), 1)), [5], "whose claim has ended is due longest");
    assert_eq!(numbers(&claim_at(&*store, 3, 1, day(3), 9)), [6, 1]);
    settle(&*store, 3, 1, &[stand(1, WebhookState::DeadLettered, day(3))], None);
    assert_eq!(numbers(&claim_at(&*store, 4, 1, day(3), 9)), [2], "one that is parked holds up nobody");
}

/// An endpoint gets the events of a person in their order.
pub fn events_of_a_person_are_claimed_one_after_another(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1)]);
    let named = |number: u128, address: &str, account: serde_json::Value| Message {
        payload: event_of(EventName::Activated, address, account),
        ..event(number, Some(number), EventName::Activated)
    };
    let (amy, nobody) = ("amy@example.com", "");
    promise(
        &*store,
        &[
            named(1, amy, nobody.into()),
            named(2, amy, 7.into()),
            named(3, nobody, 7.into()),
            named(4, "bob@example.com", nobody.into()),
            named(5, nobody, nobody.into()),
            named(6, nobody, nobody.into()),
            named(7, "amy@example.community", 70.into()),
        ],
    );
    let later = |hours| day(2) + Duration::hours(hours);
    let fails = |number, hours| [stand(number, WebhookState::Waiting, later(hours))];
    assert_eq!(numbers(&claim_at(&*store, 1, 1, day(2), 9)), [1, 4, 5, 6, 7], "nobody's wait for nobody");
    settle(&*store, 1, 1, &[4, 5, 6, 7].map(|number| stand(number, WebhookState::Delivered, day(2))), None);
    settle(&*store, 1, 1, &fails(1, 3), None);
    assert_eq!(due(&*store, later(2)), [], "the same address waits");
    assert_eq!(numbers(&claim_at(&*store, 2, 1, later(3), 9)), [1]);
    settle(&*store, 2, 1, &[stand(1, WebhookState::Delivered, later(3))], None);
    assert_eq!(numbers(&claim_at(&*store, 3, 1, later(3), 9)), [2], "the same account waits");
    settle(&*store, 3, 1, &[stand(2, WebhookState::DeadLettered, later(3))], None);
    assert_eq!(numbers(&claim_at(&*store, 4, 1, later(3), 9)), [3], "one that is parked holds up nobody");
}

/// Workers look only at endpoints with work.
pub fn endpoints_are_due_where_something_can_be_claimed(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1), Webhook { event_types: vec![EventName::Revoked], ..webhook(2) }, webhook(3)]);
    promise(&*store, &[event(1, Some(1), EventName::Revoked)]);
    promise(&*store, &[assigned_event(2, 1)]);
    assert_eq!(due(&*store, day(1)), [], "not before it happened");
    let mut all = due(&*store, day(2));
    all.sort_unstable();
    assert_eq!(all, [webhook_id(3), webhook_id(2), webhook_id(1)]);
    claim(&*store, 1, 1);
    store.write(|unit| unit.webhooks().save(&Webhook { is_active: false, ..webhook(3) })).unwrap();
    assert_eq!(due(&*store, day(2)), [webhook_id(2)]);
    assert_eq!(claim(&*store, 2, 3), [0; 0], "one that is switched off is told nothing");
    claim(&*store, 3, 2);
    settle(&*store, 3, 2, &[stand(1, WebhookState::Waiting, day(2))], Some(day(4)));
    assert_eq!(due(&*store, day(3)), [webhook_id(1)], "claims for an endpoint are paused, and a claim has ended");
    assert_eq!(numbers(&claim_at(&*store, 4, 2, day(3), 9)), [0; 0]);
    assert_eq!(due(&*store, day(4)), [webhook_id(2), webhook_id(1)], "the one that waits longest comes first");
    store.write(|unit| unit.webhooks().save(&webhook(3))).unwrap();
    assert_eq!(due(&*store, day(4)).len(), 3);
}

/// A worker that was too slow cannot undo what the next one did.
pub fn what_a_claim_does_not_hold_of_webhooks_stays_as_it_is(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1)]);
    promise(&*store, &[assigned_event(1, 1), assigned_event(2, 2)]);
    assert_eq!(claim(&*store, 1, 1), [1, 2]);
    let until = day(2) + Duration::hours(3);
    store.write(|unit| unit.queue().prolong(lease(1, 1), &[id(1).0, id(2).0], until)).unwrap();
    let later = day(2) + Duration::hours(2);
    assert_eq!(numbers(&claim_at(&*store, 2, 1, later, 9)), [0; 0], "it was prolonged");
    assert_eq!(numbers(&claim_at(&*store, 2, 1, until, 1)), [1]);
    settle(&*store, 1, 1, &[1, 2].map(|number| stand(number, WebhookState::Delivered, day(2))), None);
    assert_eq!(events(&*store, 1, Some(WebhookState::Delivered)), [2]);
    settle(&*store, 3, 1, &[stand(1, WebhookState::Delivered, day(2))], None);
    let [waiting] = &told(&*store, 1, Some(WebhookState::Waiting))[..] else { panic!("one waits") };
    assert_eq!((waiting.id, waiting.attempts, waiting.last_status), (id(1), 0, None));
}

/// A delivery can be traced to the request that caused it.
pub fn an_event_keeps_what_it_was_promised_as_a_part_of(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1)]);
    promise(&*store, &[assigned_event(1, 1)]);
    let kept = db.within_a_trace(&mut || promise(&*store, &[assigned_event(2, 2)]));
    let parents = claim_at(&*store, 1, 1, day(2), 9).into_iter().map(|claimed_message| claimed_message.trace_parent);
    assert_eq!(parents.collect::<Vec<_>>(), [None, kept]);
}

/// Many workers share the events without a double.
pub fn events_for_an_endpoint_are_claimed_once_by_many(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1)]);
    let messages: Vec<Message> = (1..=200).map(|number| assigned_event(number, number)).collect();
    promise(&*store, &messages);
    let mut claimed: Vec<u128> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let store = store.clone();
                scope.spawn(move || {
                    (0..50).flat_map(|round| numbers(&claim_at(&*store, number * 100 + round, 1, day(2), 4))).collect()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| -> Vec<u128> { thread.join().unwrap() }).collect()
    });
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=200).collect::<Vec<u128>>());
}
