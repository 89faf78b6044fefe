//! Renewals.

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::history::Change;
use license_manager_domain::model::{RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, RenewalRepository};
use license_manager_domain::{
    AgreementId, CustomerId, Error, LicenseTypesToCopy, PlanId, RenewalId, SubscriptionPlanRenewal,
};

use super::SqliteUnit;
use super::error::storage_error;
use super::json::in_json;
use super::recording::{Kind, Table, record};
use super::schema::{customer_agreement, subscription_plan, subscription_plan_renewal as renewal};
use super::types::{SqlMoment, SqlUuid};

diesel::alias!(subscription_plan as prior: Prior, subscription_plan as renewed: Renewed);

/// What was agreed, and how far it is done.
#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = renewal, treat_none_as_null = true, check_for_backend(Sqlite))]
struct RenewalRow {
    prior_subscription_plan_uuid: SqlUuid,
    renewed_subscription_plan_uuid: Option<SqlUuid>,
    salesforce_opportunity_id: Option<String>,
    number_of_licenses: i32,
    effective_date: SqlMoment,
    renewed_expiration_date: SqlMoment,
    processed: bool,
    processed_datetime: Option<SqlMoment>,
    renewed_plan_title: Option<String>,
    license_types_to_copy: String,
    disable_auto_apply_licenses: bool,
    exempt_from_batch_processing: bool,
    created: SqlMoment,
    modified: SqlMoment,
}

