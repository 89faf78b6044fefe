//! Events are told to webhooks: to those that want them, in order, and when it fails, again.

use std::sync::{Arc, Mutex};

use crate::support::upstreams::*;
use crate::support::*;
use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::model::StaffActionKind;
use license_manager_domain::outbox::EventName;
use license_manager_domain::ports::*;
use license_manager_domain::queue::{Queue, QueueKind};
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::*;
use license_manager_domain::*;
use serde_json::{Value, json};

/// Endpoints that remember what they were told, and fail when they are told to.
#[derive(Default)]
struct Endpoints {
    told: Mutex<Vec<Told>>,
    failing: Mutex<Vec<WebhookFailure>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Told {
    url: String,
    id: MessageId,
    at: DateTime<Utc>,
    secrets: Vec<WebhookSecret>,
    body: Value,
}

#[async_trait]
impl WebhookSender for Endpoints {
    async fn post(&self, request: &WebhookRequest<'_>) -> Result<u16, WebhookFailure> {
        let body = serde_json::from_str(request.body).unwrap();
        let secrets = request.secrets.iter().map(|&secret| secret.clone()).collect();
        let told = Told { url: request.url.to_owned(), id: request.id, at: request.at, secrets, body };
        self.told.lock().unwrap().push(told);
        self.failing.lock().unwrap().pop().map_or(Ok(204), Err)
    }
}

const URL: &str = "https://hooks.example.com/";

struct Story {
    town: Town,
    endpoints: Arc<Endpoints>,
}

impl Story {
    fn new() -> Self {
        let endpoints = Arc::new(Endpoints::default());
        let town = Town::with(|manager| manager.with_webhooks(endpoints.clone()));
        Self { town, endpoints }
    }

    fn register(&self, changes: WebhookChanges) -> Webhook {
        let secret = WebhookSecret::of_key(&[7; 32]);
        self.town.world.manager.create_webhook(&admin(), URL.to_owned(), secret, changes).unwrap()
    }

    fn assign(&self, plan: PlanId, address: &str) {
        self.town.world.assign(plan, &learners([address])).unwrap();
    }

    /// Delivers one batch to everybody for whom something is due; `false` where there is nobody.
    fn deliver_once(&self) -> bool {
        let deliveries = &self.town.deliveries;
        let due = deliveries.due(QueueKind::Webhooks).unwrap();
        for queue in &due {
            let batch = deliveries.claim(*queue).unwrap();
            assert!(!batch.is_empty(), "what is due can be claimed");
            let outcome = at_once(deliveries.deliver(&batch));
            deliveries.settle(&batch, &outcome).unwrap();
        }
        !due.is_empty()
    }

    fn deliver(&self) {
        while self.deliver_once() {}
    }

    fn fail(&self, status: u16, times: usize) {
        self.fail_with(&failure(status, None), times);
    }

    fn fail_with(&self, failure: &WebhookFailure, times: usize) {
        *self.endpoints.failing.lock().unwrap() = vec![failure.clone(); times];
    }

    /// What was told since the last look.
    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.endpoints.told.lock().unwrap())
    }

    fn told_names(&self) -> Vec<String> {
        let name = |told: Told| told.body["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
        self.told().into_iter().map(name).collect()
    }

    fn deliveries(&self, webhook: &Webhook, state: Option<WebhookState>) -> Vec<WebhookDelivery> {
        let all = |_| Ok::<_, Error>(ALL);
        self.town.world.manager.webhook_deliveries(webhook.id, state, all).unwrap().items
    }

    fn switch(&self, webhook: &Webhook, on: bool) {
        let changes = WebhookChanges { is_active: Some(on), ..WebhookChanges::default() };
        self.town.world.manager.update_webhook(&admin(), webhook.id, &changes).unwrap();
    }

    fn overview(&self, webhook: &Webhook) -> WebhookOverview {
        self.town.world.manager.webhook(webhook.id).unwrap()
    }

    fn advance(&self, time: Duration) {
        self.town.world.clock.advance(time);
    }
}

fn failure(status: u16, pause_until: Option<DateTime<Utc>>) -> WebhookFailure {
    WebhookFailure { status: Some(status), problem: format!("answered {status}"), pause_until }
}

