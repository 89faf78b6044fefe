//! Counts requests.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use prometheus::IntGauge;
use tokio::time::Instant;

use crate::state::AppState;

/// Middleware for `from_fn`: counts the request by its route's pattern, never by its path.
pub async fn measure(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let state = AppState::of(request.request())?;
    let metrics = &state.monitor.metrics;
    let (start, method) = (Instant::now(), request.method().clone());
    // A guard, because the client may disconnect before the answer.
    let in_flight = InFlight::new(&metrics.requests_in_flight);
    // Routes are registered with a trailing slash, which is added to the request further in.
    let route = request.match_pattern();
    let answer = next.call(request).await;
    drop(in_flight);
    let (route, status) = match &answer {
        Ok(response) => (route.or_else(|| response.request().match_pattern()), response.status()),
        Err(error) => (route, error.as_response_error().status_code()),
    };
    metrics.answered(&method, route.as_deref().unwrap_or("unmatched"), status, start.elapsed());
    answer
}

struct InFlight<'a>(&'a IntGauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
