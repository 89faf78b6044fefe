//! Webhooks and their deliveries.

mod claims;
mod stored;

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::outbox::{ClaimedMessage, EventName, Message, Payload, Topic};
use license_manager_domain::ports::{LimitOffset, Store, StoreExt, WebhookDeliveryFilter};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::webhooks::{OffReason, Webhook, WebhookDelivery, WebhookSecret, WebhookState};
use license_manager_domain::{MessageId, WebhookId};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;
pub use claims::*;
pub use stored::*;

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

fn settle(
    store: &dyn Store,
    number: u128,
    webhook: u128,
    settlements: &[Settlement],
    pause_until: Option<DateTime<Utc>>,
) {
    store
        .write(|unit| {
            if let Some(until) = pause_until {
                unit.webhooks().pause_until(webhook_id(webhook), until)?;
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
