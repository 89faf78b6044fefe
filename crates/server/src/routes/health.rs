//! `GET /health/`: whether the service and its database answer.

use actix_web::http::StatusCode;
use actix_web::web;
use serde_json::json;

use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::error::ApiError;

/// Answers 200 where the database answers, 503 where it does not.
pub async fn health(state: web::Data<AppState>) -> Result<Answer, ApiError> {
    blocking(move || {
        let (code, status) = match state.manager.store().ping() {
            Ok(()) => (StatusCode::OK, "OK"),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        };
        let body = json!({ "overall_status": status, "detailed_status": { "database_status": status } });
        Answer::json(code, &body)
    })
    .await
}
