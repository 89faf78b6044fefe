//! `/api/v1/provisioning-admins/webhooks/`: endpoints that events of licenses are told to.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use aws_lc_rs::rand;
use chrono::{DateTime, Utc};
use license_manager_domain::outbox::EventName;
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::{Webhook, WebhookSecret};
use license_manager_domain::{CustomerId, Error, WebhookId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::answer::{Answer, blocking};
use crate::http::body::WithBody;
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields, boolean, list as list_of, text, uuid};
use crate::http::paging::{PageBody, Paging};
use crate::http::query::Query;
use crate::http::time::serialize as moment;
use crate::openapi::parameters::PageQuery;
use crate::state::AppState;

/// The most webhooks a page has.
const MAX_PAGE_SIZE: u64 = 100;
/// The longest address, in characters.
const MAX_URL: usize = 2_048;
/// The longest text that is looked at for a secret, in characters.
const MAX_SECRET: usize = 128;
/// The longest list of events.
const MAX_EVENTS: usize = 100;
/// The bytes of a secret that is made here.
const KEY_BYTES: usize = 32;

/// A webhook to be registered.
#[derive(ToSchema)]
pub struct WebhookRequest {
    /// Where events are posted to: https, and not a private address.
    #[schema(min_length = 1, max_length = 2048, example = "https://hooks.example.com/licenses")]
    pub url: String,
    /// What requests are signed with: `whsec_` and base64 of 24 to 64 bytes. One is made where none is given.
    pub secret: Option<String>,
    /// The events it is told of, by full or short names such as `assigned`; all where there is none.
    #[schema(max_items = 100)]
    pub event_types: Option<Vec<String>>,
    /// Only events of this customer.
    pub enterprise_customer_uuid: Option<Uuid>,
    /// Whether it is told anything; true unless given.
    pub is_active: Option<bool>,
}

/// What is to change in a webhook; absent fields stay.
#[derive(ToSchema)]
pub struct WebhookPatch {
    /// Where events are posted to: https, and not a private address.
    #[schema(min_length = 1, max_length = 2048)]
    pub url: Option<String>,
    /// What requests are signed with from now on: `whsec_` and base64 of 24 to 64 bytes.
    pub secret: Option<String>,
    /// The events it is told of, by full or short names such as `assigned`; all where there is none.
    #[schema(max_items = 100)]
    pub event_types: Option<Vec<String>>,
    /// Only events of this customer; null for every customer's.
    pub enterprise_customer_uuid: Option<Uuid>,
    /// Whether it is told anything. What waits for one that is switched off waits until it is switched on again.
    pub is_active: Option<bool>,
}

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
    #[serde(serialize_with = "moment")]
    created: DateTime<Utc>,
    #[serde(serialize_with = "moment")]
    modified: DateTime<Utc>,
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
            created: webhook.created,
            modified: webhook.modified,
        }
    }
}

/// Reads what a registration and a change have in common.
fn changes(fields: &mut Fields) -> WebhookChanges {
    let secret = fields.nullable("secret", text(1..=MAX_SECRET)).value();
    let secret = secret.and_then(|secret| match secret.parse::<WebhookSecret>() {
        Ok(secret) => Some(secret),
        Err(problem) => {
            fields.error("secret", problem.to_string());
            None
        }
    });
    let event_types = fields.optional("event_types", list_of(text(1..=MAX_URL), 0..=MAX_EVENTS)).map(|names| {
        let known = names.iter().enumerate().filter_map(|(index, name)| {
            let event = EventName::from_name(name);
            if event.is_none() {
                let names = EventName::ALL.map(EventName::short_name).join(", ");
                fields.item_error("event_types", index, format!("There is no such event. There are: {names}."));
            }
            event
        });
        known.collect()
    });
    let customer = match fields.nullable("enterprise_customer_uuid", uuid()) {
        Field::Absent => None,
        Field::Null => Some(None),
        Field::Value(customer) => Some(Some(CustomerId(customer))),
    };
    WebhookChanges { url: None, secret, event_types, customer, is_active: fields.optional("is_active", boolean()) }
}

fn random_secret() -> Result<WebhookSecret, ApiError> {
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
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let paging = Paging::new(&request, &Query::parse(request.query_string()), MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.webhooks(|total| paging.limit_offset(total))?;
        Answer::ok(&paging.body(page.total, page.items.into_iter().map(Body::from).collect())?)
    })
    .await
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
    WithBody { access, body }: WithBody<ProvisionerOrStaff>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body)?;
    let url = fields.required("url", text(1..=MAX_URL));
    let changes = changes(&mut fields);
    fields.finish()?;
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
pub async fn retrieve(
    _: ProvisionerOrStaff,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
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
    WithBody { body, .. }: WithBody<ProvisionerOrStaff>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    let mut fields = Fields::new(body)?;
    let url = fields.optional("url", text(1..=MAX_URL));
    let changes = WebhookChanges { url, ..changes(&mut fields) };
    fields.finish()?;
    blocking(move || Answer::ok(&Body::from(state.manager.update_webhook(id, &changes)?))).await
}

/// Removes a webhook with what waits for it: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/webhooks/{webhook_uuid}/",
    tag = "Webhooks",
    responses((status = 204, description = "Removed")),
)]
pub async fn delete(
    _: ProvisionerOrStaff,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let id = WebhookId(path_uuid(&request, "webhook_uuid")?);
    blocking(move || {
        state.manager.delete_webhook(id)?;
        Ok(Answer::no_content())
    })
    .await
}
