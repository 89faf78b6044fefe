//! Webhooks and their deliveries.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::outbox::{ClaimedMessage, EventName, Message, Payload, Topic};
use license_manager_domain::ports::{LimitOffset, Store, StoreExt, WebhookDeliveryFilter, WebhookReplay};
use license_manager_domain::queue::{Backlog, Claim, Lease, Queue, QueueKind, Settlement};
use license_manager_domain::webhooks::{
    OffReason, Webhook, WebhookBacklog, WebhookDelivery, WebhookSecret, WebhookState,
};
use license_manager_domain::{MessageId, WebhookId};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

fn webhook_id(number: u128) -> WebhookId {
    // Ids sort in the opposite order of registration.
    WebhookId(Uuid::from_u128(u128::MAX - number))
}

/// A webhook for all events of all customers.
pub(crate) fn webhook(number: u128) -> Webhook {
    Webhook {
        id: webhook_id(number),
        url: format!("https://hooks.example.com/{number}"),
        secret: WebhookSecret::of_key(&[7; 32]),
        previous_secret: None,
        event_types: vec![],
        customer: None,
        is_active: true,
        switched_at: None,
        off_reason: None,
        dropped: 0,
        created_by: Some("admin".to_owned()),
        created: day(i64::try_from(number).unwrap()),
        modified: day(100),
    }
}

pub(crate) fn register(store: &dyn Store, webhooks: &[Webhook]) {
    store.write(|unit| webhooks.iter().try_for_each(|webhook| unit.webhooks().add(webhook))).unwrap();
}

fn id(number: u128) -> MessageId {
    MessageId(Uuid::from_u128(u128::MAX - number))
}

/// An event of a license of customer 1.
fn event(number: u128, license: Option<u128>, name: EventName) -> Message {
    Message {
        id: id(number),
        license: license.map(license_id),
        plan: Some(plan_id(1)),
        customer: customer(1),
        payload: named_event(name, &number.to_string()),
        created: day(1) + Duration::seconds(i64::try_from(number).unwrap()),
    }
}

/// An event that names an address, or a text in its place.
pub(crate) fn named_event(name: EventName, address: &str) -> Payload {
    event_of(name, address, "".into())
}

/// An event that names an address and an LMS user id; an empty text is in the place of none.
fn event_of(name: EventName, address: &str, lms_user_id: serde_json::Value) -> Payload {
    let properties = serde_json::json!({
        "license_uuid": "", "license_activation_key": "", "previous_license_uuid": "",
        "assigned_date": "", "activation_date": "", "assigned_lms_user_id": lms_user_id, "assigned_email": address,
        "expiration_processed": false, "auto_applied": false,
        "enterprise_customer_uuid": customer(1), "customer_agreement_uuid": customer(1),
        "enterprise_customer_slug": "", "enterprise_customer_name": "",
    });
    let event = serde_json::json!({ "event": name.as_str(), "properties": properties });
    Payload::read(Topic::LicenseEvent, event.to_string())
}

fn assigned_event(number: u128, license: u128) -> Message {
    event(number, Some(license), EventName::Assigned)
}

fn promise(store: &dyn Store, messages: &[Message]) {
    store.write(|unit| unit.outbox().add(messages)).unwrap();
}

fn lease(number: u128, webhook: u128) -> Lease {
    Lease { id: Uuid::from_u128(number), queue: Queue::Webhook(webhook_id(webhook)) }
}

fn claim_at(store: &dyn Store, number: u128, webhook: u128, now: DateTime<Utc>, limit: usize) -> Vec<ClaimedMessage> {
    let claim = Claim { lease: lease(number, webhook), now, until: now + Duration::hours(1), limit };
    store.write(|unit| unit.queue().claim(&claim)).unwrap()
}

fn claim(store: &dyn Store, number: u128, webhook: u128) -> Vec<u128> {
    numbers(&claim_at(store, number, webhook, day(2), 100))
}

