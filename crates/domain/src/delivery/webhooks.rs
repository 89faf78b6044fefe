//! Posts events to webhooks.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::SecondsFormat;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use serde_json::{Map, Value};

use super::deliveries::{Batch, Completion, Deliveries, Outcome, Problem, StepResult, unreadable};
use crate::outbox::{ClaimedMessage, Payload};
use crate::ports::{WebhookFailure, WebhookRequest};
use crate::webhooks::Webhook;

/// The most concurrent requests to a webhook.
const AT_ONCE: usize = 8;

/// The status by which a webhook refuses all further events.
pub(super) const GONE: u16 = 410;

/// Why an event was not sent with the others of its batch.
const NOT_SENT: &str = "was not sent, because the endpoint wants nothing now";

/// The result of a request; `None` if it was not sent.
type Posted = Option<Result<u16, WebhookFailure>>;

/// The body of a request.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: String,
    data: Map<String, Value>,
}

fn body(claimed: &ClaimedMessage) -> Option<String> {
    let Payload::LicenseEvent(event) = &claimed.message.payload else { return None };
    let timestamp = claimed.message.created.to_rfc3339_opts(SecondsFormat::Micros, true);
    serde_json::to_string(&Body { event_type: &event.event, timestamp, data: event.properties.to_map() }).ok()
}

impl Deliveries {
    /// Posts events to a webhook, several at once, until it requests a pause.
    pub(super) async fn post(&self, batch: &Batch) -> Outcome {
        let enough = &AtomicBool::new(false);
        let webhook = batch.context.webhook.as_ref();
        let posts = batch.messages.iter().enumerate();
        let posts: Vec<_> = posts
            .map(|(place, claimed)| async move { (place, self.post_one(webhook, claimed, enough).await) })
            .collect();
        let mut posted: Vec<(usize, Posted)> = stream::iter(posts).buffer_unordered(AT_ONCE).collect().await;
        posted.sort_unstable_by_key(|(place, _)| *place);
        let failures = posted.iter().filter_map(|(_, posted)| posted.as_ref()?.as_ref().err());
        let rest_until = failures.filter_map(|failure| failure.rest_until).max();
        let result = |(claimed, (_, posted)): (&ClaimedMessage, (usize, Posted))| match posted {
            _ if body(claimed).is_none() => unreadable(),
            None => StepResult::Postponed(rest_until.unwrap_or(self.manager.now()), Some(NOT_SENT.into())),
            Some(Ok(status)) => StepResult::Done(Completion::Posted(status)),
            Some(Err(failure)) => self.not_posted(batch, claimed, failure),
        };
        let results = batch.messages.iter().zip(posted).map(result).collect();
        Outcome { results, rest_until: None, webhook_rest_until: rest_until }
    }

    async fn post_one(&self, webhook: Option<&Webhook>, claimed: &ClaimedMessage, enough: &AtomicBool) -> Posted {
        let webhook = webhook.filter(|_| !enough.load(Ordering::Relaxed))?;
        let (body, at, id) = (body(claimed)?, self.manager.now(), claimed.message.id);
        let request = WebhookRequest { url: &webhook.url, secret: &webhook.secret, id, at, body: &body };
        let posted = self.manager.webhooks.post(&request).await;
        if let Err(WebhookFailure { status, problem, rest_until }) = &posted {
            tracing::info!(webhook = %webhook.id, event = %id, problem, "a webhook did not accept an event");
            if rest_until.is_some() || *status == Some(GONE) {
                enough.store(true, Ordering::Relaxed);
            }
        }
        Some(posted)
    }

    fn not_posted(&self, batch: &Batch, claimed: &ClaimedMessage, failure: WebhookFailure) -> StepResult {
        let problem = Problem { text: failure.problem, status: failure.status };
        let retries = self.settings.retries(batch.queue());
        match failure.rest_until {
            _ if problem.status == Some(GONE) => StepResult::Refused(problem),
            // A requested pause counts as no attempt, but takes time.
            Some(moment) if retries.is_over(claimed.due_since, moment) => StepResult::Refused(problem),
            Some(moment) => StepResult::Postponed(moment, Some(problem)),
            None => self.failed_step(batch.queue(), claimed, problem),
        }
    }
}
