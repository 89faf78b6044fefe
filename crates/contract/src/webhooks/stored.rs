//! Deliveries while they are stored: listed, sent again, counted and removed.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::MessageId;
use license_manager_domain::outbox::{EventName, Message};
use license_manager_domain::ports::{LimitOffset, StoreExt, WebhookDeliveryFilter, WebhookReplay};
use license_manager_domain::queue::Backlog;
use license_manager_domain::webhooks::{Webhook, WebhookBacklog, WebhookState};

use super::{
    assigned_event, claim, claim_at, event, events, id, named_event, numbers, promise, register, settle, stand, told,
    webhook, webhook_id,
};
use crate::Database;
use crate::fixtures::*;

/// An endpoint that lost events can get them again.
pub fn deliveries_are_listed_and_replayed(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1), webhook(2)]);
    promise(&*store, &[1, 2, 3, 4].map(|number| assigned_event(number, number)));
    claim(&*store, 1, 1);
    let (delivered, parked) = (WebhookState::Delivered, WebhookState::DeadLettered);
    settle(&*store, 1, 1, &[stand(1, delivered, day(2)), stand(2, parked, day(2)), stand(3, parked, day(2))], None);
    let [last, ..] = &told(&*store, 1, Some(parked))[..] else { panic!("two are parked") };
    assert_eq!((last.id, last.attempts, last.last_status, last.delivered_at), (id(3), 1, Some(500), None));
    assert_eq!(last.last_error.as_deref(), Some("answered 500 Internal Server Error"));
    assert_eq!(told(&*store, 1, Some(delivered))[0].delivered_at, Some(day(2)));
    let second = LimitOffset { offset: 1, limit: 2 };
    let filter = WebhookDeliveryFilter { webhook: webhook_id(1), state: None, id: None };
    let page = store.read(|unit| unit.webhook_deliveries().list(&filter, second)).unwrap();
    assert_eq!(page.iter().map(|told| told.id).collect::<Vec<_>>(), [id(3), id(2)]);
    let part = |part| store.read(|unit| unit.webhook_deliveries().list(&filter, part)).unwrap();
    assert_eq!(part(FROM_BELOW_ZERO)[0].id, id(4));
    assert_eq!(part(LESS_THAN_NONE), []);

    let replay = |id: Option<MessageId>, state: Option<WebhookState>, since: Option<DateTime<Utc>>| {
        let replay = WebhookReplay { webhook: webhook_id(1), ids: id.map(|id| vec![id]), state, since };
        store.write(|unit| unit.webhook_deliveries().replay(&replay, day(2))).unwrap()
    };
    assert_eq!(replay(Some(id(4)), None, None), 0, "somebody delivers it");
    assert_eq!(replay(Some(id(9)), None, None), 0, "there is none");
    assert_eq!(replay(None, Some(parked), Some(day(1) + Duration::seconds(3))), 1);
    assert_eq!(events(&*store, 1, Some(parked)), [2]);
    assert_eq!(replay(Some(id(1)), None, None), 1);
    let again = claim_at(&*store, 2, 1, day(2), 9);
    assert_eq!(numbers(&again), [1, 3]);
    assert_eq!((again[0].attempts, again[0].due_since), (0, day(2)));
    assert_eq!(told(&*store, 1, Some(WebhookState::Waiting)).last().unwrap().delivered_at, None);
    assert_eq!(events(&*store, 2, Some(WebhookState::Waiting)), [1, 2, 3, 4], "another endpoint is told as before");
}

