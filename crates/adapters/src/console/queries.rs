//! Lists and searches.

use chrono::{DateTime, Utc};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use license_manager_domain::console::{
    AgreementFilters, AgreementOrder, AgreementRow, ConsoleQueries, Found, LicenseRow, ListPage, MessageRow,
    PlanFilters, PlanOrder, PlanRow, SearchTerm, Slice,
};
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::{Email, Error, LicenseId, LmsUserId};
use uuid::Uuid;

use super::rows::{
    AGREEMENTS, AgreementSqlRow, LICENSES, LicenseSqlRow, MessageSqlRow, PLAN_TABLES, PLANS_SHOWN, PlanSqlRow,
};
use super::{Dialect, containing, customers, for_both_stores};
use crate::rows::shared::{NumberRow, SharedQuery};
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// Sorts after everything that begins with the same characters.
const LAST: char = char::MAX;

/// The first and last id that a search can mean.
fn bounds(term: &SearchTerm) -> (Option<Uuid>, Option<Uuid>) {
    match &term.ids {
        Some(ids) => (Some(*ids.start()), Some(*ids.end())),
        None => (None, None),
    }
}

fn json(texts: &[String]) -> Result<String, Error> {
    serde_json::to_string(texts).map_err(Error::internal)
}

/// The licenses that a search finds. Each way to find one reads its own index, and stops at the limit.
fn licenses_found(
    dialect: &Dialect,
    scope: &CustomerScope,
    term: &SearchTerm,
    limit: i64,
) -> Result<impl SharedQuery<LicenseSqlRow> + use<>, Error> {
    let in_scope = dialect.in_scope(scope, "$1");
    let way = |tables: &str, condition: &str, order: &str| {
        format!(
            "SELECT * FROM (
                 SELECT license.uuid FROM license
                 JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
                 JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid {tables}
                 WHERE {in_scope} AND {condition} ORDER BY {order} LIMIT {limit}
             ) AS way"
        )
    };
    let ways = [
        way("", "license.uuid >= $2 AND license.uuid <= $3", "license.uuid"),
        way("", "license.activation_key >= $2 AND license.activation_key <= $3", "license.activation_key"),
        way("", "license.lms_user_id = $4", "license.uuid"),
        way("", "license.user_email >= $5 AND license.user_email < $6", "license.user_email"),
        way("", &format!("license.user_email IN {}", dialect.texts("$7")), "license.uuid"),
        way(
            "JOIN license_source AS source ON source.license_uuid = license.uuid",
            "source.source_id = $8",
            "license.uuid",
        ),
    ];
    let (first, last) = bounds(term);
    Ok(sql_query(format!(
        "WITH found AS ({}) {LICENSES} WHERE license.uuid IN (SELECT uuid FROM found)
         ORDER BY license.user_email NULLS LAST, license.uuid LIMIT {limit}",
        ways.join(" UNION ")
    ))
    .bind::<Text, _>(customers(scope)?)
    .bind::<Nullable<SqlUuid>, _>(first)
    .bind::<Nullable<SqlUuid>, _>(last)
    .bind::<Nullable<BigInt>, _>(term.lms_user_id)
    .bind::<Text, _>(term.text.clone())
    .bind::<Text, _>(format!("{}{LAST}", term.text))
    .bind::<Text, _>(json(&term.emails)?)
    .bind::<Nullable<Text>, _>(term.salesforce_id.clone()))
}

