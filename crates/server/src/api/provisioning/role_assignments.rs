//! `/api/v1/provisioning-admins/role-assignments/`: the roles that the database stores.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::permissions::{Action, Role};
use license_manager_domain::ports::{AssignedRole, RoleAssignment, RoleAssignmentFilter};
use license_manager_domain::{CustomerId, RoleAssignmentId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::MAX_USERNAME_LENGTH;
use crate::auth::permissions::{ProvisionerOrStaff, path_integer};
use crate::http::error::ApiError;
use crate::http::fields::{Choice, Choices, FieldErrors, Nullable, Required, Text, UuidText};
use crate::http::{ApiResult, PageBody, Paging, Query, Response, Timestamp, WithBody, blocking, without_content};
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::State;

/// The filters of role assignments.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RoleAssignmentQuery {
    /// Only assignments of this user.
    pub username: Option<String>,
    /// Only assignments of this role.
    pub role: Option<String>,
}

/// A new role assignment.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct RoleAssignmentRequest {
    /// The user. The service need not know the user yet.
    pub username: Required<Text<1, { MAX_USERNAME_LENGTH }>>,
    /// The role.
    pub role: Required<Choice<RoleName>>,
    /// The customer; the default is all customers.
    #[deserr(default)]
    pub enterprise_customer_uuid: Nullable<UuidText>,
}

/// A role that the database stores.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub enum RoleName {
    /// Administers subscriptions.
    EnterpriseSubscriptionsAdmin,
    /// Uses them.
    EnterpriseSubscriptionsLearner,
    /// Reads everything.
    LicenseManagerViewer,
    /// Runs the service. Only for all customers.
    LicenseManagerOperator,
}

impl Choices for RoleName {
    type Value = String;

    fn from_name(name: &str) -> Option<String> {
        Self::names().into_iter().find(|known| known == name)
    }
}

/// A role assignment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RoleAssignment)]
struct Body {
    id: i64,
    username: String,
    #[schema(value_type = RoleName)]
    role: String,
    /// Null for all customers.
    enterprise_customer_uuid: Option<Uuid>,
    created: Timestamp,
}

impl From<AssignedRole> for Body {
    fn from(assigned: AssignedRole) -> Self {
        Self {
            id: assigned.id.0,
            username: assigned.username,
            role: assigned.role.role,
            enterprise_customer_uuid: assigned.role.customer.map(|customer| customer.0),
            created: Timestamp(assigned.created),
        }
    }
}

/// Lists role assignments, or those that the filters match.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/role-assignments/",
    tag = "Staff",
    params(RoleAssignmentQuery, CustomerQuery, PageQuery),
    responses((status = 200, description = "A page of assignments", body = PageBody<Body>)),
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let named = |name| query.text(name).map(str::to_owned);
    let filter = RoleAssignmentFilter {
        username: named("username"),
        role: named("role"),
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
    };
    Paging::new(&request).answer(move |part| state.manager.role_assignments(&filter, part), Body::from).await
}

/// Assigns a role to a user, for one customer or for all: 201, or 200 if the user has it already. Only operators and
/// superusers make somebody an operator.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/role-assignments/",
    tag = "Staff",
    request_body = RoleAssignmentRequest,
    responses(
        (status = 200, description = "The user already had the role", body = Body),
        (status = 201, description = "The user has the role", body = Body),
    ),
)]
pub async fn create(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, RoleAssignmentRequest>,
    state: State,
) -> ApiResult {
    let request = body.read().await??;
    let (username, role) = (request.username.0, request.role.0);
    // Nobody gives themselves more than they have.
    if Role::in_database(&role) == Some(Role::Operator) && !access.caller.may(Action::Operate) {
        return Err(ApiError::forbidden());
    }
    let customer = request.enterprise_customer_uuid.0.flatten().map(CustomerId);
    blocking(move || {
        let (assigned, new) =
            state.manager.give_role(&access.caller.actor(), &username, &RoleAssignment { role, customer })?;
        let status = if new { StatusCode::CREATED } else { StatusCode::OK };
        Response::json(status, &Body::from(assigned))
    })
    .await
}

/// Removes a role assignment: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/role-assignments/{role_assignment_id}/",
    tag = "Staff",
    responses((status = 204, description = "Removed")),
)]
pub async fn delete(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = RoleAssignmentId(path_integer(&request, "role_assignment_id")?);
    without_content(move || state.manager.take_role(&access.caller.actor(), id)).await
}
