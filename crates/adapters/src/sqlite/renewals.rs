//! Renewals.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{FollowingPlan, RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, RenewalRepository};
use license_manager_domain::{AgreementId, Error, LicenseId, PlanId, RenewalId, SubscriptionPlanRenewal};

use super::json::json;
use super::unit::SqliteUnit;
use crate::one_of::one_of;
use crate::rows::renewals::{
    CountRow, RenewalDetailsRow, RenewalLinkRow, RenewalRow, differing_from, matching, not_carried_over, prior,
    renewal_details, renewal_link, renewals, renewed, waiting_among, waiting_for, with_plans,
};
use crate::rows::shared::IdRow;
use crate::schema::{SUBSCRIPTION_PLAN_RENEWAL, subscription_plan, subscription_plan_renewal as renewal};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl RenewalRepository for SqliteUnit<'_> {
    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        use subscription_plan::{customer_agreement_uuid, expiration_date, start_date, uuid};

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
        let rows: Vec<RenewalLinkRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(renewal_link).collect())
    }

    fn find(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        let query = renewals().filter(renewal::id.eq(id.0));
        self.read(|connection| query.first::<RenewalDetailsRow>(connection).optional())?
            .map(renewal_details)
            .transpose()
    }

    // Only one unit of work writes at a time, so no row needs a lock.
    fn lock(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        self.require_write()?;
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
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0));
        let rows = self.read(|connection| query.load::<RenewalDetailsRow>(connection))?;
        rows.into_iter().map(renewal_details).collect()
    }

    fn count(&mut self, filter: &RenewalFilter) -> Result<i64, Error> {
        self.read(|connection| matching!(with_plans().count(), filter).get_result(connection))
    }

    fn not_carried_over(
        &mut self,
        renewals: &[RenewalId],
        now: DateTime<Utc>,
    ) -> Result<HashMap<RenewalId, i64>, Error> {
        let query = sql_query(not_carried_over!("IN (SELECT value FROM json_each($1))"))
            .bind::<Text, _>(json(renewals.iter().map(|renewal| renewal.0).collect::<Vec<_>>())?)
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
        let query = sql_query(waiting_among!("IN (SELECT value FROM json_each($4))"))
            .bind::<SqlUuid, _>(prior_plan.0)
            .bind::<Text, _>(following.license_types_to_copy.as_str())
            .bind::<SqlUuid, _>(following.id.0)
            .bind::<Text, _>(json(licenses)?);
        self.list::<IdRow, LicenseId>(query)
    }

    fn differing_from(&mut self, prior_plan: PlanId, following: &FollowingPlan) -> Result<Vec<LicenseId>, Error> {
        self.list(differing_from(prior_plan, following))
    }

    fn add(&mut self, terms: &RenewalTerms, change: &Change) -> Result<RenewalId, Error> {
        let query =
            diesel::insert_into(renewal::table).values(RenewalRow::new(terms, change.at)).returning(renewal::id);
        let id = self.write(|connection| query.get_result(connection))?;
        self.record(&SUBSCRIPTION_PLAN_RENEWAL, &json([id])?, ChangeKind::Added, change)?;
        Ok(RenewalId(id))
    }

    fn save(&mut self, saved: &SubscriptionPlanRenewal, change: &Change) -> Result<(), Error> {
        let row = RenewalRow::from(saved);
        self.write_rows(1, "renewals", |connection| {
            diesel::update(renewal::table.find(saved.id.0)).set(row).execute(connection)
        })?;
        self.record(&SUBSCRIPTION_PLAN_RENEWAL, &json([saved.id])?, ChangeKind::Changed, change)
    }

    fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error> {
        self.record(&SUBSCRIPTION_PLAN_RENEWAL, &json([id])?, ChangeKind::Deleted, change)?;
        self.write_rows(1, "renewals", |connection| diesel::delete(renewal::table.find(id.0)).execute(connection))
    }
}
