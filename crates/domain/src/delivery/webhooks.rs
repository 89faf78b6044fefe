//! Events go to webhooks: claimed, posted and settled as the outbox's messages are, one endpoint at a time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::deliveries::Deliveries;
use super::payloads::{LicenseEvent, UNREADABLE};
use crate::error::Error;
use crate::model::ids::WebhookId;
use crate::ports::{StoreExt, WebhookFailure, WebhookRequest};
use crate::saturating_time;
use crate::webhooks::{
    WEBHOOK_BATCH, Webhook, WebhookClaim, WebhookParcel, WebhookRetries, WebhookStanding, WebhookState,
};

/// How many requests an endpoint gets at once.
const AT_ONCE: usize = 8;

/// The status of an endpoint that wants nothing any more.
const GONE: u16 = 410;

/// Why an event was not sent with the others of its batch.
const NOT_SENT: &str = "was not sent, because the endpoint wants nothing now";

/// Deliveries to one endpoint that were claimed together.
pub struct WebhookBatch {
    claim: Uuid,
    webhook: WebhookId,
    /// With deliveries there is an endpoint.
    endpoint: Option<Webhook>,
    parcels: Vec<WebhookParcel>,
}

impl WebhookBatch {
    /// How many deliveries.
    pub fn len(&self) -> usize {
        self.parcels.len()
    }

    /// Whether nothing was there to be claimed.
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// What the events were promised as parts of, each once.
    pub fn trace_parents(&self) -> BTreeSet<&str> {
        self.parcels.iter().filter_map(|parcel| parcel.trace_parent.as_deref()).collect()
    }
}

/// What came of one delivery, for whoever counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookResult {
    /// The endpoint took it.
    Delivered,
    /// The endpoint did not take it; it is tried again.
    Failed,
    /// It costs no try: the endpoint wants to be left alone.
    Postponed,
    /// Nobody tries any more: the tries or the day are over, or the endpoint is gone.
    Parked,
}

impl WebhookResult {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Postponed => "postponed",
            Self::Parked => "parked",
        }
    }
}

/// What came of a batch, for [`Deliveries::settle_webhook`].
pub struct WebhookOutcome {
    /// For each parcel of the batch, in its order.
    standing: Vec<WebhookStanding>,
    rest_until: Option<DateTime<Utc>>,
    gone: bool,
}

impl WebhookOutcome {
    /// What came of each delivery of the batch.
    pub fn results(&self, batch: &WebhookBatch) -> impl Iterator<Item = WebhookResult> {
        batch.parcels.iter().zip(&self.standing).map(|(parcel, stand)| match stand.state {
            WebhookState::Delivered => WebhookResult::Delivered,
            WebhookState::Parked => WebhookResult::Parked,
            WebhookState::Waiting if stand.attempts > parcel.attempts => WebhookResult::Failed,
            WebhookState::Waiting => WebhookResult::Postponed,
        })
    }
}

/// The body of a request.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: String,
    data: &'a Map<String, Value>,
}

fn body(parcel: &WebhookParcel) -> Option<String> {
    let LicenseEvent { event, properties } = serde_json::from_str(&parcel.payload).ok()?;
    let timestamp = parcel.created.to_rfc3339_opts(SecondsFormat::Micros, true);
    serde_json::to_string(&Body { event_type: &event, timestamp, data: &properties }).ok()
}

impl Deliveries {
    /// The endpoints for which something can be claimed now.
    pub fn due_webhooks(&self) -> Result<Vec<WebhookId>, Error> {
        self.manager.store.read(|unit| unit.webhook_deliveries().due(self.manager.now()))
    }

    /// Claims the next deliveries to an endpoint.
    pub fn claim_webhook(&self, webhook: WebhookId) -> Result<WebhookBatch, Error> {
        let id = self.manager.ids.next();
        self.manager.store.write(|unit| {
            let now = self.manager.now();
            let claim = WebhookClaim {
                id,
                webhook,
                now,
                until: saturating_time::after(now, self.settings.lease),
                limit: WEBHOOK_BATCH,
            };
            let parcels = unit.webhook_deliveries().claim(&claim)?;
            let endpoint = if parcels.is_empty() { None } else { unit.webhooks().find(webhook)? };
            Ok(WebhookBatch { claim: id, webhook, endpoint, parcels })
        })
    }

    /// Prolongs the claim to a batch whose delivery takes longer.
    pub fn extend_webhook(&self, batch: &WebhookBatch) -> Result<(), Error> {
        let until = saturating_time::after(self.manager.now(), self.settings.lease);
        self.manager.store.write(|unit| unit.webhook_deliveries().extend(batch.claim, batch.webhook, until))
    }

