//! Rows as diesel reads and writes them, and the entities they spell.

use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use license_manager_domain::ports::DeletedLicense;
use license_manager_domain::{
    ActivationKey, AgreementId, AutoScaling, CatalogId, CustomerAgreement, CustomerId, Email, Error, ExpirationMessage,
    License, LicenseColumns, LicenseId, LicenseStatus, LmsUserId, PlanDetails, PlanId, ProductId, SubscriptionPlan,
};

use super::schema::{customer_agreement, expiration_message, license, subscription_plan};
use super::types::{SqlMoment, SqlUuid};

/// The id that a statement tells of a row.
#[derive(QueryableByName)]
pub(super) struct IdRow {
    #[diesel(sql_type = Text)]
    pub(super) uuid: SqlUuid,
}

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = customer_agreement, primary_key(uuid), treat_none_as_null = true, check_for_backend(Sqlite))]
pub(super) struct AgreementRow {
    uuid: SqlUuid,
    enterprise_customer_uuid: SqlUuid,
    enterprise_customer_slug: Option<String>,
    enterprise_customer_name: Option<String>,
    default_enterprise_catalog_uuid: Option<SqlUuid>,
    disable_expiration_notifications: bool,
    disable_onboarding_notifications: bool,
    license_duration_before_purge_seconds: i64,
    enable_auto_applied_subscriptions_with_universal_link: bool,
    enable_auto_scaling_of_current_plan: bool,
    auto_scaling_max_licenses: Option<i32>,
    auto_scaling_threshold_percentage: Option<i32>,
    auto_scaling_increment_percentage: Option<i32>,
    created: SqlMoment,
    modified: SqlMoment,
}

impl From<&CustomerAgreement> for AgreementRow {
    fn from(agreement: &CustomerAgreement) -> Self {
        Self {
            uuid: SqlUuid(agreement.id.0),
            enterprise_customer_uuid: SqlUuid(agreement.customer.0),
            enterprise_customer_slug: agreement.customer_slug.clone(),
            enterprise_customer_name: agreement.customer_name.clone(),
            default_enterprise_catalog_uuid: agreement.default_catalog.map(|catalog| SqlUuid(catalog.0)),
            disable_expiration_notifications: agreement.disable_expiration_notifications,
            disable_onboarding_notifications: agreement.disable_onboarding_notifications,
            license_duration_before_purge_seconds: agreement.license_duration_before_purge.num_seconds(),
            enable_auto_applied_subscriptions_with_universal_link: agreement
                .enable_auto_applied_subscriptions_with_universal_link,
            enable_auto_scaling_of_current_plan: agreement.auto_scaling.enabled,
            auto_scaling_max_licenses: agreement.auto_scaling.max_licenses,
            auto_scaling_threshold_percentage: agreement.auto_scaling.threshold_percentage,
            auto_scaling_increment_percentage: agreement.auto_scaling.increment_percentage,
            created: SqlMoment(agreement.created),
            modified: SqlMoment(agreement.modified),
        }
    }
}

impl AgreementRow {
    pub(super) fn into_agreement(self, message: Option<MessageRow>) -> CustomerAgreement {
        CustomerAgreement {
            id: AgreementId(self.uuid.0),
            customer: CustomerId(self.enterprise_customer_uuid.0),
            customer_slug: self.enterprise_customer_slug,
            customer_name: self.enterprise_customer_name,
            default_catalog: self.default_enterprise_catalog_uuid.map(|catalog| CatalogId(catalog.0)),
            disable_expiration_notifications: self.disable_expiration_notifications,
            disable_onboarding_notifications: self.disable_onboarding_notifications,
            license_duration_before_purge: Duration::seconds(self.license_duration_before_purge_seconds),
            enable_auto_applied_subscriptions_with_universal_link: self
                .enable_auto_applied_subscriptions_with_universal_link,
            auto_scaling: AutoScaling {
                enabled: self.enable_auto_scaling_of_current_plan,
                max_licenses: self.auto_scaling_max_licenses,
                threshold_percentage: self.auto_scaling_threshold_percentage,
                increment_percentage: self.auto_scaling_increment_percentage,
            },
            expiration_message: message.map(|row| ExpirationMessage {
                modal_header_text: row.modal_header_text,
                modal_messaging: row.modal_messaging,
                button_label: row.button_label,
                button_url: row.button_url,
            }),
            created: self.created.0,
            modified: self.modified.0,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = expiration_message, primary_key(customer_agreement_uuid), check_for_backend(Sqlite))]
pub(super) struct MessageRow {
    customer_agreement_uuid: SqlUuid,
    modal_header_text: String,
    modal_messaging: String,
    button_label: String,
    button_url: String,
}

impl MessageRow {
    pub(super) fn of(agreement: &CustomerAgreement) -> Option<Self> {
        agreement.expiration_message.as_ref().map(|message| Self {
            customer_agreement_uuid: SqlUuid(agreement.id.0),
            modal_header_text: message.modal_header_text.clone(),
            modal_messaging: message.modal_messaging.clone(),
            button_label: message.button_label.clone(),
            button_url: message.button_url.clone(),
        })
    }
}

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = subscription_plan, primary_key(uuid), treat_none_as_null = true, check_for_backend(Sqlite))]
pub(super) struct PlanRow {
    uuid: SqlUuid,
    title: String,
    start_date: SqlMoment,
    expiration_date: SqlMoment,
    expiration_processed: bool,
    enterprise_catalog_uuid: SqlUuid,
    customer_agreement_uuid: SqlUuid,
    is_active: bool,
    is_revocation_cap_enabled: bool,
    revoke_max_percentage: i16,
    num_revocations_applied: i32,
    salesforce_opportunity_line_item: Option<String>,
    product_id: i32,
    for_internal_use_only: bool,
    can_freeze_unused_licenses: bool,
    last_freeze_timestamp: Option<SqlMoment>,
    should_auto_apply_licenses: Option<bool>,
    desired_num_licenses: Option<i32>,
    created: SqlMoment,
    modified: SqlMoment,
}

