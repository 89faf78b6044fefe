//! The application: what its handlers share, and what every request passes through.

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::middleware::{Next, NormalizePath, TrailingSlash, from_fn};
use actix_web::{App, HttpRequest, ResponseError, web};
use license_manager_domain::{Error, LicenseManager};
use tokio::sync::Notify;

use crate::answer::Answer;
use crate::auth::TokenVerifier;
use crate::config::Secret;
use crate::cors::{BrowserPolicy, cors};
use crate::error::ApiError;
use crate::monitor::Monitor;
use crate::problem::{PROBLEM_JSON, problem_details};
use crate::throttle::Throttle;
use crate::{idempotency, identity, logging, metrics, monitor, routes, support, traces};

/// Below these paths answers are no JSON, whatever is accepted: Prometheus's text, and pages for people.
const NO_JSON: [&str; 3] = ["/metrics/", "/api-docs/", support::PATH];

/// What the handlers share.
pub struct AppState {
    /// The use cases.
    pub manager: LicenseManager,
    /// Whose tokens are trusted.
    pub verifier: TokenVerifier,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// Which web applications may use a user's cookies, and how.
    pub browser: BrowserPolicy,
    /// How many requests a caller may make.
    pub throttle: Throttle,
    /// Where learners activate licenses, without a slash at the end or with one.
    pub learner_portal: String,
    /// The user name of the service that may retire people.
    pub retirement_worker: String,
    /// What the checksums of subsidies are signed with, where anything is configured.
    pub subsidy_secret: Option<Secret>,
    /// Rouses the runner of jobs.
    pub wake_jobs: Arc<Notify>,
    /// How this process is.
    pub monitor: Arc<Monitor>,
}

impl AppState {
    /// The state of the application that received the request.
    pub fn of(request: &HttpRequest) -> Result<web::Data<Self>, ApiError> {
        let state = request.app_data::<web::Data<Self>>().cloned();
        state.ok_or_else(|| Error::storage("the application was built without its state").into())
    }
}

/// The application over this state.
pub fn app(
    state: web::Data<AppState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    let cors = cors(&state.browser.allowed_origins);
    App::new()
        .app_data(web::Data::from(state.monitor.clone()))
        .app_data(state)
        .configure(routes::configure)
        .default_service(web::to(|| async { Err::<Answer, _>(ApiError::no_such_page()) }))
        .wrap(from_fn(idempotency::once))
        .wrap(from_fn(identity::identify))
        .wrap(from_fn(monitor::only_when_started))
        .wrap(from_fn(negotiate))
        // Every path works with and without its trailing slash.
        .wrap(NormalizePath::new(TrailingSlash::Always))
        .wrap(from_fn(problem_details))
        .wrap(cors)
        .wrap(from_fn(metrics::measure))
        .wrap(from_fn(logging::request_log))
        .wrap(from_fn(traces::trace))
}

/// Refuses callers who accept none of the media types this service writes.
async fn negotiate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let writable = |range: &str| {
        let media_type = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(
            media_type.as_str(),
            "*/*" | "application/*" | "application/json" | PROBLEM_JSON | "text/csv" | "text/*"
        )
    };
    let is_json = !NO_JSON.iter().any(|path| request.path().starts_with(path));
    if is_json && !accepted.trim().is_empty() && !accepted.split(',').any(writable) {
        let message = "Accept application/json; some answers come as text/csv as well.";
        let error = ApiError::detail(StatusCode::NOT_ACCEPTABLE, message);
        return Ok(request.into_response(error.error_response()).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
