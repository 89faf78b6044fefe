//! Renewals.

use chrono::{DateTime, Utc};
use diesel::dsl::{AsSelect, auto_type};
use diesel::pg::Pg;
use diesel::prelude::*;
use license_manager_domain::history::Change;
use license_manager_domain::model::{RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, RenewalRepository};
use license_manager_domain::{
    AgreementId, CustomerId, Error, LicenseTypesToCopy, PlanId, RenewalId, SubscriptionPlanRenewal,
};
use uuid::Uuid;

use super::PostgresUnit;
use super::recording::{Kind, with_history};
use super::schema::{
    SUBSCRIPTION_PLAN_RENEWAL, customer_agreement, subscription_plan, subscription_plan_renewal as renewal,
};

diesel::alias!(subscription_plan as prior: Prior, subscription_plan as renewed: Renewed);

/// What was agreed, and how far it is done.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = renewal, treat_none_as_null = true, check_for_backend(Pg))]
struct RenewalRow {
    prior_subscription_plan_uuid: Uuid,
    renewed_subscription_plan_uuid: Option<Uuid>,
    salesforce_opportunity_id: Option<String>,
    number_of_licenses: i32,
    effective_date: DateTime<Utc>,
    renewed_expiration_date: DateTime<Utc>,
    processed: bool,
    processed_datetime: Option<DateTime<Utc>>,
    renewed_plan_title: Option<String>,
    license_types_to_copy: String,
    disable_auto_apply_licenses: bool,
    exempt_from_batch_processing: bool,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
}

impl RenewalRow {
    /// One that is not processed.
    fn new(terms: &RenewalTerms, now: DateTime<Utc>) -> Self {
        Self {
            prior_subscription_plan_uuid: terms.prior_plan.0,
            renewed_subscription_plan_uuid: terms.renewed_plan.map(|plan| plan.0),
            salesforce_opportunity_id: terms.salesforce_opportunity_id.clone(),
            number_of_licenses: terms.number_of_licenses,
            effective_date: terms.effective_date,
            renewed_expiration_date: terms.renewed_expiration_date,
            processed: false,
            processed_datetime: None,
            renewed_plan_title: terms.renewed_plan_title.clone(),
            license_types_to_copy: terms.license_types_to_copy.as_str().to_owned(),
            disable_auto_apply_licenses: terms.disable_auto_apply_licenses,
            exempt_from_batch_processing: terms.exempt_from_batch_processing,
            created: now,
            modified: now,
        }
    }

    fn into_renewal(self, id: i64) -> Result<SubscriptionPlanRenewal, Error> {
        let types = LicenseTypesToCopy::from_name(&self.license_types_to_copy);
        Ok(SubscriptionPlanRenewal {
            id: RenewalId(id),
            terms: RenewalTerms {
                prior_plan: PlanId(self.prior_subscription_plan_uuid),
                renewed_plan: self.renewed_subscription_plan_uuid.map(PlanId),
                salesforce_opportunity_id: self.salesforce_opportunity_id,
                number_of_licenses: self.number_of_licenses,
                effective_date: self.effective_date,
                renewed_expiration_date: self.renewed_expiration_date,
                renewed_plan_title: self.renewed_plan_title,
                license_types_to_copy: types
                    .ok_or_else(|| Error::internal(format!("renewal {id} copies an unknown kind of licenses")))?,
                disable_auto_apply_licenses: self.disable_auto_apply_licenses,
                exempt_from_batch_processing: self.exempt_from_batch_processing,
            },
            processed: self.processed,
            processed_datetime: self.processed_datetime,
            created: self.created,
            modified: self.modified,
        })
    }
}

/// Id, renewal, title of the prior plan, title of the renewed one, customer.
type DetailsRow = (i64, RenewalRow, String, Option<String>, Uuid);

fn details((id, row, prior_plan_title, renewed_plan_title, customer): DetailsRow) -> Result<RenewalDetails, Error> {
    let renewal = row.into_renewal(id)?;
    Ok(RenewalDetails { renewal, prior_plan_title, renewed_plan_title, customer: CustomerId(customer) })
}

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

