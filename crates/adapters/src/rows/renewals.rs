//! Renewals.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::dsl::{AsSelect, auto_type};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{FollowingPlan, RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, RenewalRepository};
use license_manager_domain::{
    AgreementId, CustomerId, Error, LicenseId, LicenseTypesToCopy, PlanId, RenewalId, SubscriptionPlanRenewal,
};
use uuid::Uuid;

use super::shared::{IdRow, for_both_databases, load_with_ids, part, sorted_uuids};
use crate::backends::{Pg, Sqlite};
use crate::prepared::{prepared_sql, update_row};
use crate::schema::subscription_plan_renewal as renewal;
use crate::schema::{SUBSCRIPTION_PLAN_RENEWAL, customer_agreement, subscription_plan, subscription_plan_renewal};
use crate::sql_types::{SqlNumberList, SqlTimestamp, SqlUuid, SqlUuidList};

diesel::alias!(
    subscription_plan as prior: Prior,
    subscription_plan as renewed: Renewed,
    subscription_plan as given: Given
);
// The renewal that leads to a plan, where `renewal` is the one that leads from it.
diesel::alias!(subscription_plan_renewal as leading: Leading);

/// The condition of `renewed`: the plan that a renewal leads to.
#[auto_type]
pub(crate) fn is_renewed() -> _ {
    renewed.field(subscription_plan::uuid).nullable().eq(renewal::renewed_subscription_plan_uuid)
}

/// The condition of the processed renewal that leads from a plan.
#[auto_type]
pub(crate) fn leads_from_plan() -> _ {
    renewal::prior_subscription_plan_uuid.eq(subscription_plan::uuid).and(renewal::processed)
}

/// The condition of `leading`: the processed renewal that leads to a plan.
#[auto_type]
pub(crate) fn leads_to_plan() -> _ {
    leading
        .field(renewal::renewed_subscription_plan_uuid)
        .eq(subscription_plan::uuid.nullable())
        .and(leading.field(renewal::processed))
}

/// Renewals with both plans and the agreement.
#[auto_type]
pub(crate) fn with_plans() -> _ {
    let prior_plan = prior.field(subscription_plan::uuid).eq(renewal::prior_subscription_plan_uuid);
    let agreement = customer_agreement::uuid.eq(prior.field(subscription_plan::customer_agreement_uuid));
    renewal::table
        .inner_join(prior.on(prior_plan))
        .left_join(renewed.on(is_renewed()))
        .inner_join(customer_agreement::table.on(agreement))
}

/// Renewals with what describes them, as [`RenewalDetailsRow`].
#[auto_type(no_type_alias)]
pub(crate) fn renewals<DB: Backend>() -> _ {
    let row: AsSelect<RenewalRow, DB> = RenewalRow::as_select();
    with_plans().select((
        renewal::id,
        row,
        prior.field(subscription_plan::title),
        renewed.field(subscription_plan::title).nullable(),
        customer_agreement::enterprise_customer_uuid,
    ))
}

/// The terms of a renewal, and whether it is processed.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = renewal, treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false, check_for_backend(Pg, Sqlite))]
pub(crate) struct RenewalRow {
    prior_subscription_plan_uuid: SqlUuid,
    renewed_subscription_plan_uuid: Option<SqlUuid>,
    salesforce_opportunity_id: Option<String>,
    number_of_licenses: i32,
    effective_date: SqlTimestamp,
    renewed_expiration_date: SqlTimestamp,
    processed: bool,
    processed_datetime: Option<SqlTimestamp>,
    renewed_plan_title: Option<String>,
    license_types_to_copy: String,
    disable_auto_apply_licenses: bool,
    exempt_from_batch_processing: bool,
    created: SqlTimestamp,
    modified: SqlTimestamp,
}

impl RenewalRow {
    /// One that is not processed.
    pub(crate) fn new(terms: &RenewalTerms, now: DateTime<Utc>) -> Self {
        Self {
            prior_subscription_plan_uuid: SqlUuid(terms.prior_plan.0),
            renewed_subscription_plan_uuid: terms.renewed_plan.map(|plan| SqlUuid(plan.0)),
            salesforce_opportunity_id: terms.salesforce_opportunity_id.clone(),
            number_of_licenses: terms.number_of_licenses,
            effective_date: SqlTimestamp(terms.effective_date),
            renewed_expiration_date: SqlTimestamp(terms.renewed_expiration_date),
            processed: false,
            processed_datetime: None,
            renewed_plan_title: terms.renewed_plan_title.clone(),
            license_types_to_copy: terms.license_types_to_copy.as_str().to_owned(),
            disable_auto_apply_licenses: terms.disable_auto_apply_licenses,
            exempt_from_batch_processing: terms.exempt_from_batch_processing,
            created: SqlTimestamp(now),
            modified: SqlTimestamp(now),
        }
    }

