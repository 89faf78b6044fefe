//! Lists of plans, agreements and renewals, part by part.
//!
//! A part begins after a row, whose place in the list is looked up. The same conditions count all rows: without a row to
//! begin after, they hold for all.

use diesel::deserialize::FromSqlRow;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Untyped};
use license_manager_domain::Error;
use license_manager_domain::console::Sorting;
use serde::Serialize;

use super::rows::{AGREEMENT_TABLES, AGREEMENTS, PLAN_TABLES, RENEWAL_TABLES, RENEWALS, plans_shown};
use super::{Dialect, containing, contains, customers, named};
use crate::backends::{Pg, Sqlite};
use crate::rows::shared::SharedQuery;
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// A row of a query on either database.
pub(super) trait ListedRow: FromSqlRow<Untyped, Pg> + FromSqlRow<Untyped, Sqlite> + 'static {}

impl<R: FromSqlRow<Untyped, Pg> + FromSqlRow<Untyped, Sqlite> + 'static> ListedRow for R {}

/// The text of a list's statements.
pub(super) struct List {
    /// The columns of a row, or what is selected of `shown`.
    columns: String,
    tables: &'static str,
    conditions: String,
    order: String,
    /// Whether `columns` reads the ids of `shown`, so that it counts only what a page shows.
    is_wide: bool,
}

impl List {
    fn new(
        columns: String,
        tables: &'static str,
        key: &str,
        id: &str,
        Sorting { descending, .. }: Sorting<impl Copy>,
        conditions: String,
        after: &str,
    ) -> Self {
        let (compared, direction) = if descending { ("<", " DESC") } else { (">", "") };
        Self {
            columns,
            tables,
            conditions: format!(
                "{conditions} AND ({after} IS NULL
                 OR ({key}, {id}) {compared} (SELECT {key}, {id} {tables} WHERE {id} = {after}))"
            ),
            order: format!("{key}{direction}, {id}{direction}"),
            is_wide: false,
        }
    }

    /// Counts all rows.
    pub(super) fn total(&self) -> String {
        format!("SELECT count(*) AS number {} WHERE {}", self.tables, self.conditions)
    }

    /// Up to `limit` rows.
    pub(super) fn rows(&self, limit: i64) -> String {
        let Self { columns, tables, conditions, order, is_wide } = self;
        let limit = limit.max(0);
        if *is_wide {
            return format!(
                "WITH shown AS (
                     SELECT plan.uuid, row_number() OVER (ORDER BY {order}) AS place {tables}
                     WHERE {conditions} ORDER BY {order} LIMIT {limit}
                 ) {columns}"
            );
        }
        format!("{columns} {tables} WHERE {conditions} ORDER BY {order} LIMIT {limit}")
    }
}

/// A JSON list of what a filter names.
fn json<T: Serialize>(named: Option<&Vec<T>>) -> Result<Option<String>, Error> {
    named.map(|named| serde_json::to_string(named).map_err(Error::internal)).transpose()
}

/// Patterns for a text: in lowercase, and as typed.
pub(super) fn patterns(text: Option<&str>) -> (Option<String>, Option<String>) {
    (text.map(|text| containing(&text.to_lowercase())), text.map(containing))
}

/// What customers are sorted by.
pub(super) const CUSTOMER: &str =
    "lower(coalesce(agreement.enterprise_customer_name, agreement.enterprise_customer_slug, ''))";

pub(super) mod plan_list {
    use license_manager_domain::PlanId;
    use license_manager_domain::console::{PlanFilters, PlanOrder};

    use super::*;

    pub(in crate::console) fn list(dialect: &Dialect, filters: &PlanFilters, sorting: Sorting<PlanOrder>) -> List {
        let key = match sorting.by {
            PlanOrder::Title => "lower(plan.title)",
            PlanOrder::Customer => CUSTOMER,
            PlanOrder::Start => "plan.start_date",
            PlanOrder::Expiration => "plan.expiration_date",
        };
        let conditions = format!(
            "{} AND ($2 IS NULL OR plan.customer_agreement_uuid = $2)
             AND ($3 IS NULL OR {})
             AND ($5 IS NULL OR plan.is_active = $5)
             AND ($6 IS NULL OR (plan.start_date <= $6 AND plan.expiration_date >= $6))
             AND ($7 IS NULL OR (plan.expiration_date >= $7 AND plan.expiration_date < $8))
             AND ($9 IS NULL OR plan.for_internal_use_only = $9)
             AND ($10 IS NULL OR (plan.last_freeze_timestamp IS NOT NULL) = $10)
             AND ($11 IS NULL OR plan.product_id = $11)
             AND ($12 IS NULL OR {})
             AND ($13 IS NULL OR $13 = EXISTS (SELECT 1 FROM subscription_plan_renewal AS renewal
                                               WHERE renewal.prior_subscription_plan_uuid = plan.uuid))
             AND ($14 IS NULL OR $14 = EXISTS (SELECT 1 FROM plan_job AS job
                                               WHERE job.subscription_plan_uuid = plan.uuid))",
            dialect.in_scope(&filters.scope, "$1"),
            contains("plan.title", "$3", "$4"),
            dialect.is_one_of("plan.uuid", "$12"),
        );
        List {
            is_wide: true,
            ..List::new(plans_shown(dialect), PLAN_TABLES, key, "plan.uuid", sorting, conditions, "$15")
        }
    }

