//! Lists for operators.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use license_manager_domain::console::{
    ConsoleOperations, EnrollmentFilters, EnrollmentRow, EnrollmentTry, JobFilters, JobRow, LicenseRow, ListPage,
    MESSAGES_LOOKED_AT, MOST_COUNTED, MessageFilters, PlanRow, Slice, TransferFilters, TransferRow, WebhookFilters,
    WebhookRow,
};
use license_manager_domain::model::{EnrollmentNumbers, JobKind};
use license_manager_domain::outbox::WaitingMessage;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::webhooks::{WebhookDelivery, WebhookState};
use license_manager_domain::{CustomerId, EnrollmentJobId, Error, LicenseId, MessageId, PlanId, WebhookId};
use uuid::Uuid;

use super::deliveries::{deliveries, first_deliveries, matching_webhooks, webhook_list, webhooks};
use super::lists::{ListedRow, patterns};
use super::queries::{converted, number};
use super::rows::{LICENSES, LicenseSqlRow, PlanSqlRow, TransferSqlRow, WebhookSqlRow, plans_shown};
use super::{Dialect, contains, customers, for_both_stores, if_given, named};
use crate::rows::licenses::CountsRow;
use crate::rows::outbox::WaitingRow;
use crate::rows::shared::{NumberRow, SharedQuery};
use crate::rows::webhooks::DeliveryRow;
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The query that counts the rows of another one, as far as totals are counted.
pub(super) fn counted(rows: &str) -> String {
    format!("SELECT count(*) AS number FROM (SELECT 1 AS one {rows} LIMIT {MOST_COUNTED}) AS counted")
}

/// The part of a list that is ordered by these columns.
pub(super) fn part(slice: Slice, columns: &[&str]) -> String {
    format!("{} LIMIT {} OFFSET {}", order(slice, columns), slice.limit.max(0), slice.offset.max(0))
}

/// The order of a list, reversed if that is asked for.
pub(super) fn order(slice: Slice, columns: &[&str]) -> String {
    let directed = |column: &&str| match (column.strip_suffix(" DESC"), slice.is_reversed) {
        (Some(column), true) => column.to_owned(),
        (None, true) => format!("{column} DESC"),
        (_, false) => (*column).to_owned(),
    };
    format!("ORDER BY {}", columns.iter().map(directed).collect::<Vec<_>>().join(", "))
}

