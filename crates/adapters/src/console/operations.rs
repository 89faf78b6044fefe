//! Lists for operators.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use license_manager_domain::console::{
    ConsoleOperations, EnrollmentRow, JobRow, LicenseRow, ListPage, MOST_COUNTED, MessageFilters, PlanRow, Slice,
    TransferFilters, TransferRow,
};
use license_manager_domain::model::{EnrollmentNumbers, JobKind};
use license_manager_domain::outbox::WaitingMessage;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::{AgreementId, CustomerId, EnrollmentJobId, Error, LicenseId, PlanId, TransferJobId};
use uuid::Uuid;

use super::queries::{converted, number};
use super::rows::{LICENSES, LicenseSqlRow, PLANS_SHOWN, PlanSqlRow};
use super::{Dialect, customers, for_both_stores};
use crate::rows::outbox::WaitingRow;
use crate::rows::shared::{NumberRow, SharedQuery};
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The query that counts the rows of another one, as far as totals are counted.
pub(super) fn counted(rows: &str) -> String {
    format!("SELECT count(*) AS number FROM (SELECT 1 AS one {rows} LIMIT {MOST_COUNTED}) AS counted")
}

/// The part of a list.
pub(super) fn part(slice: Slice) -> String {
    format!("LIMIT {} OFFSET {}", slice.limit.max(0), slice.offset.max(0))
}

#[derive(QueryableByName)]
struct TopicSqlRow {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The messages that match. Their parameters are bound by [`messages`].
fn matching_messages(dialect: &Dialect, filters: &MessageFilters) -> String {
    let state = match filters.dead_lettered {
        Some(true) => "parked_at IS NOT NULL AND",
        Some(false) => "parked_at IS NULL AND",
        None => "",
    };
    let ids = match filters.ids {
        Some(_) => dialect.is_one_of("uuid", "$3"),
        None => "$3 IS NOT NULL".to_owned(),
    };
    format!("FROM outbox WHERE {state} ($1 IS NULL OR topic = $1) AND ($2 IS NULL OR lane = $2) AND {ids}")
}

fn messages<R>(text: String, filters: &MessageFilters) -> Result<impl SharedQuery<R> + Clone + use<R>, Error>
where
    R: diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::pg::Pg>
        + diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::sqlite::Sqlite>
        + 'static,
{
    let ids: Vec<Uuid> = filters.ids.iter().flatten().map(|id| id.0).collect();
    Ok(sql_query(text)
        .bind::<Nullable<Text>, _>(filters.topic.clone())
        .bind::<Nullable<Text>, _>(filters.queue.clone())
        .bind::<Text, _>(serde_json::to_string(&ids).map_err(Error::internal)?))
}

fn transfers<R>(text: String, filters: &TransferFilters) -> impl SharedQuery<R> + Clone + use<R>
where
    R: diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::pg::Pg>
        + diesel::deserialize::FromSqlRow<diesel::sql_types::Untyped, diesel::sqlite::Sqlite>
        + 'static,
{
    sql_query(text)
        .bind::<Nullable<SqlUuid>, _>(filters.agreement.map(|agreement| agreement.0))
        .bind::<Nullable<SqlUuid>, _>(filters.plan.map(|plan| plan.0))
        .bind::<Nullable<Bool>, _>(filters.is_completed)
}

#[derive(QueryableByName)]
struct JobSqlRow {
    #[diesel(sql_type = SqlUuid)]
    plan_uuid: Uuid,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    requested_by: Option<String>,
    #[diesel(sql_type = SqlTimestamp)]
    requested_at: DateTime<Utc>,
    #[diesel(sql_type = SqlTimestamp)]
    not_before: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    is_claimed: bool,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Nullable<Text>)]
    last_error: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    desired_num_licenses: Option<i32>,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = BigInt)]
    live: i64,
}

impl From<JobSqlRow> for JobRow {
    fn from(row: JobSqlRow) -> Self {
        Self {
            plan: PlanId(row.plan_uuid),
            plan_title: row.title,
            kind: JobKind::from_name(&row.kind),
            requested_by: row.requested_by,
            requested_at: row.requested_at,
            not_before: row.not_before,
            is_claimed: row.is_claimed,
            attempts: row.attempts,
            last_error: row.last_error,
            desired: row.desired_num_licenses,
            total: row.total,
            live: row.live,
        }
    }
}

#[derive(QueryableByName)]
struct EnrollmentSqlRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = SqlUuid)]
    customer_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
    #[diesel(sql_type = Text)]
    stage: String,
    #[diesel(sql_type = Text)]
    parameters: String,
    #[diesel(sql_type = BigInt)]
    successes: i64,
    #[diesel(sql_type = BigInt)]
    pending: i64,
    #[diesel(sql_type = BigInt)]
    failures: i64,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
    #[diesel(sql_type = SqlTimestamp)]
    modified: DateTime<Utc>,
}

