//! `/api/v1/licenses/`, `…/{license_uuid}/`, `…/assign/` and `…/revoke/`: licenses, without a plan in the path.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use deserr::Deserr;
use license_manager_domain::ports::LicenseSearch;
use license_manager_domain::{CustomerId, Entity, LicenseId, PlanId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::license_assignment::{self, AssignmentRequest, AssignmentsBody};
use crate::api::license_revocation::{self, NothingRevoked, RevocationError, RevocationsBody};
use crate::api::license_selection::SelectionRequest;
use crate::api::licenses::{LicensePageBody, MAX_PAGE_SIZE, answer, filter};
use crate::api::views::LicenseBody;
use crate::auth::caller::CheckedRead;
use crate::auth::permissions::{Admin, Listing, OfPlan, Reader, path_uuid};
use crate::http::body::{Body, Guarded};
use crate::http::fields::{FieldErrors, Required, UuidText};
use crate::http::{ApiError, ApiResult, Paging, Query, Response, WithBody};
use crate::lists::Lists;
use crate::openapi::errors::{self, Detail};
use crate::openapi::parameters::{CursorQuery, CustomerQuery, LicenseFilterQuery, LicenseOrderQuery, PageQuery};
use crate::state::{AppState, State};

/// The plan of the licenses.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// Only licenses of this plan.
    pub subscription_plan: Option<Uuid>,
}

/// An assignment, and the plan.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct AssignmentOfPlanRequest {
    /// The plan.
    pub subscription_plan: Required<UuidText>,
    /// The assignment.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub assignment: AssignmentRequest,
}

/// The licenses to revoke, and their plan.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct SelectionOfPlanRequest {
    /// The plan.
    pub subscription_plan: Required<UuidText>,
    /// The licenses.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub selection: SelectionRequest,
}

/// Lists the licenses of the caller's customers, of one of them (`enterprise_customer_uuid`), or of one plan (`subscription_plan`).
#[utoipa::path(
    get,
    path = "/api/v1/licenses/",
    tag = "Licenses",
    params(CustomerQuery, PlanQuery, LicenseFilterQuery, LicenseOrderQuery, PageQuery, CursorQuery),
    responses(
        (status = 200, description = "A page of licenses", body = LicensePageBody),
        (status = 400, description = "A parameter cannot be read", body = errors::BadRequest),
    ),
)]
pub async fn list(access: CheckedRead<Listing<Reader>>, request: HttpRequest, lists: Lists) -> ApiResult {
    let (query, paging) = (Query::of(&request), Paging::up_to(MAX_PAGE_SIZE, &request));
    let read = access.read(move |_, access| {
        let customer = query.uuid("enterprise_customer_uuid")?.map(CustomerId);
        let plan = query.uuid("subscription_plan")?.map(PlanId);
        let search = LicenseSearch { scope: access.scope, customer, plan, filter: filter(&query)? };
        answer(&search, &query, &paging, &lists.manager)
    });
    read.await
}

/// Returns a license.
#[utoipa::path(
    get,
    path = "/api/v1/licenses/{license_uuid}/",
    tag = "Licenses",
    responses((status = 200, description = "The license", body = LicenseBody)),
)]
pub async fn retrieve(access: CheckedRead<Listing<Reader>>, request: HttpRequest) -> ApiResult {
    let license = path_uuid(&request, "license_uuid").map(LicenseId);
    let read = access.read(move |state, access| {
        let license = license?;
        access.check(state.manager.customer_of_license(license)?, Entity::License)?;
        Response::ok(&LicenseBody::new(&state.manager.license(license)?))
    });
    read.await
}

/// Assigns licenses of the plan `subscription_plan` to every email without a live license of it. 400 if the plan has too few licenses; then
/// nobody gets one.
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
pub async fn assign(OfPlanInBody { access, body }: OfPlanInBody<AssignmentOfPlanRequest>, state: State) -> ApiResult {
    license_assignment::assign_requested(access, body.read().await??.assignment, state).await
}

/// Revokes licenses of the plan `subscription_plan`: those of the emails, or those that the filters match.
///
/// 200 if all were revoked or the filters match nobody, 207 if some were, 404 if none of the learners has a license, 400 if the plan's
/// revocation cap permits fewer.
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
pub async fn revoke(OfPlanInBody { access, body }: OfPlanInBody<SelectionOfPlanRequest>, state: State) -> ApiResult {
    license_revocation::revoke_selected(access, body.read().await??.selection.selection(), state).await
}

/// The permission to administer the plan that the body names, and the body.
pub struct OfPlanInBody<T> {
    access: OfPlan<Admin>,
    body: Body<T>,
}

impl<T: 'static> Guarded for OfPlanInBody<T> {
    type Access = Listing<Admin>;
    type Whole = Self;
}

impl<T: 'static> FromRequest for OfPlanInBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = ApiResult<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = WithBody::<Listing<Admin>, T>::from_request(request, payload);
        let state = AppState::of(request);
        Box::pin(async move {
            let WithBody { access, body } = read.await?;
            let access = OfPlan::checked(access, plan(&body)?, state?).await?;
            Ok(Self { access, body })
        })
    }
}

/// The plan in the body. It is read first: only callers with access to the plan learn what is wrong with the rest.
fn plan<T>(body: &Body<T>) -> ApiResult<PlanId> {
    #[derive(Deserr)]
    #[deserr(error = FieldErrors)]
    struct OfPlanRequest {
        subscription_plan: Required<UuidText>,
    }

    let part: OfPlanRequest = body.part()?;
    Ok(PlanId(part.subscription_plan.0))
}
