//! Plans as a customer's people see them.
//!
//! - `GET /api/v1/subscriptions/`, `GET /api/v1/subscriptions/{subscription_uuid}/`: for admins.
//! - `GET /api/v1/learner-subscriptions/`, `…/{subscription_uuid}/`: for learners too; without a customer the list is empty.

use actix_web::{HttpRequest, web};
use license_manager_domain::CustomerId;
use license_manager_domain::ports::{CustomerScope, PlanFilter};

use crate::access::{Admin, AdminOrLearner, Listing, OfPlan, RoleSet};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::error::ApiError;
use crate::listing::{Paging, query_uuid};
use crate::present::PlanWithCountsBody;
use crate::wire::query::Query;

/// The most plans a page has.
const MAX_PAGE_SIZE: u64 = 100;

/// Active plans of one customer, or every plan of the caller's customers where none is named. `current=true` leaves the one
/// current plan.
pub async fn list(
    access: Listing<Admin>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let customer = query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId);
    let filter = PlanFilter { scope: access.scope, customer, active_only: customer.is_some(), current_at: None };
    answer(filter, request, query, state).await
}

/// Active plans of the customer that is named.
pub async fn list_for_learner(
    access: Listing<AdminOrLearner>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let customer = query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId);
    let scope = if customer.is_some() { access.scope } else { CustomerScope::Only(Vec::new()) };
    answer(PlanFilter { scope, customer, active_only: true, current_at: None }, request, query, state).await
}

async fn answer(
    filter: PlanFilter,
    request: HttpRequest,
    query: Query,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    let current_only = query.flag("current") == Some(true);
    blocking(move || {
        let page = match current_only {
            true => state.manager.current_plan(&filter)?,
            false => state.manager.plans(&filter, |total| paging.window(total))?,
        };
        let plans = PlanWithCountsBody::all(&page, state.manager.settings().renewal_lock);
        Answer::ok(&paging.body(page.total, plans)?)
    })
    .await
}

/// One plan.
pub async fn retrieve<R: RoleSet>(access: OfPlan<R>, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    blocking(move || {
        let page = state.manager.plan(access.plan)?;
        let plans = PlanWithCountsBody::all(&page, state.manager.settings().renewal_lock);
        Answer::ok(&plans.first())
    })
    .await
}
