//! Subscription plans.

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::dsl::{AsSelect, auto_type};
use diesel::prelude::*;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{FollowingPlan, PriorPlan, RenewalLink};
use license_manager_domain::ports::{LimitOffset, PlanFilter, PlanRepository};
use license_manager_domain::{
    AgreementId, CatalogId, CustomerId, Error, LicenseTypesToCopy, PlanDetails, PlanId, ProductId, SubscriptionPlan,
};
use uuid::Uuid;

use super::agreements::{AgreementRow, MessageRow, agreement};
use super::renewals::{given, is_renewed, leading, leads_from_plan, leads_to_plan, renewal_link, renewed};
use super::shared::{NumberRow, for_both_databases, load_with_ids, part};
use crate::backends::{Pg, Sqlite};
use crate::one_of::one_of;
use crate::prepared::{prepared_sql, update_row};
use crate::schema::{
    SUBSCRIPTION_PLAN, customer_agreement, expiration_message, plan_type, product, subscription_plan,
    subscription_plan_renewal as renewal,
};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = subscription_plan, primary_key(uuid), treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false, check_for_backend(Pg, Sqlite))]
pub(crate) struct PlanRow {
    uuid: SqlUuid,
    title: String,
    start_date: SqlTimestamp,
    expiration_date: SqlTimestamp,
    expiration_processed: bool,
    enterprise_catalog_uuid: SqlUuid,
    customer_agreement_uuid: SqlUuid,
    is_active: bool,
    is_revocation_cap_enabled: bool,
    revoke_max_percentage: i16,
    num_revocations_applied: i32,
    salesforce_opportunity_line_item: Option<String>,
    product_id: i32,
    for_internal_use_only: bool,
    can_freeze_unused_licenses: bool,
    last_freeze_timestamp: Option<SqlTimestamp>,
    should_auto_apply_licenses: Option<bool>,
    desired_num_licenses: Option<i32>,
    created: SqlTimestamp,
    modified: SqlTimestamp,
}

impl From<&SubscriptionPlan> for PlanRow {
    fn from(plan: &SubscriptionPlan) -> Self {
        Self {
            uuid: SqlUuid(plan.id.0),
            title: plan.title.clone(),
            start_date: SqlTimestamp(plan.start_date),
            expiration_date: SqlTimestamp(plan.expiration_date),
            expiration_processed: plan.expiration_processed,
            enterprise_catalog_uuid: SqlUuid(plan.catalog.0),
            customer_agreement_uuid: SqlUuid(plan.agreement.0),
            is_active: plan.is_active,
            is_revocation_cap_enabled: plan.is_revocation_cap_enabled,
            revoke_max_percentage: plan.revoke_max_percentage,
            num_revocations_applied: plan.num_revocations_applied,
            salesforce_opportunity_line_item: plan.salesforce_opportunity_line_item.clone(),
            product_id: plan.product.0,
            for_internal_use_only: plan.for_internal_use_only,
            can_freeze_unused_licenses: plan.can_freeze_unused_licenses,
            last_freeze_timestamp: plan.last_freeze_timestamp.map(SqlTimestamp),
            should_auto_apply_licenses: plan.should_auto_apply_licenses,
            desired_num_licenses: plan.desired_num_licenses,
            created: SqlTimestamp(plan.created),
            modified: SqlTimestamp(plan.modified),
        }
    }
}

impl From<PlanRow> for SubscriptionPlan {
    fn from(row: PlanRow) -> Self {
        Self {
            id: PlanId(row.uuid.0),
            title: row.title,
            start_date: row.start_date.0,
            expiration_date: row.expiration_date.0,
            expiration_processed: row.expiration_processed,
            catalog: CatalogId(row.enterprise_catalog_uuid.0),
            agreement: AgreementId(row.customer_agreement_uuid.0),
            is_active: row.is_active,
            is_revocation_cap_enabled: row.is_revocation_cap_enabled,
            revoke_max_percentage: row.revoke_max_percentage,
            num_revocations_applied: row.num_revocations_applied,
            salesforce_opportunity_line_item: row.salesforce_opportunity_line_item,
            product: ProductId(row.product_id),
            for_internal_use_only: row.for_internal_use_only,
            can_freeze_unused_licenses: row.can_freeze_unused_licenses,
            last_freeze_timestamp: row.last_freeze_timestamp.map(|moment| moment.0),
            should_auto_apply_licenses: row.should_auto_apply_licenses,
            desired_num_licenses: row.desired_num_licenses,
            created: row.created.0,
            modified: row.modified.0,
        }
    }
}

/// A plan, its customer, the label of its plan type, the plan that follows it, as [`FollowingRow`], and the plan that it
/// follows, as [`PriorRow`].
pub(crate) type PlanDetailsRow = (PlanRow, Uuid, String, Option<FollowingRow>, Option<PriorRow>);

