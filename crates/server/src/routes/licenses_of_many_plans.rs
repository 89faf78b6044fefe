//! `/api/v1/licenses/`, `…/{license_uuid}/`, `…/assign/` and `…/revoke/`: a plan's licenses where the plan is not in the path.

use actix_web::{HttpRequest, web};
use license_manager_domain::ports::LicenseSearch;
use license_manager_domain::{CustomerId, Entity, LicenseId, PlanId};
use serde_json::{Value, json};

use crate::access::{Admin, Listing, OfPlan, path_uuid};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::body::WithBody;
use crate::error::ApiError;
use crate::listing::{Paging, query_uuid};
use crate::present::LicenseBody;
use crate::routes::licenses::{MAX_PAGE_SIZE, filter, order};
use crate::routes::{license_assignment, license_revocation};
use crate::wire::fields::{Fields, uuid};
use crate::wire::query::Query;

/// The licenses of the caller's customers, or of one of them (`enterprise_customer_uuid`), or of one plan
/// (`subscription_plan`): filtered, searched and sorted as those of a plan.
pub async fn list(
    access: Listing<Admin>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let search = LicenseSearch {
        scope: access.scope,
        customer: query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId),
        plan: query_uuid(&query, "subscription_plan")?.map(PlanId),
        filter: filter(&query),
    };
    let order = order(&query);
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.search_licenses(&search, &order, |total| paging.window(total))?;
        let licenses = page.licenses.iter().map(LicenseBody::new).collect();
        Answer::ok(&paging.numbered_body(page.total, licenses)?)
    })
    .await
}

/// One license.
pub async fn retrieve(
    access: Listing<Admin>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let license = LicenseId(path_uuid(&request, "license_uuid")?);
    blocking(move || {
        access.check(state.manager.customer_of_license(license)?, Entity::License)?;
        Answer::ok(&LicenseBody::new(&state.manager.license(license)?))
    })
    .await
}

/// Assigns licenses of the plan that the body names as `subscription_plan`; see [`license_assignment::assign`].
pub async fn assign(
    WithBody { access, body }: WithBody<Listing<Admin>>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let access = OfPlan::checked(access, plan(&body)?, state.clone()).await?;
    license_assignment::assign(WithBody { access, body }, state).await
}

/// Revokes licenses of the plan that the body names as `subscription_plan`; see [`license_revocation::revoke`].
pub async fn revoke(
    WithBody { access, body }: WithBody<Listing<Admin>>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let access = OfPlan::checked(access, plan(&body)?, state.clone()).await?;
    license_revocation::revoke(WithBody { access, body }, state).await
}

/// The plan that the body names.
fn plan(body: &Value) -> Result<PlanId, ApiError> {
    // The body may name very many people: what else is in it is left to whoever reads the rest.
    let named = match body {
        Value::Object(object) => object.get("subscription_plan").map(|plan| json!({ "subscription_plan": plan })),
        other => Some(other.clone()),
    };
    let mut fields = Fields::new(named.unwrap_or_else(|| json!({})))?;
    let plan = fields.required("subscription_plan", uuid());
    fields.finish()?;
    Ok(PlanId(plan))
}
