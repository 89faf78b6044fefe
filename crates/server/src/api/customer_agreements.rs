//! Agreements, for admins and learners of a customer: `GET /api/v1/customer-agreement/`, `…/{customer_agreement_uuid}/`.

use actix_web::HttpRequest;
use license_manager_domain::ports::AgreementFilter;
use license_manager_domain::{AgreementId, CustomerId};

use crate::api::views::AgreementWithPlansBody;
use crate::auth::caller::CheckedRead;
use crate::auth::permissions::{Listing, OfAgreement, OfferReader};
use crate::http::{ApiResult, PageBody, Paging, Query, Response};
use crate::openapi::parameters::{ActivePlansQuery, AgreementQuery, CustomerQuery, PageQuery};

/// Lists agreements of the caller's customers with their active plans. `active_plans_only=false` includes the other plans.
#[utoipa::path(
    get,
    path = "/api/v1/customer-agreement/",
    tag = "Learners",
    params(CustomerQuery, AgreementQuery, ActivePlansQuery, PageQuery),
    responses((status = 200, description = "A page of agreements", body = PageBody<AgreementWithPlansBody>))
)]
pub async fn list(access: CheckedRead<Listing<OfferReader>>, request: HttpRequest) -> ApiResult {
    let (query, paging) = (Query::of(&request), Paging::new(&request));
    let read = access.read(move |state, access| {
        let filter = AgreementFilter {
            scope: access.scope,
            customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
            agreement: query.uuid("customer_agreement_uuid")?.map(AgreementId),
        };
        let (renewal_lock, active_plans_only) = (state.renewal_lock(), active_plans_only(&query));
        let view = |overview| AgreementWithPlansBody::new(&overview, renewal_lock, active_plans_only);
        paging.response(|part| state.manager.agreements(&filter, part), view)
    });
    read.await
}

/// Returns an agreement with its plans.
#[utoipa::path(
    get,
    path = "/api/v1/customer-agreement/{customer_agreement_uuid}/",
    tag = "Learners",
    params(ActivePlansQuery),
    responses((status = 200, description = "The agreement", body = AgreementWithPlansBody))
)]
pub async fn retrieve(access: CheckedRead<OfAgreement<OfferReader>>, request: HttpRequest) -> ApiResult {
    let active_plans_only = active_plans_only(&Query::of(&request));
    let read = access.read(move |state, access| {
        let overview = state.manager.agreement(access.agreement)?;
        Response::ok(&AgreementWithPlansBody::new(&overview, state.renewal_lock(), active_plans_only))
    });
    read.await
}

fn active_plans_only(query: &Query) -> bool {
    query.flag("active_plans_only").unwrap_or(true)
}