#[derive(QueryableByName)]
struct TopicSqlRow {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The messages that match. Their parameters are bound by [`messages`]. Those that wait are filtered among the first
/// ones: an index for that would make every message dearer.
fn matching_messages(dialect: &Dialect, filters: &MessageFilters) -> String {
    let is_filtered = filters.topic.is_some() || filters.queue.is_some();
    let (messages, state) = match filters.dead_lettered {
        Some(true) => ("outbox".to_owned(), "parked_at IS NOT NULL AND"),
        Some(false) if is_filtered => (
            format!(
                "(SELECT * FROM outbox WHERE parked_at IS NULL ORDER BY position LIMIT {MESSAGES_LOOKED_AT}) AS outbox"
            ),
            "",
        ),
        Some(false) => ("outbox".to_owned(), "parked_at IS NULL AND"),
        None => ("outbox".to_owned(), ""),
    };
    let ids = match filters.ids {
        Some(_) => dialect.is_one_of("uuid", "$3"),
        None => "$3 IS NOT NULL".to_owned(),
    };
    format!(
        "FROM {messages} WHERE {state} {} AND {} AND {ids}",
        if_given(filters.topic.is_some(), &["$1"], "topic = $1"),
        if_given(filters.queue.is_some(), &["$2"], "lane = $2")
    )
}

fn messages<R: ListedRow>(
    text: String,
    filters: &MessageFilters,
) -> Result<impl SharedQuery<R> + Clone + use<R>, Error> {
    let ids: Vec<Uuid> = filters.ids.iter().flatten().map(|id| id.0).collect();
    Ok(sql_query(text)
        .bind::<Nullable<Text>, _>(filters.topic.clone())
        .bind::<Nullable<Text>, _>(filters.queue.clone())
        .bind::<Text, _>(serde_json::to_string(&ids).map_err(Error::internal)?))
}

fn transfers<R: ListedRow>(text: String, filters: &TransferFilters) -> impl SharedQuery<R> + Clone + use<R> {
    let (lowered, typed) = patterns(filters.text.as_deref());
    sql_query(text)
        .bind::<Nullable<SqlUuid>, _>(filters.agreement.map(|agreement| agreement.0))
        .bind::<Nullable<SqlUuid>, _>(filters.plan.map(|plan| plan.0))
        .bind::<Nullable<Bool>, _>(filters.is_completed)
        .bind::<Nullable<Text>, _>(lowered)
        .bind::<Nullable<Text>, _>(typed)
}

/// The tables of jobs in lists.
const JOB_TABLES: &str =
    "FROM plan_job AS job JOIN subscription_plan AS plan ON plan.uuid = job.subscription_plan_uuid";

/// Which jobs match. The parameters are bound by [`jobs`]; the first one is the time.
fn matching_jobs(dialect: &Dialect, filters: &JobFilters) -> String {
    let plans = match filters.plans {
        Some(_) => dialect.is_one_of("plan.uuid", "$2"),
        None => "$2 IS NOT NULL".to_owned(),
    };
    let state = match filters.has_failed {
        Some(true) => "job.attempts > 0",
        Some(false) => "job.attempts = 0",
        None => "job.attempts >= 0",
    };
    format!(
        "WHERE $1 IS NOT NULL AND {plans} AND {} AND {} AND {state}",
        if_given(filters.kind.is_some(), &["$3"], "job.kind = $3"),
        if_given(filters.title.is_some(), &["$4", "$5"], &contains("plan.title", "$4", "$5"))
    )
}

fn jobs<R: ListedRow>(
    text: String,
    filters: &JobFilters,
    now: DateTime<Utc>,
) -> Result<impl SharedQuery<R> + Clone + use<R>, Error> {
    let plans: Vec<Uuid> = filters.plans.iter().flatten().map(|plan| plan.0).collect();
    let (lowered, typed) = patterns(filters.title.as_deref());
    Ok(sql_query(text)
        .bind::<SqlTimestamp, _>(now)
        .bind::<Text, _>(serde_json::to_string(&plans).map_err(Error::internal)?)
        .bind::<Nullable<Text>, _>(filters.kind.map(|kind| kind.as_str().to_owned()))
        .bind::<Nullable<Text>, _>(lowered)
        .bind::<Nullable<Text>, _>(typed))
}

/// The bulk enrollments that match. Their parameters are bound by [`enrollments`].
fn matching_enrollments(filters: &EnrollmentFilters) -> String {
    let state = match filters.is_unfinished {
        Some(true) => "job.stage IN ('enrolling', 'filing')",
        Some(false) => "job.stage NOT IN ('enrolling', 'filing')",
        None => "job.stage IS NOT NULL",
    };
    format!(
        "FROM bulk_enrollment_job AS job
         LEFT JOIN customer_agreement AS agreement
             ON agreement.enterprise_customer_uuid = job.enterprise_customer_uuid
         WHERE {} AND {} AND {state}",
        if_given(filters.id.is_some(), &["$1"], "job.uuid = $1"),
        if_given(filters.customer.is_some(), &["$2", "$3"], &named("$2", "$3"))
    )
}

fn enrollments<R: ListedRow>(text: String, filters: &EnrollmentFilters) -> impl SharedQuery<R> + Clone + use<R> {
    let (lowered, typed) = patterns(filters.customer.as_deref());
    sql_query(text)
        .bind::<Nullable<SqlUuid>, _>(filters.id.map(|id| id.0))
        .bind::<Nullable<Text>, _>(lowered)
        .bind::<Nullable<Text>, _>(typed)
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
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
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
    #[diesel(embed)]
    counts: CountsRow,
}

impl From<JobSqlRow> for JobRow {
    fn from(row: JobSqlRow) -> Self {
        Self {
            plan: PlanId(row.plan_uuid),
            plan_title: row.title,
            kind: JobKind::from_name(&row.kind),
            requested_by: row.requested_by,
            requested_at: row.requested_at,
            reason: row.reason,
            not_before: row.not_before,
            is_claimed: row.is_claimed,
            attempts: row.attempts,
            last_error: row.last_error,
            desired: row.desired_num_licenses,
            counts: row.counts.into(),
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
    #[diesel(sql_type = Nullable<SqlUuid>)]
    message: Option<Uuid>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = SqlTimestamp)]
    not_before: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    last_error: Option<String>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    parked_at: Option<DateTime<Utc>>,
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
            waiting: row.message.map(|message| EnrollmentTry {
                message: MessageId(message),
                attempts: row.attempts,
                not_before: row.not_before,
                last_error: row.last_error,
                given_up: row.parked_at,
            }),
            created: row.created,
            modified: row.modified,
        })
    }
}

