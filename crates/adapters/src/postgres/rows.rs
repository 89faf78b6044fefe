//! Rows as diesel reads and writes them, and the domain's values they stand for.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use license_manager_domain::model::{Job, JobKind};
use license_manager_domain::ports::DeletedLicense;
use license_manager_domain::{
    ActivationKey, AgreementId, AutoScaling, CatalogId, CustomerAgreement, CustomerId, Email, Error, ExpirationMessage,
    License, LicenseColumns, LicenseId, LicenseStatus, LmsUserId, PlanDetails, PlanId, PlanType, PlanTypeId, Product,
    ProductId, SubscriptionPlan,
};
use uuid::Uuid;

use super::schema;

/// The id that a statement tells of a row.
#[derive(QueryableByName)]
pub(super) struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    pub(super) uuid: Uuid,
}

/// One column of rows: a parameter of a statement over arrays.
pub(super) fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Ids in the order that rows are locked in, each once.
pub(super) fn sorted_uuids(uuids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut uuids: Vec<Uuid> = uuids.into_iter().collect();
    uuids.sort_unstable();
    uuids.dedup();
    uuids
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::customer_agreement, primary_key(uuid), treat_none_as_null = true)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(super) struct AgreementRow {
    uuid: Uuid,
    enterprise_customer_uuid: Uuid,
    enterprise_customer_slug: Option<String>,
    enterprise_customer_name: Option<String>,
    default_enterprise_catalog_uuid: Option<Uuid>,
    disable_expiration_notifications: bool,
    disable_onboarding_notifications: bool,
    license_duration_before_purge_seconds: i64,
    enable_auto_applied_subscriptions_with_universal_link: bool,
    enable_auto_scaling_of_current_plan: bool,
    auto_scaling_max_licenses: Option<i32>,
    auto_scaling_threshold_percentage: Option<i32>,
    auto_scaling_increment_percentage: Option<i32>,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::expiration_message, check_for_backend(diesel::pg::Pg))]
pub(super) struct ExpirationMessageRow {
    modal_header_text: String,
    modal_messaging: String,
    button_label: String,
    button_url: String,
}

impl From<&CustomerAgreement> for AgreementRow {
    fn from(agreement: &CustomerAgreement) -> Self {
        Self {
            uuid: agreement.id.0,
            enterprise_customer_uuid: agreement.customer.0,
            enterprise_customer_slug: agreement.customer_slug.clone(),
            enterprise_customer_name: agreement.customer_name.clone(),
            default_enterprise_catalog_uuid: agreement.default_catalog.map(|id| id.0),
            disable_expiration_notifications: agreement.disable_expiration_notifications,
            disable_onboarding_notifications: agreement.disable_onboarding_notifications,
            license_duration_before_purge_seconds: agreement.license_duration_before_purge.num_seconds(),
            enable_auto_applied_subscriptions_with_universal_link: agreement
                .enable_auto_applied_subscriptions_with_universal_link,
            enable_auto_scaling_of_current_plan: agreement.auto_scaling.enabled,
            auto_scaling_max_licenses: agreement.auto_scaling.max_licenses,
            auto_scaling_threshold_percentage: agreement.auto_scaling.threshold_percentage,
            auto_scaling_increment_percentage: agreement.auto_scaling.increment_percentage,
            created: agreement.created,
            modified: agreement.modified,
        }
    }
}