impl TryFrom<EnrollmentSqlRow> for EnrollmentRow {
    type Error = Error;

    fn try_from(row: EnrollmentSqlRow) -> Result<Self, Error> {
        Ok(Self {
            id: EnrollmentJobId(row.uuid),
            customer: CustomerId(row.customer_uuid),
            customer_name: row.customer_name,
            stage: row.stage,
            enrollment: serde_json::from_str(&row.parameters).map_err(Error::internal)?,
            numbers: EnrollmentNumbers { successes: row.successes, pending: row.pending, failures: row.failures },
            created: row.created,
            modified: row.modified,
        })
    }
}

#[derive(QueryableByName)]
struct TransferSqlRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    agreement_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
    #[diesel(sql_type = SqlUuid)]
    old_uuid: Uuid,
    #[diesel(sql_type = Text)]
    old_title: String,
    #[diesel(sql_type = SqlUuid)]
    new_uuid: Uuid,
    #[diesel(sql_type = Text)]
    new_title: String,
    #[diesel(sql_type = Nullable<Text>)]
    notes: Option<String>,
    #[diesel(sql_type = Bool)]
    transfer_all: bool,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    completed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
}

impl From<TransferSqlRow> for TransferRow {
    fn from(row: TransferSqlRow) -> Self {
        Self {
            id: TransferJobId(row.id),
            agreement: AgreementId(row.agreement_uuid),
            customer_name: row.customer_name,
            old_plan: PlanId(row.old_uuid),
            old_title: row.old_title,
            new_plan: PlanId(row.new_uuid),
            new_title: row.new_title,
            notes: row.notes,
            transfer_all: row.transfer_all,
            completed_at: row.completed_at,
            created: row.created,
        }
    }
}

const CUSTOMER_NAME: &str = "coalesce(agreement.enterprise_customer_name, agreement.enterprise_customer_slug)";

fn scarce(
    dialect: &Dialect,
    scope: &CustomerScope,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<impl SharedQuery<PlanSqlRow> + Clone + use<>, Error> {
    let in_scope = dialect.in_scope(scope, "$1");
    Ok(sql_query(format!(
        "WITH candidate AS (
             SELECT plan.uuid FROM subscription_plan AS plan
             JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
             WHERE {in_scope} AND plan.is_active AND plan.last_freeze_timestamp IS NULL
               AND plan.start_date <= $2 AND plan.expiration_date >= $2
         ), used AS (
             SELECT subscription_plan_uuid AS uuid, sum(unassigned) AS free,
                    sum(unassigned) + sum(assigned) + sum(activated) AS total
             FROM seat_change WHERE subscription_plan_uuid IN (SELECT uuid FROM candidate)
             GROUP BY subscription_plan_uuid
         ), shown AS (
             SELECT uuid, row_number() OVER (ORDER BY free, total DESC, uuid) AS place FROM used
             WHERE total > 0 AND free * 10 < total ORDER BY free, total DESC, uuid LIMIT {}
         ) {PLANS_SHOWN}",
        limit.max(0)
    ))
    .bind::<Text, _>(customers(scope)?)
    .bind::<SqlTimestamp, _>(now))
}