    fn into_renewal(self, id: i64) -> Result<SubscriptionPlanRenewal, Error> {
        let types = LicenseTypesToCopy::from_name(&self.license_types_to_copy);
        Ok(SubscriptionPlanRenewal {
            id: RenewalId(id),
            terms: RenewalTerms {
                prior_plan: PlanId(self.prior_subscription_plan_uuid.0),
                renewed_plan: self.renewed_subscription_plan_uuid.map(|id| PlanId(id.0)),
                salesforce_opportunity_id: self.salesforce_opportunity_id,
                number_of_licenses: self.number_of_licenses,
                effective_date: self.effective_date.0,
                renewed_expiration_date: self.renewed_expiration_date.0,
                renewed_plan_title: self.renewed_plan_title,
                license_types_to_copy: types
                    .ok_or_else(|| Error::internal(format!("renewal {id} copies an unknown kind of licenses")))?,
                disable_auto_apply_licenses: self.disable_auto_apply_licenses,
                exempt_from_batch_processing: self.exempt_from_batch_processing,
            },
            processed: self.processed,
            processed_datetime: self.processed_datetime.map(|moment| moment.0),
            created: self.created.0,
            modified: self.modified.0,
        })
    }
}

impl From<&SubscriptionPlanRenewal> for RenewalRow {
    fn from(renewal: &SubscriptionPlanRenewal) -> Self {
        Self {
            processed: renewal.processed,
            processed_datetime: renewal.processed_datetime.map(SqlTimestamp),
            created: SqlTimestamp(renewal.created),
            ..Self::new(&renewal.terms, renewal.modified)
        }
    }
}

/// Id, renewal, title of the prior plan, title of the renewed one, customer.
pub(crate) type RenewalDetailsRow = (i64, RenewalRow, String, Option<String>, Uuid);

pub(crate) fn renewal_details(
    (id, row, prior_plan_title, renewed_plan_title, customer): RenewalDetailsRow,
) -> Result<RenewalDetails, Error> {
    let renewal = row.into_renewal(id)?;
    Ok(RenewalDetails {
        renewal,
        prior_plan_title,
        renewed_plan_title,
        customer: CustomerId(customer),
        num_not_carried_over: 0,
    })
}

/// Id, effective date, agreed end and whether it is processed; of the prior plan id, agreement and start; of the
/// renewed plan id, start and end.
pub(crate) type RenewalLinkRow = (
    i64,
    DateTime<Utc>,
    DateTime<Utc>,
    bool,
    (Uuid, Uuid, DateTime<Utc>),
    Option<(Uuid, DateTime<Utc>, DateTime<Utc>)>,
);

pub(crate) fn renewal_link(
    (id, effective_date, agreed_expiration, processed, prior_plan, renewed_plan): RenewalLinkRow,
) -> RenewalLink {
    let (prior_plan, agreement, prior_plan_start) = prior_plan;
    RenewalLink {
        id: RenewalId(id),
        agreement: AgreementId(agreement),
        prior_plan: PlanId(prior_plan),
        prior_plan_start,
        renewed_plan: renewed_plan.map(|(plan, ..)| PlanId(plan)),
        renewed_plan_start: renewed_plan.map(|(_, start, _)| start),
        renewed_expiration: renewed_plan.map_or(agreed_expiration, |(.., expiration)| expiration),
        effective_date,
        processed,
    }
}

/// The states whose licenses may be carried over, each with the condition of what the renewal copies.
const CARRIED_OVER: [(&str, &str); 2] = [("activated", "<> 'nothing'"), ("assigned", "= 'assigned_and_activated'")];

/// The condition of the index `license_without_copy`.
///
/// COALESCE instead of IS NULL makes Postgres expect few licenses without a copy. With IS NULL it expects the share that
/// all plans have, and compiles the statement or runs it in several processes: that takes longer than the statement.
/// IS TRUE keeps SQLite from swapping the sides of the comparison. It would not recognize the condition of the index
/// then.
const WITHOUT_COPY: &str = "(COALESCE(license.renewed_to_uuid, license.uuid) = license.uuid) IS TRUE
         AND license.status <> 'unassigned' AND license.status <> 'revoked'";