impl AgreementRow {
    pub(super) fn into_agreement(self, message: Option<ExpirationMessageRow>) -> Result<CustomerAgreement, Error> {
        let seconds = self.license_duration_before_purge_seconds;
        let duration = Duration::try_seconds(seconds)
            .ok_or_else(|| Error::internal(format!("customer_agreement {}: no duration of {seconds} s", self.uuid)))?;
        Ok(CustomerAgreement {
            id: AgreementId(self.uuid),
            customer: CustomerId(self.enterprise_customer_uuid),
            customer_slug: self.enterprise_customer_slug,
            customer_name: self.enterprise_customer_name,
            default_catalog: self.default_enterprise_catalog_uuid.map(CatalogId),
            disable_expiration_notifications: self.disable_expiration_notifications,
            disable_onboarding_notifications: self.disable_onboarding_notifications,
            license_duration_before_purge: duration,
            enable_auto_applied_subscriptions_with_universal_link: self
                .enable_auto_applied_subscriptions_with_universal_link,
            auto_scaling: AutoScaling {
                enabled: self.enable_auto_scaling_of_current_plan,
                max_licenses: self.auto_scaling_max_licenses,
                threshold_percentage: self.auto_scaling_threshold_percentage,
                increment_percentage: self.auto_scaling_increment_percentage,
            },
            expiration_message: message.map(|message| ExpirationMessage {
                modal_header_text: message.modal_header_text,
                modal_messaging: message.modal_messaging,
                button_label: message.button_label,
                button_url: message.button_url,
            }),
            created: self.created,
            modified: self.modified,
        })
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::subscription_plan, primary_key(uuid), treat_none_as_null = true)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(super) struct PlanRow {
    uuid: Uuid,
    title: String,
    start_date: DateTime<Utc>,
    expiration_date: DateTime<Utc>,
    expiration_processed: bool,
    enterprise_catalog_uuid: Uuid,
    customer_agreement_uuid: Uuid,
    is_active: bool,
    is_revocation_cap_enabled: bool,
    revoke_max_percentage: i16,
    num_revocations_applied: i32,
    salesforce_opportunity_line_item: Option<String>,
    product_id: i32,
    for_internal_use_only: bool,
    can_freeze_unused_licenses: bool,
    last_freeze_timestamp: Option<DateTime<Utc>>,
    should_auto_apply_licenses: Option<bool>,
    desired_num_licenses: Option<i32>,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
}

impl From<&SubscriptionPlan> for PlanRow {
    fn from(plan: &SubscriptionPlan) -> Self {
        Self {
            uuid: plan.id.0,
            title: plan.title.clone(),
            start_date: plan.start_date,
            expiration_date: plan.expiration_date,
            expiration_processed: plan.expiration_processed,
            enterprise_catalog_uuid: plan.catalog.0,
            customer_agreement_uuid: plan.agreement.0,
            is_active: plan.is_active,
            is_revocation_cap_enabled: plan.is_revocation_cap_enabled,
            revoke_max_percentage: plan.revoke_max_percentage,
            num_revocations_applied: plan.num_revocations_applied,
            salesforce_opportunity_line_item: plan.salesforce_opportunity_line_item.clone(),
            product_id: plan.product.0,
            for_internal_use_only: plan.for_internal_use_only,
            can_freeze_unused_licenses: plan.can_freeze_unused_licenses,
            last_freeze_timestamp: plan.last_freeze_timestamp,
            should_auto_apply_licenses: plan.should_auto_apply_licenses,
            desired_num_licenses: plan.desired_num_licenses,
            created: plan.created,
            modified: plan.modified,
        }
    }
}

/// A plan, its customer, and the label of its plan type.
pub(super) type PlanDetailsRow = (PlanRow, Uuid, String);

pub(super) fn plan_details((row, customer, plan_type): PlanDetailsRow) -> PlanDetails {
    let plan = SubscriptionPlan {
        id: PlanId(row.uuid),
        title: row.title,
        start_date: row.start_date,
        expiration_date: row.expiration_date,
        expiration_processed: row.expiration_processed,
        catalog: CatalogId(row.enterprise_catalog_uuid),
        agreement: AgreementId(row.customer_agreement_uuid),
        is_active: row.is_active,
        is_revocation_cap_enabled: row.is_revocation_cap_enabled,
        revoke_max_percentage: row.revoke_max_percentage,
        num_revocations_applied: row.num_revocations_applied,
        salesforce_opportunity_line_item: row.salesforce_opportunity_line_item,
        product: ProductId(row.product_id),
        for_internal_use_only: row.for_internal_use_only,
        can_freeze_unused_licenses: row.can_freeze_unused_licenses,
        last_freeze_timestamp: row.last_freeze_timestamp,
        should_auto_apply_licenses: row.should_auto_apply_licenses,
        desired_num_licenses: row.desired_num_licenses,
        created: row.created,
        modified: row.modified,
    };
    PlanDetails { plan, customer: CustomerId(customer), plan_type }
}

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = schema::license, check_for_backend(diesel::pg::Pg))]
pub(super) struct LicenseRow {
    uuid: Uuid,
    subscription_plan_uuid: Uuid,
    status: String,
    user_email: Option<String>,
    lms_user_id: Option<i64>,
    activation_key: Option<Uuid>,
    assigned_date: Option<DateTime<Utc>>,
    activation_date: Option<DateTime<Utc>>,
    last_remind_date: Option<DateTime<Utc>>,
    revoked_date: Option<DateTime<Utc>>,
    renewed_to_uuid: Option<Uuid>,
    auto_applied: Option<bool>,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
}

impl TryFrom<LicenseRow> for License {
    type Error = Error;