pub(super) const CUSTOMER_NAME: &str =
    "coalesce(agreement.enterprise_customer_name, agreement.enterprise_customer_slug)";

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
             SELECT subscription_plan_uuid AS uuid, unassigned AS free, unassigned + assigned + activated AS total
             FROM ({}) AS counts
         ), shown AS (
             SELECT uuid, row_number() OVER (ORDER BY free, total DESC, uuid) AS place FROM used
             WHERE total > 0 AND free * 10 < total ORDER BY free, total DESC, uuid LIMIT {}
         ) {}",
        dialect.counts_of("SELECT uuid FROM candidate"),
        limit.max(0),
        plans_shown(dialect),
    ))
    .bind::<Text, _>(customers(scope)?)
    .bind::<SqlTimestamp, _>(now))
}

for_both_stores! {
    impl ConsoleOperations for Store {
        fn message_rows(&self, filters: &MessageFilters, slice: Slice) -> Result<ListPage<WaitingMessage>, Error> {
            let rows = matching_messages(&Self::DIALECT, filters);
            let list = format!("SELECT * {rows} {}", part(slice, &["position"]));
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

        fn job_rows(&self, filters: &JobFilters, now: DateTime<Utc>, slice: Slice) -> Result<ListPage<JobRow>, Error> {
            let conditions = matching_jobs(&Self::DIALECT, filters);
            let list = format!(
                "WITH used AS ({})
                 SELECT plan.uuid AS plan_uuid, plan.title, job.kind, job.requested_by, job.requested_at, job.reason,
                        job.not_before, (job.claimed_by IS NOT NULL AND job.not_before > $1) AS is_claimed,
                        CAST(job.attempts AS integer) AS attempts, job.last_error, plan.desired_num_licenses,
                        coalesce(used.unassigned, 0) AS unassigned, coalesce(used.assigned, 0) AS assigned,
                        coalesce(used.activated, 0) AS activated, coalesce(used.revoked, 0) AS revoked
                 {JOB_TABLES} LEFT JOIN used ON used.subscription_plan_uuid = plan.uuid
                 {conditions} {}",
                Self::DIALECT.counts_of("SELECT subscription_plan_uuid FROM plan_job"),
                part(slice, &["job.not_before", "plan.uuid", "job.kind"])
            );
            let all = counted(&format!("{JOB_TABLES} {conditions}"));
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(jobs(all, filters, now)?)?),
                rows: converted(self.rows::<JobSqlRow>(jobs(list, filters, now)?)?)?,
            })
        }

        fn enrollment_rows(&self, filters: &EnrollmentFilters, slice: Slice) -> Result<ListPage<EnrollmentRow>, Error> {
            let rows = matching_enrollments(filters);
            let about = Self::DIALECT.enrollment;
            let list = format!(
                "WITH waiting AS (
                     SELECT uuid, {about} AS job, position, attempts, not_before, last_error, parked_at FROM outbox
                     WHERE parked_at IS NULL AND lane = 'enrollment'
                     UNION ALL
                     SELECT uuid, {about} AS job, position, attempts, not_before, last_error, parked_at FROM outbox
                     WHERE parked_at IS NOT NULL AND topic IN ('bulk_enrollment', 'enrollment_results_file')
                 ), shown AS (
                     SELECT job.*, {CUSTOMER_NAME} AS customer_name {rows} {}
                 )
                 SELECT shown.uuid, shown.enterprise_customer_uuid AS customer_uuid, shown.customer_name, shown.stage,
                        shown.parameters, shown.successes, shown.pending, shown.failures, waiting.uuid AS message,
                        CAST(coalesce(waiting.attempts, 0) AS integer) AS attempts,
                        coalesce(waiting.not_before, shown.modified) AS not_before, waiting.last_error,
                        waiting.parked_at, shown.created, shown.modified
                 FROM shown
                 LEFT JOIN waiting ON waiting.uuid = (
                     SELECT uuid FROM waiting AS own WHERE own.job = shown.uuid ORDER BY own.position LIMIT 1
                 )
                 {}",
                part(slice, &["job.created DESC", "job.uuid"]),
                order(slice, &["shown.created DESC", "shown.uuid"])
            );
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(enrollments(counted(&rows), filters))?),
                rows: converted(self.rows::<EnrollmentSqlRow>(enrollments(list, filters))?)?,
            })
        }

        fn webhook_rows(&self, filters: &WebhookFilters, slice: Slice) -> Result<ListPage<WebhookRow>, Error> {
            let rows = matching_webhooks(filters);
            let list = webhook_list(&rows, &part(slice, &["webhook.created", "webhook.uuid"]));
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(webhooks(counted(&rows), filters))?),
                rows: converted(self.rows::<WebhookSqlRow>(webhooks(list, filters))?)?,
            })
        }

        fn delivery_rows(
            &self,
            webhook: WebhookId,
            state: Option<WebhookState>,
            slice: Slice,
        ) -> Result<ListPage<WebhookDelivery>, Error> {
            let list = format!(
                "SELECT delivery.* FROM (SELECT uuid, position FROM ({}) AS latest {}) AS shown
                 JOIN webhook_delivery AS delivery ON delivery.webhook_uuid = $1 AND delivery.uuid = shown.uuid
                 {}",
                first_deliveries(state, slice),
                part(slice, &["position DESC"]),
                order(slice, &["delivery.position DESC"])
            );
            let of_state = state.map_or_else(String::new, |state| format!(" AND state = '{}'", state.as_str()));
            let rows = format!("FROM webhook_delivery WHERE webhook_uuid = $1{of_state}");
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(deliveries(counted(&rows), webhook))?),
                rows: converted(self.rows::<DeliveryRow>(deliveries(list, webhook))?)?,
            })
        }

        fn transfer_rows(&self, filters: &TransferFilters, slice: Slice) -> Result<ListPage<TransferRow>, Error> {
            let has = |column: &str| contains(column, "$4", "$5");
            let rows = format!(
                "FROM license_transfer_job AS job
                 JOIN customer_agreement AS agreement ON agreement.uuid = job.customer_agreement_uuid
                 JOIN subscription_plan AS old ON old.uuid = job.old_subscription_plan_uuid
                 JOIN subscription_plan AS new ON new.uuid = job.new_subscription_plan_uuid
                 WHERE ($1 IS NULL OR job.customer_agreement_uuid = $1)
                   AND ($2 IS NULL OR job.old_subscription_plan_uuid = $2 OR job.new_subscription_plan_uuid = $2)
                   AND ($3 IS NULL OR (job.completed_at IS NOT NULL) = $3)
                   AND ($4 IS NULL OR {} OR {} OR {})",
                has(CUSTOMER_NAME),
                has("old.title"),
                has("new.title")
            );
            let list = format!(
                "SELECT job.id, agreement.uuid AS agreement_uuid, {CUSTOMER_NAME} AS customer_name, old.uuid AS old_uuid,
                        old.title AS old_title, new.uuid AS new_uuid, new.title AS new_title, job.notes,
                        job.license_uuids IS NULL AS transfer_all, job.completed_at, job.created
                 {rows} {}",
                part(slice, &["job.id DESC"])
            );
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
