//! `GET /api/v1/learner-licenses/?enterprise_customer_uuid=…`: a learner's licenses of one customer.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use license_manager_domain::CustomerId;
use license_manager_domain::use_cases::LearnerLicenses;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::views::{AgreementBody, LearnerLicenseBody};
use crate::auth::permissions::{AdminOrLearner, Listing};
use crate::http::{Answer, ApiError, ApiResult, Paging, PositionedPageBody, Query, blocking, query_uuid};
use crate::openapi::errors::BadRequest;
use crate::openapi::parameters::PageQuery;
use crate::state::State;

/// Whose and which licenses.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LearnerLicensesQuery {
    /// The customer.
    pub enterprise_customer_uuid: Uuid,
    /// `true` shows revoked ones too.
    pub include_revoked: Option<bool>,
    /// `false` shows those of plans that are not active too.
    pub active_plans_only: Option<bool>,
    /// `false` shows those of plans that are not current too.
    pub current_plans_only: Option<bool>,
}

/// A page of licenses, and the agreement they belong to.
#[derive(Serialize, ToSchema)]
#[schema(as = LearnerLicensesPage)]
struct Body {
    #[serde(flatten)]
    page: PositionedPageBody<LearnerLicenseBody>,
    customer_agreement: Option<AgreementBody>,
}

/// The caller's licenses, by default those of active and current plans that were not revoked. A caller whose roles are for
/// other customers sees none.
#[utoipa::path(
    get,
    path = "/api/v1/learner-licenses/",
    tag = "Learners",
    params(LearnerLicensesQuery, PageQuery),
    responses(
        (status = 200, description = "A page of licenses", body = Body),
        (status = 400, description = "No customer, or a token without an email address", body = BadRequest),
    )
)]
pub async fn list(access: Listing<AdminOrLearner>, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let customer = query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId);
    let missing = || ApiError::text(StatusCode::BAD_REQUEST, "Name the customer: enterprise_customer_uuid is missing.");
    let customer = customer.ok_or_else(missing)?;
    let wanted = LearnerLicenses {
        include_revoked: query.flag("include_revoked").unwrap_or(false),
        active_plans_only: query.flag("active_plans_only").unwrap_or(true),
        current_plans_only: query.flag("current_plans_only").unwrap_or(true),
    };
    let paging = Paging::new(&request);
    let person = state.manager.with_account(access.caller.person()?).await;
    blocking(move || {
        let mut view = state.manager.learner_licenses(&access.caller.actor(), customer, &person, wanted)?;
        if !access.scope.covers(customer) {
            view.licenses.clear();
        }
        let renewal_lock = state.manager.settings().renewal_lock;
        let page = paging.positioned_body(view.licenses, |found| LearnerLicenseBody::new(&found, renewal_lock))?;
        Answer::ok(&Body { page, customer_agreement: view.agreement.as_deref().map(AgreementBody::new) })
    })
    .await
}
