//! Subscription plans.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::ports::{LimitOffset, PlanFilter, PlanRepository};
use license_manager_domain::{AgreementId, Error, PlanDetails, PlanId, SubscriptionPlan};

use super::json::{Keys, json};
use super::unit::SqliteUnit;
use crate::one_of::one_of;
use crate::rows::plans::{PlanDetailsRow, PlanRow, all_details, matching, plan_details, plans, was_handed_out};
use crate::rows::renewals::{leading, renewed};
use crate::rows::shared::NumberRow;
use crate::schema::{SUBSCRIPTION_PLAN, customer_agreement, subscription_plan, subscription_plan_renewal as renewal};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PlanRepository for SqliteUnit<'_> {
    fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        let query = plans().filter(subscription_plan::uuid.eq(SqlUuid(id.0)));
        let found = self.read(|connection| query.first::<PlanDetailsRow>(connection).optional())?;
        found.map(plan_details).transpose()
    }

    // Only one unit of work writes at a time, so no row needs a lock.
    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        self.require_write()?;
        PlanRepository::find(self, id)
    }

    fn lock_all(&mut self, ids: &[PlanId]) -> Result<Vec<PlanDetails>, Error> {
        self.require_write()?;
        let query = plans()
            .filter(one_of(subscription_plan::uuid, ids.iter().map(|plan| plan.0)))
            .order(subscription_plan::uuid);
        all_details(self.read(|connection| query.load::<PlanDetailsRow>(connection))?)
    }

    fn in_renewals(&mut self, ids: &[PlanId], now: DateTime<Utc>) -> Result<Vec<PlanDetails>, Error> {
        let is_followed = renewed.field(subscription_plan::start_date).nullable().gt(SqlTimestamp(now));
        let follows = subscription_plan::start_date
            .gt(SqlTimestamp(now))
            .and(leading.field(renewal::id).nullable().is_not_null());
        let query = plans()
            .filter(one_of(subscription_plan::uuid, ids.iter().map(|plan| plan.0)))
            .filter(is_followed.or(follows.nullable()))
            .order(subscription_plan::uuid);
        all_details(self.read(|connection| query.load::<PlanDetailsRow>(connection))?)
    }

    fn list(&mut self, filter: &PlanFilter, limit_offset: LimitOffset) -> Result<Vec<PlanDetails>, Error> {
        let query = matching!(plans(), filter)
            .order((subscription_plan::start_date.desc(), subscription_plan::uuid))
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0));
        let found = self.read(|connection| query.load::<PlanDetailsRow>(connection))?;
        all_details(found)
    }

    fn count(&mut self, filter: &PlanFilter) -> Result<i64, Error> {
        let plans = subscription_plan::table.inner_join(customer_agreement::table).count();
        let query = matching!(plans, filter);
        self.read(|connection| query.get_result(connection))
    }

    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error> {
        let query = plans()
            .filter(one_of(subscription_plan::customer_agreement_uuid, agreements.iter().map(|agreement| agreement.0)))
            .order((subscription_plan::start_date.desc(), subscription_plan::uuid));
        let found = self.read(|connection| query.load::<PlanDetailsRow>(connection))?;
        all_details(found)
    }

    fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let statement = diesel::insert_into(subscription_plan::table).values(PlanRow::from(plan));
        self.write(|connection| statement.execute(connection))?;
        let key = json([plan.id])?;
        self.record(&SUBSCRIPTION_PLAN, &key, ChangeKind::Added, change)
    }

    fn auto_apply_only(
        &mut self,
        agreement: AgreementId,
        chosen: Option<PlanId>,
        change: &Change,
    ) -> Result<(), Error> {
        let chosen = chosen.map(|plan| plan.0);
        let query = diesel::sql_query(
            "SELECT json_group_array(uuid) AS keys FROM subscription_plan
             WHERE customer_agreement_uuid = ?1 AND (should_auto_apply_licenses IS 1) <> (uuid IS ?2)",
        )
        .bind::<SqlUuid, _>(agreement.0)
        .bind::<Nullable<SqlUuid>, _>(chosen);
        let changing: Keys = self.write(|connection| query.get_result(connection))?;
        let statement = diesel::sql_query(
            "UPDATE subscription_plan SET should_auto_apply_licenses = (uuid IS ?1), modified = ?2
             WHERE uuid IN (SELECT value FROM json_each(?3))",
        )
        .bind::<Nullable<SqlUuid>, _>(chosen)
        .bind::<SqlTimestamp, _>(change.at)
        .bind::<Text, _>(&changing.keys);
        self.write(|connection| statement.execute(connection))?;
        self.record(&SUBSCRIPTION_PLAN, &changing.keys, ChangeKind::Changed, change)
    }

    fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let statement = diesel::update(subscription_plan::table.find(SqlUuid(plan.id.0))).set(PlanRow::from(plan));
        self.write_rows(1, "subscription plans", |connection| statement.execute(connection))?;
        let key = json([plan.id])?;
        self.record(&SUBSCRIPTION_PLAN, &key, ChangeKind::Changed, change)
    }

    fn was_handed_out(&mut self, id: PlanId) -> Result<bool, Error> {
        let query = was_handed_out(id);
        Ok(self.read(|connection| query.get_result::<NumberRow>(connection))?.number > 0)
    }

    fn delete(&mut self, id: PlanId, change: &Change) -> Result<(), Error> {
        self.record(&SUBSCRIPTION_PLAN, &json([id])?, ChangeKind::Deleted, change)?;
        let statement = diesel::delete(subscription_plan::table.find(SqlUuid(id.0)));
        self.write_rows(1, "plans", |connection| statement.execute(connection))
    }
}
