//! What the recurring operations have to do.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use license_manager_domain::model::NotificationKind;
use license_manager_domain::ports::{DueRenewal, DueWorkRepository, PlanEnd, Unlinking};
use license_manager_domain::{
    AgreementId, CatalogId, CustomerId, Email, Error, License, LicenseId, PlanId, PlanTypeId,
};

use super::unit::PostgresUnit;
use crate::rows::due_work::{CatalogRow, DueRenewalRow, LearnerRow, PlanEndRow, SinceRow};
use crate::rows::licenses::{LicenseRow, licenses};
use crate::rows::{IdRow, NumberRow, following};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl DueWorkRepository for PostgresUnit<'_> {
    fn renewals(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
        let query = sql_query(
            "SELECT id, prior_subscription_plan_uuid AS prior_plan FROM subscription_plan_renewal
             WHERE NOT processed AND NOT exempt_from_batch_processing AND effective_date BETWEEN $1 AND $2
             ORDER BY effective_date, id",
        )
        .bind::<SqlTimestamp, _>(from)
        .bind::<SqlTimestamp, _>(to);
        let rows = self.read(|connection| query.load::<DueRenewalRow>(connection))?;
        Ok(rows.into_iter().map(DueRenewal::from).collect())
    }

    fn count_renewals_before(&mut self, moment: DateTime<Utc>) -> Result<i64, Error> {
        let query = sql_query(
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
        let query = sql_query(
            "SELECT uuid FROM subscription_plan AS plan
             WHERE expiration_date BETWEEN $1 AND $2 AND ($3 OR NOT expiration_processed)
                 AND NOT EXISTS (SELECT FROM subscription_plan_renewal WHERE prior_subscription_plan_uuid = plan.uuid)
             ORDER BY expiration_date, uuid",
        )
        .bind::<SqlTimestamp, _>(from)
        .bind::<SqlTimestamp, _>(to)
        .bind::<Bool, _>(processed_too);
        let rows = self.read(|connection| query.load::<IdRow>(connection))?;
        Ok(rows.into_iter().map(|row| PlanId(row.uuid)).collect())
    }

    fn plan_ends(&mut self, plans: &[PlanId]) -> Result<Vec<PlanEnd>, Error> {
        let query = sql_query(
            "SELECT plan.uuid, agreement.enterprise_customer_uuid AS customer, plan.expiration_date,
                    plan.expiration_processed,
                    EXISTS (SELECT FROM subscription_plan_renewal
                            WHERE prior_subscription_plan_uuid = plan.uuid) AS has_renewal
             FROM subscription_plan AS plan
             JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
             WHERE plan.uuid = ANY ($1)
             ORDER BY plan.uuid",
        )
        .bind::<Array<SqlUuid>, _>(plans.iter().map(|plan| plan.0).collect::<Vec<_>>());
        let rows = self.read(|connection| query.load::<PlanEndRow>(connection))?;
        Ok(rows.into_iter().map(PlanEnd::from).collect())
    }

    fn live_licenses_after(
        &mut self,
        plan: PlanId,
        unrenewed_only: bool,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        // Said twice, so that Postgres knows the index license_handed_out by the words of its condition.
        let query = sql_query(
            "SELECT license.* FROM license
             WHERE subscription_plan_uuid = $1 AND status <> 'unassigned' AND status IN ('assigned', 'activated')
                 AND (renewed_to_uuid IS NULL OR NOT $2) AND uuid > $3
             ORDER BY uuid LIMIT $4",
        )
        .bind::<SqlUuid, _>(plan.0)
        .bind::<Bool, _>(unrenewed_only)
        .bind::<SqlUuid, _>(following(after))
        .bind::<BigInt, _>(limit);
        licenses(self.read(|connection| query.load::<LicenseRow>(connection))?)
    }

    fn plans_to_unlink(&mut self, customer: CustomerId, before: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        let query = sql_query(
            "SELECT plan.uuid FROM subscription_plan AS plan
             JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
             WHERE agreement.enterprise_customer_uuid = $1 AND plan.expiration_processed AND plan.expiration_date < $2
             ORDER BY plan.uuid",
        )
        .bind::<SqlUuid, _>(customer.0)
        .bind::<SqlTimestamp, _>(before);
        let rows = self.read(|connection| query.load::<IdRow>(connection))?;
        Ok(rows.into_iter().map(|row| PlanId(row.uuid)).collect())
    }

    fn licenses_to_unlink(
        &mut self,
        plan: PlanId,
        unlinking: Unlinking<'_>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<(LicenseId, Email)>, Error> {
        // One look by address and one by LMS id, each through its index: both in one condition would be a walk through all.
        let stays = |same: &str| {
            format!(
                "EXISTS (
                     SELECT FROM license AS other
                     JOIN subscription_plan AS usable ON usable.uuid = other.subscription_plan_uuid
                     JOIN customer_agreement AS agreement ON agreement.uuid = usable.customer_agreement_uuid
                     WHERE {same} AND other.status IN ('assigned', 'activated')
                         AND agreement.enterprise_customer_uuid = $3 AND usable.is_active
                         AND $4 BETWEEN usable.start_date AND usable.expiration_date)"
            )
        };
        let query = sql_query(format!(
            "SELECT license.uuid, license.user_email FROM license
             WHERE license.subscription_plan_uuid = $1 AND license.status <> 'unassigned'
                 AND license.status IN ('assigned', 'activated') AND license.renewed_to_uuid IS NULL
                 AND license.uuid > $5
                 AND NOT EXISTS (SELECT FROM license_event
                                 WHERE license_uuid = license.uuid AND event_name = $2)
                 AND NOT {} AND NOT {}
             ORDER BY license.uuid LIMIT $6",
            stays("other.user_email = license.user_email"),
            stays("other.lms_user_id = license.lms_user_id")
        ))
        .bind::<SqlUuid, _>(plan.0)
        .bind::<Text, _>(unlinking.event_name)
        .bind::<SqlUuid, _>(unlinking.customer.0)
        .bind::<SqlTimestamp, _>(unlinking.now)
        .bind::<SqlUuid, _>(following(after))
        .bind::<BigInt, _>(limit);
        let rows = self.read(|connection| query.load::<LearnerRow>(connection))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn auto_scaling_agreements(&mut self) -> Result<Vec<AgreementId>, Error> {
        let query =
            sql_query("SELECT uuid FROM customer_agreement WHERE enable_auto_scaling_of_current_plan ORDER BY uuid");
        let rows = self.read(|connection| query.load::<IdRow>(connection))?;
        Ok(rows.into_iter().map(|row| AgreementId(row.uuid)).collect())
    }

    fn auto_applying_plans(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        mark: &str,
    ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error> {
        let query = sql_query(
            "SELECT plan.uuid, turned_on.since FROM subscription_plan AS plan
             CROSS JOIN LATERAL (
                 SELECT coalesce(max(version.history_date), plan.created) AS since
                 FROM (SELECT history_date, should_auto_apply_licenses AS applies,
                              lag(should_auto_apply_licenses) OVER (ORDER BY history_id) AS applied
                       FROM subscription_plan_history WHERE uuid = plan.uuid) AS version
                 WHERE version.applies AND version.applied IS NOT TRUE
             ) AS turned_on
             WHERE plan.should_auto_apply_licenses AND plan.is_active
                 AND $1 BETWEEN plan.start_date AND plan.expiration_date
                 AND turned_on.since <= $2
                 AND NOT EXISTS (SELECT FROM plan_mark WHERE subscription_plan_uuid = plan.uuid AND name = $3)
                 AND NOT EXISTS (SELECT FROM notification
                                 WHERE subscription_plan_uuid = plan.uuid AND notification_type = $4)
             ORDER BY plan.uuid",
        )
        .bind::<SqlTimestamp, _>(now)
        .bind::<SqlTimestamp, _>(until)
        .bind::<Text, _>(mark)
        .bind::<Text, _>(NotificationKind::PeriodicInformational.as_str());
        let rows = self.read(|connection| query.load::<SinceRow>(connection))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn licenses_activated_before(
        &mut self,
        agreement: AgreementId,
        before: DateTime<Utc>,
        event_name: &str,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let query = sql_query(
            "SELECT license.* FROM subscription_plan AS plan
             JOIN license ON license.subscription_plan_uuid = plan.uuid
             WHERE plan.customer_agreement_uuid = $1 AND plan.is_active AND license.status = 'activated'
                 AND license.activation_date < $2 AND license.uuid > $4
                 AND NOT EXISTS (SELECT FROM license_event
                                 WHERE license_uuid = license.uuid AND event_name = $3)
             ORDER BY license.uuid LIMIT $5",
        )
        .bind::<SqlUuid, _>(agreement.0)
        .bind::<SqlTimestamp, _>(before)
        .bind::<Text, _>(event_name)
        .bind::<SqlUuid, _>(following(after))
        .bind::<BigInt, _>(limit);
        licenses(self.read(|connection| query.load::<LicenseRow>(connection))?)
    }

    fn catalogs_in_use(&mut self, now: DateTime<Utc>) -> Result<Vec<(CatalogId, PlanTypeId)>, Error> {
        let query = sql_query(
            "SELECT DISTINCT plan.enterprise_catalog_uuid AS catalog, product.plan_type_id AS plan_type
             FROM subscription_plan AS plan JOIN product ON product.id = plan.product_id
             WHERE plan.expiration_date > $1 AND NOT plan.for_internal_use_only
             ORDER BY catalog, plan_type",
        )
        .bind::<SqlTimestamp, _>(now);
        let rows = self.read(|connection| query.load::<CatalogRow>(connection))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}