#[test]
fn an_endpoint_is_told_what_happens_to_a_license_in_its_order() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(1);
    story.town.world.activate(plan, "amy@example.com", 7);
    story.town.world.revoke(plan, &["amy@example.com"]).unwrap();
    story.deliver();
    let told = story.told();
    let names: Vec<_> = told.iter().map(|told| told.body["type"].as_str().unwrap()).collect();
    assert_eq!(names, [EventName::Assigned, EventName::Activated, EventName::Revoked].map(EventName::as_str));
    let license = story.town.world.license_of(plan, "amy@example.com").id.to_string();
    let first = &told[0];
    assert_eq!((first.url.as_str(), first.at), (URL, beginning()));
    assert_eq!(first.body["timestamp"], "2024-10-04T00:00:00.000000Z");
    assert_eq!(first.body["data"]["license_uuid"], json!(license));
    assert_eq!(first.body["data"]["assigned_email"], "amy@example.com");
    let of_outbox: Vec<_> = story.town.world.store.outbox().iter().map(|message| message.id).collect();
    assert!(told.iter().all(|told| of_outbox.contains(&told.id)), "the id is the event's");
    let delivered = story.deliveries(&webhook, Some(WebhookState::Delivered));
    assert_eq!(delivered.len(), 3);
    assert_eq!((delivered[0].last_status, delivered[0].delivered_at), (Some(204), Some(beginning())));
}

#[test]
fn event_tracking_that_is_away_holds_up_no_webhook() {
    let story = Story::new();
    story.register(WebhookChanges::default());
    story.town.upstreams.fail([away()]);
    story.assign(story.town.world.plan(1), "amy@example.com");
    assert!(story.town.deliver_one(Queue::Addresses));
    story.deliver();
    assert_eq!(story.told_names(), ["assigned"]);
}

#[test]
fn an_endpoint_that_was_away_is_told_everything_in_order() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(2);
    story.town.world.activate(plan, "amy@example.com", 7);
    story.assign(plan, "bob@example.com");
    story.fail(500, 1);
    story.deliver();
    assert_eq!(story.told_names(), ["assigned", "assigned"], "the activation waits for the assignment");
    let waiting = story.deliveries(&webhook, Some(WebhookState::Waiting));
    let failed = waiting.last().unwrap();
    assert_eq!((waiting.len(), failed.attempts, failed.last_status), (2, 1, Some(500)));
    assert_eq!(failed.last_error.as_deref(), Some("answered 500"));
    story.advance(Duration::seconds(7));
    story.deliver();
    assert_eq!(story.told_names(), ["assigned", "activated"]);
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Delivered)).len(), 3);
}

#[test]
fn an_event_is_tried_for_about_a_day_with_the_same_id_and_then_parked() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    story.assign(story.town.world.plan(1), "amy@example.com");
    story.fail(500, 100);
    let mut tries = 0;
    while let [waiting] = &story.deliveries(&webhook, Some(WebhookState::Waiting))[..] {
        story.advance((waiting.not_before - story.town.world.manager.now()).max(Duration::zero()));
        assert!(story.deliver_once());
        tries += 1;
    }
    let [parked] = &story.deliveries(&webhook, Some(WebhookState::DeadLettered))[..] else { panic!("it is parked") };
    assert_eq!(i32::from(parked.attempts), tries);
    assert!((10..=13).contains(&tries), "{tries} tries");
    let time = story.town.world.manager.now() - beginning();
    assert!((16..=24).contains(&time.num_hours()), "{time}");
    let told = story.told();
    assert!(told.iter().all(|other| (other.id, &other.body) == (told[0].id, &told[0].body)));

    story.fail(500, 0);
    story.town.world.manager.replay_webhook_delivery(&admin(), webhook.id, parked.id).unwrap();
    story.deliver();
    assert_eq!(story.told()[0].id, parked.id);
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Delivered)).len(), 1);
}

#[test]
fn an_endpoint_that_has_had_enough_is_left_alone_and_loses_no_try() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(20);
    story.town.world.assign(plan, &crowd(20)).unwrap();
    let pause_until = beginning() + Duration::minutes(3);
    story.fail_with(&failure(429, Some(pause_until)), 1);
    story.deliver();
    assert!(story.told().len() < 20, "what was not under way is not sent");
    let waiting = story.deliveries(&webhook, Some(WebhookState::Waiting));
    assert!(!waiting.is_empty() && waiting.iter().all(|told| (told.attempts, told.not_before) == (0, pause_until)));
    story.advance(Duration::seconds(179));
    assert!(!story.deliver_once());
    story.advance(Duration::seconds(1));
    story.deliver();
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Delivered)).len(), 20);
}

