//! Subscription plans.

use diesel::dsl::{AsSelect, auto_type};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Nullable;
use license_manager_domain::history::Change;
use license_manager_domain::ports::{CustomerScope, LimitOffset, PlanFilter, PlanRepository};
use license_manager_domain::{AgreementId, Error, PlanDetails, PlanId, SubscriptionPlan};
use uuid::Uuid;

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::rows::plans::{PlanDetailsRow, PlanRow, plan_details};
use crate::schema::{SUBSCRIPTION_PLAN, customer_agreement, plan_type, product, subscription_plan};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[auto_type(no_type_alias)]
fn plans() -> _ {
    let row: AsSelect<PlanRow, Pg> = PlanRow::as_select();
    subscription_plan::table
        .inner_join(customer_agreement::table)
        .inner_join(product::table.inner_join(plan_type::table))
        .select((row, customer_agreement::enterprise_customer_uuid, plan_type::label))
}

/// The plans that match, as a boxed query: a macro, because the types of a list and of a count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &PlanFilter = $filter;
        let mut query = $query.into_boxed();
        if let CustomerScope::Only(customers) = &filter.scope {
            let customers: Vec<_> = customers.iter().map(|customer| SqlUuid(customer.0)).collect();
            query = query.filter(customer_agreement::enterprise_customer_uuid.eq_any(customers));
        }
        if let Some(customer) = filter.customer {
            query = query.filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        }
        if filter.active_only {
            query = query.filter(subscription_plan::is_active);
        }
        if let Some(moment) = filter.current_at {
            query = query
                .filter(subscription_plan::start_date.le(SqlTimestamp(moment)))
                .filter(subscription_plan::expiration_date.ge(SqlTimestamp(moment)));
        }
        query
    }};
}

impl PlanRepository for PostgresUnit<'_> {
    fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        let query = plans().filter(subscription_plan::uuid.eq(SqlUuid(id.0)));
        let row = self.read(|connection| query.first::<PlanDetailsRow>(connection).optional())?;
        Ok(row.map(plan_details))
    }

    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        // By itself: after waiting, a statement that also reads the product looks for the one that the plan had before, and
        // tells of no plan where it has another by then.
        let query = subscription_plan::table.find(SqlUuid(id.0)).select(subscription_plan::uuid).for_no_key_update();
        self.write(|connection| query.get_result::<Uuid>(connection).optional())?;
        PlanRepository::find(self, id)
    }

    fn list(&mut self, filter: &PlanFilter, limit_offset: LimitOffset) -> Result<Vec<PlanDetails>, Error> {
        let query = matching!(plans(), filter)
            .order((subscription_plan::start_date.desc(), subscription_plan::uuid))
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        let rows = self.read(|connection| query.load::<PlanDetailsRow>(connection))?;
        Ok(rows.into_iter().map(plan_details).collect())
    }

    fn count(&mut self, filter: &PlanFilter) -> Result<i64, Error> {
        let query = matching!(subscription_plan::table.inner_join(customer_agreement::table).count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error> {
        if agreements.is_empty() {
            return Ok(Vec::new());
        }
        let agreements: Vec<_> = agreements.iter().map(|agreement| SqlUuid(agreement.0)).collect();
        let query = plans()
            .filter(subscription_plan::customer_agreement_uuid.eq_any(agreements))
            .order((subscription_plan::start_date.desc(), subscription_plan::uuid));
        let rows = self.read(|connection| query.load::<PlanDetailsRow>(connection))?;
        Ok(rows.into_iter().map(plan_details).collect())
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
}
