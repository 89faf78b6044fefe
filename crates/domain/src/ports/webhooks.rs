use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::model::ids::{MessageId, WebhookId};
use crate::webhooks::{
    Webhook, WebhookBacklog, WebhookClaim, WebhookDelivery, WebhookParcel, WebhookSecret, WebhookStanding, WebhookState,
};

/// The endpoints that events are told to.
pub trait WebhookRepository {
    /// Adds one.
    fn add(&mut self, webhook: &Webhook) -> Result<(), Error>;

    /// Writes one that exists. One that is active now is asked again at once, whatever it asked for before.
    fn save(&mut self, webhook: &Webhook) -> Result<(), Error>;

    /// The one of that id.
    fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error>;

    /// The one of that id, locked until the transaction ends.
    fn lock(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error>;

    /// All of them in the order they were registered.
    fn list(&mut self, limit_offset: LimitOffset) -> Result<Vec<Webhook>, Error>;

    /// How many there are.
    fn count(&mut self) -> Result<i64, Error>;

    /// Removes one with its deliveries; `false` where there is none.
    fn remove(&mut self, id: WebhookId) -> Result<bool, Error>;
}

/// Which deliveries to an endpoint a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDeliveryFilter {
    /// To this endpoint.
    pub webhook: WebhookId,
    /// That are this far.
    pub state: Option<WebhookState>,
    /// Of this event.
    pub id: Option<MessageId>,
}

/// Which deliveries to an endpoint are to be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookReplay {
    /// To this endpoint.
    pub webhook: WebhookId,
    /// Of this event.
    pub id: Option<MessageId>,
    /// That are this far.
    pub state: Option<WebhookState>,
    /// Of events that happened then or later.
    pub since: Option<DateTime<Utc>>,
}

/// What endpoints are told. [`crate::ports::OutboxRepository::add`] promises it.
///
/// Every method MUST use a number of statements that does not depend on how many deliveries there are.
pub trait WebhookDeliveryRepository {
    /// The endpoints for which [`WebhookDeliveryRepository::claim`] would find something now, the one first for which something
    /// is due longest.
    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<WebhookId>, Error>;

    /// How the deliveries to all endpoints stand. MUST look at no more than `limit` that wait, and at no more than `limit` parked
    /// ones.
    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklog, Error>;

    /// Claims deliveries to the endpoint that wait and are due, and counts them due again when the claim ends. The one that is
    /// due longest comes first; of equals, the one promised first.
    ///
    /// MUST return nothing where the endpoint is not active, or rests. MUST leave out a delivery while one of an earlier event of
    /// the same license waits; so never claims two of one license. MUST return no delivery that another claim holds; waits for
    /// nobody.
    fn claim(&mut self, claim: &WebhookClaim) -> Result<Vec<WebhookParcel>, Error>;

    /// Prolongs the claim to what it still holds of the endpoint's deliveries.
    fn extend(&mut self, claim: Uuid, webhook: WebhookId, until: DateTime<Utc>) -> Result<(), Error>;

    /// Ends a claim and writes how its deliveries go on. Those that the claim does not hold MUST stay as they are. An endpoint
    /// that is to rest is not claimed for until then.
    fn settle(
        &mut self,
        claim: Uuid,
        webhook: WebhookId,
        standing: &[WebhookStanding],
        rest_until: Option<DateTime<Utc>>,
    ) -> Result<(), Error>;

    /// The deliveries that match, the last promised first.
    fn list(
        &mut self,
        filter: &WebhookDeliveryFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<WebhookDelivery>, Error>;

    /// How many deliveries match.
    fn count(&mut self, filter: &WebhookDeliveryFilter) -> Result<i64, Error>;

    /// Makes deliveries due at `now`, with all their tries, and tells how many. Those that somebody makes at that moment are left
    /// alone.
    fn replay(&mut self, replay: &WebhookReplay, now: DateTime<Utc>) -> Result<usize, Error>;

    /// Removes up to `limit` deliveries that were made at this moment or before, or whose endpoint is gone, and tells how many.
    fn remove_old(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error>;
}

/// One request to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRequest<'a> {
    /// Where to.
    pub url: &'a str,
    /// What to sign with.
    pub secret: &'a WebhookSecret,
    /// The id of the event, the same for every try.
    pub id: MessageId,
    /// When this try is made.
    pub at: DateTime<Utc>,
    /// The body, JSON.
    pub body: &'a str,
}

/// Why an endpoint did not take an event. The texts are for an operator, and name no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookFailure {
    /// The status of its answer, where there was one.
    pub status: Option<u16>,
    /// What was wrong: "answered 500 Internal Server Error".
    pub problem: String,
    /// Until when it wants to be left alone, where it said so.
    pub rest_until: Option<DateTime<Utc>>,
}

/// Whoever posts to endpoints.
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Posts one event, signed as Standard Webhooks specifies, and returns the status of the answer, from 200 to 299. MUST follow
    /// no redirect, wait no longer than ten seconds, and reach no private address unless that is allowed.
    async fn post(&self, request: &WebhookRequest<'_>) -> Result<u16, WebhookFailure>;
}
