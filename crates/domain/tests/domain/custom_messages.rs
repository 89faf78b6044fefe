//! Messages of the embedding program, through the same outbox.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::outbox::CustomMessage;
use license_manager_domain::ports::{CustomDelivery, CustomItem, Undelivered};
use license_manager_domain::queue::Queue;
use license_manager_domain::*;
use serde_json::json;

use crate::support::upstreams::*;
use crate::support::*;

/// Remembers what it delivered, and is away at first.
#[derive(Default)]
struct Invoicing {
    delivered: Mutex<Vec<CustomItem>>,
    away: Mutex<bool>,
}

#[async_trait]
impl CustomDelivery for Invoicing {
    async fn deliver(&self, items: &[CustomItem]) -> Result<(), Undelivered> {
        if *self.away.lock().unwrap() {
            return Err(away());
        }
        self.delivered.lock().unwrap().extend_from_slice(items);
        Ok(())
    }
}

fn invoice(number: i32) -> CustomMessage {
    CustomMessage { name: "invoice".to_owned(), body: json!({ "number": number }) }
}

#[test]
fn own_messages_are_delivered_in_order_and_retried() {
    let invoicing = Arc::new(Invoicing::default());
    *invoicing.away.lock().unwrap() = true;
    let town = Town::with(|manager| manager.with_custom_delivery(invoicing.clone()));
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let license = town.world.license_of(plan, "amy@example.com").id;
    let manager = &town.world.manager;
    let first = manager.add_message(customer(), Some(license), invoice(1)).unwrap();
    let second = manager.add_message(customer(), None, invoice(2)).unwrap();
    town.deliver();
    let waiting: Vec<_> = town.waiting().into_iter().map(|message| (message.topic, message.attempts)).collect();
    assert_eq!(waiting, [("custom".to_owned(), 1), ("custom".to_owned(), 1)]);

    *invoicing.away.lock().unwrap() = false;
    town.world.clock.advance(Duration::minutes(5));
    town.deliver();
    assert_eq!(town.waiting(), []);
    let mut delivered = invoicing.delivered.lock().unwrap().clone();
    delivered.sort_by_key(|item| item.id);
    let expected = [(first, Some(license), invoice(1)), (second, None, invoice(2))];
    let told: Vec<_> = delivered.into_iter().map(|item| (item.id, item.license, item.message)).collect();
    assert_eq!(told, expected);
}

#[test]
fn without_anybody_to_deliver_them_they_wait() {
    let town = Town::with(|manager| manager);
    town.world.manager.add_message(customer(), None, invoice(1)).unwrap();
    assert!(town.deliver_one(Queue::Events));
    let waiting = town.waiting();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].last_error.as_deref().is_some_and(|problem| problem.contains("with_custom_delivery")));
}

#[test]
fn a_message_about_a_retiree_s_license_is_deleted() {
    let town = Town::with(|manager| manager);
    let plan = town.world.plan(1);
    town.world.activate(plan, "amy@example.com", 7);
    let body = json!({ "to": "amy@example.com" });
    let message = CustomMessage { name: "invoice".to_owned(), body };
    let license = town.world.license_of(plan, "amy@example.com").id;
    town.world.manager.add_message(customer(), Some(license), message).unwrap();
    assert!(town.waiting().iter().any(|message| message.topic == "custom"));
    town.world.manager.retire(&Actor::user("worker"), LmsUserId(7), "amy").unwrap();
    assert!(town.waiting().iter().all(|message| message.topic != "custom"));
}