fn plans_found(
    dialect: &Dialect,
    scope: &CustomerScope,
    term: &SearchTerm,
    limit: i64,
) -> Result<impl SharedQuery<PlanSqlRow> + use<>, Error> {
    let in_scope = dialect.in_scope(scope, "$1");
    let (first, last) = bounds(term);
    Ok(sql_query(format!(
        "WITH shown AS (
             SELECT plan.uuid, row_number() OVER (ORDER BY plan.start_date DESC, plan.uuid) AS place {PLAN_TABLES}
             WHERE {in_scope} AND (
                 (plan.uuid >= $2 AND plan.uuid <= $3)
                 OR lower(plan.title) LIKE $4 ESCAPE '\\' OR plan.title LIKE $5 ESCAPE '\\'
                 OR plan.salesforce_opportunity_line_item = $6
                 OR plan.uuid IN (SELECT prior_subscription_plan_uuid FROM subscription_plan_renewal
                                  WHERE salesforce_opportunity_id = $6))
             ORDER BY plan.start_date DESC, plan.uuid LIMIT {limit}
         ) {PLANS_SHOWN}"
    ))
    .bind::<Text, _>(customers(scope)?)
    .bind::<Nullable<SqlUuid>, _>(first)
    .bind::<Nullable<SqlUuid>, _>(last)
    .bind::<Text, _>(containing(&term.text))
    .bind::<Text, _>(containing(&term.typed))
    .bind::<Nullable<Text>, _>(term.salesforce_id.clone()))
}

fn agreements_found(
    dialect: &Dialect,
    scope: &CustomerScope,
    term: &SearchTerm,
    limit: i64,
) -> Result<impl SharedQuery<AgreementSqlRow> + use<>, Error> {
    let in_scope = dialect.in_scope(scope, "$1");
    let (first, last) = bounds(term);
    Ok(sql_query(format!(
        "{AGREEMENTS}
         WHERE {in_scope} AND (
             (agreement.uuid >= $2 AND agreement.uuid <= $3)
             OR (agreement.enterprise_customer_uuid >= $2 AND agreement.enterprise_customer_uuid <= $3)
             OR {})
         ORDER BY {} LIMIT {limit}",
        named("$4", "$5"),
        agreement_order(AgreementOrder::Name)
    ))
    .bind::<Text, _>(customers(scope)?)
    .bind::<Nullable<SqlUuid>, _>(first)
    .bind::<Nullable<SqlUuid>, _>(last)
    .bind::<Text, _>(containing(&term.text))
    .bind::<Text, _>(containing(&term.typed)))
}

/// Whether the name or slug of `agreement` matches one of the patterns: one in lowercase, and one as typed.
fn named(lowered: &str, typed: &str) -> String {
    let matches =
        |column: &str| format!("lower({column}) LIKE {lowered} ESCAPE '\\' OR {column} LIKE {typed} ESCAPE '\\'");
    format!("({} OR {})", matches("agreement.enterprise_customer_name"), matches("agreement.enterprise_customer_slug"))
}

fn agreement_order(order: AgreementOrder) -> &'static str {
    match order {
        AgreementOrder::Name => {
            "lower(coalesce(agreement.enterprise_customer_name, agreement.enterprise_customer_slug, '')), agreement.uuid"
        }
        AgreementOrder::Created => "agreement.created DESC, agreement.uuid",
    }
}

fn plan_order(order: PlanOrder) -> &'static str {
    match order {
        PlanOrder::Title => "lower(plan.title), plan.uuid",
        PlanOrder::Start => "plan.start_date DESC, plan.uuid",
        PlanOrder::Expiration => "plan.expiration_date, plan.uuid",
    }
}

/// The conditions of a list of plans. Their parameters are bound by [`plans_matching`].
fn plan_conditions(dialect: &Dialect, filters: &PlanFilters) -> String {
    format!(
        "{} AND ($2 IS NULL OR plan.customer_agreement_uuid = $2)
         AND ($3 IS NULL OR lower(plan.title) LIKE $3 ESCAPE '\\' OR plan.title LIKE $4 ESCAPE '\\')
         AND ($5 IS NULL OR plan.is_active = $5)
         AND ($6 IS NULL OR (plan.start_date <= $6 AND plan.expiration_date >= $6))
         AND ($7 IS NULL OR (plan.expiration_date >= $7 AND plan.expiration_date < $8))
         AND ($9 IS NULL OR plan.for_internal_use_only = $9)
         AND ($10 IS NULL OR (plan.last_freeze_timestamp IS NOT NULL) = $10)
         AND ($11 IS NULL OR plan.product_id = $11)",
        dialect.in_scope(&filters.scope, "$1")
    )
}

