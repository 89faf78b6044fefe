//! The work of recurring operations.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Text};
use license_manager_domain::model::NotificationKind;
use license_manager_domain::ports::{DueRenewal, DueWorkRepository, PlanEnd, Unlinking};
use license_manager_domain::{
    AgreementId, CatalogId, CustomerId, Email, Error, License, LicenseId, PlanId, PlanTypeId,
};

use super::unit::PostgresUnit;
use crate::rows::due_work::{self, PlanEndRow, PlanNumberRow, SinceRow};
use crate::rows::licenses::licenses;
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// When each plan last began to auto-apply, by its history; otherwise when it was created.
const TURNED_ON: &str = "
    CROSS JOIN LATERAL (
        SELECT coalesce(max(version.history_date), plan.created) AS since
        FROM (SELECT history_date, should_auto_apply_licenses AS applies,
                     lag(should_auto_apply_licenses) OVER (ORDER BY history_id) AS applied
              FROM subscription_plan_history WHERE uuid = plan.uuid) AS version
        WHERE version.applies AND version.applied IS NOT TRUE
    ) AS turned_on";

impl DueWorkRepository for PostgresUnit<'_> {
    fn renewals(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
        self.list(due_work::due_renewals(from, to))
    }

    fn renewals_starting(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
        self.list(due_work::renewals_starting(from, to))
    }

    fn count_renewals_before(&mut self, moment: DateTime<Utc>) -> Result<i64, Error> {
        let query = due_work::renewals_before(moment);
        Ok(self.read(|connection| query.get_result(connection))?.number)
    }

    fn expired_plans(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        processed_too: bool,
    ) -> Result<Vec<PlanId>, Error> {
        self.list(due_work::expired_plans(from, to, processed_too))
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
        self.list::<PlanEndRow, _>(query)
    }

    fn live_licenses_after(
        &mut self,
        plan: PlanId,
        unrenewed_only: bool,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        licenses(
            self.read(|connection| due_work::live_licenses_after(plan, unrenewed_only, after, limit).load(connection))?,
        )
    }

    fn plans_to_unlink(&mut self, customer: CustomerId, before: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        self.list(due_work::plans_to_unlink(customer, before))
    }

    fn licenses_to_unlink(
        &mut self,
        plan: PlanId,
        unlinking: Unlinking<'_>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<(LicenseId, Email)>, Error> {
        self.list(due_work::licenses_to_unlink(plan, unlinking, after, limit))
    }

    fn auto_scaling_agreements(&mut self) -> Result<Vec<AgreementId>, Error> {
        self.list(due_work::auto_scaling_agreements())
    }

    fn auto_applying_plans(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        mark: &str,
    ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error> {
        let query = sql_query(format!(
            "SELECT plan.uuid, turned_on.since FROM subscription_plan AS plan {TURNED_ON}
             WHERE plan.should_auto_apply_licenses AND plan.is_active
                 AND $1 BETWEEN plan.start_date AND plan.expiration_date
                 AND turned_on.since <= $2
                 AND NOT EXISTS (SELECT FROM plan_mark WHERE subscription_plan_uuid = plan.uuid AND name = $3)
                 AND NOT EXISTS (SELECT FROM notification
                                 WHERE subscription_plan_uuid = plan.uuid AND notification_type = $4)
             ORDER BY plan.uuid"
        ))
        .bind::<SqlTimestamp, _>(now)
        .bind::<SqlTimestamp, _>(until)
        .bind::<Text, _>(mark)
        .bind::<Text, _>(NotificationKind::PeriodicInformational.as_str());
        self.list::<SinceRow, _>(query)
    }

    fn auto_applied_since_turned_on(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, i64>, Error> {
        let query = sql_query(format!(
            "SELECT plan.uuid, count(*) AS number FROM subscription_plan AS plan {TURNED_ON}
             JOIN license ON license.subscription_plan_uuid = plan.uuid AND license.auto_applied
                 AND license.activation_date >= turned_on.since
             WHERE plan.uuid = ANY ($1)
             GROUP BY plan.uuid"
        ))
        .bind::<Array<SqlUuid>, _>(plans.iter().map(|plan| plan.0).collect::<Vec<_>>());
        Ok(self.list::<PlanNumberRow, (PlanId, i64)>(query)?.into_iter().collect())
    }

    fn licenses_activated_before(
        &mut self,
        agreement: AgreementId,
        before: DateTime<Utc>,
        event_name: &str,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        licenses(self.read(|connection| {
            due_work::licenses_activated_before(agreement, before, event_name, after, limit).load(connection)
        })?)
    }

    fn catalogs_in_use(&mut self, now: DateTime<Utc>) -> Result<Vec<(CatalogId, PlanTypeId)>, Error> {
        self.list(due_work::catalogs_in_use(now))
    }
}