impl From<&SubscriptionPlan> for PlanRow {
    fn from(plan: &SubscriptionPlan) -> Self {
        Self {
            uuid: SqlUuid(plan.id.0),
            title: plan.title.clone(),
            start_date: SqlMoment(plan.start_date),
            expiration_date: SqlMoment(plan.expiration_date),
            expiration_processed: plan.expiration_processed,
            enterprise_catalog_uuid: SqlUuid(plan.catalog.0),
            customer_agreement_uuid: SqlUuid(plan.agreement.0),
            is_active: plan.is_active,
            is_revocation_cap_enabled: plan.is_revocation_cap_enabled,
            revoke_max_percentage: plan.revoke_max_percentage,
            num_revocations_applied: plan.num_revocations_applied,
            salesforce_opportunity_line_item: plan.salesforce_opportunity_line_item.clone(),
            product_id: plan.product.0,
            for_internal_use_only: plan.for_internal_use_only,
            can_freeze_unused_licenses: plan.can_freeze_unused_licenses,
            last_freeze_timestamp: plan.last_freeze_timestamp.map(SqlMoment),
            should_auto_apply_licenses: plan.should_auto_apply_licenses,
            desired_num_licenses: plan.desired_num_licenses,
            created: SqlMoment(plan.created),
            modified: SqlMoment(plan.modified),
        }
    }
}

impl From<PlanRow> for SubscriptionPlan {
    fn from(row: PlanRow) -> Self {
        Self {
            id: PlanId(row.uuid.0),
            title: row.title,
            start_date: row.start_date.0,
            expiration_date: row.expiration_date.0,
            expiration_processed: row.expiration_processed,
            catalog: CatalogId(row.enterprise_catalog_uuid.0),
            agreement: AgreementId(row.customer_agreement_uuid.0),
            is_active: row.is_active,
            is_revocation_cap_enabled: row.is_revocation_cap_enabled,
            revoke_max_percentage: row.revoke_max_percentage,
            num_revocations_applied: row.num_revocations_applied,
            salesforce_opportunity_line_item: row.salesforce_opportunity_line_item,
            product: ProductId(row.product_id),
            for_internal_use_only: row.for_internal_use_only,
            can_freeze_unused_licenses: row.can_freeze_unused_licenses,
            last_freeze_timestamp: row.last_freeze_timestamp.map(|moment| moment.0),
            should_auto_apply_licenses: row.should_auto_apply_licenses,
            desired_num_licenses: row.desired_num_licenses,
            created: row.created.0,
            modified: row.modified.0,
        }
    }
}

/// A plan, its agreement's customer and its plan type's label.
pub(super) type DetailsRow = (PlanRow, SqlUuid, String);

pub(super) fn details((plan, customer, plan_type): DetailsRow) -> PlanDetails {
    PlanDetails { plan: plan.into(), customer: CustomerId(customer.0), plan_type }
}

#[derive(Debug, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = license, check_for_backend(Sqlite))]
pub(super) struct LicenseRow {
    uuid: SqlUuid,
    subscription_plan_uuid: SqlUuid,
    status: String,
    user_email: Option<String>,
    lms_user_id: Option<i64>,
    activation_key: Option<SqlUuid>,
    assigned_date: Option<SqlMoment>,
    activation_date: Option<SqlMoment>,
    last_remind_date: Option<SqlMoment>,
    revoked_date: Option<SqlMoment>,
    renewed_to_uuid: Option<SqlUuid>,
    auto_applied: Option<bool>,
    created: SqlMoment,
    modified: SqlMoment,
}

impl TryFrom<LicenseRow> for License {
    type Error = Error;

    fn try_from(row: LicenseRow) -> Result<Self, Error> {
        let id = LicenseId(row.uuid.0);
        let status = LicenseStatus::from_name(&row.status);
        let state = status.and_then(|status| {
            LicenseColumns {
                status,
                user_email: row.user_email.map(Email::from_storage),
                lms_user_id: row.lms_user_id.map(LmsUserId),
                activation_key: row.activation_key.map(|key| ActivationKey(key.0)),
                assigned_date: row.assigned_date.map(|moment| moment.0),
                last_remind_date: row.last_remind_date.map(|moment| moment.0),
                activation_date: row.activation_date.map(|moment| moment.0),
                revoked_date: row.revoked_date.map(|moment| moment.0),
            }
            .into_state()
        });
        Ok(Self {
            id,
            plan: PlanId(row.subscription_plan_uuid.0),
            state: state.ok_or_else(|| Error::internal(format!("license {id} lacks what its status must carry")))?,
            renewed_to: row.renewed_to_uuid.map(|license| LicenseId(license.0)),
            auto_applied: row.auto_applied,
            created: row.created.0,
            modified: row.modified.0,
        })
    }
}

/// A license that was deleted.
#[derive(QueryableByName)]
pub(super) struct DeletedRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    uuid: SqlUuid,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    user_email: Option<String>,
}

impl From<DeletedRow> for DeletedLicense {
    fn from(row: DeletedRow) -> Self {
        Self { id: LicenseId(row.uuid.0), email: row.user_email.map(Email::from_storage) }
    }
}

pub(super) fn licenses(rows: Vec<LicenseRow>) -> Result<Vec<License>, Error> {
    rows.into_iter().map(License::try_from).collect()
}