fn plans_matching<R>(text: String, filters: &PlanFilters) -> Result<impl SharedQuery<R> + use<R>, Error>
where
    R: diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::pg::Pg>
        + diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::sqlite::Sqlite>
        + 'static,
{
    let title = filters.title.as_deref();
    let (from, until): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = filters.expires.unzip();
    Ok(sql_query(text)
        .bind::<Text, _>(customers(&filters.scope)?)
        .bind::<Nullable<SqlUuid>, _>(filters.agreement.map(|agreement| agreement.0))
        .bind::<Nullable<Text>, _>(title.map(|title| containing(&title.to_lowercase())))
        .bind::<Nullable<Text>, _>(title.map(containing))
        .bind::<Nullable<Bool>, _>(filters.is_active)
        .bind::<Nullable<SqlTimestamp>, _>(filters.current_at)
        .bind::<Nullable<SqlTimestamp>, _>(from)
        .bind::<Nullable<SqlTimestamp>, _>(until)
        .bind::<Nullable<Bool>, _>(filters.is_internal)
        .bind::<Nullable<Bool>, _>(filters.is_frozen)
        .bind::<Nullable<Integer>, _>(filters.product))
}

/// The conditions of a list of agreements.
fn agreement_conditions(dialect: &Dialect, filters: &AgreementFilters) -> String {
    let active = "EXISTS (SELECT 1 FROM subscription_plan AS plan
                          WHERE plan.customer_agreement_uuid = agreement.uuid AND plan.is_active)";
    format!(
        "{} AND ($2 IS NULL OR {}) AND ($4 IS NULL OR {active} = $4)",
        dialect.in_scope(&filters.scope, "$1"),
        named("$2", "$3")
    )
}

fn agreements_matching<R>(text: String, filters: &AgreementFilters) -> Result<impl SharedQuery<R> + use<R>, Error>
where
    R: diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::pg::Pg>
        + diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::sqlite::Sqlite>
        + 'static,
{
    let name = filters.name.as_deref();
    Ok(sql_query(text)
        .bind::<Text, _>(customers(&filters.scope)?)
        .bind::<Nullable<Text>, _>(name.map(|name| containing(&name.to_lowercase())))
        .bind::<Nullable<Text>, _>(name.map(containing))
        .bind::<Nullable<Bool>, _>(filters.has_active_plan))
}

fn converted<Row, T: TryFrom<Row>>(rows: Vec<Row>) -> Result<Vec<T>, Error>
where
    Error: From<T::Error>,
{
    Ok(rows.into_iter().map(T::try_from).collect::<Result<_, _>>()?)
}

fn number(rows: Vec<NumberRow>) -> i64 {
    rows.first().map_or(0, |row| row.number)
}

