//! The baseline of the server's writes: the same rows, written by hand in one transaction on one connection.

mod postgres;
mod sqlite;

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

use crate::measure::time;

/// The columns of a license that its history copies.
const LICENSE: &str = "uuid, subscription_plan_uuid, status, user_email, lms_user_id, activation_key, assigned_date, \
                       activation_date, last_remind_date, revoked_date, renewed_to_uuid, auto_applied, created, modified, \
                       renewed_from_uuid";

/// The event name of an assignment.
const ASSIGNED: &str = "edx.server.license-manager.license-lifecycle.assigned";

/// The event name of an activation.
const ACTIVATED: &str = "edx.server.license-manager.license-lifecycle.activated";

/// The names in addresses of filled plans.
const NAMES: [&str; 50] = [
    "amy", "bob", "carla", "dmitri", "elena", "farid", "grace", "hannah", "ivan", "julia", "kofi", "lena", "mario",
    "nadia", "omar", "petra", "quinn", "rosa", "sven", "tara", "umar", "vera", "wanda", "xavier", "yusuf", "zoe",
    "martin", "susan", "peter", "paula", "oscar", "nora", "milan", "laura", "klaus", "jonas", "irene", "hugo",
    "gloria", "felix", "esther", "david", "clara", "bruno", "astrid", "boris", "celia", "diego", "edith", "frank",
];

/// The most licenses that are filled in a transaction, so that logs stay small.
const SLICE: usize = 500_000;

/// A connection to the server's database.
pub enum Sql {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// The rows of a plan, and the size of its messages' payloads.
#[derive(Debug, QueryableByName)]
pub struct Written {
    #[diesel(sql_type = BigInt)]
    pub licenses: i64,
    #[diesel(sql_type = BigInt)]
    pub history: i64,
    #[diesel(sql_type = BigInt)]
    pub messages: i64,
    /// In characters.
    #[diesel(sql_type = BigInt)]
    pub payload: i64,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Sql {
    /// Connects to the database at this URL. SQLite waits for the disk as `synchronous` says.
    pub fn connect(url: &str, synchronous: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).expect("the file is opened");
                connection.batch_execute(&sqlite::settings(synchronous)).expect("the settings are taken");
                Self::Sqlite(connection)
            }
            None => Self::Postgres(PgConnection::establish(url).expect("the database is connected to")),
        }
    }

    /// The database's name, version and performance settings.
    pub fn name(&mut self) -> String {
        let query = match self {
            Self::Postgres(_) => {
                "SELECT 'Postgres ' || current_setting('server_version') || ', fsync ' || current_setting('fsync') AS name"
            }
            Self::Sqlite(_) => {
                "SELECT 'SQLite ' || sqlite_version() || ', synchronous '
                        || CASE synchronous WHEN 2 THEN 'full' WHEN 1 THEN 'normal' ELSE synchronous END AS name
                 FROM pragma_synchronous"
            }
        };
        self.row::<Name>(query).name
    }

    /// Updates Postgres's statistics, as autovacuum does every minute. SQLite needs none.
    pub fn analyze(&mut self) {
        if let Self::Postgres(connection) = self {
            connection.batch_execute("VACUUM ANALYZE").expect("the tables are looked at");
        }
    }

    /// Gives a plan this many licenses, of which half are assigned, each with a version in the history.
    pub fn fill(&mut self, plan: &str, licenses: usize) {
        // Addresses and activation keys go to random places of their indexes.
        if let Self::Sqlite(connection) = self {
            connection.batch_execute("PRAGMA cache_size = -4000000").expect("the setting is taken");
        }
        for first in (1..=licenses).step_by(SLICE) {
            let numbers = first..(first + SLICE).min(licenses + 1);
            let statements = match self {
                Self::Postgres(_) => postgres::fill(plan, numbers, licenses),
                Self::Sqlite(_) => sqlite::fill(plan, numbers, licenses),
            };
            self.timed(&statements);
        }
        if let Self::Sqlite(connection) = self {
            connection.batch_execute("PRAGMA cache_size = -8000; PRAGMA shrink_memory").expect("the setting is taken");
        }
    }

    /// Assigns a license to each of these people.
    pub fn assign(&mut self, plan: &str, emails: &[String]) -> Duration {
        let statements = match self {
            Self::Postgres(_) => postgres::assign(plan, emails),
            Self::Sqlite(_) => sqlite::assign(plan, emails),
        };
        self.timed(&statements)
    }

    /// Activates the license with this key.
    pub fn activate(&mut self, key: &str, user_id: i64) -> Duration {
        let statements = match self {
            Self::Postgres(_) => postgres::activate(key, user_id),
            Self::Sqlite(_) => sqlite::activate(key, user_id),
        };
        self.timed(&statements)
    }

    /// Adds this many licenses to a plan.
    pub fn provision(&mut self, plan: &str, licenses: usize) -> Duration {
        let statements = match self {
            Self::Postgres(_) => postgres::provision(plan, licenses),
            Self::Sqlite(_) => sqlite::provision(plan, licenses),
        };
        self.timed(&statements)
    }

    /// Whether the plan has an unfinished job. Much cheaper than counting its licenses.
    pub fn has_job(&mut self, plan: &str) -> bool {
        let query = format!("SELECT count(*) AS number FROM plan_job WHERE subscription_plan_uuid = '{plan}'");
        self.row::<Number>(&query).number > 0
    }

    /// Counts the rows of a plan.
    pub fn written(&mut self, plan: &str) -> Written {
        let of_plan = format!("WHERE subscription_plan_uuid = '{plan}'");
        self.row(&format!(
            "SELECT (SELECT count(*) FROM license {of_plan}) AS licenses,
                    (SELECT count(*) FROM license_history {of_plan}) AS history,
                    (SELECT count(*) FROM outbox {of_plan}) AS messages,
                    (SELECT coalesce(sum(length(payload)), 0) FROM outbox {of_plan}) AS payload"
        ))
    }

    /// The size of the database in bytes.
    pub fn size(&mut self) -> u64 {
        let query = match self {
            Self::Postgres(_) => "SELECT pg_database_size(current_database()) AS number",
            Self::Sqlite(_) => "SELECT page_count * page_size AS number FROM pragma_page_count, pragma_page_size",
        };
        self.row::<Number>(query).number.try_into().expect("a size is positive")
    }

    fn timed(&mut self, statements: &str) -> Duration {
        let (result, duration) = time(|| match self {
            Self::Postgres(connection) => connection.batch_execute(statements),
            Self::Sqlite(connection) => connection.batch_execute(statements),
        });
        result.expect("the SQL runs");
        duration
    }

    fn row<T>(&mut self, query: &str) -> T
    where
        T: QueryableByName<diesel::pg::Pg> + QueryableByName<diesel::sqlite::Sqlite> + 'static,
    {
        let row = match self {
            Self::Postgres(connection) => sql_query(query).get_result(connection),
            Self::Sqlite(connection) => sql_query(query).get_result(connection),
        };
        row.expect("the query runs")
    }
}
