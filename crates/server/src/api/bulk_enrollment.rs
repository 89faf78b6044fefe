//! `/api/v1/bulk-license-enrollment/`: an admin enrolls learners in courses that their licenses pay for.
//!
//! Every request names its customer: `?enterprise_customer_uuid=…`. A customer without an agreement is 404.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use deserr::Deserr;
use license_manager_domain::model::Enrollees;
use license_manager_domain::{BulkEnrollment, CustomerId, EnrollmentJobId, Entity, Error, LicenseManager, PlanId};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::caller::{Caller, Check, Checked, Extraction, extract};
use crate::auth::permissions::{Admin, Listing};
use crate::http::body::{Body, EmailsToLookUp, Guarded};
use crate::http::fields::{Boolean, FieldErrors, List, Nullable, Optional, Required, Text, UuidText};
use crate::http::page::LinkBase;
use crate::http::{ApiError, ApiResult, Query, Response, WithBody, blocking};
use crate::openapi::errors::{BadRequest, Detail};
use crate::openapi::parameters::BomQuery;
use crate::state::State;

/// The customer and the learners.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EnrollmentQuery {
    /// The customer.
    pub enterprise_customer_uuid: Uuid,
    /// `true` enrolls everybody who has a license of the plan.
    pub enroll_all: Option<bool>,
    /// The plan, if the body does not name it.
    pub subscription_id: Option<Uuid>,
    /// Another name for `subscription_id`.
    pub subscription_uuid: Option<Uuid>,
}

/// The enrollment.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EnrollmentJobQuery {
    /// The customer.
    pub enterprise_customer_uuid: Uuid,
    /// The `job_id` from the response to the request.
    pub bulk_enrollment_job_uuid: Uuid,
}

/// The learners and the course runs: at most 500 enrollments, or as many as the server is configured for. Duplicates count once.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct EnrollmentRequest {
    /// The learners' addresses; not needed with `enroll_all=true`.
    #[deserr(default)]
    pub emails: Optional<EmailsToLookUp>,
    /// The course runs.
    pub course_run_keys: Required<List<Text<1, 255>, 1, 1_000>>,
    /// Whether they get a mail.
    pub notify: Required<Boolean>,
    /// The plan whose licenses pay; the default is any plan of the customer.
    #[deserr(default)]
    pub subscription_id: Nullable<UuidText>,
}

/// A requested enrollment.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrollmentJob)]
struct JobBody {
    job_id: Uuid,
}

/// The status of an enrollment.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrollmentJobStatus)]
struct JobStatusBody {
    job_id: Uuid,
    /// The address of the results; null until the job is done, and if an imported job has none. If they are in a bucket, the address needs no token and is valid for an hour.
    download_url: Option<String>,
}

/// Queues the enrollment, which runs after the response: 201. With `enroll_all=true`, everybody who has a license of the plan
/// `subscription_id` is enrolled, and `emails` is ignored.
#[utoipa::path(
    post,
    path = "/api/v1/bulk-license-enrollment/",
    tag = "Licenses",
    params(EnrollmentQuery),
    request_body = EnrollmentRequest,
    responses(
        (status = 201, description = "The enrollment is queued", body = JobBody),
        (status = 404, description = "The customer has no agreement", body = Detail),
    ),
)]
pub async fn request(
    WithBody { access, body }: WithBody<OfCustomer, EnrollmentRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let enrollment = read(&Query::of(&request), body).await?;
    blocking(move || {
        let user = access.caller.lms_user_id();
        let job = state.manager.request_enrollment(access.customer, user, enrollment)?;
        Response::json(StatusCode::CREATED, &JobBody { job_id: job.0 })
    })
    .await
}

/// Returns the status of an enrollment, with a `download_url` once it is done.
#[utoipa::path(
    get,
    path = "/api/v1/bulk-license-enrollment/",
    tag = "Licenses",
    params(EnrollmentJobQuery),
    responses(
        (status = 200, description = "How far it is", body = JobStatusBody),
        (status = 400, description = "The customer or the job is not named", body = BadRequest),
        (status = 404, description = "The customer has no agreement, or no such enrollment", body = Detail),
    ),
)]
pub async fn status(access: OfCustomer, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let path = format!("{}results/", request.path());
    let links = LinkBase::new(&request, &path);
    let manager = state.manager.clone();
    let job = find(access, &query, state, LicenseManager::enrollment_job).await?;
    let address = || {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("enterprise_customer_uuid", &job.customer.to_string());
        query.append_pair("bulk_enrollment_job_uuid", &job.id.to_string());
        links.with_query(&query.finish())
    };
    let download_url = match job.is_done() {
        true => manager.enrollment_file(&job).await.or_else(|| job.has_results().then(address)),
        false => None,
    };
    Response::ok(&JobStatusBody { job_id: job.id.0, download_url })
}

