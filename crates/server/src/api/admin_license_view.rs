//! `GET /api/v1/admin-license-view/?user_email=…&enterprise_customer_uuid=…`: support staff look at a person's licenses of one
//! customer.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use license_manager_domain::CustomerId;
use license_manager_domain::use_cases::PersonalLicense;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::staff_lookup::parse_email;
use crate::api::views::{PlanBody, Reading};
use crate::auth::permissions::Staff;
use crate::http::answer::{Answer, blocking};
use crate::http::error::ApiError;
use crate::http::paging::{PageBody, Paging, query_uuid};
use crate::http::query::Query;
use crate::http::time::{serialize as moment, serialize_optional as optional_moment};
use crate::openapi::errors::BadRequest;
use crate::openapi::parameters::{LicenseState, PageQuery};
use crate::state::AppState;

/// The most licenses a page has.
const MAX_PAGE_SIZE: u64 = 100;

/// Whose licenses, and of which customer.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PersonQuery {
    /// The person's address.
    #[param(example = "amy@example.com")]
    pub user_email: String,
    /// The customer.
    pub enterprise_customer_uuid: Uuid,
}

/// A license of the person with its plan.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonalLicense)]
struct Body {
    uuid: Uuid,
    #[schema(value_type = LicenseState)]
    status: &'static str,
    user_email: Option<String>,
    #[serde(serialize_with = "optional_moment")]
    assigned_date: Option<DateTime<Utc>>,
    #[serde(serialize_with = "optional_moment")]
    activation_date: Option<DateTime<Utc>>,
    #[serde(serialize_with = "optional_moment")]
    revoked_date: Option<DateTime<Utc>>,
    #[serde(serialize_with = "optional_moment")]
    last_remind_date: Option<DateTime<Utc>>,
    subscription_plan_title: String,
    #[serde(serialize_with = "moment")]
    subscription_plan_expiration_date: DateTime<Utc>,
    subscription_plan: PlanBody,
}

impl Body {
    fn new(found: &PersonalLicense, reading: Reading<'_>) -> Self {
        let columns = found.license.columns();
        Self {
            uuid: found.license.id.0,
            status: columns.status.as_str(),
            user_email: columns.user_email.map(String::from),
            assigned_date: columns.assigned_date,
            activation_date: columns.activation_date,
            revoked_date: columns.revoked_date,
            last_remind_date: columns.last_remind_date,
            subscription_plan_title: found.plan.plan.title.clone(),
            subscription_plan_expiration_date: found.plan.plan.expiration_date,
            subscription_plan: PlanBody::new(&found.plan, reading),
        }
    }
}

/// The person's licenses of the customer, the one handed out last first. 400 where either is not named.
#[utoipa::path(
    get,
    path = "/api/v1/admin-license-view/",
    tag = "Staff",
    params(PersonQuery, PageQuery),
    responses(
        (status = 200, description = "A page of licenses", body = PageBody<Body>),
        (status = 400, description = "The person or the customer is not named", body = BadRequest),
    ),
)]
pub async fn list(_: Staff, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let missing = |what| move || ApiError::text(StatusCode::BAD_REQUEST, format!("Name {what}."));
    let email = query.get("user_email").filter(|text| !text.is_empty());
    let email = parse_email(email.ok_or_else(missing("the person: user_email is missing"))?)?;
    let customer = query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId);
    let customer = customer.ok_or_else(missing("the customer: enterprise_customer_uuid is missing"))?;
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let found = state.manager.licenses_of_email(&email, Some(customer))?;
        let renewal_lock = state.manager.settings().renewal_lock;
        let reading = Reading { chains: &found.chains, renewal_lock, now: found.now };
        let total = found.licenses.len() as i64;
        let limit_offset = paging.limit_offset(total)?;
        let shown = found.licenses.iter().skip(limit_offset.offset as usize).take(limit_offset.limit as usize);
        let licenses = shown.map(|license| Body::new(license, reading)).collect();
        Answer::ok(&paging.body(total, licenses)?)
    })
    .await
}
