//! Lists of records.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use license_manager_domain::console::{
    ChangeRow, ConsoleRecords, EVENTS_LOOKED_AT, Footprint, ListPage, MOST_COUNTED, MarkFilters, MarkRow, SentFilters,
    SentRow, Slice, SourceRow, UserFilters, UserRow, VERSIONS_LOOKED_AT,
};
use license_manager_domain::{CustomerId, Error, LicenseEventId, LicenseId, LmsUserId, NotificationId, PlanId};
use uuid::Uuid;

use super::lists::ListedRow;
use super::operations::{counted, part};
use super::queries::{converted, number};
use super::{Dialect, LAST, containing, for_both_stores, if_given};
use crate::rows::shared::{NumberRow, SharedQuery};
use crate::schema::WITH_HISTORY;
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// Defines a query of both databases with bound parameters, for a list and for its total.
macro_rules! bound {
    ($name:ident($($argument:ident: $type:ty),+) => $($sql:ty: $value:expr),+) => {
        fn $name<R: ListedRow>(text: String, $($argument: $type),+) -> impl SharedQuery<R> + Clone + use<R> {
            sql_query(text)$(.bind::<$sql, _>($value))+
        }
    };
}

bound!(users(filters: &UserFilters) =>
    Nullable<Text>: filters.name.as_deref().map(beginning),
    Nullable<Text>: filters.name.as_deref().map(|name| format!("{}{LAST}", beginning(name))));

bound!(sources(source: Option<&str>, email: Option<&str>) =>
    Nullable<Text>: source.map(str::to_owned),
    Nullable<Text>: email.map(str::to_lowercase));

bound!(sent(filters: &SentFilters) =>
    Nullable<SqlUuid>: filters.plan.map(|plan| plan.0),
    Nullable<Text>: filters.title.as_deref().map(|title| containing(&title.to_lowercase())),
    Nullable<Text>: filters.kind.map(|kind| kind.as_str().to_owned()));

bound!(marks(filters: &MarkFilters) =>
    Nullable<SqlUuid>: filters.license.map(|license| license.0),
    Nullable<Text>: filters.event_name.clone(),
    Nullable<SqlUuid>: filters.plan.map(|plan| plan.0));

/// How many characters of names and addresses of users are in their indexes.
const INDEXED: usize = 255;

/// A text as names and addresses of users begin in their indexes.
fn beginning(text: &str) -> String {
    text.to_lowercase().chars().take(INDEXED).collect()
}

/// The users that match. A name is looked for in two indexes, each as far as totals are counted.
fn matching_users(dialect: &Dialect, filters: &UserFilters) -> String {
    let flag = |value: Option<bool>, yes: &str, no: &str| match value {
        Some(true) => format!(" AND {yes}"),
        Some(false) => format!(" AND {no}"),
        None => String::new(),
    };
    let flags = [
        flag(filters.is_superuser, "is_superuser", "NOT is_superuser"),
        flag(filters.is_staff, "is_staff", "NOT is_staff"),
        flag(
            filters.has_role,
            "username IN (SELECT username FROM role_assignment)",
            "NOT EXISTS (SELECT 1 FROM role_assignment WHERE role_assignment.username = users.username)",
        ),
    ]
    .concat();
    let beginning_with = |column: &str| {
        let text = format!("substr(lower({column}), 1, {INDEXED}){}", dialect.binary);
        format!(
            "SELECT username FROM (
                 SELECT username FROM users WHERE {text} >= $1 AND {text} < $2{flags}
                 ORDER BY {text} LIMIT {MOST_COUNTED}
             ) AS by_{column}"
        )
    };
    match filters.name {
        Some(_) => {
            format!("FROM users WHERE username IN ({} UNION {})", beginning_with("username"), beginning_with("email"))
        }
        None => format!("FROM users WHERE $1 IS NULL AND $2 IS NULL{flags}"),
    }
}

/// The license events that match. Those of a plan are looked for among the latest ones: no index knows their plan. The
/// condition is one on each of them, so that SQLite does not begin with all licenses of the plan.
fn matching_marks(filters: &MarkFilters) -> String {
    let conditions = format!(
        "{} AND {}",
        if_given(filters.license.is_some(), &["$1"], "license_uuid = $1"),
        if_given(filters.event_name.is_some(), &["$2"], "event_name = $2")
    );
    match filters.plan {
        Some(_) => format!(
            "FROM (SELECT * FROM license_event WHERE {conditions} ORDER BY id DESC LIMIT {EVENTS_LOOKED_AT}) AS mark
             JOIN license ON license.uuid = mark.license_uuid
             JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
             WHERE (SELECT own.subscription_plan_uuid FROM license AS own WHERE own.uuid = mark.license_uuid) = $3"
        ),
        None => format!(
            "FROM license_event AS mark
             JOIN license ON license.uuid = mark.license_uuid
             JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
             WHERE {conditions} AND $3 IS NULL"
        ),
    }
}

