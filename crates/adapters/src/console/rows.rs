//! Rows of the console's lists.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use license_manager_domain::console::{AgreementRow, LicenseRow, PlanRow, RenewalRow, TransferRow, WebhookRow};
use license_manager_domain::outbox::EventName;
use license_manager_domain::webhooks::OffReason;
use license_manager_domain::{
    AgreementId, CustomerId, Error, LicenseId, LicenseStatus, PlanId, RenewalId, TransferJobId, WebhookId,
};
use uuid::Uuid;

use super::Dialect;
use crate::rows::licenses::CountsRow;
use crate::sql_types::{SqlTextList, SqlTimestamp, SqlUuid};

#[derive(QueryableByName)]
pub(super) struct LicenseSqlRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    user_email: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    lms_user_id: Option<i64>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    assigned_date: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    activation_date: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    revoked_date: Option<DateTime<Utc>>,
    #[diesel(sql_type = SqlUuid)]
    plan_uuid: Uuid,
    #[diesel(sql_type = Text)]
    plan_title: String,
    #[diesel(sql_type = SqlTimestamp)]
    plan_expires: DateTime<Utc>,
    #[diesel(sql_type = SqlUuid)]
    customer_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
}

/// The columns of a [`LicenseSqlRow`], with the tables they are from.
pub(super) const LICENSES: &str = "
    SELECT license.uuid, license.status, license.user_email, license.lms_user_id, license.assigned_date,
           license.activation_date, license.revoked_date, plan.uuid AS plan_uuid, plan.title AS plan_title,
           plan.expiration_date AS plan_expires, agreement.enterprise_customer_uuid AS customer_uuid,
           coalesce(agreement.enterprise_customer_name, agreement.enterprise_customer_slug) AS customer_name
    FROM license
    JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
    JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid";

impl TryFrom<LicenseSqlRow> for LicenseRow {
    type Error = Error;

    fn try_from(row: LicenseSqlRow) -> Result<Self, Error> {
        let status = LicenseStatus::from_name(&row.status);
        Ok(Self {
            id: LicenseId(row.uuid),
            status: status.ok_or_else(|| Error::internal("a license has an unknown status"))?,
            email: row.user_email,
            lms_user_id: row.lms_user_id,
            assigned_date: row.assigned_date,
            activation_date: row.activation_date,
            revoked_date: row.revoked_date,
            plan: PlanId(row.plan_uuid),
            plan_title: row.plan_title,
            plan_expires: row.plan_expires,
            customer: CustomerId(row.customer_uuid),
            customer_name: row.customer_name,
        })
    }
}

#[derive(QueryableByName)]
pub(super) struct PlanSqlRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = SqlTimestamp)]
    start_date: DateTime<Utc>,
    #[diesel(sql_type = SqlTimestamp)]
    expiration_date: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    is_active: bool,
    #[diesel(sql_type = Bool)]
    for_internal_use_only: bool,
    #[diesel(sql_type = Bool)]
    is_frozen: bool,
    #[diesel(sql_type = Bool)]
    can_freeze: bool,
    #[diesel(sql_type = Nullable<Integer>)]
    desired_num_licenses: Option<i32>,
    #[diesel(sql_type = Bool)]
    is_growing: bool,
    #[diesel(sql_type = Bool)]
    has_job: bool,
    #[diesel(sql_type = Nullable<Text>)]
    job_problem: Option<String>,
    #[diesel(sql_type = Text)]
    product: String,
    #[diesel(sql_type = SqlUuid)]
    agreement_uuid: Uuid,
    #[diesel(sql_type = SqlUuid)]
    customer_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
    #[diesel(sql_type = Bool)]
    is_renewed: bool,
    #[diesel(embed)]
    counts: CountsRow,
}

/// The tables of plans in lists: `plan`, `agreement` and `product`.
pub(super) const PLAN_TABLES: &str = "
    FROM subscription_plan AS plan
    JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
    JOIN product ON product.id = plan.product_id";

/// The columns of a [`PlanSqlRow`] of the plans whose ids `shown` has, in its order `place`.
pub(super) fn plans_shown(dialect: &Dialect) -> String {
    format!(
        "{PLAN_COLUMNS} LEFT JOIN ({}) AS seats ON seats.subscription_plan_uuid = plan.uuid ORDER BY shown.place",
        dialect.counts_of("SELECT uuid FROM shown")
    )
}