for_both_stores! {
    impl ConsoleQueries for Store {
        fn search(&self, scope: &CustomerScope, term: &SearchTerm, limit: i64) -> Result<Found, Error> {
            let limit = limit.max(0);
            Ok(Found {
                agreements: converted(self.rows(agreements_found(&Self::DIALECT, scope, term, limit)?)?)?,
                plans: converted(self.rows(plans_found(&Self::DIALECT, scope, term, limit)?)?)?,
                licenses: converted(self.rows(licenses_found(&Self::DIALECT, scope, term, limit)?)?)?,
            })
        }

        fn licenses_of_person(
            &self,
            scope: &CustomerScope,
            emails: &[Email],
            lms_user_id: Option<LmsUserId>,
            limit: i64,
        ) -> Result<Vec<LicenseRow>, Error> {
            let emails: Vec<String> = Email::all_stored_forms(emails).into_iter().map(String::from).collect();
            let texts = Self::DIALECT.texts("$1");
            let in_scope = Self::DIALECT.in_scope(scope, "$3");
            let query = sql_query(format!(
                "WITH held AS (
                     SELECT uuid FROM license WHERE user_email IN {texts}
                     UNION SELECT uuid FROM license WHERE lms_user_id = $2
                     UNION SELECT uuid FROM license_history WHERE user_email IN {texts}
                     UNION SELECT uuid FROM license_history WHERE lms_user_id = $2
                 ) {LICENSES} WHERE license.uuid IN (SELECT uuid FROM held) AND {in_scope}
                 ORDER BY CASE WHEN license.status IN ('assigned', 'activated') THEN 0 ELSE 1 END,
                          license.assigned_date DESC NULLS LAST, license.uuid
                 LIMIT {}",
                limit.max(0)
            ))
            .bind::<Text, _>(json(&emails)?)
            .bind::<Nullable<BigInt>, _>(lms_user_id.map(|id| id.0))
            .bind::<Text, _>(customers(scope)?);
            converted(self.rows::<LicenseSqlRow>(query)?)
        }

        fn messages_of_license(&self, license: LicenseId) -> Result<Vec<MessageRow>, Error> {
            let query = sql_query(
                "SELECT topic, created, CAST(attempts AS integer) AS attempts, not_before, last_error, parked_at
                 FROM (
                     SELECT * FROM outbox WHERE license_uuid = $1 AND parked_at IS NULL
                     UNION ALL SELECT * FROM outbox WHERE license_uuid = $1 AND parked_at IS NOT NULL
                 ) AS message
                 ORDER BY position LIMIT 100",
            )
            .bind::<SqlUuid, _>(license.0);
            converted(self.rows::<MessageSqlRow>(query)?)
        }

        fn license_row(&self, license: LicenseId) -> Result<Option<LicenseRow>, Error> {
            let query = sql_query(format!("{LICENSES} WHERE license.uuid = $1")).bind::<SqlUuid, _>(license.0);
            Ok(converted(self.rows::<LicenseSqlRow>(query)?)?.pop())
        }

        fn plan_rows(&self, filters: &PlanFilters, order: PlanOrder, slice: Slice) -> Result<ListPage<PlanRow>, Error> {
            let (conditions, order) = (plan_conditions(&Self::DIALECT, filters), plan_order(order));
            let total = format!("SELECT count(*) AS number {PLAN_TABLES} WHERE {conditions}");
            let shown = format!(
                "WITH shown AS (
                     SELECT plan.uuid, row_number() OVER (ORDER BY {order}) AS place {PLAN_TABLES}
                     WHERE {conditions} ORDER BY {order} LIMIT {} OFFSET {}
                 ) {PLANS_SHOWN}",
                slice.limit.max(0),
                slice.offset.max(0)
            );
            Ok(ListPage {
                total: number(self.rows(plans_matching(total, filters)?)?),
                rows: converted(self.rows::<PlanSqlRow>(plans_matching(shown, filters)?)?)?,
            })
        }

        fn agreement_rows(
            &self,
            filters: &AgreementFilters,
            order: AgreementOrder,
            slice: Slice,
        ) -> Result<ListPage<AgreementRow>, Error> {
            let conditions = agreement_conditions(&Self::DIALECT, filters);
            let total = format!("SELECT count(*) AS number FROM customer_agreement AS agreement WHERE {conditions}");
            let shown = format!(
                "{AGREEMENTS} WHERE {conditions} ORDER BY {} LIMIT {} OFFSET {}",
                agreement_order(order),
                slice.limit.max(0),
                slice.offset.max(0)
            );
            Ok(ListPage {
                total: number(self.rows(agreements_matching(total, filters)?)?),
                rows: converted(self.rows::<AgreementSqlRow>(agreements_matching(shown, filters)?)?)?,
            })
        }
    }
}