    fn try_from(row: LicenseRow) -> Result<Self, Error> {
        let state = LicenseStatus::from_name(&row.status).and_then(|status| {
            let columns = LicenseColumns {
                status,
                user_email: row.user_email.map(Email::from_storage),
                lms_user_id: row.lms_user_id.map(LmsUserId),
                activation_key: row.activation_key.map(ActivationKey),
                assigned_date: row.assigned_date,
                last_remind_date: row.last_remind_date,
                activation_date: row.activation_date,
                revoked_date: row.revoked_date,
            };
            columns.into_state()
        });
        Ok(License {
            id: LicenseId(row.uuid),
            plan: PlanId(row.subscription_plan_uuid),
            state: state.ok_or_else(|| Error::internal(format!("the row of license {} spells no state", row.uuid)))?,
            renewed_to: row.renewed_to_uuid.map(LicenseId),
            auto_applied: row.auto_applied,
            created: row.created,
            modified: row.modified,
        })
    }
}

/// A license that was deleted.
#[derive(QueryableByName)]
pub(super) struct DeletedRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub uuid: Uuid,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    pub user_email: Option<String>,
}

impl From<DeletedRow> for DeletedLicense {
    fn from(row: DeletedRow) -> Self {
        Self { id: LicenseId(row.uuid), email: row.user_email.map(Email::from_storage) }
    }
}

/// An address that holds a license.
#[derive(QueryableByName)]
pub(super) struct Holder {
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub email: String,
}

pub(super) fn licenses(rows: impl IntoIterator<Item = LicenseRow>) -> Result<Vec<License>, Error> {
    rows.into_iter().map(License::try_from).collect()
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::plan_type, check_for_backend(diesel::pg::Pg))]
pub(super) struct PlanTypeRow {
    id: i32,
    label: String,
    description: String,
    is_paid_subscription: bool,
    ns_id_required: bool,
    sf_id_required: bool,
    internal_use_only: bool,
}

impl From<&PlanType> for PlanTypeRow {
    fn from(plan_type: &PlanType) -> Self {
        Self {
            id: plan_type.id.0,
            label: plan_type.label.clone(),
            description: plan_type.description.clone(),
            is_paid_subscription: plan_type.is_paid_subscription,
            ns_id_required: plan_type.ns_id_required,
            sf_id_required: plan_type.sf_id_required,
            internal_use_only: plan_type.internal_use_only,
        }
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::product, treat_none_as_null = true, check_for_backend(diesel::pg::Pg))]
pub(super) struct ProductRow {
    id: i32,
    name: String,
    description: String,
    netsuite_id: Option<i32>,
    salesforce_product_id: Option<String>,
    plan_type_id: i32,
}

impl From<&Product> for ProductRow {
    fn from(product: &Product) -> Self {
        Self {
            id: product.id.0,
            name: product.name.clone(),
            description: product.description.clone(),
            netsuite_id: product.netsuite_id,
            salesforce_product_id: product.salesforce_product_id.clone(),
            plan_type_id: product.plan_type.id.0,
        }
    }
}

pub(super) fn product((row, plan_type): (ProductRow, PlanTypeRow)) -> Product {
    Product {
        id: ProductId(row.id),
        name: row.name,
        description: row.description,
        netsuite_id: row.netsuite_id,
        salesforce_product_id: row.salesforce_product_id,
        plan_type: plan_type.into(),
    }
}

impl From<PlanTypeRow> for PlanType {
    fn from(row: PlanTypeRow) -> Self {
        Self {
            id: PlanTypeId(row.id),
            label: row.label,
            description: row.description,
            is_paid_subscription: row.is_paid_subscription,
            ns_id_required: row.ns_id_required,
            sf_id_required: row.sf_id_required,
            internal_use_only: row.internal_use_only,
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::plan_job, check_for_backend(diesel::pg::Pg))]
pub(super) struct JobRow {
    subscription_plan_uuid: Uuid,
    kind: String,
    requested_by: Option<String>,
    requested_at: DateTime<Utc>,
}

impl From<&Job> for JobRow {
    fn from(job: &Job) -> Self {
        Self {
            subscription_plan_uuid: job.plan.0,
            kind: job.kind.as_str().to_owned(),
            requested_by: job.requested_by.clone(),
            requested_at: job.requested_at,
        }
    }
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Self, Error> {
        let kind = JobKind::from_name(&row.kind).ok_or_else(|| {
            Error::internal(format!("plan {} has a job of the unknown kind {:?}", row.subscription_plan_uuid, row.kind))
        })?;
        Ok(Job {
            plan: PlanId(row.subscription_plan_uuid),
            kind,
            requested_by: row.requested_by,
            requested_at: row.requested_at,
        })
    }
}

#[derive(Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = schema::bulk_enrollment_job)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(super) struct EnrollmentJobRow {
    pub uuid: Uuid,
    pub enterprise_customer_uuid: Uuid,
    pub lms_user_id: Option<i64>,
    pub parameters: String,
    pub created: DateTime<Utc>,
    pub modified: DateTime<Utc>,
    pub stage: String,
    pub enrolled_until: Option<Uuid>,
    pub successes: i64,
    pub pending: i64,
    pub failures: i64,
}