/// A plan with its agreement and the agreement's message. The plan comes last: diesel reads rows within rows only there.
pub(crate) type PlanWithAgreementRow = (AgreementRow, Option<MessageRow>, PlanDetailsRow);

/// A plan as [`PlanDetailsRow`] has it, with its renewal and the start and the end of the renewed plan in place of the plan
/// that follows.
type PlanWithRenewalRow =
    (PlanRow, Uuid, String, Option<OwnRenewalRow>, Option<(Uuid, DateTime<Utc>, DateTime<Utc>)>, Option<PriorRow>);

/// A plan with its renewal, its agreement and the agreement's message.
type PlanInAgreementRow = (AgreementRow, Option<MessageRow>, PlanWithRenewalRow);

/// Id, effective date and agreed end of a plan's renewal, whether it is processed, and which licenses it takes.
type OwnRenewalRow = (i64, DateTime<Utc>, DateTime<Utc>, bool, String);

/// Id and start of the plan that follows, and which licenses it takes.
pub(crate) type FollowingRow = (Uuid, DateTime<Utc>, String);

/// Id of the prior plan, and which of its licenses are carried over.
pub(crate) type PriorRow = (Uuid, String);

/// The columns of [`PlanDetailsRow`].
#[auto_type]
pub(crate) fn plan_columns<DB: Backend>() -> _ {
    let row: AsSelect<PlanRow, DB> = PlanRow::as_select();
    let following = (
        renewed.field(subscription_plan::uuid),
        renewed.field(subscription_plan::start_date),
        renewal::license_types_to_copy,
    );
    let prior = (leading.field(renewal::prior_subscription_plan_uuid), leading.field(renewal::license_types_to_copy));
    (row, customer_agreement::enterprise_customer_uuid, plan_type::label, following.nullable(), prior.nullable())
}

/// The condition of the message of an agreement.
#[auto_type]
fn is_of_agreement() -> _ {
    expiration_message::customer_agreement_uuid.eq(customer_agreement::uuid)
}

/// Plans with the tables that [`plan_columns()`] are of.
#[auto_type]
fn joined() -> _ {
    subscription_plan::table
        .inner_join(customer_agreement::table)
        .inner_join(product::table.inner_join(plan_type::table))
        .left_join(renewal::table.on(leads_from_plan()))
        .left_join(renewed.on(is_renewed()))
        .left_join(leading.on(leads_to_plan()))
}

/// Plans with their customers and plan types, as [`PlanDetailsRow`].
#[auto_type(no_type_alias)]
pub(crate) fn plans<DB: Backend>() -> _ {
    let columns: plan_columns<DB> = plan_columns();
    joined().select(columns)
}

/// Plans as [`plans`] has them, each with its agreement, as [`PlanWithAgreementRow`].
#[auto_type(no_type_alias)]
pub(crate) fn plans_with_agreements<DB: Backend>() -> _ {
    let agreement: AsSelect<AgreementRow, DB> = AgreementRow::as_select();
    let message: AsSelect<Option<MessageRow>, DB> = Option::<MessageRow>::as_select();
    let columns: plan_columns<DB> = plan_columns();
    joined().left_join(expiration_message::table.on(is_of_agreement())).select((agreement, message, columns))
}

/// The columns of [`PlanWithRenewalRow`].
#[auto_type]
fn columns_with_renewal<DB: Backend>() -> _ {
    let row: AsSelect<PlanRow, DB> = PlanRow::as_select();
    let own_renewal = (
        renewal::id,
        renewal::effective_date,
        renewal::renewed_expiration_date,
        renewal::processed,
        renewal::license_types_to_copy,
    );
    let renewed_dates = (
        renewed.field(subscription_plan::uuid),
        renewed.field(subscription_plan::start_date),
        renewed.field(subscription_plan::expiration_date),
    );
    let prior = (leading.field(renewal::prior_subscription_plan_uuid), leading.field(renewal::license_types_to_copy));
    (
        row,
        customer_agreement::enterprise_customer_uuid,
        plan_type::label,
        own_renewal.nullable(),
        renewed_dates.nullable(),
        prior.nullable(),
    )
}

/// Plans with the tables that [`columns_with_renewal()`] are of.
#[auto_type]
fn joined_with_renewals() -> _ {
    let is_own = renewal::prior_subscription_plan_uuid.eq(subscription_plan::uuid);
    subscription_plan::table
        .inner_join(customer_agreement::table)
        .inner_join(product::table.inner_join(plan_type::table))
        .left_join(renewal::table.on(is_own))
        .left_join(renewed.on(is_renewed()))
        .left_join(leading.on(leads_to_plan()))
}