    /// Posts a batch to its endpoint, several events at once, and touches no storage. Once the endpoint says that it has had
    /// enough, or is gone, it is sent nothing more.
    pub async fn post_webhook(&self, batch: &WebhookBatch) -> WebhookOutcome {
        let enough = AtomicBool::new(false);
        let posts: Vec<_> = batch
            .parcels
            .iter()
            .enumerate()
            .map(|(place, parcel)| self.post(place, batch.endpoint.as_ref(), parcel, &enough))
            .collect();
        let mut posted: Vec<_> = stream::iter(posts).buffer_unordered(AT_ONCE).collect().await;
        posted.sort_unstable_by_key(|(place, _)| *place);
        let failures = || posted.iter().filter_map(|(_, post)| post.as_ref()?.as_ref().err());
        let rest_until = failures().filter_map(|failure| failure.rest_until).max();
        let gone = failures().any(|failure| failure.status == Some(GONE));
        let parcels = batch.parcels.iter().zip(&posted);
        let standing = parcels.map(|(parcel, (_, post))| self.webhook_standing(parcel, post.as_ref(), rest_until));
        WebhookOutcome { standing: standing.collect(), rest_until, gone }
    }

    /// Writes what came of a batch, in one transaction: what the endpoint took is noted as such, the rest waits for another try
    /// or is parked. An endpoint that is gone is switched off. What the batch does not hold any more stays as it is.
    pub fn settle_webhook(&self, batch: &WebhookBatch, outcome: &WebhookOutcome) -> Result<(), Error> {
        self.manager.store.write(|unit| {
            if outcome.gone
                && let Some(webhook) = unit.webhooks().lock(batch.webhook)?
            {
                tracing::warn!(webhook = %batch.webhook, "a webhook answered 410 Gone and was switched off");
                unit.webhooks().save(&Webhook { is_active: false, modified: self.manager.now(), ..webhook })?;
            }
            let rest_until = outcome.rest_until;
            unit.webhook_deliveries().settle(batch.claim, batch.webhook, &outcome.standing, rest_until)
        })
    }

    /// The outcome of a delivery that ended without one, such as by a panic: everything counts as tried.
    pub fn failed_webhook(&self, batch: &WebhookBatch) -> WebhookOutcome {
        let problem = "its delivery ended unexpectedly".to_owned();
        let failure = Err(WebhookFailure { status: None, problem, rest_until: None });
        let standing = batch.parcels.iter().map(|parcel| self.webhook_standing(parcel, Some(&failure), None));
        WebhookOutcome { standing: standing.collect(), rest_until: None, gone: false }
    }

    async fn post(
        &self,
        place: usize,
        endpoint: Option<&Webhook>,
        parcel: &WebhookParcel,
        enough: &AtomicBool,
    ) -> (usize, Option<Result<u16, WebhookFailure>>) {
        let Some(endpoint) = endpoint.filter(|_| !enough.load(Ordering::Relaxed)) else { return (place, None) };
        let Some(body) = body(parcel) else {
            let failure = WebhookFailure { status: None, problem: UNREADABLE.to_owned(), rest_until: None };
            return (place, Some(Err(failure)));
        };
        let at = self.manager.now();
        let request = WebhookRequest { url: &endpoint.url, secret: &endpoint.secret, id: parcel.id, at, body: &body };
        let posted = self.manager.webhooks.post(&request).await;
        if let Err(failure) = &posted {
            let WebhookFailure { status, problem, rest_until } = failure;
            tracing::info!(webhook = %endpoint.id, event = %parcel.id, problem, "a webhook did not take an event");
            if rest_until.is_some() || *status == Some(GONE) {
                enough.store(true, Ordering::Relaxed);
            }
        }
        (place, Some(posted))
    }

    /// How a delivery goes on after it was posted, or was not.
    fn webhook_standing(
        &self,
        parcel: &WebhookParcel,
        posted: Option<&Result<u16, WebhookFailure>>,
        rest_until: Option<DateTime<Utc>>,
    ) -> WebhookStanding {
        let now = self.manager.now();
        let waits = WebhookStanding {
            id: parcel.id,
            state: WebhookState::Waiting,
            attempts: parcel.attempts,
            not_before: rest_until.unwrap_or(now),
            last_status: None,
            last_error: None,
            delivered_at: None,
        };
        let failure = match posted {
            None => return WebhookStanding { last_error: Some(NOT_SENT.to_owned()), ..waits },
            Some(Ok(status)) => {
                return WebhookStanding {
                    state: WebhookState::Delivered,
                    last_status: storable(*status),
                    delivered_at: Some(now),
                    ..waits
                };
            }
            Some(Err(failure)) => failure,
        };
        let retries = WebhookRetries { base: self.settings.retries.base };
        // Being asked to come back later costs no try, but time.
        let attempts = parcel.attempts.saturating_add(i16::from(failure.rest_until.is_none()));
        let not_before = match failure.rest_until {
            Some(moment) => moment,
            None => saturating_time::after(now, retries.pause(parcel.id, attempts)),
        };
        let over = attempts >= WebhookRetries::TRIES || not_before > parcel.due_since + WebhookRetries::LONGEST;
        let parked = over || failure.status == Some(GONE) || failure.problem == UNREADABLE;
        if parked {
            tracing::warn!(event = %parcel.id, problem = failure.problem, "an event for a webhook is parked");
        }
        WebhookStanding {
            state: if parked { WebhookState::Parked } else { WebhookState::Waiting },
            attempts,
            not_before,
            last_status: failure.status.and_then(storable),
            last_error: Some(failure.problem.clone()),
            ..waits
        }
    }
}

fn storable(status: u16) -> Option<i16> {
    i16::try_from(status).ok()
}
