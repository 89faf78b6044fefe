//! `/health/`: whether the service is alive and ready.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiResult, Response};
use crate::telemetry::monitor::{Monitor, Phase, Schema};

const OK: &str = "OK";
const UNAVAILABLE: &str = "UNAVAILABLE";

/// The health of the service.
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

/// Returns 200 if the database responds, 503 if it does not or the service is starting.
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
pub async fn health(monitor: web::Data<Monitor>) -> ApiResult {
    let readiness = monitor.into_inner().readiness().await?;
    let (code, status) = judged(readiness.phase != Phase::Starting && readiness.database);
    let detailed_status = DetailedHealthBody { database_status: status };
    Response::json(code, &HealthBody { overall_status: status, detailed_status })
}

/// The process is alive.
#[derive(Serialize, ToSchema)]
#[schema(as = Liveness)]
struct LivenessBody {
    /// `OK`.
    overall_status: &'static str,
}

/// Returns 200 while the process runs, even without a database, because a restart would not help. See `/health/ready/`.
#[utoipa::path(
    get,
    path = "/health/live/",
    tag = "Service",
    security(()),
    responses((status = 200, description = "The process answers", body = LivenessBody))
)]
pub async fn live() -> ApiResult {
    Response::ok(&LivenessBody { overall_status: OK })
}

/// Whether the service is ready.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
struct ReadinessBody {
    /// `OK` or `UNAVAILABLE`.
    overall_status: &'static str,
    detailed_status: DetailedReadinessBody,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DetailedReadiness)]
struct DetailedReadinessBody {
    /// `RUNNING`, `STARTING` or `STOPPING`.
    service_status: &'static str,
    /// `OK` or `UNAVAILABLE`.
    database_status: &'static str,
    /// `OK`; `NEWER` if a newer version migrated the schema, which is no problem; `PENDING` if the schema is older than this version
    /// needs; `UNKNOWN` if the database does not respond.
    migrations_status: &'static str,
}

/// Returns 200 if the service is ready. Returns 503 with the reason if the database does not respond, its schema is outdated, or the service
/// is starting or stopping.
#[utoipa::path(
    get,
    path = "/health/ready/",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "The service can do its work", body = ReadinessBody),
        (status = 503, description = "It cannot", body = ReadinessBody),
    )
)]
pub async fn ready(monitor: web::Data<Monitor>) -> ApiResult {
    let readiness = monitor.into_inner().readiness().await?;
    let (code, overall_status) = judged(readiness.is_ready());
    let detailed_status = DetailedReadinessBody {
        service_status: match readiness.phase {
            Phase::Starting => "STARTING",
            Phase::Running => "RUNNING",
            Phase::Stopping => "STOPPING",
        },
        database_status: judged(readiness.database).1,
        migrations_status: match readiness.schema {
            Schema::UpToDate => OK,
            Schema::Newer => "NEWER",
            Schema::Outdated => "PENDING",
            Schema::Unknown => "UNKNOWN",
        },
    };
    Response::json(code, &ReadinessBody { overall_status, detailed_status })
}

fn judged(good: bool) -> (StatusCode, &'static str) {
    if good { (StatusCode::OK, OK) } else { (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE) }
}