const PLAN_COLUMNS: &str = "
    SELECT plan.uuid, plan.title, plan.start_date, plan.expiration_date, plan.is_active, plan.for_internal_use_only,
           plan.last_freeze_timestamp IS NOT NULL AS is_frozen, plan.can_freeze_unused_licenses AS can_freeze,
           plan.desired_num_licenses,
           EXISTS (SELECT 1 FROM plan_job AS job
                   WHERE job.subscription_plan_uuid = plan.uuid AND job.kind = 'provision') AS is_growing,
           EXISTS (SELECT 1 FROM plan_job AS job WHERE job.subscription_plan_uuid = plan.uuid) AS has_job,
           (SELECT min(job.last_error) FROM plan_job AS job
            WHERE job.subscription_plan_uuid = plan.uuid AND job.attempts > 0) AS job_problem,
           product.name AS product,
           agreement.uuid AS agreement_uuid, agreement.enterprise_customer_uuid AS customer_uuid,
           coalesce(agreement.enterprise_customer_name, agreement.enterprise_customer_slug) AS customer_name,
           EXISTS (SELECT 1 FROM subscription_plan_renewal AS renewal
                   WHERE renewal.prior_subscription_plan_uuid = plan.uuid) AS is_renewed,
           coalesce(seats.unassigned, 0) AS unassigned, coalesce(seats.assigned, 0) AS assigned,
           coalesce(seats.activated, 0) AS activated, coalesce(seats.revoked, 0) AS revoked
    FROM shown
    JOIN subscription_plan AS plan ON plan.uuid = shown.uuid
    JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
    JOIN product ON product.id = plan.product_id";

impl From<PlanSqlRow> for PlanRow {
    fn from(row: PlanSqlRow) -> Self {
        Self {
            id: PlanId(row.uuid),
            title: row.title,
            start_date: row.start_date,
            expiration_date: row.expiration_date,
            is_active: row.is_active,
            for_internal_use_only: row.for_internal_use_only,
            is_frozen: row.is_frozen,
            can_freeze: row.can_freeze,
            desired_num_licenses: row.desired_num_licenses,
            is_growing: row.is_growing,
            has_job: row.has_job,
            job_problem: row.job_problem,
            product: row.product,
            agreement: AgreementId(row.agreement_uuid),
            customer: CustomerId(row.customer_uuid),
            customer_name: row.customer_name,
            is_renewed: row.is_renewed,
            counts: row.counts.into(),
        }
    }
}

#[derive(QueryableByName)]
pub(super) struct AgreementSqlRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = SqlUuid)]
    customer_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    slug: Option<String>,
    #[diesel(sql_type = BigInt)]
    plans: i64,
    #[diesel(sql_type = BigInt)]
    active_plans: i64,
}

/// The columns of an [`AgreementSqlRow`].
pub(super) const AGREEMENTS: &str = "
    SELECT agreement.uuid, agreement.enterprise_customer_uuid AS customer_uuid,
           agreement.enterprise_customer_name AS name, agreement.enterprise_customer_slug AS slug,
           (SELECT count(*) FROM subscription_plan AS plan
            WHERE plan.customer_agreement_uuid = agreement.uuid) AS plans,
           (SELECT count(*) FROM subscription_plan AS plan
            WHERE plan.customer_agreement_uuid = agreement.uuid AND plan.is_active) AS active_plans";

/// The table of agreements in lists.
pub(super) const AGREEMENT_TABLES: &str = "
    FROM customer_agreement AS agreement";

impl From<AgreementSqlRow> for AgreementRow {
    fn from(row: AgreementSqlRow) -> Self {
        Self {
            id: AgreementId(row.uuid),
            customer: CustomerId(row.customer_uuid),
            name: row.name,
            slug: row.slug,
            plans: row.plans,
            active_plans: row.active_plans,
        }
    }
}

#[derive(QueryableByName)]
pub(super) struct RenewalSqlRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    prior_uuid: Uuid,
    #[diesel(sql_type = Text)]
    prior_title: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    renewed_uuid: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    renewed_title: Option<String>,
    #[diesel(sql_type = SqlUuid)]
    agreement_uuid: Uuid,
    #[diesel(sql_type = SqlUuid)]
    customer_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
    #[diesel(sql_type = Integer)]
    number_of_licenses: i32,
    #[diesel(sql_type = SqlTimestamp)]
    effective_date: DateTime<Utc>,
    #[diesel(sql_type = SqlTimestamp)]
    renewed_expiration_date: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    processed: bool,
    #[diesel(sql_type = Bool)]
    exempt_from_batch_processing: bool,
}

