use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::model::ids::{MessageId, WebhookId};
use crate::webhooks::{Webhook, WebhookBacklog, WebhookDelivery, WebhookSecret, WebhookState};

/// Webhook endpoints.
pub trait WebhookRepository {
    /// Adds a webhook.
    fn add(&mut self, webhook: &Webhook) -> Result<(), Error> {
        not_provided!("webhooks.add", webhook)
    }

    /// Writes an existing webhook, which the caller has locked. A requested pause ends. MUST fail if it does not exist.
    fn save(&mut self, webhook: &Webhook) -> Result<(), Error> {
        not_provided!("webhooks.save", webhook)
    }

    /// The webhook with this id.
    fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        not_provided!("webhooks.find", id)
    }

    /// The webhook with this id, locked until the transaction ends.
    fn lock(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        not_provided!("webhooks.lock", id)
    }

    /// Pauses claims for a webhook until this time.
    fn pause_until(&mut self, id: WebhookId, until: DateTime<Utc>) -> Result<(), Error> {
        not_provided!("webhooks.pause_until", id, until)
    }

    /// All webhooks in the order of their registration.
    fn list(&mut self, limit_offset: LimitOffset) -> Result<Vec<Webhook>, Error> {
        not_provided!("webhooks.list", limit_offset)
    }

    /// The number of webhooks.
    fn count(&mut self) -> Result<i64, Error> {
        not_provided!("webhooks.count")
    }

    /// Removes a webhook and its deliveries; `false` if it does not exist.
    fn remove(&mut self, id: WebhookId) -> Result<bool, Error> {
        not_provided!("webhooks.remove", id)
    }
}

/// A filter for deliveries to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDeliveryFilter {
    /// To this endpoint.
    pub webhook: WebhookId,
    /// With this state.
    pub state: Option<WebhookState>,
    /// Of this event.
    pub id: Option<MessageId>,
}

/// Selects deliveries to send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookReplay {
    /// To this endpoint.
    pub webhook: WebhookId,
    /// Of these events.
    pub ids: Option<Vec<MessageId>>,
    /// With this state.
    pub state: Option<WebhookState>,
    /// Of events that happened at this time or later.
    pub since: Option<DateTime<Utc>>,
}

/// Deliveries to webhooks. [`crate::ports::OutboxRepository::add`] adds them, and [`super::QueueRepository`] claims
/// them.
///
/// The number of statements of a method MUST NOT depend on the number of deliveries.
pub trait WebhookDeliveryRepository {
    /// The backlog of all endpoints. MUST read at most `limit` of each: deliveries waiting for active endpoints, waiting
    /// for endpoints that are off, and dead-lettered ones.
    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklog, Error> {
        not_provided!("webhook_deliveries.backlog", now, limit)
    }

    /// The number of waiting deliveries of each of these endpoints. MUST read at most `limit` of each. Endpoints
    /// without any may be missing.
    fn waiting(&mut self, webhooks: &[WebhookId], limit: i64) -> Result<HashMap<WebhookId, i64>, Error> {
        not_provided!("webhook_deliveries.waiting", webhooks, limit)
    }

    /// The deliveries that match, latest first.
    fn list(
        &mut self,
        filter: &WebhookDeliveryFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<WebhookDelivery>, Error> {
        not_provided!("webhook_deliveries.list", filter, limit_offset)
    }

    /// The number of deliveries that match.
    fn count(&mut self, filter: &WebhookDeliveryFilter) -> Result<i64, Error> {
        not_provided!("webhook_deliveries.count", filter)
    }

    /// Makes deliveries due at `now`, with no attempts counted, and returns their number. Claimed deliveries stay as
    /// they are.
    fn replay(&mut self, replay: &WebhookReplay, now: DateTime<Utc>) -> Result<usize, Error> {
        not_provided!("webhook_deliveries.replay", replay, now)
    }

    /// Removes up to `limit` deliveries that wait for endpoints that are off and were due at `due` or before, oldest
    /// first, and adds them to [`Webhook::dropped`]. Returns their number. Deliveries that are claimed at `now` stay.
    fn drop_kept(&mut self, due: DateTime<Utc>, now: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        not_provided!("webhook_deliveries.drop_kept", due, now, limit)
    }

    /// Removes up to `limit` deliveries that were completed at this time or before, or whose endpoint is gone. Returns
    /// their number.
    fn remove_old(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        not_provided!("webhook_deliveries.remove_old", delivered, limit)
    }
}

/// A request to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRequest<'a> {
    /// The endpoint.
    pub url: &'a str,
    /// The keys of the signatures, one for each.
    pub secrets: &'a [&'a WebhookSecret],
    /// The event's id, the same for every attempt.
    pub id: MessageId,
    /// When this attempt is made.
    pub at: DateTime<Utc>,
    /// The JSON body.
    pub body: &'a str,
}

/// Why an endpoint did not accept an event. The texts are for operators and name no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookFailure {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What happened: "answered 500 Internal Server Error".
    pub problem: String,
    /// When the endpoint wants the next attempt, if it said so.
    pub pause_until: Option<DateTime<Utc>>,
}

/// Posts to endpoints.
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Posts an event, signed as Standard Webhooks specifies, and returns the answer's status, 200 to 299. MUST follow
    /// no redirects, wait at most ten seconds, and reach private addresses only if allowed.
    async fn post(&self, request: &WebhookRequest<'_>) -> Result<u16, WebhookFailure>;
}
