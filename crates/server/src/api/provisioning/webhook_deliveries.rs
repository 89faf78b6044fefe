//! The deliveries of a webhook, and their replay.

use actix_web::HttpRequest;
use deserr::Deserr;
use license_manager_domain::ports::WebhookReplay;
use license_manager_domain::webhooks::{WebhookDelivery, WebhookState};
use license_manager_domain::{MessageId, WebhookId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Choice, FieldErrors, Moment, Nullable};
use crate::http::kinds::choices;
use crate::http::paging::Part;
use crate::http::{ApiResult, PageBody, Paging, Query, Response, Timestamp, WithBody, blocking};
use crate::openapi::errors::Detail;
use crate::openapi::parameters::PageQuery;
use crate::state::State;

/// The filter of deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Only deliveries in this state.
    #[param(inline)]
    pub state: Option<StateName>,
}

choices!(
    /// The state of a delivery.
    StateName,
    "WebhookDeliveryState",
    WebhookState
);

/// The deliveries to replay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookReplayRequest {
    /// Only deliveries of events at this time or later.
    #[deserr(default)]
    pub since: Nullable<Moment>,
    /// Only deliveries in this state; the default is the dead-lettered ones.
    #[deserr(default)]
    pub state: Nullable<Choice<StateName>>,
}

/// The delivery of an event to a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
struct Body {
    /// The id of the event. Every attempt sends it as `webhook-id`.
    uuid: Uuid,
    /// The event's full name.
    event: String,
    state: StateName,
    /// The number of failed attempts since it was queued or replayed.
    attempts: i16,
    /// When it is tried next; null if it is not waiting.
    next_attempt: Option<Timestamp>,
    /// The status of the endpoint's last response, if any.
    last_status: Option<i16>,
    /// The last error.
    last_error: Option<String>,
    /// When the event happened.
    created: Timestamp,
    /// When the endpoint accepted it.
    delivered_at: Option<Timestamp>,
}

/// The number of replayed deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookReplay)]
struct ReplayBody {
    replayed: usize,
}

impl From<WebhookDelivery> for Body {
    fn from(delivery: WebhookDelivery) -> Self {
        Self {
            uuid: delivery.id.0,
            event: delivery.event_type,
            state: StateName(delivery.state),
            attempts: delivery.attempts,
            next_attempt: (delivery.state == WebhookState::Waiting).then_some(delivery.not_before).map(Timestamp),
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created: Timestamp(delivery.created),
            delivered_at: delivery.delivered_at.map(Timestamp),
        }
    }
}

/// Lists the deliveries of a webhook, the latest first. Delivered ones are kept for a week.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/deliveries/",
    tag = "Webhooks",
    params(DeliveryQuery, PageQuery),
    responses(
        (status = 200, description = "A page of deliveries", body = PageBody<Body>),
        (status = 400, description = "There is no such state", body = Detail),
    ),
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let webhook = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let wanted = Query::of(&request).choice::<StateName>("state")?;
    let read = move |part: Part<'_>| state.manager.webhook_deliveries(webhook, wanted, part);
    Paging::new(&request).answer(read, Body::from).await
}

/// Replays a delivery, whatever its state. A delivery that is being sent is not changed.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/deliveries/{delivery_uuid}/replay/",
    tag = "Webhooks",
    responses((status = 200, description = "The waiting delivery", body = Body)),
)]
pub async fn replay(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let webhook = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let delivery = MessageId(path_uuid(&request, "delivery_uuid")?);
    blocking(move || {
        Response::ok(&Body::from(state.manager.replay_webhook_delivery(&access.caller.actor(), webhook, delivery)?))
    })
    .await
}

/// Replays many deliveries of a webhook: the dead-lettered ones, or those in the named state.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/replay/",
    tag = "Webhooks",
    request_body = WebhookReplayRequest,
    responses((status = 200, description = "The number of replayed deliveries", body = ReplayBody)),
)]
pub async fn replay_many(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, WebhookReplayRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let webhook = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let request = body.read().await??;
    let wanted = request.state.0.flatten().unwrap_or(WebhookState::DeadLettered);
    let replay = WebhookReplay { webhook, ids: None, state: Some(wanted), since: request.since.0.flatten() };
    blocking(move || {
        Response::ok(&ReplayBody {
            replayed: state.manager.replay_webhook_deliveries(&access.caller.actor(), &replay)?,
        })
    })
    .await
}
