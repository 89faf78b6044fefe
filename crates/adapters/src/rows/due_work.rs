//! The work of recurring operations: rows, and the queries that are the same in both databases.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel::{QueryableByName, sql_query};
use license_manager_domain::ports::{DueRenewal, PlanEnd, Unlinking};
use license_manager_domain::{AgreementId, CatalogId, CustomerId, Email, LicenseId, PlanId, PlanTypeId, RenewalId};
use uuid::Uuid;

use super::licenses::LicenseRow;
use super::shared::{IdRow, NumberRow, SharedQuery, following};

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
pub(crate) struct PlanNumberRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = BigInt)]
    number: i64,
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

impl From<PlanNumberRow> for (PlanId, i64) {
    fn from(row: PlanNumberRow) -> Self {
        (PlanId(row.uuid), row.number)
    }
}

impl From<CatalogRow> for (CatalogId, PlanTypeId) {
    fn from(row: CatalogRow) -> Self {
        (CatalogId(row.catalog), PlanTypeId(row.plan_type))
    }
}

/// Renewals that are due in a period.
pub(crate) fn due_renewals(from: DateTime<Utc>, to: DateTime<Utc>) -> impl SharedQuery<DueRenewalRow> {
    sql_query(
        "SELECT id, prior_subscription_plan_uuid AS prior_plan FROM subscription_plan_renewal
         WHERE NOT processed AND NOT exempt_from_batch_processing AND effective_date BETWEEN $1 AND $2
         ORDER BY effective_date, id",
    )
    .bind::<SqlTimestamp, _>(from)
    .bind::<SqlTimestamp, _>(to)
}

/// Processed renewals whose renewed plans start in a period.
pub(crate) fn renewals_starting(from: DateTime<Utc>, to: DateTime<Utc>) -> impl SharedQuery<DueRenewalRow> {
    sql_query(
        "SELECT renewal.id, renewal.prior_subscription_plan_uuid AS prior_plan
         FROM subscription_plan_renewal AS renewal
         JOIN subscription_plan AS renewed ON renewed.uuid = renewal.renewed_subscription_plan_uuid
         WHERE renewal.processed AND renewed.start_date BETWEEN $1 AND $2
         ORDER BY renewed.start_date, renewal.id",
    )
    .bind::<SqlTimestamp, _>(from)
    .bind::<SqlTimestamp, _>(to)
}

/// The number of renewals that were due before a moment.
pub(crate) fn renewals_before(moment: DateTime<Utc>) -> impl SharedQuery<NumberRow> {
    sql_query(
        "SELECT count(*) AS number FROM subscription_plan_renewal
         WHERE NOT processed AND NOT exempt_from_batch_processing AND effective_date < $1",
    )
    .bind::<SqlTimestamp, _>(moment)
}

/// Plans without a renewal that expired in a period.
pub(crate) fn expired_plans(from: DateTime<Utc>, to: DateTime<Utc>, processed_too: bool) -> impl SharedQuery<IdRow> {
    sql_query(
        "SELECT uuid FROM subscription_plan AS plan
         WHERE expiration_date BETWEEN $1 AND $2 AND ($3 OR NOT expiration_processed)
             AND NOT EXISTS (SELECT 1 FROM subscription_plan_renewal WHERE prior_subscription_plan_uuid = plan.uuid)
         ORDER BY expiration_date, uuid",
    )
    .bind::<SqlTimestamp, _>(from)
    .bind::<SqlTimestamp, _>(to)
    .bind::<Bool, _>(processed_too)
}

/// Assigned and activated licenses of a plan.
pub(crate) fn live_licenses_after(
    plan: PlanId,
    unrenewed_only: bool,
    after: Option<LicenseId>,
    limit: i64,
) -> impl SharedQuery<LicenseRow> {
    // The first condition on the status is that of the index license_handed_out, which is used for these words only.
    sql_query(
        "SELECT license.* FROM license
         WHERE subscription_plan_uuid = $1 AND status <> 'unassigned' AND status IN ('assigned', 'activated')
             AND (renewed_to_uuid IS NULL OR NOT $2) AND uuid > $3
         ORDER BY uuid LIMIT $4",
    )
    .bind::<SqlUuid, _>(plan.0)
    .bind::<Bool, _>(unrenewed_only)
    .bind::<SqlUuid, _>(following(after))
    .bind::<BigInt, _>(limit.max(0))
}