/// The columns of a [`RenewalSqlRow`].
pub(super) const RENEWALS: &str = "
    SELECT renewal.id, plan.uuid AS prior_uuid, plan.title AS prior_title, renewed.uuid AS renewed_uuid,
           renewed.title AS renewed_title, agreement.uuid AS agreement_uuid,
           agreement.enterprise_customer_uuid AS customer_uuid,
           coalesce(agreement.enterprise_customer_name, agreement.enterprise_customer_slug) AS customer_name,
           renewal.number_of_licenses, renewal.effective_date, renewal.renewed_expiration_date, renewal.processed,
           renewal.exempt_from_batch_processing";

/// The tables of renewals in lists: `renewal`, its prior `plan`, the `renewed` plan and the `agreement`.
pub(super) const RENEWAL_TABLES: &str = "
    FROM subscription_plan_renewal AS renewal
    JOIN subscription_plan AS plan ON plan.uuid = renewal.prior_subscription_plan_uuid
    JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
    LEFT JOIN subscription_plan AS renewed ON renewed.uuid = renewal.renewed_subscription_plan_uuid";

impl From<RenewalSqlRow> for RenewalRow {
    fn from(row: RenewalSqlRow) -> Self {
        Self {
            id: RenewalId(row.id),
            prior_plan: PlanId(row.prior_uuid),
            prior_plan_title: row.prior_title,
            renewed_plan: row.renewed_uuid.map(PlanId),
            renewed_plan_title: row.renewed_title,
            agreement: AgreementId(row.agreement_uuid),
            customer: CustomerId(row.customer_uuid),
            customer_name: row.customer_name,
            number_of_licenses: row.number_of_licenses,
            effective_date: row.effective_date,
            renewed_expiration_date: row.renewed_expiration_date,
            is_processed: row.processed,
            is_exempt: row.exempt_from_batch_processing,
        }
    }
}

#[derive(QueryableByName)]
pub(super) struct TransferSqlRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    agreement_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
    #[diesel(sql_type = SqlUuid)]
    old_uuid: Uuid,
    #[diesel(sql_type = Text)]
    old_title: String,
    #[diesel(sql_type = SqlUuid)]
    new_uuid: Uuid,
    #[diesel(sql_type = Text)]
    new_title: String,
    #[diesel(sql_type = Nullable<Text>)]
    notes: Option<String>,
    #[diesel(sql_type = Bool)]
    transfer_all: bool,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    completed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
}

impl From<TransferSqlRow> for TransferRow {
    fn from(row: TransferSqlRow) -> Self {
        Self {
            id: TransferJobId(row.id),
            agreement: AgreementId(row.agreement_uuid),
            customer_name: row.customer_name,
            old_plan: PlanId(row.old_uuid),
            old_title: row.old_title,
            new_plan: PlanId(row.new_uuid),
            new_title: row.new_title,
            notes: row.notes,
            transfer_all: row.transfer_all,
            completed_at: row.completed_at,
            created: row.created,
        }
    }
}

/// A webhook in a list, with its customer's name.
#[derive(QueryableByName)]
pub(super) struct WebhookSqlRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = SqlTextList)]
    event_types: SqlTextList,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    enterprise_customer_uuid: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
    #[diesel(sql_type = Bool)]
    is_active: bool,
    #[diesel(sql_type = Nullable<Text>)]
    off_reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    waiting: i64,
    #[diesel(sql_type = BigInt)]
    dropped: i64,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
}

impl From<WebhookSqlRow> for WebhookRow {
    fn from(row: WebhookSqlRow) -> Self {
        Self {
            id: WebhookId(row.uuid),
            url: row.url,
            event_types: row.event_types.0.iter().filter_map(|name| EventName::from_name(name)).collect(),
            customer: row.enterprise_customer_uuid.map(CustomerId),
            customer_name: row.customer_name,
            is_active: row.is_active,
            off_reason: row.off_reason.and_then(|name| OffReason::from_name(&name)),
            waiting: row.waiting,
            dropped: row.dropped,
            created: row.created,
        }
    }
}
