//! `GET /health/`: whether the service and its database answer.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::error::ApiError;

/// How the service is.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthBody {
    /// `OK` or `UNAVAILABLE`.
    overall_status: &'static str,
    detailed_status: DetailedHealthBody,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DetailedHealth)]
struct DetailedHealthBody {
    /// `OK` or `UNAVAILABLE`.
    database_status: &'static str,
}

/// Answers 200 where the database answers, 503 where it does not.
#[utoipa::path(
    get,
    path = "/health/",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "The database answers", body = HealthBody),
        (status = 503, description = "The database does not answer", body = HealthBody),
    )
)]
pub async fn health(state: web::Data<AppState>) -> Result<Answer, ApiError> {
    blocking(move || {
        let (code, status) = match state.manager.store().ping() {
            Ok(()) => (StatusCode::OK, "OK"),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        };
        let detailed_status = DetailedHealthBody { database_status: status };
        let body = HealthBody { overall_status: status, detailed_status };
        Answer::json(code, &body)
    })
    .await
}