impl RenewalRow {
    /// One that is not processed.
    fn new(terms: &RenewalTerms, now: SqlMoment) -> Self {
        Self {
            prior_subscription_plan_uuid: SqlUuid(terms.prior_plan.0),
            renewed_subscription_plan_uuid: terms.renewed_plan.map(|plan| SqlUuid(plan.0)),
            salesforce_opportunity_id: terms.salesforce_opportunity_id.clone(),
            number_of_licenses: terms.number_of_licenses,
            effective_date: SqlMoment(terms.effective_date),
            renewed_expiration_date: SqlMoment(terms.renewed_expiration_date),
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
                prior_plan: PlanId(self.prior_subscription_plan_uuid.0),
                renewed_plan: self.renewed_subscription_plan_uuid.map(|plan| PlanId(plan.0)),
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

/// Id, renewal, title of the prior plan, title of the renewed one, customer.
type DetailsRow = (i64, RenewalRow, String, Option<String>, SqlUuid);

fn details((id, row, prior_plan_title, renewed_plan_title, customer): DetailsRow) -> Result<RenewalDetails, Error> {
    let renewal = row.into_renewal(id)?;
    Ok(RenewalDetails { renewal, prior_plan_title, renewed_plan_title, customer: CustomerId(customer.0) })
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
    let row: diesel::dsl::AsSelect<RenewalRow, Sqlite> = RenewalRow::as_select();
    surrounded().select((
        renewal::id,
        row,
        prior.field(subscription_plan::title),
        renewed.field(subscription_plan::title).nullable(),
        customer_agreement::enterprise_customer_uuid,
    ))
}

/// Restricts a boxed query to the renewals that match. A macro, since the query's type differs between reading and counting.
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

/// Id, effective date, agreed end and whether it is processed; of the prior plan id, agreement and start; of the renewed plan
/// id, start and end.
type LinkRow =
    (i64, SqlMoment, SqlMoment, bool, (SqlUuid, SqlUuid, SqlMoment), Option<(SqlUuid, SqlMoment, SqlMoment)>);

fn link((id, effective_date, agreed_expiration, processed, prior_plan, renewed_plan): LinkRow) -> RenewalLink {
    let (prior_plan, agreement, prior_plan_start) = prior_plan;
    RenewalLink {
        id: RenewalId(id),
        agreement: AgreementId(agreement.0),
        prior_plan: PlanId(prior_plan.0),
        prior_plan_start: prior_plan_start.0,
        renewed_plan: renewed_plan.map(|(plan, ..)| PlanId(plan.0)),
        renewed_plan_start: renewed_plan.map(|(_, start, _)| start.0),
        renewed_expiration: renewed_plan.map_or(agreed_expiration, |(.., expiration)| expiration).0,
        effective_date: effective_date.0,
        processed,
    }
}

fn key(id: RenewalId) -> String {
    format!("[{id}]")
}

impl RenewalRepository for SqliteUnit<'_> {
    fn of_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        use subscription_plan::{customer_agreement_uuid, expiration_date, start_date, uuid};

        let agreements = serde_json::to_string(agreements).map_err(Error::internal)?;
        let rows: Vec<LinkRow> = surrounded()
            .filter(in_json(prior.field(customer_agreement_uuid), agreements))
            .order(renewal::id)
            .select((
                renewal::id,
                renewal::effective_date,
                renewal::renewed_expiration_date,
                renewal::processed,
                prior.fields((uuid, customer_agreement_uuid, start_date)),
                renewed.fields((uuid, start_date, expiration_date)).nullable(),
            ))
            .load(self.conn)
            .map_err(storage_error)?;
        Ok(rows.into_iter().map(link).collect())
    }

    fn find(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        let query = renewals().filter(renewal::id.eq(id.0));
        query.first::<DetailsRow>(self.conn).optional().map_err(storage_error)?.map(details).transpose()
    }

    // Whoever writes has the file to itself; so no row needs a lock.
    fn lock(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        self.written()?;
        RenewalRepository::find(self, id)
    }

    fn of_plans(&mut self, prior_plan: PlanId, renewed_plan: Option<PlanId>) -> Result<Vec<RenewalDetails>, Error> {
        let by_prior = renewal::prior_subscription_plan_uuid.eq(SqlUuid(prior_plan.0));
        // Without a plan this compares with NULL, which equals nothing.
        let by_renewed = renewal::renewed_subscription_plan_uuid.eq(renewed_plan.map(|plan| SqlUuid(plan.0)));
        let query = renewals().filter(by_prior.nullable().or(by_renewed)).order(by_prior.desc());
        let rows = query.load::<DetailsRow>(self.conn).map_err(storage_error)?;
        rows.into_iter().map(details).collect()
    }

    fn list(&mut self, filter: &RenewalFilter, limit_offset: LimitOffset) -> Result<Vec<RenewalDetails>, Error> {
        let query = matching!(renewals(), filter)
            .order((renewal::effective_date.desc(), renewal::id.desc()))
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0));
        let rows = query.load::<DetailsRow>(self.conn).map_err(storage_error)?;
        rows.into_iter().map(details).collect()
    }

    fn count(&mut self, filter: &RenewalFilter) -> Result<i64, Error> {
        matching!(surrounded().count(), filter).get_result(self.conn).map_err(storage_error)
    }

    fn add(&mut self, terms: &RenewalTerms, change: &Change) -> Result<RenewalId, Error> {
        let conn = self.written()?;
        let id = diesel::insert_into(renewal::table)
            .values(RenewalRow::new(terms, SqlMoment(change.at)))
            .returning(renewal::id)
            .get_result(conn)
            .map_err(storage_error)?;
        record(conn, Table::Renewal, &key(RenewalId(id)), Kind::Added, change)?;
        Ok(RenewalId(id))
    }

    fn save(&mut self, saved: &SubscriptionPlanRenewal, change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        let row = RenewalRow {
            processed: saved.processed,
            processed_datetime: saved.processed_datetime.map(SqlMoment),
            created: SqlMoment(saved.created),
            ..RenewalRow::new(&saved.terms, SqlMoment(saved.modified))
        };
        let written = diesel::update(renewal::table.find(saved.id.0)).set(row).execute(conn).map_err(storage_error)?;
        if written != 1 {
            return Err(Error::internal(format!("no renewal {} to write", saved.id)));
        }
        record(conn, Table::Renewal, &key(saved.id), Kind::Changed, change)
    }

    fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        record(conn, Table::Renewal, &key(id), Kind::Deleted, change)?;
        match diesel::delete(renewal::table.find(id.0)).execute(conn).map_err(storage_error)? {
            1 => Ok(()),
            _ => Err(Error::internal(format!("no renewal {id} to delete"))),
        }
    }
}