#[test]
fn an_endpoint_that_always_asks_for_patience_is_given_up_after_a_day() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    story.assign(story.town.world.plan(1), "amy@example.com");
    for _ in 0..25 {
        let pause_until = story.town.world.manager.now() + Duration::hours(1);
        story.fail_with(&failure(503, Some(pause_until)), 1);
        story.deliver();
        story.advance(Duration::hours(1));
    }
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::DeadLettered)).len(), 1);
}

#[test]
fn an_endpoint_that_is_gone_is_switched_off_and_loses_nothing() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(30);
    story.town.world.assign(plan, &crowd(20)).unwrap();
    story.advance(Duration::hours(1));
    story.fail(410, 1);
    story.deliver();
    assert!(story.told().len() < 20, "after the answer, nothing more is sent");
    let WebhookOverview { webhook: off, waiting } = story.overview(&webhook);
    assert_eq!((off.is_active, off.off_reason), (false, Some(OffReason::Gone)));
    assert_eq!(off.switched_at, Some(story.town.world.manager.now()));
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::DeadLettered)), []);
    let delivered = story.deliveries(&webhook, Some(WebhookState::Delivered)).len();
    assert_eq!(waiting as usize, 20 - delivered);
    let kept = story.deliveries(&webhook, Some(WebhookState::Waiting));
    let refused: Vec<_> = kept.iter().filter(|kept| kept.last_status == Some(410)).collect();
    assert_eq!((refused.len(), refused[0].attempts), (1, 0), "it counts as no attempt");

    story.assign(plan, "bob@example.com");
    story.deliver();
    assert_eq!(story.told(), []);
    story.advance(Duration::days(20));
    story.switch(&webhook, true);
    let on = story.overview(&webhook).webhook;
    assert_eq!((on.is_active, on.off_reason, on.switched_at), (true, None, Some(story.town.world.manager.now())));
    story.deliver();
    let told = story.told();
    assert_eq!(told.len(), 21 - delivered);
    assert_eq!(told.last().unwrap().body["data"]["assigned_email"], "bob@example.com");
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Delivered)).len(), 21);
}

#[test]
fn events_are_kept_for_an_endpoint_that_was_switched_off_and_sent_in_their_order() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(2);
    story.switch(&webhook, false);
    let off = story.overview(&webhook).webhook;
    assert_eq!((off.off_reason, off.switched_at), (Some(OffReason::Requested), Some(beginning())));
    story.town.world.activate(plan, "amy@example.com", 7);
    story.advance(Duration::days(1));
    story.town.world.revoke(plan, &["amy@example.com"]).unwrap();
    story.deliver();
    assert_eq!((story.told(), story.overview(&webhook).waiting), (vec![], 3));
    // A change of something else does not switch it on.
    let elsewhere = WebhookChanges { url: Some("https://b.example.com/".to_owned()), ..WebhookChanges::default() };
    story.town.world.manager.update_webhook(&admin(), webhook.id, &elsewhere).unwrap();
    story.deliver();
    assert_eq!(story.overview(&webhook).webhook.switched_at, Some(beginning()));
    story.switch(&webhook, true);
    story.deliver();
    assert_eq!(story.told_names(), ["assigned", "activated", "revoked"]);
    assert_eq!(story.overview(&webhook).waiting, 0);
}

#[test]
fn what_was_kept_of_a_person_is_sent_in_order_whichever_license_it_is_about() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(2);
    story.switch(&webhook, false);
    story.town.world.activate(plan, "amy@example.com", 7);
    story.town.world.revoke(plan, &["amy@example.com"]).unwrap();
    story.assign(plan, "amy@example.com");
    story.assign(plan, "bob@example.com");
    story.switch(&webhook, true);
    story.fail(500, 1);
    story.deliver();
    let people = |told: Vec<Told>| -> Vec<String> {
        let email = |told: Told| told.body["data"]["assigned_email"].as_str().unwrap().to_owned();
        told.into_iter().map(email).collect()
    };
    let both = ["amy@example.com", "bob@example.com"];
    assert_eq!(people(story.told()), both, "what fails holds up the same person alone");
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Waiting)).len(), 4);
    story.advance(Duration::seconds(7));
    story.deliver();
    assert_eq!(story.told_names(), ["assigned", "activated", "revoked", "assigned"]);
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Waiting)), []);
}

