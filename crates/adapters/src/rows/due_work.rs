//! The work of recurring operations.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use license_manager_domain::ports::{DueRenewal, DueWorkRepository, PlanEnd, Unlinking};
use license_manager_domain::{
    AgreementId, CatalogId, CustomerId, Email, Error, License, LicenseId, PlanId, PlanTypeId, RenewalId,
};
use uuid::Uuid;

use super::licenses::LicenseRow;
use super::shared::{IdRow, NumberRow, following, for_both_databases};
use crate::prepared::prepared_sql;
use crate::schema::LICENSE;
use crate::sql_types::{SqlTimestamp, SqlUuid, SqlUuidList};

#[derive(QueryableByName)]
struct DueRenewalRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    prior_plan: Uuid,
}

#[derive(QueryableByName)]
struct PlanEndRow {
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
struct LearnerRow {
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
struct CatalogRow {
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

/// The condition that a learner has a live license of the customer `$4` in a plan that can be used at `$5`.
fn has_usable_license(same: &str) -> String {
    format!(
        "EXISTS (
             SELECT 1 FROM license AS other
             JOIN subscription_plan AS usable ON usable.uuid = other.subscription_plan_uuid
             JOIN customer_agreement AS agreement ON agreement.uuid = usable.customer_agreement_uuid
             WHERE {same} AND other.status IN ('assigned', 'activated')
                 AND agreement.enterprise_customer_uuid = $4 AND usable.is_active
                 AND $5 BETWEEN usable.start_date AND usable.expiration_date)"
    )
}

for_both_databases! {
    impl DueWorkRepository for Unit {
        fn renewals(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
            let query = prepared_sql(
                "SELECT id, prior_subscription_plan_uuid AS prior_plan FROM subscription_plan_renewal
                 WHERE NOT processed AND NOT exempt_from_batch_processing AND effective_date BETWEEN $1 AND $2
                 ORDER BY effective_date, id",
            )
            .bind::<SqlTimestamp, _>(from)
            .bind::<SqlTimestamp, _>(to);
            self.list::<DueRenewalRow, _>(query)
        }

        fn renewals_starting(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
            let query = prepared_sql(
                "SELECT renewal.id, renewal.prior_subscription_plan_uuid AS prior_plan
                 FROM subscription_plan_renewal AS renewal
                 JOIN subscription_plan AS renewed ON renewed.uuid = renewal.renewed_subscription_plan_uuid
                 WHERE renewal.processed AND renewed.start_date BETWEEN $1 AND $2
                 ORDER BY renewed.start_date, renewal.id",
            )
            .bind::<SqlTimestamp, _>(from)
            .bind::<SqlTimestamp, _>(to);
            self.list::<DueRenewalRow, _>(query)
        }

        fn count_renewals_before(&mut self, moment: DateTime<Utc>) -> Result<i64, Error> {
            let query = prepared_sql(
                "SELECT count(*) AS number FROM subscription_plan_renewal
                 WHERE NOT processed AND NOT exempt_from_batch_processing AND effective_date < $1",
            )
            .bind::<SqlTimestamp, _>(moment);
            Ok(self.read(|connection| query.get_result::<NumberRow>(connection))?.number)
        }

        fn expired_plans(
            &mut self,
            from: DateTime<Utc>,
            to: DateTime<Utc>,
            processed_too: bool,
        ) -> Result<Vec<PlanId>, Error> {
            let query = prepared_sql(
                "SELECT uuid FROM subscription_plan AS plan
                 WHERE expiration_date BETWEEN $1 AND $2 AND ($3 OR NOT expiration_processed)
                     AND NOT EXISTS (
                         SELECT 1 FROM subscription_plan_renewal WHERE prior_subscription_plan_uuid = plan.uuid)
                 ORDER BY expiration_date, uuid",
            )
            .bind::<SqlTimestamp, _>(from)
            .bind::<SqlTimestamp, _>(to)
            .bind::<Bool, _>(processed_too);
            self.list::<IdRow, _>(query)
        }

        fn plan_ends(&mut self, plans: &[PlanId]) -> Result<Vec<PlanEnd>, Error> {
            let query = prepared_sql(format!(
                "SELECT plan.uuid, agreement.enterprise_customer_uuid AS customer, plan.expiration_date,
                        plan.expiration_processed,
                        EXISTS (SELECT 1 FROM subscription_plan_renewal
                                WHERE prior_subscription_plan_uuid = plan.uuid) AS has_renewal
                 FROM subscription_plan AS plan
                 JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
                 WHERE plan.uuid {}
                 ORDER BY plan.uuid",
                Self::among("$1")
            ))
            .bind::<SqlUuidList, _>(plans.iter().map(|plan| plan.0).collect::<Vec<_>>());
            self.list::<PlanEndRow, _>(query)
        }

        fn live_licenses_after(
            &mut self,
            plan: PlanId,
            unrenewed_only: bool,
            after: Option<LicenseId>,
            limit: i64,
        ) -> Result<Vec<License>, Error> {
            // The first condition on the status is that of the index license_handed_out, which is used for these words
            // only.
            let query = prepared_sql(format!(
                "SELECT {} FROM license
                 WHERE subscription_plan_uuid = $1 AND status <> 'unassigned' AND status IN ('assigned', 'activated')
                     AND (renewed_to_uuid IS NULL OR NOT $2) AND uuid > $3
                 ORDER BY uuid LIMIT $4",
                LICENSE.column_names()
            ))
            .bind::<SqlUuid, _>(plan.0)
            .bind::<Bool, _>(unrenewed_only)
            .bind::<SqlUuid, _>(following(after))
            .bind::<BigInt, _>(limit.max(0));
            self.list::<LicenseRow, _>(query)
        }

        fn plans_to_unlink(&mut self, customer: CustomerId, before: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
            let query = prepared_sql(
                "SELECT plan.uuid FROM subscription_plan AS plan
                 JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
                 WHERE agreement.enterprise_customer_uuid = $1 AND plan.expiration_processed
                     AND plan.expiration_date < $2
                 ORDER BY plan.uuid",
            )
            .bind::<SqlUuid, _>(customer.0)
            .bind::<SqlTimestamp, _>(before);
            self.list::<IdRow, _>(query)
        }

        fn licenses_to_unlink(
            &mut self,
            plan: PlanId,
            unlinking: Unlinking<'_>,
            after: Option<LicenseId>,
            limit: i64,
        ) -> Result<Vec<(LicenseId, Email)>, Error> {
            // One lookup by address and one by LMS user id, so that each uses its index. IS TRUE keeps SQLite from finding
            // the licenses without a copy by the index of copies: those are most licenses of all plans.
            let query = prepared_sql(format!(
                "SELECT license.uuid, license.user_email FROM license
                 WHERE license.subscription_plan_uuid = $1 AND license.status <> 'unassigned'
                     AND license.status IN ('assigned', 'activated') AND (license.renewed_to_uuid IS NULL) IS TRUE
                     AND license.uuid > $2
                     AND NOT EXISTS (SELECT 1 FROM license_event WHERE license_uuid = license.uuid AND event_name = $3)
                     AND NOT {} AND NOT {}
                 ORDER BY license.uuid LIMIT $6",
                has_usable_license("other.user_email = license.user_email"),
                has_usable_license("other.lms_user_id = license.lms_user_id")
            ))
            .bind::<SqlUuid, _>(plan.0)
            .bind::<SqlUuid, _>(following(after))
            .bind::<Text, _>(unlinking.event_name)
            .bind::<SqlUuid, _>(unlinking.customer.0)
            .bind::<SqlTimestamp, _>(unlinking.now)
            .bind::<BigInt, _>(limit.max(0));
            self.list::<LearnerRow, _>(query)
        }

        fn auto_scaling_agreements(&mut self) -> Result<Vec<AgreementId>, Error> {
            self.list::<IdRow, _>(prepared_sql(
                "SELECT uuid FROM customer_agreement WHERE enable_auto_scaling_of_current_plan ORDER BY uuid",
            ))
        }

        fn auto_applying_plans(
            &mut self,
            now: DateTime<Utc>,
            until: DateTime<Utc>,
            mark: &str,
        ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error> {
            self.plans_auto_applying(now, until, mark)
        }

        fn auto_applied_since_turned_on(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, i64>, Error> {
            self.auto_applied_licenses(plans)
        }

        fn licenses_activated_before(
            &mut self,
            agreement: AgreementId,
            before: DateTime<Utc>,
            event_name: &str,
            after: Option<LicenseId>,
            limit: i64,
        ) -> Result<Vec<License>, Error> {
            // Planned for its values each time. If Postgres does not know the limit, it reads all licenses in the order of
            // their ids, instead of those of the agreement.
            let query = sql_query(format!(
                "SELECT {} FROM subscription_plan AS plan
                 JOIN license ON license.subscription_plan_uuid = plan.uuid
                 WHERE plan.customer_agreement_uuid = $1 AND plan.is_active AND license.status = 'activated'
                     AND license.activation_date < $2 AND license.uuid > $3
                     AND NOT EXISTS (SELECT 1 FROM license_event WHERE license_uuid = license.uuid AND event_name = $4)
                 ORDER BY license.uuid LIMIT $5",
                LICENSE.columns_of("license")
            ))
            .bind::<SqlUuid, _>(agreement.0)
            .bind::<SqlTimestamp, _>(before)
            .bind::<SqlUuid, _>(following(after))
            .bind::<Text, _>(event_name)
            .bind::<BigInt, _>(limit.max(0));
            self.list::<LicenseRow, _>(query)
        }

        fn catalogs_in_use(&mut self, now: DateTime<Utc>) -> Result<Vec<(CatalogId, PlanTypeId)>, Error> {
            let query = prepared_sql(
                "SELECT DISTINCT plan.enterprise_catalog_uuid AS catalog, product.plan_type_id AS plan_type
                 FROM subscription_plan AS plan JOIN product ON product.id = plan.product_id
                 WHERE plan.expiration_date > $1 AND NOT plan.for_internal_use_only
                 ORDER BY catalog, plan_type",
            )
            .bind::<SqlTimestamp, _>(now);
            self.list::<CatalogRow, _>(query)
        }
    }
}
