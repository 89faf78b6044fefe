//! Plans, for admins and learners of a customer.
//!
//! - `GET /api/v1/subscriptions/`, `GET /api/v1/subscriptions/{subscription_uuid}/`: for admins.
//! - `GET /api/v1/learner-subscriptions/`, `…/{subscription_uuid}/`: for learners too; without a customer the list is empty.

use actix_web::HttpRequest;
use license_manager_domain::ports::{CustomerScope, PlanFilter};
use license_manager_domain::use_cases::Page;
use license_manager_domain::{CustomerId, LicenseManager, PlanId};

use crate::api::views::PlanWithCountsBody;
use crate::auth::permissions::{Listing, OfPlan, OfferReader, Reader};
use crate::http::paging::Part;
use crate::http::{ApiResult, PageBody, Paging, Query, Response, blocking};
use crate::lists::Lists;
use crate::openapi::errors::BadRequest;
use crate::openapi::parameters::{CurrentQuery, CustomerQuery, PageQuery};
use crate::state::State;

/// Lists the active plans of a customer, or all plans of the caller's customers if no customer is named. `current=true` returns only the
/// customer's current plan; of several, the one that was created last.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/",
    tag = "Plans",
    params(CustomerQuery, CurrentQuery, PageQuery),
    responses(
        (status = 200, description = "A page of plans", body = PageBody<PlanWithCountsBody>),
        (status = 400, description = "`current=true` without a customer", body = BadRequest),
    )
)]
pub async fn list(access: Listing<Reader>, request: HttpRequest, lists: Lists) -> ApiResult {
    let query = Query::of(&request);
    let customer = query.uuid("enterprise_customer_uuid")?.map(CustomerId);
    let filter = PlanFilter { customer, active_only: customer.is_some(), ..PlanFilter::new(access.scope) };
    answer(filter, request, query, lists.manager).await
}

/// Lists the active plans of the named customer. `current=true` returns only the current plan; of several, the one that was created last.
#[utoipa::path(
    get,
    path = "/api/v1/learner-subscriptions/",
    tag = "Learners",
    params(CustomerQuery, CurrentQuery, PageQuery),
    responses(
        (status = 200, description = "A page of plans", body = PageBody<PlanWithCountsBody>),
        (status = 400, description = "`current=true` without a customer", body = BadRequest),
    )
)]
pub async fn list_for_learner(access: Listing<OfferReader>, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let customer = query.uuid("enterprise_customer_uuid")?.map(CustomerId);
    let scope = if customer.is_some() { access.scope } else { CustomerScope::Only(Vec::new()) };
    answer(PlanFilter { customer, active_only: true, ..PlanFilter::new(scope) }, request, query, state.manager.clone())
        .await
}

async fn answer(filter: PlanFilter, request: HttpRequest, query: Query, manager: LicenseManager) -> ApiResult {
    let current_only = query.flag("current") == Some(true);
    if current_only {
        query.customer()?;
    }
    let renewal_lock = manager.settings().renewal_lock;
    let read = move |part: Part<'_>| match current_only {
        true => Ok(Page::from(manager.current_plan(&filter)?)),
        false => manager.plans(&filter, part),
    };
    Paging::new(&request).answer(read, move |plan| PlanWithCountsBody::of(&plan, renewal_lock)).await
}

/// Returns a plan.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/",
    tag = "Plans",
    responses((status = 200, description = "The plan", body = PlanWithCountsBody))
)]
pub async fn retrieve(access: OfPlan<Reader>, state: State) -> ApiResult {
    one(access.plan, state).await
}

/// Returns a plan.
#[utoipa::path(
    get,
    path = "/api/v1/learner-subscriptions/{subscription_uuid}/",
    tag = "Learners",
    responses((status = 200, description = "The plan", body = PlanWithCountsBody))
)]
pub async fn retrieve_for_learner(access: OfPlan<OfferReader>, state: State) -> ApiResult {
    one(access.plan, state).await
}

async fn one(plan: PlanId, state: State) -> ApiResult {
    blocking(move || {
        let plan = state.manager.plan(plan)?;
        Response::ok(&PlanWithCountsBody::of(&plan, state.renewal_lock()))
    })
    .await
}
