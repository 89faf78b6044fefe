//! Runs the storage contract on SQLite.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use license_manager_adapters::sqlite::{OnStatement, SqliteOptions, SqliteStore, Synchronous};
use license_manager_contract::{Database, HistoryEntry, Told, Waiting, contract_suite};
use license_manager_domain::ports::Store;
use license_manager_domain::{CustomerId, Email, LicenseId, LicenseStatus, LmsUserId};
use tempfile::TempDir;
use uuid::Uuid;

#[path = "support/traces.rs"]
mod traces;

contract_suite!(in_a_file);

fn in_a_file() -> InAFile {
    let directory = TempDir::new().unwrap();
    let statements: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noted = statements.clone();
    let on_statement: OnStatement = Arc::new(move |sql| {
        noted.lock().unwrap().insert(sql.to_owned());
    });
    let store = SqliteStore::open(&SqliteOptions {
        path: directory.path().join("test.db"),
        pool_size: 4,
        connect_timeout: Duration::from_secs(60),
        busy_timeout: Duration::from_secs(60),
        synchronous: Synchronous::Full,
        on_statement: Some(on_statement),
    })
    .unwrap();
    store.migrate().unwrap();
    InAFile { store, statements, _directory: directory }
}

struct InAFile {
    store: SqliteStore,
    /// The statements that ran.
    statements: Arc<Mutex<BTreeSet<String>>>,
    _directory: TempDir,
}

impl InAFile {
    /// A connection outside of the store.
    fn connection(&self) -> SqliteConnection {
        SqliteConnection::establish(self.store.path().to_str().unwrap()).unwrap()
    }
}

/// Every test of the contract also checks that licenses which are looked up are found by an index: their statements do
/// not walk a plan. The plans depend on the schema alone, because the database has no statistics.
impl Drop for InAFile {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut connection = self.connection();
        let statements = std::mem::take(&mut *self.statements.lock().unwrap());
        let looks_up = |sql: &&String| sql.starts_with("SELECT `license`.`uuid`, `license`.`subscription_plan_uuid`");
        for sql in statements.iter().filter(looks_up) {
            let steps: Vec<Step> =
                diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(&mut connection).unwrap();
            let walks = |step: &Step| {
                step.detail.contains("license_by_plan (subscription_plan_uuid=?)") || step.detail == "SCAN license"
            };
            assert!(!steps.iter().any(walks), "this statement walks a plan: {sql}");
        }
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct HistoryRow {
    #[diesel(sql_type = Text)]
    history_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    history_user: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    history_change_reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    history_date: i64,
}

#[derive(QueryableByName)]
struct ToldRow {
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    user_email: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    lms_user_id: Option<i64>,
    #[diesel(sql_type = Bool)]
    has_key: bool,
}

#[derive(QueryableByName)]
struct OutboxRow {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Nullable<Text>)]
    license_uuid: Option<String>,
    #[diesel(sql_type = Text)]
    payload: String,
}

#[derive(QueryableByName)]
struct SourceRow {
    #[diesel(sql_type = Text)]
    source_id: String,
}

impl Database for InAFile {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry> {
        let key = match table {
            "product" | "notification" | "license_event" | "subscription_plan_renewal" | "license_transfer_job" => "id",
            "license_source" => "license_uuid",
            _ => "uuid",
        };
        let rows: Vec<HistoryRow> =
            diesel::sql_query(format!("SELECT * FROM {table}_history WHERE {key} = ? ORDER BY history_id"))
                .bind::<Text, _>(id)
                .load(&mut self.connection())
                .unwrap();
        rows.into_iter()
            .map(|row| HistoryEntry {
                kind: row.history_type.parse().unwrap(),
                user: row.history_user,
                reason: row.history_change_reason,
                at: DateTime::from_timestamp_micros(row.history_date).unwrap(),
            })
            .collect()
    }

    fn told_of(&self, license: LicenseId) -> Vec<Told> {
        let rows: Vec<ToldRow> = diesel::sql_query(
            "SELECT status, user_email, lms_user_id, activation_key IS NOT NULL AS has_key
             FROM license_history WHERE uuid = ? ORDER BY history_id",
        )
        .bind::<Text, _>(license.to_string())
        .load(&mut self.connection())
        .unwrap();
        rows.into_iter()
            .map(|row| Told {
                status: LicenseStatus::from_name(&row.status).unwrap(),
                email: row.user_email.map(Email::from_storage),
                lms_user_id: row.lms_user_id.map(LmsUserId),
                has_key: row.has_key,
            })
            .collect()
    }

    fn outbox(&self) -> Vec<Waiting> {
        let rows: Vec<OutboxRow> =
            diesel::sql_query("SELECT topic, license_uuid, payload FROM outbox ORDER BY position")
                .load(&mut self.connection())
                .unwrap();
        rows.into_iter()
            .map(|row| Waiting {
                topic: row.topic,
                license: row.license_uuid.map(|id| LicenseId(Uuid::parse_str(&id).unwrap())),
                payload: row.payload,
            })
            .collect()
    }

    fn words(&self) -> i64 {
        let number = diesel::dsl::sql::<diesel::sql_types::BigInt>("(SELECT count(*) FROM outbox_words)");
        diesel::select(number).get_result(&mut self.connection()).unwrap()
    }

    fn source(&self, license: LicenseId) -> Option<String> {
        let found: Option<SourceRow> = diesel::sql_query("SELECT source_id FROM license_source WHERE license_uuid = ?")
            .bind::<Text, _>(license.to_string())
            .get_result(&mut self.connection())
            .optional()
            .unwrap();
        found.map(|row| row.source_id)
    }

    fn within_a_trace(&self, work: &mut dyn FnMut()) -> Option<String> {
        Some(traces::within_a_trace(work))
    }

    fn add_role(&self, username: &str, role: &str, customer: Option<CustomerId>) {
        diesel::sql_query(
            "INSERT INTO role_assignment (username, role, enterprise_customer_uuid, created) VALUES (?, ?, ?, 0)",
        )
        .bind::<Text, _>(username)
        .bind::<Text, _>(role)
        .bind::<Nullable<Text>, _>(customer.map(|customer| customer.to_string()))
        .execute(&mut self.connection())
        .unwrap();
    }
}

/// The links of licenses and of their history, as text.
fn links(connection: &mut SqliteConnection) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let query = "
        SELECT concat_ws(' ', uuid, status, 'continues', renewed_from_uuid) AS line FROM license
        UNION ALL
        SELECT concat_ws(' ', history_id, uuid, status, 'continues', renewed_from_uuid) FROM license_history
        ORDER BY line";
    let lines: Vec<Line> = diesel::sql_query(query).load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

#[test]
fn the_migration_knows_which_licenses_were_renewed() {
    const UP: &str = include_str!("../../../migrations/sqlite/2026-11-29-000028_renewed_from/up.sql");
    const DOWN: &str = include_str!("../../../migrations/sqlite/2026-11-29-000028_renewed_from/down.sql");
    let database = in_a_file();
    license_manager_contract::following::free_licenses_go_to_who_waits(&database);
    let mut connection = database.connection();
    let written = links(&mut connection);
    assert!(written.len() > 20, "{written:#?}");
    connection.batch_execute(&format!("BEGIN; {DOWN} {UP} COMMIT")).unwrap();
    assert_eq!(links(&mut connection), written);
}