/// Alerts are raised on numbers that are right.
pub fn a_backlog_tells_how_the_deliveries_to_all_endpoints_stand(db: &dyn Database) {
    let store = db.store();
    let backlog = |now, limit| store.read(|unit| unit.webhook_deliveries().backlog(now, limit)).unwrap();
    let stands = |waiting, dead_lettered, due_since| WebhookBacklog {
        deliveries: Backlog { waiting, dead_lettered, due_since },
        ..WebhookBacklog::default()
    };
    assert_eq!(backlog(day(2), 10), stands(0, 0, None));
    register(&*store, &[webhook(1), webhook(2)]);
    assert_eq!(backlog(day(2), 10), stands(0, 0, None));
    promise(&*store, &[1, 2, 3].map(|number| assigned_event(number, number)));
    let first = day(1) + Duration::seconds(1);
    assert_eq!(backlog(day(2), 10), stands(6, 0, Some(first)));
    assert_eq!(backlog(day(2), 4), stands(4, 0, Some(first)), "no more are looked at");
    assert_eq!(backlog(day(1), 10), stands(6, 0, None), "none is due yet");
    claim(&*store, 1, 1);
    let standing = [
        stand(1, WebhookState::Delivered, day(2)),
        stand(2, WebhookState::DeadLettered, day(2)),
        stand(3, WebhookState::DeadLettered, day(2)),
    ];
    settle(&*store, 1, 1, &standing, None);
    assert_eq!(backlog(day(2), 10), stands(3, 2, Some(first)));
    assert_eq!(backlog(day(2), 1), stands(1, 1, Some(first)));
    // Neither an event that waits for an earlier one of its license nor one whose endpoint asked to wait counts as
    // late.
    claim(&*store, 2, 2);
    promise(&*store, &[Message { id: id(9), ..assigned_event(1, 1) }]);
    assert_eq!(backlog(day(2), 10), stands(5, 2, Some(first)), "the first endpoint may have it");
    let off = Webhook { is_active: false, dropped: 7, ..webhook(1) };
    store.write(|unit| unit.webhooks().save(&off)).unwrap();
    let stands = stands(4, 2, None);
    assert_eq!(backlog(day(2), 10), WebhookBacklog { kept: 1, off: 1, dropped: 7, ..stands });
    promise(&*store, &[assigned_event(5, 5), assigned_event(6, 6)]);
    let WebhookBacklog { deliveries, kept, .. } = backlog(day(2), 2);
    assert_eq!((deliveries.waiting, deliveries.dead_lettered, kept), (2, 2, 2), "no more are looked at");
}

/// Staff see which endpoint lags.
pub fn waiting_deliveries_are_counted_by_endpoint(db: &dyn Database) {
    let store = db.store();
    let off = Webhook { is_active: false, ..webhook(2) };
    register(&*store, &[webhook(1), off, Webhook { event_types: vec![EventName::Revoked], ..webhook(3) }]);
    promise(&*store, &[1, 2, 3].map(|number| assigned_event(number, number)));
    claim(&*store, 1, 1);
    settle(&*store, 1, 1, &[stand(1, WebhookState::Delivered, day(2))], None);
    let waiting = |limit| {
        let ids = [2, 1, 3].map(webhook_id);
        let waiting = store.read(|unit| unit.webhook_deliveries().waiting(&ids, limit)).unwrap();
        ids.map(|id| waiting.get(&id).copied().unwrap_or_default())
    };
    assert_eq!(waiting(10), [3, 2, 0], "with those that are being sent");
    assert_eq!(waiting(1), [1, 1, 0], "no more are looked at");
    assert!(store.read(|unit| unit.webhook_deliveries().waiting(&[], 10)).unwrap().is_empty());
}

