//! Posts events to webhooks.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use serde_json::{Map, Value};

use super::deliveries::{Batch, Deliveries, Outcome};
use super::results::{Completion, Problem, StepResult, unreadable};
use crate::error::{Entity, Error};
use crate::history::Actor;
use crate::model::ids::{MessageId, WebhookId};
use crate::model::staff_action::StaffActionKind;
use crate::outbox::{ClaimedMessage, Payload};
use crate::ports::{StoreExt, WebhookFailure, WebhookRequest};
use crate::use_cases::manager::LicenseManager;
use crate::use_cases::staff_actions::Done;
use crate::webhooks::Webhook;

/// The most concurrent requests to a webhook.
const AT_ONCE: usize = 8;

/// The status by which a webhook refuses all further events.
pub(super) const GONE: u16 = 410;

/// Why an event was not sent with the others of its batch.
const NOT_SENT: &str = "was not sent, because the endpoint asked for a pause or is gone";

/// The event that is sent on demand.
const PING: &str = "ping";

/// What became of an event.
enum Posted {
    Answered(u16),
    Failed(WebhookFailure),
    NotSent,
    Unreadable,
}

/// The body of a request.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: String,
    data: Map<String, Value>,
}

fn body(event_type: &str, created: DateTime<Utc>, data: Map<String, Value>) -> Option<String> {
    let timestamp = created.to_rfc3339_opts(SecondsFormat::Micros, true);
    serde_json::to_string(&Body { event_type, timestamp, data }).ok()
}

fn body_of_event(claimed: &ClaimedMessage) -> Option<String> {
    let Payload::LicenseEvent(event) = &claimed.message.payload else { return None };
    body(&event.event, claimed.message.created, event.properties.to_map())
}

impl LicenseManager {
    /// Posts the event `ping` to a webhook at once, also to one that is off, and returns how the endpoint answered. It is
    /// neither stored nor retried, and the answer changes nothing. Who asked for it is recorded before.
    ///
    /// # Errors
    /// [`Entity::Webhook`] not found.
    pub async fn ping_webhook(&self, actor: &Actor, id: WebhookId) -> Result<Result<u16, WebhookFailure>, Error> {
        let actor = actor.clone();
        let webhook = self.blocking(move |manager| manager.record_webhook_ping(&actor, id)).await?;
        Ok(self.post_webhook_ping(&webhook).await)
    }

    /// The first part of [`LicenseManager::ping_webhook`], which calls the store: records who asked for the ping, and
    /// returns the webhook.
    ///
    /// # Errors
    /// [`Entity::Webhook`] not found.
    pub fn record_webhook_ping(&self, actor: &Actor, id: WebhookId) -> Result<Webhook, Error> {
        self.store.write(|unit| {
            let webhook = unit.webhooks().find(id)?.ok_or(Error::NotFound(Entity::Webhook))?;
            self.record(unit, actor, StaffActionKind::WebhookPinged, Done::to(id))?;
            Ok(webhook)
        })
    }

    /// The second part of [`LicenseManager::ping_webhook`], which does not call the store: posts the event.
    ///
    /// # Errors
    /// How the endpoint did not accept the ping.
    pub async fn post_webhook_ping(&self, webhook: &Webhook) -> Result<u16, WebhookFailure> {
        let data = Map::from_iter([("webhook_uuid".to_owned(), webhook.id.to_string().into())]);
        let body = body(PING, self.now(), data).unwrap_or_default();
        self.post_to_webhook(webhook, MessageId(self.ids.next()), &body).await
    }

    async fn post_to_webhook(&self, webhook: &Webhook, id: MessageId, body: &str) -> Result<u16, WebhookFailure> {
        let at = self.now();
        let request = WebhookRequest { url: &webhook.url, secrets: &webhook.secrets(at), id, at, body };
        self.webhooks.post(&request).await
    }
}

impl Deliveries {
    /// Posts events to a webhook, several at once, until it requests a pause.
    pub(super) async fn post(&self, batch: &Batch) -> Outcome {
        let stopped = &AtomicBool::new(false);
        let webhook = batch.context.webhook.as_ref();
        let posts = batch.messages.iter().enumerate();
        let posts: Vec<_> = posts
            .map(|(place, claimed)| async move { (place, self.post_one(webhook, claimed, stopped).await) })
            .collect();
        let mut posted: Vec<(usize, Posted)> = stream::iter(posts).buffer_unordered(AT_ONCE).collect().await;
        posted.sort_unstable_by_key(|(place, _)| *place);
        let requested = |posted: &Posted| match posted {
            Posted::Failed(failure) => failure.pause_until,
            _ => None,
        };
        let pause_until = posted.iter().filter_map(|(_, posted)| requested(posted)).max();
        let result = |(claimed, (_, posted)): (&ClaimedMessage, (usize, Posted))| match posted {
            Posted::Unreadable => unreadable(),
            Posted::NotSent => StepResult::Postponed(pause_until.unwrap_or(claimed.due_since), Some(NOT_SENT.into())),
            Posted::Answered(status) => StepResult::Done(Completion::Posted(status)),
            Posted::Failed(failure) => self.not_posted(batch, claimed, failure),
        };
        let results = batch.messages.iter().zip(posted).map(result).collect();
        Outcome { webhook_pause_until: pause_until, ..Outcome::of(results) }
    }

    async fn post_one(&self, webhook: Option<&Webhook>, claimed: &ClaimedMessage, stopped: &AtomicBool) -> Posted {
        let Some(body) = body_of_event(claimed) else { return Posted::Unreadable };
        let Some(webhook) = webhook.filter(|_| !stopped.load(Ordering::Relaxed)) else { return Posted::NotSent };
        let id = claimed.message.id;
        match self.manager.post_to_webhook(webhook, id, &body).await {
            Ok(status) => Posted::Answered(status),
            Err(failure) => {
                let problem = &failure.problem;
                tracing::info!(webhook = %webhook.id, event = %id, problem, "a webhook did not accept an event");
                if failure.pause_until.is_some() || failure.status == Some(GONE) {
                    stopped.store(true, Ordering::Relaxed);
                }
                Posted::Failed(failure)
            }
        }
    }

    fn not_posted(&self, batch: &Batch, claimed: &ClaimedMessage, failure: WebhookFailure) -> StepResult {
        let problem = Problem { text: failure.problem, status: failure.status };
        let retries = self.settings.retries(batch.queue());
        match failure.pause_until {
            // It waits with its place in the order, until the webhook is switched on.
            _ if problem.status == Some(GONE) => StepResult::Postponed(claimed.due_since, Some(problem)),
            // A requested pause counts as no attempt, but takes time.
            Some(moment) if retries.is_over(batch.due_since(claimed), moment) => StepResult::Refused(problem),
            Some(moment) => StepResult::Postponed(moment, Some(problem)),
            None => self.failed_step(batch, claimed, problem),
        }
    }
}
