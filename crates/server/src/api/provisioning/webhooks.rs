//! `/api/v1/provisioning-admins/webhooks/`: endpoints that events of licenses are told to.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use aws_lc_rs::rand;
use deserr::Deserr;
use license_manager_domain::outbox::EventName;
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::{InvalidSecret, Webhook, WebhookSecret};
use license_manager_domain::{CustomerId, Error, WebhookId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::SchemaFormat;
use uuid::Uuid;

use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Boolean, FieldErrors, Kind, List, Nullable, Optional, Problem, Required, Text, UuidText};
use crate::http::kinds::{describe, text, text_kind};
use crate::http::{Answer, ApiResult, PageBody, Paging, Timestamp, WithBody, blocking};
use crate::openapi::parameters::PageQuery;
use crate::state::State;

/// The bytes of a secret that is made here.
const KEY_BYTES: usize = 32;

/// A webhook to be registered.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookRequest {
    /// Where events are posted to: https, and not a private address.
    pub url: Required<Address>,
    /// The rest.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: WebhookSettings,
}

/// What is to change in a webhook; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookPatch {
    /// Where events are posted to: https, and not a private address.
    #[deserr(default)]
    pub url: Optional<Address>,
    /// The rest.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: WebhookSettings,
}

/// What a registration and a change have in common.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct WebhookSettings {
    /// What requests are signed with: `whsec_` and base64 of 24 to 64 bytes. Where a registration gives none, one is made.
    #[deserr(default)]
    pub secret: Nullable<Secret>,
    /// The events it is told of, by full or short names such as `assigned`; all where there is none.
    #[deserr(default)]
    pub event_types: Optional<List<EventType, 0, 100>>,
    /// Only events of this customer; null for every customer's.
    #[deserr(default)]
    pub enterprise_customer_uuid: Nullable<UuidText>,
    /// Whether it is told anything; true unless a registration says otherwise. What waits for one that is switched off waits until
    /// it is switched on again.
    #[deserr(default)]
    pub is_active: Optional<Boolean>,
}

impl WebhookSettings {
    fn changes(self, url: Option<String>) -> WebhookChanges {
        WebhookChanges {
            url,
            secret: self.secret.0.flatten(),
            event_types: self.event_types.0,
            customer: self.enterprise_customer_uuid.0.map(|customer| customer.map(CustomerId)),
            is_active: self.is_active.0,
        }
    }
}

text_kind!(
    /// Where events are posted to. The domain checks its form.
    Address,
    Text<1, 2_048>,
    text(1, 2_048).format(Some(SchemaFormat::Custom("uri".to_owned())))
);

/// What requests are signed with.
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
    /// Full names; none means all.
    event_types: Vec<&'static str>,
    /// Null for every customer's events.
    enterprise_customer_uuid: Option<Uuid>,
    is_active: bool,
    /// The user name of whoever registered it.
    created_by: Option<String>,
    created: Timestamp,
    modified: Timestamp,
}

/// A webhook that was just registered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegisteredWebhook)]
struct RegisteredBody {
    #[serde(flatten)]
    webhook: Body,
    /// The secret that was made for it, which is shown this once; null where the request brought one.
    secret: Option<String>,
}

impl From<Webhook> for Body {
    fn from(webhook: Webhook) -> Self {
        Self {
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

/// Every webhook, in the order they were registered.
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

/// Registers an endpoint: from now on it is told of events. The answer alone shows the secret that was made for it.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/webhooks/",
    tag = "Webhooks",
    request_body = WebhookRequest,
    responses((status = 201, description = "The webhook, with the secret made for it", body = RegisteredBody)),
)]
pub async fn create(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, WebhookRequest>,
    state: State,
) -> ApiResult {
    let request = body.read()?;
    let (url, changes) = (request.url.0, request.settings.changes(None));
    let made = random_secret()?;
    blocking(move || {
        let shown = changes.secret.is_none().then(|| made.expose().to_owned());
        let webhook = state.manager.create_webhook(&access.caller.actor(), url, made, changes)?;
        Answer::json(StatusCode::CREATED, &RegisteredBody { webhook: webhook.into(), secret: shown })
    })
    .await
}

/// One webhook.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/",
    tag = "Webhooks",
    responses((status = 200, description = "The webhook", body = Body)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    blocking(move || Answer::ok(&Body::from(state.manager.webhook(id)?))).await
}

/// Changes a webhook. What waits for it goes to the new address, signed with the new secret.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/",
    tag = "Webhooks",
    request_body = WebhookPatch,
    responses((status = 200, description = "The webhook as it is now", body = Body)),
)]
pub async fn update(
    WithBody { body, .. }: WithBody<ProvisionerOrStaff, WebhookPatch>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let patch = body.read()?;
    let changes = patch.settings.changes(patch.url.0);
    blocking(move || Answer::ok(&Body::from(state.manager.update_webhook(id, &changes)?))).await
}

/// Removes a webhook with what waits for it: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/",
    tag = "Webhooks",
    responses((status = 204, description = "Removed")),
)]
pub async fn delete(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    blocking(move || {
        state.manager.delete_webhook(id)?;
        Ok(Answer::no_content())
    })
    .await
}
