//! What the recurring operations have to do.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use license_manager_domain::ports::{DueRenewal, PlanEnd};
use license_manager_domain::{CatalogId, CustomerId, Email, LicenseId, PlanId, PlanTypeId, RenewalId};
use uuid::Uuid;

use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(QueryableByName)]
pub(crate) struct DueRenewalRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    prior_plan: Uuid,
}

#[derive(QueryableByName)]
pub(crate) struct PlanEndRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = SqlUuid)]
    customer: Uuid,
    #[diesel(sql_type = SqlTimestamp)]
    expiration_date: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    expiration_processed: bool,
    #[diesel(sql_type = Bool)]
    has_renewal: bool,
}

#[derive(QueryableByName)]
pub(crate) struct LearnerRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    user_email: String,
}

#[derive(QueryableByName)]
pub(crate) struct SinceRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = SqlTimestamp)]
    since: DateTime<Utc>,
}

#[derive(QueryableByName)]
pub(crate) struct CatalogRow {
    #[diesel(sql_type = SqlUuid)]
    catalog: Uuid,
    #[diesel(sql_type = Integer)]
    plan_type: i32,
}

impl From<DueRenewalRow> for DueRenewal {
    fn from(row: DueRenewalRow) -> Self {
        Self { renewal: RenewalId(row.id), prior_plan: PlanId(row.prior_plan) }
    }
}

impl From<PlanEndRow> for PlanEnd {
    fn from(row: PlanEndRow) -> Self {
        Self {
            plan: PlanId(row.uuid),
            customer: CustomerId(row.customer),
            expiration_date: row.expiration_date,
            expiration_processed: row.expiration_processed,
            has_renewal: row.has_renewal,
        }
    }
}

impl From<LearnerRow> for (LicenseId, Email) {
    fn from(row: LearnerRow) -> Self {
        (LicenseId(row.uuid), Email::from_storage(row.user_email))
    }
}

impl From<SinceRow> for (PlanId, DateTime<Utc>) {
    fn from(row: SinceRow) -> Self {
        (PlanId(row.uuid), row.since)
    }
}

impl From<CatalogRow> for (CatalogId, PlanTypeId) {
    fn from(row: CatalogRow) -> Self {
        (CatalogId(row.catalog), PlanTypeId(row.plan_type))
    }
}