for_both_stores! {
    impl ConsoleOperations for Store {
        fn message_rows(&self, filters: &MessageFilters, slice: Slice) -> Result<ListPage<WaitingMessage>, Error> {
            let rows = matching_messages(&Self::DIALECT, filters);
            let list = format!("SELECT * {rows} ORDER BY position {}", part(slice));
            let found: Vec<WaitingRow> = self.rows(messages(list, filters)?)?;
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(messages(counted(&rows), filters)?)?),
                rows: found.into_iter().map(WaitingMessage::from).collect(),
            })
        }

        fn message_topics(&self, filters: &MessageFilters) -> Result<Vec<(String, i64)>, Error> {
            let text = format!(
                "SELECT topic, count(*) AS number FROM (SELECT topic {} LIMIT {MOST_COUNTED}) AS counted
                 GROUP BY topic ORDER BY topic",
                matching_messages(&Self::DIALECT, filters)
            );
            let rows: Vec<TopicSqlRow> = self.rows(messages(text, filters)?)?;
            Ok(rows.into_iter().map(|row| (row.topic, row.number)).collect())
        }

        fn job_rows(&self, now: DateTime<Utc>, slice: Slice) -> Result<ListPage<JobRow>, Error> {
            let list = sql_query(format!(
                "WITH used AS (
                     SELECT subscription_plan_uuid AS uuid, sum(unassigned) + sum(assigned) + sum(activated) AS total,
                            sum(assigned) + sum(activated) AS live
                     FROM seat_change WHERE subscription_plan_uuid IN (SELECT subscription_plan_uuid FROM plan_job)
                     GROUP BY subscription_plan_uuid
                 )
                 SELECT plan.uuid AS plan_uuid, plan.title, job.kind, job.requested_by, job.requested_at, job.not_before,
                        (job.claimed_by IS NOT NULL AND job.not_before > $1) AS is_claimed,
                        CAST(job.attempts AS integer) AS attempts, job.last_error, plan.desired_num_licenses,
                        coalesce(used.total, 0) AS total, coalesce(used.live, 0) AS live
                 FROM plan_job AS job
                 JOIN subscription_plan AS plan ON plan.uuid = job.subscription_plan_uuid
                 LEFT JOIN used ON used.uuid = plan.uuid
                 ORDER BY job.not_before, plan.uuid, job.kind {}",
                part(slice)
            ))
            .bind::<SqlTimestamp, _>(now);
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(sql_query(counted("FROM plan_job")))?),
                rows: converted(self.rows::<JobSqlRow>(list)?)?,
            })
        }

        fn enrollment_rows(&self, only_unfinished: bool, slice: Slice) -> Result<ListPage<EnrollmentRow>, Error> {
            let condition = if only_unfinished { "job.stage IN ('enrolling', 'filing')" } else { "job.stage IS NOT NULL" };
            let rows = format!("FROM bulk_enrollment_job AS job WHERE {condition}");
            let list = sql_query(format!(
                "SELECT job.uuid, job.enterprise_customer_uuid AS customer_uuid, {CUSTOMER_NAME} AS customer_name,
                        job.stage, job.parameters, job.successes, job.pending, job.failures, job.created, job.modified
                 FROM bulk_enrollment_job AS job
                 LEFT JOIN customer_agreement AS agreement
                     ON agreement.enterprise_customer_uuid = job.enterprise_customer_uuid
                 WHERE {condition} ORDER BY job.created DESC, job.uuid {}",
                part(slice)
            ));
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(sql_query(counted(&rows)))?),
                rows: converted(self.rows::<EnrollmentSqlRow>(list)?)?,
            })
        }

        fn transfer_rows(&self, filters: &TransferFilters, slice: Slice) -> Result<ListPage<TransferRow>, Error> {
            let conditions = "($1 IS NULL OR job.customer_agreement_uuid = $1)
                 AND ($2 IS NULL OR job.old_subscription_plan_uuid = $2 OR job.new_subscription_plan_uuid = $2)
                 AND ($3 IS NULL OR (job.completed_at IS NOT NULL) = $3)";
            let list = format!(
                "SELECT job.id, agreement.uuid AS agreement_uuid, {CUSTOMER_NAME} AS customer_name, old.uuid AS old_uuid,
                        old.title AS old_title, new.uuid AS new_uuid, new.title AS new_title, job.notes,
                        job.license_uuids IS NULL AS transfer_all, job.completed_at, job.created
                 FROM license_transfer_job AS job
                 JOIN customer_agreement AS agreement ON agreement.uuid = job.customer_agreement_uuid
                 JOIN subscription_plan AS old ON old.uuid = job.old_subscription_plan_uuid
                 JOIN subscription_plan AS new ON new.uuid = job.new_subscription_plan_uuid
                 WHERE {conditions} ORDER BY job.id DESC {}",
                part(slice)
            );
            let rows = format!("FROM license_transfer_job AS job WHERE {conditions}");
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(transfers(counted(&rows), filters))?),
                rows: converted(self.rows::<TransferSqlRow>(transfers(list, filters))?)?,
            })
        }

        fn license_rows(&self, licenses: &[LicenseId], limit: i64) -> Result<Vec<LicenseRow>, Error> {
            let mut ids: Vec<Uuid> = licenses.iter().map(|license| license.0).collect();
            ids.sort_unstable();
            ids.truncate(usize::try_from(limit).unwrap_or(0));
            let query = sql_query(format!(
                "{LICENSES} WHERE {} ORDER BY license.uuid",
                Self::DIALECT.is_one_of("license.uuid", "$1")
            ))
            .bind::<Text, _>(serde_json::to_string(&ids).map_err(Error::internal)?);
            converted(self.rows::<LicenseSqlRow>(query)?)
        }

        fn scarce_plans(&self, scope: &CustomerScope, now: DateTime<Utc>, limit: i64) -> Result<Vec<PlanRow>, Error> {
            converted(self.rows::<PlanSqlRow>(scarce(&Self::DIALECT, scope, now, limit)?)?)
        }
    }
}