/// Plans as [`plans`] has them, each with its renewal, processed or not, as [`PlanWithRenewalRow`].
#[auto_type(no_type_alias)]
fn plans_with_renewals<DB: Backend>() -> _ {
    let columns: columns_with_renewal<DB> = columns_with_renewal();
    joined_with_renewals().select(columns)
}

/// Plans as [`plans_with_renewals`] has them, each with its agreement, as [`PlanInAgreementRow`].
#[auto_type(no_type_alias)]
fn plans_in_agreement<DB: Backend>() -> _ {
    let agreement: AsSelect<AgreementRow, DB> = AgreementRow::as_select();
    let message: AsSelect<Option<MessageRow>, DB> = Option::<MessageRow>::as_select();
    let columns: columns_with_renewal<DB> = columns_with_renewal();
    joined_with_renewals()
        .left_join(expiration_message::table.on(is_of_agreement()))
        .select((agreement, message, columns))
}

pub(crate) fn plan_details((row, customer, plan_type, following, prior): PlanDetailsRow) -> Result<PlanDetails, Error> {
    let plan = SubscriptionPlan::from(row);
    let types = |name: &str| {
        let unknown = || Error::internal(format!("a renewal of plan {} copies an unknown kind of licenses", plan.id));
        LicenseTypesToCopy::from_name(name).ok_or_else(unknown)
    };
    let following = following.map(|(id, start_date, name)| {
        Ok::<_, Error>(FollowingPlan { id: PlanId(id), start_date, license_types_to_copy: types(&name)? })
    });
    let prior =
        prior.map(|(id, name)| Ok::<_, Error>(PriorPlan { id: PlanId(id), license_types_to_copy: types(&name)? }));
    let (following, prior) = (following.transpose()?, prior.transpose()?);
    Ok(PlanDetails { plan, customer: CustomerId(customer), plan_type, following, prior })
}

/// A plan, and its renewal if it has one.
fn plan_and_renewal(
    (row, customer, plan_type, own_renewal, dates, prior): PlanWithRenewalRow,
) -> Result<(PlanDetails, Option<RenewalLink>), Error> {
    let following = match (&own_renewal, dates) {
        (Some((.., true, types)), Some((id, start_date, _))) => Some((id, start_date, types.clone())),
        _ => None,
    };
    let details = plan_details((row, customer, plan_type, following, prior))?;
    let plan = (details.plan.id.0, details.plan.agreement.0, details.plan.start_date);
    let link = own_renewal.map(|(id, effective_date, agreed_expiration, processed, _)| {
        renewal_link((id, effective_date, agreed_expiration, processed, plan, dates))
    });
    Ok((details, link))
}

/// The plans of a query, and their renewals.
fn plans_and_renewals(rows: Vec<PlanWithRenewalRow>) -> Result<(Vec<PlanDetails>, Vec<RenewalLink>), Error> {
    let (mut plans, mut renewals) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let (details, link) = plan_and_renewal(row)?;
        plans.push(details);
        renewals.extend(link);
    }
    Ok((plans, renewals))
}

/// The plans of a query.
pub(crate) fn all_details(rows: impl IntoIterator<Item = PlanDetailsRow>) -> Result<Vec<PlanDetails>, Error> {
    rows.into_iter().map(plan_details).collect()
}

