//! What a webhook was told and is to be told, and telling it again.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use deserr::Deserr;
use license_manager_domain::ports::WebhookReplay;
use license_manager_domain::webhooks::{WebhookDelivery, WebhookState};
use license_manager_domain::{MessageId, WebhookId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::answer::{Answer, blocking};
use crate::http::body::WithBody;
use crate::http::error::ApiError;
use crate::http::fields::{Choice, Choices, FieldErrors, Moment, Nullable};
use crate::http::kinds::choices;
use crate::http::paging::{PageBody, Paging};
use crate::http::query::Query;
use crate::http::time::{serialize as moment, serialize_optional as optional_moment};
use crate::openapi::errors::Detail;
use crate::openapi::parameters::PageQuery;
use crate::state::AppState;

/// The most deliveries a page has.
const MAX_PAGE_SIZE: u64 = 100;

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
    #[schema(value_type = StateName)]
    state: &'static str,
    /// How often it was tried in vain since it was promised or replayed.
    attempts: i16,
    /// When it is tried next; null where it waits no more.
    #[serde(serialize_with = "optional_moment")]
    next_attempt: Option<DateTime<Utc>>,
    /// The status the endpoint answered last; null where it did not.
    last_status: Option<i16>,
    /// What was wrong the last time.
    last_error: Option<String>,
    /// When the event happened.
    #[serde(serialize_with = "moment")]
    created: DateTime<Utc>,
    /// When the endpoint took it.
    #[serde(serialize_with = "optional_moment")]
    delivered_at: Option<DateTime<Utc>>,
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
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_attempt: (delivery.state == WebhookState::Waiting).then_some(delivery.not_before),
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created: delivery.created,
            delivered_at: delivery.delivered_at,
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
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let webhook = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let query = Query::parse(request.query_string());
    let wanted = match query.get("state").unwrap_or_default() {
        "" => None,
        name => Some(WebhookState::from_name(name).ok_or_else(|| {
            let message = format!("state is one of: {}.", StateName::names().join(", "));
            ApiError::detail(StatusCode::BAD_REQUEST, message)
        })?),
    };
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.webhook_deliveries(webhook, wanted, |total| paging.limit_offset(total))?;
        Answer::ok(&paging.body(page.total, page.items.into_iter().map(Body::from).collect())?)
    })
    .await
}

/// Tells a webhook of one event again, whatever became of it before. One that is being told at this moment is left alone.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/deliveries/{delivery_uuid}/replay/",
    tag = "Webhooks",
    responses((status = 200, description = "The delivery, which waits", body = Body)),
)]
pub async fn replay(
    _: ProvisionerOrStaff,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
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
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let webhook = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let request = body.read()?;
    let wanted = request.state.0.flatten().unwrap_or(WebhookState::DeadLettered);
    let replay = WebhookReplay { webhook, id: None, state: Some(wanted), since: request.since.0.flatten() };
    blocking(move || Answer::ok(&ReplayBody { replayed: state.manager.replay_webhook_deliveries(&replay)? })).await
}
