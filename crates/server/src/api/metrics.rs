//! `GET /metrics`: metrics for Prometheus.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::http::{ApiError, ApiResult};
use crate::telemetry::metrics::MEDIA_TYPE;
use crate::telemetry::monitor::Monitor;

/// Returns the metrics of this process and of the database, in Prometheus's text format.
pub async fn metrics(request: HttpRequest, monitor: web::Data<Monitor>) -> ApiResult<HttpResponse> {
    if !monitor.shows_metrics(request.app_data::<ForMonitoring>().is_some()) {
        return Err(ApiError::no_such_page());
    }
    if let Some(token) = monitor.metrics_token()
        && sent(&request).is_none_or(|sent| verify_slices_are_equal(token.expose().as_bytes(), sent).is_err())
    {
        let mut answer = ApiError::detail(
            StatusCode::UNAUTHORIZED,
            "Send the token of metrics.token: Authorization: Bearer <token>.",
        )
        .error_response();
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"metrics\""));
        return Ok(answer);
    }
    let text = monitor.into_inner().metrics_text().await?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, MEDIA_TYPE)).body(text))
}

/// Marks, in its data, an application that answers only requests for monitoring.
pub struct ForMonitoring;

/// The token of a `Bearer` credential.
fn sent(request: &HttpRequest) -> Option<&[u8]> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().as_bytes())
}
