//! Subscription plans.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Nullable;
use license_manager_domain::history::Change;
use license_manager_domain::ports::{LimitOffset, PlanFilter, PlanRepository};
use license_manager_domain::{AgreementId, Error, PlanDetails, PlanId, SubscriptionPlan};
use uuid::Uuid;

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::one_of::one_of;
use crate::rows::plans::{PlanDetailsRow, PlanRow, all_details, matching, plan_details, plans, was_handed_out};
use crate::rows::renewals::{leading, renewed};
use crate::rows::shared::NumberRow;
use crate::schema::{SUBSCRIPTION_PLAN, customer_agreement, subscription_plan, subscription_plan_renewal as renewal};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PlanRepository for PostgresUnit<'_> {
    fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        let query = plans().filter(subscription_plan::uuid.eq(SqlUuid(id.0)));
        let row = self.read(|connection| query.first::<PlanDetailsRow>(connection).optional())?;
        row.map(plan_details).transpose()
    }

    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        // The lock is a statement of its own. A statement that locks and joins would, after waiting, join with the
        // plan's former product, and find no plan if the product was changed.
        let query = subscription_plan::table.find(SqlUuid(id.0)).select(subscription_plan::uuid).for_no_key_update();
        self.write(|connection| query.get_result::<Uuid>(connection).optional())?;
        PlanRepository::find(self, id)
    }

    fn lock_all(&mut self, ids: &[PlanId]) -> Result<Vec<PlanDetails>, Error> {
        let lock = subscription_plan::table
            .filter(one_of(subscription_plan::uuid, ids.iter().map(|plan| plan.0)))
            .order(subscription_plan::uuid)
            .select(subscription_plan::uuid)
            .for_no_key_update();
        self.write(|connection| lock.load::<Uuid>(connection))?;
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
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        let rows = self.read(|connection| query.load::<PlanDetailsRow>(connection))?;
        all_details(rows)
    }

    fn count(&mut self, filter: &PlanFilter) -> Result<i64, Error> {
        let plans = subscription_plan::table.inner_join(customer_agreement::table).count();
        let query = matching!(plans, filter);
        self.read(|connection| query.get_result(connection))
    }

    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error> {
        if agreements.is_empty() {
            return Ok(Vec::new());
        }
        let query = plans()
            .filter(one_of(subscription_plan::customer_agreement_uuid, agreements.iter().map(|agreement| agreement.0)))
            .order((subscription_plan::start_date.desc(), subscription_plan::uuid));
        let rows = self.read(|connection| query.load::<PlanDetailsRow>(connection))?;
        all_details(rows)
    }

    fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let statement = diesel::insert_into(subscription_plan::table)
            .values(PlanRow::from(plan))
            .returning(subscription_plan::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN, Kind::Added, change);
        self.write_rows(1, "plans", |connection| statement.execute(connection))
    }

    fn auto_apply_only(
        &mut self,
        agreement: AgreementId,
        chosen: Option<PlanId>,
        change: &Change,
    ) -> Result<(), Error> {
        let statement = diesel::sql_query(
            "UPDATE subscription_plan
             SET should_auto_apply_licenses = (subscription_plan.uuid IS NOT DISTINCT FROM $2), modified = $3
             FROM (SELECT uuid FROM subscription_plan
                   WHERE customer_agreement_uuid = $1
                       AND (should_auto_apply_licenses IS TRUE) <> (uuid IS NOT DISTINCT FROM $2)
                   ORDER BY uuid FOR NO KEY UPDATE) AS locked
             WHERE subscription_plan.uuid = locked.uuid
             RETURNING subscription_plan.*",
        )
        .bind::<SqlUuid, _>(agreement.0)
        .bind::<Nullable<SqlUuid>, _>(chosen.map(|plan| plan.0))
        .bind::<SqlTimestamp, _>(change.at);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN, Kind::Changed, change);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let statement = diesel::update(subscription_plan::table.find(SqlUuid(plan.id.0)))
            .set(PlanRow::from(plan))
            .returning(subscription_plan::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN, Kind::Changed, change);
        self.write_rows(1, "plans", |connection| statement.execute(connection))
    }

    fn was_handed_out(&mut self, id: PlanId) -> Result<bool, Error> {
        let query = was_handed_out(id);
        Ok(self.read(|connection| query.get_result::<NumberRow>(connection))?.number > 0)
    }

    fn delete(&mut self, id: PlanId, change: &Change) -> Result<(), Error> {
        let statement =
            diesel::delete(subscription_plan::table.find(SqlUuid(id.0))).returning(subscription_plan::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN, Kind::Deleted, change);
        self.write_rows(1, "plans", |connection| statement.execute(connection))
    }
}
