//! Puts the application together: middleware and routes.

use actix_web::body::{BodySize, EitherBody, MessageBody, None as NoBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::ACCEPT;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, NormalizePath, TrailingSlash, from_fn};
use actix_web::{App, ResponseError, web};
use license_manager_console::Console;
use license_manager_domain::Error;

use crate::api;
use crate::auth::{deferred_updates, identity};
use crate::http::cors::cors;
use crate::http::error::ApiError;
use crate::http::problem::{PROBLEM_JSON, problem_details};
use crate::http::response::Response;
use crate::http::{hardening, idempotency, sending, turns};
use crate::lists;
use crate::state::AppState;
use crate::telemetry::monitor::{Phase, is_watched};
use crate::telemetry::{logging, request_metrics, traces};

/// The prefixes of paths whose answers are not JSON: Prometheus's text and pages.
const NO_JSON: [&str; 5] =
    ["/metrics/", "/api-docs/", "/admin/", license_manager_console::PATH, license_manager_console::LOGOUT_PATH];

/// The application over this state, with a console or without.
pub fn app(
    state: web::Data<AppState>,
    console: Option<web::Data<Console>>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    let cors = cors(&state.browser);
    App::new()
        .app_data(web::Data::from(state.monitor.clone()))
        .app_data(state)
        .configure(api::configure)
        .configure(|service| {
            if let Some(console) = console {
                license_manager_console::configure(service, console);
            }
        })
        .default_service(web::to(|| async { Err::<Response, _>(ApiError::no_such_page()) }))
        .wrap(from_fn(head_as_get))
        .wrap(from_fn(deferred_updates::store_callers))
        .wrap(from_fn(idempotency::once))
        .wrap(from_fn(lists::note_writes))
        .wrap(from_fn(identity::identify))
        .wrap(from_fn(only_when_started))
        .wrap(from_fn(negotiate))
        // Every path works with and without a trailing slash.
        .wrap(NormalizePath::new(TrailingSlash::Always))
        .wrap(from_fn(hardening::only_allowed_hosts))
        .wrap(from_fn(problem_details))
        .wrap(from_fn(hardening::protect))
        .wrap(cors)
        .wrap(from_fn(request_metrics::measure))
        .wrap(from_fn(logging::request_log))
        .wrap(from_fn(traces::trace))
        .wrap(from_fn(turns::by_method))
        .wrap(from_fn(sending::in_time))
}

/// Before the migrations are done, answers only monitoring requests.
async fn only_when_started(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let state = AppState::of(request.request())?;
    if state.monitor.phase() == Phase::Starting && !is_watched(request.path()) {
        let error = ApiError::from(Error::Unavailable);
        return Ok(request.into_response(error.error_response()).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// Has HEAD answered as GET is. The body is left out when the answer is sent. One that is read while it is sent is not
/// read at all.
async fn head_as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, NoBody>>, actix_web::Error> {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| match is_head && body.size() == BodySize::Stream {
        true => EitherBody::right(NoBody::new()),
        false => EitherBody::left(body),
    }))
}

/// Answers 406 to clients that accept no media type of this service.
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
    let is_root = request.path() == license_manager_console::ROOT_PATH;
    let is_json = !is_root && !NO_JSON.iter().any(|path| request.path().starts_with(path));
    if is_json && !accepted.trim().is_empty() && !accepted.split(',').any(writable) {
        let message = "Accept application/json; some answers come as text/csv as well.";
        let error = ApiError::detail(StatusCode::NOT_ACCEPTABLE, message);
        return Ok(request.into_response(error.error_response()).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
