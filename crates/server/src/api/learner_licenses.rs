//! `GET /api/v1/learner-licenses/?enterprise_customer_uuid=…`: a learner's licenses of one customer.

use std::sync::Arc;

use actix_web::HttpRequest;
use license_manager_domain::CustomerId;
use license_manager_domain::ports::{LicenseFilter, Person};
use license_manager_domain::use_cases::{LearnerLicenseFilter, LearnerView};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::licenses::filter;
use crate::api::views::{AgreementBody, LearnerLicenseBody};
use crate::auth::permissions::{AdminOrLearner, Listing};
use crate::http::{ApiResult, Paging, PositionedPageBody, Query, Response, reading, writing};
use crate::openapi::errors::BadRequest;
use crate::openapi::parameters::{LicenseFilterQuery, PageQuery};
use crate::state::State;

/// The filters of a learner's licenses.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LearnerLicensesQuery {
    /// The customer.
    pub enterprise_customer_uuid: Uuid,
    /// `true` includes revoked licenses.
    pub include_revoked: Option<bool>,
    /// `false` includes licenses of plans that are not active.
    pub active_plans_only: Option<bool>,
    /// `false` includes licenses of plans that are not current.
    pub current_plans_only: Option<bool>,
}

/// A page of licenses, and the agreement they belong to.
#[derive(Serialize, ToSchema)]
#[schema(as = LearnerLicensesPage)]
struct Body {
    #[serde(flatten)]
    page: PositionedPageBody<LearnerLicenseBody>,
    customer_agreement: Option<AgreementBody>,
}

/// Lists the caller's licenses of a customer. By default they are not revoked, and their plans are active and current. The list is empty if
/// the caller's roles are for other customers.
#[utoipa::path(
    get,
    path = "/api/v1/learner-licenses/",
    tag = "Learners",
    params(LearnerLicensesQuery, LicenseFilterQuery, PageQuery),
    responses(
        (status = 200, description = "A page of licenses", body = Body),
        (status = 400, description = "No customer, or a token that names nobody", body = BadRequest),
    )
)]
pub async fn list(access: Listing<AdminOrLearner>, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let customer = query.customer()?;
    let wanted = LearnerLicenseFilter {
        include_revoked: query.flag("include_revoked").unwrap_or(false),
        active_plans_only: query.flag("active_plans_only").unwrap_or(true),
        current_plans_only: query.flag("current_plans_only").unwrap_or(true),
    };
    let filter = filter(&query)?;
    let paging = Paging::new(&request);
    let person = state.manager.with_account(access.caller.person()?).await;
    let asked = Arc::new(Asked { access, state, customer, wanted, filter, paging, person });
    let reader = asked.clone();
    // A new address is rare, and storing it waits for those who write. Nobody who reads may wait for that.
    match reading(move || reader.read()).await? {
        Some(response) => Ok(response),
        None => writing(move || asked.update()).await,
    }
}

/// A learner's question.
struct Asked {
    access: Listing<AdminOrLearner>,
    state: State,
    customer: CustomerId,
    wanted: LearnerLicenseFilter,
    filter: LicenseFilter,
    paging: Paging,
    person: Person,
}

impl Asked {
    /// The answer, if no license has an old address of the learner.
    fn read(&self) -> ApiResult<Option<Response>> {
        let manager = &self.state.manager;
        let view = manager.learner_licenses_unless_outdated(self.customer, &self.person, self.wanted)?;
        view.map(|view| self.answer(view)).transpose()
    }

    /// The answer, after their licenses got their address.
    fn update(&self) -> ApiResult {
        let actor = self.access.caller.actor();
        self.answer(self.state.manager.learner_licenses(&actor, self.customer, &self.person, self.wanted)?)
    }

    fn answer(&self, mut view: LearnerView) -> ApiResult {
        let shown = self.access.scope.covers(self.customer);
        view.licenses.retain(|found| shown && self.filter.matches(&found.license));
        let renewal_lock = self.state.renewal_lock();
        let page = self.paging.positioned_body(view.licenses, |found| LearnerLicenseBody::new(&found, renewal_lock))?;
        Response::ok(&Body { page, customer_agreement: view.agreement.as_deref().map(AgreementBody::new) })
    }
}
