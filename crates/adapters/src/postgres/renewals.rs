//! Renewals.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Text};
use license_manager_domain::history::Change;
use license_manager_domain::model::{FollowingPlan, RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, RenewalRepository};
use license_manager_domain::{AgreementId, Error, LicenseId, PlanId, RenewalId, SubscriptionPlanRenewal};

use super::arrays::{column, sorted_uuids};
use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::one_of::one_of;
use crate::rows::renewals::{
    CountRow, RenewalDetailsRow, RenewalLinkRow, RenewalRow, differing_from, matching, not_carried_over, prior,
    renewal_details, renewal_link, renewals, renewed, waiting_among, waiting_for, with_plans,
};
use crate::rows::shared::IdRow;
use crate::schema::{SUBSCRIPTION_PLAN_RENEWAL, subscription_plan, subscription_plan_renewal as renewal};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl RenewalRepository for PostgresUnit<'_> {
    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        use subscription_plan::{customer_agreement_uuid, expiration_date, start_date, uuid};

        if agreements.is_empty() {
            return Ok(Vec::new());
        }
        let query = with_plans()
            .filter(one_of(prior.field(customer_agreement_uuid), agreements.iter().map(|agreement| agreement.0)))
            .order(renewal::id)
            .select((
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
        // The lock is a statement of its own. A statement that locks and joins would, after waiting, join with the
        // former plans.
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
        // Without a plan this is NULL, which equals nothing.
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
        let query = matching!(with_plans().count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn not_carried_over(
        &mut self,
        renewals: &[RenewalId],
        now: DateTime<Utc>,
    ) -> Result<HashMap<RenewalId, i64>, Error> {
        let query = sql_query(not_carried_over!("= ANY($1)"))
            .bind::<Array<BigInt>, _>(column(renewals, |renewal| renewal.0))
            .bind::<SqlTimestamp, _>(now);
        Ok(self.list::<CountRow, (RenewalId, i64)>(query)?.into_iter().collect())
    }

    fn waiting_for(
        &mut self,
        prior_plan: PlanId,
        following: &FollowingPlan,
        limit: i64,
    ) -> Result<Vec<LicenseId>, Error> {
        self.list(waiting_for(prior_plan, following, limit))
    }

    fn waiting_among(
        &mut self,
        prior_plan: PlanId,
        following: &FollowingPlan,
        licenses: &[LicenseId],
    ) -> Result<Vec<LicenseId>, Error> {
        let query = sql_query(waiting_among!("= ANY($4)"))
            .bind::<SqlUuid, _>(prior_plan.0)
            .bind::<Text, _>(following.license_types_to_copy.as_str())
            .bind::<SqlUuid, _>(following.id.0)
            .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)));
        self.list::<IdRow, LicenseId>(query)
    }

    fn differing_from(&mut self, prior_plan: PlanId, following: &FollowingPlan) -> Result<Vec<LicenseId>, Error> {
        self.list(differing_from(prior_plan, following))
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
