//! `GET /api/v1/learner-licenses/?enterprise_customer_uuid=…`: a learner's licenses of one customer.

use actix_web::HttpRequest;
use license_manager_domain::CustomerId;
use license_manager_domain::ports::{LicenseFilter, Person};
use license_manager_domain::use_cases::{LearnerLicenseFilter, LearnerView};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::licenses::filter;
use crate::api::views::{AgreementBody, LearnerLicenseBody};
use crate::auth::caller::CheckedRead;
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
pub async fn list(access: CheckedRead<Listing<AdminOrLearner>>, request: HttpRequest, state: State) -> ApiResult {
    let (query, paging) = (Query::of(&request), Paging::new(&request));
    let read = access.read(move |state, access| {
        let asked = Asked::new(state.clone(), access, &query, paging)?;
        match asked.person.lms_user_id {
            Some(_) => asked.read(),
            None => Ok((asked, None)),
        }
    });
    let (mut asked, mut answer) = read.await?;
    if asked.person.lms_user_id.is_none() {
        // Nobody calls the LMS while they hold a turn.
        asked.person = state.manager.with_account(asked.person).await;
        (asked, answer) = reading(move || asked.read()).await?;
    }
    // A new address is rare, and storing it waits for those who write. Nobody who reads may wait for that.
    match answer {
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
    fn new(state: State, access: Listing<AdminOrLearner>, query: &Query, paging: Paging) -> ApiResult<Self> {
        let customer = query.customer()?;
        let wanted = LearnerLicenseFilter {
            include_revoked: query.flag("include_revoked").unwrap_or(false),
            active_plans_only: query.flag("active_plans_only").unwrap_or(true),
            current_plans_only: query.flag("current_plans_only").unwrap_or(true),
        };
        let filter = filter(query)?;
        let person = access.caller.person()?;
        Ok(Self { access, state, customer, wanted, filter, paging, person })
    }

    /// The question with its answer, if no license has an old address of the learner.
    fn read(self) -> ApiResult<(Self, Option<Response>)> {
        let manager = &self.state.manager;
        let view = manager.learner_licenses_unless_outdated(self.customer, &self.person, self.wanted)?;
        let answer = view.map(|view| self.answer(view)).transpose()?;
        Ok((self, answer))
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
