//! `GET /api/v1/license-subsidy/?enterprise_customer_uuid=…&course_key=…`: whether a learner's license pays for a course.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use license_manager_domain::{CustomerId, Entity, LicenseId, LmsUserId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::{AdminOrLearner, Listing};
use crate::config::Secret;
use crate::http::{ApiError, ApiResult, Query, Response, Timestamp, blocking};
use crate::openapi::errors::{BadRequest, Message};
use crate::openapi::parameters::LicenseState;
use crate::state::State;

/// The customer and the course.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SubsidyQuery {
    /// The customer.
    pub enterprise_customer_uuid: Uuid,
    /// The course, or a run of it.
    #[param(example = "course-v1:edX+DemoX+T1")]
    pub course_key: String,
}

/// A subsidy, which pays for the whole course.
#[derive(Serialize, ToSchema)]
#[schema(as = Subsidy)]
struct Body {
    /// `percentage`.
    discount_type: &'static str,
    /// 100.
    discount_value: u8,
    /// The license's state.
    status: LicenseState,
    /// The license.
    subsidy_id: Uuid,
    start_date: Timestamp,
    expiration_date: Timestamp,
    /// HMAC-SHA256 over `<LMS user id>:<course_key>:<subsidy_id>`, in base64.
    subsidy_checksum: String,
}

/// Returns the caller's license that pays for the course: it is activated, and its plan is active and current and has the course in its
/// catalog. Of several, the one whose plan expires last. Licenses are found by LMS user id; by email only if the license has no LMS user id.
///
/// 404 if there is no such license or customer; 503 if the catalog service does not respond.
#[utoipa::path(
    get,
    path = "/api/v1/license-subsidy/",
    tag = "Learners",
    params(SubsidyQuery),
    responses(
        (status = 200, description = "The subsidy", body = Body),
        (status = 400, description = "A parameter is missing, or the token does not identify the caller", body = BadRequest),
        (status = 404, description = "No license of the caller pays for the course", body = Message),
    ),
)]
pub async fn subsidy(access: Listing<AdminOrLearner>, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let missing = |name: &str| ApiError::text(StatusCode::BAD_REQUEST, format!("{name} is missing."));
    let customer = query.uuid("enterprise_customer_uuid")?.map(CustomerId);
    let customer = customer.ok_or_else(|| missing("enterprise_customer_uuid"))?;
    let course_key = query.text("course_key").ok_or_else(|| missing("course_key"))?;
    let person = state.manager.with_account(access.caller.person()?).await;
    let lms_user_id = person.lms_user_id;

    let looking = state.clone();
    let licenses = blocking(move || {
        let licenses = looking.manager.subsidizing_licenses(customer, &person)?;
        access.check(Some(customer), Entity::Agreement)?;
        Ok(licenses)
    })
    .await?;
    if licenses.is_empty() {
        return Err(ApiError::text(StatusCode::NOT_FOUND, "You have no activated license of this customer."));
    }
    let covering = state.manager.first_covering(licenses, course_key).await?;
    let found =
        covering.ok_or_else(|| ApiError::text(StatusCode::NOT_FOUND, "None of your licenses covers this course."))?;

    let lms_user_id = lms_user_id.ok_or_else(|| {
        ApiError::text(StatusCode::BAD_REQUEST, "Your token names no user_id, and a subsidy is for a known user.")
    })?;
    let secret = state.subsidy_secret.as_ref().ok_or_else(|| {
        let message = "This service has no secret to sign subsidies with: LM_AUTH__SUBSIDY_CHECKSUM_SECRET is not set.";
        ApiError::detail(StatusCode::SERVICE_UNAVAILABLE, message)
    })?;
    Response::ok(&Body {
        discount_type: "percentage",
        discount_value: 100,
        status: LicenseState(found.license.status()),
        subsidy_id: found.license.id.0,
        start_date: Timestamp(found.plan.plan.start_date),
        expiration_date: Timestamp(found.plan.plan.expiration_date),
        subsidy_checksum: checksum(secret, lms_user_id, course_key, found.license.id),
    })
}

/// The proof that this service granted the subsidy: base64 of HMAC-SHA256 over learner, course and license.
fn checksum(secret: &Secret, user: LmsUserId, course_key: &str, license: LicenseId) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{user}:{course_key}:{license}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_what_the_upstreams_compute() {
        let secret = Secret::try_from("subsidy-secret".to_owned()).unwrap();
        let license = LicenseId(uuid::Uuid::from_u128(0x1234));
        let found = checksum(&secret, LmsUserId(111), "course-v1:edX+DemoX+T1", license);
        assert_eq!(found, "Va8939Pq+/0TsttWJEsylQDHXosCGmkacS40NcaVS7s=");
    }
}