/// The condition that a license without a copy would be carried over, if its renewed plan had a license for it: the
/// address holds no license there, and none was revoked since.
///
/// The few licenses of the address are looked up, whatever the statistics say. IS TRUE leaves no other condition that an
/// index could serve: where statistics know no revoked licenses, Postgres would read all of the plan for each address.
/// OFFSET 0 keeps Postgres from joining, where it expects few licenses that wait.
fn waits(renewed_plan: &str) -> String {
    format!(
        "NOT EXISTS (
             SELECT 1 FROM license AS renewed_license
             WHERE renewed_license.user_email = license.user_email
                 AND (renewed_license.subscription_plan_uuid = {renewed_plan}
                      AND (renewed_license.status IN ('assigned', 'activated')
                           OR renewed_license.status = 'revoked' AND renewed_license.renewed_from_uuid IS NULL
                              AND renewed_license.revoked_date >= license.assigned_date)) IS TRUE
             LIMIT 1 OFFSET 0)"
    )
}

/// One query for each state in [`CARRIED_OVER`], so that each reads its part of the index.
fn of_each_state(query: impl Fn(&str, &str) -> String) -> String {
    CARRIED_OVER.map(|(status, license_types)| query(status, license_types)).join(" UNION ALL ")
}

/// A number for a renewal.
#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl From<CountRow> for (RenewalId, i64) {
    fn from(row: CountRow) -> Self {
        (RenewalId(row.id), row.number)
    }
}

/// Restricts a query to the renewals that match, and boxes it. A macro, because the types of a list and of a count
/// differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &license_manager_domain::ports::RenewalFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(ids) = &filter.ids {
            query = query.filter(renewal::id.eq_any(ids.iter().map(|id| id.0).collect::<Vec<_>>()));
        }
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
        if let Some(id) = &filter.salesforce_opportunity_id {
            query = query.filter(renewal::salesforce_opportunity_id.eq(id.clone()));
        }
        query
    }};
}