/// Returns the results of an enrollment as CSV. 404 until it is done.
#[utoipa::path(
    get,
    path = "/api/v1/bulk-license-enrollment/results/",
    tag = "Licenses",
    params(EnrollmentJobQuery, BomQuery),
    responses(
        (status = 200, description = "A line for each learner and course run", body = String, content_type = "text/csv"),
        (status = 400, description = "The customer or the job is not named", body = BadRequest),
        (status = 404, description = "The customer has no agreement, or no such enrollment, or it is not done", body = Detail),
    ),
)]
pub async fn results(access: OfCustomer, request: HttpRequest, state: State) -> ApiResult<HttpResponse> {
    let query = Query::of(&request);
    let found = |manager: &LicenseManager, customer, job| Ok((job, manager.enrollment_results(customer, job)?));
    let (job, results) = find(access, &query, state, found).await?;
    let missing =
        "The bulk enrollment is not done yet, or another service carried it out and its results are not here.";
    let results = results.ok_or_else(|| ApiError::detail(StatusCode::NOT_FOUND, missing))?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"bulk-enrollment-{job}.csv\"")))
        .body(format!("{}{results}", query.csv_start())))
}

/// Reads the enrollment that the query names.
async fn find<T: Send + 'static>(
    OfCustomer { customer, .. }: OfCustomer,
    query: &Query,
    state: State,
    known: impl FnOnce(&LicenseManager, CustomerId, EnrollmentJobId) -> Result<T, Error> + Send + 'static,
) -> ApiResult<T> {
    let job = query.uuid("bulk_enrollment_job_uuid")?.map(EnrollmentJobId);
    let missing = || ApiError::text(StatusCode::BAD_REQUEST, "Name the job: bulk_enrollment_job_uuid is missing.");
    let job = job.ok_or_else(missing)?;
    blocking(move || Ok(known(&state.manager, customer, job)?)).await
}

/// The permission to administer the customer that the query names. A customer without an agreement is refused before one outside the
/// caller's scope.
pub struct OfCustomer {
    caller: Caller,
    customer: CustomerId,
}

impl Guarded for OfCustomer {
    type Access = Listing<Admin>;
    type Whole = Self;
}

impl Checked for OfCustomer {
    fn of_request(request: &HttpRequest) -> Check<Self> {
        let query = Query::of(request);
        Box::new(move |state, caller| {
            let listing = Listing::<Admin>::of(caller)?;
            let customer = query.customer()?;
            if !state.manager.has_agreement(customer)? {
                return Err(Error::NotFound(Entity::Agreement).into());
            }
            listing.check(Some(customer), Entity::Agreement)?;
            Ok(Self { caller: listing.caller, customer })
        })
    }
}

impl FromRequest for OfCustomer {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request)
    }
}

async fn read(query: &Query, mut body: Body<EnrollmentRequest>) -> ApiResult<BulkEnrollment> {
    let enroll_all = query.flag("enroll_all").unwrap_or(false);
    let mut errors = FieldErrors::default();
    if let Value::Object(fields) = body.json() {
        // Clients send the plan in the query, under either name, or in the body.
        let named =
            ["subscription_id", "subscription_uuid"].map(|name| query.get(name).filter(|plan| !plan.is_empty()));
        if let Some(plan) = named.into_iter().flatten().next() {
            fields.entry("subscription_id").or_insert_with(|| plan.into());
        }
        let needed = if enroll_all { "subscription_id" } else { "emails" };
        errors.require(fields, needed);
        if enroll_all {
            fields.remove("emails");
        }
    }
    let request = errors.and(body.read().await?)?;
    let plan = request.subscription_id.0.flatten();
    let learners = match enroll_all {
        true => Enrollees::Holders,
        false => Enrollees::Emails(request.emails.0.unwrap_or_default()),
    };
    let course_run_keys = request.course_run_keys.0;
    Ok(BulkEnrollment { learners, plan: plan.map(PlanId), course_run_keys, notify: request.notify.0 })
}
