//! The endpoints for monitoring.

use actix_web::web;

use crate::api::{health, metrics};
use crate::telemetry::monitor::WATCHED;

/// Adds the endpoints for monitoring. A worker has only these.
pub fn configure(service: &mut web::ServiceConfig) {
    let [health, live, ready, metrics] = WATCHED;
    let get = |path: &str| web::resource(path.to_owned());
    service
        .service(get(health).route(web::get().to(health::health)).route(web::head().to(health::health)))
        .service(get(live).route(web::get().to(health::live)).route(web::head().to(health::live)))
        .service(get(ready).route(web::get().to(health::ready)).route(web::head().to(health::ready)))
        .service(get(metrics).route(web::get().to(metrics::metrics)).route(web::head().to(metrics::metrics)));
}
