//! `GET /api/v1/admin-license-view/?user_email=…&enterprise_customer_uuid=…`: support staff list a person's licenses of one customer.

use std::convert::identity;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use license_manager_domain::use_cases::PersonalLicense;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::staff_lookup::{PersonalLicenseFields, parse_email};
use crate::api::views::{PlanBody, Reading};
use crate::auth::permissions::Staff;
use crate::http::paging::{Part, part_of};
use crate::http::{ApiError, ApiResult, PageBody, Paging, Query};
use crate::lists::Lists;
use crate::openapi::errors::BadRequest;
use crate::openapi::parameters::PageQuery;

/// The person and the customer.
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
    user_email: Option<String>,
    #[serde(flatten)]
    license: PersonalLicenseFields,
    subscription_plan: PlanBody,
}

impl Body {
    fn new(found: &PersonalLicense, reading: Reading<'_>) -> Self {
        Self {
            uuid: found.license.id.0,
            user_email: found.license.columns().user_email.map(String::from),
            license: PersonalLicenseFields::new(found),
            subscription_plan: PlanBody::new(&found.plan, reading),
        }
    }
}

/// Lists the person's licenses of the customer, the last assigned first. 400 if the person or the customer is missing.
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
pub async fn list(_: Staff, request: HttpRequest, lists: Lists) -> ApiResult {
    let query = Query::of(&request);
    let missing = || ApiError::text(StatusCode::BAD_REQUEST, "Name the person: user_email is missing.");
    let email = parse_email(query.text("user_email").ok_or_else(missing)?)?;
    let customer = query.customer()?;
    let read = move |part: Part<'_>| {
        let found = lists.manager.licenses_of_email(&email, Some(customer))?;
        let renewal_lock = lists.state.renewal_lock();
        let reading = Reading { chains: &found.chains, renewal_lock, now: found.now };
        part_of(found.licenses.iter().map(|license| Body::new(license, reading)).collect(), part)
    };
    Paging::new(&request).answer(read, identity).await
}