#[derive(QueryableByName)]
struct UserSqlRow {
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Nullable<Text>)]
    email: Option<String>,
    #[diesel(sql_type = Bool)]
    is_staff: bool,
    #[diesel(sql_type = Bool)]
    is_superuser: bool,
    #[diesel(sql_type = BigInt)]
    roles: i64,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
    #[diesel(sql_type = SqlTimestamp)]
    modified: DateTime<Utc>,
}

impl From<UserSqlRow> for UserRow {
    fn from(row: UserSqlRow) -> Self {
        let UserSqlRow { username, email, is_staff, is_superuser, roles, created, modified } = row;
        Self { username, email, is_staff, is_superuser, roles, created, modified }
    }
}

#[derive(QueryableByName)]
struct ChangeSqlRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    row_key: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = SqlTimestamp)]
    history_date: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
}

impl From<ChangeSqlRow> for ChangeRow {
    fn from(row: ChangeSqlRow) -> Self {
        let ChangeSqlRow { table_name: table, row_key: key, number, history_date: at, kind, reason } = row;
        Self { table, key, number, at, kind, reason }
    }
}

#[derive(QueryableByName)]
struct SourceSqlRow {
    #[diesel(sql_type = SqlUuid)]
    license_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    user_email: Option<String>,
    #[diesel(sql_type = Text)]
    source_id: String,
    #[diesel(sql_type = SqlUuid)]
    plan_uuid: Uuid,
    #[diesel(sql_type = Text)]
    plan_title: String,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
}

impl From<SourceSqlRow> for SourceRow {
    fn from(row: SourceSqlRow) -> Self {
        Self {
            license: LicenseId(row.license_uuid),
            email: row.user_email,
            source: row.source_id,
            plan: PlanId(row.plan_uuid),
            plan_title: row.plan_title,
            created: row.created,
        }
    }
}

#[derive(QueryableByName)]
struct SentSqlRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    enterprise_customer_uuid: Uuid,
    #[diesel(sql_type = BigInt)]
    enterprise_customer_user_id: i64,
    #[diesel(sql_type = SqlUuid)]
    plan_uuid: Uuid,
    #[diesel(sql_type = Text)]
    plan_title: String,
    #[diesel(sql_type = Text)]
    notification_type: String,
    #[diesel(sql_type = SqlTimestamp)]
    last_sent: DateTime<Utc>,
}

impl From<SentSqlRow> for SentRow {
    fn from(row: SentSqlRow) -> Self {
        Self {
            id: NotificationId(row.id),
            customer: CustomerId(row.enterprise_customer_uuid),
            customer_user: row.enterprise_customer_user_id,
            plan: PlanId(row.plan_uuid),
            plan_title: row.plan_title,
            kind: row.notification_type,
            last_sent: row.last_sent,
        }
    }
}

#[derive(QueryableByName)]
struct MarkSqlRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    license_uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    user_email: Option<String>,
    #[diesel(sql_type = SqlUuid)]
    plan_uuid: Uuid,
    #[diesel(sql_type = Text)]
    plan_title: String,
    #[diesel(sql_type = Text)]
    event_name: String,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
}

impl From<MarkSqlRow> for MarkRow {
    fn from(row: MarkSqlRow) -> Self {
        Self {
            id: LicenseEventId(row.id),
            license: LicenseId(row.license_uuid),
            email: row.user_email,
            plan: PlanId(row.plan_uuid),
            plan_title: row.plan_title,
            event_name: row.event_name,
            created: row.created,
        }
    }
}

#[derive(QueryableByName)]
struct FootprintSqlRow {
    #[diesel(sql_type = BigInt)]
    messages: i64,
    #[diesel(sql_type = BigInt)]
    versions: i64,
    #[diesel(sql_type = BigInt)]
    enrollments: i64,
}

/// What a user changed in rows of any kind. What was changed at one moment is one row.
fn changes_of(limit: i64) -> String {
    let of_table = |name: &str, key: &str| {
        // Only the histories of licenses can be long; no index of theirs has the user.
        let versions = if name.starts_with("license") && name != "license_transfer_job" {
            format!("(SELECT * FROM {name}_history ORDER BY history_id DESC LIMIT {VERSIONS_LOOKED_AT}) AS recent")
        } else {
            format!("{name}_history AS recent")
        };
        format!(
            "SELECT * FROM (
                 SELECT '{name}' AS table_name, min(CAST({key} AS text)) AS row_key, count(*) AS number, history_date,
                        CAST(history_type AS text) AS kind, history_change_reason AS reason
                 FROM {versions} WHERE history_user = $1
                 GROUP BY history_date, history_type, history_change_reason
                 ORDER BY history_date DESC LIMIT {limit}
             ) AS of_{name}"
        )
    };
    let of_tables: Vec<String> = WITH_HISTORY.iter().map(|table| of_table(table.name, table.key)).collect();
    format!(
        "SELECT * FROM ({}) AS changed ORDER BY history_date DESC, table_name, kind, row_key LIMIT {limit}",
        of_tables.join(" UNION ALL ")
    )
}