fn numbers(claimed_messages: &[ClaimedMessage]) -> Vec<u128> {
    claimed_messages.iter().map(|claimed_message| u128::MAX - claimed_message.message.id.0.as_u128()).collect()
}

fn due(store: &dyn Store, now: DateTime<Utc>) -> Vec<WebhookId> {
    let due = store.read(|unit| unit.queue().due(QueueKind::Webhooks, now)).unwrap();
    let webhook = |queue| match queue {
        Queue::Webhook(webhook) => webhook,
        other => panic!("{other:?} is no queue of a webhook"),
    };
    due.into_iter().map(webhook).collect()
}

fn stand(number: u128, state: WebhookState, not_before: DateTime<Utc>) -> Settlement {
    let delivered = state == WebhookState::Delivered;
    Settlement {
        attempts: i16::from(!delivered),
        status: Some(if delivered { 204 } else { 500 }),
        error: (!delivered).then(|| "answered 500 Internal Server Error".to_owned()),
        completed_at: delivered.then(|| day(2)),
        dead_lettered_at: (state == WebhookState::DeadLettered).then_some(not_before),
        ..Settlement::due(id(number).0, not_before)
    }
}

fn settle(store: &dyn Store, number: u128, webhook: u128, settlements: &[Settlement], rest: Option<DateTime<Utc>>) {
    store
        .write(|unit| {
            if let Some(until) = rest {
                unit.webhooks().rest(webhook_id(webhook), until)?;
            }
            unit.queue().settle(lease(number, webhook), settlements)
        })
        .unwrap();
}

/// A webhook's deliveries, newest first.
pub(crate) fn told(store: &dyn Store, webhook: u128, state: Option<WebhookState>) -> Vec<WebhookDelivery> {
    let filter = WebhookDeliveryFilter { webhook: webhook_id(webhook), state, id: None };
    let told = store.read(|unit| unit.webhook_deliveries().list(&filter, ALL)).unwrap();
    assert_eq!(store.read(|unit| unit.webhook_deliveries().count(&filter)), Ok(told.len() as i64));
    told
}

/// The numbers of a webhook's events, in the order of their creation.
fn events(store: &dyn Store, webhook: u128, state: Option<WebhookState>) -> Vec<u128> {
    told(store, webhook, state).iter().rev().map(|told| u128::MAX - told.id.0.as_u128()).collect()
}

/// No setting of an endpoint is lost.
pub fn a_webhook_comes_back_as_it_was_written(db: &dyn Database) {
    let store = db.store();
    let full = Webhook {
        event_types: vec![EventName::Assigned, EventName::Renewed],
        customer: Some(customer(1)),
        previous_secret: Some((WebhookSecret::of_key(&[8; 32]), day(9))),
        is_active: false,
        switched_at: Some(day(8)),
        off_reason: Some(OffReason::Gone),
        dropped: 3,
        ..webhook(2)
    };
    register(&*store, &[full.clone(), webhook(1)]);
    assert_eq!(store.read(|unit| unit.webhooks().find(full.id)), Ok(Some(full.clone())));
    assert_eq!(store.write(|unit| unit.webhooks().lock(full.id)), Ok(Some(full.clone())));
    assert_eq!(store.read(|unit| unit.webhooks().find(webhook_id(3))), Ok(None));
    assert_eq!(store.read(|unit| unit.webhooks().list(ALL)), Ok(vec![webhook(1), full.clone()]));
    let second = LimitOffset { offset: 1, limit: 1 };
    assert_eq!(store.read(|unit| unit.webhooks().list(second)), Ok(vec![full.clone()]));
    assert_eq!(store.read(|unit| unit.webhooks().count()), Ok(2));
    let changed = Webhook { url: "https://other.example.com/".to_owned(), created_by: None, ..webhook(2) };
    store.write(|unit| unit.webhooks().save(&changed)).unwrap();
    assert_eq!(store.read(|unit| unit.webhooks().find(full.id)), Ok(Some(changed)));
    assert!(store.write(|unit| unit.webhooks().save(&webhook(3))).is_err(), "there is none to be written");
}