#[test]
fn what_was_kept_is_tried_for_a_day_after_the_endpoint_is_switched_on() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    story.switch(&webhook, false);
    story.assign(story.town.world.plan(1), "amy@example.com");
    story.advance(Duration::days(20));
    story.switch(&webhook, true);
    story.fail(500, 1);
    story.deliver();
    let [waiting] = &story.deliveries(&webhook, None)[..] else { panic!("one event") };
    assert_eq!((waiting.state, waiting.attempts), (WebhookState::Waiting, 1));
    story.advance(Duration::hours(1));
    story.fail_with(&failure(503, Some(story.town.world.manager.now() + Duration::hours(1))), 1);
    story.deliver();
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Waiting)).len(), 1);
    story.advance(Duration::hours(1));
    story.deliver();
    assert_eq!(story.deliveries(&webhook, Some(WebhookState::Delivered)).len(), 1);
}

#[test]
fn what_was_kept_for_thirty_days_is_dropped_and_counted() {
    let story = Story::new();
    let manager = &story.town.world.manager;
    let (off, on) = (story.register(WebhookChanges::default()), story.register(WebhookChanges::default()));
    let plan = story.town.world.plan(4);
    story.switch(&off, false);
    story.assign(plan, "amy@example.com");
    story.advance(Duration::days(10));
    story.assign(plan, "bob@example.com");
    story.fail(500, 2);
    story.advance(Duration::days(20) - Duration::seconds(1));
    assert_eq!(manager.drop_kept_webhook_deliveries(), Ok(0));
    story.advance(Duration::seconds(1));
    assert_eq!(manager.drop_kept_webhook_deliveries(), Ok(1));
    assert_eq!(manager.drop_kept_webhook_deliveries(), Ok(0));
    let WebhookOverview { webhook, waiting } = story.overview(&off);
    assert_eq!((webhook.dropped, waiting), (1, 1));
    let backlog = manager.webhook_backlog(100).unwrap();
    assert_eq!((backlog.kept, backlog.off, backlog.dropped, backlog.deliveries.waiting), (1, 1, 1, 2));
    assert_eq!(story.overview(&on).webhook.dropped, 0, "an endpoint that is on loses nothing");
    story.switch(&off, true);
    story.fail(500, 0);
    story.deliver();
    let told = story.told();
    let addresses: Vec<_> = told.iter().map(|told| told.body["data"]["assigned_email"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    assert_eq!(story.overview(&off).webhook.dropped, 1, "it stays counted");
}

#[test]
fn requests_are_signed_with_both_secrets_for_a_day() {
    let story = Story::new();
    let manager = &story.town.world.manager;
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(9);
    let mut number = 0;
    let mut signed_with = || {
        number += 1;
        story.assign(plan, &format!("learner{number}@example.com"));
        story.deliver();
        story.told().remove(0).secrets
    };
    let change = |secret: &WebhookSecret| {
        let changes = WebhookChanges { secret: Some(secret.clone()), ..WebhookChanges::default() };
        manager.update_webhook(&admin(), webhook.id, &changes).unwrap()
    };
    let [first, second, third] = [7, 8, 9].map(|byte| WebhookSecret::of_key(&[byte; 32]));
    assert_eq!(signed_with(), std::slice::from_ref(&first));
    let until = beginning() + Duration::days(1);
    assert_eq!(change(&second).previous_secret, Some((first.clone(), until)));
    story.advance(Duration::hours(23));
    assert_eq!(change(&second).previous_secret, Some((first.clone(), until)), "the same secret changes nothing");
    assert_eq!(signed_with(), [second.clone(), first]);
    story.advance(Duration::hours(1));
    assert_eq!(signed_with(), std::slice::from_ref(&second));
    change(&third);
    assert_eq!(signed_with(), [third, second]);
}

#[test]
fn a_ping_is_sent_at_once_and_changes_nothing() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges { is_active: Some(false), ..WebhookChanges::default() });
    let manager = &story.town.world.manager;
    let ping = || at_once(manager.ping_webhook(&admin(), webhook.id)).unwrap();
    assert_eq!(ping(), Ok(204), "an endpoint that is off can be tried before it is switched on");
    let told = story.told().remove(0);
    let data = json!({ "webhook_uuid": webhook.id.to_string() });
    assert_eq!(told.body, json!({ "type": "ping", "timestamp": "2024-10-04T00:00:00.000000Z", "data": data }));
    assert_eq!((told.url.as_str(), told.at, &told.secrets[..]), (URL, beginning(), &[webhook.secret.clone()][..]));
    story.switch(&webhook, true);
    story.fail(410, 1);
    assert_eq!(ping(), Err(failure(410, None)));
    assert!(story.overview(&webhook).webhook.is_active);
    assert_eq!(story.deliveries(&webhook, None), []);
    assert_ne!(story.told()[0].id, told.id, "every ping has its own id");
    let by_admin = StaffActionFilter { by: Some("admin".to_owned()), kind: Some(StaffActionKind::WebhookPinged) };
    let pings = manager.store().read(|unit| unit.staff_actions().list(&by_admin, ALL)).unwrap();
    let about = webhook.id.to_string();
    assert!(pings.len() == 2 && pings.iter().all(|ping| ping.subject.as_ref() == Some(&about)), "{pings:?}");
    let unknown = at_once(manager.ping_webhook(&admin(), WebhookId(uuid::Uuid::from_u128(404))));
    assert_eq!(unknown, Err(Error::NotFound(Entity::Webhook)));
}

