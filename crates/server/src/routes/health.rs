//! `GET /health/`: whether the service and its database answer.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::app::AppState;
use crate::error::ApiError;

/// Answers 200 where the database answers, 503 where it does not.
pub async fn health(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let database = web::block(move || state.manager.store().ping()).await?;
    let (mut response, status) = match database {
        Ok(()) => (HttpResponse::Ok(), "OK"),
        Err(_) => (HttpResponse::ServiceUnavailable(), "UNAVAILABLE"),
    };
    Ok(response.json(json!({ "overall_status": status, "detailed_status": { "database_status": status } })))
}
