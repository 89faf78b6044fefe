//! Runs the storage contract on Postgres.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use license_manager_adapters::postgres::PostgresStore;
use license_manager_contract::{Database, HistoryEntry, Told, Waiting, contract_suite};
use license_manager_domain::ports::Store;
use license_manager_domain::{CustomerId, Email, LicenseId, LicenseStatus, LmsUserId};
use uuid::Uuid;

mod support;
#[path = "support/traces.rs"]
mod traces;

use support::PostgresDatabase;

contract_suite!(on_the_server);

fn on_the_server() -> OnTheServer {
    let (store, database) = support::postgres_store();
    OnTheServer { store: Arc::new(store), database }
}

struct OnTheServer {
    // Dropped before the database it is connected to.
    store: Arc<PostgresStore>,
    database: PostgresDatabase,
}

#[derive(QueryableByName)]
struct HistoryRow {
    #[diesel(sql_type = Text)]
    history_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    history_user: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    history_change_reason: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    history_date: DateTime<Utc>,
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
    #[diesel(sql_type = Nullable<SqlUuid>)]
    license_uuid: Option<Uuid>,
    #[diesel(sql_type = Text)]
    payload: String,
}

#[derive(QueryableByName)]
struct SourceRow {
    #[diesel(sql_type = Text)]
    source_id: String,
}

impl Database for OnTheServer {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry> {
        let key = match table {
            "product" | "notification" | "license_event" | "subscription_plan_renewal" | "license_transfer_job" => "id",
            "license_source" => "license_uuid",
            _ => "uuid",
        };
        let rows: Vec<HistoryRow> = diesel::sql_query(format!(
            "SELECT history_type::text, history_user, history_change_reason, history_date
             FROM {table}_history WHERE {key}::text = $1 ORDER BY history_id"
        ))
        .bind::<Text, _>(id)
        .load(&mut self.database.connection())
        .unwrap();
        rows.into_iter()
            .map(|row| HistoryEntry {
                kind: row.history_type.parse().unwrap(),
                user: row.history_user,
                reason: row.history_change_reason,
                at: row.history_date,
            })
            .collect()
    }

    fn told_of(&self, license: LicenseId) -> Vec<Told> {
        let rows: Vec<ToldRow> = diesel::sql_query(
            "SELECT status, user_email, lms_user_id, activation_key IS NOT NULL AS has_key
             FROM license_history WHERE uuid = $1 ORDER BY history_id",
        )
        .bind::<SqlUuid, _>(license.0)
        .load(&mut self.database.connection())
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
                .load(&mut self.database.connection())
                .unwrap();
        rows.into_iter()
            .map(|row| Waiting { topic: row.topic, license: row.license_uuid.map(LicenseId), payload: row.payload })
            .collect()
    }

    fn words(&self) -> i64 {
        let number = diesel::dsl::sql::<diesel::sql_types::BigInt>("(SELECT count(*) FROM outbox_words)");
        diesel::select(number).get_result(&mut self.database.connection()).unwrap()
    }

    fn source(&self, license: LicenseId) -> Option<String> {
        let found: Option<SourceRow> =
            diesel::sql_query("SELECT source_id FROM license_source WHERE license_uuid = $1")
                .bind::<SqlUuid, _>(license.0)
                .get_result(&mut self.database.connection())
                .optional()
                .unwrap();
        found.map(|row| row.source_id)
    }

    fn within_a_trace(&self, work: &mut dyn FnMut()) -> Option<String> {
        Some(traces::within_a_trace(work))
    }

    fn add_role(&self, username: &str, role: &str, customer: Option<CustomerId>) {
        diesel::sql_query(
            "INSERT INTO role_assignment (username, role, enterprise_customer_uuid, created) VALUES ($1, $2, $3, now())",
        )
        .bind::<Text, _>(username)
        .bind::<Text, _>(role)
        .bind::<Nullable<SqlUuid>, _>(customer.map(|customer| customer.0))
        .execute(&mut self.database.connection())
        .unwrap();
    }
}

/// The links of licenses and of their history, as text.
fn links(connection: &mut PgConnection) -> Vec<String> {
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
    const UP: &str = include_str!("../../../migrations/postgres/2026-11-29-000028_renewed_from/up.sql");
    const DOWN: &str = include_str!("../../../migrations/postgres/2026-11-29-000028_renewed_from/down.sql");
    let database = on_the_server();
    license_manager_contract::following::free_licenses_go_to_who_waits(&database);
    let mut connection = database.database.connection();
    let written = links(&mut connection);
    assert!(written.len() > 20, "{written:#?}");
    connection.batch_execute(&format!("BEGIN; {DOWN} {UP} COMMIT")).unwrap();
    assert_eq!(links(&mut connection), written);
}
