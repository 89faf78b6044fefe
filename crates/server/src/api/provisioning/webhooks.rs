//! `/api/v1/provisioning-admins/webhooks/`: endpoints that receive events of licenses.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use aws_lc_rs::rand;
use deserr::Deserr;
use license_manager_domain::outbox::EventName;
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::{InvalidSecret, OffReason, WebhookOverview, WebhookSecret};
use license_manager_domain::{CustomerId, Error, WebhookId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::SchemaFormat;
use uuid::Uuid;

use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Boolean, FieldErrors, Kind, List, Nullable, Optional, Problem, Required, Text, UuidText};
use crate::http::kinds::{describe, text, text_kind};
use crate::http::{ApiResult, PageBody, Paging, Response, Timestamp, WithBody, blocking, without_content};
use crate::openapi::parameters::PageQuery;
use crate::state::State;

/// The length of a generated secret, in bytes.
const KEY_BYTES: usize = 32;

/// A new webhook.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookRequest {
    /// The address that events are posted to. It uses https and is not private.
    pub url: Required<Address>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: WebhookSettings,
}

/// An edit of a webhook; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookPatch {
    /// The address that events are posted to. It uses https and is not private.
    #[deserr(default)]
    pub url: Optional<Address>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: WebhookSettings,
}

/// The fields that a new webhook and an edit share.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookSettings {
    /// The secret that signs requests: `whsec_` and base64 of 24 to 64 bytes. A new webhook without one gets a random secret.
    #[deserr(default)]
    pub secret: Nullable<Secret>,
    /// The events to send, by full names or short names such as `assigned`; an empty list means all.
    #[deserr(default)]
    pub event_types: Optional<List<EventType, 0, 100>>,
    /// Only events of this customer; null means all customers.
    #[deserr(default)]
    pub enterprise_customer_uuid: Nullable<UuidText>,
    /// Whether events are sent; the default for a new webhook is true. Events wait while it is false.
    #[deserr(default)]
    pub is_active: Optional<Boolean>,
}

impl WebhookSettings {
    fn changes(self, url: Option<String>) -> WebhookChanges {
        WebhookChanges {
            url,
            secret: self.secret.0.flatten(),
            event_types: self.event_types.0,
            customer: self.enterprise_customer_uuid.edit().map(CustomerId),
            is_active: self.is_active.0,
        }
    }
}

text_kind!(
    /// The address that events are posted to. The domain checks its form.
    Address,
    Text<1, 2_048>,
    text(1, 2_048).format(Some(SchemaFormat::Custom("uri".to_owned())))
);

/// The secret that signs requests.
pub struct Secret;

impl Kind for Secret {
    type Value = WebhookSecret;

    fn read(value: Value) -> Result<WebhookSecret, Problem> {
        let secret = Text::<1, 128>::read(value)?;
        secret.parse().map_err(|problem: InvalidSecret| Problem::message(problem.to_string()))
    }
}

describe!([] Secret, text(1, 128).pattern(Some("^whsec_[0-9A-Za-z+/]+=*$")));

/// An event, by its full or its short name.
pub struct EventType;

impl Kind for EventType {
    type Value = EventName;

    fn read(value: Value) -> Result<EventName, Problem> {
        EventName::from_full_or_short_name(&Address::read(value)?).ok_or_else(|| {
            let names = EventName::ALL.map(EventName::short_name).join(", ");
            Problem::message(format!("There is no such event. There are: {names}."))
        })
    }
}

describe!([] EventType, {
    let names = EventName::ALL.into_iter().flat_map(|event| [event.short_name(), event.as_str()]);
    text(0, usize::MAX).enum_values(Some(names))
});

/// A webhook. Its secret is not shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
struct Body {
    uuid: Uuid,
    url: String,
    /// Full names; an empty list means all events.
    event_types: Vec<&'static str>,
    /// Null means all customers.
    enterprise_customer_uuid: Option<Uuid>,
    is_active: bool,
    /// When it was switched off; null while it is active.
    switched_off_at: Option<Timestamp>,
    /// Why it was switched off: `requested` or `answered_410`; null while it is active, or if nobody knows.
    switched_off_reason: Option<&'static str>,
    /// Until when requests are also signed with the secret before the current one; null if only with the current one.
    previous_secret_until: Option<Timestamp>,
    /// The number of waiting events; 10,000 means that many or more.
    num_waiting: i64,
    /// The number of events that were dropped because it was switched off for too long.
    num_dropped: i64,
    /// The name of the user who created it.
    created_by: Option<String>,
    created: Timestamp,
    modified: Timestamp,
}