#[test]
fn what_webhooks_took_is_kept_for_a_week() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    story.assign(story.town.world.plan(1), "amy@example.com");
    story.deliver();
    let manager = &story.town.world.manager;
    story.advance(Duration::days(7) - Duration::seconds(1));
    assert_eq!(manager.remove_old_webhook_deliveries(), Ok(0));
    story.advance(Duration::seconds(1));
    assert_eq!(manager.remove_old_webhook_deliveries(), Ok(1));
    assert_eq!(story.deliveries(&webhook, None), []);
}

#[test]
fn webhooks_are_told_nothing_of_who_was_retired() {
    let story = Story::new();
    let webhook = story.register(WebhookChanges::default());
    let plan = story.town.world.plan(2);
    story.town.world.activate(plan, "amy@example.com", 7);
    story.assign(plan, "bob@example.com");
    story.town.world.manager.retire(&admin(), LmsUserId(7), "amy").unwrap();
    assert_eq!(story.deliveries(&webhook, None).len(), 1);
    story.deliver();
    assert_eq!(story.told()[0].body["data"]["assigned_email"], "bob@example.com");
}

#[test]
fn webhooks_are_registered_changed_and_removed() {
    let story = Story::new();
    let manager = &story.town.world.manager;
    let events = vec![EventName::Revoked, EventName::Assigned, EventName::Revoked];
    let webhook = story.register(WebhookChanges { event_types: Some(events), ..WebhookChanges::default() });
    assert_eq!(webhook.event_types, [EventName::Assigned, EventName::Revoked]);
    assert_eq!(webhook.created_by.as_deref(), Some("admin"));
    story.advance(Duration::hours(1));
    let of_customer = WebhookChanges { customer: Edit::Set(customer()), ..WebhookChanges::default() };
    let changed = manager.update_webhook(&admin(), webhook.id, &of_customer).unwrap();
    assert_eq!(changed, Webhook { customer: Some(customer()), modified: manager.now(), ..webhook.clone() });
    for url in ["http://hooks.example.com/", "https://127.0.0.1/", "nonsense"] {
        let elsewhere = WebhookChanges { url: Some(url.to_owned()), ..WebhookChanges::default() };
        let Err(Error::Invalid(errors)) = manager.update_webhook(&admin(), webhook.id, &elsewhere) else {
            panic!("{url}")
        };
        assert_eq!(errors.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["url"]);
    }
    assert_eq!(manager.webhook(webhook.id).map(|overview| overview.webhook), Ok(changed));
    manager.delete_webhook(&admin(), webhook.id).unwrap();
    let missing = Error::NotFound(Entity::Webhook);
    assert_eq!(manager.delete_webhook(&admin(), webhook.id), Err(missing.clone()));
    assert_eq!(manager.webhook(webhook.id).unwrap_err(), missing);
    assert_eq!(manager.replay_webhook_delivery(&admin(), webhook.id, MessageId(webhook.id.0)), Err(missing));
}
