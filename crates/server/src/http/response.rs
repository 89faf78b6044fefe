//! The responses of handlers, and the threads that they block.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use license_manager_domain::Error;
use opentelemetry::Context;
use serde::Serialize;

use crate::auth::user_updates::PendingUpdate;
use crate::http::error::ApiError;
use crate::http::turns::{self, Access, Turn};

/// The result of a handler.
pub type ApiResult<T = Response> = Result<T, ApiError>;

/// A response in JSON, or without a body. Unlike actix-web's response it can cross threads: it is serialized on the blocking thread that
/// read the data.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    body: Option<Vec<u8>>,
}

impl Response {
    /// 200 with a body.
    pub fn ok(body: &impl Serialize) -> ApiResult<Self> {
        Self::json(StatusCode::OK, body)
    }

    /// A status with a body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> ApiResult<Self> {
        let body =
            serde_json::to_vec(body).map_err(|error| Error::internal(format!("a response has no JSON: {error}")))?;
        Ok(Self { status, body: Some(body) })
    }

    /// A status without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, body: None }
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }
}

impl Responder for Response {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        match self.body {
            Some(body) => response.content_type(ContentType::json()).body(body),
            None => response.finish(),
        }
    }
}

/// Work that blocks its thread. It is boxed, because what the runtime needs for it is then compiled once for each kind of
/// result, and not for each handler.
type Work<T> = Box<dyn FnOnce() -> ApiResult<T> + Send>;

/// Does the request's work at the database on a blocking thread, when its turn comes, within the request's log span and
/// trace.
///
/// # Errors
/// 503 if its turn does not come; see [`crate::http::turns`].
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    of_request(Access::Write, Box::new(work)).await
}

/// As [`blocking`], for work of any request that only reads.
pub async fn reading<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    of_request(Access::Read, Box::new(work)).await
}

/// As [`reading`], for the look-ups of who asks and what they may do.
pub async fn checking<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    of_request(Access::Check, Box::new(work)).await
}

/// As [`blocking`], for a request that reads by its method and now has to write. It takes its turn to write only after
/// earlier work of the request has given up its own.
pub async fn writing<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    in_turn(turns::to_write().await?, work).await
}

/// As [`blocking`]; the response is 204, whatever the work returns.
pub async fn without_content<T, E: Into<ApiError>>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> ApiResult {
    blocking(move || work().map(|_| Response::no_content()).map_err(Into::into)).await
}

async fn of_request<T: Send + 'static>(access: Access, work: Work<T>) -> ApiResult<T> {
    in_turn(turns::of_request(access).await?, work).await
}

/// Does work at the database on a blocking thread. The turn ends with the work, also if nobody waits for the result any
/// more.
pub async fn in_turn<T: Send + 'static>(
    turn: Option<Turn>,
    work: impl FnOnce() -> ApiResult<T> + Send + 'static,
) -> ApiResult<T> {
    on_thread(move || {
        let _turn = turn;
        work()
    })
    .await
}

/// Runs work that takes long, but does not use the database, on a blocking thread, within the request's log span and
/// trace.
pub async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    boxed_on_thread(Box::new(work)).await
}

async fn boxed_on_thread<T: Send + 'static>(work: Work<T>) -> ApiResult<T> {
    let (span, trace, pending) = (tracing::Span::current(), Context::current(), PendingUpdate::of_request());
    let work = move || {
        let _traced = trace.attach();
        span.in_scope(|| PendingUpdate::on_thread(pending, work))
    };
    web::block(work).await?
}
