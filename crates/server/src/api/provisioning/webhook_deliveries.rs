//! What a webhook was told and is to be told, and telling it again.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::ports::WebhookReplay;
use license_manager_domain::webhooks::{WebhookDelivery, WebhookState};
use license_manager_domain::{MessageId, WebhookId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Choice, Choices, FieldErrors, Moment, Nullable};
use crate::http::kinds::choices;
use crate::http::paging::Part;
use crate::http::{Answer, ApiError, ApiResult, PageBody, Paging, Query, Timestamp, WithBody, blocking};
use crate::openapi::errors::Detail;
use crate::openapi::parameters::PageQuery;
use crate::state::State;

/// Which deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Only those that are this far.
    #[param(inline)]
    pub state: Option<StateName>,
}

choices!(
    /// How far a delivery is.
    StateName,
    "WebhookDeliveryState",
    WebhookState
);

/// Which deliveries are to be made again.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookReplayRequest {
    /// Only those of events that happened then or later.
    #[deserr(default)]
    pub since: Nullable<Moment>,
    /// Those that are this far; parked ones unless given.
    #[deserr(default)]
    pub state: Nullable<Choice<StateName>>,
}

/// One event for one webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
struct Body {
    /// The id of the event, which every try tells as `webhook-id`.
    uuid: Uuid,
    /// The event's full name.
    event: String,
    state: StateName,
    /// How often it was tried in vain since it was promised or replayed.
    attempts: i16,
    /// When it is tried next; null where it waits no more.
    next_attempt: Option<Timestamp>,
    /// The status the endpoint answered last; null where it did not.
    last_status: Option<i16>,
    /// What was wrong the last time.
    last_error: Option<String>,
    /// When the event happened.
    created: Timestamp,
    /// When the endpoint took it.
    delivered_at: Option<Timestamp>,
}

/// How many deliveries are made again.
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

/// What a webhook was told and is to be told, the latest first. What it took is kept for a week.
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
    let query = Query::of(&request);
    let wanted = match query.get("state").unwrap_or_default() {
        "" => None,
        name => Some(WebhookState::from_name(name).ok_or_else(|| {
            let message = format!("state is one of: {}.", StateName::names().join(", "));
            ApiError::detail(StatusCode::BAD_REQUEST, message)
        })?),
    };
    let read = move |part: Part<'_>| state.manager.webhook_deliveries(webhook, wanted, part);
    Paging::new(&request).answer(read, Body::from).await
}

/// Tells a webhook of one event again, whatever became of it before. One that is being told at this moment is left alone.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/deliveries/{delivery_uuid}/replay/",
    tag = "Webhooks",
    responses((status = 200, description = "The delivery, which waits", body = Body)),
)]
pub async fn replay(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let webhook = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let delivery = MessageId(path_uuid(&request, "delivery_uuid")?);
    blocking(move || Answer::ok(&Body::from(state.manager.replay_webhook_delivery(webhook, delivery)?))).await
}

/// Tells a webhook of many events again: of those it could not be told of, unless another state is named.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/replay/",
    tag = "Webhooks",
    request_body = WebhookReplayRequest,
    responses((status = 200, description = "How many are told again", body = ReplayBody)),
)]
pub async fn replay_many(
    WithBody { body, .. }: WithBody<ProvisionerOrStaff, WebhookReplayRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let webhook = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let request = body.read()?;
    let wanted = request.state.0.flatten().unwrap_or(WebhookState::DeadLettered);
    let replay = WebhookReplay { webhook, id: None, state: Some(wanted), since: request.since.0.flatten() };
    blocking(move || Answer::ok(&ReplayBody { replayed: state.manager.replay_webhook_deliveries(&replay)? })).await
}