for_both_databases! {
    impl RenewalRepository for Unit {
        fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
            use subscription_plan::{customer_agreement_uuid, expiration_date, start_date, uuid};

            if agreements.is_empty() {
                return Ok(Vec::new());
            }
            if let Some(links) = self.prefetched.take_renewals(agreements) {
                return Ok(links);
            }
            let links = with_plans()
                .order(renewal::id)
                .select((
                    renewal::id,
                    renewal::effective_date,
                    renewal::renewed_expiration_date,
                    renewal::processed,
                    prior.fields((uuid, customer_agreement_uuid, start_date)),
                    renewed.fields((uuid, start_date, expiration_date)).nullable(),
                ));
            let of_agreement = prior.field(customer_agreement_uuid);
            let rows = load_with_ids!(self, links, of_agreement, agreements, RenewalLinkRow)?;
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
            self.lock_renewal(id)?;
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
                .order((renewal::effective_date.desc(), renewal::id.desc()));
            let query = part(query, limit_offset);
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
            let waiting = of_each_state(|status, license_types| {
                format!(
                    "SELECT renewal.id
                     FROM subscription_plan_renewal AS renewal
                     JOIN subscription_plan AS renewed ON renewed.uuid = renewal.renewed_subscription_plan_uuid
                     JOIN license ON license.subscription_plan_uuid = renewal.prior_subscription_plan_uuid
                     WHERE renewal.id {} AND renewal.processed AND renewed.start_date > $2
                         AND renewal.license_types_to_copy {license_types} AND license.status = '{status}'
                         AND {WITHOUT_COPY} AND {}",
                    Self::among("$1"),
                    waits("renewed.uuid")
                )
            });
            let query = prepared_sql(format!(
                "SELECT waiting.id, count(*) AS number FROM ({waiting}) AS waiting GROUP BY waiting.id"
            ))
            .bind::<SqlNumberList, _>(renewals.iter().map(|renewal| renewal.0).collect::<Vec<_>>())
            .bind::<SqlTimestamp, _>(now);
            Ok(self.list::<CountRow, (RenewalId, i64)>(query)?.into_iter().collect())
        }

        fn waiting_for(
            &mut self,
            prior_plan: PlanId,
            following: &FollowingPlan,
            limit: i64,
        ) -> Result<Vec<LicenseId>, Error> {
            // Each state is read in the order of the index, and no further than the limit: very many may wait for few.
            let waiting = of_each_state(|status, license_types| {
                format!(
                    "SELECT of_state.uuid FROM (
                         SELECT license.uuid FROM license
                         WHERE license.subscription_plan_uuid = $1 AND $2 {license_types}
                             AND license.status = '{status}' AND {WITHOUT_COPY} AND {}
                         ORDER BY license.uuid LIMIT $4
                     ) AS of_state",
                    waits("$3")
                )
            });
            let query = prepared_sql(format!(
                "SELECT waiting.uuid FROM ({waiting}) AS waiting ORDER BY waiting.uuid LIMIT $4"
            ))
            .bind::<SqlUuid, _>(prior_plan.0)
            .bind::<Text, _>(following.license_types_to_copy.as_str())
            .bind::<SqlUuid, _>(following.id.0)
            .bind::<BigInt, _>(limit.max(0));
            self.list::<IdRow, _>(query)
        }

        fn waiting_among(
            &mut self,
            prior_plan: PlanId,
            following: &FollowingPlan,
            licenses: &[LicenseId],
        ) -> Result<Vec<LicenseId>, Error> {
            // IS TRUE makes both databases look up the licenses by their ids. Without statistics, Postgres expects few
            // licenses in a plan, and would read them all. For the same reason, this does not have the condition of the
            // index license_without_copy.
            let is_copied = CARRIED_OVER.map(|(status, types)| format!("license.status = '{status}' AND $3 {types}"));
            let query = prepared_sql(format!(
                "SELECT license.uuid FROM license
                 WHERE license.uuid {}
                     AND (license.subscription_plan_uuid = $2 AND ({}) AND license.renewed_to_uuid IS NULL) IS TRUE
                     AND {}
                 ORDER BY license.uuid",
                Self::among("$1"),
                is_copied.join(" OR "),
                waits("$4")
            ))
            .bind::<SqlUuidList, _>(sorted_uuids(licenses.iter().map(|license| license.0)))
            .bind::<SqlUuid, _>(prior_plan.0)
            .bind::<Text, _>(following.license_types_to_copy.as_str())
            .bind::<SqlUuid, _>(following.id.0);
            self.list::<IdRow, _>(query)
        }

        fn differing_from(&mut self, prior_plan: PlanId, following: &FollowingPlan) -> Result<Vec<LicenseId>, Error> {
            // More than one live copy of a license is not made, but can be moved there. A copy that was activated
            // itself is not activated from the start of its plan, and stays so.
            let query = prepared_sql(
                "SELECT DISTINCT license.uuid FROM license AS copy
                 JOIN license ON license.uuid = copy.renewed_from_uuid
                 WHERE license.subscription_plan_uuid = $1 AND copy.subscription_plan_uuid = $2
                     AND copy.status IN ('assigned', 'activated')
                     AND (license.status = 'unassigned'
                          OR license.status = 'revoked' AND license.user_email IS NOT NULL
                          OR license.status IN ('assigned', 'activated')
                             AND (license.renewed_to_uuid IS NULL OR license.renewed_to_uuid <> copy.uuid
                                  OR license.user_email <> copy.user_email
                                  OR license.status = 'activated'
                                     AND (copy.status = 'assigned' OR copy.activation_date <> $3)
                                  OR license.status = 'assigned' AND copy.activation_date = $3
                                  OR COALESCE(license.lms_user_id, 0) <> COALESCE(copy.lms_user_id, 0)
                                     AND (license.lms_user_id IS NOT NULL
                                          OR NOT (license.status = 'assigned' AND copy.status = 'activated'))))
                 ORDER BY license.uuid",
            )
            .bind::<SqlUuid, _>(prior_plan.0)
            .bind::<SqlUuid, _>(following.id.0)
            .bind::<SqlTimestamp, _>(following.start_date);
            self.list::<IdRow, _>(query)
        }

        fn add(&mut self, terms: &RenewalTerms, change: &Change) -> Result<RenewalId, Error> {
            self.add_renewal(RenewalRow::new(terms, change.at), change)
        }

        fn save(&mut self, saved: &SubscriptionPlanRenewal, change: &Change) -> Result<(), Error> {
            let row = RenewalRow::from(saved);
            let statement = update_row::<BigInt, _, _>(&SUBSCRIPTION_PLAN_RENEWAL, saved.id.0, row);
            self.write_recorded(&SUBSCRIPTION_PLAN_RENEWAL, saved.id, ChangeKind::Changed, change, statement)
        }

        fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error> {
            let statement = diesel::delete(renewal::table.find(id.0));
            self.write_recorded(&SUBSCRIPTION_PLAN_RENEWAL, id, ChangeKind::Deleted, change, statement)
        }
    }
}