/// An endpoint is told of its customer's events and of no other's.
pub fn events_are_promised_to_whoever_wants_them(db: &dyn Database) {
    let store = db.store();
    let of_events = Webhook { event_types: vec![EventName::Revoked, EventName::Renewed], ..webhook(2) };
    let of_customer = Webhook { customer: Some(customer(2)), ..webhook(3) };
    let inactive = Webhook { is_active: false, ..webhook(4) };
    promise(&*store, &[assigned_event(1, 1)]);
    register(&*store, &[webhook(1), of_events, of_customer, inactive]);
    let elsewhere = Message { customer: customer(2), ..event(4, Some(2), EventName::Assigned) };
    let mail = Message { payload: Payload::read(Topic::Assignment, "{}".to_owned()), ..assigned_event(5, 1) };
    let strange = Message { payload: Payload::read(Topic::LicenseEvent, "{}".to_owned()), ..assigned_event(6, 1) };
    let promised = [assigned_event(2, 1), event(3, None, EventName::Revoked), elsewhere, mail, strange];
    promise(&*store, &promised);
    promise(&*store, &[event(7, Some(1), EventName::Activated), event(8, Some(1), EventName::Revoked)]);
    let of = |webhook| events(&*store, webhook, None);
    assert_eq!(of(1), [2, 3, 4, 7, 8], "nothing from before it was registered");
    assert_eq!(of(2), [3, 8]);
    assert_eq!(of(3), [4]);
    assert_eq!(of(4), of(1), "events are kept for an endpoint that is off");
    let first = told(&*store, 1, None).pop().unwrap();
    assert_eq!((first.event_type.as_str(), first.created), (EventName::Assigned.as_str(), promised[0].created));
    let [claimed_message] = &claim_at(&*store, 1, 3, day(2), 100)[..] else { panic!("one event") };
    assert_eq!(
        (&claimed_message.message.payload, claimed_message.due_since),
        (&promised[2].payload, promised[2].created)
    );
    assert_eq!(db.outbox().len(), 8, "the outbox holds everything as well");
}

/// Nobody is told of something that did not happen.
pub fn events_of_work_that_failed_are_not_promised(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1)]);
    let failed: Result<(), _> = store.write(|unit| {
        unit.outbox().add(&[assigned_event(1, 1)])?;
        Err(license_manager_domain::Error::Unavailable)
    });
    assert!(failed.is_err());
    assert_eq!(events(&*store, 1, None), [0; 0]);
}

/// An endpoint reads a license's story in order.
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

/// An endpoint reads a person's story in order.
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
    assert_eq!(due(&*store, day(3)), [webhook_id(1)], "an endpoint rests, and a claim has ended");
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

/// A delivery can be traced to the request that caused it.
pub fn an_event_keeps_what_it_was_promised_as_a_part_of(db: &dyn Database) {
    let store = db.store();
    register(&*store, &[webhook(1)]);
    promise(&*store, &[assigned_event(1, 1)]);
    let kept = db.within_a_trace(&mut || promise(&*store, &[assigned_event(2, 2)]));
    let parents = claim_at(&*store, 1, 1, day(2), 9).into_iter().map(|claimed_message| claimed_message.trace_parent);
    assert_eq!(parents.collect::<Vec<_>>(), [None, kept]);
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
        ],
    );
    claim(&*store, 1, 1);
    settle(&*store, 1, 1, &[stand(3, WebhookState::Delivered, day(2))], None);
    store.write(|unit| unit.retirement().erase_messages(&[license_id(1)], &[email("amy@example.com")])).unwrap();
    assert_eq!(events(&*store, 1, None), [4, 5], "delivered or not");
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
