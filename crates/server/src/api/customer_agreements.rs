//! Agreements, for admins and learners of a customer: `GET /api/v1/customer-agreement/`, `…/{customer_agreement_uuid}/`.

use actix_web::HttpRequest;
use license_manager_domain::ports::AgreementFilter;
use license_manager_domain::{AgreementId, CustomerId};

use crate::api::views::AgreementWithPlansBody;
use crate::auth::permissions::{Listing, OfAgreement, OfferReader};
use crate::http::{ApiResult, PageBody, Paging, Query, Response, blocking};
use crate::openapi::parameters::{ActivePlansQuery, AgreementQuery, CustomerQuery, PageQuery};
use crate::state::State;

/// Lists agreements of the caller's customers with their active plans. `active_plans_only=false` includes the other plans.
#[utoipa::path(
    get,
    path = "/api/v1/customer-agreement/",
    tag = "Learners",
    params(CustomerQuery, AgreementQuery, ActivePlansQuery, PageQuery),
    responses((status = 200, description = "A page of agreements", body = PageBody<AgreementWithPlansBody>))
)]
pub async fn list(access: Listing<OfferReader>, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let filter = AgreementFilter {
        scope: access.scope,
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
        agreement: query.uuid("customer_agreement_uuid")?.map(AgreementId),
    };
    let (renewal_lock, active_plans_only) = (state.renewal_lock(), active_plans_only(&query));
    let view = move |overview| AgreementWithPlansBody::new(&overview, renewal_lock, active_plans_only);
    Paging::new(&request).answer(move |part| state.manager.agreements(&filter, part), view).await
}

/// Returns an agreement with its plans.
#[utoipa::path(
    get,
    path = "/api/v1/customer-agreement/{customer_agreement_uuid}/",
    tag = "Learners",
    params(ActivePlansQuery),
    responses((status = 200, description = "The agreement", body = AgreementWithPlansBody))
)]
pub async fn retrieve(access: OfAgreement<OfferReader>, request: HttpRequest, state: State) -> ApiResult {
    let active_plans_only = active_plans_only(&Query::of(&request));
    blocking(move || {
        let overview = state.manager.agreement(access.agreement)?;
        let renewal_lock = state.renewal_lock();
        Response::ok(&AgreementWithPlansBody::new(&overview, renewal_lock, active_plans_only))
    })
    .await
}

fn active_plans_only(query: &Query) -> bool {
    query.flag("active_plans_only").unwrap_or(true)
}
