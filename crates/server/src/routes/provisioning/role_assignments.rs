//! `/api/v1/provisioning-admins/role-assignments/`: provisioning admins hand out the roles that the database keeps.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use license_manager_domain::ports::{AssignedRole, RoleAssignment, RoleAssignmentFilter};
use license_manager_domain::{CustomerId, RoleAssignmentId};
use serde::Serialize;
use uuid::Uuid;

use crate::access::{Provisioner, path_integer};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::body::WithBody;
use crate::error::ApiError;
use crate::listing::{Paging, query_uuid};
use crate::wire::fields::{Fields, choice, text, uuid};
use crate::wire::query::Query;
use crate::wire::time::serialize as moment;

/// The most assignments a page has.
const MAX_PAGE_SIZE: u64 = 100;
/// The longest user name, in characters.
const MAX_USERNAME: usize = 150;

const ROLES: &[&str] = &["enterprise_subscriptions_admin", "enterprise_subscriptions_learner"];

/// A role assignment.
#[derive(Debug, Serialize)]
struct Body {
    id: i64,
    username: String,
    role: String,
    enterprise_customer_uuid: Option<Uuid>,
    #[serde(serialize_with = "moment")]
    created: DateTime<Utc>,
}

impl From<AssignedRole> for Body {
    fn from(assigned: AssignedRole) -> Self {
        Self {
            id: assigned.id.0,
            username: assigned.username,
            role: assigned.role.role,
            enterprise_customer_uuid: assigned.role.customer.map(|customer| customer.0),
            created: assigned.created,
        }
    }
}

/// Every assignment, or those that `username`, `role` and `enterprise_customer_uuid` leave.
pub async fn list(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let named = |name| query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let filter = RoleAssignmentFilter {
        username: named("username"),
        role: named("role"),
        customer: query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId),
    };
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.role_assignments(&filter, |total| paging.window(total))?;
        Answer::ok(&paging.body(page.total, page.records.into_iter().map(Body::from).collect())?)
    })
    .await
}

/// Gives a user a role, for one customer or, without one, for all: 201, or 200 where they have it. The user need not have called
/// yet.
pub async fn create(
    WithBody { body, .. }: WithBody<Provisioner>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body)?;
    let username = fields.required("username", text(1..=MAX_USERNAME));
    let role = fields.required("role", choice(ROLES)).to_owned();
    let customer = fields.nullable("enterprise_customer_uuid", uuid()).value().map(CustomerId);
    fields.finish()?;
    blocking(move || {
        let (assigned, new) = state.manager.give_role(&username, &RoleAssignment { role, customer })?;
        let status = if new { StatusCode::CREATED } else { StatusCode::OK };
        Answer::json(status, &Body::from(assigned))
    })
    .await
}

/// Takes a role away: 204.
pub async fn delete(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let id = RoleAssignmentId(path_integer(&request, "role_assignment_id")?);
    blocking(move || {
        state.manager.take_role(id)?;
        Ok(Answer::no_content())
    })
    .await
}