/// What an endpoint answered to a ping.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookPing)]
struct PingBody {
    /// Whether it accepted the ping.
    accepted: bool,
    /// The status of its response, if any.
    status: Option<u16>,
    /// Why it did not accept the ping.
    error: Option<String>,
}

/// A new webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegisteredWebhook)]
struct RegisteredBody {
    #[serde(flatten)]
    webhook: Body,
    /// The generated secret, which is shown only once; null if the request had a secret.
    secret: Option<String>,
}

impl From<WebhookOverview> for Body {
    fn from(WebhookOverview { webhook, waiting }: WebhookOverview) -> Self {
        let switched_off = webhook.switched_at.unwrap_or(webhook.modified);
        Self {
            switched_off_at: (!webhook.is_active).then_some(Timestamp(switched_off)),
            switched_off_reason: webhook.off_reason.map(OffReason::as_str),
            previous_secret_until: webhook.previous_secret.map(|(_, until)| Timestamp(until)),
            num_waiting: waiting,
            num_dropped: webhook.dropped,
            uuid: webhook.id.0,
            url: webhook.url,
            event_types: webhook.event_types.iter().map(|event| event.as_str()).collect(),
            enterprise_customer_uuid: webhook.customer.map(|customer| customer.0),
            is_active: webhook.is_active,
            created_by: webhook.created_by,
            created: Timestamp(webhook.created),
            modified: Timestamp(webhook.modified),
        }
    }
}

fn random_secret() -> ApiResult<WebhookSecret> {
    let mut key = [0; KEY_BYTES];
    rand::fill(&mut key).map_err(|_| Error::internal("the system has no random numbers"))?;
    Ok(WebhookSecret::of_key(&key))
}

/// Lists all webhooks, in the order of their creation.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/webhooks/",
    tag = "Webhooks",
    params(PageQuery),
    responses((status = 200, description = "A page of webhooks", body = PageBody<Body>)),
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    Paging::new(&request).answer(move |part| state.manager.webhooks(part), Body::from).await
}

/// Creates a webhook, which receives events from now on. Only this response shows the generated secret.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/",
    tag = "Webhooks",
    request_body = WebhookRequest,
    responses((status = 201, description = "The webhook, with its generated secret", body = RegisteredBody)),
)]
pub async fn create(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, WebhookRequest>,
    state: State,
) -> ApiResult {
    let request = body.read().await??;
    let (url, changes) = (request.url.0, request.settings.changes(None));
    let made = random_secret()?;
    blocking(move || {
        let shown = changes.secret.is_none().then(|| made.expose().to_owned());
        let webhook = state.manager.create_webhook(&access.caller.actor(), url, made, changes)?;
        let webhook = WebhookOverview { webhook, waiting: 0 }.into();
        Response::json(StatusCode::CREATED, &RegisteredBody { webhook, secret: shown })
    })
    .await
}

/// Returns a webhook.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/",
    tag = "Webhooks",
    responses((status = 200, description = "The webhook", body = Body)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    blocking(move || Response::ok(&Body::from(state.manager.webhook(id)?))).await
}

/// Edits a webhook. Waiting events are sent to the new address, signed with the new secret; for a day also with the one before.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/",
    tag = "Webhooks",
    request_body = WebhookPatch,
    responses((status = 200, description = "The webhook", body = Body)),
)]
pub async fn update(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, WebhookPatch>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let patch = body.edit().await??;
    let changes = patch.settings.changes(patch.url.0);
    blocking(move || {
        state.manager.update_webhook(&access.caller.actor(), id, &changes)?;
        Response::ok(&Body::from(state.manager.webhook(id)?))
    })
    .await
}

/// Sends the event `ping` to a webhook at once, also to one that is switched off, and returns how the endpoint answered. It is not
/// repeated, and the answer changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/ping/",
    tag = "Webhooks",
    responses((status = 200, description = "How the endpoint answered", body = PingBody)),
)]
pub async fn ping(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let recording = state.clone();
    let webhook = blocking(move || Ok(recording.manager.record_webhook_ping(&access.caller.actor(), id)?)).await?;
    Response::ok(&match state.manager.post_webhook_ping(&webhook).await {
        Ok(status) => PingBody { accepted: true, status: Some(status), error: None },
        Err(failure) => PingBody { accepted: false, status: failure.status, error: Some(failure.problem) },
    })
}

/// Deletes a webhook and its waiting events: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/",
    tag = "Webhooks",
    responses((status = 204, description = "Removed")),
)]
pub async fn delete(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    without_content(move || state.manager.delete_webhook(&access.caller.actor(), id)).await
}