/// Restricts a query to the plans that match, and boxes it. A macro, because the types of a list and of a count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &license_manager_domain::ports::PlanFilter = $filter;
        let mut query = $query.into_boxed();
        let of = customer_agreement::enterprise_customer_uuid;
        match filter.scope.customers(filter.customer).as_deref() {
            None => {}
            Some([customer]) => query = query.filter(of.eq(SqlUuid(customer.0))),
            Some(customers) => query = query.filter(one_of(of, customers.iter().map(|customer| customer.0))),
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

for_both_databases! {
    impl PlanRepository for Unit {
        fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
            let query = plans_with_agreements().filter(subscription_plan::uuid.eq(SqlUuid(id.0)));
            let found = self.read(|connection| query.first::<PlanWithAgreementRow>(connection).optional())?;
            let Some((of_plan, message, plan)) = found else { return Ok(None) };
            self.prefetched.keep_agreement(Some(agreement((of_plan, message))?));
            plan_details(plan).map(Some)
        }

        fn customer_of(&mut self, id: PlanId) -> Result<Option<CustomerId>, Error> {
            let query = subscription_plan::table
                .inner_join(customer_agreement::table)
                .filter(subscription_plan::uuid.eq(SqlUuid(id.0)))
                .select(customer_agreement::enterprise_customer_uuid);
            let customer = self.read(|connection| query.first::<Uuid>(connection).optional())?;
            Ok(customer.map(CustomerId))
        }

        fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
            // The lock is a statement of its own. A statement that locks and joins would, after waiting, join with the
            // plan's former product, and find no plan if the product was changed.
            self.lock_plan(id)?;
            PlanRepository::find(self, id)
        }

        fn lock_all(&mut self, ids: &[PlanId]) -> Result<Vec<PlanDetails>, Error> {
            self.lock_plans(ids)?;
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
                .order((subscription_plan::start_date.desc(), subscription_plan::uuid));
            let query = part(query, limit_offset);
            all_details(self.read(|connection| query.load::<PlanDetailsRow>(connection))?)
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
            let plans = plans_with_renewals().order((subscription_plan::start_date.desc(), subscription_plan::uuid));
            let of_agreement = subscription_plan::customer_agreement_uuid;
            let rows = load_with_ids!(self, plans, of_agreement, agreements, PlanWithRenewalRow)?;
            let (found, links) = plans_and_renewals(rows)?;
            self.prefetched.keep_renewals(agreements, links);
            Ok(found)
        }

        fn find_by_agreement_of(&mut self, plan: PlanId) -> Result<Vec<PlanDetails>, Error> {
            let its_agreement = given
                .filter(given.field(subscription_plan::uuid).eq(SqlUuid(plan.0)))
                .select(given.field(subscription_plan::customer_agreement_uuid));
            let query = plans_in_agreement()
                .filter(subscription_plan::customer_agreement_uuid.nullable().eq(its_agreement.single_value()))
                .order((subscription_plan::start_date.desc(), subscription_plan::uuid));
            let rows = self.read(|connection| query.load::<PlanInAgreementRow>(connection))?;
            let (mut of_plan, mut plans) = (None, Vec::with_capacity(rows.len()));
            for (agreement, message, plan) in rows {
                of_plan.get_or_insert((agreement, message));
                plans.push(plan);
            }
            let (found, links) = plans_and_renewals(plans)?;
            if let Some(of_plan) = of_plan.map(agreement).transpose()? {
                self.prefetched.keep_renewals(&[of_plan.id], links);
                self.prefetched.keep_agreement(Some(of_plan));
            }
            Ok(found)
        }

        fn find_by_customer(&mut self, customer: CustomerId, limit: i64) -> Result<Vec<PlanDetails>, Error> {
            let query = plans_with_renewals()
                .filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)))
                .order((subscription_plan::start_date.desc(), subscription_plan::uuid))
                .limit(limit.max(0));
            let rows = self.read(|connection| query.load::<PlanWithRenewalRow>(connection))?;
            let are_all = (rows.len() as i64) < limit;
            let (found, links) = plans_and_renewals(rows)?;
            if are_all {
                // A customer has one agreement.
                let agreement = found.first().map(|details| details.plan.agreement);
                self.prefetched.keep_renewals(agreement.as_slice(), links);
            }
            Ok(found)
        }

        fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
            let statement = diesel::insert_into(subscription_plan::table).values(PlanRow::from(plan));
            self.write_recorded(&SUBSCRIPTION_PLAN, plan.id, ChangeKind::Added, change, statement)
        }

        fn auto_apply_only(
            &mut self,
            agreement: AgreementId,
            chosen: Option<PlanId>,
            change: &Change,
        ) -> Result<(), Error> {
            self.auto_apply_chosen(agreement, chosen, change)
        }

        fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
            let statement = update_row::<SqlUuid, _, _>(&SUBSCRIPTION_PLAN, plan.id.0, PlanRow::from(plan));
            self.write_recorded(&SUBSCRIPTION_PLAN, plan.id, ChangeKind::Changed, change, statement)
        }

        fn was_handed_out(&mut self, id: PlanId) -> Result<bool, Error> {
            // An unassigned license that never was assigned is as it was created. Each question has the condition of an
            // index. The first one is usually enough. Without an order, Postgres may read the licenses of all plans.
            let query = prepared_sql(
                "SELECT CAST(CASE WHEN (
                     SELECT uuid FROM license WHERE subscription_plan_uuid = $1 AND status <> 'unassigned'
                     ORDER BY uuid LIMIT 1
                 ) IS NOT NULL OR (
                     SELECT uuid FROM license
                     WHERE subscription_plan_uuid = $1 AND status = 'unassigned' AND modified > created
                     ORDER BY uuid LIMIT 1
                 ) IS NOT NULL OR EXISTS (
                     SELECT 1 FROM license_history
                     WHERE subscription_plan_uuid = $1 AND history_type = '-' AND modified > created
                 ) THEN 1 ELSE 0 END AS bigint) AS number",
            )
            .bind::<SqlUuid, _>(id.0);
            Ok(self.read(|connection| query.get_result::<NumberRow>(connection))?.number > 0)
        }

        fn delete(&mut self, id: PlanId, change: &Change) -> Result<(), Error> {
            let statement = diesel::delete(subscription_plan::table.find(SqlUuid(id.0)));
            self.write_recorded(&SUBSCRIPTION_PLAN, id, ChangeKind::Deleted, change, statement)
        }
    }
}
