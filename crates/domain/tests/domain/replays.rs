//! Events are sent to a webhook again because somebody asks for it.

use chrono::Duration;
use license_manager_domain::model::StaffActionKind;
use license_manager_domain::outbox::EventName;
use license_manager_domain::ports::{StaffActionFilter, StoreExt, WebhookReplay};
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::WebhookSecret;
use license_manager_domain::*;
use uuid::Uuid;

use crate::support::*;

/// Registers a webhook.
fn register(world: &World) -> WebhookId {
    let (url, secret) = ("https://hooks.example.com/".to_owned(), WebhookSecret::of_key(&[7; 32]));
    world.manager.create_webhook(&admin(), url, secret, WebhookChanges::default()).unwrap().id
}

#[test]
fn replays_are_counted_and_recorded_where_there_is_something_to_send() {
    let world = World::new();
    let webhook = register(&world);
    world.assign(world.plan(2), &crowd(2)).unwrap();
    let since = |since| WebhookReplay { webhook, ids: None, state: None, since };
    let replay = |replay: &WebhookReplay| world.manager.replay_webhook_deliveries(&admin(), replay);
    assert_eq!(replay(&since(Some(beginning() + Duration::days(1)))), Ok(0));
    assert_eq!(replay(&since(None)), Ok(2));
    let unknown = WebhookReplay { webhook: WebhookId(Uuid::from_u128(404)), ..since(None) };
    assert_eq!(replay(&unknown), Err(Error::NotFound(Entity::Webhook)));

    let filter = StaffActionFilter { kind: Some(StaffActionKind::DeliveriesReplayed), ..StaffActionFilter::default() };
    let actions = world.store.read(|unit| unit.staff_actions().list(&filter, ALL)).unwrap();
    let told: Vec<_> = actions.iter().map(|action| (action.subject.clone(), action.number)).collect();
    assert_eq!(told, [(Some(webhook.to_string()), 2)]);
}

#[test]
fn an_edit_of_a_webhook_tells_when_it_was_made() {
    let world = World::new();
    let webhook = register(&world);
    world.clock.advance(Duration::hours(1));
    let event_types = Some(vec![EventName::Revoked, EventName::Assigned, EventName::Revoked]);
    let changes = WebhookChanges { event_types, ..WebhookChanges::default() };
    let changed = world.manager.update_webhook(&admin(), webhook, &changes).unwrap();
    assert_eq!((changed.created, changed.modified), (beginning(), world.manager.now()));
    assert_eq!(changed.event_types.len(), 2, "each once: {:?}", changed.event_types);
    assert_eq!(world.manager.webhook(webhook).unwrap().webhook, changed);
}