    pub(in crate::console) fn bound<R: ListedRow>(
        text: String,
        filters: &PlanFilters,
        after: Option<PlanId>,
    ) -> Result<impl SharedQuery<R> + Clone + use<R>, Error> {
        let (lowered, typed) = patterns(filters.title.as_deref());
        let (from, until) = filters.expires.unzip();
        let ids = filters.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
        Ok(sql_query(text)
            .bind::<Text, _>(customers(&filters.scope)?)
            .bind::<Nullable<SqlUuid>, _>(filters.agreement.map(|agreement| agreement.0))
            .bind::<Nullable<Text>, _>(lowered)
            .bind::<Nullable<Text>, _>(typed)
            .bind::<Nullable<Bool>, _>(filters.is_active)
            .bind::<Nullable<SqlTimestamp>, _>(filters.current_at)
            .bind::<Nullable<SqlTimestamp>, _>(from)
            .bind::<Nullable<SqlTimestamp>, _>(until)
            .bind::<Nullable<Bool>, _>(filters.is_internal)
            .bind::<Nullable<Bool>, _>(filters.is_frozen)
            .bind::<Nullable<Integer>, _>(filters.product)
            .bind::<Nullable<Text>, _>(json(ids.as_ref())?)
            .bind::<Nullable<Bool>, _>(filters.is_renewed)
            .bind::<Nullable<Bool>, _>(filters.has_job)
            .bind::<Nullable<SqlUuid>, _>(after.map(|after| after.0)))
    }
}

pub(super) mod agreement_list {
    use license_manager_domain::AgreementId;
    use license_manager_domain::console::{AgreementFilters, AgreementOrder};

    use super::*;

    pub(in crate::console) fn list(
        dialect: &Dialect,
        filters: &AgreementFilters,
        sorting: Sorting<AgreementOrder>,
    ) -> List {
        let key = match sorting.by {
            AgreementOrder::Name => CUSTOMER,
            AgreementOrder::Created => "agreement.created",
        };
        let conditions = format!(
            "{} AND ($2 IS NULL OR {})
             AND ($4 IS NULL OR $4 = EXISTS (SELECT 1 FROM subscription_plan AS plan
                                             WHERE plan.customer_agreement_uuid = agreement.uuid AND plan.is_active))
             AND ($5 IS NULL OR {})",
            dialect.in_scope(&filters.scope, "$1"),
            named("$2", "$3"),
            dialect.is_one_of("agreement.uuid", "$5"),
        );
        List::new(AGREEMENTS.to_owned(), AGREEMENT_TABLES, key, "agreement.uuid", sorting, conditions, "$6")
    }

    pub(in crate::console) fn bound<R: ListedRow>(
        text: String,
        filters: &AgreementFilters,
        after: Option<AgreementId>,
    ) -> Result<impl SharedQuery<R> + Clone + use<R>, Error> {
        let (lowered, typed) = patterns(filters.name.as_deref());
        let ids = filters.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
        Ok(sql_query(text)
            .bind::<Text, _>(customers(&filters.scope)?)
            .bind::<Nullable<Text>, _>(lowered)
            .bind::<Nullable<Text>, _>(typed)
            .bind::<Nullable<Bool>, _>(filters.has_active_plan)
            .bind::<Nullable<Text>, _>(json(ids.as_ref())?)
            .bind::<Nullable<SqlUuid>, _>(after.map(|after| after.0)))
    }
}

pub(super) mod renewal_list {
    use license_manager_domain::RenewalId;
    use license_manager_domain::console::{RenewalFilters, RenewalOrder};

    use super::*;

    pub(in crate::console) fn list(
        dialect: &Dialect,
        filters: &RenewalFilters,
        sorting: Sorting<RenewalOrder>,
    ) -> List {
        let key = match sorting.by {
            RenewalOrder::Effective => "renewal.effective_date",
            RenewalOrder::Plan => "lower(plan.title)",
            RenewalOrder::Customer => CUSTOMER,
        };
        let conditions = format!(
            "{} AND ($2 IS NULL OR {} OR {})
             AND ($4 IS NULL OR plan.customer_agreement_uuid = $4)
             AND ($5 IS NULL OR renewal.processed = $5)
             AND ($6 IS NULL OR (renewal.effective_date >= $6 AND renewal.effective_date < $7))
             AND ($8 IS NULL OR {})",
            dialect.in_scope(&filters.scope, "$1"),
            named("$2", "$3"),
            contains("plan.title", "$2", "$3"),
            dialect.is_one_of_numbers("renewal.id", "$8"),
        );
        List::new(RENEWALS.to_owned(), RENEWAL_TABLES, key, "renewal.id", sorting, conditions, "$9")
    }

    pub(in crate::console) fn bound<R: ListedRow>(
        text: String,
        filters: &RenewalFilters,
        after: Option<RenewalId>,
    ) -> Result<impl SharedQuery<R> + Clone + use<R>, Error> {
        let (lowered, typed) = patterns(filters.text.as_deref());
        let (from, until) = filters.effective.unzip();
        let ids = filters.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
        Ok(sql_query(text)
            .bind::<Text, _>(customers(&filters.scope)?)
            .bind::<Nullable<Text>, _>(lowered)
            .bind::<Nullable<Text>, _>(typed)
            .bind::<Nullable<SqlUuid>, _>(filters.agreement.map(|agreement| agreement.0))
            .bind::<Nullable<Bool>, _>(filters.is_processed)
            .bind::<Nullable<SqlTimestamp>, _>(from)
            .bind::<Nullable<SqlTimestamp>, _>(until)
            .bind::<Nullable<Text>, _>(json(ids.as_ref())?)
            .bind::<Nullable<BigInt>, _>(after.map(|after| after.0)))
    }
}