/// The renewals, to be selected as [`DetailsRow`].
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
            query = query.filter(renewal::prior_subscription_plan_uuid.eq(plan.0));
        }
        if let Some(plan) = filter.renewed_plan {
            query = query.filter(renewal::renewed_subscription_plan_uuid.eq(plan.0));
        }
        if let Some(customer) = filter.customer {
            query = query.filter(customer_agreement::enterprise_customer_uuid.eq(customer.0));
        }
        if let Some(processed) = filter.processed {
            query = query.filter(renewal::processed.eq(processed));
        }
        query
    }};
}

/// Id, effective date, agreed end and whether it is processed; of the prior plan id, agreement and start; of the renewed plan
/// id, start and end.
type LinkRow = (
    i64,
    DateTime<Utc>,
    DateTime<Utc>,
    bool,
    (Uuid, Uuid, DateTime<Utc>),
    Option<(Uuid, DateTime<Utc>, DateTime<Utc>)>,
);

fn link((id, effective_date, agreed_expiration, processed, prior_plan, renewed_plan): LinkRow) -> RenewalLink {
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

impl RenewalRepository for PostgresUnit<'_> {
    fn of_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        use subscription_plan::{customer_agreement_uuid, expiration_date, start_date, uuid};

        if agreements.is_empty() {
            return Ok(Vec::new());
        }
        let agreements: Vec<_> = agreements.iter().map(|agreement| agreement.0).collect();
        let query =
            surrounded().filter(prior.field(customer_agreement_uuid).eq_any(agreements)).order(renewal::id).select((
                renewal::id,
                renewal::effective_date,
                renewal::renewed_expiration_date,
                renewal::processed,
                prior.fields((uuid, customer_agreement_uuid, start_date)),
                renewed.fields((uuid, start_date, expiration_date)).nullable(),
            ));
        let rows = self.read(|connection| query.load::<LinkRow>(connection))?;
        Ok(rows.into_iter().map(link).collect())
    }

    fn find(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        let query = renewals().filter(renewal::id.eq(id.0));
        let row = self.read(|connection| query.first::<DetailsRow>(connection).optional())?;
        row.map(details).transpose()
    }

    fn lock(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        // By itself: a statement that also reads the plans would tell of them as they were before it waited.
        let query = renewal::table.find(id.0).select(renewal::id).for_no_key_update();
        self.write(|connection| query.get_result::<i64>(connection).optional())?;
        RenewalRepository::find(self, id)
    }

    fn of_plans(&mut self, prior_plan: PlanId, renewed_plan: Option<PlanId>) -> Result<Vec<RenewalDetails>, Error> {
        let by_prior = renewal::prior_subscription_plan_uuid.eq(prior_plan.0);
        // Without a plan this compares with NULL, which equals nothing.
        let by_renewed = renewal::renewed_subscription_plan_uuid.eq(renewed_plan.map(|plan| plan.0));
        let query = renewals().filter(by_prior.nullable().or(by_renewed)).order(by_prior.desc());
        let rows = self.read(|connection| query.load::<DetailsRow>(connection))?;
        rows.into_iter().map(details).collect()
    }

    fn list(&mut self, filter: &RenewalFilter, limit_offset: LimitOffset) -> Result<Vec<RenewalDetails>, Error> {
        let query = matching!(renewals(), filter)
            .order((renewal::effective_date.desc(), renewal::id.desc()))
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        let rows = self.read(|connection| query.load::<DetailsRow>(connection))?;
        rows.into_iter().map(details).collect()
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
        let row = RenewalRow {
            processed: saved.processed,
            processed_datetime: saved.processed_datetime,
            created: saved.created,
            modified: saved.modified,
            ..RenewalRow::new(&saved.terms, saved.modified)
        };
        let statement = diesel::update(renewal::table.find(saved.id.0)).set(row).returning(renewal::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN_RENEWAL, Kind::Changed, change);
        self.write_rows(1, "renewals", |connection| statement.execute(connection))
    }

    fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error> {
        let statement = diesel::delete(renewal::table.find(id.0)).returning(renewal::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN_RENEWAL, Kind::Deleted, change);
        self.write_rows(1, "renewals", |connection| statement.execute(connection))
    }
}
