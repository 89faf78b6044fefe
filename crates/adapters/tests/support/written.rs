//! What a store wrote, read past it.

use std::sync::Arc;

use chrono::DateTime;
use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;
use license_manager_contract::{Database, HistoryEntry, Told, Waiting};
use license_manager_domain::ports::Store;
use license_manager_domain::{CustomerId, Email, LicenseId, LicenseStatus, LmsUserId};

use crate::traces;

/// A row that either database returns.
pub trait Row: QueryableByName<Pg> + QueryableByName<Sqlite> + 'static {}

impl<R: QueryableByName<Pg> + QueryableByName<Sqlite> + 'static> Row for R {}

/// A store, and its database outside of it.
pub trait Outside: Sync {
    /// The time of a version in microseconds.
    const MICROS: &'static str;

    /// The present.
    const NOW: &'static str;

    fn store(&self) -> Arc<dyn Store>;

    fn rows<R: Row>(&self, query: &str) -> Vec<R>;

    fn execute(&self, statements: &str);
}

#[derive(QueryableByName)]
struct HistoryRow {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    history_user: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    history_change_reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    micros: i64,
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
    license: Option<String>,
    #[diesel(sql_type = Text)]
    payload: String,
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    text: String,
}

/// What the contract looks at.
pub struct Written<D>(pub D);

impl<D: Outside> Database for Written<D> {
    fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry> {
        let key = match table {
            "product" | "notification" | "license_event" | "subscription_plan_renewal" | "license_transfer_job" => "id",
            "license_source" => "license_uuid",
            _ => "uuid",
        };
        let rows: Vec<HistoryRow> = self.0.rows(&format!(
            "SELECT CAST(history_type AS text) AS kind, history_user, history_change_reason, {} AS micros
             FROM {table}_history WHERE CAST({key} AS text) = '{id}' ORDER BY history_id",
            D::MICROS
        ));
        let entry = |row: HistoryRow| HistoryEntry {
            kind: row.kind.parse().unwrap(),
            user: row.history_user,
            reason: row.history_change_reason,
            at: DateTime::from_timestamp_micros(row.micros).unwrap(),
        };
        rows.into_iter().map(entry).collect()
    }

    fn told_of(&self, license: LicenseId) -> Vec<Told> {
        let rows: Vec<ToldRow> = self.0.rows(&format!(
            "SELECT status, user_email, lms_user_id, activation_key IS NOT NULL AS has_key
             FROM license_history WHERE uuid = '{license}' ORDER BY history_id"
        ));
        let told = |row: ToldRow| Told {
            status: LicenseStatus::from_name(&row.status).unwrap(),
            email: row.user_email.map(Email::from_storage),
            lms_user_id: row.lms_user_id.map(LmsUserId),
            has_key: row.has_key,
        };
        rows.into_iter().map(told).collect()
    }

    fn outbox(&self) -> Vec<Waiting> {
        let query = "SELECT topic, CAST(license_uuid AS text) AS license, payload FROM outbox ORDER BY position";
        let waiting = |row: OutboxRow| Waiting {
            topic: row.topic,
            license: row.license.map(|id| LicenseId(id.parse().unwrap())),
            payload: row.payload,
        };
        self.0.rows::<OutboxRow>(query).into_iter().map(waiting).collect()
    }

    fn words(&self) -> i64 {
        texts(&self.0, "SELECT CAST(count(*) AS text) AS text FROM outbox_words")[0].parse().unwrap()
    }

    fn source(&self, license: LicenseId) -> Option<String> {
        texts(&self.0, &format!("SELECT source_id AS text FROM license_source WHERE license_uuid = '{license}'")).pop()
    }

    fn add_role(&self, username: &str, role: &str, customer: Option<CustomerId>) {
        let customer = customer.map_or("NULL".to_owned(), |customer| format!("'{customer}'"));
        self.0.execute(&format!(
            "INSERT INTO role_assignment (username, role, enterprise_customer_uuid, created)
             VALUES ('{username}', '{role}', {customer}, {})",
            D::NOW
        ));
    }

    fn within_a_trace(&self, work: &mut dyn FnMut()) -> Option<String> {
        Some(traces::within_a_trace(work))
    }
}

/// The links of licenses and of their history, as text.
pub fn links(database: &impl Outside) -> Vec<String> {
    texts(
        database,
        "SELECT concat_ws(' ', uuid, status, 'continues', renewed_from_uuid) AS text FROM license
         UNION ALL
         SELECT concat_ws(' ', history_id, uuid, status, 'continues', renewed_from_uuid) FROM license_history
         ORDER BY text",
    )
}

fn texts(database: &impl Outside, query: &str) -> Vec<String> {
    database.rows::<TextRow>(query).into_iter().map(|row| row.text).collect()
}