/// Plans whose expiration was processed and whose learners may be unlinked.
pub(crate) fn plans_to_unlink(customer: CustomerId, before: DateTime<Utc>) -> impl SharedQuery<IdRow> {
    sql_query(
        "SELECT plan.uuid FROM subscription_plan AS plan
         JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
         WHERE agreement.enterprise_customer_uuid = $1 AND plan.expiration_processed AND plan.expiration_date < $2
         ORDER BY plan.uuid",
    )
    .bind::<SqlUuid, _>(customer.0)
    .bind::<SqlTimestamp, _>(before)
}

/// Licenses of learners who are to be unlinked: they have no license in a plan that can be used.
pub(crate) fn licenses_to_unlink(
    plan: PlanId,
    unlinking: Unlinking<'_>,
    after: Option<LicenseId>,
    limit: i64,
) -> impl SharedQuery<LearnerRow> + use<> {
    // One lookup by address and one by LMS user id, so that each uses its index.
    let stays = |same: &str| {
        format!(
            "EXISTS (
                 SELECT 1 FROM license AS other
                 JOIN subscription_plan AS usable ON usable.uuid = other.subscription_plan_uuid
                 JOIN customer_agreement AS agreement ON agreement.uuid = usable.customer_agreement_uuid
                 WHERE {same} AND other.status IN ('assigned', 'activated')
                     AND agreement.enterprise_customer_uuid = $4 AND usable.is_active
                     AND $5 BETWEEN usable.start_date AND usable.expiration_date)"
        )
    };
    sql_query(format!(
        "SELECT license.uuid, license.user_email FROM license
         WHERE license.subscription_plan_uuid = $1 AND license.status <> 'unassigned'
             AND license.status IN ('assigned', 'activated') AND license.renewed_to_uuid IS NULL
             AND license.uuid > $2
             AND NOT EXISTS (SELECT 1 FROM license_event WHERE license_uuid = license.uuid AND event_name = $3)
             AND NOT {} AND NOT {}
         ORDER BY license.uuid LIMIT $6",
        stays("other.user_email = license.user_email"),
        stays("other.lms_user_id = license.lms_user_id")
    ))
    .bind::<SqlUuid, _>(plan.0)
    .bind::<SqlUuid, _>(following(after))
    .bind::<Text, _>(unlinking.event_name.to_owned())
    .bind::<SqlUuid, _>(unlinking.customer.0)
    .bind::<SqlTimestamp, _>(unlinking.now)
    .bind::<BigInt, _>(limit.max(0))
}

/// Agreements whose current plan scales by itself.
pub(crate) fn auto_scaling_agreements() -> impl SharedQuery<IdRow> {
    sql_query("SELECT uuid FROM customer_agreement WHERE enable_auto_scaling_of_current_plan ORDER BY uuid")
}

/// Activated licenses of an agreement's active plans, without the event.
pub(crate) fn licenses_activated_before(
    agreement: AgreementId,
    before: DateTime<Utc>,
    event_name: &str,
    after: Option<LicenseId>,
    limit: i64,
) -> impl SharedQuery<LicenseRow> + use<> {
    sql_query(
        "SELECT license.* FROM subscription_plan AS plan
         JOIN license ON license.subscription_plan_uuid = plan.uuid
         WHERE plan.customer_agreement_uuid = $1 AND plan.is_active AND license.status = 'activated'
             AND license.activation_date < $2 AND license.uuid > $3
             AND NOT EXISTS (SELECT 1 FROM license_event WHERE license_uuid = license.uuid AND event_name = $4)
         ORDER BY license.uuid LIMIT $5",
    )
    .bind::<SqlUuid, _>(agreement.0)
    .bind::<SqlTimestamp, _>(before)
    .bind::<SqlUuid, _>(following(after))
    .bind::<Text, _>(event_name.to_owned())
    .bind::<BigInt, _>(limit.max(0))
}

/// The catalogs of plans that have not expired, with the plan types.
pub(crate) fn catalogs_in_use(now: DateTime<Utc>) -> impl SharedQuery<CatalogRow> {
    sql_query(
        "SELECT DISTINCT plan.enterprise_catalog_uuid AS catalog, product.plan_type_id AS plan_type
         FROM subscription_plan AS plan JOIN product ON product.id = plan.product_id
         WHERE plan.expiration_date > $1 AND NOT plan.for_internal_use_only
         ORDER BY catalog, plan_type",
    )
    .bind::<SqlTimestamp, _>(now)
}