for_both_stores! {
    impl ConsoleRecords for Store {
        fn user_rows(&self, filters: &UserFilters, slice: Slice) -> Result<ListPage<UserRow>, Error> {
            let rows = matching_users(&Self::DIALECT, filters);
            let list = format!(
                "SELECT username, email, is_staff, is_superuser, created, modified,
                        (SELECT count(*) FROM role_assignment WHERE role_assignment.username = users.username) AS roles
                 {rows} {}",
                part(slice, &["username"])
            );
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(users(counted(&rows), filters))?),
                rows: converted(self.rows::<UserSqlRow>(users(list, filters))?)?,
            })
        }

        fn changes_of_user(&self, username: &str, limit: i64) -> Result<Vec<ChangeRow>, Error> {
            let query = sql_query(changes_of(limit.max(0))).bind::<Text, _>(username.to_owned());
            converted(self.rows::<ChangeSqlRow>(query)?)
        }

        fn source_rows(
            &self,
            source: Option<&str>,
            email: Option<&str>,
            slice: Slice,
        ) -> Result<ListPage<SourceRow>, Error> {
            // Each has a license and a plan. With inner joins, SQLite would look through all licenses for the total.
            let rows = format!(
                "FROM license_source AS source
                 LEFT JOIN license ON license.uuid = source.license_uuid
                 LEFT JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
                 WHERE {} AND {}",
                if_given(source.is_some(), &["$1"], "source.source_id = $1"),
                if_given(email.is_some(), &["$2"], "license.user_email = $2")
            );
            let list = format!(
                "SELECT source.license_uuid, license.user_email, source.source_id, plan.uuid AS plan_uuid,
                        plan.title AS plan_title, source.created
                 {rows} {}",
                part(slice, &["source.source_id", "source.license_uuid"])
            );
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(sources(counted(&rows), source, email))?),
                rows: converted(self.rows::<SourceSqlRow>(sources(list, source, email))?)?,
            })
        }

        fn sent_rows(&self, filters: &SentFilters, slice: Slice) -> Result<ListPage<SentRow>, Error> {
            let rows = format!(
                "FROM notification AS sent
                 JOIN subscription_plan AS plan ON plan.uuid = sent.subscription_plan_uuid
                 WHERE {} AND {} AND {}",
                if_given(filters.plan.is_some(), &["$1"], "sent.subscription_plan_uuid = $1"),
                if_given(filters.title.is_some(), &["$2"], "lower(plan.title) LIKE $2 ESCAPE '\\'"),
                if_given(filters.kind.is_some(), &["$3"], "sent.notification_type = $3")
            );
            let list = format!(
                "SELECT sent.id, sent.enterprise_customer_uuid, sent.enterprise_customer_user_id, plan.uuid AS plan_uuid,
                        plan.title AS plan_title, sent.notification_type, sent.last_sent
                 {rows} {}",
                part(slice, &["sent.last_sent DESC", "sent.id DESC"])
            );
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(sent(counted(&rows), filters))?),
                rows: converted(self.rows::<SentSqlRow>(sent(list, filters))?)?,
            })
        }

        fn mark_rows(&self, filters: &MarkFilters, slice: Slice) -> Result<ListPage<MarkRow>, Error> {
            let rows = matching_marks(filters);
            let list = format!(
                "SELECT mark.id, mark.license_uuid, license.user_email, plan.uuid AS plan_uuid, plan.title AS plan_title,
                        mark.event_name, mark.created
                 {rows} {}",
                part(slice, &["mark.id DESC"])
            );
            Ok(ListPage {
                total: number(self.rows::<NumberRow>(marks(counted(&rows), filters))?),
                rows: converted(self.rows::<MarkSqlRow>(marks(list, filters))?)?,
            })
        }

        fn footprint(&self, lms_user_id: Option<LmsUserId>, licenses: &[LicenseId]) -> Result<Footprint, Error> {
            let ids = serde_json::to_string(&licenses.iter().map(|license| license.0).collect::<Vec<_>>());
            let of_them = |column: &str| Self::DIALECT.is_one_of(column, "$1");
            let query = sql_query(format!(
                "SELECT (SELECT count(*) FROM outbox WHERE parked_at IS NULL AND {message})
                        + (SELECT count(*) FROM outbox WHERE parked_at IS NOT NULL AND {message}) AS messages,
                        (SELECT count(*) FROM license_history WHERE {version}) AS versions,
                        (SELECT count(*) FROM bulk_enrollment_job WHERE lms_user_id = $2) AS enrollments",
                message = of_them("license_uuid"),
                version = of_them("uuid")
            ))
            .bind::<Text, _>(ids.map_err(Error::internal)?)
            .bind::<Nullable<BigInt>, _>(lms_user_id.map(|id| id.0));
            let found = self.rows::<FootprintSqlRow>(query)?.pop();
            Ok(found.map_or_else(Footprint::default, |row| Footprint {
                messages: row.messages,
                enrollments: row.enrollments,
                versions: row.versions,
            }))
        }
    }
}