/// Endpoints that stay off do not fill the database, and what they missed is known.
pub fn what_was_kept_for_too_long_is_dropped_and_counted(db: &dyn Database) {
    let store = db.store();
    let off = |number| Webhook { is_active: false, dropped: 3, ..webhook(number) };
    register(&*store, &[webhook(1), webhook(2), off(3)]);
    promise(&*store, &[1, 2, 3, 4].map(|number| assigned_event(number, number)));
    // One is delivered, one is a dead letter, and one is being sent while the endpoint is switched off.
    assert_eq!(numbers(&claim_at(&*store, 1, 2, day(2), 3)), [1, 2, 3]);
    let settled = [stand(1, WebhookState::Delivered, day(2)), stand(2, WebhookState::DeadLettered, day(2))];
    settle(&*store, 1, 2, &settled, None);
    store.write(|unit| unit.webhooks().save(&off(2))).unwrap();
    let drop = |due, now, limit| store.write(|unit| unit.webhook_deliveries().drop_kept(due, now, limit)).unwrap();
    let dropped = |number| store.read(|unit| unit.webhooks().find(webhook_id(number))).unwrap().unwrap().dropped;
    let first = day(1) + Duration::seconds(1);
    assert_eq!(drop(first - Duration::microseconds(1), day(2), 100), 0);
    assert_eq!(drop(first, day(2), 100), 1);
    assert_eq!((events(&*store, 3, None), dropped(3)), (vec![2, 3, 4], 4));
    assert_eq!(drop(day(2), day(2), 2), 2, "the limit");
    assert_eq!(drop(day(2), day(2), 100), 2);
    assert_eq!((events(&*store, 2, None), events(&*store, 3, None)), (vec![1, 2, 3], vec![]));
    assert_eq!((dropped(1), dropped(2), dropped(3)), (0, 4, 7));
    // The lease has ended, and the event was due since then.
    let ended = day(2) + Duration::hours(1);
    assert_eq!(drop(ended, ended, 100), 1);
    assert_eq!(events(&*store, 1, None), [1, 2, 3, 4], "nothing of an endpoint that is on is dropped");
    store.write(|unit| unit.webhooks().save(&Webhook { dropped: 0, ..webhook(2) })).unwrap();
    assert_eq!(drop(day(9), day(9), 100), 0);
}

/// Delivered events do not pile up.
pub fn old_deliveries_and_those_of_nobody_are_removed(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1), webhook(2)]);
    promise(&*store, &[1, 2, 3].map(|number| assigned_event(number, number)));
    claim(&*store, 1, 1);
    let standing = [stand(1, WebhookState::Delivered, day(2)), stand(2, WebhookState::DeadLettered, day(2))];
    settle(&*store, 1, 1, &standing, None);
    let remove =
        |day_number, limit| store.write(|unit| unit.webhook_deliveries().remove_old(day(day_number), limit)).unwrap();
    assert_eq!(remove(1, 100), 0);
    assert_eq!(remove(2, 100), 1);
    assert_eq!(events(&*store, 1, None), [2, 3], "only what was delivered is old");
    assert_eq!(store.write(|unit| unit.webhooks().remove(webhook_id(1))), Ok(true));
    assert_eq!(store.write(|unit| unit.webhooks().remove(webhook_id(1))), Ok(false));
    assert_eq!((events(&*store, 1, None).len(), events(&*store, 2, None).len()), (0, 3));
}

/// Nobody is named to others after they left.
pub fn what_webhooks_are_told_of_a_retiree_is_deleted(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1)]);
    let naming = |number: u128, license: Option<u128>, address: &str| Message {
        payload: named_event(EventName::Revoked, address),
        ..event(number, license, EventName::Revoked)
    };
    promise(
        &*store,
        &[
            naming(1, Some(1), ""),
            naming(2, None, "amy@example.com"),
            naming(3, Some(2), "amy@example.com"),
            naming(4, Some(3), "amy@example.community"),
            naming(5, None, "tamy@example.com"),
            naming(6, Some(2), "amy@example.com"),
        ],
    );
    // One event is delivered, the next one of the same person is dead-lettered, and the last one waits.
    assert_eq!(claim(&*store, 1, 1), [1, 2, 4, 5]);
    settle(&*store, 1, 1, &[stand(2, WebhookState::Delivered, day(2))], None);
    assert_eq!(claim(&*store, 2, 1), [3]);
    settle(&*store, 2, 1, &[stand(3, WebhookState::DeadLettered, day(2))], None);
    store.write(|unit| unit.retirement().erase_messages(&[license_id(1)], &[email("amy@example.com")])).unwrap();
    assert_eq!(events(&*store, 1, None), [4, 5], "in every state");
}
