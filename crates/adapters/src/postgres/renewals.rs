//! Renewals.

use diesel::dsl::{AsSelect, auto_type};
use diesel::pg::Pg;
use diesel::prelude::*;
use license_manager_domain::history::Change;
use license_manager_domain::model::{RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, RenewalRepository};
use license_manager_domain::{AgreementId, Error, PlanId, RenewalId, SubscriptionPlanRenewal};

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::rows::renewals::{RenewalDetailsRow, RenewalLinkRow, RenewalRow, renewal_details, renewal_link};
use crate::schema::{
    SUBSCRIPTION_PLAN_RENEWAL, customer_agreement, subscription_plan, subscription_plan_renewal as renewal,
};
use crate::sql_types::SqlUuid;

diesel::alias!(subscription_plan as prior: Prior, subscription_plan as renewed: Renewed);

/// Renewals with both plans and the agreement.
#[auto_type]
fn surrounded() -> _ {
    let prior_plan = prior.field(subscription_plan::uuid).eq(renewal::prior_subscription_plan_uuid);
    let renewed_plan = renewed.field(subscription_plan::uuid).nullable().eq(renewal::renewed_subscription_plan_uuid);
    let agreement = customer_agreement::uuid.eq(prior.field(subscription_plan::customer_agreement_uuid));
    renewal::table
        .inner_join(prior.on(prior_plan))
        .left_join(renewed.on(renewed_plan))
        .inner_join(customer_agreement::table.on(agreement))
}

/// The renewals, to be selected as [`RenewalDetailsRow`].
#[auto_type(no_type_alias)]
fn renewals() -> _ {
    let row: AsSelect<RenewalRow, Pg> = RenewalRow::as_select();
    surrounded().select((
        renewal::id,
        row,
        prior.field(subscription_plan::title),
        renewed.field(subscription_plan::title).nullable(),
        customer_agreement::enterprise_customer_uuid,
    ))
}

/// The renewals that match, as a boxed query: a macro, because the types of a list and of a count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &RenewalFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(plan) = filter.prior_plan {
            query = query.filter(renewal::prior_subscription_plan_uuid.eq(SqlUuid(plan.0)));
        }
        if let Some(plan) = filter.renewed_plan {
            query = query.filter(renewal::renewed_subscription_plan_uuid.eq(SqlUuid(plan.0)));
        }
        if let Some(customer) = filter.customer {
            query = query.filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        }
        if let Some(processed) = filter.processed {
            query = query.filter(renewal::processed.eq(processed));
        }
        query
    }};
}

impl RenewalRepository for PostgresUnit<'_> {
    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        use subscription_plan::{customer_agreement_uuid, expiration_date, start_date, uuid};

        if agreements.is_empty() {
            return Ok(Vec::new());
        }
        let agreements: Vec<_> = agreements.iter().map(|agreement| SqlUuid(agreement.0)).collect();
        let query =
            surrounded().filter(prior.field(customer_agreement_uuid).eq_any(agreements)).order(renewal::id).select((
                renewal::id,
                renewal::effective_date,
                renewal::renewed_expiration_date,
                renewal::processed,
                prior.fields((uuid, customer_agreement_uuid, start_date)),
                renewed.fields((uuid, start_date, expiration_date)).nullable(),
            ));
        let rows = self.read(|connection| query.load::<RenewalLinkRow>(connection))?;
        Ok(rows.into_iter().map(renewal_link).collect())
    }

    fn find(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        let query = renewals().filter(renewal::id.eq(id.0));
        let row = self.read(|connection| query.first::<RenewalDetailsRow>(connection).optional())?;
        row.map(renewal_details).transpose()
    }

    fn lock(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        // By itself: a statement that also reads the plans would tell of them as they were before it waited.
        let query = renewal::table.find(id.0).select(renewal::id).for_no_key_update();
        self.write(|connection| query.get_result::<i64>(connection).optional())?;
        RenewalRepository::find(self, id)
    }

    fn find_by_plans(
        &mut self,
        prior_plan: PlanId,
        renewed_plan: Option<PlanId>,
    ) -> Result<Vec<RenewalDetails>, Error> {
        let by_prior = renewal::prior_subscription_plan_uuid.eq(SqlUuid(prior_plan.0));
        // Without a plan this compares with NULL, which equals nothing.
        let by_renewed = renewal::renewed_subscription_plan_uuid.eq(renewed_plan.map(|plan| SqlUuid(plan.0)));
        let query = renewals().filter(by_prior.nullable().or(by_renewed)).order(by_prior.desc());
        let rows = self.read(|connection| query.load::<RenewalDetailsRow>(connection))?;
        rows.into_iter().map(renewal_details).collect()
    }

    fn list(&mut self, filter: &RenewalFilter, limit_offset: LimitOffset) -> Result<Vec<RenewalDetails>, Error> {
        let query = matching!(renewals(), filter)
            .order((renewal::effective_date.desc(), renewal::id.desc()))
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        let rows = self.read(|connection| query.load::<RenewalDetailsRow>(connection))?;
        rows.into_iter().map(renewal_details).collect()
    }

    fn count(&mut self, filter: &RenewalFilter) -> Result<i64, Error> {
        let query = matching!(surrounded().count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn add(&mut self, terms: &RenewalTerms, change: &Change) -> Result<RenewalId, Error> {
        let statement = diesel::insert_into(renewal::table)
            .values(RenewalRow::new(terms, change.at))
            .returning(renewal::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN_RENEWAL, Kind::Added, change).returning_id();
        self.write(|connection| statement.get_result::<i64>(connection)).map(RenewalId)
    }

    fn save(&mut self, saved: &SubscriptionPlanRenewal, change: &Change) -> Result<(), Error> {
        let statement = diesel::update(renewal::table.find(saved.id.0))
            .set(RenewalRow::from(saved))
            .returning(renewal::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN_RENEWAL, Kind::Changed, change);
        self.write_rows(1, "renewals", |connection| statement.execute(connection))
    }

    fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error> {
        let statement = diesel::delete(renewal::table.find(id.0)).returning(renewal::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN_RENEWAL, Kind::Deleted, change);
        self.write_rows(1, "renewals", |connection| statement.execute(connection))
    }
}
