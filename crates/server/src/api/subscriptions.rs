//! Plans, for admins and learners of a customer.
//!
//! - `GET /api/v1/subscriptions/`, `GET /api/v1/subscriptions/{subscription_uuid}/`: for admins.
//! - `GET /api/v1/learner-subscriptions/`, `…/{subscription_uuid}/`: for learners too; without a customer the list is empty.

use actix_web::HttpRequest;
use license_manager_domain::ports::{CustomerScope, PlanFilter};
use license_manager_domain::use_cases::Page;
use license_manager_domain::{CustomerId, LicenseManager};

use crate::api::views::PlanWithCountsBody;
use crate::auth::caller::CheckedRead;
use crate::auth::permissions::{Listing, OfPlan, OfferReader, Permission, Reader};
use crate::http::paging::Part;
use crate::http::{ApiResult, PageBody, Paging, Query, Response};
use crate::lists::Lists;
use crate::openapi::errors::BadRequest;
use crate::openapi::parameters::{CurrentQuery, CustomerQuery, PageQuery};

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
pub async fn list(access: CheckedRead<Listing<Reader>>, request: HttpRequest, lists: Lists) -> ApiResult {
    let (query, paging) = (Query::of(&request), Paging::new(&request));
    let read = access.read(move |_, access| {
        let customer = query.uuid("enterprise_customer_uuid")?.map(CustomerId);
        let filter = PlanFilter { customer, active_only: customer.is_some(), ..PlanFilter::new(access.scope) };
        answer(&filter, &query, &paging, &lists.manager)
    });
    read.await
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
pub async fn list_for_learner(access: CheckedRead<Listing<OfferReader>>, request: HttpRequest) -> ApiResult {
    let (query, paging) = (Query::of(&request), Paging::new(&request));
    let read = access.read(move |state, access| {
        let customer = query.uuid("enterprise_customer_uuid")?.map(CustomerId);
        let scope = if customer.is_some() { access.scope } else { CustomerScope::Only(Vec::new()) };
        let filter = PlanFilter { customer, active_only: true, ..PlanFilter::new(scope) };
        answer(&filter, &query, &paging, &state.manager)
    });
    read.await
}

fn answer(filter: &PlanFilter, query: &Query, paging: &Paging, manager: &LicenseManager) -> ApiResult {
    let current_only = query.flag("current") == Some(true);
    if current_only {
        query.customer()?;
    }
    let renewal_lock = manager.settings().renewal_lock;
    let read = |part: Part<'_>| match current_only {
        true => Ok(Page::from(manager.current_plan(filter)?)),
        false => manager.plans(filter, part),
    };
    paging.response(read, |plan| PlanWithCountsBody::of(&plan, renewal_lock))
}

/// Returns a plan.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/",
    tag = "Plans",
    responses((status = 200, description = "The plan", body = PlanWithCountsBody))
)]
pub async fn retrieve(access: CheckedRead<OfPlan<Reader>>) -> ApiResult {
    one(access).await
}

/// Returns a plan.
#[utoipa::path(
    get,
    path = "/api/v1/learner-subscriptions/{subscription_uuid}/",
    tag = "Learners",
    responses((status = 200, description = "The plan", body = PlanWithCountsBody))
)]
pub async fn retrieve_for_learner(access: CheckedRead<OfPlan<OfferReader>>) -> ApiResult {
    one(access).await
}

async fn one<P: Permission>(access: CheckedRead<OfPlan<P>>) -> ApiResult {
    let read = access.read(|state, access| {
        let plan = state.manager.plan(access.plan)?;
        Response::ok(&PlanWithCountsBody::of(&plan, state.renewal_lock()))
    });
    read.await
}
