//! `/api/v1/licenses/`, `…/{license_uuid}/`, `…/assign/` and `…/revoke/`: a plan's licenses where the plan is not in the path.

use actix_web::HttpRequest;
use deserr::Deserr;
use license_manager_domain::ports::LicenseSearch;
use license_manager_domain::{CustomerId, Entity, LicenseId, PlanId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::license_assignment::{self, AssignmentRequest, AssignmentsBody};
use crate::api::license_revocation::{self, NothingRevoked, RevocationError, RevocationsBody};
use crate::api::license_selection::SelectionRequest;
use crate::api::licenses::{MAX_PAGE_SIZE, filter, order};
use crate::api::views::LicenseBody;
use crate::auth::permissions::{Admin, Listing, OfPlan, path_uuid};
use crate::http::body::Body;
use crate::http::fields::{FieldErrors, Required, UuidText};
use crate::http::paging::Part;
use crate::http::{Answer, ApiResult, NumberedPageBody, Paging, Query, WithBody, blocking, query_uuid};
use crate::openapi::errors::Detail;
use crate::openapi::parameters::{CustomerQuery, LicenseFilterQuery, LicenseOrderQuery, PageQuery};
use crate::state::State;

/// Of which plan.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// Only licenses of this plan.
    pub subscription_plan: Option<Uuid>,
}

/// An assignment, and of which plan.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct AssignmentOfPlanRequest {
    /// The plan.
    pub subscription_plan: Required<UuidText>,
    /// Who gets a license.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub assignment: AssignmentRequest,
}

/// Whose licenses, and of which plan.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct SelectionOfPlanRequest {
    /// The plan.
    pub subscription_plan: Required<UuidText>,
    /// Whose.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub selection: SelectionRequest,
}

/// The licenses of the caller's customers, or of one of them (`enterprise_customer_uuid`), or of one plan
/// (`subscription_plan`): filtered, searched, sorted, by pages.
#[utoipa::path(
    get,
    path = "/api/v1/licenses/",
    tag = "Licenses",
    params(CustomerQuery, PlanQuery, LicenseFilterQuery, LicenseOrderQuery, PageQuery),
    responses((status = 200, description = "A page of licenses", body = NumberedPageBody<LicenseBody>)),
)]
pub async fn list(access: Listing<Admin>, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let search = LicenseSearch {
        scope: access.scope,
        customer: query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId),
        plan: query_uuid(&query, "subscription_plan")?.map(PlanId),
        filter: filter(&query),
    };
    let order = order(&query);
    let read = move |part: Part<'_>| state.manager.search_licenses(&search, &order, part);
    Paging::up_to(MAX_PAGE_SIZE, &request).answer_numbered(read, |license| LicenseBody::new(&license)).await
}

/// One license.
#[utoipa::path(
    get,
    path = "/api/v1/licenses/{license_uuid}/",
    tag = "Licenses",
    responses((status = 200, description = "The license", body = LicenseBody)),
)]
pub async fn retrieve(access: Listing<Admin>, request: HttpRequest, state: State) -> ApiResult {
    let license = LicenseId(path_uuid(&request, "license_uuid")?);
    blocking(move || {
        access.check(state.manager.customer_of_license(license)?, Entity::License)?;
        Answer::ok(&LicenseBody::new(&state.manager.license(license)?))
    })
    .await
}

/// Assigns licenses of the plan that the body names as `subscription_plan`: to every email that holds no live license of it, or to none
/// where the plan has too few (400).
#[utoipa::path(
    post,
    path = "/api/v1/licenses/assign/",
    tag = "Licenses",
    request_body = AssignmentOfPlanRequest,
    responses(
        (status = 200, description = "Assigned", body = AssignmentsBody),
        (status = 404, description = "There is no such plan", body = Detail),
    ),
)]
pub async fn assign(
    WithBody { access, body }: WithBody<Listing<Admin>, AssignmentOfPlanRequest>,
    state: State,
) -> ApiResult {
    let access = OfPlan::checked(access, plan(&body)?, state.clone()).await?;
    license_assignment::assign_requested(access, body.read()?.assignment, state).await
}

/// Revokes licenses of the plan that the body names as `subscription_plan`: those of the emails, or those that the filters match.
///
/// 200 where all were revoked, 207 where some were, 404 where none of the learners holds a license, 400 where the plan's
/// revocation cap leaves fewer than were named.
#[utoipa::path(
    post,
    path = "/api/v1/licenses/revoke/",
    tag = "Licenses",
    request_body = SelectionOfPlanRequest,
    responses(
        (status = 200, description = "All were revoked", body = RevocationsBody),
        (status = 207, description = "Some were revoked", body = RevocationsBody),
        (status = 400, description = "The request cannot be read, or the cap forbids it", body = RevocationError),
        (status = 404, description = "None could be revoked, or there is no such plan", body = NothingRevoked),
    ),
)]
pub async fn revoke(
    WithBody { access, body }: WithBody<Listing<Admin>, SelectionOfPlanRequest>,
    state: State,
) -> ApiResult {
    let access = OfPlan::checked(access, plan(&body)?, state.clone()).await?;
    license_revocation::revoke_selected(access, body.read()?.selection.selection(), state).await
}

/// The plan that the body names, on which it depends whether the caller may know what is wrong with the rest.
fn plan<T>(body: &Body<T>) -> ApiResult<PlanId> {
    #[derive(Deserr)]
    #[deserr(error = FieldErrors)]
    struct OfPlanRequest {
        subscription_plan: Required<UuidText>,
    }

    let part: OfPlanRequest = body.part()?;
    Ok(PlanId(part.subscription_plan.0))
}
