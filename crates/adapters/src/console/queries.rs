//! Lists and searches.

use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::console::{
    AgreementFilters, AgreementOrder, AgreementRow, ConsoleQueries, Found, LicenseRow, ListPage, Part, PlanFilters,
    PlanOrder, PlanRow, RenewalFilters, RenewalOrder, RenewalRow, SearchTerm, Sorting,
};
use license_manager_domain::outbox::WaitingMessage;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::{AgreementId, Email, Error, LicenseId, LmsUserId, PlanId, RenewalId};
use uuid::Uuid;

use super::lists::{CUSTOMER, agreement_list, plan_list, renewal_list};
use super::rows::{
    AGREEMENT_TABLES, AGREEMENTS, AgreementSqlRow, LICENSES, LicenseSqlRow, PLAN_TABLES, PlanSqlRow, RenewalSqlRow,
    plans_shown,
};
use super::{Dialect, LAST, containing, customers, for_both_stores, named};
use crate::rows::outbox::WaitingRow;
use crate::rows::shared::{NumberRow, SharedQuery};
use crate::sql_types::SqlUuid;

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
) -> Result<impl SharedQuery<LicenseSqlRow> + Clone + use<>, Error> {
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
) -> Result<impl SharedQuery<PlanSqlRow> + Clone + use<>, Error> {
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
         ) {}",
        plans_shown(dialect)
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
) -> Result<impl SharedQuery<AgreementSqlRow> + Clone + use<>, Error> {
    let in_scope = dialect.in_scope(scope, "$1");
    let (first, last) = bounds(term);
    Ok(sql_query(format!(
        "{AGREEMENTS} {AGREEMENT_TABLES}
         WHERE {in_scope} AND (
             (agreement.uuid >= $2 AND agreement.uuid <= $3)
             OR (agreement.enterprise_customer_uuid >= $2 AND agreement.enterprise_customer_uuid <= $3)
             OR {})
         ORDER BY {CUSTOMER}, agreement.uuid LIMIT {limit}",
        named("$4", "$5")
    ))
    .bind::<Text, _>(customers(scope)?)
    .bind::<Nullable<SqlUuid>, _>(first)
    .bind::<Nullable<SqlUuid>, _>(last)
    .bind::<Text, _>(containing(&term.text))
    .bind::<Text, _>(containing(&term.typed)))
}

pub(super) fn converted<Row, T: TryFrom<Row>>(rows: Vec<Row>) -> Result<Vec<T>, Error>
where
    Error: From<T::Error>,
{
    Ok(rows.into_iter().map(T::try_from).collect::<Result<_, _>>()?)
}

pub(super) fn number(rows: Vec<NumberRow>) -> i64 {
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

        fn messages_of_licenses(&self, licenses: &[LicenseId], limit: i64) -> Result<Vec<WaitingMessage>, Error> {
            let ids: Vec<Uuid> = licenses.iter().map(|license| license.0).collect();
            let about_one = Self::DIALECT.is_one_of("license_uuid", "$1");
            let query = sql_query(format!(
                "SELECT * FROM (
                     SELECT * FROM outbox WHERE {about_one} AND parked_at IS NULL
                     UNION ALL SELECT * FROM outbox WHERE {about_one} AND parked_at IS NOT NULL
                 ) AS message
                 ORDER BY position LIMIT {}",
                limit.max(0)
            ))
            .bind::<Text, _>(serde_json::to_string(&ids).map_err(Error::internal)?);
            converted(self.rows::<WaitingRow>(query)?)
        }

        fn license_row(&self, license: LicenseId) -> Result<Option<LicenseRow>, Error> {
            let query = sql_query(format!("{LICENSES} WHERE license.uuid = $1")).bind::<SqlUuid, _>(license.0);
            Ok(converted(self.rows::<LicenseSqlRow>(query)?)?.pop())
        }

        fn plan_rows(
            &self,
            filters: &PlanFilters,
            sorting: Sorting<PlanOrder>,
            part: Part<PlanId>,
        ) -> Result<ListPage<PlanRow>, Error> {
            let list = plan_list::list(&Self::DIALECT, filters, sorting);
            let rows = plan_list::bound(list.rows(part.limit), filters, part.after)?;
            Ok(ListPage {
                total: number(self.rows(plan_list::bound(list.total(), filters, None)?)?),
                rows: converted(self.rows::<PlanSqlRow>(rows)?)?,
            })
        }

        fn agreement_rows(
            &self,
            filters: &AgreementFilters,
            sorting: Sorting<AgreementOrder>,
            part: Part<AgreementId>,
        ) -> Result<ListPage<AgreementRow>, Error> {
            let list = agreement_list::list(&Self::DIALECT, filters, sorting);
            let rows = agreement_list::bound(list.rows(part.limit), filters, part.after)?;
            Ok(ListPage {
                total: number(self.rows(agreement_list::bound(list.total(), filters, None)?)?),
                rows: converted(self.rows::<AgreementSqlRow>(rows)?)?,
            })
        }

        fn renewal_rows(
            &self,
            filters: &RenewalFilters,
            sorting: Sorting<RenewalOrder>,
            part: Part<RenewalId>,
        ) -> Result<ListPage<RenewalRow>, Error> {
            let list = renewal_list::list(&Self::DIALECT, filters, sorting);
            let rows = renewal_list::bound(list.rows(part.limit), filters, part.after)?;
            Ok(ListPage {
                total: number(self.rows(renewal_list::bound(list.total(), filters, None)?)?),
                rows: converted(self.rows::<RenewalSqlRow>(rows)?)?,
            })
        }
    }
}
